//! B8, B10, B14 to B20, B50: news that comes late, twice, in the wrong order, for the wrong mode, or never.

use std::sync::Arc;
use std::time::Duration;

use chrono::TimeDelta;
use nat_billing::{
    gateway::PaymentGateway,
    service::{DriftCause, SyncTenant},
    store::BillingStore,
    testing::{Card, FakeOptions, Fault, FaultKind, Shape, SubscriptionInit},
};
use nat_core::db::{SeaStore, testing::on_every_database};
use serde_json::json;

use crate::{
    shop::{Shop, days, node, open, options, with_options, with_shop},
    world::{World, input, settings},
};

#[tokio::test]
async fn b08_event_of_the_other_mode_is_ignored() {
    with_options(
        |options: &mut FakeOptions| options.livemode = true,
        async |shop| {
            // Our key is a test key.
            let event = br#"{"id":"evt_1","livemode":true,"data":{"object":{"customer":"cus_1"}}}"#;
            shop.deliver(event).await.unwrap();
            assert!(!shop.store.is_work_left("cus_1").await.unwrap());
            shop.deliver(&event[..].to_vec().repeat(1)).await.unwrap();
            let ours = br#"{"id":"evt_1","livemode":false,"data":{"object":{"customer":"cus_1"}}}"#;
            shop.deliver(ours).await.unwrap();
            assert!(shop.store.is_work_left("cus_1").await.unwrap(), "the ignored event did not take its id");
        },
    )
    .await;
}

#[tokio::test]
async fn b10_answer_does_not_wait_for_stripe() {
    with_shop(async |shop| {
        let actor = shop.tenant("t", "free").await;
        shop.buy(&actor, "pro").await;
        let events = shop.stripe.take_events();
        let asked = shop.stripe.requests().len();
        shop.stripe.fault(Fault::on("/v1", FaultKind::Stall(Duration::from_secs(30)), 100));
        for event in &events {
            shop.deliver_event(event).await.unwrap();
        }
        assert_eq!(shop.stripe.requests().len(), asked, "taking an event asks Stripe nothing");
        shop.stripe.heal();
        shop.billing.run_due().await.unwrap();
        assert_eq!(shop.plan("t").await, "pro");
    })
    .await;
}

#[tokio::test]
async fn b14_one_change_in_two_events_has_one_effect() {
    with_shop(async |shop| {
        let (_, subscription) = shop.subscriber("t", "pro").await;
        let before = shop.audit("t").await;
        for _ in 0..2 {
            shop.stripe.cancel_at_period_end(&subscription, true);
        }
        shop.settle().await;
        let changes = shop.audit("t").await[before.len()..].to_vec();
        assert_eq!(changes, ["plan.changed"]);
    })
    .await;
}

#[tokio::test]
async fn b16_older_snapshot_of_the_same_second_does_not_win() {
    with_shop(async |shop| {
        let (_, subscription) = shop.subscriber("t", "pro").await;
        // Both in the same second; the older snapshot is delivered last, when it says something that is no longer true.
        shop.stripe.cancel_at_period_end(&subscription, true);
        shop.stripe.cancel_at_period_end(&subscription, false);
        let mut events = shop.stripe.take_events();
        assert_eq!(events[0].created, events[1].created);
        events.reverse();
        for event in &events {
            shop.deliver_event(event).await.unwrap();
            shop.billing.run_due().await.unwrap();
        }
        assert_eq!((shop.plan("t").await.as_str(), shop.ends("t").await), ("pro", None));
    })
    .await;
}

#[tokio::test]
async fn b17_end_of_the_old_subscription_three_days_late_keeps_the_new_one() {
    with_shop(async |shop| {
        let (actor, first) = shop.subscriber("t", "pro").await;
        shop.stripe.cancel_now(&first);
        let deleted = shop.stripe.take_events();
        shop.billing.status(&actor, None).await.unwrap();
        let second = shop.buy(&actor, "team").await;
        shop.settle().await;
        shop.pass(days(3)).await;
        for event in deleted.iter().chain(&deleted) {
            shop.deliver_event(event).await.unwrap();
        }
        shop.settle().await;
        assert_eq!(shop.plan("t").await, "team");
        assert_eq!(shop.status(&actor).await.subscription.unwrap().id, second);
    })
    .await;
}

#[tokio::test]
async fn b18_plan_given_by_hand_outlives_stale_news() {
    with_shop(async |shop| {
        // An operator registered the tenant on `team`; it once bought `pro` by itself, and that is over.
        let actor = shop.tenant("t", "team").await;
        assert!(shop.checkout(&actor, "pro").await.is_err(), "it has more than that already");
        let customer = shop.stripe.create_customer("t@example.test", &[("tenant_id", "t")]);
        let old = shop.stripe.subscribe(&customer, &["price_pro"], &SubscriptionInit::default());
        let stale = shop.stripe.take_events();
        shop.stripe.cancel_now(&old);
        shop.settle().await;
        for event in &stale {
            shop.deliver_event(event).await.unwrap();
            shop.billing.run_due().await.unwrap();
        }
        assert_eq!(shop.plan("t").await, "team");
        // A tenant that is registered with its customer has what Stripe says, whatever the registration said.
        let customer = shop.stripe.create_customer("u@example.test", &[]);
        let with_customer =
            SyncTenant { plan: Some("team".into()), stripe_customer_id: Some(customer.clone()), ..input("u") };
        shop.billing.sync_tenant(with_customer, None).await.unwrap();
        shop.billing.run_due().await.unwrap();
        assert_eq!(shop.plan("u").await, "free");
        let taken = SyncTenant { stripe_customer_id: Some(customer), ..input("v") };
        assert!(shop.billing.sync_tenant(taken, None).await.unwrap_err().message.contains("another tenant"));
    })
    .await;
}

#[tokio::test]
async fn b19_of_two_reconciles_the_later_read_wins() {
    with_shop(async |shop| {
        let (_, subscription) = shop.subscriber("t", "pro").await;
        let customer = shop.customer("t").await;
        // A worker claims the customer, reads, and is then slower than its lease.
        let mut tx = nat_core::store::CoreStore::begin(&*shop.store).await.unwrap();
        shop.store.want_work(tx.as_mut(), &customer, shop.now()).await.unwrap();
        tx.commit().await.unwrap();
        let slow = shop.store.claim_work(None, shop.now(), shop.now() + TimeDelta::seconds(60)).await.unwrap().unwrap();
        assert_eq!(shop.billing.run_due().await.unwrap(), 0, "one at a time");
        shop.stripe.cancel_now(&subscription);
        shop.advance(TimeDelta::seconds(61));
        shop.settle().await;
        assert_eq!(shop.plan("t").await, "free");
        // What the slow one would write now is refused: its claim is gone.
        let mut tx = nat_core::store::CoreStore::begin(&*shop.store).await.unwrap();
        let done = nat_billing::store::WorkOutcome::Done;
        assert!(!shop.store.end_work(tx.as_mut(), &slow, &done).await.unwrap());
        drop(tx);
        // News that comes while a look runs is looked at once more: the look may have read too early.
        let mut tx = nat_core::store::CoreStore::begin(&*shop.store).await.unwrap();
        shop.store.want_work(tx.as_mut(), &customer, shop.now()).await.unwrap();
        tx.commit().await.unwrap();
        let running =
            shop.store.claim_work(None, shop.now(), shop.now() + TimeDelta::seconds(60)).await.unwrap().unwrap();
        let mut tx = nat_core::store::CoreStore::begin(&*shop.store).await.unwrap();
        shop.store.want_work(tx.as_mut(), &customer, shop.now()).await.unwrap();
        assert!(shop.store.end_work(tx.as_mut(), &running, &done).await.unwrap());
        tx.commit().await.unwrap();
        assert!(shop.store.is_work_left(&customer).await.unwrap());
    })
    .await;
}

#[tokio::test]
async fn b19_two_nodes_reconcile_in_parallel() {
    on_every_database(nat_billing::db::migrations, async |database| {
        let clock = Arc::new(nat_core::time::ManualClock::new(crate::world::start()));
        let stripe = open(options(clock.clone())).await;
        let other = SeaStore::open(&database.url, nat_billing::db::migrations()).await.unwrap();
        let second = node(other.clone(), clock.clone(), &stripe, settings());
        let shop = Shop { world: node(database.store, clock, &stripe, settings()), stripe };
        let actor = shop.tenant("t", "free").await;
        shop.buy(&actor, "pro").await;
        let events = shop.stripe.take_events();
        let deliveries = events.iter().enumerate().map(async |(n, event)| {
            let on: &World = if n % 2 == 0 { &shop.world } else { &second };
            let signature = shop.stripe.sign(&event.payload);
            on.billing.accept_webhook(&event.payload, Some(&signature)).await.unwrap();
            futures::future::join(shop.billing.run_due(), second.billing.run_due()).await
        });
        futures::future::join_all(deliveries).await;
        shop.billing.run_due().await.unwrap();
        assert_eq!(shop.plan("t").await, "pro");
        let changes = shop.audit("t").await.iter().filter(|action| *action == "plan.changed").count();
        assert_eq!(changes, 1);
        other.close().await;
    })
    .await;
}

#[tokio::test]
async fn b20_sweep_repairs_what_no_event_told_of() {
    with_shop(async |shop| {
        // The endpoint was down: nothing of this was ever delivered.
        let bought = shop.tenant("bought", "free").await;
        shop.buy(&bought, "pro").await;
        let (_, ended) = shop.subscriber("ended", "pro").await;
        let (_, changed) = shop.subscriber("changed", "pro").await;
        let (_, _same) = shop.subscriber("same", "pro").await;
        shop.stripe.cancel_now(&ended);
        shop.stripe.change_price(&changed, "price_team", Card::Good);
        let _ = shop.stripe.take_events();
        shop.advance(days(4));

        let drifts = shop.billing.drift().await.unwrap();
        let seen: Vec<(&str, &str, &str, DriftCause)> = drifts
            .iter()
            .map(|drift| (drift.tenant_id.as_str(), drift.ours.as_str(), drift.theirs.as_str(), drift.cause))
            .collect();
        let wanted = [("changed", "pro", "team", DriftCause::Changed), ("ended", "pro", "free", DriftCause::Gone)];
        assert_eq!(seen, wanted, "`bought` was delivered with the events of the others");
        assert_eq!(shop.plan("changed").await, "pro", "looking changes nothing");

        assert_eq!(shop.billing.sweep().await.unwrap(), Some(2));
        assert_eq!(shop.billing.sweep().await.unwrap(), None, "once an hour in the whole cluster");
        shop.billing.run_due().await.unwrap();
        for (tenant, plan) in [("bought", "pro"), ("ended", "free"), ("changed", "team"), ("same", "pro")] {
            assert_eq!(shop.plan(tenant).await, plan, "{tenant}");
        }
        assert_eq!(shop.billing.drift().await.unwrap(), []);
        shop.advance(TimeDelta::hours(1));
        assert_eq!(shop.billing.sweep().await.unwrap(), Some(0));
    })
    .await;
}

#[tokio::test]
async fn b20_sweep_finds_a_subscription_that_was_never_heard_of() {
    with_shop(async |shop| {
        let actor = shop.tenant("t", "free").await;
        shop.buy(&actor, "team").await;
        let _ = shop.stripe.take_events();
        let drifts = shop.billing.drift().await.unwrap();
        assert_eq!((drifts.len(), drifts[0].cause), (1, DriftCause::New));
        assert_eq!(shop.billing.repair().await.unwrap(), drifts);
        shop.billing.run_due().await.unwrap();
        assert_eq!(shop.plan("t").await, "team");
    })
    .await;
}

#[tokio::test]
async fn b50_inbox_rows_expire() {
    with_shop(async |shop| {
        let event = br#"{"id":"evt_1","type":"customer.created"}"#;
        shop.deliver(event).await.unwrap();
        shop.advance(days(31));
        assert!(shop.billing.sweep().await.unwrap().is_some());
        assert_eq!(shop.store.forget_events(shop.now()).await.unwrap(), 0, "the sweep took it away");
    })
    .await;
}

#[tokio::test]
async fn stripe_away_for_a_while_puts_the_work_off_and_loses_nothing() {
    with_shop(async |shop| {
        let actor = shop.tenant("t", "free").await;
        shop.buy(&actor, "pro").await;
        shop.stripe.fault(Fault::on("/v1", FaultKind::Status(503), 1_000));
        shop.settle().await;
        assert_eq!(shop.plan("t").await, "free");
        assert_eq!(shop.billing.run_due().await.unwrap(), 0, "not at once again");
        shop.stripe.heal();
        shop.advance(TimeDelta::seconds(301));
        shop.billing.run_due().await.unwrap();
        assert_eq!(shop.plan("t").await, "pro");
    })
    .await;
}

#[tokio::test]
async fn members_that_a_future_version_leaves_out_keep_what_was_known() {
    with_shop(async |shop| {
        let (actor, subscription) = shop.subscriber("t", "pro").await;
        shop.stripe.cancel_at_period_end(&subscription, true);
        shop.settle().await;
        let (before, ends) = (shop.summary(&actor).await, shop.ends("t").await);
        shop.stripe.hide(&["current_period_start", "current_period_end", "billing_cycle_anchor", "start_date"]);
        for shape in [Shape::Basil, Shape::PreBasil] {
            shop.stripe.set_shape(shape);
            shop.stripe.change(&subscription, json!({}));
            shop.settle().await;
            assert_eq!((shop.summary(&actor).await, shop.ends("t").await), (before.clone(), ends));
        }
        assert_eq!(shop.alarms("t").await, ["period_missing"]);
        // The identity itself is missing: that is no state, and nothing is concluded from it.
        shop.stripe.hide(&["status"]);
        shop.stripe.change(&subscription, json!({}));
        shop.settle().await;
        assert_eq!(shop.plan("t").await, "pro");
    })
    .await;
}

/// The gateway's own mode follows its key.
#[test]
fn b08_mode_is_that_of_the_key() {
    for (key, live) in [("sk_test_x", false), ("sk_live_x", true), ("rk_live_x", true), ("rk_test_x", false)] {
        let gateway = nat_billing::StripeGateway::new(&key.into(), None).unwrap();
        assert_eq!(gateway.livemode(), live, "{key}");
    }
}
