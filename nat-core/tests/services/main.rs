//! The services over the real store: SQLite always, PostgreSQL when `NAT_TEST_POSTGRES` is set.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on must fail")]

mod access;
mod quota;
mod world;
