//! Scans, what they are told, what they yield.

use async_trait::async_trait;
use nat_core::db::sea_orm_migration::{MigrationName, MigrationTrait, SchemaManager};
use sea_orm::DbErr;
use sea_orm::sea_query::{ColumnDef, ForeignKey, Index, Table, TableCreateStatement};

/// The tables of nat-scan.
pub(super) struct Migration;

impl MigrationName for Migration {
    fn name(&self) -> &str {
        "m20261101_000003_scan"
    }
}

#[async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.create_table(scan()).await?;
        for name in ["scan_input", "scan_outcome"] {
            manager.create_table(blobs(name)).await?;
        }
        let newest = Index::create().name("scan_newest").table("scan").col("tenant_id").col("created_at").to_owned();
        manager.create_index(newest).await?;
        // Of use to the sweep only: the few that are not ended.
        let alive = Index::create().name("scan_status").table("scan").col("status").col("push_after").to_owned();
        manager.create_index(alive).await
    }
}

fn scan() -> TableCreateStatement {
    let mut table = Table::create();
    table
        .table("scan")
        .col(ColumnDef::new("id").text().not_null().primary_key())
        .col(ColumnDef::new("tenant_id").text().not_null())
        .col(ColumnDef::new("kind").text().not_null())
        .col(ColumnDef::new("status").text().not_null())
        .col(ColumnDef::new("url").text().not_null())
        .col(ColumnDef::new("config").json().not_null())
        .col(ColumnDef::new("created_at").timestamp_with_time_zone().not_null())
        .col(ColumnDef::new("started_at").timestamp_with_time_zone())
        .col(ColumnDef::new("completed_at").timestamp_with_time_zone())
        .col(ColumnDef::new("phase").text().not_null())
        .col(ColumnDef::new("error_code").text())
        .col(ColumnDef::new("error_message").text())
        .col(ColumnDef::new("node").text())
        .col(ColumnDef::new("lease_until").timestamp_with_time_zone())
        .col(ColumnDef::new("progressed_at").timestamp_with_time_zone().not_null())
        .col(ColumnDef::new("push_after").timestamp_with_time_zone().not_null())
        .foreign_key(ForeignKey::create().from("scan", "tenant_id").to("tenant", "id"));
    for number in [
        "attempt",
        "pushes",
        "operations_total",
        "operations_tested",
        "requests_sent",
        "percent",
        "critical",
        "high",
        "medium",
        "low",
        "info",
        "passed",
        "failed",
    ] {
        table.col(ColumnDef::new(number).big_integer().not_null().default(0));
    }
    table
}

/// Apart from the row, so that lists and leases never read them.
fn blobs(name: &'static str) -> TableCreateStatement {
    let mut table = Table::create();
    table
        .table(name)
        .col(ColumnDef::new("scan_id").text().not_null().primary_key())
        .foreign_key(ForeignKey::create().from(name, "scan_id").to("scan", "id"));
    if name == "scan_input" {
        table.col(ColumnDef::new("credentials").blob()).col(ColumnDef::new("spec").blob());
    } else {
        table.col(ColumnDef::new("outcome").blob().not_null());
    }
    table
}
