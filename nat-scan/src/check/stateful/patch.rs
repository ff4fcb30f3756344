//! F046: `null` in a merge patch removes.

use async_trait::async_trait;
use serde_json::{Value, json};

use super::same::object;
use super::stage::{is_success, place};
use super::{Raised, Resource, ResourceCheck, Spare, Stage};
use crate::check::{CheckInfo, Suspicion};
use crate::finding::{Role, Severity};
use crate::generate::BodyValue;
use crate::generate::body::essence;

/// F046.
pub(super) struct MergePatch;

static INFO: CheckInfo = CheckInfo {
    id: "F046",
    title: "Merge patch does not follow its rules",
    description: "In application/merge-patch+json a member that is null removes the property (RFC 7396).",
    remediation: "Tell a member that is null from one that is absent, and remove the property.",
    cwe: &[],
    owasp: None,
};

#[async_trait]
impl ResourceCheck for MergePatch {
    fn info(&self) -> &'static CheckInfo {
        &INFO
    }

    fn applies(&self, resource: &Resource) -> bool {
        resource.create.is_some() && resource.read.is_some() && resource.patch.is_some()
    }

    async fn attempt(&self, stage: &Stage<'_>) -> Vec<Raised> {
        null_is_ignored(stage).await.into_iter().collect()
    }
}

async fn null_is_ignored(stage: &Stage<'_>) -> Option<Raised> {
    let patch = stage.resource.patch?;
    let operation = stage.operation(patch)?;
    let content = &operation.body.as_ref()?.content;
    let media_type = content.iter().position(|media| essence(&media.media_type) == "application/merge-patch+json")?;
    let schema = content.get(media_type)?.schema.as_ref();
    let thing = stage.create().await?;
    let (before, _) = stage.read(&thing).await?;
    let before = object(&before)?.clone();
    let mut names: Vec<&String> = thing.sent.as_object()?.keys().collect();
    names.retain(|name| before.get(*name).is_some_and(|value| !value.is_null()));
    let (mut refused, mut spare) = (Vec::new(), Vec::new());
    for (number, name) in names.into_iter().enumerate() {
        let body = json!({ name.as_str(): Value::Null });
        // The document must allow the removal.
        if schema.is_some_and(|schema| !schema.is_valid(&body, crate::schema::Direction::Request))
            || stage.leaves_out(Spare::Change(number))
        {
            continue;
        }
        let mut case = stage.case(patch)?;
        place(operation, &mut case, &thing.path);
        case.body = Some(BodyValue::Typed { media_type, value: body });
        let answer = stage.send(operation, &case, &[]).await?;
        if !is_success(&answer) {
            refused.push((Role::Control, answer));
            spare.push(Spare::Change(number));
            continue;
        }
        let (after, shown) = stage.read(&thing).await?;
        let kept = object(&after)?.get(name).filter(|value| !value.is_null()).cloned();
        if kept.is_some() && kept.as_ref() == before.get(name) {
            let text = format!(
                "A merge patch with '{name}': null was accepted with {}, and '{name}' is still there.",
                answer.status()?
            );
            let suspicion = Suspicion::new(Severity::Low, format!("body /{name}"), "null-ignored", text);
            let mut evidence = vec![(Role::Baseline, thing.made)];
            evidence.append(&mut refused);
            evidence.extend([(Role::Control, answer), (Role::Probe, shown)]);
            return Some(Raised::new(patch, suspicion, evidence).sparing(spare));
        }
        return None;
    }
    None
}
