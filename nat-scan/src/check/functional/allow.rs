//! F024: what `OPTIONS` says is what the document says.

use std::collections::BTreeSet;

use super::method::overlap;
use crate::check::{Check, CheckInfo, Context, Exchange, Suspicion};
use crate::finding::Severity;
use crate::generate::Intent;
use crate::spec::SpecVersion;

/// F024.
pub(super) struct AllowParity;

static INFO: CheckInfo = CheckInfo {
    id: "F024",
    title: "Allow differs from the document",
    description: "The Allow header of the answer to OPTIONS lists other methods than the document has for the path.",
    remediation: "Document the methods that exist, and remove or announce the others.",
    cwe: &[],
    owasp: None,
};

impl Check for AllowParity {
    fn info(&self) -> &'static CheckInfo {
        &INFO
    }

    fn applies(&self, cx: &Context<'_>, exchange: &Exchange) -> bool {
        let ours = exchange.case.as_ref().is_some_and(|case| case.intent == Intent::Options);
        // An answer about cross-origin requests comes from a layer that knows no routes.
        let answers = exchange.response().is_some_and(|response| {
            // A refusal of the method lists those that there are (RFC 9110, section 15.5.6).
            matches!(response.status, 200..300 | 405)
                && response.header("allow").is_some()
                && response.header("access-control-allow-methods").is_none()
        });
        ours && answers && cx.api.spec_version != SpecVersion::Inferred
    }

    fn judge(&self, cx: &Context<'_>, exchange: &Exchange) -> Vec<Suspicion> {
        let Some(allow) = exchange.response().and_then(|response| response.header("allow")) else { return Vec::new() };
        let allowed: BTreeSet<String> = allow.split(',').map(|method| method.trim().to_ascii_uppercase()).collect();
        if allowed.contains("*") {
            return Vec::new();
        }
        let documented = |wanted: &dyn Fn(&str) -> bool| -> BTreeSet<String> {
            let operations = cx.api.operations.iter().filter(|operation| wanted(&operation.path));
            operations.map(|operation| operation.method.clone()).collect()
        };
        let own = documented(&|path| path == cx.operation.path);
        // A template that overlaps may answer in the place of this one.
        let all = documented(&|path| overlap(path, &cx.operation.path));
        // What refuses a method is the framework, alike for all paths.
        let refused = exchange.status() == Some(405);
        let raise = |method: &String, what: &str, text: &str| {
            let explanation = format!("The answer to OPTIONS {text} {method}.");
            let suspicion = Suspicion::new(Severity::Info, format!("method {method}"), what, explanation);
            if refused { suspicion.api_wide() } else { suspicion }
        };
        let is_free = |method: &&String| matches!(method.as_str(), "" | "HEAD" | "OPTIONS" | "TRACE");
        let extra = allowed.difference(&all).filter(|method| !is_free(method));
        let missing = own.difference(&allowed).filter(|method| !is_free(method));
        extra
            .map(|method| raise(method, "not-documented", "allows a method that is not documented:"))
            .chain(missing.map(|method| raise(method, "not-allowed", "leaves out a documented method:")))
            .collect()
    }
}
