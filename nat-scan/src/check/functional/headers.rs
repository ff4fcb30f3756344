//! F014: headers that the document promises.

use serde_json::Value;

use super::{documented_response, is_contractual};
use crate::check::{Check, CheckInfo, Context, Exchange, Suspicion};
use crate::finding::{Confidence, Severity};
use crate::schema::{Direction, Schema};
use crate::spec::{HeaderSpec, ResponseSpec, Style};
use crate::transport::Response;

/// F014.
pub(super) struct ResponseHeaders;

static INFO: CheckInfo = CheckInfo {
    id: "F014",
    title: "Response header missing or wrong",
    description: "A documented header of the answer is missing, or its value does not fit its schema.",
    remediation: "Send the header as documented, or correct the document.",
    cwe: &[],
    owasp: None,
};

impl Check for ResponseHeaders {
    fn info(&self) -> &'static CheckInfo {
        &INFO
    }

    fn applies(&self, cx: &Context<'_>, exchange: &Exchange) -> bool {
        is_contractual(cx, exchange) && documented_response(cx, exchange).is_some_and(|spec| !spec.headers.is_empty())
    }

    fn judge(&self, cx: &Context<'_>, exchange: &Exchange) -> Vec<Suspicion> {
        let (Some(response), Some(spec)) = (exchange.response(), documented_response(cx, exchange)) else {
            return Vec::new();
        };
        spec.headers.iter().filter_map(|header| judge_header(header, response, spec)).collect()
    }
}

fn judge_header(header: &HeaderSpec, response: &Response, spec: &ResponseSpec) -> Option<Suspicion> {
    // The document's own Content-Type entry is to be ignored (OpenAPI 3, Response Object).
    if header.name.eq_ignore_ascii_case("content-type") {
        return None;
    }
    let raise = |discriminant: &str, explanation: String| {
        let location = format!("header {}", header.name);
        let suspicion = Suspicion::new(Severity::Low, location, discriminant, explanation);
        Some(suspicion.confidence(Confidence::Confirmed).pointer(spec.pointer.clone()))
    };
    let values: Vec<String> = response
        .headers
        .iter()
        .filter(|(name, _)| name.eq_ignore_ascii_case(&header.name))
        .map(|(_, value)| String::from_utf8_lossy(value).trim().to_owned())
        .collect();
    if values.is_empty() {
        let explanation = format!("Status {} lacks the required header {}.", response.status, header.name);
        return if header.required { raise("missing", explanation) } else { None };
    }
    let joined = values.join(", ");
    if readings(&joined, header).iter().any(|value| header.schema.is_valid(value, Direction::Response)) {
        return None;
    }
    let readings = readings(&joined, header);
    let broken = readings.first().map(|value| header.schema.violations(value, Direction::Response));
    let keyword = broken.and_then(|violations| violations.first().map(|violation| violation.keyword.clone()));
    let keyword = keyword.unwrap_or_else(|| "schema".to_owned());
    raise(&keyword, format!("The value of header {} does not fit its schema ({keyword}).", header.name))
}

/// Everything that the text can mean under its schema, the most specific first.
fn readings(text: &str, header: &HeaderSpec) -> Vec<Value> {
    let mut readings = Vec::new();
    let types = types(&header.schema);
    if types.iter().any(|kind| kind == "array") {
        let node = header.schema.resolve(header.schema.node());
        let items = header.schema.sibling(node.get("items").cloned().unwrap_or(Value::Bool(true)), "");
        let separator = match header.style {
            Style::SpaceDelimited => ' ',
            Style::PipeDelimited => '|',
            Style::TabDelimited => '\t',
            _ => ',',
        };
        let parts = text.split(separator).map(str::trim).filter(|part| !part.is_empty());
        readings.push(Value::Array(parts.map(|part| scalar(part, &types_of(&items))).collect()));
    }
    readings.push(scalar(text, &types));
    readings.push(Value::String(text.to_owned()));
    readings
}

fn types_of(schema: &Schema) -> Vec<String> {
    types(schema)
}

fn types(schema: &Schema) -> Vec<String> {
    match schema.resolve(schema.node()).get("type") {
        Some(Value::String(kind)) => vec![kind.clone()],
        Some(Value::Array(kinds)) => kinds.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
        _ => Vec::new(),
    }
}

fn scalar(text: &str, types: &[String]) -> Value {
    let wants = |kind: &str| types.iter().any(|wanted| wanted == kind);
    let number = || text.parse::<i64>().map(Value::from).ok().or_else(|| text.parse::<f64>().ok().map(Value::from));
    let read = match text {
        "true" if wants("boolean") => Some(Value::Bool(true)),
        "false" if wants("boolean") => Some(Value::Bool(false)),
        _ if wants("integer") || wants("number") => number(),
        _ => None,
    };
    read.unwrap_or_else(|| Value::String(text.to_owned()))
}
