//! Answers in the order of the question. The library adds fields as they are resolved; people who read an answer, and
//! the specification, expect them where they asked for them.

use async_graphql::parser::types::{ExecutableDocument, Selection, SelectionSet};
use async_graphql::{Name, Value};

/// The response keys of a selection in order, each with those below it.
#[derive(Debug, Default)]
pub(crate) struct Order(Vec<(Name, Order)>);

impl Order {
    /// Of the one operation of a document that has passed the guard, which bounds how far it unfolds.
    pub(crate) fn of(document: &ExecutableDocument) -> Self {
        let mut order = Self::default();
        if let Some((_, operation)) = document.operations.iter().next() {
            order.add(document, &operation.node.selection_set.node);
        }
        order
    }

    fn add(&mut self, document: &ExecutableDocument, set: &SelectionSet) {
        for item in &set.items {
            match &item.node {
                Selection::Field(field) => {
                    let key = &field.node.response_key().node;
                    let below = &field.node.selection_set.node;
                    match self.0.iter_mut().find(|(known, _)| known == key) {
                        Some((_, order)) => order.add(document, below),
                        None => {
                            let mut order = Self::default();
                            order.add(document, below);
                            self.0.push((key.clone(), order));
                        }
                    }
                }
                Selection::InlineFragment(fragment) => self.add(document, &fragment.node.selection_set.node),
                Selection::FragmentSpread(spread) => {
                    if let Some(fragment) = document.fragments.get(&spread.node.fragment_name.node) {
                        self.add(document, &fragment.node.selection_set.node);
                    }
                }
            }
        }
    }

    /// Puts the members of every object into this order.
    pub(crate) fn arrange(&self, value: &mut Value) {
        match value {
            Value::List(items) => items.iter_mut().for_each(|item| self.arrange(item)),
            Value::Object(members) => {
                let expected = self.0.iter().map(|(key, _)| key).filter(|key| members.contains_key(key.as_str()));
                // Most objects are in order: their fields are there at once.
                if !expected.eq(members.keys()) {
                    let place = |key: &Name| self.0.iter().position(|(known, _)| known == key);
                    members.sort_by_cached_key(|key, _| place(key).unwrap_or(usize::MAX));
                }
                for (key, below) in self.0.iter().filter(|(_, below)| !below.0.is_empty()) {
                    members.get_mut(key.as_str()).into_iter().for_each(|value| below.arrange(value));
                }
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use async_graphql::parser::parse_query;
    use serde_json::json;

    use super::*;

    #[test]
    fn arrange_follows_the_question_through_fragments_and_lists() {
        let query = "{ z: a { y x ...f } b ... { c { d } } a: q c { e } } fragment f on T { w x }";
        let order = Order::of(&parse_query(query).expect("a document"));
        let answer = json!({"a": 4, "c": {"e": 1, "d": 2}, "b": 3, "z": [{"w": 1, "x": 2, "y": 3}, null, {"x": 1}]});
        let mut value = Value::from_json(answer).expect("a value");
        order.arrange(&mut value);
        let text = serde_json::to_string(&value).expect("JSON");
        assert_eq!(text, r#"{"z":[{"y":3,"x":2,"w":1},null,{"x":1}],"b":3,"c":{"d":2,"e":1},"a":4}"#);
    }
}
