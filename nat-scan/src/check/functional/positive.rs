//! F021: a valid request is rejected.

use super::{grants_credentials, is_contractual};
use crate::check::{Check, CheckInfo, Context, Exchange, Proof, Suspicion};
use crate::classify::WireTruth;
use crate::finding::Severity;
use crate::generate::{Intent, Phase};

/// F021.
pub(super) struct PositiveRejected;

static INFO: CheckInfo = CheckInfo {
    id: "F021",
    title: "Valid data is rejected",
    description: "A request that keeps every documented constraint was answered 400 or 422: there is a constraint that is not documented.",
    remediation: "Document the constraint (pattern, range, required member), or accept the request.",
    cwe: &[],
    owasp: None,
};

impl Check for PositiveRejected {
    fn info(&self) -> &'static CheckInfo {
        &INFO
    }

    fn applies(&self, cx: &Context<'_>, exchange: &Exchange) -> bool {
        let judged = exchange.truth == WireTruth::Positive && is_ours(exchange) && is_contractual(cx, exchange);
        judged && !grants_credentials(cx.operation) && exchange.response().is_some()
    }

    fn judge(&self, cx: &Context<'_>, exchange: &Exchange) -> Vec<Suspicion> {
        let Some(status @ (400 | 422)) = exchange.status() else { return Vec::new() };
        // When no valid request was ever accepted, ids or states that we cannot know may be the reason.
        let severity = if cx.has_positive_control { Severity::Low } else { Severity::Info };
        let about = exchange.case.as_ref().map(|case| format!(" ({})", case.label)).unwrap_or_default();
        let explanation = format!("A request that is valid by the document{about} was answered {status}.");
        vec![Suspicion::new(severity, "", "rejected", explanation).proof(Proof::TwoSamples)]
    }
}

/// Rejected examples of the document are F030.
fn is_ours(exchange: &Exchange) -> bool {
    exchange.case.as_ref().is_some_and(|case| case.intent == Intent::Positive && case.phase != Phase::Examples)
}
