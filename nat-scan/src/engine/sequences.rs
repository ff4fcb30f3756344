//! The stateful phase: every resource of the API goes through the checks of sequences.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use futures::FutureExt;
use futures::future::BoxFuture;
use futures::stream::{self, StreamExt};

use super::budget::{Purpose, Stop};
use super::event::Event;
use super::execute::{Driver, halt};
use super::fingerprint::CatchAll;
use super::narrate::span;
use super::probe::{Lane, ScanProber};
use super::shorten::shorten;
use crate::check::Exchange;
use crate::check::stateful::{Raised, Resource, ResourceCheck, Stage, Surroundings, resources};
use crate::finding::{Finding, Role};
use crate::generate::{Base, Phase};

/// Requests for one resource.
const MAX_OF_RESOURCE: u64 = 600;
/// Resources that are worked on at once: they do not share objects.
const AT_ONCE: usize = 4;

/// What one check said about one resource.
struct Verdict {
    check: &'static str,
    findings: Vec<Finding>,
    tried: bool,
    broke: bool,
}

/// Runs every check on every resource that the API makes on request. Passed and failed verdicts.
pub(super) async fn sequences(
    driver: &mut Driver,
    checks: &'static [&'static dyn ResourceCheck],
) -> (Option<Stop>, (u64, u64)) {
    let session = Arc::clone(&driver.session);
    let accepted: Vec<Option<Base>> =
        session.api.operations.iter().map(|operation| driver.lessons.accepted(operation)).collect();
    let selected: Vec<Resource> = resources(&session.api)
        .into_iter()
        .filter(|resource| {
            resource
                .create
                .or(resource.list)
                .is_some_and(|index| accepted.get(index).is_some_and(Option::is_some) && driver.plan.has(index))
        })
        .collect();
    if selected.is_empty() {
        return (None, (0, 0));
    }
    driver.narrator.tell(Event::PhaseStarted(Phase::Stateful));
    driver.plan.note(selected.iter().filter_map(|resource| resource.create.or(resource.list)));
    let prober = ScanProber::new(&session, CatchAll::default());
    prober.allow((session.line.budget.left() / 2).min(MAX_OF_RESOURCE * selected.len() as u64));
    let halted = halt(&session);
    tokio::pin!(halted);
    let mut work: Vec<BoxFuture<'_, Vec<Verdict>>> = Vec::new();
    for resource in &selected {
        work.push(on_resource(&prober, &accepted, resource, checks, &session).boxed());
    }
    let mut running = stream::iter(work).buffered(AT_ONCE);
    let (mut passed, mut failed, mut done) = (0, 0, 0_u64);
    let (first, last) = span(Phase::Stateful, false);
    let mut stop = None;
    loop {
        let verdicts = tokio::select! {
            biased;
            reason = &mut halted => {
                stop = Some(reason);
                break;
            }
            verdicts = running.next() => verdicts,
        };
        let Some(verdicts) = verdicts else { break };
        for verdict in verdicts {
            passed += u64::from(verdict.tried && verdict.findings.is_empty());
            failed += verdict.findings.len() as u64;
            if verdict.broke {
                driver.narrator.notice(format!("The check {} failed and gave no result.", verdict.check));
            }
            verdict.findings.into_iter().for_each(|finding| driver.add(finding));
        }
        done += 1;
        let share = u64::from(last - first) * done / selected.len() as u64;
        driver.tell_progress(Phase::Stateful, first + u8::try_from(share).unwrap_or(0));
    }
    drop(running);
    for (operation, status) in prober.take_sent() {
        driver.count(operation, status);
    }
    if prober.is_used_up() {
        driver.narrator.notice("The stateful phase used up its share of the request budget.");
    }
    (stop.or_else(|| session.line.budget.exhausted().filter(|stop| *stop != Stop::Requests)), (passed, failed))
}

async fn on_resource(
    prober: &ScanProber<'_>,
    accepted: &[Option<Base>],
    resource: &Resource,
    checks: &[&'static dyn ResourceCheck],
    session: &super::session::Session,
) -> Vec<Verdict> {
    let subject = format!("{:?} {:?}", resource.create, resource.list);
    let lane = Lane::new(prober, &subject);
    let around =
        Surroundings { api: &session.api, prober: &lane, accepted, seed: session.seed, nonce: session.nonce() };
    let stage = Stage::new(&around, resource);
    let mut verdicts = Vec::new();
    for (at, check) in checks.iter().enumerate() {
        if !check.applies(resource) {
            continue;
        }
        let id = check.info().id;
        // A check may stand there twice; its place in the list does not.
        lane.enter(&format!("sequence {subject} {id} {at}"), Purpose::Probe);
        let run = AssertUnwindSafe(proved(&stage, *check)).catch_unwind().await;
        lane.leave();
        let Ok(raised) = run else {
            verdicts.push(Verdict { check: id, findings: Vec::new(), tried: true, broke: true });
            continue;
        };
        let mut shown = Vec::new();
        for (number, raised) in raised.into_iter().enumerate() {
            lane.enter(&format!("shorter {subject} {id} {at} {number}"), Purpose::Minimise);
            let search = shorten(session, &stage, *check, &raised);
            // A check that breaks on fewer steps has shown more with all of them.
            let shorter = AssertUnwindSafe(search).catch_unwind().await.ok().flatten();
            lane.leave();
            shown.push(shorter.unwrap_or(raised));
        }
        let findings = shown.into_iter().map(|raised| {
            let operation = session.api.operations.get(raised.operation);
            let evidence: Vec<(Role, &Exchange)> =
                raised.evidence.iter().map(|(role, exchange)| (*role, exchange)).collect();
            let finding = session.report.build(check.info(), &raised.suspicion, operation, &evidence);
            let told: Vec<&Exchange> = evidence.iter().map(|(_, exchange)| *exchange).collect();
            finding.with_steps(session.report.tale(&told))
        });
        verdicts.push(Verdict { check: id, findings: findings.collect(), tried: true, broke: false });
    }
    verdicts
}

/// What two attempts on different objects agree on.
async fn proved(stage: &Stage<'_>, check: &dyn ResourceCheck) -> Vec<Raised> {
    let first = check.attempt(stage).await;
    if first.is_empty() {
        return first;
    }
    let again = check.attempt(stage).await;
    first.into_iter().filter(|one| again.iter().any(|two| one.is_like(two))).collect()
}
