//! F065: small rules of HTTP about status codes.

use crate::check::{Check, CheckInfo, Context, Exchange, Proof, Suspicion};
use crate::finding::{Confidence, Severity};
use crate::transport::{Request, Response};

/// F065.
pub(super) struct Conformance;

static INFO: CheckInfo = CheckInfo {
    id: "F065",
    title: "Status code against the rules of HTTP",
    description: "RFC 9110 ties some status codes to a header of the answer or to a kind of request.",
    remediation: "Send the header that belongs to the status code, or another status code.",
    cwe: &[],
    owasp: None,
};

impl Check for Conformance {
    fn info(&self) -> &'static CheckInfo {
        &INFO
    }

    fn applies(&self, _cx: &Context<'_>, exchange: &Exchange) -> bool {
        exchange.response().is_some()
    }

    fn judge(&self, _cx: &Context<'_>, exchange: &Exchange) -> Vec<Suspicion> {
        let Some(response) = exchange.response() else { return Vec::new() };
        let broken =
            RULES.iter().filter(|rule| rule.status == response.status && (rule.broken)(&exchange.request, response));
        let broken = broken.map(|rule| (rule.name, rule.text.to_owned())).chain(unassigned(response.status));
        broken
            .map(|(name, text)| {
                Suspicion::new(Severity::Info, format!("response {}", response.status), name, text)
                    .confidence(Confidence::Confirmed)
                    .proof(Proof::Direct)
                    .api_wide()
            })
            .collect()
    }
}

struct Rule {
    status: u16,
    name: &'static str,
    text: &'static str,
    broken: fn(&Request, &Response) -> bool,
}

const RULES: &[Rule] = &[
    Rule {
        status: 405,
        name: "allow",
        text: "A 405 must list the methods that are allowed in an Allow header (section 15.5.6).",
        broken: |_, response| response.header("allow").is_none(),
    },
    Rule {
        status: 206,
        name: "range-not-asked",
        text: "A 206 answers a request with a Range header only (section 15.3.7).",
        broken: |request, _| request.header("range").is_none(),
    },
    Rule {
        status: 206,
        name: "content-range",
        text: "A 206 carries Content-Range, or is multipart/byteranges (section 15.3.7).",
        broken: |_, response| {
            response.header("content-range").is_none()
                && response.media_type().as_deref() != Some("multipart/byteranges")
        },
    },
    Rule {
        status: 304,
        name: "not-conditional",
        text: "A 304 answers a conditional GET or HEAD only (section 15.4.5).",
        broken: |request, _| {
            let conditional =
                ["if-none-match", "if-modified-since", "if-range"].iter().any(|name| request.header(name).is_some());
            !matches!(request.method.as_str(), "GET" | "HEAD") || !conditional
        },
    },
    Rule {
        status: 416,
        name: "content-range",
        text: "A 416 says the current length in a Content-Range header (section 15.5.17).",
        broken: |_, response| response.header("content-range").is_none(),
    },
    Rule {
        status: 426,
        name: "upgrade",
        text: "A 426 must name the protocol in an Upgrade header (section 15.5.22).",
        broken: |_, response| response.header("upgrade").is_none(),
    },
    Rule {
        status: 201,
        name: "created-by-safe-method",
        text: "A GET, HEAD or DELETE creates nothing, so it cannot be answered 201.",
        broken: |request, _| matches!(request.method.as_str(), "GET" | "HEAD" | "DELETE"),
    },
    Rule {
        status: 413,
        name: "no-payload",
        text: "A request without a body cannot be too large (section 15.5.14).",
        broken: |request, _| request.body.as_ref().is_none_or(|body| body.is_empty()),
    },
    Rule {
        status: 415,
        name: "no-payload",
        text: "A request without a body and Content-Type has no media type to refuse (section 15.5.16).",
        broken: |request, _| {
            request.body.as_ref().is_none_or(|body| body.is_empty())
                && request.header("content-type").is_none()
                && matches!(request.method.as_str(), "GET" | "HEAD" | "DELETE")
        },
    },
];

/// Status codes of the IANA registry.
fn unassigned(status: u16) -> Option<(&'static str, String)> {
    let assigned = matches!(
        status,
        100..=104 | 200..=208 | 226 | 300..=308 | 400..=418 | 421..=426 | 428 | 429 | 431 | 451 | 500..=508 | 510 | 511
    );
    (!assigned).then(|| ("unassigned", format!("{status} is no assigned status code; clients treat it as x00.")))
}
