//! Scans, results and findings as this wire shows them.

use std::collections::BTreeMap;

use nat_core::page::Page;
use nat_scan::engine::{OperationOutcome, Outcome, ScanFailure, ScanKind, Summary};
use nat_scan::finding::{Confidence, Cvss, Evidence, Finding};
use nat_scan::service::{Scan, ScanStatus, StoredProgress};
use serde::Serialize;
use utoipa::ToSchema;

use crate::v1::instant::millis;

/// Where a scan stands. A queued scan is `running` here.
#[derive(Clone, Copy, Debug, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum StatusBody {
    Running,
    Completed,
    Failed,
    Cancelled,
}

impl From<ScanStatus> for StatusBody {
    fn from(status: ScanStatus) -> Self {
        match status {
            ScanStatus::Queued | ScanStatus::Running => Self::Running,
            ScanStatus::Completed => Self::Completed,
            ScanStatus::Failed => Self::Failed,
            ScanStatus::Cancelled => Self::Cancelled,
        }
    }
}

/// What a scan looks for.
#[derive(Clone, Copy, Debug, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum KindBody {
    Functional,
    Security,
}

impl From<ScanKind> for KindBody {
    fn from(kind: ScanKind) -> Self {
        match kind {
            ScanKind::Functional => Self::Functional,
            ScanKind::Security => Self::Security,
        }
    }
}

/// An accepted scan.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct AcceptedBody {
    /// `scan_…`
    scan_id: String,
    /// `running`
    status: StatusBody,
    /// When it was accepted.
    #[schema(format = DateTime)]
    created_at: String,
}

impl From<&Scan> for AcceptedBody {
    fn from(scan: &Scan) -> Self {
        Self { scan_id: scan.id.to_string(), status: scan.status.into(), created_at: millis(scan.created_at) }
    }
}

/// A scan that was stopped.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct CancelledBody {
    /// `scan_…`
    pub(super) scan_id: String,
    /// `cancelled`
    pub(super) status: StatusBody,
}

/// How far a scan is.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ProgressBody {
    /// The phase, `queued` before the first, `done` after the last.
    phase: String,
    /// Operations to try.
    operations_total: u64,
    /// Operations tried.
    operations_tested: u64,
    /// Requests sent.
    requests_sent: u64,
    /// 0 to 100.
    percent: u8,
}

impl From<StoredProgress> for ProgressBody {
    fn from(progress: StoredProgress) -> Self {
        Self {
            phase: progress.phase,
            operations_total: progress.operations_total,
            operations_tested: progress.operations_tested,
            requests_sent: progress.requests_sent,
            percent: progress.percent,
        }
    }
}

/// Findings by severity.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct SummaryBody {
    critical: u64,
    high: u64,
    medium: u64,
    low: u64,
    info: u64,
}

impl From<Summary> for SummaryBody {
    fn from(summary: Summary) -> Self {
        Self {
            critical: summary.critical,
            high: summary.high,
            medium: summary.medium,
            low: summary.low,
            info: summary.info,
        }
    }
}

/// Why a scan failed as a whole.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct FailureBody {
    /// `TARGET_UNREACHABLE`, `SPEC_INVALID`, `TIMED_OUT`, `ENGINE_ERROR`, …
    code: String,
    /// A sentence for people.
    message: String,
}

impl From<ScanFailure> for FailureBody {
    fn from(failure: ScanFailure) -> Self {
        Self { code: failure.code, message: failure.message }
    }
}

/// A scan.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ScanBody {
    /// `scan_…`
    scan_id: String,
    kind: KindBody,
    status: StatusBody,
    /// The target.
    url: String,
    /// When it was accepted.
    #[schema(format = DateTime)]
    created_at: String,
    /// When it was begun.
    #[schema(format = DateTime)]
    started_at: Option<String>,
    /// When it ended.
    #[schema(format = DateTime)]
    completed_at: Option<String>,
    progress: ProgressBody,
    summary: SummaryBody,
    /// Verdicts.
    total: u64,
    /// Verdicts that passed.
    passed: u64,
    /// Verdicts that failed.
    failed: u64,
    /// Why it failed as a whole, else null.
    error: Option<FailureBody>,
}

impl From<Scan> for ScanBody {
    fn from(scan: Scan) -> Self {
        Self {
            scan_id: scan.id.to_string(),
            kind: scan.kind.into(),
            status: scan.status.into(),
            url: scan.url,
            created_at: millis(scan.created_at),
            started_at: scan.started_at.map(millis),
            completed_at: scan.completed_at.map(millis),
            progress: scan.progress.into(),
            summary: scan.summary.into(),
            total: scan.total,
            passed: scan.passed,
            failed: scan.failed,
            error: scan.error.map(FailureBody::from),
        }
    }
}

/// One page of scans, newest first.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ScansBody {
    /// The scans of this page.
    scans: Vec<ScanBody>,
    /// Number of this page, from 1.
    page: u32,
    /// Largest number of scans on a page.
    per_page: u32,
    /// Scans on all pages.
    total: u64,
}

impl From<Page<Scan>> for ScansBody {
    fn from(page: Page<Scan>) -> Self {
        Self {
            scans: page.rows.into_iter().map(ScanBody::from).collect(),
            page: page.request.page,
            per_page: page.request.per_page,
            total: page.total,
        }
    }
}

/// What was done to one operation.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct OperationBody {
    /// Upper case.
    method: String,
    /// Template.
    path: String,
    /// `operationId` of the document.
    operation_id: Option<String>,
    /// Requests sent.
    requests: u64,
    /// Answers by status.
    statuses: BTreeMap<String, u64>,
    /// At least one 2xx answer to a valid request.
    covered: bool,
    /// Why it is not covered.
    reason: Option<String>,
}

impl From<OperationOutcome> for OperationBody {
    fn from(operation: OperationOutcome) -> Self {
        Self {
            method: operation.method,
            path: operation.path,
            operation_id: operation.operation_id,
            requests: operation.requests,
            statuses: operation.statuses.into_iter().map(|(status, count)| (status.to_string(), count)).collect(),
            covered: operation.covered,
            reason: operation.reason,
        }
    }
}

/// A CVSS 3.1 rating.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct CvssBody {
    /// `CVSS:3.1/AV:N/…`
    vector: String,
    /// 0.0 to 10.0
    score: f64,
}

impl From<Cvss> for CvssBody {
    fn from(cvss: Cvss) -> Self {
        // Scores have one decimal; a plain widening would show 9.100000381469727.
        Self { vector: cvss.vector, score: (f64::from(cvss.score) * 10.0).round() / 10.0 }
    }
}

/// One exchange as evidence, without secrets.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct EvidenceBody {
    /// `baseline`, `probe`, `control`, `repeat` or `static`.
    role: String,
    /// The request as text.
    request: String,
    /// The answer as text, or the transport error.
    response: String,
    /// When it was sent.
    #[schema(format = DateTime)]
    at: String,
}

impl From<Evidence> for EvidenceBody {
    fn from(evidence: Evidence) -> Self {
        Self { role: evidence.role, request: evidence.request, response: evidence.response, at: millis(evidence.at) }
    }
}

/// One defect, proved.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct FindingBody {
    /// Stable fingerprint: the same defect has the same id in every scan.
    id: String,
    /// For example `F001`.
    check_id: String,
    /// A short sentence.
    title: String,
    /// `critical`, `high`, `medium`, `low` or `info`.
    #[schema(value_type = String, example = "high")]
    severity: &'static str,
    /// `confirmed`, `firm` or `tentative`.
    #[schema(value_type = String, example = "confirmed")]
    confidence: &'static str,
    /// For example `GET /users/{id}`.
    endpoint: String,
    /// Where in the request or answer; empty when the whole answer is meant.
    location: String,
    /// `CWE-…`
    cwe: Vec<String>,
    /// For example `API1:2023`.
    owasp: Option<String>,
    /// For security findings.
    cvss: Option<CvssBody>,
    /// What it is.
    description: String,
    /// Why this is a defect.
    explanation: String,
    /// What to do.
    remediation: String,
    /// The proof.
    evidence: Vec<EvidenceBody>,
    /// One line that repeats the request.
    curl: String,
    /// When it was first seen in this scan.
    #[schema(format = DateTime)]
    first_seen: String,
}

impl From<Finding> for FindingBody {
    fn from(finding: Finding) -> Self {
        Self {
            id: finding.id,
            check_id: finding.check_id,
            title: finding.title,
            severity: finding.severity.as_str(),
            confidence: match finding.confidence {
                Confidence::Confirmed => "confirmed",
                Confidence::Firm => "firm",
                Confidence::Tentative => "tentative",
            },
            endpoint: finding.endpoint,
            location: finding.location,
            cwe: finding.cwe,
            owasp: finding.owasp,
            cvss: finding.cvss.map(CvssBody::from),
            description: finding.description,
            explanation: finding.explanation,
            remediation: finding.remediation,
            evidence: finding.evidence.into_iter().map(EvidenceBody::from).collect(),
            curl: finding.curl,
            first_seen: millis(finding.first_seen),
        }
    }
}

/// What is needed to get the same requests again.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ReproducibleBody {
    /// Give it as `options.seed`.
    seed: u64,
    /// Equal when document, seed and options were.
    plan_hash: String,
}

/// A scan that has ended, and what it found.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ResultsBody {
    #[serde(flatten)]
    scan: ScanBody,
    /// In the order of the document.
    operations: Vec<OperationBody>,
    /// Worst first.
    findings: Vec<FindingBody>,
    reproducible: ReproducibleBody,
    /// What limits the meaning of the results: a budget that ran out, a missing or faulty document.
    notices: Vec<String>,
}

impl From<(Scan, Outcome)> for ResultsBody {
    fn from((scan, outcome): (Scan, Outcome)) -> Self {
        Self {
            scan: scan.into(),
            operations: outcome.operations.into_iter().map(OperationBody::from).collect(),
            findings: outcome.findings.into_iter().map(FindingBody::from).collect(),
            reproducible: ReproducibleBody { seed: outcome.seed, plan_hash: outcome.plan_hash },
            notices: outcome.notices,
        }
    }
}
