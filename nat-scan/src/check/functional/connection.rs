//! F002: a request gets no proper answer.

use crate::check::{Check, CheckInfo, Context, Exchange, Proof, Suspicion};
use crate::classify::WireTruth;
use crate::finding::{Confidence, Severity};
use crate::generate::Case;
use crate::transport::TransportError;

/// F002.
pub(super) struct ConnectionFailure;

static INFO: CheckInfo = CheckInfo {
    id: "F002",
    title: "Connection failure",
    description: "A request that reached the server got no complete HTTP answer: the handler crashed, hung, or writes broken HTTP.",
    remediation: "Look for a crash, a hang or a wrong Content-Length in the handler of this operation.",
    cwe: &["CWE-248"],
    owasp: None,
};

impl Check for ConnectionFailure {
    fn info(&self) -> &'static CheckInfo {
        &INFO
    }

    fn applies(&self, _cx: &Context<'_>, exchange: &Exchange) -> bool {
        // Who refuses a large body may close the connection; the rest is F029.
        !matches!(&exchange.result, Err(error) if !is_answer_fault(error))
            && !exchange.case.as_ref().is_some_and(Case::is_large)
    }

    fn judge(&self, cx: &Context<'_>, exchange: &Exchange) -> Vec<Suspicion> {
        let Err(error) = &exchange.result else { return Vec::new() };
        let is_valid = exchange.truth == WireTruth::Positive;
        if !is_valid && !cx.has_positive_control {
            return Vec::new();
        }
        // A valid request that breaks the connection needs no other beside it. One that had to wait may have waited for
        // another that keeps the target busy.
        let waited = matches!(error, TransportError::Timeout(_)) && cx.has_positive_control;
        let proof = if is_valid && !waited { Proof::Repeat } else { Proof::RepeatWithControl };
        let severity = match error {
            TransportError::Timeout(_) | TransportError::HeadTooLarge | TransportError::DecompressionBomb => {
                Severity::Medium
            }
            _ => Severity::High,
        };
        let about = exchange.case.as_ref().map(|case| format!(" ({})", case.label)).unwrap_or_default();
        vec![
            Suspicion::new(severity, "", error.kind(), format!("The request{about} got no proper answer: {error}."))
                .confidence(Confidence::Confirmed)
                .proof(proof),
        ]
    }
}

/// Whether the server is at fault, rather than the way to it or the scan itself.
fn is_answer_fault(error: &TransportError) -> bool {
    matches!(
        error,
        TransportError::Reset
            | TransportError::Empty
            | TransportError::Incomplete
            | TransportError::Malformed(_)
            | TransportError::HeadTooLarge
            | TransportError::DecompressionBomb
            | TransportError::Timeout(_)
    )
}
