use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::fake::{Answer, FakeApi, config, json, ports, recorder, respond};
use super::pace::Patience;
use super::run::Equipment;
use super::*;
use crate::check::{Check, CheckInfo, Context, Exchange, Proof, Suspicion};
use crate::finding::Severity;
use crate::generate::Phase;
use crate::journal::Journal;
use crate::transport::{Request, TransportError};

mod minimise;
mod random;
mod shorten;

const SPEC: &str = r#"{
  "openapi": "3.1.0", "info": {"title": "Pets", "version": "1"},
  "paths": {
    "/pets": {
      "get": {
        "parameters": [{"name": "limit", "in": "query", "schema": {"type": "integer", "minimum": 1, "maximum": 100}}],
        "responses": {"200": {"description": "", "content": {"application/json": {"schema": {"type": "array"}}}},
                      "400": {"description": ""}}
      },
      "post": {
        "requestBody": {"required": true, "content": {"application/json": {"schema": {
          "type": "object", "required": ["name"],
          "properties": {"name": {"type": "string", "minLength": 1, "maxLength": 20}}}}}},
        "responses": {"201": {"description": ""}, "400": {"description": ""}}
      }
    },
    "/pets/{id}": {
      "parameters": [{"name": "id", "in": "path", "required": true, "schema": {"type": "integer"}}],
      "get": {"responses": {"200": {"description": ""}, "404": {"description": ""}}},
      "delete": {"responses": {"204": {"description": ""}, "404": {"description": ""}}}
    },
    "/admin/stats": {"get": {"responses": {"200": {"description": ""}, "401": {"description": ""}}}}
  }
}"#;

fn path(request: &Request) -> &str {
    request.target.split('?').next().unwrap_or_default()
}

/// Sound, except that `POST /pets` fails on any body that is no JSON object with a name.
fn pets(request: &Request) -> Answer {
    match (request.method.as_str(), path(request)) {
        ("GET", "/pets") => json(200, "[]"),
        ("POST", "/pets") => {
            let body: Option<serde_json::Value> = request.body.as_deref().and_then(|b| serde_json::from_slice(b).ok());
            let named = body.is_some_and(|body| body["name"].is_string());
            json(if named { 201 } else { 500 }, "{}")
        }
        ("GET", "/admin/stats") => json(401, "{}"),
        ("DELETE", path) if path.starts_with("/pets/") => Ok(respond(405, "", "")),
        _ => json(404, "{}"),
    }
}

/// With next to no patience.
fn equipment(kind: ScanKind) -> Equipment {
    let short = Duration::from_millis(1);
    let patience = Patience {
        max_pause: short,
        default_pause: short,
        breath: short,
        grace: Duration::from_millis(50),
        tries: [short; 3],
        watch: [short; 3],
    };
    Equipment { patience, ..Equipment::of(kind, Profile::Quiet) }
}

async fn observe(config: ScanConfig, api: &Arc<FakeApi>, sink: EventSink, cancel: CancellationToken) -> Outcome {
    let equipment = equipment(config.kind);
    super::run::run(config, ports(api), sink, cancel, equipment, Journal::none()).await
}

async fn scan(config: ScanConfig, api: &Arc<FakeApi>) -> Outcome {
    observe(config, api, Arc::new(|_| {}), CancellationToken::new()).await
}

/// Suspects everything that answers with a 5xx status; panics on 418.
struct FiveHundred;

static INFO: CheckInfo = CheckInfo { id: "T500", title: "", description: "", remediation: "", cwe: &[], owasp: None };

impl Check for FiveHundred {
    fn info(&self) -> &'static CheckInfo {
        &INFO
    }

    fn applies(&self, _cx: &Context<'_>, exchange: &Exchange) -> bool {
        exchange.response().is_some()
    }

    fn judge(&self, _cx: &Context<'_>, exchange: &Exchange) -> Vec<Suspicion> {
        assert_ne!(exchange.status(), Some(418), "a check that breaks");
        match exchange.status() {
            Some(500..) => vec![Suspicion::new(Severity::High, "", "5xx", "it fails").proof(Proof::Repeat)],
            _ => Vec::new(),
        }
    }
}

async fn scan_with(config: ScanConfig, api: &Arc<FakeApi>, check: &'static dyn Check) -> Outcome {
    let equipment = Equipment { functional: vec![check], stateful: &[], ..equipment(config.kind) };
    super::run::run(config, ports(api), Arc::new(|_| {}), CancellationToken::new(), equipment, Journal::none()).await
}

#[tokio::test]
async fn same_seed_gives_the_same_plan_and_findings_at_any_concurrency() {
    let mut seen = Vec::new();
    for concurrency in [1, 2, 8] {
        let api = FakeApi::slow(Duration::from_millis(3), pets);
        let outcome = scan(ScanConfig { concurrency, ..config(Some(SPEC)) }, &api).await;
        assert_eq!(outcome.failure, None);
        assert!(outcome.unseen.is_some(), "the random phase is part of the plan");
        assert!(outcome.findings.iter().any(|f| f.check_id == "F001"), "{:?}", outcome.notices);
        assert_eq!(outcome.requests, api.count());
        let findings: Vec<_> = outcome
            .findings
            .into_iter()
            .map(|f| (f.id, f.occurrences, f.evidence.into_iter().map(|e| (e.role, e.request)).collect::<Vec<_>>()))
            .collect();
        seen.push((outcome.plan_hash, findings, outcome.passed, outcome.failed, outcome.requests));
    }
    assert!(seen.iter().all(|one| *one == seen[0]), "{seen:#?}");
    let api = FakeApi::new(pets);
    let other = scan(ScanConfig { seed: 8, ..config(Some(SPEC)) }, &api).await;
    assert_ne!(other.plan_hash, seen[0].0);
}

#[tokio::test]
async fn request_budget_is_used_up_and_never_exceeded() {
    for max_requests in [0, 1, 5, 23, 60] {
        let api = FakeApi::new(pets);
        let outcome = scan(ScanConfig { max_requests, ..config(Some(SPEC)) }, &api).await;
        assert_eq!(outcome.requests, api.count());
        assert_eq!(outcome.requests, max_requests, "{:?}", outcome.notices);
        if max_requests > 0 {
            assert!(outcome.notices.iter().any(|notice| notice.contains("request budget")), "{:?}", outcome.notices);
        }
        if max_requests >= 23 {
            assert!(outcome.operations.iter().all(|operation| operation.requests > 0), "{:?}", outcome.operations);
        }
    }
}

#[tokio::test]
async fn time_budget_ends_the_scan_with_what_it_has() {
    let api = FakeApi::slow(Duration::from_millis(20), pets);
    let max_duration = Duration::from_millis(200);
    let begin = tokio::time::Instant::now();
    let outcome = scan(ScanConfig { max_duration, concurrency: 1, ..config(Some(SPEC)) }, &api).await;
    assert!(begin.elapsed() < Duration::from_secs(2), "{:?}", begin.elapsed());
    assert_eq!(outcome.failure, None);
    assert!(outcome.notices.iter().any(|notice| notice.contains("time budget")), "{:?}", outcome.notices);
    assert!(!outcome.cancelled);
    let full = scan(config(Some(SPEC)), &FakeApi::new(pets)).await;
    assert!(full.plan_chain.starts_with(&outcome.plan_chain), "a stopped scan has the beginning of the same plan");
}

#[tokio::test]
async fn cancelled_scan_does_not_wait_for_answers() {
    // The probe is answered, nothing after it.
    let api = FakeApi::stalling_after(1, pets);
    let cancel = CancellationToken::new();
    let token = cancel.clone();
    let watched = Arc::clone(&api);
    let scan = observe(config(Some(SPEC)), &api, Arc::new(|_| {}), cancel);
    let stop = async move {
        watched.is_asked(3).await;
        token.cancel();
    };
    let (outcome, ()) = tokio::join!(scan, stop);
    assert!(outcome.cancelled);
    assert_eq!(outcome.failure, None);
    assert!(api.count() <= 5, "nothing is sent after the cancellation: {}", api.count());
    assert!(outcome.operations.iter().all(|o| o.reason.as_deref() == Some("not tried: the scan was cancelled")));
}

#[tokio::test]
async fn scan_cancelled_before_its_first_request_never_starts() {
    let api = FakeApi::new(pets);
    let (sink, events) = recorder();
    let cancel = CancellationToken::new();
    cancel.cancel();
    let outcome = observe(config(Some(SPEC)), &api, sink, cancel).await;
    assert!(outcome.cancelled);
    assert_eq!(api.count(), 0);
    assert!(!events.lock().unwrap().iter().any(|event| matches!(event, Event::Started)));
}

#[tokio::test]
async fn every_uncovered_operation_has_its_reason() {
    let api = FakeApi::new(pets);
    let exclude = vec!["/pets/*".to_owned()];
    let check = |outcome: &Outcome, endpoint: &str, expected: Option<&str>| {
        let operation = outcome.operations.iter().find(|o| format!("{} {}", o.method, o.path) == endpoint).unwrap();
        assert_eq!(operation.covered, expected.is_none(), "{endpoint}: {operation:?}");
        let reason = operation.reason.as_deref().unwrap_or_default();
        assert!(reason.starts_with(expected.unwrap_or_default()), "{endpoint}: {reason}");
    };
    let outcome = scan(config(Some(SPEC)), &api).await;
    check(&outcome, "GET /pets", None);
    check(&outcome, "POST /pets", None);
    check(&outcome, "GET /pets/{id}", Some("always 404: not reached"));
    check(&outcome, "DELETE /pets/{id}", Some("always 405"));
    check(&outcome, "GET /admin/stats", Some("always 401: credentials are missing"));
    assert!(outcome.notices.iter().any(|notice| notice.contains("proves little")), "2 of 5 are covered");
    let outcome = scan(ScanConfig { exclude, safe_mode: true, ..config(Some(SPEC)) }, &api).await;
    check(&outcome, "DELETE /pets/{id}", Some("excluded by /pets/*"));
    check(&outcome, "POST /pets", Some("safe mode"));
}

#[tokio::test]
async fn safe_mode_sends_safe_methods_only() {
    let api = FakeApi::new(pets);
    scan(ScanConfig { safe_mode: true, ..config(Some(SPEC)) }, &api).await;
    let log = api.log.lock().unwrap();
    assert!(log.len() > 10);
    assert!(log.iter().all(|request| matches!(request.method.as_str(), "GET" | "HEAD" | "OPTIONS")));
}

#[tokio::test]
async fn deletes_come_last_in_each_phase() {
    let api = FakeApi::new(pets);
    let outcome = scan(ScanConfig { max_requests: 40, ..config(Some(SPEC)) }, &api).await;
    assert_eq!(outcome.failure, None);
    let log = api.log.lock().unwrap();
    let first_delete = log.iter().position(|request| request.method == "DELETE").unwrap();
    let reached = |wanted: &str| log[1..first_delete].iter().any(|request| path(request) == wanted);
    assert!(reached("/pets") && reached("/admin/stats"));
}

#[tokio::test]
async fn unreachable_targets_are_named() {
    let check = async |answer: Answer, target: &str, code: &str, words: &str| {
        let api = FakeApi::new(move |_| answer.clone());
        let (sink, events) = recorder();
        let config = ScanConfig { target: url::Url::parse(target).unwrap(), ..config(Some(SPEC)) };
        let outcome = observe(config, &api, sink, CancellationToken::new()).await;
        let failure = outcome.failure.unwrap();
        assert_eq!(failure.code, code, "{failure:?}");
        assert!(failure.message.contains(words), "{failure:?}");
        assert!(!events.lock().unwrap().iter().any(|event| matches!(event, Event::Started)));
    };
    let refused = || Err(TransportError::Connect("refused".to_owned()));
    check(refused(), "http://api.test", "TARGET_UNREACHABLE", "refused").await;
    check(refused(), "http://nowhere.test", "TARGET_UNREACHABLE", "does not resolve").await;
    let ssh = Err(TransportError::Malformed("SSH-2.0".to_owned()));
    check(ssh, "http://api.test", "TARGET_UNREACHABLE", "does not speak HTTP").await;
}

#[tokio::test]
async fn target_that_dies_during_the_scan_keeps_the_results() {
    let left = AtomicU64::new(30);
    let api = FakeApi::new(move |request| {
        let alive = left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)).is_ok();
        if alive { pets(request) } else { Err(TransportError::Connect("refused".to_owned())) }
    });
    let outcome = scan(config(Some(SPEC)), &api).await;
    assert_eq!(outcome.failure, None);
    assert!(outcome.notices.iter().any(|notice| notice.contains("stopped answering")), "{:?}", outcome.notices);
    assert!(api.count() < 120, "{}", api.count());
}

#[tokio::test]
async fn failure_that_happens_once_is_not_reported() {
    let calls = AtomicU64::new(0);
    let flaky = FakeApi::new(move |request| match (request.method.as_str(), path(request)) {
        ("POST", _) if calls.fetch_add(1, Ordering::SeqCst) == 3 => json(500, "{}"),
        _ => json(200, "[]"),
    });
    let outcome = scan_with(config(Some(SPEC)), &flaky, &FiveHundred).await;
    assert_eq!(outcome.findings, []);
    assert_eq!(outcome.failed, 0);
    let steady = FakeApi::new(pets);
    let outcome = scan_with(config(Some(SPEC)), &steady, &FiveHundred).await;
    assert_eq!(outcome.findings.len(), 1);
    let finding = &outcome.findings[0];
    assert_eq!(finding.endpoint, "POST /pets");
    assert!(finding.occurrences > 1);
    assert_eq!(finding.evidence.iter().map(|e| e.role.as_str()).collect::<Vec<_>>(), ["probe", "repeat"]);
    assert_eq!(outcome.failed, 1);
}

#[tokio::test]
async fn check_that_panics_is_named_and_left_out() {
    let api = FakeApi::new(|_| Ok(respond(418, "", "")));
    let outcome = scan_with(config(Some(SPEC)), &api, &FiveHundred).await;
    assert_eq!(outcome.failure, None);
    assert!(outcome.notices.iter().any(|notice| notice.contains("T500")), "{:?}", outcome.notices);
}

#[tokio::test]
async fn throttled_cases_are_sent_again() {
    let calls = AtomicU64::new(0);
    let api = FakeApi::new(move |request| {
        let busy = request.method == "POST" && calls.fetch_add(1, Ordering::SeqCst).is_multiple_of(2);
        if busy { Ok(respond(429, "", "")) } else { pets(request) }
    });
    let outcome = scan(ScanConfig { concurrency: 1, ..config(Some(SPEC)) }, &api).await;
    let post = outcome.operations.iter().find(|operation| operation.method == "POST").unwrap();
    assert!(post.covered && post.statuses[&429] > 1, "{post:?}");
}

#[tokio::test]
async fn spec_is_found_at_a_usual_place_behind_a_catch_all_page() {
    let api = FakeApi::new(|request| match path(request) {
        "/api/v1/openapi.json" => json(200, SPEC),
        "/pets" => json(200, "[]"),
        _ => Ok(respond(200, "text/html", "<html><title>App</title><div id=root></div></html>")),
    });
    let outcome = scan(config(None), &api).await;
    assert_eq!(outcome.api.as_deref(), Some("Pets 1"), "{:?}", outcome.notices);
    assert_eq!(outcome.operations.len(), 5);
}

#[tokio::test]
async fn api_without_a_spec_is_crawled_and_said_to_prove_little() {
    let api = FakeApi::new(|request| match request.target.as_str() {
        "/" => Ok(respond(200, "text/html", r#"<a href="/users?page=1">users</a> <a href="/logout">bye</a>"#)),
        "/users?page=1" => json(200, r#"[{"name": "a", "href": "/users/17"}, {"href": "http://other.test/x"}]"#),
        "/users/17" => json(200, r#"{"name": "a"}"#),
        "/logout" => json(500, "must not be called"),
        _ => json(404, "{}"),
    });
    let outcome = scan(config(None), &api).await;
    assert_eq!(outcome.failure, None);
    let paths: Vec<_> = outcome.operations.iter().map(|operation| operation.path.as_str()).collect();
    assert_eq!(paths, ["/", "/users", "/users/{id}"]);
    assert!(outcome.operations.iter().all(|operation| operation.covered), "{:?}", outcome.operations);
    assert!(outcome.notices.iter().any(|notice| notice.contains("proves little")), "{:?}", outcome.notices);
    assert!(outcome.findings.iter().all(|finding| finding.check_id != "F010"), "{:?}", outcome.findings);
}

#[tokio::test]
async fn unusable_spec_is_a_named_failure() {
    let api = FakeApi::new(pets);
    let outcome = scan(config(Some("<html>login</html>")), &api).await;
    assert_eq!(outcome.failure.map(|failure| failure.code).as_deref(), Some("SPEC_INVALID"));
}

#[tokio::test]
async fn events_come_in_order_and_percent_never_falls() {
    let api = FakeApi::slow(Duration::from_millis(5), pets);
    let (sink, events) = recorder();
    observe(config(Some(SPEC)), &api, sink, CancellationToken::new()).await;
    let events = events.lock().unwrap();
    let place = |wanted: fn(&Event) -> bool| events.iter().position(wanted).unwrap();
    assert!(place(|e| matches!(e, Event::SpecLoaded { .. })) < place(|e| matches!(e, Event::Started)));
    assert!(place(|e| matches!(e, Event::Started)) < place(|e| matches!(e, Event::PhaseStarted(Phase::HappyPath))));
    let percents: Vec<u8> =
        events.iter().filter_map(|e| if let Event::Progress(p) = e { Some(p.percent) } else { None }).collect();
    assert!(percents.is_sorted(), "{percents:?}");
    assert_eq!(percents.last(), Some(&100));
}

#[tokio::test]
async fn length_of_head_is_judged_beside_a_steady_get_only() {
    let check = async |steady: bool, expected: usize| {
        let calls = AtomicU64::new(0);
        let api = FakeApi::new(move |request| {
            let turn = if steady { 0 } else { calls.fetch_add(1, Ordering::Relaxed) % 7 };
            let body = "[]".repeat(usize::try_from(turn).unwrap() + 1);
            let length = if request.method == "HEAD" { 99 } else { body.len() };
            let mut answer = respond(200, "text/plain", if request.method == "HEAD" { "" } else { &body });
            answer.headers.push(("Content-Length".to_owned(), length.to_string().into_bytes()));
            Ok(answer)
        });
        let spec = r#"{"openapi": "3.1.0", "info": {"title": "Now", "version": "1"},
            "paths": {"/now": {"get": {"responses": {"200": {"description": ""}}}}}}"#;
        let outcome = scan(config(Some(spec)), &api).await;
        let found = outcome.findings.iter().filter(|finding| finding.check_id == "F062").count();
        assert_eq!(found, expected, "steady: {steady}");
    };
    check(true, 1).await;
    check(false, 0).await;
}

#[tokio::test]
async fn security_scan_runs_its_checks_over_the_traffic() {
    let api = FakeApi::new(pets);
    let outcome = scan(ScanConfig { kind: ScanKind::Security, ..config(Some(SPEC)) }, &api).await;
    assert_eq!(outcome.failure, None);
    assert_eq!(outcome.kind, "security");
    assert!(outcome.findings.iter().all(|finding| finding.check_id.starts_with("S-")));
    assert!(outcome.passed + outcome.failed > 0);
}

/// Suspects every 201 answer, to be proved in a given way.
struct Created(Proof);

impl Check for Created {
    fn info(&self) -> &'static CheckInfo {
        &INFO
    }

    fn applies(&self, _cx: &Context<'_>, _exchange: &Exchange) -> bool {
        true
    }

    fn judge(&self, _cx: &Context<'_>, exchange: &Exchange) -> Vec<Suspicion> {
        let suspicion = || Suspicion::new(Severity::Low, "", "201", "created").proof(self.0).api_wide();
        if exchange.status() == Some(201) { vec![suspicion()] } else { Vec::new() }
    }
}

#[tokio::test]
async fn proof_asks_for_what_the_check_wants() {
    let check = async |check: &'static dyn Check, api: Arc<FakeApi>, roles: Option<&[&str]>| {
        let outcome = scan_with(config(Some(SPEC)), &api, check).await;
        let found = outcome.findings.first().map(|f| f.evidence.iter().map(|e| e.role.as_str()).collect::<Vec<_>>());
        assert_eq!(found.as_deref(), roles, "{:?}", outcome.notices);
        assert!(outcome.findings.iter().all(|finding| finding.endpoint == "*"));
        outcome
    };
    static DIRECT: Created = Created(Proof::Direct);
    static CONTROL: Created = Created(Proof::RepeatWithControl);
    static TWO: Created = Created(Proof::TwoSamples);
    let outcome = check(&DIRECT, FakeApi::new(pets), Some(&["probe"])).await;
    assert!(outcome.findings[0].occurrences > 1);
    check(&CONTROL, FakeApi::new(pets), Some(&["probe", "control", "repeat"])).await;
    check(&TWO, FakeApi::new(pets), Some(&["probe", "repeat", "repeat"])).await;
    // Only one body in the world is accepted: another valid one shows that the suspicion is about that body.
    let first = std::sync::Mutex::new(None);
    let picky = FakeApi::new(move |request| {
        if request.method != "POST" {
            return pets(request);
        }
        let mut first = first.lock().unwrap();
        let only = first.get_or_insert_with(|| request.body.clone());
        json(if *only == request.body { 201 } else { 400 }, "{}")
    });
    check(&TWO, picky, None).await;
    // Every body is accepted once: nothing can be repeated.
    let seen = std::sync::Mutex::new(std::collections::HashSet::new());
    let forgetful = FakeApi::new(move |request| {
        let fresh = request.method == "POST" && seen.lock().unwrap().insert(request.body.clone());
        if fresh || request.method != "POST" { pets(request) } else { json(409, "{}") }
    });
    check(&CONTROL, forgetful, None).await;
}

#[tokio::test]
async fn tight_budget_gives_the_same_result_at_any_concurrency() {
    let mut seen = Vec::new();
    for concurrency in [1, 8] {
        let api = FakeApi::slow(Duration::from_millis(2), pets);
        let outcome = scan(ScanConfig { concurrency, max_requests: 45, ..config(Some(SPEC)) }, &api).await;
        assert_eq!(outcome.requests, 45);
        let findings: Vec<_> = outcome.findings.into_iter().map(|f| (f.id, f.occurrences)).collect();
        seen.push((outcome.plan_hash, findings, outcome.operations));
    }
    assert_eq!(seen[0], seen[1]);
}

/// Uses up what it gets, then panics if told to.
struct Greedy {
    panics: bool,
}

#[async_trait]
impl crate::check::SecurityCheck for Greedy {
    fn info(&self) -> &'static CheckInfo {
        &INFO
    }

    async fn run(&self, cx: &crate::check::SecurityContext<'_>) -> Vec<crate::finding::Finding> {
        assert!(cx.baselines.iter().flatten().count() == 2 && cx.traffic.len() > 5);
        assert!(!self.panics, "a check that breaks");
        let request = || Request::new("GET", "/pets");
        while let Some(exchange) = cx.prober.send(Some(0), request(), crate::check::As::Anonymous).await {
            assert_eq!(exchange.status(), Some(200));
        }
        assert!(cx.prober.send(None, request(), crate::check::As::Primary).await.is_none());
        Vec::new()
    }
}

#[tokio::test]
async fn security_checks_share_the_budget_and_are_contained() {
    let api = FakeApi::new(pets);
    let config = ScanConfig { kind: ScanKind::Security, max_requests: 200, ..config(Some(SPEC)) };
    let security: Vec<&'static dyn crate::check::SecurityCheck> =
        vec![&Greedy { panics: true }, &Greedy { panics: false }, &Greedy { panics: false }];
    let equipment = Equipment { security, ..equipment(ScanKind::Security) };
    let outcome =
        super::run::run(config, ports(&api), Arc::new(|_| {}), CancellationToken::new(), equipment, Journal::none())
            .await;
    assert_eq!(outcome.failure, None);
    assert_eq!((outcome.passed, outcome.failed), (2, 0));
    assert_eq!(outcome.requests, 200);
    assert_eq!(api.count(), 200);
    assert!(outcome.notices.iter().any(|n| n.contains("failed and gave no result")), "{:?}", outcome.notices);
    assert!(outcome.notices.iter().any(|n| n.contains("used up its share")), "{:?}", outcome.notices);
}

#[tokio::test]
async fn documented_redirect_covers_its_operation() {
    let spec = r#"{"openapi": "3.1.0", "info": {"title": "R", "version": "1"}, "paths": {
        "/old": {"get": {"responses": {"302": {"description": ""}}}},
        "/lost": {"get": {"responses": {"200": {"description": ""}}}}}}"#;
    let api = FakeApi::new(|_| Ok(respond(302, "", "")));
    let outcome = scan(config(Some(spec)), &api).await;
    assert!(outcome.operations[0].covered);
    assert_eq!(outcome.operations[1].reason.as_deref(), Some("always 302: redirects are not followed"));
}
