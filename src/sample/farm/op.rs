//! One operation of the farm: its document and its handler, side by side.

use std::sync::Arc;

use axum::response::Response;
use serde_json::{Map, Value, json};

use super::call::{Call, Farm};

/// A constraint that is documented and not enforced.
pub(super) struct Lapse {
    /// Always, or only while this mutant is alive.
    pub(super) mutant: Option<&'static str>,
    pub(super) slot: &'static str,
    pub(super) keyword: &'static str,
}

/// What a method that is not documented gets; none: 405, or 204 for `OPTIONS`.
type Stray = fn(&Farm, &str) -> Option<Response>;

type Answer = Arc<dyn for<'a> Fn(&Call<'a>) -> Response + Send + Sync>;

/// One operation. The parts of the document are those of OpenAPI 3.1.
#[derive(Clone)]
pub(super) struct Op {
    pub(super) method: &'static str,
    pub(super) path: String,
    pub(super) parameters: Vec<Value>,
    pub(super) body: Option<Value>,
    pub(super) responses: Map<String, Value>,
    pub(super) security: Option<Value>,
    pub(super) lapses: Arc<Vec<Lapse>>,
    pub(super) stray: Option<Stray>,
    /// It answers, and the document does not name it.
    pub(super) hidden: bool,
    pub(super) answer: Answer,
}

impl Op {
    pub(super) fn new(method: &'static str, path: impl Into<String>) -> Self {
        let path = path.into();
        let names = path.split('{').skip(1).filter_map(|part| part.split('}').next());
        let parameters = names
            .map(|name| json!({"name": name, "in": "path", "required": true, "schema": {"type": "string", "minLength": 1}}))
            .collect();
        Self {
            method,
            path,
            parameters,
            body: None,
            responses: Map::new(),
            security: None,
            lapses: Arc::default(),
            stray: None,
            hidden: false,
            answer: Arc::new(|_| super::call::empty(204)),
        }
    }

    pub(super) fn get(path: impl Into<String>) -> Self {
        Self::new("GET", path)
    }

    pub(super) fn post(path: impl Into<String>) -> Self {
        Self::new("POST", path)
    }

    /// The schema of a path parameter.
    pub(super) fn id(mut self, name: &str, schema: Value) -> Self {
        if let Some(parameter) = self.parameters.iter_mut().find(|parameter| parameter["name"] == name) {
            parameter["schema"] = schema;
        }
        self
    }

    pub(super) fn query(self, name: &str, schema: Value) -> Self {
        self.parameter(json!({"name": name, "in": "query", "schema": schema}))
    }

    pub(super) fn must_query(self, name: &str, schema: Value) -> Self {
        self.parameter(json!({"name": name, "in": "query", "required": true, "schema": schema}))
    }

    pub(super) fn parameter(mut self, parameter: Value) -> Self {
        self.parameters.push(parameter);
        self
    }

    /// A required JSON body.
    pub(super) fn body(self, schema: Value) -> Self {
        self.body_as("application/json", schema)
    }

    pub(super) fn body_as(mut self, media: &str, schema: Value) -> Self {
        self.body = Some(json!({"required": true, "content": {media: {"schema": schema}}}));
        self
    }

    /// A JSON answer.
    pub(super) fn gives(self, status: &str, schema: Value) -> Self {
        self.gives_as(status, "application/json", schema)
    }

    pub(super) fn gives_as(self, status: &str, media: &str, schema: Value) -> Self {
        self.responds(status, json!({"description": "An answer.", "content": {media: {"schema": schema}}}))
    }

    /// An answer without a body.
    pub(super) fn gives_nothing(self, status: &str) -> Self {
        self.responds(status, json!({"description": "Done."}))
    }

    pub(super) fn responds(mut self, status: &str, response: Value) -> Self {
        self.responses.insert(status.to_owned(), response);
        self
    }

    /// Documented header of an answer that was given before.
    pub(super) fn header(mut self, status: &str, name: &str, schema: Value) -> Self {
        if let Some(response) = self.responses.get_mut(status) {
            response["headers"][name] = json!({"required": true, "schema": schema});
        }
        self
    }

    /// `[{"bearer": []}]`, or with `{}` in it: optional.
    pub(super) fn secured(mut self, security: Value) -> Self {
        self.security = Some(security);
        self
    }

    /// While the mutant is alive, this constraint is not enforced.
    pub(super) fn lapse(self, mutant: &'static str, slot: &'static str, keyword: &'static str) -> Self {
        self.lax(Some(mutant), slot, keyword)
    }

    /// A constraint that is rightly not enforced.
    pub(super) fn lax(mut self, mutant: Option<&'static str>, slot: &'static str, keyword: &'static str) -> Self {
        if let Some(lapses) = Arc::get_mut(&mut self.lapses) {
            lapses.push(Lapse { mutant, slot, keyword });
        }
        self
    }

    /// Not in the document.
    pub(super) fn hidden(mut self) -> Self {
        self.hidden = true;
        self
    }

    pub(super) fn stray(mut self, stray: Stray) -> Self {
        self.stray = Some(stray);
        self
    }

    pub(super) fn answer(mut self, answer: impl for<'a> Fn(&Call<'a>) -> Response + Send + Sync + 'static) -> Self {
        self.answer = Arc::new(answer);
        self
    }

    /// The values of the parameters in the path, decoded, if the path is this operation's.
    pub(super) fn captures(&self, path: &str) -> Option<Vec<(String, String)>> {
        let (ours, theirs): (Vec<&str>, Vec<&str>) = (self.path.split('/').collect(), path.split('/').collect());
        if ours.len() != theirs.len() {
            return None;
        }
        let mut found = Vec::new();
        for (our, their) in ours.into_iter().zip(theirs) {
            match our.strip_prefix('{').and_then(|name| name.strip_suffix('}')) {
                Some(name) => found.push((name.to_owned(), decoded(their)?)),
                None if our == their => {}
                None => return None,
            }
        }
        Some(found)
    }
}

/// Percent-decoded; none when that is no UTF-8.
fn decoded(segment: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(segment.len());
    let mut rest = segment.as_bytes();
    while let Some((first, tail)) = rest.split_first() {
        let hex = tail.get(..2).filter(|_| *first == b'%').and_then(|two| std::str::from_utf8(two).ok());
        match hex.and_then(|two| u8::from_str_radix(two, 16).ok()) {
            Some(byte) => {
                bytes.push(byte);
                rest = &tail[2..];
            }
            None => {
                bytes.push(*first);
                rest = tail;
            }
        }
    }
    String::from_utf8(bytes).ok()
}
