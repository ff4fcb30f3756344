//! The GraphQL facade inside another program: a temporary SQLite store, a tenant, one query without a socket.
//!
//! `cargo run -p nat-graphql --example embed-graphql`

use std::sync::Arc;

use nat_core::access::{ApiKeys, ApiKeysPorts};
use nat_core::db::SeaStore;
use nat_core::entropy::SystemEntropy;
use nat_core::plan::PlanCatalogue;
use nat_core::rate_limit::MemoryRateLimiter;
use nat_core::store::CoreStore;
use nat_core::tenant::Tenant;
use nat_core::time::{Clock, SystemClock};
use nat_core::usage::Usage;
use nat_core::{Actor, PlanId, TenantId};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let directory = tempfile::tempdir()?;
    let url = format!("sqlite://{}?mode=rwc", directory.path().join("nat.db").display());
    let store = SeaStore::open(&url, Vec::new()).await?;
    let actor = Actor::system(TenantId::from("demo"), PlanId::from("free"));
    register(&store, &actor).await?;

    // `nat_graphql::router(services)` is the same over HTTP, with keys and rate limits.
    let schema = nat_graphql::schema(services(&store));
    let query = async_graphql::Request::new("{ usage { plan scansUsed scansLimit quotaResetDate } }").data(actor);
    let answer = schema.execute(query).await;
    #[expect(clippy::print_stdout, reason = "an example shows what it got")]
    {
        println!("{}", answer.data);
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

fn services(store: &SeaStore) -> nat_graphql::Services {
    let (clock, entropy) = (Arc::new(SystemClock), Arc::new(SystemEntropy));
    let plans = Arc::new(PlanCatalogue::published());
    let store = Arc::new(store.clone());
    nat_graphql::Services {
        keys: ApiKeys::new(ApiKeysPorts { store: store.clone(), plans: plans.clone(), clock: clock.clone(), entropy }),
        limiter: Arc::new(MemoryRateLimiter::new(plans.clone(), clock.clone())),
        usage: Usage::new(store, plans, clock),
    }
}
