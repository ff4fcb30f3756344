//! Who are you, what may you do, how much is left.
//!
//! The domain of NAT without any wire: tenants, API keys, plans, the quota ledger, rate limits, the audit log and
//! the job queue. It knows no HTTP, no GraphQL and (without the feature `sea-orm`) no database: everything outside
//! is a port that the caller passes in, the clock and randomness included.

pub mod access;
pub mod actor;
pub mod admission;
pub mod audit;
pub mod entitlement;
pub mod entropy;
pub mod error;
pub mod id;
pub mod job;
pub mod page;
pub mod period;
pub mod plan;
pub mod quota;
pub mod rate_limit;
pub mod secret;
pub mod store;
pub mod tenant;
pub mod time;
pub mod usage;

#[cfg(feature = "sea-orm")]
pub mod db;

pub use actor::{Actor, Scope, Scopes};
pub use error::{Error, ErrorCode, Result};
pub use id::{KeyId, PlanId, ScanId, TenantId};
