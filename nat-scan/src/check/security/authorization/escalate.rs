//! S-MASS-ESC: a member that a registration takes makes an administrator.

use async_trait::async_trait;
use serde_json::Value;

use super::ground::{moved, own, result};
use super::names::is_privilege;
use super::people::{People, Person};
use crate::chain::destroys;
use crate::check::security::is_success;
use crate::check::shape::is_soft_error;
use crate::check::stateful::{Resource, Stage, Thing, place};
use crate::check::{CheckInfo, Exchange, SecurityCheck, SecurityContext, Suspicion, Turn};
use crate::finding::{Confidence, Finding, Role, Severity};
use crate::spec::Operation;

/// S-MASS-ESC.
pub(super) struct Escalation;

static INFO: CheckInfo = CheckInfo {
    id: "S-MASS-ESC",
    title: "Whoever signs up can become an administrator",
    description: "A user who sends one more member with the registration may call an operation afterwards that is refused to everybody else who signs up.",
    remediation: "Never take roles from those whom they are about: bind the registration to its documented members only.",
    cwe: &["CWE-269", "CWE-915"],
    owasp: Some("API3:2023"),
};

/// Anybody may sign up.
const VECTOR: &str = "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:N";

/// Operations that are asked for a refusal.
const MAX_ASKED: usize = 12;
/// Refusing operations that are tried with each member.
const MAX_DOORS: usize = 4;

#[async_trait]
impl SecurityCheck for Escalation {
    fn info(&self) -> &'static CheckInfo {
        &INFO
    }

    fn turn(&self) -> Turn {
        Turn::Write
    }

    async fn run(&self, cx: &SecurityContext<'_>) -> Vec<Finding> {
        let Some(people) = People::of(cx) else { return Vec::new() };
        let members = members(cx, &people);
        let (around, nothing) = (cx.surroundings(), Resource::default());
        let stage = Stage::new(&around, &nothing);
        let Some(plain) = people.join(&[]).await else { return Vec::new() };
        let doors = doors(cx, &people, &stage, &plain).await;
        if doors.is_empty() {
            return Vec::new();
        }
        for member in members {
            for door in &doors {
                if let Some(finding) = attempt(cx, &people, &stage, door, &member).await {
                    // One way up is enough.
                    return vec![finding];
                }
            }
        }
        Vec::new()
    }
}

/// What may make an administrator: what is known to be stored, else what is so in many programs.
fn members(cx: &SecurityContext<'_>, people: &People<'_, '_>) -> Vec<(String, Value)> {
    let stored = cx.learned.with(|facts| facts.assigned.clone());
    let here =
        stored.into_iter().filter(|(operation, name, _)| *operation == people.registration() && is_privilege(name));
    let mut members: Vec<(String, Value)> = here.map(|(_, name, value)| (name, value)).collect();
    if members.is_empty() {
        let flags = ["admin", "is_admin", "isAdmin"].map(|name| (name.to_owned(), Value::from(true)));
        members.extend(flags);
        members.push(("role".to_owned(), Value::from("admin")));
    }
    members
}

/// An operation that refuses those who sign up.
struct Door<'a> {
    operation: &'a Operation,
    /// Where a thing of the scan's own is removed: how to make it.
    resource: Option<Resource>,
    refused: Exchange,
}

/// What an operation said to somebody, and whether that had an effect.
struct Knock {
    answer: Exchange,
    opened: bool,
}

async fn doors<'a>(
    cx: &SecurityContext<'a>,
    people: &People<'_, 'a>,
    stage: &Stage<'_>,
    plain: &Person,
) -> Vec<Door<'a>> {
    let unknown = |one: &&Operation| {
        let works = cx.baselines.get(one.index).is_some_and(Option::is_some);
        one.method == "GET" && !one.path.contains('{') && !destroys(&one.path) && !works
    };
    let reads = cx.api.operations.iter().filter(unknown);
    let mut asked: Vec<(&'a Operation, Option<Resource>)> = reads.map(|one| (one, None)).collect();
    for resource in super::ground::grounds(cx) {
        // Only things of the scan's own are removed.
        if let Some(delete) = resource.delete.and_then(|delete| cx.api.operations.get(delete)) {
            asked.push((delete, Some(resource)));
        }
    }
    let mut doors = Vec::new();
    for (operation, resource) in asked.into_iter().take(cx.at_most(MAX_ASKED)) {
        let knock = knock(cx, people, stage, operation, resource.as_ref(), plain).await;
        if let Some(Knock { answer, .. }) = knock.filter(|knock| matches!(knock.answer.status(), Some(401 | 403))) {
            doors.push(Door { operation, resource, refused: answer });
        }
        if doors.len() >= MAX_DOORS {
            break;
        }
    }
    doors
}

async fn knock(
    cx: &SecurityContext<'_>,
    people: &People<'_, '_>,
    stage: &Stage<'_>,
    operation: &Operation,
    resource: Option<&Resource>,
    person: &Person,
) -> Option<Knock> {
    let mut case = stage.case(operation.index)?;
    let Some(resource) = resource else {
        let answer = people.act(person, operation, &case).await?;
        let opened = result(cx, &answer).is_some();
        return Some(Knock { answer, opened });
    };
    let stage = Stage::new(stage.around, resource);
    let Thing { made, sent, path, mark } = own(cx, &stage).await?.thing;
    place(operation, &mut case, &path);
    let answer = people.act(person, operation, &case).await?;
    let thing = moved(&Thing { made, sent, path: path.clone(), mark }, path);
    let after = stage.call(resource.read?, &thing).await?;
    let gone = matches!(after.status(), Some(404 | 410));
    let said_so = is_success(&answer) && !answer.json().is_some_and(is_soft_error);
    Some(Knock { answer, opened: gone && said_so })
}

async fn attempt(
    cx: &SecurityContext<'_>,
    people: &People<'_, '_>,
    stage: &Stage<'_>,
    door: &Door<'_>,
    member: &(String, Value),
) -> Option<Finding> {
    let (operation, resource) = (door.operation, door.resource.as_ref());
    let raised = people.join(std::slice::from_ref(member)).await?;
    let probe = knock(cx, people, stage, operation, resource, &raised).await.filter(|knock| knock.opened)?;
    let plain = people.join(&[]).await?;
    let control = knock(cx, people, stage, operation, resource, &plain).await.filter(|knock| !knock.opened)?;
    let again = people.join(std::slice::from_ref(member)).await?;
    let repeat = knock(cx, people, stage, operation, resource, &again).await.filter(|knock| knock.opened)?;
    let registration = cx.api.operations.get(people.registration())?;
    let explanation = format!(
        "Signed up with '{}': {}, a user is answered {} by {}; users who sign up without it are refused ({}), before and after.",
        member.0,
        member.1,
        probe.answer.status().unwrap_or_default(),
        operation.endpoint(),
        control.answer.status().unwrap_or_default(),
    );
    let suspicion = Suspicion::new(Severity::Critical, format!("body /{}", member.0), "escalation", explanation)
        .confidence(Confidence::Confirmed)
        .pointer(registration.pointer.clone());
    let people = [&raised, &plain, &again];
    let secrets: Vec<String> =
        people.iter().flat_map(|one| one.tokens().into_iter().chain([one.password.clone()])).collect();
    let report = cx.report.masking(secrets.iter().map(String::as_str));
    let evidence = [
        (Role::Baseline, &door.refused),
        (Role::Probe, &raised.made),
        (Role::Probe, &probe.answer),
        (Role::Control, &plain.made),
        (Role::Control, &control.answer),
        (Role::Repeat, &again.made),
        (Role::Repeat, &repeat.answer),
    ];
    Some(report.build(&INFO, &suspicion, Some(registration), &evidence).rated(VECTOR))
}
