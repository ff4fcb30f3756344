//! The published REST API of NAT over the services of nat-core, nat-billing and nat-scan.
//!
//! A handler converts, calls one service method and converts back. Everything that holds for all of them stands around
//! them as layers: request id, error bodies, time-out, authentication and rate limit, headers, metrics, traces.
//! [`router`] is the whole API, ready to be served or to be nested into another axum application.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use axum::Router;
use nat_billing::Billing;
use nat_core::{
    access::ApiKeys, admission::Admission, entropy::Entropy, plan::PlanCatalogue, rate_limit::RateLimiter,
    store::CoreStore, time::Clock, usage::Usage,
};
use nat_scan::service::Scans;

mod error;
mod extract;
mod layer;
mod openapi;
mod v1;

pub use openapi::openapi;

/// The base path of the published API.
pub const BASE_PATH: &str = "/api/v1";

/// The use cases behind the routes, and the ports that the layers need.
#[derive(Clone)]
pub struct Services {
    /// API keys.
    pub keys: ApiKeys,
    /// Usage, alerts, ledger.
    pub usage: Usage,
    /// Stored scans.
    pub scans: Scans,
    /// Webhook, sync-tenant, checkout, portal.
    pub billing: Billing,
    /// What `GET /plans` shows.
    pub plans: Arc<PlanCatalogue>,
    /// Requests a minute and tenant.
    pub limiter: Arc<dyn RateLimiter>,
    /// Asked by `/readyz`.
    pub store: Arc<dyn CoreStore>,
    /// For request ids.
    pub clock: Arc<dyn Clock>,
    /// For request ids.
    pub entropy: Arc<dyn Entropy>,
}

/// Limits and facts of this server. [`Config::default`] holds the published limits.
#[derive(Clone, Debug)]
pub struct Config {
    /// Shown by `/health` and in the OpenAPI document.
    pub version: String,
    /// Largest body in bytes; more is a 413.
    pub body_limit: usize,
    /// Largest body of `POST /scan` and `/security-scan`, which may hold a document.
    pub scan_body_limit: usize,
    /// Largest body of the Stripe webhook.
    pub webhook_body_limit: usize,
    /// A request that has no answer by then is a 408.
    pub request_timeout: Duration,
    /// Origins whose pages may call the API from a browser.
    pub origins: Vec<String>,
    /// Set by whoever stops the server: from then on `/readyz` answers 503, before connections are refused.
    pub draining: Arc<AtomicBool>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            body_limit: 1 << 20,
            scan_body_limit: 15 << 20,
            webhook_body_limit: 1 << 20,
            request_timeout: Duration::from_secs(30),
            origins: Vec::new(),
            draining: Arc::default(),
        }
    }
}

/// What handlers and layers share.
#[derive(Clone)]
struct App(Arc<AppParts>);

struct AppParts {
    services: Services,
    admission: Admission,
    config: Config,
}

impl std::ops::Deref for App {
    type Target = AppParts;

    fn deref(&self) -> &AppParts {
        &self.0
    }
}

/// The REST API, `/livez` and `/readyz`.
pub fn router(services: Services, config: Config) -> Router {
    router_with(services, config, Router::new())
}

/// The same, and `siblings` (for example the routes of nat-graphql) under the same outer layers: request id, time-out,
/// panics, traces and metrics. A sibling finds the id of the request in the header `X-Request-Id`, which is always there
/// and well formed, and does its own authentication.
pub fn router_with(services: Services, config: Config, siblings: Router) -> Router {
    let admission = Admission::new(services.keys.clone(), services.limiter.clone());
    let app = App(Arc::new(AppParts { services, admission, config }));
    let router = v1::router(&app).merge(siblings);
    layer::around(router, &app)
}
