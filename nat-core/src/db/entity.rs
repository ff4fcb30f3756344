//! Rows. They never leave `db`: each has a conversion to the domain.

/// Entities need a module each: the derive makes types of fixed names.
pub(super) mod tenant {
    use chrono::{DateTime, Utc};
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "tenant")]
    pub(crate) struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub(crate) id: String,
        pub(crate) email: String,
        pub(crate) name: Option<String>,
        pub(crate) plan_id: String,
        pub(crate) stripe_customer_id: Option<String>,
        pub(crate) period_anchor: Option<DateTime<Utc>>,
        pub(crate) created_at: DateTime<Utc>,
        pub(crate) carried_start: Option<DateTime<Utc>>,
        pub(crate) carried_end: Option<DateTime<Utc>>,
        pub(crate) plan_ends_at: Option<DateTime<Utc>>,
        pub(crate) next_plan_id: Option<String>,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub(crate) enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

pub(super) mod api_key {
    use chrono::{DateTime, Utc};
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "api_key")]
    pub(crate) struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub(crate) id: String,
        pub(crate) tenant_id: String,
        pub(crate) name: String,
        pub(crate) scopes: String,
        pub(crate) secret_hash: Vec<u8>,
        pub(crate) created_at: DateTime<Utc>,
        pub(crate) last_used_at: Option<DateTime<Utc>>,
        pub(crate) expires_at: Option<DateTime<Utc>>,
        pub(crate) revoked_at: Option<DateTime<Utc>>,
        pub(crate) rotated_at: Option<DateTime<Utc>>,
        pub(crate) version: i64,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub(crate) enum Relation {
        #[sea_orm(belongs_to = "super::tenant::Entity", from = "Column::TenantId", to = "super::tenant::Column::Id")]
        Tenant,
    }

    impl Related<super::tenant::Entity> for Entity {
        fn to() -> RelationDef {
            Relation::Tenant.def()
        }
    }

    impl ActiveModelBehavior for ActiveModel {}
}

pub(super) mod quota_period {
    use chrono::{DateTime, Utc};
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "quota_period")]
    pub(crate) struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub(crate) tenant_id: String,
        #[sea_orm(primary_key, auto_increment = false)]
        pub(crate) kind: String,
        #[sea_orm(primary_key, auto_increment = false)]
        pub(crate) period_start: DateTime<Utc>,
        pub(crate) used: i64,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub(crate) enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

pub(super) mod ledger_entry {
    use chrono::{DateTime, Utc};
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "ledger_entry")]
    pub(crate) struct Model {
        #[sea_orm(primary_key)]
        pub(crate) seq: i64,
        pub(crate) tenant_id: String,
        pub(crate) scan_id: String,
        pub(crate) kind: String,
        pub(crate) phase: String,
        pub(crate) reason: String,
        pub(crate) delta: i32,
        pub(crate) balance: i64,
        pub(crate) period_start: DateTime<Utc>,
        pub(crate) at: DateTime<Utc>,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub(crate) enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

pub(super) mod usage_alert {
    use chrono::{DateTime, Utc};
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "usage_alert")]
    pub(crate) struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub(crate) id: String,
        pub(crate) tenant_id: String,
        pub(crate) kind: String,
        pub(crate) threshold_percent: i32,
        pub(crate) used: i64,
        pub(crate) quota_limit: i64,
        pub(crate) period_start: DateTime<Utc>,
        pub(crate) message: String,
        pub(crate) created_at: DateTime<Utc>,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub(crate) enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

pub(super) mod audit_entry {
    use chrono::{DateTime, Utc};
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "audit_entry")]
    pub(crate) struct Model {
        #[sea_orm(primary_key)]
        pub(crate) seq: i64,
        pub(crate) tenant_id: String,
        pub(crate) actor: String,
        pub(crate) action: String,
        pub(crate) subject: String,
        pub(crate) detail: Json,
        pub(crate) request_id: Option<String>,
        pub(crate) at: DateTime<Utc>,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub(crate) enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

use std::borrow::Cow;

use crate::access::ApiKey;
use crate::audit::AuditEntry;
use crate::entitlement::{Entitlement, PlanEnding};
use crate::period::Period;
use crate::quota::{LedgerEntry, LedgerReason, QuotaKind};
use crate::store::{Numbered, StoredKey};
use crate::tenant::Tenant;
use crate::usage::UsageAlert;
use crate::{Error, Result, Scope, Scopes};

/// Counters are never negative and fit 32 bits; a row that says otherwise was written by somebody else.
pub(super) fn count(number: i64) -> Result<u32> {
    u32::try_from(number).map_err(Error::internal)
}

fn kind(text: &str) -> Result<QuotaKind> {
    QuotaKind::parse(text).ok_or_else(|| Error::internal(format!("unknown quota kind {text} in the database")))
}

pub(super) fn scopes_to_text(scopes: &Scopes) -> String {
    scopes.iter().map(|scope| scope.as_str()).collect::<Vec<_>>().join(" ")
}

impl From<tenant::Model> for Tenant {
    fn from(row: tenant::Model) -> Self {
        let entitlement = Entitlement {
            plan_id: row.plan_id.into(),
            period_anchor: row.period_anchor,
            carried_period: row.carried_start.zip(row.carried_end).map(|(start, end)| Period { start, end }),
            ending: row.plan_ends_at.zip(row.next_plan_id).map(|(at, plan)| PlanEnding { at, plan_id: plan.into() }),
        };
        Self {
            id: row.id.into(),
            email: row.email,
            name: row.name,
            entitlement,
            stripe_customer_id: row.stripe_customer_id,
            created_at: row.created_at,
        }
    }
}

impl From<api_key::Model> for ApiKey {
    fn from(row: api_key::Model) -> Self {
        Self {
            id: row.id.into(),
            name: row.name,
            // A scope that this version does not know grants nothing.
            scopes: row.scopes.split(' ').filter_map(Scope::parse).collect(),
            created_at: row.created_at,
            last_used_at: row.last_used_at,
            expires_at: row.expires_at,
            revoked_at: row.revoked_at,
        }
    }
}

impl TryFrom<api_key::Model> for StoredKey {
    type Error = Error;

    fn try_from(row: api_key::Model) -> Result<Self> {
        Ok(Self {
            tenant_id: row.tenant_id.as_str().into(),
            secret_hash: row.secret_hash.as_slice().try_into().map_err(Error::internal)?,
            rotated_at: row.rotated_at,
            version: count(row.version)?,
            key: row.into(),
        })
    }
}

impl TryFrom<ledger_entry::Model> for Numbered<LedgerEntry> {
    type Error = Error;

    fn try_from(row: ledger_entry::Model) -> Result<Self> {
        let reason = LedgerReason::parse(&row.reason)
            .ok_or_else(|| Error::internal(format!("unknown ledger reason {} in the database", row.reason)))?;
        let entry = LedgerEntry {
            at: row.at,
            kind: kind(&row.kind)?,
            delta: row.delta,
            scan_id: row.scan_id.into(),
            reason,
            balance: count(row.balance)?,
        };
        Ok(Self { seq: row.seq, row: entry })
    }
}

impl TryFrom<usage_alert::Model> for UsageAlert {
    type Error = Error;

    fn try_from(row: usage_alert::Model) -> Result<Self> {
        Ok(Self {
            id: row.id,
            kind: kind(&row.kind)?,
            threshold_percent: u8::try_from(row.threshold_percent).map_err(Error::internal)?,
            used: count(row.used)?,
            limit: count(row.quota_limit)?,
            period_start: row.period_start,
            message: row.message,
            created_at: row.created_at,
        })
    }
}

impl From<audit_entry::Model> for Numbered<AuditEntry> {
    fn from(row: audit_entry::Model) -> Self {
        let entry = AuditEntry {
            tenant_id: row.tenant_id.into(),
            actor: row.actor,
            action: Cow::Owned(row.action),
            subject: row.subject,
            detail: row.detail,
            request_id: row.request_id,
            at: row.at,
        };
        Self { seq: row.seq, row: entry }
    }
}
