//! What customers and merchants do.

use chrono::TimeDelta;
use nat_billing::testing::Card;
use serde_json::json;
use stripe_client_core::StripeMethod;

use crate::{ask, instant, refusal, shop, utc};

#[tokio::test]
async fn a_paid_checkout_makes_an_active_subscription() {
    let shop = shop().await;
    let session = shop.checkout().await;
    let id = session["id"].as_str().unwrap();
    assert_eq!(instant(&session["expires_at"]), utc("2026-02-01T12:00:00Z"));
    assert!(
        session["url"].is_string() && session.get("line_items").is_none() && session.get("subscription_data").is_none()
    );
    shop.kinds();
    assert_eq!(shop.stripe.pay_checkout(id, Card::Declined), None);
    assert!(shop.kinds().is_empty(), "the page says no, and nothing else happens");
    let subscription = shop.stripe.pay_checkout(id, Card::Good).unwrap();
    assert_eq!(shop.stripe.pay_checkout(id, Card::Good), None, "a session is paid once");
    let wanted = [
        "invoice.created",
        "invoice.paid",
        "invoice.payment_succeeded",
        "customer.subscription.created",
        "checkout.session.completed",
    ];
    assert_eq!(shop.kinds(), wanted);
    let session = shop.get(&format!("/checkout/sessions/{id}"), &[("expand[0]", "subscription")]).await;
    assert_eq!((&session["status"], &session["payment_status"]), (&json!("complete"), &json!("paid")));
    let made = &session["subscription"];
    assert_eq!((&made["id"], &made["status"]), (&json!(subscription), &json!("active")));
    assert_eq!(made["metadata"], json!({"tenant_id": "tenant"}));
}

#[tokio::test]
async fn an_open_checkout_expires_after_a_day_or_when_asked() {
    let shop = shop().await;
    let (old, asked) = (shop.checkout().await, shop.checkout().await);
    let path = format!("/checkout/sessions/{}/expire", asked["id"].as_str().unwrap());
    assert_eq!(shop.post(&path, &[]).await["status"], "expired");
    assert_eq!(refusal(ask(&shop.client, StripeMethod::Post, &path, &[], "").await).0, 400);
    shop.advance(TimeDelta::days(2));
    let read = shop.get(&format!("/checkout/sessions/{}", old["id"].as_str().unwrap()), &[]).await;
    assert_eq!((&read["status"], &read["url"]), (&json!("expired"), &json!(null)));
    assert_eq!(shop.stripe.pay_checkout(old["id"].as_str().unwrap(), Card::Good), None);
    let expired: Vec<_> = shop.stripe.take_events();
    let expired: Vec<_> = expired.iter().filter(|event| event.kind == "checkout.session.expired").collect();
    assert_eq!(expired.len(), 2);
    assert_eq!(expired[1].created, utc("2026-02-01T12:00:00Z"), "at its own instant");
}

#[tokio::test]
async fn a_delayed_payment_is_active_with_an_open_invoice_until_it_settles() {
    for arrived in [true, false] {
        let shop = shop().await;
        let session = shop.checkout().await["id"].as_str().unwrap().to_owned();
        shop.stripe.settle_delayed(&session, arrived);
        let id = shop.stripe.pay_checkout(&session, Card::Delayed).unwrap();
        assert_eq!((shop.status(&id).as_str(), &shop.invoice()["status"]), ("active", &json!("open")));
        let unpaid = shop.stripe.all("checkout/sessions").pop().unwrap();
        assert_eq!((&unpaid["status"], &unpaid["payment_status"]), (&json!("complete"), &json!("unpaid")));
        shop.kinds();
        shop.advance(TimeDelta::days(3));
        shop.stripe.settle_delayed(&session, arrived);
        let kinds = shop.kinds();
        if arrived {
            assert_eq!((shop.status(&id).as_str(), &shop.invoice()["status"]), ("active", &json!("paid")));
            assert!(kinds.contains(&"checkout.session.async_payment_succeeded".to_owned()), "{kinds:?}");
            shop.stripe.settle_delayed(&session, arrived);
            assert!(shop.kinds().is_empty(), "it arrives once");
        } else {
            assert_eq!((shop.status(&id).as_str(), &shop.invoice()["status"]), ("canceled", &json!("void")));
            assert!(kinds.contains(&"checkout.session.async_payment_failed".to_owned()), "{kinds:?}");
        }
    }
}

/// The id of a portal session that offers `price_team` for the subscription.
async fn portal(shop: &crate::Shop, id: &str) -> String {
    let (subscription, flow) = (shop.stripe.subscription(id), "flow_data[subscription_update_confirm]");
    let form = [
        ("customer", subscription["customer"].as_str().unwrap()),
        ("flow_data[type]", "subscription_update_confirm"),
        (&*format!("{flow}[subscription]"), id),
        (&*format!("{flow}[items][0][id]"), subscription["items"]["data"][0]["id"].as_str().unwrap()),
        (&*format!("{flow}[items][0][price]"), "price_team"),
    ];
    shop.post("/billing_portal/sessions", &form).await["id"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn the_portal_changes_the_price_once_it_is_paid() {
    let shop = shop().await;
    let (good, later, never) = (shop.subscribe(Card::Good), shop.subscribe(Card::Good), shop.subscribe(Card::Good));
    let price = |id: &str| shop.stripe.subscription(id)["items"]["data"][0]["price"]["id"].clone();
    assert!(shop.stripe.confirm_portal(&portal(&shop, &good).await, Card::Good));
    assert_eq!(
        (price(&good), shop.stripe.subscription(&good)["pending_update"].clone()),
        (json!("price_team"), json!(null))
    );
    for id in [&later, &never] {
        assert!(shop.stripe.confirm_portal(&portal(&shop, id).await, Card::Declined));
        let pending = shop.stripe.subscription(id)["pending_update"].clone();
        assert_eq!((price(id), &pending["subscription_items"][0]["price"]), (json!("price_pro"), &json!("price_team")));
        assert_eq!(shop.status(id), "active", "the old price is paid for");
    }
    shop.kinds();
    shop.stripe.settle_pending(&later, true);
    let wanted = [
        "invoice.paid",
        "invoice.payment_succeeded",
        "customer.subscription.pending_update_applied",
        "customer.subscription.updated",
    ];
    assert_eq!(shop.kinds(), wanted);
    shop.stripe.settle_pending(&never, false);
    assert_eq!(shop.kinds(), ["invoice.voided", "customer.subscription.pending_update_expired"]);
    assert_eq!((price(&later), price(&never)), (json!("price_team"), json!("price_pro")));
    assert_eq!(shop.stripe.subscription(&never)["pending_update"], json!(null));
    let plain = shop.post("/billing_portal/sessions", &[("customer", customer(&shop, &good).as_str())]).await;
    assert!(!shop.stripe.confirm_portal(plain["id"].as_str().unwrap(), Card::Good), "it offers nothing");
}

#[tokio::test]
async fn a_pending_change_of_price_runs_out_by_itself() {
    let shop = shop().await;
    let id = shop.subscribe(Card::Good);
    shop.stripe.change_price(&id, "price_team", Card::Declined);
    shop.advance(TimeDelta::seconds(23 * 3600 - 1));
    assert!(shop.stripe.subscription(&id)["pending_update"].is_object());
    shop.kinds();
    shop.advance(TimeDelta::seconds(1));
    assert_eq!(shop.kinds(), ["invoice.voided", "customer.subscription.pending_update_expired"]);
    assert_eq!(shop.stripe.subscription(&id)["pending_update"], json!(null));
    assert_eq!(shop.status(&id), "active");
}

fn customer(shop: &crate::Shop, id: &str) -> String {
    shop.stripe.subscription(id)["customer"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn charges_are_refunded_in_part_and_no_further_than_paid() {
    let shop = shop().await;
    let id = shop.subscribe(Card::Good);
    let customer = customer(&shop, &id);
    assert!(shop.stripe.refund_last(&customer, Some(900)));
    assert!(!shop.stripe.refund_last(&customer, Some(4_001)), "more than is left");
    let charge = shop.stripe.all("charges").pop().unwrap();
    assert_eq!((&charge["amount_refunded"], &charge["refunded"]), (&json!(900), &json!(false)));
    let form = [("payment_intent", charge["payment_intent"].as_str().unwrap())];
    assert_eq!(shop.post("/refunds", &form).await["amount"], 4_000);
    assert_eq!(shop.stripe.all("charges")[0]["refunded"], true);
    let again = ask(&shop.client, StripeMethod::Post, "/refunds", &form, "").await;
    assert_eq!(refusal(again), (400, "charge_already_refunded".to_owned()));
    let unknown = ask(&shop.client, StripeMethod::Post, "/refunds", &[("charge", "ch_none")], "").await;
    assert_eq!(refusal(unknown), (404, "resource_missing".to_owned()));
}

#[tokio::test]
async fn disputes_and_warnings_name_the_charge() {
    let shop = shop().await;
    let id = shop.subscribe(Card::Good);
    let (customer, charge) = (customer(&shop, &id), shop.stripe.all("charges").pop().unwrap()["id"].clone());
    shop.kinds();
    shop.stripe.dispute_last(&customer, None);
    shop.stripe.dispute_last(&customer, Some(false));
    shop.stripe.warn_of_fraud(&customer);
    let events = shop.stripe.take_events();
    let kinds: Vec<_> = events.iter().map(|event| event.kind.as_str()).collect();
    assert_eq!(kinds, ["charge.dispute.created", "charge.dispute.closed", "radar.early_fraud_warning.created"]);
    let objects: Vec<serde_json::Value> = events
        .iter()
        .map(|event| serde_json::from_slice::<serde_json::Value>(&event.payload).unwrap()["data"]["object"].clone())
        .collect();
    assert!(objects.iter().all(|object| object["charge"] == charge));
    assert_eq!(objects[0]["id"], objects[1]["id"], "one dispute");
}

#[tokio::test]
async fn an_archived_price_is_not_for_sale_and_a_deleted_customer_has_nothing() {
    let shop = shop().await;
    let id = shop.subscribe(Card::Good);
    shop.stripe.archive_price("price_pro");
    let form =
        [("mode", "subscription"), ("line_items[0][price]", "price_pro"), ("success_url", "https://shop.example/")];
    assert_eq!(refusal(ask(&shop.client, StripeMethod::Post, "/checkout/sessions", &form, "").await).0, 400);
    shop.until("2026-02-28T12:00:00Z");
    assert_eq!(shop.status(&id), "active", "who has it keeps it");
    let customer = customer(&shop, &id);
    shop.stripe.delete_customer(&customer);
    assert_eq!(shop.status(&id), "canceled");
    let path = format!("/customers/{customer}");
    assert_eq!(shop.get(&path, &[]).await["deleted"], true);
    let change = ask(&shop.client, StripeMethod::Post, &path, &[("name", "Ada")], "").await;
    assert_eq!(refusal(change), (404, "resource_missing".to_owned()));
    assert!(shop.get("/customers", &[]).await["data"].as_array().unwrap().is_empty());
}
