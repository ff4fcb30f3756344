//! F025: a media type that nobody knows.

use super::is_accepted;
use crate::check::{Check, CheckInfo, Context, Exchange, Proof, Suspicion};
use crate::finding::Severity;
use crate::generate::Intent;

/// F025.
pub(super) struct UnsupportedMediaType;

static INFO: CheckInfo = CheckInfo {
    id: "F025",
    title: "Unsupported Content-Type is accepted",
    description: "A body under a media type that is not documented and that nobody knows was answered with success: the Content-Type is not looked at.",
    remediation: "Answer 415 to media types that are not documented (RFC 9110, section 15.5.16).",
    cwe: &[],
    owasp: None,
};

impl Check for UnsupportedMediaType {
    fn info(&self) -> &'static CheckInfo {
        &INFO
    }

    fn applies(&self, cx: &Context<'_>, exchange: &Exchange) -> bool {
        let ours = exchange.case.as_ref().is_some_and(|case| case.intent == Intent::UnsupportedMediaType);
        ours && cx.has_positive_control && exchange.response().is_some()
    }

    fn judge(&self, cx: &Context<'_>, exchange: &Exchange) -> Vec<Suspicion> {
        // Who can do without a body may skip one that cannot be read.
        if !is_accepted(exchange) || cx.operation.body.as_ref().is_none_or(|body| !body.required) {
            return Vec::new();
        }
        let status = exchange.status().unwrap_or_default();
        let explanation = format!("A body of an unknown media type was answered {status}; expected is 415.");
        vec![
            Suspicion::new(Severity::Info, "header Content-Type", "accepted", explanation)
                .proof(Proof::RepeatWithControl),
        ]
    }
}
