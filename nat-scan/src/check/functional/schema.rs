//! F013: a body that does not fit its schema.

use std::collections::BTreeSet;

use serde_json::Value;

use super::media::{self, Media};
use super::{documented_response, has_contractual_body};
use crate::check::{Check, CheckInfo, Context, Exchange, Suspicion};
use crate::finding::{Confidence, Severity};
use crate::schema::{Direction, Schema, Violation};

/// A body that is another thing altogether breaks everything: the first few say it.
const MAX_PER_EXCHANGE: usize = 5;

/// F013.
pub(super) struct ResponseSchema;

static INFO: CheckInfo = CheckInfo {
    id: "F013",
    title: "Response does not match its schema",
    description: "The body of the answer breaks the schema that the document gives for it. Clients generated from the document will fail.",
    remediation: "Correct the answer, or the schema if the answer is what you want.",
    cwe: &[],
    owasp: None,
};

impl Check for ResponseSchema {
    fn info(&self) -> &'static CheckInfo {
        &INFO
    }

    fn applies(&self, cx: &Context<'_>, exchange: &Exchange) -> bool {
        has_contractual_body(cx, exchange) && exchange.json().is_some() && schema_of(cx, exchange).is_some()
    }

    fn judge(&self, cx: &Context<'_>, exchange: &Exchange) -> Vec<Suspicion> {
        let (Some(json), Some(schema), Some(response)) =
            (exchange.json(), schema_of(cx, exchange), exchange.response())
        else {
            return Vec::new();
        };
        let mut seen = BTreeSet::new();
        let violations = schema.violations(json, Direction::Response);
        violations
            .iter()
            .filter(|violation| seen.insert((&violation.schema_path, &violation.keyword)))
            .take(MAX_PER_EXCHANGE)
            .map(|violation| {
                let place = place(json, violation);
                let (at, location) = (format!("body {place}"), format!("response {place}"));
                let message = shortened(&violation.message);
                let explanation = format!("Status {}, {}: {message}.", response.status, at.trim_end());
                Suspicion::new(Severity::Medium, location.trim_end(), &violation.keyword, explanation)
                    .confidence(Confidence::Confirmed)
                    .pointer(schema.pointer())
                    .cause(cause(schema, violation))
            })
            .collect()
    }
}

fn schema_of<'a>(cx: &Context<'a>, exchange: &Exchange) -> Option<&'a Schema> {
    let spec = documented_response(cx, exchange)?;
    let actual = Media::parse(exchange.response()?.header("content-type")?)?;
    media::documented(spec, &actual)?.schema.as_ref()
}

/// One definition that many operations share is one cause.
fn cause(schema: &Schema, violation: &Violation) -> String {
    match violation.schema_path.rsplit_once("/$defs/") {
        Some((_, definition)) => format!("F013|{definition}"),
        None => format!("F013|{}{}", schema.pointer(), violation.schema_path),
    }
}

/// The place in the body without indices and without names that are data: `/items/[]/price`, `/prices/{}`.
fn place(json: &Value, violation: &Violation) -> String {
    let segments: Vec<&str> = violation.instance_path.split('/').skip(1).collect();
    let names = names_from_schema(&violation.schema_path);
    if names.len() == segments.len() {
        let named = names.iter().zip(&segments).map(|(name, segment)| name.unwrap_or(segment));
        return named.map(|name| format!("/{name}")).collect();
    }
    let mut place = String::new();
    let mut value = Some(json);
    for segment in segments {
        let is_index = matches!(value, Some(Value::Array(_)));
        place.push('/');
        place.push_str(if is_index { "[]" } else { segment });
        let key = segment.replace("~1", "/").replace("~0", "~");
        value = value.and_then(|value| match value {
            Value::Array(items) => key.parse().ok().and_then(|index: usize| items.get(index)),
            other => other.get(&key),
        });
    }
    place
}

/// What each step into the value is called, as the schema path tells: `None` for a property of its own name.
fn names_from_schema(schema_path: &str) -> Vec<Option<&'static str>> {
    let mut names = Vec::new();
    let mut steps = schema_path.split('/').skip(1).peekable();
    while let Some(step) = steps.next() {
        // The last step is the broken keyword itself and leads nowhere.
        if steps.peek().is_none() {
            break;
        }
        match step {
            "properties" => {
                steps.next();
                names.push(None);
            }
            "patternProperties" => {
                steps.next();
                names.push(Some("{}"));
            }
            "additionalProperties" | "unevaluatedProperties" => names.push(Some("{}")),
            "items" | "contains" | "additionalItems" | "unevaluatedItems" => names.push(Some("[]")),
            "prefixItems" => {
                steps.next();
                names.push(Some("[]"));
            }
            "allOf" | "anyOf" | "oneOf" => drop(steps.next()),
            _ => {}
        }
    }
    names
}

/// Messages may quote the whole value.
fn shortened(message: &str) -> String {
    match message.char_indices().nth(200) {
        Some((end, _)) => format!("{}…", &message[..end]),
        None => message.to_owned(),
    }
}
