//! Running a scan: plan, run, confirm, budget, events. Never mentions a store, a job or a tenant.

mod bandit;
mod budget;
mod clean_up;
mod contain;
mod crash;
mod crawl;
mod discover;
mod docket;
mod enrol;
pub mod event;
mod execute;
mod explore;
mod fingerprint;
mod identities;
mod judge;
mod lessons;
mod line;
mod minimise;
mod narrate;
pub mod outcome;
mod pace;
mod passage;
mod plan;
mod prepare;
mod probe;
mod prove;
mod random;
mod recheck;
mod run;
mod scene;
mod scope;
mod scout;
mod sequences;
mod session;
mod shorten;
mod signature;
mod slow;
mod tally;

#[cfg(test)]
mod clean_up_tests;
#[cfg(test)]
mod crash_tests;
#[cfg(test)]
mod fake;
#[cfg(test)]
mod resume_tests;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use tokio_util::sync::CancellationToken;
use url::Url;

use crate::callback::CallbackAddress;
use crate::identity::Credentials;
use crate::journal::Journal;
use crate::policy::{PinnedTarget, TargetPolicy};
use crate::transport::{Limits, Transport};

pub use crate::check::Profile;
pub use clean_up::CleanUp;
pub use event::{Event, EventSink};
#[cfg(test)]
pub(crate) use fake::{operation as test_operation, respond as test_respond};
pub(crate) use outcome::SPEC_FAULT;
pub use outcome::{Account, OperationOutcome, Outcome, ScanFailure, Summary};
pub(crate) use recheck::{Control, Recheck};
pub(crate) use scope::matches;

/// What kind of scan.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ScanKind {
    /// Does the API keep its contract?
    Functional,
    /// Can it be abused?
    Security,
}

/// Where the document comes from.
#[derive(Clone, Debug, Default)]
pub enum SpecSource {
    /// Look at the usual places of the target, else crawl a little.
    #[default]
    Discover,
    /// Fetch it.
    Url(Url),
    /// Here it is; `base` for relative references.
    Bytes {
        /// The document.
        bytes: Vec<u8>,
        /// Where it came from.
        base: Option<Url>,
    },
}

/// Everything that a scan is told.
#[derive(Clone, Debug)]
pub struct ScanConfig {
    /// What kind.
    pub kind: ScanKind,
    /// Base URL of the API. Its path is the base path, except when it has none and the document's first server does.
    pub target: Url,
    /// The document.
    pub spec: SpecSource,
    /// Where the target reaches the listener that shows which requests it makes for others. None: on loopback for a
    /// target on loopback, else there is none.
    pub callback: Option<CallbackAddress>,
    /// Who we are.
    pub credentials: Credentials,
    /// A second user, for authorisation checks.
    pub second_credentials: Option<Credentials>,
    /// Somebody with more rights, for checks of what only such a user may do.
    pub admin_credentials: Option<Credentials>,
    /// How far a security scan goes.
    pub profile: Profile,
    /// Requests at once, 1 to 64.
    pub concurrency: usize,
    /// Limits of one exchange.
    pub limits: Limits,
    /// Requests in all.
    pub max_requests: u64,
    /// Wall-clock time in all.
    pub max_duration: Duration,
    /// Bytes received in all.
    pub max_bytes: u64,
    /// Path patterns (`/admin/*`) that are left out.
    pub exclude: Vec<String>,
    /// Determines every generated value.
    pub seed: u64,
    /// Only methods that are safe by definition.
    pub safe_mode: bool,
    /// At the end, remove what the scan made. Never in safe mode.
    pub clean_up: bool,
    /// In `User-Agent` and `X-NAT-Scan-Id`.
    pub scan_id: String,
}

/// Makes a transport for a target that passed the policy.
#[async_trait]
pub trait Connect: Send + Sync {
    /// A transport to the pinned address.
    fn connect(&self, target: &PinnedTarget, limits: Limits, scan_id: &str) -> Arc<dyn Transport>;
}

/// The time, for evidence. (nat-core's clock without nat-core.)
pub trait Now: Send + Sync {
    /// The present instant.
    fn now(&self) -> DateTime<Utc>;
}

/// What the engine needs from outside.
#[derive(Clone)]
pub struct EnginePorts {
    /// What may be contacted.
    pub policy: TargetPolicy,
    /// How.
    pub connect: Arc<dyn Connect>,
    /// Time.
    pub now: Arc<dyn Now>,
}

/// Runs a scan to its end. Always returns an outcome, cancelled and failed scans included; all it allocates is bounded
/// by the configuration. Events go to `sink` in order.
pub async fn run(config: ScanConfig, ports: EnginePorts, sink: EventSink, cancel: CancellationToken) -> Outcome {
    run_with(config, ports, sink, cancel, Journal::none()).await
}

/// As [`run`], with a journal: what it holds is not asked again, and what is asked goes into it. It stays when the scan
/// ends; whoever opened it removes it.
///
/// A journal of another scan fails this one with `JOURNAL_FOREIGN`, unless it was opened to start over.
pub async fn run_with(
    config: ScanConfig,
    ports: EnginePorts,
    sink: EventSink,
    cancel: CancellationToken,
    journal: Arc<Journal>,
) -> Outcome {
    let equipment = run::Equipment::of(config.kind, config.profile);
    let done = CancellationToken::new();
    let scan = async {
        let outcome = run::run(config, ports, sink, cancel, equipment, Arc::clone(&journal)).await;
        done.cancel();
        outcome
    };
    // In one task: whoever drops the scan drops its writer.
    let (outcome, ()) = tokio::join!(scan, journal.write_until(&done));
    outcome
}
