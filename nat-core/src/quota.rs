//! The two-phase quota ledger: `reserve → commit | release`, immutable rows, at most one outcome a scan.
//!
//! Functions over a transaction, so that the ledger commits together with the scan row that it belongs to.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::{
    Error, Result, ScanId, TenantId, entitlement::Standing, period::Period, plan::PlanCatalogue, store::CoreTx,
    tenant::Tenant, usage::UsageAlert,
};

/// What is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum QuotaKind {
    /// `POST /scan`
    Functional,
    /// `POST /security-scan`
    Security,
}

impl QuotaKind {
    /// `functional` or `security`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Functional => "functional",
            Self::Security => "security",
        }
    }
}

/// Why a unit moved. Shown in the tenant's ledger.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LedgerReason {
    /// +1: the scan was accepted.
    Reserved,
    /// 0: the scan sent its first request; the unit is spent for good unless we fail it.
    Committed,
    /// −1: cancelled before its first test request.
    Cancelled,
    /// −1: the target could not be reached, or its spec could not be used, before the first test request.
    Unreachable,
    /// −1: we failed the scan.
    EngineError,
}

/// A scan has at most one line of each phase.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum LedgerPhase {
    /// +1.
    Reserve,
    /// 0.
    Commit,
    /// −1.
    Release,
}

impl LedgerPhase {
    /// `reserve`, `commit` or `release`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Reserve => "reserve",
            Self::Commit => "commit",
            Self::Release => "release",
        }
    }
}

impl QuotaKind {
    /// The kind of that name.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Functional, Self::Security].into_iter().find(|kind| kind.as_str() == text)
    }
}

impl LedgerReason {
    /// Every reason.
    pub const ALL: &'static [Self] =
        &[Self::Reserved, Self::Committed, Self::Cancelled, Self::Unreachable, Self::EngineError];

    /// The name on the wire, for example `engine_error`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Reserved => "reserved",
            Self::Committed => "committed",
            Self::Cancelled => "cancelled",
            Self::Unreachable => "unreachable",
            Self::EngineError => "engine_error",
        }
    }

    /// The reason of that name.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|reason| reason.as_str() == text)
    }

    /// The phase that a line with this reason belongs to.
    #[must_use]
    pub const fn phase(self) -> LedgerPhase {
        match self {
            Self::Reserved => LedgerPhase::Reserve,
            Self::Committed => LedgerPhase::Commit,
            Self::Cancelled | Self::Unreachable | Self::EngineError => LedgerPhase::Release,
        }
    }
}

/// An immutable line of the ledger.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LedgerEntry {
    /// When.
    pub at: DateTime<Utc>,
    /// What is counted.
    pub kind: QuotaKind,
    /// +1, 0 or −1.
    pub delta: i32,
    /// The scan it belongs to.
    pub scan_id: ScanId,
    /// Why.
    pub reason: LedgerReason,
    /// Units used in the period after this line.
    pub balance: u32,
}

/// Percentages of a quota whose crossing is recorded.
const ALERT_THRESHOLDS: [u8; 2] = [80, 100];

/// Takes one unit of `kind` for `scan_id` in the period that holds `now`, records alerts that this crosses.
///
/// Errors: 402 `QUOTA_EXCEEDED` in the published form of the tenant's plan; nothing is written then.
/// The caller must have locked the tenant in `tx` ([`CoreTx::lock_tenant`]), which gave `tenant`. Repeating it for
/// the same scan takes nothing more.
pub async fn reserve(
    tx: &mut dyn CoreTx,
    plans: &PlanCatalogue,
    tenant: &Tenant,
    scan_id: &ScanId,
    kind: QuotaKind,
    now: DateTime<Utc>,
) -> Result<Period> {
    if let Some(earlier) = tx.find_reservation(&tenant.id, scan_id).await? {
        return Ok(tenant.entitlement.at(earlier.period_start).period);
    }
    let Standing { plan_id, period } = tenant.entitlement.at(now);
    let limit = plans.get(&plan_id).scan_limit(kind);
    let Some(used) = tx.take_unit(&tenant.id, kind, period.start, limit).await? else {
        return Err(Error::quota_exceeded(period.end, plans.is_free(&plan_id)));
    };
    let line = LedgerEntry {
        at: now,
        kind,
        delta: 1,
        scan_id: scan_id.clone(),
        reason: LedgerReason::Reserved,
        balance: used,
    };
    if !tx.insert_ledger_entry(&tenant.id, period.start, &line).await? {
        return Err(Error::internal("a scan was reserved twice at once: its tenant was not locked"));
    }
    for alert in alerts(&tenant.id, kind, period.start, used, limit, now) {
        tx.insert_alert(&tenant.id, &alert).await?;
    }
    Ok(period)
}

/// Marks the unit of `scan_id` as spent. Repeating it, or calling it after a release, changes nothing.
pub async fn commit(tx: &mut dyn CoreTx, tenant_id: &TenantId, scan_id: &ScanId, now: DateTime<Utc>) -> Result<()> {
    // The lock keeps commit and release of one scan apart: whoever comes second sees the first one's line.
    tx.lock_tenant(tenant_id).await?;
    let Some(reservation) = tx.find_reservation(tenant_id, scan_id).await? else { return Ok(()) };
    if reservation.committed || reservation.released {
        return Ok(());
    }
    let line = LedgerEntry {
        at: now,
        kind: reservation.kind,
        delta: 0,
        scan_id: scan_id.clone(),
        reason: LedgerReason::Committed,
        balance: reservation.used,
    };
    tx.insert_ledger_entry(tenant_id, reservation.period_start, &line).await?;
    Ok(())
}

/// Gives the unit of `scan_id` back to the period it was reserved in. Repeating it changes nothing; a committed unit
/// is given back only for [`LedgerReason::EngineError`]. True when a unit really went back.
pub async fn release(
    tx: &mut dyn CoreTx,
    tenant_id: &TenantId,
    scan_id: &ScanId,
    reason: LedgerReason,
    now: DateTime<Utc>,
) -> Result<bool> {
    if reason.phase() != LedgerPhase::Release {
        return Err(Error::internal("not a reason to give a unit back"));
    }
    tx.lock_tenant(tenant_id).await?;
    let Some(reservation) = tx.find_reservation(tenant_id, scan_id).await? else { return Ok(false) };
    if reservation.released || (reservation.committed && reason != LedgerReason::EngineError) {
        return Ok(false);
    }
    let kind = reservation.kind;
    let balance = tx.give_back_unit(tenant_id, kind, reservation.period_start).await?;
    let line = LedgerEntry { at: now, kind, delta: -1, scan_id: scan_id.clone(), reason, balance };
    if !tx.insert_ledger_entry(tenant_id, reservation.period_start, &line).await? {
        return Err(Error::internal("a unit was given back twice at once: its tenant was not locked"));
    }
    Ok(true)
}

/// The thresholds reached by `used`, lowest first; the store drops those that are known for this limit. A limit that
/// changes (an upgrade) arms them anew. Unlimited plans and empty quotas have none.
fn alerts(
    tenant_id: &TenantId,
    kind: QuotaKind,
    period_start: DateTime<Utc>,
    used: u32,
    limit: Option<u32>,
    now: DateTime<Utc>,
) -> impl Iterator<Item = UsageAlert> {
    ALERT_THRESHOLDS.into_iter().filter_map(move |threshold_percent| {
        let limit = limit.filter(|limit| reaches(used, *limit, threshold_percent))?;
        let noun = kind.as_str();
        let message = match threshold_percent {
            100 => format!("The {noun} scan quota of this period is used up ({used} of {limit})."),
            _ => format!("{threshold_percent} % of the {noun} scan quota of this period is used ({used} of {limit})."),
        };
        let id = alert_id(tenant_id, kind, period_start, threshold_percent, limit);
        Some(UsageAlert { id, kind, threshold_percent, used, limit, period_start, message, created_at: now })
    })
}

/// Whether `used` is at least `percent` of a `limit` above 0.
pub(crate) fn reaches(used: u32, limit: u32, percent: u8) -> bool {
    limit > 0 && u64::from(used) * 100 >= u64::from(limit) * u64::from(percent)
}

/// Made from what makes an alert unique, so that the same crossing has the same id wherever it is seen.
fn alert_id(tenant_id: &TenantId, kind: QuotaKind, start: DateTime<Utc>, threshold: u8, limit: u32) -> String {
    let unique = format!("{tenant_id}\n{}\n{}\n{threshold}\n{limit}", kind.as_str(), start.timestamp_millis());
    format!("alert_{}", hex::encode(&Sha256::digest(unique)[..13]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn alerts_appear_from_eighty_and_hundred_percent() {
        let tenant_id = TenantId::from("t");
        let check = |used, limit, wanted: &[u8]| {
            let at = DateTime::UNIX_EPOCH;
            let found: Vec<UsageAlert> = alerts(&tenant_id, QuotaKind::Functional, at, used, limit, at).collect();
            assert_eq!(
                found.iter().map(|alert| alert.threshold_percent).collect::<Vec<_>>(),
                wanted,
                "{used}/{limit:?}"
            );
        };
        check(39, Some(50), &[]);
        check(40, Some(50), &[80]);
        check(49, Some(50), &[80]);
        check(50, Some(50), &[80, 100]);
        check(1, Some(1), &[80, 100]);
        check(3, Some(4), &[]);
        check(u32::MAX, Some(u32::MAX), &[80, 100]);
        check(u32::MAX, None, &[]);
        check(0, Some(0), &[]);
    }
}
