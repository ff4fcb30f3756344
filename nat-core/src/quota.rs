//! The two-phase quota ledger: `reserve → commit | release`, immutable rows, at most one outcome a scan.
//!
//! Functions over a transaction, so that the ledger commits together with the scan row that it belongs to.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::{Result, ScanId, TenantId, period::Period, plan::PlanCatalogue, store::CoreTx, tenant::Tenant};

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

/// Takes one unit of `kind` for `scan_id` in the period that holds `now`, records alerts that this crosses.
///
/// Errors: 402 `QUOTA_EXCEEDED` in the published form of the tenant's plan; nothing is written then.
/// The caller must have locked the tenant in `tx` ([`CoreTx::lock_tenant`]), which gave `tenant`.
pub async fn reserve(
    tx: &mut dyn CoreTx,
    plans: &PlanCatalogue,
    tenant: &Tenant,
    scan_id: &ScanId,
    kind: QuotaKind,
    now: DateTime<Utc>,
) -> Result<Period> {
    let _ = (tx, plans, tenant, scan_id, kind, now);
    todo!("core")
}

/// Marks the unit of `scan_id` as spent. Repeating it, or calling it after a release, changes nothing.
pub async fn commit(tx: &mut dyn CoreTx, tenant_id: &TenantId, scan_id: &ScanId, now: DateTime<Utc>) -> Result<()> {
    let _ = (tx, tenant_id, scan_id, now);
    todo!("core")
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
    let _ = (tx, tenant_id, scan_id, reason, now);
    todo!("core")
}
