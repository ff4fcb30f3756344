//! F041: what was made is there.

use async_trait::async_trait;

use super::{Raised, Resource, ResourceCheck, Stage};
use crate::check::{CheckInfo, Suspicion};
use crate::finding::{Confidence, Role, Severity};

/// F041.
pub(super) struct Available;

static INFO: CheckInfo = CheckInfo {
    id: "F041",
    title: "Created object cannot be read",
    description: "A POST answered with success and an id, and a GET of that id answers 404.",
    remediation: "Store the object before answering, or answer 202 with a place to ask for its state.",
    cwe: &["CWE-841"],
    owasp: None,
};

#[async_trait]
impl ResourceCheck for Available {
    fn info(&self) -> &'static CheckInfo {
        &INFO
    }

    fn applies(&self, resource: &Resource) -> bool {
        resource.create.is_some() && resource.read.is_some()
    }

    async fn attempt(&self, stage: &Stage<'_>) -> Vec<Raised> {
        missing(stage).await.into_iter().collect()
    }
}

async fn missing(stage: &Stage<'_>) -> Option<Raised> {
    let create = stage.resource.create?;
    let thing = stage.create().await?;
    // 202 promises nothing yet.
    if thing.made.status() == Some(202) || !names_its_id(stage, &thing) {
        return None;
    }
    let after = stage.read_until(&thing, |status| status != 404).await?;
    if after.status() != Some(404) {
        stage.clean_up(&thing).await;
        return None;
    }
    let text = format!(
        "POST answered {} with an id, and GET of that id answers 404, also 1.2 s later.",
        thing.made.status().unwrap_or_default()
    );
    let suspicion = Suspicion::new(Severity::Medium, "", "not-available", text);
    Some(Raised::new(
        create,
        suspicion.confidence(Confidence::Confirmed),
        vec![(Role::Baseline, thing.made), (Role::Probe, after)],
    ))
}

/// The answer itself says which id the new object has, under the name that the path uses or as `id`.
fn names_its_id(stage: &Stage<'_>, thing: &super::stage::Thing) -> bool {
    let Some(value) = thing.path.get(&stage.resource.key) else { return false };
    let by_location = thing.made.response().and_then(|response| response.header("location")).is_some_and(|location| {
        let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        location.trim_end_matches('/').ends_with(&text)
    });
    let by_body = thing.made.json().and_then(super::same::object).is_some_and(|members| {
        let wanted = crate::chain::key(&stage.resource.key);
        members.iter().any(|(name, own)| own == value && (name == "id" || crate::chain::key(name) == wanted))
    });
    by_location || by_body
}
