//! S-PWPOL: a sign-up takes passwords that nobody should have.

use async_trait::async_trait;
use secrecy::SecretString;

use super::guest::{self, enter, has_entered, logins, register, registrations};
use crate::check::{CheckInfo, SecurityCheck, SecurityContext, Suspicion, Turn};
use crate::finding::{Confidence, Finding, Role, Severity};
use crate::identity::Person;
use crate::identity::infer::Form;

/// S-PWPOL.
pub(super) struct WeakPassword;

static INFO: CheckInfo = CheckInfo {
    id: "S-PWPOL",
    title: "Weak passwords are accepted",
    description: "A user can sign up with a password of one character, the most common one, or the own name, and sign in with it.",
    remediation: "Demand at least eight characters, better twelve, and refuse passwords from lists of common ones and those that contain the name.",
    cwe: &["CWE-521"],
    owasp: Some("API2:2023"),
};

const WEAK: &str = "CVSS:3.1/AV:N/AC:H/PR:N/UI:N/S:U/C:L/I:N/A:N";

#[async_trait]
impl SecurityCheck for WeakPassword {
    fn info(&self) -> &'static CheckInfo {
        &INFO
    }

    fn turn(&self) -> Turn {
        Turn::Write
    }

    async fn run(&self, cx: &SecurityContext<'_>) -> Vec<Finding> {
        let mut found = Vec::new();
        for (number, form) in registrations(cx).iter().enumerate() {
            for weakness in ["of one character", "123456", "that is the user name"] {
                let finding = probe(cx, form, weakness, &format!("password {number} {weakness}")).await;
                if finding.is_some() {
                    found.extend(finding);
                    break;
                }
            }
        }
        found
    }
}

async fn probe(cx: &SecurityContext<'_>, form: &Form, weakness: &str, purpose: &str) -> Option<Finding> {
    let newcomer = cx.prober.newcomer(purpose)?;
    let person = Person::new(form, &newcomer.word, newcomer.passwords[0].clone());
    let weak: SecretString = match weakness {
        "of one character" => "x".into(),
        "123456" => "123456".into(),
        _ => newcomer.word.as_str().into(),
    };
    let person = person.with_password(weak);
    let made = register(cx, form, &person).await?;
    for login in logins(cx) {
        let Some(entered) = enter(cx, &login, &person).await else { continue };
        // A login that lets anybody in says nothing of passwords.
        let other = person.with_password("natwrong".into());
        let control = guest::send(cx, &login, &login.login(&other.key())).await?;
        let Some(repeat) = enter(cx, &login, &person).await.filter(|_| !has_entered(&control)) else { continue };
        let operation = guest::operation(cx, form)?;
        let explanation = format!(
            "{} took a password {weakness}, and the new user signed in with it by {}.",
            operation.endpoint(),
            guest::operation(cx, &login)?.endpoint()
        );
        let suspicion = Suspicion::new(Severity::Low, "", "password", explanation)
            .confidence(Confidence::Confirmed)
            .pointer(operation.pointer.clone());
        let exchanges =
            [(Role::Probe, &made), (Role::Repeat, &entered), (Role::Control, &control), (Role::Repeat, &repeat)];
        return Some(cx.report.build(&INFO, &suspicion, Some(operation), &exchanges).rated(WEAK));
    }
    None
}
