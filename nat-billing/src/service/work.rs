//! The work behind webhooks: one piece a customer, run by whoever claims it.

use std::time::Duration;

use chrono::TimeDelta;
use futures::{StreamExt, stream::FuturesUnordered};
use nat_core::{Error, Result};
use tokio_util::sync::CancellationToken;

use super::{Billing, reconcile::Ending};
use crate::gateway::GatewayError;
use crate::store::{ClaimedWork, WorkOutcome};

/// A claim that is not ended by then is another worker's.
const LEASE: TimeDelta = TimeDelta::seconds(60);
/// Work takes no longer; shorter than the lease, so that a claim is not lost while its holder is alive.
const DEADLINE: Duration = Duration::from_secs(50);
/// Pieces of work at once in one process.
const PARALLEL: usize = 8;
/// How often work is looked for that nobody in this process asked for.
const POLL: Duration = Duration::from_secs(1);
/// How often a wait for somebody else's work looks again.
const LOOK_AGAIN: Duration = Duration::from_millis(50);
/// How long a request waits for the customer's state.
const REFRESH_FOR: Duration = Duration::from_secs(20);
/// The longest pause before work that failed is tried again.
const LONGEST_PAUSE: TimeDelta = TimeDelta::minutes(5);

impl Billing {
    /// Does the work that webhooks and sweeps ask for, until `stop`. Without a gateway it waits for `stop`: what is
    /// asked for is kept.
    pub async fn work(&self, stop: CancellationToken) {
        if self.ports.gateway.is_none() {
            return stop.cancelled().await;
        }
        loop {
            let woken = self.wake.notified();
            if let Err(error) = self.run_due().await {
                tracing::warn!(%error, cause = ?error.cause(), "billing work cannot be looked for, will be repeated");
            }
            tokio::select! {
                () = stop.cancelled() => return,
                () = woken => {}
                () = tokio::time::sleep(POLL) => {}
            }
        }
    }

    /// Does everything that is due now; how many pieces there were.
    pub async fn run_due(&self) -> Result<usize> {
        let mut running = FuturesUnordered::new();
        let mut done = 0;
        let mut broken = Ok(());
        loop {
            while running.len() < PARALLEL && broken.is_ok() {
                match self.claim(None).await {
                    Ok(Some(work)) => running.push(self.run(work)),
                    Ok(None) => break,
                    // What runs is finished all the same.
                    Err(error) => broken = Err(error),
                }
            }
            match running.next().await {
                Some(()) => done += 1,
                None => return broken.map(|()| done),
            }
        }
    }

    /// Has the customer's state fetched and folded before it returns, by this process or by whoever is at it.
    pub(super) async fn refresh(&self, customer_id: &str) -> Result<()> {
        let store = &self.ports.store;
        let mut tx = store.begin().await?;
        store.want_work(tx.as_mut(), customer_id, self.ports.clock.now()).await?;
        tx.commit().await?;
        let refreshed = tokio::time::timeout(REFRESH_FOR, async {
            while store.is_work_left(customer_id).await? {
                match self.claim(Some(customer_id)).await? {
                    Some(work) => self.attempt(&work).await?,
                    None => tokio::time::sleep(LOOK_AGAIN).await,
                }
            }
            Ok(())
        });
        let late = |_| Err(GatewayError::Unavailable("the customer was not looked at in time".to_owned()).into());
        refreshed.await.unwrap_or_else(late)
    }

    async fn claim(&self, customer_id: Option<&str>) -> Result<Option<ClaimedWork>> {
        let now = self.ports.clock.now();
        self.ports.store.claim_work(customer_id, now, now + LEASE).await
    }

    /// Runs a piece of work. Its failure is written down and logged, and is not the caller's.
    async fn run(&self, work: ClaimedWork) {
        if let Err(error) = self.attempt(&work).await {
            tracing::warn!(
                customer = work.customer_id, attempts = work.attempts, %error, cause = ?error.cause(),
                "a customer could not be reconciled, will be repeated"
            );
        }
    }

    /// Runs a piece of work once and writes down how it ended.
    async fn attempt(&self, work: &ClaimedWork) -> Result<()> {
        let ended = tokio::time::timeout(DEADLINE, self.reconcile(work)).await;
        let ended = ended.unwrap_or_else(|_| Err(Error::unavailable("reconciling took too long")));
        let outcome = match &ended {
            Ok(Ending::Applied) => "applied",
            Ok(Ending::Parked) => "parked",
            Ok(Ending::LostClaim) => "lost",
            Err(_) => "failed",
        };
        metrics::counter!("nat_billing_reconciles_total", "outcome" => outcome).increment(1);
        if ended.is_err() {
            self.put_off(work, LONGEST_PAUSE).await?;
        }
        ended.map(|_| ())
    }

    /// Each time for twice as long as before.
    pub(super) async fn put_off(&self, work: &ClaimedWork, longest: TimeDelta) -> Result<()> {
        let pause = TimeDelta::seconds(1 << work.attempts.min(30)).min(longest);
        let outcome = WorkOutcome::Retry(self.ports.clock.now() + pause);
        let mut tx = self.ports.store.begin().await?;
        if self.ports.store.end_work(tx.as_mut(), work, &outcome).await? {
            tx.commit().await?;
        }
        Ok(())
    }
}
