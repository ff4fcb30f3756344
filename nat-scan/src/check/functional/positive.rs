//! F021: a valid request is rejected.

use serde_json::Value;

use super::{grants_credentials, is_contractual};
use crate::check::shape::complaint;
use crate::check::{Check, CheckInfo, Context, Exchange, Proof, Suspicion};
use crate::classify::WireTruth;
use crate::finding::Severity;
use crate::generate::plan::COMBINATION;
use crate::generate::{BodyValue, Case, Intent, Phase};

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
        // A key that was used for another request before is refused by right.
        let keyed = exchange.request.headers.iter().any(|(name, _)| name.to_ascii_lowercase().contains("idempotency"));
        let positive = exchange.truth == WireTruth::Positive && is_ours(exchange);
        let judged = positive && !keyed && is_contractual(cx, exchange);
        judged && !grants_credentials(cx.operation) && exchange.response().is_some()
    }

    fn judge(&self, cx: &Context<'_>, exchange: &Exchange) -> Vec<Suspicion> {
        let Some(status @ (400 | 422)) = exchange.status() else { return Vec::new() };
        let about = exchange.case.as_ref().map(|case| format!(" ({})", case.label)).unwrap_or_default();
        let explanation = format!("A request that is valid by the document{about} was answered {status}.");
        if !cx.has_positive_control {
            // No valid request was ever accepted: ids or states that we cannot know may be the reason.
            let unknown = Suspicion::new(Severity::Info, "", "rejected", explanation);
            return vec![unknown.proof(Proof::TwoSamples)];
        }
        let suspicion = match exchange.case.as_ref().and_then(difference) {
            // One thing is different from a request that is accepted: that is the constraint.
            Some(label) => {
                let what = complaint(exchange).unwrap_or_else(|| label.to_owned());
                Suspicion::new(Severity::Low, "", format!("rejected|{what}"), explanation)
                    .cause(format!("F021|{what}"))
                    .proof(Proof::RepeatWithControl)
            }
            None => Suspicion::new(Severity::Low, "", "rejected", explanation).proof(Proof::TwoSamples),
        };
        vec![suspicion]
    }
}

/// What is different from the valid request that the operation accepts, when it is one thing and nothing in it is made
/// up that might have to exist.
fn difference(case: &Case) -> Option<&str> {
    let nothing = |body: &BodyValue| match body {
        BodyValue::Typed { value: Value::Object(members), .. } => members.is_empty(),
        _ => false,
    };
    let is_empty = case.arguments.is_empty() && case.body.as_ref().is_none_or(nothing);
    let is_one = case.phase == Phase::Coverage && !case.label.starts_with(COMBINATION);
    (is_one || is_empty).then_some(&case.label)
}

/// Rejected examples of the document are F030.
fn is_ours(exchange: &Exchange) -> bool {
    exchange.case.as_ref().is_some_and(|case| case.intent == Intent::Positive && case.phase != Phase::Examples)
}
