//! `GET /api/v1/usage`, authenticated and limited, beside a bare axum handler that returns the same bytes:
//! `cargo bench --bench usage`.
//!
//! First over loopback sockets, which is what a client sees: each router behind `axum::serve` on a thread of its own,
//! the same keep-alive connections, the same client loop, alternating rounds. Then both routers called in process, where
//! no socket hides the difference.
#![expect(clippy::print_stdout, reason = "the ratio is the result")]

mod wire;

use axum::Router;
use axum::body::Body;
use axum::http::{Request, header};
use axum::routing::get;
use criterion::{Criterion, criterion_group, criterion_main};
use tokio::runtime::{Builder, Runtime};
use tower::ServiceExt;

use wire::Server;

const CONNECTIONS: usize = 16;
/// Requests of one connection in one round.
const REQUESTS: usize = 2_000;
const ROUNDS: usize = 7;

fn request(key: &str) -> Request<Body> {
    Request::get("/api/v1/usage").header("X-API-Key", key).body(Body::empty()).expect("a request")
}

async fn body_of(router: &Router, key: &str) -> Vec<u8> {
    let answer = router.clone().oneshot(request(key)).await.expect("infallible");
    assert_eq!(answer.status(), 200);
    axum::body::to_bytes(answer.into_body(), 1 << 20).await.expect("a body").to_vec()
}

async fn routers(dir: &std::path::Path) -> (Router, Router, String) {
    let (app, key) = wire::compose(dir, "functional_scans = 50").await;
    let ours = nat::rest::router(app.services, nat::rest::Config::default());
    let bytes = body_of(&ours, &key).await;
    let answer = move || async move { ([(header::CONTENT_TYPE, "application/json")], bytes) };
    (ours, Router::new().route("/api/v1/usage", get(answer)), key)
}

fn over_sockets(runtime: &Runtime, ours: &Router, bare: &Router, key: &str) {
    let request = format!("GET /api/v1/usage HTTP/1.1\r\nhost: 127.0.0.1\r\nx-api-key: {key}\r\n\r\n");
    let servers = [
        ("bare axum handler", Server::start(bare.clone(), false)),
        ("GET /api/v1/usage", Server::start(ours.clone(), false)),
        ("the same with its log", Server::start(ours.clone(), true)),
    ];
    // Alternating, the best of each: other load on the machine must not decide the ratio.
    let mut best = [(0.0_f64, f64::INFINITY); 3];
    for _ in 0..ROUNDS {
        for ((_, server), best) in servers.iter().zip(&mut best) {
            let (rate, cost) = runtime.block_on(server.round(request.as_bytes(), CONNECTIONS, REQUESTS));
            *best = (best.0.max(rate), best.1.min(cost));
        }
    }
    println!("over loopback, {CONNECTIONS} connections:");
    for ((name, _), (rate, cost)) in servers.iter().zip(&best) {
        let ratio = rate / best[0].0;
        println!(
            "  {name:<24} {rate:>7.0} requests/s, ratio {ratio:.2}, {cost:.1} µs of the server's thread a request"
        );
    }
}

fn usage(criterion: &mut Criterion) {
    let runtime = Builder::new_current_thread().enable_all().build().expect("a runtime");
    let dir = tempfile::tempdir().expect("a directory");
    let (ours, bare, key) = runtime.block_on(routers(dir.path()));
    let mut group = criterion.benchmark_group("in process");
    for (name, router) in [("bare axum handler", &bare), ("GET /api/v1/usage", &ours)] {
        group.bench_function(name, |bencher| bencher.to_async(&runtime).iter(|| body_of(router, &key)));
    }
    group.finish();
    over_sockets(&runtime, &ours, &bare, &key);
}

criterion_group!(benches, usage);
criterion_main!(benches);
