//! A sound API of equal resources on a thread of its own, and what an engine needs to scan it.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Path, Query};
use axum::http::StatusCode;
use axum::routing::get;
use axum::{Json, Router};
use chrono::{DateTime, Utc};
use nat_scan::engine::{EnginePorts, Now, Profile, ScanConfig, ScanKind, SpecSource};
use nat_scan::identity::Credentials;
use nat_scan::policy::{SystemResolver, TargetPolicy};
use nat_scan::transport::Limits;
use nat_scan::transport::http::HttpConnect;
use serde::{Deserialize, Serialize};
use serde_json::json;

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

/// Equal resources, three operations each.
pub(crate) fn document(resources: usize) -> String {
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
    for resource in 0..resources {
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

/// The time.
pub(crate) struct WallClock;

impl Now for WallClock {
    #[expect(clippy::disallowed_methods, reason = "the benchmark is where the clock is chosen")]
    fn now(&self) -> DateTime<Utc> {
        Utc::now()
    }
}

/// Loopback is allowed.
pub(crate) fn policy() -> TargetPolicy {
    TargetPolicy { hosted: false, deny: Vec::new(), resolver: Arc::new(SystemResolver) }
}

/// Its own thread and runtime: the server competes for the machine as a real one would, not for the client's task.
pub(crate) fn serve() -> SocketAddr {
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

/// A scan of it.
pub(crate) fn config(target: &url::Url, document: &str, concurrency: usize, max_requests: u64) -> ScanConfig {
    ScanConfig {
        kind: ScanKind::Functional,
        target: target.clone(),
        spec: SpecSource::Bytes { bytes: document.as_bytes().to_vec(), base: None },
        callback: None,
        credentials: Credentials::None,
        second_credentials: None,
        admin_credentials: None,
        profile: Profile::Quiet,
        concurrency,
        limits: Limits::default(),
        max_requests,
        max_duration: Duration::from_secs(3_600),
        max_bytes: 1 << 40,
        exclude: Vec::new(),
        seed: 1,
        clean_up: false,
        safe_mode: false,
        scan_id: "scan_bench".to_owned(),
    }
}

/// What it runs with.
pub(crate) fn ports() -> EnginePorts {
    EnginePorts { policy: policy(), connect: Arc::new(HttpConnect::default()), now: Arc::new(WallClock) }
}
