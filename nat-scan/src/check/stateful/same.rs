//! When two values mean the same, and which members of an object change by themselves.

use std::collections::BTreeSet;

use chrono::DateTime;
use serde_json::{Map, Value};

/// Members that servers write themselves, by a word of their name.
const BY_SERVER: [&str; 22] = [
    "updated",
    "modified",
    "changed",
    "seen",
    "accessed",
    "viewed",
    "views",
    "count",
    "counter",
    "hits",
    "reads",
    "version",
    "revision",
    "etag",
    "timestamp",
    "now",
    "age",
    "expires",
    "token",
    "nonce",
    "request",
    "trace",
];

/// Whether a stored value is what was sent: numbers and dates by value, texts trimmed, e-mail addresses without case.
pub(crate) fn same(sent: &Value, stored: &Value) -> bool {
    match (sent, stored) {
        (Value::String(a), Value::String(b)) => same_text(a, b),
        (Value::Number(a), Value::Number(b)) => a == b || a.as_f64().zip(b.as_f64()).is_some_and(|(a, b)| close(a, b)),
        (Value::Number(a), Value::String(b)) | (Value::String(b), Value::Number(a)) => {
            b.trim().parse::<f64>().ok().zip(a.as_f64()).is_some_and(|(b, a)| close(a, b))
        }
        (Value::Bool(a), Value::String(b)) | (Value::String(b), Value::Bool(a)) => {
            b.eq_ignore_ascii_case(&a.to_string())
        }
        (Value::Array(a), Value::Array(b)) => {
            a.len() == b.len()
                && (a.iter().zip(b).all(|(a, b)| same(a, b)) || a.iter().all(|a| b.iter().any(|b| same(a, b))))
        }
        // A server may add members.
        (Value::Object(a), Value::Object(b)) => {
            a.iter().all(|(name, value)| b.get(name).map_or(value.is_null(), |stored| same(value, stored)))
        }
        (Value::Null, _) => true,
        _ => sent == stored,
    }
}

fn close(a: f64, b: f64) -> bool {
    (a - b).abs() <= f64::EPSILON * 8.0 * a.abs().max(b.abs()).max(1.0)
}

fn same_text(a: &str, b: &str) -> bool {
    let (a, b) = (a.trim(), b.trim());
    if a == b || (a.contains('@') && a.eq_ignore_ascii_case(b)) {
        return true;
    }
    let instant = |text: &str| DateTime::parse_from_rfc3339(&text.replacen(' ', "T", 1)).ok();
    if let (Some(a), Some(b)) = (instant(a), instant(b)) {
        return (a - b).num_milliseconds().abs() < 1_000;
    }
    // The same text in another case or written with other separators: an address, a UUID, a colour.
    let plain =
        |text: &str| text.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect::<String>();
    let is_id = a.len() >= 32 && a.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'-');
    (is_id && plain(a) == plain(b)) || a.trim_end_matches('/') == b.trim_end_matches('/')
}

/// Members of `after` that differ from `before`, without `volatile` ones and those that servers write.
pub(crate) fn differences(before: &Value, after: &Value, volatile: &BTreeSet<String>) -> Vec<String> {
    let (Some(before), Some(after)) = (object(before), object(after)) else {
        return if before == after { Vec::new() } else { vec![String::new()] };
    };
    let names: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
    names
        .into_iter()
        .filter(|name| !volatile.contains(*name) && !by_server(name))
        .filter(|name| match (before.get(*name), after.get(*name)) {
            (Some(a), Some(b)) => !(same(a, b) && same(b, a)),
            (a, b) => a.or(b).is_some_and(|value| !value.is_null()),
        })
        .cloned()
        .collect()
}

/// Members that differ between two reads of the same thing.
pub(crate) fn volatile(one: &Value, two: &Value) -> BTreeSet<String> {
    let (Some(one), Some(two)) = (object(one), object(two)) else { return BTreeSet::new() };
    one.iter().filter(|(name, value)| two.get(*name) != Some(value)).map(|(name, _)| name.clone()).collect()
}

/// Whether servers write a member of this name themselves.
pub(crate) fn by_server(name: &str) -> bool {
    let words = crate::chain::tokens(name);
    words.iter().any(|word| BY_SERVER.contains(&word.as_str()) || BY_SERVER.contains(&format!("{word}s").as_str()))
        || words.last().is_some_and(|last| last == "at" || last == "on")
}

/// The thing in an answer: an object, or the only object member of a wrapper.
pub(crate) fn object(value: &Value) -> Option<&Map<String, Value>> {
    const WRAPPERS: [&str; 6] = ["data", "result", "item", "attributes", "payload", "content"];
    let members = value.as_object()?;
    let inner = WRAPPERS.iter().find_map(|name| members.get(*name)?.as_object());
    match inner {
        Some(inner) if members.len() <= 4 => Some(inner),
        _ => Some(members),
    }
}

/// The items of a list, bare or in a wrapper.
pub(crate) fn items(value: &Value) -> Option<&Vec<Value>> {
    match value {
        Value::Array(items) => Some(items),
        Value::Object(members) => {
            const WRAPPERS: [&str; 8] = ["items", "data", "results", "content", "entries", "records", "values", "rows"];
            let named = WRAPPERS.iter().find_map(|name| members.get(*name)?.as_array());
            named.or_else(|| {
                let mut arrays = members.values().filter_map(Value::as_array);
                let first = arrays.next();
                first.filter(|_| arrays.next().is_none())
            })
        }
        _ => None,
    }
}
