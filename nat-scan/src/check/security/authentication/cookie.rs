//! S-COOKIE: the cookie that carries a session lacks what protects it.

use async_trait::async_trait;

use super::gate::{Gate, gates};
use super::guest::{self, logins, somebody};
use crate::check::{CheckInfo, Exchange, SecurityCheck, SecurityContext, Suspicion};
use crate::finding::{Confidence, Finding, Role, Severity};
use crate::identity::infer::Form;
use crate::identity::{Placement, Worn, cookies};
use crate::transport::Response;

/// S-COOKIE.
pub(super) struct SessionCookie;

static INFO: CheckInfo = CheckInfo {
    id: "S-COOKIE",
    title: "The session cookie is not protected",
    description: "The cookie that signs users in is set without attributes that keep it from scripts, from plain connections or from other sites.",
    remediation: "Set the session cookie with Secure, HttpOnly and SameSite=Lax or Strict.",
    cwe: &["CWE-614", "CWE-1004", "CWE-1275"],
    owasp: Some("API2:2023"),
};

const STOLEN: &str = "CVSS:3.1/AV:N/AC:H/PR:N/UI:R/S:U/C:L/I:N/A:N";
/// Gates that are tried until cookies open one.
const MAX_TRIED: usize = 40;

#[async_trait]
impl SecurityCheck for SessionCookie {
    fn info(&self) -> &'static CheckInfo {
        &INFO
    }

    fn turn(&self) -> crate::check::Turn {
        crate::check::Turn::Write
    }

    async fn run(&self, cx: &SecurityContext<'_>) -> Vec<Finding> {
        if cx.safe_mode {
            return Vec::new();
        }
        let Some(person) = somebody(cx, "cookie").await else { return Vec::new() };
        let mut found = Vec::new();
        for form in logins(cx) {
            if let Some(entered) = guest::send(cx, &form, &form.login(&person.key())).await {
                found.extend(judge(cx, &form, &person, &entered).await);
            }
        }
        found
    }
}

/// Every cookie without which the others are not enough.
async fn judge(
    cx: &SecurityContext<'_>,
    form: &Form,
    person: &crate::identity::Person,
    entered: &Exchange,
) -> Option<Finding> {
    let response = entered.response().filter(|_| guest::is_accepted(entered))?;
    let set = cookies(response);
    let lacking = |name: &str| missing(cx, response, name);
    // The cheap question first.
    if set.iter().all(|(name, _)| lacking(name).is_empty()) {
        return None;
    }
    let gates = gates(cx).await;
    let with = |left_out: Option<&str>| {
        let kept = set.iter().filter(|(name, _)| Some(name.as_str()) != left_out);
        let pairs = kept.map(|(name, value)| (Placement::Cookie { name: name.clone() }, value.clone().into()));
        Worn::of(pairs.collect())
    };
    let all = with(None)?;
    let (gate, opened) = first_open(cx, &gates, &all).await?;
    for (name, _) in &set {
        let faults = lacking(name);
        if faults.is_empty() {
            continue;
        }
        let without = match with(Some(name)) {
            Some(rest) => gate.send(cx, &rest).await?,
            None => cx.prober.send(Some(gate.operation), gate.request.clone(), crate::check::As::Anonymous).await?,
        };
        if !super::gate::is_refusal(&without) {
            continue;
        }
        // Set in the same way for the next one who signs in.
        let again = guest::send(cx, form, &form.login(&person.key())).await?;
        if again.response().is_none_or(|response| missing(cx, response, name) != faults) {
            return None;
        }
        let operation = guest::operation(cx, form)?;
        let explanation = format!(
            "The cookie {name} signs users in: {} refuses requests without it. It is set without {}.",
            gate.endpoint(cx)?.endpoint(),
            faults.join(", ")
        );
        let suspicion = Suspicion::new(Severity::Low, "header Set-Cookie", "attributes", explanation)
            .confidence(Confidence::Confirmed)
            .pointer(operation.pointer.clone());
        let exchanges =
            [(Role::Probe, entered), (Role::Baseline, &opened), (Role::Control, &without), (Role::Repeat, &again)];
        return Some(cx.report.build(&INFO, &suspicion, Some(operation), &exchanges).rated(STOLEN));
    }
    None
}

async fn first_open<'a>(cx: &SecurityContext<'_>, gates: &'a [Gate], worn: &Worn) -> Option<(&'a Gate, Exchange)> {
    for gate in gates.iter().take(cx.at_most(MAX_TRIED)) {
        let answer = gate.send(cx, worn).await?;
        if guest::succeeded(&answer) {
            return Some((gate, answer));
        }
    }
    None
}

/// The attributes that this cookie lacks. On a plain connection `Secure` would make it useless.
fn missing(cx: &SecurityContext<'_>, response: &Response, cookie: &str) -> Vec<&'static str> {
    let lines = response.headers.iter().filter(|(name, _)| name.eq_ignore_ascii_case("set-cookie"));
    let mut lines = lines.filter_map(|(_, line)| std::str::from_utf8(line).ok());
    let is_it = |line: &&str| line.split('=').next().map(str::trim) == Some(cookie);
    let Some(line) = lines.find(is_it) else { return Vec::new() };
    let attributes: Vec<String> = line.split(';').skip(1).map(|part| part.trim().to_ascii_lowercase()).collect();
    let has = |name: &str| attributes.iter().any(|one| one.split('=').next() == Some(name));
    let mut missing = Vec::new();
    if !has("httponly") {
        missing.push("HttpOnly");
    }
    if cx.prober.tls() && !has("secure") {
        missing.push("Secure");
    }
    if !has("samesite") {
        missing.push("SameSite");
    }
    missing
}
