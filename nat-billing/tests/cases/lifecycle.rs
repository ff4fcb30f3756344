//! B21 to B30, B36 to B43: what becomes of a plan.

use chrono::TimeDelta;
use nat_billing::testing::{Card, Exhausted, Price, Shape, SubscriptionInit};
use nat_core::ErrorCode;
use serde_json::{Map, json};

use crate::{
    shop::{days, utc, with_options, with_shop},
    world::code,
};

#[tokio::test]
async fn b21_each_status_gives_what_the_table_says() {
    with_shop(async |shop| {
        let (actor, subscription) = shop.subscriber("t", "pro").await;
        for (status, plan) in [
            ("incomplete", "free"),
            ("active", "pro"),
            ("incomplete_expired", "free"),
            ("trialing", "pro"),
            ("unpaid", "free"),
            ("past_due", "pro"),
            ("paused", "free"),
            ("active", "pro"),
        ] {
            shop.stripe.change(&subscription, json!({"status": status}));
            shop.settle().await;
            assert_eq!(shop.plan("t").await, plan, "{status}");
            assert_eq!(shop.status(&actor).await.subscription.unwrap().status, status);
        }
        assert_eq!(shop.alarms("t").await.len(), 0);
        // A status of the future keeps the last plan, and tells a person, once.
        for _ in 0..3 {
            shop.stripe.change(&subscription, json!({"status": "hibernating"}));
            shop.settle().await;
            assert_eq!(shop.plan("t").await, "pro");
        }
        assert_eq!(shop.alarms("t").await, ["unknown_status"]);
        shop.stripe.cancel_now(&subscription);
        shop.settle().await;
        assert_eq!(shop.plan("t").await, "free");
    })
    .await;
}

#[tokio::test]
async fn b22_declined_card_leaves_free_and_the_checkout_can_be_tried_again() {
    with_shop(async |shop| {
        let actor = shop.tenant("t", "free").await;
        let session = shop.checkout(&actor, "pro").await.unwrap();
        assert_eq!(shop.stripe.pay_checkout(&session.session_id, Card::Declined), None);
        // The same for a subscription whose first payment failed at Stripe's API.
        let customer = shop.customer("t").await;
        let metadata = Map::from_iter([("tenant_id".to_owned(), json!("t"))]);
        let init = SubscriptionInit { card: Card::Declined, metadata, ..SubscriptionInit::default() };
        shop.stripe.subscribe(&customer, &["price_pro"], &init);
        shop.settle().await;
        assert_eq!(shop.plan("t").await, "free");
        assert_eq!(shop.checkout(&actor, "pro").await.unwrap(), session, "the session is still open");
        shop.stripe.pay_checkout(&session.session_id, Card::Good).unwrap();
        shop.settle().await;
        assert_eq!(shop.plan("t").await, "pro");
    })
    .await;
}

#[tokio::test]
async fn b23_authentication_may_take_twenty_hours_and_not_a_day() {
    with_shop(async |shop| {
        for (tenant, hours, plan) in [("in_time", 20, "pro"), ("too_late", 24, "free")] {
            let actor = shop.tenant(tenant, "free").await;
            let session = shop.checkout(&actor, "pro").await.unwrap();
            let subscription = shop.stripe.pay_checkout(&session.session_id, Card::NeedsAuthentication).unwrap();
            shop.settle().await;
            assert_eq!(shop.plan(tenant).await, "free");
            shop.pass(TimeDelta::hours(hours)).await;
            shop.stripe.authenticate(&subscription);
            shop.settle().await;
            assert_eq!(shop.plan(tenant).await, plan);
            let status = shop.status(&actor).await.subscription.unwrap().status;
            assert_eq!(status, if plan == "pro" { "active" } else { "incomplete_expired" });
        }
    })
    .await;
}

#[tokio::test]
async fn b24_delayed_payment_gives_nothing_until_the_money_is_there() {
    with_shop(async |shop| {
        for (tenant, arrives) in [("arrives", true), ("fails", false)] {
            let actor = shop.tenant(tenant, "free").await;
            let session = shop.checkout(&actor, "pro").await.unwrap();
            // Stripe calls the subscription active meanwhile.
            let subscription = shop.stripe.pay_checkout(&session.session_id, Card::Delayed).unwrap();
            shop.settle().await;
            assert_eq!(shop.stripe.subscription(&subscription)["status"], "active");
            assert_eq!(shop.plan(tenant).await, "free");
            shop.pass(days(3)).await;
            shop.stripe.settle_delayed(&session.session_id, arrives);
            shop.settle().await;
            assert_eq!(shop.plan(tenant).await, if arrives { "pro" } else { "free" });
        }
    })
    .await;
}

#[tokio::test]
async fn b25_renewal_that_recovers_in_the_time_of_grace_interrupts_nothing() {
    with_shop(async |shop| {
        let (actor, subscription) = shop.subscriber("t", "pro").await;
        shop.stripe.use_card(&subscription, Card::Declined);
        shop.pass(days(31)).await;
        let status = shop.status(&actor).await;
        assert_eq!(status.subscription.as_ref().unwrap().status, "past_due");
        let grace_until = status.subscription.unwrap().grace_until.unwrap();
        assert_eq!(shop.plan("t").await, "pro");
        assert_eq!(shop.ends("t").await, Some(grace_until), "it ends by itself, whether an event comes or not");
        for _ in 0..3 {
            shop.pass(days(1)).await;
            assert_eq!(shop.plan("t").await, "pro");
        }
        shop.stripe.use_card(&subscription, Card::Good);
        shop.pass(days(3)).await;
        let status = shop.status(&actor).await;
        assert_eq!(status.subscription.unwrap().status, "active");
        assert_eq!((shop.plan("t").await.as_str(), shop.ends("t").await), ("pro", None));
        let notices = shop.audit("t").await.iter().filter(|action| *action == "billing.payment_failed").count();
        assert_eq!(notices, 1, "one notice for one failed payment");
    })
    .await;
}

#[tokio::test]
async fn b26_exhausted_retries_end_in_free_whatever_the_account_is_set_to() {
    for exhausted in [Exhausted::Cancel, Exhausted::Unpaid, Exhausted::PastDue] {
        with_options(
            |options| options.exhausted = exhausted,
            async |shop| {
                let (_, subscription) = shop.subscriber("t", "pro").await;
                shop.stripe.use_card(&subscription, Card::Declined);
                shop.pass(days(31)).await;
                assert_eq!(shop.plan("t").await, "pro");
                for _ in 0..4 {
                    shop.pass(days(4)).await;
                }
                assert_eq!(shop.plan("t").await, "free", "{exhausted:?}");
            },
        )
        .await;
    }
}

#[tokio::test]
async fn b27_upgrade_with_a_declined_card_keeps_the_old_plan() {
    with_shop(async |shop| {
        for (tenant, paid_later) in [("later", true), ("never", false)] {
            let (actor, subscription) = shop.subscriber(tenant, "pro").await;
            let offer = shop.checkout(&actor, "team").await.unwrap();
            assert!(shop.stripe.confirm_portal(&offer.session_id, Card::Declined));
            shop.settle().await;
            assert_eq!(shop.plan(tenant).await, "pro");
            shop.stripe.settle_pending(&subscription, paid_later);
            shop.settle().await;
            assert_eq!(shop.plan(tenant).await, if paid_later { "team" } else { "pro" });
        }
    })
    .await;
}

#[tokio::test]
async fn b28_scheduled_downgrade_comes_at_the_end_of_the_period() {
    with_shop(async |shop| {
        let (_, kept) = shop.subscriber("released", "team").await;
        let (_, lowered) = shop.subscriber("lowered", "team").await;
        shop.stripe.schedule_price(&kept, Some("price_pro"));
        shop.stripe.schedule_price(&lowered, Some("price_pro"));
        shop.settle().await;
        shop.pass(days(10)).await;
        shop.stripe.schedule_price(&kept, None);
        shop.settle().await;
        for tenant in ["released", "lowered"] {
            assert_eq!(shop.plan(tenant).await, "team");
        }
        shop.pass(days(21)).await;
        assert_eq!(shop.plan("released").await, "team");
        assert_eq!(shop.plan("lowered").await, "pro");
    })
    .await;
}

#[tokio::test]
async fn b29_cancellation_is_followed_and_so_is_taking_it_back() {
    with_shop(async |shop| {
        let (actor, subscription) = shop.subscriber("t", "pro").await;
        shop.stripe.cancel_at_period_end(&subscription, true);
        shop.settle().await;
        assert_eq!((shop.plan("t").await.as_str(), shop.ends("t").await), ("pro", Some(utc("2025-02-15T12:00:00Z"))));
        let status = shop.status(&actor).await;
        assert_eq!((status.plan_ends_at, status.next_plan_id.unwrap().as_str()), (shop.ends("t").await, "free"));
        shop.stripe.cancel_at_period_end(&subscription, false);
        shop.settle().await;
        assert_eq!(shop.ends("t").await, None);
        // The portal may set a date instead.
        shop.stripe.cancel_at(&subscription, Some(utc("2025-02-01T00:00:00Z")));
        shop.settle().await;
        assert_eq!(shop.ends("t").await, Some(utc("2025-02-01T00:00:00Z")));
        shop.stripe.cancel_at(&subscription, None);
        shop.settle().await;
        assert_eq!((shop.plan("t").await.as_str(), shop.ends("t").await), ("pro", None));
        // Both, and the earlier one counts.
        shop.stripe.cancel_at_period_end(&subscription, true);
        shop.stripe.cancel_at(&subscription, Some(utc("2025-01-20T00:00:00Z")));
        shop.settle().await;
        assert_eq!(shop.ends("t").await, Some(utc("2025-01-20T00:00:00Z")));
        shop.advance(days(5));
        assert_eq!(shop.plan("t").await, "free", "at its instant, before any event of it");
    })
    .await;
}

#[tokio::test]
async fn b30_cancelled_and_bought_again_on_the_same_day() {
    with_shop(async |shop| {
        let (actor, first) = shop.subscriber("t", "pro").await;
        shop.pass(TimeDelta::hours(2)).await;
        shop.stripe.cancel_now(&first);
        let late = shop.stripe.take_events();
        // The customer buys again before the news of the end has reached us.
        let second = shop.buy(&actor, "pro").await;
        shop.settle().await;
        assert_eq!(shop.status(&actor).await.subscription.unwrap().id, second);
        shop.pass(days(2)).await;
        for event in &late {
            shop.deliver_event(event).await.unwrap();
        }
        shop.settle().await;
        assert_eq!(shop.plan("t").await, "pro");
        assert_eq!(shop.status(&actor).await.subscription.unwrap().id, second);
    })
    .await;
}

#[tokio::test]
async fn b36_deleted_customer_is_free_and_buys_as_a_new_one() {
    with_shop(async |shop| {
        let (actor, _) = shop.subscriber("t", "pro").await;
        let first = shop.customer("t").await;
        shop.stripe.delete_customer(&first);
        shop.settle().await;
        assert_eq!(shop.plan("t").await, "free");
        assert_eq!(shop.row("t").await.stripe_customer_id, None);
        let portal = shop.billing.portal(&actor, Some("https://app.example.test/".into())).await;
        assert_eq!(code(portal), Some(ErrorCode::NoBillingAccount));
        shop.buy(&actor, "team").await;
        shop.settle().await;
        assert_ne!(shop.customer("t").await, first);
        assert_eq!(shop.plan("t").await, "team");
    })
    .await;
}

#[tokio::test]
async fn b36_customer_deleted_without_an_event_is_found_out_at_the_next_checkout() {
    with_shop(async |shop| {
        let (actor, _) = shop.subscriber("t", "pro").await;
        shop.stripe.delete_customer(&shop.customer("t").await);
        let _ = shop.stripe.take_events();
        let portal = shop.billing.portal(&actor, Some("https://app.example.test/".into())).await;
        assert_eq!(code(portal), Some(ErrorCode::NoBillingAccount));
        let session = shop.checkout(&actor, "pro").await.unwrap();
        assert!(shop.stripe.pay_checkout(&session.session_id, Card::Good).is_some());
        shop.settle().await;
        assert_eq!(shop.plan("t").await, "pro");
    })
    .await;
}

#[tokio::test]
async fn b37_odd_objects_have_defined_results() {
    with_shop(async |shop| {
        let (actor, subscription) = shop.subscriber("t", "pro").await;
        let customer = shop.customer("t").await;
        shop.stripe.update_customer(&customer, json!({"email": "new@example.test", "name": null}));
        shop.stripe.change(&subscription, json!({"metadata": {}}));
        shop.settle().await;
        assert_eq!(shop.plan("t").await, "pro", "neither e-mail nor metadata decide");

        shop.stripe.set_quantity(&subscription, 3);
        shop.settle().await;
        assert_eq!(shop.summary(&actor).await.scans_limit, Some(500), "a quota is not multiplied");
        assert_eq!(shop.alarms("t").await, ["quantity"]);
        shop.stripe.set_quantity(&subscription, 1);
        // An item that we know nothing of beside one that we know.
        shop.stripe.add_price(Price::monthly("price_support", "prod_support", 100));
        shop.stripe.add_item(&subscription, "price_support", 1);
        shop.stripe.add_item(&subscription, "price_team", 1);
        shop.settle().await;
        assert_eq!(shop.plan("t").await, "team", "the dearest of two items");

        // More subscriptions than a page holds, all over but the oldest.
        for _ in 0..120 {
            let dead = shop.stripe.subscribe(&customer, &["price_pro"], &SubscriptionInit::default());
            shop.stripe.cancel_now(&dead);
        }
        shop.settle().await;
        assert_eq!(shop.plan("t").await, "team");
        assert_eq!(shop.status(&actor).await.subscription.unwrap().id, subscription);
    })
    .await;
}

#[tokio::test]
async fn b38_old_prices_keep_their_plan_and_unknown_ones_never_give_one() {
    with_shop(async |shop| {
        let actor = shop.tenant("t", "free").await;
        shop.checkout(&actor, "pro").await.unwrap();
        let customer = shop.customer("t").await;
        let tagged = |id: &str| Map::from_iter([("nat_plan".to_owned(), json!(id))]);
        shop.stripe.add_price(Price { metadata: tagged("team"), ..Price::monthly("price_by_price", "prod_x", 1) });
        let by_product = Price { product_metadata: tagged("team"), ..Price::monthly("price_by_product", "prod_y", 1) };
        shop.stripe.add_price(by_product);
        shop.stripe.add_price(Price { metadata: tagged("gold"), ..Price::monthly("price_unknown_plan", "prod_z", 1) });
        shop.stripe.add_price(Price::monthly("price_unknown", "prod_u", 999_900));
        shop.stripe.archive_price("price_pro_old");
        for (price, plan, alarms) in [
            ("price_pro_old", "pro", 0),
            ("price_by_price", "team", 0),
            ("price_by_product", "team", 0),
            ("price_unknown", "free", 1),
            ("price_unknown_plan", "free", 2),
        ] {
            let subscription = shop.stripe.subscribe(&customer, &[price], &SubscriptionInit::default());
            shop.settle().await;
            assert_eq!(shop.plan("t").await, plan, "{price}");
            assert_eq!(shop.alarms("t").await.len(), alarms, "{price}");
            shop.stripe.cancel_now(&subscription);
            shop.settle().await;
        }
        // A price that becomes unknown while it is paid for keeps the plan it gave.
        let subscription = shop.stripe.subscribe(&customer, &["price_team"], &SubscriptionInit::default());
        shop.settle().await;
        shop.stripe.change_price(&subscription, "price_unknown", Card::Good);
        shop.settle().await;
        assert_eq!(shop.plan("t").await, "team");
        assert_eq!(shop.alarms("t").await.last().unwrap(), "unknown_price");
    })
    .await;
}

#[tokio::test]
async fn b39_yearly_price_has_monthly_quotas() {
    with_shop(async |shop| {
        let actor = shop.tenant("t", "free").await;
        shop.checkout(&actor, "pro").await.unwrap();
        let metadata = Map::from_iter([("nat_plan".to_owned(), json!("pro"))]);
        let yearly = Price {
            interval: "year".into(),
            currency: "jpy".into(),
            metadata,
            ..Price::monthly("price_yearly", "prod_pro", 50_000)
        };
        shop.stripe.add_price(yearly);
        let subscription =
            shop.stripe.subscribe(&shop.customer("t").await, &["price_yearly"], &SubscriptionInit::default());
        shop.stripe.cancel_at_period_end(&subscription, true);
        shop.settle().await;
        let summary = shop.summary(&actor).await;
        assert_eq!((summary.scans_limit, summary.period.end), (Some(500), utc("2025-02-15T12:00:00Z")));
        assert_eq!(shop.ends("t").await, Some(utc("2026-01-15T12:00:00Z")));
        shop.pass(days(100)).await;
        assert_eq!(shop.summary(&actor).await.period.start, utc("2025-04-15T12:00:00Z"));
    })
    .await;
}

#[tokio::test]
async fn b40_nothing_to_pay_is_paid() {
    with_shop(async |shop| {
        let actor = shop.tenant("t", "free").await;
        shop.checkout(&actor, "pro").await.unwrap();
        let customer = shop.customer("t").await;
        shop.stripe.add_price(Price {
            metadata: Map::from_iter([("nat_plan".to_owned(), json!("pro"))]),
            ..Price::monthly("price_gift", "prod_pro", 0)
        });
        let gift = shop.stripe.subscribe(&customer, &["price_gift"], &SubscriptionInit::default());
        shop.settle().await;
        assert_eq!(shop.plan("t").await, "pro", "a coupon of 100 %, an invoice of nothing");
        shop.stripe.cancel_now(&gift);
        let ends = shop.now() + days(14);
        let init = SubscriptionInit { trial_end: Some(ends.timestamp()), ..SubscriptionInit::default() };
        shop.stripe.subscribe(&customer, &["price_team"], &init);
        shop.settle().await;
        assert_eq!(shop.plan("t").await, "team", "a trial without a card");
    })
    .await;
}

#[tokio::test]
async fn b41_refunds_disputes_and_warnings_change_no_plan_and_tell_a_person() {
    // Decision: access follows the subscription. Cancelling it is the decision of a person, who is told.
    with_shop(async |shop| {
        shop.subscriber("t", "pro").await;
        let customer = shop.customer("t").await;
        assert!(shop.stripe.refund_last(&customer, Some(100)));
        shop.settle().await;
        assert_eq!(shop.alarms("t").await.len(), 0, "a partial refund is nobody's business");
        assert!(shop.stripe.refund_last(&customer, None));
        shop.settle().await;
        assert_eq!(shop.alarms("t").await, ["refunded"]);
        // The objects of disputes and warnings name no customer: log and metric only.
        for closed in [None, Some(true), Some(false)] {
            shop.stripe.dispute_last(&customer, closed);
        }
        shop.stripe.warn_of_fraud(&customer);
        shop.settle().await;
        assert_eq!(shop.plan("t").await, "pro");
    })
    .await;
}

#[tokio::test]
async fn b42_invoice_of_something_else_changes_nothing() {
    with_shop(async |shop| {
        let (actor, first) = shop.subscriber("t", "pro").await;
        let paid: Vec<_> = shop.stripe.events();
        shop.stripe.cancel_now(&first);
        shop.settle().await;
        let second = shop.buy(&actor, "team").await;
        shop.settle().await;
        // `invoice.paid` of the old subscription, and of no subscription at all.
        let customer = shop.customer("t").await;
        for (n, object) in [
            json!({"object": "invoice", "customer": customer, "subscription": first, "status": "paid"}),
            json!({"object": "invoice", "customer": customer, "status": "paid", "parent": null}),
        ]
        .into_iter()
        .enumerate()
        {
            let event = json!({"id": format!("evt_x{n}"), "type": "invoice.paid", "data": {"object": object}});
            shop.deliver(event.to_string().as_bytes()).await.unwrap();
        }
        for event in &paid {
            shop.deliver_event(event).await.unwrap();
        }
        shop.settle().await;
        assert_eq!(shop.plan("t").await, "team");
        assert_eq!(shop.status(&actor).await.subscription.unwrap().id, second);
    })
    .await;
}

#[tokio::test]
async fn b43_both_shapes_mean_the_same_in_any_mixture() {
    // Every case of this folder runs in both shapes; here they change under a living subscription.
    with_shop(async |shop| {
        let (actor, subscription) = shop.subscriber("t", "pro").await;
        shop.stripe.cancel_at_period_end(&subscription, true);
        shop.settle().await;
        let before = (shop.row("t").await.entitlement, shop.status(&actor).await);
        for shape in [Shape::PreBasil, Shape::Basil, Shape::PreBasil] {
            shop.stripe.set_shape(shape);
            shop.stripe.change(&subscription, json!({}));
            shop.settle().await;
            assert_eq!((shop.row("t").await.entitlement, shop.status(&actor).await), before);
        }
        assert_eq!(shop.alarms("t").await.len(), 0);
    })
    .await;
}
