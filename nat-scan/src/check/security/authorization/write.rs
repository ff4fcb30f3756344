//! S-BOLA-W: another user's object can be changed or removed. Only what its owner reads afterwards counts.

use async_trait::async_trait;
use serde_json::Value;

use super::ground::{Own, Sharing, grounds, has_two, holds, lists, members, own, result, told};
use super::names::is_owner;
use super::password;
use super::people::People;
use crate::check::security::is_success;
use crate::check::stateful::{Stage, differences, volatile};
use crate::check::{As, CheckInfo, Exchange, SecurityCheck, SecurityContext, Suspicion, Turn};
use crate::finding::{Confidence, Finding, Role, Severity};
use crate::spec::Operation;

/// S-BOLA-W.
pub(super) struct ForeignWrite;

pub(super) static INFO: CheckInfo = CheckInfo {
    id: "S-BOLA-W",
    title: "Another user's object can be changed",
    description: "A user changes or removes what another user made, and the owner sees the effect. The id decides, not the owner.",
    remediation: "Before a write, look the object up by its id and its owner together, and refuse what belongs to others.",
    cwe: &["CWE-639", "CWE-284"],
    owasp: Some("API1:2023"),
};

const CHANGE: &str = "CVSS:3.1/AV:N/AC:L/PR:L/UI:N/S:U/C:N/I:H/A:N";
const REMOVE: &str = "CVSS:3.1/AV:N/AC:L/PR:L/UI:N/S:U/C:N/I:H/A:H";

/// Writes below the item.
const MAX_BELOW: usize = 4;

#[async_trait]
impl SecurityCheck for ForeignWrite {
    fn info(&self) -> &'static CheckInfo {
        &INFO
    }

    fn turn(&self) -> Turn {
        Turn::Write
    }

    async fn run(&self, cx: &SecurityContext<'_>) -> Vec<Finding> {
        let mut found = Vec::new();
        if has_two(cx) {
            let around = cx.surroundings();
            for resource in grounds(cx) {
                let stage = Stage::new(&around, &resource);
                for write in writes(cx, &stage) {
                    found.extend(attempt(cx, &stage, write).await);
                }
            }
        }
        found.extend(password::run(cx).await);
        found
    }
}

/// Operations that change one thing: on it, and on a part of it.
fn writes<'a>(cx: &SecurityContext<'a>, stage: &Stage<'_>) -> Vec<&'a Operation> {
    let resource = stage.resource;
    let template = resource.read.and_then(|read| cx.api.operations.get(read)).map_or("", |read| read.path.as_str());
    let template = template.trim_end_matches('/');
    let below = |operation: &&Operation| {
        let rest = operation.path.strip_prefix(template).filter(|rest| rest.starts_with('/') && !rest.contains('{'));
        rest.is_some() && matches!(operation.method.as_str(), "POST" | "PUT" | "PATCH" | "DELETE")
    };
    let on = [resource.put, resource.patch].into_iter().flatten().filter_map(|index| cx.api.operations.get(index));
    let last = resource.delete.and_then(|index| cx.api.operations.get(index));
    let all = on.chain(cx.api.operations.iter().filter(below).take(MAX_BELOW)).chain(last);
    // Passwords are changed on users that nobody needs any more.
    all.filter(|one| !stage.case(one.index).is_some_and(|case| password::sets_password(&case))).collect()
}

/// One try on a new thing: what the owner saw before, the write, what the owner sees afterwards.
struct Try {
    mine: Own,
    write: Exchange,
    after: Exchange,
}

async fn attempt(cx: &SecurityContext<'_>, stage: &Stage<'_>, write: &Operation) -> Option<Finding> {
    let theirs = stage.acting(As::Second);
    let (first, happened) = foreign(cx, stage, &theirs, write).await?;
    let effect = happened?;
    // Whom nobody stops is no other user's trouble: that is for those checks that ask who is asking.
    let (public, happened) = foreign(cx, stage, &stage.acting(As::Anonymous), write).await?;
    if happened.is_some() {
        return None;
    }
    let (second, happened) = foreign(cx, stage, &theirs, write).await?;
    happened?;
    let (confidence, why) = ownership(cx, stage, &theirs).await?;
    let key = &stage.resource.key;
    let explanation = format!(
        "A user {} of another user by its '{key}' ({} answers {}): the owner sees it. {why} The same request without credentials changes nothing.",
        effect.words(),
        write.endpoint(),
        first.write.status().unwrap_or_default(),
    );
    let suspicion = Suspicion::new(Severity::High, format!("path {key}"), effect.name(), explanation)
        .confidence(confidence)
        .pointer(write.pointer.clone());
    let evidence = [
        (Role::Baseline, &first.mine.shown),
        (Role::Probe, &first.write),
        (Role::Baseline, &first.after),
        (Role::Control, &public.write),
        (Role::Control, &public.after),
        (Role::Repeat, &second.write),
        (Role::Repeat, &second.after),
    ];
    let finding = told(cx, &INFO, &suspicion, write, &evidence, &[&first.mine.thing.made, &first.write]);
    Some(finding.rated(if effect == Effect::Removed { REMOVE } else { CHANGE }))
}

/// What became of a thing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Effect {
    Removed,
    Changed,
}

impl Effect {
    const fn name(self) -> &'static str {
        match self {
            Self::Removed => "foreign-delete",
            Self::Changed => "foreign-change",
        }
    }

    const fn words(self) -> &'static str {
        match self {
            Self::Removed => "removes an object",
            Self::Changed => "changes an object",
        }
    }
}

/// Somebody writes to a new thing of the owner.
async fn foreign(
    cx: &SecurityContext<'_>,
    stage: &Stage<'_>,
    actor: &Stage<'_>,
    write: &Operation,
) -> Option<(Try, Option<Effect>)> {
    let mine = own(cx, stage).await?;
    // What changes by itself is no effect.
    let (again, _) = stage.read(&mine.thing).await?;
    let moving = volatile(&mine.body, &again);
    let mut case = actor.case(write.index)?;
    crate::check::stateful::place(write, &mut case, &mine.thing.path);
    let (case, words) = super::ground::planted(cx, write, case);
    let sent = actor.send(write, &case, &[]).await?;
    let after = stage.call(stage.resource.read?, &mine.thing).await?;
    let effect = match result(cx, &after) {
        None if matches!(after.status(), Some(404 | 410)) => Some(Effect::Removed),
        None => None,
        // A success of a write that leaves the object as it was is no effect, nor is a change that it did not ask for.
        Some(now) => {
            let changed: Vec<String> = differences(&mine.body, now, &moving);
            let ours = holds(&after, &words) || (words.is_empty() && is_success(&sent));
            (!changed.is_empty() && ours).then_some(Effect::Changed)
        }
    };
    Some((Try { mine, write: sent, after }, effect))
}

/// Why the object is not the other user's to change: nobody but its owner sees it, it says whose it is, or it is a user.
async fn ownership(
    cx: &SecurityContext<'_>,
    stage: &Stage<'_>,
    theirs: &Stage<'_>,
) -> Option<(Confidence, &'static str)> {
    let (mine, again, other) = (own(cx, stage).await?, own(cx, stage).await?, own(cx, theirs).await);
    let seen = theirs.call(stage.resource.read?, &mine.thing).await?;
    if matches!(seen.status(), Some(401 | 403 | 404)) {
        return Some((Confidence::Confirmed, "That user may not even read it."));
    }
    if lists(cx, stage, &mine, As::Second).await.sharing == Sharing::Private {
        return Some((Confidence::Confirmed, "The list of that user does not show it."));
    }
    if stage.resource.create.is_some_and(|create| People::registers(cx, create)) {
        return Some((Confidence::Firm, "It is a user, and another one than the one who asks."));
    }
    let other = other?;
    let says_owner = |name: &String, value: &Value| {
        is_owner(name) && members(&again.body).get(name) == Some(value) && members(&other.body).get(name) != Some(value)
    };
    members(&mine.body)
        .iter()
        .any(|(name, value)| !value.is_null() && says_owner(name, value))
        .then_some((Confidence::Firm, "It names its owner."))
}
