//! F066: a 201 says where the new thing is.

use serde_json::Value;
use url::Url;

use crate::check::{Check, CheckInfo, Context, Exchange, Suspicion};
use crate::finding::{Confidence, Severity};

/// F066.
pub(super) struct Created;

static INFO: CheckInfo = CheckInfo {
    id: "F066",
    title: "201 without a usable reference",
    description: "An answer 201 identifies what was created by a Location header, or at least by an id in its body (RFC 9110, section 15.3.2).",
    remediation: "Send a Location header with the URL of the new resource.",
    cwe: &[],
    owasp: None,
};

impl Check for Created {
    fn info(&self) -> &'static CheckInfo {
        &INFO
    }

    fn applies(&self, _cx: &Context<'_>, exchange: &Exchange) -> bool {
        !is_batch(exchange)
            && exchange.status() == Some(201)
            && matches!(exchange.request.method.as_str(), "POST" | "PUT" | "PATCH")
    }

    fn judge(&self, cx: &Context<'_>, exchange: &Exchange) -> Vec<Suspicion> {
        let Some(response) = exchange.response() else { return Vec::new() };
        let raise = |severity, discriminant: &str, explanation: String| {
            let suspicion = Suspicion::new(severity, "header Location", discriminant, explanation);
            vec![suspicion.confidence(Confidence::Confirmed)]
        };
        match response.header("location") {
            Some(location) if is_reference(location) => Vec::new(),
            Some(location) => raise(Severity::Low, "invalid", format!("The Location '{location}' is no URL.")),
            // The target itself is what a PUT creates.
            None if exchange.request.method == "PUT" || exchange.json().is_some_and(names_itself) => Vec::new(),
            None if is_named_by_client(cx, exchange) => Vec::new(),
            None => {
                let text =
                    "The answer is 201 without Location, and its body has no id: what was created cannot be found.";
                raise(Severity::Low, "missing", text.to_owned())
            }
        }
    }
}

/// Many at once have no one reference.
fn is_batch(exchange: &Exchange) -> bool {
    let body = exchange.request.body.as_deref().unwrap_or_default();
    let body = body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body);
    body.iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b'[')
}

/// The client chose the name by which the document finds the new thing: `POST /inputs` with a `key`, and
/// `/inputs/{key}`.
fn is_named_by_client(cx: &Context<'_>, exchange: &Exchange) -> bool {
    let body = exchange.request.body.as_deref().unwrap_or_default();
    let Ok(Value::Object(members)) = serde_json::from_slice(body) else { return false };
    let own = cx.operation.path.trim_end_matches('/');
    let below = cx.api.operations.iter().filter_map(|other| other.path.strip_prefix(own)?.strip_prefix("/{"));
    below.filter_map(|rest| rest.trim_end_matches('/').strip_suffix('}')).any(|name| members.contains_key(name))
}

/// Absolute or relative, without what a URL cannot hold.
fn is_reference(location: &str) -> bool {
    let base = Url::parse("http://base.invalid/").expect("a constant URL");
    let clean = !location.is_empty()
        && !location.contains(|c: char| c.is_whitespace() || c.is_control() || "<>\"{}".contains(c));
    clean && base.join(location).is_ok()
}

/// The body holds something like an id or a link to itself, at the top or one level below.
fn names_itself(json: &Value) -> bool {
    let is_name = |key: &str| {
        let key = key.to_ascii_lowercase();
        let exact =
            ["_links", "links", "href", "self", "url", "uri", "key", "code", "slug", "name", "reference", "number"];
        key.ends_with("id") || key.ends_with("guid") || exact.contains(&key.as_str())
    };
    match json {
        Value::Object(members) => members.iter().any(|(key, value)| {
            is_name(key) || value.as_object().is_some_and(|inner| inner.keys().any(|key| is_name(key)))
        }),
        Value::Array(items) => items.iter().any(names_itself),
        Value::String(text) => !text.is_empty(),
        Value::Number(_) => true,
        _ => false,
    }
}
