//! Usage: the summary, the ledger, the alerts.

use async_graphql::{ComplexObject, Context, SimpleObject};
use chrono::TimeDelta;
use nat_core::ScanId;
use nat_core::quota::{LedgerEntry, QuotaKind};
use nat_core::usage::{UsageAlert, UsageSummary};
use nat_scan::engine::ScanKind;

use super::ScanObject;
use super::scan::ScanKindEnum;
use crate::cost::{POINT, list};
use crate::error::{Fallible, WireError};
use crate::relay::{LedgerEntryConnection, UsageAlertConnection, window};
use crate::scalar::Instant;
use crate::viewer::Viewer;

/// The running period. `scansUsed + scansRemaining == scansLimit` in every answer.
#[derive(Debug, SimpleObject)]
#[graphql(name = "Usage", complex)]
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
    /// Functional scans above the limit, after a change to a smaller plan; nobody is charged for them.
    over_by: u32,
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

#[ComplexObject]
impl UsageObject {
    /// Every unit that moved in the running period, oldest first. Scope `usage:read`.
    #[graphql(complexity = "list(first, child_complexity)")]
    async fn ledger(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "1 to 100.")] first: i32,
        #[graphql(desc = "The cursor of the last edge that was seen.")] after: Option<String>,
    ) -> Fallible<LedgerEntryConnection> {
        let viewer = Viewer::of(context);
        let read = async {
            let window = viewer.services.usage.ledger_window(viewer.actor, &window(first, after)?).await?;
            Ok::<_, WireError>(LedgerEntryConnection::new(window))
        };
        Some(read.await)
    }

    /// Thresholds that were crossed, newest first. Scope `usage:read`.
    #[graphql(complexity = "list(first, child_complexity)")]
    async fn alerts(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "1 to 100.")] first: i32,
        #[graphql(desc = "The cursor of the last edge that was seen.")] after: Option<String>,
    ) -> Fallible<UsageAlertConnection> {
        let viewer = Viewer::of(context);
        let read = async {
            let window = viewer.services.usage.alert_window(viewer.actor, &window(first, after)?).await?;
            Ok::<_, WireError>(UsageAlertConnection::new(window))
        };
        Some(read.await)
    }
}

impl From<UsageSummary> for UsageObject {
    fn from(usage: UsageSummary) -> Self {
        Self {
            tenant_id: usage.tenant_id.to_string(),
            plan: usage.plan_id.to_string(),
            scans_used: usage.scans_used,
            scans_limit: usage.scans_limit,
            scans_remaining: usage.scans_remaining,
            over_by: usage.over_by,
            security_scan_count: usage.security_scan_count,
            monthly_security_scan_quota: usage.monthly_security_scan_quota,
            approaching_limit: usage.approaching_limit,
            quota_reset_date: Instant(usage.period.end),
            period_start: Instant(usage.period.start),
            period_end: Instant(usage.period.end - TimeDelta::seconds(1)),
        }
    }
}

/// A line of the ledger; it never changes.
#[derive(Debug, SimpleObject)]
#[graphql(name = "LedgerEntry", complex)]
pub(crate) struct LedgerEntryObject {
    /// When.
    at: Instant,
    /// What is counted.
    kind: ScanKindEnum,
    /// +1 reserved, 0 spent for good, -1 given back.
    delta: i32,
    /// The scan it belongs to.
    scan_id: String,
    /// Why: `reserved`, `committed`, `cancelled`, `unreachable` or `engine_error`.
    reason: String,
    /// Units used in the period after this line.
    balance: u32,
}

#[ComplexObject]
impl LedgerEntryObject {
    /// The scan it belongs to. Scope `scans:read`.
    #[graphql(complexity = "POINT / 100 + child_complexity")]
    async fn scan(&self, context: &Context<'_>) -> Fallible<ScanObject> {
        let loaded = Viewer::of(context).loaders.load_one(ScanId::from(self.scan_id.as_str())).await;
        loaded.map(|scan| scan.map(ScanObject::from)).transpose()
    }
}

impl From<LedgerEntry> for LedgerEntryObject {
    fn from(entry: LedgerEntry) -> Self {
        Self {
            at: Instant(entry.at),
            kind: kind_of(entry.kind),
            delta: entry.delta,
            scan_id: entry.scan_id.to_string(),
            reason: entry.reason.as_str().to_owned(),
            balance: entry.balance,
        }
    }
}

/// A threshold of a quota that was crossed: once a period, kind and threshold.
#[derive(Debug, SimpleObject)]
#[graphql(name = "UsageAlert")]
pub(crate) struct UsageAlertObject {
    /// The id that REST shows.
    alert_id: String,
    /// Which quota.
    kind: ScanKindEnum,
    /// 80 or 100.
    threshold_percent: u8,
    /// Units used when it was crossed.
    used: u32,
    /// The limit then.
    limit: u32,
    /// Start of the period.
    period_start: Instant,
    /// A sentence for people.
    message: String,
    /// When.
    created_at: Instant,
}

impl From<UsageAlert> for UsageAlertObject {
    fn from(alert: UsageAlert) -> Self {
        Self {
            alert_id: alert.id,
            kind: kind_of(alert.kind),
            threshold_percent: alert.threshold_percent,
            used: alert.used,
            limit: alert.limit,
            period_start: Instant(alert.period_start),
            message: alert.message,
            created_at: Instant(alert.created_at),
        }
    }
}

fn kind_of(kind: QuotaKind) -> ScanKindEnum {
    match kind {
        QuotaKind::Functional => ScanKind::Functional.into(),
        QuotaKind::Security => ScanKind::Security.into(),
    }
}
