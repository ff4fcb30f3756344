//! What generation, classification and checks cost: the engine beside a plain client loop over the same transport, the
//! same requests and the same in-process server, and `wrk -t1 -c64` on that server where it is installed.
//! `cargo bench -p nat-scan --bench engine`
#![expect(clippy::print_stdout, reason = "the ratio is the result")]

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Json;
use axum::Router;
use axum::extract::{Path, Query};
use axum::http::StatusCode;
use axum::routing::get;
use chrono::{DateTime, Utc};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use futures::StreamExt;
use nat_scan::engine::{self, Connect, EnginePorts, Now, ScanConfig, ScanKind, SpecSource};
use nat_scan::generate::{self, Phase};
use nat_scan::identity::Credentials;
use nat_scan::policy::{SystemResolver, TargetPolicy};
use nat_scan::spec::{self, SpecLimits};
use nat_scan::transport::http::HttpConnect;
use nat_scan::transport::{Limits, Request, Transport};
use serde::{Deserialize, Serialize};
use serde_json::json;
use tokio::runtime::Runtime;
use tokio_util::sync::CancellationToken;

const CONCURRENCY: usize = 64;
/// Equal resources: enough cases that start and end do not show.
const RESOURCES: usize = 40;
const ROUNDS: usize = 5;

#[derive(Deserialize)]
struct Page {
    #[serde(default = "ten")]
    limit: u32,
}

fn ten() -> u32 {
    10
}

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Item {
    name: String,
    amount: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    note: Option<String>,
}

fn refuse() -> (StatusCode, Json<serde_json::Value>) {
    (StatusCode::BAD_REQUEST, Json(json!({"error": "invalid"})))
}

fn item(id: u32) -> serde_json::Value {
    json!({"id": id, "name": "a thing with a name", "amount": 7, "tags": ["one", "two", "three"],
           "created": "2026-01-01T00:00:00Z", "owner": {"id": 4, "email": "someone@example.org"}})
}

/// Sound: what it measures is the engine, not the proof of defects.
fn api() -> Router {
    let list = |page: Result<Query<Page>, _>| async move {
        match page {
            Ok(Query(Page { limit: 1..=100 })) => (StatusCode::OK, Json(json!([item(1)]))),
            Ok(_) | Err(axum::extract::rejection::QueryRejection::FailedToDeserializeQueryString(_)) | Err(_) => {
                refuse()
            }
        }
    };
    let create = |body: Result<Json<Item>, axum::extract::rejection::JsonRejection>| async move {
        match body {
            Ok(Json(new)) if (1..=40).contains(&new.name.chars().count()) && new.amount <= 1000 => {
                (StatusCode::CREATED, Json(item(2)))
            }
            _ => refuse(),
        }
    };
    let show = |id: Result<Path<(u32, u32)>, axum::extract::rejection::PathRejection>| async move {
        match id {
            Ok(Path((_, id))) if id >= 1 => (StatusCode::OK, Json(item(id))),
            _ => refuse(),
        }
    };
    Router::new().route("/r/{resource}", get(list).post(create)).route("/r/{resource}/{id}", get(show))
}

fn document() -> String {
    let thing = json!({"type": "object", "required": ["id", "name", "amount"], "properties": {
        "id": {"type": "integer"}, "name": {"type": "string"}, "amount": {"type": "integer"},
        "tags": {"type": "array", "items": {"type": "string"}},
        "created": {"type": "string", "format": "date-time"},
        "owner": {"type": "object", "required": ["id"], "properties": {
            "id": {"type": "integer"}, "email": {"type": "string"}}}}});
    let answer =
        |schema: serde_json::Value| json!({"description": "", "content": {"application/json": {"schema": schema}}});
    let error = answer(json!({"type": "object", "required": ["error"], "properties": {"error": {"type": "string"}}}));
    let mut paths = serde_json::Map::new();
    for resource in 0..RESOURCES {
        let list = json!({"parameters": [{"name": "limit", "in": "query",
                "schema": {"type": "integer", "minimum": 1, "maximum": 100}}],
            "responses": {"200": answer(json!({"type": "array", "items": thing})), "400": error}});
        let create = json!({"requestBody": {"required": true, "content": {"application/json": {"schema": {
                "type": "object", "required": ["name", "amount"], "additionalProperties": false, "properties": {
                    "name": {"type": "string", "minLength": 1, "maxLength": 40},
                    "amount": {"type": "integer", "minimum": 0, "maximum": 1000},
                    "note": {"type": "string"}}}}}},
            "responses": {"201": answer(thing.clone()), "400": error}});
        let show = json!({"parameters": [{"name": "id", "in": "path", "required": true,
                "schema": {"type": "integer", "minimum": 1, "maximum": 4_000_000_000_u32}}],
            "responses": {"200": answer(thing.clone()), "400": error}});
        paths.insert(format!("/r/{resource}"), json!({"get": list, "post": create}));
        paths.insert(format!("/r/{resource}/{{id}}"), json!({"get": show}));
    }
    json!({"openapi": "3.1.0", "info": {"title": "Bench", "version": "1"}, "paths": paths}).to_string()
}

struct WallClock;

impl Now for WallClock {
    #[expect(clippy::disallowed_methods, reason = "the benchmark is where the clock is chosen")]
    fn now(&self) -> DateTime<Utc> {
        Utc::now()
    }
}

fn policy() -> TargetPolicy {
    TargetPolicy { hosted: false, deny: Vec::new(), resolver: Arc::new(SystemResolver) }
}

/// Its own thread and runtime: the server competes for the machine as a real one would, not for the client's task.
fn serve() -> SocketAddr {
    let (tell, told) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(async {
            let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
            tell.send(listener.local_addr().expect("an address")).expect("someone waits");
            axum::serve(listener, api()).await.expect("a server");
        });
    });
    told.recv().expect("the server starts")
}

struct Setup {
    runtime: Runtime,
    target: url::Url,
    document: String,
    requests: Vec<Request>,
}

impl Setup {
    fn new() -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let target: url::Url = format!("http://{}", serve()).parse().expect("a URL");
        let document = document();
        let loading = spec::load(document.as_bytes(), None, None, SpecLimits::default());
        let api = runtime.block_on(loading).expect("a sound document");
        let mut requests = Vec::new();
        for phase in [Phase::HappyPath, Phase::Examples, Phase::Coverage] {
            for operation in &api.operations {
                let cases = generate::cases(&api, operation, phase, 1);
                requests.extend(cases.iter().filter_map(|case| generate::render(operation, case, "").ok()));
            }
        }
        Self { runtime, target, document, requests }
    }

    fn transport(&self) -> Arc<dyn Transport> {
        let pinned = self.runtime.block_on(policy().pin(&self.target)).expect("loopback is allowed");
        HttpConnect::default().connect(&pinned, Limits::default(), "scan_bench")
    }

    /// Requests and time of a loop that only sends.
    fn plain(&self) -> (u64, Duration) {
        let transport = self.transport();
        let begin = Instant::now();
        self.runtime.block_on(async {
            let sends = self.requests.iter().map(|request| transport.send(request, false));
            futures::stream::iter(sends).buffer_unordered(CONCURRENCY).for_each(|_| async {}).await;
        });
        (self.requests.len() as u64, begin.elapsed())
    }

    /// Requests and time of a whole scan: reading the document, generation, validation, proofs.
    fn engine(&self) -> (u64, Duration) {
        let config = ScanConfig {
            kind: ScanKind::Functional,
            target: self.target.clone(),
            spec: SpecSource::Bytes { bytes: self.document.clone().into_bytes(), base: None },
            credentials: Credentials::None,
            second_credentials: None,
            concurrency: CONCURRENCY,
            limits: Limits::default(),
            max_requests: 1_000_000,
            max_duration: Duration::from_secs(600),
            max_bytes: 1 << 40,
            exclude: Vec::new(),
            seed: 1,
            safe_mode: false,
            clean_up: true,
            scan_id: "scan_bench".to_owned(),
        };
        let ports =
            EnginePorts { policy: policy(), connect: Arc::new(HttpConnect::default()), now: Arc::new(WallClock) };
        let begin = Instant::now();
        let outcome = self.runtime.block_on(engine::run(config, ports, Arc::new(|_| {}), CancellationToken::new()));
        assert_eq!(outcome.failure, None);
        (outcome.requests, begin.elapsed())
    }
}

fn rate((requests, elapsed): (u64, Duration)) -> f64 {
    requests as f64 / elapsed.as_secs_f64()
}

/// Requests a second of a client that neither makes nor looks at them.
fn wrk(target: &url::Url) -> Option<f64> {
    let url = target.join("r/1/5").ok()?;
    let output = std::process::Command::new("wrk").args(["-t1", "-c64", "-d5s", url.as_str()]).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    text.lines().find_map(|line| line.strip_prefix("Requests/sec:")?.trim().parse().ok())
}

fn engine_beside_plain_loop(criterion: &mut Criterion) {
    let setup = Setup::new();
    // Alternating, the best of each: other load on the machine must not decide the ratio.
    let (mut plain, mut engine) = (0.0_f64, 0.0_f64);
    for _ in 0..ROUNDS {
        plain = plain.max(rate(setup.plain()));
        engine = engine.max(rate(setup.engine()));
    }
    println!(
        "plain loop {plain:.0} requests/s, engine {engine:.0} requests/s, ratio {:.2} ({} cases, {CONCURRENCY} at once)",
        engine / plain,
        setup.requests.len()
    );
    match wrk(&setup.target) {
        Some(most) => println!(
            "wrk -t1 -c64 {most:.0} requests/s of one resource; engine {engine:.0} validated requests/s, ratio {:.2}",
            engine / most
        ),
        None => println!("wrk is not installed: no comparison with it"),
    }
    let mut group = criterion.benchmark_group("requests");
    group.sample_size(10).throughput(Throughput::Elements(setup.requests.len() as u64));
    group.bench_function("plain", |bencher| bencher.iter(|| setup.plain()));
    group.bench_function("engine", |bencher| bencher.iter(|| setup.engine()));
    group.finish();
}

criterion_group!(benches, engine_beside_plain_loop);
criterion_main!(benches);
