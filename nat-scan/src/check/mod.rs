//! Checks: one file a check, pure over exchanges.

pub mod functional;
pub mod security;
