//! The billing tables on nat-core's store.

mod entity;
mod migration;
mod work;

use async_trait::async_trait;
use chrono::{DateTime, TimeDelta, Utc};
use nat_core::{
    Error, Result, TenantId,
    db::{SeaStore, SeaTx, database_error},
    store::CoreTx,
};
use sea_orm::{
    ActiveValue::Set, ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect, Statement,
    TryInsertResult, sea_query::OnConflict,
};

use self::entity::{billing_account, stripe_event, sync_replay};
use crate::{
    account::BillingAccount,
    store::{BillingStore, ClaimedWork, SyncReplay, WorkOutcome},
    webhook::inbox::StripeEvent,
};

/// The migrations of this crate, for [`nat_core::db::SeaStore::open`].
#[must_use]
pub fn migrations() -> nat_core::db::Migrations {
    vec![Box::new(migration::Inbox), Box::new(migration::Accounts)]
}

impl TryFrom<billing_account::Model> for BillingAccount {
    type Error = Error;

    fn try_from(row: billing_account::Model) -> Result<Self> {
        let state = serde_json::from_value(row.state).map_err(Error::internal)?;
        Ok(Self { tenant_id: row.tenant_id.into(), customer_id: row.customer_id, state })
    }
}

async fn find_account(
    db: &impl ConnectionTrait,
    condition: sea_orm::sea_query::SimpleExpr,
) -> Result<Option<BillingAccount>> {
    let row = billing_account::Entity::find().filter(condition).one(db).await.map_err(database_error)?;
    row.map(TryInto::try_into).transpose()
}

#[async_trait]
impl BillingStore for SeaStore {
    async fn record_event(&self, tx: &mut dyn CoreTx, event: &StripeEvent, received_at: DateTime<Utc>) -> Result<bool> {
        let row = stripe_event::ActiveModel {
            id: Set(event.id.clone()),
            kind: Set(event.kind.clone()),
            customer_id: Set(event.customer_id.clone()),
            created_at: Set(event.created_at),
            received_at: Set(received_at),
        };
        let inserted = stripe_event::Entity::insert(row)
            .on_conflict(OnConflict::new().do_nothing().to_owned())
            .try_insert()
            .exec_without_returning(&SeaTx::from_core(tx)?.inner)
            .await
            .map_err(database_error)?;
        Ok(matches!(inserted, TryInsertResult::Inserted(rows) if rows > 0))
    }

    async fn forget_events(&self, before: DateTime<Utc>) -> Result<u64> {
        let deleted = stripe_event::Entity::delete_many()
            .filter(stripe_event::Column::ReceivedAt.lt(before))
            .exec(&self.write)
            .await
            .map_err(database_error)?;
        Ok(deleted.rows_affected)
    }

    async fn want_work(&self, tx: &mut dyn CoreTx, customer_id: &str, now: DateTime<Utc>) -> Result<()> {
        work::want(&SeaTx::from_core(tx)?.inner, customer_id, now).await
    }

    async fn claim_work(
        &self,
        customer_id: Option<&str>,
        now: DateTime<Utc>,
        lease_until: DateTime<Utc>,
    ) -> Result<Option<ClaimedWork>> {
        work::claim(self, customer_id, now, lease_until).await
    }

    async fn end_work(&self, tx: &mut dyn CoreTx, work: &ClaimedWork, outcome: &WorkOutcome) -> Result<bool> {
        work::end(&SeaTx::from_core(tx)?.inner, work, outcome).await
    }

    async fn is_work_left(&self, customer_id: &str) -> Result<bool> {
        work::is_left(self, customer_id).await
    }

    async fn find_account_by_customer(&self, customer_id: &str) -> Result<Option<BillingAccount>> {
        find_account(&self.read, billing_account::Column::CustomerId.eq(customer_id)).await
    }

    async fn find_account(&self, tenant_id: &TenantId) -> Result<Option<BillingAccount>> {
        find_account(&self.read, billing_account::Column::TenantId.eq(tenant_id.as_str())).await
    }

    async fn lock_account(&self, tx: &mut dyn CoreTx, tenant_id: &TenantId) -> Result<Option<BillingAccount>> {
        let tx = SeaTx::from_core(tx)?;
        find_account(&tx.inner, billing_account::Column::TenantId.eq(tenant_id.as_str())).await
    }

    async fn save_account(&self, tx: &mut dyn CoreTx, account: &BillingAccount) -> Result<bool> {
        let tx = &SeaTx::from_core(tx)?.inner;
        if let Some(customer_id) = &account.customer_id {
            let bound = find_account(tx, billing_account::Column::CustomerId.eq(customer_id.as_str())).await?;
            if bound.is_some_and(|other| other.tenant_id != account.tenant_id) {
                return Ok(false);
            }
        }
        let row = billing_account::ActiveModel {
            tenant_id: Set(account.tenant_id.to_string()),
            customer_id: Set(account.customer_id.clone()),
            state: Set(serde_json::to_value(&account.state).map_err(Error::internal)?),
        };
        let columns = [billing_account::Column::CustomerId, billing_account::Column::State];
        billing_account::Entity::insert(row)
            .on_conflict(OnConflict::column(billing_account::Column::TenantId).update_columns(columns).to_owned())
            .exec_without_returning(tx)
            .await
            .map_err(database_error)?;
        Ok(true)
    }

    async fn list_accounts(&self, after: Option<&TenantId>, limit: u32) -> Result<Vec<BillingAccount>> {
        let mut query = billing_account::Entity::find()
            .filter(billing_account::Column::CustomerId.is_not_null())
            .order_by_asc(billing_account::Column::TenantId)
            .limit(u64::from(limit));
        if let Some(after) = after {
            query = query.filter(billing_account::Column::TenantId.gt(after.as_str()));
        }
        let rows = query.all(&self.read).await.map_err(database_error)?;
        rows.into_iter().map(TryInto::try_into).collect()
    }

    async fn take_turn(&self, name: &str, now: DateTime<Utc>, every_s: i64) -> Result<bool> {
        let sql = "INSERT INTO billing_turn (name, taken_at) VALUES ($1, $2) \
                   ON CONFLICT (name) DO UPDATE SET taken_at = $2 WHERE billing_turn.taken_at <= $3 RETURNING name";
        let values = vec![name.into(), now.into(), (now - TimeDelta::seconds(every_s)).into()];
        let statement = Statement::from_sql_and_values(self.write.get_database_backend(), sql, values);
        Ok(self.write.query_one_raw(statement).await.map_err(database_error)?.is_some())
    }

    async fn insert_replay(&self, tx: &mut dyn CoreTx, tenant_id: &TenantId, replay: &SyncReplay) -> Result<()> {
        let row = sync_replay::ActiveModel {
            tenant_id: Set(tenant_id.to_string()),
            key_hash: Set(replay.key_hash.to_vec()),
            input_hash: Set(replay.input_hash.to_vec()),
            sealed_key: Set(replay.sealed_key.clone()),
            expires_at: Set(replay.expires_at),
        };
        let insert = sync_replay::Entity::insert(row);
        insert.exec_without_returning(&SeaTx::from_core(tx)?.inner).await.map_err(database_error)?;
        Ok(())
    }

    async fn find_replay(&self, tenant_id: &TenantId, now: DateTime<Utc>) -> Result<Option<SyncReplay>> {
        let row = sync_replay::Entity::find_by_id(tenant_id.as_str())
            .filter(sync_replay::Column::ExpiresAt.gt(now))
            .one(&self.read)
            .await
            .map_err(database_error)?;
        let Some(row) = row else { return Ok(None) };
        let digest = |bytes: Vec<u8>| bytes.try_into().map_err(|_| Error::internal("a digest of another length"));
        Ok(Some(SyncReplay {
            key_hash: digest(row.key_hash)?,
            input_hash: digest(row.input_hash)?,
            sealed_key: row.sealed_key,
            expires_at: row.expires_at,
        }))
    }

    async fn forget_replays(&self, now: DateTime<Utc>) -> Result<u64> {
        let deleted = sync_replay::Entity::delete_many()
            .filter(sync_replay::Column::ExpiresAt.lte(now))
            .exec(&self.write)
            .await
            .map_err(database_error)?;
        Ok(deleted.rows_affected)
    }
}
