//! The application under test: real services, a fresh database, a clock that stands still.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::{HeaderMap, Request};
use axum::routing::get;
use chrono::DateTime;
use nat_billing::{Billing, BillingPorts, BillingSettings};
use nat_core::access::{ApiKeys, ApiKeysPorts};
use nat_core::db::{SeaStore, testing};
use nat_core::entropy::{Entropy, SystemEntropy};
use nat_core::plan::PlanCatalogue;
use nat_core::rate_limit::MemoryRateLimiter;
use nat_core::secret::{SecretString, Vault};
use nat_core::time::{Clock, ManualClock};
use nat_core::usage::Usage;
use nat_rest::{Config, Services};
use nat_scan::engine::{EnginePorts, Now};
use nat_scan::policy::{SystemResolver, TargetPolicy};
use nat_scan::service::{Scans, ScansPorts};
use nat_scan::transport::http::HttpConnect;
use serde_json::Value;
use tower::ServiceExt;

pub(crate) const SYNC_KEY: &str = "sync_0123456789012345678901234567890123456789";
pub(crate) const HOOK_SECRET: &str = "whsec_test_secret_0123456789";

const PLANS: &str = r#"
[[plan]]
id = "free"
functional_scans = 5
security_scans = 0
requests_per_minute = 100000
concurrent_scans = 50
[[plan]]
id = "pro"
requests_per_minute = 100000
[[plan]]
id = "slow"
functional_scans = 1
requests_per_minute = 2
concurrent_scans = 1
"#;

pub(crate) struct App {
    pub(crate) router: Router,
    pub(crate) services: Services,
    pub(crate) store: SeaStore,
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) config: Config,
}

/// What came back.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) text: String,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().expect("ASCII"))
    }

    /// The body is a flat error with this code, and says the same status as the answer when it says one.
    pub(crate) fn assert_error(&self, status: u16, code: &str) {
        assert_eq!(self.status, status, "{self:?}");
        let body = self.json();
        assert_eq!(body["error"], code, "{self:?}");
        assert!(body["status"].is_null() || body["status"] == status, "{self:?}");
        assert_eq!(self.header("content-type"), "application/json", "{self:?}");
    }
}

struct EngineClock(Arc<dyn Clock>);

impl Now for EngineClock {
    fn now(&self) -> chrono::DateTime<chrono::Utc> {
        self.0.now()
    }
}

/// What a test may want to be different.
#[derive(Clone, Copy)]
pub(crate) struct Settings {
    pub(crate) sync_key: bool,
    pub(crate) timeout: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self { sync_key: true, timeout: Duration::from_secs(30) }
    }
}

/// Runs `test` on a fresh application over every configured kind of database.
pub(crate) async fn with_app(test: impl AsyncFn(App)) {
    with_settings(Settings::default(), test).await;
}

pub(crate) async fn with_settings(settings: Settings, test: impl AsyncFn(App)) {
    crate::telemetry::install_log();
    testing::on_every_database(migrations, async |database| test(compose(database.store, settings)).await).await;
}

fn migrations() -> nat_core::db::Migrations {
    nat_billing::db::migrations().into_iter().chain(nat_scan::db::migrations()).collect()
}

fn compose(store: SeaStore, settings: Settings) -> App {
    let start = DateTime::parse_from_rfc3339("2025-01-15T12:00:00Z").expect("an instant").to_utc();
    let manual = Arc::new(ManualClock::new(start));
    let clock: Arc<dyn Clock> = manual.clone();
    let entropy: Arc<dyn Entropy> = Arc::new(SystemEntropy);
    let plans = Arc::new(PlanCatalogue::parse(PLANS).expect("plans"));
    let shared = Arc::new(store.clone());
    let keys = ApiKeys::new(ApiKeysPorts {
        store: shared.clone(),
        plans: plans.clone(),
        clock: clock.clone(),
        entropy: entropy.clone(),
    });
    let vault = Arc::new(Vault::new([7; 32]));
    let billing = Billing::new(BillingPorts {
        store: shared.clone(),
        keys: keys.clone(),
        plans: plans.clone(),
        clock: clock.clone(),
        entropy: entropy.clone(),
        vault: vault.clone(),
        gateway: None,
        settings: BillingSettings {
            sync_key: settings.sync_key.then(|| SecretString::from(SYNC_KEY)),
            webhook_secrets: vec![SecretString::from(HOOK_SECRET)],
            ..BillingSettings::default()
        },
    });
    let scans = Scans::new(ScansPorts {
        store: store.clone(),
        plans: plans.clone(),
        jobs: Arc::new(store.job_queue()),
        vault,
        clock: clock.clone(),
        entropy: entropy.clone(),
        engine: EnginePorts {
            policy: TargetPolicy { hosted: false, deny: Vec::new(), resolver: Arc::new(SystemResolver) },
            connect: Arc::new(HttpConnect::new()),
            now: Arc::new(EngineClock(clock.clone())),
        },
        callback: None,
        permission: nat_scan::service::Permission::default(),
        node: "test".to_owned(),
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
    let config = Config { request_timeout: settings.timeout, version: "9.9.9".to_owned(), ..Config::default() };
    let siblings = Router::new().route("/panic", get(async || -> &'static str { panic!("a test panics") }));
    let router = nat_rest::router_with(services.clone(), config.clone(), siblings);
    App { router, services, store, clock: manual, config }
}

impl App {
    pub(crate) async fn send(&self, request: Request<Body>) -> Answer {
        let response = self.router.clone().oneshot(request).await.expect("infallible");
        let (parts, body) = response.into_parts();
        let bytes = axum::body::to_bytes(body, 64 << 20).await.expect("a body");
        let text = String::from_utf8(bytes.to_vec()).expect("UTF-8");
        Answer { status: parts.status.as_u16(), headers: parts.headers, text }
    }

    /// `path` is below the base path unless it begins with `//`.
    pub(crate) async fn call(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Answer {
        let uri = path.strip_prefix('/').filter(|rest| rest.starts_with('/')).map(str::to_owned);
        let mut request = Request::builder().method(method).uri(uri.unwrap_or_else(|| format!("/api/v1{path}")));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        self.send(request.body(Body::from(body.to_owned())).expect("a request")).await
    }

    pub(crate) async fn get(&self, path: &str, key: &str) -> Answer {
        self.call("GET", path, &[("x-api-key", key)], "").await
    }

    pub(crate) async fn post(&self, path: &str, key: &str, body: &str) -> Answer {
        self.call("POST", path, &[("x-api-key", key), ("content-type", "application/json")], body).await
    }

    pub(crate) async fn sync(&self, body: &str) -> Answer {
        let headers = [("x-sync-key", SYNC_KEY), ("content-type", "application/json")];
        self.call("POST", "/billing/sync-tenant", &headers, body).await
    }

    /// Registers a tenant and returns its key.
    pub(crate) async fn tenant(&self, id: &str, plan: &str) -> String {
        let answer = self.sync(&format!(r#"{{"tenant_id":"{id}","email":"{id}@example.test","plan":"{plan}"}}"#)).await;
        assert_eq!(answer.status, 201, "{answer:?}");
        answer.json()["api_key"].as_str().expect("a key").to_owned()
    }
}
