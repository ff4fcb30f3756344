//! Usage as tenants see it: the summary, the alert history, the ledger.

use std::sync::Arc;

use chrono::{DateTime, Utc};

use crate::{
    Actor, PlanId, Result, TenantId,
    page::{Page, PageRequest, Slice},
    period::Period,
    plan::PlanCatalogue,
    quota::{LedgerEntry, QuotaKind},
    store::CoreStore,
    time::Clock,
};

/// One consistent snapshot: used + remaining == limit in every one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UsageSummary {
    /// Whose.
    pub tenant_id: TenantId,
    /// The plan in force.
    pub plan_id: PlanId,
    /// Functional scans used in the period.
    pub scans_used: u32,
    /// `None` is unlimited.
    pub scans_limit: Option<u32>,
    /// `limit - used`, never below 0; `None` is unlimited. When a downgrade leaves used above the limit,
    /// `scans_used` is capped at the limit so that the sum holds.
    pub scans_remaining: Option<u32>,
    /// Security scans used in the period.
    pub security_scan_count: u32,
    /// `None` is unlimited.
    pub monthly_security_scan_quota: Option<u32>,
    /// From 80 % of either quota.
    pub approaching_limit: bool,
    /// The period.
    pub period: Period,
}

/// A threshold that was crossed; once a period, kind and threshold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UsageAlert {
    /// `alert_…`
    pub id: String,
    /// Which quota.
    pub kind: QuotaKind,
    /// 80 or 100.
    pub threshold_percent: u8,
    /// Units used when it was crossed.
    pub used: u32,
    /// The limit then.
    pub limit: u32,
    /// Start of the period.
    pub period_start: DateTime<Utc>,
    /// A sentence for people.
    pub message: String,
    /// When.
    pub created_at: DateTime<Utc>,
}

/// The use cases of usage.
#[derive(Clone)]
pub struct Usage {
    #[expect(dead_code, reason = "the core lands next")]
    store: Arc<dyn CoreStore>,
    #[expect(dead_code, reason = "the core lands next")]
    plans: Arc<PlanCatalogue>,
    #[expect(dead_code, reason = "the core lands next")]
    clock: Arc<dyn Clock>,
}

impl Usage {
    /// The use cases over these ports.
    #[must_use]
    pub fn new(store: Arc<dyn CoreStore>, plans: Arc<PlanCatalogue>, clock: Arc<dyn Clock>) -> Self {
        Self { store, plans, clock }
    }

    /// The summary of the running period. Scope `usage:read`.
    pub async fn summary(&self, actor: &Actor) -> Result<UsageSummary> {
        let _ = actor;
        todo!("core")
    }

    /// Alerts, newest first. Scope `usage:read`.
    pub async fn alerts(&self, actor: &Actor, page: PageRequest) -> Result<Page<UsageAlert>> {
        let _ = (actor, page);
        todo!("core")
    }

    /// The ledger of the running period, oldest first; 100 lines a slice. A bad cursor is a 422. Scope `usage:read`.
    pub async fn ledger(&self, actor: &Actor, cursor: Option<&str>) -> Result<Slice<LedgerEntry>> {
        let _ = (actor, cursor);
        todo!("core")
    }
}
