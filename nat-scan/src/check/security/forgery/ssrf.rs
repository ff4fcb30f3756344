//! S-SSRF: the target asks for URLs that a stranger writes.

use async_trait::async_trait;

use super::place::{Attempt, Form, Place, places};
use crate::callback::{Callback, Hit, Protocol, Reply};
use crate::check::security::learned::Fetch;
use crate::check::{CheckInfo, SecurityCheck, SecurityContext, Suspicion, Turn};
use crate::finding::{Confidence, Finding, Role, Severity};

/// S-SSRF.
pub(super) struct RequestForgery;

static INFO: CheckInfo = CheckInfo {
    id: "S-SSRF",
    title: "The server requests URLs that a client chooses",
    description: "A URL in a request makes the server ask for it. From where the server stands, other addresses can be reached than from outside.",
    remediation: "Ask only hosts of a list that you keep. Where any host must be allowed, resolve the name once, refuse loopback, private, link-local and metadata addresses, and connect to exactly the address that was judged.",
    cwe: &["CWE-918"],
    owasp: Some("API7:2023"),
};

/// Scope is changed: what can be reached belongs to others.
const SHOWN: &str = "S:C/C:H/I:N/A:N";
const BLIND: &str = "S:C/C:L/I:L/A:N";
const LOOKED_UP: &str = "S:C/C:L/I:N/A:N";

#[async_trait]
impl SecurityCheck for RequestForgery {
    fn info(&self) -> &'static CheckInfo {
        &INFO
    }

    fn turn(&self) -> Turn {
        Turn::Write
    }

    async fn run(&self, cx: &SecurityContext<'_>) -> Vec<Finding> {
        let Some(callback) = cx.callback else { return Vec::new() };
        cx.learned.with(|facts| facts.fetches = Some(Vec::new()));
        let mut tried = Vec::new();
        for place in places(cx) {
            for form in [Form::Address, Form::Name] {
                if let Some(attempt) = place.try_text(cx, callback, form).await {
                    tried.push((place.location.clone(), place.operation.index, form, attempt));
                }
            }
        }
        // All at once: most of them are never asked for.
        let words: Vec<&str> = tried.iter().map(|(.., attempt)| attempt.word.as_str()).collect();
        callback.wait(&words).await;
        let mut found = Vec::new();
        for place in places(cx) {
            let mine = tried
                .iter()
                .filter(|(location, operation, ..)| (location, *operation) == (&place.location, place.operation.index));
            let hit = mine.filter_map(|(.., form, attempt)| Some((*form, attempt, attempt.hit(callback)?)));
            // A request says more than a question for a name.
            let Some((form, attempt, hit)) = hit.min_by_key(|(.., hit)| hit.protocol == Protocol::Dns) else {
                continue;
            };
            found.extend(confirm(cx, callback, &place, form, attempt, &hit).await);
        }
        found
    }
}

/// A second word is asked for, too, and one that does not stand in a URL is not.
async fn confirm(
    cx: &SecurityContext<'_>,
    callback: &Callback,
    place: &Place<'_>,
    form: Form,
    probe: &Attempt,
    hit: &Hit,
) -> Option<Finding> {
    let bare = callback.announce(&cx.prober.nonce(), Reply::Text(String::new()));
    let control = place.send(cx, &bare).await?;
    let repeat = place.try_text(cx, callback, form).await?;
    callback.wait(&[&repeat.word]).await;
    repeat.hit(callback).filter(|again| again.protocol == hit.protocol)?;
    if !callback.hits(&bare).is_empty() {
        return None;
    }
    let shows = probe.shows_body() && repeat.shows_body();
    let operation = place.operation;
    let fetch = Fetch { operation: operation.index, location: place.location.clone(), shows };
    let (impact, discriminant) = match hit.protocol {
        Protocol::Http if shows => (SHOWN, "body"),
        Protocol::Http => (BLIND, "request"),
        Protocol::Dns => (LOOKED_UP, "name"),
    };
    if hit.protocol == Protocol::Http {
        cx.learned.with(|facts| facts.fetches.get_or_insert_default().push(fetch));
    }
    let suspicion = Suspicion::new(Severity::High, &place.location, discriminant, explain(callback, place, hit, shows))
        .confidence(Confidence::Confirmed)
        .pointer(operation.pointer.clone());
    let exchanges = [(Role::Probe, &probe.exchange), (Role::Control, &control), (Role::Repeat, &repeat.exchange)];
    let finding = cx.report.build(&INFO, &suspicion, Some(operation), &exchanges);
    Some(finding.rated(&format!("CVSS:3.1/AV:N/AC:L/PR:{}/UI:N/{impact}", place.privileges(cx))))
}

fn explain(callback: &Callback, place: &Place<'_>, hit: &Hit, shows: bool) -> String {
    let what = match hit.protocol {
        Protocol::Http => format!("{} {} came from {}", hit.method, hit.path, hit.peer.ip()),
        Protocol::Dns => format!("{} asked for the address of {}", hit.peer.ip(), hit.path),
    };
    let agent = hit.headers.iter().find(|(name, _)| name.eq_ignore_ascii_case("user-agent"));
    let agent = agent.map(|(_, value)| format!(" ({value})")).unwrap_or_default();
    let body = if shows { " What the listener answered is in the target's own answer." } else { "" };
    let whose = if callback.is_internal() { ", which is an internal address" } else { "" };
    format!(
        "With a URL of the scan's listener{whose} in {}, {what}{agent}, with a word that was made for this request; a \
         second word was asked for as well, and one that stood there without being a URL was not.{body}",
        place.location
    )
}
