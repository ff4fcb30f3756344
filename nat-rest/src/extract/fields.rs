//! Reads the members of a request object by name and notes everything that is wrong with them.
//!
//! One rule for all bodies: an absent member and a null are the same, a wrong type and an unknown member are a 422 that
//! names the path. Whether a member is required is for the service, which says so in the published sentence.

use chrono::{DateTime, Utc};
use nat_core::error::Validation;
use serde_json::{Map, Value};

use crate::Config;

/// Unknown members that one answer names.
const MAX_NAMED: usize = 20;

/// A request body that is read from a JSON object.
pub(crate) trait FromObject: Sized {
    /// Takes the members; what is left is unknown.
    fn read(fields: &mut Fields<'_>) -> Self;

    /// The largest body in bytes.
    fn limit(config: &Config) -> usize {
        config.body_limit
    }
}

/// The members of one object that have not been taken yet.
pub(crate) struct Fields<'v> {
    prefix: String,
    members: Map<String, Value>,
    validation: &'v mut Validation,
}

impl<'v> Fields<'v> {
    /// Reads all of `members` as a `T`.
    pub(crate) fn read_all<T: FromObject>(members: Map<String, Value>, validation: &'v mut Validation) -> T {
        let mut fields = Self { prefix: String::new(), members, validation };
        let value = T::read(&mut fields);
        fields.refuse_rest();
        value
    }

    fn refuse_rest(self) {
        for name in self.members.keys().take(MAX_NAMED) {
            let name: String = name.chars().take(100).collect();
            self.validation.invalid(&format!("{}{name}", self.prefix), "is unknown");
        }
    }

    fn path(&self, name: &str) -> String {
        format!("{}{name}", self.prefix)
    }

    fn invalid(&mut self, name: &str, what: &str) {
        self.validation.invalid(&self.path(name), what);
    }

    fn take<T>(&mut self, name: &str, what: &str, convert: impl FnOnce(Value) -> Option<T>) -> Option<T> {
        match self.members.shift_remove(name) {
            None | Some(Value::Null) => None,
            Some(value) => {
                let converted = convert(value);
                if converted.is_none() {
                    self.invalid(name, what);
                }
                converted
            }
        }
    }

    /// A string. NUL is refused here for all of them: PostgreSQL cannot store it.
    pub(crate) fn string(&mut self, name: &str) -> Option<String> {
        let text = self.take(name, "must be a string", text_of)?;
        if text.contains('\0') {
            self.invalid(name, "must not contain NUL");
            return None;
        }
        Some(text)
    }

    /// A string that must be there, for inputs whose service takes it for granted.
    pub(crate) fn required_string(&mut self, name: &str) -> String {
        if matches!(self.members.get(name), None | Some(Value::Null)) {
            self.validation.missing(&self.path(name));
        }
        self.string(name).unwrap_or_default()
    }

    /// A whole number.
    pub(crate) fn integer(&mut self, name: &str) -> Option<i64> {
        self.take(name, "must be a whole number", |value| value.as_i64())
    }

    /// A whole number that is not negative.
    pub(crate) fn unsigned(&mut self, name: &str) -> Option<u64> {
        self.take(name, "must be a whole number that is not negative", |value| value.as_u64())
    }

    /// `true` or `false`.
    pub(crate) fn boolean(&mut self, name: &str) -> Option<bool> {
        self.take(name, "must be true or false", |value| value.as_bool())
    }

    /// An array of strings.
    pub(crate) fn strings(&mut self, name: &str) -> Option<Vec<String>> {
        let texts: Vec<String> = self.take(name, "must be an array of strings", |value| match value {
            Value::Array(items) => items.into_iter().map(text_of).collect(),
            _ => None,
        })?;
        if texts.iter().any(|text| text.contains('\0')) {
            self.invalid(name, "must not contain NUL");
            return None;
        }
        Some(texts)
    }

    /// An instant in RFC 3339, in any offset.
    pub(crate) fn instant(&mut self, name: &str) -> Option<DateTime<Utc>> {
        self.take(name, "must be a date and time such as 2025-02-01T00:00:00Z", |value| {
            DateTime::parse_from_rfc3339(value.as_str()?).ok().map(|instant| instant.to_utc())
        })
    }

    /// An object inside this one.
    pub(crate) fn object<T: FromObject>(&mut self, name: &str) -> Option<T> {
        let members = self.take(name, "must be an object", |value| match value {
            Value::Object(members) => Some(members),
            _ => None,
        })?;
        let prefix = format!("{}.", self.path(name));
        let mut inner = Fields { prefix, members, validation: self.validation };
        let value = T::read(&mut inner);
        inner.refuse_rest();
        Some(value)
    }
}

fn text_of(value: Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text),
        _ => None,
    }
}
