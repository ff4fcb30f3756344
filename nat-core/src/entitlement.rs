//! What a tenant is entitled to over time: a plan, the usage periods it is counted in, and a change that is already
//! known to come.
//!
//! Everything is computed from stored instants and the time asked about; no job has to run at a boundary. Two
//! invariants hold over every sequence of changes, and the property tests below check them: a change never takes the
//! units used so far out of the running period (the period that is running keeps its start, which is the key of its
//! counter), and it never moves the end of that period back. So an upgrade keeps what was used, and going back and
//! forth between plans gives no extra units.

use chrono::{DateTime, TimeDelta, Utc};

use crate::{
    PlanId,
    period::{Period, period_at},
};

/// The plan of a tenant and its usage periods, as stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entitlement {
    /// The plan since the last change; [`Entitlement::at`] says which one is in force at an instant.
    pub plan_id: PlanId,
    /// The instant whose day of month and time of day start each period; `None` means calendar months in UTC.
    pub period_anchor: Option<DateTime<Utc>>,
    /// The period that ran when the plan last changed. It goes on to its end; the anchor's periods follow.
    pub carried_period: Option<Period>,
    /// A change that comes by itself: the end of a paid plan.
    pub ending: Option<PlanEnding>,
}

/// From `at` on the tenant has `plan_id`, counted in calendar months.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlanEnding {
    /// The first instant of the other plan.
    pub at: DateTime<Utc>,
    /// The plan from then on.
    pub plan_id: PlanId,
}

/// What holds at one instant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Standing {
    /// The plan in force.
    pub plan_id: PlanId,
    /// The usage period; its start is the key of the counters.
    pub period: Period,
}

/// A plan as somebody grants it: the payment provider's state, or an operator.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grant {
    /// The plan from now on.
    pub plan_id: PlanId,
    /// What its periods are anchored at; `None` for calendar months.
    pub period_anchor: Option<DateTime<Utc>>,
    /// When the provider says that it began, which may lie before the moment in which we learn of it.
    pub since: DateTime<Utc>,
    /// When it is known to end.
    pub ending: Option<PlanEnding>,
}

impl Entitlement {
    /// A plan counted in calendar months, without an end.
    #[must_use]
    pub fn of(plan_id: PlanId) -> Self {
        Self { plan_id, period_anchor: None, carried_period: None, ending: None }
    }

    /// The plan in force at `at` and the period that holds `at`.
    #[must_use]
    pub fn at(&self, at: DateTime<Utc>) -> Standing {
        let settled = self.settled(at);
        let period = settled.period(at);
        Standing { plan_id: settled.plan_id, period }
    }

    /// The plan in force at `at`.
    #[must_use]
    pub fn plan_at(&self, at: DateTime<Utc>) -> &PlanId {
        match &self.ending {
            Some(ending) if ending.at <= at => &ending.plan_id,
            _ => &self.plan_id,
        }
    }

    /// The same entitlement, with an ending that has come by `now` written down as past.
    #[must_use]
    pub fn settled(&self, now: DateTime<Utc>) -> Self {
        match &self.ending {
            Some(ending) if ending.at <= now => {
                let before = Self { ending: None, ..self.clone() };
                // The last instant of the old plan.
                let last = ending.at - TimeDelta::nanoseconds(1);
                Self { plan_id: ending.plan_id.clone(), ..before.anchored_at(None, last, last) }
            }
            _ => self.clone(),
        }
    }

    /// What is stored after `grant` took effect at `now`.
    #[must_use]
    pub fn granted(&self, grant: &Grant, now: DateTime<Utc>) -> Self {
        let anchored = self.settled(now).anchored_at(grant.period_anchor, grant.since.min(now), now);
        Self { plan_id: grant.plan_id.clone(), ending: grant.ending.clone(), ..anchored }
    }

    /// Another anchor from `at` on. The running period goes on: it ends when it would have ended at `since`, or with
    /// the first period of a new anchor if that is later.
    fn anchored_at(&self, anchor: Option<DateTime<Utc>>, since: DateTime<Utc>, at: DateTime<Utc>) -> Self {
        if anchor == self.period_anchor {
            return self.clone();
        }
        let old_end = self.period(since).end;
        let new_end = period_at(anchor, at).end;
        // Without an anchor the calendar simply follows; a period that ended before we knew of the change is no guide.
        let end = if anchor.is_none() && old_end > at { old_end } else { new_end.max(old_end) };
        let carried = Period { start: self.period(at).start, end };
        Self { period_anchor: anchor, carried_period: Some(carried), ..self.clone() }
    }

    /// The period that holds `at`, the ending left aside.
    fn period(&self, at: DateTime<Utc>) -> Period {
        let natural = period_at(self.period_anchor, at);
        match self.carried_period {
            Some(carried) if (carried.start..carried.end).contains(&at) => carried,
            // What is left of the anchor's period behind the carried one.
            Some(carried) if natural.start < carried.end && carried.end <= at => {
                Period { start: carried.end, ..natural }
            }
            // A clock that was set back: never a period without an end.
            _ => natural,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn utc(text: &str) -> DateTime<Utc> {
        format!("2025-{text}Z").parse().unwrap()
    }

    fn paid(plan: &str, since: &str) -> Grant {
        let since = utc(since);
        Grant { plan_id: plan.into(), period_anchor: Some(since), since, ending: None }
    }

    fn free(since: &str) -> Grant {
        Grant { plan_id: "free".into(), period_anchor: None, since: utc(since), ending: None }
    }

    #[track_caller]
    fn check(entitlement: &Entitlement, at: &str, plan: &str, start: &str, end: &str) {
        let wanted = Standing { plan_id: plan.into(), period: Period { start: utc(start), end: utc(end) } };
        assert_eq!(entitlement.at(utc(at)), wanted, "at {at}");
    }

    #[test]
    fn upgrade_keeps_the_counter_and_follows_the_paid_period() {
        let pro = Entitlement::of("free".into()).granted(&paid("pro", "01-15T10:00:00"), utc("01-15T10:00:02"));
        check(&pro, "01-15T10:00:02", "pro", "01-01T00:00:00", "02-15T10:00:00");
        check(&pro, "02-15T10:00:00", "pro", "02-15T10:00:00", "03-15T10:00:00");
        // The same grant again, at any time, changes nothing.
        for at in ["01-20T00:00:00", "02-20T00:00:00"] {
            assert_eq!(pro.granted(&paid("pro", "01-15T10:00:00"), utc(at)), pro);
        }
        // Learnt of late: the period ends where the subscription's does.
        let late = Entitlement::of("free".into()).granted(&paid("pro", "01-30T00:00:00"), utc("02-02T00:00:00"));
        check(&late, "02-02T00:00:00", "pro", "02-01T00:00:00", "02-28T00:00:00");
    }

    #[test]
    fn ending_takes_effect_by_itself_at_its_instant() {
        let mut grant = paid("pro", "01-15T10:00:00");
        grant.ending = Some(PlanEnding { at: utc("02-15T10:00:00"), plan_id: "free".into() });
        let ending = Entitlement::of("free".into()).granted(&grant, utc("01-15T10:00:00"));
        check(&ending, "02-15T09:59:59.999", "pro", "01-01T00:00:00", "02-15T10:00:00");
        check(&ending, "02-15T10:00:00", "free", "02-15T10:00:00", "03-01T00:00:00");
        check(&ending, "03-01T00:00:00", "free", "03-01T00:00:00", "04-01T00:00:00");
        // Hearing of it afterwards changes nothing.
        let heard = ending.granted(&free("02-15T10:00:00"), utc("02-17T00:00:00"));
        for at in ["02-15T10:00:00", "02-17T00:00:00", "03-02T00:00:00"] {
            assert_eq!(heard.at(utc(at)), ending.at(utc(at)), "{at}");
        }
    }

    #[test]
    fn back_and_forth_within_a_period_is_one_period() {
        let mut entitlement = Entitlement::of("free".into());
        for day in ["15", "17", "19"] {
            entitlement = entitlement
                .granted(&paid("pro", &format!("01-{day}T00:00:00")), utc(&format!("01-{day}T00:00:00")))
                .granted(&free(&format!("01-{day}T12:00:00")), utc(&format!("01-{day}T12:00:00")));
        }
        check(&entitlement, "01-20T00:00:00", "free", "01-01T00:00:00", "02-19T00:00:00");
        check(&entitlement, "02-19T00:00:00", "free", "02-19T00:00:00", "03-01T00:00:00");
    }

    #[test]
    fn trial_does_not_end_the_calendar_period_early() {
        let mut trial = paid("pro", "01-16T00:00:00");
        trial.since = utc("01-02T00:00:00");
        let trial = Entitlement::of("free".into()).granted(&trial, utc("01-02T00:00:00"));
        check(&trial, "01-20T00:00:00", "pro", "01-01T00:00:00", "02-01T00:00:00");
        check(&trial, "02-01T00:00:00", "pro", "02-01T00:00:00", "02-16T00:00:00");
    }

    proptest! {
        #[test]
        fn change_never_moves_units_out_of_the_period_nor_its_end_back(
            changes in prop::collection::vec((1i64..90 * 24, any::<bool>(), -40i64..40, prop::option::of(1i64..100)), 1..12),
        ) {
            let mut now = utc("01-01T00:00:00");
            let mut entitlement = Entitlement::of("free".into());
            for (hours, pays, shift, ends_in) in changes {
                now += TimeDelta::hours(hours);
                let before = entitlement.at(now).period;
                let anchor = pays.then(|| now + TimeDelta::days(shift));
                let grant = Grant {
                    plan_id: if pays { "pro" } else { "free" }.into(),
                    period_anchor: anchor,
                    since: now,
                    ending: ends_in.filter(|_| pays)
                        .map(|days| PlanEnding { at: now + TimeDelta::days(days), plan_id: "free".into() }),
                };
                let same_anchor = entitlement.settled(now).period_anchor == anchor;
                entitlement = entitlement.granted(&grant, now);
                let after = entitlement.at(now).period;
                prop_assert_eq!(after.start, before.start);
                prop_assert!(after.end >= before.end || same_anchor, "{:?} {:?}", before, after);
                prop_assert_eq!(entitlement.granted(&grant, now), entitlement.clone(), "repeating it changes nothing");
                // From here on the periods tile: each instant is in exactly one, and none is empty.
                let mut at = now;
                for _ in 0..20 {
                    let period = entitlement.at(at).period;
                    prop_assert!(period.start <= at && at < period.end, "{:?} {}", period, at);
                    prop_assert_eq!(entitlement.at(period.end).period.start, period.end);
                    let last = period.end - TimeDelta::nanoseconds(1);
                    prop_assert_eq!(entitlement.at(last).period.end, period.end);
                    at = period.end;
                }
            }
        }
    }
}
