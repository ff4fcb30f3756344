//! The one place where a plan changes after a tenant was registered: what Stripe says now is folded and written down.

use std::collections::HashMap;

use chrono::{DateTime, TimeDelta, Utc};
use nat_core::{PlanId, Result, TenantId, store::CoreTx, tenant::Tenant};
use serde_json::json;

use super::Billing;
use crate::{
    account::{Alarm, BillingAccount},
    gateway::{CheckoutState, Customer, GatewayError},
    store::{ClaimedWork, WorkOutcome},
    subscription::{Folded, Item, Known, Subscription, fold},
};

/// Events of a customer that belongs to no tenant are kept for as long as Stripe would deliver them.
const PARK_FOR: TimeDelta = TimeDelta::days(3);
/// How long such a customer is left alone at most. An account of Stripe's may serve other products too, whose customers
/// are never going to be ours.
const PARK_PAUSE: TimeDelta = TimeDelta::hours(6);

/// How a piece of work ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ending {
    /// Stripe's state is ours.
    Applied,
    /// The customer belongs to no tenant yet.
    Parked,
    /// Somebody else claimed it meanwhile, and will have read later than we did. Nothing was written.
    LostClaim,
}

/// What Stripe says of a customer.
pub(super) struct Seen {
    pub(super) customer: Customer,
    pub(super) subscriptions: Vec<Subscription>,
}

/// Which plan an item stands for: by its price, by the metadata of the price, by that of its product.
pub(super) struct PlanMap<'a> {
    billing: &'a Billing,
    products: HashMap<String, Option<String>>,
}

impl PlanMap<'_> {
    pub(super) fn plan_of(&self, item: &Item) -> Option<PlanId> {
        if let Some(plan) = self.billing.ports.settings.prices.plan_of(&item.price_id) {
            return Some(plan.clone());
        }
        let of_product = || self.products.get(item.product_id.as_ref()?)?.as_ref();
        let hint = item.plan_hint.as_ref().or_else(of_product)?;
        let plan = PlanId::from(hint.as_str());
        self.billing.ports.plans.find(&plan).map(|plan| plan.id.clone())
    }
}

impl Billing {
    /// Fetches the customer's state and writes down what follows from it, in one transaction with the end of the work.
    pub(super) async fn reconcile(&self, work: &ClaimedWork) -> Result<Ending> {
        let Some(seen) = self.look(&work.customer_id).await? else {
            // No such customer at all: an event of another account of Stripe's.
            return self.give_up_or_park(work, None).await;
        };
        let account = match self.ports.store.find_account_by_customer(&work.customer_id).await? {
            Some(account) => account,
            None => match self.adopt_orphan(&seen.customer).await? {
                Some(account) => account,
                None => return self.give_up_or_park(work, Some(&seen.customer)).await,
            },
        };
        let plans = self.plan_map(&seen.subscriptions).await?;
        let tenant_id = account.tenant_id.clone();
        let over = self.is_checkout_over(&account).await?;
        let folded = self.folded(&account, &seen, &plans);
        for surplus in &folded.surplus {
            self.gateway()?.cancel_subscription(&surplus.subscription_id, surplus.refund).await?;
        }
        let mut tx = self.ports.store.begin().await?;
        let Some(tenant) = tx.lock_tenant(&tenant_id).await? else { return Ok(Ending::LostClaim) };
        let Some(account) = self.ports.store.lock_account(tx.as_mut(), &tenant_id).await? else {
            return Ok(Ending::LostClaim);
        };
        // Folded again over the account as it is under the lock: what was remembered may have changed.
        let folded = Folded { surplus: folded.surplus, ..self.folded(&account, &seen, &plans) };
        self.apply(tx.as_mut(), tenant, account, &seen.customer, folded, over).await?;
        if !self.ports.store.end_work(tx.as_mut(), work, &WorkOutcome::Done).await? {
            return Ok(Ending::LostClaim);
        }
        tx.commit().await?;
        self.wake.notify_waiters();
        Ok(Ending::Applied)
    }

    /// The customer and its subscriptions, read after the work was claimed; `None` when Stripe has no such customer.
    async fn look(&self, customer_id: &str) -> Result<Option<Seen>> {
        let gateway = self.gateway()?;
        let customer = match gateway.get_customer(customer_id).await {
            Ok(customer) => customer,
            Err(GatewayError::NotFound) => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        // Deleting a customer ends its subscriptions, and Stripe no longer lists them.
        let subscriptions = if customer.deleted { Vec::new() } else { gateway.list_subscriptions(customer_id).await? };
        Ok(Some(Seen { customer, subscriptions }))
    }

    /// What the metadata of the products says, for prices that nothing else explains.
    pub(super) async fn plan_map(&self, subscriptions: &[Subscription]) -> Result<PlanMap<'_>> {
        let mut map = PlanMap { billing: self, products: HashMap::new() };
        for item in subscriptions.iter().flat_map(|subscription| &subscription.items) {
            let Some(product_id) = &item.product_id else { continue };
            if map.plan_of(item).is_none() && !map.products.contains_key(product_id) {
                let plan = self.gateway()?.product_plan(product_id).await?;
                map.products.insert(product_id.clone(), plan);
            }
        }
        Ok(map)
    }

    pub(super) fn folded(&self, account: &BillingAccount, seen: &Seen, plans: &PlanMap<'_>) -> Folded {
        let known = Known {
            tenant_id: &account.tenant_id,
            base_plan_id: account.state.base_plan_id.as_ref().unwrap_or_else(|| self.free_plan()),
            subscription: account.state.subscription.as_ref(),
            plans: &self.ports.plans,
            grace: self.ports.settings.grace,
        };
        let mut folded = fold(&seen.subscriptions, &known, |item| plans.plan_of(item), self.ports.clock.now());
        let names_another = |id: &String| *id != account.tenant_id.as_str();
        if seen.customer.tenant_id.as_ref().is_some_and(names_another) {
            folded.alarms.insert(Alarm::MetadataMismatch);
        }
        folded
    }

    /// The tenant that the metadata of the customer names, when it has no customer: our own binding was not written
    /// (the process died between Stripe's answer and our commit), or the customer was made by hand.
    async fn adopt_orphan(&self, customer: &Customer) -> Result<Option<BillingAccount>> {
        let Some(tenant_id) = customer.tenant_id.as_deref().filter(|_| !customer.deleted) else { return Ok(None) };
        let tenant_id = TenantId::from(tenant_id);
        let mut tx = self.ports.store.begin().await?;
        if self.bind(tx.as_mut(), &tenant_id, &customer.id).await?.as_deref() != Some(&*customer.id) {
            return Ok(None);
        }
        let account = self.ports.store.lock_account(tx.as_mut(), &tenant_id).await?;
        tx.commit().await?;
        Ok(account)
    }

    /// Waits for the tenant to appear, for as long as Stripe itself would deliver the event; then says so and stops.
    async fn give_up_or_park(&self, work: &ClaimedWork, customer: Option<&Customer>) -> Result<Ending> {
        let named = customer.and_then(|customer| customer.tenant_id.as_deref()).map(TenantId::from);
        let tenant = match &named {
            Some(tenant_id) => self.ports.store.find_tenant(tenant_id).await?,
            None => None,
        };
        // A tenant that has another customer is not going to get this one, and it is told.
        let mismatch = tenant.filter(|_| customer.is_some_and(|customer| !customer.deleted));
        if mismatch.is_none() && self.ports.clock.now() - work.since < PARK_FOR {
            self.put_off(work, PARK_PAUSE).await?;
            return Ok(Ending::Parked);
        }
        let mut tx = self.ports.store.begin().await?;
        let detail = json!({"customer": work.customer_id});
        let alarm = if mismatch.is_some() { Alarm::MetadataMismatch } else { Alarm::UnknownCustomer };
        self.raise(tx.as_mut(), mismatch.as_ref().map(|tenant| &tenant.id), alarm, detail).await?;
        if !self.ports.store.end_work(tx.as_mut(), work, &WorkOutcome::Done).await? {
            return Ok(Ending::LostClaim);
        }
        tx.commit().await?;
        Ok(Ending::Parked)
    }

    /// The checkout that we remember was paid, was closed, or has run out of time.
    async fn is_checkout_over(&self, account: &BillingAccount) -> Result<Option<String>> {
        let Some(open) = &account.state.checkout else { return Ok(None) };
        let session = self.gateway()?.find_checkout(&open.session_id).await?;
        let over = session.is_none_or(|session| session.state != CheckoutState::Open);
        Ok(over.then(|| open.session_id.clone()))
    }

    /// Writes down what follows, and tells the audit log of what changed.
    async fn apply(
        &self,
        tx: &mut dyn CoreTx,
        mut tenant: Tenant,
        mut account: BillingAccount,
        customer: &Customer,
        folded: Folded,
        over: Option<String>,
    ) -> Result<()> {
        let now = self.ports.clock.now();
        let before = tenant.entitlement.settled(now);
        tenant.entitlement = tenant.entitlement.granted(&folded.grant, now);
        if over.is_some() && account.state.checkout.as_ref().map(|open| &open.session_id) == over.as_ref() {
            account.state.checkout = None;
            account.state.checkouts_ended += 1;
        }
        if customer.deleted {
            Self::unbind(&mut account, &mut tenant);
        }
        let subscription_id = folded.subscription.as_ref().map_or("none", |seen| &*seen.id).to_owned();
        if before != tenant.entitlement {
            let describe = |plan: &PlanId, ends_at: Option<DateTime<Utc>>| json!({"plan": plan, "ends_at": ends_at});
            let after = &tenant.entitlement;
            let detail = json!({
                "before": describe(&before.plan_id, before.ending.as_ref().map(|ending| ending.at)),
                "after": describe(&after.plan_id, after.ending.as_ref().map(|ending| ending.at)),
                "status": folded.subscription.as_ref().map(|seen| &seen.status),
            });
            tracing::info!(tenant = %tenant.id, subscription = subscription_id, %detail, "plan changed");
            tx.append_audit(&self.line(&tenant.id, "plan.changed", &subscription_id, detail)).await?;
        }
        self.tell_of_grace(tx, &account, &folded).await?;
        for alarm in folded.alarms.difference(&account.state.alarms) {
            let detail = json!({"customer": customer.id, "subscription": subscription_id});
            self.raise(tx, Some(&tenant.id), *alarm, detail).await?;
        }
        for surplus in &folded.surplus {
            let detail = json!({"refunded": surplus.refund, "kept": subscription_id});
            let line = self.line(&tenant.id, "billing.surplus_ended", &surplus.subscription_id, detail);
            tx.append_audit(&line).await?;
        }
        account.state.alarms = folded.alarms;
        account.state.subscription = folded.subscription;
        account.state.reconciled_at = Some(now);
        tx.update_tenant(&tenant).await?;
        self.ports.store.save_account(tx, &account).await?;
        Ok(())
    }

    /// One notice for one failed payment.
    async fn tell_of_grace(&self, tx: &mut dyn CoreTx, account: &BillingAccount, folded: &Folded) -> Result<()> {
        let grace = folded.subscription.as_ref().and_then(|seen| Some((&seen.id, seen.grace_until?)));
        let Some((id, until)) = grace else { return Ok(()) };
        if account.state.subscription.as_ref().and_then(|seen| seen.grace_until) == Some(until) {
            return Ok(());
        }
        tx.append_audit(&self.line(&account.tenant_id, "billing.payment_failed", id, json!({"grace_until": until})))
            .await
    }
}
