//! Executing one job under a lease.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use chrono::TimeDelta;
use nat_core::audit::AuditEntry;
use nat_core::db::SeaTx;
use nat_core::quota::{self, LedgerReason};
use nat_core::store::CoreTx;
use nat_core::{Actor, Error, Result, ScanId, TenantId};
use tokio::sync::Notify;
use tokio::time::{Instant, MissedTickBehavior};
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

use super::accept::PUSH_AGAIN_S;
use super::finding::{live, settle};
use super::journal::LeasedStore;
use super::show::kind_of_row;
use super::stored::{MAX_FINDINGS, StoredConfig, StoredIdentities, bound, pack, redact, redact_finding, scan_config};
use super::{Scans, StoredProgress};
use crate::db::finding;
use crate::db::scan::{self, Counts, End, Input, Lease, Model};
use crate::engine::{Event, EventSink, Outcome, ScanConfig, ScanFailure};
use crate::finding::Finding;
use crate::journal::{Foreign, Journal};

/// A worker that does not renew its lease for this long has died.
const LEASE_S: i64 = 30;
/// How often the lease is renewed.
const RENEW_AFTER: Duration = Duration::from_secs(5);
/// How often the row is looked at and progress written: a cancellation on another node is noticed within this.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// The engine must end within this after it was told to.
const STOP_GRACE: Duration = Duration::from_secs(10);
/// Tries to write the end of a scan while the database is away; all within the lease.
const END_ATTEMPTS: u32 = 5;
const END_PAUSE: Duration = Duration::from_secs(1);

/// What the engine says, as seen by the task beside it.
#[derive(Default)]
struct Observed {
    started: AtomicBool,
    progress: Mutex<StoredProgress>,
    /// In the order in which they were found, as many as are kept.
    found: Mutex<Vec<Arc<Finding>>>,
    wake: Notify,
}

impl Observed {
    fn sink(self: &Arc<Self>) -> EventSink {
        let observed = self.clone();
        Arc::new(move |event| observed.take(event))
    }

    fn take(&self, event: Event) {
        if let Event::Found(finding) = event {
            let mut found = self.found.lock().unwrap_or_else(PoisonError::into_inner);
            if found.len() < MAX_FINDINGS {
                found.push(finding);
            }
            return;
        }
        let mut progress = self.progress.lock().unwrap_or_else(PoisonError::into_inner);
        match event {
            Event::SpecLoaded { operations, .. } => progress.operations_total = operations as u64,
            Event::Started => {
                self.started.store(true, Ordering::SeqCst);
                self.wake.notify_one();
            }
            Event::PhaseStarted(phase) => phase.as_str().clone_into(&mut progress.phase),
            Event::Progress(now) => {
                *progress = StoredProgress {
                    phase: now.phase.as_str().to_owned(),
                    operations_total: now.operations_total as u64,
                    operations_tested: now.operations_tested as u64,
                    requests_sent: now.requests_sent,
                    percent: now.percent.min(100),
                };
            }
            _ => {}
        }
    }

    fn started(&self) -> bool {
        self.started.load(Ordering::SeqCst)
    }

    /// What was found since there were `seen`.
    fn found_since(&self, seen: usize) -> Vec<Finding> {
        let found = self.found.lock().unwrap_or_else(PoisonError::into_inner);
        found.iter().skip(seen).map(|finding| Finding::clone(finding)).collect()
    }

    fn progress(&self) -> StoredProgress {
        self.progress.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// A claimed scan and everything that its worker needs to know.
struct Claimed {
    row: Model,
    lease: Lease,
    tenant_id: TenantId,
}

/// Removes the token when the worker is done with the scan, however it ends.
struct Registered<'a> {
    scans: &'a Scans,
    id: &'a ScanId,
}

impl Drop for Registered<'_> {
    fn drop(&mut self) {
        self.scans.running.lock().unwrap_or_else(PoisonError::into_inner).remove(self.id);
    }
}

/// How an attempt ended.
#[derive(Debug)]
enum Attempt {
    /// The engine returned.
    Returned(Box<Outcome>),
    /// It panicked, or did not stop when told to.
    Broke,
    /// Somebody else has the scan now: nothing may be written.
    Lost,
}

impl Scans {
    /// Executes one job: claims the row by a lease (a second delivery is a no-op), runs the engine, stores progress,
    /// commits quota at the first request, writes the end and the ledger in one transaction.
    pub async fn execute(&self, id: ScanId) {
        if let Err(error) = self.try_execute(&id).await {
            // The lease runs out and the sweep takes the scan up again.
            tracing::error!(scan_id = %id, %error, cause = ?error.cause(), "the scan was interrupted");
        }
    }

    /// Gives the scans of this process back, for a shutdown: each is queued again for another worker, or for this
    /// node when it comes back, and keeps its unit. Call it together with the stop of the job queue.
    pub fn hand_back(&self) {
        self.stopping.store(true, Ordering::SeqCst);
        for token in self.running.lock().unwrap_or_else(PoisonError::into_inner).values() {
            token.cancel();
        }
    }

    /// Stops the scan if it runs in this process.
    pub(super) fn stop_here(&self, id: &ScanId) {
        if let Some(token) = self.running.lock().unwrap_or_else(PoisonError::into_inner).get(id) {
            token.cancel();
        }
    }

    async fn try_execute(&self, id: &ScanId) -> Result<()> {
        if self.stopping.load(Ordering::SeqCst) {
            return Ok(());
        }
        let ports = &self.ports;
        let now = ports.clock.now();
        let lease_until = now + TimeDelta::seconds(LEASE_S);
        let claimed = scan::claim(&ports.store.write, id, &ports.node, now, lease_until).await?;
        let Some(row) = claimed else { return Ok(()) };
        let lease = Lease { scan_id: id.clone(), node: ports.node.clone(), attempt: row.attempt };
        let claimed = Claimed { tenant_id: row.tenant_id.as_str().into(), row, lease };
        let token = CancellationToken::new();
        self.running.lock().unwrap_or_else(PoisonError::into_inner).insert(id.clone(), token.clone());
        let _registered = Registered { scans: self, id };
        // An attempt before this one may have noted something.
        finding::delete_of_scan(&ports.store.write, id).await?;
        let input = scan::read_input(&ports.store.read, id).await?;
        let observed = Arc::new(Observed::default());
        let (attempt, secrets) = match self.prepare(&claimed.row, input) {
            Ok((config, secrets)) => (self.run(&claimed, config, &observed, &secrets, token).await, secrets),
            Err(error) => {
                tracing::error!(scan_id = %id, %error, cause = ?error.cause(), "the stored request cannot be read");
                (Attempt::Broke, Vec::new())
            }
        };
        self.conclude(&claimed, attempt, &observed, &secrets).await
    }

    /// What the engine is told, and the secrets that must not come back from it.
    fn prepare(&self, row: &Model, input: Input) -> Result<(ScanConfig, Vec<String>)> {
        let open = |sealed: Option<Vec<u8>>| sealed.map(|sealed| self.ports.vault.open(&sealed, &row.id)).transpose();
        let identities = match open(input.credentials)? {
            Some(json) => serde_json::from_slice(&json).map_err(Error::internal)?,
            None => StoredIdentities::default(),
        };
        let spec = open(input.spec)?.map(|bytes| bytes.to_vec());
        let config: StoredConfig = serde_json::from_value(row.config.clone()).map_err(Error::internal)?;
        let target = url::Url::parse(&row.url).map_err(Error::internal)?;
        let secrets = identities.secrets();
        Ok((scan_config(kind_of_row(row)?, target, &row.id, config, identities, spec), secrets))
    }

    /// Runs the engine in a task of its own, so that neither a panic nor a long computation of it keeps the lease
    /// from being renewed.
    async fn run(
        &self,
        claimed: &Claimed,
        config: ScanConfig,
        observed: &Arc<Observed>,
        secrets: &[String],
        token: CancellationToken,
    ) -> Attempt {
        let journal = self.journal(&claimed.lease).await;
        let engine = (self.engine)(config, observed.sink(), token.clone(), journal);
        let mut engine = AbortOnDropHandle::new(tokio::spawn(engine));
        let mut look = tokio::time::interval(LOOK_EVERY);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut watch = Watch::new(self, claimed, observed.clone(), secrets);
        let mut deadline = None;
        loop {
            tokio::select! {
                returned = &mut engine => {
                    return match returned {
                        _ if watch.lost => Attempt::Lost,
                        Ok(outcome) => Attempt::Returned(Box::new(outcome)),
                        Err(_) => Attempt::Broke,
                    };
                }
                () = observed.wake.notified() => watch.commit_quota().await,
                () = token.cancelled(), if deadline.is_none() => deadline = Some(Instant::now() + STOP_GRACE),
                () = until(deadline), if deadline.is_some() => {
                    return if watch.lost { Attempt::Lost } else { Attempt::Broke };
                }
                _ = look.tick(), if deadline.is_none() => {
                    if !watch.look().await {
                        token.cancel();
                    }
                }
            }
        }
    }

    /// What former attempts were answered. A scan runs without its journal, too: it only begins anew then.
    async fn journal(&self, lease: &Lease) -> Arc<Journal> {
        let store = LeasedStore::new(Arc::clone(&self.ports), lease.clone());
        Journal::open(Arc::new(store), Foreign::StartOver).await.unwrap_or_else(|error| {
            tracing::warn!(scan_id = %lease.scan_id, %error, "the journal of a scan cannot be read");
            Journal::none()
        })
    }

    /// Writes the end; the database may be away for a moment.
    async fn conclude(
        &self,
        claimed: &Claimed,
        attempt: Attempt,
        observed: &Observed,
        secrets: &[String],
    ) -> Result<()> {
        let ended = match attempt {
            Attempt::Lost => return Ok(()),
            Attempt::Broke => None,
            Attempt::Returned(mut outcome) => {
                bound(&mut outcome);
                redact(&mut outcome, secrets);
                Some(Ended::pack(outcome).await?)
            }
        };
        for attempt in 1.. {
            match self.write_end(claimed, ended.as_ref(), observed).await {
                Err(error) if attempt < END_ATTEMPTS => {
                    tracing::warn!(scan_id = %claimed.lease.scan_id, %error, "cannot store the end of a scan yet");
                    tokio::time::sleep(END_PAUSE).await;
                }
                ended => return ended,
            }
        }
        Ok(())
    }

    async fn write_end(&self, claimed: &Claimed, ended: Option<&Ended>, observed: &Observed) -> Result<()> {
        let ports = &self.ports;
        let Claimed { lease, tenant_id, .. } = claimed;
        let id = &lease.scan_id;
        let now = ports.clock.now();
        let mut tx = ports.store.begin_sea().await?;
        tx.lock_tenant(tenant_id).await?;
        let Some(row) = scan::find_locked(&tx, tenant_id, id).await? else { return Ok(()) };
        let mine = row.node.as_deref() == Some(lease.node.as_str()) && row.attempt == lease.attempt;
        if !mine {
            return Ok(());
        }
        match row.status.as_str() {
            // The tenant was faster: the row has ended, what we got to is added.
            scan::CANCELLED => {
                note_findings(&tx, &row, ended, false).await?;
                attach(&tx, id, ended, observed.progress()).await?;
            }
            scan::RUNNING => {
                let interrupted = ended.is_none_or(|ended| ended.outcome.cancelled);
                if self.stopping.load(Ordering::SeqCst) && interrupted {
                    drop(tx);
                    return self.put_back(claimed).await;
                }
                let (status, failure, release) = judge(ended.map(|ended| &*ended.outcome), observed.started());
                if observed.started() || release.is_none() {
                    quota::commit(&mut tx, tenant_id, id, now).await?;
                }
                if let Some(reason) = release {
                    quota::release(&mut tx, tenant_id, id, reason, now).await?;
                }
                let mut progress = observed.progress();
                if status == scan::COMPLETED {
                    progress = StoredProgress { phase: "done".to_owned(), percent: 100, ..progress };
                }
                let detail = serde_json::json!({"status": status, "error": failure.as_ref().map(|f| &f.code)});
                scan::end(&tx, &row, &End { status, failure, at: now }).await?;
                note_findings(&tx, &row, ended, status == scan::COMPLETED).await?;
                attach(&tx, id, ended, progress).await?;
                // The plan plays no part in what the service itself does.
                let system = Actor::system(tenant_id.clone(), "".into());
                tx.append_audit(&AuditEntry::by(&system, "scan.ended", id.as_str(), detail, now)).await?;
            }
            _ => return Ok(()),
        }
        Box::new(tx).commit().await
    }

    /// The attempt does not count: it was we who stopped it.
    async fn put_back(&self, claimed: &Claimed) -> Result<()> {
        let ports = &self.ports;
        let now = ports.clock.now();
        let push_after = now + TimeDelta::seconds(PUSH_AGAIN_S);
        let attempt = claimed.lease.attempt - 1;
        let pushes = scan::requeue(&ports.store.write, &claimed.lease, attempt, now, push_after).await?;
        match pushes {
            Some(pushes) => ports.jobs.push(&claimed.lease.scan_id, pushes).await,
            None => Ok(()),
        }
    }
}

/// An outcome, ready to be stored: compressed before the transaction begins, since that takes a while.
struct Ended {
    outcome: Box<Outcome>,
    blob: Vec<u8>,
}

impl Ended {
    async fn pack(outcome: Box<Outcome>) -> Result<Self> {
        let packing = move || pack(&outcome).map(|blob| Self { outcome, blob });
        tokio::task::spawn_blocking(packing).await.map_err(Error::internal)?
    }
}

async fn attach(tx: &SeaTx, id: &ScanId, ended: Option<&Ended>, progress: StoredProgress) -> Result<()> {
    let Some(Ended { outcome, blob }) = ended else { return Ok(()) };
    let progress = StoredProgress {
        operations_total: progress.operations_total.max(outcome.operations.len() as u64),
        requests_sent: progress.requests_sent.max(outcome.requests),
        ..progress
    };
    let counts = Counts { summary: outcome.summary(), passed: outcome.passed, failed: outcome.failed };
    scan::attach_outcome(tx, id, blob.clone(), &progress, &counts).await
}

/// Puts the findings of the end in the place of those that were noted on the way.
async fn note_findings(tx: &SeaTx, row: &Model, ended: Option<&Ended>, completed: bool) -> Result<()> {
    let tenant_id = TenantId::from(row.tenant_id.as_str());
    finding::delete_of_scan(&tx.inner, &ScanId::from(row.id.as_str())).await?;
    let Some(Ended { outcome, .. }) = ended else { return Ok(()) };
    let known = finding::list_known(&tx.inner, &tenant_id, &row.kind, &row.url).await?;
    if completed {
        finding::outdate(tx, &tenant_id, &row.kind, &row.url).await?;
    }
    finding::insert(&tx.inner, settle(row, &known, outcome, completed)).await
}

async fn until(deadline: Option<Instant>) {
    if let Some(deadline) = deadline {
        tokio::time::sleep_until(deadline).await;
    }
}

/// How the scan ends, and whether its unit goes back. `None`: the engine broke.
fn judge(outcome: Option<&Outcome>, started: bool) -> (&'static str, Option<ScanFailure>, Option<LedgerReason>) {
    let broke = |message: &str| ScanFailure { code: "ENGINE_ERROR".to_owned(), message: message.to_owned() };
    let failure = match outcome {
        None => Some(broke("The scan was stopped by an internal error. It was not charged.")),
        Some(outcome) => match &outcome.failure {
            // Nobody asked for it: whoever cancels ends the row first.
            None if outcome.cancelled => Some(broke("The scan was interrupted. It was not charged.")),
            failure => failure.clone(),
        },
    };
    let Some(failure) = failure else { return (scan::COMPLETED, None, None) };
    let release = match failure.code.as_str() {
        "ENGINE_ERROR" => Some(LedgerReason::EngineError),
        _ if started => None,
        _ => Some(LedgerReason::Unreachable),
    };
    (scan::FAILED, Some(failure), release)
}

/// Keeps the lease, the progress and the quota of a running scan up to date.
struct Watch<'a> {
    scans: &'a Scans,
    claimed: &'a Claimed,
    observed: Arc<Observed>,
    written: StoredProgress,
    renewed: Instant,
    /// Findings that have their row.
    noted: usize,
    secrets: &'a [String],
    committed: bool,
    lost: bool,
}

impl<'a> Watch<'a> {
    fn new(scans: &'a Scans, claimed: &'a Claimed, observed: Arc<Observed>, secrets: &'a [String]) -> Self {
        let (written, renewed) = (StoredProgress::default(), Instant::now());
        Self { scans, claimed, observed, written, renewed, noted: 0, secrets, committed: false, lost: false }
    }

    /// Writes what was found since the last look, so that whoever watches sees it on any node.
    async fn note(&mut self) -> Result<()> {
        let mut findings = self.observed.found_since(self.noted);
        if findings.is_empty() {
            return Ok(());
        }
        findings.iter_mut().for_each(|finding| redact_finding(finding, self.secrets));
        let Claimed { row, tenant_id, .. } = self.claimed;
        let store = &self.scans.ports.store;
        let known = finding::list_known(&store.read, tenant_id, &row.kind, &row.url).await?;
        let place = i64::try_from(self.noted).unwrap_or(i64::MAX);
        finding::insert(&store.write, live(row, &known, &findings, place)).await?;
        self.noted += findings.len();
        Ok(())
    }

    /// False when the scan has to stop: it was cancelled, or the lease is lost.
    async fn look(&mut self) -> bool {
        if self.observed.started() && !self.committed {
            self.commit_quota().await;
        }
        match self.renew().await {
            Ok(true) => {
                if let Err(error) = self.note().await {
                    tracing::warn!(scan_id = %self.claimed.lease.scan_id, %error, "cannot note findings yet");
                }
                true
            }
            Ok(false) => {
                // Whether it was cancelled or lost is settled, under a lock, when the end is written.
                false
            }
            Err(error) => {
                tracing::warn!(scan_id = %self.claimed.lease.scan_id, %error, "cannot renew the lease");
                // Without a lease somebody else may have begun already: two must not hit the target at once.
                self.lost = self.renewed.elapsed() >= Duration::from_secs(LEASE_S.unsigned_abs());
                !self.lost
            }
        }
    }

    async fn renew(&mut self) -> Result<bool> {
        let store = &self.scans.ports.store;
        let lease = &self.claimed.lease;
        let progress = self.observed.progress();
        let moved = progress != self.written;
        if !moved && self.renewed.elapsed() < RENEW_AFTER {
            return scan::still_runs(&store.read, lease).await;
        }
        let now = self.scans.ports.clock.now();
        let news = moved.then_some((&progress, now));
        let kept = scan::beat(&store.write, lease, now + TimeDelta::seconds(LEASE_S), news).await?;
        self.renewed = Instant::now();
        self.written = progress;
        Ok(kept)
    }

    async fn commit_quota(&mut self) {
        if self.committed {
            return;
        }
        match self.try_commit().await {
            Ok(()) => self.committed = true,
            Err(error) => {
                tracing::warn!(scan_id = %self.claimed.lease.scan_id, %error, "cannot commit the unit yet");
            }
        }
    }

    async fn try_commit(&self) -> Result<()> {
        let ports = &self.scans.ports;
        let mut tx = ports.store.begin_sea().await?;
        quota::commit(&mut tx, &self.claimed.tenant_id, &self.claimed.lease.scan_id, ports.clock.now()).await?;
        Box::new(tx).commit().await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn end_decides_about_the_unit() {
        let row = |code: Option<&str>, cancelled| {
            let at = chrono::DateTime::UNIX_EPOCH;
            Outcome {
                failure: code.map(|code| ScanFailure { code: code.into(), message: String::new() }),
                cancelled,
                ..Outcome::blank("functional", "http://x", 1, at)
            }
        };
        let check = |outcome: Option<Outcome>, started, status, release| {
            let (found, _, reason) = judge(outcome.as_ref(), started);
            assert_eq!((found, reason), (status, release), "{outcome:?} {started}");
        };
        check(Some(row(None, false)), true, scan::COMPLETED, None);
        check(Some(row(None, false)), false, scan::COMPLETED, None);
        for code in ["TARGET_UNREACHABLE", "TARGET_NOT_ALLOWED", "SPEC_INVALID", "AUTH_FAILED"] {
            check(Some(row(Some(code), false)), false, scan::FAILED, Some(LedgerReason::Unreachable));
            check(Some(row(Some(code), false)), true, scan::FAILED, None);
        }
        check(Some(row(Some("ENGINE_ERROR"), false)), true, scan::FAILED, Some(LedgerReason::EngineError));
        check(Some(row(None, true)), true, scan::FAILED, Some(LedgerReason::EngineError));
        check(None, true, scan::FAILED, Some(LedgerReason::EngineError));
    }
}
