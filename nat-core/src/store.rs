//! The store ports. Every finder takes the tenant; a transaction is a value that `commit` consumes and that rolls back
//! when it is dropped.

use std::any::Any;

use async_trait::async_trait;
use chrono::{DateTime, Utc};

use crate::{Result, TenantId, audit::AuditEntry, tenant::Tenant};

/// Reads outside a transaction, and the beginning of one.
#[async_trait]
pub trait CoreStore: Send + Sync {
    /// Begins a write transaction.
    async fn begin(&self) -> Result<Box<dyn CoreTx>>;

    /// The tenant.
    async fn find_tenant(&self, tenant_id: &TenantId) -> Result<Option<Tenant>>;

    /// A round trip, for readiness.
    async fn ping(&self) -> Result<()>;
}

/// A write transaction.
#[async_trait]
pub trait CoreTx: Send {
    /// Makes everything written through it durable, or nothing.
    async fn commit(self: Box<Self>) -> Result<()>;

    /// Reads the tenant and keeps every other writer of it waiting until this transaction ends.
    async fn lock_tenant(&mut self, tenant_id: &TenantId) -> Result<Option<Tenant>>;

    /// Writes the tenant unless its id is taken; false then.
    async fn insert_tenant(&mut self, tenant: &Tenant) -> Result<bool>;

    /// Appends a line to the audit log.
    async fn append_audit(&mut self, entry: &AuditEntry) -> Result<()>;

    /// The concrete transaction, so that a sibling crate's store writes through the same one.
    fn as_any_mut(&mut self) -> &mut (dyn Any + Send);
}

/// Until the core lands.
#[doc(hidden)]
pub type Instant = DateTime<Utc>;
