//! Tenants, keys, quota and audit.

use async_trait::async_trait;
use sea_orm::{ConnectionTrait, DatabaseBackend, DbErr};
use sea_orm_migration::prelude::*;

/// The tables of nat-core.
#[derive(DeriveMigrationName)]
pub(super) struct Migration;

#[async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for table in [tenant(), api_key(), quota_period(), ledger_entry(), usage_alert(), audit_entry()] {
            manager.create_table(table).await?;
        }
        for index in indexes() {
            manager.create_index(index).await?;
        }
        for table in ["audit_entry", "ledger_entry"] {
            make_append_only(manager, table).await?;
        }
        Ok(())
    }
}

fn tenant() -> TableCreateStatement {
    Table::create()
        .table("tenant")
        .col(ColumnDef::new("id").text().not_null().primary_key())
        .col(ColumnDef::new("email").text().not_null())
        .col(ColumnDef::new("name").text())
        .col(ColumnDef::new("plan_id").text().not_null())
        .col(ColumnDef::new("stripe_customer_id").text())
        .col(ColumnDef::new("period_anchor").timestamp_with_time_zone())
        .col(ColumnDef::new("created_at").timestamp_with_time_zone().not_null())
        .to_owned()
}

fn api_key() -> TableCreateStatement {
    Table::create()
        .table("api_key")
        .col(ColumnDef::new("id").text().not_null().primary_key())
        .col(ColumnDef::new("tenant_id").text().not_null())
        .col(ColumnDef::new("name").text().not_null())
        .col(ColumnDef::new("scopes").text().not_null())
        .col(ColumnDef::new("secret_hash").binary().not_null())
        .col(ColumnDef::new("created_at").timestamp_with_time_zone().not_null())
        .col(ColumnDef::new("last_used_at").timestamp_with_time_zone())
        .col(ColumnDef::new("expires_at").timestamp_with_time_zone())
        .col(ColumnDef::new("revoked_at").timestamp_with_time_zone())
        .col(ColumnDef::new("rotated_at").timestamp_with_time_zone())
        .col(ColumnDef::new("version").big_integer().not_null())
        .foreign_key(ForeignKey::create().from("api_key", "tenant_id").to("tenant", "id"))
        .to_owned()
}

fn quota_period() -> TableCreateStatement {
    Table::create()
        .table("quota_period")
        .col(ColumnDef::new("tenant_id").text().not_null())
        .col(ColumnDef::new("kind").text().not_null())
        .col(ColumnDef::new("period_start").timestamp_with_time_zone().not_null())
        .col(ColumnDef::new("used").big_integer().not_null().check(Expr::col("used").gte(0)))
        .primary_key(Index::create().col("tenant_id").col("kind").col("period_start"))
        .foreign_key(ForeignKey::create().from("quota_period", "tenant_id").to("tenant", "id"))
        .to_owned()
}

fn ledger_entry() -> TableCreateStatement {
    Table::create()
        .table("ledger_entry")
        .col(ColumnDef::new("seq").big_integer().not_null().auto_increment().primary_key())
        .col(ColumnDef::new("tenant_id").text().not_null())
        .col(ColumnDef::new("scan_id").text().not_null())
        .col(ColumnDef::new("kind").text().not_null())
        .col(ColumnDef::new("phase").text().not_null())
        .col(ColumnDef::new("reason").text().not_null())
        .col(ColumnDef::new("delta").integer().not_null())
        .col(ColumnDef::new("balance").big_integer().not_null())
        .col(ColumnDef::new("period_start").timestamp_with_time_zone().not_null())
        .col(ColumnDef::new("at").timestamp_with_time_zone().not_null())
        .foreign_key(ForeignKey::create().from("ledger_entry", "tenant_id").to("tenant", "id"))
        .to_owned()
}

fn usage_alert() -> TableCreateStatement {
    Table::create()
        .table("usage_alert")
        .col(ColumnDef::new("id").text().not_null().primary_key())
        .col(ColumnDef::new("tenant_id").text().not_null())
        .col(ColumnDef::new("kind").text().not_null())
        .col(ColumnDef::new("threshold_percent").integer().not_null())
        .col(ColumnDef::new("used").big_integer().not_null())
        .col(ColumnDef::new("quota_limit").big_integer().not_null())
        .col(ColumnDef::new("period_start").timestamp_with_time_zone().not_null())
        .col(ColumnDef::new("message").text().not_null())
        .col(ColumnDef::new("created_at").timestamp_with_time_zone().not_null())
        .foreign_key(ForeignKey::create().from("usage_alert", "tenant_id").to("tenant", "id"))
        .to_owned()
}

/// No foreign key: the log outlives what it tells of.
fn audit_entry() -> TableCreateStatement {
    Table::create()
        .table("audit_entry")
        .col(ColumnDef::new("seq").big_integer().not_null().auto_increment().primary_key())
        .col(ColumnDef::new("tenant_id").text().not_null())
        .col(ColumnDef::new("actor").text().not_null())
        .col(ColumnDef::new("action").text().not_null())
        .col(ColumnDef::new("subject").text().not_null())
        .col(ColumnDef::new("detail").json().not_null())
        .col(ColumnDef::new("request_id").text())
        .col(ColumnDef::new("at").timestamp_with_time_zone().not_null())
        .to_owned()
}

fn indexes() -> Vec<IndexCreateStatement> {
    let index = |table: &'static str, name: &'static str, columns: &[&'static str]| {
        let mut index = Index::create();
        index.name(name).table(table);
        for column in columns {
            index.col(*column);
        }
        index.to_owned()
    };
    let mut ledger_phase = index("ledger_entry", "ledger_entry_scan_phase", &["tenant_id", "scan_id", "phase"]);
    let mut alert_once = index(
        "usage_alert",
        "usage_alert_once",
        &["tenant_id", "kind", "period_start", "threshold_percent", "quota_limit"],
    );
    vec![
        index("tenant", "tenant_stripe_customer", &["stripe_customer_id"]),
        index("api_key", "api_key_tenant", &["tenant_id", "created_at"]),
        ledger_phase.unique().to_owned(),
        index("ledger_entry", "ledger_entry_period", &["tenant_id", "period_start", "seq"]),
        alert_once.unique().to_owned(),
        index("usage_alert", "usage_alert_newest", &["tenant_id", "created_at"]),
        index("audit_entry", "audit_entry_tenant", &["tenant_id", "seq"]),
    ]
}

/// The database itself refuses to change or remove a row, whoever asks.
async fn make_append_only(manager: &SchemaManager<'_>, table: &str) -> Result<(), DbErr> {
    let db = manager.get_connection();
    if db.get_database_backend() == DatabaseBackend::Postgres {
        db.execute_unprepared(
            "CREATE OR REPLACE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
             BEGIN RAISE EXCEPTION '% is append-only', TG_TABLE_NAME; END $$",
        )
        .await?;
        let trigger = format!(
            "CREATE TRIGGER {table}_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON {table}
             FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()"
        );
        db.execute_unprepared(&trigger).await?;
        return Ok(());
    }
    for event in ["UPDATE", "DELETE"] {
        let trigger = format!(
            "CREATE TRIGGER {table}_no_{} BEFORE {event} ON {table}
             BEGIN SELECT RAISE(ABORT, '{table} is append-only'); END",
            event.to_lowercase()
        );
        db.execute_unprepared(&trigger).await?;
    }
    Ok(())
}
