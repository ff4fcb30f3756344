//! Writes.

use std::any::Any;
use std::sync::atomic::Ordering;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use sea_orm::ActiveValue::{NotSet, Set};
use sea_orm::sea_query::{Expr, LockType, OnConflict};
use sea_orm::{
    ActiveModelTrait, ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect, Statement,
    TryInsertResult, Value,
};

use super::entity::{api_key, audit_entry, count, ledger_entry, quota_period, scopes_to_text, tenant, usage_alert};
use super::{SeaTx, database_error};
use crate::audit::AuditEntry;
use crate::entitlement::Entitlement;
use crate::quota::{LedgerEntry, LedgerPhase, QuotaKind};
use crate::store::{CoreTx, Numbered, Reservation, StoredKey};
use crate::tenant::Tenant;
use crate::usage::UsageAlert;
use crate::{Error, KeyId, Result, ScanId, TenantId};

impl SeaTx {
    /// Inserts unless a unique index objects; false then. Waits for a parallel insert of the same key.
    async fn insert_once<A>(&self, row: A) -> Result<bool>
    where
        A: ActiveModelTrait,
    {
        let inserted = A::Entity::insert(row)
            .on_conflict(OnConflict::new().do_nothing().to_owned())
            .try_insert()
            .exec_without_returning(&self.inner)
            .await
            .map_err(database_error)?;
        Ok(matches!(inserted, TryInsertResult::Inserted(rows) if rows > 0))
    }

    /// Runs a statement that returns the counter after it, or no row.
    async fn counter(&self, sql: &str, values: Vec<Value>) -> Result<Option<u32>> {
        let statement = Statement::from_sql_and_values(self.inner.get_database_backend(), sql, values);
        let Some(row) = self.inner.query_one_raw(statement).await.map_err(database_error)? else { return Ok(None) };
        count(row.try_get::<i64>("", "used").map_err(database_error)?).map(Some)
    }
}

/// What may change of a tenant.
fn tenant_row(tenant: &Tenant) -> tenant::ActiveModel {
    let Entitlement { plan_id, period_anchor, carried_period, ending } = &tenant.entitlement;
    tenant::ActiveModel {
        id: NotSet,
        email: Set(tenant.email.clone()),
        name: Set(tenant.name.clone()),
        plan_id: Set(plan_id.to_string()),
        stripe_customer_id: Set(tenant.stripe_customer_id.clone()),
        period_anchor: Set(*period_anchor),
        created_at: NotSet,
        carried_start: Set(carried_period.map(|period| period.start)),
        carried_end: Set(carried_period.map(|period| period.end)),
        plan_ends_at: Set(ending.as_ref().map(|ending| ending.at)),
        next_plan_id: Set(ending.as_ref().map(|ending| ending.plan_id.to_string())),
    }
}

#[async_trait]
impl CoreTx for SeaTx {
    async fn commit(self: Box<Self>) -> Result<()> {
        let committed = self.inner.commit().await;
        if self.changes_usage
            && let Some(version) = &self.usage_version
        {
            // After the commit and before its caller goes on; also when it failed, which may be known too late.
            version.fetch_add(1, Ordering::AcqRel);
        }
        committed.map_err(database_error)
    }

    async fn lock_tenant(&mut self, tenant_id: &TenantId) -> Result<Option<Tenant>> {
        // NO KEY UPDATE: rows that merely refer to the tenant may be written meanwhile, other lockers wait. SQLite has
        // one writer anyway and ignores it.
        let row = tenant::Entity::find_by_id(tenant_id.as_str())
            .lock(LockType::NoKeyUpdate)
            .one(&self.inner)
            .await
            .map_err(database_error)?;
        Ok(row.map(Into::into))
    }

    async fn insert_tenant(&mut self, tenant: &Tenant) -> Result<bool> {
        let row = tenant_row(tenant);
        self.insert_once(tenant::ActiveModel {
            id: Set(tenant.id.to_string()),
            created_at: Set(tenant.created_at),
            ..row
        })
        .await
    }

    async fn update_tenant(&mut self, tenant: &Tenant) -> Result<bool> {
        self.changes_usage = true;
        let updated = tenant::Entity::update_many()
            .set(tenant_row(tenant))
            .filter(tenant::Column::Id.eq(tenant.id.as_str()))
            .exec(&self.inner)
            .await
            .map_err(database_error)?;
        Ok(updated.rows_affected == 1)
    }

    async fn find_key(&mut self, tenant_id: &TenantId, key_id: &KeyId) -> Result<Option<StoredKey>> {
        let row = api_key::Entity::find_by_id(key_id.as_str())
            .filter(api_key::Column::TenantId.eq(tenant_id.as_str()))
            .one(&self.inner)
            .await
            .map_err(database_error)?;
        row.map(TryInto::try_into).transpose()
    }

    async fn insert_key(&mut self, stored: &StoredKey) -> Result<bool> {
        let key = &stored.key;
        self.insert_once(api_key::ActiveModel {
            id: Set(key.id.to_string()),
            tenant_id: Set(stored.tenant_id.to_string()),
            name: Set(key.name.clone()),
            scopes: Set(scopes_to_text(&key.scopes)),
            secret_hash: Set(stored.secret_hash.to_vec()),
            created_at: Set(key.created_at),
            last_used_at: Set(key.last_used_at),
            expires_at: Set(key.expires_at),
            revoked_at: Set(key.revoked_at),
            rotated_at: Set(stored.rotated_at),
            version: Set(i64::from(stored.version)),
        })
        .await
    }

    async fn update_key(&mut self, stored: &StoredKey) -> Result<bool> {
        let updated = api_key::Entity::update_many()
            .col_expr(api_key::Column::ExpiresAt, Expr::value(stored.key.expires_at))
            .col_expr(api_key::Column::RevokedAt, Expr::value(stored.key.revoked_at))
            .col_expr(api_key::Column::RotatedAt, Expr::value(stored.rotated_at))
            .col_expr(api_key::Column::Version, Expr::value(i64::from(stored.version) + 1))
            .filter(api_key::Column::Id.eq(stored.key.id.as_str()))
            .filter(api_key::Column::TenantId.eq(stored.tenant_id.as_str()))
            .filter(api_key::Column::Version.eq(i64::from(stored.version)))
            .exec(&self.inner)
            .await
            .map_err(database_error)?;
        Ok(updated.rows_affected == 1)
    }

    async fn take_unit(
        &mut self,
        tenant_id: &TenantId,
        kind: QuotaKind,
        period_start: DateTime<Utc>,
        limit: Option<u32>,
    ) -> Result<Option<u32>> {
        if limit == Some(0) {
            return Ok(None);
        }
        self.changes_usage = true;
        let limit = limit.map_or(i64::MAX, i64::from);
        self.counter(
            "INSERT INTO quota_period (tenant_id, kind, period_start, used) VALUES ($1, $2, $3, 1) \
             ON CONFLICT (tenant_id, kind, period_start) DO UPDATE SET used = quota_period.used + 1 \
             WHERE quota_period.used < $4 RETURNING used",
            vec![tenant_id.as_str().into(), kind.as_str().into(), period_start.into(), limit.into()],
        )
        .await
    }

    async fn give_back_unit(
        &mut self,
        tenant_id: &TenantId,
        kind: QuotaKind,
        period_start: DateTime<Utc>,
    ) -> Result<u32> {
        self.changes_usage = true;
        let used = self
            .counter(
                "UPDATE quota_period SET used = CASE WHEN used > 0 THEN used - 1 ELSE 0 END \
                 WHERE tenant_id = $1 AND kind = $2 AND period_start = $3 RETURNING used",
                vec![tenant_id.as_str().into(), kind.as_str().into(), period_start.into()],
            )
            .await?;
        Ok(used.unwrap_or(0))
    }

    async fn insert_ledger_entry(
        &mut self,
        tenant_id: &TenantId,
        period_start: DateTime<Utc>,
        entry: &LedgerEntry,
    ) -> Result<bool> {
        self.insert_once(ledger_entry::ActiveModel {
            seq: NotSet,
            tenant_id: Set(tenant_id.to_string()),
            scan_id: Set(entry.scan_id.to_string()),
            kind: Set(entry.kind.as_str().to_owned()),
            phase: Set(entry.reason.phase().as_str().to_owned()),
            reason: Set(entry.reason.as_str().to_owned()),
            delta: Set(entry.delta),
            balance: Set(i64::from(entry.balance)),
            period_start: Set(period_start),
            at: Set(entry.at),
        })
        .await
    }

    async fn find_reservation(&mut self, tenant_id: &TenantId, scan_id: &ScanId) -> Result<Option<Reservation>> {
        let lines = ledger_entry::Entity::find()
            .filter(ledger_entry::Column::TenantId.eq(tenant_id.as_str()))
            .filter(ledger_entry::Column::ScanId.eq(scan_id.as_str()))
            .order_by_asc(ledger_entry::Column::Seq)
            .all(&self.inner)
            .await
            .map_err(database_error)?;
        let has = |phase: LedgerPhase| lines.iter().any(|line| line.phase == phase.as_str());
        let (committed, released) = (has(LedgerPhase::Commit), has(LedgerPhase::Release));
        let Some(first) = lines.into_iter().next() else { return Ok(None) };
        let period_start = first.period_start;
        let counter = (tenant_id.to_string(), first.kind.clone(), period_start);
        let used = quota_period::Entity::find_by_id(counter).one(&self.inner).await.map_err(database_error)?;
        let kind = Numbered::<LedgerEntry>::try_from(first)?.row.kind;
        let used = used.map_or(Ok(0), |row| count(row.used))?;
        Ok(Some(Reservation { kind, period_start, used, committed, released }))
    }

    async fn insert_alert(&mut self, tenant_id: &TenantId, alert: &UsageAlert) -> Result<bool> {
        self.insert_once(usage_alert::ActiveModel {
            id: Set(alert.id.clone()),
            tenant_id: Set(tenant_id.to_string()),
            kind: Set(alert.kind.as_str().to_owned()),
            threshold_percent: Set(i32::from(alert.threshold_percent)),
            used: Set(i64::from(alert.used)),
            quota_limit: Set(i64::from(alert.limit)),
            period_start: Set(alert.period_start),
            message: Set(alert.message.clone()),
            created_at: Set(alert.created_at),
        })
        .await
    }

    async fn append_audit(&mut self, entry: &AuditEntry) -> Result<()> {
        let appended = self
            .insert_once(audit_entry::ActiveModel {
                seq: NotSet,
                tenant_id: Set(entry.tenant_id.to_string()),
                actor: Set(entry.actor.clone()),
                action: Set(entry.action.to_string()),
                subject: Set(entry.subject.clone()),
                detail: Set(entry.detail.clone()),
                request_id: Set(entry.request_id.clone()),
                at: Set(entry.at),
            })
            .await?;
        if appended { Ok(()) } else { Err(Error::internal("the audit line was not written")) }
    }

    fn as_any_mut(&mut self) -> &mut (dyn Any + Send) {
        self
    }
}
