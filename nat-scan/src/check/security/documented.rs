//! Whether a place in an answer is described by its schema.

use std::collections::{BTreeSet, VecDeque};

use serde_json::Value;

use crate::schema::Schema;

/// Subschemas looked at for one place.
const MAX_NODES: usize = 512;
/// Places kept of one answer.
const MAX_STRAYS: usize = 100;
/// Levels looked at.
const MAX_DEPTH: usize = 16;

/// How a schema sees a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Described {
    /// It is there and may be read.
    Documented,
    /// It is there, but only for requests.
    WriteOnly,
    /// Nothing is said about it.
    Undocumented,
}

/// One step into a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Step {
    Key(String),
    Item,
}

/// The nodes that describe the place that `steps` lead to; none: nothing is said about it.
pub(super) fn nodes_at<'a>(schema: &'a Schema, steps: &[Step]) -> Vec<&'a Value> {
    let mut nodes = vec![schema.node()];
    for step in steps {
        nodes = expanded(schema, nodes).into_iter().flat_map(|node| inward(node, step)).take(MAX_NODES).collect();
        if nodes.is_empty() {
            return nodes;
        }
    }
    expanded(schema, nodes)
}

/// What `schema` says about the place that `steps` lead to.
pub(super) fn described(schema: &Schema, steps: &[Step]) -> Described {
    let nodes = nodes_at(schema, steps);
    if nodes.is_empty() {
        return Described::Undocumented;
    }
    let is_write_only = nodes.iter().any(|node| node.get("writeOnly") == Some(&Value::Bool(true)));
    if is_write_only { Described::WriteOnly } else { Described::Documented }
}

/// Places of `value` that `schema` says nothing about although it lists properties beside them, without indices.
pub(super) fn strays(schema: &Schema, value: &Value) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    stray(schema, vec![schema.node()], value, &mut String::new(), &mut found);
    found
}

fn stray(schema: &Schema, nodes: Vec<&Value>, value: &Value, place: &mut String, found: &mut BTreeSet<String>) {
    let nodes = expanded(schema, nodes);
    if found.len() >= MAX_STRAYS || place.matches('/').count() >= MAX_DEPTH {
        return;
    }
    let length = place.len();
    let mut inside = |step: Step, name: &str, child: &Value| {
        let next: Vec<&Value> = nodes.iter().flat_map(|node| inward(node, &step)).take(MAX_NODES).collect();
        place.push('/');
        place.push_str(name);
        let known = !next.is_empty();
        if known {
            stray(schema, next, child, place, found);
        } else if is_listed(&nodes) && matches!(step, Step::Key(_)) {
            found.insert(place.clone());
        }
        place.truncate(length);
    };
    match value {
        Value::Object(members) => members.iter().for_each(|(name, child)| inside(Step::Key(name.clone()), name, child)),
        // The items of a list are alike.
        Value::Array(items) => items.iter().take(20).for_each(|child| inside(Step::Item, "[]", child)),
        _ => {}
    }
}

/// Properties are listed, and nothing is said about others.
fn is_listed(nodes: &[&Value]) -> bool {
    let lists = |node: &&Value| {
        node.get("properties").and_then(Value::as_object).is_some_and(|properties| !properties.is_empty())
    };
    let others = ["additionalProperties", "patternProperties", "unevaluatedProperties"];
    nodes.iter().any(lists) && !nodes.iter().any(|node| others.iter().any(|keyword| node.get(keyword).is_some()))
}

/// The nodes with all that `$ref` and the combinators bring in.
fn expanded<'a>(schema: &'a Schema, nodes: Vec<&'a Value>) -> Vec<&'a Value> {
    let mut waiting: VecDeque<&Value> = nodes.into();
    let mut seen: Vec<&Value> = Vec::new();
    while let Some(node) = waiting.pop_front() {
        if seen.len() >= MAX_NODES || seen.iter().any(|known| std::ptr::eq(*known, node)) {
            continue;
        }
        seen.push(node);
        let resolved = schema.resolve(node);
        if !std::ptr::eq(resolved, node) {
            waiting.push_back(resolved);
        }
        for keyword in ["allOf", "anyOf", "oneOf"] {
            waiting.extend(node.get(keyword).and_then(Value::as_array).into_iter().flatten());
        }
        waiting.extend(["then", "else"].into_iter().filter_map(|keyword| node.get(keyword)));
    }
    seen
}

fn inward<'a>(node: &'a Value, step: &Step) -> Vec<&'a Value> {
    let described = |value: &&Value| value.as_object().is_some_and(|members| !members.is_empty());
    match step {
        Step::Key(name) => {
            if let Some(property) = node.get("properties").and_then(|properties| properties.get(name)) {
                return vec![property];
            }
            let patterns = node.get("patternProperties").and_then(Value::as_object);
            let patterns = patterns.into_iter().flat_map(|patterns| patterns.values());
            patterns.chain(node.get("additionalProperties").filter(described)).collect()
        }
        Step::Item => {
            let tuple = node.get("prefixItems").and_then(Value::as_array).into_iter().flatten();
            tuple.chain(node.get("items").filter(described)).collect()
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use serde_json::json;

    use super::*;

    #[test]
    fn described_follows_references_combinators_and_maps() {
        let definitions = json!({
            "User": {"properties": {"name": {"type": "string"}, "password": {"type": "string", "writeOnly": true}}},
            "Node": {"properties": {"next": {"$ref": "#/$defs/Node"}}},
        });
        let definitions = definitions.as_object().cloned().unwrap_or_default();
        let node = json!({
            "allOf": [{"$ref": "#/$defs/User"}, {"properties": {"tags": {"items": {"type": "string"}}}}],
            "properties": {
                "prices": {"additionalProperties": {"type": "number"}},
                "free": {"type": "object"},
                "node": {"$ref": "#/$defs/Node"},
            },
        });
        let schema = Schema::new(node, Arc::new(definitions), "");
        for (path, expected) in [
            ("name", Described::Documented),
            ("password", Described::WriteOnly),
            ("tags/[]", Described::Documented),
            ("prices/eur", Described::Documented),
            ("free/anything", Described::Undocumented),
            ("hash", Described::Undocumented),
            ("node/next/next/next", Described::Documented),
            ("node/next/other", Described::Undocumented),
        ] {
            let step = |part: &str| if part == "[]" { Step::Item } else { Step::Key(part.to_owned()) };
            let steps: Vec<Step> = path.split('/').map(step).collect();
            assert_eq!(described(&schema, &steps), expected, "{path}");
        }
    }

    #[test]
    fn strays_are_members_beside_listed_properties() {
        let node = json!({"properties": {
            "id": {"type": "integer"},
            "owner": {"type": "object", "properties": {"name": {"type": "string"}}},
            "labels": {"type": "object"},
            "prices": {"type": "object", "properties": {"eur": {}}, "additionalProperties": true},
            "items": {"type": "array", "items": {"type": "object", "properties": {"n": {}}}},
        }});
        let schema = Schema::new(node, Arc::default(), "");
        let value = json!({"id": 1, "hash": "x", "owner": {"name": "a", "salt": 1}, "labels": {"any": 1},
            "prices": {"usd": 2}, "items": [{"n": 1}, {"n": 1, "cost": 2}]});
        let found: Vec<String> = strays(&schema, &value).into_iter().collect();
        assert_eq!(found, ["/hash", "/items/[]/cost", "/owner/salt"]);
        assert!(strays(&Schema::any(), &value).is_empty());
    }
}
