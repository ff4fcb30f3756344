//! F050: a documented Idempotency-Key is heeded.

use std::collections::BTreeMap;

use async_trait::async_trait;

use super::{Raised, Resource, ResourceCheck, Stage};
use crate::check::{CheckInfo, Suspicion};
use crate::finding::{Confidence, Role, Severity};
use crate::spec::Location;

/// F050.
pub(super) struct KeyIgnored;

static INFO: CheckInfo = CheckInfo {
    id: "F050",
    title: "Idempotency-Key is ignored",
    description: "The operation documents a key for safe repetition, and the same request with the same key makes a second object.",
    remediation: "Remember the answer of each key and give it again.",
    cwe: &["CWE-799"],
    owasp: None,
};

#[async_trait]
impl ResourceCheck for KeyIgnored {
    fn info(&self) -> &'static CheckInfo {
        &INFO
    }

    fn applies(&self, resource: &Resource) -> bool {
        resource.create.is_some()
    }

    async fn attempt(&self, stage: &Stage<'_>) -> Vec<Raised> {
        ignored(stage).await.into_iter().collect()
    }
}

async fn ignored(stage: &Stage<'_>) -> Option<Raised> {
    let create = stage.operation(stage.resource.create?)?;
    let at = create.parameters.iter().position(|parameter| {
        let name = parameter.name.to_ascii_lowercase();
        parameter.location == Location::Header && name.contains("idempotency") && name.contains("key")
    })?;
    let header = create.parameters.get(at)?.name.clone();
    let mut case = stage.case(create.index)?;
    case.arguments.retain(|argument| argument.parameter != at);
    let key = stage.around.prober.nonce();
    let headers = [(header.as_str(), key.as_str())];
    let one = stage.create_as(case.clone(), &BTreeMap::new(), &headers).await?;
    let two = stage.create_as(case, &BTreeMap::new(), &headers).await?;
    let (first, second) = (one.path.get(&stage.resource.key)?, two.path.get(&stage.resource.key)?);
    if first == second {
        return None;
    }
    let text =
        format!("The same request with the same {header} was accepted twice and made two objects with different ids.");
    let suspicion = Suspicion::new(Severity::High, format!("header {header}"), "key-ignored", text)
        .confidence(Confidence::Confirmed);
    Some(Raised::new(create.index, suspicion, vec![(Role::Baseline, one.made), (Role::Probe, two.made)]))
}
