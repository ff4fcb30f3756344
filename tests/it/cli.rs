//! The binary as a user meets it: right and wrong arguments, words and exit codes.

use std::io::{Read, Write};
use std::process::{Output, Stdio};

use serde_json::Value;

use crate::process::nat;

fn run(arguments: &[&str]) -> Output {
    nat().args(arguments).stdin(Stdio::null()).output().expect("the binary runs")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[track_caller]
fn check(arguments: &[&str], code: i32, said: &str) {
    let output = run(arguments);
    let all = text(&output.stdout) + &text(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{arguments:?}: {all}");
    assert!(all.contains(said), "{arguments:?} does not say {said:?}: {all}");
}

/// The URL of something that answers 404 to its first callers.
fn answering() -> String {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("http://{}", listener.local_addr().expect("bound"));
    std::thread::spawn(move || {
        for mut socket in listener.incoming().take(8).flatten() {
            let _ = socket.read(&mut [0; 4096]);
            let _ = socket.write_all(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n");
        }
    });
    url
}

#[test]
fn wrong_arguments_are_explained_with_the_right_exit_code() {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml");
    check(&[], 2, "nat scan http://127.0.0.1:8000");
    check(&["scan", "--help"], 0, "Exit codes: 0 passed");
    check(&["scan", "not a url"], 2, "relative URL without a base");
    check(&["scan", "ftp://127.0.0.1/"], 2, "must begin with http");
    check(&["scan", "localhost:8000"], 2, "http://localhost:8000");
    check(&["scan", "http://127.0.0.1:1", "--fail-on", "bad"], 2, "one of critical, high");
    check(&["scan", "http://127.0.0.1:1", "--format", "pdf"], 2, "one of json, html");
    check(&["scan", "http://127.0.0.1:1", "--output", "report.doc"], 2, "names no format");
    check(&["scan", "http://127.0.0.1:1", "--header", "no colon"], 2, "Name: value");
    check(&["scan", "http://127.0.0.1:1", "--concurrency", "65"], 2, "1..=64");
    check(&["scan", "http://127.0.0.1:1", "--spec", "/nonexistent.yaml"], 3, "No such file");
    check(&["scan", &answering(), "--spec", file], 3, "neither JSON nor YAML");
    check(&["scan", "http://127.0.0.1:1"], 4, "127.0.0.1:1");
    let foreign = "http://api.example.invalid";
    check(&["security-scan", foreign], 2, "--i-own-this-target");
    check(&["security", "http://192.0.2.1"], 2, "put 192.0.2.1 into");
    check(&["security", "http://127.0.0.1:1"], 4, "127.0.0.1:1");
    // With permission it is tried, and the name does not resolve.
    check(&["security", foreign, "--i-own-this-target"], 4, "api.example.invalid");
    check(&["security", foreign, "--target-allow", "*.example.invalid"], 4, "api.example.invalid");
    check(&["security", foreign, "--safe-mode"], 4, "api.example.invalid");
    check(&["security", foreign, "--target-allow", "a b"], 2, "no host name");
    check(&["worker", "--database-url", "sqlite::memory:"], 5, "needs PostgreSQL");
    check(&["serve", "--listen", "nowhere", "--mode", "cloud"], 78, "2 mistakes in the configuration");
    check(&["config", "check", "--stripe-webhook-secret", "sk_live_x"], 78, "whsec_");
    check(&["config", "check"], 0, "NAT_LISTEN");
}

#[test]
fn catalogue_that_plans_prints_is_taken_back() {
    let printed = run(&["plans"]).stdout;
    let dir = tempfile::tempdir().expect("a directory");
    let file = dir.path().join("plans.toml");
    std::fs::write(&file, &printed).expect("written");
    let again = run(&["plans", "--plans-file", file.to_str().expect("text")]).stdout;
    assert_eq!(text(&again), text(&printed));
    assert!(text(&printed).contains("id = \"enterprise\""));
}

#[test]
fn openapi_is_a_document_and_completions_are_a_script() {
    let document: Value = serde_json::from_slice(&run(&["openapi"]).stdout).expect("JSON");
    assert_eq!(document["openapi"], "3.1.0");
    for shell in ["bash", "zsh", "fish"] {
        assert!(text(&run(&["completions", shell]).stdout).contains("security-scan"), "{shell}");
    }
}

#[test]
fn operator_registers_a_tenant_and_manages_its_keys() {
    let dir = tempfile::tempdir().expect("a directory");
    let database = format!("sqlite://{}/nat.db?mode=rwc", dir.path().display());
    let nat = |arguments: &[&str]| run(&[arguments, &["--database-url", &database]].concat());
    let added = text(&nat(&["tenant", "add", "acme", "--email", "ops@acme.example", "--plan", "pro"]).stdout);
    assert!(added.contains("nat_pk_"), "{added}");
    let twice = nat(&["tenant", "add", "acme", "--email", "ops@acme.example"]);
    assert_eq!((twice.status.code(), text(&twice.stderr).contains("already registered")), (Some(1), true));
    let shown = text(&nat(&["tenant", "show", "acme"]).stdout);
    assert!(shown.contains("0 of 500"), "{shown}");
    let made = text(&nat(&["key", "create", "--tenant", "acme", "--name", "ci"]).stdout);
    let id = made.strip_prefix("nat_pk_").and_then(|rest| rest.split('_').next()).expect("a key").to_owned();
    assert!(nat(&["key", "revoke", "--tenant", "acme", &id]).status.success());
    let listed = text(&nat(&["key", "list", "--tenant", "acme"]).stdout);
    assert!(listed.lines().count() == 2 && listed.contains("revoked"), "{listed}");
    assert_eq!(nat(&["key", "list", "--tenant", "nobody"]).status.code(), Some(1));
}

#[test]
fn demo_scans_the_sample_and_ends_well() {
    let output = run(&["demo"]);
    let (said, shown) = (text(&output.stderr), text(&output.stdout));
    assert!(output.status.success(), "{said}");
    assert!(said.contains("Security scan") && said.contains("functional scans"), "{said}");
    assert!(shown.contains("curl "), "{shown}");
}
