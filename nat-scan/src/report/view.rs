//! What every report shows, computed once: coverage with its reasons, findings by cause, how the scan ended.

use std::cmp::Reverse;
use std::collections::HashMap;

use crate::engine::Outcome;
use crate::finding::{Finding, Severity};

use super::text::one_line;

/// How much of the API was reached.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Coverage {
    /// Operations that answered a valid request with success.
    pub(super) covered: usize,
    /// All operations.
    pub(super) total: usize,
    /// Why the others were not reached, the commonest first.
    pub(super) reasons: Vec<(String, usize)>,
}

impl Coverage {
    pub(super) fn of(outcome: &Outcome) -> Self {
        let mut reasons: Vec<(String, usize)> = Vec::new();
        for operation in outcome.operations.iter().filter(|operation| !operation.covered) {
            let reason = one_line(operation.reason.as_deref().unwrap_or("no success"));
            match reasons.iter_mut().find(|(known, _)| *known == reason) {
                Some((_, count)) => *count += 1,
                None => reasons.push((reason, 1)),
            }
        }
        reasons.sort_by(|left, right| right.1.cmp(&left.1).then_with(|| left.0.cmp(&right.0)));
        let covered = outcome.operations.iter().filter(|operation| operation.covered).count();
        Self { covered, total: outcome.operations.len(), reasons }
    }

    /// Rounded down, so that 100 means all.
    pub(super) fn percent(&self) -> usize {
        (self.covered * 100).checked_div(self.total).unwrap_or(0)
    }

    pub(super) fn sentence(&self) -> String {
        match self.total {
            0 => "no operation was known".to_owned(),
            total => format!("{} of {total} operations answered with success ({} %)", self.covered, self.percent()),
        }
    }
}

/// Findings with one cause.
#[derive(Debug)]
pub(super) struct Group<'a> {
    /// The worst of them; it speaks for all.
    pub(super) lead: &'a Finding,
    /// All of them, the lead first.
    pub(super) findings: Vec<&'a Finding>,
}

impl Group<'_> {
    /// Distinct endpoints in the order of the findings.
    pub(super) fn endpoints(&self) -> Vec<String> {
        let mut endpoints: Vec<String> = Vec::new();
        for finding in &self.findings {
            let endpoint = endpoint(finding);
            if !endpoints.contains(&endpoint) {
                endpoints.push(endpoint);
            }
        }
        endpoints
    }
}

/// `GET /x`, or words for the whole API.
pub(super) fn endpoint(finding: &Finding) -> String {
    if finding.endpoint == "*" { "the whole API".to_owned() } else { one_line(&finding.endpoint) }
}

/// Findings by check and cause, worst first.
pub(super) fn groups(outcome: &Outcome) -> Vec<Group<'_>> {
    let mut groups: Vec<Group<'_>> = Vec::new();
    let mut known: HashMap<(&str, &str), usize> = HashMap::new();
    for finding in &outcome.findings {
        // A finding without a cause is a cause of its own.
        let cause = if finding.cause.is_empty() { finding.id.as_str() } else { finding.cause.as_str() };
        let index = *known.entry((finding.check_id.as_str(), cause)).or_insert(groups.len());
        match groups.get_mut(index) {
            Some(group) => group.findings.push(finding),
            None => groups.push(Group { lead: finding, findings: vec![finding] }),
        }
    }
    for group in &mut groups {
        group.findings.sort_by_key(|finding| Reverse(finding.severity));
        group.lead = group.findings[0];
    }
    // Stable: groups of one severity stay in the outcome's order.
    groups.sort_by_key(|group| Reverse(group.lead.severity));
    groups
}

/// How the scan ended.
pub(super) fn ending(outcome: &Outcome) -> String {
    match &outcome.failure {
        Some(failure) => format!("failed: {} ({})", one_line(&failure.message), one_line(&failure.code)),
        None if outcome.cancelled => "cancelled; this is what it got to".to_owned(),
        None => "completed".to_owned(),
    }
}

/// Seconds between start and end.
pub(super) fn seconds(outcome: &Outcome) -> f64 {
    (outcome.completed_at - outcome.started_at).num_milliseconds().max(0) as f64 / 1e3
}

/// `1 critical, 2 high`; severities without a finding are left out.
pub(super) fn severities(outcome: &Outcome) -> String {
    let parts: Vec<String> = counts(outcome)
        .filter(|(_, count)| *count > 0)
        .map(|(severity, count)| format!("{count} {}", severity.as_str()))
        .collect();
    if parts.is_empty() { "no findings".to_owned() } else { parts.join(", ") }
}

/// Every severity with the number of its findings, worst first.
pub(super) fn counts(outcome: &Outcome) -> impl Iterator<Item = (Severity, u64)> {
    let summary = outcome.summary();
    Severity::ALL.into_iter().zip([summary.critical, summary.high, summary.medium, summary.low, summary.info])
}

/// Name and version of the API, or its address.
pub(super) fn subject(outcome: &Outcome) -> String {
    one_line(outcome.api.as_deref().unwrap_or(&outcome.target))
}

/// What random requests leave open, if there were any.
pub(super) fn unseen(outcome: &Outcome) -> Option<String> {
    let share = outcome.unseen?.clamp(0.0, 1.0) * 100.0;
    Some(format!("{share:.1} % of further random requests would get an answer of a kind not seen yet (estimated)"))
}

/// How to get the same plan again.
pub(super) fn reproducible(outcome: &Outcome) -> String {
    let hash = if outcome.plan_hash.is_empty() { "none" } else { &outcome.plan_hash };
    format!("seed {}, plan {hash}", outcome.seed)
}
