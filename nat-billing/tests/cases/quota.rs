//! Q18 to Q23: what a change of plan does to what was used.

use chrono::TimeDelta;
use nat_billing::testing::Card;
use nat_core::{
    Actor, ErrorCode, Result, ScanId,
    plan::PlanCatalogue,
    quota::{QuotaKind, reserve},
    store::CoreStore,
};

use crate::{
    shop::{Shop, days, utc, with_shop},
    world::code,
};

impl Shop {
    /// Accepts a scan, as far as the quota is concerned.
    async fn scan(&self, actor: &Actor, name: &str) -> Result<()> {
        let mut tx = self.store.begin().await?;
        let tenant = tx.lock_tenant(&actor.tenant_id).await?.unwrap();
        let plans = PlanCatalogue::published();
        reserve(tx.as_mut(), &plans, &tenant, &ScanId::from(name), QuotaKind::Functional, self.now()).await?;
        tx.commit().await
    }

    async fn scans(&self, actor: &Actor, name: &str, count: u32) {
        for n in 0..count {
            self.scan(actor, &format!("{name}_{n}")).await.unwrap();
        }
    }

    async fn used(&self, actor: &Actor) -> (u32, Option<u32>) {
        let summary = self.summary(actor).await;
        (summary.scans_used, summary.scans_remaining)
    }
}

#[tokio::test]
async fn q18_upgrade_keeps_what_was_used_and_helps_at_once() {
    with_shop(async |shop| {
        let actor = shop.tenant("t", "free").await;
        shop.scans(&actor, "free", 50).await;
        let error = shop.scan(&actor, "one_more").await.unwrap_err();
        assert_eq!(error.code, ErrorCode::QuotaExceeded);
        shop.buy(&actor, "pro").await;
        shop.settle().await;
        assert_eq!(shop.used(&actor).await, (50, Some(450)));
        shop.scan(&actor, "one_more").await.unwrap();
        assert_eq!(shop.used(&actor).await, (51, Some(449)));
        // The ledger of the running period still adds up.
        let ledger = shop.usage.ledger(&actor, None).await.unwrap();
        assert_eq!(ledger.rows.iter().map(|line| line.delta).sum::<i32>(), 51);
    })
    .await;
}

#[tokio::test]
async fn q19_back_and_forth_gives_no_extra_units() {
    with_shop(async |shop| {
        let actor = shop.tenant("t", "free").await;
        shop.scans(&actor, "free", 50).await;
        let mut total = 50;
        for round in 0..3 {
            let subscription = shop.buy(&actor, "pro").await;
            shop.settle().await;
            let room = shop.used(&actor).await.1.unwrap();
            assert_eq!(room, 500 - total);
            shop.scans(&actor, &format!("round_{round}"), 40).await;
            total += 40;
            shop.stripe.cancel_now(&subscription);
            shop.pass(days(2)).await;
            assert_eq!(code(shop.scan(&actor, "too_many").await), Some(ErrorCode::QuotaExceeded));
        }
        assert_eq!(shop.summary(&actor).await.over_by, total - 50);
    })
    .await;
}

#[tokio::test]
async fn q20_downgrade_below_what_was_used_shows_it_and_charges_nothing() {
    with_shop(async |shop| {
        let (actor, subscription) = shop.subscriber("t", "pro").await;
        shop.scans(&actor, "pro", 70).await;
        shop.stripe.cancel_now(&subscription);
        shop.settle().await;
        let summary = shop.summary(&actor).await;
        assert_eq!((summary.scans_used, summary.scans_remaining, summary.over_by), (50, Some(0), 20));
        assert_eq!(code(shop.scan(&actor, "x").await), Some(ErrorCode::QuotaExceeded));
        let ledger = shop.usage.ledger(&actor, None).await.unwrap();
        assert_eq!(ledger.rows.len(), 70, "nothing was taken away after the fact");
    })
    .await;
}

#[tokio::test]
async fn q21_cancelled_plan_lasts_to_stripes_instant_not_to_the_webhooks() {
    with_shop(async |shop| {
        let (actor, subscription) = shop.subscriber("t", "pro").await;
        shop.stripe.cancel_at_period_end(&subscription, true);
        shop.settle().await;
        let end = utc("2025-02-15T12:00:00Z");
        shop.advance(end - shop.now() - TimeDelta::milliseconds(1));
        let summary = shop.summary(&actor).await;
        assert_eq!((summary.scans_limit, summary.period.end), (Some(500), end));
        shop.advance(TimeDelta::milliseconds(1));
        let summary = shop.summary(&actor).await;
        assert_eq!((summary.plan_id.as_str(), summary.scans_limit), ("free", Some(50)));
        assert_eq!((summary.period.start, summary.period.end), (end, utc("2025-03-01T00:00:00Z")));
        // The webhook comes two days later and changes nothing any more.
        let before = (shop.row("t").await.entitlement.at(shop.now()), shop.audit("t").await.len());
        shop.pass(days(2)).await;
        assert_eq!(shop.plan("t").await, before.0.plan_id.as_str());
        assert_eq!(shop.summary(&actor).await.period, before.0.period);
    })
    .await;
}

#[tokio::test]
async fn q22_period_that_moves_is_followed_once_and_never_backwards() {
    with_shop(async |shop| {
        let (actor, subscription) = shop.subscriber("t", "pro").await;
        shop.scans(&actor, "a", 30).await;
        let mut last = shop.summary(&actor).await.period.end;
        assert_eq!(last, utc("2025-02-15T12:00:00Z"));
        for (wait, end) in [(10, "2025-02-25T12:00:00Z"), (5, "2025-02-28T12:00:00Z"), (1, "2025-02-28T12:00:00Z")] {
            shop.advance(days(wait));
            shop.stripe.restart_cycle(&subscription);
            shop.settle().await;
            let summary = shop.summary(&actor).await;
            assert_eq!(summary.period.end, utc(end), "the new cycle of {}", shop.now());
            assert!(summary.period.end >= last && summary.period.end > shop.now());
            assert_eq!(summary.scans_used, 30, "moving the cycle gives no units");
            last = summary.period.end;
        }
        // Told again, and again: nothing moves.
        let before = shop.row("t").await;
        for _ in 0..3 {
            shop.stripe.use_card(&subscription, Card::Good);
            shop.stripe.change(&subscription, serde_json::json!({}));
            shop.settle().await;
        }
        assert_eq!(shop.row("t").await, before);
        // At the boundary the units are there again.
        shop.pass(last - shop.now()).await;
        assert_eq!(shop.used(&actor).await, (0, Some(500)));
    })
    .await;
}

#[tokio::test]
async fn q22_anchor_at_the_end_of_a_month_is_not_eroded() {
    with_shop(async |shop| {
        shop.advance(utc("2025-01-31T10:00:00Z") - shop.now());
        let (actor, _) = shop.subscriber("t", "pro").await;
        for end in ["2025-02-28T10:00:00Z", "2025-03-31T10:00:00Z", "2025-04-30T10:00:00Z", "2025-05-31T10:00:00Z"] {
            let period = shop.summary(&actor).await.period;
            assert_eq!(period.end, utc(end));
            let stripes = shop.status(&actor).await.subscription.unwrap().period_end;
            assert_eq!(stripes, Some(period.end), "the same as Stripe's");
            shop.pass(period.end - shop.now()).await;
        }
    })
    .await;
}

#[tokio::test]
async fn q23_missing_period_keeps_the_last_known_one_and_tells_a_person() {
    with_shop(async |shop| {
        let (actor, subscription) = shop.subscriber("t", "pro").await;
        let before = shop.summary(&actor).await;
        shop.stripe.hide(&["current_period_start", "current_period_end", "billing_cycle_anchor"]);
        for _ in 0..2 {
            shop.stripe.change(&subscription, serde_json::json!({}));
            shop.settle().await;
            assert_eq!(shop.summary(&actor).await, before);
        }
        assert_eq!(shop.alarms("t").await, ["period_missing"]);
        // Next month the period still follows from the anchor.
        shop.advance(days(31));
        let summary = shop.summary(&actor).await;
        assert_eq!((summary.period.start, summary.scans_limit), (before.period.end, Some(500)));
    })
    .await;
}
