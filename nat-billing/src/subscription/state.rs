//! From the provider's state to an entitlement. Pure.
//!
//! | status | plan |
//! |---|---|
//! | `trialing` | the subscription's |
//! | `active` | the subscription's, once its first invoice is paid (or the customer pays by invoice) |
//! | `past_due` | the subscription's for a time of grace, counted from the unpaid invoice; then the base plan |
//! | `incomplete`, `incomplete_expired`, `unpaid`, `paused`, `canceled` | the base plan |
//! | any other | the last one, with an alarm |
//!
//! The base plan is what the tenant has without paying: the free one, or what an operator gave it. Where Stripe swaps
//! the price, the plan follows at once in both directions: an upgrade was paid for, and a downgrade in the middle of a
//! period was credited. Downgrades at the end of a period are schedules, in which Stripe swaps the price then.

use std::cmp::Reverse;
use std::collections::BTreeSet;

use chrono::{DateTime, TimeDelta, Utc};
use nat_core::{
    PlanId, TenantId,
    entitlement::{Grant, PlanEnding},
    plan::PlanCatalogue,
};

use super::{Item, Status, Subscription};
use crate::account::{Alarm, KnownSubscription};

/// What is known apart from the provider's state.
#[derive(Clone, Copy, Debug)]
pub struct Known<'a> {
    /// Whose subscriptions these are.
    pub tenant_id: &'a TenantId,
    /// What the tenant has without a subscription.
    pub base_plan_id: &'a PlanId,
    /// The subscription that decided last, as it was seen then.
    pub subscription: Option<&'a KnownSubscription>,
    /// All plans, cheapest first.
    pub plans: &'a PlanCatalogue,
    /// How long a plan goes on after a payment failed.
    pub grace: TimeDelta,
}

/// What follows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Folded {
    /// What the tenant is entitled to.
    pub grant: Grant,
    /// The subscription that decides, to be remembered.
    pub subscription: Option<KnownSubscription>,
    /// Paid subscriptions of ours that there should be only one of.
    pub surplus: Vec<Surplus>,
    /// What needs a person.
    pub alarms: BTreeSet<Alarm>,
}

/// A subscription that is paid beside another one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Surplus {
    /// Which.
    pub subscription_id: String,
    /// Give back what was paid for it: it is the newer one. An older one is credited for the time that is left.
    pub refund: bool,
}

/// What a subscription gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Access {
    None,
    /// Whatever it gave before.
    AsBefore,
    /// Until then, unless it recovers.
    Grace(DateTime<Utc>),
    Full,
}

struct Candidate<'a> {
    subscription: &'a Subscription,
    access: Access,
    /// The item that decides, and its plan.
    item: Option<(&'a Item, PlanId)>,
}

/// The entitlement that `subscriptions`, all of one customer, give at `now`. `plan_of` says which plan an item stands
/// for.
pub fn fold(
    subscriptions: &[Subscription],
    known: &Known<'_>,
    plan_of: impl Fn(&Item) -> Option<PlanId>,
    now: DateTime<Utc>,
) -> Folded {
    let mut alarms = BTreeSet::new();
    let (ours, strangers): (Vec<_>, Vec<_>) = subscriptions
        .iter()
        .partition(|subscription| subscription.tenant_id.as_deref().is_none_or(|id| id == known.tenant_id.as_str()));
    if strangers.iter().any(|subscription| known.access(subscription, now) != Access::None) {
        alarms.insert(Alarm::MetadataMismatch);
    }
    let mut candidates: Vec<Candidate<'_>> =
        ours.into_iter().map(|subscription| known.candidate(subscription, &plan_of, now)).collect();
    candidates.sort_by_key(|candidate| Reverse(known.rank(candidate)));
    let surplus = surplus(&candidates, &mut alarms);
    let Some(best) = candidates.first() else { return known.without(None, &[], alarms, now) };
    if best.access == Access::None {
        return known.without(Some(best), subscriptions, alarms, now);
    }
    known.with(best, surplus, alarms, now)
}

impl Known<'_> {
    fn access(&self, subscription: &Subscription, now: DateTime<Utc>) -> Access {
        match &subscription.status {
            Status::Trialing => Access::Full,
            Status::Active => {
                let first_is_open =
                    subscription.latest_invoice.as_ref().is_some_and(|invoice| invoice.first && !invoice.paid);
                if first_is_open && !subscription.pays_by_invoice { Access::None } else { Access::Full }
            }
            Status::PastDue => {
                let until = self.unpaid_since(subscription, now) + self.grace;
                if until > now { Access::Grace(until) } else { Access::None }
            }
            Status::Other(_) => Access::AsBefore,
            _ => Access::None,
        }
    }

    /// When the payment failed, as the provider tells it: the invoice was made then, or the period began.
    fn unpaid_since(&self, subscription: &Subscription, now: DateTime<Utc>) -> DateTime<Utc> {
        let invoiced = subscription.latest_invoice.as_ref().and_then(|invoice| invoice.created_at);
        let began = subscription.items.iter().filter_map(|item| item.period_start).max();
        let remembered = self.remembered(subscription).and_then(|seen| seen.grace_until).map(|at| at - self.grace);
        invoiced.or(began).or(remembered).unwrap_or(now).min(now)
    }

    fn remembered(&self, subscription: &Subscription) -> Option<&KnownSubscription> {
        self.subscription.filter(|seen| seen.id == subscription.id)
    }

    fn candidate<'a>(
        &self,
        subscription: &'a Subscription,
        plan_of: &impl Fn(&Item) -> Option<PlanId>,
        now: DateTime<Utc>,
    ) -> Candidate<'a> {
        let plans = subscription.items.iter().filter_map(|item| Some((item, plan_of(item)?)));
        let item = plans.max_by_key(|(_, plan)| self.position(plan));
        let mut access = self.access(subscription, now);
        if item.is_none() && access != Access::None {
            access = Access::AsBefore;
        }
        Candidate { subscription, access, item }
    }

    /// The place of a plan in the catalogue; dearer is higher.
    fn position(&self, plan: &PlanId) -> Option<usize> {
        self.plans.plans().iter().position(|other| other.id == *plan)
    }

    /// Which subscription decides: the one that gives most, then the dearest plan, then the oldest. Among those that
    /// give nothing the newest is the one to tell of.
    fn rank(&self, candidate: &Candidate<'_>) -> impl Ord + use<> {
        let access = match candidate.access {
            Access::Grace(_) => 2,
            Access::Full => 3,
            Access::AsBefore => 1,
            Access::None => 0,
        };
        let plan = candidate.item.as_ref().and_then(|(_, plan)| self.position(plan));
        let created = candidate.subscription.created_at.timestamp();
        let age = if access == 0 { created } else { -created };
        (access, plan.filter(|_| access > 0), age, candidate.subscription.id.clone())
    }

    /// The base plan: no subscription gives anything.
    fn without(
        &self,
        newest: Option<&Candidate<'_>>,
        subscriptions: &[Subscription],
        alarms: BTreeSet<Alarm>,
        now: DateTime<Utc>,
    ) -> Folded {
        let ended = subscriptions.iter().filter_map(|subscription| subscription.ended_at).max();
        let grant = Grant {
            plan_id: self.base_plan_id.clone(),
            period_anchor: None,
            since: ended.unwrap_or(now).min(now),
            ending: None,
        };
        let subscription = newest.and_then(|candidate| self.remember(candidate, None, false, &mut BTreeSet::new()));
        Folded { grant, subscription, surplus: Vec::new(), alarms }
    }

    /// What `best`, which gives something, gives.
    fn with(
        &self,
        best: &Candidate<'_>,
        surplus: Vec<Surplus>,
        mut alarms: BTreeSet<Alarm>,
        now: DateTime<Utc>,
    ) -> Folded {
        let subscription = best.subscription;
        if matches!(subscription.status, Status::Other(_)) {
            alarms.insert(Alarm::UnknownStatus);
        }
        if best.item.is_none() {
            alarms.insert(Alarm::UnknownPrice);
        }
        if best.item.as_ref().is_some_and(|(item, _)| item.quantity.is_some_and(|count| count != 1)) {
            alarms.insert(Alarm::Quantity);
        }
        let grace_until = if let Access::Grace(until) = best.access { Some(until) } else { None };
        let before = self.remembered(subscription);
        if best.access == Access::AsBefore && before.is_none_or(|seen| !seen.grants) {
            // Nothing to go on with.
            let since = subscription.started_at.unwrap_or(subscription.created_at).min(now);
            let grant = Grant { plan_id: self.base_plan_id.clone(), period_anchor: None, since, ending: None };
            let subscription = self.remember(best, None, false, &mut alarms);
            return Folded { grant, subscription, surplus, alarms };
        }
        let Some(seen) = self.remember(best, grace_until, true, &mut alarms) else {
            return self.without(Some(best), &[], alarms, now);
        };
        let ends_at = seen.cancel_at.into_iter().chain(seen.grace_until).min();
        let since = subscription.started_at.unwrap_or(subscription.created_at).min(now);
        let base = self.base_plan_id;
        let grant = match ends_at {
            _ if self.position(base) > self.position(&seen.plan_id) => {
                Grant { plan_id: base.clone(), period_anchor: None, since, ending: None }
            }
            Some(at) if at <= now => Grant { plan_id: base.clone(), period_anchor: None, since: at, ending: None },
            _ => Grant {
                plan_id: seen.plan_id.clone(),
                period_anchor: seen.anchor,
                since,
                ending: ends_at.map(|at| PlanEnding { at, plan_id: base.clone() }),
            },
        };
        Folded { grant, subscription: Some(seen), surplus, alarms }
    }

    /// What to remember of a subscription; what the provider left out is taken from what was remembered before. `None`
    /// when there is no plan to it at all.
    fn remember(
        &self,
        candidate: &Candidate<'_>,
        grace_until: Option<DateTime<Utc>>,
        grants: bool,
        alarms: &mut BTreeSet<Alarm>,
    ) -> Option<KnownSubscription> {
        let subscription = candidate.subscription;
        let before = self.remembered(subscription);
        let plan_id =
            candidate.item.as_ref().map(|(_, plan)| plan.clone()).filter(|_| candidate.access != Access::AsBefore);
        let plan_id = plan_id.or_else(|| before.map(|seen| seen.plan_id.clone()))?;
        let item = candidate.item.as_ref().map(|(item, _)| *item).or(subscription.items.first());
        let period_end = item.and_then(|item| item.period_end).or(before.and_then(|seen| seen.period_end));
        let anchor = subscription.anchor.or(item.and_then(|item| item.period_start));
        if grants && (item.is_none_or(|item| item.period_end.is_none()) || anchor.is_none()) {
            alarms.insert(Alarm::PeriodMissing);
        }
        let anchor = anchor.or(before.and_then(|seen| seen.anchor)).or(Some(subscription.created_at));
        let at_period_end = subscription.cancel_at_period_end.then_some(period_end).flatten();
        Some(KnownSubscription {
            id: subscription.id.clone(),
            item_id: item.map(|item| item.id.clone()),
            status: subscription.status.as_str().to_owned(),
            plan_id,
            grants,
            price_id: item.map(|item| item.price_id.clone()).unwrap_or_default(),
            anchor,
            period_end,
            cancel_at: subscription.cancel_at.into_iter().chain(at_period_end).min(),
            grace_until,
        })
    }
}

/// The fully paid subscriptions behind the best one. Only those that our checkout made are ended.
fn surplus(candidates: &[Candidate<'_>], alarms: &mut BTreeSet<Alarm>) -> Vec<Surplus> {
    let mut paid = candidates.iter().filter(|candidate| candidate.access == Access::Full);
    let Some(best) = paid.next() else { return Vec::new() };
    let others: Vec<&Candidate<'_>> = paid.collect();
    if !others.is_empty() {
        alarms.insert(Alarm::SeveralSubscriptions);
    }
    let ours = others.into_iter().filter(|candidate| candidate.subscription.tenant_id.is_some());
    ours.map(|candidate| Surplus {
        subscription_id: candidate.subscription.id.clone(),
        refund: candidate.subscription.created_at >= best.subscription.created_at,
    })
    .collect()
}

#[cfg(test)]
mod tests;
