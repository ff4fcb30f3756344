//! An upper bound of what validating costs. A schema whose parts refer to each other many times takes time exponential
//! in the depth of the value, or a stack as long as its chain of references: both documents and answers can be hostile.

use std::collections::HashMap;

use serde_json::{Map, Value};

/// Subschemas that may be applied for one value.
const MAX_STEPS: u64 = 20_000_000;
/// Subschemas that may be applied within each other.
const MAX_STACK: u32 = 2000;
/// Depth of values that recursive schemas judge, from the largest schema to a small one; deeper ones fit.
const DEPTHS: std::ops::RangeInclusive<usize> = 40..=130;
/// Work for finding the bound itself.
const MAX_WORK: usize = 4_000_000;

/// What a schema costs, by depth of the value.
#[derive(Debug)]
pub(crate) struct Cost {
    /// Steps for each node of a value, by depth of the value; a deeper value than listed is too costly.
    steps: Vec<u64>,
    /// Depth does not matter after the last entry.
    is_flat: bool,
}

impl Cost {
    /// The cost of a self-contained document with `$defs`; `None` when no bound exists.
    pub(crate) fn of(document: &Value) -> Option<Self> {
        let graph = Graph::of(document);
        let order = graph.order()?;
        let count = graph.nodes.len();
        let mut before = vec![Bound::default(); count];
        let mut steps = Vec::new();
        let mut is_flat = false;
        for _ in 0..(MAX_WORK / count).clamp(*DEPTHS.start(), *DEPTHS.end()) {
            let mut now = vec![Bound::default(); count];
            for &node in &order {
                let bound = graph.bound(node, &now, &before);
                if let Some(slot) = now.get_mut(node) {
                    *slot = bound;
                }
            }
            let (root_steps, root_stack) = now.first().copied().unwrap_or_default();
            if root_steps > MAX_STEPS || root_stack > MAX_STACK {
                break;
            }
            is_flat = now == before;
            steps.push(root_steps);
            if is_flat {
                break;
            }
            before = now;
        }
        Some(Self { steps, is_flat })
    }

    /// Whether `value` can be judged in reasonable time.
    pub(crate) fn affords(&self, value: &Value) -> bool {
        let (size, depth) = measure(value);
        let last = if self.is_flat { self.steps.last() } else { None };
        self.steps.get(depth).or(last).is_some_and(|steps| steps.saturating_mul(size) <= MAX_STEPS)
    }
}

/// Nodes and nesting of a value.
fn measure(value: &Value) -> (u64, usize) {
    let mut size = 0;
    let mut deepest = 0;
    let mut stack = vec![(value, 0)];
    while let Some((value, depth)) = stack.pop() {
        size += 1;
        deepest = deepest.max(depth);
        match value {
            Value::Array(items) => stack.extend(items.iter().map(|item| (item, depth + 1))),
            Value::Object(map) => stack.extend(map.values().map(|value| (value, depth + 1))),
            _ => {}
        }
    }
    (size, deepest)
}

/// Subschemas by number; 0 is the root.
struct Graph {
    nodes: Vec<Node>,
}

#[derive(Default)]
struct Node {
    /// Judge the same value.
    same: Vec<usize>,
    /// Parts of an object.
    members: Parts,
    /// Parts of an array.
    items: Parts,
}

#[derive(Default)]
struct Parts {
    /// Of these, one judges a part.
    one: Vec<usize>,
    /// Each of these may judge a part as well.
    each: Vec<usize>,
}

/// Steps and stack.
type Bound = (u64, u32);

impl Graph {
    fn of(document: &Value) -> Self {
        let mut graph = Self { nodes: vec![Node::default()] };
        let mut definitions: HashMap<&str, usize> = HashMap::new();
        let mut pending: Vec<(usize, &Value)> = Vec::new();
        for (key, schema) in document.get("$defs").and_then(Value::as_object).into_iter().flatten() {
            let node = graph.add(schema, &mut pending);
            definitions.insert(key, node);
        }
        pending.push((0, document));
        while let Some((index, schema)) = pending.pop() {
            let Value::Object(map) = schema else { continue };
            let node = graph.read(map, &definitions, &mut pending);
            if let Some(slot) = graph.nodes.get_mut(index) {
                *slot = node;
            }
        }
        graph
    }

    fn add<'a>(&mut self, schema: &'a Value, pending: &mut Vec<(usize, &'a Value)>) -> usize {
        let index = self.nodes.len();
        self.nodes.push(Node::default());
        pending.push((index, schema));
        index
    }

    fn read<'a>(
        &mut self,
        map: &'a Map<String, Value>,
        definitions: &HashMap<&str, usize>,
        pending: &mut Vec<(usize, &'a Value)>,
    ) -> Node {
        let mut node = Node::default();
        for (key, value) in map {
            let list = || value.as_array().into_iter().flatten();
            let named = || value.as_object().into_iter().flat_map(Map::values);
            match key.as_str() {
                "$ref" => {
                    let target = value.as_str().and_then(|reference| reference.strip_prefix("#/$defs/"));
                    node.same.extend(target.and_then(|target| definitions.get(target)));
                }
                "allOf" | "anyOf" | "oneOf" => node.same.extend(list().map(|schema| self.add(schema, pending))),
                "not" | "if" | "then" | "else" => node.same.push(self.add(value, pending)),
                "dependentSchemas" => node.same.extend(named().map(|schema| self.add(schema, pending))),
                "properties" => node.members.one.extend(named().map(|schema| self.add(schema, pending))),
                "additionalProperties" | "unevaluatedProperties" => node.members.one.push(self.add(value, pending)),
                "patternProperties" => node.members.each.extend(named().map(|schema| self.add(schema, pending))),
                "propertyNames" => node.members.each.push(self.add(value, pending)),
                "prefixItems" => node.items.one.extend(list().map(|schema| self.add(schema, pending))),
                "items" | "unevaluatedItems" => node.items.one.push(self.add(value, pending)),
                "contains" => node.items.each.push(self.add(value, pending)),
                _ => {}
            }
        }
        node
    }

    /// Every node after those that judge the same value for it; `None` when they go in a circle.
    fn order(&self) -> Option<Vec<usize>> {
        let mut waiting: Vec<usize> = self.nodes.iter().map(|node| node.same.len()).collect();
        let mut users: Vec<Vec<usize>> = vec![Vec::new(); self.nodes.len()];
        for (index, node) in self.nodes.iter().enumerate() {
            for &other in &node.same {
                users.get_mut(other)?.push(index);
            }
        }
        let mut order: Vec<usize> = (0..self.nodes.len()).filter(|&node| waiting.get(node) == Some(&0)).collect();
        let mut next = 0;
        while let Some(&done) = order.get(next) {
            next += 1;
            for &user in users.get(done)? {
                let left = waiting.get_mut(user)?;
                *left -= 1;
                if *left == 0 {
                    order.push(user);
                }
            }
        }
        (order.len() == self.nodes.len()).then_some(order)
    }

    /// What a node costs for values of one depth, from what its parts cost for one less.
    fn bound(&self, node: usize, now: &[Bound], before: &[Bound]) -> Bound {
        let Some(node) = self.nodes.get(node) else { return (0, 0) };
        let same = sum(&node.same, now);
        let parts = either(node.members.bound(before), node.items.bound(before));
        let (steps, stack) = both(same, parts);
        (steps.saturating_add(1), stack.saturating_add(1))
    }
}

impl Parts {
    fn bound(&self, before: &[Bound]) -> Bound {
        let one = self.one.iter().filter_map(|index| before.get(*index)).fold((0, 0), |a, b| either(a, *b));
        both(one, sum(&self.each, before))
    }
}

fn sum(indices: &[usize], bounds: &[Bound]) -> Bound {
    indices.iter().filter_map(|index| bounds.get(*index)).fold((0, 0), |a, b| both(a, *b))
}

fn both((steps, stack): Bound, (more, deep): Bound) -> Bound {
    (steps.saturating_add(more), stack.max(deep))
}

fn either((steps, stack): Bound, (other, deep): Bound) -> Bound {
    (steps.max(other), stack.max(deep))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn deep(depth: usize) -> Value {
        (0..depth).fold(json!(1), |inner, _| json!({ "a": inner }))
    }

    #[test]
    fn only_what_explodes_is_refused() {
        let refer = |key: &str| json!({ "$ref": format!("#/$defs/{key}") });
        let double: Map<String, Value> = (0..60)
            .map(|n| {
                (format!("d{n}"), json!({"allOf": [refer(&format!("d{}", n + 1)), refer(&format!("d{}", n + 1))]}))
            })
            .collect();
        let chain: Map<String, Value> = (0..9000).map(|n| (format!("d{n}"), refer(&format!("d{}", n + 1)))).collect();
        let tree = json!({"T": {"properties": {"a": refer("T"), "b": refer("T")}, "items": refer("T")}});
        let fork = json!({"T": {"anyOf": [{"properties": {"a": refer("T")}}, {"properties": {"a": refer("T")}}]}});
        let cases = [
            ("plain", json!({"type": "object"}), 120, true),
            ("recursive", json!({"$ref": "#/$defs/T", "$defs": tree}), 100, true),
            ("forking, shallow value", json!({"$ref": "#/$defs/T", "$defs": fork}), 8, true),
            ("forking, deep value", json!({"$ref": "#/$defs/T", "$defs": fork}), 40, false),
            ("doubling", json!({"$ref": "#/$defs/d0", "$defs": double}), 0, false),
            ("a long chain", json!({"$ref": "#/$defs/d0", "$defs": chain}), 0, false),
        ];
        for (name, document, depth, expected) in cases {
            assert_eq!(Cost::of(&document).unwrap().affords(&deep(depth)), expected, "{name}");
        }
        assert!(Cost::of(&json!({"$ref": "#/$defs/A", "$defs": {"A": {"not": refer("A")}}})).is_none());
    }

    #[test]
    fn size_of_the_value_counts() {
        let cost = Cost::of(&json!({"items": {"type": "integer"}})).unwrap();
        assert!(cost.affords(&json!(vec![1; 100_000])));
        let list = json!({"items": {"allOf": vec![json!({"type": "integer"}); 1000]}});
        assert!(!Cost::of(&list).unwrap().affords(&json!(vec![1; 100_000])));
    }
}
