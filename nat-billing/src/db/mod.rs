//! The billing tables on nat-core's store.

mod migration;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use nat_core::{
    Result,
    db::{SeaStore, SeaTx, database_error},
    store::CoreTx,
};
use sea_orm::{ActiveValue::Set, EntityTrait, TryInsertResult, sea_query::OnConflict};

use crate::{service::BillingStore, webhook::inbox::StripeEvent};

/// The migrations of this crate, for [`nat_core::db::SeaStore::open`].
#[must_use]
pub fn migrations() -> nat_core::db::Migrations {
    vec![Box::new(migration::Migration)]
}

/// The inbox: one row an event id.
mod stripe_event {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "stripe_event")]
    pub(super) struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: String,
        pub kind: String,
        pub customer_id: Option<String>,
        pub created_at: Option<ChronoDateTimeUtc>,
        pub received_at: ChronoDateTimeUtc,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub(super) enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
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
}
