//! Plans.

use async_graphql::{ComplexObject, ID, SimpleObject};
use nat_core::plan::Plan;

use crate::relay::GlobalId;

/// A plan of the catalogue. A limit that is null is none.
#[derive(Clone, Debug, SimpleObject)]
#[graphql(name = "Plan", complex)]
pub(crate) struct PlanObject {
    /// For example `free`; what `createCheckout` takes.
    plan_id: String,
    /// Functional scans a period.
    functional_scans: Option<u32>,
    /// Security scans a period; 0: the plan does not include them.
    security_scans: Option<u32>,
    /// Points, or calls of the REST API, a minute and tenant.
    requests_per_minute: Option<u32>,
    /// Scans that run at once.
    concurrent_scans: Option<u32>,
    /// Whether outgoing webhooks may be configured.
    outgoing_webhooks: bool,
}

#[ComplexObject]
impl PlanObject {
    /// The global id.
    pub(crate) async fn id(&self) -> ID {
        GlobalId::Plan(self.plan_id.as_str().into()).encode()
    }
}

impl From<&Plan> for PlanObject {
    fn from(plan: &Plan) -> Self {
        Self {
            plan_id: plan.id.to_string(),
            functional_scans: plan.functional_scans,
            security_scans: plan.security_scans,
            requests_per_minute: plan.requests_per_minute,
            concurrent_scans: plan.concurrent_scans,
            outgoing_webhooks: plan.outgoing_webhooks,
        }
    }
}
