//! Billing.

use async_graphql::SimpleObject;
use nat_billing::service::{BillingStatus, SubscriptionSummary};
use nat_core::plan::PlanCatalogue;

use super::PlanObject;
use crate::scalar::Instant;

/// How billing stands.
#[derive(Debug, SimpleObject)]
#[graphql(name = "Billing")]
pub(crate) struct BillingObject {
    /// The plan in force.
    plan: PlanObject,
    /// The plan ends then, and `nextPlan` follows.
    plan_ends_at: Option<Instant>,
    /// The plan that follows.
    next_plan: Option<PlanObject>,
    /// Whether the portal can be opened.
    has_billing_account: bool,
    /// The subscription that decides, or the last one there was.
    subscription: Option<BillingSubscriptionObject>,
}

impl BillingObject {
    /// Plans are shown whole.
    pub(crate) fn new(status: BillingStatus, plans: &PlanCatalogue) -> Self {
        Self {
            plan: plans.get(&status.plan_id).into(),
            plan_ends_at: status.plan_ends_at.map(Instant),
            next_plan: status.next_plan_id.map(|id| plans.get(&id).into()),
            has_billing_account: status.has_billing_account,
            subscription: status.subscription.map(|seen| BillingSubscriptionObject::new(seen, plans)),
        }
    }
}

/// A subscription at Stripe.
#[derive(Debug, SimpleObject)]
#[graphql(name = "BillingSubscription")]
pub(crate) struct BillingSubscriptionObject {
    /// `sub_…`
    subscription_id: String,
    /// Stripe's word for where it stands.
    status: String,
    /// What it pays for.
    plan: PlanObject,
    /// The end of the running period.
    period_end: Option<Instant>,
    /// It is going to end then.
    cancel_at: Option<Instant>,
    /// A payment failed; the plan goes on until then.
    grace_until: Option<Instant>,
}

impl BillingSubscriptionObject {
    fn new(seen: SubscriptionSummary, plans: &PlanCatalogue) -> Self {
        Self {
            subscription_id: seen.id,
            status: seen.status,
            plan: plans.get(&seen.plan_id).into(),
            period_end: seen.period_end.map(Instant),
            cancel_at: seen.cancel_at.map(Instant),
            grace_until: seen.grace_until.map(Instant),
        }
    }
}
