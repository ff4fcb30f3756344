//! JSON Schema as the engine uses it: every dialect normalised to 2020-12, references local to one bundle, validators
//! compiled once.

use std::sync::{Arc, OnceLock};

use serde_json::{Map, Value};

/// Which side of the wire is judged: `readOnly` properties are ignored as required in requests, `writeOnly` ones in
/// responses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Direction {
    /// What a client sends.
    Request,
    /// What a server answers.
    Response,
}

/// A schema of the document. Cheap to clone.
///
/// `node` is JSON Schema 2020-12; each `$ref` in it or in `definitions` is `#/$defs/<key of definitions>`.
#[derive(Clone)]
pub struct Schema(Arc<Inner>);

struct Inner {
    node: Value,
    definitions: Arc<Map<String, Value>>,
    pointer: String,
    request: OnceLock<Option<jsonschema::Validator>>,
    response: OnceLock<Option<jsonschema::Validator>>,
}

impl std::fmt::Debug for Schema {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Schema").field(&self.0.node).finish()
    }
}

/// One broken keyword.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// JSON pointer into the value.
    pub instance_path: String,
    /// JSON pointer into the schema, stable across values.
    pub schema_path: String,
    /// For example `maxLength`.
    pub keyword: String,
    /// A sentence; may quote the value.
    pub message: String,
}

impl Schema {
    /// A schema over shared definitions; `pointer` is its place in the root document.
    #[must_use]
    pub fn new(node: Value, definitions: Arc<Map<String, Value>>, pointer: impl Into<String>) -> Self {
        Self(Arc::new(Inner {
            node,
            definitions,
            pointer: pointer.into(),
            request: OnceLock::new(),
            response: OnceLock::new(),
        }))
    }

    /// The schema that accepts everything.
    #[must_use]
    pub fn any() -> Self {
        Self::new(Value::Bool(true), Arc::default(), "")
    }

    /// The normalised node.
    #[must_use]
    pub fn node(&self) -> &Value {
        &self.0.node
    }

    /// The definitions that `$ref`s point into.
    #[must_use]
    pub fn definitions(&self) -> &Map<String, Value> {
        &self.0.definitions
    }

    /// Place in the root document, for reports.
    #[must_use]
    pub fn pointer(&self) -> &str {
        &self.0.pointer
    }

    /// The same definitions with another node, for example a property of this schema.
    #[must_use]
    pub fn sibling(&self, node: Value, pointer: impl Into<String>) -> Self {
        Self::new(node, Arc::clone(&self.0.definitions), pointer)
    }

    /// Follows `$ref`s (bounded) of a node of this bundle.
    #[must_use]
    pub fn resolve<'a>(&'a self, node: &'a Value) -> &'a Value {
        let mut node = node;
        for _ in 0..32 {
            let Some(key) = node.get("$ref").and_then(Value::as_str).and_then(|r| r.strip_prefix("#/$defs/")) else {
                return node;
            };
            match self.0.definitions.get(key) {
                Some(next) => node = next,
                None => return node,
            }
        }
        node
    }

    /// Whether `value` fits. A schema that cannot be compiled accepts everything (it was reported at load time).
    #[must_use]
    pub fn is_valid(&self, value: &Value, direction: Direction) -> bool {
        let _ = (value, direction, &self.0.request, &self.0.response);
        todo!("spec")
    }

    /// Every broken keyword, at most 32.
    #[must_use]
    pub fn violations(&self, value: &Value, direction: Direction) -> Vec<Violation> {
        let _ = (value, direction);
        todo!("spec")
    }
}
