//! F082: a documented operation that does not exist.

use super::is_contractual;
use crate::check::{Check, CheckInfo, Context, Exchange, Suspicion};
use crate::classify::WireTruth;
use crate::finding::Severity;
use crate::generate::Intent;
use crate::spec::StatusPattern;

/// F082.
pub(super) struct MissingOperation;

static INFO: CheckInfo = CheckInfo {
    id: "F082",
    title: "Documented operation does not exist",
    description: "Every valid request to a documented operation is answered 404, 405 or 501.",
    remediation: "Implement the operation, or remove it from the document.",
    cwe: &[],
    owasp: Some("API9:2023"),
};

impl Check for MissingOperation {
    fn info(&self) -> &'static CheckInfo {
        &INFO
    }

    fn applies(&self, cx: &Context<'_>, exchange: &Exchange) -> bool {
        let valid = exchange.case.as_ref().is_some_and(|case| case.intent == Intent::Positive && case.method.is_none());
        valid && exchange.truth == WireTruth::Positive && is_contractual(cx, exchange) && !cx.has_positive_control
    }

    fn judge(&self, cx: &Context<'_>, exchange: &Exchange) -> Vec<Suspicion> {
        let Some(status) = exchange.status() else { return Vec::new() };
        let documented = cx.operation.responses.iter().any(|response| response.status == StatusPattern::Exact(status));
        // A path, parameters or a body can name what does not exist; then 404 is about that.
        let names_nothing = !cx.operation.path.contains('{') && !exchange.request.target.contains('?');
        let nothing_there = status == 404 && names_nothing && exchange.request.body.is_none();
        if documented || !(nothing_there || matches!(status, 405 | 501)) {
            return Vec::new();
        }
        let explanation =
            format!("A valid request to the documented operation was answered {status}, and none succeeded.");
        // What the status is does not tell one defect from another: the operation is missing.
        vec![Suspicion::new(Severity::Medium, "", "missing", explanation)]
    }
}
