//! Checkout and portal: links to pages of Stripe's, on which the customer decides.

use chrono::{DateTime, TimeDelta, Utc};
use nat_core::{Actor, Error, ErrorCode, PlanId, Result, Scope, error::Validation, tenant::Tenant};
use serde_json::json;
use sha2::{Digest, Sha256};

use super::{Billing, not_configured};
use crate::{
    account::{BillingAccount, OpenCheckout},
    gateway::{CheckoutState, GatewayError, NewCheckout, NewPortal, Switch},
    price::Unsold,
};

/// A session that expires sooner is not handed out again: the customer needs time to pay.
const REUSE_MARGIN: TimeDelta = TimeDelta::minutes(30);
/// How often a checkout starts again because a parallel one of the same tenant was faster.
const MAX_RACES: usize = 16;
/// How long a link into the portal works before it is opened.
const PORTAL_LINK_LIFE: TimeDelta = TimeDelta::minutes(5);

/// Input of [`Billing::checkout`], before validation.
#[derive(Clone, Debug, Default)]
#[expect(missing_docs, reason = "members of contract.md §1, same names")]
pub struct StartCheckout {
    pub plan: Option<String>,
    pub price_id: Option<String>,
    pub success_url: Option<String>,
    pub cancel_url: Option<String>,
}

/// An open checkout session, or the page on which a running subscription is switched to a higher plan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checkout {
    /// Where the customer pays.
    pub checkout_url: String,
    /// Stripe's id of the session.
    pub session_id: String,
    /// 24 hours after it was made.
    pub expires_at: DateTime<Utc>,
}

/// [`StartCheckout`], validated.
struct Order {
    plan_id: PlanId,
    price_id: String,
    success_url: String,
    cancel_url: String,
}

impl Billing {
    /// Starts a checkout. Scope `billing:write`.
    ///
    /// A session that is still open for the same order is handed out again; one for another order is closed first. With
    /// a running subscription a higher plan is switched to within it, on a page where the customer confirms.
    ///
    /// Errors: 503 `BILLING_NOT_CONFIGURED`; 400 `INVALID_PRICE_ID`; 422; 409 `PLAN_ALREADY_ACTIVE` for the plan in
    /// force and for lower ones, which the portal changes; 503 `STRIPE_UNAVAILABLE`.
    pub async fn checkout(&self, actor: &Actor, input: StartCheckout) -> Result<Checkout> {
        actor.require(Scope::BillingWrite)?;
        self.require_gateway()?;
        let order = self.validate(input)?;
        let tenant = self.tenant(actor).await?;
        if let Some(customer_id) = self.account(&tenant).await?.customer_id {
            // What Stripe knows decides, not what reached us so far: nobody pays twice for a delayed event.
            self.refresh(&customer_id).await?;
        }
        let tenant = self.tenant(actor).await?;
        let account = self.account(&tenant).await?;
        let running = account.state.subscription.as_ref().filter(|subscription| subscription.grants);
        let position = |plan: &PlanId| self.ports.plans.plans().iter().position(|other| other.id == *plan);
        let in_force = tenant.entitlement.plan_at(self.ports.clock.now());
        let highest = running
            .map(|subscription| &subscription.plan_id)
            .into_iter()
            .chain([in_force])
            .max_by_key(|plan| position(plan));
        if let Some(highest) = highest.filter(|highest| position(&order.plan_id) <= position(highest)) {
            return Err(already_active(highest));
        }
        match running.and_then(|subscription| Some((subscription, subscription.item_id.as_deref()?))) {
            Some((subscription, item_id)) => {
                let switch = Switch { subscription_id: &subscription.id, item_id, price_id: &order.price_id };
                self.switch(actor, &account, &order, switch).await
            }
            None => self.open_session(actor, &tenant, &order).await,
        }
    }

    /// A link to the customer portal. Scope `billing:write`. 503 `BILLING_NOT_CONFIGURED`, 422 for the URL, 409
    /// `NO_BILLING_ACCOUNT` before any checkout and after the customer was deleted, 503 `STRIPE_UNAVAILABLE`.
    pub async fn portal(&self, actor: &Actor, return_url: Option<String>) -> Result<String> {
        actor.require(Scope::BillingWrite)?;
        let gateway = self.gateway()?;
        let mut validation = Validation::default();
        let return_url = self.ports.settings.redirects.check(&mut validation, "return_url", return_url);
        validation.finish()?;
        let tenant = self.tenant(actor).await?;
        let customer_id = self.account(&tenant).await?.customer_id.ok_or_else(no_account)?;
        let new = NewPortal { customer_id: &customer_id, return_url: &return_url, switch: None };
        match gateway.create_portal(&new).await {
            Ok(session) => Ok(session.url),
            Err(GatewayError::NotFound) => Err(no_account()),
            Err(GatewayError::Refused { code, .. }) if code == "resource_missing" => Err(no_account()),
            Err(error) => Err(error.into()),
        }
    }

    fn validate(&self, input: StartCheckout) -> Result<Order> {
        let mut validation = Validation::default();
        let price = input.price_id.map(|price_id| self.ports.settings.prices.sold(&price_id, &self.ports.plans));
        if let Some(Err(Unsold::UnknownPrice)) = price {
            let message = "The price_id is not a price of this service.";
            return Err(Error::new(ErrorCode::InvalidPriceId, message));
        }
        if input.plan.is_none() && price.is_none() {
            validation.missing("plan");
        }
        let plan = input.plan.map(PlanId::new);
        if let Some(plan) = &plan {
            let sold = |id: &PlanId| self.ports.plans.find(id).is_some() && !self.ports.plans.is_free(id);
            if !sold(plan) {
                let all: Vec<&str> = self.ports.plans.plans()[1..].iter().map(|plan| plan.id.as_str()).collect();
                validation.invalid("plan", &format!("must be one of {}", all.join(", ")));
            } else if let Some(Ok((other, _))) = &price
                && other != plan
            {
                validation.invalid("plan", "and 'price_id' must mean the same plan");
            }
        }
        let success_url = self.ports.settings.redirects.check(&mut validation, "success_url", input.success_url);
        let cancel_url = self.ports.settings.redirects.check(&mut validation, "cancel_url", input.cancel_url);
        validation.finish()?;
        let unpriced = |plan: PlanId| {
            let message = format!("Billing is not configured on this server: no price is set for the plan '{plan}'.");
            Error::new(ErrorCode::BillingNotConfigured, message)
        };
        let (plan_id, price_id) = match (price, plan) {
            (Some(Ok(sold)), _) => sold,
            (Some(Err(Unsold::NoPrice(plan))), _) => return Err(unpriced(plan)),
            (_, Some(plan)) => match self.ports.settings.prices.price_of(&plan) {
                Some(price) => (plan.clone(), price.to_owned()),
                None => return Err(unpriced(plan)),
            },
            _ => return Err(not_configured()),
        };
        Ok(Order { plan_id, price_id, success_url, cancel_url })
    }

    async fn switch(
        &self,
        actor: &Actor,
        account: &BillingAccount,
        order: &Order,
        switch: Switch<'_>,
    ) -> Result<Checkout> {
        let customer_id = account.customer_id.as_deref().ok_or_else(no_account)?;
        let subscription_id = switch.subscription_id.to_owned();
        let new = NewPortal { customer_id, return_url: &order.success_url, switch: Some(switch) };
        let session = self.gateway()?.create_portal(&new).await?;
        let mut tx = self.ports.store.begin().await?;
        let detail = json!({"plan": order.plan_id, "session": session.id});
        tx.append_audit(&self.line_by(actor, "billing.switch_offered", &subscription_id, detail)).await?;
        tx.commit().await?;
        let expires_at = self.ports.clock.now() + PORTAL_LINK_LIFE;
        Ok(Checkout { checkout_url: session.url, session_id: session.id, expires_at })
    }

    /// The open session of this order. Of calls that race for another order each starts again when it finds that one
    /// was faster: whoever writes its session down last has closed every other one, so that one is open in the end.
    async fn open_session(&self, actor: &Actor, tenant: &Tenant, order: &Order) -> Result<Checkout> {
        let gateway = self.gateway()?;
        let fingerprint = order.fingerprint();
        for _ in 0..MAX_RACES {
            let now = self.ports.clock.now();
            let account = self.account(tenant).await?;
            // The refresh has forgotten a session that is no longer open.
            if let Some(open) = account.state.checkout.as_ref().filter(|open| open.expires_at - REUSE_MARGIN > now) {
                if open.fingerprint == fingerprint {
                    return Ok(open.into());
                }
                gateway.expire_checkout(&open.session_id).await?;
            }
            let customer_id = self.customer_of(tenant, &account).await?;
            let seen = Slot::of(&account);
            let new = NewCheckout {
                customer_id: &customer_id,
                price_id: &order.price_id,
                tenant_id: tenant.id.as_str(),
                success_url: &order.success_url,
                cancel_url: &order.cancel_url,
                idempotency_key: &format!("checkout:{}:{}:{fingerprint}", tenant.id, seen.next()),
            };
            let session = gateway.create_checkout(&new).await?;
            let url = session.url.filter(|_| session.state == CheckoutState::Open);
            let url =
                url.ok_or_else(|| Error::from(GatewayError::Unavailable("the session is not open".to_owned())))?;
            let open = OpenCheckout {
                session_id: session.id,
                fingerprint: fingerprint.clone(),
                url,
                expires_at: session.expires_at,
            };
            if self.remember_session(actor, tenant, &open, &seen, &order.plan_id).await? {
                return Ok((&open).into());
            }
            gateway.expire_checkout(&open.session_id).await?;
        }
        Err(Error::from(GatewayError::Unavailable("too many checkouts of one tenant at once".to_owned())))
    }

    /// Writes the session down, unless another one was written down or forgotten since `seen`; false then.
    async fn remember_session(
        &self,
        actor: &Actor,
        tenant: &Tenant,
        open: &OpenCheckout,
        seen: &Slot,
        plan_id: &PlanId,
    ) -> Result<bool> {
        let store = &self.ports.store;
        let mut tx = store.begin().await?;
        tx.lock_tenant(&tenant.id).await?.ok_or_else(Error::not_found)?;
        let account = store.lock_account(tx.as_mut(), &tenant.id).await?;
        let mut account = account.ok_or_else(|| Error::internal("an account vanished during a checkout"))?;
        if account.state.checkout.as_ref() == Some(open) {
            return Ok(true);
        }
        if Slot::of(&account) != *seen {
            return Ok(false);
        }
        account.state.checkouts_ended = seen.next();
        account.state.checkout = Some(open.clone());
        store.save_account(tx.as_mut(), &account).await?;
        let detail = json!({"plan": plan_id, "expires_at": open.expires_at});
        tx.append_audit(&self.line_by(actor, "billing.checkout_started", &open.session_id, detail)).await?;
        tx.commit().await?;
        Ok(true)
    }
}

/// What is written down of checkouts: how many ended, and which one is open.
#[derive(PartialEq, Eq)]
struct Slot {
    ended: u32,
    open: Option<String>,
}

impl Slot {
    fn of(account: &BillingAccount) -> Self {
        let open = account.state.checkout.as_ref().map(|open| open.session_id.clone());
        Self { ended: account.state.checkouts_ended, open }
    }

    /// The number of the next session: no two that are written down have the same.
    fn next(&self) -> u32 {
        self.ended + u32::from(self.open.is_some())
    }
}

impl Order {
    /// What makes two orders the same.
    fn fingerprint(&self) -> String {
        let text = [&*self.price_id, &*self.success_url, &*self.cancel_url].join("\n");
        hex::encode(&Sha256::digest(text)[..12])
    }
}

impl From<&OpenCheckout> for Checkout {
    fn from(open: &OpenCheckout) -> Self {
        Self { checkout_url: open.url.clone(), session_id: open.session_id.clone(), expires_at: open.expires_at }
    }
}

fn already_active(plan: &PlanId) -> Error {
    let message = format!(
        "The plan '{plan}' is already active. Use POST /api/v1/billing/portal to manage the existing subscription."
    );
    Error::new(ErrorCode::PlanAlreadyActive, message)
}

fn no_account() -> Error {
    let message = "There is no billing account yet. Use POST /api/v1/billing/checkout to start a subscription.";
    Error::new(ErrorCode::NoBillingAccount, message)
}
