//! What a stored outcome becomes for other tools. Unlike a [`super::Format`] an export may be several files, and it is no
//! format of the API.

use serde_json::{Value, json};

use super::json::to_json;
use super::{allure, har, http_file, pytest, text::one_line, view};
use crate::engine::Outcome;

/// A target of an export.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Export {
    /// HTTP Archive 1.2 of the exchanges of all findings.
    Har,
    /// Allure 2: one `*-result.json` a finding, exchanges as attachments.
    Allure,
    /// Common Test Report Format.
    Ctrf,
    /// One finding a line.
    Ndjson,
    /// Requests for the REST Client of VS Code and for httpYac.
    Http,
    /// A regression test for each finding; needs nothing but pytest.
    Pytest,
}

/// A file of an export.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct File {
    /// Without a directory.
    pub name: String,
    /// What stands in it.
    pub bytes: Vec<u8>,
}

impl Export {
    /// Every export.
    pub const ALL: [Export; 6] = [Self::Har, Self::Allure, Self::Ctrf, Self::Ndjson, Self::Http, Self::Pytest];

    /// The name in `--format`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Har => "har",
            Self::Allure => "allure",
            Self::Ctrf => "ctrf",
            Self::Ndjson => "ndjson",
            Self::Http => "http",
            Self::Pytest => "pytest",
        }
    }

    /// The export of that name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|export| export.as_str() == name)
    }

    /// It is a directory of files.
    #[must_use]
    pub const fn is_directory(self) -> bool {
        matches!(self, Self::Allure)
    }
}

/// Writes the export; one file, except where [`Export::is_directory`] says otherwise.
#[must_use]
pub fn export(outcome: &Outcome, id: &str, export: Export) -> Vec<File> {
    let one = |name: &str, bytes: Vec<u8>| vec![File { name: name.to_owned(), bytes }];
    match export {
        Export::Har => one("nat.har", to_json(&har::archive(outcome))),
        Export::Allure => allure::files(outcome),
        Export::Ctrf => one("ctrf.json", to_json(&ctrf(outcome, id))),
        Export::Ndjson => one("findings.ndjson", ndjson(outcome)),
        Export::Http => one("findings.http", http_file::write(outcome).into_bytes()),
        Export::Pytest => one("test_nat_findings.py", pytest::write(outcome).into_bytes()),
    }
}

fn ndjson(outcome: &Outcome) -> Vec<u8> {
    let mut out = Vec::new();
    for finding in &outcome.findings {
        // Strings, numbers and string keys: this cannot fail.
        out.extend(serde_json::to_vec(finding).unwrap_or_default());
        out.push(b'\n');
    }
    out
}

/// Operations that passed, those that were not reached, and findings as failed tests.
fn ctrf(outcome: &Outcome, id: &str) -> Value {
    let (start, stop) = (outcome.started_at.timestamp_millis(), outcome.completed_at.timestamp_millis());
    let mut tests = Vec::new();
    let mut count = (0, 0, 0);
    for operation in &outcome.operations {
        let endpoint = format!("{} {}", operation.method, operation.path);
        if outcome.findings.iter().any(|finding| finding.endpoint == endpoint) {
            continue;
        }
        let status = if operation.covered { "passed" } else { "skipped" };
        if operation.covered {
            count.0 += 1
        } else {
            count.2 += 1
        }
        let mut test = json!({"name": one_line(&endpoint), "status": status, "duration": 0});
        if let Some(reason) = operation.reason.as_deref().filter(|_| !operation.covered) {
            test["message"] = one_line(reason).into();
        }
        tests.push(test);
    }
    for finding in &outcome.findings {
        count.1 += 1;
        tests.push(json!({
            "name": format!("{} {}: {}", finding.check_id, view::endpoint(finding), one_line(&finding.title)),
            "status": "failed",
            "duration": 0,
            "suite": view::endpoint(finding),
            "message": one_line(&finding.explanation),
            "tags": [finding.check_id, finding.severity.as_str(), finding.confidence.as_str()],
            "extra": {"fingerprint": finding.id, "curl": finding.curl},
        }));
    }
    json!({
        "results": {
            "tool": {"name": super::TOOL, "version": super::VERSION},
            "summary": {
                "tests": tests.len(), "passed": count.0, "failed": count.1, "pending": 0, "skipped": count.2,
                "other": 0, "start": start, "stop": stop
            },
            "tests": tests,
            "extra": {"scan_id": id, "target": outcome.target, "seed": outcome.seed, "plan_hash": outcome.plan_hash}
        }
    })
}
