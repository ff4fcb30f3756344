//! What the document says about a place of a request.

use serde_json::Value;

use super::point::Point;
use crate::schema::Schema;

/// Subschemas looked at for one place.
const MAX_NODES: usize = 64;

/// The keyword of the schema at the place: of the first subschema that has it.
pub(super) fn keyword<'a>(point: &Point<'a>, name: &str) -> Option<&'a Value> {
    let find = |schema: &'a Schema, pointer: &str| {
        let mut nodes = expanded(schema, vec![schema.node()]);
        for part in pointer.split('/').skip(1) {
            let key = part.replace("~1", "/").replace("~0", "~");
            let below = |node: &'a Value| match part {
                "[]" => node.get("items"),
                _ => node.get("properties").and_then(|properties| properties.get(&key)),
            };
            nodes = expanded(schema, nodes.into_iter().filter_map(below).collect());
        }
        nodes.into_iter().find_map(|node| node.get(name))
    };
    let operation = point.operation;
    match point.location.split_once(' ') {
        Some(("body", pointer)) => {
            let body = operation.body.as_ref()?;
            body.content.iter().filter_map(|media| media.schema.as_ref()).find_map(|schema| find(schema, pointer))
        }
        Some((place, wanted)) => {
            let mut parameters = operation.parameters.iter();
            let parameter =
                parameters.find(|parameter| parameter.location.as_str() == place && parameter.name == wanted)?;
            find(&parameter.schema, "")
        }
        None => None,
    }
}

/// The nodes with all that `$ref` and the combinators bring in.
fn expanded<'a>(schema: &'a Schema, nodes: Vec<&'a Value>) -> Vec<&'a Value> {
    let mut seen: Vec<&'a Value> = Vec::new();
    let mut waiting = nodes;
    while let Some(node) = waiting.pop() {
        let node = schema.resolve(node);
        if seen.len() >= MAX_NODES || seen.iter().any(|known| std::ptr::eq(*known, node)) {
            continue;
        }
        seen.push(node);
        let parts = ["allOf", "anyOf", "oneOf"].iter().filter_map(|name| node.get(*name)?.as_array());
        waiting.extend(parts.flatten());
    }
    seen
}
