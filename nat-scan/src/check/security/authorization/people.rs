//! Users that a check signs up for itself alone, because something may happen to them.

use serde_json::Value;

use crate::check::security::is_success;
use crate::check::shape::is_soft_error;
use crate::check::{As, Exchange, SecurityContext};
use crate::generate::{self, BodyValue, Case};
use crate::identity::infer::{self, Entry, Field, Form};
use crate::identity::{Placement, Take, offers, try_on};
use crate::spec::Operation;
use crate::transport::Request;

/// Somebody who was signed up.
pub(super) struct Person {
    pub(super) name: String,
    pub(super) email: String,
    pub(super) password: String,
    /// What the registration answered.
    pub(super) made: Exchange,
    /// Signed in by this answer.
    entered: Option<Exchange>,
    place: Option<(Take, Placement)>,
}

impl Person {
    /// The request with this person's token on it.
    pub(super) fn dressed(&self, mut request: Request) -> Option<Request> {
        let (take, placement) = self.place.as_ref()?;
        let response = self.entered.as_ref()?.response()?;
        try_on(response, take, placement, &mut request).then_some(request)
    }

    /// What of this person must not stand in a report: the token.
    pub(super) fn tokens(&self) -> Vec<String> {
        let mut found = Vec::new();
        if let Some(json) = self.entered.as_ref().and_then(Exchange::json) {
            let leaves = crate::check::shape::leaves(json);
            let long = leaves.iter().filter_map(|leaf| leaf.split_once('=')).filter(|(_, value)| value.len() >= 16);
            found.extend(long.map(|(_, value)| value.to_owned()));
        }
        if let Some(response) = self.entered.as_ref().and_then(Exchange::response) {
            let cookies = response.headers.iter().filter(|(name, _)| name.eq_ignore_ascii_case("set-cookie"));
            let value = |line: &[u8]| {
                let line = String::from_utf8_lossy(line).into_owned();
                line.split(';').next().and_then(|pair| pair.split_once('=')).map(|(_, value)| value.trim().to_owned())
            };
            found.extend(cookies.filter_map(|(_, line)| value(line)).filter(|value| value.len() >= 8));
        }
        found
    }
}

/// How users sign up and in.
pub(super) struct People<'c, 'a> {
    cx: &'c SecurityContext<'a>,
    registration: Form,
    login: Form,
}

impl<'c, 'a> People<'c, 'a> {
    /// `None`: the document does not say, or nobody may be signed up.
    pub(super) fn of(cx: &'c SecurityContext<'a>) -> Option<Self> {
        if cx.safe_mode {
            return None;
        }
        let registration = infer::registrations(cx.api, cx.seed).into_iter().next()?;
        let login = infer::logins(cx.api, cx.seed).into_iter().next()?;
        Some(Self { cx, registration, login })
    }

    /// The operation makes users of those who ask.
    pub(super) fn registers(cx: &SecurityContext<'_>, operation: usize) -> bool {
        infer::registrations(cx.api, cx.seed).iter().any(|form| form.operation == operation)
    }

    pub(super) fn registration(&self) -> usize {
        self.registration.operation
    }

    /// A new user, signed in; `extra` members go into the registration.
    pub(super) async fn join(&self, extra: &[(String, Value)]) -> Option<Person> {
        let word = format!("nat{}", self.cx.prober.word());
        let password = format!("Nat-{word}7!Qz");
        let email = format!("{word}@example.com");
        let entry = Entry { user: &word, email: &email, password: &password };
        for mut case in self.registration.register(&entry) {
            if let Some(BodyValue::Typed { value: Value::Object(members), .. }) = &mut case.body {
                members.extend(extra.iter().cloned());
            }
            let made = self.send(self.registration.operation, &case).await?;
            if !is_success(&made) || made.json().is_some_and(is_soft_error) {
                continue;
            }
            let endpoint = self.operation(self.registration.operation)?.endpoint();
            let mail_only = !self.registration.has(Field::User) && self.registration.has(Field::Email);
            let known_as = if mail_only { email.clone() } else { word.clone() };
            self.cx.learned.with(|facts| facts.people.push((known_as, endpoint)));
            let mut person = Person { name: word, email, password, made, entered: None, place: None };
            let entered = self.enter(&person, &person.password).await?;
            if !Self::is_in(&entered) {
                return None;
            }
            person.place = infer::placements(self.cx.api, &offers(entered.response()?)).into_iter().next();
            person.entered = Some(entered);
            return Some(person);
        }
        None
    }

    /// A try to sign in with this password.
    pub(super) async fn enter(&self, person: &Person, password: &str) -> Option<Exchange> {
        let mail_only = !self.registration.has(Field::User) && self.registration.has(Field::Email);
        let user = if mail_only { "" } else { &person.name };
        let case = self.login.login(&Entry { user, email: &person.email, password });
        self.send(self.login.operation, &case).await
    }

    /// The answer lets somebody in.
    pub(super) fn is_in(answer: &Exchange) -> bool {
        let ok = answer.status().is_some_and(|status| (200..400).contains(&status));
        ok && !answer.json().is_some_and(is_soft_error) && answer.response().is_some_and(|one| !offers(one).is_empty())
    }

    /// A request as this person.
    pub(super) async fn act(&self, person: &Person, operation: &Operation, case: &Case) -> Option<Exchange> {
        let request = generate::render(operation, case, self.cx.prober.base_path()).ok()?;
        self.cx.prober.send(Some(operation.index), person.dressed(request)?, As::Anonymous).await
    }

    async fn send(&self, index: usize, case: &Case) -> Option<Exchange> {
        let request = generate::render(self.operation(index)?, case, self.cx.prober.base_path()).ok()?;
        self.cx.prober.send(Some(index), request, As::Anonymous).await
    }

    fn operation(&self, index: usize) -> Option<&'a Operation> {
        self.cx.api.operations.get(index)
    }
}
