//! Forms as requests, and users that fit into them.

use std::sync::Arc;

use secrecy::SecretString;
use url::Url;

use crate::classify::{self, WireTruth};
use crate::engine::contain::contain;
use crate::generate::{self, Case};
use crate::identity::infer::Form;
use crate::identity::{Call, Enrolment, Person};
use crate::spec::Api;

/// Passwords of one user, the strongest first: not every target takes it.
pub(in crate::engine) fn passwords(digest: &str) -> [SecretString; 3] {
    let part = |from: usize, to: usize| digest.get(from..to).unwrap_or_default();
    // Upper and lower case, digits and a sign, 20, 14 and 8 characters.
    [format!("Nat-{}7!Qz", &part(0, 24)), format!("Nat7{}", part(24, 34)), format!("Nt7{}", part(34, 39))]
        .map(SecretString::from)
}

/// Turns forms into requests.
pub(super) struct Writer {
    pub(super) api: Arc<Api>,
    pub(super) base_path: String,
    pub(super) target: Url,
}

impl Writer {
    pub(super) fn call(&self, form: &Form, case: &Case) -> Option<Call> {
        let operation = self.api.operations.get(form.operation)?;
        let request = contain(|| generate::render(operation, case, &self.base_path))?.ok()?;
        let url = self.target.join(&request.target).ok()?;
        Some(Call { url, request })
    }

    /// What signs up the user of this word: name and password as long as the document allows.
    pub(super) fn enrolment(
        &self,
        registration: &Form,
        login: &Form,
        word: &str,
        passwords: &[SecretString],
    ) -> Option<Enrolment> {
        let operation = self.api.operations.get(registration.operation)?;
        let fits = |case: &Case| {
            self.call(registration, case).is_some_and(|call| {
                let truth = contain(|| classify::classify(operation, &call.request, &self.base_path));
                !matches!(truth, Some(WireTruth::Negative { .. }))
            })
        };
        let person = Person::fitting(registration, word, passwords, fits)?;
        let cases = registration.register(&person.entry());
        let register: Vec<Call> = cases.iter().filter_map(|case| self.call(registration, case)).collect();
        let login = self.call(login, &login.login(&person.key()))?;
        Some(Enrolment { person, register, login })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::identity::infer;
    use crate::spec::{self, SpecLimits};

    async fn writer(user: serde_json::Value, password: serde_json::Value) -> Writer {
        let body = json!({"required": true, "content": {"application/json": {"schema": {
            "type": "object", "required": ["username", "password"],
            "properties": {"username": user, "password": password}}}}});
        let operation = json!({"post": {"requestBody": body, "responses": {"200": {"description": ""}}}});
        let document = json!({"openapi": "3.1.0", "info": {"title": "T", "version": "1"},
            "paths": {"/register": operation, "/login": operation}});
        let api = spec::load(document.to_string().as_bytes(), None, None, SpecLimits::default()).await.unwrap();
        let target = Url::parse("http://api.test/v1").unwrap();
        Writer { api: Arc::new(api), base_path: "/v1".to_owned(), target }
    }

    #[tokio::test]
    async fn users_fit_into_the_form() {
        let digest = "0123456789abcdef".repeat(4);
        let passwords = passwords(&digest);
        let text = |most: u32| json!({"type": "string", "maxLength": most});
        for (user, password, expected) in [
            (text(40), text(40), r#"{"username":"natabcdefghijkl","password":"Nat-0123456789abcdef012345677!Qz"}"#),
            (text(10), text(40), r#"{"username":"natabcde","password":"Nat-0123456789abcdef012345677!Qz"}"#),
            (text(10), text(15), r#"{"username":"natabcde","password":"Nat789abcdef01"}"#),
            (text(40), text(8), r#"{"username":"natabcdefghijkl","password":"Nt723456"}"#),
        ] {
            let writer = writer(user, password).await;
            let (register, login) = (&infer::registrations(&writer.api, 1)[0], &infer::logins(&writer.api, 1)[0]);
            let enrolment = writer.enrolment(register, login, "natabcdefghijkl", &passwords).unwrap();
            let body = |call: &Call| String::from_utf8(call.request.body.as_deref().unwrap().to_vec()).unwrap();
            assert!(expected.contains(&format!("\"{}\"", enrolment.person.username())));
            assert_eq!(body(&enrolment.login), body(&enrolment.register[0]));
            assert_eq!(enrolment.login.url.as_str(), "http://api.test/v1/login");
            assert_eq!(body(&enrolment.login).len(), expected.len(), "{}", body(&enrolment.login));
            assert_eq!(body(&enrolment.login), expected);
        }
    }
}
