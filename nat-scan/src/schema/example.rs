//! Example values, and the Example Objects that may wrap them.

use serde_json::{Map, Value};

/// Values of `examples`: a list, or named Example Objects.
pub(crate) fn example_values(value: &Value) -> Vec<Value> {
    match value {
        Value::Array(values) => values.iter().filter_map(unwrap_example).collect(),
        Value::Object(named) => named.values().filter_map(|example| example.get("value").cloned()).collect(),
        _ => Vec::new(),
    }
}

/// The value of an Example Object, or the value itself when it is none.
pub(crate) fn unwrap_example(example: &Value) -> Option<Value> {
    const MEMBERS: [&str; 6] = ["value", "summary", "description", "externalValue", "dataValue", "serializedValue"];
    let wrapper = example.as_object().filter(|map| {
        map.keys().all(|key| MEMBERS.contains(&key.as_str()) || key.starts_with("x-"))
            && ["value", "externalValue", "dataValue", "serializedValue"].iter().any(|key| map.contains_key(*key))
    });
    match wrapper {
        Some(map) => map.get("value").or_else(|| map.get("dataValue")).cloned(),
        None => Some(example.clone()),
    }
}

/// Adds to the `examples` of a schema.
pub(crate) fn add_examples(out: &mut Map<String, Value>, values: Vec<Value>) {
    if values.is_empty() {
        return;
    }
    match out.get_mut("examples") {
        Some(Value::Array(known)) => known.extend(values),
        _ => {
            out.insert("examples".to_owned(), Value::Array(values));
        }
    }
}
