//! Smaller requests of the same kind: parts left out, values made simpler. Whether they still show what the whole one
//! shows is for others to find out.

use serde_json::Value;

use super::site::escape;
use super::{Argument, BodyValue, Case};
use crate::spec::{Location, Operation};

/// Levels of a body that are taken apart.
const MAX_DEPTH: usize = 4;
/// Parts of one request that are looked at.
const MAX_PARTS: usize = 48;
/// Simpler values of one place.
const MAX_VALUES: usize = 3;

/// Something that can be left out.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Part {
    /// An optional parameter.
    Argument(usize),
    /// A member or an item of the body, by its pointer.
    Member(String),
    /// The whole body.
    Body,
}

/// How many arguments and leaves of the body a request has.
pub(crate) fn size(case: &Case) -> usize {
    let body = match &case.body {
        None => 0,
        Some(BodyValue::Raw { .. }) => 1,
        Some(BodyValue::Typed { value, .. }) => leaves(value),
    };
    case.arguments.len() + body
}

fn leaves(value: &Value) -> usize {
    match value {
        Value::Object(members) if !members.is_empty() => members.values().map(leaves).sum(),
        Value::Array(items) if !items.is_empty() => items.iter().map(leaves).sum(),
        _ => 1,
    }
}

/// What can be left out, the largest parts first. Items of arrays come from the last to the first, so that leaving out
/// one does not move another.
pub(crate) fn parts(operation: &Operation, case: &Case) -> Vec<Part> {
    let mut found = Vec::new();
    if case.body.is_some() && operation.body.as_ref().is_none_or(|body| !body.required) {
        found.push(Part::Body);
    }
    for argument in &case.arguments {
        let parameter = operation.parameters.get(argument.parameter);
        if parameter.is_some_and(|parameter| !parameter.required && parameter.location != Location::Path) {
            found.push(Part::Argument(argument.parameter));
        }
    }
    if let Some(BodyValue::Typed { value, .. }) = &case.body {
        let mut level = vec![(String::new(), value)];
        for _ in 0..MAX_DEPTH {
            let below: Vec<(String, &Value)> =
                level.iter().flat_map(|(pointer, value)| children(pointer, value)).collect();
            found.extend(below.iter().map(|(pointer, _)| Part::Member(pointer.clone())));
            level = below;
        }
    }
    found.truncate(MAX_PARTS);
    found
}

fn children<'v>(pointer: &str, value: &'v Value) -> Vec<(String, &'v Value)> {
    match value {
        Value::Object(members) => {
            members.iter().map(|(name, member)| (format!("{pointer}/{}", escape(name)), member)).collect()
        }
        Value::Array(items) => {
            items.iter().enumerate().rev().map(|(index, item)| (format!("{pointer}/{index}"), item)).collect()
        }
        _ => Vec::new(),
    }
}

/// The request without these parts; none when nothing of them is there.
pub(crate) fn without(case: &Case, parts: &[Part]) -> Option<Case> {
    let mut smaller = case.clone();
    for part in parts {
        match part {
            Part::Body => smaller.body = None,
            Part::Argument(index) => smaller.arguments.retain(|argument| argument.parameter != *index),
            Part::Member(pointer) => {
                if let Some(BodyValue::Typed { value, .. }) = &mut smaller.body {
                    remove(value, pointer);
                }
            }
        }
    }
    (smaller != *case).then_some(smaller)
}

fn remove(root: &mut Value, pointer: &str) {
    let Some((parent, last)) = pointer.rsplit_once('/') else { return };
    match root.pointer_mut(parent) {
        Some(Value::Object(members)) => drop(members.shift_remove(&last.replace("~1", "/").replace("~0", "~"))),
        Some(Value::Array(items)) => {
            if let Some(index) = last.parse::<usize>().ok().filter(|index| *index < items.len()) {
                items.remove(index);
            }
        }
        _ => {}
    }
}

/// The request with one value simpler, for each value that can be, in groups of one place, the simplest first. `plain`
/// is a request whose values are good enough.
pub(crate) fn simpler(case: &Case, plain: Option<&Case>) -> Vec<Vec<Case>> {
    let mut groups = Vec::new();
    for (at, Argument { parameter, value }) in case.arguments.iter().enumerate() {
        let usual = plain.and_then(|plain| plain.arguments.iter().find(|argument| argument.parameter == *parameter));
        let put = |value| {
            let mut case = case.clone();
            case.arguments[at].value = value;
            case
        };
        groups.push(values(value, usual.map(|usual| &usual.value)).into_iter().map(put).collect());
    }
    if let Some(BodyValue::Typed { value: body, .. }) = &case.body {
        let usual = match plain.and_then(|plain| plain.body.as_ref()) {
            Some(BodyValue::Typed { value, .. }) => Some(value),
            _ => None,
        };
        let mut level = vec![(String::new(), body)];
        for _ in 0..=MAX_DEPTH {
            for (pointer, value) in level.iter().filter(|(_, value)| !value.is_object() && !value.is_array()) {
                let put = |simple: Value| {
                    let mut case = case.clone();
                    if let Some(BodyValue::Typed { value, .. }) = &mut case.body
                        && let Some(place) = value.pointer_mut(pointer)
                    {
                        *place = simple;
                    }
                    case
                };
                let usual = usual.and_then(|usual| usual.pointer(pointer));
                groups.push(values(value, usual).into_iter().map(put).collect());
            }
            level = level.iter().flat_map(|(pointer, value)| children(pointer, value)).collect();
        }
    }
    groups.retain(|group: &Vec<Case>| !group.is_empty());
    groups.truncate(MAX_PARTS);
    groups
}

/// Simpler values of the same kind.
fn values(now: &Value, usual: Option<&Value>) -> Vec<Value> {
    let own: Vec<Value> = match now {
        Value::String(text) => {
            let count = text.chars().count();
            let start = |count: usize| Value::from(text.chars().take(count).collect::<String>());
            [count / 8, count / 2].into_iter().filter(|shorter| *shorter > 0).map(start).collect()
        }
        Value::Number(number) => {
            let halved = number.as_i64().map(|number| Value::from(number / 2));
            [Value::from(0), Value::from(1)].into_iter().chain(halved).collect()
        }
        Value::Array(items) => items.first().map(|first| Value::Array(vec![first.clone()])).into_iter().collect(),
        _ => Vec::new(),
    };
    let is_simple = usual == Some(now) || own.first() == Some(now);
    let mut all: Vec<Value> = usual.into_iter().cloned().chain(own).filter(|value| value != now).collect();
    all.dedup();
    all.truncate(if is_simple { 0 } else { MAX_VALUES });
    all
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::generate::fixture::operation;
    use crate::generate::{Intent, Phase};

    fn case(arguments: &[Value], body: Option<Value>) -> Case {
        Case {
            operation: 0,
            phase: Phase::Random,
            ordinal: 0,
            label: String::new(),
            intent: Intent::Positive,
            method: None,
            arguments: (0..)
                .zip(arguments)
                .map(|(parameter, value)| Argument { parameter, value: value.clone() })
                .collect(),
            body: body.map(|value| BodyValue::Typed { media_type: 0, value }),
            bindings: Vec::new(),
        }
    }

    #[test]
    fn every_optional_part_can_be_left_out() {
        let operation = operation(
            "POST",
            "/a/{id}",
            json!({"parameters": [
            {"name": "id", "in": "path"}, {"name": "q", "in": "query"}, {"name": "r", "in": "query", "required": true}],
            "requestBody": {"required": true, "content": {"application/json": {"schema": {}}}}}),
        );
        let case = case(&[json!(1), json!("x"), json!("y")], Some(json!({"a": {"b/c": 1, "d": 2}, "e": [1, 2]})));
        let found = parts(&operation, &case);
        let member = |pointer: &str| Part::Member(pointer.to_owned());
        let expected = [member("/a"), member("/e"), member("/a/b~1c"), member("/a/d"), member("/e/1"), member("/e/0")];
        assert_eq!(found[0], Part::Argument(1));
        assert_eq!(found[1..], expected);
        let smaller = without(&case, &found[3..]).unwrap();
        assert_eq!((size(&case), size(&smaller)), (7, 5));
        assert_eq!(smaller.body, Some(BodyValue::Typed { media_type: 0, value: json!({"a": {}, "e": []}) }));
        assert_eq!(without(&smaller, &[member("/a/d")]), None);
    }

    #[test]
    fn values_become_simpler_until_they_are_as_usual() {
        let check = |now: Value, usual: Option<Value>, expected: Value| {
            assert_eq!(json!(values(&now, usual.as_ref())), expected, "{now}");
        };
        check(json!("abcdefgh"), None, json!(["a", "abcd"]));
        check(json!("abcdefgh"), Some(json!("nat")), json!(["nat", "a", "abcd"]));
        check(json!("nat"), Some(json!("nat")), json!([]));
        check(json!(90), None, json!([0, 1, 45]));
        check(json!(0), None, json!([]));
        check(json!(true), None, json!([]));
    }
}
