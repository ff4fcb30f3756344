//! The endpoint over the real services and a fresh database of every configured kind.

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::http::{HeaderMap, Request};
use chrono::DateTime;
use nat_core::access::{ApiKeys, ApiKeysPorts, CreateApiKey};
use nat_core::db::{SeaStore, testing};
use nat_core::entropy::SystemEntropy;
use nat_core::plan::PlanCatalogue;
use nat_core::rate_limit::MemoryRateLimiter;
use nat_core::secret::ExposeSecret;
use nat_core::store::CoreStore;
use nat_core::tenant::Tenant;
use nat_core::time::ManualClock;
use nat_core::usage::Usage;
use nat_core::{Actor, PlanId, TenantId};
use serde_json::{Value, json};
use tower::ServiceExt;

const QUERY: &str =
    r#"{"query":"{ usage { tenantId plan scansUsed scansLimit scansRemaining quotaResetDate periodEnd } }"}"#;

struct App {
    router: Router,
    store: SeaStore,
    keys: ApiKeys,
}

async fn with_app(test: impl AsyncFn(App)) {
    testing::on_every_database(Vec::new, async |database| {
        let start = DateTime::parse_from_rfc3339("2025-01-15T12:00:00Z").expect("an instant").to_utc();
        let clock = Arc::new(ManualClock::new(start));
        let plans = Arc::new(PlanCatalogue::published());
        let store = Arc::new(database.store.clone());
        let keys = ApiKeys::new(ApiKeysPorts {
            store: store.clone(),
            plans: plans.clone(),
            clock: clock.clone(),
            entropy: Arc::new(SystemEntropy),
        });
        let services = nat_graphql::Services {
            keys: keys.clone(),
            limiter: Arc::new(MemoryRateLimiter::new(plans.clone(), clock.clone())),
            usage: Usage::new(store, plans, clock),
        };
        test(App { router: nat_graphql::router(services), store: database.store, keys }).await;
    })
    .await;
}

impl App {
    async fn tenant(&self, id: &str) -> String {
        let tenant =
            Tenant::new(TenantId::from(id), format!("{id}@example.test"), PlanId::from("free"), DateTime::UNIX_EPOCH);
        let mut tx = self.store.begin().await.expect("a transaction");
        assert!(tx.insert_tenant(&tenant).await.expect("an insert"));
        let new = self.keys.issue_first(tx.as_mut(), &tenant).await.expect("a key");
        tx.commit().await.expect("a commit");
        new.secret.expose_secret().to_owned()
    }

    async fn post(&self, headers: &[(&str, &str)], body: &str) -> (u16, HeaderMap, Value) {
        let mut request = Request::post("/graphql");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(Body::from(body.to_owned())).expect("a request");
        let response = self.router.clone().oneshot(request).await.expect("infallible");
        let (parts, body) = response.into_parts();
        let bytes = axum::body::to_bytes(body, 1 << 20).await.expect("a body");
        (parts.status.as_u16(), parts.headers, serde_json::from_slice(&bytes).expect("JSON"))
    }

    async fn query(&self, key: &str, body: &str) -> (u16, HeaderMap, Value) {
        self.post(&[("x-api-key", key), ("content-type", "application/json")], body).await
    }
}

fn assert_refused(answer: &(u16, HeaderMap, Value), status: u16, code: &str) {
    let error = &answer.2["errors"][0];
    assert_eq!((answer.0, error["extensions"]["code"].as_str()), (status, Some(code)), "{answer:?}");
    assert_eq!(error["extensions"]["status"], status, "{answer:?}");
    assert!(answer.2["data"].is_null());
}

#[tokio::test]
async fn usage_shows_the_viewers_own_period() {
    with_app(async |app| {
        let (ann, bob) = (app.tenant("ann").await, app.tenant("bob").await);
        for (name, key) in [("ann", &ann), ("bob", &bob)] {
            let (status, headers, body) = app.query(key, QUERY).await;
            assert_eq!(status, 200);
            assert_eq!(headers["ratelimit-policy"], r#""tenant";q=30;w=60"#);
            assert_eq!(
                body,
                json!({"data": {"usage": {
                    "tenantId": name, "plan": "free", "scansUsed": 0, "scansLimit": 50, "scansRemaining": 50,
                    "quotaResetDate": "2025-02-01T00:00:00Z", "periodEnd": "2025-01-31T23:59:59Z",
                }}})
            );
        }
    })
    .await;
}

#[tokio::test]
async fn refusals_have_the_codes_of_the_registry() {
    with_app(async |app| {
        let key = app.tenant("t").await;
        let json = ("content-type", "application/json");
        let absent = app.post(&[json], "not json").await;
        assert_refused(&absent, 401, "INVALID_API_KEY");
        assert!(absent.1["www-authenticate"].to_str().is_ok_and(|text| text.contains("X-API-Key")));
        assert_refused(&app.query("nat_pk_x", QUERY).await, 401, "INVALID_API_KEY");
        assert_refused(&app.post(&[("x-api-key", &key)], QUERY).await, 415, "UNSUPPORTED_MEDIA_TYPE");
        assert_refused(&app.query(&key, "not json").await, 400, "MALFORMED_JSON");
        assert_refused(&app.query(&key, &format!("[{QUERY}]")).await, 400, "MALFORMED_JSON");
        assert_refused(&app.query(&key, &" ".repeat((64 << 10) + 1)).await, 413, "PAYLOAD_TOO_LARGE");
        let nested = format!(r#"{{"query":"{{ usage(a: {}1) }}"}}"#, "[".repeat(10_000));
        assert_refused(&app.query(&key, &nested).await, 400, "MALFORMED_JSON");
    })
    .await;
}

#[tokio::test]
async fn key_without_the_scope_gets_the_code_of_rest() {
    with_app(async |app| {
        app.tenant("t").await;
        let actor = Actor::system(TenantId::from("t"), PlanId::from("free"));
        let input =
            CreateApiKey { name: "narrow".to_owned(), scopes: Some(vec!["scans:read".to_owned()]), expires_at: None };
        let narrow = app.keys.create(&actor, input).await.expect("a key");
        let (status, _, body) = app.query(narrow.secret.expose_secret(), QUERY).await;
        let extensions = &body["errors"][0]["extensions"];
        assert_eq!((status, &extensions["code"]), (200, &json!("FORBIDDEN")), "{body}");
        assert_eq!(extensions["required_scope"], "usage:read");
    })
    .await;
}

#[tokio::test]
async fn rate_limit_is_the_tenants() {
    with_app(async |app| {
        let key = app.tenant("t").await;
        for _ in 0..30 {
            assert_eq!(app.query(&key, QUERY).await.0, 200);
        }
        let limited = app.query(&key, QUERY).await;
        assert_refused(&limited, 429, "RATE_LIMITED");
        assert_eq!(
            limited.2["errors"][0]["extensions"]["retry_after"].to_string(),
            limited.1["retry-after"].to_str().expect("ASCII")
        );
    })
    .await;
}

#[tokio::test]
async fn store_away_is_masked() {
    with_app(async |app| {
        let key = app.tenant("t").await;
        app.store.clone().close().await;
        let (status, _, body) = app.query(&key, QUERY).await;
        assert_eq!((status, &body["errors"][0]["extensions"]["code"]), (503, &json!("SERVICE_UNAVAILABLE")), "{body}");
        assert_eq!(body["errors"][0]["message"], "The service is temporarily unavailable. Please retry.");
    })
    .await;
}
