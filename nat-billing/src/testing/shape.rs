//! The two shapes of answers and events: before Stripe's API of 2025-03-31 ("basil") and since.

use serde_json::{Map, Value, json};

/// Where the period of a subscription and the subscription of an invoice stand.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Shape {
    /// `current_period_*` on the subscription, `invoice.subscription`, `invoice.payment_intent`.
    PreBasil,
    /// `current_period_*` on the items, `invoice.parent.subscription_details`, `invoice.payments`.
    #[default]
    Basil,
}

/// Lists that are shown only when they are expanded.
pub(super) const INCLUDABLE: [&str; 2] = ["payments", "line_items"];

/// Brings an object, and what is expanded in it, from the newest shape into `shape`, and takes hidden members away.
pub(super) fn render(object: &mut Value, shape: Shape, hidden: &[String]) {
    match object {
        Value::Array(rows) => rows.iter_mut().for_each(|row| render(row, shape, hidden)),
        Value::Object(_) => {
            if let Value::Object(members) = object {
                include(members, shape);
            }
            if shape == Shape::PreBasil {
                match object["object"].as_str() {
                    Some("subscription") => subscription(object),
                    Some("invoice") => invoice(object),
                    _ => {}
                }
            }
            if let Value::Object(members) = object {
                members.retain(|name, _| !hidden.contains(name));
                members.values_mut().for_each(|member| render(member, shape, hidden));
            }
        }
        _ => {}
    }
}

/// What was expanded stays (see `State::expand`), other includable lists go, as does what only the fake has to know.
fn include(members: &mut Map<String, Value>, shape: Shape) {
    if members.get("object").is_some_and(|kind| kind == "checkout.session") {
        members.remove("subscription_data");
    }
    for name in INCLUDABLE {
        // An invoice of old is made from its payments below.
        if shape == Shape::PreBasil && name == "payments" {
            continue;
        }
        match members.remove(name) {
            Some(Value::Object(mut list)) if list.contains_key("included") => {
                members.insert(name.to_owned(), list.remove("included").unwrap_or_default());
            }
            _ => {}
        }
    }
}

fn subscription(object: &mut Value) {
    for name in ["current_period_start", "current_period_end"] {
        let items = object["items"]["data"].as_array_mut();
        let values: Vec<Value> =
            items.into_iter().flatten().filter_map(|item| item.as_object_mut()?.remove(name)).collect();
        object[name] = values.into_iter().next().unwrap_or(Value::Null);
    }
}

fn invoice(object: &mut Value) {
    let Some(members) = object.as_object_mut() else { return };
    let parent = members.remove("parent").unwrap_or(Value::Null);
    let mut payments = members.remove("payments").unwrap_or(Value::Null);
    if payments.get("included").is_some() {
        payments = payments["included"].take();
    }
    let payment = payments["data"][0]["payment"]["payment_intent"].clone();
    let charge = payment.as_str().map_or(Value::Null, |id| json!(id.replacen("pi_", "ch_", 1)));
    members.insert("subscription".to_owned(), parent["subscription_details"]["subscription"].clone());
    members.insert("payment_intent".to_owned(), payment);
    members.insert("charge".to_owned(), charge);
}
