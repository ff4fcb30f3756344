//! From exchanges to the steps that repeat them.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::redact::Piece;
use super::step::{Capture, CaptureFrom, Step, StepBody, StepHeader, placeholder};
use super::{FindingBuilder, Redactor};
use crate::check::{As, Exchange};

/// Requests of one sequence.
const MAX_STEPS: usize = 32;
/// Target, headers and body of one step.
const MAX_STEP_BYTES: usize = 64 << 10;
/// Shorter values are recognised as whole segments of a path only: `1` may stand for anything.
const MIN_VALUE: usize = 4;

/// Collects the steps of a finding that needs more than one request.
///
/// ```text
/// let steps = cx.report.sequence().then(&create).capture("id", CaptureFrom::Body("/id".to_owned())).then(&read).steps();
/// cx.report.build(&INFO, &suspicion, Some(operation), &exchanges).with_steps(steps)
/// ```
#[derive(Debug)]
pub struct Sequence<'a> {
    redactor: &'a Redactor,
    steps: Vec<Step>,
    last: Option<&'a Exchange>,
    /// What was captured so far: value and name.
    values: Vec<(String, String)>,
    /// Something did not fit: what is left would not reproduce anything.
    cut: bool,
}

impl FindingBuilder {
    /// The steps of a finding, to be handed to [`super::Finding::with_steps`]. A single exchange needs none of this:
    /// [`FindingBuilder::build`] makes its step from the probe.
    #[must_use]
    pub fn sequence(&self) -> Sequence<'_> {
        Sequence { redactor: self.redactor(), steps: Vec::new(), last: None, values: Vec::new(), cut: false }
    }

    /// Exchanges as steps that another run can repeat: what an answer names and a later request uses is captured.
    pub(crate) fn tale(&self, exchanges: &[&Exchange]) -> Vec<Step> {
        let mut sequence = self.sequence();
        let mut known: Vec<String> = Vec::new();
        for (at, exchange) in exchanges.iter().enumerate() {
            sequence = sequence.then(exchange);
            let later = exchanges.get(at + 1..).unwrap_or_default();
            let used = |text: &str| {
                later.iter().any(|later| later.request.target.split(['/', '?', '&', '=']).any(|part| part == text))
            };
            let tag = exchange.response().and_then(|response| response.header("etag"));
            let conditional =
                |tag: &str| later.iter().any(|later| later.request.header("if-match") == Some(tag.as_bytes()));
            if tag.is_some_and(conditional) {
                sequence = sequence.capture(&format!("v{at}_etag"), CaptureFrom::Header("etag".to_owned()));
            }
            for (name, value) in exchange.json().and_then(serde_json::Value::as_object).into_iter().flatten() {
                let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
                // The id of a parent stands in what is made below it, too.
                let is_news = name == "id" || !known.contains(&text);
                if (value.is_string() || value.is_number()) && is_news && used(&text) {
                    let pointer = format!("/{}", name.replace('~', "~0").replace('/', "~1"));
                    let name = format!("v{at}_{}", crate::chain::key(name));
                    sequence = sequence.capture(&name, CaptureFrom::Body(pointer));
                    known.push(text);
                    break;
                }
            }
        }
        sequence.steps()
    }
}

impl<'a> Sequence<'a> {
    /// The next request. Values that were captured before stand in it as placeholders.
    #[must_use]
    pub fn then(mut self, exchange: &'a Exchange) -> Self {
        if self.steps.len() >= MAX_STEPS {
            self.cut = true;
            return self;
        }
        let step = step(exchange, self.redactor, &self.values);
        self.cut |= size(&step) > MAX_STEP_BYTES;
        self.steps.push(step);
        self.last = Some(exchange);
        self
    }

    /// Keeps a value of the answer to the request just added, for later ones.
    #[must_use]
    pub fn capture(mut self, name: &str, from: CaptureFrom) -> Self {
        let value = self.last.and_then(Exchange::response).and_then(|response| from.read(response));
        if let (Some(value), Some(step)) = (value.filter(|value| !value.is_empty()), self.steps.last_mut()) {
            step.captures.push(Capture { name: name.to_owned(), from });
            self.values.push((value, name.to_owned()));
        }
        self
    }

    /// The steps; none when they are too many or too large to be kept.
    #[must_use]
    pub fn steps(self) -> Vec<Step> {
        if self.cut { Vec::new() } else { self.steps }
    }
}

fn size(step: &Step) -> usize {
    let body = match &step.body {
        Some(StepBody::Text(text) | StepBody::Base64(text)) => text.len(),
        None => 0,
    };
    let headers: usize = step.headers.iter().map(|header| header.name.len() + header.value.len()).sum();
    step.target.len() + headers + body
}

/// The exchange with placeholders for what was captured; where two answers gave the same value, the later one counts.
fn step(exchange: &Exchange, redactor: &Redactor, values: &[(String, String)]) -> Step {
    let request = &exchange.request;
    let headers = request.headers.iter().filter_map(|(name, value)| {
        let latin1 = std::str::from_utf8(value).is_err();
        let value = own_value(name, value, exchange.identity, redactor)?;
        let value = values.iter().rev().fold(value, |text, (value, name)| replace(&text, value, name));
        Some(StepHeader { name: name.clone(), value, latin1 })
    });
    let left_out = request.headers.iter().filter(|(name, _)| is_left_out(name, exchange.identity, redactor));
    let credentials = left_out.map(|(name, value)| credential(name, value, exchange.identity, redactor)).collect();
    let mut own = crate::transport::Request::new(String::new(), request.target.clone());
    if exchange.identity != As::Anonymous {
        redactor.credential_queries().iter().for_each(|name| crate::identity::without_query(&mut own, name));
    }
    let target = without_secrets(own.target.as_bytes(), redactor);
    let target = values.iter().rev().fold(target, |text, (value, name)| in_target(&text, value, name));
    let body = request.body.as_ref().map(|body| match std::str::from_utf8(body) {
        Ok(_) => {
            let text = without_secrets(body, redactor);
            StepBody::Text(values.iter().rev().fold(text, |text, (value, name)| in_body(&text, value, name)))
        }
        Err(_) => StepBody::Base64(STANDARD.encode(redactor.bytes(body))),
    });
    Step {
        method: request.method.clone(),
        target,
        headers: headers.collect(),
        identity: exchange.identity,
        credentials,
        body,
        captures: Vec::new(),
        status: exchange.status(),
    }
}

fn is_left_out(name: &str, who: As, redactor: &Redactor) -> bool {
    who != As::Anonymous && redactor.is_credential_header(name)
}

/// A header of the identity with a variable for the secret.
fn credential(name: &str, value: &[u8], who: As, redactor: &Redactor) -> StepHeader {
    let text = String::from_utf8_lossy(value);
    let scheme = text.split_once(' ').map(|(scheme, _)| format!("{scheme} ")).unwrap_or_default();
    let known = redactor.pieces(value).iter().any(|piece| matches!(piece, Piece::Secret(_)));
    let value = match who {
        As::Garbage => format!("{scheme}not-a-valid-credential"),
        _ if known => without_secrets(value, redactor),
        // Got during the scan, for example from a token endpoint.
        As::Second => scheme + &placeholder("NAT_TOKEN_2"),
        As::Admin => scheme + &placeholder("NAT_TOKEN_ADMIN"),
        _ => scheme + &placeholder("NAT_TOKEN"),
    };
    StepHeader { name: name.to_owned(), value, latin1: false }
}

/// The value of a header that is no credential of the identity. A check that forges credentials sends them as nobody:
/// those are what it shows.
fn own_value(name: &str, value: &[u8], who: As, redactor: &Redactor) -> Option<String> {
    let text = || match std::str::from_utf8(value) {
        Ok(_) => without_secrets(value, redactor),
        Err(_) => value.iter().copied().map(char::from).collect(),
    };
    if !is_left_out(name, who, redactor) {
        return Some(text());
    }
    if !name.eq_ignore_ascii_case("cookie") {
        return None;
    }
    // The cookie of the identity stands beside those of the operation.
    let is_known = |pair: &&str| redactor.pieces(pair.as_bytes()).iter().any(|piece| matches!(piece, Piece::Secret(_)));
    let cookies = String::from_utf8_lossy(value);
    let own: Vec<&str> = cookies.split("; ").filter(|pair| !is_known(pair)).collect();
    (!own.is_empty()).then(|| own.join("; "))
}

/// Secrets of the scan become `{{NAT_TOKEN}}`: a replay has none, and says so.
fn without_secrets(bytes: &[u8], redactor: &Redactor) -> String {
    let mut out = String::new();
    for piece in redactor.pieces(bytes) {
        match piece {
            Piece::Plain(plain) => out.push_str(&String::from_utf8_lossy(plain)),
            Piece::Secret(secret) => match &secret.variable {
                Some(variable) => out.push_str(&placeholder(variable)),
                None => out.push_str(&secret.replacement),
            },
        }
    }
    out
}

fn in_target(target: &str, value: &str, name: &str) -> String {
    let (path, query) = target.split_once('?').map_or((target, None), |(path, query)| (path, Some(query)));
    let encoded: String = url::form_urlencoded::byte_serialize(value.as_bytes()).collect();
    let forms = [value.to_owned(), encoded.replace('+', "%20"), encoded];
    let segments: Vec<String> = path
        .split('/')
        .map(|segment| if forms.iter().any(|form| form == segment) { placeholder(name) } else { segment.to_owned() })
        .collect();
    let mut out = segments.join("/");
    // A `Location` is a whole target.
    if !value.is_empty() && value.starts_with('/') && path == value {
        out = placeholder(name);
    }
    if let Some(query) = query {
        out.push('?');
        let pairs: Vec<String> = query
            .split('&')
            .map(|pair| match pair.split_once('=') {
                Some((key, text)) if value.len() >= MIN_VALUE && forms.iter().any(|form| form == text) => {
                    format!("{key}={}", placeholder(name))
                }
                _ => pair.to_owned(),
            })
            .collect();
        out.push_str(&pairs.join("&"));
    }
    out
}

fn in_body(body: &str, value: &str, name: &str) -> String {
    let quoted = serde_json::to_string(value).unwrap_or_default();
    let body = body.replace(&quoted, &format!("\"{}\"", placeholder(name)));
    if value.parse::<f64>().is_ok() && value.len() < MIN_VALUE { body } else { replace(&body, value, name) }
}

/// Where the value stands as a word of its own.
fn replace(text: &str, value: &str, name: &str) -> String {
    if value.len() < MIN_VALUE {
        return if text == value { placeholder(name) } else { text.to_owned() };
    }
    let is_word = |c: char| c.is_alphanumeric() || matches!(c, '-' | '_' | '.' | '{' | '}');
    let (mut out, mut rest) = (String::new(), text);
    while let Some(at) = rest.find(value) {
        let (before, after) = (&rest[..at], &rest[at + value.len()..]);
        let alone = !before.ends_with(is_word) && !after.starts_with(is_word);
        // Braces of JSON may stand beside a number.
        let alone = alone || (before.ends_with([':', ' ', ',', '[']) && after.starts_with('}'));
        out.push_str(before);
        if alone {
            out.push_str(&placeholder(name))
        } else {
            out.push_str(value)
        }
        rest = after;
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use bytes::Bytes;
    use chrono::DateTime;
    use secrecy::SecretString;

    use super::*;
    use crate::check::{CheckInfo, Suspicion};
    use crate::classify::WireTruth;
    use crate::finding::{Finding, Role, Severity};
    use crate::generate::{Case, Intent, Phase};
    use crate::identity::Credentials;
    use crate::transport::{Request, Response};

    fn builder() -> FindingBuilder {
        let mut redactor = Redactor::new();
        redactor.credentials(&Credentials::Bearer(SecretString::from("s3cr3t-token")), "");
        FindingBuilder::new("http://h", redactor).seeded(7)
    }

    fn exchange(request: Request, status: u16, headers: &[(&str, &str)], body: &str) -> Exchange {
        let response = Response {
            status,
            headers: headers.iter().map(|(name, value)| ((*name).to_owned(), value.as_bytes().to_vec())).collect(),
            body: Bytes::copy_from_slice(body.as_bytes()),
            truncated: false,
            unexpected_bytes: 0,
            elapsed: Duration::ZERO,
            wire_bytes: 0,
        };
        Exchange::new(None, request, Ok(response), WireTruth::Positive, DateTime::UNIX_EPOCH)
    }

    fn request(method: &str, target: &str, headers: &[(&str, &str)], body: Option<&str>) -> Request {
        let mut request = Request::new(method, target);
        request.headers = headers.iter().map(|(name, value)| ((*name).to_owned(), value.as_bytes().to_vec())).collect();
        request.body = body.map(|body| Bytes::copy_from_slice(body.as_bytes()));
        request
    }

    #[test]
    fn captured_values_become_placeholders_in_later_steps() {
        let json = ("Content-Type", "application/json");
        let create = exchange(
            request("POST", "/pets", &[json], Some(r#"{"name":"x"}"#)),
            201,
            &[("ETag", "\"abc12\"")],
            r#"{"data":{"id":7,"key":"k-77 1"}}"#,
        );
        let delete = exchange(request("DELETE", "/pets/7?limit=7", &[("If-Match", "\"abc12\"")], None), 204, &[], "");
        let body = r#"{"pet":"k-77 1","other":"k-77 12","n":7}"#;
        let read = exchange(request("PUT", "/keys/k-77%201?key=k-77+1", &[json], Some(body)), 200, &[], "");
        let builder = builder();
        let steps = builder
            .sequence()
            .then(&create)
            .capture("id", CaptureFrom::Body("/data/id".to_owned()))
            .capture("key", CaptureFrom::Body("/data/key".to_owned()))
            .capture("tag", CaptureFrom::Header("etag".to_owned()))
            .capture("nothing", CaptureFrom::Body("/absent".to_owned()))
            .then(&delete)
            .then(&read)
            .steps();
        let names: Vec<&str> = steps[0].captures.iter().map(|capture| capture.name.as_str()).collect();
        assert_eq!((names, steps[0].status), (vec!["id", "key", "tag"], Some(201)));
        // A short number in a query may mean anything.
        assert_eq!(steps[1].target, "/pets/{{id}}?limit=7");
        assert_eq!(steps[1].headers[0].value, "{{tag}}");
        assert_eq!(steps[2].target, "/keys/{{key}}?key={{key}}");
        assert_eq!(steps[2].body, Some(StepBody::Text(r#"{"pet":"{{key}}","other":"k-77 12","n":7}"#.to_owned())));
        assert_eq!(steps[2].wanted().collect::<Vec<_>>(), ["key", "key", "key"]);
    }

    #[test]
    fn steps_name_the_identity_and_hold_no_credential() {
        let headers = [("Authorization", "Bearer s3cr3t-token"), ("Cookie", "a=1"), ("Accept", "*/*")];
        let probe =
            exchange(request("POST", "/x?t=s3cr3t-token", &headers, Some(r#"{"t":"s3cr3t-token"}"#)), 200, &[], "")
                .sent_as(As::Second);
        let builder = builder();
        let step = builder.sequence().then(&probe).steps().remove(0);
        let text = serde_json::to_string(&step).unwrap();
        assert!(!text.contains("s3cr3t") && text.contains(r#""as":"second""#), "{text}");
        assert_eq!((step.target.as_str(), step.headers.len()), ("/x?t={{NAT_TOKEN}}", 2));
        assert_eq!(step.credentials[0].value, "Bearer {{NAT_TOKEN}}");
        let forged = exchange(request("GET", "/", &[("Authorization", "Bearer forged")], None), 200, &[], "");
        let step = builder.sequence().then(&forged.sent_as(As::Anonymous)).steps().remove(0);
        assert_eq!(step.headers[0].value, "Bearer forged");
    }

    #[test]
    fn sequences_are_bounded_as_a_whole() {
        let small = exchange(request("GET", "/", &[], None), 200, &[], "");
        let large = exchange(request("POST", "/", &[], Some(&"x".repeat(MAX_STEP_BYTES + 1))), 200, &[], "");
        let builder = builder();
        assert!(builder.sequence().then(&small).then(&large).steps().is_empty());
        let many = (0..MAX_STEPS + 1).fold(builder.sequence(), |sequence, _| sequence.then(&small));
        assert!(many.steps().is_empty());
    }

    #[test]
    fn finding_has_its_origin_and_older_ones_still_load() {
        static INFO: CheckInfo =
            CheckInfo { id: "T1", title: "", description: "", remediation: "", cwe: &[], owasp: None };
        let mut probe = exchange(request("GET", "/a", &[], None), 500, &[], "");
        probe.case = Some(Case {
            operation: 0,
            phase: Phase::Coverage,
            ordinal: 3,
            label: "broken".to_owned(),
            intent: Intent::MalformedBody { kind: "bom" },
            method: None,
            arguments: Vec::new(),
            body: None,
            bindings: Vec::new(),
        });
        let operation = crate::engine::test_operation("/a");
        let suspicion = Suspicion::new(Severity::Low, "", "d", "").api_wide();
        let finding = builder().build(&INFO, &suspicion, Some(&operation), &[(Role::Probe, &probe)]);
        let origin = finding.origin.clone().unwrap();
        assert_eq!((origin.seed, origin.operation.as_str(), origin.ordinal), (7, "GET /a", 3));
        let mut stored = serde_json::to_value(&finding).unwrap();
        assert_eq!(serde_json::from_value::<Finding>(stored.clone()).unwrap(), finding);
        stored["origin"]["intent"]["malformed_body"]["kind"] = "of a later version".into();
        let read = serde_json::from_value::<Finding>(stored.clone()).unwrap();
        assert_eq!(read.origin.unwrap().intent, Intent::MalformedBody { kind: "other" });
        let members = stored.as_object_mut().unwrap();
        members.remove("steps");
        members.remove("origin");
        let old = serde_json::from_value::<Finding>(stored).unwrap();
        assert!(old.steps.is_empty() && old.origin.is_none());
    }
}
