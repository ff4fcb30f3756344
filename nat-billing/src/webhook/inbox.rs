//! The event inbox: an event id is recorded once, in the same transaction as its effect.
//!
//! Stripe's payloads change with its API versions, so only what is needed is read, and only the id is required. An
//! event of an unknown type is recorded and acknowledged like any other: refusing it would make Stripe send it for
//! three days.

use chrono::{DateTime, Utc};
use nat_core::{Error, ErrorCode, Result};
use serde_json::{Map, Value};

use crate::account::Alarm;

/// Longer ids, types and customers are none of Stripe's.
const MAX_TEXT: usize = 255;

/// What is read of a Stripe event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StripeEvent {
    /// `evt_…`; recorded once.
    pub id: String,
    /// For example `customer.subscription.updated`; empty when absent.
    pub kind: String,
    /// When Stripe made it.
    pub created_at: Option<DateTime<Utc>>,
    /// The customer it is about, if the object names one: whom to look at again.
    pub customer_id: Option<String>,
    /// Whether real money moved; absent when the event does not say.
    pub livemode: Option<bool>,
    /// What it tells that no state of a subscription shows.
    pub alarm: Option<Alarm>,
}

impl StripeEvent {
    /// Reads an event out of the verified bytes. 400 `MALFORMED_JSON` for what is not a JSON object with an id.
    pub fn parse(payload: &[u8]) -> Result<Self> {
        let event: Map<String, Value> = serde_json::from_slice(payload).map_err(|error| {
            malformed(format!("The body is not a JSON object: line {}, column {}.", error.line(), error.column()))
        })?;
        let Some(id) = text(event.get("id")) else {
            return Err(malformed("The event has no usable 'id'.".to_owned()));
        };
        let object = event.get("data").and_then(|data| data.get("object"));
        let kind = text(event.get("type")).unwrap_or_default();
        Ok(Self {
            id,
            alarm: alarm_of(&kind, object),
            livemode: event.get("livemode").and_then(Value::as_bool),
            kind,
            created_at: event.get("created").and_then(Value::as_i64).and_then(|s| DateTime::from_timestamp(s, 0)),
            customer_id: object.and_then(customer_of),
        })
    }
}

/// The object is a customer, or names one by id or as an expanded object.
fn customer_of(object: &Value) -> Option<String> {
    if object.get("object").and_then(Value::as_str) == Some("customer") {
        return text(object.get("id"));
    }
    let customer = object.get("customer")?;
    text(Some(customer)).or_else(|| text(customer.get("id")))
}

/// Refunds, disputes and warnings change no subscription: the plan follows the subscription, a person decides.
fn alarm_of(kind: &str, object: Option<&Value>) -> Option<Alarm> {
    match kind {
        "charge.refunded" => object.filter(|charge| charge["refunded"] == true).map(|_| Alarm::Refunded),
        "charge.dispute.created" | "charge.dispute.closed" => Some(Alarm::Disputed),
        "radar.early_fraud_warning.created" => Some(Alarm::FraudWarning),
        _ => None,
    }
}

fn text(value: Option<&Value>) -> Option<String> {
    let text = value?.as_str()?;
    // NUL is legal JSON and illegal text in PostgreSQL.
    ((1..=MAX_TEXT).contains(&text.len()) && !text.contains('\0')).then(|| text.to_owned())
}

fn malformed(message: String) -> Error {
    Error::new(ErrorCode::MalformedJson, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(payload: &str, id: &str, kind: &str, created: Option<i64>, customer: Option<&str>) {
        let event = StripeEvent::parse(payload.as_bytes()).unwrap();
        let wanted = StripeEvent {
            id: id.to_owned(),
            kind: kind.to_owned(),
            created_at: created.and_then(|second| DateTime::from_timestamp(second, 0)),
            customer_id: customer.map(str::to_owned),
            livemode: None,
            alarm: None,
        };
        assert_eq!(event, wanted, "{payload}");
    }

    #[test]
    fn event_is_read_leniently() {
        check(r#"{"id":"evt_1"}"#, "evt_1", "", None, None);
        check(r#"{"id":"evt_1","type":7,"created":"x","data":[],"new":{"a":[1]}}"#, "evt_1", "", None, None);
        check(
            r#"{"id":"evt_1","type":"customer.created","created":5,"data":{"object":{"object":"customer","id":"cus_1"}}}"#,
            "evt_1",
            "customer.created",
            Some(5),
            Some("cus_1"),
        );
        check(r#"{"id":"e","data":{"object":{"customer":"cus_2","id":"sub_1"}}}"#, "e", "", None, Some("cus_2"));
        check(r#"{"id":"e","data":{"object":{"customer":{"id":"cus_3"}}}}"#, "e", "", None, Some("cus_3"));
        check(r#"{"id":"e","created":9223372036854775807,"data":{"object":{"customer":null}}}"#, "e", "", None, None);
    }

    #[test]
    fn event_tells_its_mode_and_what_needs_a_person() {
        let check = |kind: &str, object: &str, wanted: Option<Alarm>| {
            let payload = format!(r#"{{"id":"evt_1","type":"{kind}","livemode":true,"data":{{"object":{object}}}}}"#);
            let event = StripeEvent::parse(payload.as_bytes()).unwrap();
            assert_eq!((event.livemode, event.alarm), (Some(true), wanted), "{payload}");
        };
        check("charge.refunded", r#"{"refunded":true}"#, Some(Alarm::Refunded));
        check("charge.refunded", r#"{"refunded":false,"amount_refunded":5}"#, None);
        check("charge.refunded", "[]", None);
        check("charge.dispute.created", r#"{"charge":"ch_1"}"#, Some(Alarm::Disputed));
        check("charge.dispute.closed", r#"{"status":"won"}"#, Some(Alarm::Disputed));
        check("radar.early_fraud_warning.created", "{}", Some(Alarm::FraudWarning));
        check("customer.subscription.updated", r#"{"customer":"cus_1"}"#, None);
    }

    #[test]
    fn what_is_no_event_is_refused() {
        let (long, deep) = (format!(r#"{{"id":"{}"}}"#, "x".repeat(256)), "[".repeat(100_000));
        for payload in [
            "",
            "not json",
            "[]",
            "7",
            "null",
            r#"["evt_1"]"#,
            "{}",
            r#"{"id":7}"#,
            r#"{"id":""}"#,
            r#"{"id":"a"} x"#,
            r#"{"id":"\u0000"}"#,
            &long,
            &deep,
        ] {
            let error = StripeEvent::parse(payload.as_bytes()).unwrap_err();
            assert_eq!(error.code, ErrorCode::MalformedJson);
        }
        assert!(StripeEvent::parse(b"\xff\xfe").is_err());
    }
}
