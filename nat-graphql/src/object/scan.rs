//! Scans, and what they yield beside findings.

use async_graphql::{ComplexObject, Context, Enum, ID, InputObject, Object, SimpleObject};
use nat_core::ScanId;
use nat_scan::engine::{Outcome, ScanFailure, ScanKind, Summary};
use nat_scan::report::Format;
use nat_scan::service::{Export, Scan, ScanSelection, ScanStatus, StoredProgress};

use super::finding::{FindingFilterInput, FindingTotals};
use super::int;
use crate::cost::{POINT, nested};
use crate::error::{Fallible, WireError};
use crate::loader::{FindingsOf, OutlineOf};
use crate::relay::{FindingConnection, GlobalId, window};
use crate::scalar::{Instant, Unsigned};
use crate::viewer::Viewer;

/// What a scan asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
#[graphql(name = "ScanKind", remote = "ScanKind")]
pub(crate) enum ScanKindEnum {
    /// Does the API keep its contract?
    Functional,
    /// Can it be abused?
    Security,
}

/// Where a scan stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
#[graphql(name = "ScanStatus", remote = "ScanStatus")]
pub(crate) enum ScanStatusEnum {
    /// Accepted, not begun. REST shows it as running.
    Queued,
    /// A worker has it.
    Running,
    /// Ended with results.
    Completed,
    /// Ended without.
    Failed,
    /// Stopped by its tenant.
    Cancelled,
}

/// Which way a list goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
pub(crate) enum OrderDirection {
    /// The oldest first.
    Asc,
    /// The newest first.
    Desc,
}

/// What scans can be ordered by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
pub(crate) enum ScanOrderField {
    /// When they were accepted.
    CreatedAt,
}

/// The order of scans.
#[derive(Debug, InputObject)]
#[graphql(name = "ScanOrder")]
pub(crate) struct ScanOrderInput {
    /// By what.
    #[graphql(default_with = "ScanOrderField::CreatedAt")]
    pub(crate) field: ScanOrderField,
    /// Which way.
    #[graphql(default_with = "OrderDirection::Desc")]
    pub(crate) direction: OrderDirection,
}

/// Which scans are meant. What is absent or null does not filter.
#[derive(Clone, Debug, Default, InputObject)]
#[graphql(name = "ScanFilter")]
pub(crate) struct ScanFilterInput {
    /// One of these.
    status: Option<Vec<ScanStatusEnum>>,
    /// Of this kind.
    kind: Option<ScanKindEnum>,
    /// Of this target.
    url: Option<String>,
}

impl From<ScanFilterInput> for ScanSelection {
    fn from(filter: ScanFilterInput) -> Self {
        Self {
            statuses: filter.status.unwrap_or_default().into_iter().map(Into::into).collect(),
            kind: filter.kind.map(Into::into),
            url: filter.url,
        }
    }
}

/// What a connection of scans has beside its edges.
#[derive(Debug)]
pub(crate) struct ScanTotals(pub(crate) ScanSelection);

#[Object(name = "ScanTotals")]
impl ScanTotals {
    /// Scans of all pages. Scope `scans:read`.
    #[graphql(complexity = "POINT / 10")]
    async fn total_count(&self, context: &Context<'_>) -> Fallible<i32> {
        let viewer = Viewer::of(context);
        Some(viewer.services.scans.count(viewer.actor, &self.0).await.map(int).map_err(WireError::from))
    }
}

/// A scan of a target.
#[derive(Clone, Debug, SimpleObject)]
#[graphql(name = "Scan", complex)]
pub(crate) struct ScanObject {
    /// The id that REST shows.
    scan_id: String,
    /// What it asks.
    kind: ScanKindEnum,
    /// Where it stands.
    status: ScanStatusEnum,
    /// The target.
    url: String,
    /// Accepted.
    created_at: Instant,
    /// Begun.
    started_at: Option<Instant>,
    /// Ended.
    completed_at: Option<Instant>,
    /// How far it is.
    progress: ProgressObject,
    /// Findings by severity, once it has ended.
    summary: SummaryObject,
    /// Verdicts: passed + failed.
    total: i32,
    /// Verdicts that passed.
    passed: i32,
    /// Verdicts that failed.
    failed: i32,
    /// Why it failed.
    error: Option<ScanErrorObject>,
}

#[ComplexObject]
impl ScanObject {
    /// The global id.
    pub(crate) async fn id(&self) -> ID {
        GlobalId::Scan(self.scan_id.as_str().into()).encode()
    }

    /// What it found, worst first; of a running scan, in the order in which it was found. Scope `scans:read`.
    #[graphql(complexity = "nested(first, child_complexity)")]
    async fn findings(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "1 to 100.")] first: i32,
        #[graphql(desc = "The cursor of the last edge that was seen.")] after: Option<String>,
        #[graphql(desc = "Which findings.")] filter: Option<FindingFilterInput>,
    ) -> Fallible<FindingConnection> {
        let viewer = Viewer::of(context);
        let (scan_id, filter) = (ScanId::from(self.scan_id.as_str()), filter.unwrap_or_default().into());
        let read = async {
            let request = window(first, after)?;
            let key = FindingsOf { scan_id, filter, request };
            let totals = FindingTotals::of_scan(&key);
            // The service has a window for every scan it is asked for.
            let window = viewer.loaders.load_one(key).await?.ok_or_else(nat_core::Error::not_found)?;
            Ok::<_, WireError>(FindingConnection::new(window, totals))
        };
        Some(read.await)
    }

    /// What it did to each operation; null until it has ended. Scope `scans:read`.
    #[graphql(complexity = "POINT + child_complexity")]
    async fn results(&self, context: &Context<'_>) -> Fallible<ResultsObject> {
        let loaded = Viewer::of(context).loaders.load_one(OutlineOf(self.scan_id.as_str().into())).await;
        loaded.map(|outcome| outcome.map(ResultsObject::from)).transpose()
    }
}

impl From<Scan> for ScanObject {
    fn from(scan: Scan) -> Self {
        Self {
            scan_id: scan.id.to_string(),
            kind: scan.kind.into(),
            status: scan.status.into(),
            url: scan.url,
            created_at: Instant(scan.created_at),
            started_at: scan.started_at.map(Instant),
            completed_at: scan.completed_at.map(Instant),
            progress: scan.progress.into(),
            summary: scan.summary.into(),
            total: int(scan.total),
            passed: int(scan.passed),
            failed: int(scan.failed),
            error: scan.error.map(Into::into),
        }
    }
}

/// How far a scan is.
#[derive(Clone, Debug, SimpleObject)]
#[graphql(name = "ScanProgress")]
pub(crate) struct ProgressObject {
    /// Name of the phase: `queued` before the first, `done` after the last.
    phase: String,
    /// Operations to try.
    operations_total: i32,
    /// Operations tried.
    operations_tested: i32,
    /// Requests sent.
    requests_sent: i32,
    /// 0 to 100.
    percent: u8,
}

impl From<StoredProgress> for ProgressObject {
    fn from(progress: StoredProgress) -> Self {
        Self {
            phase: progress.phase,
            operations_total: int(progress.operations_total),
            operations_tested: int(progress.operations_tested),
            requests_sent: int(progress.requests_sent),
            percent: progress.percent,
        }
    }
}

/// Findings by severity.
#[derive(Clone, Debug, SimpleObject)]
#[graphql(name = "FindingSummary")]
pub(crate) struct SummaryObject {
    /// Stop and fix.
    critical: i32,
    /// To be fixed now.
    high: i32,
    /// To be fixed.
    medium: i32,
    /// Small.
    low: i32,
    /// Worth knowing.
    info: i32,
}

impl From<Summary> for SummaryObject {
    fn from(summary: Summary) -> Self {
        Self {
            critical: int(summary.critical),
            high: int(summary.high),
            medium: int(summary.medium),
            low: int(summary.low),
            info: int(summary.info),
        }
    }
}

/// Why a scan failed.
#[derive(Clone, Debug, SimpleObject)]
#[graphql(name = "ScanError")]
pub(crate) struct ScanErrorObject {
    /// For example `TARGET_UNREACHABLE`, `SPEC_INVALID`, `TIMED_OUT`.
    code: String,
    /// A sentence for people.
    message: String,
}

impl From<ScanFailure> for ScanErrorObject {
    fn from(failure: ScanFailure) -> Self {
        Self { code: failure.code, message: failure.message }
    }
}

/// What a scan did.
#[derive(Debug, SimpleObject)]
#[graphql(name = "ScanResults")]
pub(crate) struct ResultsObject {
    /// Each operation, in the order of the document.
    operations: Vec<OperationObject>,
    /// What a reader should know: the budget ran out, the document has faults, the scan proves little.
    notices: Vec<String>,
    /// The seed: with the same document it gives the same requests.
    seed: Unsigned,
    /// Hash over the plan of the scan.
    plan_hash: String,
}

impl From<Outcome> for ResultsObject {
    fn from(outcome: Outcome) -> Self {
        let operation = |operation: nat_scan::engine::OperationOutcome| OperationObject {
            method: operation.method,
            path: operation.path,
            operation_id: operation.operation_id,
            requests: int(operation.requests),
            statuses: operation
                .statuses
                .into_iter()
                .map(|(status, count)| StatusCountObject { status: status.into(), count: int(count) })
                .collect(),
            covered: operation.covered,
            reason: operation.reason,
        };
        Self {
            operations: outcome.operations.into_iter().map(operation).collect(),
            notices: outcome.notices,
            seed: Unsigned(outcome.seed),
            plan_hash: outcome.plan_hash,
        }
    }
}

/// What was done to one operation.
#[derive(Debug, SimpleObject)]
#[graphql(name = "OperationResult")]
pub(crate) struct OperationObject {
    /// Upper case.
    method: String,
    /// The template.
    path: String,
    /// `operationId` of the document.
    operation_id: Option<String>,
    /// Requests sent.
    requests: i32,
    /// Answers by status.
    statuses: Vec<StatusCountObject>,
    /// Whether a valid request was answered with success.
    covered: bool,
    /// Why it was not covered.
    reason: Option<String>,
}

/// Answers of one status.
#[derive(Debug, SimpleObject)]
#[graphql(name = "StatusCount")]
pub(crate) struct StatusCountObject {
    /// The HTTP status.
    status: i32,
    /// How many.
    count: i32,
}

/// The form of a report.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
#[graphql(remote = "Format")]
pub(crate) enum ReportFormat {
    /// Everything, for programs.
    Json,
    /// SARIF 2.1.0, for code scanning.
    Sarif,
    /// JUnit XML, for CI.
    Junit,
    /// One self-contained page.
    Html,
    /// For a pull request.
    Markdown,
    /// One row a finding.
    Csv,
}

/// A report of a scan as a file.
#[derive(Debug, SimpleObject)]
#[graphql(name = "Report")]
pub(crate) struct ReportObject {
    /// The scan's id and an ending.
    file_name: String,
    /// Its `Content-Type`.
    media_type: String,
    /// Its text.
    content: String,
}

impl From<Export> for ReportObject {
    fn from(export: Export) -> Self {
        let content = String::from_utf8(export.bytes)
            .unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned());
        Self { file_name: export.file_name, media_type: export.media_type.to_owned(), content }
    }
}
