//! The life of a finding on the command line: found, asked again, known, converted.

use std::path::Path;
use std::process::{Output, Stdio};

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{Request, StatusCode, header};
use nat::sample;
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tower::ServiceExt;

use crate::process::nat;

async fn serve(router: Router) -> (String, JoinHandle<std::io::Result<()>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("http://{}", listener.local_addr().expect("an address"));
    (url, tokio::spawn(axum::serve(listener, router).into_future()))
}

/// Runs the binary beside the servers of the test.
async fn run(dir: &Path, arguments: &[&str]) -> (i32, String) {
    let mut command = nat();
    command.args(arguments).current_dir(dir).stdin(Stdio::null());
    let output: Output = tokio::task::spawn_blocking(move || command.output()).await.expect("runs").expect("starts");
    let said = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    (output.status.code().expect("a code"), said)
}

async fn check(dir: &Path, arguments: &[&str], code: i32, words: &str) -> String {
    let (got, said) = run(dir, arguments).await;
    assert_eq!(got, code, "{arguments:?}: {said}");
    assert!(said.contains(words), "{arguments:?} does not say {words:?}: {said}");
    said
}

async fn sample_spec() -> Vec<u8> {
    let request = Request::get("/openapi.json").body(Body::empty()).expect("a request");
    let answer = sample::router().oneshot(request).await.expect("an answer");
    to_bytes(answer.into_body(), 1 << 20).await.expect("a document").to_vec()
}

/// A directory with `spec.json`, and `report.json` of a scan of the sample; the running sample.
async fn scanned() -> (tempfile::TempDir, String, JoinHandle<std::io::Result<()>>) {
    let dir = tempfile::tempdir().expect("a directory");
    std::fs::write(dir.path().join("spec.json"), sample_spec().await).expect("written");
    let (url, task) = serve(sample::router()).await;
    let arguments = ["scan", &url, "--spec", "spec.json", "--format", "json", "--output", "report.json", "-q"];
    check(dir.path(), &arguments, 1, "gate failed: new.proved.high").await;
    (dir, url, task)
}

#[tokio::test(flavor = "multi_thread")]
async fn findings_are_asked_again_one_by_one_and_all_together() {
    let (dir, _, sample) = scanned().await;
    let dir = dir.path();
    let report: Value = serde_json::from_slice(&std::fs::read(dir.join("report.json")).expect("there")).expect("JSON");
    let findings = report["findings"].as_array().expect("findings");
    let broken = findings.iter().find(|finding| finding["check_id"] == "F001").expect("a server error");
    let id = broken["id"].as_str().expect("an id");
    std::fs::write(dir.join("finding.json"), broken.to_string()).expect("written");

    let summary = format!("{} reproduced, 0 fixed, 0 changed, 0 undecidable", findings.len());
    check(dir, &["verify", "report.json", "--spec", "spec.json"], 1, &summary).await;
    check(dir, &["replay", "report.json", &id[..10], "--spec", "spec.json"], 1, "1 reproduced").await;
    check(dir, &["replay", "report.json"], 2, "more than one finding").await;
    check(dir, &["replay", "report.json", "zz"], 2, "begins with 'zz'").await;
    check(dir, &["replay", "spec.json"], 2, "no report of nat scan").await;
    check(dir, &["replay", "finding.json"], 2, "add --target").await;
    check(dir, &["replay", "report.json", id, "--spec", "none.json"], 3, "No such file").await;

    let refuses = || async { (StatusCode::BAD_REQUEST, [(header::CONTENT_TYPE, "application/json")], "{}") };
    let (other, other_task) = serve(Router::new().fallback(refuses)).await;
    let again = ["replay", "finding.json", "--target", &other, "--spec", "spec.json", "--json"];
    let said = check(dir, &again, 0, "fixed").await;
    let verdicts: Value = serde_json::from_str(&said).expect("JSON");
    assert_eq!((&verdicts[0]["id"], &verdicts[0]["status"]), (&broken["id"], &400.into()));
    other_task.abort();
    sample.abort();
    let _ = sample.await;
    check(dir, &["verify", "report.json", "--spec", "spec.json"], 4, "gave no answer").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn gate_counts_what_is_not_known() {
    let (dir, url, sample) = scanned().await;
    let dir = dir.path();
    let scan = async |more: &[&str], code, words: &str| {
        let all: Vec<&str> = ["scan", &url, "--spec", "spec.json"].iter().chain(more).copied().collect();
        check(dir, &all, code, words).await
    };
    scan(&["--gate", "new.hgh > 0"], 2, "column 1: 'new.hgh' is not known").await;
    scan(&["--gate", "new.high > 0", "--fail-on", "low"], 2, "cannot be used with").await;
    scan(&["--baseline", "known"], 2, "known: ").await;
    std::fs::write(dir.join("rules"), "check=F001 expires=2099-01-01").expect("written");
    scan(&["--suppress", "rules"], 2, "rules: line 1: a rule needs a reason").await;

    scan(&["--baseline", "known", "--baseline-update"], 0, " new, 0 unchanged").await;
    let known = std::fs::read_to_string(dir.join("known")).expect("a baseline");
    assert!(known.lines().skip(1).is_sorted() && known.contains("  F001  "), "{known}");
    scan(&["--baseline", "known", "--fail-on", "info"], 0, "0 new, ").await;
    scan(&["--baseline", "known", "--gate", "unchanged.high > 0"], 1, "gate failed: unchanged.high (").await;

    let line = format!("{}  high  F001  GET /search  # gone\n", "0".repeat(64));
    std::fs::write(dir.join("known"), known.clone() + &line).expect("written");
    scan(&["--baseline", "known", "--baseline-prune"], 0, "fixed: F001 GET /search").await;
    assert_eq!(std::fs::read_to_string(dir.join("known")).expect("a baseline"), known);

    std::fs::write(dir.join("rules"), "check=F* expires=2099-01-01 reason=\"a sample\"").expect("written");
    let patched = ["--suppress", "rules", "--annotate", "github", "--spec-patch", "patch.json"];
    let said = scan(&patched, 0, "0 new, 0 unchanged").await;
    assert!(!said.contains("::error"), "{said}");
    let patch: Value = serde_json::from_slice(&std::fs::read(dir.join("patch.json")).expect("there")).expect("JSON");
    assert!(patch.as_array().is_some_and(|ops| ops.iter().any(|op| op["x-nat-comment"].is_string())), "{patch}");
    sample.abort();
}

#[tokio::test(flavor = "multi_thread")]
async fn stored_report_becomes_every_format() {
    let (dir, _, sample) = scanned().await;
    sample.abort();
    let dir = dir.path();
    check(dir, &["report", "report.json"], 0, "F001").await;
    for format in ["json", "html", "csv", "sarif", "junit", "markdown", "har", "ctrf", "ndjson", "http", "pytest"] {
        let words = if format == "pytest" { "def test_f001_" } else { "F001" };
        check(dir, &["report", "report.json", "--format", format], 0, words).await;
    }
    for format in ["github", "gitlab", "azure", "spec-patch"] {
        check(dir, &["report", "report.json", "--format", format, "--spec", "spec.json"], 0, "F01").await;
    }
    check(dir, &["report", "report.json", "--format", "allure"], 2, "--output").await;
    check(dir, &["report", "report.json", "--format", "allure", "--output", "allure"], 0, "").await;
    assert!(std::fs::read_dir(dir.join("allure")).expect("a directory").count() > 2);
    check(dir, &["report", "report.json", "--format", "pdf"], 2, "spec-patch").await;
}
