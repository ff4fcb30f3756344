//! Lists, shapes, expansion and errors, as the client reads them.

use std::time::Duration;

use nat_billing::testing::{Card, Shape};
use serde_json::{Value, json};
use stripe_client_core::StripeMethod;

use crate::{Pairs, Shop, ask, client, ids, refusal, shop, shop_with, utc};

/// Reads a whole list, page by page.
async fn walk(shop: &Shop, cursor: &str, from: Option<&str>) -> Vec<String> {
    let (mut seen, mut at): (Vec<String>, _) = (Vec::new(), from.map(str::to_owned));
    loop {
        let mut query = vec![("limit", "100")];
        query.extend(at.as_deref().map(|at| (cursor, at)));
        let page = shop.get("/customers", &query).await;
        let rows = ids(&page);
        let next = if cursor == "ending_before" { rows.first() } else { rows.last() };
        at = next.cloned().or(at);
        if cursor == "ending_before" {
            seen.splice(0..0, rows);
        } else {
            seen.extend(rows);
        }
        if page["has_more"] == false {
            return seen;
        }
    }
}

#[tokio::test]
async fn two_hundred_and_fifty_customers_are_read_in_both_directions() {
    let shop = shop().await;
    let mut newest_first: Vec<String> =
        (0..250).map(|n| shop.stripe.create_customer(&format!("c{n}@example.test"), &[])).collect();
    newest_first.reverse();
    assert_eq!(walk(&shop, "starting_after", None).await, newest_first);
    let oldest = newest_first.pop().unwrap();
    assert_eq!(walk(&shop, "ending_before", Some(&oldest)).await, newest_first);
    // A page of the middle, and the ends of the list.
    let middle = shop.get("/customers", &[("limit", "2"), ("ending_before", &newest_first[100])]).await;
    assert_eq!((ids(&middle), &middle["has_more"]), (newest_first[98..100].to_vec(), &json!(true)));
    assert_eq!(ids(&shop.get("/customers", &[]).await), newest_first[..10]);
    let end = shop.get("/customers", &[("starting_after", &oldest)]).await;
    assert_eq!((ids(&end), &end["has_more"]), (vec![], &json!(false)));
    for limit in ["0", "101"] {
        assert_eq!(refusal(ask(&shop.client, StripeMethod::Get, "/customers", &[("limit", limit)], "").await).0, 400);
    }
    let unknown = ask(&shop.client, StripeMethod::Get, "/customers", &[("starting_after", "cus_none")], "").await;
    assert_eq!(refusal(unknown).1, "resource_missing");
}

#[tokio::test]
async fn lists_are_filtered() {
    let shop = shop().await;
    let (first, second) = (shop.subscribe(Card::Good), shop.subscribe(Card::Good));
    shop.until("2026-02-01T00:00:00Z");
    shop.stripe.cancel_now(&first);
    let customer = shop.stripe.subscription(&first)["customer"].as_str().unwrap().to_owned();
    let invoice = shop.stripe.subscription(&second)["latest_invoice"].as_str().unwrap().to_owned();
    let noon = utc("2026-01-31T12:00:00Z").timestamp().to_string();
    let check = async |path: &str, query: Pairs<'_>, wanted: &[&String]| {
        assert_eq!(ids(&shop.get(path, query).await).iter().collect::<Vec<_>>(), wanted, "{path} {query:?}");
    };
    check("/subscriptions", &[], &[&second]).await;
    check("/subscriptions", &[("status", "all")], &[&second, &first]).await;
    check("/subscriptions", &[("status", "canceled")], &[&first]).await;
    check("/subscriptions", &[("status", "ended")], &[&first]).await;
    check("/subscriptions", &[("status", "all"), ("customer", &customer)], &[&first]).await;
    check("/subscriptions", &[("price", "price_pro")], &[&second]).await;
    check("/subscriptions", &[("price", "price_team")], &[]).await;
    check("/subscriptions", &[("created[gt]", &noon)], &[]).await;
    check("/subscriptions", &[("created[gte]", &noon), ("created[lte]", &noon)], &[&second]).await;
    check("/invoices", &[("subscription", &second)], &[&invoice]).await;
    check("/prices", &[("product", "prod_pro"), ("active", "true")], &[&"price_pro".to_owned()]).await;
    check("/prices", &[("active", "false")], &[]).await;
    let events = shop.get("/events", &[("type", "customer.subscription.deleted")]).await;
    assert_eq!(events["data"][0]["data"]["object"]["id"], json!(first));
    assert!(ids(&shop.get("/events", &[("created[lt]", &noon)]).await).is_empty());
    let event = ids(&events).remove(0);
    assert_eq!(shop.get(&format!("/events/{event}"), &[]).await, events["data"][0]);
}

/// The objects of a subscription's life as they are answered, and as they are in events.
async fn life_in(shape: Shape) -> [(Value, Value); 2] {
    let shop = shop_with(|options| options.shape = shape).await;
    let id = shop.subscribe(Card::Good);
    let subscription = shop.get(&format!("/subscriptions/{id}"), &[("expand[0]", "latest_invoice.payments")]).await;
    let mut of_event = Vec::new();
    for kind in ["invoice.paid", "customer.subscription.created"] {
        let event = shop.get("/events", &[("type", kind)]).await["data"][0].clone();
        assert_eq!(event["api_version"], if shape == Shape::Basil { "2026-09-30.endive" } else { "2024-06-20" });
        of_event.push(event["data"]["object"].clone());
    }
    let created = of_event.pop().unwrap();
    [(subscription["latest_invoice"].clone(), of_event.pop().unwrap()), (subscription, created)]
}

#[tokio::test]
async fn both_shapes_in_answers_and_in_events() {
    let end = json!(utc("2026-02-28T12:00:00Z").timestamp());
    let [(invoice, invoice_event), (subscription, subscription_event)] = life_in(Shape::Basil).await;
    for object in [&subscription, &subscription_event] {
        assert_eq!(object["items"]["data"][0]["current_period_end"], end);
        assert_eq!(object.get("current_period_end"), None);
    }
    for object in [&invoice, &invoice_event] {
        assert_eq!(object["parent"]["subscription_details"]["subscription"], subscription["id"]);
        assert_eq!((object.get("subscription"), object.get("payment_intent")), (None, None));
    }
    assert!(invoice["payments"]["data"][0]["payment"]["payment_intent"].is_string());
    assert_eq!(invoice_event.get("payments"), None, "only what is expanded");

    let [(invoice, invoice_event), (subscription, subscription_event)] = life_in(Shape::PreBasil).await;
    for object in [&subscription, &subscription_event] {
        assert_eq!(object["current_period_end"], end);
        assert_eq!(object["items"]["data"][0].get("current_period_end"), None);
    }
    for object in [&invoice, &invoice_event] {
        assert_eq!(object["subscription"], subscription["id"]);
        assert_eq!((object.get("parent"), object.get("payments")), (None, None));
        assert!(object["payment_intent"].as_str().unwrap().starts_with("pi_"));
        assert!(object["charge"].as_str().unwrap().starts_with("ch_"));
    }
}

#[tokio::test]
async fn hidden_members_are_nowhere_and_ids_expand_in_lists() {
    let shop = shop().await;
    let id = shop.subscribe(Card::Good);
    let page =
        shop.get("/subscriptions", &[("expand[0]", "data.latest_invoice"), ("expand[1]", "data.customer")]).await;
    assert_eq!(page["data"][0]["latest_invoice"]["status"], "paid");
    assert_eq!(page["data"][0]["customer"]["email"], "ada@example.test");
    shop.stripe.hide(&["status", "current_period_end"]);
    let read = shop.get(&format!("/subscriptions/{id}"), &[]).await;
    assert_eq!((read.get("status"), read["items"]["data"][0].get("current_period_end")), (None, None));
    shop.stripe.cancel_at_period_end(&id, true);
    let event = shop.stripe.events().pop().unwrap();
    assert!(!String::from_utf8_lossy(&event.payload).contains("current_period_end"));
    assert_eq!(shop.status(&id), "active", "it is still known");
}

#[tokio::test]
async fn requests_are_refused_as_stripe_refuses_them() {
    let shop = shop().await;
    let wrong = client(&shop.stripe, "sk_test_wrong", Duration::from_secs(10));
    assert_eq!(refusal(ask(&wrong, StripeMethod::Get, "/customers", &[], "").await).0, 401);
    let refused = async |method, path, form: Pairs<'_>, status, code: &str| {
        let answer = ask(&shop.client, method, path, form, "").await;
        assert_eq!(refusal(answer), (status, code.to_owned()), "{path} {form:?}");
    };
    refused(StripeMethod::Get, "/customers/cus_none", &[], 404, "resource_missing").await;
    refused(StripeMethod::Get, "/nothing", &[], 404, "").await;
    refused(StripeMethod::Post, "/checkout/sessions", &[("mode", "subscription")], 400, "parameter_missing").await;
    refused(StripeMethod::Post, "/customers", &[("email", "nobody")], 400, "email_invalid").await;
    let price =
        [("mode", "subscription"), ("line_items[0][price]", "price_none"), ("success_url", "https://x.example")];
    refused(StripeMethod::Post, "/checkout/sessions", &price, 400, "resource_missing").await;
    assert!(shop.stripe.events().is_empty() && shop.stripe.all("customers").is_empty());
}
