//! The use cases of billing.

mod checkout;
mod customer;
mod drift;
mod reconcile;
mod status;
mod sync;
mod webhook;
mod work;

use std::sync::Arc;

use chrono::TimeDelta;
use nat_core::{
    Actor, Error, ErrorCode, PlanId, Result,
    access::ApiKeys,
    entropy::Entropy,
    plan::PlanCatalogue,
    secret::{SecretString, Vault},
    tenant::Tenant,
    time::Clock,
};
use tokio::sync::Notify;

use crate::{gateway::PaymentGateway, price::PriceBook, redirect::RedirectPolicy, store::BillingStore};

pub use checkout::{Checkout, StartCheckout};
pub use drift::{Drift, DriftCause};
pub use status::{BillingStatus, SubscriptionSummary};
pub use sync::{SyncTenant, SyncedTenant};

/// How long a plan goes on after a payment failed, unless told otherwise: what Stripe retries in by default.
pub const DEFAULT_GRACE: TimeDelta = TimeDelta::days(14);

/// Ports of [`Billing`], and its settings.
#[derive(Clone)]
pub struct BillingPorts {
    /// Tenants, inbox, accounts.
    pub store: Arc<dyn BillingStore>,
    /// Issues the first key of a tenant.
    pub keys: ApiKeys,
    /// All plans.
    pub plans: Arc<PlanCatalogue>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Randomness.
    pub entropy: Arc<dyn Entropy>,
    /// Seals the key that a retry of sync-tenant is shown again.
    pub vault: Arc<Vault>,
    /// The payment provider; `None`: checkout and portal answer 503 `BILLING_NOT_CONFIGURED`, and events wait.
    pub gateway: Option<Arc<dyn PaymentGateway>>,
    /// What an operator decides.
    pub settings: BillingSettings,
}

/// What an operator decides. The default is a server without payments and without sync-tenant.
#[derive(Clone, Debug)]
pub struct BillingSettings {
    /// Prices of the plans.
    pub prices: PriceBook,
    /// Where customers may be sent back to.
    pub redirects: RedirectPolicy,
    /// How long a plan goes on after a payment failed.
    pub grace: TimeDelta,
    /// `NAT_APP_SYNC_KEY`; `None` (or shorter than 32 characters): E7.
    pub sync_key: Option<SecretString>,
    /// `STRIPE_WEBHOOK_SECRET`, several during a roll; empty: 503 `BILLING_NOT_CONFIGURED`.
    pub webhook_secrets: Vec<SecretString>,
}

impl Default for BillingSettings {
    fn default() -> Self {
        Self {
            prices: PriceBook::default(),
            redirects: RedirectPolicy::default(),
            grace: DEFAULT_GRACE,
            sync_key: None,
            webhook_secrets: Vec::new(),
        }
    }
}

/// The use cases of billing. Clones are the same; make one per process.
#[derive(Clone)]
pub struct Billing {
    ports: Arc<BillingPorts>,
    /// Work was asked for in this process, or ended.
    wake: Arc<Notify>,
}

impl Billing {
    /// The use cases over these ports.
    #[must_use]
    pub fn new(ports: BillingPorts) -> Self {
        Self { ports: Arc::new(ports), wake: Arc::default() }
    }

    /// 503 when payments are not configured; the wire calls it before it reads the body.
    pub fn require_gateway(&self) -> Result<()> {
        self.gateway().map(|_| ())
    }

    fn gateway(&self) -> Result<&dyn PaymentGateway> {
        self.ports.gateway.as_deref().ok_or_else(not_configured)
    }

    async fn tenant(&self, actor: &Actor) -> Result<Tenant> {
        self.ports.store.find_tenant(&actor.tenant_id).await?.ok_or_else(Error::not_found)
    }

    fn free_plan(&self) -> &PlanId {
        &self.ports.plans.plans()[0].id
    }
}

fn not_configured() -> Error {
    Error::new(
        ErrorCode::BillingNotConfigured,
        "Billing is not configured on this server. Set STRIPE_SECRET_KEY and STRIPE_WEBHOOK_SECRET to enable it.",
    )
}
