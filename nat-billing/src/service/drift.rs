//! The sweep: every subscription at Stripe beside what we have, so that nothing has to reach us to be right in the end.

use std::collections::{BTreeMap, BTreeSet};

use chrono::TimeDelta;
use nat_core::{PlanId, Result, TenantId};

use super::{Billing, reconcile::Seen};
use crate::{account::BillingAccount, gateway::Customer, subscription::Subscription};

/// Accounts in one page.
const ACCOUNTS_PAGE: u32 = 500;
/// Pages of 100 subscriptions that one sweep reads: 100,000.
const MAX_PAGES: usize = 1_000;
/// Seconds between two sweeps of a cluster.
const SWEEP_EVERY_S: i64 = 3_600;
/// Stripe keeps its events for as long; none comes again after that.
const KEEP_EVENTS: TimeDelta = TimeDelta::days(30);

/// A tenant that does not have what Stripe says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Drift {
    /// Which tenant.
    pub tenant_id: TenantId,
    /// Its customer.
    pub customer_id: String,
    /// The plan in force here.
    pub ours: PlanId,
    /// The plan that Stripe's state gives.
    pub theirs: PlanId,
    /// Why they differ.
    pub cause: DriftCause,
}

/// An account that is not what Stripe says.
struct Stale {
    drift: Drift,
    /// The tenant has another plan, end or period than it should.
    differs: bool,
}

/// Why a tenant does not have what Stripe says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DriftCause {
    /// A live subscription gives another plan, end or period than the one that we saw last.
    Changed,
    /// We remember a live subscription that Stripe no longer has.
    Gone,
    /// A live subscription that we have never seen.
    New,
}

impl DriftCause {
    /// A sentence for the operator.
    #[must_use]
    pub const fn explanation(self) -> &'static str {
        match self {
            Self::Changed => "the subscription changed and no event of it arrived",
            Self::Gone => "the subscription ended and no event of it arrived",
            Self::New => "the subscription began and no event of it arrived",
        }
    }
}

impl Billing {
    /// Every tenant whose plan differs from Stripe's state, and why. Reads only. 503 `BILLING_NOT_CONFIGURED`,
    /// `STRIPE_UNAVAILABLE`. For the operator: it takes no actor and sees all tenants.
    pub async fn drift(&self) -> Result<Vec<Drift>> {
        Ok(self.stale().await?.into_iter().filter(|stale| stale.differs).map(|stale| stale.drift).collect())
    }

    /// Every account that does not say what Stripe says, whether it makes a difference to the tenant or not.
    async fn stale(&self) -> Result<Vec<Stale>> {
        let mut live = self.live_subscriptions().await?;
        let mut found = Vec::new();
        let mut after: Option<TenantId> = None;
        loop {
            let accounts = self.ports.store.list_accounts(after.as_ref(), ACCOUNTS_PAGE).await?;
            for account in &accounts {
                let customer_id = account.customer_id.clone().unwrap_or_default();
                let subscriptions = live.remove(&customer_id).unwrap_or_default();
                found.extend(self.compare(account, customer_id, subscriptions).await?);
            }
            match accounts.last() {
                Some(last) if accounts.len() == ACCOUNTS_PAGE as usize => after = Some(last.tenant_id.clone()),
                _ => return Ok(found),
            }
        }
    }

    /// Asks for every customer to be looked at that is not what Stripe says, if only in what we remember; which tenants
    /// had drifted. `run_due` or the next look of a worker does it.
    pub async fn repair(&self) -> Result<Vec<Drift>> {
        let stale = self.stale().await?;
        let customers: BTreeSet<&str> = stale.iter().map(|stale| &*stale.drift.customer_id).collect();
        for customer_id in customers {
            self.want(customer_id).await?;
        }
        Ok(stale.into_iter().filter(|stale| stale.differs).map(|stale| stale.drift).collect())
    }

    /// Asks for one tenant to be looked at, and waits for it. False for a tenant without a customer.
    pub async fn reconcile_tenant(&self, tenant_id: &TenantId) -> Result<bool> {
        self.require_gateway()?;
        let account = self.ports.store.find_account(tenant_id).await?;
        let Some(customer_id) = account.and_then(|account| account.customer_id) else { return Ok(false) };
        self.refresh(&customer_id).await?;
        Ok(true)
    }

    /// The hourly sweep, once in the whole cluster: repairs, and forgets what is too old to matter. The composition
    /// calls it as often as it likes. How many tenants had drifted; `None` when it was not due, or there is no
    /// gateway.
    pub async fn sweep(&self) -> Result<Option<usize>> {
        let (store, now) = (&self.ports.store, self.ports.clock.now());
        if store.take_turn("tidy", now, SWEEP_EVERY_S).await? {
            store.forget_events(now - KEEP_EVENTS).await?;
            store.forget_replays(now).await?;
        }
        // A node that cannot ask Stripe does not take the turn of one that can.
        if self.ports.gateway.is_none() || !store.take_turn("sweep", now, SWEEP_EVERY_S).await? {
            return Ok(None);
        }
        let drifts = self.repair().await?;
        for drift in &drifts {
            tracing::warn!(
                tenant = %drift.tenant_id, ours = %drift.ours, theirs = %drift.theirs,
                "billing drift: {}", drift.cause.explanation()
            );
        }
        metrics::counter!("nat_billing_drifts_total").increment(drifts.len() as u64);
        Ok(Some(drifts.len()))
    }

    async fn want(&self, customer_id: &str) -> Result<()> {
        let store = &self.ports.store;
        let mut tx = store.begin().await?;
        store.want_work(tx.as_mut(), customer_id, self.ports.clock.now()).await?;
        tx.commit().await?;
        self.wake.notify_waiters();
        Ok(())
    }

    /// Everything that was not cancelled, by customer.
    async fn live_subscriptions(&self) -> Result<BTreeMap<String, Vec<Subscription>>> {
        let gateway = self.gateway()?;
        let mut live: BTreeMap<String, Vec<Subscription>> = BTreeMap::new();
        let mut after: Option<String> = None;
        for _ in 0..MAX_PAGES {
            let page = gateway.list_all_subscriptions(after.as_deref()).await?;
            after = page.subscriptions.last().map(|subscription| subscription.id.clone());
            for subscription in page.subscriptions {
                live.entry(subscription.customer_id.clone()).or_default().push(subscription);
            }
            if !page.has_more {
                return Ok(live);
            }
        }
        tracing::warn!("the sweep read {MAX_PAGES} pages of subscriptions and left the rest");
        Ok(live)
    }

    async fn compare(
        &self,
        account: &BillingAccount,
        customer_id: String,
        subscriptions: Vec<Subscription>,
    ) -> Result<Option<Stale>> {
        let now = self.ports.clock.now();
        let Some(tenant) = self.ports.store.find_tenant(&account.tenant_id).await? else { return Ok(None) };
        let plans = self.plan_map(&subscriptions).await?;
        let known = account.state.subscription.as_ref();
        let cause = match known {
            Some(seen) if subscriptions.iter().any(|subscription| subscription.id == seen.id) => DriftCause::Changed,
            Some(seen) if subscriptions.is_empty() && seen.grants => DriftCause::Gone,
            _ if subscriptions.is_empty() => return Ok(None),
            _ => DriftCause::New,
        };
        let customer = Customer { id: customer_id.clone(), deleted: false, tenant_id: None };
        let folded = self.folded(account, &Seen { customer, subscriptions }, &plans);
        let ours = tenant.entitlement.settled(now);
        let theirs = ours.granted(&folded.grant, now);
        let differs = ours != theirs || !folded.surplus.is_empty();
        // A subscription that gives nothing may move on as it likes.
        let same_memory = known.filter(|seen| seen.grants) == folded.subscription.as_ref().filter(|seen| seen.grants);
        if !differs && same_memory {
            return Ok(None);
        }
        let drift = Drift {
            tenant_id: account.tenant_id.clone(),
            customer_id,
            ours: ours.plan_id,
            theirs: theirs.plan_id,
            cause,
        };
        Ok(Some(Stale { drift, differs }))
    }
}
