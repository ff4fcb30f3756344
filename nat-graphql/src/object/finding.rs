//! Findings: as lists show them, their proof, and what the tenant decided.

use async_graphql::{ComplexObject, Context, Enum, ID, InputObject, Object, SimpleObject};
use nat_core::ScanId;
use nat_scan::finding::{Confidence, Cvss, Evidence, Finding, Severity};
use nat_scan::service::{FindingFilter, FindingId, FindingStatus, ScanFinding, Triage, TriageStatus};

use super::int;
use super::scan::{ScanKindEnum, ScanObject};
use crate::cost::POINT;
use crate::error::{Fallible, WireError};
use crate::loader::{FindingCountOf, FindingsOf};
use crate::relay::GlobalId;
use crate::scalar::Instant;
use crate::viewer::Viewer;

/// How bad.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
#[graphql(name = "Severity", remote = "Severity")]
pub(crate) enum SeverityEnum {
    /// Stop and fix.
    Critical,
    /// To be fixed now.
    High,
    /// To be fixed.
    Medium,
    /// Small.
    Low,
    /// Worth knowing.
    Info,
}

/// How sure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
#[graphql(name = "Confidence", remote = "Confidence")]
pub(crate) enum ConfidenceEnum {
    /// Unique evidence, repeated.
    Confirmed,
    /// A difference, repeated.
    Firm,
    /// Seen, not proved.
    Tentative,
}

/// How a finding compares with the scan of the same target and kind before.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
#[graphql(name = "FindingStatus", remote = "FindingStatus")]
pub(crate) enum FindingStatusEnum {
    /// It was not there before.
    New,
    /// It was there before.
    Unchanged,
    /// It was there before, and this scan tried the operation and did not find it.
    Fixed,
    /// It was there before, and this scan did not try the operation.
    NotTested,
}

/// What a tenant decided about a finding.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
#[graphql(name = "TriageStatus", remote = "TriageStatus")]
pub(crate) enum TriageStatusEnum {
    /// Known, and lived with.
    AcceptedRisk,
    /// Not a defect.
    FalsePositive,
}

/// Which findings are meant. What is absent or null does not filter.
#[derive(Clone, Debug, Default, InputObject)]
#[graphql(name = "FindingFilter")]
pub(crate) struct FindingFilterInput {
    /// One of these.
    severity: Option<Vec<SeverityEnum>>,
    /// One of these.
    status: Option<Vec<FindingStatusEnum>>,
    /// Of this check, for example `F001`.
    check_id: Option<String>,
    /// Of this operation, for example `GET /users/{id}`.
    operation: Option<String>,
    /// Of this target.
    url: Option<String>,
    /// Of this kind of scan.
    kind: Option<ScanKindEnum>,
    /// With a decision in force, or without one.
    triaged: Option<bool>,
}

impl From<FindingFilterInput> for FindingFilter {
    fn from(filter: FindingFilterInput) -> Self {
        Self {
            severities: filter.severity.unwrap_or_default().into_iter().map(Into::into).collect(),
            statuses: filter.status.unwrap_or_default().into_iter().map(Into::into).collect(),
            check_id: filter.check_id,
            operation: filter.operation,
            url: filter.url,
            kind: filter.kind.map(Into::into),
            triaged: filter.triaged,
        }
    }
}

/// What a connection of findings has beside its edges.
#[derive(Debug)]
pub(crate) struct FindingTotals {
    scan_id: Option<ScanId>,
    filter: FindingFilter,
}

impl FindingTotals {
    /// Of the findings of one scan.
    pub(crate) fn of_scan(key: &FindingsOf) -> Self {
        Self { scan_id: Some(key.scan_id.clone()), filter: key.filter.clone() }
    }

    /// Of what is known now of all targets.
    pub(crate) fn of_tenant(filter: FindingFilter) -> Self {
        Self { scan_id: None, filter }
    }
}

#[Object(name = "FindingTotals")]
impl FindingTotals {
    /// Findings of all pages. Scope `scans:read`.
    #[graphql(complexity = "POINT / 10")]
    async fn total_count(&self, context: &Context<'_>) -> Fallible<i32> {
        let viewer = Viewer::of(context);
        let filter = self.filter.clone();
        Some(match self.scan_id.clone() {
            Some(scan_id) => {
                let counted = viewer.loaders.load_one(FindingCountOf { scan_id, filter }).await;
                counted.map(|count| int(count.unwrap_or(0)))
            }
            None => viewer.services.scans.count_findings(viewer.actor, &filter).await.map(int).map_err(WireError::from),
        })
    }
}

/// A defect that a scan found.
#[derive(Clone, Debug, SimpleObject)]
#[graphql(name = "Finding", complex)]
pub(crate) struct FindingObject {
    #[graphql(skip)]
    of: FindingId,
    /// The same in every scan that finds the same defect, and in the reports.
    fingerprint: String,
    /// For example `F001`.
    check_id: String,
    /// A short sentence.
    title: String,
    /// How bad.
    severity: SeverityEnum,
    /// How sure.
    confidence: ConfidenceEnum,
    /// `GET /users/{id}`, or `*` for the whole API.
    endpoint: String,
    /// The place in request or answer; empty when the whole answer is meant.
    location: String,
    /// Compared with the scan before.
    status: FindingStatusEnum,
    /// When it was seen first, in this scan or in an earlier one without a break.
    first_seen_at: Instant,
    /// The tenant's decision, as long as it holds.
    triage: Option<TriageObject>,
}

#[ComplexObject]
impl FindingObject {
    /// The global id: of this finding in this scan.
    pub(crate) async fn id(&self) -> ID {
        GlobalId::Finding(self.of.clone()).encode()
    }

    /// The scan that it is of. Scope `scans:read`.
    #[graphql(complexity = "POINT / 100 + child_complexity")]
    async fn scan(&self, context: &Context<'_>) -> Fallible<ScanObject> {
        let loaded = Viewer::of(context).loaders.load_one(self.of.scan_id.clone()).await;
        loaded.map(|scan| scan.map(ScanObject::from)).transpose()
    }

    /// What it is, why, and the proof; null while the scan runs, and of what it did not find itself (`FIXED`,
    /// `NOT_TESTED`). Scope `scans:read`.
    #[graphql(complexity = "POINT / 10 + child_complexity")]
    async fn detail(&self, context: &Context<'_>) -> Fallible<DetailObject> {
        let loaded = Viewer::of(context).loaders.load_one(self.of.clone()).await;
        loaded.map(|finding| finding.map(DetailObject::from)).transpose()
    }
}

impl From<ScanFinding> for FindingObject {
    fn from(finding: ScanFinding) -> Self {
        Self {
            fingerprint: finding.id.fingerprint.clone(),
            of: finding.id,
            check_id: finding.check_id,
            title: finding.title,
            severity: finding.severity.into(),
            confidence: finding.confidence.into(),
            endpoint: finding.endpoint,
            location: finding.location,
            status: finding.status.into(),
            first_seen_at: Instant(finding.first_seen_at),
            triage: finding.triage.map(Into::into),
        }
    }
}

/// What a tenant decided, and why.
#[derive(Clone, Debug, SimpleObject)]
#[graphql(name = "Triage")]
pub(crate) struct TriageObject {
    /// What was decided.
    status: TriageStatusEnum,
    /// Why.
    reason: String,
    /// From this instant on it does not hold any more; null: for good.
    expires_at: Option<Instant>,
    /// When it was decided.
    set_at: Instant,
}

impl From<Triage> for TriageObject {
    fn from(triage: Triage) -> Self {
        Self {
            status: triage.status.into(),
            reason: triage.reason,
            expires_at: triage.expires_at.map(Instant),
            set_at: Instant(triage.set_at),
        }
    }
}

/// What a finding is, and its proof.
#[derive(Debug, SimpleObject)]
#[graphql(name = "FindingDetail")]
pub(crate) struct DetailObject {
    /// What it is.
    description: String,
    /// Why this is a defect.
    explanation: String,
    /// What to do.
    remediation: String,
    /// A line for the shell that repeats the request; secrets are variables.
    curl: String,
    /// `CWE-…`
    cwe: Vec<String>,
    /// `API1:2023`, or none.
    owasp: Option<String>,
    /// Of security findings.
    cvss: Option<CvssObject>,
    /// How often it was seen.
    occurrences: u32,
    /// The exchanges that prove it.
    evidence: Vec<EvidenceObject>,
}

impl From<Finding> for DetailObject {
    fn from(finding: Finding) -> Self {
        Self {
            description: finding.description,
            explanation: finding.explanation,
            remediation: finding.remediation,
            curl: finding.curl,
            cwe: finding.cwe,
            owasp: finding.owasp,
            cvss: finding.cvss.map(|Cvss { vector, score }| CvssObject { vector, score }),
            occurrences: finding.occurrences,
            evidence: finding.evidence.into_iter().map(Into::into).collect(),
        }
    }
}

/// A CVSS 3.1 rating.
#[derive(Debug, SimpleObject)]
#[graphql(name = "Cvss")]
pub(crate) struct CvssObject {
    /// `CVSS:3.1/AV:N/…`
    vector: String,
    /// 0.0 to 10.0
    score: f32,
}

/// One exchange; secrets are redacted, long bodies cut.
#[derive(Debug, SimpleObject)]
#[graphql(name = "Evidence")]
pub(crate) struct EvidenceObject {
    /// `baseline`, `probe`, `control`, `repeat` or `static`.
    role: String,
    /// Request line, headers, body.
    request: String,
    /// Status line, headers, body, or why there was no answer.
    response: String,
    /// When it was sent.
    at: Instant,
}

impl From<Evidence> for EvidenceObject {
    fn from(evidence: Evidence) -> Self {
        Self { role: evidence.role, request: evidence.request, response: evidence.response, at: Instant(evidence.at) }
    }
}
