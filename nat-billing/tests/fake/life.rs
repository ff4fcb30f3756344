//! What time does to subscriptions.

use chrono::TimeDelta;
use nat_billing::testing::{Card, Exhausted, Price, SubscriptionInit};
use serde_json::json;

use crate::{instant, shop, shop_with, utc};

#[tokio::test]
async fn renewals_do_not_erode_the_day_of_the_anchor() {
    let shop = shop().await;
    let id = shop.subscribe(Card::Good);
    let ends = ["2026-02-28T12:00:00Z", "2026-03-31T12:00:00Z", "2026-04-30T12:00:00Z", "2026-05-31T12:00:00Z"];
    for (begin, end) in ends.iter().zip(&ends[1..]) {
        shop.until(begin);
        assert_eq!(shop.period(&id), (utc(begin), utc(end)));
        assert_eq!((shop.status(&id).as_str(), &shop.invoice()["status"]), ("active", &json!("paid")));
    }
}

#[tokio::test]
async fn a_clock_that_jumps_makes_every_renewal_at_its_own_instant() {
    let shop = shop().await;
    let id = shop.subscribe(Card::Good);
    shop.kinds();
    shop.until("2026-04-30T11:59:59Z");
    assert_eq!(shop.period(&id), (utc("2026-03-31T12:00:00Z"), utc("2026-04-30T12:00:00Z")));
    let made: Vec<_> = shop.stripe.all("invoices").iter().map(|invoice| instant(&invoice["created"])).collect();
    assert_eq!(made, [utc("2026-01-31T12:00:00Z"), utc("2026-02-28T12:00:00Z"), utc("2026-03-31T12:00:00Z")]);
    let events = shop.stripe.take_events();
    assert_eq!(events.iter().filter(|event| event.kind == "invoice.paid").count(), 2);
    assert_eq!(events[0].created, utc("2026-02-28T12:00:00Z"));
    shop.stripe.tick();
    assert!(shop.kinds().is_empty(), "nothing is due twice");
}

#[tokio::test]
async fn weeks_and_years_are_counted_from_the_anchor() {
    let shop = shop_with(|_| {}).await;
    shop.until("2028-02-29T00:00:00Z");
    let customer = shop.stripe.create_customer("ada@example.test", &[]);
    for (interval, ends) in [
        ("day", ["2028-03-01T00:00:00Z", "2028-03-02T00:00:00Z"]),
        ("week", ["2028-03-07T00:00:00Z", "2028-03-14T00:00:00Z"]),
        ("year", ["2029-02-28T00:00:00Z", "2030-02-28T00:00:00Z"]),
    ] {
        let name = format!("price_{interval}");
        shop.stripe.add_price(Price { interval: interval.to_owned(), ..Price::monthly(&name, "prod_pro", 100) });
        let id = shop.stripe.subscribe(&customer, &[&name], &SubscriptionInit::default());
        let first = shop.period(&id).1;
        assert_eq!(first, utc(ends[0]), "{interval}");
    }
    shop.until("2032-02-29T00:00:00Z");
    let yearly = shop.stripe.all("subscriptions").pop().unwrap();
    assert_eq!(shop.period(yearly["id"].as_str().unwrap()).1, utc("2033-02-28T00:00:00Z"));
    assert_eq!(shop.period(yearly["id"].as_str().unwrap()).0, utc("2032-02-29T00:00:00Z"));
}

#[tokio::test]
async fn a_failed_renewal_is_retried_and_the_account_decides_what_follows() {
    for (exhausted, last) in
        [(Exhausted::Cancel, "canceled"), (Exhausted::Unpaid, "unpaid"), (Exhausted::PastDue, "past_due")]
    {
        let shop = shop_with(|options| options.exhausted = exhausted).await;
        let id = shop.subscribe(Card::Good);
        shop.stripe.use_card(&id, Card::Declined);
        shop.kinds();
        shop.until("2026-02-28T12:00:00Z");
        assert_eq!(shop.status(&id), "past_due");
        assert_eq!(shop.period(&id).1, utc("2026-03-31T12:00:00Z"), "the period goes on before it is paid");
        for (attempts, after_days) in [(2, 3), (3, 5)] {
            shop.until("2026-02-28T12:00:00Z");
            shop.advance(TimeDelta::days(after_days));
            assert_eq!(shop.invoice()["attempt_count"], attempts);
            assert_eq!(shop.status(&id), "past_due");
        }
        shop.until("2026-03-07T12:00:00Z");
        assert_eq!((shop.status(&id).as_str(), &shop.invoice()["next_payment_attempt"]), (last, &json!(null)));
        let failures = shop.kinds().iter().filter(|kind| *kind == "invoice.payment_failed").count();
        assert_eq!(failures, 4, "the renewal and three retries");
        // What is not ended has another period.
        shop.until("2026-03-31T12:00:00Z");
        assert_eq!(shop.status(&id), last);
        let wanted = if last == "canceled" { "2026-03-31T12:00:00Z" } else { "2026-04-30T12:00:00Z" };
        assert_eq!(shop.period(&id).1, utc(wanted));
        assert_eq!(shop.invoice()["status"], if last == "unpaid" { "draft" } else { "open" });
    }
}

#[tokio::test]
async fn a_retry_with_a_good_card_makes_it_active() {
    let shop = shop().await;
    let id = shop.subscribe(Card::Good);
    shop.stripe.use_card(&id, Card::Declined);
    shop.until("2026-02-28T12:00:00Z");
    shop.stripe.use_card(&id, Card::Good);
    shop.until("2026-03-03T12:00:00Z");
    assert_eq!((shop.status(&id).as_str(), &shop.invoice()["status"]), ("active", &json!("paid")));
    shop.until("2026-03-31T12:00:00Z");
    assert_eq!(shop.status(&id), "active");
}

#[tokio::test]
async fn an_incomplete_subscription_expires_after_23_hours_unless_it_is_authenticated() {
    let shop = shop().await;
    let (lost, saved) = (shop.subscribe(Card::Declined), shop.subscribe(Card::NeedsAuthentication));
    assert_eq!((shop.status(&lost).as_str(), shop.status(&saved).as_str()), ("incomplete", "incomplete"));
    shop.advance(TimeDelta::seconds(23 * 3600 - 1));
    shop.stripe.authenticate(&saved);
    assert_eq!((shop.status(&lost).as_str(), shop.status(&saved).as_str()), ("incomplete", "active"));
    shop.advance(TimeDelta::seconds(1));
    assert_eq!((shop.status(&lost).as_str(), shop.status(&saved).as_str()), ("incomplete_expired", "active"));
    shop.stripe.authenticate(&lost);
    assert_eq!(shop.status(&lost), "incomplete_expired", "nothing wakes it");
    let invoices = shop.stripe.all("invoices");
    assert_eq!((&invoices[0]["status"], &invoices[1]["status"]), (&json!("void"), &json!("paid")));
}

#[tokio::test]
async fn a_trial_is_free_and_its_end_is_the_anchor() {
    let shop = shop().await;
    let customer = shop.stripe.create_customer("ada@example.test", &[]);
    let end = utc("2026-02-14T12:00:00Z");
    let init = SubscriptionInit { trial_end: Some(end.timestamp()), ..SubscriptionInit::default() };
    let id = shop.stripe.subscribe(&customer, &["price_pro"], &init);
    assert_eq!((shop.status(&id).as_str(), shop.period(&id).1), ("trialing", end));
    assert_eq!((&shop.invoice()["amount_paid"], &shop.invoice()["status"]), (&json!(0), &json!("paid")));
    assert!(shop.stripe.all("charges").is_empty());
    shop.until("2026-02-14T12:00:00Z");
    assert_eq!((shop.status(&id).as_str(), shop.period(&id)), ("active", (end, utc("2026-03-14T12:00:00Z"))));
    assert_eq!(shop.invoice()["amount_paid"], 4_900);
}

#[tokio::test]
async fn a_subscription_ends_with_its_period_or_at_an_instant() {
    let shop = shop().await;
    let (with_period, at_instant, stays) =
        (shop.subscribe(Card::Good), shop.subscribe(Card::Good), shop.subscribe(Card::Good));
    shop.stripe.cancel_at_period_end(&with_period, true);
    shop.stripe.cancel_at_period_end(&stays, true);
    shop.stripe.cancel_at_period_end(&stays, false);
    shop.stripe.cancel_at(&at_instant, Some(utc("2026-03-15T00:00:00Z")));
    assert_eq!(instant(&shop.stripe.subscription(&with_period)["cancel_at"]), utc("2026-02-28T12:00:00Z"));
    assert_eq!(shop.stripe.subscription(&stays)["cancel_at"], json!(null));
    shop.until("2026-05-01T00:00:00Z");
    let ended = |id: &str| instant(&shop.stripe.subscription(id)["ended_at"]);
    assert_eq!(ended(&with_period), utc("2026-02-28T12:00:00Z"));
    assert_eq!(ended(&at_instant), utc("2026-03-15T00:00:00Z"));
    let asked = instant(&shop.stripe.subscription(&with_period)["canceled_at"]);
    assert_eq!(asked, utc("2026-01-31T12:00:00Z"), "when it was asked for");
    assert_eq!(shop.status(&stays), "active");
    let renewed =
        shop.stripe.all("invoices").iter().filter(|row| row["billing_reason"] == "subscription_cycle").count();
    assert_eq!(renewed, 1 + 3, "the one that ends in March was renewed once");
}

#[tokio::test]
async fn a_scheduled_price_comes_with_the_next_period() {
    let shop = shop().await;
    let (goes, stays) = (shop.subscribe(Card::Good), shop.subscribe(Card::Good));
    shop.stripe.schedule_price(&goes, Some("price_team"));
    shop.stripe.schedule_price(&stays, Some("price_team"));
    shop.stripe.schedule_price(&stays, None);
    let price = |id: &str| shop.stripe.subscription(id)["items"]["data"][0]["price"]["id"].clone();
    shop.until("2026-02-28T11:59:59Z");
    assert_eq!((price(&goes), price(&stays)), (json!("price_pro"), json!("price_pro")));
    assert!(shop.stripe.subscription(&goes)["schedule"].is_string());
    shop.until("2026-02-28T12:00:00Z");
    assert_eq!((price(&goes), price(&stays)), (json!("price_team"), json!("price_pro")));
    assert_eq!(shop.stripe.subscription(&goes)["schedule"], json!(null));
    let paid: Vec<_> = shop.stripe.all("invoices").iter().map(|row| row["amount_paid"].clone()).collect();
    assert_eq!(json!(paid), json!([4_900, 4_900, 19_900, 4_900]));
}

#[tokio::test]
async fn a_moved_period_end_is_the_new_anchor() {
    let shop = shop().await;
    let id = shop.subscribe(Card::Good);
    shop.advance(TimeDelta::days(3));
    shop.stripe.shift_period_end(&id, utc("2026-02-03T11:00:00Z"));
    shop.stripe.tick();
    assert_eq!(shop.period(&id), (utc("2026-02-03T11:00:00Z"), utc("2026-03-03T11:00:00Z")));
    assert_eq!(shop.stripe.all("invoices").len(), 2, "one renewal");
    shop.stripe.restart_cycle(&id);
    assert_eq!(shop.period(&id), (utc("2026-02-03T12:00:00Z"), utc("2026-03-03T12:00:00Z")));
}
