//! JSON: the outcome as it is, with what a reader would otherwise compute.

use serde::Serialize;

use crate::engine::{Outcome, Summary};

#[derive(Serialize)]
struct Report<'a> {
    scan_id: &'a str,
    tool: Tool,
    summary: Summary,
    coverage: Coverage,
    #[serde(flatten)]
    outcome: &'a Outcome,
}

#[derive(Serialize)]
struct Tool {
    name: &'static str,
    version: &'static str,
}

#[derive(Serialize)]
struct Coverage {
    covered: usize,
    total: usize,
    reasons: Vec<Reason>,
}

#[derive(Serialize)]
struct Reason {
    reason: String,
    operations: usize,
}

pub(super) fn write(outcome: &Outcome, id: &str) -> Vec<u8> {
    let coverage = super::view::Coverage::of(outcome);
    let report = Report {
        scan_id: id,
        tool: Tool { name: super::TOOL, version: super::VERSION },
        summary: outcome.summary(),
        coverage: Coverage {
            covered: coverage.covered,
            total: coverage.total,
            reasons: coverage.reasons.into_iter().map(|(reason, operations)| Reason { reason, operations }).collect(),
        },
        outcome,
    };
    to_json(&report)
}

/// Only strings, numbers and string keys are serialised, so this cannot fail.
pub(super) fn to_json(value: &impl Serialize) -> Vec<u8> {
    let mut bytes = serde_json::to_vec_pretty(value).unwrap_or_default();
    bytes.push(b'\n');
    bytes
}
