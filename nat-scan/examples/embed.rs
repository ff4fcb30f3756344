//! The engine inside another program: no database, no tenant, and here not even a network.
//!
//! `cargo run -p nat-scan --example embed-scan` scans an API that is a closure; with a URL it scans that instead
//! (`cargo run -p nat-scan --example embed-scan -- http://127.0.0.1:8080`, with a spec file as second argument if you like).
#![expect(clippy::print_stdout, reason = "an example shows what it got")]

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use chrono::{DateTime, Utc};
use nat_scan::engine::{self, Connect, EnginePorts, Event, Now, Profile, ScanConfig, ScanKind, SpecSource};
use nat_scan::identity::Credentials;
use nat_scan::policy::{PinnedTarget, SystemResolver, TargetPolicy};
use nat_scan::transport::http::HttpConnect;
use nat_scan::transport::{Limits, Request, Response, Transport, TransportError};
use tokio_util::sync::CancellationToken;

const SPEC: &str = r#"
openapi: 3.1.0
info: {title: Greeter, version: "1"}
paths:
  /greet/{name}:
    get:
      parameters:
        - {name: name, in: path, required: true, schema: {type: string, minLength: 1, maxLength: 20}}
        - {name: times, in: query, schema: {type: integer, minimum: 1, maximum: 10}}
      responses:
        "200":
          description: A greeting
          content: {application/json: {schema: {type: object, required: [text], properties: {text: {type: string}}}}}
        "400": {description: Not like this}
"#;

/// The API under test: fails when `times` is no number.
fn greeter(request: &Request) -> (u16, String) {
    let (path, query) = request.target.split_once('?').unwrap_or((&request.target, ""));
    let times = query.split('&').find_map(|pair| pair.strip_prefix("times="));
    match (request.method.as_str(), path.strip_prefix("/greet/"), times.map(str::parse::<u32>)) {
        ("GET", Some(name), None | Some(Ok(1..=10))) => (200, format!(r#"{{"text":"hello {}"}}"#, name.len())),
        ("GET", Some(_), Some(Err(_))) => (500, r#"{"error":"NumberFormatException"}"#.to_owned()),
        ("GET", Some(_), _) => (400, r#"{"error":"times"}"#.to_owned()),
        ("GET", None, _) => (404, r#"{"error":"no such path"}"#.to_owned()),
        _ => (405, "{}".to_owned()),
    }
}

/// Anything that turns a request into an answer can be scanned.
struct InProcess;

#[async_trait]
impl Transport for InProcess {
    async fn send(&self, request: &Request, _fresh: bool) -> Result<Response, TransportError> {
        let (status, body) = greeter(request);
        Ok(Response {
            status,
            headers: vec![("Content-Type".to_owned(), b"application/json".to_vec())],
            wire_bytes: body.len() as u64,
            body: Bytes::from(body),
            truncated: false,
            unexpected_bytes: 0,
            elapsed: Duration::from_micros(1),
        })
    }

    fn origin(&self) -> &str {
        "http://127.0.0.1"
    }
}

impl Connect for InProcess {
    fn connect(&self, _target: &PinnedTarget, _limits: Limits, _scan_id: &str) -> Arc<dyn Transport> {
        Arc::new(InProcess)
    }
}

struct WallClock;

impl Now for WallClock {
    #[expect(clippy::disallowed_methods, reason = "the embedding program is where the clock is chosen")]
    fn now(&self) -> DateTime<Utc> {
        Utc::now()
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let target = arguments.next();
    let spec = match (&target, arguments.next()) {
        (_, Some(file)) => SpecSource::Bytes { bytes: std::fs::read(file)?, base: None },
        (Some(_), None) => SpecSource::Discover,
        (None, None) => SpecSource::Bytes { bytes: SPEC.into(), base: None },
    };
    let connect: Arc<dyn Connect> =
        if target.is_some() { Arc::new(HttpConnect::default()) } else { Arc::new(InProcess) };
    let config = ScanConfig {
        kind: ScanKind::Functional,
        target: target.as_deref().unwrap_or("http://127.0.0.1").parse()?,
        spec,
        callback: None,
        credentials: Credentials::None,
        second_credentials: None,
        admin_credentials: None,
        profile: Profile::Quiet,
        concurrency: 4,
        limits: Limits::default(),
        max_requests: 2_000,
        max_duration: Duration::from_secs(60),
        max_bytes: 64 << 20,
        exclude: Vec::new(),
        seed: 1,
        safe_mode: false,
        clean_up: true,
        scan_id: "scan_embedded".to_owned(),
    };
    let policy = TargetPolicy { hosted: false, deny: Vec::new(), resolver: Arc::new(SystemResolver) };
    let ports = EnginePorts { policy, connect, now: Arc::new(WallClock) };
    let sink: engine::EventSink = Arc::new(|event| {
        if let Event::Notice(text) = event {
            println!("note: {text}");
        }
    });
    let outcome = engine::run(config, ports, sink, CancellationToken::new()).await;
    if let Some(failure) = &outcome.failure {
        println!("{}: {}", failure.code, failure.message);
    }
    for finding in &outcome.findings {
        println!("{} {} {} {}", finding.severity.as_str(), finding.check_id, finding.endpoint, finding.title);
        println!("    {}\n    {}", finding.explanation, finding.curl);
    }
    for operation in outcome.operations.iter().filter(|operation| !operation.covered) {
        let reason = operation.reason.as_deref().unwrap_or_default();
        println!("not covered: {} {}: {reason}", operation.method, operation.path);
    }
    println!("{} requests, {} findings, plan {}", outcome.requests, outcome.findings.len(), outcome.plan_hash);
    Ok(())
}
