//! The same data over GraphQL and over REST: `cargo bench --bench graphql`.
//!
//! Both wires behind one `axum::serve` on a thread of its own, the same keep-alive connections, alternating rounds, the
//! best of each. A list of fifty scans with their findings is one document there and fifty-one calls here.
#![expect(clippy::print_stdout, reason = "the ratio is the result")]

mod wire;

use axum::routing::get;
use axum::{Json, Router};
use nat::scan::engine::ScanKind;
use nat::scan::service::{OptionsInput, StartScan};
use nat::server::App;
use serde_json::json;
use tokio::runtime::Builder;

use wire::Server;

const ROUNDS: usize = 7;
const SCANS: usize = 50;

/// A target whose every answer breaks its contract.
async fn target() -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("http://{}", listener.local_addr().expect("bound"));
    let schema = json!({"type": "object", "required": ["name"], "properties": {"name": {"type": "string"}}});
    let answers = json!({"200": {"description": "a pet", "content": {"application/json": {"schema": schema}}}});
    let paths: serde_json::Map<String, serde_json::Value> =
        (0..8).map(|n| (format!("/pet{n}"), json!({"get": {"responses": answers}}))).collect();
    let document = json!({"openapi": "3.0.3", "info": {"title": "pets", "version": "1"}, "paths": paths});
    let router =
        Router::new().route("/openapi.json", get(async || Json(document))).fallback(async || Json(json!({"name": 7})));
    tokio::spawn(async move { axum::serve(listener, router).await });
    url
}

/// A server with fifty scans that have ended, a key, and the ids of the scans.
async fn prepare(dir: &std::path::Path) -> (Router, String, Vec<String>) {
    let (app, key) = wire::compose(dir, "").await;
    let ids = scan(&app, &key).await;
    let graphql = nat::graphql::router(nat::server::graphql_services(&app), nat::graphql::Settings::default());
    let router = nat::rest::router_with(app.services, nat::rest::Config::default(), graphql);
    (router, key, ids)
}

async fn scan(app: &App, key: &str) -> Vec<String> {
    let target = target().await;
    let actor = app.services.keys.authenticate(key).await.expect("a key");
    let mut ids = Vec::new();
    for _ in 0..SCANS {
        let input = StartScan {
            url: Some(target.clone()),
            spec_url: Some(format!("{target}/openapi.json")),
            options: OptionsInput { max_requests: Some(80), seed: Some(1), ..OptionsInput::default() },
            ..StartScan::default()
        };
        let scan = app.services.scans.start(&actor, ScanKind::Functional, input).await.expect("accepted");
        app.services.scans.execute(scan.id.clone()).await;
        ids.push(scan.id.to_string());
    }
    ids
}

fn rest(path: &str, key: &str) -> Vec<u8> {
    format!("GET /api/v1{path} HTTP/1.1\r\nhost: 127.0.0.1\r\nx-api-key: {key}\r\n\r\n").into_bytes()
}

fn graphql(query: &str, key: &str) -> Vec<u8> {
    let body = json!({"query": query}).to_string();
    let head = format!(
        "POST /graphql HTTP/1.1\r\nhost: 127.0.0.1\r\nx-api-key: {key}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    [head.into_bytes(), body.into_bytes()].concat()
}

const USAGE: &str = "{ usage { tenantId plan scansUsed scansLimit scansRemaining securityScanCount monthlySecurityScanQuota \
    approachingLimit quotaResetDate periodStart periodEnd } }";
const SCAN: &str = "scanId kind status url createdAt startedAt completedAt total passed failed error { code message } \
    progress { phase operationsTotal operationsTested requestsSent percent } summary { critical high medium low info }";
const FINDING: &str = "fingerprint checkId title severity confidence endpoint location status firstSeenAt";
const DETAIL: &str = "detail { description explanation remediation curl cwe owasp cvss { vector score } \
    evidence { role request response at } }";

fn main() {
    let runtime = Builder::new_current_thread().enable_all().build().expect("a runtime");
    let dir = tempfile::tempdir().expect("a directory");
    let (router, key, ids) = runtime.block_on(prepare(dir.path()));
    let server = Server::start(router, false);
    let measure = |request: &[u8], requests: usize| runtime.block_on(server.round(request, 8, requests));

    let (mut rest_usage, mut graphql_usage) = ((0.0_f64, f64::INFINITY), (0.0_f64, f64::INFINITY));
    let best = |best: &mut (f64, f64), round: (f64, f64)| *best = (best.0.max(round.0), best.1.min(round.1));
    for _ in 0..ROUNDS {
        best(&mut rest_usage, measure(&rest("/usage", &key), 1_000));
        best(&mut graphql_usage, measure(&graphql(USAGE, &key), 1_000));
    }
    println!(
        "usage: REST {:.0}/s, {:.0} µs; GraphQL {:.0}/s, {:.0} µs: ratio of requests/s {:.2}, of CPU {:.2}",
        rest_usage.0,
        rest_usage.1,
        graphql_usage.0,
        graphql_usage.1,
        graphql_usage.0 / rest_usage.0,
        graphql_usage.1 / rest_usage.1
    );

    // The whole list: what a client needs for it over each wire, in seconds and in seconds of the server's thread.
    let list = format!(
        "{{ scans(first: {SCANS}) {{ nodes {{ {SCAN} findings(first: 100) {{ nodes {{ {FINDING} }} }} }} }} }}"
    );
    let whole = format!(
        "{{ scans(first: {SCANS}) {{ nodes {{ {SCAN} findings(first: 10) {{ nodes {{ {FINDING} {DETAIL} }} }} }} }} }}"
    );
    let (mut rest_list, mut light, mut full) =
        ((0.0_f64, f64::INFINITY), (0.0_f64, f64::INFINITY), (0.0_f64, f64::INFINITY));
    for _ in 0..ROUNDS {
        let (mut seconds, mut cpu) = (0.0, 0.0);
        let calls = std::iter::once(rest("/scans?per_page=50", &key))
            .chain(ids.iter().map(|id| rest(&format!("/scan/{id}/results"), &key)));
        for call in calls {
            let (rate, cost) = measure(&call, 1);
            seconds += 1.0 / rate;
            cpu += cost;
        }
        best(&mut rest_list, (1.0 / seconds, cpu));
        best(&mut light, measure(&graphql(&list, &key), 4));
        best(&mut full, measure(&graphql(&whole, &key), 2));
    }
    for (name, graphql) in [("without proof", light), ("with proof", full)] {
        println!(
            "{SCANS} scans with findings {name}: REST (51 calls) {:.1} lists/s, {:.0} µs; GraphQL {:.1} lists/s, {:.0} µs: \
            ratio of lists/s {:.2}, of CPU {:.2}",
            rest_list.0,
            rest_list.1,
            graphql.0,
            graphql.1,
            graphql.0 / rest_list.0,
            graphql.1 / rest_list.1
        );
    }
}
