//! Scans of a real server whose defects are then switched off.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Path, State as Shared};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use chrono::{DateTime, Utc};
use secrecy::SecretString;
use serde_json::Value;
use tokio::net::TcpListener;

use super::*;
use crate::engine::{Now, Profile, SpecSource};
use crate::finding::{Capture, CaptureFrom, Confidence, Severity, Step, StepBody, StepHeader};
use crate::identity::Credentials;
use crate::policy::{SystemResolver, TargetPolicy};
use crate::transport::{Limits, http::HttpConnect};

const BROKEN: u8 = 0;
const SOUND: u8 = 1;
const OTHERWISE_BROKEN: u8 = 2;
const LOCKED: u8 = 3;

const SPEC: &str = r#"{
  "openapi": "3.1.0", "info": {"title": "Pets", "version": "1"},
  "components": {"securitySchemes": {"key": {"type": "http", "scheme": "bearer"}}},
  "paths": {
    "/pets": {"post": {
      "requestBody": {"required": true, "content": {"application/json": {"schema": {
        "type": "object", "required": ["name"], "properties": {"name": {"type": "string"}}}, "example": {"name": 3}}}},
      "responses": {"201": {"description": ""}, "400": {"description": ""}}}},
    "/toys": {"get": {
      "responses": {"200": {"description": "", "content": {"application/json": {"schema": {
        "type": "object", "required": ["count"], "properties": {"count": {"type": "integer"}}}}}}}}},
    "/secret": {"get": {"security": [{"key": []}], "responses": {
      "200": {"description": "", "content": {"application/json": {"schema": {"type": "object"}}}},
      "401": {"description": ""}}}}
  }
}"#;

type Mode = Arc<AtomicU8>;

fn json(status: u16, body: &'static str) -> Response {
    let status = StatusCode::from_u16(status).unwrap();
    (status, [(header::CONTENT_TYPE, "application/json")], body).into_response()
}

async fn add(Shared(mode): Shared<Mode>, body: Bytes) -> Response {
    let is_valid = serde_json::from_slice::<Value>(&body).is_ok_and(|body| body["name"].is_string());
    match mode.load(Ordering::SeqCst) {
        LOCKED => json(401, "{}"),
        _ if is_valid => json(201, r#"{"id": 41}"#),
        BROKEN => json(500, "{}"),
        OTHERWISE_BROKEN => {
            json(500, r#"{"trace": "Traceback (most recent call last):\n  File \"/srv/a.py\", line 3, in add"}"#)
        }
        _ => json(400, "{}"),
    }
}

async fn toys(Shared(mode): Shared<Mode>) -> Response {
    match mode.load(Ordering::SeqCst) {
        LOCKED => json(401, "{}"),
        BROKEN => json(200, r#"{"count": "three"}"#),
        OTHERWISE_BROKEN => json(500, "{}"),
        _ => json(200, r#"{"count": 3}"#),
    }
}

async fn secret(Shared(mode): Shared<Mode>, headers: HeaderMap) -> Response {
    let is_known = headers.get(header::AUTHORIZATION).is_some_and(|value| value == "Bearer right-token");
    match mode.load(Ordering::SeqCst) {
        SOUND | LOCKED if !is_known => json(401, "{}"),
        _ => json(200, r#"{"owner": "anna"}"#),
    }
}

async fn pet(Shared(mode): Shared<Mode>, Path(id): Path<u64>) -> Response {
    match (mode.load(Ordering::SeqCst), id) {
        (BROKEN, 41) => json(200, r#"{"id": 41}"#),
        _ => json(404, "{}"),
    }
}

struct Server {
    mode: Mode,
    config: ScanConfig,
    ports: EnginePorts,
    task: tokio::task::JoinHandle<std::io::Result<()>>,
}

struct Epoch;

impl Now for Epoch {
    fn now(&self) -> DateTime<Utc> {
        DateTime::UNIX_EPOCH
    }
}

impl Server {
    async fn start(kind: ScanKind) -> Self {
        let mode = Mode::default();
        let router = Router::new()
            .route("/pets", post(add))
            .route("/pets/{id}", get(pet))
            .route("/toys", get(toys))
            .route("/secret", get(secret))
            .with_state(Arc::clone(&mode));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let target = format!("http://{}", listener.local_addr().unwrap());
        let task = tokio::spawn(axum::serve(listener, router).into_future());
        let config = ScanConfig {
            kind,
            target: target.parse().unwrap(),
            spec: SpecSource::Bytes { bytes: SPEC.into(), base: None },
            callback: None,
            credentials: Credentials::Bearer(SecretString::from("right-token")),
            second_credentials: None,
            admin_credentials: None,
            profile: Profile::Quiet,
            concurrency: 2,
            limits: Limits::default(),
            max_requests: 2_000,
            max_duration: Duration::from_secs(120),
            max_bytes: 64 << 20,
            exclude: Vec::new(),
            seed: 3,
            safe_mode: false,
            clean_up: true,
            scan_id: "scan_replay".to_owned(),
        };
        let ports = EnginePorts {
            policy: TargetPolicy { hosted: false, deny: Vec::new(), resolver: Arc::new(SystemResolver) },
            connect: Arc::new(HttpConnect::new()),
            now: Arc::new(Epoch),
        };
        Self { mode, config, ports, task }
    }

    async fn scan(&self) -> Vec<Finding> {
        let cancel = CancellationToken::new();
        crate::engine::run(self.config.clone(), self.ports.clone(), Arc::new(|_| {}), cancel).await.findings
    }

    async fn states(&self, mode: u8, findings: &[Finding]) -> Vec<(String, State)> {
        self.mode.store(mode, Ordering::SeqCst);
        let verdicts = verify(findings, &self.config, &self.ports, &CancellationToken::new()).await.unwrap();
        assert_eq!(verdicts.len(), findings.len());
        let named = findings.iter().zip(verdicts);
        named
            .map(|(finding, verdict)| {
                assert_eq!(finding.id, verdict.id);
                (format!("{} {}: {}", finding.check_id, finding.endpoint, verdict.why), verdict.state)
            })
            .collect()
    }
}

#[track_caller]
fn all(states: &[(String, State)], check: &str, expected: State) {
    let mut of_check = states.iter().filter(|(name, _)| name.starts_with(check)).peekable();
    assert!(of_check.peek().is_some(), "no {check} in {states:#?}");
    for (name, state) in of_check {
        assert_eq!(*state, expected, "{name}");
    }
}

#[tokio::test]
async fn functional_findings_are_reproduced_fixed_or_changed() {
    let server = Server::start(ScanKind::Functional).await;
    let findings = server.scan().await;
    let states = server.states(BROKEN, &findings).await;
    for (name, state) in &states {
        assert_eq!(*state, State::Reproduced, "{name}");
    }
    for check in ["F001 POST /pets", "F013 GET /toys", "F030 POST /pets"] {
        all(&states, check, State::Reproduced);
    }
    let states = server.states(SOUND, &findings).await;
    all(&states, "F001 POST /pets", State::Fixed);
    all(&states, "F013 GET /toys", State::Fixed);
    all(&states, "F030 POST /pets", State::Reproduced);
    let states = server.states(OTHERWISE_BROKEN, &findings).await;
    all(&states, "F001 POST /pets", State::Changed);
    all(&states, "F013 GET /toys", State::Changed);
    let states = server.states(LOCKED, &findings).await;
    all(&states, "F001 POST /pets", State::Undecidable);
    all(&states, "F013 GET /toys", State::Undecidable);
    server.task.abort();
    let _ = server.task.await;
    let failure = verify(&findings, &server.config, &server.ports, &CancellationToken::new()).await.unwrap_err();
    assert_eq!(failure.code, "TARGET_UNREACHABLE");
}

#[tokio::test]
async fn security_findings_are_proved_again_by_their_check() {
    let server = Server::start(ScanKind::Security).await;
    let findings = server.scan().await;
    let states = server.states(BROKEN, &findings).await;
    all(&states, "S-AUTH1 GET /secret", State::Reproduced);
    for (name, state) in &states {
        assert_eq!(*state, State::Reproduced, "{name}");
    }
    let states = server.states(SOUND, &findings).await;
    all(&states, "S-AUTH1 GET /secret", State::Fixed);
    server.task.abort();
}

/// What a check of sequences would report: a pet can be read that should be gone.
fn readable_pet() -> Finding {
    let step = |method: &str, target: &str, body: Option<&str>, status| Step {
        method: method.to_owned(),
        target: target.to_owned(),
        headers: vec![StepHeader {
            name: "Content-Type".to_owned(),
            value: "application/json".to_owned(),
            latin1: false,
        }],
        identity: crate::check::As::Primary,
        credentials: Vec::new(),
        body: body.map(|body| StepBody::Text(body.to_owned())),
        captures: Vec::new(),
        status: Some(status),
    };
    let mut create = step("POST", "/pets", Some(r#"{"name":"Rex"}"#), 201);
    create.captures.push(Capture { name: "id".to_owned(), from: CaptureFrom::Body("/id".to_owned()) });
    Finding {
        id: "f".to_owned(),
        check_id: "F040".to_owned(),
        title: String::new(),
        severity: Severity::High,
        confidence: Confidence::Firm,
        endpoint: "GET /pets/{id}".to_owned(),
        location: String::new(),
        cwe: Vec::new(),
        owasp: None,
        cvss: None,
        description: String::new(),
        explanation: String::new(),
        remediation: String::new(),
        evidence: vec![crate::finding::Evidence {
            role: "probe".to_owned(),
            request: "GET /pets/41 HTTP/1.1\nHost: h\n".to_owned(),
            response: "HTTP/1.1 200\nContent-Type: application/json\n\n{\"id\": 40}".to_owned(),
            at: DateTime::UNIX_EPOCH,
        }],
        curl: String::new(),
        first_seen: DateTime::UNIX_EPOCH,
        occurrences: 1,
        spec_pointer: None,
        cause: String::new(),
        steps: vec![create, step("GET", "/pets/{{id}}", None, 200)],
        origin: None,
    }
}

#[tokio::test]
async fn sequence_is_sent_with_what_it_captures() {
    let server = Server::start(ScanKind::Functional).await;
    let findings = [readable_pet()];
    all(&server.states(BROKEN, &findings).await, "F040", State::Reproduced);
    all(&server.states(SOUND, &findings).await, "F040", State::Fixed);
    // The sequence cannot even begin.
    all(&server.states(LOCKED, &findings).await, "F040", State::Undecidable);
    let mut config = server.config.clone();
    config.safe_mode = true;
    let verdicts = verify(&findings, &config, &server.ports, &CancellationToken::new()).await.unwrap();
    assert_eq!((verdicts[0].state, verdicts[0].why.as_str()), (State::Undecidable, "POST is not sent in safe mode"));
    let cancel = CancellationToken::new();
    cancel.cancel();
    assert_eq!(verify(&findings, &server.config, &server.ports, &cancel).await.unwrap_err().code, "CANCELLED");
    server.task.abort();
}
