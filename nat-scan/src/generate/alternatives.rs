//! The alternatives of a schema: references followed, `allOf` merged, `anyOf`, `oneOf` and `if` multiplied out.

use serde_json::{Map, Value};

use super::canonical::{NOTHING, Part, View, list, members};
use crate::schema::Schema;

/// Alternatives of one node that are kept; more are thinned out evenly.
const MAX_VIEWS: usize = 64;
/// Nesting of references and combinators without any data in between.
const MAX_NESTING: u32 = 24;
/// Nodes looked at and merged for one part: `anyOf` of `anyOf` must not explode.
const MAX_WORK: u32 = 4_000;

/// What is left to spend, and the references that are being followed.
struct Work<'a> {
    fuel: u32,
    open: Vec<&'a str>,
}

/// The alternatives of a part, at most 64, in the document's order. Empty: nothing fits.
pub(crate) fn views<'a>(schema: &'a Schema, part: &Part<'a>) -> Vec<View<'a>> {
    let mut start = View::any();
    start.pin.clone_from(&part.pin);
    let mut all = vec![start];
    let mut work = Work { fuel: MAX_WORK, open: Vec::new() };
    for node in &part.nodes {
        let right = expand(schema, node, MAX_NESTING, &mut work);
        all = product(all, &right, &mut work);
    }
    all
}

fn expand<'a>(schema: &'a Schema, node: &'a Value, nesting: u32, work: &mut Work<'a>) -> Vec<View<'a>> {
    let Value::Object(map) = node else {
        return if node == &NOTHING { Vec::new() } else { vec![View::any()] };
    };
    let (Some(below), Some(left)) = (nesting.checked_sub(1), work.fuel.checked_sub(1)) else {
        return Vec::new();
    };
    work.fuel = left;
    let mut own = View::own(map);
    if !own.is_possible() {
        return Vec::new();
    }
    let mut all = vec![own];
    if let Some((key, target)) = reference(schema, map) {
        if work.open.contains(&key) {
            // A reference that leads to itself without any data in between allows nothing that is not allowed anyway.
            return Vec::new();
        }
        work.open.push(key);
        let right = expand(schema, target, below, work);
        work.open.pop();
        all = product(all, &right, work);
    }
    for member in list(map, "allOf") {
        let right = expand(schema, member, below, work);
        all = product(all, &right, work);
    }
    for key in ["oneOf", "anyOf"] {
        if map.contains_key(key) {
            let right = alternatives(schema, map, key, below, work);
            all = product(all, &right, work);
        }
    }
    if let Some(condition) = map.get("if") {
        let mut branch =
            |key: &str| map.get(key).map_or_else(|| vec![View::any()], |node| expand(schema, node, below, work));
        let (then, otherwise) = (branch("then"), branch("else"));
        let condition = expand(schema, condition, below, work);
        let mut either = product(condition, &then, work);
        either.extend(otherwise);
        all = product(all, &either, work);
    }
    all
}

fn alternatives<'a>(
    schema: &'a Schema,
    map: &'a Map<String, Value>,
    key: &str,
    below: u32,
    work: &mut Work<'a>,
) -> Vec<View<'a>> {
    let discriminator = map.get("discriminator").and_then(Value::as_object);
    let property = discriminator.and_then(|d| d.get("propertyName")).and_then(Value::as_str);
    let mut all = Vec::new();
    for member in list(map, key) {
        let mut views = expand(schema, member, below, work);
        if let (Some(property), Some(target)) = (property, member.get("$ref").and_then(Value::as_str)) {
            let name = discriminator_value(discriminator, target);
            views.iter_mut().for_each(|view| view.pin_discriminator(property, name));
        }
        all.extend(views);
    }
    thin(&mut all);
    all
}

/// The mapping's key for a reference, else the last part of the reference.
fn discriminator_value<'v>(discriminator: Option<&'v Map<String, Value>>, target: &'v str) -> &'v str {
    let last = |text: &'v str| text.rsplit(['/', '#']).next().unwrap_or(text);
    discriminator
        .into_iter()
        .flat_map(|discriminator| members(discriminator, "mapping"))
        .find(|(_, value)| value.as_str().is_some_and(|value| last(value) == last(target)))
        .map_or_else(|| last(target), |(name, _)| name)
}

fn reference<'a>(schema: &'a Schema, map: &'a Map<String, Value>) -> Option<(&'a str, &'a Value)> {
    let key = map.get("$ref")?.as_str()?.strip_prefix("#/$defs/")?;
    schema.definitions().get(key).map(|target| (key, target))
}

/// Each with each, as far as the fuel goes.
fn product<'a>(left: Vec<View<'a>>, right: &[View<'a>], work: &mut Work<'_>) -> Vec<View<'a>> {
    let mut all = Vec::new();
    for a in left {
        for b in right {
            let Some(rest) = work.fuel.checked_sub(1) else { return all };
            work.fuel = rest;
            all.extend(a.clone().merge(b));
        }
    }
    thin(&mut all);
    all
}

/// Keeps an even sample, always with the first.
fn thin<T>(all: &mut Vec<T>) {
    let length = all.len();
    if length > MAX_VIEWS {
        let mut index = 0;
        all.retain(|_| {
            let keep = index == 0 || index * MAX_VIEWS / length != (index - 1) * MAX_VIEWS / length;
            index += 1;
            keep
        });
    }
}
