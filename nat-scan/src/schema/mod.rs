//! JSON Schema as the engine uses it: every dialect normalised to 2020-12, references local to one bundle, validators
//! compiled once.

pub(crate) mod compile;
mod cost;
pub(crate) mod cycle;
pub(crate) mod example;
pub(crate) mod normalise;
pub(crate) mod pointer;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use serde_json::{Map, Value};

use compile::Compiled;

/// Violations that are collected for one value.
const MAX_VIOLATIONS: usize = 32;
/// Validators that a bundle keeps for equal nodes.
const MAX_CACHED: usize = 4096;
/// Nodes with longer text have a validator of their own.
const MAX_CACHED_NODE: usize = 4096;

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
    bundle: Arc<Bundle>,
    pointer: String,
    request: OnceLock<Validator>,
    response: OnceLock<Validator>,
}

/// `None` accepts everything.
type Validator = Option<Arc<Compiled>>;

/// The definitions of an API, and the validators that its schemas share.
pub(crate) struct Bundle {
    definitions: Arc<Map<String, Value>>,
    validators: Mutex<HashMap<(String, Direction), Validator>>,
}

impl Bundle {
    /// No validator is compiled before it is used.
    pub(crate) fn new(definitions: Arc<Map<String, Value>>) -> Self {
        Self { definitions, validators: Mutex::default() }
    }

    /// Many operations share a node such as a lone `$ref`: it is compiled once.
    fn validator(&self, node: &Value, direction: Direction) -> Validator {
        let compile = || compile::compile(node, &self.definitions, direction).map(Arc::new);
        let text = node.to_string();
        if text.len() > MAX_CACHED_NODE {
            return compile();
        }
        let key = (text, direction);
        let known = self.validators.lock().unwrap_or_else(PoisonError::into_inner).get(&key).cloned();
        if let Some(known) = known {
            return known;
        }
        let validator = compile();
        let mut validators = self.validators.lock().unwrap_or_else(PoisonError::into_inner);
        if validators.len() < MAX_CACHED {
            validators.insert(key, validator.clone());
        }
        validator
    }
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
        Self::bundled(node, Arc::new(Bundle::new(definitions)), pointer.into())
    }

    fn bundled(node: Value, bundle: Arc<Bundle>, pointer: String) -> Self {
        Self(Arc::new(Inner { node, bundle, pointer, request: OnceLock::new(), response: OnceLock::new() }))
    }

    /// The same schema over the definitions of `bundle`.
    pub(crate) fn bind(self, bundle: Arc<Bundle>) -> Self {
        match Arc::try_unwrap(self.0) {
            Ok(inner) => Self::bundled(inner.node, bundle, inner.pointer),
            Err(shared) => Self::bundled(shared.node.clone(), bundle, shared.pointer.clone()),
        }
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
        &self.0.bundle.definitions
    }

    /// Place in the root document, for reports.
    #[must_use]
    pub fn pointer(&self) -> &str {
        &self.0.pointer
    }

    /// The same definitions with another node, for example a property of this schema.
    #[must_use]
    pub fn sibling(&self, node: Value, pointer: impl Into<String>) -> Self {
        Self::bundled(node, Arc::clone(&self.0.bundle), pointer.into())
    }

    /// Follows `$ref`s (bounded) of a node of this bundle.
    #[must_use]
    pub fn resolve<'a>(&'a self, node: &'a Value) -> &'a Value {
        let mut node = node;
        for _ in 0..32 {
            let Some(key) = node.get("$ref").and_then(Value::as_str).and_then(|r| r.strip_prefix("#/$defs/")) else {
                return node;
            };
            match self.0.bundle.definitions.get(key) {
                Some(next) => node = next,
                None => return node,
            }
        }
        node
    }

    /// Whether `value` fits. A schema that cannot be compiled accepts everything (it was reported at load time).
    #[must_use]
    pub fn is_valid(&self, value: &Value, direction: Direction) -> bool {
        self.validator(direction).is_none_or(|validator| validator.is_valid(value))
    }

    /// Every broken keyword, at most 32.
    #[must_use]
    pub fn violations(&self, value: &Value, direction: Direction) -> Vec<Violation> {
        self.validator(direction).map(|validator| validator.violations(value, MAX_VIOLATIONS)).unwrap_or_default()
    }

    fn validator(&self, direction: Direction) -> Option<&Compiled> {
        let cell = match direction {
            Direction::Request => &self.0.request,
            Direction::Response => &self.0.response,
        };
        cell.get_or_init(|| self.0.bundle.validator(&self.0.node, direction)).as_deref()
    }
}

#[cfg(test)]
mod tests;
