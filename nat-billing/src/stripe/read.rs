//! Stripe's JSON, read leniently, before and after the API of 2025-03-31 alike.

use chrono::{DateTime, Utc};
use serde_json::Value;

use crate::{
    gateway::{CheckoutSession, CheckoutState, Customer, GatewayError},
    price::PLAN_METADATA,
    subscription::{Invoice, Item, Status, Subscription},
};

/// The text of a member; an expanded object stands for its id.
pub(super) fn text(object: &Value, name: &str) -> Option<String> {
    let member = &object[name];
    member.as_str().or_else(|| member["id"].as_str()).filter(|text| !text.is_empty()).map(str::to_owned)
}

fn instant(object: &Value, name: &str) -> Option<DateTime<Utc>> {
    // Never 1970: Stripe has no zero instants, so a zero is a missing one.
    object[name].as_i64().filter(|second| *second > 0).and_then(|second| DateTime::from_timestamp(second, 0))
}

/// An answer that lacks what no answer may lack. Asking again later may help: Stripe may be in the middle of a change.
pub(super) fn unreadable(what: &str) -> GatewayError {
    GatewayError::Unavailable(format!("the answer cannot be read: {what}"))
}

pub(super) fn page(mut page: Value) -> Result<(bool, Vec<Value>), GatewayError> {
    let more = page["has_more"].as_bool().unwrap_or(false);
    match page["data"].take() {
        Value::Array(rows) => Ok((more && !rows.is_empty(), rows)),
        _ => Err(unreadable("a list without data")),
    }
}

pub(super) fn customer(object: &Value) -> Result<Customer, GatewayError> {
    Ok(Customer {
        id: text(object, "id").ok_or_else(|| unreadable("a customer without an id"))?,
        deleted: object["deleted"].as_bool().unwrap_or(false),
        tenant_id: text(&object["metadata"], "tenant_id"),
    })
}

pub(super) fn subscription(object: &Value) -> Result<Subscription, GatewayError> {
    let required = |name: &str| text(object, name).ok_or_else(|| unreadable(&format!("a subscription without {name}")));
    let items = object["items"]["data"].as_array().map_or(&[][..], Vec::as_slice);
    Ok(Subscription {
        id: required("id")?,
        customer_id: required("customer")?,
        status: Status::parse(&required("status")?),
        tenant_id: text(&object["metadata"], "tenant_id"),
        created_at: instant(object, "created").ok_or_else(|| unreadable("a subscription without created"))?,
        started_at: instant(object, "start_date"),
        ended_at: instant(object, "ended_at"),
        anchor: instant(object, "billing_cycle_anchor"),
        cancel_at: instant(object, "cancel_at"),
        cancel_at_period_end: object["cancel_at_period_end"].as_bool().unwrap_or(false),
        pays_by_invoice: object["collection_method"] == "send_invoice",
        items: items.iter().filter_map(|row| item(row, object)).collect(),
        latest_invoice: invoice(&object["latest_invoice"]),
    })
}

fn item(row: &Value, subscription: &Value) -> Option<Item> {
    let price = &row["price"];
    Some(Item {
        id: text(row, "id")?,
        price_id: text(row, "price")?,
        product_id: text(price, "product"),
        plan_hint: text(&price["metadata"], PLAN_METADATA)
            .or_else(|| text(&price["product"]["metadata"], PLAN_METADATA)),
        quantity: row["quantity"].as_u64(),
        period_start: instant(row, "current_period_start").or_else(|| instant(subscription, "current_period_start")),
        period_end: instant(row, "current_period_end").or_else(|| instant(subscription, "current_period_end")),
    })
}

/// Only an expanded invoice tells anything.
fn invoice(object: &Value) -> Option<Invoice> {
    let status = object["status"].as_str()?;
    Some(Invoice {
        created_at: instant(object, "created"),
        paid: status == "paid",
        first: object["billing_reason"] == "subscription_create",
    })
}

/// What paid an invoice, as a parameter of a refund: its name and the id.
pub(super) fn payment(invoice: &Value) -> Option<(&'static str, String)> {
    let newest = invoice["payments"]["data"].as_array().into_iter().flatten();
    let since_2025 = newest.filter(|row| row["status"] == "paid").find_map(|row| {
        let payment = &row["payment"];
        text(payment, "payment_intent")
            .map(|id| ("payment_intent", id))
            .or_else(|| text(payment, "charge").map(|id| ("charge", id)))
    });
    since_2025
        .or_else(|| text(invoice, "payment_intent").map(|id| ("payment_intent", id)))
        .or_else(|| text(invoice, "charge").map(|id| ("charge", id)))
}

pub(super) fn checkout(object: &Value) -> Result<CheckoutSession, GatewayError> {
    let id = text(object, "id").ok_or_else(|| unreadable("a checkout session without an id"))?;
    let expires_at =
        instant(object, "expires_at").ok_or_else(|| unreadable("a checkout session without expires_at"))?;
    let state = match object["status"].as_str() {
        Some("open") => CheckoutState::Open,
        Some("complete") => CheckoutState::Complete,
        _ => CheckoutState::Expired,
    };
    Ok(CheckoutSession { id, url: text(object, "url"), state, customer_id: text(object, "customer"), expires_at })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn subscription_reads_alike_before_and_after_2025() {
        let common = json!({
            "id": "sub_1", "customer": "cus_1", "status": "active", "created": 1_700_000_000, "start_date": 1_700_000_000,
            "billing_cycle_anchor": 1_700_000_000, "cancel_at_period_end": false, "cancel_at": null,
            "metadata": {"tenant_id": "t"}, "latest_invoice": {"id": "in_1", "status": "paid", "created": 1_700_000_000},
        });
        let item =
            json!({"id": "si_1", "price": {"id": "price_1", "product": "prod_1", "metadata": {}}, "quantity": 1});
        let mut before = common.clone();
        before["items"] = json!({"data": [item]});
        before["current_period_start"] = json!(1_700_000_000);
        before["current_period_end"] = json!(1_702_592_000);
        let mut after = common;
        after["items"] = json!({"data": [item]});
        after["items"]["data"][0]["current_period_start"] = json!(1_700_000_000);
        after["items"]["data"][0]["current_period_end"] = json!(1_702_592_000);
        let read = subscription(&before).unwrap();
        assert_eq!(read, subscription(&after).unwrap());
        assert_eq!(read.items[0].period_end, DateTime::from_timestamp(1_702_592_000, 0));
        assert_eq!(read.items[0].product_id.as_deref(), Some("prod_1"));
    }

    #[test]
    fn missing_and_odd_members_are_none_and_only_the_identity_is_required() {
        let odd = json!({
            "id": "sub_1", "customer": {"id": "cus_1", "object": "customer"}, "status": "hibernating", "created": 5,
            "start_date": "yesterday", "billing_cycle_anchor": 0, "cancel_at": {}, "cancel_at_period_end": "yes",
            "items": {"data": [{}, {"id": "si_1"}, {"id": "si_2", "price": "price_2", "quantity": -1}]},
            "latest_invoice": "in_1",
        });
        let read = subscription(&odd).unwrap();
        assert_eq!(read.status, Status::Other("hibernating".to_owned()));
        assert_eq!(
            (read.customer_id.as_str(), read.anchor, read.cancel_at, read.started_at),
            ("cus_1", None, None, None)
        );
        assert_eq!(read.items.len(), 1);
        assert_eq!((read.items[0].price_id.as_str(), read.items[0].quantity), ("price_2", None));
        assert_eq!(read.latest_invoice, None);
        for missing in ["id", "customer", "status", "created"] {
            let mut broken = odd.clone();
            broken[missing] = Value::Null;
            assert!(matches!(subscription(&broken), Err(GatewayError::Unavailable(_))), "{missing}");
        }
    }

    #[test]
    fn payment_is_found_in_both_shapes() {
        let check = |invoice: Value, wanted: Option<(&'static str, &str)>| {
            assert_eq!(payment(&invoice), wanted.map(|(kind, id)| (kind, id.to_owned())), "{invoice}");
        };
        check(json!({"payment_intent": "pi_1"}), Some(("payment_intent", "pi_1")));
        check(json!({"charge": {"id": "ch_1"}}), Some(("charge", "ch_1")));
        let payments = json!([{"status": "canceled", "payment": {"payment_intent": "pi_0"}},
            {"status": "paid", "payment": {"type": "payment_intent", "payment_intent": "pi_2"}}]);
        check(json!({"payments": {"data": payments}}), Some(("payment_intent", "pi_2")));
        check(json!({"payments": {"data": []}}), None);
        check(Value::Null, None);
    }
}
