//! The plan catalogue.

use axum::Json;
use axum::extract::State;
use nat_core::plan::Plan;
use serde::Serialize;
use utoipa::ToSchema;

use crate::App;

/// One plan. A number that is null is unlimited.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct PlanBody {
    /// For example `free`.
    id: String,
    /// Functional scans a period.
    functional_scans: Option<u32>,
    /// Security scans a period; 0: not part of the plan.
    security_scans: Option<u32>,
    /// Requests a minute and tenant.
    requests_per_minute: Option<u32>,
    /// Scans running at once.
    concurrent_scans: Option<u32>,
    /// Whether outgoing webhooks may be configured.
    outgoing_webhooks: bool,
}

impl From<&Plan> for PlanBody {
    fn from(plan: &Plan) -> Self {
        Self {
            id: plan.id.to_string(),
            functional_scans: plan.functional_scans,
            security_scans: plan.security_scans,
            requests_per_minute: plan.requests_per_minute,
            concurrent_scans: plan.concurrent_scans,
            outgoing_webhooks: plan.outgoing_webhooks,
        }
    }
}

/// All plans, cheapest first.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct PlansBody {
    /// The plans.
    plans: Vec<PlanBody>,
}

/// Lists the plans and their limits. Needs no key.
#[utoipa::path(get, path = "/plans", tag = "service", responses((status = 200, description = "The plan catalogue.", body = PlansBody)))]
pub(crate) async fn list_plans(State(app): State<App>) -> Json<PlansBody> {
    Json(PlansBody { plans: app.services.plans.plans().iter().map(PlanBody::from).collect() })
}
