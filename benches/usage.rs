//! `GET /api/v1/usage`, authenticated and limited, beside a bare axum handler that returns the same bytes.
//!
//! Both routers are called in process, in one run, so that the ratio is about our code and not about sockets:
//! `cargo bench --bench usage`.

use axum::Router;
use axum::body::Body;
use axum::http::{Request, header};
use axum::routing::get;
use criterion::{Criterion, criterion_group, criterion_main};
use nat::billing::service::SyncTenant;
use nat::config::Settings;
use nat::core::secret::ExposeSecret;
use tower::ServiceExt;

fn request(key: &str) -> Request<Body> {
    Request::get("/api/v1/usage").header("X-API-Key", key).body(Body::empty()).expect("a request")
}

async fn body_of(router: &Router, key: &str) -> Vec<u8> {
    let answer = router.clone().oneshot(request(key)).await.expect("infallible");
    assert_eq!(answer.status(), 200);
    axum::body::to_bytes(answer.into_body(), 1 << 20).await.expect("a body").to_vec()
}

async fn routers(dir: &std::path::Path) -> (Router, Router, String) {
    // Without a limit of requests a minute the bucket would be empty after the first seconds.
    let plans = dir.join("plans.toml");
    std::fs::write(&plans, "[[plan]]\nid = \"free\"\nfunctional_scans = 50\nrequests_per_minute = 4000000000\n")
        .expect("written");
    let settings = Settings {
        database_url: format!("sqlite://{}?mode=rwc", dir.join("nat.db").display()),
        listen: "127.0.0.1:0".into(),
        plans_file: Some(plans),
        workers: "1".into(),
        ..Settings::default()
    };
    let config = settings.check().unwrap_or_else(|problems| panic!("{problems:?}"));
    let app = nat::server::compose(&config).await.expect("composed");
    let tenant =
        SyncTenant { tenant_id: Some("t".into()), email: Some("t@example.test".into()), ..SyncTenant::default() };
    let made = app.services.billing.sync_tenant(tenant).await.expect("registered");
    let key = made.key.secret.expose_secret().to_owned();
    let ours = nat::rest::router(app.services, nat::rest::Config::default());
    let bytes = body_of(&ours, &key).await;
    let answer = move || async move { ([(header::CONTENT_TYPE, "application/json")], bytes) };
    (ours, Router::new().route("/api/v1/usage", get(answer)), key)
}

fn usage(criterion: &mut Criterion) {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let dir = tempfile::tempdir().expect("a directory");
    let (ours, bare, key) = runtime.block_on(routers(dir.path()));
    let mut group = criterion.benchmark_group("usage");
    for (name, router) in [("bare axum handler", &bare), ("GET /api/v1/usage", &ours)] {
        group.bench_function(name, |bencher| bencher.to_async(&runtime).iter(|| body_of(router, &key)));
    }
    group.finish();
}

criterion_group!(benches, usage);
criterion_main!(benches);
