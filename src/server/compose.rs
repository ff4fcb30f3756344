//! The one place where ports meet their adapters.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use nat_billing::gateway::PaymentGateway;
use nat_billing::{Billing, BillingPorts, StripeGateway};
use nat_core::access::{ApiKeys, ApiKeysPorts};
use nat_core::db::SeaStore;
use nat_core::entropy::{Entropy, SystemEntropy};
use nat_core::job::JobQueue;
use nat_core::rate_limit::MemoryRateLimiter;
use nat_core::secret::Vault;
use nat_core::time::{Clock, SystemClock};
use nat_core::usage::Usage;
use nat_core::{Error, Result};
use nat_rest::Services;
use nat_scan::engine::{EnginePorts, Now};
use nat_scan::policy::{SystemResolver, TargetPolicy};
use nat_scan::service::{Scans, ScansPorts};
use nat_scan::transport::http::HttpConnect;

use super::seal;
use crate::config::{Config, Mode};

/// A composed server: what the wires, the worker and the command line call.
#[derive(Clone)]
pub struct App {
    /// Everything that a wire needs.
    pub services: Services,
    /// Hands scans to the worker.
    pub jobs: Arc<dyn JobQueue>,
}

/// nat-core's clock where the engine wants its own port.
struct EngineClock(Arc<dyn Clock>);

impl Now for EngineClock {
    fn now(&self) -> DateTime<Utc> {
        self.0.now()
    }
}

/// The target policy that the configuration asks for.
#[must_use]
pub fn engine_ports(hosted: bool, deny: Vec<nat_scan::policy::IpNet>, clock: Arc<dyn Clock>) -> EnginePorts {
    EnginePorts {
        policy: TargetPolicy { hosted, deny, resolver: Arc::new(SystemResolver) },
        connect: Arc::new(HttpConnect::default()),
        now: Arc::new(EngineClock(clock)),
    }
}

/// Stripe, when there is a key for it.
fn gateway(config: &Config) -> Result<Option<Arc<dyn PaymentGateway>>> {
    let Some(key) = &config.stripe_secret_key else { return Ok(None) };
    let gateway = StripeGateway::new(key, config.stripe_api_base.as_deref()).map_err(Error::internal)?;
    Ok(Some(Arc::new(gateway)))
}

/// Opens the database (running its migrations) and puts all services together.
///
/// # Errors
/// The database cannot be opened, or the sealing key cannot be read or made.
pub async fn compose(config: &Config) -> Result<App> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let entropy: Arc<dyn Entropy> = Arc::new(SystemEntropy);
    let seal_key = match config.seal_key {
        Some(key) => key,
        None => seal::find_or_make(&config.database_url, &*entropy).map_err(Error::internal)?,
    };
    let mut migrations = nat_billing::db::migrations();
    migrations.extend(nat_scan::db::migrations());
    let store = SeaStore::open(&config.database_url, migrations).await?;
    let shared = Arc::new(store.clone());
    let plans = Arc::new(config.plans.clone());
    let jobs: Arc<dyn JobQueue> = Arc::new(store.job_queue());
    let keys = ApiKeys::new(ApiKeysPorts {
        store: shared.clone(),
        plans: plans.clone(),
        clock: clock.clone(),
        entropy: entropy.clone(),
    });
    let vault = Arc::new(Vault::new(seal_key));
    let billing = Billing::new(BillingPorts {
        store: shared.clone(),
        keys: keys.clone(),
        plans: plans.clone(),
        clock: clock.clone(),
        entropy: entropy.clone(),
        vault: vault.clone(),
        gateway: gateway(config)?,
        settings: config.billing.clone(),
    });
    let scans = Scans::new(ScansPorts {
        store,
        plans: plans.clone(),
        jobs: jobs.clone(),
        vault,
        clock: clock.clone(),
        entropy: entropy.clone(),
        engine: engine_ports(config.mode == Mode::Saas, config.target_deny.clone(), clock.clone()),
        callback: config.callback_address.clone(),
        permission: config.permission.clone(),
        node: nat_core::id::sortable(clock.now(), &*entropy),
    });
    let services = Services {
        usage: Usage::new(shared.clone(), plans.clone(), clock.clone()),
        limiter: Arc::new(MemoryRateLimiter::new(plans.clone(), clock.clone())),
        store: shared,
        keys,
        scans,
        billing,
        plans,
        clock,
        entropy,
    };
    Ok(App { services, jobs })
}
