//! S-SESS: a session that was ended is not over.

use async_trait::async_trait;

use super::gate::{Gate, gates, nonsense};
use super::guest::{enter, logins, somebody, succeeded, tokens};
use crate::chain;
use crate::check::{As, CheckInfo, Exchange, SecurityCheck, SecurityContext, Suspicion, Turn};
use crate::finding::{Confidence, Finding, Role, Severity};
use crate::generate::{self, Intent, Phase};
use crate::identity::Worn;
use crate::spec::Operation;

/// S-SESS.
pub(super) struct SessionOutlives;

static INFO: CheckInfo = CheckInfo {
    id: "S-SESS",
    title: "A token works after logout",
    description: "The token of a session is accepted after the operation that ends the session succeeded: whoever copied it stays signed in.",
    remediation: "Keep sessions, or a list of ended ones, on the server, and refuse the token after logout. Short-lived tokens lessen the harm and do not end a session.",
    cwe: &["CWE-613"],
    owasp: Some("API2:2023"),
};

const OUTLIVED: &str = "CVSS:3.1/AV:N/AC:H/PR:N/UI:N/S:U/C:L/I:L/A:N";
/// Gates that are tried until one lets the new user in.
const MAX_TRIED: usize = 12;
const MAX_LOGOUTS: usize = 3;

#[async_trait]
impl SecurityCheck for SessionOutlives {
    fn info(&self) -> &'static CheckInfo {
        &INFO
    }

    fn turn(&self) -> Turn {
        Turn::Last
    }

    async fn run(&self, cx: &SecurityContext<'_>) -> Vec<Finding> {
        if cx.safe_mode {
            return Vec::new();
        }
        let all = cx.api.operations.iter().filter(|one| is_logout(one) && cx.prober.may_call(one.index));
        let mut found = Vec::new();
        for (number, operation) in all.take(MAX_LOGOUTS).enumerate() {
            found.extend(probe(cx, operation, &format!("logout {number}")).await);
        }
        found
    }
}

fn is_logout(operation: &Operation) -> bool {
    const WORDS: [&str; 4] = ["logout", "signout", "logoff", "signoff"];
    let last = operation.path.rsplit('/').find(|segment| !segment.is_empty()).unwrap_or_default();
    let mut words = chain::tokens(last);
    let joined: Vec<String> = words.windows(2).map(|pair| pair.concat()).collect();
    words.extend(joined);
    !operation.path.contains('{')
        && matches!(operation.method.as_str(), "POST" | "GET" | "DELETE")
        && words.iter().any(|word| WORDS.contains(&word.as_str()))
}

/// Signs in, sees that the token works, signs out, and sees whether it still does.
async fn probe(cx: &SecurityContext<'_>, operation: &Operation, purpose: &str) -> Option<Finding> {
    let person = somebody(cx, purpose).await?;
    let gates = gates(cx).await;
    for login in logins(cx) {
        let Some(entered) = enter(cx, &login, &person).await else { continue };
        for worn in tokens(cx, entered.response()?) {
            let Some((gate, before)) = opened(cx, &gates, &worn).await else { continue };
            let nothing = gate.send(cx, &nonsense(&worn)).await?;
            if succeeded(&nothing) {
                continue;
            }
            let ended = end(cx, operation, &worn).await.filter(succeeded)?;
            let shows = |answer: &Exchange| same(&before, answer);
            let probe = gate.send(cx, &worn).await.filter(shows)?;
            let repeat = gate.send(cx, &worn).await.filter(shows)?;
            let read = gate.endpoint(cx)?.endpoint();
            let explanation = format!(
                "{} answered {}, and the same token still gets the user's data from {read}; one that means nothing is \
                 refused there.",
                operation.endpoint(),
                ended.status().unwrap_or_default()
            );
            let suspicion = Suspicion::new(Severity::Medium, "", "logout", explanation)
                .confidence(Confidence::Confirmed)
                .pointer(operation.pointer.clone());
            let exchanges = [
                (Role::Baseline, &before),
                (Role::Baseline, &ended),
                (Role::Probe, &probe),
                (Role::Control, &nothing),
                (Role::Repeat, &repeat),
            ];
            return Some(cx.report.build(&INFO, &suspicion, Some(operation), &exchanges).rated(OUTLIVED));
        }
    }
    None
}

/// The first gate that this token opens.
async fn opened<'a>(cx: &SecurityContext<'_>, gates: &'a [Gate], worn: &Worn) -> Option<(&'a Gate, Exchange)> {
    for gate in gates.iter().take(cx.at_most(MAX_TRIED)) {
        let answer = gate.send(cx, worn).await?;
        if succeeded(&answer) {
            return Some((gate, answer));
        }
    }
    None
}

fn same(one: &Exchange, other: &Exchange) -> bool {
    use crate::check::shape::{leaves, skeleton};
    if !succeeded(other) {
        return false;
    }
    match (one.json(), other.json()) {
        (Some(one), Some(other)) => skeleton(one) == skeleton(other) && !leaves(one).is_disjoint(&leaves(other)),
        (None, None) => one.response().map(|one| &one.body) == other.response().map(|other| &other.body),
        _ => false,
    }
}

async fn end(cx: &SecurityContext<'_>, operation: &Operation, worn: &Worn) -> Option<Exchange> {
    let cases = generate::cases(cx.api, operation, Phase::HappyPath, cx.seed);
    let case = cases.into_iter().find(|case| case.intent == Intent::Positive)?;
    let mut request = generate::render(operation, &case, cx.prober.base_path()).ok()?;
    worn.put(&mut request);
    cx.prober.send(Some(operation.index), request, As::Anonymous).await
}
