//! S-HIER: a path below one's own parent leads to another user's child.

use async_trait::async_trait;

use super::ground::{
    Own, gives, grounds, has_two, is_telling, moved, own, own_below, parents, private, resembles, told,
};
use super::names::stranger;
use crate::check::stateful::Stage;
use crate::check::{As, CheckInfo, Exchange, SecurityCheck, SecurityContext, Suspicion, Turn};
use crate::finding::{Confidence, Finding, Role, Severity};

/// S-HIER.
pub(super) struct ForeignParent;

static INFO: CheckInfo = CheckInfo {
    id: "S-HIER",
    title: "Another user's object can be read below one's own parent",
    description: "The server checks who owns the parent in the path, and not whether the child belongs to it: below a parent of one's own, children of others can be read.",
    remediation: "Look the child up by its id and its parent together.",
    cwe: &["CWE-639"],
    owasp: Some("API1:2023"),
};

const READ: &str = "CVSS:3.1/AV:N/AC:L/PR:L/UI:N/S:U/C:H/I:N/A:N";

#[async_trait]
impl SecurityCheck for ForeignParent {
    fn info(&self) -> &'static CheckInfo {
        &INFO
    }

    fn turn(&self) -> Turn {
        Turn::Write
    }

    async fn run(&self, cx: &SecurityContext<'_>) -> Vec<Finding> {
        let mut found = Vec::new();
        if !has_two(cx) {
            return found;
        }
        let around = cx.surroundings();
        for resource in grounds(cx).iter().filter(|resource| !resource.parents.is_empty()) {
            found.extend(attempt(cx, &Stage::new(&around, resource)).await);
        }
        found
    }
}

async fn attempt(cx: &SecurityContext<'_>, stage: &Stage<'_>) -> Option<Finding> {
    let theirs = stage.acting(As::Second);
    let read = stage.resource.read?;
    let operation = stage.operation(read)?;
    let mine = own(cx, stage).await?;
    let below = parents(&theirs).await.filter(|below| !below.is_empty())?;
    let probe = ask(&theirs, read, &mine, &below).await?;
    if !resembles(cx, &probe, &mine) {
        return None;
    }
    // The straight way must be closed: else the parent does not matter.
    let direct = theirs.call(read, &mine.thing).await?;
    let other = own_below(cx, &theirs, &below).await?;
    let values = private(&mine, &other);
    if resembles(cx, &direct, &mine) || !is_telling(&values, &mine) || !gives(cx, &probe, &values) {
        return None;
    }
    let public = ask(&stage.acting(As::Anonymous), read, &mine, &below).await?;
    let mut path = mine.thing.path.clone();
    path.extend(below.clone());
    let unknown = stranger(path.get(&stage.resource.key)?, &cx.prober.word())?;
    path.insert(stage.resource.key.clone(), unknown);
    let control = theirs.call(read, &moved(&mine.thing, path)).await?;
    if gives(cx, &public, &values) || gives(cx, &control, &values) {
        return None;
    }
    let second = own(cx, stage).await?;
    let repeat = ask(&theirs, read, &second, &below).await?;
    let again = private(&second, &other);
    if !is_telling(&again, &second) || !gives(cx, &repeat, &again) {
        return None;
    }
    let name = stage.resource.parents.last()?;
    let explanation = format!(
        "The object lies below a '{name}' of another user and is refused there ({}), but given with {} below a '{name}' of one's own.",
        direct.status().unwrap_or_default(),
        probe.status().unwrap_or_default(),
    );
    let suspicion = Suspicion::new(Severity::Medium, format!("path {name}"), "foreign-parent", explanation)
        .confidence(Confidence::Confirmed)
        .pointer(operation.pointer.clone());
    let evidence = [
        (Role::Baseline, &mine.shown),
        (Role::Probe, &probe),
        (Role::Control, &direct),
        (Role::Control, &control),
        (Role::Repeat, &repeat),
    ];
    Some(told(cx, &INFO, &suspicion, operation, &evidence, &[&mine.thing.made, &probe]).rated(READ))
}

/// The thing below these parents.
async fn ask(
    stage: &Stage<'_>,
    read: usize,
    own: &Own,
    below: &std::collections::BTreeMap<String, serde_json::Value>,
) -> Option<Exchange> {
    let mut path = own.thing.path.clone();
    path.extend(below.clone());
    stage.call(read, &moved(&own.thing, path)).await
}
