//! F010: a status that the document does not list.

use super::is_contractual;
use crate::check::{Check, CheckInfo, Context, Exchange, Suspicion};
use crate::classify::WireTruth;
use crate::finding::{Confidence, Severity};
use crate::spec::StatusPattern;

/// F010.
pub(super) struct UndocumentedStatus;

static INFO: CheckInfo = CheckInfo {
    id: "F010",
    title: "Undocumented status code",
    description: "The answer has a status code that the document does not list for this operation.",
    remediation: "Document the status code, or answer with a documented one.",
    cwe: &[],
    owasp: None,
};

impl Check for UndocumentedStatus {
    fn info(&self) -> &'static CheckInfo {
        &INFO
    }

    fn applies(&self, cx: &Context<'_>, exchange: &Exchange) -> bool {
        is_contractual(cx, exchange) && !cx.operation.responses.is_empty() && exchange.status().is_some_and(|s| s < 500)
    }

    fn judge(&self, cx: &Context<'_>, exchange: &Exchange) -> Vec<Suspicion> {
        let Some(status) = exchange.status() else { return Vec::new() };
        if cx.operation.response(status).is_some() {
            return Vec::new();
        }
        let severity = match status {
            // The request asked for it by a condition or a range (RFC 9110, section 13 and 14).
            304 if asks(exchange, &["if-none-match", "if-modified-since"]) => return Vec::new(),
            206 if asks(exchange, &["range"]) => return Vec::new(),
            200..=399 => Severity::Low,
            status if cx.has_positive_control && is_worth_a_word(status, &exchange.truth) => {
                return vec![client_error(status, &exchange.truth)];
            }
            status if CONVENTIONAL.contains(&status) => return Vec::new(),
            _ => Severity::Info,
        };
        let documented: Vec<String> = cx.operation.responses.iter().map(|response| name(response.status)).collect();
        let explanation = format!("The answer is {status}; documented are only {}.", documented.join(", "));
        vec![
            Suspicion::new(severity, format!("response {status}"), status.to_string(), explanation)
                .confidence(Confidence::Confirmed)
                .pointer(format!("{}/responses", cx.operation.pointer)),
        ]
    }
}

/// Client errors that every API may answer and few documents list.
const CONVENTIONAL: [u16; 11] = [400, 401, 403, 404, 405, 406, 409, 413, 415, 422, 429];

/// Clients meet these in ordinary use: what is not there, what is in the way, what breaks a rule. The others tell of
/// credentials, headers and rates, which documents leave to their prose.
fn is_worth_a_word(status: u16, truth: &WireTruth) -> bool {
    match truth {
        WireTruth::Positive => matches!(status, 400 | 404 | 409 | 422),
        WireTruth::Negative { .. } => matches!(status, 400 | 422),
        WireTruth::Ambiguous => false,
    }
}

/// Said once of the whole API: a document without them is usual, and a client that keeps to it gets them all the same.
fn client_error(status: u16, truth: &WireTruth) -> Suspicion {
    let request = if *truth == WireTruth::Positive { "A valid request" } else { "A request that breaks the document" };
    let explanation = format!("{request} was answered {status}, which the document does not list for the operation.");
    Suspicion::new(Severity::Info, format!("response {status}"), status.to_string(), explanation)
        .cause("F010|client-errors")
        .confidence(Confidence::Confirmed)
        .api_wide()
}

fn asks(exchange: &Exchange, headers: &[&str]) -> bool {
    headers.iter().any(|name| exchange.request.header(name).is_some())
}

fn name(pattern: StatusPattern) -> String {
    match pattern {
        StatusPattern::Exact(status) => status.to_string(),
        StatusPattern::Class(class) => format!("{class}XX"),
        StatusPattern::Default => "default".to_owned(),
    }
}
