//! F062: `HEAD` answers as `GET` does.

use crate::check::{Check, CheckInfo, Context, Exchange, Suspicion};
use crate::finding::Severity;
use crate::transport::Response;

/// F062.
pub(super) struct HeadParity;

static INFO: CheckInfo = CheckInfo {
    id: "F062",
    title: "HEAD differs from GET",
    description: "HEAD must answer with the status and header fields that GET would have (RFC 9110, section 9.3.2).",
    remediation: "Route HEAD to the handler of GET and drop the body.",
    cwe: &[],
    owasp: None,
};

impl Check for HeadParity {
    fn info(&self) -> &'static CheckInfo {
        &INFO
    }

    fn applies(&self, cx: &Context<'_>, exchange: &Exchange) -> bool {
        let is_head = exchange.request.method.eq_ignore_ascii_case("HEAD") && exchange.response().is_some();
        is_head && get_beside(cx, exchange).is_some()
    }

    fn judge(&self, cx: &Context<'_>, exchange: &Exchange) -> Vec<Suspicion> {
        let (Some(head), Some(get)) = (exchange.response(), get_beside(cx, exchange)) else { return Vec::new() };
        if matches!(head.status, 429 | 502..=504) {
            return Vec::new();
        }
        if head.status != get.status {
            let explanation = format!("GET answers {}, HEAD answers {}.", get.status, head.status);
            return vec![Suspicion::new(Severity::Low, "status", "status", explanation)];
        }
        let mut found = Vec::new();
        let mut compare = |name: &str, severity| {
            if let (Some(one), Some(other)) = (get.header(name), head.header(name))
                && !one.eq_ignore_ascii_case(other)
            {
                let explanation = format!("{name} is '{one}' for GET and '{other}' for HEAD.");
                found.push(Suspicion::new(severity, format!("header {name}"), name, explanation));
            }
        };
        compare("Content-Type", Severity::Low);
        // The length of generated content may change between two requests.
        compare("Content-Length", Severity::Info);
        found
    }
}

/// The answer to a `GET` of the same target.
fn get_beside<'a>(cx: &Context<'a>, exchange: &Exchange) -> Option<&'a Response> {
    let same = |get: &&Exchange| get.request.method == "GET" && get.request.target == exchange.request.target;
    cx.baseline.filter(same).and_then(Exchange::response)
}
