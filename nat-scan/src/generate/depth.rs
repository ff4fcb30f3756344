//! How deep the smallest value of a schema is, so that recursion in a document ends.

use std::collections::HashMap;

use serde_json::Value;

use super::canonical::{NOTHING, Part, Types, View, list};
use crate::schema::Schema;

/// Stands for "needs infinitely deep data".
const UNREACHABLE: u32 = u32::MAX;

/// Levels of data below the smallest value: 0 for scalars and empty containers.
#[derive(Debug)]
pub(crate) struct Depths<'a> {
    schema: &'a Schema,
    known: HashMap<&'a str, u32>,
}

impl<'a> Depths<'a> {
    pub(crate) fn new(schema: &'a Schema) -> Self {
        Self { schema, known: HashMap::new() }
    }

    /// `None`: no finite value.
    pub(crate) fn part(&mut self, part: &Part<'a>) -> Option<u32> {
        let mut depth = 0;
        for node in &part.nodes {
            self.learn(node);
            depth = depth.max(self.node(node));
        }
        (depth != UNREACHABLE).then_some(depth)
    }

    /// Of one alternative.
    pub(crate) fn view(&mut self, view: &View<'a>) -> Option<u32> {
        if view.options.is_some() {
            return Some(0);
        }
        let mut depth = 0;
        if view.likely_types() == Types::OBJECT {
            for name in &view.required {
                let part = view.property(name);
                if !part.is_read_only(self.schema) {
                    depth = depth.max(self.part(&part)?.saturating_add(1));
                }
            }
        }
        if view.likely_types() == Types::ARRAY && view.min_items > 0 {
            let item = view.prefix.first().unwrap_or(&view.items).clone();
            depth = depth.max(self.part(&item)?.saturating_add(1));
        }
        Some(depth)
    }

    /// Least fixed point over the definitions that the smallest value of `node` may need.
    fn learn(&mut self, node: &'a Value) {
        let mut found: Vec<&'a str> = Vec::new();
        needs(node, &mut found);
        let mut next = 0;
        while let Some(key) = found.get(next).copied() {
            next += 1;
            if !self.known.contains_key(key)
                && let Some(target) = self.schema.definitions().get(key)
            {
                needs(target, &mut found);
            }
        }
        found.retain(|key| !self.known.contains_key(key));
        for key in &found {
            self.known.insert(key, UNREACHABLE);
        }
        loop {
            let mut changed = false;
            // Backwards: what was found last is needed by what was found first.
            for key in found.iter().rev() {
                let depth = self.schema.definitions().get(*key).map_or(0, |target| self.node(target));
                changed |= self.known.insert(key, depth) != Some(depth);
            }
            if !changed {
                return;
            }
        }
    }

    fn node(&self, node: &Value) -> u32 {
        let Value::Object(map) = node else {
            return if node == &NOTHING { UNREACHABLE } else { 0 };
        };
        if map.contains_key("const") || map.contains_key("enum") {
            return 0;
        }
        let mut depth = 0;
        if let Some(key) = map.get("$ref").and_then(Value::as_str).and_then(|r| r.strip_prefix("#/$defs/")) {
            depth = self.known.get(key).copied().unwrap_or(0);
        }
        for member in list(map, "allOf") {
            depth = depth.max(self.node(member));
        }
        for key in ["anyOf", "oneOf"] {
            depth = depth.max(list(map, key).map(|member| self.node(member)).min().unwrap_or(0));
        }
        if map.get("type").is_none_or(|_| Types::declared(map.get("type")) == Types::OBJECT) {
            for name in list(map, "required").filter_map(Value::as_str) {
                let property = map.get("properties").and_then(|properties| properties.get(name));
                let sent = property.filter(|node| node.get("readOnly") != Some(&Value::Bool(true)));
                depth = depth.max(sent.map_or(0, |node| self.node(node).saturating_add(1)));
            }
        }
        if map.get("minItems").and_then(Value::as_u64).unwrap_or(0) > 0 {
            depth = depth.max(map.get("items").map_or(0, |items| self.node(items).saturating_add(1)));
        }
        depth
    }
}

/// The definitions that the smallest value of a node may need.
fn needs<'a>(node: &'a Value, found: &mut Vec<&'a str>) {
    let Value::Object(map) = node else { return };
    if let Some(key) = map.get("$ref").and_then(Value::as_str).and_then(|r| r.strip_prefix("#/$defs/"))
        && !found.contains(&key)
    {
        found.push(key);
    }
    for key in ["allOf", "anyOf", "oneOf"] {
        list(map, key).for_each(|member| needs(member, found));
    }
    for name in list(map, "required").filter_map(Value::as_str) {
        if let Some(property) = map.get("properties").and_then(|properties| properties.get(name)) {
            needs(property, found);
        }
    }
    if map.get("minItems").and_then(Value::as_u64).unwrap_or(0) > 0
        && let Some(items) = map.get("items")
    {
        needs(items, found);
    }
}
