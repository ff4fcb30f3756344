//! JUnit XML: one suite an operation, one case for each check that failed there.

use std::collections::BTreeMap;
use std::time::Duration;

use quick_junit::{NonSuccessKind, Property, Report, TestCase, TestCaseStatus, TestSuite};

use crate::engine::{OperationOutcome, Outcome};
use crate::finding::{Finding, Severity};

use super::text::{clean, cut, one_line};
use super::view::{self, Coverage};

/// The suite of findings that belong to no single operation.
const WHOLE_API: &str = "API";

pub(super) fn write(outcome: &Outcome, id: &str) -> Vec<u8> {
    let mut by_endpoint: BTreeMap<&str, Vec<&Finding>> = BTreeMap::new();
    for finding in &outcome.findings {
        by_endpoint.entry(&finding.endpoint).or_default().push(finding);
    }
    let mut report = Report::new(format!("{} {} scan", super::TOOL, one_line(&outcome.kind)));
    report.set_timestamp(outcome.started_at);
    report.set_time(Duration::from_secs_f64(view::seconds(outcome)));
    report.add_test_suite(scan_suite(outcome, id));
    for operation in &outcome.operations {
        let endpoint = format!("{} {}", operation.method, operation.path);
        let findings = by_endpoint.remove(endpoint.as_str()).unwrap_or_default();
        let mut suite = TestSuite::new(one_line(&endpoint));
        suite.add_test_cases(operation_cases(operation, &findings));
        report.add_test_suite(suite);
    }
    for (endpoint, findings) in by_endpoint {
        let name = if endpoint == "*" { WHOLE_API.to_owned() } else { one_line(endpoint) };
        let mut suite = TestSuite::new(name.as_str());
        suite.add_test_cases(findings.into_iter().map(|finding| finding_case(finding, &name)));
        report.add_test_suite(suite);
    }
    report.to_string().unwrap_or_default().into_bytes()
}

/// The scan itself: whether it ran, and what is true of it as a whole.
fn scan_suite(outcome: &Outcome, id: &str) -> TestSuite {
    let status = match &outcome.failure {
        Some(failure) => {
            let mut status = TestCaseStatus::non_success(NonSuccessKind::Error);
            status.set_type(one_line(&failure.code)).set_message(one_line(&failure.message));
            status
        }
        None if outcome.cancelled => {
            let mut status = TestCaseStatus::skipped();
            status.set_message(view::ending(outcome));
            status
        }
        None => TestCaseStatus::success(),
    };
    let coverage = Coverage::of(outcome);
    let mut lines = vec![coverage.sentence()];
    lines.extend(coverage.reasons.iter().map(|(reason, count)| format!("not covered: {count} × {reason}")));
    lines.extend(outcome.notices.iter().map(|notice| one_line(notice)));
    let mut case = TestCase::new("the scan runs to its end", status);
    case.set_classname("scan").set_time(Duration::from_secs_f64(view::seconds(outcome)));
    case.set_system_out(lines.join("\n"));
    let mut suite = TestSuite::new("scan");
    for (name, value) in [
        ("tool", format!("{} {}", super::TOOL, super::VERSION)),
        ("scan_id", one_line(id)),
        ("target", one_line(&outcome.target)),
        ("seed", outcome.seed.to_string()),
        ("plan_hash", one_line(&outcome.plan_hash)),
        ("coverage", format!("{}/{}", coverage.covered, coverage.total)),
    ] {
        suite.add_property(Property::new(name, value));
    }
    suite.add_test_case(case);
    suite
}

fn operation_cases(operation: &OperationOutcome, findings: &[&Finding]) -> Vec<TestCase> {
    let class = one_line(&format!("{} {}", operation.method, operation.path));
    let mut cases: Vec<TestCase> = findings.iter().map(|finding| finding_case(finding, &class)).collect();
    if cases.is_empty() || !operation.covered {
        let status = if operation.covered {
            TestCaseStatus::success()
        } else {
            let mut status = TestCaseStatus::skipped();
            status.set_message(one_line(operation.reason.as_deref().unwrap_or("no 2xx answer")));
            status
        };
        let mut case = TestCase::new("the operation keeps its contract", status);
        case.set_classname(class.as_str());
        cases.push(case);
    }
    cases
}

fn finding_case(finding: &Finding, class: &str) -> TestCase {
    let place = if finding.location.is_empty() { String::new() } else { format!(" at {}", finding.location) };
    let text = clean(&format!(
        "{}\n\nseverity: {}, confidence: {}\nto do: {}\nrepeat: {}\nfingerprint: {}",
        finding.explanation,
        finding.severity.as_str(),
        finding.confidence.as_str(),
        finding.remediation,
        finding.curl,
        finding.id
    ));
    // What is only worth knowing does not fail a build.
    let status = if finding.severity == Severity::Info {
        TestCaseStatus::success()
    } else {
        let mut status = TestCaseStatus::non_success(NonSuccessKind::Failure);
        status
            .set_type(one_line(&finding.check_id))
            .set_message(one_line(&finding.title))
            .set_description(text.as_str());
        status
    };
    let mut case =
        TestCase::new(cut(&one_line(&format!("{} {}{place}", finding.check_id, finding.title)), 300), status);
    case.set_classname(class);
    case.set_system_out(if finding.severity == Severity::Info { text } else { clean(&finding.curl) });
    case
}
