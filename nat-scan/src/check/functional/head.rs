//! F062: `HEAD` answers as `GET` does.

use crate::check::{Check, CheckInfo, Context, Exchange, Proof, Suspicion};
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
        let compare = |name: &str, severity, proof| {
            let (one, other) = (get.header(name)?, head.header(name)?);
            let explanation = format!("{name} is '{one}' for GET and '{other}' for HEAD.");
            let suspicion = Suspicion::new(severity, format!("header {name}"), name, explanation).proof(proof);
            (!one.eq_ignore_ascii_case(other)).then_some(suspicion)
        };
        let media_type = compare("Content-Type", Severity::Low, Proof::Repeat);
        let length = compare("Content-Length", Severity::Info, Proof::RepeatWithSteadyControl);
        media_type.into_iter().chain(length.filter(|_| says_length(get))).collect()
    }
}

/// The length is that of any such answer. Content that names the method is made from the request: asked with `HEAD` it
/// is other content. What cannot be read may be such.
fn says_length(get: &Response) -> bool {
    let mut words = get.body.split(|byte| !byte.is_ascii_alphanumeric());
    !get.is_encoded() && !words.any(|word| word.eq_ignore_ascii_case(b"GET"))
}

/// The answer to a `GET` of the same target.
fn get_beside<'a>(cx: &Context<'a>, exchange: &Exchange) -> Option<&'a Response> {
    let same = |get: &&Exchange| get.request.method == "GET" && get.request.target == exchange.request.target;
    cx.baseline.filter(same).and_then(Exchange::response)
}
