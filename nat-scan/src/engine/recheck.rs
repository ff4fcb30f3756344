//! The equipment of a scan for single questions: the same policy, line, budget, identities and checks, without a plan.

use std::collections::{HashMap, HashSet};
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use futures::FutureExt;
use tokio::sync::Mutex;
use tokio::time::sleep_until;
use tokio_util::sync::CancellationToken;

use super::budget::Purpose;
use super::contain::contain;
use super::execute::halt;
use super::fingerprint::CatchAll;
use super::narrate::Narrator;
use super::pace::Patience;
use super::plan::{Harm, harm};
use super::prepare::{failure, prepare, reach};
use super::probe::ScanProber;
use super::prove::comparable;
use super::run::MAX_CHECK_REQUESTS;
use super::scene::Scene;
use super::session::{Sending, Session};
use super::tally::{KEPT_BODY, copy};
use super::{EnginePorts, ScanConfig, ScanFailure};
use crate::callback::{Callback, CallbackAddress};
use crate::check::{As, Check, Context, Exchange, Profile, SecurityCheck, SecurityContext, Suspicion, security};
use crate::classify::WireTruth;
use crate::finding::FindingBuilder;
use crate::generate::{self, Base, Case, Intent, Phase};
use crate::journal::Journal;
use crate::spec::{Api, Operation};
use crate::transport::Request;

/// Valid requests that are tried until one succeeds.
const MAX_CONTROLS: usize = 4;
/// Requests of a security check that is run for one finding.
const MAX_SINGLE_REQUESTS: u64 = 200;

/// What a valid request to an operation got.
#[derive(Clone, Default)]
pub(crate) struct Control {
    /// The one that succeeded.
    pub(crate) exchange: Option<Arc<Exchange>>,
    /// One of them failed with 5xx.
    pub(crate) fails: bool,
}

impl Control {
    /// What can be built upon it.
    fn base(&self) -> Option<Base> {
        let least = self.exchange.as_ref()?.case.clone()?;
        Some(Base { least, most: None })
    }
}

/// An open target with its document read.
pub(crate) struct Recheck {
    session: Arc<Session>,
    catch_all: CatchAll,
    config: ScanConfig,
    controls: Mutex<HashMap<usize, Control>>,
    stage: Mutex<Stage>,
    learned: security::Learned,
    probers: AtomicU64,
}

/// What a check works on.
struct Ground<'a> {
    baselines: &'a [Option<Exchange>],
    accepted: &'a [Option<Base>],
    traffic: &'a [(usize, Exchange)],
}

/// Security checks run as in a scan, each once.
#[derive(Default)]
struct Stage {
    /// Set up when the first check needs it.
    scene: Option<Scene>,
    /// What each check found.
    found: HashMap<&'static str, HashSet<String>>,
}

impl Recheck {
    /// Reaches the target, signs in and reads the document as a scan does.
    ///
    /// # Errors
    /// As a scan fails; `CANCELLED` when it was stopped before.
    pub(crate) async fn open(
        config: &ScanConfig,
        ports: &EnginePorts,
        cancel: &CancellationToken,
    ) -> Result<Self, ScanFailure> {
        let stopped = || failure("CANCELLED", "It was stopped before the first request.");
        let journal = Journal::none();
        let reached = tokio::select! {
            biased;
            () = cancel.cancelled() => return Err(stopped()),
            reached = reach(config, ports, Patience::default(), cancel.clone(), &journal) => reached?,
        };
        let mut narrator = Narrator::new(Arc::new(|_| {}));
        let ready = tokio::select! {
            biased;
            () = cancel.cancelled() => return Err(stopped()),
            () = sleep_until(reached.line.budget.deadline()) => {
                return Err(failure("TIMED_OUT", "The time budget ran out before the first request."));
            }
            ready = prepare(config, &reached, &mut narrator, &journal) => ready?,
        };
        Ok(Self {
            session: Arc::new(ready.session),
            catch_all: ready.catch_all,
            config: config.clone(),
            controls: Mutex::default(),
            stage: Mutex::default(),
            learned: security::Learned::default(),
            probers: AtomicU64::new(1),
        })
    }

    pub(crate) fn api(&self) -> &Api {
        &self.session.api
    }

    pub(crate) fn report(&self) -> &FindingBuilder {
        &self.session.report
    }

    /// The method may be sent at all.
    pub(crate) fn allows(&self, method: &str) -> bool {
        !self.config.safe_mode || matches!(method, "GET" | "HEAD" | "OPTIONS")
    }

    /// Asking it takes nothing away that the scan or others work with.
    pub(crate) fn is_harmless(&self, operation: &Operation) -> bool {
        harm(operation) == Harm::None
    }

    pub(crate) fn has(&self, who: As) -> bool {
        who == As::Primary || self.session.identities.has(who)
    }

    /// Resolves when no more may be sent: cancelled, or out of time.
    pub(crate) async fn halted(&self) {
        halt(&self.session).await;
    }

    /// One exchange on a connection of its own; none when budget or cancellation forbid it.
    pub(crate) async fn send(
        &self,
        operation: Option<&Operation>,
        mut request: Request,
        who: As,
        case: Option<Case>,
    ) -> Option<Exchange> {
        if let Some(refused) = self.session.refused(&request, operation, who) {
            return Some(refused);
        }
        let index = operation.map(|operation| operation.index);
        let how = Sending { fresh: true, purpose: Purpose::Probe, operation: index, paid: false };
        let answer = self.session.send(who, &mut request, how).await?;
        let truth = operation.map_or(WireTruth::Ambiguous, |operation| self.session.classify(operation, &request));
        Some(Exchange::new(case, request, answer.result, truth, answer.at).sent_as(who))
    }

    /// Whether a valid request to the operation works now; asked once an operation.
    pub(crate) async fn control(&self, operation: &Operation) -> Control {
        if let Some(known) = self.controls.lock().await.get(&operation.index) {
            return known.clone();
        }
        let mut control = Control::default();
        if self.allows(&operation.method) {
            let cases = contain(|| generate::cases(self.api(), operation, Phase::HappyPath, self.session.seed));
            let valid = cases.unwrap_or_default().into_iter();
            let valid = valid.filter(|case| case.intent == Intent::Positive && case.method.is_none());
            for case in valid.take(MAX_CONTROLS) {
                let written = contain(|| generate::render(operation, &case, &self.session.base_path));
                let Some(Ok(request)) = written else { continue };
                let Some(exchange) = self.send(Some(operation), request, As::Primary, Some(case)).await else { break };
                match exchange.status() {
                    Some(200..300) => {
                        control.exchange = Some(Arc::new(copy(&exchange, KEPT_BODY)));
                        break;
                    }
                    Some(500..) => control.fails = true,
                    _ => {}
                }
            }
        }
        self.controls.lock().await.insert(operation.index, control.clone());
        control
    }

    /// What a check says; none when it has nothing to say about such an exchange, or broke.
    pub(crate) fn judge(
        &self,
        check: &dyn Check,
        operation: &Operation,
        control: &Control,
        exchange: &Exchange,
    ) -> Option<Vec<Suspicion>> {
        let cx = Context {
            api: self.api(),
            operation,
            has_positive_control: control.exchange.is_some(),
            baseline_fails: control.fails,
            authenticated: self.session.authenticated,
            identity_works: control.exchange.is_some(),
            baseline: comparable(control.exchange.as_deref(), exchange),
        };
        contain(|| check.applies(&cx, exchange).then(|| check.judge(&cx, exchange))).flatten()
    }

    /// Fingerprints of what a security check proves when it knows only these operations and this exchange.
    pub(crate) async fn prove(
        &self,
        check: &dyn SecurityCheck,
        controls: &[(usize, Control)],
        probe: (Option<usize>, &Exchange),
    ) -> Vec<String> {
        let control_of = |index: usize| controls.iter().find(|(known, _)| *known == index);
        let kept = |control: &Control| control.exchange.as_deref().map(|exchange| copy(exchange, KEPT_BODY));
        let operations = &self.api().operations;
        let baselines: Vec<Option<Exchange>> =
            operations.iter().map(|one| control_of(one.index).and_then(|(_, control)| kept(control))).collect();
        let accepted: Vec<Option<Base>> = operations.iter().map(|one| control_of(one.index)?.1.base()).collect();
        let mut traffic: Vec<(usize, Exchange)> =
            controls.iter().filter_map(|(index, control)| Some((*index, kept(control)?))).collect();
        traffic.extend(probe.0.map(|index| (index, copy(probe.1, KEPT_BODY))));
        let prober = self.prober();
        prober.allow(MAX_SINGLE_REQUESTS);
        prober.begin(check.info().id);
        let callback = self.callback().await;
        let on = Ground { baselines: &baselines, accepted: &accepted, traffic: &traffic };
        let cx = self.security(&prober, callback.as_ref(), on);
        run(check, &cx).await.into_iter().collect()
    }

    /// Whether a security check finds this fingerprint when it runs as in a scan: after the valid requests of every
    /// operation. Both are done once, however many findings are asked about.
    pub(crate) async fn finds(&self, check: &dyn SecurityCheck, fingerprint: &str) -> bool {
        let mut stage = self.stage.lock().await;
        let id = check.info().id;
        if let Some(found) = stage.found.get(id) {
            return found.contains(fingerprint);
        }
        if stage.scene.is_none() {
            stage.scene = Some(Scene::set(&self.session, &self.config).await);
        }
        let Some(scene) = &stage.scene else { return false };
        let prober = self.prober();
        prober.allow(Profile::Thorough.at_most(MAX_CHECK_REQUESTS) as u64);
        prober.begin(id);
        let callback = self.callback().await;
        let on = Ground { baselines: &scene.baselines, accepted: &scene.accepted, traffic: &scene.traffic };
        let cx = self.security(&prober, callback.as_ref(), on);
        let found = run(check, &cx).await;
        let is_found = found.contains(fingerprint);
        stage.found.insert(id, found);
        is_found
    }

    /// Whether a security check finds this fingerprint in the document alone.
    pub(crate) async fn reads(&self, check: &dyn SecurityCheck, fingerprint: &str) -> bool {
        let count = self.api().operations.len();
        let baselines: Vec<Option<Exchange>> = (0..count).map(|_| None).collect();
        let accepted: Vec<Option<Base>> = vec![None; count];
        // It may send nothing.
        let prober = self.prober();
        let cx = self.security(&prober, None, Ground { baselines: &baselines, accepted: &accepted, traffic: &[] });
        run(check, &cx).await.contains(fingerprint)
    }

    /// A listener as a scan has it, if one can be had.
    async fn callback(&self) -> Option<Callback> {
        let line = &self.session.line;
        let given = self.config.callback.clone();
        let address = given.or_else(|| CallbackAddress::beside(line.transport.origin()))?;
        Callback::open(&address, Arc::clone(&line.now), 0).await.ok()
    }

    /// Removes what was made on the way, when the configuration says so.
    pub(crate) async fn close(self) {
        let wanted = self.config.clean_up && !self.config.safe_mode;
        if let Some(scene) = self.stage.into_inner().scene.filter(|_| wanted) {
            scene.strike().await;
        }
    }

    /// Its words are neither those of the scan that found the findings nor those of a prober before it: what was made then
    /// may still be there.
    fn prober(&self) -> ScanProber<'_> {
        let own = self.config.scan_id.bytes().fold(0u64, |sum, byte| sum.wrapping_mul(31).wrapping_add(byte.into()));
        let number = self.probers.fetch_add(1, Ordering::Relaxed);
        let first = (own << 40 | number << 16).max(1 << 16);
        ScanProber::new(&self.session, self.catch_all.clone()).counting_from(first)
    }

    fn security<'a>(
        &'a self,
        prober: &'a ScanProber<'a>,
        callback: Option<&'a Callback>,
        on: Ground<'a>,
    ) -> SecurityContext<'a> {
        SecurityContext {
            api: self.api(),
            baselines: on.baselines,
            traffic: on.traffic,
            accepted: on.accepted,
            learned: &self.learned,
            seed: self.session.seed,
            nonce: self.session.nonce(),
            profile: Profile::Thorough,
            safe_mode: self.config.safe_mode,
            prober,
            callback,
            report: &self.session.report,
        }
    }
}

/// Fingerprints of what a check proves; nothing when it breaks.
async fn run(check: &dyn SecurityCheck, cx: &SecurityContext<'_>) -> HashSet<String> {
    let running = AssertUnwindSafe(check.run(cx)).catch_unwind();
    let findings = match cx.callback {
        None => running.await,
        Some(callback) => tokio::select! {
            never = callback.serve() => match never {},
            findings = running => findings,
        },
    }
    .unwrap_or_default();
    findings.into_iter().map(|finding| finding.id).collect()
}
