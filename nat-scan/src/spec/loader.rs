//! What reading a document collects: the operations' schemas, the definitions they share, and warnings.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::Arc;

use serde_json::{Map, Value};

use super::document::{Documents, Place};
use super::ir::{MediaType, Operation, SpecWarning};
use crate::schema::normalise::{Dialect, Links, normalise};
use crate::schema::{Bundle, Schema, compile, cycle, pointer};

/// Warnings that are kept; a document with more has a cause that the first ones show.
const MAX_WARNINGS: usize = 1000;

/// Reads one set of documents.
pub(super) struct Loader<'d> {
    pub(super) docs: &'d Documents,
    pub(super) dialect: Dialect,
    warnings: Vec<SpecWarning>,
    seen: HashSet<(String, String)>,
    keys: HashMap<(usize, String), String>,
    names: HashMap<String, usize>,
    wanted: VecDeque<(Place<'d>, String)>,
    patterns: HashMap<String, bool>,
}

impl<'d> Loader<'d> {
    pub(super) fn new(docs: &'d Documents, dialect: Dialect) -> Self {
        Self {
            docs,
            dialect,
            warnings: Vec::new(),
            seen: HashSet::new(),
            keys: HashMap::new(),
            names: HashMap::new(),
            wanted: VecDeque::new(),
            patterns: HashMap::new(),
        }
    }

    /// Reports a fault at `place`.
    pub(super) fn warn(&mut self, place: &Place<'_>, message: impl Into<String>) {
        self.warn_at(self.docs.label(place.doc, &place.pointer), message.into());
    }

    /// Reports a fault at a pointer into the root document.
    pub(super) fn warn_at(&mut self, pointer: String, message: String) {
        if self.warnings.len() >= MAX_WARNINGS || !self.seen.insert((pointer.clone(), message.clone())) {
            return;
        }
        if self.warnings.len() + 1 == MAX_WARNINGS {
            let message = "there are more warnings, which are not kept".to_owned();
            self.warnings.push(SpecWarning { pointer: String::new(), message });
            return;
        }
        self.warnings.push(SpecWarning { pointer, message });
    }

    /// The pointer of a place as reports show it.
    pub(super) fn label(&self, place: &Place<'_>) -> String {
        self.docs.label(place.doc, &place.pointer)
    }

    /// Follows `$ref`s; reports and returns `None` when they lead nowhere.
    pub(super) fn follow(&mut self, place: Place<'d>) -> Option<Place<'d>> {
        let from = place.clone();
        match self.docs.follow(place) {
            Ok(place) => Some(place),
            Err(reason) => {
                self.warn(&from, reason);
                None
            }
        }
    }

    /// The schema at `place`. Its definitions are bound by [`Self::finish`].
    pub(super) fn schema(&mut self, place: &Place<'d>) -> Schema {
        self.schema_of(place.value, place)
    }

    /// `value` as a schema that stands at `place`, for schemas that are written inline with other members (2.0).
    pub(super) fn schema_of(&mut self, value: &Value, place: &Place<'d>) -> Schema {
        let dialect = self.dialect;
        let node = normalise(value, dialect, &place.pointer, &mut InDocument { loader: self, doc: place.doc });
        Schema::new(node, Arc::default(), self.label(place))
    }

    /// Whether the schema at `place` is a `$ref` that leads nowhere: then nobody knows what to send.
    pub(super) fn is_dangling(&self, place: &Place<'d>) -> bool {
        self.docs.follow(place.clone()).is_err()
    }

    /// Key of the definition for a place.
    fn key(&mut self, place: Place<'d>) -> String {
        let id = (place.doc, place.pointer.clone());
        if let Some(key) = self.keys.get(&id) {
            return key.clone();
        }
        let last = place.pointer.rsplit('/').next().unwrap_or("");
        let allowed = |c: char| if c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_') { c } else { '_' };
        let mut name: String = last.chars().take(100).map(allowed).collect();
        if name.is_empty() {
            "root".clone_into(&mut name);
        }
        let count = self.names.entry(name.clone()).or_default();
        *count += 1;
        // A key from here ends in `@n`, which no name has: unique without a search.
        let key = if *count == 1 { name } else { format!("{name}@{count}") };
        self.keys.insert(id, key.clone());
        self.wanted.push_back((place, key.clone()));
        key
    }

    /// Normalises everything that was referred to and binds it to the operations.
    pub(super) fn finish(mut self, operations: &mut [Operation]) -> Vec<SpecWarning> {
        let mut definitions = Map::new();
        let mut places = HashMap::new();
        while let Some((place, key)) = self.wanted.pop_front() {
            let dialect = self.dialect;
            let mut links = InDocument { loader: &mut self, doc: place.doc };
            let node = normalise(place.value, dialect, &place.pointer, &mut links);
            places.insert(key.clone(), self.label(&place));
            definitions.insert(key, node);
        }
        for key in cycle::cut(&mut definitions) {
            let pointer = places.get(&key).cloned().unwrap_or_default();
            self.warn_at(pointer, "the schema refers to itself without an end; that reference is ignored".to_owned());
        }
        let bundle = Arc::new(Bundle::new(Arc::new(definitions)));
        for operation in operations {
            bind(operation, &bundle);
        }
        self.warnings
    }
}

/// [`Links`] from within one document.
struct InDocument<'a, 'd> {
    loader: &'a mut Loader<'d>,
    doc: usize,
}

impl Links for InDocument<'_, '_> {
    fn key(&mut self, reference: &str, pointer: &str) -> Option<String> {
        let docs = self.loader.docs;
        match docs.resolve(self.doc, reference) {
            Ok(place) if place.value.is_object() || place.value.is_boolean() => Some(self.loader.key(place)),
            Ok(_) => {
                self.warn(
                    pointer,
                    format!("`$ref` to `{}` is not a schema", reference.chars().take(200).collect::<String>()),
                );
                None
            }
            Err(reason) => {
                self.warn(pointer, reason);
                None
            }
        }
    }

    fn mapped(&mut self, name: &str) -> Option<String> {
        let docs = self.loader.docs;
        let places = [
            name.contains(['#', '/', '.']).then(|| name.to_owned()),
            Some(pointer::join("#/components/schemas", name)),
            Some(pointer::join("#/definitions", name)),
        ];
        let place = places.iter().flatten().find_map(|reference| docs.resolve(self.doc, reference).ok())?;
        place.value.is_object().then(|| self.loader.key(place))
    }

    fn pattern_compiles(&mut self, pattern: &str) -> bool {
        if let Some(known) = self.loader.patterns.get(pattern) {
            return *known;
        }
        let compiles = compile::pattern_compiles(pattern);
        self.loader.patterns.insert(pattern.to_owned(), compiles);
        compiles
    }

    fn warn(&mut self, pointer: &str, message: String) {
        let label = self.loader.docs.label(self.doc, pointer);
        self.loader.warn_at(label, message);
    }
}

fn bind(operation: &mut Operation, bundle: &Arc<Bundle>) {
    for parameter in &mut operation.parameters {
        rebind(&mut parameter.schema, bundle);
        parameter.examples.extend(schema_examples(&parameter.schema));
        dedup(&mut parameter.examples);
    }
    let responses = operation.responses.iter_mut();
    let (headers, contents): (Vec<_>, Vec<_>) = responses.map(|r| (&mut r.headers, &mut r.content)).unzip();
    for header in headers.into_iter().flatten() {
        rebind(&mut header.schema, bundle);
    }
    let bodies = operation.body.iter_mut().map(|body| &mut body.content);
    for media in contents.into_iter().chain(bodies).flatten() {
        bind_media(media, bundle);
    }
}

fn bind_media(media: &mut MediaType, bundle: &Arc<Bundle>) {
    if let Some(schema) = &mut media.schema {
        rebind(schema, bundle);
        media.examples.extend(schema_examples(schema));
    }
    dedup(&mut media.examples);
}

fn rebind(schema: &mut Schema, bundle: &Arc<Bundle>) {
    let unbound = std::mem::replace(schema, Schema::any());
    *schema = unbound.bind(Arc::clone(bundle));
}

/// Examples that a schema carries itself, its default last.
fn schema_examples(schema: &Schema) -> Vec<Value> {
    let mut found = Vec::new();
    for node in [schema.node(), schema.resolve(schema.node())] {
        found.extend(node.get("examples").and_then(Value::as_array).into_iter().flatten().cloned());
    }
    found.extend(schema.resolve(schema.node()).get("default").cloned());
    found
}

/// Examples are few; a document with very many gets the first ones.
fn dedup(examples: &mut Vec<Value>) {
    const MAX_EXAMPLES: usize = 32;
    let mut kept: Vec<Value> = Vec::new();
    for example in examples.drain(..) {
        if kept.len() < MAX_EXAMPLES && !kept.contains(&example) {
            kept.push(example);
        }
    }
    *examples = kept;
}
