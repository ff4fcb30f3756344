//! The order of a scan: prepare, test wave by wave, security checks, outcome.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use futures::FutureExt;
use tokio::time::sleep_until;
use tokio_util::sync::CancellationToken;

use super::budget::Stop;
use super::clean_up::clean_up;
use super::contain::contain;
use super::event::{Event, EventSink};
use super::execute::{Driver, halt};
use super::fingerprint::CatchAll;
use super::judge::Judges;
use super::narrate::{Narrator, span};
use super::pace::Patience;
use super::plan::{Harm, Plan, Selection, WAVES, Wave};
use super::prepare::{Ready, announce, failure, prepare, reach};
use super::probe::ScanProber;
use super::scope::Scope;
use super::sequences::sequences;
use super::slow::Slow;
use super::{Account, EnginePorts, Outcome, ScanConfig, ScanFailure, ScanKind};
use crate::callback::{Callback, CallbackAddress};
use crate::check::security::Learned;
use crate::check::security::authentication::anonymous::AuthenticationIgnored;
use crate::check::stateful::{self, ResourceCheck};
use crate::check::{As, Check, Exchange, Profile, SecurityCheck, SecurityContext, functional, security};
use crate::generate::{Base, Phase};
use crate::journal::Journal;
use crate::spec::SpecVersion;

/// Requests that one security check may use at most, as [`Profile::at_most`].
pub(super) const MAX_CHECK_REQUESTS: usize = 5_000;

/// What the engine brings along: its checks, and how long it waits.
pub(super) struct Equipment {
    pub(super) functional: Vec<&'static dyn Check>,
    pub(super) security: Vec<&'static dyn SecurityCheck>,
    pub(super) stateful: &'static [&'static dyn ResourceCheck],
    pub(super) patience: Patience,
}

impl Equipment {
    /// Every check of the kind of scan.
    pub(super) fn of(kind: ScanKind, profile: Profile) -> Self {
        let (functional, security) = match kind {
            ScanKind::Functional => {
                (functional::all().to_vec(), vec![&AuthenticationIgnored::CONTRACT as &dyn SecurityCheck])
            }
            ScanKind::Security => {
                let wanted = |check: &&'static dyn SecurityCheck| profile == Profile::Thorough || !check.is_opt_in();
                (Vec::new(), security::all().into_iter().filter(wanted).collect())
            }
        };
        let stateful = if kind == ScanKind::Functional { stateful::all() } else { &[] };
        Self { functional, security, stateful, patience: Patience::default() }
    }
}

/// Runs a scan with this equipment.
pub(super) async fn run(
    config: ScanConfig,
    ports: EnginePorts,
    sink: EventSink,
    cancel: CancellationToken,
    equipment: Equipment,
    journal: Arc<Journal>,
) -> Outcome {
    let started_at = ports.now.now();
    let mut narrator = Narrator::new(sink);
    let mut outcome = blank(&config, started_at);
    let reached = tokio::select! {
        biased;
        () = cancel.cancelled() => Err(None),
        reached = reach(&config, &ports, equipment.patience, cancel.clone(), &journal) => reached.map_err(Some),
    };
    let reached = match reached {
        Ok(reached) => reached,
        Err(failure) => return fail(outcome, failure, narrator, &ports),
    };
    let ready = tokio::select! {
        biased;
        () = cancel.cancelled() => Err(None),
        () = sleep_until(reached.line.budget.deadline()) => {
            Err(Some(failure("TIMED_OUT", "The time budget ran out before the first test request.")))
        }
        ready = prepare(&config, &reached, &mut narrator, &journal) => ready.map_err(Some),
    };
    outcome.requests = reached.line.budget.requests();
    outcome.bytes_received = reached.line.budget.bytes();
    match ready {
        Ok(ready) => test(config, ready, narrator, outcome, equipment, &ports).await,
        Err(failure) => fail(outcome, failure, narrator, &ports),
    }
}

fn blank(config: &ScanConfig, started_at: DateTime<Utc>) -> Outcome {
    let mut target = config.target.clone();
    // Both fail only for URLs that cannot have credentials.
    let _ = target.set_username("");
    let _ = target.set_password(None);
    target.set_query(None);
    target.set_fragment(None);
    let kind = if config.kind == ScanKind::Security { "security" } else { "functional" };
    Outcome::blank(kind, target, config.seed, started_at)
}

/// Ended before the first test request; without a failure: cancelled.
fn fail(mut outcome: Outcome, failure: Option<ScanFailure>, mut narrator: Narrator, ports: &EnginePorts) -> Outcome {
    if failure.is_none() {
        narrator.notice(Stop::Cancelled.notice());
    }
    outcome.cancelled = failure.is_none();
    outcome.failure = failure;
    outcome.notices = narrator.notices;
    outcome.completed_at = ports.now.now();
    outcome
}

async fn test(
    config: ScanConfig,
    ready: Ready,
    mut narrator: Narrator,
    mut outcome: Outcome,
    equipment: Equipment,
    ports: &EnginePorts,
) -> Outcome {
    let is_security = config.kind == ScanKind::Security;
    let session = Arc::new(ready.session);
    let scope = Scope::new(&session.api, &session.base_path, &config.exclude, config.safe_mode);
    let operations = scope.operations();
    announce(&session, operations.len(), &narrator);
    if operations.is_empty() {
        narrator.notice("There is no operation to test.");
    } else {
        narrator.tell(Event::Started);
    }
    let api = Arc::clone(&session.api);
    outcome.api = (api.spec_version != SpecVersion::Inferred).then(|| format!("{} {}", api.title, api.version));
    // A security scan keeps most of its budget for its checks.
    let max_cases = if is_security { config.max_requests / 5 * 2 } else { config.max_requests };
    let count = operations.len();
    let what = Selection { operations, sample: is_security, safe_mode: config.safe_mode, max_cases };
    let words = Arc::clone(&session.words);
    let plan = Plan::new(Arc::clone(&api), session.base_path.clone(), config.seed, words, what);
    let judges = Judges::new(equipment.functional);
    let slow = Slow::new(config.max_duration, config.concurrency, count);
    let mut driver = Driver::new(Arc::clone(&session), judges, plan, narrator, is_security, count, slow);
    let mut verdicts = (0, 0);
    if !is_security {
        let faults = contain(|| functional::static_findings(&api, &session.report, ports.now.now()));
        for finding in faults.unwrap_or_default() {
            verdicts.1 += 1;
            driver.add(finding);
        }
    }
    let stateful = if is_security || config.safe_mode { &[] } else { equipment.stateful };
    let random = (!is_security).then_some(config.safe_mode);
    // Security checks come before what would destroy their evidence.
    let (before, after) = WAVES.split_at(if is_security { before_harm().len() } else { WAVES.len() });
    let mut stop = waves(&mut driver, before, stateful, random, &mut verdicts).await;
    if stop.is_none() && driver.pulse.was_weak() {
        stop = driver.look_at_target().await;
    }
    if stop.is_none() && count > 0 {
        let (reason, (passed, failed)) = secure(&mut driver, &equipment.security, &config, ready.catch_all).await;
        (stop, verdicts) = (reason, (verdicts.0 + passed, verdicts.1 + failed));
    }
    if stop.is_none() {
        stop = waves(&mut driver, after, &[], None, &mut verdicts).await;
    }
    if config.clean_up && !config.safe_mode && matches!(stop, None | Some(Stop::Requests)) {
        outcome.clean_up = clean_up(&mut driver).await;
    }
    if stop != Some(Stop::Cancelled) {
        driver.tell_progress(if is_security { Phase::Security } else { Phase::Coverage }, 100);
    }
    conclude(driver, outcome, &scope, stop, verdicts, ports)
}

/// The waves that come before any that does harm.
pub(super) fn before_harm() -> &'static [Wave] {
    let count = WAVES.iter().position(|wave| wave.harm != Harm::None).unwrap_or(0);
    WAVES.get(..count).unwrap_or_default()
}

/// Waves of the plan; `random`: whether random requests are safe ones only, if there are any.
pub(super) async fn waves(
    driver: &mut Driver,
    waves: &[Wave],
    stateful: &'static [&'static dyn ResourceCheck],
    random: Option<bool>,
    verdicts: &mut (u64, u64),
) -> Option<Stop> {
    for &wave in waves {
        let first = wave.harm == Harm::None;
        if first {
            driver.narrator.tell(Event::PhaseStarted(wave.phase));
        }
        let mut stop = None;
        if wave == (Wave { phase: Phase::Coverage, harm: Harm::Object }) {
            // Now nothing needs the objects any more that were spared.
            stop = driver.rounds(Harm::Object, false).await;
        }
        if stop.is_none() {
            stop = driver.wave(wave).await;
        }
        if stop.is_none() && wave.phase == Phase::HappyPath {
            stop = driver.rounds(wave.harm, true).await;
        }
        if stop.is_some() {
            return stop;
        }
        if first {
            driver.progress(wave.phase, true);
        }
        if wave != (Wave { phase: Phase::Coverage, harm: Harm::None }) {
            continue;
        }
        if !stateful.is_empty() {
            let (stop, (passed, failed)) = sequences(driver, stateful).await;
            *verdicts = (verdicts.0 + passed, verdicts.1 + failed);
            if stop.is_some() {
                return stop;
            }
        }
        if let Some(only_safe) = random {
            let stop = driver.explore(only_safe).await;
            if stop.is_some() {
                return stop;
            }
        }
    }
    if driver.is_security() { None } else { driver.aftermath().await }
}

/// The security checks, and beside them the listener for what the target asks meanwhile.
async fn secure(
    driver: &mut Driver,
    checks: &[&'static dyn SecurityCheck],
    config: &ScanConfig,
    catch_all: CatchAll,
) -> (Option<Stop>, (u64, u64)) {
    let callback = if driver.is_security() { open_callback(driver, config).await } else { None };
    let checked = check_all(driver, checks, config, catch_all, callback.as_ref());
    match &callback {
        None => checked.await,
        Some(callback) => tokio::select! {
            never = callback.serve() => match never {},
            checked = checked => checked,
        },
    }
}

/// Without one, what needs it is left out.
async fn open_callback(driver: &mut Driver, config: &ScanConfig) -> Option<Callback> {
    let session = Arc::clone(&driver.session);
    let beside = CallbackAddress::beside(session.line.transport.origin());
    let address = config.callback.clone().or(beside)?;
    match Callback::open(&address, Arc::clone(&session.line.now), session.words.bound.epoch).await {
        Ok(callback) => Some(callback),
        Err(error) => {
            driver.narrator.notice(format!(
                "Nothing could listen on {address} ({error}): whether the target makes requests for others was not seen."
            ));
            None
        }
    }
}

/// The security checks, one after the other. Passed and failed verdicts.
async fn check_all(
    driver: &mut Driver,
    checks: &[&'static dyn SecurityCheck],
    config: &ScanConfig,
    catch_all: CatchAll,
    callback: Option<&Callback>,
) -> (Option<Stop>, (u64, u64)) {
    if driver.is_security() {
        driver.narrator.tell(Event::PhaseStarted(Phase::Security));
    }
    let session = Arc::clone(&driver.session);
    let baselines: Vec<Option<Exchange>> = driver.tallies.iter().map(|tally| tally.control_copy()).collect();
    let accepted: Vec<Option<Base>> =
        session.api.operations.iter().map(|operation| driver.lessons.accepted(operation)).collect();
    let traffic = driver.take_traffic();
    // A login is no change: whether one may be called in safe mode is for the checks to say.
    let allowed = Scope::new(&session.api, &session.base_path, &config.exclude, false);
    let prober = ScanProber::new(&session, catch_all).within(allowed);
    let learned = Learned::default();
    let cx = SecurityContext {
        api: &session.api,
        baselines: &baselines,
        traffic: &traffic,
        accepted: &accepted,
        learned: &learned,
        seed: session.seed,
        nonce: session.nonce(),
        profile: config.profile,
        safe_mode: config.safe_mode,
        prober: &prober,
        callback,
        report: &session.report,
    };
    let (first, last) = span(Phase::Security, true);
    let (mut passed, mut failed) = (0, 0);
    let halted = halt(&session);
    tokio::pin!(halted);
    let mut weight: u64 = checks.iter().map(|check| check.weight()).sum();
    for (at, check) in checks.iter().enumerate() {
        let share = session.line.budget.left().saturating_mul(check.weight()) / weight.max(1);
        weight -= check.weight();
        prober.allow(share.min(config.profile.at_most(MAX_CHECK_REQUESTS) as u64));
        prober.begin(check.info().id);
        let running = AssertUnwindSafe(check.run(&cx)).catch_unwind();
        let findings = tokio::select! {
            biased;
            stop = &mut halted => return (Some(stop), (passed, failed)),
            findings = running => findings,
        };
        for (operation, status) in prober.take_sent() {
            driver.count(operation, status);
        }
        for (username, made_by) in learned.with(|facts| std::mem::take(&mut facts.people)) {
            session.identities.accounts.add(Account { username, made_by, identity: As::Anonymous });
        }
        let id = check.info().id;
        match findings {
            Ok(findings) if findings.is_empty() => passed += 1,
            Ok(findings) => {
                failed += findings.len() as u64;
                findings.into_iter().for_each(|finding| driver.add(finding));
            }
            Err(_) => driver.narrator.notice(format!("The check {id} failed and gave no result.")),
        }
        if prober.is_used_up() {
            driver.narrator.notice(format!("The check {id} used up its share of the request budget."));
        }
        let done = u64::from(last - first) * (at as u64 + 1) / checks.len() as u64;
        if driver.is_security() {
            driver.tell_progress(Phase::Security, first + u8::try_from(done).unwrap_or(0));
        }
    }
    (session.line.budget.exhausted().filter(|stop| *stop != Stop::Requests), (passed, failed))
}

fn conclude(
    mut driver: Driver,
    mut outcome: Outcome,
    scope: &Scope,
    stop: Option<Stop>,
    verdicts: (u64, u64),
    ports: &EnginePorts,
) -> Outcome {
    driver.finish_counts();
    let session = Arc::clone(&driver.session);
    let cut = driver.plan.is_cut();
    if let Some(stop) = stop.or(cut.then_some(Stop::Requests)) {
        driver.narrator.notice(stop.notice());
    }
    (outcome.passed, outcome.failed) = verdicts;
    let tallies = std::mem::take(&mut driver.tallies);
    for (operation, tally) in session.api.operations.iter().zip(tallies) {
        outcome.passed += u64::from((tally.applied & !tally.failed).count_ones());
        outcome.failed += u64::from(tally.failed.count_ones());
        let left_out = scope.left_out(operation.index).map(str::to_owned);
        let unsent = stop.map_or(Stop::Requests.reason(), Stop::reason);
        let unsent = driver
            .plan
            .unwritable(operation.index)
            .map_or_else(|| unsent.to_owned(), |reason| format!("no request could be written: {reason}"));
        outcome.operations.push(tally.outcome(operation, session.authenticated, left_out, &unsent));
    }
    proves_little(&outcome, &mut driver.narrator);
    if let Some(why) = session.words.journal.trouble() {
        driver.narrator.notice(format!("The journal is not complete: {why}."));
    }
    outcome.findings = std::mem::take(&mut driver.findings).into_values().collect();
    outcome.findings.sort_by(|a, b| b.severity.cmp(&a.severity).then_with(|| a.id.cmp(&b.id)));
    outcome.cancelled = stop == Some(Stop::Cancelled);
    outcome.accounts = session.identities.accounts.all();
    outcome.requests = session.line.budget.requests();
    outcome.bytes_received = session.line.budget.bytes();
    outcome.unseen = driver.explorer.unseen();
    outcome.plan_hash = driver.plan.hash();
    outcome.plan_chain = driver.plan.chain().iter().map(|hash| hash.chars().take(16).collect()).collect();
    outcome.notices = std::mem::take(&mut driver.narrator.notices);
    outcome.completed_at = ports.now.now();
    outcome
}

/// Green means nothing when little was reached.
fn proves_little(outcome: &Outcome, narrator: &mut Narrator) {
    let covered = outcome.operations.iter().filter(|operation| operation.covered).count();
    let all = outcome.operations.len();
    if all > 0 && covered * 2 < all {
        narrator.notice(format!(
            "Only {covered} of {all} operations answered a valid request with success: this scan proves little."
        ));
    }
}
