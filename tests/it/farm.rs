//! The mutant farm: each planted defect is found, its look-alike is not reported, and nothing else is.

mod security;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use nat::sample::farm::{FUNCTIONAL, Mutant, Switches, router};
use nat_scan::engine::{Outcome, ScanConfig};
use nat_scan::finding::{Finding, Severity};
use nat_scan::identity::Credentials;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use crate::engine;

/// What a mutant shows besides the finding that it was planted for.
const SYMPTOMS: &[(&str, &str)] = &[
    // The plan sends more than one DELETE to the same thing.
    ("F001", "DELETE /stamps/{stamp_id}"),
    // What a refused create leaves behind is shown in the list.
    ("F013", "GET /coupons"),
];
/// Seeds of the scans that find every functional defect.
const SEEDS: u64 = 10;
/// Seeds of the others unless `NAT_TEST_SEEDS` says more: ten of all take half an hour.
const FEW: u64 = 3;

/// The last of the seeds from one on, where [`FEW`] will do.
fn few() -> u64 {
    #[expect(clippy::disallowed_methods, reason = "a switch of the test, not a setting of the program")]
    std::env::var("NAT_TEST_SEEDS").map_or(FEW, |text| text.parse().expect("a number"))
}

/// One request without ceremony; the answer as text.
async fn post(address: &str, path: &str, body: &str) -> String {
    let mut stream = TcpStream::connect(address).await.expect("the farm listens");
    let head = format!(
        "POST {path} HTTP/1.1\r\nHost: {address}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\
         Connection: close\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(head.as_bytes()).await.expect("writable");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.expect("an answer in text");
    answer
}

/// Registers a user and signs in.
pub(crate) async fn sign_in(address: &str) -> String {
    let body = r#"{"name":"ada","password":"lovelace"}"#;
    let registered = post(address, "/register", body).await;
    assert!(registered.starts_with("HTTP/1.1 201"), "{registered}");
    let answer = post(address, "/login", body).await;
    let token = answer.split("\"token\":\"").nth(1).and_then(|rest| rest.split('"').next());
    token.expect("a token").to_owned()
}

/// How much of the farm is scanned, and how.
pub(crate) struct Part {
    pub(crate) concurrency: usize,
    /// First letters of the paths that are left out.
    pub(crate) left_out: &'static str,
    pub(crate) max_requests: u64,
}

async fn scan(on: Switches, document: &str, seed: u64) -> Outcome {
    scan_part(on, document, seed, Part { concurrency: 8, left_out: "", max_requests: 20_000 }).await
}

pub(crate) async fn scan_part(on: Switches, document: &str, seed: u64, part: Part) -> Outcome {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address").to_string();
    let server = tokio::spawn(axum::serve(listener, router(on)).into_future());
    let token = sign_in(&address).await;
    let target = format!("http://{address}");
    let config = ScanConfig {
        credentials: Credentials::Bearer(token.into()),
        concurrency: part.concurrency,
        max_requests: part.max_requests,
        max_bytes: 256 << 20,
        exclude: part.left_out.chars().map(|letter| format!("/{letter}*")).collect(),
        seed,
        scan_id: "scan_farm".to_owned(),
        ..engine::config(&target, document)
    };
    let outcome = engine::run(config).await;
    server.abort();
    assert_eq!(outcome.failure, None, "{:?}", outcome.notices);
    outcome
}

fn is_of(finding: &Finding, mutant: &Mutant) -> bool {
    finding.check_id == mutant.check && finding.endpoint == mutant.endpoint && finding.location.starts_with(mutant.at)
}

fn is_planted(finding: &Finding, planted: &[Mutant]) -> bool {
    let symptom = SYMPTOMS.contains(&(finding.check_id.as_str(), finding.endpoint.as_str()));
    planted.iter().any(|mutant| is_of(finding, mutant)) || (symptom && !planted.is_empty())
}

fn line(finding: &Finding) -> String {
    format!(
        "{} {} at '{}': {}\n    {}",
        finding.check_id, finding.endpoint, finding.location, finding.explanation, finding.curl
    )
}

/// What is true of nearly every document, and of a farm that shows its own to anybody.
pub(crate) fn is_remark(finding: &Finding) -> bool {
    finding.severity == Severity::Info && (finding.check_id.starts_with("S-SPEC-") || finding.check_id == "S-DOC")
}

/// Findings that nobody planted, with the seeds that showed them.
fn strangers(outcomes: &[(u64, Outcome)], planted: &[Mutant]) -> BTreeMap<String, Vec<u64>> {
    let mut strangers: BTreeMap<String, Vec<u64>> = BTreeMap::new();
    for (seed, outcome) in outcomes {
        for finding in outcome.findings.iter().filter(|finding| !is_planted(finding, planted) && !is_remark(finding)) {
            strangers
                .entry(format!("{} {} at '{}'", finding.check_id, finding.endpoint, finding.location))
                .or_default()
                .push(*seed);
        }
    }
    strangers
}

/// The first finding of each kind in full, to work from.
fn details(outcomes: &[(u64, Outcome)], planted: &[Mutant]) -> String {
    let mut seen = BTreeSet::new();
    let mut text = String::new();
    for (seed, outcome) in outcomes {
        for finding in outcome.findings.iter().filter(|finding| !is_planted(finding, planted) && !is_remark(finding)) {
            if seen.insert((finding.check_id.clone(), finding.endpoint.clone(), finding.location.clone())) {
                let _ = writeln!(text, "seed {seed}: {}", line(finding));
            }
        }
    }
    text
}

async fn scans(on: Switches, seeds: u64) -> Vec<(u64, Outcome)> {
    let mut outcomes = Vec::new();
    for seed in 1..=seeds {
        outcomes.push((seed, scan(on.clone(), "/openapi.json", seed).await));
    }
    outcomes
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn farm_with_every_mutant_shows_them_and_nothing_else() {
    let outcomes = scans(Switches::all(), SEEDS).await;
    let mut table = String::from("mutant | check | endpoint | found | look-alike reported\n");
    let mut missed = Vec::new();
    for mutant in FUNCTIONAL {
        let count = |is: &dyn Fn(&Finding) -> bool| {
            outcomes.iter().filter(|(_, outcome)| outcome.findings.iter().any(is)).count()
        };
        let found = count(&|finding| is_of(finding, mutant));
        let twin = count(&|finding| finding.check_id == mutant.check && finding.endpoint == mutant.twin);
        let all = outcomes.len();
        let _ =
            writeln!(table, "{} | {} | {} | {found}/{all} | {twin}/{all}", mutant.id, mutant.check, mutant.endpoint);
        if found < all {
            missed.push(format!("{} {} in {found}/{all}", mutant.check, mutant.id));
        }
    }
    let strangers = strangers(&outcomes, FUNCTIONAL);
    assert!(
        missed.is_empty() && strangers.is_empty(),
        "{table}\nmissed {missed:#?}\nstrangers {strangers:#?}\n{}",
        details(&outcomes, FUNCTIONAL)
    );
    insta::assert_snapshot!(table);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn farm_without_mutants_shows_nothing() {
    let outcomes = scans(Switches::none(), few()).await;
    let strangers = strangers(&outcomes, &[]);
    assert!(strangers.is_empty(), "{strangers:#?}\n{}", details(&outcomes, &[]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn farm_reads_alike_in_older_documents() {
    for document in ["/openapi-3.0.json", "/swagger.json"] {
        let quiet = [(1, scan(Switches::none(), document, 1).await)];
        assert!(quiet[0].1.findings.is_empty(), "{document}\n{}", details(&quiet, &[]));
        let loud = [(1, scan(Switches::all(), document, 1).await)];
        let strangers = strangers(&loud, FUNCTIONAL);
        assert!(strangers.is_empty(), "{document} {strangers:#?}\n{}", details(&loud, FUNCTIONAL));
    }
}
