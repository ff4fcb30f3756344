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

/// Findings as rows, so that they can be listed across scans, and what tenants decided about them.
pub(super) struct Findings;

impl MigrationName for Findings {
    fn name(&self) -> &str {
        "m20261126_000001_finding"
    }
}

#[async_trait]
impl MigrationTrait for Findings {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.create_table(finding()).await?;
        manager.create_table(triage()).await?;
        let by_target = Index::create()
            .name("finding_target")
            .table("finding")
            .col("tenant_id")
            .col("latest")
            .col("scan_id")
            .col("place")
            .to_owned();
        manager.create_index(by_target).await?;
        let in_order = Index::create().name("scan_of_tenant").table("scan").col("tenant_id").col("id").to_owned();
        manager.create_index(in_order).await
    }
}

fn finding() -> TableCreateStatement {
    let mut table = Table::create();
    table.table("finding");
    for text in ["scan_id", "fingerprint", "tenant_id", "kind", "url", "check_id", "title", "severity", "confidence"] {
        table.col(ColumnDef::new(text).text().not_null());
    }
    for text in ["endpoint", "location", "status"] {
        table.col(ColumnDef::new(text).text().not_null());
    }
    table
        .col(ColumnDef::new("place").big_integer().not_null())
        .col(ColumnDef::new("latest").boolean().not_null())
        .col(ColumnDef::new("first_seen_at").timestamp_with_time_zone().not_null())
        .primary_key(Index::create().col("scan_id").col("fingerprint"))
        .foreign_key(ForeignKey::create().from("finding", "scan_id").to("scan", "id"));
    table
}

fn triage() -> TableCreateStatement {
    let mut table = Table::create();
    table.table("finding_triage");
    for text in ["tenant_id", "kind", "url", "fingerprint", "status", "reason"] {
        table.col(ColumnDef::new(text).text().not_null());
    }
    table
        .col(ColumnDef::new("expires_at").timestamp_with_time_zone())
        .col(ColumnDef::new("set_at").timestamp_with_time_zone().not_null())
        .primary_key(Index::create().col("tenant_id").col("kind").col("url").col("fingerprint"))
        .foreign_key(ForeignKey::create().from("finding_triage", "tenant_id").to("tenant", "id"));
    table
}

/// What scans that are not ended were answered, in chunks.
pub(super) struct Journal;

impl MigrationName for Journal {
    fn name(&self) -> &str {
        "m20261127_000001_scan_journal"
    }
}

#[async_trait]
impl MigrationTrait for Journal {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let mut table = Table::create();
        table
            .table("scan_journal")
            .col(ColumnDef::new("scan_id").text().not_null())
            .col(ColumnDef::new("number").big_integer().not_null())
            .col(ColumnDef::new("chunk").blob().not_null())
            .primary_key(Index::create().col("scan_id").col("number"))
            .foreign_key(ForeignKey::create().from("scan_journal", "scan_id").to("scan", "id"));
        manager.create_table(table).await
    }
}
