//! CSV: one row a finding, safe to open in a spreadsheet.

use crate::engine::Outcome;
use crate::finding::Finding;

use super::text::clean;
use super::view::Coverage;

const COLUMNS: [&str; 20] = [
    "scan_id",
    "id",
    "check_id",
    "severity",
    "confidence",
    "endpoint",
    "location",
    "title",
    "explanation",
    "remediation",
    "cwe",
    "owasp",
    "cvss_score",
    "cvss_vector",
    "occurrences",
    "first_seen",
    "cause",
    "curl",
    "reproduce",
    "coverage",
];

pub(super) fn write(outcome: &Outcome, id: &str) -> Vec<u8> {
    let mut writer = ::csv::Writer::from_writer(Vec::new());
    let coverage = Coverage::of(outcome);
    let scan = [id.to_owned(), super::view::reproducible(outcome), format!("{}/{}", coverage.covered, coverage.total)];
    // Writing to memory cannot fail, and every record has the same length.
    let _ = writer.write_record(COLUMNS);
    for finding in &outcome.findings {
        let _ = writer.write_record(row(finding, &scan).iter().map(|cell| safe(cell)));
    }
    writer.into_inner().unwrap_or_default()
}

fn row(finding: &Finding, [id, reproduce, coverage]: &[String; 3]) -> [String; 20] {
    let cvss = finding.cvss.as_ref();
    [
        id.clone(),
        finding.id.clone(),
        finding.check_id.clone(),
        finding.severity.as_str().to_owned(),
        finding.confidence.as_str().to_owned(),
        finding.endpoint.clone(),
        finding.location.clone(),
        finding.title.clone(),
        finding.explanation.clone(),
        finding.remediation.clone(),
        finding.cwe.join(" "),
        finding.owasp.clone().unwrap_or_default(),
        cvss.map(|cvss| format!("{:.1}", cvss.score)).unwrap_or_default(),
        cvss.map(|cvss| cvss.vector.clone()).unwrap_or_default(),
        finding.occurrences.to_string(),
        finding.first_seen.to_rfc3339_opts(chrono::SecondsFormat::Millis, true),
        finding.cause.clone(),
        finding.curl.clone(),
        reproduce.clone(),
        coverage.clone(),
    ]
}

/// With `'` before what a spreadsheet would take for a formula.
fn safe(cell: &str) -> String {
    // A leading tab or line end starts a formula in some programs.
    let formula =
        cell.starts_with(['=', '+', '-', '@', '\t', '\r', '\n']) || cell.trim_start().starts_with(['=', '+', '-', '@']);
    let text = clean(cell);
    if formula { format!("'{text}") } else { text }
}
