//! S-BRUTE: passwords can be guessed at a login as fast as it answers.

use std::time::Duration;

use async_trait::async_trait;

use super::guest::{self, enter, logins, somebody, wrong_password};
use crate::check::{CheckInfo, Exchange, SecurityCheck, SecurityContext, Suspicion, Turn};
use crate::finding::{Confidence, Finding, Role, Severity};
use crate::identity::infer::Form;

/// S-BRUTE.
pub(super) struct Guessable;

/// A limit of more requests than this is one of the whole API, not one of guesses.
const FAR: u64 = 1_000;

static INFO: CheckInfo = CheckInfo {
    id: "S-BRUTE",
    title: "A login does not slow down guessing",
    description: "Many wrong passwords for one user are answered alike and at once, and the right one works right after them: passwords can be tried from a list.",
    remediation: "Slow down or refuse after a few wrong passwords for one user or from one address, with 429 and Retry-After, and offer a second factor.",
    cwe: &["CWE-307"],
    owasp: Some("API2:2023"),
};

const GUESSED: &str = "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:L/I:N/A:N";
const TRIES: usize = 30;
const SAFE_TRIES: usize = 10;
/// Words of answers that hold guessers up.
const HINDRANCES: [&str; 8] =
    ["captcha", "too many", "locked", "try again later", "attempts", "temporarily", "blocked", "rate limit"];

#[async_trait]
impl SecurityCheck for Guessable {
    fn info(&self) -> &'static CheckInfo {
        &INFO
    }

    fn turn(&self) -> Turn {
        Turn::Strain
    }

    async fn run(&self, cx: &SecurityContext<'_>) -> Vec<Finding> {
        let mut found = Vec::new();
        for (number, form) in logins(cx).iter().enumerate() {
            found.extend(guess(cx, form, &format!("brute {number}")).await);
        }
        found
    }
}

async fn guess(cx: &SecurityContext<'_>, form: &Form, purpose: &str) -> Option<Finding> {
    // Only ever a user of our own: others would be locked out.
    let person = somebody(cx, purpose).await?;
    let before = enter(cx, form, &person).await?;
    let mut wrong: Vec<Exchange> = Vec::new();
    let tries = if cx.safe_mode { SAFE_TRIES } else { TRIES };
    for _ in 0..tries {
        let other = person.with_password(wrong_password(cx, person.password()));
        let answer = guest::send(cx, form, &form.login(&other.key())).await?;
        let alike = wrong.first().is_none_or(|first| first.status() == answer.status());
        if guest::has_entered(&answer) || !alike || hinders(&answer) {
            return None;
        }
        wrong.push(answer);
    }
    if grows(&wrong) {
        return None;
    }
    let after = enter(cx, form, &person).await?;
    let operation = guest::operation(cx, form)?;
    let explanation = format!(
        "{tries} wrong passwords in a row for a user of the scan were answered {} each time, without a delay or a \
         lock, and the right password worked at once.",
        wrong.first().and_then(Exchange::status).unwrap_or_default()
    );
    let suspicion = Suspicion::new(Severity::Medium, "", "guessing", explanation)
        .confidence(Confidence::Firm)
        .pointer(operation.pointer.clone());
    let exchanges = [
        (Role::Baseline, &before),
        (Role::Probe, wrong.first()?),
        (Role::Repeat, wrong.last()?),
        (Role::Control, &after),
    ];
    Some(cx.report.build(&INFO, &suspicion, Some(operation), &exchanges).rated(GUESSED))
}

/// The answer says that somebody counts.
fn hinders(answer: &Exchange) -> bool {
    let Some(response) = answer.response() else { return true };
    let left = ["ratelimit-remaining", "x-ratelimit-remaining", "ratelimit-limit", "x-ratelimit-limit", "ratelimit"];
    let near = |name: &&str| response.header(name).and_then(count).is_some_and(|left| left <= FAR);
    let counted = response.header("retry-after").is_some() || left.iter().any(near);
    let text = String::from_utf8_lossy(&response.body).to_lowercase();
    counted || matches!(response.status, 423 | 429 | 500..) || HINDRANCES.iter().any(|word| text.contains(word))
}

/// The number in a rate limit field: `99`, `99;w=60`, or `"default";r=99;t=50`.
fn count(field: &str) -> Option<u64> {
    let number = |text: &str| text.trim().parse().ok();
    field.split(';').find_map(|part| number(part.trim().strip_prefix("r=").unwrap_or(part)))
}

/// The last answers took much longer than the first.
fn grows(answers: &[Exchange]) -> bool {
    let middle = |part: &[Exchange]| {
        let mut times: Vec<Duration> = part.iter().filter_map(Exchange::response).map(|one| one.elapsed).collect();
        times.sort();
        times.get(times.len() / 2).copied().unwrap_or_default()
    };
    let part = answers.len() / 3;
    let (first, last) = (middle(&answers[..part]), middle(&answers[answers.len() - part..]));
    last > first * 2 + Duration::from_millis(200)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn number_of_a_rate_limit_field_is_read_in_every_form() {
        for (field, expected) in [
            ("99", Some(99)),
            ("99;w=60", Some(99)),
            ("\"default\";r=7;t=50", Some(7)),
            ("\"default\"", None),
            ("", None),
        ] {
            assert_eq!(count(field), expected, "{field}");
        }
    }
}
