//! S-AUTH2: credentials are asked for in the usual way only; another way to write the same request needs none.

use async_trait::async_trait;

use super::gate::{Gate, gates, is_refusal};
use crate::check::{As, CheckInfo, Exchange, SecurityCheck, SecurityContext, Suspicion};
use crate::finding::{Confidence, Finding, Role, Severity};
use crate::transport::Request;

/// S-AUTH2.
pub(super) struct AnotherWay;

static INFO: CheckInfo = CheckInfo {
    id: "S-AUTH2",
    title: "Authentication is bypassed by another spelling of the request",
    description: "The operation refuses requests without credentials, but not when path, method or headers are written another way: the part that checks and the part that answers read them differently.",
    remediation: "Check credentials where the operation is, not by path in front of it. Normalise paths once, refuse what is not normal, and take no header from clients that only proxies may set.",
    cwe: &["CWE-288", "CWE-863"],
    owasp: Some("API2:2023"),
};

const BYPASSED: &str = "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:N/A:N";
/// Gates that are tried.
const MAX_TRIED: usize = 24;

/// Another way to write a request, and a similar one that must not help.
struct Way {
    name: &'static str,
    probe: Request,
    control: Request,
}

#[async_trait]
impl SecurityCheck for AnotherWay {
    fn info(&self) -> &'static CheckInfo {
        &INFO
    }

    async fn run(&self, cx: &SecurityContext<'_>) -> Vec<Finding> {
        let gates = gates(cx).await;
        let mut found = Vec::new();
        let mut known = Vec::new();
        for gate in gates.iter().take(cx.at_most(MAX_TRIED)) {
            for way in ways(cx, gate) {
                // What helps at one operation is one cause.
                if known.contains(&way.name) {
                    continue;
                }
                let Some(finding) = try_way(cx, gate, &way).await else { continue };
                known.push(way.name);
                found.push(finding);
                break;
            }
        }
        found
    }
}

async fn try_way(cx: &SecurityContext<'_>, gate: &Gate, way: &Way) -> Option<Finding> {
    let ask = |request: &Request| cx.prober.send(Some(gate.operation), request.clone(), As::Anonymous);
    let opens = |answer: &Exchange| gate.gives(cx, answer);
    let probe = ask(&way.probe).await.filter(opens)?;
    let plain = ask(&gate.request).await.filter(is_refusal)?;
    let control = ask(&way.control).await?;
    let repeat = ask(&way.probe).await.filter(opens)?;
    if opens(&control) {
        return None;
    }
    let operation = gate.endpoint(cx)?;
    let explanation = format!(
        "{} answers {} without credentials, and gives the rightful user's data by {}.",
        operation.endpoint(),
        plain.status().unwrap_or_default(),
        way.name
    );
    let suspicion = Suspicion::new(Severity::High, "", way.name, explanation)
        .confidence(Confidence::Confirmed)
        .pointer(operation.pointer.clone());
    let exchanges = [
        (Role::Baseline, &gate.baseline),
        (Role::Probe, &probe),
        (Role::Control, &plain),
        (Role::Control, &control),
        (Role::Repeat, &repeat),
    ];
    Some(cx.report.build(&INFO, &suspicion, Some(operation), &exchanges).rated(BYPASSED))
}

fn ways(cx: &SecurityContext<'_>, gate: &Gate) -> Vec<Way> {
    let (path, query) = match gate.request.target.split_once('?') {
        Some((path, query)) => (path, format!("?{query}")),
        None => (gate.request.target.as_str(), String::new()),
    };
    let base = cx.prober.base_path();
    let Some((parent, last)) = path.rsplit_once('/').filter(|(_, last)| !last.is_empty()) else {
        return of_headers(gate, path);
    };
    let nonce = cx.prober.nonce();
    let inner = path.strip_prefix(base).unwrap_or(path);
    let first = last.chars().next().map(|first| format!("%{:02X}", u32::from(first))).unwrap_or_default();
    let rest: String = last.chars().skip(1).collect();
    let written = [
        ("a slash at the end of the path", format!("{path}/")),
        ("two slashes at the end of the path", format!("{path}//")),
        ("a double slash in the path", format!("{base}/{inner}")),
        ("a double slash before the last segment", format!("{parent}//{last}")),
        ("a dot segment in the path", format!("{parent}/./{last}")),
        ("an encoded dot segment in the path", format!("{parent}/%2e/{last}")),
        ("a detour through a parent segment", format!("{parent}/{nonce}/../{last}")),
        ("a detour through an encoded parent segment", format!("{parent}/{nonce}/%2e%2e/{last}")),
        ("a path parameter after a semicolon", format!("{path};nat=1")),
        ("a semicolon in a segment of its own", format!("{parent}/;/{last}")),
        ("a path in capitals", format!("{base}{}", capitals(inner))),
        ("a capital in the last segment", format!("{parent}/{}", capital(last))),
        ("an encoded letter in the path", format!("{parent}/{first}{rest}")),
        ("an encoded slash in the path", format!("{parent}%2f{last}")),
        ("the ending .json", format!("{path}.json")),
        ("an encoded space at the end of the path", format!("{path}%20")),
        ("an encoded tab at the end of the path", format!("{path}%09")),
    ];
    let mut all: Vec<Way> = written
        .into_iter()
        .filter(|(_, other)| other != path)
        .map(|(name, other)| Way {
            name,
            // What is not there must not answer the same.
            control: with_target(gate, format!("{}-{nonce}{query}", path)),
            probe: with_target(gate, format!("{other}{query}")),
        })
        .collect();
    all.extend(of_headers(gate, path));
    all.extend(of_methods(cx, gate));
    all
}

fn with_target(gate: &Gate, target: String) -> Request {
    Request { target, ..gate.request.clone() }
}

/// Every letter of the literal parts.
fn capitals(path: &str) -> String {
    let mut out = String::with_capacity(path.len());
    let mut skip = 0;
    for letter in path.chars() {
        // Digits after a percent sign mean the same in either case, and stay.
        if letter == '%' {
            skip = 3;
        }
        out.push(if skip > 0 { letter } else { letter.to_ascii_uppercase() });
        skip -= i32::from(skip > 0);
    }
    out
}

fn capital(segment: &str) -> String {
    let mut letters = segment.chars();
    letters.next().map(|first| std::iter::once(first.to_ascii_uppercase()).chain(letters).collect()).unwrap_or_default()
}

/// Headers that proxies write and servers believe.
fn of_headers(gate: &Gate, path: &str) -> Vec<Way> {
    let with = |target: &str, name: &str, value: &str| {
        let mut request = with_target(gate, target.to_owned());
        request.set_header(name, value.as_bytes());
        request
    };
    let target = gate.request.target.as_str();
    let from = |label: &'static str, name: &str| Way {
        name: label,
        probe: with(target, name, "127.0.0.1"),
        // An address of nobody (RFC 5737).
        control: with(target, name, "203.0.113.77"),
    };
    let rewritten = |label: &'static str, name: &str| Way {
        name: label,
        probe: with("/", name, target),
        control: with("/", name, &format!("{path}-nat")),
    };
    vec![
        from("the header X-Forwarded-For", "X-Forwarded-For"),
        from("the header X-Real-IP", "X-Real-IP"),
        from("the header X-Client-IP", "X-Client-IP"),
        from("the header X-Originating-IP", "X-Originating-IP"),
        from("the header True-Client-IP", "True-Client-IP"),
        from("the header Forwarded", "Forwarded").forwarded(),
        rewritten("the header X-Original-URL", "X-Original-URL"),
        rewritten("the header X-Rewrite-URL", "X-Rewrite-URL"),
    ]
}

impl Way {
    /// The grammar of RFC 7239.
    fn forwarded(mut self) -> Self {
        for request in [&mut self.probe, &mut self.control] {
            let value = request.header("forwarded").map(|value| [b"for=", value].concat()).unwrap_or_default();
            request.set_header("Forwarded", value);
        }
        self
    }
}

/// A `POST` that says it is a `GET`; where a `POST` means something of its own it is not tried.
fn of_methods(cx: &SecurityContext<'_>, gate: &Gate) -> Vec<Way> {
    let Some(operation) = gate.endpoint(cx) else { return Vec::new() };
    let has_post = cx.api.operations.iter().any(|other| other.method == "POST" && other.path == operation.path);
    if cx.safe_mode || has_post {
        return Vec::new();
    }
    let post = |header: Option<&str>| {
        let mut request = Request { method: "POST".to_owned(), ..gate.request.clone() };
        if let Some(name) = header {
            request.set_header(name, "GET");
        }
        request
    };
    let way = |name: &'static str, header: &str| Way { name, probe: post(Some(header)), control: post(None) };
    vec![
        way("the header X-HTTP-Method-Override", "X-HTTP-Method-Override"),
        way("the header X-Method-Override", "X-Method-Override"),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_written_in_capitals_without_breaking_escapes() {
        assert_eq!(capitals("/users/a%2fb"), "/USERS/A%2fB");
        assert_eq!(capital("users"), "Users");
    }
}
