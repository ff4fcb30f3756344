//! F063: answers that must not have a body.

use crate::check::{Check, CheckInfo, Context, Exchange, Proof, Suspicion};
use crate::finding::{Confidence, Severity};

/// F063.
pub(super) struct Bodyless;

static INFO: CheckInfo = CheckInfo {
    id: "F063",
    title: "Body where none is allowed",
    description: "Answers to HEAD and answers with 1xx, 204, 205 and 304 carry no body (RFC 9110, section 6.4.1). The bytes of one are taken for the next answer on the connection.",
    remediation: "Send no body with this status code, or use 200.",
    cwe: &[],
    owasp: None,
};

impl Check for Bodyless {
    fn info(&self) -> &'static CheckInfo {
        &INFO
    }

    fn applies(&self, _cx: &Context<'_>, exchange: &Exchange) -> bool {
        let is_head = exchange.request.method.eq_ignore_ascii_case("HEAD");
        exchange.response().is_some_and(|response| is_head || matches!(response.status, 100..=199 | 204 | 205 | 304))
    }

    fn judge(&self, _cx: &Context<'_>, exchange: &Exchange) -> Vec<Suspicion> {
        let Some(response) = exchange.response() else { return Vec::new() };
        let is_head = exchange.request.method.eq_ignore_ascii_case("HEAD");
        let what = if is_head { "HEAD".to_owned() } else { response.status.to_string() };
        let bytes = response.unexpected_bytes.max(response.body.len());
        let length = response.header("content-length").and_then(|value| value.trim().parse::<u64>().ok());
        let explanation = match (response.status, length) {
            _ if bytes > 0 => format!("The answer to {what} is followed by {bytes} bytes of body."),
            (204 | 100..=199, Some(length)) if length > 0 && !is_head => {
                format!("The answer {what} announces a body of {length} bytes.")
            }
            _ => return Vec::new(),
        };
        vec![
            Suspicion::new(Severity::Low, format!("response {what}"), what, explanation)
                .confidence(Confidence::Confirmed)
                .proof(Proof::Direct),
        ]
    }
}
