//! The facade under test: real services, a fresh database of every configured kind, a clock that stands still, a real
//! target to scan, and sockets where a test needs them.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::body::Body;
use axum::http::{HeaderMap, Request};
use axum::routing::get;
use axum::{Json, Router};
use chrono::{DateTime, Utc};
use nat_billing::{Billing, BillingPorts, BillingSettings};
use nat_core::access::{ApiKeys, ApiKeysPorts};
use nat_core::db::{SeaStore, testing};
use nat_core::entropy::{Entropy, SystemEntropy};
use nat_core::plan::PlanCatalogue;
use nat_core::rate_limit::{MemoryRateLimiter, RateDecision, RateLimiter};
use nat_core::secret::{ExposeSecret, Vault};
use nat_core::store::CoreStore;
use nat_core::tenant::Tenant;
use nat_core::time::{Clock, ManualClock};
use nat_core::usage::Usage;
use nat_core::{PlanId, ScanId, TenantId};
use nat_graphql::{Services, Settings};
use nat_scan::engine::{EnginePorts, Now};
use nat_scan::policy::{SystemResolver, TargetPolicy};
use nat_scan::service::{Scans, ScansPorts};
use nat_scan::transport::http::HttpConnect;
use serde_json::{Value, json};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;

const PLANS: &str = r#"
[[plan]]
id = "free"
functional_scans = 2
security_scans = 0
requests_per_minute = 100000
concurrent_scans = 50
[[plan]]
id = "pro"
requests_per_minute = 100000
[[plan]]
id = "slow"
requests_per_minute = 100
"#;

/// What a test can break.
#[derive(Default)]
pub(crate) struct Sabotage {
    /// Randomness panics: whatever makes a key does.
    pub(crate) entropy_panics: AtomicBool,
    /// The rate limiter never answers.
    pub(crate) limiter_hangs: AtomicBool,
    pub(crate) limiter_entered: Notify,
    pub(crate) limiter_dropped: Notify,
}

struct Randomness(Arc<Sabotage>);

impl Entropy for Randomness {
    fn fill(&self, bytes: &mut [u8]) {
        assert!(!self.0.entropy_panics.load(Ordering::SeqCst), "a secret of the inside");
        SystemEntropy.fill(bytes);
    }
}

struct Limiter {
    inner: MemoryRateLimiter,
    sabotage: Arc<Sabotage>,
}

/// Tells when the work that holds it is given up.
struct Tell(Arc<Sabotage>);

impl Drop for Tell {
    fn drop(&mut self) {
        self.0.limiter_dropped.notify_one();
    }
}

#[async_trait::async_trait]
impl RateLimiter for Limiter {
    async fn check(&self, tenant_id: &TenantId, plan_id: &PlanId, cost: u32) -> RateDecision {
        if cost > 1 && self.sabotage.limiter_hangs.load(Ordering::SeqCst) {
            let _tell = Tell(self.sabotage.clone());
            self.sabotage.limiter_entered.notify_one();
            std::future::pending::<()>().await;
        }
        self.inner.check(tenant_id, plan_id, cost).await
    }
}

struct EngineClock(Arc<dyn Clock>);

impl Now for EngineClock {
    fn now(&self) -> DateTime<Utc> {
        self.0.now()
    }
}

pub(crate) struct App {
    pub(crate) router: Router,
    pub(crate) services: Services,
    pub(crate) store: SeaStore,
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) sabotage: Arc<Sabotage>,
    pub(crate) settings: Settings,
    statements: Arc<AtomicUsize>,
    /// Where the router is served, once a test asked for it.
    address: Mutex<Option<SocketAddr>>,
}

/// Status, headers and body of an answer.
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

    /// The code of the first error.
    pub(crate) fn code(&self) -> String {
        self.json()["errors"][0]["extensions"]["code"].as_str().unwrap_or_default().to_owned()
    }

    #[track_caller]
    pub(crate) fn assert_refused(&self, status: u16, code: &str) {
        assert_eq!((self.status, self.code().as_str()), (status, code), "{self:?}");
        let body = self.json();
        assert!(body["data"].is_null(), "{self:?}");
        let expected = nat_core::ErrorCode::ALL.iter().find(|known| known.as_str() == code).expect("of the registry");
        assert_eq!(body["errors"][0]["extensions"]["status"], expected.status(), "{self:?}");
    }
}

/// Bounds that a test does not wait for.
pub(crate) fn quick() -> Settings {
    Settings {
        init_timeout: Duration::from_millis(150),
        send_timeout: Duration::from_millis(300),
        pulse: Duration::from_millis(10),
        ..Settings::default()
    }
}

/// Runs `test` on a fresh facade over every configured kind of database.
pub(crate) async fn with_app(test: impl AsyncFn(App)) {
    with_settings(quick(), test).await;
}

pub(crate) async fn with_settings(settings: Settings, test: impl AsyncFn(App)) {
    let migrations = || nat_billing::db::migrations().into_iter().chain(nat_scan::db::migrations()).collect();
    testing::on_every_database(migrations, async |database| {
        // What one run stops must not be stopped in the next.
        let settings = Settings { stop: CancellationToken::new(), ..settings.clone() };
        test(compose(database.store, settings)).await;
    })
    .await;
}

fn compose(mut store: SeaStore, settings: Settings) -> App {
    let statements = Arc::new(AtomicUsize::new(0));
    let counter = statements.clone();
    store.read.set_metric_callback(move |_| {
        counter.fetch_add(1, Ordering::SeqCst);
    });
    let start = DateTime::parse_from_rfc3339("2025-01-15T12:00:00Z").expect("an instant").to_utc();
    let manual = Arc::new(ManualClock::new(start));
    let clock: Arc<dyn Clock> = manual.clone();
    let sabotage = Arc::new(Sabotage::default());
    let entropy: Arc<dyn Entropy> = Arc::new(Randomness(sabotage.clone()));
    let plans = Arc::new(PlanCatalogue::parse(PLANS).expect("plans"));
    let shared = Arc::new(store.clone());
    let vault = Arc::new(Vault::new([7; 32]));
    let keys = ApiKeys::new(ApiKeysPorts {
        store: shared.clone(),
        plans: plans.clone(),
        clock: clock.clone(),
        entropy: entropy.clone(),
    });
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
        store: store.clone(),
        plans: plans.clone(),
        jobs: Arc::new(store.job_queue()),
        vault,
        clock: clock.clone(),
        entropy,
        engine: EnginePorts {
            policy: TargetPolicy { hosted: false, deny: Vec::new(), resolver: Arc::new(SystemResolver) },
            connect: Arc::new(HttpConnect::default()),
            now: Arc::new(EngineClock(clock.clone())),
        },
        callback: None,
        permission: nat_scan::service::Permission::default(),
        node: "node".to_owned(),
    });
    let limiter = Limiter { inner: MemoryRateLimiter::new(plans.clone(), clock.clone()), sabotage: sabotage.clone() };
    let usage = Usage::new(shared, plans.clone(), clock);
    let services = Services { keys, limiter: Arc::new(limiter), usage, scans, billing, plans };
    let router = nat_graphql::router(services.clone(), settings.clone());
    App { router, services, store, clock: manual, sabotage, settings, statements, address: Mutex::default() }
}

impl App {
    /// Registers a tenant and returns its key.
    pub(crate) async fn tenant(&self, id: &str, plan: &str) -> String {
        let email = format!("{id}@example.test");
        let tenant = Tenant::new(TenantId::from(id), email, PlanId::from(plan), DateTime::UNIX_EPOCH);
        let mut tx = self.store.begin().await.expect("a transaction");
        assert!(tx.insert_tenant(&tenant).await.expect("an insert"));
        let new = self.services.keys.issue_first(tx.as_mut(), &tenant).await.expect("a key");
        tx.commit().await.expect("a commit");
        new.secret.expose_secret().to_owned()
    }

    /// Statements that the database was asked to read by, so far.
    pub(crate) fn statements(&self) -> usize {
        self.statements.load(Ordering::SeqCst)
    }

    pub(crate) async fn send(&self, request: Request<Body>) -> Answer {
        let response = self.router.clone().oneshot(request).await.expect("infallible");
        let (parts, body) = response.into_parts();
        let bytes = axum::body::to_bytes(body, 64 << 20).await.expect("a body");
        let text = String::from_utf8(bytes.to_vec()).expect("UTF-8");
        Answer { status: parts.status.as_u16(), headers: parts.headers, text }
    }

    pub(crate) async fn call(&self, method: &str, uri: &str, headers: &[(&str, &str)], body: &str) -> Answer {
        let mut request = Request::builder().method(method).uri(uri);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        self.send(request.body(Body::from(body.to_owned())).expect("a request")).await
    }

    pub(crate) async fn post(&self, key: &str, body: &Value) -> Answer {
        let headers = [("x-api-key", key), ("content-type", "application/json")];
        self.call("POST", "/graphql", &headers, &body.to_string()).await
    }

    pub(crate) async fn query(&self, key: &str, query: &str) -> Answer {
        self.post(key, &json!({"query": query})).await
    }

    /// The data of a query without errors.
    pub(crate) async fn data(&self, key: &str, query: &str) -> Value {
        self.data_with(key, query, &json!({})).await
    }

    pub(crate) async fn data_with(&self, key: &str, query: &str, variables: &Value) -> Value {
        let answer = self.post(key, &json!({"query": query, "variables": variables})).await;
        let mut body = answer.json();
        assert!(body["errors"].is_null(), "{query}: {answer:?}");
        body["data"].take()
    }

    /// Starts a scan of a target and runs it to its end; its REST id.
    pub(crate) async fn scan(&self, key: &str, target: &str) -> String {
        let id = self.start(key, target).await;
        self.services.scans.execute(ScanId::from(id.as_str())).await;
        id
    }

    pub(crate) async fn start(&self, key: &str, target: &str) -> String {
        let query = "mutation($url: String) { startScan(input: {url: $url, specUrl: $spec, options: {seed: 1, maxRequests: 200}}) \
                     { scan { scanId } userErrors { code message } } }"
            .replace("$url: String", "$url: String, $spec: String");
        let variables = json!({"url": target, "spec": format!("{target}/openapi.json")});
        let data = self.data_with(key, &query, &variables).await;
        data["startScan"]["scan"]["scanId"].as_str().unwrap_or_else(|| panic!("{data}")).to_owned()
    }

    /// The router on a real socket.
    pub(crate) async fn address(&self) -> SocketAddr {
        if let Some(address) = *self.address.lock().expect("no panic") {
            return address;
        }
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("bound");
        let router = self.router.clone();
        tokio::spawn(async move { axum::serve(listener, router).await });
        *self.address.lock().expect("no panic") = Some(address);
        address
    }
}

/// A target on a free port, for as long as the test's runtime lives: two operations, of which one answers what the
/// document does not say as long as `is_broken`.
pub(crate) struct Target {
    pub(crate) url: String,
    pub(crate) is_broken: Arc<AtomicBool>,
}

pub(crate) async fn target() -> Target {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("http://{}", listener.local_addr().expect("bound"));
    let schema = json!({"type": "object", "required": ["name"], "properties": {"name": {"type": "string"}}});
    let answers = json!({"200": {"description": "a pet", "content": {"application/json": {"schema": schema}}}});
    let document = json!({
        "openapi": "3.0.3", "info": {"title": "pets", "version": "1"},
        "paths": {
            "/pet": {"get": {"operationId": "getPet", "responses": answers}},
            "/dog": {"get": {"operationId": "getDog", "responses": answers}},
        },
    });
    let is_broken = Arc::new(AtomicBool::new(true));
    let broken = is_broken.clone();
    let pet = move || {
        let broken = broken.clone();
        async move { Json(if broken.load(Ordering::SeqCst) { json!({"name": 7}) } else { json!({"name": "Rex"}) }) }
    };
    let router = Router::new()
        .route("/openapi.json", get(async || Json(document)))
        .route("/pet", get(pet))
        .route("/dog", get(async || Json(json!({"name": []}))));
    tokio::spawn(async move { axum::serve(listener, router).await });
    Target { url, is_broken }
}
