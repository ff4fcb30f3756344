//! F068: charset and content coding.

use super::has_body_by_definition;
use super::media::Media;
use crate::check::{Check, CheckInfo, Context, Exchange, Suspicion};
use crate::finding::{Confidence, Severity};
use crate::generate::Intent;
use crate::transport::Response;

/// F068.
pub(super) struct Charset;

static INFO: CheckInfo = CheckInfo {
    id: "F068",
    title: "Wrong charset or content coding",
    description: "The bytes of the answer are not in the charset that its Content-Type names, or in a content coding that the request refused.",
    remediation: "Name the charset that is sent, and compress only for clients whose Accept-Encoding allows it.",
    cwe: &[],
    owasp: None,
};

impl Check for Charset {
    fn info(&self) -> &'static CheckInfo {
        &INFO
    }

    fn applies(&self, _cx: &Context<'_>, exchange: &Exchange) -> bool {
        exchange.response().is_some_and(|response| {
            has_body_by_definition(exchange, response) && !response.body.is_empty() && response.status < 500
        })
    }

    fn judge(&self, cx: &Context<'_>, exchange: &Exchange) -> Vec<Suspicion> {
        let Some(response) = exchange.response() else { return Vec::new() };
        let refused = exchange.case.as_ref().is_some_and(|case| case.intent == Intent::NoCoding);
        let is_its_purpose = |coding: &str| {
            let word = if coding == "br" { "brotli" } else { coding };
            cx.operation.path.to_ascii_lowercase().contains(word)
        };
        let coding = response.header("content-encoding").map(|coding| coding.trim().to_ascii_lowercase());
        let mut found = Vec::new();
        let is_wrong = |coding: &String| !matches!(coding.as_str(), "" | "identity") && !is_its_purpose(coding);
        if let Some(coding) = coding.filter(|coding| refused && is_wrong(coding)) {
            let explanation = format!("The request accepts no content coding, and the answer is in {coding}.");
            found.push(Suspicion::new(Severity::Low, "header Content-Encoding", "refused-coding", explanation));
        }
        if let Some(charset) = wrong_charset(response) {
            let explanation = format!("The Content-Type names {charset}, and the body has bytes that are not of it.");
            found.push(Suspicion::new(Severity::Low, format!("response {}", response.status), "charset", explanation));
        }
        found.into_iter().map(|one| one.confidence(Confidence::Confirmed)).collect()
    }
}

/// The charset that is named and not kept. JSON and XML are read by F012; charsets that we do not know are not judged.
fn wrong_charset(response: &Response) -> Option<&'static str> {
    let media = Media::parse(response.header("content-type")?)?;
    if media.is_json() || media.is_xml() || response.is_encoded() || response.truncated {
        return None;
    }
    match media.charset.as_deref()? {
        "utf-8" | "utf8" if std::str::from_utf8(&response.body).is_err() => Some("UTF-8"),
        "us-ascii" | "ascii" if !response.body.is_ascii() => Some("US-ASCII"),
        _ => None,
    }
}
