//! Repairs. Everything that a crash can leave behind ends here.

use chrono::{DateTime, TimeDelta, Utc};
use nat_core::audit::AuditEntry;
use nat_core::quota::{self, LedgerReason};
use nat_core::store::CoreTx;
use nat_core::{Actor, Result, ScanId, TenantId};

use super::Scans;
use super::accept::PUSH_AGAIN_S;
use crate::db::scan::{self, End, Former, Lease, Model};
use crate::engine::ScanFailure;

/// Attempts that a scan gets when its workers die.
const MAX_ATTEMPTS: i64 = 3;
/// A scan that gets nowhere for this long is ended.
const STUCK_AFTER_MIN: i64 = 30;
/// The longest pause between two pushes of a scan that waits for a worker.
const MAX_PUSH_PAUSE_S: i64 = 600;

impl Scans {
    /// Repairs: re-pushes queued scans that have no job, re-queues scans whose lease has run out (three attempts, then
    /// `failed` with `ENGINE_ERROR` and a refund), ends scans without progress for 30 minutes as `TIMED_OUT`.
    /// With `own_node_restarted` also takes back leases of this node's former process; on SQLite, which one process
    /// uses, of any process. Returns how many it touched.
    pub async fn sweep(&self, own_node_restarted: bool) -> Result<u64> {
        let now = self.ports.clock.now();
        let mut touched = 0;
        touched += self.end_stuck(now).await?;
        touched += self.take_back(now, own_node_restarted).await?;
        touched += self.push_again(now, own_node_restarted).await?;
        Ok(touched)
    }

    async fn end_stuck(&self, now: DateTime<Utc>) -> Result<u64> {
        let since = now - TimeDelta::minutes(STUCK_AFTER_MIN);
        let mut touched = 0;
        for row in scan::list_stuck(&self.ports.store.read, since).await? {
            let message = format!("The scan made no progress for {STUCK_AFTER_MIN} minutes. It was not charged.");
            let failure = ScanFailure { code: "TIMED_OUT".to_owned(), message };
            // Written progress since then would show in the row that is locked now.
            let same = |found: &Model| found.progressed_at == row.progressed_at;
            touched += u64::from(self.fail(&row, same, failure, now).await?);
            self.stop_here(&row.id.as_str().into());
        }
        Ok(touched)
    }

    async fn take_back(&self, now: DateTime<Utc>, own_node_restarted: bool) -> Result<u64> {
        let ports = &self.ports;
        let alone = !ports.store.is_shared();
        let former = match own_node_restarted {
            true if alone => Former::All,
            true => Former::Node(&ports.node),
            false => Former::None,
        };
        let mut touched = 0;
        for row in scan::list_orphans(&ports.store.read, now, former).await? {
            let id = ScanId::from(row.id.as_str());
            if self.runs_here(&id) && row.lease_until.is_none_or(|until| until >= now) {
                continue;
            }
            if row.attempt >= MAX_ATTEMPTS {
                let message = format!("The scan was interrupted {MAX_ATTEMPTS} times. It was not charged.");
                let failure = ScanFailure { code: "ENGINE_ERROR".to_owned(), message };
                let same = |found: &Model| found.lease_until == row.lease_until && found.attempt == row.attempt;
                touched += u64::from(self.fail(&row, same, failure, now).await?);
                continue;
            }
            let node = row.node.clone().unwrap_or_default();
            let lease = Lease { scan_id: id.clone(), node, attempt: row.attempt };
            let push_after = now + TimeDelta::seconds(PUSH_AGAIN_S);
            let requeued = scan::requeue(&ports.store.write, &lease, row.attempt, now, push_after).await?;
            if let Some(pushes) = requeued {
                tracing::info!(scan_id = %id, attempt = row.attempt, "a scan whose worker died is queued again");
                self.push(&id, pushes).await;
                touched += 1;
            }
        }
        Ok(touched)
    }

    async fn push_again(&self, now: DateTime<Utc>, own_node_restarted: bool) -> Result<u64> {
        let ports = &self.ports;
        let before = (!own_node_restarted).then_some(now);
        let mut touched = 0;
        for row in scan::list_unpushed(&ports.store.read, before).await? {
            let pause = push_pause(scan::pushes(&row));
            if scan::count_push(&ports.store.write, &row, now + pause).await? {
                self.push(&row.id.as_str().into(), scan::pushes(&row).saturating_add(1)).await;
                touched += 1;
            }
        }
        Ok(touched)
    }

    /// A push that fails is repeated by a later sweep.
    async fn push(&self, id: &ScanId, pushes: u32) {
        if let Err(error) = self.ports.jobs.push(id, pushes).await {
            tracing::warn!(scan_id = %id, %error, cause = ?error.cause(), "the job was not pushed");
        }
    }

    fn runs_here(&self, id: &ScanId) -> bool {
        self.running.lock().unwrap_or_else(std::sync::PoisonError::into_inner).contains_key(id)
    }

    /// Ends a scan that we failed, with a refund; false when it has moved on meanwhile.
    async fn fail(
        &self,
        row: &Model,
        unchanged: impl Fn(&Model) -> bool,
        failure: ScanFailure,
        now: DateTime<Utc>,
    ) -> Result<bool> {
        let tenant_id = TenantId::from(row.tenant_id.as_str());
        let id = ScanId::from(row.id.as_str());
        let mut tx = self.ports.store.begin_sea().await?;
        tx.lock_tenant(&tenant_id).await?;
        let Some(found) = scan::find_locked(&tx, &tenant_id, &id).await? else { return Ok(false) };
        if found.status != row.status || !unchanged(&found) {
            return Ok(false);
        }
        let detail = serde_json::json!({"status": scan::FAILED, "error": failure.code});
        scan::end(&tx, &found, &End { status: scan::FAILED, failure: Some(failure), at: now }).await?;
        quota::release(&mut tx, &tenant_id, &id, LedgerReason::EngineError, now).await?;
        let system = Actor::system(tenant_id, "".into());
        tx.append_audit(&AuditEntry::by(&system, "scan.ended", id.as_str(), detail, now)).await?;
        Box::new(tx).commit().await?;
        Ok(true)
    }
}

/// Longer each time: a scan that waits behind others must not fill the queue with copies.
fn push_pause(pushes: u32) -> TimeDelta {
    let doubled = PUSH_AGAIN_S.saturating_mul(1 << pushes.min(10));
    TimeDelta::seconds(doubled.min(MAX_PUSH_PAUSE_S))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn push_pause_doubles_up_to_ten_minutes() {
        let check = |pushes, seconds| assert_eq!(push_pause(pushes), TimeDelta::seconds(seconds), "{pushes}");
        check(0, 30);
        check(1, 60);
        check(4, 480);
        check(5, 600);
        check(u32::MAX, 600);
    }
}
