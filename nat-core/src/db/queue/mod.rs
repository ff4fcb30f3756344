//! The job queue over apalis' tables.
//!
//! apalis keeps the jobs (push, fetch with `SKIP LOCKED`, acknowledge, take back from dead workers); the loop around
//! them is ours, because apalis' own worker drops every handler in flight when one poll of the database fails, and a
//! scan takes minutes. See `docs/decisions/0002-job-queue.md`.

mod storage;

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures::FutureExt;
use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior};
use tokio_util::sync::CancellationToken;

use self::storage::{Job, Storage, Worker};
use super::SeaStore;
use crate::entropy::{Entropy, SystemEntropy};
use crate::job::{JobHandler, JobQueue};
use crate::{Result, ScanId};

pub(super) use self::storage::migrate;

/// How often a worker shows that it lives; the jobs of one that missed two are taken back.
const HEARTBEAT: Duration = Duration::from_secs(30);
/// Pause after a failed poll, so that a database that is away is not hammered.
const BACK_OFF: Duration = Duration::from_secs(1);

/// [`JobQueue`] in the store's own database.
///
/// Jobs pushed by this process are taken at once; those of other processes are found by polling: every 100 ms on
/// SQLite, every 250 ms on PostgreSQL. On SQLite it uses the one write connection, so that it queues with all other
/// writers instead of running into their locks.
#[derive(Clone, Debug)]
pub struct ApalisQueue {
    storage: Storage,
    wake: Arc<Notify>,
}

impl ApalisQueue {
    pub(super) fn new(store: &SeaStore) -> Self {
        Self { storage: Storage::new(store), wake: Arc::default() }
    }

    /// Registers under a name that no process had before: a name that died a moment ago cannot be taken again.
    async fn register(&self, stop: &CancellationToken) -> Option<Worker> {
        let mut random = [0u8; 10];
        SystemEntropy.fill(&mut random);
        let worker = Worker::new(&format!("nat-{}", hex::encode(random)));
        loop {
            match self.storage.register(&worker).await {
                Ok(()) => return Some(worker),
                Err(error) => tracing::warn!(%error, cause = ?error.cause(), "cannot register the worker"),
            }
            tokio::select! {
                () = stop.cancelled() => return None,
                () = tokio::time::sleep(BACK_OFF) => {}
            }
        }
    }

    /// Shows that the worker lives, takes back jobs of dead ones, deletes what was done a day ago.
    async fn tend(&self, worker: &Worker) {
        if let Err(error) = self.storage.tend(worker).await {
            tracing::warn!(%error, cause = ?error.cause(), "cannot tend the job queue");
        }
    }
}

#[async_trait]
impl JobQueue for ApalisQueue {
    async fn push(&self, scan_id: &ScanId, attempt: u32) -> Result<()> {
        self.storage.push(scan_id, attempt).await?;
        self.wake.notify_one();
        Ok(())
    }

    async fn work(&self, concurrency: usize, handler: JobHandler, stop: CancellationToken) -> Result<()> {
        let Some(worker) = self.register(&stop).await else { return Ok(()) };
        let mut running = JoinSet::new();
        let mut heartbeat = tokio::time::interval(HEARTBEAT);
        heartbeat.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut next_poll = Instant::now();
        loop {
            tokio::select! {
                biased;
                () = stop.cancelled() => break,
                Some(_) = running.join_next() => {}
                _ = heartbeat.tick() => self.tend(&worker).await,
                () = due(next_poll, &self.wake), if running.len() < concurrency.max(1) => {
                    let pause = match self.storage.fetch(&worker).await {
                        Ok(Some(job)) => {
                            running.spawn(run(self.storage.clone(), worker.clone(), job, handler.clone()));
                            Duration::ZERO
                        }
                        Ok(None) => self.storage.poll_interval(),
                        Err(error) => {
                            tracing::warn!(%error, cause = ?error.cause(), "cannot fetch a job");
                            BACK_OFF
                        }
                    };
                    next_poll = Instant::now() + pause;
                }
            }
        }
        while running.join_next().await.is_some() {}
        self.storage.deregister(&worker).await
    }
}

async fn due(next_poll: Instant, wake: &Notify) {
    tokio::select! {
        () = tokio::time::sleep_until(next_poll) => {}
        () = wake.notified() => {}
    }
}

/// Runs one job and acknowledges it, whatever the handler did: the scan's own row holds the truth.
async fn run(storage: Storage, worker: Worker, job: Job, handler: JobHandler) {
    let scan_id = job.scan_id.clone();
    if AssertUnwindSafe(async { handler(scan_id).await }).catch_unwind().await.is_err() {
        tracing::error!(scan_id = %job.scan_id, "the job handler panicked");
    }
    if let Err(error) = storage.acknowledge(&worker, &job).await {
        // The job is delivered once more when this worker is gone; the handler finds nothing to do then.
        tracing::warn!(%error, cause = ?error.cause(), scan_id = %job.scan_id, "cannot acknowledge the job");
    }
}

#[cfg(test)]
mod tests;
