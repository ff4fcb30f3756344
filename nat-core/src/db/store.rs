//! Reads.

use std::sync::atomic::Ordering;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use sea_orm::sea_query::{Expr, Order};
use sea_orm::{
    ColumnTrait, Condition, ConnectionTrait, EntityTrait, PaginatorTrait, QueryFilter, QueryOrder, QuerySelect,
};

use super::entity::{api_key, audit_entry, count, ledger_entry, quota_period, tenant, usage_alert};
use super::{SeaStore, database_error};
use crate::access::ApiKey;
use crate::audit::AuditEntry;
use crate::page::{Page, PageRequest};
use crate::quota::{LedgerEntry, QuotaKind};
use crate::store::{CoreStore, CoreTx, MAX_LISTED_KEYS, Numbered, StoredKey, UsageCounts};
use crate::tenant::Tenant;
use crate::usage::UsageAlert;
use crate::{KeyId, Result, TenantId};

#[async_trait]
impl CoreStore for SeaStore {
    async fn begin(&self) -> Result<Box<dyn CoreTx>> {
        Ok(Box::new(self.begin_sea().await?))
    }

    async fn find_tenant(&self, tenant_id: &TenantId) -> Result<Option<Tenant>> {
        let row = tenant::Entity::find_by_id(tenant_id.as_str()).one(&self.read).await.map_err(database_error)?;
        Ok(row.map(Into::into))
    }

    async fn list_tenants(&self, after: Option<&TenantId>, limit: u32) -> Result<Vec<Tenant>> {
        let mut query = tenant::Entity::find().order_by_asc(tenant::Column::Id).limit(u64::from(limit));
        if let Some(after) = after {
            query = query.filter(tenant::Column::Id.gt(after.as_str()));
        }
        let rows = query.all(&self.read).await.map_err(database_error)?;
        Ok(rows.into_iter().map(Into::into).collect())
    }

    async fn find_key_for_auth(&self, key_id: &KeyId) -> Result<Option<(StoredKey, Tenant)>> {
        let query = api_key::Entity::find_by_id(key_id.as_str()).find_also_related(tenant::Entity);
        let Some((key, Some(tenant))) = query.one(&self.read).await.map_err(database_error)? else { return Ok(None) };
        Ok(Some((key.try_into()?, tenant.into())))
    }

    async fn list_keys(&self, tenant_id: &TenantId) -> Result<Vec<ApiKey>> {
        let rows = api_key::Entity::find()
            .filter(api_key::Column::TenantId.eq(tenant_id.as_str()))
            .order_by(api_key::Column::RevokedAt.is_null(), Order::Desc)
            .order_by_desc(api_key::Column::CreatedAt)
            .order_by_desc(api_key::Column::Id)
            .limit(MAX_LISTED_KEYS)
            .all(&self.read)
            .await
            .map_err(database_error)?;
        let mut keys: Vec<ApiKey> = rows.into_iter().map(Into::into).collect();
        keys.sort_by(|a, b| (a.created_at, &a.id).cmp(&(b.created_at, &b.id)));
        Ok(keys)
    }

    async fn touch_keys(&self, uses: &[(KeyId, DateTime<Utc>)]) -> Result<()> {
        let tx = self.begin_sea().await?.inner;
        for (id, at) in uses {
            let older =
                Condition::any().add(api_key::Column::LastUsedAt.is_null()).add(api_key::Column::LastUsedAt.lt(*at));
            api_key::Entity::update_many()
                .col_expr(api_key::Column::LastUsedAt, Expr::value(*at))
                .filter(api_key::Column::Id.eq(id.as_str()))
                .filter(older)
                .exec(&tx)
                .await
                .map_err(database_error)?;
        }
        tx.commit().await.map_err(database_error)
    }

    fn usage_version(&self) -> Option<u64> {
        self.usage_version.as_ref().map(|version| version.load(Ordering::Acquire))
    }

    async fn usage_counts(&self, tenant_id: &TenantId, period_start: DateTime<Utc>) -> Result<UsageCounts> {
        let rows = quota_period::Entity::find()
            .filter(quota_period::Column::TenantId.eq(tenant_id.as_str()))
            .filter(quota_period::Column::PeriodStart.eq(period_start))
            .all(&self.read)
            .await
            .map_err(database_error)?;
        let mut counts = UsageCounts::default();
        for row in rows {
            match QuotaKind::parse(&row.kind) {
                Some(QuotaKind::Functional) => counts.functional = count(row.used)?,
                Some(QuotaKind::Security) => counts.security = count(row.used)?,
                None => {}
            }
        }
        Ok(counts)
    }

    async fn list_alerts(&self, tenant_id: &TenantId, page: PageRequest) -> Result<Page<UsageAlert>> {
        let query = usage_alert::Entity::find().filter(usage_alert::Column::TenantId.eq(tenant_id.as_str()));
        let total = query.clone().count(&self.read).await.map_err(database_error)?;
        let rows = query
            .order_by_desc(usage_alert::Column::CreatedAt)
            .order_by_desc(usage_alert::Column::Id)
            .offset(page.offset())
            .limit(u64::from(page.per_page))
            .all(&self.read)
            .await
            .map_err(database_error)?;
        let rows = rows.into_iter().map(TryInto::try_into).collect::<Result<_>>()?;
        Ok(Page { rows, total, request: page })
    }

    async fn list_alerts_after(
        &self,
        tenant_id: &TenantId,
        after: Option<(DateTime<Utc>, &str)>,
        limit: u64,
    ) -> Result<Vec<UsageAlert>> {
        use usage_alert::Column;
        let mut query = usage_alert::Entity::find().filter(Column::TenantId.eq(tenant_id.as_str()));
        if let Some((at, id)) = after {
            let same_instant = Condition::all().add(Column::CreatedAt.eq(at)).add(Column::Id.lt(id));
            query = query.filter(Condition::any().add(Column::CreatedAt.lt(at)).add(same_instant));
        }
        let query = query.order_by_desc(Column::CreatedAt).order_by_desc(Column::Id).limit(limit);
        let rows = query.all(&self.read).await.map_err(database_error)?;
        rows.into_iter().map(TryInto::try_into).collect()
    }

    async fn list_ledger(
        &self,
        tenant_id: &TenantId,
        period_start: DateTime<Utc>,
        after: Option<i64>,
        limit: u32,
    ) -> Result<Vec<Numbered<LedgerEntry>>> {
        let rows = ledger_entry::Entity::find()
            .filter(ledger_entry::Column::TenantId.eq(tenant_id.as_str()))
            .filter(ledger_entry::Column::PeriodStart.eq(period_start))
            .filter(ledger_entry::Column::Seq.gt(after.unwrap_or(i64::MIN)))
            .order_by_asc(ledger_entry::Column::Seq)
            .limit(u64::from(limit))
            .all(&self.read)
            .await
            .map_err(database_error)?;
        rows.into_iter().map(TryInto::try_into).collect()
    }

    async fn list_audit(
        &self,
        tenant_id: &TenantId,
        before: Option<i64>,
        limit: u32,
    ) -> Result<Vec<Numbered<AuditEntry>>> {
        let rows = audit_entry::Entity::find()
            .filter(audit_entry::Column::TenantId.eq(tenant_id.as_str()))
            .filter(audit_entry::Column::Seq.lt(before.unwrap_or(i64::MAX)))
            .order_by_desc(audit_entry::Column::Seq)
            .limit(u64::from(limit))
            .all(&self.read)
            .await
            .map_err(database_error)?;
        Ok(rows.into_iter().map(Into::into).collect())
    }

    async fn ping(&self) -> Result<()> {
        self.read.execute_unprepared("SELECT 1").await.map_err(database_error)?;
        Ok(())
    }
}
