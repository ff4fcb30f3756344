//! Tenants, keys, rate limits and quotas in a program of one's own: no HTTP server, an SQLite database in memory.
//!
//! `cargo run -p nat-core --features sea-orm --example embed-core`

use std::{error::Error, sync::Arc};

use nat_core::{
    PlanId, ScanId, TenantId,
    access::{ApiKeys, ApiKeysPorts},
    db::SeaStore,
    entropy::SystemEntropy,
    plan::PlanCatalogue,
    quota::{self, QuotaKind},
    rate_limit::{MemoryRateLimiter, RateLimiter},
    secret::ExposeSecret,
    store::CoreStore,
    tenant::Tenant,
    time::{Clock, SystemClock},
    usage::Usage,
};

#[tokio::main]
#[expect(clippy::print_stdout, reason = "an example shows what it does")]
async fn main() -> Result<(), Box<dyn Error>> {
    let store = Arc::new(SeaStore::open("sqlite::memory:", Vec::new()).await?);
    let (plans, clock, entropy) =
        (Arc::new(PlanCatalogue::published()), Arc::new(SystemClock), Arc::new(SystemEntropy));
    let keys = ApiKeys::new(ApiKeysPorts {
        store: store.clone(),
        plans: plans.clone(),
        clock: clock.clone(),
        entropy: entropy.clone(),
    });

    // A tenant and its first key: both, or neither.
    let tenant = Tenant::new(TenantId::from("acme"), "ops@acme.example", PlanId::from("free"), clock.now());
    let mut tx = store.begin().await?;
    tx.insert_tenant(&tenant).await?;
    let key = keys.issue_first(tx.as_mut(), &tenant).await?;
    tx.commit().await?;

    // What a request does: who is it, how fast is it, and is there a unit left?
    let actor = keys.authenticate(key.secret.expose_secret()).await?;
    let limiter = MemoryRateLimiter::new(plans.clone(), clock.clone());
    let decision = limiter.check(&actor.tenant_id, &actor.plan_id, 1).await;
    println!("rate limit: allowed {}, {} left of {:?}", decision.allowed, decision.remaining, decision.limit);

    let mut tx = store.begin().await?;
    let tenant = tx.lock_tenant(&actor.tenant_id).await?.ok_or("the tenant is gone")?;
    let scan_id = ScanId::generate(clock.now(), &*entropy);
    quota::reserve(tx.as_mut(), &plans, &tenant, &scan_id, QuotaKind::Functional, clock.now()).await?;
    tx.commit().await?;

    let usage = Usage::new(store, plans, clock).summary(&actor).await?;
    println!(
        "{}: {} used, {:?} left until {}",
        usage.tenant_id, usage.scans_used, usage.scans_remaining, usage.period.end
    );
    Ok(())
}
