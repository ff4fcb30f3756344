//! What a scan yields.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::clean_up::CleanUp;
use crate::check::As;
use crate::finding::Finding;

/// How a notice about a fault of the document begins.
pub(crate) const SPEC_FAULT: &str = "Spec, ";

/// Why a scan failed as a whole.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScanFailure {
    /// `TARGET_UNREACHABLE`, `TARGET_NOT_ALLOWED`, `SPEC_INVALID`, `AUTH_FAILED`, `TIMED_OUT`,
    /// `JOURNAL_FOREIGN` or `ENGINE_ERROR`.
    pub code: String,
    /// A sentence for the user.
    pub message: String,
}

/// What was done to one operation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OperationOutcome {
    /// Upper case.
    pub method: String,
    /// Template.
    pub path: String,
    /// `operationId`
    pub operation_id: Option<String>,
    /// Requests sent.
    pub requests: u64,
    /// Answers by status.
    pub statuses: BTreeMap<u16, u64>,
    /// At least one 2xx answer, or a documented redirect, to a request that was valid.
    pub covered: bool,
    /// Why not covered: `always 404: ids are made up`, `always 401: credentials are missing or refused`, `excluded`, …
    pub reason: Option<String>,
}

/// Findings by severity.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Summary {
    /// Critical findings.
    pub critical: u64,
    /// High findings.
    pub high: u64,
    /// Medium findings.
    pub medium: u64,
    /// Low findings.
    pub low: u64,
    /// Informational findings.
    pub info: u64,
}

/// A user that the scan made in the target, to be removed afterwards.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Account {
    /// Its name, or its e-mail address where it has none.
    pub username: String,
    /// The operation that made it: `POST /users`.
    pub made_by: String,
    /// Whose it is.
    #[serde(rename = "as")]
    pub identity: As,
}

/// The end of a scan.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Outcome {
    /// `functional` or `security`.
    pub kind: String,
    /// Base URL of the target, without credentials.
    pub target: String,
    /// Title and version of the API, when a document was read.
    pub api: Option<String>,
    /// `None`: ran to its end (or to its budget, see `notices`).
    pub failure: Option<ScanFailure>,
    /// The scan was stopped by its cancellation token.
    pub cancelled: bool,
    /// In the document's order.
    pub operations: Vec<OperationOutcome>,
    /// Worst first, then by fingerprint.
    pub findings: Vec<Finding>,
    /// Sentences: the budget ran out, no spec was found, the scan proves little, faults of the spec.
    pub notices: Vec<String>,
    /// Users that the scan made in the target.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub accounts: Vec<Account>,
    /// Requests sent.
    pub requests: u64,
    /// Bytes received.
    pub bytes_received: u64,
    /// Test cases (operation × check verdicts) that passed and failed.
    pub passed: u64,
    /// See above.
    pub failed: u64,
    /// Estimated share (0 to 1) of the answers to further random requests that would be of a kind not seen yet. None when
    /// no random request was sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unseen: Option<f64>,
    /// The seed.
    pub seed: u64,
    /// Hash over the plan (cases in order): the same seed and document give the same hash.
    pub plan_hash: String,
    /// The first 16 digits of the hash after each wave: a scan that was stopped has the beginning of the whole one's.
    #[serde(default)]
    pub plan_chain: Vec<String>,
    /// What became of the things that the scan made; `None` when it made none, or was not to remove them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clean_up: Option<CleanUp>,
    /// When it began.
    pub started_at: DateTime<Utc>,
    /// When it ended.
    pub completed_at: DateTime<Utc>,
}

impl Outcome {
    /// Of a scan that has done nothing yet: no operation, no finding, both instants `started_at`.
    #[must_use]
    pub fn blank(kind: impl Into<String>, target: impl Into<String>, seed: u64, started_at: DateTime<Utc>) -> Self {
        Self {
            kind: kind.into(),
            target: target.into(),
            api: None,
            failure: None,
            cancelled: false,
            operations: Vec::new(),
            findings: Vec::new(),
            notices: Vec::new(),
            accounts: Vec::new(),
            requests: 0,
            bytes_received: 0,
            passed: 0,
            failed: 0,
            unseen: None,
            seed,
            plan_hash: String::new(),
            plan_chain: Vec::new(),
            clean_up: None,
            started_at,
            completed_at: started_at,
        }
    }

    /// Findings by severity.
    #[must_use]
    pub fn summary(&self) -> Summary {
        let count = |severity| self.findings.iter().filter(|finding| finding.severity == severity).count() as u64;
        use crate::finding::Severity;
        Summary {
            critical: count(Severity::Critical),
            high: count(Severity::High),
            medium: count(Severity::Medium),
            low: count(Severity::Low),
            info: count(Severity::Info),
        }
    }
}
