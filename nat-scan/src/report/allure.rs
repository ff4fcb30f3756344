//! Allure 2: a result file for each finding. `historyId` is the fingerprint, so that the history of a finding goes on
//! from scan to scan.

use serde_json::{Value, json};

use super::export::File;
use super::json::to_json;
use super::text::{clean, one_line};
use super::view;
use crate::engine::Outcome;
use crate::finding::{Evidence, Finding, Severity};

pub(super) fn files(outcome: &Outcome) -> Vec<File> {
    let mut files = Vec::new();
    for finding in &outcome.findings {
        // Evidence is large; each piece is a file of its own.
        let uuid = uuid(&finding.id);
        let mut steps = Vec::new();
        for (number, evidence) in finding.evidence.iter().enumerate() {
            steps.push(step(evidence, &uuid, number, &mut files));
        }
        let result = result(outcome, finding, &uuid, steps);
        files.push(File { name: format!("{uuid}-result.json"), bytes: to_json(&result) });
    }
    files
}

fn result(outcome: &Outcome, finding: &Finding, uuid: &str, steps: Vec<Value>) -> Value {
    let at = finding.first_seen.timestamp_millis();
    let endpoint = view::endpoint(finding);
    let labels = [
        ("severity", severity(finding.severity)),
        ("epic", if outcome.kind == "security" { "Security" } else { "Contract" }),
        ("feature", &endpoint),
        ("story", &finding.check_id),
        ("suite", &endpoint),
        ("framework", super::TOOL),
        ("tag", finding.confidence.as_str()),
    ];
    let labels: Vec<Value> = labels.iter().map(|(name, value)| json!({"name": name, "value": value})).collect();
    json!({
        "uuid": uuid,
        "historyId": finding.id,
        "testCaseId": finding.id,
        "fullName": format!("{} {endpoint} {}", finding.check_id, one_line(&finding.location)).trim_end(),
        "name": format!("{} {endpoint}: {}", finding.check_id, one_line(&finding.title)),
        "status": "failed",
        "statusDetails": {"message": one_line(&finding.explanation), "trace": clean(&finding.curl)},
        "stage": "finished",
        "description": format!("{}\n\n{}", clean(&finding.description), clean(&finding.remediation)),
        "labels": labels,
        "links": [],
        "parameters": [],
        "steps": steps,
        "start": at,
        "stop": at
    })
}

fn step(evidence: &Evidence, uuid: &str, number: usize, files: &mut Vec<File>) -> Value {
    let mut attachments = Vec::new();
    for (what, text) in [("request", &evidence.request), ("response", &evidence.response)] {
        let name = format!("{uuid}-{number}-{what}-attachment.txt");
        files.push(File { name: name.clone(), bytes: text.clone().into_bytes() });
        attachments.push(json!({"name": what, "source": name, "type": "text/plain"}));
    }
    let at = evidence.at.timestamp_millis();
    let status = if matches!(evidence.role.as_str(), "baseline" | "control") { "passed" } else { "failed" };
    json!({
        "name": one_line(&evidence.role),
        "status": status,
        "stage": "finished",
        "start": at,
        "stop": at,
        "attachments": attachments,
        "steps": []
    })
}

const fn severity(severity: Severity) -> &'static str {
    match severity {
        Severity::Critical => "blocker",
        Severity::High => "critical",
        Severity::Medium => "normal",
        Severity::Low => "minor",
        Severity::Info => "trivial",
    }
}

/// In the shape of a UUID, from the fingerprint: the same finding overwrites its file.
fn uuid(fingerprint: &str) -> String {
    let hex: String =
        fingerprint.chars().filter(char::is_ascii_hexdigit).chain(std::iter::repeat('0')).take(32).collect();
    [&hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]].join("-").to_ascii_lowercase()
}
