//! F042: what was sent is what is stored.

use async_trait::async_trait;
use serde_json::Value;

use super::same::{by_server, object, same};
use super::{Raised, Resource, ResourceCheck, Stage};
use crate::chain::tokens;
use crate::check::{CheckInfo, Suspicion};
use crate::finding::Role;
use crate::finding::Severity;
use crate::schema::Schema;
use crate::spec::Operation;

/// F042.
pub(super) struct Reflects;

static INFO: CheckInfo = CheckInfo {
    id: "F042",
    title: "Created object is not what was sent",
    description: "A property that the request set has another value, or none, when the new object is read.",
    remediation: "Store every documented property, or refuse values that cannot be stored, or mark the property readOnly.",
    cwe: &["CWE-841"],
    owasp: None,
};

#[async_trait]
impl ResourceCheck for Reflects {
    fn info(&self) -> &'static CheckInfo {
        &INFO
    }

    fn applies(&self, resource: &Resource) -> bool {
        resource.create.is_some() && resource.read.is_some()
    }

    async fn attempt(&self, stage: &Stage<'_>) -> Vec<Raised> {
        differing(stage).await.unwrap_or_default()
    }
}

async fn differing(stage: &Stage<'_>) -> Option<Vec<Raised>> {
    let create = stage.operation(stage.resource.create?)?;
    let read = stage.operation(stage.resource.read?)?;
    let thing = stage.create().await?;
    if thing.made.status() == Some(202) {
        return None;
    }
    let (stored, _) = stage.read(&thing).await?;
    let schema = create.body.as_ref().and_then(|body| body.content.first()?.schema.as_ref());
    let stored = object(&stored)?.clone();
    let sent = thing.sent.as_object()?.clone();
    let mut raised = Vec::new();
    for (name, value) in &sent {
        let kept = stored.get(name);
        // What the document does not promise need not be shown.
        if kept.is_none() && !is_documented(read, name) {
            continue;
        }
        let kept = kept.unwrap_or(&Value::Null);
        if same(value, kept) || is_exempt(name, schema) {
            continue;
        }
        let (shown, answer) = stage.read(&thing).await?;
        if object(&shown).and_then(|members| members.get(name)).unwrap_or(&Value::Null) != kept {
            continue;
        }
        let text =
            format!("The request set '{name}' to {}, and reading the new object shows {}.", brief(value), brief(kept));
        let suspicion = Suspicion::new(Severity::Medium, format!("response /{name}"), "not-reflected", text);
        let made = thing.made.twin();
        raised.push(Raised::new(create.index, suspicion, vec![(Role::Baseline, made), (Role::Probe, answer)]));
    }
    stage.clean_up(&thing).await;
    Some(raised)
}

/// Whether a good answer of the operation has this property at its top.
fn is_documented(read: &Operation, name: &str) -> bool {
    let good = read.response(200).and_then(|response| response.content.first()?.schema.as_ref());
    good.is_some_and(|schema| {
        let node = schema.resolve(schema.node());
        node.get("properties").is_some_and(|properties| properties.get(name).is_some())
    })
}

/// Properties whose stored form rightly differs.
pub(super) fn is_exempt(name: &str, schema: Option<&Schema>) -> bool {
    const SECRETS: [&str; 6] = ["password", "secret", "token", "pin", "hash", "passphrase"];
    // Servers make them fit: a slug, a normalised link, a status that moves on by itself.
    const MOVING: [&str; 5] = ["slug", "status", "state", "id", "url"];
    let words = tokens(name);
    let has = |list: &[&str]| words.iter().any(|word| list.contains(&word.as_str()));
    let marked = schema.is_some_and(|schema| {
        let node = schema.resolve(schema.node());
        let property = node.get("properties").and_then(|all| all.get(name)).map(|property| schema.resolve(property));
        let flag = |flag: &str| property.and_then(|property| property.get(flag)) == Some(&Value::Bool(true));
        flag("readOnly") || flag("writeOnly")
    });
    has(&SECRETS) || words.last().is_some_and(|last| MOVING.contains(&last.as_str())) || by_server(name) || marked
}

/// A value short enough for a sentence.
pub(super) fn brief(value: &Value) -> String {
    let text = value.to_string();
    if text.chars().count() <= 60 { text } else { format!("{}…", text.chars().take(60).collect::<String>()) }
}
