//! What stays the same between answers of one kind: shapes without values.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::chain::hint;
use crate::check::{Exchange, trace};

/// Paths kept of one value.
const MAX_PATHS: usize = 2_000;

/// Sorted paths with types, items of arrays together: `{"a":[{"b":1}]}` is `/a array`, `/a/[] object`, `/a/[]/b number`.
pub(crate) fn skeleton(value: &Value) -> BTreeSet<String> {
    let mut paths = BTreeSet::new();
    walk(value, &mut String::new(), &mut paths);
    paths
}

fn walk(value: &Value, path: &mut String, paths: &mut BTreeSet<String>) {
    if paths.len() >= MAX_PATHS {
        return;
    }
    let kind = match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    };
    paths.insert(format!("{path} {kind}"));
    let length = path.len();
    let children: Vec<(&str, &Value)> = match value {
        Value::Array(items) => items.iter().map(|item| ("[]", item)).collect(),
        Value::Object(members) => members.iter().map(|(key, member)| (key.as_str(), member)).collect(),
        _ => Vec::new(),
    };
    for (key, child) in children {
        path.push('/');
        path.push_str(key);
        walk(child, path, paths);
        path.truncate(length);
    }
}

/// Strings and numbers at the leaves, as text, with the path they stand at.
pub(crate) fn leaves(value: &Value) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    collect(value, &mut String::new(), &mut found);
    found
}

fn collect(value: &Value, path: &mut String, found: &mut BTreeSet<String>) {
    if found.len() >= MAX_PATHS {
        return;
    }
    let length = path.len();
    match value {
        Value::String(string) if !string.is_empty() => drop(found.insert(format!("{path}={string}"))),
        Value::Number(number) => drop(found.insert(format!("{path}={number}"))),
        Value::Array(items) => {
            path.push_str("/[]");
            items.iter().for_each(|item| collect(item, path, found));
        }
        Value::Object(members) => {
            for (key, member) in members {
                path.push('/');
                path.push_str(key);
                collect(member, path, found);
                path.truncate(length);
            }
        }
        _ => {}
    }
    path.truncate(length);
}

/// A 2xx answer that says in its body that it failed.
pub(crate) fn is_soft_error(json: &Value) -> bool {
    let Some(members) = json.as_object() else { return false };
    let is_false = |name: &str| members.get(name) == Some(&Value::Bool(false));
    let says_failed = |name: &str| {
        members
            .get(name)
            .and_then(Value::as_str)
            .is_some_and(|text| matches!(text.to_ascii_lowercase().as_str(), "error" | "fail" | "failed" | "failure"))
    };
    let has_error = |name: &str| match members.get(name) {
        Some(Value::String(text)) => !text.is_empty(),
        Some(Value::Array(items)) => !items.is_empty(),
        Some(Value::Object(inner)) => !inner.is_empty(),
        Some(Value::Bool(flag)) => *flag,
        _ => false,
    };
    is_false("success") || is_false("ok") || says_failed("status") || has_error("error") || has_error("errors")
}

/// What tells one failure from another without its values.
#[derive(Debug, Default)]
pub(crate) struct ErrorCause {
    /// The newest stack frame, else the shape of the error body.
    pub(crate) text: String,
    /// It holds a frame or an error code; most servers answer every failure with the same shape.
    pub(crate) exact: bool,
}

/// What an answer says about why it failed.
pub(crate) fn error_cause(exchange: &Exchange) -> ErrorCause {
    let Some(response) = exchange.response() else { return ErrorCause::default() };
    let json = exchange.json();
    if let Some(leak) = trace::find(response, json).filter(|leak| leak.strong) {
        return ErrorCause { text: leak.frame, exact: true };
    }
    let text = match json {
        Some(json) => error_shape(json),
        None => first_words(&String::from_utf8_lossy(&response.body[..response.body.len().min(2_000)])),
    };
    // Only a code is written with its value.
    ErrorCause { exact: text.contains('='), text }
}

/// What a refusal says is wrong, without values: the first part that it names, else its first words.
pub(crate) fn complaint(exchange: &Exchange) -> Option<String> {
    let json = exchange.json()?;
    if let Some(hint) = hint::read(json).first() {
        return Some(hint.gist());
    }
    let texts = leaves(json);
    let words = texts.iter().filter_map(|leaf| leaf.split_once('=')).map(|(_, text)| first_words(text));
    words.max_by_key(String::len).filter(|words| words.contains(' '))
}

/// Keys of the error object, with the values of members that hold codes.
fn error_shape(json: &Value) -> String {
    let members = match json {
        Value::Object(members) => members,
        _ => return "json".to_owned(),
    };
    let inner = members.get("error").and_then(Value::as_object).unwrap_or(members);
    let mut parts: Vec<String> = inner
        .iter()
        .take(12)
        .map(|(key, value)| match (key.as_str(), value) {
            ("code" | "error" | "type" | "exception" | "name", Value::String(code)) if is_code(code) => {
                format!("{key}={code}")
            }
            _ => key.clone(),
        })
        .collect();
    parts.sort();
    parts.join(",")
}

/// An identifier, not a sentence that may quote a value.
fn is_code(text: &str) -> bool {
    text.len() <= 64
        && !text.is_empty()
        && text != "about:blank"
        && text.bytes().all(|byte| byte.is_ascii_alphabetic() || b"_.-:/".contains(&byte))
}

/// The first words of a text, without tags and without anything that holds a digit or a quotation.
fn first_words(text: &str) -> String {
    let mut in_tag = false;
    let plain: String = text
        .chars()
        .map(|c| match c {
            '<' => {
                in_tag = true;
                ' '
            }
            '>' => {
                in_tag = false;
                ' '
            }
            _ if in_tag => ' ',
            c => c,
        })
        .collect();
    let is_word = |word: &&str| word.bytes().all(|byte| byte.is_ascii_alphabetic() || b".,:;-".contains(&byte));
    plain.split_whitespace().filter(is_word).take(6).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn skeleton_same_shape_is_equal_and_another_is_not() {
        let one = skeleton(&json!({"id": 1, "items": [{"n": "a"}, {"n": "b"}]}));
        assert_eq!(one, skeleton(&json!({"items": [{"n": "zzz"}], "id": 99})));
        assert_ne!(one, skeleton(&json!({"id": "1", "items": []})));
    }

    #[test]
    fn soft_error_bodies_are_told_from_results() {
        for (body, expected) in [
            (json!({"success": false}), true),
            (json!({"status": "error", "message": "no"}), true),
            (json!({"error": {"code": 3}}), true),
            (json!({"errors": ["x"]}), true),
            (json!({"error": null, "data": 1}), false),
            (json!({"errors": [], "id": 1}), false),
            (json!({"status": "open"}), false),
            (json!([{"error": "x"}]), false),
        ] {
            assert_eq!(is_soft_error(&body), expected, "{body}");
        }
    }

    #[test]
    fn error_shape_ignores_values_but_keeps_codes() {
        let one = error_shape(&json!({"error": "INTERNAL", "message": "no row 12", "request_id": "a"}));
        assert_eq!(one, error_shape(&json!({"error": "INTERNAL", "message": "no row 99", "request_id": "b"})));
        assert_ne!(one, error_shape(&json!({"error": "TIMEOUT", "message": "no row 12", "request_id": "a"})));
        assert_eq!(first_words("<h1>Internal Server Error</h1><p>id 12ab</p>"), "Internal Server Error id");
    }
}
