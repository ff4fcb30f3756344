//! S-BFLA-M: a method that the document does not list changes things.

use async_trait::async_trait;
use serde_json::Value;

use super::ground::{Own, grounds, holds, own, result, told};
use crate::check::stateful::{Stage, differences, volatile};
use crate::check::{As, CheckInfo, Exchange, SecurityCheck, SecurityContext, Suspicion, Turn};
use crate::finding::{Confidence, Finding, Role, Severity};
use crate::generate::{self, BodyValue};
use crate::spec::Operation;
use crate::transport::Request;

/// S-BFLA-M.
pub(super) struct HiddenMethod;

static INFO: CheckInfo = CheckInfo {
    id: "S-BFLA-M",
    title: "Undocumented method changes objects",
    description: "The document lets objects be read; a PUT, PATCH or DELETE that it does not list works all the same, and has an effect.",
    remediation: "Route the documented methods only, and answer 405 to all others. If the method is meant to be used, document and protect it.",
    cwe: &["CWE-650"],
    owasp: Some("API5:2023"),
};

const CHANGE: &str = "CVSS:3.1/AV:N/AC:L/PR:L/UI:N/S:U/C:N/I:H/A:N";
const REMOVE: &str = "CVSS:3.1/AV:N/AC:L/PR:L/UI:N/S:U/C:N/I:H/A:H";

#[async_trait]
impl SecurityCheck for HiddenMethod {
    fn info(&self) -> &'static CheckInfo {
        &INFO
    }

    fn turn(&self) -> Turn {
        Turn::Write
    }

    async fn run(&self, cx: &SecurityContext<'_>) -> Vec<Finding> {
        let mut found = Vec::new();
        if cx.safe_mode || !cx.prober.has(As::Primary) {
            return found;
        }
        let around = cx.surroundings();
        for resource in grounds(cx) {
            let stage = Stage::new(&around, &resource);
            let known = [("PUT", resource.put), ("PATCH", resource.patch), ("DELETE", resource.delete)];
            for (method, _) in known.into_iter().filter(|(_, index)| index.is_none()) {
                found.extend(attempt(cx, &stage, method).await);
            }
        }
        found
    }
}

/// What one try showed.
struct Try {
    mine: Own,
    sent: Exchange,
    after: Exchange,
    happened: bool,
}

async fn attempt(cx: &SecurityContext<'_>, stage: &Stage<'_>, method: &'static str) -> Option<Finding> {
    let read = stage.operation(stage.resource.read?)?;
    let first = once(cx, stage, method).await.filter(|first| first.happened)?;
    // A method that nobody knows must not do the same: some servers take every method for the next best.
    if once(cx, stage, "NATCHECK").await.is_some_and(|other| other.happened) {
        return None;
    }
    let second = once(cx, stage, method).await.filter(|second| second.happened)?;
    let status = first.sent.status().unwrap_or_default();
    let effect = if method == "DELETE" { "is gone" } else { "holds what was sent" };
    let explanation = format!(
        "{method} on {} is not documented; it answers {status}, and afterwards the object {effect}.",
        read.path
    );
    let suspicion = Suspicion::new(Severity::Medium, "", "undocumented-method", explanation)
        .confidence(Confidence::Confirmed)
        .pointer(read.pointer.clone());
    let evidence = [
        (Role::Baseline, &first.mine.shown),
        (Role::Probe, &first.sent),
        (Role::Control, &first.after),
        (Role::Repeat, &second.sent),
        (Role::Repeat, &second.after),
    ];
    let hidden = Operation { method: method.to_owned(), ..read.clone() };
    let finding = told(cx, &INFO, &suspicion, &hidden, &evidence, &[&first.mine.thing.made, &first.sent]);
    Some(finding.rated(if method == "DELETE" { REMOVE } else { CHANGE }))
}

/// The method on a new thing, with a body as the one that made it, but other words.
async fn once(cx: &SecurityContext<'_>, stage: &Stage<'_>, method: &str) -> Option<Try> {
    let mine = own(cx, stage).await?;
    let (again, _) = stage.read(&mine.thing).await?;
    let moving = volatile(&mine.body, &again);
    let read = stage.operation(stage.resource.read?)?;
    let mut case = stage.case(read.index)?;
    crate::check::stateful::place(read, &mut case, &mine.thing.path);
    let bare = generate::render(read, &case, cx.prober.base_path()).ok()?;
    let mut request = Request::new(method, bare.target);
    request.set_header("Accept", "application/json, */*;q=0.1");
    let mut words = Vec::new();
    if method != "DELETE" {
        let (body, own_words) = body(cx, stage, &mine)?;
        words = own_words;
        request.set_header("Content-Type", "application/json");
        request.body = Some(body.to_string().into_bytes().into());
    }
    let sent = cx.prober.send(Some(read.index), request, stage.who).await?;
    let after = stage.call(read.index, &mine.thing).await?;
    let happened = match (result(cx, &after), method) {
        (None, "PUT" | "PATCH") => false,
        (None, _) => matches!(after.status(), Some(404 | 410)),
        (Some(_), "DELETE") => false,
        (Some(now), _) => holds(&after, &words) && !differences(&mine.body, now, &moving).is_empty(),
    };
    Some(Try { mine, sent, after, happened })
}

fn body(cx: &SecurityContext<'_>, stage: &Stage<'_>, mine: &Own) -> Option<(Value, Vec<String>)> {
    let create = stage.operation(stage.resource.create?)?;
    let (case, words) = super::ground::planted(cx, create, stage.case(create.index)?);
    // What names the thing stays as it is.
    let id = mine.thing.path.get(&stage.resource.key).map(super::ground::plain).unwrap_or_default();
    match case.body? {
        BodyValue::Typed { value: Value::Object(mut members), .. } => {
            for (name, value) in mine.thing.sent.as_object().into_iter().flatten() {
                if super::ground::plain(value) == id {
                    members.insert(name.clone(), value.clone());
                }
            }
            Some((Value::Object(members), words))
        }
        _ => None,
    }
}
