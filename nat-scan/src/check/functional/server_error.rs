//! F001: a request makes the server fail.

use crate::check::shape::{ErrorCause, error_cause};
use crate::check::{Check, CheckInfo, Context, Exchange, Proof, Suspicion};
use crate::classify::WireTruth;
use crate::finding::{Confidence, Severity};
use crate::generate::{Case, Intent, Slot};
use crate::transport::Response;

/// F001.
pub(super) struct ServerError;

static INFO: CheckInfo = CheckInfo {
    id: "F001",
    title: "Server error",
    description: "The server answered with a 5xx status: it failed, or it takes the blame for a fault of the request.",
    remediation: "Find the unhandled case in the log of the server. Answer faulty requests with a 4xx status.",
    cwe: &["CWE-755"],
    owasp: None,
};

impl Check for ServerError {
    fn info(&self) -> &'static CheckInfo {
        &INFO
    }

    fn applies(&self, _cx: &Context<'_>, exchange: &Exchange) -> bool {
        // What only a large value shows is F029.
        exchange.response().is_some() && !exchange.case.as_ref().is_some_and(Case::is_large)
    }

    fn judge(&self, cx: &Context<'_>, exchange: &Exchange) -> Vec<Suspicion> {
        let Some(response) = exchange.response().filter(|response| response.status >= 500) else { return Vec::new() };
        // When valid requests fail too, faulty ones show nothing new, nor does a HEAD.
        let is_head = exchange.case.as_ref().is_some_and(|case| case.intent == Intent::HeadParity);
        let follows_from_baseline = cx.baseline_fails && (is_head || exchange.truth != WireTruth::Positive);
        if follows_from_baseline || is_excused(cx, exchange, response) {
            return Vec::new();
        }
        let ErrorCause { text: cause, exact } = error_cause(exchange);
        let kind = match exchange.truth {
            WireTruth::Positive => "a valid request",
            WireTruth::Negative { .. } => "a faulty request, which should get a 4xx status",
            WireTruth::Ambiguous => "a request",
        };
        let about = exchange.case.as_ref().map(|case| format!(" ({})", case.label)).unwrap_or_default();
        let explanation = format!("The server answered {} to {kind}{about}.", response.status);
        let mut discriminant = format!("{}|{cause}", response.status);
        let mut shared = if cause.is_empty() { discriminant.clone() } else { cause };
        // A frame or an error code tells more than the input does.
        if !exact && let Some(trigger) = exchange.case.as_ref().and_then(trigger) {
            discriminant = format!("{discriminant}|{trigger}");
            shared = format!("{shared}|{trigger}");
        }
        vec![
            Suspicion::new(Severity::High, "", discriminant, explanation)
                .confidence(Confidence::Confirmed)
                .proof(match exchange.case.as_ref().map(|case| &case.intent) {
                    _ if response.status == 503 => Proof::RepeatLater,
                    Some(Intent::Unusual { .. }) => Proof::RepeatBesidePlain,
                    _ => Proof::Repeat,
                })
                .cause(format!("F001|{shared}")),
        ]
    }
}

/// What in the request makes the difference, where the answer does not say where it failed: most servers answer every
/// failure with the same words.
fn trigger(case: &Case) -> Option<String> {
    let about = |keyword: &str, slot: &Slot| match slot.name.rsplit('/').find(|name| !matches!(*name, "" | "[]")) {
        Some(name) => format!("{keyword} {name}"),
        None => format!("{keyword} {}", slot.location),
    };
    match &case.intent {
        Intent::Unusual { kind, .. } => Some((*kind).to_owned()),
        Intent::Negative { slot, keyword } => Some(about(keyword, slot)),
        Intent::MissingRequired { slot } => Some(about("required", slot)),
        Intent::MalformedBody { kind } => Some((*kind).to_owned()),
        _ => None,
    }
}

/// Answers that are no fault of the program: a method that it does not implement and nobody documented, an overload that
/// it announces, a gateway in front of it.
fn is_excused(cx: &Context<'_>, exchange: &Exchange, response: &Response) -> bool {
    // HEAD beside a documented GET is not documented either.
    let undocumented_method = exchange
        .case
        .as_ref()
        .is_some_and(|case| matches!(case.intent, Intent::UndocumentedMethod | Intent::HeadParity | Intent::Options));
    match response.status {
        501 => undocumented_method,
        503 if response.header("retry-after").is_some() => true,
        502..=504 => is_from_gateway(cx, response),
        _ => false,
    }
}

fn is_from_gateway(cx: &Context<'_>, response: &Response) -> bool {
    if response.header("via").is_some() {
        return true;
    }
    let server = response.header("server");
    let usual = cx.baseline.and_then(Exchange::response).map(|baseline| baseline.header("server"));
    usual.is_some_and(|usual| usual != server)
}
