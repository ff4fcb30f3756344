//! F043 and F044: what was refused changed nothing.

use async_trait::async_trait;
use serde_json::Value;

use super::reflect::{brief, is_exempt};
use super::same::{items, object, same};
use super::stage::{Thing, is_refusal, is_success, place, put_body};
use super::{Raised, Resource, ResourceCheck, Spare, Stage};
use crate::check::{CheckInfo, Exchange, Suspicion};
use crate::classify::WireTruth;
use crate::finding::{Confidence, Role, Severity};
use crate::generate::{self, BodyValue, Case, Intent, Phase};

/// Different refused bodies that are tried.
const MAX_FAULTS: usize = 4;

/// F043.
pub(super) struct CreateLeaks;

static CREATE: CheckInfo = CheckInfo {
    id: "F043",
    title: "Refused creation leaves an object behind",
    description: "A POST was answered with 4xx, and the object exists all the same.",
    remediation: "Validate before anything is stored, or roll back.",
    cwe: &["CWE-460"],
    owasp: None,
};

#[async_trait]
impl ResourceCheck for CreateLeaks {
    fn info(&self) -> &'static CheckInfo {
        &CREATE
    }

    fn applies(&self, resource: &Resource) -> bool {
        resource.create.is_some() && (resource.list.is_some() || resource.read.is_some())
    }

    async fn attempt(&self, stage: &Stage<'_>) -> Vec<Raised> {
        for number in 0..MAX_FAULTS {
            if let Some(raised) = create_leaks(stage, number).await {
                return vec![raised];
            }
        }
        Vec::new()
    }
}

async fn create_leaks(stage: &Stage<'_>, number: usize) -> Option<Raised> {
    let create = stage.operation(stage.resource.create?)?;
    let mut case = stage.case(create.index)?;
    let body = typed(&case)?.clone();
    let nonce = stage.around.nonce;
    let (name, mark) = body.as_object()?.iter().find_map(|(name, value)| {
        let text = value.as_str().filter(|text| text.contains(nonce))?;
        Some((name.clone(), text.to_owned()))
    })?;
    let broken = faults(stage, create.index, &[&name]).into_iter().nth(number)?;
    let broken = with(&broken, &name, Value::from(mark.as_str()));
    put_body(create, &mut case, broken);
    let refused = stage.send(create, &case, &[]).await?;
    if !is_refusal(&refused) || !matches!(refused.truth, WireTruth::Negative { .. }) {
        return None;
    }
    let seen = find(stage, &case, &mark).await?;
    let text = format!(
        "POST was refused with {}, and {} shows an object with the {name} of that request.",
        refused.status()?,
        stage.operation(seen.1)?.endpoint()
    );
    let suspicion = Suspicion::new(Severity::High, "", "create-leak", text).confidence(Confidence::Confirmed);
    Some(Raised::new(create.index, suspicion, vec![(Role::Baseline, refused), (Role::Probe, seen.0)]))
}

/// Where the mark shows up: in the list, or under itself as the id.
async fn find(stage: &Stage<'_>, case: &Case, mark: &str) -> Option<(Exchange, usize)> {
    let create = stage.operation(stage.resource.create?)?;
    let mut path = std::collections::BTreeMap::new();
    for argument in &case.arguments {
        let parameter = create.parameters.get(argument.parameter)?;
        path.insert(parameter.name.clone(), argument.value.clone());
    }
    if let Some(list) = stage.resource.list {
        let operation = stage.operation(list)?;
        let mut case = stage.case(list)?;
        place(operation, &mut case, &path);
        let shown = stage.send(operation, &case, &[]).await?;
        let holds = |items: &Vec<Value>| items.iter().any(|item| item.to_string().contains(mark));
        if is_success(&shown) && shown.json().and_then(items).is_some_and(holds) {
            return Some((shown, list));
        }
    }
    let read = stage.resource.read?;
    let operation = stage.operation(read)?;
    let mut case = stage.case(read)?;
    path.insert(stage.resource.key.clone(), Value::from(mark));
    place(operation, &mut case, &path);
    let shown = stage.send(operation, &case, &[]).await?;
    let holds = shown.json().is_some_and(|json| json.to_string().contains(mark));
    (is_success(&shown) && holds).then_some((shown, read))
}

/// F044.
pub(super) struct ChangeLeaks;

static CHANGE: CheckInfo = CheckInfo {
    id: "F044",
    title: "Refused change takes effect",
    description: "A PUT or PATCH was answered with 4xx, and the object changed all the same.",
    remediation: "Validate the whole request before anything is stored, or roll back.",
    cwe: &["CWE-460"],
    owasp: None,
};

#[async_trait]
impl ResourceCheck for ChangeLeaks {
    fn info(&self) -> &'static CheckInfo {
        &CHANGE
    }

    fn applies(&self, resource: &Resource) -> bool {
        resource.create.is_some() && resource.read.is_some() && (resource.put.is_some() || resource.patch.is_some())
    }

    async fn attempt(&self, stage: &Stage<'_>) -> Vec<Raised> {
        let mut raised = Vec::new();
        for index in [stage.resource.put, stage.resource.patch].into_iter().flatten() {
            if !stage.is_about(index) {
                continue;
            }
            raised.extend(change_leaks(stage, index).await);
        }
        raised
    }
}

async fn change_leaks(stage: &Stage<'_>, index: usize) -> Option<Raised> {
    let thing = stage.create().await?;
    let (mut before, _) = stage.read(&thing).await?;
    let change = stage.body(index)?;
    let (mut earlier, mut spare) = (Vec::new(), Vec::new());
    for (number, broken) in faults(stage, index, &[]).into_iter().take(MAX_FAULTS).enumerate() {
        if stage.leaves_out(Spare::Change(number)) {
            continue;
        }
        // Members that are not the fault get values that differ from what is stored.
        let mut sent = broken.clone();
        if let (Some(sent), Some(change)) = (sent.as_object_mut(), change.as_object()) {
            for (name, value) in change {
                if sent.get(name).is_some_and(|own| own.is_string()) && value.is_string() {
                    sent.insert(name.clone(), value.clone());
                }
            }
        }
        let refused = stage.call_with(index, &thing, Some(sent.clone()), &[]).await?;
        if !is_refusal(&refused) {
            // Perhaps it was taken, which is another defect: from here on that is what was there before.
            before = stage.read(&thing).await?.0;
        } else if matches!(refused.truth, WireTruth::Negative { .. })
            && let Some((suspicion, shown)) = taken(stage, index, &thing, object(&before)?, &sent, &refused).await
        {
            let mut evidence = vec![(Role::Baseline, thing.made)];
            evidence.append(&mut earlier);
            evidence.extend([(Role::Control, refused), (Role::Probe, shown)]);
            return Some(Raised::new(index, suspicion, evidence).sparing(spare));
        }
        earlier.push((Role::Control, refused));
        spare.push(Spare::Change(number));
    }
    stage.clean_up(&thing).await;
    None
}

async fn taken(
    stage: &Stage<'_>,
    index: usize,
    thing: &Thing,
    before: &serde_json::Map<String, Value>,
    sent: &Value,
    refused: &Exchange,
) -> Option<(Suspicion, Exchange)> {
    let (after, shown) = stage.read(thing).await?;
    let after = object(&after)?;
    let schema = stage.operation(index)?.body.as_ref().and_then(|body| body.content.first()?.schema.as_ref());
    let (name, now) = after.iter().find(|(name, now)| {
        let moved = before.get(*name).is_some_and(|old| !same(old, now));
        moved && !is_exempt(name, schema) && sent.get(*name).is_some_and(|sent| same(sent, now))
    })?;
    let text = format!(
        "The change was refused with {}, and '{name}' has the value {} of that request.",
        refused.status()?,
        brief(now)
    );
    let suspicion = Suspicion::new(Severity::High, "", "change-leak", text).confidence(Confidence::Confirmed);
    Some((suspicion, shown))
}

/// Bodies that break one thing, none of `spared`, the hard faults first, each built upon what is accepted.
fn faults(stage: &Stage<'_>, index: usize, spared: &[&str]) -> Vec<Value> {
    let Some(operation) = stage.operation(index) else { return Vec::new() };
    let base = stage.around.accepted.get(index).and_then(Option::as_ref);
    let cases = generate::cases_upon(stage.around.api, operation, Phase::Coverage, stage.around.seed, base);
    let full = stage.body(index);
    let mut seen: Vec<String> = Vec::new();
    let mut found: Vec<Value> = Vec::new();
    for case in &cases {
        let (Intent::Negative { slot, .. }, Some(value)) = (&case.intent, typed(&case.bound()).cloned()) else {
            continue;
        };
        let member = slot.name.split('/').nth(1).unwrap_or_default().to_owned();
        let useless = slot.location != "body" || member.is_empty() || spared.contains(&member.as_str());
        if useless || seen.contains(&member) || !value.is_object() {
            continue;
        }
        // All else is as accepted.
        let mut body = full.clone().unwrap_or_default();
        match (body.as_object_mut(), value.get(&member)) {
            (Some(members), Some(bad)) => drop(members.insert(member.clone(), bad.clone())),
            (Some(members), None) => drop(members.remove(&member)),
            (None, _) => body = value,
        }
        seen.push(member);
        found.push(body);
    }
    found
}

fn typed(case: &Case) -> Option<&Value> {
    match &case.body {
        Some(BodyValue::Typed { value, .. }) => Some(value),
        _ => None,
    }
}

fn with(body: &Value, name: &str, value: Value) -> Value {
    let mut body = body.clone();
    if let Some(members) = body.as_object_mut() {
        members.insert(name.to_owned(), value);
    }
    body
}
