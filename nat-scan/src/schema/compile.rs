//! Schemas to validators: one self-contained document each, changed for the direction, never anything remote.

use std::collections::HashSet;

use jsonschema::PatternOptions;
use jsonschema::error::ValidationErrorKind;
use serde_json::{Map, Value, json};

use super::cost::Cost;
use super::{Direction, Violation};

/// Nodes of one schema with all it refers to; a larger one accepts everything.
const MAX_NODES: usize = 300_000;
/// Keywords that are dropped until a schema compiles.
const MAX_REPAIRS: usize = 16;
/// Steps of one `pattern` on one text.
const BACKTRACK_LIMIT: usize = 100_000;
/// `$ref`s that are followed to find a `readOnly`.
const MAX_HOPS: usize = 8;

/// A validator of one schema for one direction. A value that is too costly to judge fits.
pub(crate) struct Compiled {
    validator: jsonschema::Validator,
    cost: Cost,
}

impl Compiled {
    pub(crate) fn is_valid(&self, value: &Value) -> bool {
        !self.cost.affords(value)
            || self.validator.is_valid(value)
            || self.validator.iter_errors(value).all(|error| gave_up(&error))
    }

    pub(crate) fn violations(&self, value: &Value, limit: usize) -> Vec<Violation> {
        if !self.cost.affords(value) {
            return Vec::new();
        }
        self.validator.iter_errors(value).filter(|error| !gave_up(error)).take(limit).map(|e| violation(&e)).collect()
    }
}

/// A regular expression that takes too long says nothing about the value.
fn gave_up(error: &jsonschema::ValidationError<'_>) -> bool {
    matches!(
        error.kind(),
        ValidationErrorKind::BacktrackLimitExceeded { .. } | ValidationErrorKind::RegexEngineFailure { .. }
    )
}

fn violation(error: &jsonschema::ValidationError<'_>) -> Violation {
    let long = match &**error.instance() {
        Value::String(text) => text.len() > 200,
        Value::Array(_) | Value::Object(_) => true,
        _ => false,
    };
    let message = if long { error.masked().to_string() } else { error.to_string() };
    Violation {
        instance_path: error.instance_path().to_string(),
        schema_path: error.schema_path().to_string(),
        keyword: error.kind().keyword().to_owned(),
        message,
    }
}

/// Whether a validator can use `pattern`.
pub(crate) fn pattern_compiles(pattern: &str) -> bool {
    regex_syntax::parse(pattern).is_ok() || build(&json!({ "pattern": pattern })).is_ok()
}

/// `None` when the schema cannot be used: it accepts everything then.
pub(crate) fn compile(node: &Value, definitions: &Map<String, Value>, direction: Direction) -> Option<Compiled> {
    if node == &Value::Bool(true) {
        return None;
    }
    let mut document = Document::collect(node, definitions, direction)?.write();
    // No bound means that no validation would end.
    let cost = Cost::of(&document)?;
    for _ in 0..MAX_REPAIRS {
        match build(&document) {
            Ok(validator) => return Some(Compiled { validator, cost }),
            Err(error) => {
                let pointer = error.instance_path().to_string();
                tracing::debug!(pointer, "a keyword of a schema cannot be used: {error}");
                remove(&mut document, &pointer)?;
            }
        }
    }
    None
}

fn build(document: &Value) -> Result<jsonschema::Validator, jsonschema::ValidationError<'static>> {
    jsonschema::options()
        .with_draft(jsonschema::Draft::Draft202012)
        .should_validate_formats(true)
        .should_ignore_unknown_formats(true)
        .with_pattern_options(PatternOptions::fancy_regex().backtrack_limit(BACKTRACK_LIMIT).size_limit(1 << 20))
        .offline()
        .build(document)
}

/// Removes what `pointer` points to; `None` when that is nothing or everything.
fn remove(document: &mut Value, pointer: &str) -> Option<()> {
    let (parent, last) = pointer.rsplit_once('/')?;
    let key = last.replace("~1", "/").replace("~0", "~");
    match document.pointer_mut(parent)? {
        Value::Object(map) => map.shift_remove(&key).map(drop),
        Value::Array(items) => {
            let item = items.get_mut(key.parse::<usize>().ok()?)?;
            *item = Value::Bool(true);
            Some(())
        }
        _ => None,
    }
}

/// A schema with everything it refers to.
struct Document<'a> {
    node: &'a Value,
    definitions: &'a Map<String, Value>,
    reachable: Vec<&'a str>,
    direction: Direction,
    /// Properties that are not of this direction, by name: `required` may stand far from them.
    foreign: HashSet<&'a str>,
}

impl<'a> Document<'a> {
    fn collect(node: &'a Value, definitions: &'a Map<String, Value>, direction: Direction) -> Option<Self> {
        let mut document = Self { node, definitions, reachable: Vec::new(), direction, foreign: HashSet::new() };
        let mut seen: HashSet<&str> = HashSet::new();
        let mut stack = vec![node];
        let mut nodes = 0_usize;
        while let Some(value) = stack.pop() {
            nodes += 1;
            if nodes > MAX_NODES {
                return None;
            }
            match value {
                Value::Object(map) => {
                    if let Some((key, target)) = reference(map).and_then(|key| definitions.get_key_value(key))
                        && seen.insert(key)
                    {
                        document.reachable.push(key);
                        stack.push(target);
                    }
                    for (name, property) in map.get("properties").and_then(Value::as_object).into_iter().flatten() {
                        if document.is_foreign(property) {
                            document.foreign.insert(name);
                        }
                    }
                    stack.extend(map.values());
                }
                Value::Array(items) => stack.extend(items),
                _ => {}
            }
        }
        Some(document)
    }

    fn is_foreign(&self, property: &Value) -> bool {
        let flag = match self.direction {
            Direction::Request => "readOnly",
            Direction::Response => "writeOnly",
        };
        let mut property = property;
        for _ in 0..MAX_HOPS {
            if property.get(flag) == Some(&Value::Bool(true)) {
                return true;
            }
            let in_all = property.get("allOf").and_then(Value::as_array).into_iter().flatten();
            if in_all.clone().any(|part| part.get(flag) == Some(&Value::Bool(true))) {
                return true;
            }
            let Some(target) = property.as_object().and_then(reference).and_then(|key| self.definitions.get(key))
            else {
                return false;
            };
            property = target;
        }
        false
    }

    fn write(&self) -> Value {
        let mut out = match self.schema(self.node) {
            Value::Object(map) => map,
            other => return other,
        };
        if !self.reachable.is_empty() {
            let definition = |key: &&str| Some(((*key).to_owned(), self.schema(self.definitions.get(*key)?)));
            out.insert("$defs".to_owned(), Value::Object(self.reachable.iter().filter_map(definition).collect()));
        }
        Value::Object(out)
    }

    fn schema(&self, schema: &Value) -> Value {
        let Value::Object(map) = schema else {
            return schema.clone();
        };
        let mut out = Map::new();
        for (key, value) in map {
            let written = match key.as_str() {
                "title" | "description" | "default" | "examples" | "discriminator" | "xml" | "deprecated"
                | "readOnly" | "writeOnly" | "contentEncoding" | "contentMediaType" => continue,
                // References lead only to definitions: nothing else is ever looked up.
                "$ref" if reference(map).is_some_and(|key| self.definitions.contains_key(key)) => value.clone(),
                "$ref" | "$dynamicRef" | "$recursiveRef" | "$id" | "$schema" | "$anchor" | "$dynamicAnchor" => continue,
                "required" => self.required(map, value),
                "properties" => named(value, |property| self.property(property)),
                "patternProperties" | "dependentSchemas" => named(value, |schema| self.schema(schema)),
                "allOf" | "anyOf" | "oneOf" | "prefixItems" => {
                    value.as_array().into_iter().flatten().map(|schema| self.schema(schema)).collect()
                }
                "additionalProperties"
                | "not"
                | "if"
                | "then"
                | "else"
                | "contains"
                | "propertyNames"
                | "items"
                | "unevaluatedItems"
                | "unevaluatedProperties" => self.schema(value),
                _ => value.clone(),
            };
            out.insert(key.clone(), written);
        }
        Value::Object(out)
    }

    /// What a client sends for a `readOnly` property is to be ignored; what a server answers for a `writeOnly` one is
    /// still judged.
    fn property(&self, property: &Value) -> Value {
        match self.direction {
            Direction::Request if self.is_foreign(property) => Value::Bool(true),
            _ => self.schema(property),
        }
    }

    fn required(&self, map: &Map<String, Value>, value: &Value) -> Value {
        let own = map.get("properties").and_then(Value::as_object);
        let keep = |name: &&Value| {
            let Some(name) = name.as_str() else { return true };
            match own.and_then(|own| own.get(name)) {
                Some(property) => !self.is_foreign(property),
                None => !self.foreign.contains(name),
            }
        };
        value.as_array().into_iter().flatten().filter(keep).cloned().collect()
    }
}

fn reference(map: &Map<String, Value>) -> Option<&str> {
    map.get("$ref")?.as_str()?.strip_prefix("#/$defs/")
}

fn named(value: &Value, write: impl Fn(&Value) -> Value) -> Value {
    value.as_object().into_iter().flatten().map(|(name, schema)| (name.clone(), write(schema))).collect()
}
