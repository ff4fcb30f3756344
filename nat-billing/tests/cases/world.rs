//! Billing over a fresh database, with a clock that stands still.

use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use nat_billing::{
    Billing, BillingPorts, BillingSettings, gateway::PaymentGateway, price::PriceBook, service::SyncTenant,
    webhook::signature::sign,
};
use nat_core::{
    Actor, ErrorCode, PlanId, Result, TenantId,
    access::{ApiKeys, ApiKeysPorts},
    db::SeaStore,
    entropy::SeededEntropy,
    plan::PlanCatalogue,
    secret::{SecretString, Vault},
    store::CoreStore,
    tenant::Tenant,
    time::{Clock, ManualClock},
    usage::{Usage, UsageSummary},
};

pub(crate) const SYNC_KEY: &str = "sync_key_of_at_least_thirty_two_characters";
pub(crate) const HOOK_SECRET: &str = "whsec_of_the_test";

/// One node.
pub(crate) struct World {
    pub(crate) billing: Billing,
    pub(crate) keys: ApiKeys,
    pub(crate) usage: Usage,
    pub(crate) store: Arc<SeaStore>,
    pub(crate) clock: Arc<ManualClock>,
}

/// The instant at which every test begins: 15 January 2025, noon.
pub(crate) fn start() -> DateTime<Utc> {
    "2025-01-15T12:00:00Z".parse().unwrap()
}

pub(crate) fn settings() -> BillingSettings {
    let mut prices = PriceBook::default();
    prices.insert(&"pro".into(), &["price_pro", "price_pro_old"]).unwrap();
    prices.insert(&"team".into(), &["price_team"]).unwrap();
    BillingSettings {
        prices,
        sync_key: Some(SecretString::from(SYNC_KEY)),
        webhook_secrets: vec![SecretString::from(HOOK_SECRET)],
        ..BillingSettings::default()
    }
}

impl World {
    pub(crate) fn new(
        store: SeaStore,
        clock: Arc<ManualClock>,
        gateway: Option<Arc<dyn PaymentGateway>>,
        settings: BillingSettings,
    ) -> Self {
        let store = Arc::new(store);
        let plans = Arc::new(PlanCatalogue::published());
        let entropy = Arc::new(SeededEntropy::new(1));
        let keys = ApiKeys::new(ApiKeysPorts {
            store: store.clone(),
            plans: plans.clone(),
            clock: clock.clone(),
            entropy: entropy.clone(),
        });
        let billing = Billing::new(BillingPorts {
            store: store.clone(),
            keys: keys.clone(),
            plans: plans.clone(),
            clock: clock.clone(),
            entropy,
            vault: Arc::new(Vault::new([7; 32])),
            gateway,
            settings,
        });
        let usage = Usage::new(store.clone(), plans, clock.clone());
        Self { billing, keys, usage, store, clock }
    }

    /// Without a payment provider.
    pub(crate) fn bare(store: SeaStore, settings: BillingSettings) -> Self {
        Self::new(store, Arc::new(ManualClock::new(start())), None, settings)
    }

    pub(crate) fn now(&self) -> DateTime<Utc> {
        self.clock.now()
    }

    pub(crate) fn advance(&self, delta: TimeDelta) {
        self.clock.advance(delta);
    }

    /// Registers a tenant; the actor of the service for it.
    pub(crate) async fn tenant(&self, id: &str, plan: &str) -> Actor {
        let input = SyncTenant { plan: Some(plan.to_owned()), ..input(id) };
        let synced = self.billing.sync_tenant(input, None).await.unwrap();
        Actor::system(synced.tenant.id, PlanId::from(plan))
    }

    pub(crate) async fn row(&self, id: &str) -> Tenant {
        self.store.find_tenant(&TenantId::from(id)).await.unwrap().unwrap()
    }

    pub(crate) async fn summary(&self, actor: &Actor) -> UsageSummary {
        self.usage.summary(actor).await.unwrap()
    }

    /// Delivers a payload as Stripe would, signed now.
    pub(crate) async fn deliver(&self, payload: &[u8]) -> Result<()> {
        let header = sign(payload, &SecretString::from(HOOK_SECRET), self.now());
        self.billing.accept_webhook(payload, Some(&header)).await
    }

    /// Actions in the tenant's audit log, oldest first.
    pub(crate) async fn audit(&self, id: &str) -> Vec<String> {
        let lines = self.store.list_audit(&TenantId::from(id), None, 1_000).await.unwrap();
        lines.iter().rev().map(|line| line.row.action.to_string()).collect()
    }

    /// The alarms in the tenant's audit log, oldest first.
    pub(crate) async fn alarms(&self, id: &str) -> Vec<String> {
        let lines = self.store.list_audit(&TenantId::from(id), None, 1_000).await.unwrap();
        let alarms = lines.iter().rev().filter(|line| line.row.action == "billing.alarm");
        alarms.map(|line| line.row.subject.clone()).collect()
    }
}

pub(crate) fn input(tenant_id: &str) -> SyncTenant {
    SyncTenant { tenant_id: Some(tenant_id.into()), email: Some("a@example.test".into()), ..SyncTenant::default() }
}

pub(crate) fn code<T>(result: Result<T>) -> Option<ErrorCode> {
    result.err().map(|error| error.code)
}
