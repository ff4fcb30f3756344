//! Rows of findings: one for each finding of each scan, and apart from them what a tenant decided about a finding of a
//! target. The proof itself stays in the outcome of the scan.

use chrono::{DateTime, Utc};
use nat_core::db::{SeaTx, database_error};
use nat_core::{Result, ScanId, TenantId};
use sea_orm::ActiveValue::Set;
use sea_orm::sea_query::{Alias, Asterisk, Expr, ExprTrait, OnConflict, Order, Query, SelectStatement};
use sea_orm::{
    ColumnTrait, Condition, ConnectionTrait, EntityTrait, FromQueryResult, PaginatorTrait, QueryFilter, QueryOrder,
    QuerySelect, QueryTrait,
};

pub(crate) use row::{Column, Model};

/// A finding of a scan.
mod row {
    use chrono::{DateTime, Utc};
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "finding")]
    pub(crate) struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub(crate) scan_id: String,
        #[sea_orm(primary_key, auto_increment = false)]
        pub(crate) fingerprint: String,
        pub(crate) tenant_id: String,
        pub(crate) kind: String,
        pub(crate) url: String,
        pub(crate) check_id: String,
        pub(crate) title: String,
        pub(crate) severity: String,
        pub(crate) confidence: String,
        pub(crate) endpoint: String,
        pub(crate) location: String,
        pub(crate) status: String,
        pub(crate) place: i64,
        pub(crate) latest: bool,
        pub(crate) first_seen_at: DateTime<Utc>,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub(crate) enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

/// What a tenant decided about a finding of a target.
pub(crate) mod triage {
    use chrono::{DateTime, Utc};
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "finding_triage")]
    pub(crate) struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub(crate) tenant_id: String,
        #[sea_orm(primary_key, auto_increment = false)]
        pub(crate) kind: String,
        #[sea_orm(primary_key, auto_increment = false)]
        pub(crate) url: String,
        #[sea_orm(primary_key, auto_increment = false)]
        pub(crate) fingerprint: String,
        pub(crate) status: String,
        pub(crate) reason: String,
        pub(crate) expires_at: Option<DateTime<Utc>>,
        pub(crate) set_at: DateTime<Utc>,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub(crate) enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

/// Rows of one INSERT: every database takes that many parameters.
const INSERT_ROWS: usize = 500;

/// Which findings are meant. Empty and `None` mean all.
#[derive(Clone, Debug, Default)]
pub(crate) struct Wanted {
    pub(crate) severities: Vec<&'static str>,
    pub(crate) statuses: Vec<&'static str>,
    pub(crate) check_id: Option<String>,
    pub(crate) endpoint: Option<String>,
    pub(crate) url: Option<String>,
    pub(crate) kind: Option<&'static str>,
    /// Whether a decision is in force at the instant.
    pub(crate) triaged: Option<(bool, DateTime<Utc>)>,
}

impl Wanted {
    fn condition(&self) -> Condition {
        let any_of =
            |column: Column, names: &[&'static str]| (!names.is_empty()).then(|| column.is_in(names.iter().copied()));
        Condition::all()
            .add_option(any_of(Column::Severity, &self.severities))
            .add_option(any_of(Column::Status, &self.statuses))
            .add_option(self.check_id.as_deref().map(|id| Column::CheckId.eq(id)))
            .add_option(self.endpoint.as_deref().map(|endpoint| Column::Endpoint.eq(endpoint)))
            .add_option(self.url.as_deref().map(|url| Column::Url.eq(url)))
            .add_option(self.kind.map(|kind| Column::Kind.eq(kind)))
            .add_option(self.triaged.map(|(triaged, now)| {
                let decided = Expr::exists(decision(now));
                if triaged { decided } else { decided.not() }
            }))
    }
}

/// The decision in force about the finding of the outer query.
fn decision(now: DateTime<Utc>) -> SelectStatement {
    use triage::Column as Triage;
    let same = |left: Triage, right: Column| Expr::col((triage::Entity, left)).equals((row::Entity, right));
    Query::select()
        .expr(Expr::value(1))
        .from(triage::Entity)
        .and_where(same(Triage::TenantId, Column::TenantId))
        .and_where(same(Triage::Kind, Column::Kind))
        .and_where(same(Triage::Url, Column::Url))
        .and_where(same(Triage::Fingerprint, Column::Fingerprint))
        .cond_where(Condition::any().add(Triage::ExpiresAt.is_null()).add(Triage::ExpiresAt.gt(now)))
        .to_owned()
}

fn of_tenant(tenant_id: &TenantId) -> sea_orm::Select<row::Entity> {
    row::Entity::find().filter(Column::TenantId.eq(tenant_id.as_str()))
}

/// What is known now of each target: the findings of the last completed scan of it. Newest scans first, then in the
/// order of the scan, after that place.
pub(crate) async fn list_latest(
    db: &impl ConnectionTrait,
    tenant_id: &TenantId,
    wanted: &Wanted,
    after: Option<(&str, i64)>,
    limit: u64,
) -> Result<Vec<Model>> {
    let mut query = of_tenant(tenant_id).filter(Column::Latest.eq(true)).filter(wanted.condition());
    if let Some((scan_id, place)) = after {
        let rest = Condition::all().add(Column::ScanId.eq(scan_id)).add(Column::Place.gt(place));
        query = query.filter(Condition::any().add(Column::ScanId.lt(scan_id)).add(rest));
    }
    let query = query.order_by_desc(Column::ScanId).order_by_asc(Column::Place).limit(limit);
    query.all(db).await.map_err(database_error)
}

/// How many rows [`list_latest`] has in all.
pub(crate) async fn count_latest(db: &impl ConnectionTrait, tenant_id: &TenantId, wanted: &Wanted) -> Result<u64> {
    let query = of_tenant(tenant_id).filter(Column::Latest.eq(true)).filter(wanted.condition());
    query.count(db).await.map_err(database_error)
}

/// The first `limit` findings after that place of each of these scans, in one statement.
pub(crate) async fn list_of_scans(
    db: &impl ConnectionTrait,
    tenant_id: &TenantId,
    scan_ids: &[&str],
    wanted: &Wanted,
    after: Option<i64>,
    limit: u64,
) -> Result<Vec<Model>> {
    let rank = Expr::cust(r#"ROW_NUMBER() OVER (PARTITION BY "scan_id" ORDER BY "place")"#);
    let ranked = of_tenant(tenant_id)
        .filter(Column::ScanId.is_in(scan_ids.iter().copied()))
        .filter(Column::Place.gt(after.unwrap_or(i64::MIN)))
        .filter(wanted.condition())
        .expr_as(rank, "rank")
        .into_query();
    let statement = Query::select()
        .column(Asterisk)
        .from_subquery(ranked, Alias::new("ranked"))
        .and_where(Expr::col("rank").lte(i64::try_from(limit).unwrap_or(i64::MAX)))
        .order_by("scan_id", Order::Desc)
        .order_by("place", Order::Asc)
        .to_owned();
    let rows = db.query_all(&statement).await.map_err(database_error)?;
    rows.iter().map(|row| Model::from_query_result(row, "").map_err(database_error)).collect()
}

/// How many findings each of these scans has, in one statement; scans without any are left out.
pub(crate) async fn count_of_scans(
    db: &impl ConnectionTrait,
    tenant_id: &TenantId,
    scan_ids: &[&str],
    wanted: &Wanted,
) -> Result<Vec<(String, i64)>> {
    of_tenant(tenant_id)
        .filter(Column::ScanId.is_in(scan_ids.iter().copied()))
        .filter(wanted.condition())
        .select_only()
        .column(Column::ScanId)
        .column_as(Column::Place.count(), "count")
        .group_by(Column::ScanId)
        .into_tuple()
        .all(db)
        .await
        .map_err(database_error)
}

/// Findings by scan and fingerprint; those that do not exist are left out.
pub(crate) async fn find_many(
    db: &impl ConnectionTrait,
    tenant_id: &TenantId,
    ids: &[(ScanId, String)],
) -> Result<Vec<Model>> {
    let one = |(scan_id, fingerprint): &(ScanId, String)| {
        Condition::all().add(Column::ScanId.eq(scan_id.as_str())).add(Column::Fingerprint.eq(fingerprint.as_str()))
    };
    let any = ids.iter().map(one).fold(Condition::any(), Condition::add);
    of_tenant(tenant_id).filter(any).all(db).await.map_err(database_error)
}

/// What the last completed scan of this target found.
pub(crate) async fn list_known(
    db: &impl ConnectionTrait,
    tenant_id: &TenantId,
    kind: &str,
    url: &str,
) -> Result<Vec<Model>> {
    of_tenant(tenant_id)
        .filter(Column::Latest.eq(true))
        .filter(Column::Kind.eq(kind))
        .filter(Column::Url.eq(url))
        .order_by_asc(Column::Place)
        .all(db)
        .await
        .map_err(database_error)
}

/// From now on another scan says what is known of this target.
pub(crate) async fn outdate(tx: &SeaTx, tenant_id: &TenantId, kind: &str, url: &str) -> Result<()> {
    row::Entity::update_many()
        .col_expr(Column::Latest, Expr::value(false))
        .filter(Column::TenantId.eq(tenant_id.as_str()))
        .filter(Column::Latest.eq(true))
        .filter(Column::Kind.eq(kind))
        .filter(Column::Url.eq(url))
        .exec(&tx.inner)
        .await
        .map_err(database_error)?;
    Ok(())
}

/// Forgets what an attempt noted so far.
pub(crate) async fn delete_of_scan(db: &impl ConnectionTrait, scan_id: &ScanId) -> Result<()> {
    row::Entity::delete_many().filter(Column::ScanId.eq(scan_id.as_str())).exec(db).await.map_err(database_error)?;
    Ok(())
}

/// Writes rows; those that are there stay as they are.
pub(crate) async fn insert(db: &impl ConnectionTrait, rows: Vec<Model>) -> Result<()> {
    let mut rows = rows.into_iter().map(|row| row::ActiveModel {
        scan_id: Set(row.scan_id),
        fingerprint: Set(row.fingerprint),
        tenant_id: Set(row.tenant_id),
        kind: Set(row.kind),
        url: Set(row.url),
        check_id: Set(row.check_id),
        title: Set(row.title),
        severity: Set(row.severity),
        confidence: Set(row.confidence),
        endpoint: Set(row.endpoint),
        location: Set(row.location),
        status: Set(row.status),
        place: Set(row.place),
        latest: Set(row.latest),
        first_seen_at: Set(row.first_seen_at),
    });
    loop {
        let chunk: Vec<row::ActiveModel> = rows.by_ref().take(INSERT_ROWS).collect();
        if chunk.is_empty() {
            return Ok(());
        }
        row::Entity::insert_many(chunk)
            .on_conflict(OnConflict::new().do_nothing().to_owned())
            .try_insert()
            .exec_without_returning(db)
            .await
            .map_err(database_error)?;
    }
}

/// Decisions about findings with these fingerprints, on any target of the tenant.
pub(crate) async fn list_triage(
    db: &impl ConnectionTrait,
    tenant_id: &TenantId,
    fingerprints: &[&str],
) -> Result<Vec<triage::Model>> {
    triage::Entity::find()
        .filter(triage::Column::TenantId.eq(tenant_id.as_str()))
        .filter(triage::Column::Fingerprint.is_in(fingerprints.iter().copied()))
        .all(db)
        .await
        .map_err(database_error)
}

/// Replaces the decision about a finding of a target; `None` takes it back.
pub(crate) async fn set_triage(tx: &SeaTx, finding: &Model, decision: Option<triage::Model>) -> Result<()> {
    let key = (finding.tenant_id.clone(), finding.kind.clone(), finding.url.clone(), finding.fingerprint.clone());
    triage::Entity::delete_by_id(key).exec(&tx.inner).await.map_err(database_error)?;
    let Some(row) = decision else { return Ok(()) };
    let row = triage::ActiveModel {
        tenant_id: Set(row.tenant_id),
        kind: Set(row.kind),
        url: Set(row.url),
        fingerprint: Set(row.fingerprint),
        status: Set(row.status),
        reason: Set(row.reason),
        expires_at: Set(row.expires_at),
        set_at: Set(row.set_at),
    };
    triage::Entity::insert(row).exec_without_returning(&tx.inner).await.map_err(database_error)?;
    Ok(())
}
