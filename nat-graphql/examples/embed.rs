//! The GraphQL facade inside another program: a temporary SQLite store, a tenant, one query without a socket.
//!
//! `cargo run -p nat-graphql --example embed-graphql`

use std::sync::Arc;

use chrono::{DateTime, Utc};
use nat_billing::{Billing, BillingPorts, BillingSettings};
use nat_core::access::{ApiKeys, ApiKeysPorts};
use nat_core::db::SeaStore;
use nat_core::entropy::SystemEntropy;
use nat_core::plan::PlanCatalogue;
use nat_core::rate_limit::MemoryRateLimiter;
use nat_core::secret::Vault;
use nat_core::store::CoreStore;
use nat_core::tenant::Tenant;
use nat_core::time::{Clock, SystemClock};
use nat_core::usage::Usage;
use nat_core::{Actor, PlanId, TenantId};
use nat_graphql::{Facade, Services, Settings};
use nat_scan::engine::{EnginePorts, Now};
use nat_scan::policy::{SystemResolver, TargetPolicy};
use nat_scan::service::{Scans, ScansPorts};
use nat_scan::transport::http::HttpConnect;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let directory = tempfile::tempdir()?;
    let url = format!("sqlite://{}?mode=rwc", directory.path().join("nat.db").display());
    let mut migrations = nat_billing::db::migrations();
    migrations.extend(nat_scan::db::migrations());
    let store = SeaStore::open(&url, migrations).await?;
    let actor = Actor::system(TenantId::from("demo"), PlanId::from("free"));
    register(&store, &actor).await?;

    // `nat_graphql::router(services, settings)` is the same over HTTP and WebSocket, with keys and rate limits.
    let facade = Facade::new(services(&store), Settings::default());
    let query =
        "{ usage { plan scansUsed scansLimit } scans(first: 5) { nodes { scanId status } } rateLimit { cost } }";
    let executed = facade.execute(actor, query.into()).await;
    #[expect(clippy::print_stdout, reason = "an example shows what it got")]
    {
        println!("{} (cost {})", executed.response.data, executed.cost);
    }
    store.close().await;
    Ok(())
}

async fn register(store: &SeaStore, actor: &Actor) -> nat_core::Result<()> {
    let tenant = Tenant::new(actor.tenant_id.clone(), "demo@example.test", actor.plan_id.clone(), SystemClock.now());
    let mut tx = store.begin().await?;
    tx.insert_tenant(&tenant).await?;
    tx.commit().await
}

struct EngineClock;

impl Now for EngineClock {
    fn now(&self) -> DateTime<Utc> {
        SystemClock.now()
    }
}

fn services(store: &SeaStore) -> Services {
    let (clock, entropy) = (Arc::new(SystemClock), Arc::new(SystemEntropy));
    let plans = Arc::new(PlanCatalogue::published());
    let shared = Arc::new(store.clone());
    let vault = Arc::new(Vault::new([7; 32]));
    let keys = ApiKeys::new(ApiKeysPorts {
        store: shared.clone(),
        plans: plans.clone(),
        clock: clock.clone(),
        entropy: entropy.clone(),
    });
    Services {
        billing: Billing::new(BillingPorts {
            store: shared.clone(),
            keys: keys.clone(),
            plans: plans.clone(),
            clock: clock.clone(),
            entropy: entropy.clone(),
            vault: vault.clone(),
            gateway: None,
            settings: BillingSettings::default(),
        }),
        scans: Scans::new(ScansPorts {
            store: store.clone(),
            plans: plans.clone(),
            jobs: Arc::new(store.job_queue()),
            vault,
            clock: clock.clone(),
            entropy,
            engine: EnginePorts {
                policy: TargetPolicy { hosted: false, deny: Vec::new(), resolver: Arc::new(SystemResolver) },
                connect: Arc::new(HttpConnect::default()),
                now: Arc::new(EngineClock),
            },
            callback: None,
            permission: nat_scan::service::Permission::default(),
            node: "embedded".to_owned(),
        }),
        limiter: Arc::new(MemoryRateLimiter::new(plans.clone(), clock.clone())),
        usage: Usage::new(shared, plans.clone(), clock),
        keys,
        plans,
    }
}
