//! F049: a child is only below its parent.

use std::collections::BTreeMap;

use async_trait::async_trait;
use serde_json::Value;

use super::resource::resources;
use super::same::{differences, object};
use super::stage::{Seen, Thing, is_success};
use super::{Raised, Resource, ResourceCheck, Spare, Stage};
use crate::check::{CheckInfo, Exchange, Suspicion};
use crate::finding::{Confidence, Role, Severity};

/// F049.
pub(super) struct WrongParent;

static INFO: CheckInfo = CheckInfo {
    id: "F049",
    title: "Object can be read below another parent",
    description: "The path names a parent that the object does not belong to, and the object is served all the same: the parent is not checked.",
    remediation: "Look the object up by its id and its parent together.",
    cwe: &["CWE-639"],
    owasp: Some("API1:2023"),
};

#[async_trait]
impl ResourceCheck for WrongParent {
    fn info(&self) -> &'static CheckInfo {
        &INFO
    }

    fn applies(&self, resource: &Resource) -> bool {
        resource.create.is_some() && resource.read.is_some() && !resource.parents.is_empty()
    }

    async fn attempt(&self, stage: &Stage<'_>) -> Vec<Raised> {
        below_another(stage).await.into_iter().collect()
    }
}

async fn below_another(stage: &Stage<'_>) -> Option<Raised> {
    let read = stage.resource.read?;
    let name = stage.resource.parents.last()?;
    let ((own, own_made), (other, other_made)) = (parent(stage, name).await?, parent(stage, name).await?);
    if own == other {
        return None;
    }
    let parents = BTreeMap::from([(name.clone(), own)]);
    let thing = stage.create_as(stage.case(stage.resource.create?)?, &parents, &[]).await?;
    let Seen { before: right, volatile, shown } = stage.look(&thing).await?;
    let mut moved =
        Thing { made: thing.made.twin(), sent: thing.sent.clone(), path: thing.path.clone(), mark: thing.mark.clone() };
    moved.path.insert(name.clone(), other);
    let wrong = stage.call(read, &moved).await?;
    let body = is_success(&wrong).then(|| wrong.json()).flatten()?;
    let same =
        object(body).is_some_and(|members| !members.is_empty()) && differences(&right, body, &volatile).is_empty();
    if !same {
        stage.clean_up(&thing).await;
        return None;
    }
    let text = format!("The object was made below one '{name}' and is served with {} below another.", wrong.status()?);
    let suspicion =
        Suspicion::new(Severity::High, format!("path {name}"), "wrong-parent", text).confidence(Confidence::Confirmed);
    let spare = shown.iter().map(|_| Spare::Look).collect();
    let mut evidence: Vec<(Role, Exchange)> =
        [own_made, other_made, thing.made].map(|made| (Role::Baseline, made)).into();
    evidence.extend(shown.map(|shown| (Role::Control, shown)));
    evidence.push((Role::Probe, wrong));
    Some(Raised::new(read, suspicion, evidence).sparing(spare))
}

/// A new parent: made by the resource whose item the path goes through. Its id, and the exchange that made it.
async fn parent(stage: &Stage<'_>, name: &str) -> Option<(Value, Exchange)> {
    let create = stage.operation(stage.resource.create?)?;
    let end = create.path.find(&format!("{{{name}}}"))?;
    let outer = create.path.get(..end)?.trim_end_matches('/');
    let all = resources(stage.around.api);
    let resource = all.iter().find(|resource| {
        let operation = resource.create.and_then(|create| stage.operation(create));
        operation.is_some_and(|operation| operation.path.trim_end_matches('/') == outer) && !resource.key.is_empty()
    })?;
    let outer = Stage::new(stage.around, resource);
    let thing = outer.create().await?;
    Some((thing.path.get(&resource.key)?.clone(), thing.made))
}
