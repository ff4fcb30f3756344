//! The store on SQLite and PostgreSQL through sea-orm; the durable job queue through apalis.

pub use sea_orm;
pub use sea_orm_migration;

use sea_orm::DatabaseConnection;

use crate::Result;

/// One store for all crates: nat-billing and nat-scan implement their own ports for it.
#[derive(Clone, Debug)]
pub struct SeaStore {
    /// Reads. On SQLite several connections.
    pub read: DatabaseConnection,
    /// Writes. On SQLite exactly one connection, so that writers queue instead of failing.
    pub write: DatabaseConnection,
}

/// A migration of any crate; the composition passes all of them to [`SeaStore::open`].
pub type Migrations = Vec<Box<dyn sea_orm_migration::MigrationTrait>>;

impl SeaStore {
    /// Opens `url` (`sqlite://path?mode=rwc`, `sqlite::memory:` or `postgres://…`) and runs the migrations of this
    /// crate, then `more`, each once and under a lock, so that several nodes may start together.
    pub async fn open(url: &str, more: Migrations) -> Result<Self> {
        let _ = (url, more);
        todo!("core")
    }

    /// Begins a transaction that sibling crates can write through.
    pub async fn begin_sea(&self) -> Result<SeaTx> {
        todo!("core")
    }
}

/// A transaction as a value: dropping it rolls back.
#[derive(Debug)]
pub struct SeaTx {
    /// For the `db` modules of sibling crates.
    pub inner: sea_orm::DatabaseTransaction,
}
