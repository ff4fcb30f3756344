//! The end of a paid plan and the period that a change of plan carries on.

use async_trait::async_trait;
use sea_orm::DbErr;
use sea_orm_migration::prelude::*;

/// Four columns of `tenant`; rows written before have none of it.
#[derive(DeriveMigrationName)]
pub(super) struct Migration;

#[async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let columns = [
            ColumnDef::new("carried_start").timestamp_with_time_zone().to_owned(),
            ColumnDef::new("carried_end").timestamp_with_time_zone().to_owned(),
            ColumnDef::new("plan_ends_at").timestamp_with_time_zone().to_owned(),
            ColumnDef::new("next_plan_id").text().to_owned(),
        ];
        for column in columns {
            // One column a statement: SQLite takes no more.
            manager.alter_table(Table::alter().table("tenant").add_column(column).to_owned()).await?;
        }
        Ok(())
    }
}
