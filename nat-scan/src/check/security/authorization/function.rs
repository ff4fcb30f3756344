//! S-BFLA: functions of administrators that anybody who signs up can use.

use async_trait::async_trait;

use super::ground::{Own, grounds, own, result, seen_as};
use super::names::is_privileged_place;
use crate::chain::{destroys, tokens};
use crate::check::security::{another, without_credentials};
use crate::check::shape::skeleton;
use crate::check::stateful::{Resource, Stage};
use crate::check::{As, CheckInfo, Exchange, SecurityCheck, SecurityContext, Suspicion, Turn};
use crate::finding::{Confidence, Finding, Role, Severity};
use crate::spec::{Operation, StatusPattern};

/// S-BFLA.
pub(super) struct ForeignFunction;

static INFO: CheckInfo = CheckInfo {
    id: "S-BFLA",
    title: "A user can call a function of administrators",
    description: "An operation that is meant for people with more rights answers an ordinary user, while another such operation refuses this user.",
    remediation: "Check the role in one place for all such operations, and refuse by default.",
    cwe: &["CWE-285", "CWE-862"],
    owasp: Some("API5:2023"),
};

const READ: &str = "CVSS:3.1/AV:N/AC:L/PR:L/UI:N/S:U/C:H/I:N/A:N";
const WRITE: &str = "CVSS:3.1/AV:N/AC:L/PR:L/UI:N/S:U/C:N/I:H/A:N";
const REMOVE: &str = "CVSS:3.1/AV:N/AC:L/PR:L/UI:N/S:U/C:N/I:H/A:H";

/// Operations that are asked to find one that refuses.
const MAX_ASKED: usize = 8;

#[async_trait]
impl SecurityCheck for ForeignFunction {
    fn info(&self) -> &'static CheckInfo {
        &INFO
    }

    fn turn(&self) -> Turn {
        Turn::Write
    }

    async fn run(&self, cx: &SecurityContext<'_>) -> Vec<Finding> {
        if !cx.prober.has(As::Primary) || !cx.api.operations.iter().any(is_privileged) {
            return Vec::new();
        }
        let Some(refusal) = refusal(cx).await else { return Vec::new() };
        let mut found = Vec::new();
        for operation in cx.api.operations.iter().filter(|one| one.method == "GET" && is_privileged(one)) {
            found.extend(read(cx, operation, &refusal).await);
        }
        if cx.safe_mode {
            return found;
        }
        let around = cx.surroundings();
        for resource in grounds(cx) {
            let stage = Stage::new(&around, &resource);
            for write in writes(cx, &resource) {
                found.extend(attempt(cx, &stage, write, &refusal).await);
            }
        }
        found
    }
}

/// Its place, tags or name say that it is not for everybody.
fn is_privileged(operation: &Operation) -> bool {
    let names = operation.tags.iter().chain(&operation.operation_id).chain(std::iter::once(&operation.path));
    is_privileged_place(&names.flat_map(|name| tokens(name)).collect::<Vec<String>>())
}

/// Roles matter here: a privileged operation that refuses the user, and answers the administrator if there is one.
struct Refusal {
    endpoint: String,
    exchange: Exchange,
}

async fn refusal(cx: &SecurityContext<'_>) -> Option<Refusal> {
    let around = cx.surroundings();
    let nothing = Resource::default();
    let stage = Stage::new(&around, &nothing);
    let unknown = |operation: &&Operation| {
        let works = cx.baselines.get(operation.index).is_some_and(Option::is_some);
        let is_read = operation.method == "GET" && !operation.path.contains('{') && !destroys(&operation.path);
        is_read && is_privileged(operation) && !works
    };
    for operation in cx.api.operations.iter().filter(unknown).take(cx.at_most(MAX_ASKED)) {
        let Some(case) = stage.case(operation.index) else { continue };
        let exchange = stage.send(operation, &case, &[]).await?;
        if exchange.status() != Some(403) && !(exchange.status() == Some(401) && cx.prober.has(As::Admin)) {
            continue;
        }
        if cx.prober.has(As::Admin) {
            let admin = stage.acting(As::Admin).send(operation, &case, &[]).await?;
            if result(cx, &admin).is_none() {
                continue;
            }
        }
        return Some(Refusal { endpoint: operation.endpoint(), exchange });
    }
    None
}

/// A read that the user should not be given.
async fn read(cx: &SecurityContext<'_>, operation: &Operation, refusal: &Refusal) -> Option<Finding> {
    let baseline = cx.baselines.get(operation.index)?.as_ref()?;
    let request = without_credentials(cx, &baseline.request);
    let send = |who| cx.prober.send(Some(operation.index), request.clone(), who);
    let probe = send(As::Primary).await?;
    let shown = result(cx, &probe).filter(|json| skeleton(json).len() > 1)?;
    // What everybody may see is no function of anybody.
    let public = send(As::Anonymous).await?;
    if result(cx, &public).is_some() || !matches!(public.status(), Some(401 | 403)) {
        return None;
    }
    let mut evidence = Vec::new();
    let admin = if cx.prober.has(As::Admin) { send(As::Admin).await } else { None };
    if let Some(admin) = &admin {
        // Who is given less than an administrator was recognised.
        if result(cx, admin).is_none_or(|json| skeleton(json) != skeleton(shown)) {
            return None;
        }
        evidence.push((Role::Baseline, admin));
    }
    let repeat = send(another(cx)).await?;
    result(cx, &repeat).filter(|json| skeleton(json).len() > 1)?;
    evidence.extend([
        (Role::Probe, &probe),
        (Role::Control, &refusal.exchange),
        (Role::Control, &public),
        (Role::Repeat, &repeat),
    ]);
    let as_admin = if admin.is_some() { " the same as to an administrator" } else { "" };
    let explanation = format!(
        "The operation is for people with more rights by its name; it answers an ordinary user {}{as_admin}. {} refuses this user, and the public is refused here.",
        probe.status().unwrap_or_default(),
        refusal.endpoint,
    );
    let suspicion = Suspicion::new(Severity::Medium, "", "user-reads", explanation)
        .confidence(confidence(operation, admin.is_some()))
        .pointer(operation.pointer.clone());
    Some(cx.report.build(&INFO, &suspicion, Some(operation), &evidence).rated(READ))
}

/// Confirmed where an administrator's answer or the document's own 403 says that roles matter for this operation.
fn confidence(operation: &Operation, compared: bool) -> Confidence {
    let refuses = operation.responses.iter().any(|one| one.status == StatusPattern::Exact(403));
    if compared || refuses { Confidence::Confirmed } else { Confidence::Firm }
}

/// Privileged writes of a resource.
fn writes<'a>(cx: &SecurityContext<'a>, resource: &Resource) -> Vec<&'a Operation> {
    let all = [resource.create, resource.put, resource.patch, resource.delete];
    let operations = all.into_iter().flatten().filter_map(|index| cx.api.operations.get(index));
    operations.filter(|operation| is_privileged(operation)).collect()
}

/// What one write of the user did to a thing, as whoever may read it sees it.
struct Try {
    write: Exchange,
    after: Exchange,
    happened: bool,
}

async fn attempt(cx: &SecurityContext<'_>, stage: &Stage<'_>, write: &Operation, refusal: &Refusal) -> Option<Finding> {
    let first = once(cx, stage, write, As::Primary).await.filter(|first| first.happened)?;
    // Whom nobody stops is a matter of authentication.
    if once(cx, stage, write, As::Anonymous).await.is_some_and(|public| public.happened) {
        return None;
    }
    let second = once(cx, stage, write, another(cx)).await.filter(|second| second.happened)?;
    let explanation = format!(
        "The operation is for people with more rights by its name; an ordinary user calls it ({}), and the effect is there afterwards. {} refuses this user.",
        first.write.status().unwrap_or_default(),
        refusal.endpoint,
    );
    let suspicion = Suspicion::new(Severity::High, "", "user-writes", explanation)
        .confidence(confidence(write, cx.prober.has(As::Admin)))
        .pointer(write.pointer.clone());
    let evidence = [
        (Role::Probe, &first.write),
        (Role::Baseline, &first.after),
        (Role::Control, &refusal.exchange),
        (Role::Repeat, &second.write),
        (Role::Repeat, &second.after),
    ];
    let finding = cx.report.build(&INFO, &suspicion, Some(write), &evidence);
    Some(finding.rated(if write.method == "DELETE" { REMOVE } else { WRITE }))
}

/// The user writes to something that whoever may made for this.
async fn once(cx: &SecurityContext<'_>, stage: &Stage<'_>, write: &Operation, who: As) -> Option<Try> {
    let actor = stage.acting(who);
    if stage.resource.create == Some(write.index) {
        let (case, words) = super::ground::planted(cx, write, stage.case(write.index)?);
        let thing = actor.create_as(case, &std::collections::BTreeMap::new(), &[]).await?;
        for reader in [As::Admin, As::Primary].into_iter().filter(|reader| cx.prober.has(*reader)) {
            let copy = super::ground::moved(&thing, thing.path.clone());
            if let Some(Own { shown, marks, .. }) = seen_as(&stage.acting(reader), copy, &words).await {
                let happened = !marks.is_empty();
                return Some(Try { write: thing.made, after: shown, happened });
            }
        }
        return None;
    }
    // What the user made may well be the user's to remove: something of an administrator's is not.
    let maker = stage.acting(As::Admin);
    let mine = own(cx, &maker).await?;
    let mut case = actor.case(write.index)?;
    crate::check::stateful::place(write, &mut case, &mine.thing.path);
    let (case, words) = super::ground::planted(cx, write, case);
    let sent = actor.send(write, &case, &[]).await?;
    let after = maker.call(stage.resource.read?, &mine.thing).await?;
    let happened = match result(cx, &after) {
        None => write.method == "DELETE" && matches!(after.status(), Some(404 | 410)),
        Some(_) => write.method != "DELETE" && super::ground::holds(&after, &words),
    };
    Some(Try { write: sent, after, happened })
}
