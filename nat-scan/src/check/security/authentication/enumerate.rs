//! S-ENUM-U: an operation that anybody may call tells which users there are.

use std::collections::BTreeSet;

use async_trait::async_trait;
use secrecy::ExposeSecret;

use super::guest::{self, logins, registrations, resets, sign_up, somebody, wrong_password};
use crate::check::shape::{leaves, skeleton};
use crate::check::{CheckInfo, Exchange, Profile, SecurityCheck, SecurityContext, Suspicion, Turn};
use crate::finding::{Confidence, Finding, Role, Severity};
use crate::generate::Case;
use crate::identity::Person;
use crate::identity::infer::{Field, Form};

/// S-ENUM-U.
pub(super) struct UsersTold;

static INFO: CheckInfo = CheckInfo {
    id: "S-ENUM-U",
    title: "Answers tell which users exist",
    description: "An operation without credentials answers otherwise for a user that exists than for one that does not. Lists of names can be turned into lists of users.",
    remediation: "Answer both alike: the same status, the same text, and the same work done. Say by e-mail what only the owner may know.",
    cwe: &["CWE-204"],
    owasp: Some("API2:2023"),
};

const TOLD: &str = "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:L/I:N/A:N";
/// Pairs of requests.
const ROUNDS: usize = 5;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Login,
    Reset,
    Registration,
}

#[async_trait]
impl SecurityCheck for UsersTold {
    fn info(&self) -> &'static CheckInfo {
        &INFO
    }

    fn turn(&self) -> Turn {
        Turn::Strain
    }

    async fn run(&self, cx: &SecurityContext<'_>) -> Vec<Finding> {
        let mut forms: Vec<(Kind, Form)> = Vec::new();
        if !cx.safe_mode {
            forms.extend(logins(cx).into_iter().map(|form| (Kind::Login, form)));
        }
        forms.extend(resets(cx).into_iter().map(|form| (Kind::Reset, form)));
        if cx.profile == Profile::Thorough {
            // A name that users choose must be refused when it is taken; an address need not be.
            let by_mail = |form: &Form| !form.has(Field::User) && !form.has(Field::Name);
            let all = registrations(cx).into_iter().filter(by_mail);
            forms.extend(all.map(|form| (Kind::Registration, form)));
        }
        let mut found = Vec::new();
        for (number, (kind, form)) in forms.iter().enumerate() {
            found.extend(compare(cx, *kind, form, &format!("enumerate {number}")).await);
        }
        found
    }
}

async fn compare(cx: &SecurityContext<'_>, kind: Kind, form: &Form, purpose: &str) -> Option<Finding> {
    let person = match kind {
        Kind::Login => somebody(cx, purpose).await?,
        // Nobody's mailbox but that of a user who was made for it.
        Kind::Reset | Kind::Registration => sign_up(cx, purpose).await?,
    };
    if kind == Kind::Login {
        // At another login the user may be as unknown as anybody.
        guest::enter(cx, form, &person).await?;
    }
    let person = person.with_password(wrong_password(cx, person.password()));
    let (mut known, mut unknown) = (Vec::new(), Vec::new());
    for round in 0..ROUNDS {
        let other = person.called(&another(cx, person.username()));
        // Which of them comes first changes, so that no counter looks like a difference.
        for own in [round % 2 == 0, round % 2 != 0] {
            let who = if own { &person } else { &other };
            let answer = guest::send(cx, form, &case(kind, form, who)?).await?;
            if matches!(answer.status(), None | Some(429 | 500..)) || guest::has_entered(&answer) {
                return None;
            }
            let seen = Seen::of(&answer, who);
            if own { known.push((answer, seen)) } else { unknown.push((answer, seen)) }
        }
    }
    let difference = Seen::difference(&known, &unknown)?;
    let operation = guest::operation(cx, form)?;
    let explanation = format!(
        "{} answers otherwise for a user of the scan than for made-up ones, {ROUNDS} times of {ROUNDS}: {difference}.",
        operation.endpoint()
    );
    let suspicion = Suspicion::new(Severity::Medium, "", "users", explanation)
        .confidence(Confidence::Confirmed)
        .pointer(operation.pointer.clone());
    let exchanges = [
        (Role::Probe, &known.first()?.0),
        (Role::Control, &unknown.first()?.0),
        (Role::Repeat, &known.last()?.0),
        (Role::Control, &unknown.last()?.0),
    ];
    Some(cx.report.build(&INFO, &suspicion, Some(operation), &exchanges).rated(TOLD))
}

fn case(kind: Kind, form: &Form, who: &Person) -> Option<Case> {
    match kind {
        Kind::Login | Kind::Reset => Some(form.login(&who.key())),
        Kind::Registration => form.register(&who.entry()).into_iter().next(),
    }
}

/// A name of nobody, as long as the one that is known.
fn another(cx: &SecurityContext<'_>, name: &str) -> String {
    let length = name.split('@').next().unwrap_or_default().chars().count().max(6);
    let nonce = cx.prober.nonce();
    let tail: String = nonce.chars().rev().chain("qzx".chars().cycle()).take(length - 2).collect();
    format!("nx{tail}")
}

/// An answer without what may differ: the name that was asked for.
struct Seen {
    status: u16,
    shape: BTreeSet<String>,
    texts: BTreeSet<String>,
}

impl Seen {
    fn of(answer: &Exchange, who: &Person) -> Self {
        let entry = who.entry();
        let plain = |text: &str| {
            let mut text = text.to_owned();
            for own in [entry.email, entry.user, who.password().expose_secret()] {
                if !own.is_empty() {
                    text = text.replace(own, "{}");
                }
            }
            text
        };
        let body = answer.response().map(|response| String::from_utf8_lossy(&response.body).into_owned());
        let (shape, texts) = match answer.json() {
            Some(json) => (skeleton(json), leaves(json).iter().map(|leaf| plain(leaf)).collect()),
            None => (BTreeSet::new(), body.unwrap_or_default().lines().take(200).map(plain).collect()),
        };
        Self { status: answer.status().unwrap_or_default(), shape, texts }
    }

    /// What is the same within each group and differs between them.
    fn difference(known: &[(Exchange, Self)], unknown: &[(Exchange, Self)]) -> Option<String> {
        let (own, other) = (&known.first()?.1, &unknown.first()?.1);
        let steady = |group: &[(Exchange, Self)], first: &Self| {
            group.iter().all(|(_, seen)| seen.status == first.status && seen.shape == first.shape)
        };
        if !steady(known, own) || !steady(unknown, other) {
            return None;
        }
        if own.status != other.status {
            return Some(format!("{} and {}", own.status, other.status));
        }
        if own.shape != other.shape {
            return Some("with other members".to_owned());
        }
        let constant = |group: &[(Exchange, Self)], first: &Self| -> BTreeSet<String> {
            let all = |text: &&String| group.iter().all(|(_, seen)| seen.texts.contains(*text));
            first.texts.iter().filter(all).cloned().collect()
        };
        // Told to all of one group and to nobody of the other: what varies by itself is neither.
        let told = |texts: BTreeSet<String>, others: &[(Exchange, Self)]| {
            texts.into_iter().find(|text| others.iter().all(|(_, seen)| !seen.texts.contains(text)))
        };
        let text = match told(constant(known, own), unknown) {
            Some(text) => Some(text),
            None => told(constant(unknown, other), known),
        };
        text.map(|text| format!("only one of them is told \"{}\"", text.chars().take(100).collect::<String>()))
    }
}
