//! New, unchanged, fixed: a scan compared with what was known of its target before. Pure.

use std::collections::{HashMap, HashSet};

use super::FindingStatus;
use crate::db::finding::Model;
use crate::db::scan::Model as ScanRow;
use crate::engine::Outcome;
use crate::finding::Finding;

/// The rows of findings of a scan that still runs, from `place` on.
pub(in crate::service) fn live(scan: &ScanRow, known: &[Model], findings: &[Finding], place: i64) -> Vec<Model> {
    let known = by_fingerprint(known);
    findings.iter().zip(place..).map(|(finding, place)| row(scan, &known, finding, place, false)).collect()
}

/// The rows of a scan that has ended. One that ran to its end says what is known of the target from now on: what was
/// there before and is not any more is fixed, if its operation was tried.
pub(in crate::service) fn settle(scan: &ScanRow, known: &[Model], outcome: &Outcome, completed: bool) -> Vec<Model> {
    let before = by_fingerprint(known);
    let mut rows: Vec<Model> = outcome
        .findings
        .iter()
        .zip(0..)
        .map(|(finding, place)| row(scan, &before, finding, place, completed))
        .collect();
    if !completed {
        return rows;
    }
    let tried: HashSet<String> = outcome
        .operations
        .iter()
        .filter(|operation| operation.requests > 0)
        .map(|operation| format!("{} {}", operation.method, operation.path))
        .collect();
    let found: HashSet<&str> = outcome.findings.iter().map(|finding| finding.id.as_str()).collect();
    let gone = known
        .iter()
        .filter(|row| row.status != FindingStatus::Fixed.as_str() && !found.contains(row.fingerprint.as_str()));
    let next = i64::try_from(rows.len()).unwrap_or(i64::MAX);
    rows.extend(gone.zip(next..).map(|(old, place)| {
        let tested = old.endpoint == "*" || tried.contains(&old.endpoint);
        let status = if tested { FindingStatus::Fixed } else { FindingStatus::NotTested };
        let (scan_id, status) = (scan.id.clone(), status.as_str().to_owned());
        Model { scan_id, status, place, latest: true, ..old.clone() }
    }));
    rows
}

/// What is known and not fixed.
fn by_fingerprint(known: &[Model]) -> HashMap<&str, &Model> {
    let standing = known.iter().filter(|row| row.status != FindingStatus::Fixed.as_str());
    standing.map(|row| (row.fingerprint.as_str(), row)).collect()
}

fn row(scan: &ScanRow, known: &HashMap<&str, &Model>, finding: &Finding, place: i64, latest: bool) -> Model {
    let before = known.get(finding.id.as_str());
    let status = if before.is_some() { FindingStatus::Unchanged } else { FindingStatus::New };
    Model {
        scan_id: scan.id.clone(),
        fingerprint: finding.id.clone(),
        tenant_id: scan.tenant_id.clone(),
        kind: scan.kind.clone(),
        url: scan.url.clone(),
        check_id: finding.check_id.clone(),
        title: finding.title.clone(),
        severity: finding.severity.as_str().to_owned(),
        confidence: finding.confidence.as_str().to_owned(),
        endpoint: finding.endpoint.clone(),
        location: finding.location.clone(),
        status: status.as_str().to_owned(),
        place,
        latest,
        first_seen_at: before.map_or(finding.first_seen, |before| before.first_seen_at),
    }
}
