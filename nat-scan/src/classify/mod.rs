//! What were the bytes really? The rule that keeps false alarms away: a request is negative only if its *wire form*
//! is invalid under a strict and under a lenient reading.

mod body;
mod reading;
pub(crate) mod wire;

use std::borrow::Cow;

use serde_json::Value;

use crate::generate::body::{Codec, essence};
use crate::generate::is_reserved_header;
use crate::schema::{Direction, Schema, Violation};
use crate::spec::{Location, MediaType, Operation, Parameter};
use crate::transport::Request;

use reading::{Form, Reading};

/// The verdict on sent bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WireTruth {
    /// Valid under both readings.
    Positive,
    /// Invalid under both; what a lenient server would still find wrong. `hard` when one of them is a missing required
    /// part, a wrong JSON type, an enum or malformed JSON.
    Negative {
        /// What is wrong; `instance_path` starts with the location, for example `/query/limit` or `/body/name`.
        violations: Vec<Violation>,
        /// Worth gating on.
        hard: bool,
    },
    /// Depends on the reader: only crash checks judge it.
    Ambiguous,
}

/// Reads the request as a server would and validates it with the operation's own schemas. `base_path` as in
/// [`crate::generate::render`].
#[must_use]
pub fn classify(operation: &Operation, request: &Request, base_path: &str) -> WireTruth {
    let same_method = request.method == operation.method || (request.method == "HEAD" && operation.method == "GET");
    let (path, query) = request.target.split_once('?').unwrap_or((&request.target, ""));
    let captured = path.strip_prefix(base_path).and_then(|path| wire::captures(&operation.path, path));
    let (true, Some(captured), Some(query)) = (same_method, captured, wire::pairs(query)) else {
        return WireTruth::Ambiguous;
    };
    let mut verdict = Verdict::default();
    if captured.iter().any(|(_, raw)| is_rerouted(raw)) {
        return WireTruth::Ambiguous;
    }
    let cookie = request.header("cookie").map(String::from_utf8_lossy).unwrap_or_default();
    let cookies = wire::cookies(&cookie);
    let taken: Vec<&str> = operation
        .parameters
        .iter()
        .filter(|parameter| parameter.location == Location::Query)
        .map(|parameter| parameter.name.as_str())
        .collect();
    for parameter in &operation.parameters {
        let read = match parameter.location {
            Location::Path => {
                captured.iter().find(|(name, _)| *name == parameter.name).and_then(|(_, raw)| read_path(parameter, raw))
            }
            Location::Query => read_pairs(parameter, &query, &taken, true),
            Location::Cookie => read_pairs(parameter, &cookies, &[], false).map(|mut reading| {
                // Nobody agrees on escapes in cookies.
                reading.fragile |= cookies.iter().any(|pair| pair.key == parameter.name && pair.raw.contains('%'));
                reading
            }),
            Location::Header if is_reserved_header(&parameter.name) => continue,
            Location::Header => match request.header(&parameter.name) {
                Some(value) => read_header(parameter, value),
                None => Some(Reading::default()),
            },
        };
        let place = || format!("/{}/{}", parameter.location.as_str(), escape(&parameter.name));
        match read {
            Some(reading) => verdict.judge(&parameter.schema, &reading, parameter.required, place),
            None => verdict.ambiguous = true,
        }
    }
    judge_body(operation, request, &mut verdict);
    verdict.into_truth()
}

/// Servers and proxies decode such segments before they route: another operation may answer.
fn is_rerouted(raw: &str) -> bool {
    let Some(text) = wire::decode(raw, false) else { return true };
    text.contains(|c: char| c.is_control() || matches!(c, '/' | '\\')) || text == "." || text == ".."
}

fn escape(key: &str) -> Cow<'_, str> {
    if key.contains(['~', '/']) { Cow::Owned(key.replace('~', "~0").replace('/', "~1")) } else { Cow::Borrowed(key) }
}

fn read_path(parameter: &Parameter, raw: &str) -> Option<Reading> {
    if parameter.content_type.is_some() {
        return Some(read_content(&wire::decode(raw, false)?));
    }
    let decoded = |raw| wire::decode(raw, false);
    reading::simple(&parameter.schema, parameter.style, parameter.explode, &parameter.name, raw, decoded)
}

fn read_header(parameter: &Parameter, value: &[u8]) -> Option<Reading> {
    let text = std::str::from_utf8(value).ok()?;
    let trimmed = text.trim();
    let mut reading = if parameter.content_type.is_some() {
        read_content(trimmed)
    } else {
        let (style, explode) = (crate::spec::Style::Simple, parameter.explode);
        reading::simple(&parameter.schema, style, explode, &parameter.name, trimmed, |raw| Some(Cow::Borrowed(raw)))?
    };
    reading.fragile |= !text.is_ascii() || trimmed != text;
    Some(reading)
}

fn read_pairs(parameter: &Parameter, pairs: &[wire::Pair<'_>], taken: &[&str], plus: bool) -> Option<Reading> {
    if parameter.content_type.is_some() {
        return match pairs.iter().find(|pair| pair.key == parameter.name) {
            Some(pair) => Some(read_content(&wire::decode(pair.raw, plus)?)),
            None => Some(Reading::default()),
        };
    }
    let how = Form { name: &parameter.name, style: parameter.style, explode: parameter.explode, plus };
    reading::form(&parameter.schema, how, pairs, taken)
}

/// A parameter that is a document of its own, JSON as a rule.
fn read_content(text: &str) -> Reading {
    match serde_json::from_str(text) {
        Ok(value) => Reading { strict: vec![value], ..Reading::default() },
        Err(_) => {
            let text = Value::String(text.to_owned());
            Reading { strict: vec![text], fragile: true, ..Reading::default() }
        }
    }
}

#[derive(Debug, Default)]
struct Verdict {
    violations: Vec<Violation>,
    hard: bool,
    ambiguous: bool,
}

impl Verdict {
    fn judge(&mut self, schema: &Schema, reading: &Reading, required: bool, place: impl Fn() -> String) {
        if reading.strict.is_empty() {
            match (required, reading.lenient.is_empty()) {
                (true, true) => self.missing(place()),
                (false, true) => {}
                _ => self.ambiguous = true,
            }
            return;
        }
        let valid = |value: &Value| schema.is_valid(value, Direction::Request);
        if reading.strict.iter().any(valid) {
            self.ambiguous |= reading.fragile;
        } else if (reading.maybe_absent && !required) || reading.lenient.iter().any(valid) {
            self.ambiguous = true;
        } else {
            // Of all readings the kindest: the fewest faults.
            let all = reading.strict.iter().chain(&reading.lenient).take(6);
            let hard = all.clone().all(|value| !reading::has_shape(schema, schema.node(), value));
            let kindest = all.map(|value| schema.violations(value, Direction::Request)).min_by_key(Vec::len);
            self.add(kindest.unwrap_or_default(), hard, &place());
        }
    }

    fn add(&mut self, violations: Vec<Violation>, hard: bool, place: &str) {
        self.hard |= hard;
        self.violations.extend(violations.into_iter().map(|mut violation| {
            violation.instance_path.insert_str(0, place);
            violation
        }));
    }

    fn missing(&mut self, place: String) {
        self.fatal(place, "required", "is required and missing".to_owned());
    }

    fn fatal(&mut self, place: String, keyword: &str, message: String) {
        self.hard = true;
        self.violations.push(Violation {
            instance_path: place,
            schema_path: format!("/{keyword}"),
            keyword: keyword.to_owned(),
            message,
        });
    }

    fn into_truth(self) -> WireTruth {
        if !self.violations.is_empty() {
            WireTruth::Negative { violations: self.violations, hard: self.hard }
        } else if self.ambiguous {
            WireTruth::Ambiguous
        } else {
            WireTruth::Positive
        }
    }
}

fn judge_body(operation: &Operation, request: &Request, verdict: &mut Verdict) {
    let content_type = request.header("content-type").map(String::from_utf8_lossy);
    let bytes = request.body.as_deref().filter(|bytes| !bytes.is_empty() || content_type.is_some());
    let (declared, bytes) = match (&operation.body, bytes) {
        (None, None) => return,
        (None, Some(_)) => {
            verdict.ambiguous = true;
            return;
        }
        (Some(declared), None) => {
            if declared.required {
                verdict.missing("/body".to_owned());
            }
            return;
        }
        (Some(declared), Some(bytes)) => (declared, bytes),
    };
    let Some((content_type, media)) = content_type
        .and_then(|kind| Some((declared_media(&declared.content, &kind)?, kind)))
        .map(|(media, kind)| (kind, media))
    else {
        verdict.ambiguous = true;
        return;
    };
    let codec = Codec::of(&content_type);
    if bytes.is_empty() && !matches!(codec, Codec::Form | Codec::Text | Codec::Opaque) {
        if declared.required {
            verdict.missing("/body".to_owned());
        } else {
            verdict.ambiguous = true;
        }
        return;
    }
    let any = Schema::any();
    let schema = media.schema.as_ref().unwrap_or(&any);
    let read = match codec {
        Codec::Json => return judge_json(schema, bytes, verdict),
        Codec::Form => body::form(schema, bytes),
        Codec::Multipart => body::multipart(schema, &content_type, bytes),
        Codec::Text => {
            std::str::from_utf8(bytes).ok().map(|text| reading::scalar(reading::types(schema, schema.node()), text))
        }
        Codec::Opaque => return,
        Codec::Xml => None,
    };
    match read {
        Some(reading) => verdict.judge(schema, &reading, declared.required, || "/body".to_owned()),
        None => verdict.ambiguous = true,
    }
}

fn judge_json(schema: &Schema, bytes: &[u8], verdict: &mut Verdict) {
    let (value, doubtful) = match body::json(bytes) {
        body::Json::Value { value, doubtful } => (value, doubtful),
        body::Json::Doubtful => {
            verdict.ambiguous = true;
            return;
        }
        body::Json::Malformed(error) => return verdict.fatal("/body".to_owned(), "json", error),
    };
    if schema.is_valid(&value, Direction::Request) {
        verdict.ambiguous |= doubtful;
        return;
    }
    let relaxed = body::relaxed(schema, schema.node(), &value, false);
    if relaxed != value && schema.is_valid(&relaxed, Direction::Request) {
        verdict.ambiguous = true;
        return;
    }
    // `null` for an optional property is what many servers take as absent: wrong, but not worth gating on.
    let without_nulls = body::relaxed(schema, schema.node(), &value, true);
    let hard = !reading::has_shape(schema, schema.node(), &without_nulls);
    verdict.add(schema.violations(&relaxed, Direction::Request), hard, "/body");
}

/// The documented media type that a content type falls under, exact before wildcard.
fn declared_media<'a>(content: &'a [MediaType], content_type: &str) -> Option<&'a MediaType> {
    let sent = essence(content_type);
    let exact = content.iter().find(|media| essence(&media.media_type) == sent);
    exact.or_else(|| {
        let kind = sent.split('/').next().unwrap_or_default();
        content.iter().find(|media| {
            let essence = essence(&media.media_type);
            essence == "*/*" || essence.is_empty() || essence.strip_suffix("/*") == Some(kind)
        })
    })
}

#[cfg(test)]
mod tests;
