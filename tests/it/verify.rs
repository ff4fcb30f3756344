//! Findings of security scans, asked again of a target that did not change: they are proved again.

use axum::Router;
use nat::sample;
use nat::sample::farm::Switches;
use nat::sample::farm::security::{ADMIN, AREAS, router};
use nat_scan::engine::{Profile, ScanConfig, ScanKind};
use nat_scan::identity::{Credentials, SignUp};
use nat_scan::replay::{self, State};
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
