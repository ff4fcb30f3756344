//! Stored scans: accept, run, show, cancel, export. One method a use case.

mod accept;
mod execute;
mod finding;
mod journal;
mod permission;
mod show;
mod stored;
mod sweep;
mod validate;

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex};

use chrono::{DateTime, Utc};
use futures::FutureExt;
use futures::future::BoxFuture;
use nat_core::quota::QuotaKind;
use nat_core::{ScanId, TenantId};
use tokio_util::sync::CancellationToken;

pub use permission::Permission;

pub use finding::{FindingFilter, FindingId, FindingStatus, ScanFinding, SetFindingStatus, Triage, TriageStatus};

use crate::callback::CallbackAddress;
use crate::engine::{self, EnginePorts, EventSink, Outcome, ScanConfig, ScanFailure, ScanKind, Summary};
use crate::journal::Journal;

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
    pub profile: Option<String>,
    pub clean_up: Option<bool>,
    pub sign_up: Option<bool>,
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

/// Input of [`Scans::window`]. Empty and `None` mean all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ScanSelection {
    /// One of these.
    pub statuses: Vec<ScanStatus>,
    /// Of this kind.
    pub kind: Option<ScanKind>,
    /// Of this target, as the scan shows it.
    pub url: Option<String>,
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
    /// Where targets reach this process, for [`ScanConfig::callback`].
    pub callback: Option<CallbackAddress>,
    /// Whom security scans may attack.
    pub permission: Permission,
    /// Identifies this process in leases.
    pub node: String,
}

/// The engine as the service calls it; tests put something else in its place.
type Engine =
    Arc<dyn Fn(ScanConfig, EventSink, CancellationToken, Arc<Journal>) -> BoxFuture<'static, Outcome> + Send + Sync>;

/// The use cases of stored scans.
#[derive(Clone)]
pub struct Scans {
    ports: Arc<ScansPorts>,
    engine: Engine,
    /// Scans that run in this process, to stop them without a round trip through the database.
    running: Arc<Mutex<HashMap<ScanId, CancellationToken>>>,
    /// Set when this process gives its scans back.
    stopping: Arc<AtomicBool>,
}

impl Scans {
    /// The use cases over these ports.
    #[must_use]
    pub fn new(ports: ScansPorts) -> Self {
        let (engine_ports, callback) = (ports.engine.clone(), ports.callback.clone());
        let engine: Engine = Arc::new(move |config, sink, cancel, journal| {
            let config = ScanConfig { callback: callback.clone(), ..config };
            engine::run_with(config, engine_ports.clone(), sink, cancel, journal).boxed()
        });
        Self::with_engine(ports, engine)
    }

    fn with_engine(ports: ScansPorts, engine: Engine) -> Self {
        Self { ports: Arc::new(ports), engine, running: Arc::default(), stopping: Arc::default() }
    }
}

/// The quota that a scan counts against; its name is also the scan's kind on the wire and in the table.
const fn quota_kind(kind: ScanKind) -> QuotaKind {
    match kind {
        ScanKind::Functional => QuotaKind::Functional,
        ScanKind::Security => QuotaKind::Security,
    }
}

#[cfg(test)]
mod tests;
