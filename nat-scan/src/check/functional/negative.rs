//! F020: a faulty request is accepted.

use super::{is_accepted, is_contractual, slot_name, slot_of};
use crate::check::{Check, CheckInfo, Context, Exchange, Proof, Suspicion};
use crate::classify::WireTruth;
use crate::finding::Severity;
use crate::generate::Intent;
use crate::schema::Violation;

/// F020.
pub(super) struct NegativeAccepted;

static INFO: CheckInfo = CheckInfo {
    id: "F020",
    title: "Faulty data is accepted",
    description: "A request that breaks a constraint of the document was answered with success.",
    remediation: "Validate requests against the documented constraints and answer 400 or 422, or drop the constraint from the document.",
    cwe: &["CWE-20"],
    owasp: None,
};

impl Check for NegativeAccepted {
    fn info(&self) -> &'static CheckInfo {
        &INFO
    }

    fn applies(&self, cx: &Context<'_>, exchange: &Exchange) -> bool {
        let judged = matches!(exchange.truth, WireTruth::Negative { .. }) && is_ours(exchange);
        judged && is_contractual(cx, exchange) && cx.has_positive_control && exchange.response().is_some()
    }

    fn judge(&self, _cx: &Context<'_>, exchange: &Exchange) -> Vec<Suspicion> {
        let WireTruth::Negative { violations, hard } = &exchange.truth else { return Vec::new() };
        if !is_accepted(exchange) {
            return Vec::new();
        }
        // An object for a text in a query leaves the parameter out; what is missing on the wire is F022.
        if violations.iter().all(|violation| violation.keyword == "required") {
            return Vec::new();
        }
        let Some((location, keyword)) = what_is_wrong(exchange, violations) else { return Vec::new() };
        let severity = if *hard { Severity::Medium } else { Severity::Low };
        let status = exchange.status().unwrap_or_default();
        let explanation = format!(
            "The request breaks '{keyword}' of {location} and was still answered {status}; expected is a 4xx status."
        );
        vec![Suspicion::new(severity, location, keyword, explanation).proof(Proof::RepeatWithControl)]
    }
}

/// Missing parts, other methods and broken bytes have checks of their own.
fn is_ours(exchange: &Exchange) -> bool {
    match exchange.case.as_ref().map(|case| &case.intent) {
        Some(Intent::Positive) => true,
        Some(Intent::Negative { keyword, .. }) => keyword != "required",
        _ => false,
    }
}

/// Slot and keyword: what the case was meant to break if the bytes show it, else the first thing that is broken.
fn what_is_wrong(exchange: &Exchange, violations: &[Violation]) -> Option<(String, String)> {
    if let Some(Intent::Negative { slot, keyword }) = exchange.case.as_ref().map(|case| &case.intent) {
        let meant = slot_name(slot);
        if violations.iter().any(|violation| slot_of(&violation.instance_path).starts_with(slot.location)) {
            return Some((meant, keyword.clone()));
        }
    }
    violations.first().map(|violation| (slot_of(&violation.instance_path), violation.keyword.clone()))
}
