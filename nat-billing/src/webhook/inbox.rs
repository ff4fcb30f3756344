//! The event inbox: an event id is recorded once, in the same transaction as its effect.
//!
//! Stripe's payloads change with its API versions, so only what is needed is read, and only the id is required. An
//! event of an unknown type is recorded and acknowledged like any other: refusing it would make Stripe send it for
//! three days.

use std::fmt;

use chrono::{DateTime, Utc};
use nat_core::{Error, ErrorCode, Result};
use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

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
    ///
    /// What is not needed is skipped, not kept: a body of any shape costs no more memory than its texts.
    pub fn parse(payload: &[u8]) -> Result<Self> {
        let mut reader = serde_json::Deserializer::from_slice(payload);
        let read = Peek { levels: LEVELS }.deserialize(&mut reader).and_then(|event| reader.end().map(|()| event));
        let event = read.map_err(|error| {
            malformed(format!("The body is not a JSON object: line {}, column {}.", error.line(), error.column()))
        })?;
        if !matches!(event, Seen::Object(_)) {
            return Err(malformed("The body is not a JSON object.".to_owned()));
        }
        let Some(id) = event.get("id").text() else {
            return Err(malformed("The event has no usable 'id'.".to_owned()));
        };
        let object = event.get("data").get("object");
        let kind = event.get("type").text().unwrap_or_default();
        Ok(Self {
            id,
            alarm: alarm_of(&kind, object),
            livemode: event.get("livemode").truth(),
            kind,
            created_at: event.get("created").number().and_then(|second| DateTime::from_timestamp(second, 0)),
            customer_id: customer_of(object),
        })
    }
}

/// The object is a customer, or names one by id or as an expanded object.
fn customer_of(object: &Seen) -> Option<String> {
    if object.get("object").is("customer") {
        return object.get("id").text();
    }
    let customer = object.get("customer");
    customer.text().or_else(|| customer.get("id").text())
}

/// Refunds, disputes and warnings change no subscription: the plan follows the subscription, a person decides.
fn alarm_of(kind: &str, object: &Seen) -> Option<Alarm> {
    match kind {
        "charge.refunded" => object.get("refunded").truth().filter(|whole| *whole).map(|_| Alarm::Refunded),
        "charge.dispute.created" | "charge.dispute.closed" => Some(Alarm::Disputed),
        "radar.early_fraud_warning.created" => Some(Alarm::FraudWarning),
        _ => None,
    }
}

/// The members that are looked at, wherever they stand; all others are skipped.
const WANTED: [&str; 8] = ["id", "type", "created", "livemode", "data", "object", "customer", "refunded"];
/// The event, its `data`, the object in it, an expanded customer.
const LEVELS: u8 = 4;

/// A value of whatever type: what Stripe changes next must not make an event unreadable.
enum Seen {
    /// Nothing that is looked at, or nothing at all.
    Other,
    Text(String),
    Number(i64),
    Truth(bool),
    Object(Members),
}

/// The wanted ones, each once.
type Members = Vec<(&'static str, Seen)>;

impl Seen {
    fn get(&self, name: &str) -> &Self {
        let Self::Object(members) = self else { return &Self::Other };
        members.iter().find(|(member, _)| *member == name).map_or(&Self::Other, |(_, value)| value)
    }

    fn text(&self) -> Option<String> {
        let Self::Text(text) = self else { return None };
        // NUL is legal JSON and illegal text in PostgreSQL.
        ((1..=MAX_TEXT).contains(&text.len()) && !text.contains('\0')).then(|| text.clone())
    }

    fn is(&self, wanted: &str) -> bool {
        matches!(self, Self::Text(text) if text == wanted)
    }

    fn number(&self) -> Option<i64> {
        if let Self::Number(number) = self { Some(*number) } else { None }
    }

    fn truth(&self) -> Option<bool> {
        if let Self::Truth(truth) = self { Some(*truth) } else { None }
    }
}

/// Reads a value, down to so many levels of objects.
struct Peek {
    levels: u8,
}

impl<'de> DeserializeSeed<'de> for Peek {
    type Value = Seen;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Seen, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Peek {
    type Value = Seen;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Seen, A::Error> {
        let mut members = Members::new();
        while let Some(name) = map.next_key_seed(Name)? {
            // Of a repeated member the first one counts: the others need no memory.
            let wanted = name.filter(|name| self.levels > 0 && !members.iter().any(|(other, _)| other == name));
            match wanted {
                Some(name) => members.push((name, map.next_value_seed(Self { levels: self.levels - 1 })?)),
                None => drop(map.next_value::<IgnoredAny>()?),
            }
        }
        Ok(Seen::Object(members))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Seen, A::Error> {
        while seq.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Seen::Other)
    }

    fn visit_str<E>(self, text: &str) -> Result<Seen, E> {
        // A longer one is of no use, and need not be copied.
        Ok(if text.len() <= MAX_TEXT { Seen::Text(text.to_owned()) } else { Seen::Other })
    }

    fn visit_bool<E>(self, truth: bool) -> Result<Seen, E> {
        Ok(Seen::Truth(truth))
    }

    fn visit_i64<E>(self, number: i64) -> Result<Seen, E> {
        Ok(Seen::Number(number))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Seen, E> {
        Ok(i64::try_from(number).map_or(Seen::Other, Seen::Number))
    }

    fn visit_f64<E>(self, _: f64) -> Result<Seen, E> {
        Ok(Seen::Other)
    }

    fn visit_unit<E>(self) -> Result<Seen, E> {
        Ok(Seen::Other)
    }
}

/// The name of a member, when it is a wanted one.
struct Name;

impl<'de> DeserializeSeed<'de> for Name {
    type Value = Option<&'static str>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for Name {
    type Value = Option<&'static str>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a name")
    }

    fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
        Ok(WANTED.into_iter().find(|name| *name == text))
    }
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
    fn first_of_a_repeated_member_counts() {
        check(r#"{"id":"evt_1","id":7,"id":"evt_2"}"#, "evt_1", "", None, None);
        check(
            r#"{"data":{"object":{"customer":{"id":"cus_1"}}},"data":7,"id":"e","data":{"object":{"customer":"cus_2"}}}"#,
            "e",
            "",
            None,
            Some("cus_1"),
        );
        check(r#"{"id":"e","data":{"object":{}},"data":{"object":{"customer":"cus_1"}}}"#, "e", "", None, None);
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
