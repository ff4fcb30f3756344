//! Accepting a scan.

use chrono::TimeDelta;
use nat_core::audit::AuditEntry;
use nat_core::quota;
use nat_core::store::CoreTx;
use nat_core::{Actor, Error, ErrorCode, Result, ScanId, Scope};

use super::validate::{Accepted, check_policy, validate};
use super::{Scan, ScanStatus, Scans, StartScan, StoredProgress, quota_kind};
use crate::db::scan::{self, Input};
use crate::engine::ScanKind;

/// Seconds after which a scan that no worker took is pushed again.
pub(super) const PUSH_AGAIN_S: i64 = 30;
/// What a client should wait when too many of its scans run.
const CONCURRENT_RETRY_S: u32 = 10;
/// Phase of a scan that no worker has.
pub(super) const QUEUED_PHASE: &str = "queued";

impl Scans {
    /// Accepts a scan. Scope `scans:write`. In this order: 422 (fields, then target policy), 403 (plan, scope, then
    /// control of what a security scan attacks),
    /// 429 `CONCURRENT_LIMIT`, 402; the unit is reserved, the row and the audit line written in one transaction, then
    /// the job is pushed (a sweep repeats a push that failed).
    pub async fn start(&self, actor: &Actor, kind: ScanKind, input: StartScan) -> Result<Scan> {
        let ports = &self.ports;
        let mut accepted = validate(kind, input, self.seed())?;
        accepted.identities.sign_up_key = accepted.config.sign_up.then(|| self.sign_up_key());
        check_policy(&ports.engine.policy, &accepted)?;
        ports.plans.require_feature(actor, quota_kind(kind))?;
        actor.require(Scope::ScansWrite)?;
        self.require_permission(actor, kind, &accepted).await?;

        let now = ports.clock.now();
        let scan_id = ScanId::generate(now, ports.entropy.as_ref());
        let input = self.seal(&scan_id, &accepted)?;
        let mut tx = ports.store.begin_sea().await?;
        // The key was good a moment ago; without its tenant it is not.
        let tenant = tx.lock_tenant(&actor.tenant_id).await?.ok_or_else(Error::invalid_api_key)?;
        let plan = ports.plans.get(tenant.entitlement.plan_at(now));
        if let Some(limit) = plan.concurrent_scans {
            let alive = scan::count_alive(&tx, &tenant.id).await?;
            if alive >= u64::from(limit) {
                let message = format!("The plan '{}' runs at most {limit} scans at once.", plan.id);
                return Err(Error::new(ErrorCode::ConcurrentLimit, message).retry_after(CONCURRENT_RETRY_S));
            }
        }
        quota::reserve(&mut tx, &ports.plans, &tenant, &scan_id, quota_kind(kind), now).await?;
        let row = scan::NewScan {
            id: &scan_id,
            tenant_id: &tenant.id,
            kind: quota_kind(kind),
            url: accepted.url.as_str(),
            config: serde_json::to_value(&accepted.config).map_err(Error::internal)?,
            created_at: now,
            phase: QUEUED_PHASE,
            push_after: now + TimeDelta::seconds(PUSH_AGAIN_S),
        };
        scan::insert(&tx, row, input).await?;
        let detail = serde_json::json!({"kind": quota_kind(kind).as_str(), "url": accepted.url.as_str()});
        tx.append_audit(&AuditEntry::by(actor, "scan.started", scan_id.as_str(), detail, now)).await?;
        Box::new(tx).commit().await?;

        if let Err(error) = ports.jobs.push(&scan_id, 1).await {
            tracing::warn!(%scan_id, %error, cause = ?error.cause(), "the job was not pushed; the sweep will");
        }
        Ok(Scan {
            id: scan_id,
            tenant_id: tenant.id,
            kind,
            status: ScanStatus::Queued,
            url: accepted.url.to_string(),
            created_at: now,
            started_at: None,
            completed_at: None,
            progress: StoredProgress { phase: QUEUED_PHASE.to_owned(), ..StoredProgress::default() },
            summary: crate::engine::Summary::default(),
            total: 0,
            passed: 0,
            failed: 0,
            error: None,
        })
    }

    /// 53 bits: a JSON client of any language reads them back unharmed.
    fn seed(&self) -> u64 {
        let mut bytes = [0u8; 8];
        self.ports.entropy.fill(&mut bytes);
        u64::from_be_bytes(bytes) >> 11
    }

    /// Kept with the scan, sealed: a scan that is resumed signs in with the same passwords.
    fn sign_up_key(&self) -> String {
        let mut bytes = [0u8; 32];
        self.ports.entropy.fill(&mut bytes);
        hex::encode(bytes)
    }

    /// Credentials and document can be opened for this scan only.
    fn seal(&self, scan_id: &ScanId, accepted: &Accepted) -> Result<Input> {
        let seal = |plain: &[u8]| self.ports.vault.seal(plain, scan_id.as_str(), self.ports.entropy.as_ref()).map(Some);
        let credentials = if accepted.identities.is_empty() {
            None
        } else {
            seal(&serde_json::to_vec(&accepted.identities).map_err(Error::internal)?)?
        };
        let spec = accepted.spec.as_deref().map_or(Ok(None), seal)?;
        Ok(Input { credentials, spec })
    }
}
