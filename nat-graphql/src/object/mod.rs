//! Objects of this wire, one file an area, each with its conversion from the domain.

mod billing;
mod finding;
mod key;
mod plan;
mod scan;
mod tenant;
mod usage;

use async_graphql::{ID, Interface};

pub(crate) use billing::BillingObject;
pub(crate) use finding::{FindingFilterInput, FindingObject, FindingTotals, TriageStatusEnum};
pub(crate) use key::ApiKeyObject;
pub(crate) use plan::PlanObject;
pub(crate) use scan::{
    OrderDirection, ReportFormat, ReportObject, ScanFilterInput, ScanObject, ScanOrderInput, ScanTotals,
};
pub(crate) use tenant::{TenantObject, ViewerObject};
pub(crate) use usage::{LedgerEntryObject, UsageAlertObject, UsageObject};

/// Something with a global id.
#[derive(Interface)]
#[graphql(field(name = "id", ty = "ID", desc = "The global id; opaque."))]
pub(crate) enum Node {
    Tenant(TenantObject),
    Plan(PlanObject),
    ApiKey(ApiKeyObject),
    Scan(ScanObject),
    Finding(FindingObject),
}

/// Counters of the domain are wider than `Int`; what does not fit is shown as the largest one.
pub(crate) fn int(count: u64) -> i32 {
    i32::try_from(count).unwrap_or(i32::MAX)
}
