//! S-BOLA-W where the object is a user and what is changed is the password: no read shows that, a login does.

use serde_json::Value;

use super::ground::plain;
use super::people::{People, Person};
use super::write::INFO;
use crate::chain::tokens;
use crate::check::stateful::{Resource, Stage, place};
use crate::check::{Exchange, SecurityContext, Suspicion};
use crate::finding::{Confidence, Finding, Role, Severity};
use crate::generate::{BodyValue, Case};
use crate::spec::{Location, Operation};

/// Whoever may change a password is the user from then on.
const TAKEOVER: &str = "CVSS:3.1/AV:N/AC:L/PR:L/UI:N/S:U/C:H/I:H/A:N";
/// Operations that are tried.
const MAX_OPERATIONS: usize = 4;
/// Levels of an answer that may hold the id of a user.
const MAX_DEPTH: usize = 3;

/// An operation that gives the user whom its path names a new password, without asking for the old one.
struct Change<'a> {
    operation: &'a Operation,
    /// Path parameter that names the user.
    key: &'a str,
    case: Case,
    /// Members of the body that hold the new password.
    members: Vec<String>,
}

/// Every such operation that takes somebody else's word for it.
pub(super) async fn run(cx: &SecurityContext<'_>) -> Vec<Finding> {
    let Some(people) = People::of(cx) else { return Vec::new() };
    let (around, nothing) = (cx.surroundings(), Resource::default());
    let stage = Stage::new(&around, &nothing);
    let changes = cx.api.operations.iter().filter_map(|operation| change(&stage, operation));
    let mut found = Vec::new();
    for change in changes.take(cx.at_most(MAX_OPERATIONS)) {
        found.extend(attempt(cx, &people, &change).await);
    }
    found
}

const SECRET: [&str; 4] = ["password", "passwd", "pwd", "passphrase"];

fn has(name: &str, all: &[&str]) -> bool {
    tokens(name).iter().any(|word| all.contains(&word.as_str()))
}

fn body(case: &Case) -> Option<&serde_json::Map<String, Value>> {
    match &case.body {
        Some(BodyValue::Typed { value: Value::Object(body), .. }) => Some(body),
        _ => None,
    }
}

/// The request sets a password: a server may take it for that of whoever asks.
pub(super) fn sets_password(case: &Case) -> bool {
    body(case).is_some_and(|body| body.keys().any(|name| has(name, &SECRET)))
}

fn change<'a>(stage: &Stage<'_>, operation: &'a Operation) -> Option<Change<'a>> {
    if !matches!(operation.method.as_str(), "PUT" | "PATCH" | "POST") {
        return None;
    }
    let mut in_path = operation.parameters.iter().filter(|parameter| parameter.location == Location::Path);
    let key = in_path.next().filter(|_| in_path.next().is_none())?.name.as_str();
    let case = stage.case(operation.index)?;
    let body = body(&case)?;
    let (old, new): (Vec<&String>, Vec<&String>) =
        body.keys().filter(|name| has(name, &SECRET)).partition(|name| has(name, &["old", "current", "previous"]));
    let members: Vec<String> = new.into_iter().cloned().collect();
    (old.is_empty() && !members.is_empty()).then_some(Change { operation, key, case, members })
}

impl Change<'_> {
    /// The request for this person's password.
    fn of(&self, person: &Person, password: &str) -> Option<Case> {
        let mut case = self.case.clone();
        let whom = names(person, self.key)?;
        place(self.operation, &mut case, &[(self.key.to_owned(), whom)].into());
        if let Some(BodyValue::Typed { value: Value::Object(body), .. }) = &mut case.body {
            for name in &self.members {
                body.insert(name.clone(), Value::from(password));
            }
        }
        Some(case)
    }
}

/// What the path calls the person.
fn names(person: &Person, key: &str) -> Option<Value> {
    let words = tokens(key);
    let last = words.last().map_or("", String::as_str);
    match last {
        "username" | "name" | "user" | "login" | "handle" => Some(Value::from(&*person.name)),
        "email" | "mail" => Some(Value::from(&*person.email)),
        _ => person.made.json().and_then(|json| id(json, key, 0)),
    }
}

fn id(json: &Value, wanted: &str, depth: usize) -> Option<Value> {
    let members = json.as_object().filter(|_| depth < MAX_DEPTH)?;
    let wanted = crate::chain::key(wanted);
    let is_id = |name: &str| {
        let own = crate::chain::key(name);
        own == wanted || ["id", "user_id", "uuid"].contains(&own.as_str())
    };
    let own = members.iter().find(|(name, value)| is_id(name) && !plain(value).is_empty());
    own.map(|(_, value)| value.clone()).or_else(|| members.values().find_map(|inner| id(inner, &wanted, depth + 1)))
}

async fn attempt(cx: &SecurityContext<'_>, people: &People<'_, '_>, change: &Change<'_>) -> Option<Finding> {
    let victim = people.join(&[]).await?;
    let attacker = people.join(&[]).await?;
    let [first, second, third] = [1, 2, 3].map(|_| format!("Nat-{}8!Zq", cx.prober.word()));
    // Without credentials nothing must happen: that would be a matter of authentication.
    let request = |password: &str| change.of(&victim, password);
    let render = |case: &Case| crate::generate::render(change.operation, case, cx.prober.base_path()).ok();
    let public = render(&request(&first)?)?;
    cx.prober.send(Some(change.operation.index), public, crate::check::As::Anonymous).await?;
    let control = people.enter(&victim, &first).await?;
    if is_in(&control) || !is_in(&people.enter(&victim, &victim.password).await?) {
        return None;
    }
    let probe = people.act(&attacker, change.operation, &request(&second)?).await?;
    let new = people.enter(&victim, &second).await?;
    let old = people.enter(&victim, &victim.password).await?;
    if !is_in(&new) || is_in(&old) {
        return None;
    }
    let repeat = people.act(&attacker, change.operation, &request(&third)?).await?;
    let newest = people.enter(&victim, &third).await?;
    if !is_in(&newest) || is_in(&people.enter(&victim, &second).await?) {
        return None;
    }
    let explanation = format!(
        "A user sets the password of another ({} answers {}): from then on the other's own password is refused, and the new one signs in. Both users were signed up for this.",
        change.operation.endpoint(),
        probe.status().unwrap_or_default(),
    );
    let suspicion = Suspicion::new(Severity::High, format!("path {}", change.key), "foreign-password", explanation)
        .confidence(Confidence::Confirmed)
        .pointer(change.operation.pointer.clone());
    let mut secrets = vec![victim.password.clone(), attacker.password.clone(), first, second, third];
    secrets.extend([&victim, &attacker].into_iter().flat_map(Person::tokens));
    secrets.extend([&new, &newest, &control].into_iter().flat_map(tokens_of));
    let report = cx.report.masking(secrets.iter().map(String::as_str));
    let evidence = [
        (Role::Probe, &probe),
        (Role::Control, &control),
        (Role::Baseline, &old),
        (Role::Baseline, &new),
        (Role::Repeat, &repeat),
        (Role::Repeat, &newest),
    ];
    Some(report.build(&INFO, &suspicion, Some(change.operation), &evidence).rated(TAKEOVER))
}

fn is_in(answer: &Exchange) -> bool {
    People::is_in(answer)
}

/// Long values of a login's answer: its token is among them.
fn tokens_of(answer: &Exchange) -> Vec<String> {
    let Some(json) = answer.json() else { return Vec::new() };
    let leaves = crate::check::shape::leaves(json);
    leaves
        .iter()
        .filter_map(|leaf| leaf.split_once('='))
        .map(|(_, value)| value.to_owned())
        .filter(|value| value.len() >= 16)
        .collect()
}
