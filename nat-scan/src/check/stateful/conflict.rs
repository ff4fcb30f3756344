//! F051: a stale If-Match is refused.

use async_trait::async_trait;

use super::same::{differences, volatile};
use super::stage::is_success;
use super::{Raised, Resource, ResourceCheck, Stage};
use crate::check::{CheckInfo, Suspicion};
use crate::finding::{Confidence, Role, Severity};
use crate::spec::{Location, Operation, StatusPattern};

/// F051.
pub(super) struct StaleMatch;

static INFO: CheckInfo = CheckInfo {
    id: "F051",
    title: "Stale If-Match is accepted",
    description: "The operation documents conditional requests, and a change that names an old entity tag is made all the same: updates are lost (RFC 9110, section 13.1.1).",
    remediation: "Compare If-Match with the current entity tag, answer 412 when it differs, and give every change a new tag.",
    cwe: &["CWE-362"],
    owasp: None,
};

#[async_trait]
impl ResourceCheck for StaleMatch {
    fn info(&self) -> &'static CheckInfo {
        &INFO
    }

    fn applies(&self, resource: &Resource) -> bool {
        resource.create.is_some() && resource.read.is_some() && (resource.put.is_some() || resource.patch.is_some())
    }

    async fn attempt(&self, stage: &Stage<'_>) -> Vec<Raised> {
        stale(stage).await.into_iter().collect()
    }
}

fn is_conditional(operation: &Operation) -> bool {
    let header = |parameter: &crate::spec::Parameter| {
        parameter.location == Location::Header && parameter.name.eq_ignore_ascii_case("if-match")
    };
    operation.parameters.iter().any(header)
        || operation.responses.iter().any(|response| response.status == StatusPattern::Exact(412))
}

async fn stale(stage: &Stage<'_>) -> Option<Raised> {
    let change = stage.resource.put.or(stage.resource.patch)?;
    if !is_conditional(stage.operation(change)?) {
        return None;
    }
    let thing = stage.create().await?;
    let (one, _) = stage.read(&thing).await?;
    let (before, shown) = stage.read(&thing).await?;
    let tag = |exchange: &crate::check::Exchange| {
        exchange.response().and_then(|response| response.header("etag")).map(str::to_owned)
    };
    let old = tag(&shown)?;
    let first = stage.call_with(change, &thing, stage.body(change), &[("If-Match", &old)]).await?;
    if !is_success(&first) {
        return None;
    }
    let (after, _) = stage.read(&thing).await?;
    // Without a change the old tag would be right.
    if differences(&before, &after, &volatile(&one, &before)).is_empty() {
        return None;
    }
    let second = stage.call_with(change, &thing, stage.body(change), &[("If-Match", &old)]).await?;
    stage.clean_up(&thing).await;
    if !is_success(&second) {
        return None;
    }
    let text = format!(
        "A change with an entity tag that an earlier change made obsolete was answered {}; expected 412.",
        second.status()?
    );
    let suspicion =
        Suspicion::new(Severity::Medium, "header If-Match", "stale-accepted", text).confidence(Confidence::Confirmed);
    let evidence =
        vec![(Role::Baseline, thing.made), (Role::Baseline, shown), (Role::Control, first), (Role::Probe, second)];
    Some(Raised::new(change, suspicion, evidence))
}
