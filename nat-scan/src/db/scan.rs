//! Rows of scans and the statements over them. Whoever acts for a tenant passes the tenant; the worker and the sweep,
//! which act for the service, pass the lease or the state that they expect.

use chrono::{DateTime, Utc};
use nat_core::db::{SeaTx, database_error};
use nat_core::page::PageRequest;
use nat_core::quota::QuotaKind;
use nat_core::{Result, ScanId, TenantId};
use sea_orm::ActiveValue::Set;
use sea_orm::sea_query::{Expr, Func, LockType, OnConflict};
use sea_orm::{
    ColumnTrait, Condition, ConnectionTrait, EntityTrait, ExprTrait, PaginatorTrait, QueryFilter, QueryOrder,
    QuerySelect,
};

use crate::engine::{ScanFailure, Summary};
use crate::service::StoredProgress;

pub(crate) use row::{ActiveModel, Column, Model};

/// The scan.
mod row {
    use chrono::{DateTime, Utc};
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "scan")]
    pub(crate) struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub(crate) id: String,
        pub(crate) tenant_id: String,
        pub(crate) kind: String,
        pub(crate) status: String,
        pub(crate) url: String,
        pub(crate) config: Json,
        pub(crate) created_at: DateTime<Utc>,
        pub(crate) started_at: Option<DateTime<Utc>>,
        pub(crate) completed_at: Option<DateTime<Utc>>,
        pub(crate) phase: String,
        pub(crate) error_code: Option<String>,
        pub(crate) error_message: Option<String>,
        pub(crate) node: Option<String>,
        pub(crate) lease_until: Option<DateTime<Utc>>,
        pub(crate) progressed_at: DateTime<Utc>,
        pub(crate) push_after: DateTime<Utc>,
        pub(crate) attempt: i64,
        pub(crate) pushes: i64,
        pub(crate) operations_total: i64,
        pub(crate) operations_tested: i64,
        pub(crate) requests_sent: i64,
        pub(crate) percent: i64,
        pub(crate) critical: i64,
        pub(crate) high: i64,
        pub(crate) medium: i64,
        pub(crate) low: i64,
        pub(crate) info: i64,
        pub(crate) passed: i64,
        pub(crate) failed: i64,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub(crate) enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

/// What the worker needs and nobody else may read: sealed, and gone when the scan has ended.
mod input {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "scan_input")]
    pub(crate) struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub(crate) scan_id: String,
        pub(crate) credentials: Option<Vec<u8>>,
        pub(crate) spec: Option<Vec<u8>>,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub(crate) enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

/// The outcome, as compressed JSON.
mod outcome {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "scan_outcome")]
    pub(crate) struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub(crate) scan_id: String,
        pub(crate) outcome: Vec<u8>,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub(crate) enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

/// Names of states in the table.
pub(crate) const QUEUED: &str = "queued";
pub(crate) const RUNNING: &str = "running";
pub(crate) const COMPLETED: &str = "completed";
pub(crate) const FAILED: &str = "failed";
pub(crate) const CANCELLED: &str = "cancelled";

/// Rows that one sweep touches at most, of each sort; the next one takes the rest.
const SWEEP_ROWS: u64 = 500;

/// The right to write a running scan: whoever holds an older attempt has lost it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Lease {
    pub(crate) scan_id: ScanId,
    pub(crate) node: String,
    pub(crate) attempt: i64,
}

impl Lease {
    fn holds(&self) -> Condition {
        Condition::all()
            .add(Column::Id.eq(self.scan_id.as_str()))
            .add(Column::Node.eq(self.node.as_str()))
            .add(Column::Attempt.eq(self.attempt))
    }
}

/// Sealed parts of a request.
#[derive(Debug, Default)]
pub(crate) struct Input {
    pub(crate) credentials: Option<Vec<u8>>,
    pub(crate) spec: Option<Vec<u8>>,
}

/// What the end of a scan leaves in its row.
#[derive(Debug)]
pub(crate) struct End {
    pub(crate) status: &'static str,
    pub(crate) failure: Option<ScanFailure>,
    pub(crate) at: DateTime<Utc>,
}

/// Verdicts and findings of an outcome.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    pub(crate) summary: Summary,
    pub(crate) passed: u64,
    pub(crate) failed: u64,
}

/// Counters are far below 2^63; anything else is stored as the largest number.
fn number(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

/// What a scan is when it has just been accepted.
pub(crate) struct NewScan<'a> {
    pub(crate) id: &'a ScanId,
    pub(crate) tenant_id: &'a TenantId,
    pub(crate) kind: QuotaKind,
    pub(crate) url: &'a str,
    pub(crate) config: serde_json::Value,
    pub(crate) created_at: DateTime<Utc>,
    pub(crate) phase: &'a str,
    /// When the sweep pushes the job again, should it be gone.
    pub(crate) push_after: DateTime<Utc>,
}

/// Writes the row of a queued scan, and apart from it what must go away with its end.
pub(crate) async fn insert(tx: &SeaTx, scan: NewScan<'_>, input: Input) -> Result<()> {
    let id = scan.id;
    let row = ActiveModel {
        id: Set(id.to_string()),
        tenant_id: Set(scan.tenant_id.to_string()),
        kind: Set(scan.kind.as_str().to_owned()),
        status: Set(QUEUED.to_owned()),
        url: Set(scan.url.to_owned()),
        config: Set(scan.config),
        created_at: Set(scan.created_at),
        phase: Set(scan.phase.to_owned()),
        progressed_at: Set(scan.created_at),
        pushes: Set(1),
        push_after: Set(scan.push_after),
        ..ActiveModel::default()
    };
    row::Entity::insert(row).exec_without_returning(&tx.inner).await.map_err(database_error)?;
    if input.credentials.is_some() || input.spec.is_some() {
        let row = input::ActiveModel {
            scan_id: Set(id.to_string()),
            credentials: Set(input.credentials),
            spec: Set(input.spec),
        };
        input::Entity::insert(row).exec_without_returning(&tx.inner).await.map_err(database_error)?;
    }
    Ok(())
}

pub(crate) async fn find(db: &impl ConnectionTrait, tenant_id: &TenantId, id: &ScanId) -> Result<Option<Model>> {
    row::Entity::find_by_id(id.as_str())
        .filter(Column::TenantId.eq(tenant_id.as_str()))
        .one(db)
        .await
        .map_err(database_error)
}

/// Keeps every other writer of the row waiting; the tenant must be locked before, so that all take the same order.
pub(crate) async fn find_locked(tx: &SeaTx, tenant_id: &TenantId, id: &ScanId) -> Result<Option<Model>> {
    row::Entity::find_by_id(id.as_str())
        .filter(Column::TenantId.eq(tenant_id.as_str()))
        .lock(LockType::NoKeyUpdate)
        .one(&tx.inner)
        .await
        .map_err(database_error)
}

/// Newest first, and how many there are in all.
pub(crate) async fn list(
    db: &impl ConnectionTrait,
    tenant_id: &TenantId,
    statuses: &[&str],
    kind: Option<&str>,
    page: PageRequest,
) -> Result<(Vec<Model>, u64)> {
    let mut query = row::Entity::find().filter(Column::TenantId.eq(tenant_id.as_str()));
    if !statuses.is_empty() {
        query = query.filter(Column::Status.is_in(statuses.iter().copied()));
    }
    if let Some(kind) = kind {
        query = query.filter(Column::Kind.eq(kind));
    }
    let total = query.clone().count(db).await.map_err(database_error)?;
    let rows = query
        .order_by_desc(Column::CreatedAt)
        .order_by_desc(Column::Id)
        .offset(page.offset())
        .limit(u64::from(page.per_page))
        .all(db)
        .await
        .map_err(database_error)?;
    Ok((rows, total))
}

/// Which scans are meant. Empty and `None` mean all.
#[derive(Clone, Debug, Default)]
pub(crate) struct Wanted {
    pub(crate) statuses: Vec<&'static str>,
    pub(crate) kind: Option<&'static str>,
    pub(crate) url: Option<String>,
}

fn wanted_of(tenant_id: &TenantId, wanted: &Wanted) -> sea_orm::Select<row::Entity> {
    let statuses = (!wanted.statuses.is_empty()).then(|| Column::Status.is_in(wanted.statuses.iter().copied()));
    let condition = Condition::all()
        .add_option(statuses)
        .add_option(wanted.kind.map(|kind| Column::Kind.eq(kind)))
        .add_option(wanted.url.as_deref().map(|url| Column::Url.eq(url)));
    row::Entity::find().filter(Column::TenantId.eq(tenant_id.as_str())).filter(condition)
}

/// Scans in the order of their ids, which is that of their acceptance, behind `after`.
pub(crate) async fn list_after(
    db: &impl ConnectionTrait,
    tenant_id: &TenantId,
    wanted: &Wanted,
    oldest_first: bool,
    after: Option<&str>,
    limit: u64,
) -> Result<Vec<Model>> {
    let query = wanted_of(tenant_id, wanted);
    let query = match (after, oldest_first) {
        (Some(id), true) => query.filter(Column::Id.gt(id)),
        (Some(id), false) => query.filter(Column::Id.lt(id)),
        (None, _) => query,
    };
    let query = if oldest_first { query.order_by_asc(Column::Id) } else { query.order_by_desc(Column::Id) };
    query.limit(limit).all(db).await.map_err(database_error)
}

/// How many rows [`list_after`] has in all.
pub(crate) async fn count(db: &impl ConnectionTrait, tenant_id: &TenantId, wanted: &Wanted) -> Result<u64> {
    wanted_of(tenant_id, wanted).count(db).await.map_err(database_error)
}

/// Scans by id; those that do not exist are left out.
pub(crate) async fn find_many(db: &impl ConnectionTrait, tenant_id: &TenantId, ids: &[ScanId]) -> Result<Vec<Model>> {
    row::Entity::find()
        .filter(Column::TenantId.eq(tenant_id.as_str()))
        .filter(Column::Id.is_in(ids.iter().map(ScanId::as_str)))
        .all(db)
        .await
        .map_err(database_error)
}

/// Scans of the tenant that are not ended.
pub(crate) async fn count_alive(tx: &SeaTx, tenant_id: &TenantId) -> Result<u64> {
    row::Entity::find()
        .filter(Column::TenantId.eq(tenant_id.as_str()))
        .filter(Column::Status.is_in([QUEUED, RUNNING]))
        .count(&tx.inner)
        .await
        .map_err(database_error)
}

/// Takes a queued scan; `None` when another worker was faster or it is not queued any more.
pub(crate) async fn claim(
    db: &impl ConnectionTrait,
    id: &ScanId,
    node: &str,
    now: DateTime<Utc>,
    lease_until: DateTime<Utc>,
) -> Result<Option<Model>> {
    let rows = row::Entity::update_many()
        .col_expr(Column::Status, Expr::value(RUNNING))
        .col_expr(Column::Node, Expr::value(node))
        .col_expr(Column::LeaseUntil, Expr::value(lease_until))
        .col_expr(Column::Attempt, Expr::col(Column::Attempt).add(1))
        .col_expr(Column::StartedAt, Func::coalesce([Expr::col(Column::StartedAt), Expr::value(now)]).into())
        .col_expr(Column::ProgressedAt, Expr::value(now))
        .filter(Column::Id.eq(id.as_str()))
        .filter(Column::Status.eq(QUEUED))
        .exec_with_returning(db)
        .await
        .map_err(database_error)?;
    Ok(rows.into_iter().next())
}

pub(crate) async fn read_input(db: &impl ConnectionTrait, id: &ScanId) -> Result<Input> {
    let row = input::Entity::find_by_id(id.as_str()).one(db).await.map_err(database_error)?;
    Ok(row.map_or_else(Input::default, |row| Input { credentials: row.credentials, spec: row.spec }))
}

/// Renews the lease and writes progress; false when the lease is lost or the scan was cancelled.
pub(crate) async fn beat(
    db: &impl ConnectionTrait,
    lease: &Lease,
    lease_until: DateTime<Utc>,
    progress: Option<(&StoredProgress, DateTime<Utc>)>,
) -> Result<bool> {
    let mut update = row::Entity::update_many()
        .col_expr(Column::LeaseUntil, Expr::value(lease_until))
        .filter(lease.holds())
        .filter(Column::Status.eq(RUNNING));
    if let Some((progress, now)) = progress {
        update = update.set(progress_columns(progress)).col_expr(Column::ProgressedAt, Expr::value(now));
    }
    Ok(update.exec(db).await.map_err(database_error)?.rows_affected == 1)
}

fn progress_columns(progress: &StoredProgress) -> ActiveModel {
    ActiveModel {
        phase: Set(progress.phase.clone()),
        operations_total: Set(number(progress.operations_total)),
        operations_tested: Set(number(progress.operations_tested)),
        requests_sent: Set(number(progress.requests_sent)),
        percent: Set(i64::from(progress.percent)),
        ..ActiveModel::default()
    }
}

/// Whether the scan still runs under this lease.
pub(crate) async fn still_runs(db: &impl ConnectionTrait, lease: &Lease) -> Result<bool> {
    let found = row::Entity::find()
        .filter(lease.holds())
        .filter(Column::Status.eq(RUNNING))
        .count(db)
        .await
        .map_err(database_error)?;
    Ok(found == 1)
}

/// As [`still_runs`], and nobody ends or takes the scan before the transaction does.
pub(crate) async fn hold(tx: &SeaTx, lease: &Lease) -> Result<bool> {
    let update = row::Entity::update_many()
        .col_expr(Column::Attempt, Expr::col(Column::Attempt))
        .filter(lease.holds())
        .filter(Column::Status.eq(RUNNING));
    Ok(update.exec(&tx.inner).await.map_err(database_error)?.rows_affected == 1)
}

/// Ends a scan that is as `expected` (locked before), and forgets what only a worker needs.
pub(crate) async fn end(tx: &SeaTx, expected: &Model, end: &End) -> Result<()> {
    let (code, message) =
        end.failure.as_ref().map_or((None, None), |failure| (Some(&failure.code), Some(&failure.message)));
    row::Entity::update_many()
        .set(ActiveModel {
            status: Set(end.status.to_owned()),
            completed_at: Set(Some(end.at)),
            lease_until: Set(None),
            error_code: Set(code.cloned()),
            error_message: Set(message.cloned()),
            ..ActiveModel::default()
        })
        .filter(Column::Id.eq(expected.id.as_str()))
        .exec(&tx.inner)
        .await
        .map_err(database_error)?;
    input::Entity::delete_by_id(expected.id.as_str()).exec(&tx.inner).await.map_err(database_error)?;
    super::journal::delete_of_scan(tx, &expected.id).await?;
    Ok(())
}

/// Stores what an attempt got to; the first one stays.
pub(crate) async fn attach_outcome(
    tx: &SeaTx,
    id: &ScanId,
    blob: Vec<u8>,
    progress: &StoredProgress,
    counts: &Counts,
) -> Result<()> {
    let summary = counts.summary;
    row::Entity::update_many()
        .set(ActiveModel {
            critical: Set(number(summary.critical)),
            high: Set(number(summary.high)),
            medium: Set(number(summary.medium)),
            low: Set(number(summary.low)),
            info: Set(number(summary.info)),
            passed: Set(number(counts.passed)),
            failed: Set(number(counts.failed)),
            ..progress_columns(progress)
        })
        .filter(Column::Id.eq(id.as_str()))
        .exec(&tx.inner)
        .await
        .map_err(database_error)?;
    outcome::Entity::insert(outcome::ActiveModel { scan_id: Set(id.to_string()), outcome: Set(blob) })
        .on_conflict(OnConflict::new().do_nothing().to_owned())
        .try_insert()
        .exec_without_returning(&tx.inner)
        .await
        .map_err(database_error)?;
    Ok(())
}

pub(crate) async fn read_outcome(db: &impl ConnectionTrait, id: &ScanId) -> Result<Option<Vec<u8>>> {
    let row = outcome::Entity::find_by_id(id.as_str()).one(db).await.map_err(database_error)?;
    Ok(row.map(|row| row.outcome))
}

/// The outcomes of these scans; whose they are was asked before.
pub(crate) async fn read_outcomes(db: &impl ConnectionTrait, ids: &[ScanId]) -> Result<Vec<(ScanId, Vec<u8>)>> {
    let wanted = outcome::Column::ScanId.is_in(ids.iter().map(ScanId::as_str));
    let rows = outcome::Entity::find().filter(wanted).all(db).await.map_err(database_error)?;
    Ok(rows.into_iter().map(|row| (row.scan_id.into(), row.outcome)).collect())
}

/// Puts a running scan back; its lease is gone then. Returns the number of its next push.
pub(crate) async fn requeue(
    db: &impl ConnectionTrait,
    lease: &Lease,
    attempt: i64,
    now: DateTime<Utc>,
    push_after: DateTime<Utc>,
) -> Result<Option<u32>> {
    let rows = row::Entity::update_many()
        .col_expr(Column::Status, Expr::value(QUEUED))
        .col_expr(Column::Node, Expr::value(None::<String>))
        .col_expr(Column::LeaseUntil, Expr::value(None::<DateTime<Utc>>))
        .col_expr(Column::Attempt, Expr::value(attempt))
        .col_expr(Column::ProgressedAt, Expr::value(now))
        .col_expr(Column::Pushes, Expr::col(Column::Pushes).add(1))
        .col_expr(Column::PushAfter, Expr::value(push_after))
        .filter(lease.holds())
        .filter(Column::Status.eq(RUNNING))
        .exec_with_returning(db)
        .await
        .map_err(database_error)?;
    Ok(rows.into_iter().next().map(|row| pushes(&row)))
}

/// Counts one more push of a scan that is still queued; false when it is not, or somebody else pushes it.
pub(crate) async fn count_push(db: &impl ConnectionTrait, row: &Model, push_after: DateTime<Utc>) -> Result<bool> {
    let updated = row::Entity::update_many()
        .col_expr(Column::Pushes, Expr::col(Column::Pushes).add(1))
        .col_expr(Column::PushAfter, Expr::value(push_after))
        .filter(Column::Id.eq(row.id.as_str()))
        .filter(Column::Status.eq(QUEUED))
        .filter(Column::Pushes.eq(row.pushes))
        .exec(db)
        .await
        .map_err(database_error)?;
    Ok(updated.rows_affected == 1)
}

/// How often the scan was pushed.
pub(crate) fn pushes(row: &Model) -> u32 {
    u32::try_from(row.pushes).unwrap_or(u32::MAX)
}

/// Whose leases are taken back before they run out.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Former<'a> {
    /// Nobody's.
    None,
    /// Those of this node, which was restarted.
    Node(&'a str),
    /// Everybody's: no other process uses the database.
    All,
}

/// Running scans whose lease has run out or is taken back.
pub(crate) async fn list_orphans(
    db: &impl ConnectionTrait,
    now: DateTime<Utc>,
    former: Former<'_>,
) -> Result<Vec<Model>> {
    let query = row::Entity::find().filter(Column::Status.eq(RUNNING));
    let expired = Column::LeaseUntil.lt(now);
    let query = match former {
        Former::None => query.filter(expired),
        Former::Node(node) => query.filter(Condition::any().add(expired).add(Column::Node.eq(node))),
        Former::All => query,
    };
    all(db, query).await
}

/// Scans that are not ended and got nowhere since `since`.
pub(crate) async fn list_stuck(db: &impl ConnectionTrait, since: DateTime<Utc>) -> Result<Vec<Model>> {
    let query =
        row::Entity::find().filter(Column::Status.is_in([QUEUED, RUNNING])).filter(Column::ProgressedAt.lt(since));
    all(db, query).await
}

/// Queued scans whose job may have been lost; `None` takes all.
pub(crate) async fn list_unpushed(db: &impl ConnectionTrait, before: Option<DateTime<Utc>>) -> Result<Vec<Model>> {
    let mut query = row::Entity::find().filter(Column::Status.eq(QUEUED));
    if let Some(before) = before {
        query = query.filter(Column::PushAfter.lt(before));
    }
    all(db, query).await
}

async fn all(db: &impl ConnectionTrait, query: sea_orm::Select<row::Entity>) -> Result<Vec<Model>> {
    query.order_by_asc(Column::CreatedAt).limit(SWEEP_ROWS).all(db).await.map_err(database_error)
}
