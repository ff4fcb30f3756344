//! The answer of the scan beside the answer of now, for findings whose check cannot judge a single exchange.

use serde_json::Value;

use super::State;
use crate::check::Exchange;
use crate::check::shape::skeleton;
use crate::finding::{Finding, ResponseParts};
use crate::transport::Response;

/// Headers that differ between any two answers.
const VOLATILE: [&str; 10] = [
    "date",
    "age",
    "etag",
    "expires",
    "last-modified",
    "content-length",
    "set-cookie",
    "x-request-id",
    "x-runtime",
    "retry-after",
];

/// How the answer compares with the recorded one.
pub(super) enum Likeness {
    /// Status, shape and headers are as before.
    Same,
    /// The status class differs.
    Status,
    /// The body has another shape.
    Shape,
    /// Only headers differ.
    Headers,
    /// One of them cannot be looked at.
    Unknown,
}

/// The answer to the probe as it was recorded.
pub(super) fn recorded(finding: &Finding) -> Option<ResponseParts> {
    finding.evidence.iter().find(|evidence| evidence.role == "probe")?.response_parts()
}

pub(super) fn compare(finding: &Finding, exchange: &Exchange) -> Likeness {
    let (Some(then), Some(now)) = (recorded(finding), exchange.response()) else { return Likeness::Unknown };
    if then.status / 100 != now.status / 100 {
        return Likeness::Status;
    }
    if then.body.is_cut || then.body.is_base64 || now.truncated {
        return Likeness::Unknown;
    }
    let old: Option<Value> = serde_json::from_str(&then.body.text).ok();
    let shape = match (old, exchange.json()) {
        (Some(old), Some(new)) => skeleton(&old) == skeleton(new),
        (None, None) => media(then.header("content-type")) == media(now.header("content-type")),
        _ => false,
    };
    if !shape {
        Likeness::Shape
    } else if headers_of(&then) != headers_now(now) {
        Likeness::Headers
    } else {
        Likeness::Same
    }
}

/// Another shape shows that the defect is gone, and not only that there is less to see: the object that had the member is
/// there without it, a header that matters differs, or the text that was let slip is missing.
pub(super) fn shape_tells(finding: &Finding, exchange: &Exchange) -> bool {
    if let Some(place) = finding.location.strip_prefix("response ") {
        let paths = exchange.json().map(skeleton).unwrap_or_default();
        let parent = place.rsplit_once('/').map_or("", |(parent, _)| parent);
        return paths.contains(&format!("{parent} object"))
            && !paths.iter().any(|path| path.rsplit_once(' ').is_some_and(|(path, _)| path == place));
    }
    let headers_differ = || match (recorded(finding), exchange.response()) {
        (Some(then), Some(now)) => headers_of(&then) != headers_now(now),
        _ => false,
    };
    finding.check_id == "S-ERR"
        || ((finding.location.starts_with("header ") || finding.endpoint == "*") && headers_differ())
}

/// What a compared answer says about a finding that no check can judge.
pub(super) fn state(finding: &Finding, exchange: &Exchange) -> (State, &'static str) {
    let now = exchange.status().unwrap_or_default();
    let then = recorded(finding).map_or(0, |parts| parts.status);
    match compare(finding, exchange) {
        Likeness::Same | Likeness::Headers => (State::Reproduced, "the answer has the status and shape of before"),
        Likeness::Shape => (State::Changed, "the answer has another shape than before"),
        Likeness::Unknown => (State::Changed, "the answers cannot be compared"),
        Likeness::Status if matches!(now, 401 | 429 | 502..=504) => {
            (State::Undecidable, "the answer says nothing about the defect")
        }
        Likeness::Status if then >= 500 || (then / 100 == 2 && (400..500).contains(&now)) => {
            (State::Fixed, "the request is no longer answered as before")
        }
        Likeness::Status => (State::Changed, "the status is of another class than before"),
    }
}

fn media(content_type: Option<&str>) -> String {
    content_type.and_then(|value| value.split(';').next()).unwrap_or_default().trim().to_ascii_lowercase()
}

fn headers_of(parts: &ResponseParts) -> Vec<(String, String)> {
    steady(parts.headers.iter().map(|(name, value)| (name.as_str(), value.clone())))
}

fn headers_now(response: &Response) -> Vec<(String, String)> {
    steady(
        response.headers.iter().map(|(name, value)| (name.as_str(), String::from_utf8_lossy(value).trim().to_owned())),
    )
}

fn steady<'a>(headers: impl Iterator<Item = (&'a str, String)>) -> Vec<(String, String)> {
    let mut kept: Vec<(String, String)> = headers
        .map(|(name, value)| (name.to_ascii_lowercase(), value))
        .filter(|(name, _)| !VOLATILE.contains(&name.as_str()))
        .collect();
    kept.sort();
    kept
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use bytes::Bytes;
    use chrono::DateTime;

    use super::*;
    use crate::check::{CheckInfo, Suspicion};
    use crate::classify::WireTruth;
    use crate::finding::{FindingBuilder, Redactor, Role, Severity};
    use crate::transport::Request;

    static INFO: CheckInfo =
        CheckInfo { id: "S-X", title: "", description: "", remediation: "", cwe: &[], owasp: None };

    fn exchange(status: u16, header: &str, body: &str) -> Exchange {
        let headers = ["application/json", header].into_iter().zip(["Content-Type", "X-Frame-Options"]);
        let response = Response {
            status,
            headers: headers.map(|(value, name)| (name.to_owned(), value.into())).collect(),
            body: Bytes::copy_from_slice(body.as_bytes()),
            truncated: false,
            unexpected_bytes: 0,
            elapsed: Duration::ZERO,
            wire_bytes: 0,
        };
        let request = Request::new("GET", "/");
        Exchange::new(None, request, Ok(response), WireTruth::Positive, DateTime::UNIX_EPOCH)
    }

    #[test]
    fn other_shape_tells_only_where_the_defect_could_have_been_seen() {
        let check = |location: &str, then: &Exchange, now: &Exchange, expected: bool| {
            let suspicion = Suspicion::new(Severity::Low, location, "d", "");
            let builder = FindingBuilder::new("http://h", Redactor::new());
            let finding = builder.build(&INFO, &suspicion, None, &[(Role::Probe, then)]);
            assert_eq!(shape_tells(&finding, now), expected, "{location} {now:?}");
        };
        let leaky = exchange(200, "", r#"{"items":[{"id":1,"password":"x"}]}"#);
        check("response /items/[]/password", &leaky, &exchange(200, "", r#"{"items":[{"id":1}]}"#), true);
        check("response /items/[]/password", &leaky, &exchange(200, "", r#"{"items":[]}"#), false);
        check(
            "response /items/[]/password",
            &leaky,
            &exchange(200, "", r#"{"n":1,"items":[{"password":"y"}]}"#),
            false,
        );
        check("header X-Frame-Options", &leaky, &exchange(200, "DENY", "[]"), true);
        check("header X-Frame-Options", &leaky, &exchange(200, "", "[]"), false);
        check("", &leaky, &exchange(200, "DENY", "[]"), false);
    }
}
