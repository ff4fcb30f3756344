//! S-EDE: a list that shows the personal data of everybody to anybody.
//!
//! A list is everybody's when two callers see the same people in it.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::data::INFO;
use crate::chain::nouns_of_path;
use crate::check::security::{is_echo, is_success, rightful, without_credentials};
use crate::check::{As, Exchange, SecurityContext, Suspicion};
use crate::finding::{Confidence, Finding, Role, Severity};
use crate::spec::Operation;

/// Lists that are asked again.
const MAX_LISTS: usize = 16;
/// Levels above a list.
const MAX_DEPTH: usize = 4;
/// Of one list.
const MAX_ITEMS: usize = 200;

/// Things that are people.
const PERSONS: [&str; 14] = [
    "user",
    "account",
    "member",
    "customer",
    "person",
    "people",
    "patient",
    "employee",
    "student",
    "profile",
    "subscriber",
    "guest",
    "participant",
    "passenger",
];
/// Words of a path that say how a list is shown, not of what.
const VIEWS: [&str; 6] = ["debug", "all", "list", "export", "search", "detail"];
/// What only a person has.
const PRIVATE: [&str; 2] = ["dates of birth", "identity numbers"];
/// Mailboxes of an office, not of a person.
const OFFICES: [&str; 14] = [
    "info", "support", "sales", "contact", "hello", "help", "office", "admin", "noreply", "no-reply", "press", "jobs",
    "security", "privacy",
];

/// The people of a list.
#[derive(Debug, Default, PartialEq, Eq)]
struct Crowd {
    /// Without indices: `/users/[]`.
    location: String,
    emails: BTreeSet<String>,
    /// Kinds of personal data.
    kinds: BTreeSet<&'static str>,
}

pub(super) async fn findings(cx: &SecurityContext<'_>) -> Vec<Finding> {
    let mut found = Vec::new();
    let mut asked = 0;
    for (operation, baseline) in cx.api.operations.iter().zip(cx.baselines) {
        let Some(baseline) = baseline.as_ref().filter(|_| operation.method == "GET") else { continue };
        if asked >= cx.at_most(MAX_LISTS) {
            break;
        }
        if crowd(operation, baseline).is_some() {
            asked += 1;
            found.extend(confirm(cx, operation, baseline).await);
        }
    }
    found
}

async fn confirm(cx: &SecurityContext<'_>, operation: &Operation, baseline: &Exchange) -> Option<Finding> {
    let request = without_credentials(cx, &baseline.request);
    let index = Some(operation.index);
    let probe = cx.prober.send(index, request.clone(), rightful(cx)).await?;
    let shown = crowd(operation, &probe)?;
    let anonymous = cx.prober.send(index, request.clone(), As::Anonymous).await?;
    let is_public = sees(operation, &anonymous, &shown);
    let other = match cx.prober.has(As::Second) {
        true => cx.prober.send(index, request.clone(), As::Second).await?,
        false if is_public => anonymous,
        // Nobody else to ask: the list may be the caller's own.
        false => return None,
    };
    if !sees(operation, &other, &shown) {
        return None;
    }
    let repeat = cx.prober.send(index, request, rightful(cx)).await?;
    if !sees(operation, &repeat, &shown) {
        return None;
    }
    let kinds: Vec<&str> = shown.kinds.iter().copied().collect();
    let explanation = format!(
        "The list at '{}' shows {} of {} people, the same ones to different callers{}.",
        shown.location,
        kinds.join(", "),
        shown.emails.len(),
        if is_public { ", and without credentials" } else { "" },
    );
    let location = format!("response {}", shown.location);
    let suspicion =
        Suspicion::new(Severity::Medium, location, "personal-data", explanation).confidence(Confidence::Firm);
    let report = cx.report.masking(shown.emails.iter().map(String::as_str));
    let exchanges = [(Role::Probe, &probe), (Role::Control, &other), (Role::Repeat, &repeat)];
    let finding = report.build(&INFO, &suspicion, Some(operation), &exchanges);
    Some(finding.rated(match (is_public, kinds.len() > 2) {
        (true, true) => "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:N/A:N",
        (false, true) => "CVSS:3.1/AV:N/AC:L/PR:L/UI:N/S:U/C:H/I:N/A:N",
        (true, false) => "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:L/I:N/A:N",
        (false, false) => "CVSS:3.1/AV:N/AC:L/PR:L/UI:N/S:U/C:L/I:N/A:N",
    }))
}

/// At least two of the same people.
fn sees(operation: &Operation, exchange: &Exchange, shown: &Crowd) -> bool {
    is_success(exchange)
        && crowd(operation, exchange).is_some_and(|crowd| {
            crowd.location == shown.location && crowd.emails.intersection(&shown.emails).count() >= 2
        })
}

fn crowd(operation: &Operation, exchange: &Exchange) -> Option<Crowd> {
    let nouns = nouns_of_path(&operation.path);
    let noun = nouns.iter().rev().find(|noun| !VIEWS.contains(&noun.as_str()));
    let of_people = noun.is_some_and(|noun| PERSONS.contains(&noun.as_str()));
    let mut found = Vec::new();
    lists(exchange.json()?, &mut String::new(), 0, &mut found);
    let crowds = found.into_iter().map(|(location, items)| {
        let mut crowd = Crowd { location, ..Crowd::default() };
        for item in items.iter().take(MAX_ITEMS).filter_map(Value::as_object) {
            look_at(item, &mut crowd);
        }
        crowd.emails.retain(|email| !is_echo(&exchange.request, email));
        crowd
    });
    // Shops and offices have addresses and telephones, too.
    let is_private = |crowd: &Crowd| crowd.kinds.iter().any(|kind| PRIVATE.contains(kind));
    let is_crowd = |crowd: &Crowd| crowd.emails.len() >= 2 && (of_people || is_private(crowd));
    crowds.into_iter().find(is_crowd)
}

fn lists<'a>(value: &'a Value, location: &mut String, depth: usize, found: &mut Vec<(String, &'a [Value])>) {
    if depth > MAX_DEPTH || found.len() >= MAX_LISTS {
        return;
    }
    match value {
        Value::Array(items) => found.push((format!("{location}/[]"), items)),
        Value::Object(members) => {
            let length = location.len();
            for (key, member) in members {
                location.push('/');
                location.push_str(key);
                lists(member, location, depth + 1, found);
                location.truncate(length);
            }
        }
        _ => {}
    }
}

/// What one item says about a person.
fn look_at(item: &Map<String, Value>, crowd: &mut Crowd) {
    let Some(email) = item.values().filter_map(Value::as_str).find(|text| is_email(text)) else { return };
    crowd.emails.insert(email.to_owned());
    crowd.kinds.insert("e-mail addresses");
    for (name, value) in item {
        let name = name.to_ascii_lowercase();
        let digits = |text: &str| text.chars().filter(char::is_ascii_digit).count();
        let kind = match value.as_str() {
            Some(text) if ["phone", "mobile"].iter().any(|part| name.contains(part)) && digits(text) >= 7 => {
                "telephone numbers"
            }
            Some(text) if (name.contains("birth") || name == "dob") && digits(text) >= 4 => "dates of birth",
            Some(text) if name.contains("street") && !text.is_empty() => "addresses",
            Some(text) if matches!(name.as_str(), "ssn" | "passport" | "iban") && digits(text) >= 4 => {
                "identity numbers"
            }
            _ => continue,
        };
        crowd.kinds.insert(kind);
    }
}

/// Of a person, in full.
fn is_email(text: &str) -> bool {
    let Some((local, host)) = text.split_once('@') else { return false };
    let is_word = |text: &str| {
        !text.is_empty()
            && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_' | b'+'))
    };
    text.len() <= 254
        && is_word(local)
        && is_word(host)
        && host.contains('.')
        && !OFFICES.contains(&local.to_ascii_lowercase().as_str())
}
