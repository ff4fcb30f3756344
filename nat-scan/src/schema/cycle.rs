//! References that come back to where they started without consuming a part of the value, such as `A = allOf [A]`: no
//! validator and no generator ends on them.

use std::collections::{HashMap, HashSet};

use serde_json::{Map, Value};

/// Replaces the references that close such circles by "anything" and returns the keys of the definitions touched.
pub(crate) fn cut(definitions: &mut Map<String, Value>) -> Vec<String> {
    let closing = closing_edges(definitions);
    let mut touched: Vec<String> = Vec::new();
    for (from, to) in closing {
        if let Some(node) = definitions.get_mut(&from) {
            let reference = format!("#/$defs/{to}");
            each_in_place(node, &mut |node| {
                if node.get("$ref").and_then(Value::as_str) == Some(&reference) {
                    *node = Value::Bool(true);
                }
            });
            touched.push(from);
        }
    }
    touched.dedup();
    touched
}

/// Depth-first search without recursion: the graph is as large as the document.
fn closing_edges(definitions: &Map<String, Value>) -> Vec<(String, String)> {
    #[derive(Clone, Copy, PartialEq)]
    enum Mark {
        Open,
        Done,
    }
    let mut marks: HashMap<&str, Mark> = HashMap::new();
    let mut closing = Vec::new();
    for start in definitions.keys() {
        if marks.contains_key(start.as_str()) {
            continue;
        }
        marks.insert(start, Mark::Open);
        let mut stack = vec![(start.as_str(), targets(definitions, start))];
        while let Some((key, rest)) = stack.last_mut() {
            let key = *key;
            let Some(next) = rest.pop() else {
                marks.insert(key, Mark::Done);
                stack.pop();
                continue;
            };
            match marks.get(next) {
                Some(Mark::Open) => closing.push((key.to_owned(), next.to_owned())),
                Some(Mark::Done) => {}
                None => {
                    marks.insert(next, Mark::Open);
                    stack.push((next, targets(definitions, next)));
                }
            }
        }
    }
    closing
}

/// Keys that the definition refers to in place, last first.
fn targets<'a>(definitions: &'a Map<String, Value>, key: &str) -> Vec<&'a str> {
    let mut found = Vec::new();
    let mut seen = HashSet::new();
    let mut stack: Vec<&Value> = definitions.get(key).into_iter().collect();
    while let Some(node) = stack.pop() {
        let reference = node.get("$ref").and_then(Value::as_str).and_then(|r| r.strip_prefix("#/$defs/"));
        // Keys of the map itself, so that the borrow outlives this call.
        if let Some((target, _)) = reference.and_then(|reference| definitions.get_key_value(reference))
            && seen.insert(target.as_str())
        {
            found.push(target.as_str());
        }
        stack.extend(in_place(node));
    }
    found
}

/// Subschemas that judge the same value as `node`.
pub(crate) fn in_place(node: &Value) -> impl Iterator<Item = &Value> {
    let lists = ["allOf", "anyOf", "oneOf"].into_iter().filter_map(|key| node.get(key)?.as_array()).flatten();
    let single = ["not", "if", "then", "else"].into_iter().filter_map(|key| node.get(key));
    let named = node.get("dependentSchemas").and_then(Value::as_object).into_iter().flat_map(Map::values);
    lists.chain(single).chain(named)
}

fn each_in_place(node: &mut Value, work: &mut impl FnMut(&mut Value)) {
    work(node);
    let Value::Object(map) = node else { return };
    for (key, value) in map {
        match key.as_str() {
            "allOf" | "anyOf" | "oneOf" => {
                for schema in value.as_array_mut().into_iter().flatten() {
                    each_in_place(schema, work);
                }
            }
            "not" | "if" | "then" | "else" => each_in_place(value, work),
            "dependentSchemas" => {
                for (_, schema) in value.as_object_mut().into_iter().flatten() {
                    each_in_place(schema, work);
                }
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn check(definitions: Value, expected: Value, touched: &[&str]) {
        let Value::Object(mut map) = definitions else { panic!("an object of definitions") };
        let cut = cut(&mut map);
        assert_eq!((Value::Object(map), cut), (expected, touched.iter().map(|s| (*s).to_owned()).collect()));
    }

    #[test]
    fn only_references_that_close_a_circle_in_place_are_cut() {
        let refer = |key: &str| json!({ "$ref": format!("#/$defs/{key}") });
        check(json!({"A": refer("A")}), json!({"A": true}), &["A"]);
        check(json!({"A": refer("B"), "B": refer("A")}), json!({"A": refer("B"), "B": true}), &["B"]);
        check(
            json!({"A": {"type": "object", "anyOf": [refer("B"), refer("C")]}, "B": {"not": {"allOf": [refer("A")]}}, "C": {}}),
            json!({"A": {"type": "object", "anyOf": [refer("B"), refer("C")]}, "B": {"not": {"allOf": [true]}}, "C": {}}),
            &["B"],
        );
        let tree =
            json!({"A": {"properties": {"next": refer("A")}, "items": refer("A"), "allOf": [refer("B")]}, "B": {}});
        check(tree.clone(), tree, &[]);
    }

    #[test]
    fn long_chains_need_no_stack() {
        let mut map = Map::new();
        for n in 0..20_000 {
            map.insert(n.to_string(), json!({ "$ref": format!("#/$defs/{}", (n + 1) % 20_000) }));
        }
        assert_eq!(cut(&mut map), ["19999"]);
    }
}
