//! What a scan never does, seen from the target: it touches nobody else's objects, leaves its scope, goes on after it was
//! stopped, or comes without its name.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Path, Request, State};
use axum::http::{HeaderMap, Method, StatusCode, Uri, header};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::get;
use nat::sample::farm::security::AREAS;
use nat::sample::farm::{self, Switches};
use nat_scan::engine::{Outcome, Profile, ScanConfig, ScanKind};
use nat_scan::identity::{Credentials, SignUp};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::engine;

const SCAN_ID: &str = "scan_safety";
/// Objects that were there before, of somebody else.
const FOREIGN: [&str; 4] = ["k3v9qz", "m7x2wd", "p1c8rt", "z5n4hb"];
/// After a scan was stopped nothing comes later than this.
const GRACE: Duration = Duration::from_secs(2);

/// One request as it came.
#[derive(Clone, Debug)]
struct Seen {
    method: Method,
    path: String,
    agent: String,
    scan_id: String,
    at: Instant,
}

impl Seen {
    fn of(request: &Request) -> Self {
        let text = |name: &str| {
            let value = request.headers().get(name).and_then(|value| value.to_str().ok());
            value.unwrap_or_default().to_owned()
        };
        Self {
            method: request.method().clone(),
            path: request.uri().path().to_owned(),
            agent: text("user-agent"),
            scan_id: text("x-nat-scan-id"),
            at: Instant::now(),
        }
    }
}

/// Everything that came.
#[derive(Clone, Default)]
struct Log {
    seen: Arc<Mutex<Vec<Seen>>>,
    /// Cancelled when so many came.
    stop: Option<(usize, CancellationToken)>,
}

impl Log {
    fn seen(&self) -> Vec<Seen> {
        self.seen.lock().expect("whole").clone()
    }

    /// This router, recorded.
    async fn serve(&self, router: Router) -> (String, JoinHandle<std::io::Result<()>>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let router = router.layer(from_fn_with_state(self.clone(), record));
        (url, tokio::spawn(axum::serve(listener, router).into_future()))
    }
}

async fn record(State(log): State<Log>, request: Request, next: Next) -> Response {
    let seen = Seen::of(&request);
    let count = {
        let mut all = log.seen.lock().expect("whole");
        all.push(seen);
        all.len()
    };
    if let Some((limit, stop)) = &log.stop
        && count == *limit
    {
        stop.cancel();
    }
    next.run(request).await
}

/// Notes of several people behind a token; whose is whose is known here.
#[derive(Clone)]
struct Notes {
    notes: Arc<Mutex<BTreeMap<String, Value>>>,
    made: Arc<Mutex<BTreeSet<String>>>,
    /// Writes to what the scan did not make.
    broken: Arc<Mutex<Vec<String>>>,
    elsewhere: String,
}

impl Notes {
    fn new(elsewhere: &str) -> Self {
        let foreign = FOREIGN.map(|id| (id.to_owned(), json!({"id": id, "title": "not yours", "stars": 3})));
        Self {
            notes: Arc::new(Mutex::new(foreign.into())),
            made: Arc::default(),
            broken: Arc::default(),
            elsewhere: elsewhere.to_owned(),
        }
    }

    fn router(self) -> Router {
        Router::new()
            .route("/openapi.json", get(document))
            .route("/notes", get(list).post(add))
            .route("/notes/{id}", get(read).put(change).patch(change).delete(remove))
            .route("/admin/notes", get(list).post(add))
            .route("/admin/notes/{id}", get(read).delete(remove))
            .route("/away", get(away))
            .route("/reset", get(reset))
            .with_state(self)
    }
}

async fn document(State(notes): State<Notes>) -> Response {
    let note = json!({"type": "object", "required": ["id", "title"], "properties": {
        "id": {"type": "string"}, "title": {"type": "string"}, "stars": {"type": "integer"}}});
    let body = json!({"required": true, "content": {"application/json": {"schema": {
        "type": "object", "required": ["title"], "properties": {
            "title": {"type": "string", "minLength": 1, "maxLength": 80}, "stars": {"type": "integer"}}}}}});
    let gives = |status: &str, schema: &Value| {
        json!({status: {"description": "", "content": {"application/json": {"schema": schema}}},
               "400": {"description": ""}, "404": {"description": ""}})
    };
    let id = json!([{"name": "id", "in": "path", "required": true, "schema": {"type": "string"}}]);
    let all = json!({"type": "array", "items": note});
    let nothing = json!({"204": {"description": ""}, "404": {"description": ""}});
    let collection = json!({
        "get": {"responses": gives("200", &all)}, "post": {"requestBody": body, "responses": gives("201", &note)}});
    let item = json!({
        "parameters": id, "get": {"responses": gives("200", &note)},
        "put": {"requestBody": body, "responses": gives("200", &note)},
        "patch": {"requestBody": body, "responses": gives("200", &note)}, "delete": {"responses": nothing}});
    let admin_item = json!({
        "parameters": id, "get": {"responses": gives("200", &note)}, "delete": {"responses": nothing}});
    let document = json!({
        "openapi": "3.1.0", "info": {"title": "Notes", "version": "1"},
        "servers": [{"url": notes.elsewhere}],
        "externalDocs": {"url": format!("{}/docs", notes.elsewhere)},
        "paths": {
            "/notes": collection, "/notes/{id}": item, "/admin/notes": collection, "/admin/notes/{id}": admin_item,
            "/away": {"get": {"parameters": [{"name": "url", "in": "query", "schema": {"type": "string", "format": "uri"},
                "example": format!("{}/page", notes.elsewhere)}], "responses": {"302": {"description": ""}}}},
            "/reset": {"get": {"responses": {"200": {"description": ""}}}}}});
    axum::Json(document).into_response()
}

fn answer(status: u16, value: Value) -> Response {
    (StatusCode::from_u16(status).expect("a status"), axum::Json(value)).into_response()
}

fn body_of(body: &Bytes) -> Option<Value> {
    let value: Value = serde_json::from_slice(body).ok()?;
    let title = value.get("title")?.as_str()?.chars().count();
    let stars = value.get("stars").is_none_or(|stars| stars.is_i64() || stars.is_u64());
    ((1..=80).contains(&title) && stars).then_some(value)
}

async fn list(State(notes): State<Notes>) -> Response {
    answer(200, notes.notes.lock().expect("whole").values().cloned().collect())
}

async fn add(State(notes): State<Notes>, uri: Uri, body: Bytes) -> Response {
    let Some(mut note) = body_of(&body) else { return answer(400, json!({})) };
    let mut made = notes.made.lock().expect("whole");
    let id = format!("n{:05x}", (made.len() + 1) * 7919 % 0xfffff);
    note["id"] = json!(id);
    made.insert(id.clone());
    notes.notes.lock().expect("whole").insert(id.clone(), note.clone());
    let place = format!("{}{}/{id}", notes.elsewhere, uri.path());
    (StatusCode::CREATED, [(header::LOCATION, place)], axum::Json(note)).into_response()
}

async fn read(State(notes): State<Notes>, Path(id): Path<String>) -> Response {
    match notes.notes.lock().expect("whole").get(&id) {
        Some(note) => answer(200, note.clone()),
        None => answer(404, json!({})),
    }
}

impl Notes {
    fn written(&self, what: &Method, id: &str) {
        if FOREIGN.contains(&id) {
            self.broken.lock().expect("whole").push(format!("{what} {id}"));
        }
    }
}

async fn change(State(notes): State<Notes>, method: Method, Path(id): Path<String>, body: Bytes) -> Response {
    notes.written(&method, &id);
    let mut all = notes.notes.lock().expect("whole");
    let (Some(note), Some(mut new)) = (all.get_mut(&id), body_of(&body)) else {
        return answer(if all.contains_key(&id) { 400 } else { 404 }, json!({}));
    };
    new["id"] = json!(id);
    note.clone_from(&new);
    answer(200, new)
}

async fn remove(State(notes): State<Notes>, method: Method, Path(id): Path<String>) -> Response {
    notes.written(&method, &id);
    match notes.notes.lock().expect("whole").remove(&id) {
        Some(_) => StatusCode::NO_CONTENT.into_response(),
        None => answer(404, json!({})),
    }
}

async fn away(State(notes): State<Notes>) -> Redirect {
    Redirect::temporary(&format!("{}/away", notes.elsewhere))
}

async fn reset(_: HeaderMap) -> Response {
    answer(200, json!({}))
}

/// What a scan of the notes left behind.
struct Trace {
    outcome: Outcome,
    seen: Vec<Seen>,
    elsewhere: Vec<Seen>,
    broken: Vec<String>,
}

async fn scan(kind: ScanKind, change: impl FnOnce(&mut ScanConfig)) -> Trace {
    let (log, other) = (Log::default(), Log::default());
    let (elsewhere, away) = other.serve(Router::new().fallback(|| async { "elsewhere" })).await;
    let notes = Notes::new(&elsewhere);
    let (target, task) = log.serve(notes.clone().router()).await;
    let mut config = ScanConfig {
        kind,
        profile: Profile::Thorough,
        exclude: vec!["/admin/*".to_owned()],
        scan_id: SCAN_ID.to_owned(),
        max_requests: 4_000,
        ..engine::config(&target, "/openapi.json")
    };
    change(&mut config);
    let outcome = engine::run(config).await;
    task.abort();
    away.abort();
    assert_eq!(outcome.failure, None, "{:?}", outcome.notices);
    let broken = notes.broken.lock().expect("whole").clone();
    Trace { outcome, seen: log.seen(), elsewhere: other.seen(), broken }
}

#[track_caller]
fn is_named(seen: &[Seen]) {
    for one in seen {
        assert!(one.agent.starts_with("NAT/") && one.scan_id == SCAN_ID, "{one:?}");
    }
}

const BOTH: [ScanKind; 2] = [ScanKind::Functional, ScanKind::Security];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn scans_write_only_to_what_they_made_and_stay_in_their_scope() {
    for kind in BOTH {
        let trace = scan(kind, |_| {}).await;
        assert!(trace.seen.len() > 50 && trace.outcome.requests > 50, "{kind:?} sent {}", trace.seen.len());
        is_named(&trace.seen);
        let wrote =
            |method: Method| trace.seen.iter().any(|seen| seen.method == method && seen.path.starts_with("/notes/n"));
        assert!(
            wrote(Method::DELETE) && (kind == ScanKind::Security || wrote(Method::PUT)),
            "{kind:?} wrote to its own"
        );
        assert_eq!(trace.broken, Vec::<String>::new(), "{kind:?} wrote to what it did not make");
        let outside: Vec<&Seen> = trace.seen.iter().filter(|seen| seen.path.starts_with("/admin")).collect();
        assert!(outside.is_empty(), "{kind:?} {outside:#?}");
        assert!(trace.elsewhere.is_empty(), "{kind:?} {:#?}", trace.elsewhere);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_resets_data_comes_last() {
    for kind in BOTH {
        let trace = scan(kind, |_| {}).await;
        let first = trace.seen.iter().position(|seen| seen.path == "/reset" && seen.method == Method::GET);
        let first = first.unwrap_or_else(|| panic!("{kind:?} never came to /reset"));
        let made = trace.seen.iter().skip(first).filter(|seen| seen.method == Method::POST && seen.path == "/notes");
        let before = trace.seen.iter().take(first).filter(|seen| seen.method == Method::POST).count();
        let after = made.count();
        assert!(before > 3 && after * 10 <= before, "{kind:?}: {before} things made before it, {after} after it");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn safe_mode_only_reads() {
    for kind in BOTH {
        let trace = scan(kind, |config| config.safe_mode = true).await;
        is_named(&trace.seen);
        let unsafe_ones: Vec<&Seen> = trace
            .seen
            .iter()
            .filter(|seen| ![Method::GET, Method::HEAD, Method::OPTIONS].contains(&seen.method))
            .collect();
        assert!(unsafe_ones.is_empty(), "{kind:?} {unsafe_ones:#?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn farm_sees_only_reads_in_safe_mode_and_nothing_of_what_is_left_out() {
    let routers = [
        (ScanKind::Functional, farm::router as fn(Switches) -> Router),
        (ScanKind::Security, |on| farm::security::router(on, AREAS)),
    ];
    for (kind, router) in routers {
        let log = Log::default();
        let (target, task) = log.serve(router(Switches::all())).await;
        let config = ScanConfig {
            kind,
            profile: Profile::Thorough,
            safe_mode: true,
            exclude: vec!["/m*".to_owned()],
            scan_id: SCAN_ID.to_owned(),
            credentials: Credentials::SignUp(SignUp {
                key: "0123456789abcdef0123456789abcdef".to_owned().into(),
                always: true,
            }),
            max_requests: 2_000,
            ..engine::config(&target, "/openapi.json")
        };
        let outcome = engine::run(config).await;
        task.abort();
        assert_eq!(outcome.failure, None);
        let seen = log.seen();
        is_named(&seen);
        let wrong: Vec<&Seen> = seen
            .iter()
            .filter(|seen| {
                ![Method::GET, Method::HEAD, Method::OPTIONS].contains(&seen.method) || seen.path.starts_with("/m")
            })
            .collect();
        assert!(wrong.is_empty(), "{kind:?} {wrong:#?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_comes_after_a_scan_was_stopped() {
    for (kind, count) in [(ScanKind::Functional, 60), (ScanKind::Security, 60), (ScanKind::Security, 150)] {
        let stop = CancellationToken::new();
        let log = Log { seen: Arc::default(), stop: Some((count, stop.clone())) };
        let (target, task) = log.serve(Notes::new("http://127.0.0.1:9").router()).await;
        let config = ScanConfig {
            kind,
            profile: Profile::Thorough,
            scan_id: SCAN_ID.to_owned(),
            ..engine::config(&target, "/openapi.json")
        };
        let outcome = engine::run_until(config, stop).await;
        let ended = Instant::now();
        let seen = log.seen();
        task.abort();
        assert!(outcome.cancelled, "{kind:?} ended after {} requests", seen.len());
        let stopped = seen[count - 1].at;
        assert!(ended - stopped < GRACE, "{kind:?} ended {:?} later", ended - stopped);
        // What was under way may still arrive, nothing more.
        assert!(seen.len() <= count + 8, "{kind:?} {} came after the stop", seen.len() - count);
        assert_eq!(log.seen().len(), seen.len());
    }
}
