use std::collections::HashMap;

use super::*;
use crate::subscription::Invoice;

fn at(second: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(1_750_000_000 + second, 0).unwrap()
}

const DAY: i64 = 86_400;
const MONTH: i64 = 30 * DAY;

/// An active, paid subscription of ours to plan `pro`, one hour old.
fn subscription(id: &str) -> Subscription {
    Subscription {
        id: id.to_owned(),
        customer_id: "cus_1".to_owned(),
        status: Status::Active,
        tenant_id: Some("t".to_owned()),
        created_at: at(-3600),
        started_at: Some(at(-3600)),
        ended_at: None,
        anchor: Some(at(-3600)),
        cancel_at: None,
        cancel_at_period_end: false,
        pays_by_invoice: false,
        items: vec![item("price_pro")],
        latest_invoice: Some(Invoice { created_at: Some(at(-3600)), paid: true, first: true }),
    }
}

fn item(price: &str) -> Item {
    Item {
        id: format!("si_{price}"),
        price_id: price.to_owned(),
        product_id: None,
        plan_hint: None,
        quantity: Some(1),
        period_start: Some(at(-3600)),
        period_end: Some(at(MONTH - 3600)),
    }
}

/// What the fold is told besides the subscriptions.
struct Memory {
    base: PlanId,
    seen: Option<KnownSubscription>,
    plans: PlanCatalogue,
}

impl Memory {
    fn new(base: &str) -> Self {
        Self { base: base.into(), seen: None, plans: PlanCatalogue::published() }
    }

    fn fold_at(&self, subscriptions: &[Subscription], now: DateTime<Utc>) -> Folded {
        let known = Known {
            tenant_id: &"t".into(),
            base_plan_id: &self.base,
            subscription: self.seen.as_ref(),
            plans: &self.plans,
            grace: TimeDelta::days(14),
        };
        let prices = HashMap::from([("price_pro", "pro"), ("price_team", "team")]);
        fold(subscriptions, &known, |item| prices.get(&*item.price_id).map(|plan| PlanId::from(*plan)), now)
    }

    fn fold(&self, subscriptions: &[Subscription]) -> Folded {
        self.fold_at(subscriptions, at(0))
    }
}

/// The plan and when it ends, in seconds from now.
#[track_caller]
fn check(folded: &Folded, plan: &str, ends: Option<i64>, alarms: &[Alarm]) {
    let ending = folded.grant.ending.as_ref().map(|ending| ending.at);
    assert_eq!((folded.grant.plan_id.as_str(), ending), (plan, ends.map(at)), "{folded:?}");
    assert_eq!(folded.alarms.iter().copied().collect::<Vec<_>>(), alarms);
}

#[test]
fn each_status_gives_what_the_table_says() {
    for (status, plan, ends) in [
        ("incomplete", "free", None),
        ("incomplete_expired", "free", None),
        ("trialing", "pro", None),
        ("active", "pro", None),
        ("past_due", "pro", Some(14 * DAY - 3600)),
        ("unpaid", "free", None),
        ("paused", "free", None),
        ("canceled", "free", None),
    ] {
        let one = Subscription { status: Status::parse(status), ..subscription("sub_1") };
        let folded = Memory::new("free").fold(&[one]);
        check(&folded, plan, ends, &[]);
        assert_eq!(folded.subscription.unwrap().status, status);
        assert_eq!(folded.grant.period_anchor, (plan == "pro").then_some(at(-3600)));
    }
}

#[test]
fn unknown_status_or_price_keeps_the_last_plan_and_never_gives_a_new_one() {
    let odd_status = Subscription { status: Status::parse("hibernating"), ..subscription("sub_1") };
    let odd_price = Subscription { items: vec![item("price_new")], ..subscription("sub_1") };
    let mut memory = Memory::new("free");
    check(&memory.fold(std::slice::from_ref(&odd_status)), "free", None, &[Alarm::UnknownStatus]);
    check(&memory.fold(std::slice::from_ref(&odd_price)), "free", None, &[Alarm::UnknownPrice]);
    memory.seen =
        memory.fold(&[Subscription { items: vec![item("price_team")], ..subscription("sub_1") }]).subscription;
    for (odd, alarm) in [(odd_status, Alarm::UnknownStatus), (odd_price, Alarm::UnknownPrice)] {
        let folded = memory.fold(&[odd]);
        check(&folded, "team", None, &[alarm]);
        memory.seen = folded.subscription;
    }
}

#[test]
fn missing_members_keep_what_was_known() {
    let mut memory = Memory::new("free");
    let cancelled = Subscription { cancel_at_period_end: true, ..subscription("sub_1") };
    let whole = memory.fold(std::slice::from_ref(&cancelled));
    check(&whole, "pro", Some(MONTH - 3600), &[]);
    memory.seen = whole.subscription.clone();
    let mut bare = cancelled;
    (bare.anchor, bare.items[0].period_start, bare.items[0].period_end) = (None, None, None);
    let folded = memory.fold(std::slice::from_ref(&bare));
    check(&folded, "pro", Some(MONTH - 3600), &[Alarm::PeriodMissing]);
    assert_eq!(folded.grant.period_anchor, whole.grant.period_anchor);
    // With nothing known the subscription's own beginning stands in: never now, never 1970, never nothing.
    let folded = Memory::new("free").fold(&[bare]);
    check(&folded, "pro", None, &[Alarm::PeriodMissing]);
    assert_eq!(folded.grant.period_anchor, Some(at(-3600)));
}

#[test]
fn first_invoice_must_be_paid_unless_the_customer_pays_by_invoice() {
    let open = Invoice { created_at: Some(at(-3600)), paid: false, first: true };
    let delayed = Subscription { latest_invoice: Some(open.clone()), ..subscription("sub_1") };
    check(&Memory::new("free").fold(std::slice::from_ref(&delayed)), "free", None, &[]);
    let by_invoice = Subscription { pays_by_invoice: true, ..delayed.clone() };
    check(&Memory::new("free").fold(&[by_invoice]), "pro", None, &[]);
    let renewal = Some(Invoice { first: false, ..open });
    check(&Memory::new("free").fold(&[Subscription { latest_invoice: renewal, ..delayed }]), "pro", None, &[]);
}

#[test]
fn grace_counts_from_the_unpaid_invoice_and_ends_by_itself() {
    let unpaid = Invoice { created_at: Some(at(-DAY)), paid: false, first: false };
    let late = Subscription { status: Status::PastDue, latest_invoice: Some(unpaid), ..subscription("sub_1") };
    let memory = Memory::new("free");
    check(&memory.fold(std::slice::from_ref(&late)), "pro", Some(13 * DAY), &[]);
    check(&memory.fold_at(std::slice::from_ref(&late), at(13 * DAY)), "free", None, &[]);
    // Cancelled for an earlier moment than the end of grace.
    check(&memory.fold(&[Subscription { cancel_at: Some(at(DAY)), ..late }]), "pro", Some(DAY), &[]);
}

#[test]
fn end_that_has_come_gives_the_base_plan_from_that_instant() {
    let over = Subscription { cancel_at: Some(at(-5)), ..subscription("sub_1") };
    let folded = Memory::new("free").fold(&[over]);
    check(&folded, "free", None, &[]);
    assert_eq!(folded.grant.since, at(-5));
}

#[test]
fn base_plan_is_the_floor() {
    let one = [subscription("sub_1")];
    check(&Memory::new("team").fold(&one), "team", None, &[]);
    check(&Memory::new("pro").fold(&one), "pro", None, &[]);
    let cancelled = Subscription { status: Status::Canceled, ended_at: Some(at(-9)), ..subscription("sub_1") };
    let folded = Memory::new("team").fold(&[cancelled]);
    check(&folded, "team", None, &[]);
    assert_eq!(folded.grant.since, at(-9));
    check(&Memory::new("team").fold(&[]), "team", None, &[]);
}

#[test]
fn of_several_items_the_dearest_known_plan_counts() {
    let mut one = subscription("sub_1");
    one.items = vec![item("price_pro"), item("price_addon"), item("price_team")];
    check(&Memory::new("free").fold(std::slice::from_ref(&one)), "team", None, &[]);
    one.items[2].quantity = Some(3);
    check(&Memory::new("free").fold(&[one]), "team", None, &[Alarm::Quantity]);
}

#[test]
fn of_several_subscriptions_one_is_kept_and_only_ours_are_ended() {
    let older = subscription("sub_1");
    let newer = Subscription { created_at: at(-60), ..subscription("sub_2") };
    let by_hand = Subscription { tenant_id: None, created_at: at(-30), ..subscription("sub_3") };
    let memory = Memory::new("free");
    let folded = memory.fold(&[newer.clone(), by_hand, older.clone()]);
    check(&folded, "pro", None, &[Alarm::SeveralSubscriptions]);
    assert_eq!(folded.subscription.unwrap().id, "sub_1");
    assert_eq!(folded.surplus, [Surplus { subscription_id: "sub_2".to_owned(), refund: true }]);
    // The dearer one is kept; what is left of the cheaper, older one is credited.
    let team = Subscription { items: vec![item("price_team")], ..newer.clone() };
    let folded = memory.fold(&[older.clone(), team]);
    check(&folded, "team", None, &[Alarm::SeveralSubscriptions]);
    assert_eq!(folded.surplus, [Surplus { subscription_id: "sub_1".to_owned(), refund: false }]);
    // One that gives nothing now is nobody's surplus.
    let late = Subscription { status: Status::PastDue, ..newer };
    assert_eq!(memory.fold(&[older, late]).surplus, []);
}

#[test]
fn another_tenants_subscription_gives_nothing() {
    let stranger = Subscription { tenant_id: Some("other".to_owned()), ..subscription("sub_1") };
    check(&Memory::new("free").fold(std::slice::from_ref(&stranger)), "free", None, &[Alarm::MetadataMismatch]);
    let dead = Subscription { status: Status::Canceled, ..stranger };
    check(&Memory::new("free").fold(&[dead]), "free", None, &[]);
}

#[test]
fn order_of_the_list_does_not_matter() {
    let all = [
        subscription("sub_1"),
        Subscription { status: Status::Canceled, ended_at: Some(at(-50)), ..subscription("sub_2") },
        Subscription { status: Status::PastDue, created_at: at(-70), ..subscription("sub_3") },
        Subscription { items: vec![item("price_team")], created_at: at(-20), ..subscription("sub_4") },
    ];
    let memory = Memory::new("free");
    let wanted = memory.fold(&all);
    let mut rotated = all.to_vec();
    for _ in 0..all.len() {
        rotated.rotate_left(1);
        assert_eq!(memory.fold(&rotated), wanted);
        rotated.reverse();
        assert_eq!(memory.fold(&rotated), wanted);
        rotated.reverse();
    }
}
