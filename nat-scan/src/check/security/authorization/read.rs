//! S-BOLA-R: another user's object can be read.

use std::collections::BTreeSet;

use async_trait::async_trait;
use serde_json::Value;

use super::ground::{
    Lists, Own, Sharing, ask, gives, grounds, has_two, is_telling, item, lists, lists_of, nowhere, own, private,
    resembles, result, told,
};
use super::names::{is_personal, is_secret};
use crate::check::shape::leaves;
use crate::check::stateful::Stage;
use crate::check::{As, CheckInfo, Exchange, SecurityCheck, SecurityContext, Suspicion, Turn};
use crate::finding::{Confidence, Finding, Role, Severity};

/// S-BOLA-R.
pub(super) struct ForeignRead;

static INFO: CheckInfo = CheckInfo {
    id: "S-BOLA-R",
    title: "Another user's object can be read",
    description: "An object that one user made is given to another user of the same role who asks for it by its id. The id decides, not the owner.",
    remediation: "Look objects up by their id and their owner together, and answer 404 for what belongs to others.",
    cwe: &["CWE-639"],
    owasp: Some("API1:2023"),
};

const MUCH: &str = "CVSS:3.1/AV:N/AC:L/PR:L/UI:N/S:U/C:H/I:N/A:N";
const LITTLE: &str = "CVSS:3.1/AV:N/AC:L/PR:L/UI:N/S:U/C:L/I:N/A:N";

/// Operations below the item that are asked, too.
const MAX_VIEWS: usize = 3;

#[async_trait]
impl SecurityCheck for ForeignRead {
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
        for resource in grounds(cx) {
            let stage = Stage::new(&around, &resource);
            let Some(mine) = own(cx, &stage).await else { continue };
            let reads = resource.read.into_iter().chain(resource.views.iter().copied().take(MAX_VIEWS));
            let before = found.len();
            for read in reads {
                found.extend(attempt(cx, &stage, &mine, read).await);
            }
            if found.len() == before {
                found.extend(listed(cx, &stage, &mine).await);
            }
        }
        found
    }
}

async fn attempt(cx: &SecurityContext<'_>, stage: &Stage<'_>, mine: &Own, read: usize) -> Option<Finding> {
    let theirs = stage.acting(As::Second);
    let operation = stage.operation(read)?;
    let probe = theirs.call(read, &mine.thing).await?;
    if !resembles(cx, &probe, mine) {
        return None;
    }
    // Both directions, with objects of their own: what the first shows of the second is a second proof.
    let other = own(cx, &theirs).await?;
    let (mine, other) = (&viewed(cx, stage, mine, read).await?, &viewed(cx, &theirs, &other, read).await?);
    let here = secrets(cx, stage, mine, other, &probe, As::Second, read).await?;
    let repeat = stage.call(read, &other.thing).await?;
    secrets(cx, &theirs, other, mine, &repeat, As::Primary, read).await?;
    let control = theirs.call(read, &nowhere(mine, &stage.resource.key, &cx.prober.word())?).await?;
    if gives(cx, &control, &here.values) {
        return None;
    }
    let key = &stage.resource.key;
    let why = match here.sharing {
        Sharing::Private => "The list of the other user does not show the object",
        _ => "No list shows these members to the other user",
    };
    let explanation = format!(
        "A user reads the object of another by its '{key}' and is given what only its owner should see ({}). {why}, and the public is not given it.",
        names(&here.values).join(", ")
    );
    let suspicion = Suspicion::new(Severity::Medium, format!("path {key}"), "foreign-read", explanation)
        .confidence(if here.sharing == Sharing::Private { Confidence::Confirmed } else { Confidence::Firm })
        .pointer(operation.pointer.clone());
    let evidence =
        [(Role::Baseline, &mine.shown), (Role::Probe, &probe), (Role::Control, &control), (Role::Repeat, &repeat)];
    let finding = told(cx, &INFO, &suspicion, operation, &evidence, &[&mine.thing.made, &probe]);
    let much = here.values.len() >= 3 || names(&here.values).iter().any(|name| is_personal(name));
    Some(finding.rated(if much { MUCH } else { LITTLE }))
}

/// What may not be read one by one stands in a list all the same.
async fn listed(cx: &SecurityContext<'_>, stage: &Stage<'_>, mine: &Own) -> Option<Finding> {
    let theirs = stage.acting(As::Second);
    let read = stage.resource.read?;
    let (mut other, mut found) = (None, None);
    for list in lists_of(cx, stage.resource).into_iter().filter(|_| !mine.marks.is_empty()) {
        let probe = ask(&theirs, list, &mine.thing).await?;
        if !shows(cx, stage, mine, &probe).is_some_and(|item| holds_all(item, &mine.marks)) {
            continue;
        }
        let control = theirs.call(read, &mine.thing).await?;
        if !matches!(control.status(), Some(401 | 403 | 404)) {
            return None;
        }
        if other.is_none() {
            other = Some(own(cx, &theirs).await?);
        }
        let other = other.as_ref()?;
        let repeat = ask(stage, list, &other.thing).await?;
        let back = stage.call(read, &other.thing).await?;
        let public = ask(&stage.acting(As::Anonymous), list, &mine.thing).await?;
        let complete = |own: &Own, than: &Own, answer: &Exchange| {
            let values = private(own, than);
            let values: Vec<String> =
                values.iter().filter_map(|leaf| leaf.split_once('=')).map(|(_, value)| value.to_owned()).collect();
            let item = shows(cx, stage, own, answer);
            !own.marks.is_empty() && item.is_some_and(|item| holds_all(item, &values))
        };
        let refused = matches!(back.status(), Some(401 | 403 | 404));
        if refused
            && complete(mine, other, &probe)
            && complete(other, mine, &repeat)
            && shows(cx, stage, mine, &public).is_none()
        {
            found = Some((list, probe, control, repeat, public));
            break;
        }
    }
    let (list, probe, control, repeat, public) = found?;
    let operation = stage.operation(list)?;
    let explanation = format!(
        "The list shows a user the whole of another user's object, which is refused to this user when asked for by itself ({}).",
        control.status().unwrap_or_default()
    );
    let suspicion = Suspicion::new(Severity::Medium, "response", "foreign-list", explanation)
        .confidence(Confidence::Confirmed)
        .pointer(operation.pointer.clone());
    let evidence = [
        (Role::Baseline, &mine.shown),
        (Role::Probe, &probe),
        (Role::Control, &control),
        (Role::Control, &public),
        (Role::Repeat, &repeat),
    ];
    Some(told(cx, &INFO, &suspicion, operation, &evidence, &[&mine.thing.made, &probe]).rated(MUCH))
}

/// The thing in a list.
fn shows<'e>(cx: &SecurityContext<'_>, stage: &Stage<'_>, own: &Own, answer: &'e Exchange) -> Option<&'e Value> {
    item(result(cx, answer)?, &own.thing, &own.marks, stage.resource, 0)
}

fn holds_all(item: &Value, values: &[String]) -> bool {
    let found = leaves(item);
    values.iter().all(|value| found.iter().any(|leaf| leaf.split_once('=').is_some_and(|(_, own)| own == value)))
}

/// The thing as this operation shows it to its owner.
async fn viewed(cx: &SecurityContext<'_>, stage: &Stage<'_>, own: &Own, read: usize) -> Option<Own> {
    let shown = stage.call(read, &own.thing).await?;
    let body = result(cx, &shown)?.clone();
    let thing = super::ground::moved(&own.thing, own.thing.path.clone());
    let text = body.to_string();
    let marks = own.marks.iter().filter(|mark| text.contains(mark.as_str())).cloned().collect();
    Some(Own { thing, body, shown, marks })
}

/// What an answer gives away.
struct Secrets {
    values: BTreeSet<String>,
    sharing: Sharing,
}

/// What of the owner's thing this answer gives to the other, and should not: neither the public nor a list of the other
/// shows it.
async fn secrets(
    cx: &SecurityContext<'_>,
    stage: &Stage<'_>,
    own: &Own,
    other: &Own,
    answer: &Exchange,
    who: As,
    read: usize,
) -> Option<Secrets> {
    let mut values = private(own, other);
    if !is_telling(&values, own) || !gives(cx, answer, &values) {
        return None;
    }
    let public = stage.acting(As::Anonymous).call(read, &own.thing).await?;
    if resembles(cx, &public, own) {
        return None;
    }
    let Lists { sharing, seen } = lists(cx, stage, own, who).await;
    for list in &seen {
        let text = list.response().map(|response| String::from_utf8_lossy(&response.body).into_owned())?;
        values.retain(|leaf| !leaf.split_once('=').is_some_and(|(_, value)| text.contains(value)));
    }
    // Where a list does not say that the object is private, its members must.
    let is_private = sharing == Sharing::Private || names(&values).iter().any(|name| is_secret(name));
    (is_telling(&values, own) && is_private).then_some(Secrets { values, sharing })
}

/// Names of the members, without indices.
fn names(values: &BTreeSet<String>) -> Vec<String> {
    let name = |leaf: &String| {
        let path = leaf.split_once('=').map_or("", |(path, _)| path);
        path.rsplit('/').find(|part| *part != "[]").unwrap_or_default().to_owned()
    };
    let all: BTreeSet<String> = values.iter().map(name).collect();
    all.into_iter().filter(|name| !name.is_empty()).take(8).collect()
}
