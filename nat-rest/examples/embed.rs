//! The REST API inside another program: a temporary SQLite store, a router, one request without a socket.
//!
//! `cargo run -p nat-rest --example embed-rest`

use std::sync::Arc;

use axum::body::Body;
use axum::http::Request;
use chrono::{DateTime, Utc};
use nat_billing::{Billing, BillingPorts, BillingSettings};
use nat_core::access::{ApiKeys, ApiKeysPorts};
use nat_core::db::SeaStore;
use nat_core::entropy::SystemEntropy;
use nat_core::plan::PlanCatalogue;
use nat_core::rate_limit::MemoryRateLimiter;
use nat_core::secret::Vault;
use nat_core::time::{Clock, SystemClock};
use nat_core::usage::Usage;
use nat_scan::engine::{EnginePorts, Now};
use nat_scan::policy::{SystemResolver, TargetPolicy};
use nat_scan::service::{Scans, ScansPorts};
use nat_scan::transport::http::HttpConnect;
use tower::ServiceExt;

/// The engine has its own clock port, so that it can be used without nat-core.
struct EngineClock;

impl Now for EngineClock {
    fn now(&self) -> DateTime<Utc> {
        SystemClock.now()
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let directory = tempfile::tempdir()?;
    let url = format!("sqlite://{}?mode=rwc", directory.path().join("nat.db").display());
    let migrations = nat_billing::db::migrations().into_iter().chain(nat_scan::db::migrations()).collect();
    let store = SeaStore::open(&url, migrations).await?;

    let router = nat_rest::router(services(store.clone()), nat_rest::Config::default());
    // Serve it with `axum::serve(listener, router)`, or nest it into a router of your own.
    let response = router.oneshot(Request::get("/api/v1/plans").body(Body::empty())?).await?;
    let body = axum::body::to_bytes(response.into_body(), 1 << 20).await?;
    #[expect(clippy::print_stdout, reason = "an example shows what it got")]
    {
        println!("{}", String::from_utf8_lossy(&body));
    }
    store.close().await;
    Ok(())
}

fn services(store: SeaStore) -> nat_rest::Services {
    let (clock, entropy) = (Arc::new(SystemClock), Arc::new(SystemEntropy));
    let plans = Arc::new(PlanCatalogue::published());
    let shared = Arc::new(store.clone());
    let keys = ApiKeys::new(ApiKeysPorts {
        store: shared.clone(),
        plans: plans.clone(),
        clock: clock.clone(),
        entropy: entropy.clone(),
    });
    // A real key comes from a secret store: it opens the credentials of stored scans.
    let vault = Arc::new(Vault::new([0; 32]));
    let billing = Billing::new(BillingPorts {
        store: shared.clone(),
        keys: keys.clone(),
        plans: plans.clone(),
        clock: clock.clone(),
        entropy: entropy.clone(),
        vault: vault.clone(),
        gateway: None,
        settings: BillingSettings::default(),
    });
    let scans = Scans::new(ScansPorts {
        jobs: Arc::new(store.job_queue()),
        store,
        plans: plans.clone(),
        vault,
        clock: clock.clone(),
        entropy: entropy.clone(),
        engine: EnginePorts {
            policy: TargetPolicy { hosted: true, deny: Vec::new(), resolver: Arc::new(SystemResolver) },
            connect: Arc::new(HttpConnect::new()),
            now: Arc::new(EngineClock),
        },
        callback: None,
        permission: nat_scan::service::Permission::default(),
        node: "embedded".to_owned(),
    });
    nat_rest::Services {
        usage: Usage::new(shared.clone(), plans.clone(), clock.clone()),
        limiter: Arc::new(MemoryRateLimiter::new(plans.clone(), clock.clone())),
        store: shared,
        keys,
        scans,
        billing,
        plans,
        clock,
        entropy,
    }
}
