//! The tenant, and who speaks for it.

use async_graphql::{ComplexObject, Context, ID, Object, SimpleObject};
use nat_core::usage::TenantProfile;

use super::key::scopes;
use super::{ApiKeyObject, PlanObject, UsageObject};
use crate::cost::POINT;
use crate::error::{Fallible, found, shown};
use crate::relay::GlobalId;
use crate::scalar::Instant;
use crate::viewer::Viewer;

/// A customer of the service.
#[derive(Clone, Debug, SimpleObject)]
#[graphql(name = "Tenant", complex)]
pub(crate) struct TenantObject {
    /// Chosen by the application that registered it.
    tenant_id: String,
    /// Contact address.
    email: String,
    /// Display name.
    name: Option<String>,
    /// The plan in force.
    plan: PlanObject,
    /// When it was registered.
    created_at: Instant,
}

#[ComplexObject]
impl TenantObject {
    /// The global id.
    pub(crate) async fn id(&self) -> ID {
        GlobalId::Tenant(self.tenant_id.as_str().into()).encode()
    }

    /// The usage of the running period. Scope `usage:read`.
    #[graphql(complexity = "POINT + child_complexity")]
    async fn usage(&self, context: &Context<'_>) -> Fallible<UsageObject> {
        let viewer = Viewer::of(context);
        shown(viewer.services.usage.summary(viewer.actor).await)
    }
}

impl From<TenantProfile> for TenantObject {
    fn from(tenant: TenantProfile) -> Self {
        Self {
            tenant_id: tenant.id.to_string(),
            email: tenant.email,
            name: tenant.name,
            plan: PlanObject::from(&tenant.plan),
            created_at: Instant(tenant.created_at),
        }
    }
}

#[derive(Debug)]
pub(crate) struct ViewerObject;

/// Who shows the key.
#[Object(name = "Viewer")]
impl ViewerObject {
    /// The tenant that the key belongs to. Scope `usage:read`.
    #[graphql(complexity = "POINT + child_complexity")]
    async fn tenant(&self, context: &Context<'_>) -> Fallible<TenantObject> {
        let viewer = Viewer::of(context);
        shown(viewer.services.usage.profile(viewer.actor).await)
    }

    /// The key itself; it needs no scope to look at itself.
    #[graphql(complexity = "POINT + child_complexity")]
    async fn api_key(&self, context: &Context<'_>) -> Fallible<ApiKeyObject> {
        let viewer = Viewer::of(context);
        found(viewer.services.keys.own(viewer.actor).await)
    }

    /// What the key may do.
    async fn scopes(&self, context: &Context<'_>) -> Vec<String> {
        scopes(&Viewer::of(context).actor.scopes)
    }
}
