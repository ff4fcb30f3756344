//! The event inbox.

use async_trait::async_trait;
use nat_core::db::sea_orm_migration::{MigrationName, MigrationTrait, SchemaManager};
use sea_orm::{
    DbErr,
    sea_query::{ColumnDef, Table},
};

pub(super) struct Migration;

impl MigrationName for Migration {
    fn name(&self) -> &str {
        "m20261101_000002_billing"
    }
}

#[async_trait]
impl MigrationTrait for Migration {
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
