//! The use cases of billing.

use std::sync::Arc;

use async_trait::async_trait;
use chrono::{DateTime, SubsecRound, Utc};
use nat_core::{
    Actor, Error, ErrorCode, Result, Scope,
    access::{ApiKeys, NewApiKey},
    audit::AuditEntry,
    entropy::Entropy,
    plan::PlanCatalogue,
    secret::{ExposeSecret, SecretString},
    store::{CoreStore, CoreTx},
    tenant::Tenant,
    time::Clock,
};
use serde_json::json;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use crate::webhook::{inbox::StripeEvent, signature};

mod sync;

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
#[async_trait]
pub trait BillingStore: CoreStore {
    /// Records an event unless its id is known; false then. Waits for a parallel transaction with the same id. Written
    /// in `tx`, one of this store, so that the event and its effect are durable together.
    async fn record_event(&self, tx: &mut dyn CoreTx, event: &StripeEvent, received_at: DateTime<Utc>) -> Result<bool>;
}

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
    ports: Arc<BillingPorts>,
}

/// Shorter sync keys could be guessed; they count as none.
const MIN_SYNC_KEY_CHARS: usize = 32;

impl Billing {
    /// The use cases over these ports.
    #[must_use]
    pub fn new(ports: BillingPorts) -> Self {
        Self { ports: Arc::new(ports) }
    }

    /// 503 E7 when no sync key is set, then 401 unless `sync_key` is it (constant time). The wire calls it before it
    /// reads the body.
    pub fn authorize_sync(&self, sync_key: Option<&str>) -> Result<()> {
        let wanted = self.ports.sync_key.as_ref().map(ExposeSecret::expose_secret);
        let wanted =
            wanted.filter(|key| key.chars().count() >= MIN_SYNC_KEY_CHARS).ok_or_else(Error::sync_not_configured)?;
        // Digests have one length, so the comparison tells nothing about that of the key.
        let shown = Sha256::digest(sync_key.unwrap_or_default());
        if bool::from(Sha256::digest(wanted).ct_eq(&shown)) { Ok(()) } else { Err(Error::invalid_sync_key()) }
    }

    /// Registers a tenant: E9 for missing fields, 422 for a bad e-mail address, unknown plan or malformed id, E8 when
    /// the id is taken; exactly one of many parallel calls wins.
    pub async fn sync_tenant(&self, input: SyncTenant) -> Result<SyncedTenant> {
        let ports = &*self.ports;
        // To the millisecond, so that what is answered now equals what is read later.
        let now = ports.clock.now().trunc_subsecs(3);
        let tenant = sync::validate(input, &ports.plans, now)?;
        let mut tx = ports.store.begin().await?;
        if !tx.insert_tenant(&tenant).await? {
            return Err(Error::tenant_already_exists());
        }
        let key = ports.keys.issue_first(tx.as_mut(), &tenant).await?;
        tx.append_audit(&AuditEntry {
            tenant_id: tenant.id.clone(),
            actor: "sync".to_owned(),
            action: "tenant.created".into(),
            subject: tenant.id.to_string(),
            detail: json!({"plan": tenant.entitlement.plan_id, "first_key": key.key.id}),
            request_id: None,
            at: now,
        })
        .await?;
        tx.commit().await?;
        Ok(SyncedTenant { tenant, key })
    }

    /// Takes a webhook: verifies `signature` over the raw `payload`, then the JSON, then records the event id once.
    /// An event that is known already is a success. 503 `BILLING_NOT_CONFIGURED` without a webhook secret.
    pub async fn accept_webhook(&self, payload: &[u8], signature: Option<&str>) -> Result<()> {
        let ports = &*self.ports;
        if ports.webhook_secrets.is_empty() {
            return Err(not_configured());
        }
        let now = ports.clock.now();
        signature::verify(payload, signature, &ports.webhook_secrets, now)?;
        let event = StripeEvent::parse(payload)?;
        let mut tx = ports.store.begin().await?;
        // No event has an effect yet; whatever gets one writes it in this transaction, when the id is new.
        let new = ports.store.record_event(tx.as_mut(), &event, now).await?;
        tx.commit().await?;
        tracing::info!(event = event.id, kind = event.kind, new, "stripe event");
        Ok(())
    }

    /// 503 when payments are not configured; the wire calls it before it reads the body.
    pub fn require_gateway(&self) -> Result<()> {
        Err(not_configured())
    }

    /// Starts a checkout. Scope `billing:write`. 503 `BILLING_NOT_CONFIGURED` for now.
    pub async fn checkout(&self, actor: &Actor, input: StartCheckout) -> Result<Checkout> {
        let _ = input;
        actor.require(Scope::BillingWrite)?;
        Err(not_configured())
    }

    /// A link to the customer portal. Scope `billing:write`. 503 `BILLING_NOT_CONFIGURED` for now.
    pub async fn portal(&self, actor: &Actor, return_url: Option<String>) -> Result<String> {
        let _ = return_url;
        actor.require(Scope::BillingWrite)?;
        Err(not_configured())
    }
}

fn not_configured() -> Error {
    Error::new(
        ErrorCode::BillingNotConfigured,
        "Billing is not configured on this server. Set STRIPE_SECRET_KEY and STRIPE_WEBHOOK_SECRET to enable it.",
    )
}
