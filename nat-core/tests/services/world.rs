//! One process over a database, with a clock that stands still and a store that counts.

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicU32, Ordering},
};

use async_trait::async_trait;
use chrono::{DateTime, TimeDelta, Utc};
use nat_core::{
    Actor, Error, ErrorCode, KeyId, PlanId, Result, Scope, TenantId,
    access::{ApiKey, ApiKeys, ApiKeysPorts, NewApiKey},
    audit::AuditEntry,
    db::SeaStore,
    entropy::SystemEntropy,
    page::{Page, PageRequest},
    plan::PlanCatalogue,
    quota::LedgerEntry,
    secret::ExposeSecret,
    store::{CoreStore, CoreTx, Numbered, StoredKey, UsageCounts},
    tenant::Tenant,
    time::{Clock, ManualClock},
    usage::{Usage, UsageAlert},
};

pub(crate) struct World {
    pub(crate) store: Arc<CountingStore>,
    pub(crate) keys: ApiKeys,
    pub(crate) usage: Usage,
    pub(crate) plans: Arc<PlanCatalogue>,
    pub(crate) clock: Arc<ManualClock>,
}

impl World {
    pub(crate) fn new(store: &SeaStore) -> Self {
        let store = Arc::new(CountingStore {
            inner: store.clone(),
            lookups: AtomicU32::new(0),
            counts: AtomicU32::new(0),
            down: AtomicBool::new(false),
        });
        let clock = Arc::new(ManualClock::new("2025-01-31T12:00:00Z".parse().unwrap()));
        let plans = Arc::new(PlanCatalogue::published());
        let keys = ApiKeys::new(ApiKeysPorts {
            store: store.clone(),
            plans: plans.clone(),
            clock: clock.clone(),
            entropy: Arc::new(SystemEntropy),
        });
        let usage = Usage::new(store.clone(), plans.clone(), clock.clone());
        Self { store, keys, usage, plans, clock }
    }

    pub(crate) fn now(&self) -> DateTime<Utc> {
        self.clock.now()
    }

    pub(crate) fn wait_ms(&self, ms: i64) {
        self.clock.advance(TimeDelta::milliseconds(ms));
    }

    /// A tenant, the actor of the service for it, and its first key.
    pub(crate) async fn tenant(&self, id: &str, plan: &str) -> (Actor, NewApiKey) {
        let tenant = Tenant::new(TenantId::from(id), "a@example.test", PlanId::from(plan), self.now());
        let mut tx = self.store.begin().await.unwrap();
        assert!(tx.insert_tenant(&tenant).await.unwrap());
        let key = self.keys.issue_first(tx.as_mut(), &tenant).await.unwrap();
        tx.commit().await.unwrap();
        (Actor::system(tenant.id, PlanId::from(plan)), key)
    }

    pub(crate) async fn authenticates(&self, key: &NewApiKey) -> bool {
        match self.keys.authenticate(key.secret.expose_secret()).await {
            Ok(_) => true,
            Err(error) if error.code == ErrorCode::InvalidApiKey => false,
            Err(error) => panic!("{error}"),
        }
    }

    /// Actions of the audit log, oldest first.
    pub(crate) async fn audit(&self, actor: &Actor) -> Vec<String> {
        let lines = self.store.list_audit(&actor.tenant_id, None, 100).await.unwrap();
        lines.into_iter().rev().map(|line| line.row.action.into_owned()).collect()
    }
}

pub(crate) fn code<T>(result: Result<T>) -> Option<ErrorCode> {
    result.err().map(|error| error.code)
}

pub(crate) fn with_scopes(actor: &Actor, scopes: &[Scope]) -> Actor {
    Actor { scopes: scopes.iter().copied().collect(), ..actor.clone() }
}

/// The real store; counts lookups of keys and reads of counters, and fails all reads while it is down.
pub(crate) struct CountingStore {
    inner: SeaStore,
    lookups: AtomicU32,
    counts: AtomicU32,
    down: AtomicBool,
}

impl CountingStore {
    pub(crate) fn lookups(&self) -> u32 {
        self.lookups.load(Ordering::SeqCst)
    }

    pub(crate) fn counts(&self) -> u32 {
        self.counts.load(Ordering::SeqCst)
    }

    pub(crate) fn set_down(&self, down: bool) {
        self.down.store(down, Ordering::SeqCst);
    }

    fn up(&self) -> Result<&SeaStore> {
        if self.down.load(Ordering::SeqCst) { Err(Error::internal("the store is down")) } else { Ok(&self.inner) }
    }
}

#[async_trait]
impl CoreStore for CountingStore {
    async fn begin(&self) -> Result<Box<dyn CoreTx>> {
        self.up()?.begin().await
    }
    async fn find_tenant(&self, tenant_id: &TenantId) -> Result<Option<Tenant>> {
        self.up()?.find_tenant(tenant_id).await
    }
    async fn list_tenants(&self, after: Option<&TenantId>, limit: u32) -> Result<Vec<Tenant>> {
        self.up()?.list_tenants(after, limit).await
    }
    async fn find_key_for_auth(&self, key_id: &KeyId) -> Result<Option<(StoredKey, Tenant)>> {
        self.lookups.fetch_add(1, Ordering::SeqCst);
        self.up()?.find_key_for_auth(key_id).await
    }
    async fn list_keys(&self, tenant_id: &TenantId) -> Result<Vec<ApiKey>> {
        self.up()?.list_keys(tenant_id).await
    }
    async fn touch_keys(&self, uses: &[(KeyId, DateTime<Utc>)]) -> Result<()> {
        self.up()?.touch_keys(uses).await
    }
    async fn usage_counts(&self, tenant_id: &TenantId, period_start: DateTime<Utc>) -> Result<UsageCounts> {
        self.counts.fetch_add(1, Ordering::SeqCst);
        self.up()?.usage_counts(tenant_id, period_start).await
    }
    fn usage_version(&self) -> Option<u64> {
        self.inner.usage_version()
    }
    async fn list_alerts(&self, tenant_id: &TenantId, page: PageRequest) -> Result<Page<UsageAlert>> {
        self.up()?.list_alerts(tenant_id, page).await
    }
    async fn list_alerts_after(
        &self,
        tenant_id: &TenantId,
        after: Option<(DateTime<Utc>, &str)>,
        limit: u64,
    ) -> Result<Vec<UsageAlert>> {
        self.up()?.list_alerts_after(tenant_id, after, limit).await
    }
    async fn list_ledger(
        &self,
        tenant_id: &TenantId,
        period_start: DateTime<Utc>,
        after: Option<i64>,
        limit: u32,
    ) -> Result<Vec<Numbered<LedgerEntry>>> {
        self.up()?.list_ledger(tenant_id, period_start, after, limit).await
    }
    async fn list_audit(
        &self,
        tenant_id: &TenantId,
        before: Option<i64>,
        limit: u32,
    ) -> Result<Vec<Numbered<AuditEntry>>> {
        self.up()?.list_audit(tenant_id, before, limit).await
    }
    async fn ping(&self) -> Result<()> {
        self.up()?.ping().await
    }
}
