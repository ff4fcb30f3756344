//! The router over the real services and a fresh database of every configured kind.

mod app;
mod billing;
mod docs;
mod errors;
mod headers;
mod isolation;
mod keys;
mod order;
mod scans;
mod telemetry;
