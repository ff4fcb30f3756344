//! F040: what was removed is gone. F047: removing it again is no failure of the server.

use async_trait::async_trait;
use serde_json::Value;

use super::same::{differences, object};
use super::stage::{Seen, is_success};
use super::{Raised, Resource, ResourceCheck, Spare, Stage};
use crate::check::{CheckInfo, Suspicion};
use crate::finding::{Confidence, Role, Severity};

/// F040.
pub(super) struct UseAfterDelete;

static AFTER: CheckInfo = CheckInfo {
    id: "F040",
    title: "Removed object can still be used",
    description: "After a successful DELETE, a GET of the same URL still answers with the same object.",
    remediation: "Answer 404 or 410 for what was removed, and make sure that caches and read replicas follow.",
    cwe: &["CWE-672"],
    owasp: None,
};

#[async_trait]
impl ResourceCheck for UseAfterDelete {
    fn info(&self) -> &'static CheckInfo {
        &AFTER
    }

    fn applies(&self, resource: &Resource) -> bool {
        resource.create.is_some() && resource.read.is_some() && resource.delete.is_some()
    }

    async fn attempt(&self, stage: &Stage<'_>) -> Vec<Raised> {
        after_delete(stage).await.into_iter().collect()
    }
}

async fn after_delete(stage: &Stage<'_>) -> Option<Raised> {
    let (read, delete) = (stage.resource.read?, stage.resource.delete?);
    let thing = stage.create().await?;
    let Seen { before, volatile, shown } = stage.look(&thing).await?;
    let removed = stage.call(delete, &thing).await?;
    if !is_success(&removed) || object(&before).is_none_or(serde_json::Map::is_empty) {
        return None;
    }
    let after = stage.read_until(&thing, |status| !(200..300).contains(&status)).await?;
    let still = is_success(&after).then(|| after.json()).flatten()?;
    // A server that marks what was removed instead of hiding it shows another object.
    if !differences(&before, still, &volatile).is_empty() || is_marked(still) {
        return None;
    }
    let status = after.status().unwrap_or_default();
    let text = format!(
        "DELETE answered {}, and the same URL still answers {status} with the same object 1.2 s later.",
        removed.status().unwrap_or_default()
    );
    let suspicion = Suspicion::new(Severity::High, "", "use-after-delete", text).confidence(Confidence::Confirmed);
    let spare = shown.iter().map(|_| Spare::Look).collect();
    let mut evidence = vec![(Role::Baseline, thing.made)];
    evidence.extend(shown.map(|shown| (Role::Baseline, shown)));
    evidence.extend([(Role::Control, removed), (Role::Probe, after)]);
    Some(Raised::new(read, suspicion, evidence).sparing(spare))
}

/// The object itself says that it is removed.
fn is_marked(shown: &Value) -> bool {
    object(shown).into_iter().flatten().any(|(name, value)| {
        let name = name.to_ascii_lowercase();
        let says = |words: &[&str]| words.iter().any(|word| name.contains(word));
        let gone = |text: &str| {
            let text = text.to_ascii_lowercase();
            ["delet", "remov", "archiv", "inactiv", "cancel", "trash", "terminat"]
                .iter()
                .any(|word| text.contains(word))
        };
        match value {
            Value::Bool(true) => says(&["delet", "remov", "archiv", "trash"]),
            Value::Bool(false) => says(&["active", "enabled"]),
            Value::String(text) => {
                (says(&["status", "state"]) && gone(text))
                    || (says(&["deleted", "removed", "archived"]) && !text.is_empty())
            }
            _ => false,
        }
    })
}

/// F047.
pub(super) struct Twice;

static TWICE: CheckInfo = CheckInfo {
    id: "F047",
    title: "Second DELETE fails",
    description: "DELETE is idempotent (RFC 9110, section 9.2.2): removing what is gone already is no error of the server.",
    remediation: "Answer 404, 410 or 204 when there is nothing to remove.",
    cwe: &["CWE-755"],
    owasp: None,
};

#[async_trait]
impl ResourceCheck for Twice {
    fn info(&self) -> &'static CheckInfo {
        &TWICE
    }

    fn applies(&self, resource: &Resource) -> bool {
        resource.create.is_some() && resource.delete.is_some()
    }

    async fn attempt(&self, stage: &Stage<'_>) -> Vec<Raised> {
        twice(stage).await.into_iter().collect()
    }
}

async fn twice(stage: &Stage<'_>) -> Option<Raised> {
    let delete = stage.resource.delete?;
    let thing = stage.create().await?;
    let first = stage.call(delete, &thing).await?;
    if !is_success(&first) {
        return None;
    }
    let second = stage.call(delete, &thing).await?;
    let status = second.status()?;
    if status < 500 || matches!(status, 502..=504) {
        return None;
    }
    let text = format!("The first DELETE answered {}, the second {status}; expected 2xx, 404 or 410.", first.status()?);
    let suspicion = Suspicion::new(Severity::Medium, "", "second-delete-5xx", text).confidence(Confidence::Confirmed);
    Some(Raised::new(
        delete,
        suspicion,
        vec![(Role::Baseline, thing.made), (Role::Control, first), (Role::Probe, second)],
    ))
}
