//! F023: a method that nobody documented.

use super::is_accepted;
use crate::check::{Check, CheckInfo, Context, Exchange, Suspicion};
use crate::finding::Severity;
use crate::generate::Intent;

/// F023.
pub(super) struct UndocumentedMethod;

static INFO: CheckInfo = CheckInfo {
    id: "F023",
    title: "Undocumented method is accepted",
    description: "The path answers a method with success that the document does not list.",
    remediation: "Document the method, or answer 405 with an Allow header.",
    cwe: &["CWE-650"],
    owasp: None,
};

impl Check for UndocumentedMethod {
    fn info(&self) -> &'static CheckInfo {
        &INFO
    }

    fn applies(&self, cx: &Context<'_>, exchange: &Exchange) -> bool {
        let is_ours = exchange.case.as_ref().is_some_and(|case| case.intent == Intent::UndocumentedMethod);
        is_ours
            && !matches!(exchange.request.method.as_str(), "HEAD" | "OPTIONS" | "TRACE" | "CONNECT")
            && exchange.response().is_some()
            && !is_documented_elsewhere(cx, &exchange.request.method)
    }

    fn judge(&self, _cx: &Context<'_>, exchange: &Exchange) -> Vec<Suspicion> {
        if !is_accepted(exchange) {
            return Vec::new();
        }
        let (method, status) = (&exchange.request.method, exchange.status().unwrap_or_default());
        let explanation = format!("{method} is not documented for this path and was answered {status}, not 405.");
        vec![Suspicion::new(Severity::Low, format!("method {method}"), "accepted", explanation)]
    }
}

/// Another template that overlaps (`/users/me` and `/users/{id}`) may own the method.
fn is_documented_elsewhere(cx: &Context<'_>, method: &str) -> bool {
    let mut others = cx.api.operations.iter().filter(|other| other.method.eq_ignore_ascii_case(method));
    others.any(|other| overlap(&other.path, &cx.operation.path))
}

pub(super) fn overlap(one: &str, other: &str) -> bool {
    let (one, other): (Vec<&str>, Vec<&str>) = (one.split('/').collect(), other.split('/').collect());
    one.len() == other.len() && one.iter().zip(&other).all(|(a, b)| a == b || a.contains('{') || b.contains('{'))
}
