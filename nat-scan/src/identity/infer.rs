//! What a document says about signing in and up: which operations, which of their fields, where a token goes. Pure.

use serde_json::Value;

use super::answer::is_token_name;
use super::{Placement, Take};
use crate::chain::{Spot, tokens};
use crate::generate::plan::FULL;
use crate::generate::{self, Argument, BodyValue, Case, Intent, Phase};
use crate::spec::{Api, Location, Operation, SecurityScheme};

/// Operations of one kind that are considered.
const MAX_FORMS: usize = 3;
/// Levels of a body, and of a schema, that are looked at.
const MAX_DEPTH: usize = 3;

/// What a field of a form is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Field {
    /// The name to sign in with.
    User,
    /// An e-mail address.
    Email,
    /// A name: to sign in with, where there is nothing better.
    Name,
    Password,
    /// The password once more.
    Confirmation,
}

/// An operation that takes a name and a password.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Form {
    /// Index of the operation.
    pub(crate) operation: usize,
    pub(crate) fields: Vec<(Spot, Field)>,
    /// A request with only what must be there, and one with everything.
    least: Case,
    most: Case,
}

/// What is typed into a form.
#[derive(Clone, Debug)]
pub(crate) struct Entry<'a> {
    pub(crate) user: &'a str,
    pub(crate) email: &'a str,
    pub(crate) password: &'a str,
}

impl Form {
    pub(crate) fn has(&self, wanted: Field) -> bool {
        self.fields.iter().any(|(_, field)| *field == wanted)
    }

    /// The requests that sign this user up: one with what must be there, one with everything.
    pub(crate) fn register(&self, entry: &Entry<'_>) -> Vec<Case> {
        let named = self.has(Field::User) || self.has(Field::Email);
        let fill = |case: &Case| {
            let mut case = case.clone();
            for (spot, field) in &self.fields {
                match field {
                    Field::User => put(&mut case, spot, entry.user),
                    Field::Email => put(&mut case, spot, entry.email),
                    // Beside a better one it is what the user is called, and need not be unique.
                    Field::Name if named => {}
                    Field::Name => put(&mut case, spot, entry.user),
                    Field::Password | Field::Confirmation => put(&mut case, spot, entry.password),
                }
            }
            case
        };
        let mut cases = vec![fill(&self.least)];
        let full = fill(&self.most);
        if full.body != cases[0].body || full.arguments != cases[0].arguments {
            cases.push(full);
        }
        cases
    }

    /// The request that signs this user in.
    pub(crate) fn login(&self, entry: &Entry<'_>) -> Case {
        let mut case = self.least.clone();
        let mail_only = entry.user.is_empty();
        let preferred = match () {
            () if (mail_only || entry.user.contains('@')) && self.has(Field::Email) => Field::Email,
            () => [Field::User, Field::Email, Field::Name]
                .into_iter()
                .find(|field| self.has(*field))
                .unwrap_or(Field::User),
        };
        for (spot, field) in &self.fields {
            let required = holds(&self.least, spot);
            match field {
                Field::Password | Field::Confirmation => put(&mut case, spot, entry.password),
                Field::Email if required || *field == preferred => put(&mut case, spot, entry.email),
                Field::User | Field::Name if required || *field == preferred => {
                    put(&mut case, spot, if mail_only { entry.email } else { entry.user });
                }
                _ => {}
            }
        }
        case
    }
}

/// Operations that sign in, the likeliest first.
pub(crate) fn logins(api: &Api, seed: u64) -> Vec<Form> {
    forms(api, seed, login_score)
}

/// Operations that make a user of whoever asks, the likeliest first.
pub(crate) fn registrations(api: &Api, seed: u64) -> Vec<Form> {
    forms(api, seed, registration_score)
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

fn may_be_form(operation: &Operation) -> bool {
    let method = matches!(operation.method.as_str(), "POST" | "PUT" | "GET");
    method && operation.unusable.is_none() && !operation.path.contains('{')
}

/// The fields of an operation; none without a password, or when it is about changing one.
fn form(api: &Api, operation: &Operation, seed: u64) -> Option<Form> {
    let mut cases = generate::cases(api, operation, Phase::HappyPath, seed);
    cases.retain(|case| case.intent == Intent::Positive && case.method.is_none());
    let media = |case: &Case| match &case.body {
        Some(BodyValue::Typed { media_type, .. }) => Some(*media_type),
        _ => None,
    };
    let least = cases.first()?;
    let most = cases.iter().find(|case| case.label == FULL).unwrap_or(least).clone();
    // A body that may be left out is no form without it.
    let least = if media(least) == media(&most) { least.clone() } else { most.clone() };
    let mut found = Vec::new();
    for argument in &most.arguments {
        let Some(parameter) = operation.parameters.get(argument.parameter) else { continue };
        if parameter.location == Location::Query {
            let format = parameter.schema.node()["format"].as_str().unwrap_or_default();
            found.push((Spot::Argument(argument.parameter), kind(&parameter.name, format, &argument.value)));
        }
    }
    if let Some(BodyValue::Typed { value, .. }) = &most.body {
        members(value, &mut String::new(), 0, &mut found);
    }
    if found.iter().any(|(_, kind)| *kind == Kind::Other) {
        return None;
    }
    let fields: Vec<(Spot, Field)> = found
        .into_iter()
        .filter_map(|(spot, kind)| match kind {
            Kind::Field(field) => Some((spot, field)),
            _ => None,
        })
        .collect();
    let has = |wanted: &[Field]| fields.iter().any(|(_, field)| wanted.contains(field));
    let complete = has(&[Field::Password]) && has(&[Field::User, Field::Email, Field::Name]);
    complete.then_some(Form { operation: operation.index, fields, least, most })
}

fn members(value: &Value, pointer: &mut String, depth: usize, found: &mut Vec<(Spot, Kind)>) {
    let Value::Object(object) = value else { return };
    for (name, member) in object {
        let length = pointer.len();
        pointer.push('/');
        pointer.push_str(&name.replace('~', "~0").replace('/', "~1"));
        match member {
            Value::Object(_) if depth + 1 < MAX_DEPTH => members(member, pointer, depth + 1, found),
            _ => found.push((Spot::Body(pointer.clone()), kind(name, "", member))),
        }
        pointer.truncate(length);
    }
}

/// What a member of a form is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Field(Field),
    /// Belongs to another kind of form: the old password, a reset token.
    Other,
    Nothing,
}

fn kind(name: &str, format: &str, value: &Value) -> Kind {
    if !value.is_string() {
        return Kind::Nothing;
    }
    let words = tokens(name);
    let has =
        |all: &[&str]| words.iter().any(|word| all.contains(&word.trim_end_matches(|c: char| c.is_ascii_digit())));
    let is = |all: &[&str]| all.contains(&words.join("_").as_str());
    let secret =
        has(&["password", "passwd", "pwd", "passphrase", "passcode", "passwort"]) || is(&["pass", "pw", "user_pass"]);
    match () {
        () if secret && has(&["old", "new", "current", "previous", "reset", "forgot"]) => Kind::Other,
        () if secret && has(&["hint", "hash", "question", "expire", "strength", "policy"]) => Kind::Nothing,
        () if secret
            && (has(&["confirm", "confirmation", "repeat", "again", "retype", "verify", "match"])
                || name.ends_with('2')) =>
        {
            Kind::Field(Field::Confirmation)
        }
        () if secret || format == "password" => Kind::Field(Field::Password),
        () if is(&["reset_token", "reset_code"]) => Kind::Other,
        () if has(&["email", "mail"]) && !has(&["verified", "confirm"]) => Kind::Field(Field::Email),
        () if is(&[
            "username",
            "user_name",
            "user",
            "login",
            "login_name",
            "login_id",
            "account",
            "account_name",
            "handle",
            "nick",
            "nickname",
            "nick_name",
            "screen_name",
            "user_id",
            "userid",
            "uid",
            "uname",
            "identifier",
            "username_or_email",
        ]) =>
        {
            Kind::Field(Field::User)
        }
        () if is(&["name"]) => Kind::Field(Field::Name),
        () => Kind::Nothing,
    }
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
    if is_protected(operation) {
        // Documents with one rule for everything forget the exception.
        score -= 3;
    }
    (score >= 2).then_some(score)
}

fn is_protected(operation: &Operation) -> bool {
    !operation.security.is_empty() && operation.security.iter().all(|alternative| !alternative.is_empty())
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

/// What may be done with what an answer offers, the likeliest first.
pub(crate) fn placements(api: &Api, offers: &[Take]) -> Vec<(Take, Placement)> {
    let token = offers.iter().find(|offer| **offer != Take::Cookies);
    let cookies = offers.contains(&Take::Cookies);
    let mut found: Vec<(Take, Placement)> = Vec::new();
    for scheme in schemes(api) {
        let places = match scheme {
            SecurityScheme::Bearer { .. } => vec![Placement::bearer()],
            SecurityScheme::ApiKey { location: Location::Header, name }
                if name.eq_ignore_ascii_case("authorization") =>
            {
                // The document says where, and nothing of the word before it.
                ["Bearer {token}", "{token}", "Token {token}"].map(|form| Placement::header(name, form)).to_vec()
            }
            SecurityScheme::ApiKey { location: Location::Header, name } => vec![Placement::header(name, "{token}")],
            SecurityScheme::ApiKey { location: Location::Query, name } => {
                vec![Placement::Query { name: name.clone(), template: "{token}".to_owned() }]
            }
            SecurityScheme::ApiKey { location: Location::Cookie, name } => {
                if cookies {
                    found.push((Take::Cookies, Placement::Cookies));
                }
                vec![Placement::Cookie { name: name.clone() }]
            }
            _ => Vec::new(),
        };
        found.extend(token.iter().flat_map(|token| places.iter().map(|place| ((*token).clone(), place.clone()))));
    }
    if let Some(token) = token {
        found.push((token.clone(), Placement::bearer()));
        found.extend(key_parameters(api).map(|name| (token.clone(), Placement::header(name, "{token}"))));
    }
    if cookies {
        found.push((Take::Cookies, Placement::Cookies));
    }
    let mut seen = Vec::new();
    found.retain(|one| {
        !seen.contains(one) && {
            seen.push(one.clone());
            true
        }
    });
    found
}

/// Headers that operations ask for as ordinary parameters, and that carry tokens.
fn key_parameters(api: &Api) -> impl Iterator<Item = &str> {
    let headers = api.operations.iter().flat_map(|operation| &operation.parameters);
    headers
        .filter(|parameter| {
            parameter.location == Location::Header && parameter.required && is_token_name(&parameter.name)
        })
        .map(|parameter| parameter.name.as_str())
        .take(1)
}

/// Schemes by how many operations ask for them; all of them when no operation asks for any.
fn schemes(api: &Api) -> Vec<&SecurityScheme> {
    let uses = |name: &str| {
        let asks = |operation: &&Operation| operation.security.iter().any(|one| one.contains_key(name));
        api.operations.iter().filter(asks).count()
    };
    let mut named: Vec<(usize, &SecurityScheme)> =
        api.security_schemes.iter().map(|(name, scheme)| (uses(name), scheme)).collect();
    named.sort_by_key(|(uses, _)| std::cmp::Reverse(*uses));
    let asked = named.first().is_some_and(|(uses, _)| *uses > 0);
    named.into_iter().filter(|(uses, _)| *uses > 0 || !asked).map(|(_, scheme)| scheme).collect()
}

/// The token endpoint that the document declares.
pub(crate) fn token_url(api: &Api) -> Option<&str> {
    schemes(api).into_iter().find_map(|scheme| match scheme {
        SecurityScheme::Bearer { token_url } => token_url.as_deref(),
        _ => None,
    })
}

/// The document declares the Basic scheme.
pub(crate) fn is_basic(api: &Api) -> bool {
    schemes(api).contains(&&SecurityScheme::Basic)
}

/// The document says that some operations want credentials.
pub(crate) fn wants_credentials(api: &Api) -> bool {
    use crate::check::functional::grants_credentials;
    use crate::spec::StatusPattern::Exact;
    let refuses = |operation: &Operation| {
        let documented = operation.responses.iter().any(|one| matches!(one.status, Exact(401)));
        documented && !grants_credentials(operation)
    };
    api.operations.iter().any(|operation| is_protected(operation) || refuses(operation))
}

fn holds(case: &Case, spot: &Spot) -> bool {
    match (spot, &case.body) {
        (Spot::Argument(parameter), _) => case.arguments.iter().any(|argument| argument.parameter == *parameter),
        (Spot::Body(pointer), Some(BodyValue::Typed { value, .. })) => value.pointer(pointer).is_some(),
        (Spot::Body(_), _) => false,
    }
}

/// Writes a text into a case; what is not there yet is made.
fn put(case: &mut Case, spot: &Spot, text: &str) {
    match (spot, &mut case.body) {
        (Spot::Argument(parameter), _) => {
            case.arguments.retain(|argument| argument.parameter != *parameter);
            case.arguments.push(Argument { parameter: *parameter, value: Value::from(text) });
        }
        (Spot::Body(pointer), Some(BodyValue::Typed { value, .. })) => {
            let mut place = value;
            for step in pointer.split('/').skip(1) {
                let name = step.replace("~1", "/").replace("~0", "~");
                if !place.is_object() {
                    *place = Value::Object(serde_json::Map::new());
                }
                let Value::Object(object) = place else { return };
                place = object.entry(name).or_insert(Value::Null);
            }
            *place = Value::from(text);
        }
        (Spot::Body(_), _) => {}
    }
}

#[cfg(test)]
mod tests;
