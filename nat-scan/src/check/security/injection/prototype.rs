//! S-PROTO: members of one request change objects of others.

use async_trait::async_trait;
use serde_json::{Value, json};

use super::{changes_secrets, is_success, rating, rightful};
use crate::check::{As, CheckInfo, Exchange, SecurityCheck, SecurityContext, Suspicion, Turn};
use crate::finding::{Confidence, Finding, Role, Severity};
use crate::generate::{self, BodyValue};
use crate::spec::Operation;
use crate::transport::Request;

/// S-PROTO.
pub(super) struct Prototype;

static INFO: CheckInfo = CheckInfo {
    id: "S-PROTO",
    title: "Prototype pollution",
    description: "A member '__proto__' or 'constructor' of a body changes what every object of the server inherits, so that it shows in answers to others.",
    remediation: "Refuse the names __proto__, constructor and prototype, merge into objects without a prototype (Object.create(null)) or into a Map, and validate bodies before they are merged.",
    cwe: &["CWE-1321"],
    owasp: Some("API8:2023"),
};

const VECTOR: &str = "CVSS:3.1/AV:N/AC:L/PR:?/UI:N/S:U/C:N/I:H/A:L";
/// Operations tried.
const MAX_OPERATIONS: usize = 40;

/// Name and value of a member with these members in the prototype.
type Way = fn(Value) -> (&'static str, Value);

/// How the prototype is reached.
const WAYS: [Way; 2] = [|members| ("__proto__", members), |members| ("constructor", json!({"prototype": members}))];

#[async_trait]
impl SecurityCheck for Prototype {
    fn info(&self) -> &'static CheckInfo {
        &INFO
    }

    fn turn(&self) -> Turn {
        Turn::Strain
    }

    /// What it changes stays until the server starts again.
    fn is_opt_in(&self) -> bool {
        true
    }

    async fn run(&self, cx: &SecurityContext<'_>) -> Vec<Finding> {
        let writes = cx.api.operations.iter().filter(|operation| {
            !cx.safe_mode
                && matches!(operation.method.as_str(), "POST" | "PUT" | "PATCH")
                && !changes_secrets(cx, operation)
        });
        let mut found = Vec::new();
        for operation in writes.take(cx.at_most(MAX_OPERATIONS)) {
            for way in WAYS {
                if let Some(finding) = prove(cx, operation, way).await {
                    found.push(finding);
                    break;
                }
            }
        }
        found
    }
}

/// The accepted request with one more member.
fn written(cx: &SecurityContext<'_>, operation: &Operation, more: Option<(&str, Value)>) -> Option<Request> {
    let base = cx.accepted.get(operation.index)?.as_ref()?;
    let case = base.most.as_ref().unwrap_or(&base.least);
    let mut case = case.renewed(&cx.prober.word()).bound();
    let Some(BodyValue::Typed { value: Value::Object(members), .. }) = &mut case.body else { return None };
    if let Some((name, value)) = more {
        members.insert(name.to_owned(), value);
    }
    generate::render(operation, &case, cx.prober.base_path()).ok()
}

async fn send(
    cx: &SecurityContext<'_>,
    operation: &Operation,
    more: Option<(&str, Value)>,
    who: As,
) -> Option<Exchange> {
    cx.prober.send(Some(operation.index), written(cx, operation, more)?, who).await
}

/// A member of that name in an object of the answer that is not the one we sent.
fn shows(exchange: &Exchange, name: &str) -> bool {
    fn inside(value: &Value, name: &str) -> bool {
        match value {
            Value::Array(items) => items.iter().any(|item| inside(item, name)),
            Value::Object(members) => {
                members.contains_key(name)
                    || members
                        .iter()
                        .filter(|(key, _)| !matches!(key.as_str(), "__proto__" | "constructor"))
                        .any(|(_, member)| inside(member, name))
            }
            _ => false,
        }
    }
    exchange.json().is_some_and(|json| inside(json, name))
}

async fn prove(cx: &SecurityContext<'_>, operation: &Operation, way: Way) -> Option<Finding> {
    let who = rightful(cx);
    let members = |name: &str| Value::Object([(name.to_owned(), json!(name))].into_iter().collect());
    let nonces = [cx.prober.nonce(), cx.prober.nonce(), cx.prober.nonce()];
    let [first, second, ordinary] = &nonces;
    let baseline = send(cx, operation, None, who).await.filter(is_success)?;
    let cause = send(cx, operation, Some(way(members(first))), who).await?;
    // Another request, which says nothing of it.
    let probe = send(cx, operation, None, who).await.filter(|answer| shows(answer, first))?;
    // Servers that keep any member keep this one, too.
    send(cx, operation, Some((ordinary.as_str(), json!(ordinary))), who).await?;
    let control = send(cx, operation, None, who).await?;
    if shows(&baseline, first) || shows(&control, ordinary) {
        return None;
    }
    let (name, value) = way(members(second));
    send(cx, operation, Some((name, value)), who).await?;
    let repeat = send(cx, operation, None, who).await.filter(|answer| shows(answer, second))?;
    let open = who == As::Anonymous
        || send(cx, operation, None, As::Anonymous).await.is_some_and(|answer| is_success(&answer));
    let explanation = format!(
        "A body with the member '{name}' changes what other requests get: their answers hold the member '{first}', which they did not send. An ordinary member of that kind leaves no trace."
    );
    let suspicion = Suspicion::new(Severity::High, "body", name, explanation)
        .confidence(Confidence::Confirmed)
        .cause("prototype")
        .pointer(operation.pointer.clone());
    let exchanges = [
        (Role::Baseline, &baseline),
        (Role::Probe, &cause),
        (Role::Probe, &probe),
        (Role::Control, &control),
        (Role::Repeat, &repeat),
    ];
    Some(cx.report.build(&INFO, &suspicion, Some(operation), &exchanges).rated(&rating(VECTOR, open)))
}
