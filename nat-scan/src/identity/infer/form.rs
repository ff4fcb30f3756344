//! Operations as forms: which of their fields are the name and the password, and how they are filled in.

use serde_json::Value;

use super::MAX_DEPTH;
use crate::chain::{Spot, tokens};
use crate::generate::plan::FULL;
use crate::generate::{self, Argument, BodyValue, Case, Intent, Phase};
use crate::spec::{Api, Location, Operation};

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

    fn names_somebody(&self) -> bool {
        [Field::User, Field::Email, Field::Name].into_iter().any(|field| self.has(field))
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

pub(super) fn may_be_form(operation: &Operation) -> bool {
    let method = matches!(operation.method.as_str(), "POST" | "PUT" | "GET");
    method && operation.unusable.is_none() && !operation.path.contains('{')
}

/// The fields of an operation; none without a password, or when it is about changing one.
pub(super) fn form(api: &Api, operation: &Operation, seed: u64) -> Option<Form> {
    fields(api, operation, seed).filter(|form| form.has(Field::Password) && form.names_somebody())
}

/// As [`form`], of an operation that wants to know who somebody is and no password.
pub(super) fn asks_for_a_name(api: &Api, operation: &Operation, seed: u64) -> Option<Form> {
    fields(api, operation, seed).filter(|form| !form.has(Field::Password) && form.names_somebody())
}

fn fields(api: &Api, operation: &Operation, seed: u64) -> Option<Form> {
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
    Some(Form { operation: operation.index, fields, least, most })
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
