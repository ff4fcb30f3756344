//! Security checks: can the API be abused? Each brings a baseline, a probe and a negative control, repeats them, and
//! keeps silent unless the probe shows the defect every time and the control never.

pub(crate) mod authentication;
mod authorization;
mod configuration;
mod constraint;
mod document;
mod documented;
mod exposure;
#[cfg(test)]
mod fixture;
mod forgery;
mod graphql;
mod injection;
mod learned;
mod limits;
mod point;

use super::{As, Exchange, SecurityCheck, SecurityContext};
use crate::identity::{without_cookie, without_query};
use crate::spec::{Location, Operation, SecurityScheme};
use crate::transport::Request;

pub(crate) use document::static_findings;
pub(crate) use learned::Learned;

/// Every security check, in the order in which they run.
#[must_use]
pub fn all() -> Vec<&'static dyn SecurityCheck> {
    let areas = [
        document::CHECKS,
        exposure::CHECKS,
        configuration::CHECKS,
        authentication::CHECKS,
        authorization::CHECKS,
        injection::CHECKS,
        forgery::CHECKS,
        graphql::CHECKS,
        limits::CHECKS,
    ];
    let mut all = areas.concat();
    all.sort_by_key(|check| check.turn());
    all
}

fn is_success(exchange: &Exchange) -> bool {
    exchange.status().is_some_and(|status| (200..300).contains(&status))
}

/// May be sent in this scan, and sent again without harm beyond what it did before.
fn may_repeat(cx: &SecurityContext<'_>, method: &str) -> bool {
    match method {
        "GET" | "HEAD" | "OPTIONS" => true,
        "DELETE" => false,
        _ => !cx.safe_mode,
    }
}

/// The rightful identity of this scan; the public when there is none.
fn rightful(cx: &SecurityContext<'_>) -> As {
    if cx.prober.has(As::Primary) { As::Primary } else { As::Anonymous }
}

/// A user who is not an administrator; the second one if there is one, so that it is not always the same.
fn another(cx: &SecurityContext<'_>) -> As {
    if cx.prober.has(As::Second) { As::Second } else { As::Primary }
}

/// A CVSS vector with `PR:?` filled in: whoever needs no credentials has no privileges.
fn rating(vector: &str, open: bool) -> String {
    vector.replace("PR:?", if open { "PR:N" } else { "PR:L" })
}

/// Privileges that a stranger needs for the operation, as CVSS writes them: anyone may sign up, so a user has low ones.
fn privileges(cx: &SecurityContext<'_>, operation: &Operation) -> &'static str {
    if operation.is_protected() && cx.prober.has(As::Primary) { "L" } else { "N" }
}

/// The request as it was before credentials were put on it: the prober puts on what the probe needs.
fn without_credentials(cx: &SecurityContext<'_>, request: &Request) -> Request {
    let mut bare = request.clone();
    bare.headers.retain(|(name, _)| !cx.report.redactor().is_credential_header(name));
    cx.report.redactor().credential_queries().iter().for_each(|name| without_query(&mut bare, name));
    for scheme in cx.api.security_schemes.values() {
        let SecurityScheme::ApiKey { location, name } = scheme else { continue };
        match location {
            Location::Header => bare.headers.retain(|(header, _)| !header.eq_ignore_ascii_case(name)),
            Location::Cookie => without_cookie(&mut bare, name),
            Location::Query => without_query(&mut bare, name),
            Location::Path => {}
        }
    }
    bare
}

/// Our own request says this already: an echo proves nothing.
fn is_echo(request: &Request, text: &str) -> bool {
    let target = percent_decoded(&request.target);
    let body = request.body.as_deref().map(String::from_utf8_lossy).unwrap_or_default();
    let escaped = serde_json::to_string(text).unwrap_or_default();
    let in_headers = request.headers.iter().any(|(_, value)| String::from_utf8_lossy(value).contains(text));
    target.contains(text) || body.contains(text) || body.contains(escaped.trim_matches('"')) || in_headers
}

/// Percent-encoding undone, `+` too.
pub(crate) fn percent_decoded(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let hex = bytes.get(at + 1..at + 3).and_then(|hex| std::str::from_utf8(hex).ok());
        match hex.and_then(|hex| u8::from_str_radix(hex, 16).ok()).filter(|_| bytes[at] == b'%') {
            Some(byte) => {
                out.push(byte);
                at += 3;
            }
            None => {
                out.push(if bytes[at] == b'+' { b' ' } else { bytes[at] });
                at += 1;
            }
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}
