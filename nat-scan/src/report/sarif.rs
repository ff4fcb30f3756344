//! SARIF 2.1.0, for code scanning. Only what its readers use.

use std::collections::{BTreeMap, HashMap};

use serde::Serialize;

use crate::engine::Outcome;
use crate::finding::{Confidence, Finding, Severity};
use crate::gate::Status;

use super::text::{clean, one_line};
use super::view::{self, Coverage};

/// GitHub refuses more results in one run.
const MAX_RESULTS: usize = 25_000;
/// A result must point into a file; the engine does not know where in the repository the document lies.
const ARTIFACT: &str = "openapi.json";

#[derive(Serialize)]
struct Log<'a> {
    #[serde(rename = "$schema")]
    schema: &'static str,
    version: &'static str,
    runs: [Run<'a>; 1],
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Run<'a> {
    tool: Tool,
    invocations: [Invocation; 1],
    artifacts: [Artifact; 1],
    results: Vec<SarifResult>,
    column_kind: &'static str,
    properties: RunProperties<'a>,
}

#[derive(Serialize)]
struct Tool {
    driver: Driver,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Driver {
    name: &'static str,
    semantic_version: &'static str,
    information_uri: &'static str,
    rules: Vec<Rule>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Rule {
    id: String,
    short_description: Text,
    full_description: Text,
    help: Text,
    default_configuration: Configuration,
    properties: RuleProperties,
}

#[derive(Serialize)]
struct Configuration {
    level: &'static str,
}

#[derive(Serialize)]
struct RuleProperties {
    tags: Vec<String>,
    precision: &'static str,
    /// GitHub ranks security alerts by this; other alerts must not have it.
    #[serde(rename = "security-severity", skip_serializing_if = "Option::is_none")]
    security_severity: Option<String>,
    #[serde(rename = "problem.severity")]
    problem_severity: &'static str,
}

#[derive(Serialize)]
struct Text {
    text: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Invocation {
    execution_successful: bool,
    start_time_utc: String,
    end_time_utc: String,
    tool_execution_notifications: Vec<Notification>,
}

#[derive(Serialize)]
struct Notification {
    level: &'static str,
    message: Text,
}

#[derive(Serialize)]
struct Artifact {
    location: ArtifactLocation,
}

#[derive(Serialize)]
struct ArtifactLocation {
    uri: &'static str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct SarifResult {
    rule_id: String,
    rule_index: usize,
    level: &'static str,
    message: Text,
    locations: [Location; 1],
    partial_fingerprints: BTreeMap<&'static str, String>,
    occurrence_count: u32,
    /// Only beside a baseline: without one nobody knows what is new.
    #[serde(skip_serializing_if = "Option::is_none")]
    baseline_state: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    suppressions: Option<[Suppression; 1]>,
    properties: ResultProperties,
}

#[derive(Serialize)]
struct Suppression {
    kind: &'static str,
    status: &'static str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Location {
    physical_location: PhysicalLocation,
    logical_locations: [LogicalLocation; 1],
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct PhysicalLocation {
    artifact_location: ArtifactLocation,
    region: Region,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Region {
    start_line: u32,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct LogicalLocation {
    fully_qualified_name: String,
    kind: &'static str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ResultProperties {
    severity: &'static str,
    confidence: &'static str,
    slot: String,
    curl: String,
    cause: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    spec_pointer: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cvss_vector: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct RunProperties<'a> {
    scan_id: &'a str,
    kind: &'a str,
    target: &'a str,
    seed: u64,
    plan_hash: &'a str,
    operations_covered: usize,
    operations_total: usize,
    /// Reason to number of operations.
    not_covered: BTreeMap<String, usize>,
}

/// `statuses` of the findings, in their order, when they were compared with a baseline.
pub(super) fn write(outcome: &Outcome, id: &str, statuses: Option<&[Status]>) -> Vec<u8> {
    let (rules, index) = rules(outcome);
    let coverage = Coverage::of(outcome);
    let time = |at: chrono::DateTime<chrono::Utc>| at.to_rfc3339_opts(chrono::SecondsFormat::Millis, true);
    let run = Run {
        tool: Tool {
            driver: Driver { name: super::TOOL, semantic_version: super::VERSION, information_uri: super::HOME, rules },
        },
        invocations: [Invocation {
            execution_successful: outcome.failure.is_none() && !outcome.cancelled,
            start_time_utc: time(outcome.started_at),
            end_time_utc: time(outcome.completed_at),
            tool_execution_notifications: notifications(outcome, &coverage),
        }],
        artifacts: [Artifact { location: ArtifactLocation { uri: ARTIFACT } }],
        results: results(outcome, &index, statuses),
        column_kind: "utf16CodeUnits",
        properties: RunProperties {
            scan_id: id,
            kind: &outcome.kind,
            target: &outcome.target,
            seed: outcome.seed,
            plan_hash: &outcome.plan_hash,
            operations_covered: coverage.covered,
            operations_total: coverage.total,
            not_covered: coverage.reasons.into_iter().collect(),
        },
    };
    let schema = "https://json.schemastore.org/sarif-2.1.0.json";
    super::json::to_json(&Log { schema, version: "2.1.0", runs: [run] })
}

/// One rule a check that found something, in the order of the findings; and where each stands.
fn rules(outcome: &Outcome) -> (Vec<Rule>, HashMap<&str, usize>) {
    let mut worst: Vec<&Finding> = Vec::new();
    let mut index: HashMap<&str, usize> = HashMap::new();
    for finding in &outcome.findings {
        let position = *index.entry(&finding.check_id).or_insert(worst.len());
        match worst.get_mut(position) {
            Some(known) if finding.severity > known.severity => *known = finding,
            Some(_) => {}
            None => worst.push(finding),
        }
    }
    (worst.into_iter().map(rule).collect(), index)
}

fn rule(finding: &Finding) -> Rule {
    let is_security = finding.cvss.is_some() || finding.owasp.is_some();
    let mut tags = vec![if is_security { "security" } else { "correctness" }.to_owned()];
    tags.extend(finding.cwe.iter().map(|cwe| format!("external/cwe/{}", one_line(cwe).to_ascii_lowercase())));
    tags.extend(finding.owasp.iter().map(|owasp| format!("owasp/{}", one_line(owasp))));
    Rule {
        id: one_line(&finding.check_id),
        short_description: text(&finding.title),
        full_description: text(&finding.description),
        help: text(&finding.remediation),
        default_configuration: Configuration { level: level(finding.severity) },
        properties: RuleProperties {
            tags,
            precision: precision(finding.confidence),
            security_severity: is_security.then(|| security_severity(finding)),
            problem_severity: match level(finding.severity) {
                "note" => "recommendation",
                other => other,
            },
        },
    }
}

fn results(outcome: &Outcome, index: &HashMap<&str, usize>, statuses: Option<&[Status]>) -> Vec<SarifResult> {
    let findings = outcome.findings.iter().take(MAX_RESULTS).enumerate();
    findings
        .map(|(at, finding)| {
            let status = statuses.and_then(|statuses| statuses.get(at)).copied();
            SarifResult {
                baseline_state: status.map(|status| if status == Status::New { "new" } else { "unchanged" }),
                suppressions: (status == Some(Status::Suppressed))
                    .then_some([Suppression { kind: "external", status: "accepted" }]),
                ..result(finding, index)
            }
        })
        .collect()
}

fn result(finding: &Finding, index: &HashMap<&str, usize>) -> SarifResult {
    SarifResult {
        rule_id: one_line(&finding.check_id),
        rule_index: index.get(finding.check_id.as_str()).copied().unwrap_or(0),
        level: level(finding.severity),
        message: text(&format!("{}: {}", view::endpoint(finding), finding.explanation)),
        locations: [Location {
            physical_location: PhysicalLocation {
                artifact_location: ArtifactLocation { uri: ARTIFACT },
                region: Region { start_line: 1 },
            },
            logical_locations: [LogicalLocation {
                fully_qualified_name: one_line(&finding.endpoint),
                kind: "resource",
            }],
        }],
        partial_fingerprints: BTreeMap::from([("nat/v1", finding.id.clone())]),
        occurrence_count: finding.occurrences.max(1),
        baseline_state: None,
        suppressions: None,
        properties: ResultProperties {
            severity: finding.severity.as_str(),
            confidence: finding.confidence.as_str(),
            slot: one_line(&finding.location),
            curl: clean(&finding.curl),
            cause: one_line(&finding.cause),
            spec_pointer: finding.spec_pointer.clone(),
            cvss_vector: finding.cvss.as_ref().map(|cvss| cvss.vector.clone()),
        },
    }
}

fn notifications(outcome: &Outcome, coverage: &Coverage) -> Vec<Notification> {
    let note = |level, message: &str| Notification { level, message: text(message) };
    let mut notes = vec![note("note", &coverage.sentence())];
    if let Some(failure) = &outcome.failure {
        notes.push(note("error", &failure.message));
    }
    notes.extend(outcome.notices.iter().map(|notice| note("warning", notice)));
    if let Some(omitted) = outcome.findings.len().checked_sub(MAX_RESULTS).filter(|omitted| *omitted > 0) {
        notes.push(note("warning", &format!("{omitted} more results are left out: a run holds {MAX_RESULTS}")));
    }
    notes
}

fn text(text: &str) -> Text {
    // A message must not be empty.
    let text = clean(text);
    Text { text: if text.trim().is_empty() { "-".to_owned() } else { text } }
}

const fn level(severity: Severity) -> &'static str {
    match severity {
        Severity::Critical | Severity::High => "error",
        Severity::Medium => "warning",
        Severity::Low | Severity::Info => "note",
    }
}

const fn precision(confidence: Confidence) -> &'static str {
    match confidence {
        Confidence::Confirmed => "very-high",
        Confidence::Firm => "high",
        Confidence::Tentative => "low",
    }
}

/// The CVSS score, or the middle of the severity's band.
fn security_severity(finding: &Finding) -> String {
    let score = finding.cvss.as_ref().map_or(
        match finding.severity {
            Severity::Critical => 9.5,
            Severity::High => 8.0,
            Severity::Medium => 5.5,
            Severity::Low => 2.0,
            Severity::Info => 0.0,
        },
        |cvss| cvss.score,
    );
    format!("{score:.1}")
}
