//! Tenant synchronisation and Stripe webhooks in a program of one's own: no HTTP server, an SQLite database in memory.
//!
//! `cargo run -p nat-billing --features sea-orm --example embed-billing`

use std::{error::Error, sync::Arc};

use nat_billing::{Billing, BillingPorts, BillingSettings, service::SyncTenant, webhook::signature};
use nat_core::{
    access::{ApiKeys, ApiKeysPorts},
    db::SeaStore,
    entropy::SystemEntropy,
    plan::PlanCatalogue,
    secret::{SecretString, Vault},
    time::{Clock, SystemClock},
};

#[tokio::main]
#[expect(clippy::print_stdout, reason = "an example shows what it does")]
async fn main() -> Result<(), Box<dyn Error>> {
    let store = Arc::new(SeaStore::open("sqlite::memory:", nat_billing::db::migrations()).await?);
    let (plans, clock, entropy) =
        (Arc::new(PlanCatalogue::published()), Arc::new(SystemClock), Arc::new(SystemEntropy));
    let keys = ApiKeys::new(ApiKeysPorts {
        store: store.clone(),
        plans: plans.clone(),
        clock: clock.clone(),
        entropy: entropy.clone(),
    });
    let secret = SecretString::from("whsec_from_the_dashboard");
    let billing = Billing::new(BillingPorts {
        store,
        keys: keys.clone(),
        plans,
        clock: clock.clone(),
        entropy,
        vault: Arc::new(Vault::new([0; 32])),
        // `StripeGateway::new(…)`, behind the feature `stripe`.
        gateway: None,
        settings: BillingSettings { webhook_secrets: vec![secret.clone()], ..BillingSettings::default() },
    });

    let input = SyncTenant {
        tenant_id: Some("acme".into()),
        email: Some("ops@acme.example".into()),
        plan: Some("pro".into()),
        ..SyncTenant::default()
    };
    let synced = billing.sync_tenant(input, None).await?;
    println!(
        "tenant {} on plan {}, key {}",
        synced.tenant.id,
        synced.tenant.entitlement.plan_id,
        synced.key.key.prefix()
    );

    // What Stripe would send; its retry of the same event changes nothing.
    let payload = br#"{"id":"evt_1","type":"customer.created"}"#;
    let header = signature::sign(payload, &secret, clock.now());
    billing.accept_webhook(payload, Some(&header)).await?;
    billing.accept_webhook(payload, Some(&header)).await?;
    let tampered = billing.accept_webhook(br#"{"id":"evt_2"}"#, Some(&header)).await;
    println!("a tampered body: {}", tampered.err().map(|error| error.message).unwrap_or_default());
    Ok(())
}
