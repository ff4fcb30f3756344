//! The tables of billing.

use async_trait::async_trait;
use nat_core::db::sea_orm_migration::{MigrationName, MigrationTrait, SchemaManager};
use sea_orm::{
    ConnectionTrait, DatabaseBackend, DbErr,
    sea_query::{ColumnDef, ForeignKey, Index, Table, TableCreateStatement},
};

/// The event inbox.
pub(super) struct Inbox;

impl MigrationName for Inbox {
    fn name(&self) -> &str {
        "m20261101_000002_billing"
    }
}

#[async_trait]
impl MigrationTrait for Inbox {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let table = Table::create()
            .table("stripe_event")
            .col(ColumnDef::new("id").text().not_null().primary_key())
            .col(ColumnDef::new("kind").text().not_null())
            .col(ColumnDef::new("customer_id").text())
            .col(ColumnDef::new("created_at").timestamp_with_time_zone())
            .col(ColumnDef::new("received_at").timestamp_with_time_zone().not_null())
            .to_owned();
        manager.create_table(table).await
    }
}

/// Accounts, the work on them, turns, and answers of sync-tenant that are kept for a retry.
pub(super) struct Accounts;

impl MigrationName for Accounts {
    fn name(&self) -> &str {
        "m20261125_000002_billing_accounts"
    }
}

#[async_trait]
impl MigrationTrait for Accounts {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for table in [account(), work(), turn(), replay()] {
            manager.create_table(table).await?;
        }
        adopt_customers(manager).await?;
        let due = Index::create().name("billing_work_due").table("billing_work").col("due_at").to_owned();
        manager.create_index(due).await?;
        let received =
            Index::create().name("stripe_event_received").table("stripe_event").col("received_at").to_owned();
        manager.create_index(received).await
    }
}

/// Customers that tenants were registered with before there were accounts. A customer has one tenant: the first.
async fn adopt_customers(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    let db = manager.get_connection();
    let empty = if db.get_database_backend() == DatabaseBackend::Postgres { "'{}'::json" } else { "'{}'" };
    db.execute_unprepared(&format!(
        "INSERT INTO billing_account (tenant_id, customer_id, state) SELECT MIN(id), stripe_customer_id, {empty} \
         FROM tenant WHERE stripe_customer_id IS NOT NULL GROUP BY stripe_customer_id"
    ))
    .await?;
    Ok(())
}

fn account() -> TableCreateStatement {
    Table::create()
        .table("billing_account")
        .col(ColumnDef::new("tenant_id").text().not_null().primary_key())
        .col(ColumnDef::new("customer_id").text().unique_key())
        .col(ColumnDef::new("state").json().not_null())
        .foreign_key(ForeignKey::create().from("billing_account", "tenant_id").to("tenant", "id"))
        .to_owned()
}

fn work() -> TableCreateStatement {
    Table::create()
        .table("billing_work")
        .col(ColumnDef::new("customer_id").text().not_null().primary_key())
        .col(ColumnDef::new("wanted").big_integer().not_null())
        .col(ColumnDef::new("done").big_integer().not_null())
        .col(ColumnDef::new("attempts").big_integer().not_null())
        .col(ColumnDef::new("since").timestamp_with_time_zone().not_null())
        .col(ColumnDef::new("due_at").timestamp_with_time_zone().not_null())
        .col(ColumnDef::new("lease_until").timestamp_with_time_zone())
        .col(ColumnDef::new("token").big_integer().not_null())
        .to_owned()
}

fn turn() -> TableCreateStatement {
    Table::create()
        .table("billing_turn")
        .col(ColumnDef::new("name").text().not_null().primary_key())
        .col(ColumnDef::new("taken_at").timestamp_with_time_zone().not_null())
        .to_owned()
}

fn replay() -> TableCreateStatement {
    Table::create()
        .table("sync_replay")
        .col(ColumnDef::new("tenant_id").text().not_null().primary_key())
        .col(ColumnDef::new("key_hash").binary().not_null())
        .col(ColumnDef::new("input_hash").binary().not_null())
        .col(ColumnDef::new("sealed_key").binary().not_null())
        .col(ColumnDef::new("expires_at").timestamp_with_time_zone().not_null())
        .foreign_key(ForeignKey::create().from("sync_replay", "tenant_id").to("tenant", "id"))
        .to_owned()
}
