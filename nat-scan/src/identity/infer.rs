//! What a document says about signing in and up: which operations, which of their fields, where a token goes. Pure.

mod form;
mod person;
mod place;

use serde_json::Value;

use super::answer::is_token_name;
use crate::chain::{Spot, tokens};
use crate::spec::{Api, Operation};

pub(crate) use form::{Entry, Field, Form};
use form::{asks_for_a_name, form, may_be_form};
pub use person::Person;
pub(crate) use place::{is_basic, placements, token_url};

/// Operations of one kind that are considered.
const MAX_FORMS: usize = 3;
/// Levels of a body, and of a schema, that are looked at.
const MAX_DEPTH: usize = 3;

/// Operations that sign in, the likeliest first.
pub(crate) fn logins(api: &Api, seed: u64) -> Vec<Form> {
    forms(api, seed, login_score)
}

/// Operations that make a user of whoever asks, the likeliest first.
pub(crate) fn registrations(api: &Api, seed: u64) -> Vec<Form> {
    forms(api, seed, registration_score)
}

/// Operations that send who forgot the password a new one, the likeliest first.
pub(crate) fn resets(api: &Api, seed: u64) -> Vec<Form> {
    let wanted = |operation: &&Operation| {
        let words = Words::of(operation);
        let here = [&words.last, &words.id];
        let about = |all: &[&str]| here.iter().any(|words| Words::has(words, all));
        let again = about(&["forgot", "forgotten", "recover", "recovery"]);
        let reset = about(&["reset"]) && Words::has(&words.path, &["password", "passwd", "pwd"]);
        operation.method == "POST" && may_be_form(operation) && (again || reset)
    };
    let found = api.operations.iter().filter(wanted).filter_map(|operation| asks_for_a_name(api, operation, seed));
    found.take(MAX_FORMS).collect()
}

/// How likely an operation with these fields is what is looked for; none: it is not.
type Score = fn(&Operation, &[(Spot, Field)]) -> Option<i32>;

fn forms(api: &Api, seed: u64, score: Score) -> Vec<Form> {
    let mut found: Vec<(i32, Form)> = Vec::new();
    for operation in api.operations.iter().filter(|operation| may_be_form(operation)) {
        let Some(form) = form(api, operation, seed) else { continue };
        found.extend(score(operation, &form.fields).map(|score| (score, form)));
    }
    found.sort_by_key(|(score, form)| (std::cmp::Reverse(*score), form.operation));
    found.into_iter().take(MAX_FORMS).map(|(_, form)| form).collect()
}

/// The words that name an operation.
struct Words {
    /// Of the last literal segment.
    last: Vec<String>,
    id: Vec<String>,
    tags: Vec<String>,
    path: Vec<String>,
}

impl Words {
    fn of(operation: &Operation) -> Self {
        let last = operation.path.rsplit('/').find(|segment| !segment.is_empty()).unwrap_or_default();
        Self {
            last: joined(tokens(last)),
            id: joined(operation.operation_id.as_deref().map(tokens).unwrap_or_default()),
            tags: operation.tags.iter().flat_map(|tag| joined(tokens(tag))).collect(),
            path: joined(tokens(&operation.path)),
        }
    }

    fn has(words: &[String], all: &[&str]) -> bool {
        words.iter().any(|word| all.contains(&word.as_str()))
    }
}

/// `sign in` and `sign-in` are `signin` too.
fn joined(mut words: Vec<String>) -> Vec<String> {
    let pairs: Vec<String> = words.windows(2).map(|pair| pair.concat()).collect();
    words.extend(pairs);
    words
}

fn login_score(operation: &Operation, fields: &[(Spot, Field)]) -> Option<i32> {
    const STRONG: [&str; 7] = ["login", "logon", "signin", "authenticate", "signon", "obtaintoken", "createtoken"];
    const WEAK: [&str; 7] = ["token", "auth", "session", "jwt", "oauth", "authentication", "accesstoken"];
    const OTHERS: [&str; 27] = [
        "register",
        "registration",
        "signup",
        "reset",
        "forgot",
        "revoke",
        "refresh",
        "logout",
        "signout",
        "status",
        "verify",
        "verification",
        "validate",
        "change",
        "update",
        "delete",
        "introspect",
        "confirm",
        "check",
        "resend",
        "recover",
        "recovery",
        "unlock",
        "invite",
        "activate",
        "enroll",
        "revocation",
    ];
    let words = Words::of(operation);
    if Words::has(&words.last, &OTHERS) || Words::has(&words.id, &OTHERS) {
        return None;
    }
    // A confirmation is asked of those who choose a password.
    if fields.iter().any(|(_, field)| *field == Field::Confirmation) {
        return None;
    }
    let mut score = 0;
    for (here, strong, weak) in [(&words.last, 5, 3), (&words.id, 3, 2), (&words.tags, 1, 1), (&words.path, 1, 1)] {
        score += if Words::has(here, &STRONG) { strong } else { 0 }.max(if Words::has(here, &WEAK) { weak } else { 0 });
    }
    if score == 0 {
        return None;
    }
    score += match documents_token(operation) {
        Some(true) => 3,
        Some(false) => -1,
        None => 0,
    };
    // Admins are others than those who sign up.
    score -= if Words::has(&words.path, &["admin"]) { 2 } else { 0 };
    (score >= 3).then_some(score)
}

fn registration_score(operation: &Operation, _: &[(Spot, Field)]) -> Option<i32> {
    const STRONG: [&str; 6] = ["register", "registration", "signup", "enroll", "enrol", "createaccount"];
    const NOUNS: [&str; 7] = ["user", "account", "customer", "member", "person", "profile", "client"];
    const OTHERS: [&str; 23] = [
        "login",
        "logon",
        "signin",
        "reset",
        "forgot",
        "verify",
        "verification",
        "confirm",
        "bulk",
        "batch",
        "list",
        "array",
        "admin",
        "invite",
        "import",
        "change",
        "update",
        "delete",
        "resend",
        "search",
        "token",
        "logout",
        "check",
    ];
    let words = Words::of(operation);
    if operation.method == "GET" || [&words.last, &words.id].iter().any(|here| Words::has(here, &OTHERS)) {
        return None;
    }
    let named = Words::has(&words.last, &STRONG) || Words::has(&words.id, &STRONG);
    let noun = operation.method == "POST" && Words::has(&words.last, &NOUNS);
    let made = Words::has(&words.id, &["create", "add", "new", "post"]) && Words::has(&words.id, &NOUNS);
    let mut score = if named { 6 } else { 0 } + if noun { 2 } else { 0 } + if made { 2 } else { 0 };
    if operation.is_protected() {
        // Documents with one rule for everything forget the exception.
        score -= 3;
    }
    (score >= 2).then_some(score)
}

/// Whether the documented success holds a token; none when nothing is documented.
fn documents_token(operation: &Operation) -> Option<bool> {
    let good: Vec<_> = operation.responses.iter().filter(|response| response.status.is_success()).collect();
    let in_header = good
        .iter()
        .flat_map(|response| &response.headers)
        .any(|header| header.name.eq_ignore_ascii_case("set-cookie") || is_token_name(&header.name));
    let schemas: Vec<_> = good.iter().flat_map(|one| &one.content).filter_map(|media| media.schema.as_ref()).collect();
    let in_body = schemas.iter().any(|schema| names_token(schema, schema.node(), 0));
    if in_header || in_body {
        return Some(true);
    }
    let says_something = |schema: &&crate::schema::Schema| schema.resolve(schema.node()).get("properties").is_some();
    schemas.iter().any(says_something).then_some(false)
}

fn names_token(schema: &crate::schema::Schema, node: &Value, depth: usize) -> bool {
    if depth > MAX_DEPTH {
        return false;
    }
    let node = schema.resolve(node);
    let named = node.get("properties").and_then(Value::as_object).is_some_and(|properties| {
        properties.iter().any(|(name, property)| is_token_name(name) || names_token(schema, property, depth + 1))
    });
    named
        || ["allOf", "anyOf", "oneOf"]
            .iter()
            .filter_map(|key| node.get(*key)?.as_array())
            .flatten()
            .any(|part| names_token(schema, part, depth + 1))
}

/// The document says that some operations want credentials.
pub(crate) fn wants_credentials(api: &Api) -> bool {
    use crate::check::functional::grants_credentials;
    use crate::spec::StatusPattern::Exact;
    let refuses = |operation: &Operation| {
        let documented = operation.responses.iter().any(|one| matches!(one.status, Exact(401)));
        documented && !grants_credentials(operation)
    };
    api.operations.iter().any(|operation| operation.is_protected() || refuses(operation))
}

#[cfg(test)]
mod tests;
