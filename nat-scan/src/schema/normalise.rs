//! Schemas of OpenAPI 2.0, 3.0 and 3.1 to JSON Schema 2020-12. What cannot be right is dropped with a warning, so that
//! the rest can be compiled.

use serde_json::{Map, Number, Value, json};

use super::example::{add_examples, example_values};
use super::pointer;

/// How a document writes schemas.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Dialect {
    /// Swagger 2.0
    Swagger2,
    /// OpenAPI 3.0
    OpenApi30,
    /// OpenAPI 3.1 and later: JSON Schema 2020-12
    OpenApi31,
}

/// What a schema needs from the document around it.
pub(crate) trait Links {
    /// The key of the definition that `reference` points to; `None` when there is none (already reported).
    fn key(&mut self, reference: &str, pointer: &str) -> Option<String>;
    /// The key of the definition that a `discriminator` names, if there is one.
    fn mapped(&mut self, name: &str) -> Option<String>;
    /// Whether a validator can use this `pattern`.
    fn pattern_compiles(&mut self, pattern: &str) -> bool;
    /// Reports a fault.
    fn warn(&mut self, pointer: &str, message: String);
}

/// `schema` at `pointer` as JSON Schema 2020-12.
pub(crate) fn normalise(schema: &Value, dialect: Dialect, pointer: &str, links: &mut dyn Links) -> Value {
    Normaliser { dialect, pointer: pointer.to_owned(), links }.schema(schema)
}

const TYPES: [&str; 7] = ["null", "boolean", "object", "array", "number", "string", "integer"];

const REFERENCES: [&str; 3] = ["$ref", "$dynamicRef", "$recursiveRef"];

/// Keywords that only describe; beside a `$ref` they need no `allOf`.
const DESCRIPTIVE: [&str; 6] = ["title", "description", "summary", "externalDocs", "deprecated", "xml"];

struct Normaliser<'a> {
    dialect: Dialect,
    pointer: String,
    links: &'a mut dyn Links,
}

impl Normaliser<'_> {
    fn at<T>(&mut self, segment: impl pointer::Segment, work: impl FnOnce(&mut Self) -> T) -> T {
        let length = self.pointer.len();
        pointer::push(&mut self.pointer, segment);
        let result = work(self);
        self.pointer.truncate(length);
        result
    }

    fn warn(&mut self, message: impl Into<String>) {
        self.links.warn(&self.pointer, message.into());
    }

    fn is_modern(&self) -> bool {
        self.dialect == Dialect::OpenApi31
    }

    fn schema(&mut self, schema: &Value) -> Value {
        match schema {
            Value::Bool(all) => Value::Bool(*all),
            Value::Object(map) => self.object(map),
            _ => {
                self.warn("a schema must be an object; this one is ignored");
                Value::Bool(true)
            }
        }
    }

    fn object(&mut self, map: &Map<String, Value>) -> Value {
        let reference = REFERENCES.iter().find_map(|key| map.get(*key)?.as_str());
        let Some(reference) = reference else {
            return self.keywords(map);
        };
        let target = match self.links.key(reference, &self.pointer) {
            Some(key) => json!({ "$ref": format!("#/$defs/{key}") }),
            None => Value::Bool(true),
        };
        if !self.is_modern() {
            if map.contains_key("nullable") || map.contains_key("x-nullable") {
                self.warn("`nullable` beside `$ref` has no effect in this version");
            }
            return target;
        }
        let describes = |key: &str| key.starts_with('$') || key.starts_with("x-") || DESCRIPTIVE.contains(&key);
        if map.keys().all(|key| describes(key)) {
            return target;
        }
        // A lone `$ref` is easier to follow for everybody: what stands beside it becomes a conjunction.
        let siblings: Map<String, Value> =
            map.iter().filter(|(key, _)| !REFERENCES.contains(&key.as_str())).map(clone_entry).collect();
        let Value::Object(mut out) = self.keywords(&siblings) else {
            return target;
        };
        match out.get_mut("allOf") {
            Some(Value::Array(all)) => all.insert(0, target),
            _ => {
                out.insert("allOf".to_owned(), Value::Array(vec![target]));
            }
        }
        Value::Object(out)
    }

    fn keywords(&mut self, map: &Map<String, Value>) -> Value {
        let mut out = Map::new();
        for (key, value) in map {
            if !self.is_modern() && is_newer(key) {
                self.at(key, |n| n.newer(&mut out, key, value));
            } else {
                self.at(key, |n| n.keyword(&mut out, map, key, value));
            }
        }
        // Properties that only an ignored `patternProperties` allows must not become violations.
        if !self.is_modern() && map.contains_key("patternProperties") && out.contains_key("additionalProperties") {
            out.insert("additionalProperties".to_owned(), Value::Bool(true));
        }
        self.exclusive(&mut out, map, "minimum", "exclusiveMinimum");
        self.exclusive(&mut out, map, "maximum", "exclusiveMaximum");
        if map.get("type").and_then(Value::as_str) == Some("file") {
            out.entry("format").or_insert_with(|| json!("binary"));
        }
        self.discriminator(&mut out, map);
        if ["nullable", "x-nullable"].iter().any(|key| map.get(*key) == Some(&Value::Bool(true))) {
            return self.nullable(out);
        }
        Value::Object(out)
    }

    fn keyword(&mut self, out: &mut Map<String, Value>, map: &Map<String, Value>, key: &str, value: &Value) {
        let kept = match key {
            "type" => self.types(value),
            "enum" => self.enumeration(value),
            "const" => Some(value.clone()),
            "title" | "description" | "contentEncoding" | "contentMediaType" | "format" => {
                self.check(value.is_string(), "text", value)
            }
            "readOnly" | "writeOnly" | "deprecated" | "uniqueItems" => {
                self.check(value.is_boolean(), "a boolean", value)
            }
            "xml" => value.is_object().then(|| value.clone()),
            "minimum" | "maximum" => self.number(value),
            "multipleOf" => {
                self.number(value).and_then(|v| self.check(v.as_f64().is_some_and(|n| n > 0.0), "positive", &v))
            }
            "minLength" | "maxLength" | "minItems" | "maxItems" | "minProperties" | "maxProperties" | "minContains"
            | "maxContains" => self.count(value),
            "pattern" => self.pattern(value),
            "required" => self.required(value),
            "properties" | "patternProperties" | "dependentSchemas" => self.schemas_by_name(key, value),
            "dependentRequired" => self.dependent_required(value),
            "allOf" | "anyOf" | "oneOf" | "prefixItems" => self.schemas(value),
            "additionalProperties"
            | "not"
            | "if"
            | "then"
            | "else"
            | "contains"
            | "propertyNames"
            | "unevaluatedItems"
            | "unevaluatedProperties" => Some(self.schema(value)),
            "items" => return self.items(out, map, value),
            "dependencies" => return self.dependencies(out, value),
            "default" => Some(value.clone()),
            "example" => return add_examples(out, vec![value.clone()]),
            "examples" => {
                let values = value.as_array().cloned().unwrap_or_else(|| example_values(value));
                return add_examples(out, values);
            }
            _ => return,
        };
        if let Some(kept) = kept {
            out.insert(key.to_owned(), kept);
        }
    }

    /// A keyword of a later JSON Schema in an old document: not part of the contract.
    fn newer(&mut self, out: &mut Map<String, Value>, key: &str, value: &Value) {
        self.warn(format!("`{key}` does not exist in this version and is ignored"));
        if key == "const" {
            add_examples(out, vec![value.clone()]);
        }
    }

    fn check(&mut self, right: bool, wanted: &str, value: &Value) -> Option<Value> {
        if !right {
            self.warn(format!("must be {wanted}; it is ignored"));
        }
        right.then(|| value.clone())
    }

    fn types(&mut self, value: &Value) -> Option<Value> {
        let names: Vec<&str> = match value {
            Value::String(name) => vec![name],
            Value::Array(names) => names.iter().filter_map(Value::as_str).collect(),
            _ => Vec::new(),
        };
        let mut known: Vec<&str> = Vec::new();
        for name in names {
            let stated = name;
            let Some(name) = meant_type(stated) else {
                let stated: String = stated.chars().take(60).collect();
                self.warn(format!("unknown type `{stated}` is ignored"));
                return None;
            };
            if name != stated && stated != "file" {
                self.warn(format!("`{stated}` is no type; it is read as `{name}`"));
            }
            if !known.contains(&name) {
                known.push(name);
            }
        }
        match known.as_slice() {
            [] => self.check(false, "a type", value),
            [one] => Some(json!(one)),
            many => Some(json!(many)),
        }
    }

    fn enumeration(&mut self, value: &Value) -> Option<Value> {
        let right = value.as_array().is_some_and(|values| !values.is_empty());
        self.check(right, "a list with at least one value", value)
    }

    fn number(&mut self, value: &Value) -> Option<Value> {
        let parsed = value.as_str().and_then(|text| text.parse::<Number>().ok());
        if let Some(number) = parsed {
            self.warn("must be a number, not text; it is read as one");
            return Some(Value::Number(number));
        }
        self.check(value.is_number(), "a number", value)
    }

    fn count(&mut self, value: &Value) -> Option<Value> {
        let whole = value.as_u64().or_else(|| {
            let number = value.as_f64().or_else(|| value.as_str()?.parse().ok())?;
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "range and fraction are checked"
            )]
            ((0.0..=9e15).contains(&number) && number.fract() == 0.0).then_some(number as u64)
        });
        if whole.is_none() {
            self.warn("must be a whole number of at least 0; it is ignored");
        }
        whole.map(Value::from)
    }

    fn pattern(&mut self, value: &Value) -> Option<Value> {
        let text = self.check(value.is_string(), "text", value)?;
        if text.as_str().is_some_and(|pattern| self.links.pattern_compiles(pattern)) {
            return Some(text);
        }
        self.warn("not a regular expression that can be used; it is ignored");
        None
    }

    fn required(&mut self, value: &Value) -> Option<Value> {
        let Value::Array(names) = value else {
            self.warn("must be a list of property names in a schema; it is ignored");
            return None;
        };
        let mut kept: Vec<&str> = Vec::new();
        let mut seen = std::collections::HashSet::new();
        for name in names {
            match name.as_str() {
                Some(name) if seen.insert(name) => kept.push(name),
                Some(_) => {}
                None => self.warn("a name in `required` must be text; it is ignored"),
            }
        }
        (!kept.is_empty()).then(|| json!(kept))
    }

    fn dependent_required(&mut self, value: &Value) -> Option<Value> {
        let mut out = Map::new();
        for (name, names) in value.as_object()? {
            if let Some(names) = self.required(names) {
                out.insert(name.clone(), names);
            }
        }
        (!out.is_empty()).then_some(Value::Object(out))
    }

    fn schemas_by_name(&mut self, key: &str, value: &Value) -> Option<Value> {
        let Value::Object(map) = value else {
            return self.check(false, "an object of schemas", value);
        };
        let mut out = Map::new();
        for (name, schema) in map {
            if key == "patternProperties" && !self.links.pattern_compiles(name) {
                self.at(name, |n| n.warn("not a regular expression that can be used; it is ignored"));
                continue;
            }
            let schema = self.at(name, |n| n.schema(schema));
            out.insert(name.clone(), schema);
        }
        Some(Value::Object(out))
    }

    fn schemas(&mut self, value: &Value) -> Option<Value> {
        let Some(list) = value.as_array().filter(|list| !list.is_empty()) else {
            return self.check(false, "a list with at least one schema", value);
        };
        Some(list.iter().enumerate().map(|(index, schema)| self.at(index, |n| n.schema(schema))).collect())
    }

    fn items(&mut self, out: &mut Map<String, Value>, map: &Map<String, Value>, value: &Value) {
        let Value::Array(tuple) = value else {
            let items = self.schema(value);
            out.insert("items".to_owned(), items);
            return;
        };
        if !tuple.is_empty()
            && let Some(prefix) = self.schemas(value)
        {
            out.insert("prefixItems".to_owned(), prefix);
        }
        if let Some(rest) = map.get("additionalItems") {
            let rest = self.schema(rest);
            out.insert("items".to_owned(), rest);
        }
    }

    /// `dependencies` of draft 7.
    fn dependencies(&mut self, out: &mut Map<String, Value>, value: &Value) {
        let (names, schemas): (Map<_, _>, Map<_, _>) =
            value.as_object().into_iter().flatten().map(clone_entry).partition(|(_, value)| value.is_array());
        if let Some(names) = self.dependent_required(&Value::Object(names)) {
            out.insert("dependentRequired".to_owned(), names);
        }
        if !schemas.is_empty()
            && let Some(schemas) = self.schemas_by_name("dependentSchemas", &Value::Object(schemas))
        {
            out.insert("dependentSchemas".to_owned(), schemas);
        }
    }

    /// A bound of its own in 2020-12, a flag of the other bound before.
    fn exclusive(&mut self, out: &mut Map<String, Value>, map: &Map<String, Value>, bound: &str, exclusive: &str) {
        match map.get(exclusive) {
            Some(Value::Bool(true)) => {
                if let Some(bound) = out.shift_remove(bound) {
                    out.insert(exclusive.to_owned(), bound);
                }
            }
            None | Some(Value::Bool(false) | Value::Null) => {}
            Some(value) => {
                if let Some(number) = self.at(exclusive, |n| n.number(value)) {
                    out.insert(exclusive.to_owned(), number);
                }
            }
        }
    }

    fn nullable(&mut self, mut out: Map<String, Value>) -> Value {
        if let Some(Value::Array(values)) = out.get_mut("enum")
            && !values.contains(&Value::Null)
        {
            values.push(Value::Null);
        }
        let composed = ["allOf", "anyOf", "oneOf", "not"].iter().any(|key| out.contains_key(*key));
        match out.get_mut("type") {
            Some(Value::String(name)) if !composed => {
                let union = if name == "null" { json!("null") } else { json!([name, "null"]) };
                out.insert("type".to_owned(), union);
            }
            Some(Value::Array(names)) if !composed => {
                if !names.contains(&json!("null")) {
                    names.push(json!("null"));
                }
            }
            None if !composed => {}
            // `nullable` beside `allOf` is how 3.0 writes "this reference or null".
            _ => return self.or_null(out),
        }
        Value::Object(out)
    }

    fn or_null(&mut self, mut out: Map<String, Value>) -> Value {
        let mut outer = Map::new();
        for key in ["title", "description", "readOnly", "writeOnly", "deprecated", "default", "examples"] {
            if let Some(value) = out.shift_remove(key) {
                outer.insert(key.to_owned(), value);
            }
        }
        outer.insert("anyOf".to_owned(), json!([Value::Object(out), { "type": "null" }]));
        Value::Object(outer)
    }

    /// An annotation for generators: `{propertyName, mapping: {value: "#/$defs/key"}}`.
    fn discriminator(&mut self, out: &mut Map<String, Value>, map: &Map<String, Value>) {
        let (name, mapping) = match map.get("discriminator") {
            Some(Value::String(name)) => (name.as_str(), None),
            Some(Value::Object(object)) => {
                (object.get("propertyName").and_then(Value::as_str).unwrap_or(""), object.get("mapping"))
            }
            _ => return,
        };
        if name.is_empty() {
            self.at("discriminator", |n| n.warn("has no property name; it is ignored"));
            return;
        }
        let mut targets = Map::new();
        for (value, target) in mapping.and_then(Value::as_object).into_iter().flatten() {
            let key = target.as_str().and_then(|target| self.links.mapped(target));
            match key {
                Some(key) => {
                    targets.insert(value.clone(), json!(format!("#/$defs/{key}")));
                }
                None => self.at("discriminator", |n| n.warn("`mapping` names a schema that does not exist")),
            }
        }
        let branches = ["oneOf", "anyOf"].iter().filter_map(|key| map.get(*key)?.as_array()).flatten();
        for reference in branches.filter_map(|branch| branch.get("$ref")?.as_str()) {
            let value = reference.rsplit(['/', '#']).next().unwrap_or(reference);
            let Some(key) = self.links.mapped(reference) else { continue };
            let target = json!(format!("#/$defs/{key}"));
            if !value.is_empty() && !targets.values().any(|known| *known == target) {
                targets.insert(value.to_owned(), target);
            }
        }
        let mut annotation = json!({ "propertyName": name });
        if !targets.is_empty() {
            annotation["mapping"] = Value::Object(targets);
        }
        out.insert("discriminator".to_owned(), annotation);
    }
}

/// The type that a name stands for. Names of programming languages are common in hand-written documents, and without
/// a type nobody would know what to send.
fn meant_type(name: &str) -> Option<&'static str> {
    let known = TYPES.iter().find(|known| name.eq_ignore_ascii_case(known)).copied();
    known.or_else(|| {
        Some(match name.to_ascii_lowercase().as_str() {
            "int" | "int32" | "int64" | "long" => "integer",
            "float" | "double" | "decimal" => "number",
            "bool" => "boolean",
            "str" | "file" | "date" | "datetime" | "date-time" | "uuid" => "string",
            "list" => "array",
            "dict" | "map" => "object",
            _ => return None,
        })
    })
}

/// Keywords that OpenAPI 2.0 and 3.0 do not have.
fn is_newer(key: &str) -> bool {
    matches!(
        key,
        "const"
            | "if"
            | "then"
            | "else"
            | "contains"
            | "minContains"
            | "maxContains"
            | "propertyNames"
            | "patternProperties"
            | "prefixItems"
            | "dependencies"
            | "dependentRequired"
            | "dependentSchemas"
            | "unevaluatedItems"
            | "unevaluatedProperties"
            | "contentEncoding"
            | "contentMediaType"
    )
}

fn clone_entry((key, value): (&String, &Value)) -> (String, Value) {
    (key.clone(), value.clone())
}
