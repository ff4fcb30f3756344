//! Tests of the whole: the layout of the house, the binary, servers under load and under the knife.

mod auth;
mod authz;
mod billing;
mod cases;
mod cli;
mod determinism;
mod docs;
mod engine;
mod farm;
mod findings;
mod graphql;
mod hostile;
mod layout;
mod parity;
mod process;
mod resume;
mod safety;
mod sample;
mod server;
mod verify;
