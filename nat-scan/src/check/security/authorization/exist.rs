//! S-EXIST: a refusal tells whether the object exists. And S-BOLA-ID: ids follow one another.

use async_trait::async_trait;
use serde_json::Value;

use super::ground::{Own, Sharing, grounds, has_two, is_telling, lists, nowhere, own, plain, private, told};
use super::names::is_uuid;
use crate::check::security::is_success;
use crate::check::stateful::{Resource, Stage};
use crate::check::{As, CheckInfo, Exchange, SecurityCheck, SecurityContext, Suspicion, Turn};
use crate::finding::{Confidence, Finding, Role, Severity};

/// S-EXIST.
pub(super) struct ExistenceTold;

/// S-BOLA-ID.
pub(super) struct GuessableIds;

static EXIST: CheckInfo = CheckInfo {
    id: "S-EXIST",
    title: "A refusal tells whether an object exists",
    description: "What belongs to others is answered 403, what does not exist 404, and the ids can be guessed: anybody can find out which objects exist.",
    remediation: "Answer 404 in both cases.",
    cwe: &["CWE-203"],
    owasp: Some("API1:2023"),
};

static IDS: CheckInfo = CheckInfo {
    id: "S-BOLA-ID",
    title: "Ids of private objects can be guessed",
    description: "Objects that only their owners may see have ids that follow one another, or version 1 UUIDs, which say when and where they were made. No weakness by itself; with a missing check of the owner every object can be found.",
    remediation: "Use random ids (UUID version 4), and check the owner all the same.",
    cwe: &["CWE-340"],
    owasp: Some("API1:2023"),
};

/// Who asks must guess an id first.
const EXISTENCE: &str = "CVSS:3.1/AV:N/AC:H/PR:L/UI:N/S:U/C:L/I:N/A:N";

/// Times that both answers are compared.
const ROUNDS: usize = 3;
/// Ids that are looked at.
const SAMPLE: usize = 6;
/// Other users may make things in between.
const MAX_GAP: i64 = 20;

#[async_trait]
impl SecurityCheck for ExistenceTold {
    fn info(&self) -> &'static CheckInfo {
        &EXIST
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
            found.extend(existence(cx, &Stage::new(&around, &resource)).await);
        }
        found
    }
}

async fn existence(cx: &SecurityContext<'_>, stage: &Stage<'_>) -> Option<Finding> {
    let theirs = stage.acting(As::Second);
    let (read, key) = (stage.resource.read?, &stage.resource.key);
    let operation = stage.operation(read)?;
    let mut seen = Vec::new();
    let mut mine: Option<Own> = None;
    for _ in 0..ROUNDS {
        let own = own(cx, stage).await?;
        if !is_guessable(own.thing.path.get(key)?, &own) {
            return None;
        }
        let foreign = theirs.call(read, &own.thing).await?;
        if foreign.status() != Some(403) {
            return None;
        }
        let nothing = theirs.call(read, &nowhere(&own, key, &cx.prober.word())?).await?;
        if nothing.status() != Some(404) {
            return None;
        }
        seen.push((foreign, nothing));
        mine.get_or_insert(own);
    }
    let mine = mine?;
    let [(probe, control), (repeat, _), (last, _)] = seen.as_slice() else { return None };
    let explanation = format!(
        "Another user's object is refused with 403, and an id that nothing has with 404, {ROUNDS} times each. Ids at '{key}' can be guessed."
    );
    let suspicion = Suspicion::new(Severity::Low, format!("path {key}"), "403-404", explanation)
        .confidence(Confidence::Confirmed)
        .pointer(operation.pointer.clone());
    let evidence = [
        (Role::Baseline, &mine.shown),
        (Role::Probe, probe),
        (Role::Control, control),
        (Role::Repeat, repeat),
        (Role::Repeat, last),
    ];
    Some(told(cx, &EXIST, &suspicion, operation, &evidence, &[&mine.thing.made, probe]).rated(EXISTENCE))
}

/// A number, or a name that its maker chose.
fn is_guessable(id: &Value, own: &Own) -> bool {
    let text = plain(id);
    let chosen = own.thing.sent.as_object().is_some_and(|sent| sent.values().any(|value| plain(value) == text));
    text.parse::<i64>().is_ok() || (chosen && !is_uuid(&text))
}

#[async_trait]
impl SecurityCheck for GuessableIds {
    fn info(&self) -> &'static CheckInfo {
        &IDS
    }

    fn turn(&self) -> Turn {
        Turn::Write
    }

    async fn run(&self, cx: &SecurityContext<'_>) -> Vec<Finding> {
        if !has_two(cx) {
            return Vec::new();
        }
        let around = cx.surroundings();
        let mut all: Vec<(Resource, Sample)> = Vec::new();
        for resource in grounds(cx) {
            let sample = sample(cx, &Stage::new(&around, &resource)).await;
            all.extend(sample.map(|sample| (resource, sample)));
        }
        let endpoints: Vec<String> = all
            .iter()
            .filter_map(|(resource, sample)| {
                let operation = cx.api.operations.get(resource.create?)?;
                Some(format!("{} ({})", operation.endpoint(), sample.kind))
            })
            .collect();
        let Some((resource, first)) = all.first() else { return Vec::new() };
        let Some(operation) = resource.create.and_then(|create| cx.api.operations.get(create)) else {
            return Vec::new();
        };
        let [probe, .., repeat] = first.made.as_slice() else { return Vec::new() };
        let explanation = format!(
            "Objects that only their owners see have ids that can be guessed: {}. Seen, in order: {}.",
            endpoints.join(", "),
            first.ids.join(", ")
        );
        let suspicion =
            Suspicion::new(Severity::Info, "", "guessable", explanation).confidence(Confidence::Confirmed).api_wide();
        let evidence = [(Role::Probe, probe), (Role::Repeat, repeat)];
        vec![cx.report.build(&IDS, &suspicion, Some(operation), &evidence)]
    }
}

/// Ids of things that were made one after the other.
struct Sample {
    kind: &'static str,
    ids: Vec<String>,
    made: Vec<Exchange>,
}

async fn sample(cx: &SecurityContext<'_>, stage: &Stage<'_>) -> Option<Sample> {
    let theirs = stage.acting(As::Second);
    let key = &stage.resource.key;
    let mine = own(cx, stage).await?;
    let first = mine.thing.path.get(key)?;
    let looks_so = plain(first).parse::<i64>().is_ok() || version_1(&plain(first));
    if !looks_so || is_sent(first, &mine) || !is_private(cx, stage, &theirs, &mine).await {
        return None;
    }
    let (mut ids, mut made) = (Vec::new(), Vec::new());
    for number in 0..SAMPLE {
        let maker = if number % 2 == 0 { stage } else { &theirs };
        let parents = super::ground::parents(maker).await?;
        let thing = maker.create_as(maker.case(stage.resource.create?)?, &parents, &[]).await?;
        ids.push(plain(thing.path.get(key)?));
        made.push(thing.made);
    }
    let numbers: Option<Vec<i64>> = ids.iter().map(|id| id.parse().ok()).collect();
    let kind = match numbers {
        Some(numbers) if numbers.windows(2).all(|pair| (1..=MAX_GAP).contains(&(pair[1] - pair[0]))) => {
            "ascending numbers"
        }
        None if ids.iter().all(|id| version_1(id)) => "UUIDs of version 1",
        _ => return None,
    };
    Some(Sample { kind, ids, made })
}

/// The maker chose it.
fn is_sent(id: &Value, own: &Own) -> bool {
    own.thing.sent.as_object().is_some_and(|sent| sent.values().any(|value| plain(value) == plain(id)))
}

fn version_1(text: &str) -> bool {
    is_uuid(text) && text.as_bytes().get(14) == Some(&b'1')
}

/// Another user is refused, or at least is not shown it by a list.
async fn is_private(cx: &SecurityContext<'_>, stage: &Stage<'_>, theirs: &Stage<'_>, mine: &Own) -> bool {
    let Some(read) = stage.resource.read else { return false };
    let Some(seen) = theirs.call(read, &mine.thing).await else { return false };
    if !is_success(&seen) {
        // That must be about the owner, not about the role.
        return match own(cx, theirs).await {
            Some(other) => is_telling(&private(mine, &other), mine),
            None => false,
        };
    }
    lists(cx, stage, mine, As::Second).await.sharing == Sharing::Private
}
