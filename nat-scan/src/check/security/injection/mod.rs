//! Text that becomes code: SQL, commands, templates, paths, headers, markup.
//!
//! Each check asks every place one or two cheap questions first, and goes through its whole protocol only where the
//! answers differ. What a place proved is kept for the checks after it, so that one defect is one finding.

mod command;
mod delay;
mod directory;
mod echo;
mod error;
mod file;
mod header;
mod likeness;
mod markup;
mod nosql;
mod prototype;
mod redirect;
mod sql;
mod stored;
mod template;
#[cfg(test)]
mod tests;
mod timed;
mod truth;

use super::point::{Point, points, works};
use super::{is_success, may_repeat, rating, rightful};
use crate::chain::tokens;
use crate::check::{As, CheckInfo, Exchange, SecurityCheck, SecurityContext, Suspicion};
use crate::finding::{Confidence, Finding, Role, Severity};
use crate::generate::{BodyValue, Case};
use crate::spec::Operation;
use crate::transport::Request;

/// Every check of this area. The order matters: what one proved the next ones leave alone.
pub(super) const CHECKS: &[&dyn SecurityCheck] = &[
    &sql::Boolean,
    &error::Message,
    &nosql::Operators,
    &directory::Ldap,
    &directory::Xpath,
    &template::Template,
    &command::Command,
    &file::Traversal,
    &header::Header,
    &redirect::Redirect,
    &markup::Markup,
    &stored::Stored,
    &timed::Delay,
    &prototype::Prototype,
];

/// Places looked at by one check.
const MAX_PLACES: usize = 400;
/// Findings of one check: more would say nothing new.
const MAX_FINDINGS: usize = 60;

/// Read by attackers, and changed.
const FULL: &str = "CVSS:3.1/AV:N/AC:L/PR:?/UI:N/S:U/C:H/I:H/A:L";
/// The whole machine.
const MACHINE: &str = "CVSS:3.1/AV:N/AC:L/PR:?/UI:N/S:U/C:H/I:H/A:H";
/// Data that is not meant for the reader.
const READ: &str = "CVSS:3.1/AV:N/AC:L/PR:?/UI:N/S:U/C:H/I:N/A:N";

/// Whether text at these places becomes part of an SQL statement, in the name of the check that asks.
pub(super) async fn sql(cx: &SecurityContext<'_>, points: &[Point<'_>], info: &'static CheckInfo) -> Vec<Finding> {
    let mut found = Vec::new();
    for point in points {
        // Each place is of a request of its own, though of the same operation.
        let mut usuals = likeness::Usuals::default();
        let proved = match sql::prove(cx, point, &mut usuals, info).await {
            None => error::prove(cx, point, &mut usuals, info).await,
            proved => proved,
        };
        found.extend(proved);
    }
    found
}

/// The places that a text of ours may be put: not secrets, and not where trying would change how we sign in.
async fn places<'a>(cx: &SecurityContext<'a>) -> Vec<Point<'a>> {
    let wanted = |point: &Point<'_>| {
        matches!(point.operation.method.as_str(), "GET" | "POST" | "PUT" | "PATCH" | "QUERY")
            && point.takes_any()
            && !is_secret(&point.name)
            && !is_refused(cx, point)
            && !changes_secrets(cx, point.operation)
    };
    settled(cx, points(cx).into_iter().filter(wanted).take(cx.at_most(MAX_PLACES)).collect()).await
}

/// Where an operation works only with the texts that it knows, its places are those of such a request.
async fn settled<'a>(cx: &SecurityContext<'a>, points: Vec<Point<'a>>) -> Vec<Point<'a>> {
    let mut kept = Vec::with_capacity(points.len());
    for point in points {
        let Some(other) = point.settled() else {
            kept.push(point);
            continue;
        };
        let index = point.operation.index;
        let known = cx.learned.with(|facts| facts.settled.iter().find(|(known, _)| *known == index).copied());
        let wants_known = match known {
            Some((_, wants)) => wants,
            None => {
                let wants = works(cx, &point).await.is_none() && works(cx, &other).await.is_some();
                cx.learned.with(|facts| facts.settled.push((index, wants)));
                wants
            }
        };
        kept.push(if wants_known { other } else { point });
    }
    kept
}

fn is_secret(name: &str) -> bool {
    const WORDS: [&str; 8] = ["password", "passwd", "passphrase", "pwd", "secret", "pin", "otp", "token"];
    tokens(name).iter().any(|word| WORDS.contains(&word.as_str()))
}

/// A write after which credentials may be others: what changes a password, by its name or its body.
fn changes_secrets(cx: &SecurityContext<'_>, operation: &Operation) -> bool {
    if !operation.is_unsafe() {
        return false;
    }
    let in_path = operation.path.split('/').any(|part| {
        tokens(part).iter().any(|word| matches!(word.as_str(), "password" | "passwd" | "reset" | "forgot" | "otp"))
    });
    let base = cx.accepted.get(operation.index).and_then(Option::as_ref);
    let case = base.map(|base| base.most.as_ref().unwrap_or(&base.least));
    in_path || (operation.method != "POST" && case.is_some_and(carries_secret))
}

fn carries_secret(case: &Case) -> bool {
    let Some(BodyValue::Typed { value, .. }) = &case.body else { return false };
    value.as_object().is_some_and(|members| members.keys().any(|name| is_secret(name)))
}

/// Whether the name of a place holds one of these words.
fn is_called(point: &Point<'_>, words: &[&str]) -> bool {
    tokens(&point.name).iter().any(|word| words.contains(&word.as_str()))
}

/// Somebody proved already that text at this place becomes code.
fn is_proved(cx: &SecurityContext<'_>, point: &Point<'_>) -> bool {
    let is_it = |(index, location): &(usize, String)| *index == point.operation.index && *location == point.location;
    cx.learned.with(|facts| facts.injected.iter().any(is_it))
}

/// A number is wanted there, and nothing else gets past the door.
fn is_refused(cx: &SecurityContext<'_>, point: &Point<'_>) -> bool {
    let is_it = |(index, location): &(usize, String)| *index == point.operation.index && *location == point.location;
    cx.learned.with(|facts| facts.refused.iter().any(is_it))
}

fn remember(cx: &SecurityContext<'_>, point: &Point<'_>) {
    cx.learned.with(|facts| facts.injected.push((point.operation.index, point.location.clone())));
}

/// A number of four digits that is another one each time.
fn number(cx: &SecurityContext<'_>) -> u32 {
    let nonce = cx.prober.nonce();
    1_000 + nonce.bytes().fold(7u32, |sum, byte| sum.wrapping_mul(31).wrapping_add(byte.into())) % 9_000
}

/// Two different numbers.
fn numbers(cx: &SecurityContext<'_>) -> (u32, u32) {
    let (one, other) = (number(cx), number(cx));
    (one, if one == other { one + 1 } else { other })
}

/// A pattern with its parts filled in.
fn fill(pattern: &str, parts: &[(&str, &str)]) -> String {
    let mut out = String::with_capacity(pattern.len() + 32);
    let mut rest = pattern;
    'text: while let Some(c) = rest.chars().next() {
        for (name, value) in parts {
            if let Some(after) = rest.strip_prefix(name) {
                out.push_str(value);
                rest = after;
                continue 'text;
            }
        }
        out.push(c);
        rest = &rest[c.len_utf8()..];
    }
    out
}

/// The exchanges of the common protocol, in its order.
fn four(baseline: Exchange, probe: Exchange, control: Exchange, repeat: Exchange) -> Vec<(Role, Exchange)> {
    vec![(Role::Baseline, baseline), (Role::Probe, probe), (Role::Control, control), (Role::Repeat, repeat)]
}

/// What a place proved.
struct Proof<'p, 'a> {
    info: &'static CheckInfo,
    point: &'p Point<'a>,
    /// For the fingerprint.
    discriminant: &'static str,
    /// Findings of one cause.
    cause: &'static str,
    explanation: String,
    confidence: Confidence,
    /// With `PR:?`.
    vector: &'static str,
    /// Works without credentials, too.
    open: bool,
    exchanges: Vec<(Role, Exchange)>,
}

impl Proof<'_, '_> {
    fn finding(&self, cx: &SecurityContext<'_>) -> Finding {
        let operation = self.point.operation;
        let cause = format!("{}|{}|{}", self.cause, operation.endpoint(), self.point.location);
        let suspicion =
            Suspicion::new(Severity::High, self.point.location.clone(), self.discriminant, &*self.explanation)
                .confidence(self.confidence)
                .cause(cause)
                .pointer(operation.pointer.clone());
        let exchanges: Vec<_> = self.exchanges.iter().map(|(role, exchange)| (*role, exchange)).collect();
        let finding = cx.report.build(self.info, &suspicion, Some(operation), &exchanges);
        finding.rated(&rating(self.vector, self.open))
    }
}

/// The same request without credentials shows the same.
async fn is_open(
    cx: &SecurityContext<'_>,
    point: &Point<'_>,
    request: Option<Request>,
    shows: impl Fn(&Exchange) -> bool + Send,
) -> bool {
    if rightful(cx) == As::Anonymous {
        return true;
    }
    let Some(request) = request.filter(|request| may_repeat(cx, &request.method)) else { return false };
    let answer = cx.prober.send(Some(point.operation.index), request, As::Anonymous).await;
    answer.is_some_and(|answer| shows(&answer))
}

/// Findings of something that the server does everywhere are one: when most of the operations that were tried show it.
fn together(info: &'static CheckInfo, found: Vec<Finding>, tried: usize) -> Vec<Finding> {
    let mut endpoints: Vec<&str> = found.iter().map(|finding| finding.endpoint.as_str()).collect();
    endpoints.sort_unstable();
    endpoints.dedup();
    if endpoints.len() < 4 || endpoints.len() * 5 < tried * 4 {
        return found;
    }
    let explanation = format!(
        "{} of {tried} operations show it, so that the cause lies in what they share: {}.",
        endpoints.len(),
        endpoints.iter().take(8).copied().collect::<Vec<_>>().join(", ")
    );
    let Some(mut first) = found.into_iter().next() else { return Vec::new() };
    first.explanation = format!("{} {explanation}", first.explanation);
    first.id = crate::finding::fingerprint(info.id, "*", "*", "", "everywhere");
    "*".clone_into(&mut first.endpoint);
    first.location.clear();
    first.cause = format!("{}|everywhere", info.id);
    vec![first]
}

/// How many different operations these places belong to.
fn operations(points: &[Point<'_>]) -> usize {
    let mut indices: Vec<usize> = points.iter().map(|point| point.operation.index).collect();
    indices.dedup();
    indices.len()
}

/// A server that fails or has had enough says nothing about what it was asked.
fn is_broken(exchange: &Exchange) -> bool {
    exchange.status().is_none_or(|status| status >= 500 || status == 429)
}
