//! Objects of this wire, each with its conversion from the domain.

use async_graphql::SimpleObject;
use chrono::TimeDelta;
use nat_core::usage::UsageSummary;

use crate::scalar::Instant;

/// The running period. `scansUsed + scansRemaining == scansLimit` in every answer.
#[derive(Debug, SimpleObject)]
#[graphql(name = "Usage")]
pub(crate) struct UsageObject {
    /// Whose usage this is.
    tenant_id: String,
    /// The plan in force.
    plan: String,
    /// Functional scans used in the period.
    scans_used: u32,
    /// Functional scans the plan has a period; null: unlimited.
    scans_limit: Option<u32>,
    /// Functional scans left; null: unlimited.
    scans_remaining: Option<u32>,
    /// Security scans used in the period.
    security_scan_count: u32,
    /// Security scans the plan has a period; null: unlimited.
    monthly_security_scan_quota: Option<u32>,
    /// True from 80 % of either quota.
    approaching_limit: bool,
    /// The instant after the period.
    quota_reset_date: Instant,
    /// The first instant of the period.
    period_start: Instant,
    /// The last second of the period.
    period_end: Instant,
}

impl From<UsageSummary> for UsageObject {
    fn from(usage: UsageSummary) -> Self {
        Self {
            tenant_id: usage.tenant_id.to_string(),
            plan: usage.plan_id.to_string(),
            scans_used: usage.scans_used,
            scans_limit: usage.scans_limit,
            scans_remaining: usage.scans_remaining,
            security_scan_count: usage.security_scan_count,
            monthly_security_scan_quota: usage.monthly_security_scan_quota,
            approaching_limit: usage.approaching_limit,
            quota_reset_date: Instant(usage.period.end),
            period_start: Instant(usage.period.start),
            period_end: Instant(usage.period.end - TimeDelta::seconds(1)),
        }
    }
}
