//! A user whose name and password fit into a form.

use secrecy::{ExposeSecret, SecretString};

use super::{Entry, Field, Form};
use crate::generate::Case;

/// Somebody who can sign in with a name and a password.
#[derive(Clone, Debug)]
pub struct Person {
    name: String,
    email: String,
    password: SecretString,
    /// The target knows no name, only the e-mail address.
    mail_only: bool,
}

impl Person {
    /// A user of whom a name, which may be an e-mail address, and a password are known.
    #[must_use]
    pub fn known(username: &str, password: SecretString) -> Self {
        Self { name: username.to_owned(), email: username.to_owned(), password, mail_only: false }
    }

    /// A user that this form can make.
    pub(crate) fn new(registration: &Form, name: &str, password: SecretString) -> Self {
        let mail_only = !registration.has(Field::User) && registration.has(Field::Email);
        Self { name: name.to_owned(), email: format!("{name}@example.com"), password, mail_only }
    }

    /// The first name and password that the form takes, else the likeliest.
    pub(crate) fn fitting(
        registration: &Form,
        word: &str,
        passwords: &[SecretString],
        fits: impl Fn(&Case) -> bool,
    ) -> Option<Self> {
        let short: String = word.chars().take(8).collect();
        let names = [word, &short];
        let all =
            passwords.iter().flat_map(|password| names.map(|name| Self::new(registration, name, password.clone())));
        let mut likeliest = None;
        for person in all {
            if registration.register(&person.entry()).first().is_some_and(&fits) {
                return Some(person);
            }
            likeliest.get_or_insert(person);
        }
        likeliest
    }

    /// What the target calls the user.
    #[must_use]
    pub fn username(&self) -> &str {
        if self.mail_only { &self.email } else { &self.name }
    }

    /// What the user signs in with.
    #[must_use]
    pub const fn password(&self) -> &SecretString {
        &self.password
    }

    /// The same user with another password.
    pub(crate) fn with_password(&self, password: SecretString) -> Self {
        Self { password, ..self.clone() }
    }

    /// Somebody else with the same password, known by the same kind of name.
    pub(crate) fn called(&self, name: &str) -> Self {
        let email = match self.email.split_once('@') {
            Some((_, host)) => format!("{name}@{host}"),
            None => name.to_owned(),
        };
        // Whoever is known by an address stays so.
        let name = if self.name.contains('@') { email.clone() } else { name.to_owned() };
        Self { name, email, ..self.clone() }
    }

    /// For forms that sign up.
    pub(crate) fn entry(&self) -> Entry<'_> {
        Entry { user: &self.name, email: &self.email, password: self.password.expose_secret() }
    }

    /// For forms that sign in.
    pub(crate) fn key(&self) -> Entry<'_> {
        Entry { user: if self.mail_only { "" } else { &self.name }, ..self.entry() }
    }
}
