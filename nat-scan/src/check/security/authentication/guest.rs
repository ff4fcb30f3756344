//! Users that a check makes for itself, and doors that they go in by.

use secrecy::{ExposeSecret, SecretString};

use crate::check::security::is_success;
use crate::check::shape::is_soft_error;
use crate::check::{As, Exchange, SecurityContext};
use crate::classify::{self, WireTruth};
use crate::generate::{self, Case};
use crate::identity::infer::{self, Form};
use crate::identity::{Person, Take, Worn, cookies, offers, value};
use crate::spec::Operation;
use crate::transport::{Request, Response};

/// Names that are tried until one is free.
const MAX_NAMES: usize = 3;

/// Operations that sign in and that the scan may call.
pub(super) fn logins(cx: &SecurityContext<'_>) -> Vec<Form> {
    allowed(cx, infer::logins(cx.api, cx.seed))
}

/// Operations that make a user, and that the scan may call.
pub(super) fn registrations(cx: &SecurityContext<'_>) -> Vec<Form> {
    if cx.safe_mode { Vec::new() } else { allowed(cx, infer::registrations(cx.api, cx.seed)) }
}

/// Operations that send a new password, and that the scan may call.
pub(super) fn resets(cx: &SecurityContext<'_>) -> Vec<Form> {
    if cx.safe_mode { Vec::new() } else { allowed(cx, infer::resets(cx.api, cx.seed)) }
}

fn allowed(cx: &SecurityContext<'_>, mut forms: Vec<Form>) -> Vec<Form> {
    forms.retain(|form| cx.prober.may_call(form.operation));
    forms
}

pub(super) fn operation<'a>(cx: &SecurityContext<'a>, form: &Form) -> Option<&'a Operation> {
    cx.api.operations.get(form.operation)
}

fn request(cx: &SecurityContext<'_>, form: &Form, case: &Case) -> Option<Request> {
    generate::render(operation(cx, form)?, case, cx.prober.base_path()).ok()
}

/// Sends a filled form, without credentials.
pub(super) async fn send(cx: &SecurityContext<'_>, form: &Form, case: &Case) -> Option<Exchange> {
    let request = request(cx, form, case)?;
    let answer = cx.prober.send(Some(form.operation), request, As::Anonymous).await?;
    if let Some(response) = answer.response() {
        hide_tokens(cx, response);
    }
    Some(answer)
}

/// Tokens and cookies that an answer hands out are nobody's business.
fn hide_tokens(cx: &SecurityContext<'_>, response: &Response) {
    for take in offers(response) {
        if take != Take::Cookies {
            value(response, &take).iter().for_each(|token| cx.prober.hide(token));
        }
    }
    let long = cookies(response).into_iter().filter(|(_, value)| value.len() >= 12);
    long.for_each(|(_, value)| cx.prober.hide(&value.into()));
}

/// 2xx or 3xx, and the body does not say that it failed.
pub(super) fn is_accepted(exchange: &Exchange) -> bool {
    exchange.status().is_some_and(|status| (200..400).contains(&status)) && !exchange.json().is_some_and(is_soft_error)
}

/// The user came in: a good answer that hands out something to come again with.
pub(super) async fn enter(cx: &SecurityContext<'_>, form: &Form, person: &Person) -> Option<Exchange> {
    let answer = send(cx, form, &form.login(&person.key())).await?;
    has_entered(&answer).then_some(answer)
}

pub(super) fn has_entered(answer: &Exchange) -> bool {
    is_accepted(answer) && answer.response().is_some_and(|response| !offers(response).is_empty())
}

/// Signs up somebody new; another one for each purpose.
pub(super) async fn sign_up(cx: &SecurityContext<'_>, purpose: &str) -> Option<Person> {
    let form = registrations(cx).into_iter().next()?;
    for number in 0..MAX_NAMES {
        let newcomer = cx.prober.newcomer(&format!("{purpose} {number}"))?;
        newcomer.passwords.iter().for_each(|password| cx.prober.hide(password));
        let person = Person::fitting(&form, &newcomer.word, &newcomer.passwords, |case| fits(cx, &form, case))?;
        if register(cx, &form, &person).await.is_some() {
            return Some(person);
        }
    }
    None
}

fn fits(cx: &SecurityContext<'_>, form: &Form, case: &Case) -> bool {
    let truth = operation(cx, form)
        .zip(request(cx, form, case))
        .map(|(operation, request)| classify::classify(operation, &request, cx.prober.base_path()));
    truth.is_some_and(|truth| !matches!(truth, WireTruth::Negative { .. }))
}

/// The exchange that made this user, if one did.
pub(super) async fn register(cx: &SecurityContext<'_>, form: &Form, person: &Person) -> Option<Exchange> {
    for case in form.register(&person.entry()) {
        let answer = send(cx, form, &case).await?;
        if is_accepted(&answer) {
            cx.prober.signed_up(person, operation(cx, form)?);
            return Some(answer);
        }
    }
    None
}

/// A user of the scan who can sign in: one that is made for this purpose, else one that was given.
pub(super) async fn somebody(cx: &SecurityContext<'_>, purpose: &str) -> Option<Person> {
    match sign_up(cx, purpose).await {
        Some(person) => Some(person),
        None => cx.prober.person(As::Primary),
    }
}

/// A password that is nobody's, as long as the right one.
pub(super) fn wrong_password(cx: &SecurityContext<'_>, right: &SecretString) -> SecretString {
    let length = right.expose_secret().chars().count().clamp(8, 60);
    let text = format!("Nw7!{}", cx.prober.nonce());
    text.chars().chain("7Qz!".chars().cycle()).take(length).collect::<String>().into()
}

/// What an answer hands out, with every place it may go to.
pub(super) fn tokens(cx: &SecurityContext<'_>, response: &Response) -> Vec<Worn> {
    let places = infer::placements(cx.api, &offers(response));
    let found = places.into_iter().filter_map(|(take, place)| Worn::of(vec![(place, value(response, &take)?)]));
    found.take(4).collect()
}

/// Some success, for operations that need not hand out anything.
pub(super) fn succeeded(exchange: &Exchange) -> bool {
    is_success(exchange) && is_accepted(exchange)
}
