//! The job queue port. Delivery is at least once: handlers must be idempotent and take the truth from their own row.

use async_trait::async_trait;
use futures::future::BoxFuture;
use std::sync::Arc;
use tokio_util::sync::CancellationToken;

use crate::{Result, ScanId};

/// Hands scan ids to workers.
#[async_trait]
pub trait JobQueue: Send + Sync {
    /// Enqueues a scan; pushing the same scan and attempt twice is one job.
    async fn push(&self, scan_id: &ScanId, attempt: u32) -> Result<()>;

    /// Runs `handler` for each job, at most `concurrency` at once, until `stop` is cancelled; then waits for the
    /// handlers in flight.
    async fn work(&self, concurrency: usize, handler: JobHandler, stop: CancellationToken) -> Result<()>;
}

/// Executes one job. It records its own outcome; there is nothing to return.
pub type JobHandler = Arc<dyn Fn(ScanId) -> BoxFuture<'static, ()> + Send + Sync>;
