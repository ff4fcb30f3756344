//! One request to the farm, read and judged, and the answers that handlers give.

use std::collections::BTreeSet;

use axum::body::Body;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::Response;
use bytes::Bytes;
use serde_json::{Map, Value, json};

use super::op::Op;
use super::rule::{Fault, fault, faults, typed};
use super::shelf::Shelves;

/// Which mutants are alive.
#[derive(Clone, Debug, Default)]
pub struct Switches(BTreeSet<&'static str>);

impl Switches {
    /// Everything is right.
    #[must_use]
    pub fn none() -> Self {
        Self::default()
    }

    /// Every defect that a functional scan finds.
    #[must_use]
    pub fn all() -> Self {
        Self::of(super::FUNCTIONAL)
    }

    /// These defects.
    #[must_use]
    pub fn of(mutants: &[super::Mutant]) -> Self {
        Self(mutants.iter().map(|mutant| mutant.id).collect())
    }

    pub(super) fn has(&self, id: &str) -> bool {
        self.0.contains(id)
    }
}

/// What the farm knows between requests.
pub(super) struct Farm {
    pub(super) on: Switches,
    pub(super) shelves: Shelves,
}

/// The parts of a request as they came.
pub(super) struct Raw {
    pub(super) method: String,
    pub(super) query: Vec<(String, String)>,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
}

/// A request that was read, and found right but for what the operation is lax about.
pub(super) struct Call<'a> {
    pub(super) farm: &'a Farm,
    pub(super) raw: &'a Raw,
    pub(super) path: Vec<(String, String)>,
    pub(super) query: Map<String, Value>,
    pub(super) body: Value,
}

impl<'a> Call<'a> {
    /// The answer is what is wrong with the request.
    pub(super) fn read(
        farm: &'a Farm,
        op: &Op,
        raw: &'a Raw,
        path: Vec<(String, String)>,
    ) -> Result<Self, Box<Response>> {
        let mut wrong = Vec::new();
        let mut query = Map::new();
        for parameter in &op.parameters {
            let name = parameter["name"].as_str().unwrap_or_default();
            let place = parameter["in"].as_str().unwrap_or_default();
            let slot = format!("{place} {name}");
            let texts: Vec<&str> = match place {
                "query" => raw.query.iter().filter(|(key, _)| key == name).map(|(_, text)| text.as_str()).collect(),
                "path" => path.iter().filter(|(key, _)| key == name).map(|(_, text)| text.as_str()).collect(),
                _ => raw.headers.get(name).and_then(|value| value.to_str().ok()).into_iter().collect(),
            };
            if texts.is_empty() {
                if parameter["required"] == Value::Bool(true) {
                    wrong.push(fault(&slot, "required"));
                }
                continue;
            }
            let value = typed(&parameter["schema"], &texts);
            faults(&parameter["schema"], &value, &slot, &mut wrong);
            if place == "query" {
                query.insert(name.to_owned(), value);
            }
        }
        let body = body(op, raw, &mut wrong);
        let forgiven = |fault: &Fault| {
            let is_it = |lapse: &&super::op::Lapse| {
                (lapse.slot == "*" || lapse.slot == fault.slot) && lapse.keyword == fault.keyword
            };
            op.lapses.iter().find(is_it).is_some_and(|lapse| lapse.mutant.is_none_or(|id| farm.on.has(id)))
        };
        wrong.retain(|fault| !forgiven(fault));
        match wrong.first() {
            None => Ok(Self { farm, raw, path, query, body }),
            Some(Fault { keyword: "media-type", .. }) => Err(Box::new(error(415, "the media type is not supported"))),
            Some(Fault { keyword: "syntax", .. }) => Err(Box::new(error(400, "the body cannot be parsed"))),
            Some(fault) if fault.slot.starts_with("path ") => Err(Box::new(error(404, "no such thing"))),
            Some(fault) => Err(Box::new(error(422, &format!("{} breaks {}", fault.slot, fault.keyword)))),
        }
    }

    pub(super) fn on(&self, mutant: &str) -> bool {
        self.farm.on.has(mutant)
    }

    pub(super) fn path(&self, name: &str) -> &str {
        self.path.iter().find(|(key, _)| key == name).map_or("", |(_, value)| value)
    }

    pub(super) fn text(&self, name: &str) -> Option<&str> {
        self.query.get(name).and_then(Value::as_str)
    }

    pub(super) fn integer(&self, name: &str) -> Option<i64> {
        self.query.get(name).and_then(Value::as_i64)
    }

    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.raw.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// The user that the bearer token names.
    pub(super) fn user(&self) -> Option<String> {
        let token = self.header("authorization")?.strip_prefix("Bearer ")?;
        self.farm.shelves.user_of(token)
    }
}

fn body(op: &Op, raw: &Raw, wrong: &mut Vec<Fault>) -> Value {
    let Some(documented) = &op.body else { return Value::Null };
    let content_type = raw.headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    if raw.body.is_empty() && content_type.is_none() {
        if documented["required"] == Value::Bool(true) {
            wrong.push(fault("body", "required"));
        }
        return Value::Null;
    }
    let media = content_type.and_then(|value| value.split(';').next()).unwrap_or_default().trim().to_ascii_lowercase();
    let Some(content) = documented["content"].get(&media) else {
        wrong.push(fault("body", "media-type"));
        return serde_json::from_slice(&raw.body).unwrap_or_default();
    };
    if media == "text/plain" {
        return match std::str::from_utf8(&raw.body) {
            Ok(text) => {
                let text = Value::from(text);
                faults(&content["schema"], &text, "body", wrong);
                text
            }
            Err(_) => {
                wrong.push(fault("body", "syntax"));
                Value::Null
            }
        };
    }
    // A byte order mark is no fault: parsers may skip it (RFC 8259, section 8.1).
    let bytes = raw.body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&raw.body);
    match serde_json::from_slice::<Value>(bytes) {
        Ok(value) => {
            faults(&content["schema"], &value, "body", wrong);
            value
        }
        Err(_) => {
            wrong.push(fault("body", "syntax"));
            Value::Null
        }
    }
}

/// An answer with headers and these bytes.
pub(super) fn reply(status: u16, headers: &[(&'static str, &str)], body: impl Into<Body>) -> Response {
    let mut response = Response::new(body.into());
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    for (name, value) in headers {
        set(&mut response, name, value);
    }
    response
}

pub(super) fn json(status: u16, value: Value) -> Response {
    reply(status, &[("content-type", "application/json")], value.to_string())
}

pub(super) fn error(status: u16, why: &str) -> Response {
    json(status, json!({"error": why}))
}

pub(super) fn empty(status: u16) -> Response {
    reply(status, &[], Body::empty())
}

pub(super) fn set(response: &mut Response, name: &'static str, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        response.headers_mut().insert(HeaderName::from_static(name), value);
    }
}

/// 401 that says how to do better.
pub(super) fn who_are_you() -> Response {
    let mut response = error(401, "credentials are missing or wrong");
    set(&mut response, "www-authenticate", "Bearer");
    response
}
