//! The sample API: each planted defect is found, and nothing else is reported.

use std::collections::BTreeSet;
use std::time::Duration;

use nat::sample::{self, Planted};
use nat_scan::engine::{Outcome, ScanConfig, ScanKind};
use nat_scan::identity::Credentials;
use tokio::net::TcpListener;

use crate::engine;
use crate::farm::is_remark;

async fn scan(kind: ScanKind, credentials: Credentials, seed: u64) -> Outcome {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let target = format!("http://{}", listener.local_addr().expect("an address"));
    let server = tokio::spawn(axum::serve(listener, sample::router()).into_future());
    let config = ScanConfig {
        kind,
        credentials,
        max_duration: Duration::from_secs(300),
        seed,
        scan_id: "scan_sample".to_owned(),
        ..engine::config(&target, "/openapi.json")
    };
    let outcome = engine::run(config).await;
    server.abort();
    outcome
}

/// Checks that the findings are exactly what was planted, by check and endpoint.
#[track_caller]
fn check(outcome: &Outcome, planted: &[Planted]) {
    assert_eq!(outcome.failure, None, "{:?}", outcome.notices);
    let line = |check: &str, endpoint: &str| format!("{check} {endpoint}");
    let found: BTreeSet<String> = outcome.findings.iter().map(|one| line(&one.check_id, &one.endpoint)).collect();
    let wanted: BTreeSet<String> = planted.iter().map(|one| line(one.check, one.endpoint)).collect();
    let missed: Vec<_> = wanted.difference(&found).collect();
    let invented: Vec<_> = outcome
        .findings
        .iter()
        .filter(|one| !wanted.contains(&line(&one.check_id, &one.endpoint)) && !is_remark(one))
        .map(|one| {
            format!("{} {} at '{}': {}\n    {}", one.check_id, one.endpoint, one.location, one.explanation, one.curl)
        })
        .collect();
    assert!(missed.is_empty() && invented.is_empty(), "missed {missed:#?}\ninvented {}", invented.join("\n"));
}

/// Values differ from seed to seed, findings must not.
const SEEDS: std::ops::RangeInclusive<u64> = 1..=4;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn functional_scan_finds_what_is_planted_and_nothing_else() {
    for seed in SEEDS {
        check(&scan(ScanKind::Functional, Credentials::None, seed).await, sample::FUNCTIONAL);
    }
    let outcome = scan(ScanKind::Functional, Credentials::Bearer(sample::TOKEN.into()), 1).await;
    check(&outcome, sample::FUNCTIONAL);
    let uncovered: Vec<_> = outcome.operations.iter().filter(|one| !one.covered).map(|one| &one.path).collect();
    assert!(uncovered.is_empty(), "{uncovered:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn security_scan_finds_what_is_planted_and_nothing_else() {
    for seed in SEEDS {
        check(&scan(ScanKind::Security, Credentials::None, seed).await, sample::SECURITY);
    }
    check(&scan(ScanKind::Security, Credentials::Bearer(sample::TOKEN.into()), 1).await, sample::SECURITY);
}
