//! F081: who is known is asked who they are.

use super::{grants_credentials, is_contractual};
use crate::check::{Check, CheckInfo, Context, Exchange, Proof, Suspicion};
use crate::classify::WireTruth;
use crate::finding::Severity;

/// F081.
pub(super) struct UnauthorisedForForbidden;

static INFO: CheckInfo = CheckInfo {
    id: "F081",
    title: "401 although authenticated",
    description: "Credentials that other protected operations accept were answered 401. Clients sign in again and again where 403 would tell them that it is of no use.",
    remediation: "Answer 403 to users who are known and not allowed (RFC 9110, section 15.5.4).",
    cwe: &[],
    owasp: None,
};

impl Check for UnauthorisedForForbidden {
    fn info(&self) -> &'static CheckInfo {
        &INFO
    }

    fn applies(&self, cx: &Context<'_>, exchange: &Exchange) -> bool {
        let is_head = exchange.request.method == "HEAD" && cx.operation.method == "GET";
        cx.identity_works
            && !cx.has_positive_control
            && cx.operation.is_protected()
            && exchange.truth == WireTruth::Positive
            && (is_contractual(cx, exchange) || is_head)
            && !grants_credentials(cx.operation)
    }

    fn judge(&self, _cx: &Context<'_>, exchange: &Exchange) -> Vec<Suspicion> {
        if exchange.status() != Some(401) {
            return Vec::new();
        }
        let explanation = "The answer is 401 to credentials that other protected operations accept; expected is 403.";
        vec![Suspicion::new(Severity::Info, "", "401", explanation).proof(Proof::RepeatWithWitness)]
    }
}
