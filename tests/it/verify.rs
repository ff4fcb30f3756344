//! Findings of security scans, asked again of a target that did not change: they are proved again.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use axum::routing::get;
use axum::{Json, Router};
use nat::sample;
use nat::sample::farm::Switches;
use nat::sample::farm::security::{ADMIN, AREAS, router};
use nat_scan::engine::{Profile, ScanConfig, ScanKind};
use nat_scan::identity::{Credentials, SignUp};
use nat_scan::replay::{self, State};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::engine;

/// Of a hundred findings as many must be proved again.
const LEAST: usize = 98;

fn config(target: &str, scan_id: &str) -> ScanConfig {
    let key = "0123456789abcdef0123456789abcdef".to_owned().into();
    ScanConfig {
        kind: ScanKind::Security,
        credentials: Credentials::SignUp(SignUp { key, always: true }),
        profile: Profile::Thorough,
        max_requests: 20_000,
        max_bytes: 256 << 20,
        scan_id: scan_id.to_owned(),
        ..engine::config(target, "/openapi.json")
    }
}

/// Scans, asks again, and counts: what was found, and what was not proved again.
async fn again(router: Router, change: impl Fn(&mut ScanConfig)) -> (usize, Vec<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let target = format!("http://{}", listener.local_addr().expect("an address"));
    let server = tokio::spawn(axum::serve(listener, router).into_future());
    let mut first = config(&target, "scan_found");
    change(&mut first);
    let outcome = engine::run(first).await;
    assert_eq!(outcome.failure, None, "{:?}", outcome.notices);
    // Another scan: its users and its objects are its own.
    let mut second = config(&target, "scan_verify");
    change(&mut second);
    let verdicts = replay::verify(&outcome.findings, &second, &engine::ports(), &CancellationToken::new()).await;
    server.abort();
    let verdicts = verdicts.expect("the target is there");
    assert_eq!(verdicts.len(), outcome.findings.len());
    let lost = outcome.findings.iter().zip(&verdicts).filter(|(_, verdict)| verdict.state != State::Reproduced);
    let told = lost.map(|(finding, verdict)| {
        format!(
            "{} {} at '{}': {}, {}",
            finding.check_id,
            finding.endpoint,
            finding.location,
            verdict.state.as_str(),
            verdict.why
        )
    });
    (verdicts.len(), told.collect())
}

/// A scan leaves what resets the data to its end; asking again has no end to leave it to.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_resets_the_data_is_not_asked_again() {
    let resets = Arc::new(AtomicU32::new(0));
    let count = Arc::clone(&resets);
    let read = |summary: &str| json!({"get": {"summary": summary, "responses": {"200": {"description": "Done."}}}});
    let document = json!({"openapi": "3.0.3", "info": {"title": "Shop", "version": "1"},
        "paths": {"/reset": read("Makes everything anew."), "/pets": read("Shows all.")}});
    let answer = move |json: Value| get(move || std::future::ready(Json(json.clone())));
    let router = Router::new()
        .route("/openapi.json", answer(document))
        .route("/pets", answer(json!([{"id": 1}])))
        .route("/reset", get(move || std::future::ready(Json(count.fetch_add(1, Ordering::Relaxed)))));
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let target = format!("http://{}", listener.local_addr().expect("an address"));
    let server = tokio::spawn(axum::serve(listener, router).into_future());
    let outcome = engine::run(config(&target, "scan_found")).await;
    assert!(outcome.findings.iter().any(|finding| finding.endpoint == "*"), "{:#?}", outcome.findings);
    let asked = resets.load(Ordering::Relaxed);
    assert!(asked > 0, "the scan asks it once everything else is done");
    let second = config(&target, "scan_verify");
    let again = replay::verify(&outcome.findings, &second, &engine::ports(), &CancellationToken::new()).await;
    let lost = again.expect("the target is there").into_iter().filter(|verdict| verdict.state != State::Reproduced);
    assert_eq!(lost.map(|verdict| verdict.why).collect::<Vec<_>>(), Vec::<String>::new());
    server.abort();
    assert_eq!(resets.load(Ordering::Relaxed), asked, "reset while findings were asked about");
}

#[track_caller]
fn check(name: &str, found: usize, lost: &[String]) {
    assert!(lost.len() * 100 <= found * (100 - LEAST), "{name}: {} of {found} not proved again {lost:#?}", lost.len());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn security_findings_of_the_farm_are_proved_again() {
    let mutants: Vec<_> = AREAS.iter().flat_map(|area| area.mutants).copied().collect();
    let (found, lost) = again(router(Switches::of(&mutants), AREAS), |config| {
        let (username, password) = (ADMIN.0.to_owned(), ADMIN.1.to_owned().into());
        config.admin_credentials = Some(Credentials::User { username, password });
    })
    .await;
    assert!(found >= mutants.len() / 2, "{found} findings of {} mutants", mutants.len());
    check("farm", found, &lost);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn security_findings_of_the_sample_are_proved_again() {
    let (found, lost) = again(sample::router(), |_| {}).await;
    assert!(found > 0, "the sample has defects");
    check("sample", found, &lost);
}
