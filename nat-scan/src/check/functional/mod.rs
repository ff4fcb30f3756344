//! Functional checks: does the API keep its contract? One file a check; `docs/CONTRIBUTING.md` says how to add one.

mod allow;
mod bodyless;
mod challenge;
mod charset;
mod conformance;
mod connection;
mod content_type;
mod created;
mod dates;
mod default;
mod deserialise;
mod drift;
mod echo;
mod examples;
mod forbidden;
mod head;
mod headers;
mod json_text;
mod link;
mod malformed;
mod media;
mod media_type;
mod method;
mod negative;
mod positive;
mod required;
mod schema;
mod server_error;
mod size;
mod status;
#[cfg(test)]
mod tests;
mod variant;

use chrono::{DateTime, Utc};

use super::shape::is_soft_error;
use super::{Check, CheckInfo, Context, Exchange, Suspicion};
use crate::finding::{Finding, FindingBuilder};
use crate::generate::Slot;
use crate::spec::{Api, Operation, ResponseSpec, SpecVersion};
use crate::transport::Response;

/// Every functional check, in the order of their ids.
#[must_use]
pub fn all() -> &'static [&'static dyn Check] {
    &[
        &server_error::ServerError,
        &connection::ConnectionFailure,
        &status::UndocumentedStatus,
        &content_type::ContentType,
        &deserialise::Deserialise,
        &schema::ResponseSchema,
        &headers::ResponseHeaders,
        &variant::UnknownVariant,
        &link::Links,
        &negative::NegativeAccepted,
        &positive::PositiveRejected,
        &required::MissingRequired,
        &method::UndocumentedMethod,
        &allow::AllowParity,
        &media_type::UnsupportedMediaType,
        &malformed::MalformedBody,
        &echo::TextChanged,
        &echo::NumberChanged,
        &size::LargeValue,
        &examples::Examples,
        &default::DefaultHonoured,
        &head::HeadParity,
        &bodyless::Bodyless,
        &challenge::Challenge,
        &conformance::Conformance,
        &created::Created,
        &dates::Dates,
        &charset::Charset,
        &forbidden::UnauthorisedForForbidden,
        &drift::MissingOperation,
    ]
}

/// What is wrong with an answer to somebody else than the user of the scan, by the document: media type, syntax, schema.
pub(super) fn documented(
    api: &Api,
    operation: &Operation,
    exchange: &Exchange,
) -> Vec<(&'static CheckInfo, Suspicion)> {
    let cx = Context {
        api,
        operation,
        has_positive_control: true,
        baseline_fails: false,
        authenticated: false,
        identity_works: false,
        baseline: None,
    };
    let checks: [&'static dyn Check; 3] =
        [&content_type::ContentType, &deserialise::Deserialise, &schema::ResponseSchema];
    let applied = checks.into_iter().filter(|check| check.applies(&cx, exchange));
    applied.flat_map(|check| check.judge(&cx, exchange).into_iter().map(|raised| (check.info(), raised))).collect()
}

/// What is wrong with the document itself, without sending anything. Run once a scan.
#[must_use]
pub fn static_findings(api: &Api, report: &FindingBuilder, at: DateTime<Utc>) -> Vec<Finding> {
    examples::static_findings(api, report, at)
}

/// The exchange calls the documented operation, by its own method, and somebody wrote down what it answers.
fn is_contractual(cx: &Context<'_>, exchange: &Exchange) -> bool {
    cx.api.spec_version != SpecVersion::Inferred && exchange.request.method.eq_ignore_ascii_case(&cx.operation.method)
}

/// The documented answer for the status that came.
fn documented_response<'a>(cx: &Context<'a>, exchange: &Exchange) -> Option<&'a ResponseSpec> {
    cx.operation.response(exchange.status()?)
}

/// The answer may have a body at all.
fn has_body_by_definition(exchange: &Exchange, response: &Response) -> bool {
    !exchange.request.method.eq_ignore_ascii_case("HEAD") && !matches!(response.status, 100..=199 | 204 | 205 | 304)
}

/// There is a body that the document can say something about.
fn has_contractual_body(cx: &Context<'_>, exchange: &Exchange) -> bool {
    let has_body = |response: &Response| has_body_by_definition(exchange, response) && !response.body.is_empty();
    is_contractual(cx, exchange) && exchange.response().is_some_and(has_body)
}

/// 2xx, and the body does not say that it failed.
fn is_accepted(exchange: &Exchange) -> bool {
    exchange.status().is_some_and(|status| (200..300).contains(&status)) && !exchange.json().is_some_and(is_soft_error)
}

/// Operations that hand out credentials reject made-up ones, whatever their schema says.
pub(crate) fn grants_credentials(operation: &Operation) -> bool {
    let names = operation.tags.iter().chain(&operation.operation_id).chain(std::iter::once(&operation.path));
    let words: Vec<String> = names.flat_map(|name| words(name)).collect();
    let is_one = |word: &String| {
        let known = [
            "login",
            "logon",
            "signin",
            "token",
            "tokens",
            "auth",
            "oauth",
            "oauth2",
            "authenticate",
            "authentication",
            "authorize",
            "session",
            "sessions",
        ];
        known.contains(&word.as_str())
    };
    words.iter().any(is_one)
        || words.windows(2).any(|pair| matches!(pair[0].as_str(), "log" | "sign") && pair[1] == "in")
}

/// `createAuthToken` and `create-auth_token` are `create`, `auth`, `token`.
fn words(name: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut previous_is_lower = false;
    for c in name.chars() {
        let starts_word = c.is_uppercase() && previous_is_lower;
        if starts_word || !c.is_alphanumeric() {
            words.push(String::new());
        }
        if let Some(word) = words.last_mut().filter(|_| c.is_alphanumeric()) {
            word.extend(c.to_lowercase());
        }
        previous_is_lower = c.is_lowercase() || c.is_numeric();
    }
    words.retain(|word| !word.is_empty());
    words
}

/// `query limit`, `body /items/[]/name`, `body`.
fn slot_name(slot: &Slot) -> String {
    if slot.name.is_empty() { slot.location.to_owned() } else { format!("{} {}", slot.location, slot.name) }
}

/// The same from a violation of a request: `/query/limit`, `/body/items/0/name`.
fn slot_of(instance_path: &str) -> String {
    let mut segments = instance_path.split('/').skip(1);
    let location = segments.next().unwrap_or_default();
    let rest: Vec<&str> = segments
        .map(
            |segment| {
                if !segment.is_empty() && segment.bytes().all(|byte| byte.is_ascii_digit()) { "[]" } else { segment }
            },
        )
        .collect();
    match (location, rest.as_slice()) {
        (location, []) => location.to_owned(),
        ("body", rest) => format!("body /{}", rest.join("/")),
        (location, rest) => format!("{location} {}", rest[0].replace("~1", "/").replace("~0", "~")),
    }
}
