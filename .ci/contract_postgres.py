#!/usr/bin/env python3
"""Runs the black-box contract check with each of its servers on a fresh PostgreSQL database.

Usage: contract_postgres.py PATH_TO_CONTRACT_PY PATH_TO_NAT
The server is NAT_TEST_POSTGRES or postgres://postgres@127.0.0.1:5432/postgres; the databases are dropped at the end.
"""
import importlib.util, os, subprocess, sys, uuid

ADMIN = os.environ.get("NAT_TEST_POSTGRES", "postgres://postgres@127.0.0.1:5432/postgres")
spec = importlib.util.spec_from_file_location("contract", sys.argv[1])
contract = importlib.util.module_from_spec(spec)
spec.loader.exec_module(contract)
made = []


def sql(statement):
    subprocess.run(["psql", "-q", ADMIN, "-c", statement], check=True)


class PostgresServer(contract.Server):
    def __init__(self, nat, extra_env=None, drop=()):
        name = "nat_contract_" + uuid.uuid4().hex[:12]
        sql(f"create database {name}")
        made.append(name)
        url = ADMIN.rsplit("/", 1)[0] + "/" + name
        key = "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="
        super().__init__(nat, {"DATABASE_URL": url, "NAT_SEAL_KEY": key, **(extra_env or {})}, drop)


contract.Server = PostgresServer
sys.argv = [sys.argv[1], sys.argv[2]]
try:
    contract.main()
finally:
    for name in made:
        sql(f"drop database if exists {name} with (force)")
