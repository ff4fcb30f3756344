//! A scan engine that finds contract and security defects in HTTP APIs and proves what it reports.
//!
//! Without features this is the engine and its checks over a [`transport::Transport`]: no database, no tenant, no
//! ambient clock. The feature `store` adds the service that keeps scans in nat-core's store.
//!
//! The path of a scan: [`spec`] reads any OpenAPI document into one internal [`spec::Api`]; [`generate`] turns each
//! operation into labelled cases and renders them to bytes; [`transport`] sends them under the limits of [`policy`];
//! [`classify`] says what the sent bytes really were; [`check`]s judge the exchange; the [`engine`] repeats what looks
//! wrong and yields [`engine::event::Event`]s; [`report`]s write the outcome; [`replay`] asks later whether a finding is
//! still there.

pub mod callback;
pub mod chain;
pub mod check;
pub mod classify;
pub mod engine;
pub mod finding;
pub mod gate;
pub mod generate;
pub mod identity;
pub mod journal;
pub mod policy;
pub mod replay;
pub mod report;
pub mod schema;
pub mod spec;
pub mod transport;

#[cfg(feature = "store")]
pub mod db;
#[cfg(feature = "store")]
pub mod service;
