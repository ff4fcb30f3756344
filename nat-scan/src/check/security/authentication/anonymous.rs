//! S-AUTH1, and F080 in a functional scan: a protected operation answers without credentials, or to credentials that cannot be valid.

use async_trait::async_trait;
use secrecy::ExposeSecret;

use super::gate::nonsense;
use crate::check::functional::{documented, grants_credentials};
use crate::check::security::{is_success, may_repeat, rightful, without_credentials};
use crate::check::shape::{is_soft_error, leaves, skeleton};
use crate::check::{As, CheckInfo, Exchange, SecurityCheck, SecurityContext, Suspicion};
use crate::finding::{Confidence, Finding, Role, Severity};
use crate::identity::is_jwt;
use crate::spec::Operation;
use crate::transport::Request;

/// S-AUTH1 or F080.
pub(crate) struct AuthenticationIgnored {
    info: &'static CheckInfo,
    /// Expect protection where the document is silent and neighbours refuse, too.
    guess: bool,
}

impl AuthenticationIgnored {
    /// As a security scan reports it.
    pub(crate) const SECURITY: Self = Self { info: &INFO, guess: true };
    /// As a breach of the document's `security`.
    pub(crate) const CONTRACT: Self = Self { info: &CONTRACT, guess: false };
}

static CONTRACT: CheckInfo = CheckInfo {
    id: "F080",
    title: "Documented authentication is not enforced",
    description: "The document requires credentials, and the operation gives the same data without them, or to invalid ones.",
    remediation: "Check credentials in one place before routing, or say `security: []` if the operation is meant to be public.",
    cwe: &["CWE-306"],
    owasp: Some("API2:2023"),
};

static INFO: CheckInfo = CheckInfo {
    id: "S-AUTH1",
    title: "Authentication is not enforced",
    description: "An operation that should need credentials gives the same data without them, or to invalid ones.",
    remediation: "Check credentials in one place before routing, and refuse by default. If the operation is meant to be public, say so in the document with `security: []`.",
    cwe: &["CWE-306"],
    owasp: Some("API2:2023"),
};

const READ: &str = "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:N/A:N";
const WRITE: &str = "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:N";

/// Why an operation should be protected.
enum Expectation {
    Declared,
    /// An operation beside it refuses anonymous requests.
    Sibling(String),
}

#[async_trait]
impl SecurityCheck for AuthenticationIgnored {
    fn info(&self) -> &'static CheckInfo {
        self.info
    }

    async fn run(&self, cx: &SecurityContext<'_>) -> Vec<Finding> {
        let refusing = if self.guess { operations_that_refuse(cx).await } else { Vec::new() };
        let mut found = Vec::new();
        for (operation, baseline) in cx.api.operations.iter().zip(cx.baselines) {
            let Some(baseline) = baseline.as_ref().filter(|baseline| is_success(baseline)) else { continue };
            if !may_repeat(cx, &operation.method) || grants_credentials(operation) {
                continue;
            }
            if let Some(expectation) = expectation(cx, operation, &refusing) {
                found.extend(probe(cx, self.info, operation, baseline, &expectation).await);
                if !self.guess {
                    found.extend(refusal(cx, operation, baseline).await);
                }
            }
        }
        found
    }
}

/// Without a word about security in the document, what neighbours do is the only hint: operations that answer 401 or 403
/// to the public and 2xx to us.
async fn operations_that_refuse<'a>(cx: &SecurityContext<'a>) -> Vec<&'a Operation> {
    let silent = cx.api.security_schemes.is_empty() && cx.api.operations.iter().all(|one| one.security.is_empty());
    let mut refusing = Vec::new();
    if !silent || !cx.prober.has(As::Primary) {
        return refusing;
    }
    for (operation, baseline) in cx.api.operations.iter().zip(cx.baselines) {
        let Some(baseline) = baseline.as_ref().filter(|_| operation.method == "GET") else { continue };
        let request = without_credentials(cx, &baseline.request);
        let Some(answer) = cx.prober.send(Some(operation.index), request, As::Anonymous).await else { break };
        if matches!(answer.status(), Some(401 | 403)) {
            refusing.push(operation);
        }
    }
    refusing
}

fn expectation(cx: &SecurityContext<'_>, operation: &Operation, refusing: &[&Operation]) -> Option<Expectation> {
    if operation.is_protected() {
        return Some(Expectation::Declared);
    }
    // A guess is not worth a write.
    if operation.method != "GET" || !cx.prober.has(As::Primary) {
        return None;
    }
    let first = |operation: &Operation| operation.path.split('/').nth(1).map(str::to_owned);
    let sibling = refusing.iter().find(|other| other.index != operation.index && first(other) == first(operation))?;
    Some(Expectation::Sibling(sibling.endpoint()))
}

async fn probe(
    cx: &SecurityContext<'_>,
    info: &CheckInfo,
    operation: &Operation,
    baseline: &Exchange,
    expectation: &Expectation,
) -> Option<Finding> {
    let request = without_credentials(cx, &baseline.request);
    // Of a JWT the usual garbage differs in its signature alone, and that is for S-JWT-SIG to say.
    let worn = if info.id == INFO.id { cx.prober.worn(As::Primary).await } else { None };
    let nonsense = worn.filter(|worn| is_jwt(worn.token().expose_secret())).map(|worn| nonsense(&worn));
    for (who, discriminant, what) in
        [(As::Anonymous, "anonymous", "without credentials"), (As::Garbage, "garbage", "to invalid credentials")]
    {
        if who == As::Garbage && !cx.prober.has(As::Garbage) {
            continue;
        }
        let (request, who) = match (who, &nonsense) {
            (As::Garbage, Some(worn)) => {
                let mut request = request.clone();
                worn.put(&mut request);
                (request, As::Anonymous)
            }
            _ => (request.clone(), who),
        };
        let probe = cx.prober.send(Some(operation.index), request.clone(), who).await?;
        if !gives_the_same(cx, baseline, &probe) {
            continue;
        }
        // A place that does not exist must not give the same.
        let control = cx.prober.send(None, beside(cx, &request), who).await?;
        let repeat = cx.prober.send(Some(operation.index), request.clone(), who).await?;
        if gives_the_same(cx, baseline, &control) || !gives_the_same(cx, baseline, &repeat) {
            continue;
        }
        let why = match expectation {
            Expectation::Declared => "The document requires credentials for it".to_owned(),
            Expectation::Sibling(endpoint) => format!("{endpoint} beside it refuses such requests"),
        };
        let status = probe.status().unwrap_or_default();
        let explanation = format!(
            "{} answers {status} with the same data {what} as {}. {why}.",
            operation.endpoint(),
            if rightful(cx) == As::Primary { "to the rightful user" } else { "before" },
        );
        let suspicion = Suspicion::new(Severity::High, "", discriminant, explanation)
            .confidence(Confidence::Confirmed)
            .pointer(operation.pointer.clone());
        let exchanges =
            [(Role::Baseline, baseline), (Role::Probe, &probe), (Role::Control, &control), (Role::Repeat, &repeat)];
        let finding = cx.report.build(info, &suspicion, Some(operation), &exchanges);
        return Some(finding.rated(if operation.is_unsafe() { WRITE } else { READ }));
    }
    None
}

/// The refusal itself keeps the contract, too: what it looks like shows only to those without credentials.
async fn refusal(cx: &SecurityContext<'_>, operation: &Operation, baseline: &Exchange) -> Vec<Finding> {
    let request = without_credentials(cx, &baseline.request);
    let mut answers = Vec::new();
    for _ in 0..2 {
        let answer = cx.prober.send(Some(operation.index), request.clone(), As::Anonymous).await;
        let Some(answer) = answer.filter(|answer| matches!(answer.status(), Some(401 | 403))) else {
            return Vec::new();
        };
        answers.push(answer);
    }
    let [first, again] = [&answers[0], &answers[1]].map(|answer| documented(cx.api, operation, answer));
    let repeated = first.into_iter().filter(|(info, suspicion)| {
        again.iter().any(|(other, raised)| other.id == info.id && raised.is_same(suspicion))
    });
    let exchanges = [(Role::Probe, &answers[0]), (Role::Repeat, &answers[1])];
    repeated.map(|(info, suspicion)| cx.report.build(info, &suspicion, Some(operation), &exchanges)).collect()
}

fn beside(cx: &SecurityContext<'_>, request: &Request) -> Request {
    let path = request.target.split('?').next().unwrap_or_default().trim_end_matches('/');
    Request::new("GET", format!("{path}-{}", cx.prober.nonce()))
}

/// Success with the same shape and at least one value in common: something that is worth protecting.
fn gives_the_same(cx: &SecurityContext<'_>, baseline: &Exchange, answer: &Exchange) -> bool {
    let (Some(expected), Some(response)) = (baseline.response(), answer.response()) else { return false };
    if !is_success(answer) || cx.prober.is_catch_all(response) || response.media_type() != expected.media_type() {
        return false;
    }
    match (baseline.json(), answer.json()) {
        (Some(one), Some(other)) => {
            !is_soft_error(other) && skeleton(one) == skeleton(other) && !leaves(one).is_disjoint(&leaves(other))
        }
        (None, None) => !response.body.is_empty() && response.body == expected.body,
        _ => false,
    }
}
