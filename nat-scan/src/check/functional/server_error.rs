//! F001: a request makes the server fail.

use crate::check::{Check, CheckInfo, Context, Exchange, Suspicion};
use crate::finding::Severity;

/// F001.
pub(super) struct ServerError;

static INFO: CheckInfo = CheckInfo {
    id: "F001",
    title: "Server error",
    description: "The server answered with a 5xx status: it failed, or it blames itself for a fault of the request.",
    remediation: "Find the unhandled case in the server's log. Answer faulty requests with a 4xx status.",
    cwe: &[],
    owasp: None,
};

impl Check for ServerError {
    fn info(&self) -> &'static CheckInfo {
        &INFO
    }

    fn applies(&self, _cx: &Context<'_>, exchange: &Exchange) -> bool {
        exchange.response().is_some()
    }

    fn judge(&self, _cx: &Context<'_>, exchange: &Exchange) -> Vec<Suspicion> {
        match exchange.status() {
            Some(status @ 500..) => {
                vec![Suspicion::new(Severity::High, "", status.to_string(), format!("the answer is {status}"))]
            }
            _ => Vec::new(),
        }
    }
}
