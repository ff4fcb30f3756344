//! The cases of billing, B1 to B57 and Q18 to Q23, each a test of that number: over the real store (SQLite always,
//! PostgreSQL when `NAT_TEST_POSTGRES` is set), and over a Stripe that listens on loopback. The cases of the wire are in
//! nat-rest, those of the configuration in the root package; `tests/it/cases.rs` counts them all.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on must fail")]

mod checkout;
mod delivery;
mod lifecycle;
mod order;
mod quota;
mod shop;
mod signature;
mod sync;
mod world;
