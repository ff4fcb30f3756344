//! The farm's own reading of a schema. It shares no code with the engine, so that a mistake of the engine cannot hide
//! behind the same mistake here.

use serde_json::{Map, Value};

/// What is wrong with a request: where, and against which keyword.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Fault {
    pub(super) slot: String,
    pub(super) keyword: &'static str,
}

pub(super) fn fault(slot: &str, keyword: &'static str) -> Fault {
    Fault { slot: slot.to_owned(), keyword }
}

/// Everything that a value breaks. `slot` is `query limit`, `body` or `body /items/[]/name`.
pub(super) fn faults(schema: &Value, value: &Value, slot: &str, out: &mut Vec<Fault>) {
    if !has_type(schema, value) {
        out.push(fault(slot, "type"));
        return;
    }
    out.extend(nearest(schema, value, slot));
    if schema["enum"].as_array().is_some_and(|options| !options.contains(value)) {
        out.push(fault(slot, "enum"));
    }
    match value {
        Value::Number(_) => numbers(schema, value, slot, out),
        Value::String(text) => strings(schema, text, slot, out),
        Value::Array(items) => arrays(schema, items, slot, out),
        Value::Object(members) => objects(schema, members, slot, out),
        _ => {}
    }
}

/// What the alternative that fits best finds wrong.
fn nearest(schema: &Value, value: &Value, slot: &str) -> Vec<Fault> {
    let of = |alternative: &Value| {
        let mut out = Vec::new();
        faults(alternative, value, slot, &mut out);
        out
    };
    schema["oneOf"].as_array().into_iter().flatten().map(of).min_by_key(Vec::len).unwrap_or_default()
}

fn has_type(schema: &Value, value: &Value) -> bool {
    let is = |name: &Value| match name.as_str() {
        Some("null") => value.is_null(),
        Some("boolean") => value.is_boolean(),
        Some("integer") => value.is_i64() || value.is_u64() || value.as_f64().is_some_and(|n| n.fract() == 0.0),
        Some("number") => value.is_number(),
        Some("string") => value.is_string(),
        Some("array") => value.is_array(),
        Some("object") => value.is_object(),
        _ => true,
    };
    match &schema["type"] {
        Value::Array(names) => names.iter().any(is),
        name => is(name),
    }
}

fn numbers(schema: &Value, value: &Value, slot: &str, out: &mut Vec<Fault>) {
    let Some(number) = value.as_f64() else { return };
    if schema["minimum"].as_f64().is_some_and(|least| number < least) {
        out.push(fault(slot, "minimum"));
    }
    if schema["maximum"].as_f64().is_some_and(|most| number > most) {
        out.push(fault(slot, "maximum"));
    }
}

fn strings(schema: &Value, text: &str, slot: &str, out: &mut Vec<Fault>) {
    let length = text.chars().count() as u64;
    if schema["minLength"].as_u64().is_some_and(|least| length < least) {
        out.push(fault(slot, "minLength"));
    }
    if schema["maxLength"].as_u64().is_some_and(|most| length > most) {
        out.push(fault(slot, "maxLength"));
    }
    if schema["pattern"].as_str().is_some_and(|pattern| !matches(pattern, text)) {
        out.push(fault(slot, "pattern"));
    }
    let fits = match schema["format"].as_str() {
        Some("date") => text.len() == 10 && chrono::NaiveDate::parse_from_str(text, "%Y-%m-%d").is_ok(),
        Some("email") => text.split_once('@').is_some_and(|(local, host)| !local.is_empty() && !host.is_empty()),
        Some("uuid") => is_uuid(text),
        _ => true,
    };
    if !fits {
        out.push(fault(slot, "format"));
    }
}

pub(super) fn is_uuid(text: &str) -> bool {
    let groups: Vec<&str> = text.split('-').collect();
    groups.iter().map(|group| group.len()).eq([8, 4, 4, 4, 12])
        && groups.iter().all(|group| group.bytes().all(|byte| byte.is_ascii_hexdigit()))
}

/// The few patterns that the document uses.
fn matches(pattern: &str, text: &str) -> bool {
    let letters = |text: &str, count: usize| text.len() == count && text.bytes().all(|byte| byte.is_ascii_uppercase());
    let digits = |text: &str, count: usize| text.len() == count && text.bytes().all(|byte| byte.is_ascii_digit());
    match pattern {
        "^[A-Z]{3}-[0-9]{4}$" => text.split_once('-').is_some_and(|(a, b)| letters(a, 3) && digits(b, 4)),
        "^[A-Z]{2}$" => letters(text, 2),
        "^[0-9]{4}$" => digits(text, 4),
        "^[a-z]+$" | "^([a-z]+)+$" => !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_lowercase()),
        "^[a-z]+(-[a-z]+)*$" => {
            text.split('-').all(|word| !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_lowercase()))
        }
        _ => true,
    }
}

fn arrays(schema: &Value, items: &[Value], slot: &str, out: &mut Vec<Fault>) {
    let length = items.len() as u64;
    if schema["minItems"].as_u64().is_some_and(|least| length < least) {
        out.push(fault(slot, "minItems"));
    }
    if schema["maxItems"].as_u64().is_some_and(|most| length > most) {
        out.push(fault(slot, "maxItems"));
    }
    let repeats = items.iter().enumerate().any(|(at, item)| items[..at].contains(item));
    if schema["uniqueItems"] == Value::Bool(true) && repeats {
        out.push(fault(slot, "uniqueItems"));
    }
    for item in items {
        faults(&schema["items"], item, &below(slot, "[]"), out);
    }
}

fn objects(schema: &Value, members: &Map<String, Value>, slot: &str, out: &mut Vec<Fault>) {
    for name in schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str) {
        if !members.contains_key(name) {
            out.push(fault(&below(slot, name), "required"));
        }
    }
    if schema["minProperties"].as_u64().is_some_and(|least| (members.len() as u64) < least) {
        out.push(fault(slot, "minProperties"));
    }
    for (name, value) in members {
        match schema["properties"].get(name) {
            Some(property) => faults(property, value, &below(slot, name), out),
            None if schema["additionalProperties"] == Value::Bool(false) => {
                out.push(fault(&below(slot, name), "additionalProperties"));
            }
            None => {}
        }
    }
}

fn below(slot: &str, name: &str) -> String {
    if slot == "body" { format!("body /{name}") } else { format!("{slot}/{name}") }
}

/// A parameter as its schema types it; what cannot be read stays text, and so breaks `type`.
pub(super) fn typed(schema: &Value, texts: &[&str]) -> Value {
    if schema["type"] == "array" {
        return texts.iter().map(|text| typed(&schema["items"], &[text])).collect();
    }
    let text = texts.first().copied().unwrap_or_default();
    let read = match schema["type"].as_str() {
        Some("integer") => text.parse::<i64>().ok().map(Value::from),
        Some("number") => text.parse::<f64>().ok().filter(|number| number.is_finite()).map(Value::from),
        Some("boolean") => text.parse::<bool>().ok().map(Value::from),
        _ => None,
    };
    read.unwrap_or_else(|| Value::from(text))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn faults_name_place_and_keyword() {
        let check = |schema: Value, value: Value, expected: &[&str]| {
            let mut out = Vec::new();
            faults(&schema, &value, "body", &mut out);
            let out: Vec<String> = out.iter().map(|fault| format!("{} {}", fault.slot, fault.keyword)).collect();
            assert_eq!(out, expected, "{schema} {value}");
        };
        let person = json!({"type": "object", "required": ["name"], "additionalProperties": false, "properties": {
            "name": {"type": "string", "maxLength": 3}, "age": {"type": ["integer", "null"], "minimum": 0},
            "tags": {"type": "array", "uniqueItems": true, "items": {"enum": ["a", "b"]}}}});
        check(person.clone(), json!({"name": "Ann", "age": null}), &[]);
        check(
            person.clone(),
            json!({"age": -1, "x": 1}),
            &["body /name required", "body /age minimum", "body /x additionalProperties"],
        );
        check(
            person.clone(),
            json!({"name": "Anna", "tags": ["a", "a", "c"]}),
            &["body /name maxLength", "body /tags uniqueItems", "body /tags/[] enum"],
        );
        check(person, json!([]), &["body type"]);
        check(json!({"format": "date"}), json!("2025-02-30"), &["body format"]);
        check(json!({"type": "integer"}), json!(1.0), &[]);
        check(json!({"type": "integer"}), typed(&json!({"type": "integer"}), &["1.5"]), &["body type"]);
    }
}
