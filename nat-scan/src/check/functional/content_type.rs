//! F011: a body of another media type than documented.

use super::media::{self, Media};
use super::{documented_response, has_contractual_body};
use crate::check::{Check, CheckInfo, Context, Exchange, Suspicion};
use crate::finding::{Confidence, Severity};

/// F011.
pub(super) struct ContentType;

static INFO: CheckInfo = CheckInfo {
    id: "F011",
    title: "Undocumented content type",
    description: "The answer has a media type that the document does not list for its status code.",
    remediation: "Set the documented Content-Type, or document the one that is sent.",
    cwe: &[],
    owasp: None,
};

impl Check for ContentType {
    fn info(&self) -> &'static CheckInfo {
        &INFO
    }

    fn applies(&self, cx: &Context<'_>, exchange: &Exchange) -> bool {
        has_contractual_body(cx, exchange)
            && documented_response(cx, exchange).is_some_and(|spec| !spec.content.is_empty())
    }

    fn judge(&self, cx: &Context<'_>, exchange: &Exchange) -> Vec<Suspicion> {
        let (Some(response), Some(spec)) = (exchange.response(), documented_response(cx, exchange)) else {
            return Vec::new();
        };
        let names: Vec<&str> = spec.content.iter().map(|entry| entry.media_type.as_str()).collect();
        let names = names.join(", ");
        let raise = |severity, discriminant: &str, explanation| {
            let location = format!("response {} header Content-Type", response.status);
            let suspicion = Suspicion::new(severity, location, discriminant, explanation);
            vec![suspicion.confidence(Confidence::Confirmed).pointer(spec.pointer.clone())]
        };
        let Some(value) = response.header("content-type") else {
            return raise(
                Severity::Low,
                "missing",
                format!("The answer has a body but no Content-Type; documented: {names}."),
            );
        };
        let Some(actual) = Media::parse(value) else {
            return raise(Severity::Low, "malformed", format!("The Content-Type '{value}' is no media type."));
        };
        if media::documented(spec, &actual).is_some() {
            return Vec::new();
        }
        let same_format = spec
            .content
            .iter()
            .filter_map(|entry| Media::parse(&entry.media_type))
            .any(|known| known.same_format(&actual));
        let harmless = same_format || (actual.is_problem() && (400..500).contains(&response.status));
        let severity = if harmless { Severity::Info } else { Severity::Low };
        let essence = response.media_type().unwrap_or_default();
        raise(severity, &essence, format!("The answer is {essence}; documented for {}: {names}.", response.status))
    }
}
