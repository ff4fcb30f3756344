//! F026: a body that is broken as bytes.

use super::{is_accepted, is_contractual};
use crate::check::{Check, CheckInfo, Context, Exchange, Proof, Suspicion};
use crate::classify::WireTruth;
use crate::finding::Severity;
use crate::generate::Intent;

/// F026.
pub(super) struct MalformedBody;

static INFO: CheckInfo = CheckInfo {
    id: "F026",
    title: "Malformed body is accepted",
    description: "A body that cannot be parsed was answered with success.",
    remediation: "Answer 400 to bodies that cannot be parsed.",
    cwe: &["CWE-20"],
    owasp: None,
};

impl Check for MalformedBody {
    fn info(&self) -> &'static CheckInfo {
        &INFO
    }

    fn applies(&self, cx: &Context<'_>, exchange: &Exchange) -> bool {
        is_ours(exchange) && is_contractual(cx, exchange) && cx.has_positive_control && exchange.response().is_some()
    }

    fn judge(&self, cx: &Context<'_>, exchange: &Exchange) -> Vec<Suspicion> {
        let Some(Intent::MalformedBody { kind }) = exchange.case.as_ref().map(|case| &case.intent) else {
            return Vec::new();
        };
        let is_optional = *kind == "empty" && cx.operation.body.as_ref().is_none_or(|body| !body.required);
        if is_optional || !is_accepted(exchange) {
            return Vec::new();
        }
        let status = exchange.status().unwrap_or_default();
        let explanation = format!("A malformed body ({kind}) was answered {status}; expected is a 4xx status.");
        vec![Suspicion::new(Severity::Medium, "body", *kind, explanation).proof(Proof::RepeatWithControl)]
    }
}

/// Only what is malformed under every reading: parsers may take the last of duplicate keys and skip a byte order mark.
fn is_ours(exchange: &Exchange) -> bool {
    let intent = exchange.case.as_ref().map(|case| &case.intent);
    let malformed =
        matches!(intent, Some(Intent::MalformedBody { kind }) if !matches!(*kind, "duplicate-keys" | "bom"));
    malformed && matches!(exchange.truth, WireTruth::Negative { .. })
}
