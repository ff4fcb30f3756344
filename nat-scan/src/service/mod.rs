//! Stored scans: accept, run, show, cancel, export. One method a use case.

use std::collections::BTreeMap;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use nat_core::page::{Page, PageRequest};
use nat_core::{Actor, Result, ScanId, TenantId};

use crate::engine::{EnginePorts, Outcome, ScanFailure, ScanKind, Summary};
use crate::report::Format;

/// `auth` of the contract, before validation. Absent members are `None`.
#[derive(Clone, Debug, Default)]
pub struct AuthInput {
    /// `none`, `bearer`, `header`, `basic`, `oauth2`.
    pub kind: Option<String>,
    /// The other members by their wire name (`token`, `header_name`, …).
    pub fields: BTreeMap<String, String>,
}

/// `options` of the contract, before validation.
#[derive(Clone, Debug, Default)]
#[expect(missing_docs, reason = "members of contract.md §5, same names")]
pub struct OptionsInput {
    pub concurrency: Option<i64>,
    pub timeout: Option<i64>,
    pub max_requests: Option<i64>,
    pub max_seconds: Option<i64>,
    pub fail_on: Option<String>,
    pub exclude: Vec<String>,
    pub seed: Option<u64>,
    pub safe_mode: Option<bool>,
}

/// Input of [`Scans::start`], before validation: both wires and the command line fill it.
#[derive(Clone, Debug, Default)]
#[expect(missing_docs, reason = "members of contract.md §5, same names")]
pub struct StartScan {
    pub url: Option<String>,
    pub spec_url: Option<String>,
    pub spec_content: Option<String>,
    pub auth: Option<AuthInput>,
    pub second_auth: Option<AuthInput>,
    pub options: OptionsInput,
}

/// Where a scan stands. REST shows `Queued` as `running`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ScanStatus {
    /// Accepted, not begun.
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

/// A stored scan as tenants see it.
#[derive(Clone, Debug, PartialEq)]
pub struct Scan {
    /// `scan_…`
    pub id: ScanId,
    /// Whose.
    pub tenant_id: TenantId,
    /// What kind.
    pub kind: ScanKind,
    /// Where it stands.
    pub status: ScanStatus,
    /// The target.
    pub url: String,
    /// Accepted.
    pub created_at: DateTime<Utc>,
    /// Begun.
    pub started_at: Option<DateTime<Utc>>,
    /// Ended.
    pub completed_at: Option<DateTime<Utc>>,
    /// How far.
    pub progress: StoredProgress,
    /// Findings by severity.
    pub summary: Summary,
    /// passed + failed.
    pub total: u64,
    /// Verdicts that passed.
    pub passed: u64,
    /// Verdicts that failed.
    pub failed: u64,
    /// Why it failed.
    pub error: Option<ScanFailure>,
}

/// Progress as stored.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StoredProgress {
    /// Name of the phase, `queued` before the first, `done` after the last.
    pub phase: String,
    /// Operations to try.
    pub operations_total: u64,
    /// Operations tried.
    pub operations_tested: u64,
    /// Requests sent.
    pub requests_sent: u64,
    /// 0 to 100.
    pub percent: u8,
}

/// Input of [`Scans::list`].
#[derive(Clone, Debug, Default)]
pub struct ScanFilter {
    /// As REST shows it: `running`, `completed`, `failed`, `cancelled`; anything else is a 422.
    pub status: Option<String>,
    /// `functional` or `security`; anything else is a 422.
    pub kind: Option<String>,
}

/// A report file.
#[derive(Clone, Debug)]
pub struct Export {
    /// `<scan id>.<ext>`
    pub file_name: String,
    /// Its `Content-Type`.
    pub media_type: &'static str,
    /// Its bytes.
    pub bytes: Vec<u8>,
}

/// Ports and settings of [`Scans`].
#[derive(Clone)]
pub struct ScansPorts {
    /// The store of nat-core with the scan tables.
    pub store: nat_core::db::SeaStore,
    /// Plans and their limits.
    pub plans: Arc<nat_core::plan::PlanCatalogue>,
    /// Hands scans to workers.
    pub jobs: Arc<dyn nat_core::job::JobQueue>,
    /// Seals credentials.
    pub vault: Arc<nat_core::secret::Vault>,
    /// Time.
    pub clock: Arc<dyn nat_core::time::Clock>,
    /// Randomness for ids and seals.
    pub entropy: Arc<dyn nat_core::entropy::Entropy>,
    /// The engine's ports, the target policy among them.
    pub engine: EnginePorts,
    /// Identifies this process in leases.
    pub node: String,
}

/// The use cases of stored scans.
#[derive(Clone)]
pub struct Scans {
    #[expect(dead_code, reason = "lands next")]
    ports: Arc<ScansPorts>,
}

impl Scans {
    /// The use cases over these ports.
    #[must_use]
    pub fn new(ports: ScansPorts) -> Self {
        Self { ports: Arc::new(ports) }
    }

    /// Accepts a scan. Scope `scans:write`. In this order: 422 (fields, then target policy), 403 (plan, then scope),
    /// 429 `CONCURRENT_LIMIT`, 402; the unit is reserved, the row and the audit line written in one transaction, then
    /// the job is pushed (a sweep repeats a push that failed).
    pub async fn start(&self, actor: &Actor, kind: ScanKind, input: StartScan) -> Result<Scan> {
        let _ = (actor, kind, input);
        todo!("service")
    }

    /// One scan. Scope `scans:read`; another tenant's is a 404.
    pub async fn get(&self, actor: &Actor, id: &ScanId) -> Result<Scan> {
        let _ = (actor, id);
        todo!("service")
    }

    /// A scan and its outcome. 409 `SCAN_NOT_FINISHED` while it runs. A cancelled or failed scan has what it got to.
    pub async fn results(&self, actor: &Actor, id: &ScanId) -> Result<(Scan, Outcome)> {
        let _ = (actor, id);
        todo!("service")
    }

    /// Newest first.
    pub async fn list(&self, actor: &Actor, filter: ScanFilter, page: PageRequest) -> Result<Page<Scan>> {
        let _ = (actor, filter, page);
        todo!("service")
    }

    /// Stops a scan, on whichever node it runs. 409 `SCAN_FINISHED` when it has ended. Scope `scans:write`.
    pub async fn cancel(&self, actor: &Actor, id: &ScanId) -> Result<Scan> {
        let _ = (actor, id);
        todo!("service")
    }

    /// A report of an ended scan; an unknown format is a 422.
    pub async fn export(&self, actor: &Actor, id: &ScanId, format: Option<&str>) -> Result<Export> {
        let _ = (actor, id, format, Format::Json);
        todo!("service")
    }

    /// Executes one job: claims the row by a lease (a second delivery is a no-op), runs the engine, stores progress,
    /// commits quota at the first request, writes the end and the ledger in one transaction.
    pub async fn execute(&self, id: ScanId) {
        let _ = id;
        todo!("service")
    }

    /// Repairs: re-pushes queued scans that have no job, re-queues scans whose lease has run out (three attempts, then
    /// `failed` with `ENGINE_ERROR` and a refund), ends scans without progress for 30 minutes as `TIMED_OUT`.
    /// With `own_node_restarted` also takes back leases of this node's former process. Returns how many it touched.
    pub async fn sweep(&self, own_node_restarted: bool) -> Result<u64> {
        let _ = own_node_restarted;
        todo!("service")
    }
}
