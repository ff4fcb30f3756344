//! Functional checks: does the API keep its contract?

mod server_error;

use chrono::{DateTime, Utc};

use super::Check;
use crate::finding::{Finding, FindingBuilder};
use crate::spec::Api;

/// Every functional check, in the order of their ids.
#[must_use]
pub fn all() -> &'static [&'static dyn Check] {
    &[&server_error::ServerError]
}

/// What is wrong with the document itself, without sending anything. Run once a scan.
#[must_use]
pub fn static_findings(api: &Api, report: &FindingBuilder, at: DateTime<Utc>) -> Vec<Finding> {
    let _ = (api, report, at);
    Vec::new()
}
