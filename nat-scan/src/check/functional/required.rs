//! F022: a required part is missing and nobody minds.

use serde_json::Value;

use super::{is_accepted, is_contractual, slot_name};
use crate::check::{Check, CheckInfo, Context, Exchange, Proof, Suspicion};
use crate::classify::WireTruth;
use crate::finding::Severity;
use crate::generate::{Intent, Slot};
use crate::schema::Schema;
use crate::spec::Operation;

/// F022.
pub(super) struct MissingRequired;

static INFO: CheckInfo = CheckInfo {
    id: "F022",
    title: "Missing required part is accepted",
    description: "A request without a required parameter, body or member was answered with success.",
    remediation: "Reject requests that lack a required part, or make the part optional in the document.",
    cwe: &["CWE-20"],
    owasp: None,
};

impl Check for MissingRequired {
    fn info(&self) -> &'static CheckInfo {
        &INFO
    }

    fn applies(&self, cx: &Context<'_>, exchange: &Exchange) -> bool {
        let judged = left_out(exchange).is_some() && matches!(exchange.truth, WireTruth::Negative { .. });
        judged && is_contractual(cx, exchange) && cx.has_positive_control && exchange.response().is_some()
    }

    fn judge(&self, cx: &Context<'_>, exchange: &Exchange) -> Vec<Suspicion> {
        let Some(slot) = left_out(exchange) else { return Vec::new() };
        if !is_accepted(exchange) || has_default(cx.operation, slot) {
            return Vec::new();
        }
        let location = slot_name(slot);
        let status = exchange.status().unwrap_or_default();
        let explanation = format!("The required {location} was left out and the answer is still {status}.");
        vec![Suspicion::new(Severity::Medium, location, "required", explanation).proof(Proof::RepeatWithControl)]
    }
}

/// A whole parameter or body, or a member of the body.
fn left_out(exchange: &Exchange) -> Option<&Slot> {
    match &exchange.case.as_ref()?.intent {
        Intent::MissingRequired { slot } => Some(slot),
        Intent::Negative { slot, keyword } if keyword == "required" => Some(slot),
        _ => None,
    }
}

/// A required part with a default contradicts itself; a server that fills it in is right too.
fn has_default(operation: &Operation, slot: &Slot) -> bool {
    if slot.location != "body" {
        let mut parameters = operation.parameters.iter();
        let parameter = parameters.find(|found| found.location.as_str() == slot.location && found.name == slot.name);
        return parameter.is_some_and(|parameter| default_at(&parameter.schema, ""));
    }
    let content = operation.body.iter().flat_map(|body| &body.content);
    content.filter_map(|media| media.schema.as_ref()).any(|schema| default_at(schema, &slot.name))
}

fn default_at(schema: &Schema, pointer: &str) -> bool {
    let mut node = schema.resolve(schema.node());
    for segment in pointer.split('/').skip(1) {
        let next = if segment == "[]" { node.get("items") } else { property(schema, node, segment) };
        let Some(next) = next else { return false };
        node = schema.resolve(next);
    }
    node.get("default").is_some()
}

fn property<'a>(schema: &'a Schema, node: &'a Value, name: &str) -> Option<&'a Value> {
    let own = node.get("properties").and_then(|properties| properties.get(name));
    let parts = node.get("allOf").and_then(Value::as_array).into_iter().flatten();
    own.or_else(|| {
        parts
            .map(|part| schema.resolve(part))
            .find_map(|part| part.get("properties").and_then(|properties| properties.get(name)))
    })
}
