//! S-MASS: a request sets members that are not the client's to set.

use async_trait::async_trait;
use serde_json::Value;

use super::assign::{Candidate, Made, Way, candidates, made_with, plain};
use super::ground::{grounds, own};
use super::people::People;
use crate::check::stateful::{Resource, Stage};
use crate::check::{As, CheckInfo, SecurityCheck, SecurityContext, Suspicion, Turn};
use crate::finding::{Confidence, Finding, Role, Severity};
use crate::spec::Operation;

/// S-MASS.
pub(super) struct MassAssignment;

static INFO: CheckInfo = CheckInfo {
    id: "S-MASS",
    title: "A member that is not the client's is stored",
    description: "The request schema does not have the member, or calls it read-only; a client sends it all the same, and it is stored. Usually the body is bound to the stored object as a whole.",
    remediation: "Copy the documented members one by one, or bind the body to a type that has only those. Refuse the others.",
    cwe: &["CWE-915"],
    owasp: Some("API3:2023"),
};

/// Members tried alone when all together are refused, and members proved for one operation.
const MAX_MEMBERS: usize = 6;
/// Profiles that are tried.
const MAX_PROFILES: usize = 3;

#[async_trait]
impl SecurityCheck for MassAssignment {
    fn info(&self) -> &'static CheckInfo {
        &INFO
    }

    fn turn(&self) -> Turn {
        Turn::Write
    }

    fn weight(&self) -> u64 {
        3
    }

    async fn run(&self, cx: &SecurityContext<'_>) -> Vec<Finding> {
        let mut found = Vec::new();
        if cx.safe_mode {
            return found;
        }
        let (around, people) = (cx.surroundings(), People::of(cx));
        for resource in grounds(cx) {
            let stage = Stage::new(&around, &resource);
            let mut known = Vec::new();
            let ways = [resource.create, resource.patch, resource.put].into_iter().flatten();
            for write in ways.filter_map(|index| cx.api.operations.get(index)) {
                let way = if resource.create == Some(write.index) { Way::Create } else { Way::Change };
                found.extend(attempt(cx, &stage, &way, write, &mut known).await);
            }
        }
        let nothing = Resource::default();
        let stage = Stage::new(&around, &nothing);
        if let Some(people) = &people {
            for (read, write) in profiles(cx).into_iter().take(MAX_PROFILES) {
                found.extend(attempt(cx, &stage, &Way::Profile { people, read }, write, &mut Vec::new()).await);
            }
        }
        found
    }
}

/// What users read and change of themselves: `GET /me` and `PATCH /me`.
fn profiles<'a>(cx: &SecurityContext<'a>) -> Vec<(&'a Operation, &'a Operation)> {
    let all = &cx.api.operations;
    let writes = all.iter().filter(|one| matches!(one.method.as_str(), "PUT" | "PATCH") && !one.path.contains('{'));
    let with_read = |write: &'a Operation| {
        let read = all.iter().find(|one| one.method == "GET" && one.path == write.path && one.is_protected())?;
        Some((read, write))
    };
    writes.filter_map(with_read).collect()
}

/// One operation: what it stores that it should not.
async fn attempt(
    cx: &SecurityContext<'_>,
    stage: &Stage<'_>,
    way: &Way<'_, '_>,
    write: &Operation,
    known: &mut Vec<String>,
) -> Vec<Finding> {
    let mut found = Vec::new();
    let Some(usual) = plain(cx, stage, way, write).await else { return found };
    let other = match way {
        Way::Profile { .. } => None,
        _ if cx.prober.has(As::Second) => own(cx, &stage.acting(As::Second)).await.map(|other| other.body),
        _ => None,
    };
    let mut open = candidates(cx, stage, write, &usual, other.as_ref());
    open.retain(|candidate| !known.contains(&candidate.name));
    let mut suspects = Vec::new();
    let all: Vec<(String, Value)> = open.iter().map(|one| (one.name.clone(), one.values[0].clone())).collect();
    if all.is_empty() {
        return found;
    }
    match made_with(cx, stage, way, write, &all, &usual.readers).await {
        Some(made) => suspects.extend(open.into_iter().filter(|one| made.shows(&one.name) == Some(&one.values[0]))),
        // Some of them was refused, and with it the others.
        None => {
            for candidate in open.into_iter().take(MAX_MEMBERS) {
                let alone = [(candidate.name.clone(), candidate.values[0].clone())];
                let made = made_with(cx, stage, way, write, &alone, &usual.readers).await;
                if made.is_some_and(|made| made.shows(&candidate.name) == Some(&candidate.values[0])) {
                    suspects.push(candidate);
                }
            }
        }
    }
    for suspect in suspects.into_iter().take(MAX_MEMBERS) {
        if let Some(finding) = prove(cx, stage, way, write, &suspect, &usual).await {
            known.push(suspect.name.clone());
            if People::registers(cx, write.index) {
                cx.learned.with(|facts| facts.assigned.push((write.index, suspect.name, suspect.values[0].clone())));
            }
            found.push(finding);
        }
    }
    found
}

/// The member alone, with two values if there are two, and a thing made without it in between.
async fn prove(
    cx: &SecurityContext<'_>,
    stage: &Stage<'_>,
    way: &Way<'_, '_>,
    write: &Operation,
    candidate: &Candidate,
    usual: &Made,
) -> Option<Finding> {
    let name = candidate.name.as_str();
    let with = |value: &Value| vec![(name.to_owned(), value.clone())];
    let [one, two] = &candidate.values;
    let probe = made_with(cx, stage, way, write, &with(two), &usual.readers).await?;
    let control = made_with(cx, stage, way, write, &[], &usual.readers).await?;
    let repeat = made_with(cx, stage, way, write, &with(one), &usual.readers).await?;
    let default = control.shows(name);
    if probe.shows(name) != Some(two) || repeat.shows(name) != Some(one) || default == Some(one) || default == Some(two)
    {
        return None;
    }
    if !candidate.observed {
        // What stores any member stores this one, too, and knows nothing of what it means.
        let unknown = format!("x{}", cx.prober.word());
        let any = made_with(cx, stage, way, write, &[(unknown.clone(), Value::from(1))], &usual.readers).await;
        if any.is_some_and(|any| any.shows(&unknown).is_some()) {
            return None;
        }
    }
    let without = default.map_or_else(|| "does not have it".to_owned(), |default| format!("has {default}"));
    let explanation = format!(
        "{} takes '{name}', which {}: sent as {two}, a later read shows {two}; sent as {one}, it shows {one}; without it the object {without}.",
        write.endpoint(),
        if candidate.read_only { "the document calls read-only" } else { "its request schema does not have" },
    );
    let suspicion = Suspicion::new(Severity::Medium, format!("body /{name}"), "mass-assignment", explanation)
        .confidence(Confidence::Confirmed)
        .pointer(write.pointer.clone());
    let evidence = [
        (Role::Probe, &probe.write),
        (Role::Probe, probe.answer(name)?),
        (Role::Control, &control.write),
        (Role::Control, control.answer(name).or_else(|| control.answers.first())?),
        (Role::Repeat, &repeat.write),
        (Role::Repeat, repeat.answer(name)?),
    ];
    let secrets: Vec<String> = [&probe, &control, &repeat].into_iter().flat_map(|made| made.secrets.clone()).collect();
    let report = cx.report.masking(secrets.iter().map(String::as_str));
    let finding = report.build(&INFO, &suspicion, Some(write), &evidence);
    Some(finding.rated(&candidate.vector(write)))
}
