//! F048: safe methods are safe.

use async_trait::async_trait;
use serde_json::Value;

use super::reflect::brief;
use super::same::{differences, object, volatile};
use super::stage::is_success;
use super::{Raised, Resource, ResourceCheck, Stage};
use crate::check::{CheckInfo, Suspicion};
use crate::finding::{Role, Severity};

/// F048.
pub(super) struct Safe;

static INFO: CheckInfo = CheckInfo {
    id: "F048",
    title: "GET changes the object",
    description: "GET is safe (RFC 9110, section 9.2.1): reading, prefetching or crawling must not change the state that is read.",
    remediation: "Move the change to a POST, PUT, PATCH or DELETE.",
    cwe: &["CWE-650"],
    owasp: None,
};

#[async_trait]
impl ResourceCheck for Safe {
    fn info(&self) -> &'static CheckInfo {
        &INFO
    }

    fn applies(&self, resource: &Resource) -> bool {
        resource.create.is_some() && resource.read.is_some()
    }

    async fn attempt(&self, stage: &Stage<'_>) -> Vec<Raised> {
        let mut raised: Vec<Raised> = changed_by_read(stage).await.into_iter().collect();
        for view in &stage.resource.views {
            raised.extend(changed_by(stage, *view).await);
        }
        raised
    }
}

/// The first read changes what the next ones show, and those agree.
async fn changed_by_read(stage: &Stage<'_>) -> Option<Raised> {
    let read = stage.resource.read?;
    // Only when the id is known is the first read that of this check.
    if !stage.knows_id() {
        stage.create().await?;
    }
    let thing = stage.create().await?;
    let (one, first) = stage.read(&thing).await?;
    let (two, second) = stage.read(&thing).await?;
    let (three, _) = stage.read(&thing).await?;
    stage.clean_up(&thing).await;
    let moving = volatile(&two, &three);
    let name = differences(&one, &two, &moving).into_iter().next()?;
    let text = sentence("GET", &name, &one, &two);
    let suspicion = Suspicion::new(Severity::Medium, format!("response /{name}"), "get-changes-state", text);
    Some(Raised::new(
        read,
        suspicion,
        vec![(Role::Baseline, thing.made), (Role::Baseline, first), (Role::Probe, second)],
    ))
}

/// Another GET changes what the read shows.
async fn changed_by(stage: &Stage<'_>, view: usize) -> Option<Raised> {
    let thing = stage.create().await?;
    let (one, _) = stage.read(&thing).await?;
    let (two, before) = stage.read(&thing).await?;
    let seen = stage.call(view, &thing).await?;
    if !is_success(&seen) {
        stage.clean_up(&thing).await;
        return None;
    }
    let (after, shown) = stage.read(&thing).await?;
    stage.clean_up(&thing).await;
    let name = differences(&two, &after, &volatile(&one, &two)).into_iter().next()?;
    let text = sentence(&stage.operation(view)?.endpoint(), &name, &two, &after);
    let suspicion = Suspicion::new(Severity::Medium, format!("response /{name}"), "get-changes-state", text);
    let evidence =
        vec![(Role::Baseline, thing.made), (Role::Baseline, before), (Role::Control, seen), (Role::Probe, shown)];
    Some(Raised::new(view, suspicion, evidence))
}

fn sentence(what: &str, name: &str, before: &Value, after: &Value) -> String {
    let at = |value: &Value| object(value).and_then(|members| members.get(name)).map_or("nothing".to_owned(), brief);
    format!("'{name}' was {} before {what} and is {} after it.", at(before), at(after))
}
