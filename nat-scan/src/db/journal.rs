//! Chunks of journals: sealed, written under the lease, gone when the scan has ended.

use nat_core::db::{SeaTx, database_error};
use nat_core::{Error, Result, ScanId};
use sea_orm::ActiveValue::Set;
use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect};

use super::scan::{self, Lease};

/// A part of a journal.
mod chunk {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "scan_journal")]
    pub(crate) struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub(crate) scan_id: String,
        #[sea_orm(primary_key, auto_increment = false)]
        pub(crate) number: i64,
        pub(crate) chunk: Vec<u8>,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub(crate) enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

/// The chunk with the lowest number from `from` on.
pub(crate) async fn find_next(db: &impl ConnectionTrait, id: &ScanId, from: i64) -> Result<Option<(i64, Vec<u8>)>> {
    let row = chunk::Entity::find()
        .filter(chunk::Column::ScanId.eq(id.as_str()))
        .filter(chunk::Column::Number.gte(from))
        .order_by_asc(chunk::Column::Number)
        .limit(1)
        .one(db)
        .await
        .map_err(database_error)?;
    Ok(row.map(|row| (row.number, row.chunk)))
}

/// Adds a chunk for whoever holds the lease.
///
/// # Errors
/// The lease is lost, or the database is away.
pub(crate) async fn append(tx: &SeaTx, lease: &Lease, number: i64, chunk: Vec<u8>) -> Result<()> {
    if !scan::hold(tx, lease).await? {
        return Err(Error::internal("the lease of the scan is lost"));
    }
    let row = chunk::ActiveModel { scan_id: Set(lease.scan_id.to_string()), number: Set(number), chunk: Set(chunk) };
    chunk::Entity::insert(row).exec_without_returning(&tx.inner).await.map_err(database_error)?;
    Ok(())
}

/// The scan has ended.
pub(crate) async fn delete_of_scan(tx: &SeaTx, id: &str) -> Result<()> {
    let rows = chunk::Entity::delete_many().filter(chunk::Column::ScanId.eq(id));
    rows.exec(&tx.inner).await.map_err(database_error)?;
    Ok(())
}
