//! How the tenant's billing stands.

use chrono::{DateTime, Utc};
use nat_core::{Actor, Error, PlanId, Result, Scope};

use super::Billing;

/// What a tenant may know of its billing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BillingStatus {
    /// The plan in force.
    pub plan_id: PlanId,
    /// The plan ends then, and `next_plan_id` follows.
    pub plan_ends_at: Option<DateTime<Utc>>,
    /// The plan that follows.
    pub next_plan_id: Option<PlanId>,
    /// Whether the portal can be opened.
    pub has_billing_account: bool,
    /// The subscription that decides, or the last one there was.
    pub subscription: Option<SubscriptionSummary>,
}

/// What is shown of a subscription.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SubscriptionSummary {
    /// `sub_…`
    pub id: String,
    /// Stripe's word for where it stands.
    pub status: String,
    /// What it pays for.
    pub plan_id: PlanId,
    /// The end of the running period.
    pub period_end: Option<DateTime<Utc>>,
    /// It is going to end then.
    pub cancel_at: Option<DateTime<Utc>>,
    /// A payment failed; the plan goes on until then.
    pub grace_until: Option<DateTime<Utc>>,
}

impl Billing {
    /// How the tenant's billing stands. Scope `usage:read`.
    ///
    /// With the id of a checkout session, which Stripe puts into `success_url` for `{CHECKOUT_SESSION_ID}`, Stripe is
    /// asked first, so that a customer who comes back from paying sees the new plan before the webhook has come. A
    /// session of another tenant is a 404 like one that does not exist.
    pub async fn status(&self, actor: &Actor, session_id: Option<&str>) -> Result<BillingStatus> {
        actor.require(Scope::UsageRead)?;
        if let Some(session_id) = session_id {
            self.confirm(actor, session_id).await?;
        }
        let tenant = self.tenant(actor).await?;
        let account = self.account(&tenant).await?;
        let settled = tenant.entitlement.settled(self.ports.clock.now());
        let (plan_ends_at, next_plan_id) = settled.ending.map(|ending| (ending.at, ending.plan_id)).unzip();
        Ok(BillingStatus {
            plan_id: self.ports.plans.get(&settled.plan_id).id.clone(),
            plan_ends_at,
            next_plan_id,
            has_billing_account: account.customer_id.is_some(),
            subscription: account.state.subscription.map(|seen| SubscriptionSummary {
                id: seen.id,
                status: seen.status,
                plan_id: seen.plan_id,
                period_end: seen.period_end,
                cancel_at: seen.cancel_at,
                grace_until: seen.grace_until,
            }),
        })
    }

    async fn confirm(&self, actor: &Actor, session_id: &str) -> Result<()> {
        let gateway = self.gateway()?;
        if !is_session_id(session_id) {
            return Err(Error::not_found());
        }
        let tenant = self.tenant(actor).await?;
        let ours = self.account(&tenant).await?.customer_id.ok_or_else(Error::not_found)?;
        let session = gateway.find_checkout(session_id).await?.ok_or_else(Error::not_found)?;
        if session.customer_id.as_deref() != Some(&*ours) {
            return Err(Error::not_found());
        }
        self.refresh(&ours).await
    }
}

/// What is nothing like an id of a session is not worth a question to Stripe.
fn is_session_id(text: &str) -> bool {
    let rest = text.strip_prefix("cs_").unwrap_or_default();
    (1..=250).contains(&rest.len()) && rest.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}
