//! Variants of an operation's valid requests that use what was learned.

use std::collections::BTreeMap;

use rand_chacha::ChaCha8Rng;
use serde_json::Value;

use super::bind::FRESH;
use super::hint::{Hint, Remedy};
use super::name::{key, nouns_of_path, tokens};
use super::pool::{Pool, Want};
use super::{Binding, Spot};
use crate::generate::plan::FULL;
use crate::generate::{Argument, BodyValue, Case, pattern, text};
use crate::schema::{Direction, Schema};
use crate::spec::{Location, Operation};

/// Objects tried for the last path parameter.
const MAX_CHOICES: usize = 3;
/// Members of a body that get a live value.
const MAX_MEMBERS: usize = 12;
/// Levels of a body that are looked at.
const MAX_DEPTH: usize = 3;

/// What was learned, for one operation.
pub(crate) struct Lore<'a> {
    pub(crate) pool: &'a Pool,
    /// What answers of this operation said is wrong.
    pub(crate) hints: &'a [Hint],
    /// Objects that must stay: those that the valid requests of other operations name.
    pub(crate) keep: &'a [usize],
}

/// Each of `cases` with live values and learned constraints, the likeliest first.
pub(crate) fn variants(operation: &Operation, cases: &[Case], lore: &Lore<'_>, rng: &mut ChaCha8Rng) -> Vec<Case> {
    let mut made = Vec::new();
    let full = cases.iter().find(|case| case.label == FULL).and_then(|case| match &case.body {
        Some(BodyValue::Typed { value, .. }) => Some(value),
        _ => None,
    });
    for choice in 0..MAX_CHOICES {
        for case in cases {
            let mut case = case.clone();
            mend(operation, &mut case, lore.hints, full, rng);
            let rich = bind(operation, &mut case, lore, choice);
            if choice > 0 && !rich {
                continue;
            }
            freshen(operation, &mut case);
            made.push(case);
        }
    }
    made
}

/// Gives the case live values; `choice` is which object the last path parameter names. Whether there was one.
fn bind(operation: &Operation, case: &mut Case, lore: &Lore<'_>, choice: usize) -> bool {
    let nouns = nouns_of_path(&operation.path);
    let mut parents: BTreeMap<String, Value> = BTreeMap::new();
    let mut chosen = choice == 0;
    // From the last to the first: the innermost object knows its parents.
    let mut in_path: Vec<(usize, &Argument)> = case
        .arguments
        .iter()
        .filter_map(|argument| {
            let parameter = operation.parameters.get(argument.parameter)?;
            let at = operation.path.find(&format!("{{{}}}", parameter.name))?;
            (parameter.location == Location::Path).then_some((at, argument))
        })
        .collect();
    in_path.sort_by_key(|(at, _)| std::cmp::Reverse(*at));
    let mut bindings = Vec::new();
    for (rank, (at, argument)) in in_path.into_iter().enumerate() {
        let Some(parameter) = operation.parameters.get(argument.parameter) else { continue };
        let fixed = parents.get(&parameter.name).cloned();
        let context = context(&operation.path, at);
        let want = Want {
            name: &parameter.name,
            context: context.as_deref(),
            schema: &parameter.schema,
            parents: &parents,
            nouns: &nouns,
            strict: false,
        };
        let mut choices = lore.pool.choices(&want);
        if operation.method == "DELETE" {
            // What we did not make is not ours to remove.
            let spared =
                |value: &Value| lore.keep.iter().any(|kept| lore.pool.get(*kept).is_some_and(|o| o.shows(value)));
            choices.retain(|choice| lore.pool.is_ours(&choice.value) && !spared(&choice.value));
        }
        let wanted = if rank == 0 { choice } else { 0 };
        let found = match &fixed {
            Some(value) => choices.iter().find(|choice| choice.value == *value),
            None => choices.get(wanted),
        };
        let (value, source) = match (found, fixed) {
            (Some(choice), _) => {
                if let Some(object) = lore.pool.get(choice.object) {
                    parents.extend(object.parents.iter().map(|(name, value)| (name.clone(), value.clone())));
                }
                chosen |= rank == 0 && wanted > 0;
                (choice.value.clone(), choice.source.clone())
            }
            (None, Some(value)) => (value, "parent".to_owned()),
            (None, None) => continue,
        };
        parents.insert(parameter.name.clone(), value.clone());
        let made_up = argument.value.clone();
        bindings.push(Binding { spot: Spot::Argument(argument.parameter), made_up, value, source });
    }
    for argument in &case.arguments {
        let Some(parameter) = operation.parameters.get(argument.parameter) else { continue };
        if parameter.location != Location::Path && refers(&parameter.name) {
            let spot = Spot::Argument(argument.parameter);
            bindings.extend(reference(&parameter.name, &parameter.schema, &argument.value, spot, &nouns, lore));
        }
    }
    if let Some(BodyValue::Typed { media_type, value }) = &case.body {
        let schema = operation.body.as_ref().and_then(|body| body.content.get(*media_type)?.schema.as_ref());
        if let Some(schema) = schema {
            members(schema, value, &mut String::new(), 0, &nouns, lore, &mut bindings);
        }
    }
    agree(operation, case, lore, &mut bindings);
    case.bindings = bindings;
    chosen
}

/// One object may name another that the request names too: both must mean the same.
fn agree(operation: &Operation, case: &Case, lore: &Lore<'_>, bindings: &mut [Binding]) {
    let name = |binding: &Binding| match &binding.spot {
        Spot::Argument(parameter) => operation.parameters.get(*parameter).map(|parameter| key(&parameter.name)),
        Spot::Body(pointer) => pointer.rsplit('/').next().map(key),
    };
    let names: Vec<Option<String>> = bindings.iter().map(name).collect();
    for at in 0..bindings.len() {
        let Some(object) = lore.pool.showing(&bindings[at].source, &bindings[at].value) else { continue };
        for (other, name) in names.iter().enumerate().filter(|(other, _)| *other != at) {
            let implied = name.as_ref().filter(|name| name.contains('_')).and_then(|name| object.fields.get(name));
            if let Some((value, pointer)) = implied.filter(|_| matches!(bindings[other].spot, Spot::Body(_))) {
                bindings[other].value.clone_from(value);
                bindings[other].source = format!("{} {pointer}", object.source);
            }
        }
    }
    debug_assert!(bindings.len() <= MAX_MEMBERS + case.arguments.len());
}

/// What the segment before a parameter is called.
fn context(path: &str, at: usize) -> Option<String> {
    let before = path.get(..at)?;
    nouns_of_path(before).pop()
}

/// A name that refers to another thing: `flow_id`, `flowId`, `userName`, `owner_ids`.
fn refers(name: &str) -> bool {
    let words = tokens(name);
    words.len() > 1
        && words.last().is_some_and(|last| matches!(last.as_str(), "id" | "uuid" | "guid" | "key" | "name" | "slug"))
}

fn reference(
    name: &str,
    schema: &Schema,
    made_up: &Value,
    spot: Spot,
    nouns: &[String],
    lore: &Lore<'_>,
) -> Option<Binding> {
    let parents = BTreeMap::new();
    let want = Want { name, context: None, schema, parents: &parents, nouns, strict: true };
    let choice = lore.pool.choices(&want).into_iter().next()?;
    Some(Binding { spot, made_up: made_up.clone(), value: choice.value, source: choice.source })
}

/// Members of a body that refer to other things.
fn members(
    schema: &Schema,
    value: &Value,
    at: &mut String,
    depth: usize,
    nouns: &[String],
    lore: &Lore<'_>,
    bindings: &mut Vec<Binding>,
) {
    let Value::Object(object) = value else { return };
    let length = at.len();
    for (name, member) in object {
        if bindings.len() >= MAX_MEMBERS {
            return;
        }
        at.push('/');
        at.push_str(&name.replace('~', "~0").replace('/', "~1"));
        match member {
            Value::Object(_) if depth < MAX_DEPTH => {
                members(schema, member, at, depth + 1, nouns, lore, bindings);
            }
            Value::String(_) | Value::Number(_) if refers(name) => {
                let any = schema.sibling(kind_of(member), "");
                bindings.extend(reference(name, &any, member, Spot::Body(at.clone()), nouns, lore));
            }
            Value::Array(items) if refers(name) && items.first().is_some_and(|item| !item.is_object()) => {
                let item = &items[0];
                let any = schema.sibling(kind_of(item), "");
                bindings.extend(reference(name, &any, item, Spot::Body(format!("{at}/0")), nouns, lore));
            }
            _ => {}
        }
        at.truncate(length);
    }
}

/// A value of another kind never stands for this one.
fn kind_of(value: &Value) -> Value {
    match value {
        Value::Number(_) => serde_json::json!({"type": "integer"}),
        _ => serde_json::json!({"type": "string"}),
    }
}

/// Names that must be unique get a word of this scan's own, so that a second scan does not collide with the first.
pub(crate) fn freshen(operation: &Operation, case: &mut Case) {
    if operation.method != "POST" && operation.method != "PUT" {
        return;
    }
    let Some(BodyValue::Typed { media_type, value }) = &case.body else { return };
    let schema = operation.body.as_ref().and_then(|body| body.content.get(*media_type)?.schema.as_ref());
    let Some(object) = value.as_object() else { return };
    let mut bindings = Vec::new();
    for (name, member) in object {
        let Value::String(made_up) = member else { continue };
        if !must_be_unique(name, made_up) {
            continue;
        }
        let pointer = format!("/{}", name.replace('~', "~0").replace('/', "~1"));
        let fresh = Value::from(with_word(made_up, "natnatnat"));
        let mut longer = value.clone();
        if let Some(place) = longer.pointer_mut(&pointer) {
            place.clone_from(&fresh);
        }
        if schema.is_none_or(|schema| schema.is_valid(&longer, Direction::Request)) {
            let made_up = member.clone();
            bindings.push(Binding { spot: Spot::Body(pointer), made_up, value: fresh, source: FRESH.to_owned() });
        }
    }
    bindings.retain(|fresh| case.bindings.iter().all(|known| known.spot != fresh.spot));
    case.bindings.append(&mut bindings);
}

/// A name that other things of its kind must not have, in a text that has no form of its own.
fn must_be_unique(name: &str, text: &str) -> bool {
    let words = tokens(name);
    let last = words.last().map_or("", String::as_str);
    let unique =
        matches!(last, "name" | "username" | "login" | "email" | "mail" | "title" | "slug" | "key" | "handle" | "code")
            || key(name) == "user";
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_ .@".contains(&byte);
    unique && text.len() <= 60 && text.starts_with(|c: char| c.is_ascii_alphabetic()) && text.bytes().all(plain)
}

/// The text with a word in it, an e-mail address before its domain.
pub(super) fn with_word(text: &str, word: &str) -> String {
    match text.split_once('@') {
        Some((local, domain)) => format!("{local}{word}@{domain}"),
        None => format!("{text}{word}"),
    }
}

/// Applies what answers said; `full` is where values of missing members come from.
fn mend(operation: &Operation, case: &mut Case, hints: &[Hint], full: Option<&Value>, rng: &mut ChaCha8Rng) {
    for hint in hints {
        let known = hint.path.first().is_some_and(|name| {
            let wanted = key(name);
            operation.parameters.iter().any(|parameter| key(&parameter.name) == wanted)
        });
        if mend_body(case, hint, full, rng) {
            continue;
        }
        match hint.path.first() {
            Some(name) if known => mend_argument(operation, case, name, hint, rng),
            _ => mend_by_words(case, hint, full),
        }
    }
}

/// The sentence names a member of the body, the path does not.
fn mend_by_words(case: &mut Case, hint: &Hint, full: Option<&Value>) {
    let Some(BodyValue::Typed { value: Value::Object(members), .. }) = &mut case.body else { return };
    let words = tokens(&hint.message);
    for (name, value) in full.and_then(Value::as_object).into_iter().flatten() {
        if !members.contains_key(name) && words.contains(&key(name)) {
            members.insert(name.clone(), value.clone());
        }
    }
}

fn mend_argument(operation: &Operation, case: &mut Case, name: &str, hint: &Hint, rng: &mut ChaCha8Rng) {
    let wanted = key(name);
    let Some(index) = operation.parameters.iter().position(|parameter| key(&parameter.name) == wanted) else { return };
    let Some(parameter) = operation.parameters.get(index) else { return };
    let optional = !parameter.required;
    let Some(at) = case.arguments.iter().position(|argument| argument.parameter == index) else { return };
    match better(&case.arguments[at].value, hint, rng) {
        Some(value) => case.arguments[at].value = value,
        None if optional => drop(case.arguments.remove(at)),
        None => {}
    }
}

/// Whether the hint was about the body.
fn mend_body(case: &mut Case, hint: &Hint, full: Option<&Value>, rng: &mut ChaCha8Rng) -> bool {
    let Some(BodyValue::Typed { value: root, .. }) = &mut case.body else { return false };
    let Some((last, outer)) = hint.path.split_last() else { return false };
    let mut value = root;
    for step in outer {
        let index = step.parse::<usize>().ok();
        let inside = match &*value {
            Value::Object(members) => members.get(step),
            Value::Array(items) => index.and_then(|index| items.get(index)),
            _ => None,
        };
        // Frameworks put names of alternatives into the path.
        if !inside.is_some_and(|inside| inside.is_object() || inside.is_array()) {
            break;
        }
        let next = match value {
            Value::Object(members) => members.get_mut(step),
            Value::Array(items) => index.and_then(|index| items.get_mut(index)),
            _ => None,
        };
        let Some(next) = next else { return false };
        value = next;
    }
    let Value::Object(members) = value else { return false };
    let wanted = key(last);
    let name = members.keys().find(|name| **name == *last || key(name) == wanted).cloned();
    let name = name.or_else(|| outer.iter().rev().find(|step| members.contains_key(*step)).cloned());
    match (name, &hint.remedy) {
        (Some(name), remedy) => {
            let now = members.get(&name).cloned().unwrap_or(Value::Null);
            match better(&now, hint, rng) {
                Some(better) => drop(members.insert(name, better)),
                None if *remedy != Remedy::Add => drop(members.remove(&name)),
                None => return false,
            }
            true
        }
        (None, Remedy::Add) => {
            let documented = full.filter(|_| outer.is_empty()).and_then(|full| full.get(last)).cloned();
            let made = || text::of_name(last, rng).map_or_else(|| Value::from("nat"), Value::from);
            members.insert(last.clone(), documented.unwrap_or_else(made));
            true
        }
        _ => false,
    }
}

/// A value that the hint asks for. `None`: it asks for none, or for its absence.
fn better(now: &Value, hint: &Hint, rng: &mut ChaCha8Rng) -> Option<Value> {
    let name = hint.path.last().map_or("", String::as_str);
    match &hint.remedy {
        Remedy::OneOf(values) => values.first().cloned(),
        Remedy::Within { least, most } => {
            let value = least.unwrap_or(0).max(1.min(most.unwrap_or(1))).min(most.unwrap_or(i64::MAX));
            Some(if now.is_string() { Value::from(value.to_string()) } else { Value::from(value) })
        }
        Remedy::Length { least, most } => match now {
            Value::String(text) => {
                let mut text = text.clone();
                while text.chars().count() < least.unwrap_or(0).min(4_096) {
                    text.push('n');
                }
                Some(Value::from(text.chars().take(most.unwrap_or(usize::MAX)).collect::<String>()))
            }
            Value::Array(items) => {
                Some(Value::from(items.iter().take(most.unwrap_or(usize::MAX)).cloned().collect::<Vec<_>>()))
            }
            _ => None,
        },
        Remedy::Pattern(expression) => pattern::member(expression, 0, None, rng).map(Value::from),
        Remedy::Format(format) => Some(Value::from(match *format {
            "time-zone" => "UTC".to_owned(),
            "cron" => "0 12 * * *".to_owned(),
            "rrule" => "FREQ=DAILY;COUNT=3".to_owned(),
            "semver" => "1.0.0".to_owned(),
            "hex" => "6e6174".to_owned(),
            format => text::of_format(format, name, rng)?,
        })),
        Remedy::Add | Remedy::Remove | Remedy::Doubt => None,
    }
}
