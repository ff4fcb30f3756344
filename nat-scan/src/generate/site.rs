//! The places inside a value at which a keyword can be met exactly or broken.

use serde_json::Value;

use super::canonical::{Part, Types, View, views};
use crate::schema::Schema;

/// Levels below the root that are visited.
const MAX_DEPTH: usize = 4;
/// Places of one value.
const MAX_SITES: usize = 200;

/// A place and the alternative of its schema that the present value follows.
#[derive(Debug)]
pub(super) struct Site<'a> {
    /// JSON pointer into the value.
    pub(super) pointer: String,
    /// The same with indices as `[]`.
    pub(super) slot: String,
    /// Name of the property or parameter.
    pub(super) name: String,
    pub(super) depth: usize,
    pub(super) view: View<'a>,
    /// The other alternatives.
    pub(super) others: Vec<View<'a>>,
}

/// All places of `value`, parents first.
pub(super) fn sites<'a>(schema: &'a Schema, name: &str, value: &Value) -> Vec<Site<'a>> {
    let mut found = Vec::new();
    let root = Place { pointer: String::new(), slot: String::new(), name: name.to_owned(), depth: 0 };
    visit(schema, &Part::of(schema.node()), value, root, &mut found);
    found
}

struct Place {
    pointer: String,
    slot: String,
    name: String,
    depth: usize,
}

fn visit<'a>(schema: &'a Schema, part: &Part<'a>, value: &Value, place: Place, found: &mut Vec<Site<'a>>) {
    if found.len() >= MAX_SITES {
        return;
    }
    let mut others = views(schema, part);
    let Some(index) = others.iter().position(|view| suits(view, value)) else { return };
    let view = others.remove(index);
    let children = if place.depth < MAX_DEPTH { children(&view, value) } else { Vec::new() };
    let Place { pointer, slot, name, depth } = place;
    let below: Vec<_> = children
        .into_iter()
        .map(|(key, slot_key, part, child)| {
            let place = Place {
                pointer: format!("{pointer}/{}", escape(&key)),
                slot: format!("{slot}/{}", escape(&slot_key)),
                name: if slot_key == "[]" { name.clone() } else { key },
                depth: depth + 1,
            };
            (part, child, place)
        })
        .collect();
    found.push(Site { pointer, slot, name, depth, view, others });
    for (part, child, place) in below {
        visit(schema, &part, child, place, found);
    }
}

fn children<'a, 'v>(view: &View<'a>, value: &'v Value) -> Vec<(String, String, Part<'a>, &'v Value)> {
    match value {
        Value::Object(members) => {
            members.iter().map(|(key, child)| (key.clone(), key.clone(), view.property(key), child)).collect()
        }
        Value::Array(items) => items
            .iter()
            .enumerate()
            .take(view.prefix.len().clamp(1, 8))
            .map(|(index, child)| {
                let part = view.prefix.get(index).unwrap_or(&view.items).clone();
                (index.to_string(), "[]".to_owned(), part, child)
            })
            .collect(),
        _ => Vec::new(),
    }
}

/// RFC 6901.
pub(super) fn escape(key: &str) -> String {
    key.replace('~', "~0").replace('/', "~1")
}

pub(super) fn suits(view: &View<'_>, value: &Value) -> bool {
    if !view.types.meets(Types::of(value)) {
        return false;
    }
    if let Some(options) = &view.options {
        return options.contains(&value);
    }
    if let Some(pinned) = view.pinned() {
        return value == pinned;
    }
    let Value::Object(members) = value else { return true };
    view.required.iter().all(|name| {
        let part = view.property(name);
        let tag = |value: &Value| part.pin.as_ref().is_none_or(|pin| value == pin.as_str()) && is_named(&part, value);
        members.get(*name).is_some_and(tag)
    }) && members.keys().all(|key| !view.property(key).is_nothing())
}

/// No constant or enumeration of the part itself speaks against the value: alternatives are told apart by such members.
fn is_named(part: &Part<'_>, value: &Value) -> bool {
    part.nodes.iter().all(|node| {
        let listed = |options: &Value| options.as_array().is_none_or(|options| options.contains(value));
        node.get("const").is_none_or(|only| only == value) && node.get("enum").is_none_or(listed)
    })
}

/// The value without optional members, except those that lead to `path`: what a fault at `path` is judged against, so
/// that nothing else can be the reason for an answer.
pub(super) fn lean(schema: &Schema, value: &Value, path: &str) -> Value {
    let keys: Vec<String> = path.split('/').skip(1).map(|key| key.replace("~1", "/").replace("~0", "~")).collect();
    pruned(schema, &Part::of(schema.node()), value, &keys)
}

fn pruned<'a>(schema: &'a Schema, part: &Part<'a>, value: &Value, path: &[String]) -> Value {
    let wanted = path.first();
    let rest =
        |key: &str| if wanted.is_some_and(|wanted| wanted == key) { path.get(1..).unwrap_or_default() } else { &[] };
    if !(value.is_object() || value.is_array()) {
        return value.clone();
    }
    let all = views(schema, part);
    let Some(view) = all.iter().find(|view| suits(view, value)) else { return value.clone() };
    match value {
        Value::Object(members) => members
            .iter()
            .filter(|(key, _)| view.required.contains(&key.as_str()) || wanted == Some(*key))
            .map(|(key, value)| (key.clone(), pruned(schema, &view.property(key), value, rest(key))))
            .collect(),
        Value::Array(items) => items
            .iter()
            .enumerate()
            .map(|(index, item)| {
                let part = view.prefix.get(index).unwrap_or(&view.items);
                pruned(schema, part, item, rest(&index.to_string()))
            })
            .collect(),
        _ => value.clone(),
    }
}

/// `root` with the value at `pointer` replaced.
pub(super) fn replaced(root: &Value, pointer: &str, with: Value) -> Option<Value> {
    if pointer.is_empty() {
        return Some(with);
    }
    let mut root = root.clone();
    *root.pointer_mut(pointer)? = with;
    Some(root)
}
