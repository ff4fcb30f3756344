//! Versioned migrations of all crates, run in one transaction under a lock.

mod m20261101_000001_core;
mod m20261125_000001_entitlement;

use std::sync::Arc;

use async_trait::async_trait;
use sea_orm::{ConnectionTrait, DatabaseBackend, DbErr};
use sea_orm_migration::{MigrationName, MigrationTrait, MigratorTraitSelf, SchemaManager};

use super::{Migrations, SeaStore, database_error};
use crate::Result;

/// Any number: all nodes that migrate one database take the same one.
const ADVISORY_LOCK: i64 = 0x6e61_742d_6d69;

/// Applies what is missing. Nodes that start together wait for one another, then find nothing to do.
pub(super) async fn run(store: &SeaStore, more: Migrations) -> Result<()> {
    let mut all: Migrations =
        vec![Box::new(m20261101_000001_core::Migration), Box::new(m20261125_000001_entitlement::Migration)];
    all.extend(more);
    let composed = Composed(all.into_iter().map(Arc::from).collect());
    // SQLite: beginning took the write lock already.
    let tx = store.begin_sea().await?.inner;
    if tx.get_database_backend() == DatabaseBackend::Postgres {
        let lock = format!("SELECT pg_advisory_xact_lock({ADVISORY_LOCK})");
        tx.execute_unprepared(&lock).await.map_err(database_error)?;
    }
    composed.up(&tx, None).await.map_err(database_error)?;
    tx.commit().await.map_err(database_error)
}

struct Composed(Vec<Arc<dyn MigrationTrait>>);

impl MigratorTraitSelf for Composed {
    fn migrations(&self) -> Migrations {
        self.0.iter().map(|migration| Box::new(Shared(migration.clone())) as Box<dyn MigrationTrait>).collect()
    }
}

/// The migrator asks for its list several times, and a boxed migration cannot be cloned.
struct Shared(Arc<dyn MigrationTrait>);

impl MigrationName for Shared {
    fn name(&self) -> &str {
        self.0.name()
    }
}

#[async_trait]
impl MigrationTrait for Shared {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        self.0.up(manager).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        self.0.down(manager).await
    }
}
