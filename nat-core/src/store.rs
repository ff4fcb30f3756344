//! The store ports. Every finder takes the tenant (authentication, which learns the tenant, is the exception); a
//! transaction is a value that `commit` consumes and that rolls back when it is dropped.
//!
//! The store keeps rows and nothing else: which change is allowed is decided by the services above it. What it does
//! promise is atomicity: each method is one statement or runs in one transaction.

use std::any::Any;

use async_trait::async_trait;
use chrono::{DateTime, Utc};

use crate::{
    KeyId, Result, ScanId, TenantId,
    access::ApiKey,
    audit::AuditEntry,
    page::{Page, PageRequest},
    quota::{LedgerEntry, QuotaKind},
    tenant::Tenant,
    usage::UsageAlert,
};

/// Keys that one list shows.
pub const MAX_LISTED_KEYS: u64 = 1_000;

/// A key row. `key` is what lists show; the rest never leaves the domain.
#[derive(Clone, PartialEq, Eq)]
pub struct StoredKey {
    /// Whose.
    pub tenant_id: TenantId,
    /// What lists show.
    pub key: ApiKey,
    /// SHA-256 of the whole text of the key.
    pub secret_hash: [u8; 32],
    /// When a successor was made; a key has at most one.
    pub rotated_at: Option<DateTime<Utc>>,
    /// 0 at first; each [`CoreTx::update_key`] adds one.
    pub version: u32,
}

impl std::fmt::Debug for StoredKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("StoredKey")
            .field("tenant_id", &self.tenant_id)
            .field("key", &self.key)
            .field("rotated_at", &self.rotated_at)
            .field("version", &self.version)
            .finish_non_exhaustive()
    }
}

/// Units used in one period, both kinds read at one instant.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct UsageCounts {
    /// Functional scans.
    pub functional: u32,
    /// Security scans.
    pub security: u32,
}

impl UsageCounts {
    /// The count of one kind.
    #[must_use]
    pub fn of(self, kind: QuotaKind) -> u32 {
        match kind {
            QuotaKind::Functional => self.functional,
            QuotaKind::Security => self.security,
        }
    }
}

/// What the ledger knows of one scan.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reservation {
    /// What is counted.
    pub kind: QuotaKind,
    /// Start of the period that was charged.
    pub period_start: DateTime<Utc>,
    /// Units of that kind now used in that period.
    pub used: u32,
    /// Whether a line of phase [`LedgerPhase::Commit`] exists.
    ///
    /// [`LedgerPhase::Commit`]: crate::quota::LedgerPhase::Commit
    pub committed: bool,
    /// Whether a line of phase [`LedgerPhase::Release`] exists.
    ///
    /// [`LedgerPhase::Release`]: crate::quota::LedgerPhase::Release
    pub released: bool,
}

/// A row of an append-only table and its place in it. Places rise, gaps are possible.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Numbered<T> {
    /// Position for cursors.
    pub seq: i64,
    /// The row.
    pub row: T,
}

/// Reads outside a transaction, and the beginning of one.
#[async_trait]
pub trait CoreStore: Send + Sync {
    /// Begins a write transaction.
    async fn begin(&self) -> Result<Box<dyn CoreTx>>;

    /// The tenant.
    async fn find_tenant(&self, tenant_id: &TenantId) -> Result<Option<Tenant>>;

    /// Tenants in order of id, after `after`; for the operator only.
    async fn list_tenants(&self, after: Option<&TenantId>, limit: u32) -> Result<Vec<Tenant>>;

    /// The key of that public id, dead or alive, and its tenant, in one statement.
    async fn find_key_for_auth(&self, key_id: &KeyId) -> Result<Option<(StoredKey, Tenant)>>;

    /// The tenant's keys, oldest first. Dead ones are included; of more than [`MAX_LISTED_KEYS`] the oldest revoked ones
    /// are left out first.
    async fn list_keys(&self, tenant_id: &TenantId) -> Result<Vec<ApiKey>>;

    /// Writes last uses; a later instant that is stored already stays, unknown ids are skipped.
    async fn touch_keys(&self, uses: &[(KeyId, DateTime<Utc>)]) -> Result<()>;

    /// A number that is another one after each commit of this process that moved a unit or changed a tenant. `None`:
    /// other processes write too, so what was read may be out of date at once.
    fn usage_version(&self) -> Option<u64> {
        None
    }

    /// Both counters of the period that starts at `period_start`, in one statement.
    async fn usage_counts(&self, tenant_id: &TenantId, period_start: DateTime<Utc>) -> Result<UsageCounts>;

    /// Alerts, newest first.
    async fn list_alerts(&self, tenant_id: &TenantId, page: PageRequest) -> Result<Page<UsageAlert>>;

    /// Alerts, newest first, after the alert of that id and instant, at most `limit`.
    async fn list_alerts_after(
        &self,
        tenant_id: &TenantId,
        after: Option<(DateTime<Utc>, &str)>,
        limit: u64,
    ) -> Result<Vec<UsageAlert>>;

    /// Lines of the ledger of one period in the order of writing, after `after`, at most `limit`.
    async fn list_ledger(
        &self,
        tenant_id: &TenantId,
        period_start: DateTime<Utc>,
        after: Option<i64>,
        limit: u32,
    ) -> Result<Vec<Numbered<LedgerEntry>>>;

    /// Lines of the audit log, newest first, before `before`, at most `limit`.
    async fn list_audit(
        &self,
        tenant_id: &TenantId,
        before: Option<i64>,
        limit: u32,
    ) -> Result<Vec<Numbered<AuditEntry>>>;

    /// A round trip, for readiness.
    async fn ping(&self) -> Result<()>;
}

/// A write transaction.
#[async_trait]
pub trait CoreTx: Send {
    /// Makes everything written through it durable, or nothing.
    async fn commit(self: Box<Self>) -> Result<()>;

    /// Reads the tenant and keeps every other writer of it waiting until this transaction ends. May be repeated.
    async fn lock_tenant(&mut self, tenant_id: &TenantId) -> Result<Option<Tenant>>;

    /// Writes the tenant unless its id is taken; false then. Waits for a parallel insert of the same id.
    async fn insert_tenant(&mut self, tenant: &Tenant) -> Result<bool>;

    /// Overwrites e-mail, name, plan, customer and anchor of the tenant; false when there is none of that id.
    async fn update_tenant(&mut self, tenant: &Tenant) -> Result<bool>;

    /// The tenant's key, dead or alive.
    async fn find_key(&mut self, tenant_id: &TenantId, key_id: &KeyId) -> Result<Option<StoredKey>>;

    /// Writes a new key unless its public id is taken (by any tenant); false then.
    async fn insert_key(&mut self, key: &StoredKey) -> Result<bool>;

    /// Overwrites expiry, revocation and rotation if the stored version is still `key.version`, and adds one to it;
    /// false when somebody was faster.
    async fn update_key(&mut self, key: &StoredKey) -> Result<bool>;

    /// Adds one unit to the counter, unless it stands at `limit` (`None`: no limit), in one atomic statement. The units
    /// used afterwards; `None` when the counter is full. The counter is made when it does not exist.
    async fn take_unit(
        &mut self,
        tenant_id: &TenantId,
        kind: QuotaKind,
        period_start: DateTime<Utc>,
        limit: Option<u32>,
    ) -> Result<Option<u32>>;

    /// Takes one unit off the counter, never below 0. The units used afterwards.
    async fn give_back_unit(
        &mut self,
        tenant_id: &TenantId,
        kind: QuotaKind,
        period_start: DateTime<Utc>,
    ) -> Result<u32>;

    /// Appends a line of the ledger, unless the scan has one of the same phase (`entry.reason.phase()`); false then.
    async fn insert_ledger_entry(
        &mut self,
        tenant_id: &TenantId,
        period_start: DateTime<Utc>,
        entry: &LedgerEntry,
    ) -> Result<bool>;

    /// What the ledger knows of the scan; `None` when no unit was ever reserved for it.
    async fn find_reservation(&mut self, tenant_id: &TenantId, scan_id: &ScanId) -> Result<Option<Reservation>>;

    /// Records an alert, unless one of the same kind, period, threshold and limit exists; false then.
    async fn insert_alert(&mut self, tenant_id: &TenantId, alert: &UsageAlert) -> Result<bool>;

    /// Appends a line to the audit log.
    async fn append_audit(&mut self, entry: &AuditEntry) -> Result<()>;

    /// The concrete transaction, so that a sibling crate's store writes through the same one.
    fn as_any_mut(&mut self) -> &mut (dyn Any + Send);
}
