//! F045: PUT replaces, and does so once.

use async_trait::async_trait;
use serde_json::Value;

use super::reflect::{brief, is_exempt};
use super::same::{differences, object, same, volatile};
use super::stage::is_success;
use super::{Raised, Resource, ResourceCheck, Spare, Stage};
use crate::check::{CheckInfo, Suspicion};
use crate::finding::{Role, Severity};
use crate::schema::{Direction, Schema};

/// F045.
pub(super) struct Replaces;

static INFO: CheckInfo = CheckInfo {
    id: "F045",
    title: "PUT does not replace, or is not idempotent",
    description: "PUT sets the state of the resource to what is sent, and sending it again changes nothing (RFC 9110, section 9.3.4).",
    remediation: "Store what was sent, answer 201 only for the first PUT, and let a repeated one change nothing; use PATCH or POST for what works otherwise.",
    cwe: &["CWE-841"],
    owasp: None,
};

#[async_trait]
impl ResourceCheck for Replaces {
    fn info(&self) -> &'static CheckInfo {
        &INFO
    }

    fn applies(&self, resource: &Resource) -> bool {
        resource.create.is_some() && resource.read.is_some() && resource.put.is_some()
    }

    async fn attempt(&self, stage: &Stage<'_>) -> Vec<Raised> {
        // Only what is kept has steps that can be left out.
        let replaced = if stage.is_shorter() { None } else { replaced(stage).await };
        replaced.into_iter().chain(kept(stage).await).collect()
    }
}

/// An optional property that a PUT leaves out keeps the value that it had.
async fn kept(stage: &Stage<'_>) -> Option<Raised> {
    let put = stage.resource.put?;
    let operation = stage.operation(put)?;
    let schema = operation.body.as_ref()?.content.first()?.schema.as_ref()?;
    let thing = stage.create().await?;
    let (before, _) = stage.read(&thing).await?;
    let before = object(&before)?.clone();
    let body = stage.body(put)?;
    let (mut set, mut spare) = (Vec::new(), Vec::new());
    for (number, (name, value)) in body.as_object()?.iter().enumerate() {
        let mut without = body.clone();
        without.as_object_mut()?.remove(name);
        let shown = before.get(name).is_some_and(|shown| !shown.is_null());
        if !shown || is_exempt(name, Some(schema)) || !schema.is_valid(&without, Direction::Request) {
            continue;
        }
        // First a value that no default can be, so that what stays is what was set.
        let mut value = value;
        if stage.leaves_out(Spare::Change(number)) {
            value = before.get(name)?;
        } else {
            let whole = stage.call_with(put, &thing, Some(body.clone()), &[]).await?;
            let is_set = is_success(&whole);
            set.push((Role::Control, whole));
            spare.push(Spare::Change(number));
            if !is_set {
                continue;
            }
        }
        let answer = stage.call_with(put, &thing, Some(without), &[]).await?;
        let (after, shown) = stage.read(&thing).await?;
        let stays = object(&after)?.get(name).is_some_and(|kept| !kept.is_null() && same(value, kept));
        if is_success(&answer) && stays && !is_default(schema, name, value) {
            let text = format!(
                "A PUT without '{name}' was answered {}, and '{name}' still is {}.",
                answer.status()?,
                brief(value)
            );
            let suspicion = Suspicion::new(Severity::Low, format!("response /{name}"), "put-merges", text);
            let mut evidence = vec![(Role::Baseline, thing.made)];
            evidence.append(&mut set);
            evidence.extend([(Role::Control, answer), (Role::Probe, shown)]);
            return Some(Raised::new(put, suspicion, evidence).sparing(spare));
        }
        return None;
    }
    None
}

fn is_default(schema: &Schema, name: &str, value: &Value) -> bool {
    let node = schema.resolve(schema.node());
    let property = node.get("properties").and_then(|all| all.get(name)).map(|property| schema.resolve(property));
    property.and_then(|property| property.get("default")) == Some(value)
}

async fn replaced(stage: &Stage<'_>) -> Option<Raised> {
    let put = stage.resource.put?;
    let thing = stage.create().await?;
    let (one, _) = stage.read(&thing).await?;
    let (two, _) = stage.read(&thing).await?;
    let volatile = volatile(&one, &two);
    let body = stage.body(put)?;
    let first = stage.call_with(put, &thing, Some(body.clone()), &[]).await?;
    if !is_success(&first) || first.status() == Some(202) {
        return None;
    }
    let (after, shown) = stage.read(&thing).await?;
    let schema = stage.operation(put)?.body.as_ref().and_then(|body| body.content.first()?.schema.as_ref());
    let stored = object(&after)?;
    let lost = body
        .as_object()?
        .iter()
        .find(|(name, value)| stored.get(*name).is_some_and(|kept| !same(value, kept)) && !is_exempt(name, schema));
    if let Some((name, value)) = lost {
        let kept = stored.get(name).map(brief).unwrap_or_default();
        let text =
            format!("PUT set '{name}' to {} and answered {}; reading shows {kept}.", brief(value), first.status()?);
        let suspicion = Suspicion::new(Severity::Medium, format!("response /{name}"), "put-not-stored", text);
        return Some(Raised::new(
            put,
            suspicion,
            vec![(Role::Baseline, thing.made), (Role::Control, first), (Role::Probe, shown)],
        ));
    }
    let second = stage.call_with(put, &thing, Some(body), &[]).await?;
    if second.status() == Some(201) {
        let text =
            format!("The first PUT answered {}, the same PUT again 201: it made something new.", first.status()?);
        let suspicion = Suspicion::new(Severity::Low, "", "put-201-again", text);
        let evidence = vec![(Role::Baseline, thing.made), (Role::Baseline, first), (Role::Probe, second)];
        return Some(Raised::new(put, suspicion, evidence));
    }
    let (again, shown) = stage.read(&thing).await?;
    let moved = differences(&after, &again, &volatile);
    stage.clean_up(&thing).await;
    let name = moved.first().filter(|_| is_success(&second))?;
    let at = |value: &Value| object(value).and_then(|members| members.get(name)).map(brief).unwrap_or_default();
    let text = format!(
        "The same PUT twice: '{name}' was {} after the first and is {} after the second.",
        at(&after),
        at(&again)
    );
    let suspicion = Suspicion::new(Severity::Medium, format!("response /{name}"), "put-not-idempotent", text);
    let evidence =
        vec![(Role::Baseline, thing.made), (Role::Baseline, first), (Role::Control, second), (Role::Probe, shown)];
    Some(Raised::new(put, suspicion, evidence))
}
