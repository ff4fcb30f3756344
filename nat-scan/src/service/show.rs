//! Showing, listing, exporting and cancelling.

use nat_core::audit::AuditEntry;
use nat_core::error::Validation;
use nat_core::page::{Page, PageRequest, Window, WindowRequest, cursor};
use nat_core::quota::{self, LedgerReason};
use nat_core::store::CoreTx;
use nat_core::{Actor, Error, ErrorCode, Result, ScanId, Scope};

use super::stored::{StoredConfig, unpack};
use super::{Export, Scan, ScanFilter, ScanSelection, ScanStatus, Scans, StoredProgress, quota_kind};
use crate::db::scan::{self, End, Model, Wanted};
use crate::engine::{Outcome, ScanFailure, ScanKind, Summary};
use crate::report::{self, Format};

impl Scans {
    /// One scan. Scope `scans:read`; another tenant's is a 404.
    pub async fn get(&self, actor: &Actor, id: &ScanId) -> Result<Scan> {
        actor.require(Scope::ScansRead)?;
        scan_of(self.find(actor, id).await?)
    }

    /// A scan and its outcome. 409 `SCAN_NOT_FINISHED` while it runs. A cancelled or failed scan has what it got to.
    pub async fn results(&self, actor: &Actor, id: &ScanId) -> Result<(Scan, Outcome)> {
        actor.require(Scope::ScansRead)?;
        let row = self.find(actor, id).await?;
        if [scan::QUEUED, scan::RUNNING].contains(&row.status.as_str()) {
            return Err(Error::new(ErrorCode::ScanNotFinished, "The scan is still running."));
        }
        let outcome = match scan::read_outcome(&self.ports.store.read, id).await? {
            Some(blob) => {
                // The worker may have been stopped in a way that only the row knows of.
                let stored = off_thread(move || unpack(&blob)).await??;
                Outcome { cancelled: row.status == scan::CANCELLED, failure: failure(&row), ..stored }
            }
            None => empty_outcome(&row)?,
        };
        Ok((scan_of(row)?, outcome))
    }

    /// Newest first. Scope `scans:read`.
    pub async fn list(&self, actor: &Actor, filter: ScanFilter, page: PageRequest) -> Result<Page<Scan>> {
        actor.require(Scope::ScansRead)?;
        let mut faults = Validation::default();
        let statuses: &[&str] = match filter.status.as_deref() {
            None => &[],
            Some("running") => &[scan::QUEUED, scan::RUNNING],
            Some("completed") => &[scan::COMPLETED],
            Some("failed") => &[scan::FAILED],
            Some("cancelled") => &[scan::CANCELLED],
            Some(_) => {
                faults.invalid("status", "must be one of 'running', 'completed', 'failed', 'cancelled'");
                &[]
            }
        };
        let kind = filter.kind.as_deref();
        if kind.is_some_and(|kind| kind_of(kind).is_none()) {
            faults.invalid("kind", "must be one of 'functional', 'security'");
        }
        faults.finish()?;
        let (rows, total) = scan::list(&self.ports.store.read, &actor.tenant_id, statuses, kind, page).await?;
        let rows = rows.into_iter().map(scan_of).collect::<Result<_>>()?;
        Ok(Page { rows, total, request: page })
    }

    /// Scans behind cursors, newest first or oldest first. Scope `scans:read`.
    pub async fn window(
        &self,
        actor: &Actor,
        selection: &ScanSelection,
        oldest_first: bool,
        request: &WindowRequest,
    ) -> Result<Window<Scan>> {
        actor.require(Scope::ScansRead)?;
        let list = format!("scans|{}|{selection:?}|{oldest_first}", actor.tenant_id);
        let after = request.after.as_deref().map(|cursor| cursor::read_place(&list, cursor)).transpose()?;
        let (db, wanted) = (&self.ports.store.read, wanted(selection));
        let rows =
            scan::list_after(db, &actor.tenant_id, &wanted, oldest_first, after.as_deref(), request.limit()).await?;
        let rows = rows.into_iter().map(scan_of).collect::<Result<_>>()?;
        Ok(Window::of(rows, request, |scan: &Scan| cursor::place(&list, scan.id.as_str())))
    }

    /// How many scans there are. Scope `scans:read`.
    pub async fn count(&self, actor: &Actor, selection: &ScanSelection) -> Result<u64> {
        actor.require(Scope::ScansRead)?;
        scan::count(&self.ports.store.read, &actor.tenant_id, &wanted(selection)).await
    }

    /// Scans by id; unknown ones and those of other tenants are left out. Scope `scans:read`.
    pub async fn find_many(&self, actor: &Actor, ids: &[ScanId]) -> Result<Vec<Scan>> {
        actor.require(Scope::ScansRead)?;
        let rows = scan::find_many(&self.ports.store.read, &actor.tenant_id, ids).await?;
        rows.into_iter().map(scan_of).collect()
    }

    /// Stops a scan, on whichever node it runs. 409 `SCAN_FINISHED` when it has ended. Scope `scans:write`.
    ///
    /// The row is ended at once, and the unit given back if no test request was sent; the worker notices within a
    /// second and adds what it got to.
    pub async fn cancel(&self, actor: &Actor, id: &ScanId) -> Result<Scan> {
        actor.require(Scope::ScansWrite)?;
        let now = self.ports.clock.now();
        let mut tx = self.ports.store.begin_sea().await?;
        tx.lock_tenant(&actor.tenant_id).await?;
        let row = scan::find_locked(&tx, &actor.tenant_id, id).await?.ok_or_else(Error::not_found)?;
        if ![scan::QUEUED, scan::RUNNING].contains(&row.status.as_str()) {
            return Err(Error::new(ErrorCode::ScanFinished, "The scan has ended already."));
        }
        scan::end(&tx, &row, &End { status: scan::CANCELLED, failure: None, at: now }).await?;
        let refunded = quota::release(&mut tx, &actor.tenant_id, id, LedgerReason::Cancelled, now).await?;
        let detail = serde_json::json!({"was": row.status, "refunded": refunded});
        tx.append_audit(&AuditEntry::by(actor, "scan.cancelled", id.as_str(), detail, now)).await?;
        Box::new(tx).commit().await?;
        self.stop_here(id);
        scan_of(Model { status: scan::CANCELLED.to_owned(), completed_at: Some(now), ..row })
    }

    /// A report of an ended scan; an unknown format is a 422.
    pub async fn export(&self, actor: &Actor, id: &ScanId, format: Option<&str>) -> Result<Export> {
        actor.require(Scope::ScansRead)?;
        let Some(format) = format.map_or(Some(Format::Json), Format::parse) else {
            let names: Vec<String> = Format::ALL.iter().map(|format| format!("'{}'", format.as_str())).collect();
            let mut faults = Validation::default();
            faults.invalid("format", &format!("must be one of {}", names.join(", ")));
            return Err(faults.finish().err().unwrap_or_else(Error::not_found));
        };
        let (scan, outcome) = self.results(actor, id).await?;
        let file_name = format!("{}.{}", scan.id, format.extension());
        let bytes = off_thread(move || report::write(&outcome, scan.id.as_str(), format)).await?;
        Ok(Export { file_name, media_type: format.media_type(), bytes })
    }

    async fn find(&self, actor: &Actor, id: &ScanId) -> Result<Model> {
        scan::find(&self.ports.store.read, &actor.tenant_id, id).await?.ok_or_else(Error::not_found)
    }
}

/// A target as the row of a scan spells it, so that `http://x` finds `http://x/`.
pub(super) fn as_stored(url: &str) -> String {
    url::Url::parse(url).map_or_else(|_| url.to_owned(), String::from)
}

fn wanted(selection: &ScanSelection) -> Wanted {
    let status = |status: &ScanStatus| match status {
        ScanStatus::Queued => scan::QUEUED,
        ScanStatus::Running => scan::RUNNING,
        ScanStatus::Completed => scan::COMPLETED,
        ScanStatus::Failed => scan::FAILED,
        ScanStatus::Cancelled => scan::CANCELLED,
    };
    Wanted {
        statuses: selection.statuses.iter().map(status).collect(),
        kind: selection.kind.map(|kind| quota_kind(kind).as_str()),
        url: selection.url.as_deref().map(as_stored),
    }
}

/// Outcomes may be large: unpacking and writing them must not hold up other requests.
pub(super) async fn off_thread<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T> {
    tokio::task::spawn_blocking(work).await.map_err(Error::internal)
}

/// The kind of that name.
pub(super) fn kind_of(name: &str) -> Option<ScanKind> {
    match name {
        "functional" => Some(ScanKind::Functional),
        "security" => Some(ScanKind::Security),
        _ => None,
    }
}

pub(super) fn kind_of_row(row: &Model) -> Result<ScanKind> {
    kind_of(&row.kind).ok_or_else(|| Error::internal(format!("unknown kind {} in the database", row.kind)))
}

fn failure(row: &Model) -> Option<ScanFailure> {
    let code = row.error_code.clone()?;
    Some(ScanFailure { code, message: row.error_message.clone().unwrap_or_default() })
}

fn scan_of(row: Model) -> Result<Scan> {
    let status = match row.status.as_str() {
        scan::QUEUED => ScanStatus::Queued,
        scan::RUNNING => ScanStatus::Running,
        scan::COMPLETED => ScanStatus::Completed,
        scan::FAILED => ScanStatus::Failed,
        scan::CANCELLED => ScanStatus::Cancelled,
        other => return Err(Error::internal(format!("unknown status {other} in the database"))),
    };
    let number = |count: i64| u64::try_from(count).unwrap_or(0);
    let (passed, failed) = (number(row.passed), number(row.failed));
    Ok(Scan {
        kind: kind_of_row(&row)?,
        error: failure(&row),
        id: row.id.into(),
        tenant_id: row.tenant_id.into(),
        status,
        url: row.url,
        created_at: row.created_at,
        started_at: row.started_at,
        completed_at: row.completed_at,
        progress: StoredProgress {
            phase: row.phase,
            operations_total: number(row.operations_total),
            operations_tested: number(row.operations_tested),
            requests_sent: number(row.requests_sent),
            percent: u8::try_from(row.percent).unwrap_or(100),
        },
        summary: Summary {
            critical: number(row.critical),
            high: number(row.high),
            medium: number(row.medium),
            low: number(row.low),
            info: number(row.info),
        },
        total: passed + failed,
        passed,
        failed,
    })
}

/// Of a scan that ended before any worker had something to store.
fn empty_outcome(row: &Model) -> Result<Outcome> {
    let config: StoredConfig = serde_json::from_value(row.config.clone()).map_err(Error::internal)?;
    let started_at = row.started_at.unwrap_or(row.created_at);
    Ok(Outcome {
        failure: failure(row),
        cancelled: row.status == scan::CANCELLED,
        completed_at: row.completed_at.unwrap_or(started_at),
        ..Outcome::blank(&row.kind, &row.url, config.seed, started_at)
    })
}
