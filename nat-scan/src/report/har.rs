//! HAR 1.2: the exchanges of findings, as their evidence shows them.

use serde_json::{Value, json};

use super::text::one_line;
use crate::engine::Outcome;
use crate::finding::{BodyParts, Evidence, Finding, RequestParts};

/// Entries of one archive; browsers give up on larger ones.
const MAX_ENTRIES: usize = 10_000;

pub(super) fn archive(outcome: &Outcome) -> Value {
    let origin = origin(&outcome.target);
    let entries: Vec<Value> = outcome
        .findings
        .iter()
        .flat_map(|finding| finding.evidence.iter().map(move |evidence| (finding, evidence)))
        .filter_map(|(finding, evidence)| entry(finding, evidence, &origin))
        .take(MAX_ENTRIES)
        .collect();
    json!({
        "log": {
            "version": "1.2",
            "creator": {"name": super::TOOL, "version": super::VERSION},
            "entries": entries,
            "comment": "Secrets are redacted. How long the parts of an exchange took was not kept."
        }
    })
}

/// `http://host:port` of a base URL.
pub(super) fn origin(target: &str) -> String {
    url::Url::parse(target).map_or_else(|_| target.to_owned(), |url| url.origin().ascii_serialization())
}

fn entry(finding: &Finding, evidence: &Evidence, origin: &str) -> Option<Value> {
    let request = evidence.request_parts()?;
    let answer = evidence.response_parts();
    let mut nat = json!({
        "finding": finding.id,
        "check": finding.check_id,
        "severity": finding.severity.as_str(),
        "role": evidence.role,
    });
    let response = match &answer {
        Some(answer) => {
            let mime = answer.header("content-type").unwrap_or_default();
            json!({
                "status": answer.status,
                "statusText": "",
                "httpVersion": "HTTP/1.1",
                "cookies": [],
                "headers": pairs(&answer.headers),
                "content": content(&answer.body, mime),
                "redirectURL": answer.header("location").unwrap_or_default(),
                "headersSize": -1,
                "bodySize": -1
            })
        }
        // As browsers note a request that got no answer.
        None => {
            nat["error"] = one_line(&evidence.response).into();
            json!({
                "status": 0, "statusText": "", "httpVersion": "", "cookies": [], "headers": [],
                "content": {"size": 0, "mimeType": "x-unknown"}, "redirectURL": "", "headersSize": -1, "bodySize": -1
            })
        }
    };
    Some(json!({
        "startedDateTime": evidence.at.to_rfc3339_opts(chrono::SecondsFormat::Millis, true),
        "time": 0,
        "request": request_of(&request, origin),
        "response": response,
        "cache": {},
        "timings": {"send": 0, "wait": 0, "receive": 0},
        "_nat": nat
    }))
}

fn request_of(request: &RequestParts, origin: &str) -> Value {
    let query = request.target.split_once('?').map_or("", |(_, query)| query);
    let query: Vec<Value> = url::form_urlencoded::parse(query.as_bytes())
        .map(|(name, value)| json!({"name": name, "value": value}))
        .collect();
    let mut out = json!({
        "method": request.method,
        "url": format!("{origin}{}", request.target),
        "httpVersion": "HTTP/1.1",
        "cookies": [],
        "headers": pairs(&request.headers),
        "queryString": query,
        "headersSize": -1,
        "bodySize": if request.body.text.is_empty() { 0 } else { -1 }
    });
    if !request.body.text.is_empty() {
        let mime = request.headers.iter().find(|(name, _)| name.eq_ignore_ascii_case("content-type"));
        let mut data = json!({
            "mimeType": mime.map_or("application/octet-stream", |(_, value)| value.as_str()),
            "text": request.body.text
        });
        // The format knows no encoding of what is posted.
        if request.body.is_base64 {
            data["_encoding"] = "base64".into();
        }
        out["postData"] = data;
    }
    out
}

fn content(body: &BodyParts, mime: &str) -> Value {
    let mut out = json!({
        "size": body.text.len(),
        "mimeType": if mime.is_empty() { "x-unknown" } else { mime },
        "text": body.text
    });
    if body.is_base64 {
        out["encoding"] = "base64".into();
    }
    if body.is_cut {
        out["comment"] = "only the beginning".into();
    }
    out
}

fn pairs(headers: &[(String, String)]) -> Vec<Value> {
    headers.iter().map(|(name, value)| json!({"name": name, "value": value})).collect()
}
