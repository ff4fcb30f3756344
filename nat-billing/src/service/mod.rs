//! The use cases of billing.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use nat_core::secret::SecretString;
use nat_core::{
    Actor, Result,
    access::{ApiKeys, NewApiKey},
    entropy::Entropy,
    plan::PlanCatalogue,
    tenant::Tenant,
    time::Clock,
};

/// Ports and settings of [`Billing`].
#[derive(Clone)]
pub struct BillingPorts {
    /// Tenants and the inbox.
    pub store: Arc<dyn crate::service::BillingStore>,
    /// Issues the first key of a tenant.
    pub keys: ApiKeys,
    /// To check `plan`.
    pub plans: Arc<PlanCatalogue>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Randomness.
    pub entropy: Arc<dyn Entropy>,
    /// `NAT_APP_SYNC_KEY`; `None` (or shorter than 32 characters): E7.
    pub sync_key: Option<SecretString>,
    /// `STRIPE_WEBHOOK_SECRET`, several during a roll; empty: 503 `BILLING_NOT_CONFIGURED`.
    pub webhook_secrets: Vec<SecretString>,
}

/// The inbox port, beside nat-core's store.
pub trait BillingStore: nat_core::store::CoreStore {}

/// Input of [`Billing::sync_tenant`], before validation.
#[derive(Clone, Debug, Default)]
#[expect(missing_docs, reason = "members of contract.md §1, same names")]
pub struct SyncTenant {
    pub tenant_id: Option<String>,
    pub email: Option<String>,
    pub name: Option<String>,
    pub plan: Option<String>,
    pub stripe_customer_id: Option<String>,
}

/// What sync-tenant shows, once.
#[derive(Debug)]
pub struct SyncedTenant {
    /// The new tenant.
    pub tenant: Tenant,
    /// Its first key, with every scope.
    pub key: NewApiKey,
}

/// Input of [`Billing::checkout`], before validation.
#[derive(Clone, Debug, Default)]
#[expect(missing_docs, reason = "members of contract.md §1, same names")]
pub struct StartCheckout {
    pub plan: Option<String>,
    pub price_id: Option<String>,
    pub success_url: Option<String>,
    pub cancel_url: Option<String>,
}

/// An open checkout session.
#[derive(Clone, Debug)]
pub struct Checkout {
    /// Where the customer pays.
    pub checkout_url: String,
    /// Stripe's id of the session.
    pub session_id: String,
    /// 24 hours after it was made.
    pub expires_at: DateTime<Utc>,
}

/// The use cases of billing.
#[derive(Clone)]
pub struct Billing {
    #[expect(dead_code, reason = "lands next")]
    ports: Arc<BillingPorts>,
}

impl Billing {
    /// The use cases over these ports.
    #[must_use]
    pub fn new(ports: BillingPorts) -> Self {
        Self { ports: Arc::new(ports) }
    }

    /// 503 E7 when no sync key is set, then 401 unless `sync_key` is it (constant time). The wire calls it before it
    /// reads the body.
    pub fn authorize_sync(&self, sync_key: Option<&str>) -> Result<()> {
        let _ = sync_key;
        todo!("billing")
    }

    /// Registers a tenant: E9 for missing fields, 422 for a bad e-mail address, unknown plan or malformed id, E8 when
    /// the id is taken; exactly one of many parallel calls wins.
    pub async fn sync_tenant(&self, input: SyncTenant) -> Result<SyncedTenant> {
        let _ = input;
        todo!("billing")
    }

    /// Takes a webhook: verifies `signature` over the raw `payload`, then the JSON, then records the event id once.
    pub async fn accept_webhook(&self, payload: &[u8], signature: Option<&str>) -> Result<()> {
        let _ = (payload, signature);
        todo!("billing")
    }

    /// 503 when payments are not configured; the wire calls it before it reads the body.
    pub fn require_gateway(&self) -> Result<()> {
        todo!("billing")
    }

    /// Starts a checkout. Scope `billing:write`. 503 `BILLING_NOT_CONFIGURED` for now.
    pub async fn checkout(&self, actor: &Actor, input: StartCheckout) -> Result<Checkout> {
        let _ = (actor, input);
        todo!("billing")
    }

    /// A link to the customer portal. Scope `billing:write`. 503 `BILLING_NOT_CONFIGURED` for now.
    pub async fn portal(&self, actor: &Actor, return_url: Option<String>) -> Result<String> {
        let _ = (actor, return_url);
        todo!("billing")
    }
}
