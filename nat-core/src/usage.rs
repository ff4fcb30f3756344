//! Usage as tenants see it: the summary, the alert history, the ledger.

use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use moka::future::Cache;

use crate::{
    Actor, Error, PlanId, Result, Scope, TenantId,
    entitlement::Standing,
    page::{Page, PageRequest, Slice, Window, WindowRequest, cursor},
    period::Period,
    plan::{Plan, PlanCatalogue},
    quota::{LedgerEntry, QuotaKind, reaches},
    store::{CoreStore, UsageCounts},
    tenant::Tenant,
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
    /// `scans_used` is capped at the limit so that the sum holds; `over_by` says the rest.
    pub scans_remaining: Option<u32>,
    /// Functional scans above the limit, after a downgrade; nobody is charged for them.
    pub over_by: u32,
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

/// What a tenant sees of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TenantProfile {
    /// Chosen by the application that registered it.
    pub id: TenantId,
    /// Contact address, as given.
    pub email: String,
    /// Display name.
    pub name: Option<String>,
    /// The plan in force.
    pub plan: Plan,
    /// When it was registered.
    pub created_at: DateTime<Utc>,
}

/// Lines of the ledger in one slice.
const LEDGER_SLICE: u32 = 100;
/// From this part of a quota on, a tenant is warned.
const APPROACHING_PERCENT: u8 = 80;

/// How long a summary is shown again when nothing changed here. It bounds how late a plan that another process (`nat
/// tenant`) changed is seen.
const SNAPSHOT_TTL: TimeDelta = TimeDelta::milliseconds(500);
/// Tenants whose summary is kept.
const MAX_SNAPSHOTS: u64 = 10_000;

/// A summary as it was read.
struct Snapshot {
    summary: UsageSummary,
    read_at: DateTime<Utc>,
    version: u64,
}

impl Snapshot {
    /// Nothing that it says changed since, as far as this process can know.
    fn is_current(&self, version: u64, now: DateTime<Utc>) -> bool {
        let Period { start, end } = self.summary.period;
        self.version == version
            && (TimeDelta::zero()..SNAPSHOT_TTL).contains(&(now - self.read_at))
            && (start..end).contains(&now)
    }
}

/// The use cases of usage. Clones share one cache; make one per process.
#[derive(Clone)]
pub struct Usage {
    store: Arc<dyn CoreStore>,
    plans: Arc<PlanCatalogue>,
    clock: Arc<dyn Clock>,
    snapshots: Cache<TenantId, Arc<Snapshot>>,
}

impl Usage {
    /// The use cases over these ports.
    #[must_use]
    pub fn new(store: Arc<dyn CoreStore>, plans: Arc<PlanCatalogue>, clock: Arc<dyn Clock>) -> Self {
        let snapshots = Cache::builder()
            .max_capacity(MAX_SNAPSHOTS)
            // Only frees memory; what is current is decided by the clock of the ports.
            .time_to_live(SNAPSHOT_TTL.to_std().unwrap_or_default())
            .build();
        Self { store, plans, clock, snapshots }
    }

    /// The summary of the running period. Scope `usage:read`.
    ///
    /// Where this process is the only one that moves units ([`CoreStore::usage_version`]), a summary is read once and
    /// shown until the next change, for at most 500 ms; elsewhere each one is read.
    pub async fn summary(&self, actor: &Actor) -> Result<UsageSummary> {
        actor.require(Scope::UsageRead)?;
        let now = self.clock.now();
        // Asked before anything is read: what is committed meanwhile makes the snapshot obsolete.
        let Some(version) = self.store.usage_version() else { return self.read_summary(actor, now).await };
        if let Some(snapshot) = self.snapshots.get(&actor.tenant_id).await
            && snapshot.is_current(version, now)
        {
            return Ok(snapshot.summary.clone());
        }
        let summary = self.read_summary(actor, now).await?;
        let snapshot = Arc::new(Snapshot { summary: summary.clone(), read_at: now, version });
        self.snapshots.insert(summary.tenant_id.clone(), snapshot).await;
        Ok(summary)
    }

    async fn read_summary(&self, actor: &Actor, now: DateTime<Utc>) -> Result<UsageSummary> {
        let tenant = self.tenant(actor).await?;
        let Standing { plan_id, period } = tenant.entitlement.at(now);
        let counts = self.store.usage_counts(&tenant.id, period.start).await?;
        Ok(summarize(tenant.id, self.plans.get(&plan_id), counts, period))
    }

    /// Alerts, newest first. Scope `usage:read`.
    pub async fn alerts(&self, actor: &Actor, page: PageRequest) -> Result<Page<UsageAlert>> {
        actor.require(Scope::UsageRead)?;
        self.store.list_alerts(&actor.tenant_id, page).await
    }

    /// The same behind cursors. Scope `usage:read`.
    pub async fn alert_window(&self, actor: &Actor, request: &WindowRequest) -> Result<Window<UsageAlert>> {
        actor.require(Scope::UsageRead)?;
        let list = format!("alerts|{}", actor.tenant_id);
        let after = request.after.as_deref().map(|cursor| read_alert_place(&list, cursor)).transpose()?;
        let after = after.as_ref().map(|(at, id)| (*at, id.as_str()));
        let rows = self.store.list_alerts_after(&actor.tenant_id, after, request.limit()).await?;
        Ok(Window::of(rows, request, |alert| {
            cursor::place(&list, &format!("{} {}", nanos(alert.created_at), alert.id))
        }))
    }

    /// The ledger of the running period, oldest first; 100 lines a slice. A bad cursor is a 422. Scope `usage:read`.
    ///
    /// A cursor belongs to its period: whoever pages across a reset gets the old period to its end.
    pub async fn ledger(&self, actor: &Actor, cursor: Option<&str>) -> Result<Slice<LedgerEntry>> {
        actor.require(Scope::UsageRead)?;
        let (period_start, after) = self.ledger_place(actor, cursor).await?;
        let mut lines = self.store.list_ledger(&actor.tenant_id, period_start, after, LEDGER_SLICE + 1).await?;
        let more = lines.len() > LEDGER_SLICE as usize;
        lines.truncate(LEDGER_SLICE as usize);
        let next_cursor =
            lines.last().filter(|_| more).map(|last| cursor::encode([period_start.timestamp_millis(), last.seq]));
        Ok(Slice { rows: lines.into_iter().map(|line| line.row).collect(), next_cursor })
    }

    /// The same with a cursor for each line. Scope `usage:read`.
    pub async fn ledger_window(&self, actor: &Actor, request: &WindowRequest) -> Result<Window<LedgerEntry>> {
        actor.require(Scope::UsageRead)?;
        let (period_start, after) = self.ledger_place(actor, request.after.as_deref()).await?;
        let lines = self.store.list_ledger(&actor.tenant_id, period_start, after, request.first + 1).await?;
        let window = Window::of(lines, request, |line| cursor::encode([period_start.timestamp_millis(), line.seq]));
        let rows = window.rows.into_iter().map(|(cursor, line)| (cursor, line.row)).collect();
        Ok(Window { rows, has_next: window.has_next, has_previous: window.has_previous })
    }

    /// The period and the last line seen that a cursor of the ledger stands for.
    async fn ledger_place(&self, actor: &Actor, cursor: Option<&str>) -> Result<(DateTime<Utc>, Option<i64>)> {
        let Some(text) = cursor else {
            return Ok((self.tenant(actor).await?.entitlement.at(self.clock.now()).period.start, None));
        };
        let [start_ms, seq] = cursor::decode(text)?;
        Ok((DateTime::from_timestamp_millis(start_ms).ok_or_else(cursor::refused)?, Some(seq)))
    }

    /// The tenant itself. Scope `usage:read`.
    pub async fn profile(&self, actor: &Actor) -> Result<TenantProfile> {
        actor.require(Scope::UsageRead)?;
        let tenant = self.tenant(actor).await?;
        let plan = self.plans.get(tenant.entitlement.plan_at(self.clock.now())).clone();
        Ok(TenantProfile { id: tenant.id, email: tenant.email, name: tenant.name, plan, created_at: tenant.created_at })
    }

    async fn tenant(&self, actor: &Actor) -> Result<Tenant> {
        self.store.find_tenant(&actor.tenant_id).await?.ok_or_else(Error::not_found)
    }
}

/// Unix time; instants of this product fit.
fn nanos(at: DateTime<Utc>) -> i64 {
    at.timestamp_nanos_opt().unwrap_or(i64::MAX)
}

fn read_alert_place(list: &str, cursor: &str) -> Result<(DateTime<Utc>, String)> {
    let place = cursor::read_place(list, cursor)?;
    let (nanos, id) = place.split_once(' ').ok_or_else(cursor::refused)?;
    let at = nanos.parse().map(DateTime::from_timestamp_nanos).map_err(|_| cursor::refused())?;
    Ok((at, id.to_owned()))
}

fn summarize(tenant_id: TenantId, plan: &Plan, counts: UsageCounts, period: Period) -> UsageSummary {
    let near = |used, limit: Option<u32>| limit.is_some_and(|limit| reaches(used, limit, APPROACHING_PERCENT));
    let scans_limit = plan.functional_scans;
    let scans_used = counts.functional.min(scans_limit.unwrap_or(u32::MAX));
    UsageSummary {
        tenant_id,
        plan_id: plan.id.clone(),
        scans_used,
        scans_limit,
        scans_remaining: scans_limit.map(|limit| limit - scans_used),
        over_by: counts.functional - scans_used,
        security_scan_count: counts.security,
        monthly_security_scan_quota: plan.security_scans,
        approaching_limit: near(counts.functional, scans_limit) || near(counts.security, plan.security_scans),
        period,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn summary_always_sums_up(used: u32, security: u32, limit: Option<u32>, security_limit: Option<u32>) {
            let mut plan = PlanCatalogue::published().plans()[0].clone();
            (plan.functional_scans, plan.security_scans) = (limit, security_limit);
            let counts = UsageCounts { functional: used, security };
            let period = crate::period::period_at(None, DateTime::UNIX_EPOCH);
            let summary = summarize(TenantId::from("t"), &plan, counts, period);
            match (summary.scans_limit, summary.scans_remaining) {
                (Some(limit), Some(remaining)) => {
                    prop_assert_eq!(summary.scans_used + remaining, limit);
                    prop_assert_eq!(u64::from(summary.scans_used) + u64::from(summary.over_by), u64::from(used));
                }
                (None, None) => prop_assert_eq!(summary.scans_used, used),
                other => prop_assert!(false, "{:?}", other),
            }
            let over = |used: u32, limit: Option<u32>| limit.is_some_and(|l| l > 0 && f64::from(used) >= f64::from(l) * 0.8);
            prop_assert_eq!(summary.approaching_limit, over(used, limit) || over(security, security_limit));
        }
    }
}
