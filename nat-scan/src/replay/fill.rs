//! Placeholders of a step replaced by what earlier answers gave.

use std::collections::HashMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;

use crate::finding::{Step, StepBody, placeholder, placeholders};
use crate::transport::Request;

/// Captured values by name.
pub(super) type Values = HashMap<String, String>;

/// The request of a step, without credentials.
///
/// # Errors
/// A sentence, when something in it cannot be had.
pub(super) fn request(step: &Step, values: &Values) -> Result<Request, String> {
    if let Some(secret) = step.wanted().find(|name| name.starts_with("NAT_") && !values.contains_key(*name)) {
        return Err(format!("the request holds a secret ({secret}) that no report keeps"));
    }
    let target = fill(&step.target, values, in_target);
    if !target.starts_with('/') || target.bytes().any(|byte| byte <= b' ' || byte == 0x7f) {
        return Err(format!("'{}' is no target of a request", step.target));
    }
    let mut request = Request::new(step.method.clone(), target);
    for header in &step.headers {
        let value = fill(&header.value, values, |value| value.replace(['\r', '\n'], " "));
        let bytes = match header.latin1 {
            true => value.chars().map(|char| u8::try_from(u32::from(char)).unwrap_or(b'?')).collect(),
            false => value.into_bytes(),
        };
        request.headers.push((header.name.clone(), bytes));
    }
    request.body = match &step.body {
        None => None,
        Some(StepBody::Base64(text)) => {
            let bytes = STANDARD.decode(text).map_err(|_| "the body of a step is not valid base64".to_owned())?;
            Some(Bytes::from(bytes))
        }
        Some(StepBody::Text(text)) if step.is_json() => Some(Bytes::from(fill(text, values, in_json))),
        Some(StepBody::Text(text)) => Some(Bytes::from(fill(text, values, str::to_owned))),
    };
    Ok(request)
}

fn fill(text: &str, values: &Values, write: impl Fn(&str) -> String) -> String {
    // From the text as stored: a captured value cannot bring placeholders of its own.
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find("{{") {
        let name = placeholders(&rest[at..]).next().filter(|name| rest[at..].starts_with(&placeholder(name)));
        let (end, value) = match name.and_then(|name| Some((name, values.get(name)?))) {
            Some((name, value)) => (at + placeholder(name).len(), Some(value)),
            None => (at + 1, None),
        };
        match value {
            Some(value) => {
                out.push_str(&rest[..at]);
                out.push_str(&write(value));
            }
            None => out.push_str(&rest[..end]),
        }
        rest = &rest[end..];
    }
    out.push_str(rest);
    out
}

/// Percent-encoded, except that a captured path (a `Location`) stays one.
fn in_target(value: &str) -> String {
    if value.starts_with('/') {
        return value.to_owned();
    }
    let encoded: String = url::form_urlencoded::byte_serialize(value.as_bytes()).collect();
    encoded.replace('+', "%20")
}

fn in_json(value: &str) -> String {
    let quoted = serde_json::to_string(value).unwrap_or_default();
    quoted.get(1..quoted.len().saturating_sub(1)).unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::As;
    use crate::finding::StepHeader;

    #[test]
    fn values_are_written_as_their_place_needs_it() {
        let values = Values::from([("id".to_owned(), "a b/\"{{id}}".to_owned()), ("n".to_owned(), "7".to_owned())]);
        let json = StepHeader { name: "Content-Type".to_owned(), value: "application/json".to_owned(), latin1: false };
        let step = |target: &str, body: &str| Step {
            method: "PUT".to_owned(),
            target: target.to_owned(),
            headers: vec![json.clone()],
            identity: As::Primary,
            credentials: Vec::new(),
            body: Some(StepBody::Text(body.to_owned())),
            captures: Vec::new(),
            status: None,
        };
        let body = r#"{"id":"{{id}}","n":{{n}},"a":{"b":{"c":1}},"t":"{{other}} {{{n}}}"}"#;
        let request = request(&step("/x/{{id}}?n={{n}}", body), &values).unwrap();
        assert_eq!(request.target, "/x/a%20b%2F%22%7B%7Bid%7D%7D?n=7");
        let expected = r#"{"id":"a b/\"{{id}}","n":7,"a":{"b":{"c":1}},"t":"{{other}} {7}"}"#;
        assert_eq!(request.body.as_deref(), Some(expected.as_bytes()));
        assert!(super::request(&step("/?t={{NAT_TOKEN}}", ""), &values).unwrap_err().contains("NAT_TOKEN"));
        assert!(super::request(&step("x y", ""), &values).is_err());
    }
}
