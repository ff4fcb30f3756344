//! The driver: sends the cases of a wave, judges the answers, keeps the proof lane busy. One task drives everything;
//! concurrency is the number of exchanges under way, so nothing is locked and nothing is spawned.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use futures::future::{BoxFuture, OptionFuture};
use futures::stream::{FuturesUnordered, StreamExt};
use tokio::time::{Duration, Instant, sleep_until};

use super::budget::{Purpose, Stop};
use super::crash::Pulse;
use super::docket::{Candidate, Docket};
use super::event::{Event, Progress};
use super::explore::Explorer;
use super::judge::Judges;
use super::lessons::Lessons;
use super::line::Answer;
use super::narrate::{Narrator, span};
use super::passage::Passage;
use super::plan::{Harm, Plan, Planned, Wave};
use super::prove::{Knowledge, Proved, comparable, prove};
use super::session::{Sending, Session};
use super::slow::{Slow, Turn};
use super::tally::{KEPT_BODY, Tally, copy, cut};
use crate::check::{As, Context, Exchange, Proof};
use crate::classify::WireTruth;
use crate::finding::{Finding, Role};
use crate::generate::{Case, Intent, Phase};
use crate::spec::Operation;
use crate::transport::{Request, TransportError};

/// Rounds of valid requests with what was learned.
const MAX_ROUNDS: u32 = 10;
/// Ordinal of what is asked after everything was removed.
const AFTERMATH: u32 = u32::MAX;
/// Exchanges kept for passive security checks.
const MAX_TRAFFIC: usize = 2_000;
/// Of the bodies of all baselines together.
const MAX_BASELINE_BYTES: usize = 64 << 20;
/// Of the bodies of the traffic together.
const MAX_TRAFFIC_BYTES: usize = 32 << 20;
/// Findings kept; a scan with more has shown what it can.
const MAX_FINDINGS: usize = 2_000;

/// A case that came back.
struct Landed {
    position: u64,
    case: Case,
    request: Request,
    answer: Answer,
    took: Duration,
}

/// Why no further case was started.
enum Launched {
    /// There is none.
    All,
    /// Enough are under way, or enough suspicions wait.
    Full,
    /// Budget or broken connections forbid it.
    Refused,
}

/// A proof that is under way.
type Lane = Option<BoxFuture<'static, Proved>>;
type Flights = FuturesUnordered<BoxFuture<'static, Landed>>;

/// The state of a running scan.
pub(super) struct Driver {
    pub(super) session: Arc<Session>,
    pub(super) judges: Arc<Judges>,
    pub(super) plan: Plan,
    pub(super) tallies: Vec<Tally>,
    pub(super) docket: Docket,
    pub(super) lessons: Lessons,
    pub(super) explorer: Explorer,
    /// By fingerprint.
    pub(super) findings: BTreeMap<String, Finding>,
    /// Which entry of the docket counts the occurrences of a finding.
    counted: Vec<(String, super::docket::Key)>,
    pub(super) narrator: Narrator,
    /// For security checks, with plan positions; empty in functional scans.
    traffic: Vec<(u64, usize, Exchange)>,
    traffic_bytes: usize,
    /// Of the body of one baseline.
    baseline_bytes: usize,
    security: bool,
    held: Option<Planned>,
    pub(super) slow: Slow,
    /// First segments of paths that a random request is under way to.
    busy: BTreeSet<String>,
    /// Positions that are not judged yet.
    open: BTreeSet<u64>,
    pub(super) pulse: Pulse,
    pub(super) operations: usize,
    tested: usize,
    wave_total: usize,
    wave_done: usize,
    starved: bool,
}

impl Driver {
    pub(super) fn new(
        session: Arc<Session>,
        judges: Judges,
        plan: Plan,
        narrator: Narrator,
        security: bool,
        operations: usize,
        slow: Slow,
    ) -> Self {
        let tallies = std::iter::repeat_with(Tally::default).take(session.api.operations.len()).collect();
        let lessons = Lessons::new(session.api.operations.len());
        Self {
            session,
            judges: Arc::new(judges),
            plan,
            tallies,
            docket: Docket::default(),
            lessons,
            explorer: Explorer::default(),
            findings: BTreeMap::new(),
            counted: Vec::new(),
            narrator,
            traffic: Vec::new(),
            traffic_bytes: 0,
            baseline_bytes: KEPT_BODY.min(MAX_BASELINE_BYTES / operations.max(1)),
            security,
            held: None,
            slow,
            busy: BTreeSet::new(),
            open: BTreeSet::new(),
            pulse: Pulse::default(),
            operations,
            tested: 0,
            wave_total: 0,
            wave_done: 0,
            starved: false,
        }
    }

    /// Sends a wave to its end, proofs included; or says why it stopped.
    pub(super) async fn wave(&mut self, wave: Wave) -> Option<Stop> {
        self.wave_total = self.plan.begin(wave);
        self.send_wave(wave).await
    }

    /// Sends these cases as [`Driver::wave`] does.
    pub(super) async fn send_cases(&mut self, wave: Wave, cases: Vec<Case>) -> Option<Stop> {
        self.wave_total = self.plan.begin_with(wave, cases);
        self.send_wave(wave).await
    }

    /// Rounds of valid requests that use what the rounds before taught, until nothing new is left to try.
    /// With `spare`, nothing is removed that the valid requests of others name.
    pub(super) async fn rounds(&mut self, harm: Harm, spare: bool) -> Option<Stop> {
        let session = Arc::clone(&self.session);
        let wave = Wave { phase: Phase::HappyPath, harm };
        let first = if spare { 1 } else { MAX_ROUNDS + 1 };
        for round in first..first + MAX_ROUNDS {
            let cases = self.lessons.round(&session.api, self.plan.selected(harm), session.seed, round, spare);
            if cases.is_empty() {
                break;
            }
            if let Some(stop) = self.send_cases(wave, cases).await {
                return Some(stop);
            }
        }
        for operation in &session.api.operations {
            if let Some(base) = self.lessons.accepted(operation) {
                self.plan.build_upon(operation.index, base);
            }
        }
        None
    }

    /// Every request that was accepted, once more, when an operation that removes everything succeeded: what a session
    /// needs may be gone, and programs forget that.
    pub(super) async fn aftermath(&mut self) -> Option<Stop> {
        let accepted = |operation: &Operation| self.lessons.accepted(operation).map(|base| base.least);
        if self.plan.selected(Harm::All).all(|operation| accepted(operation).is_none()) {
            return None;
        }
        let others = self.plan.selected(Harm::None).chain(self.plan.selected(Harm::Object));
        let again = |mut case: Case| {
            case.phase = Phase::Coverage;
            case.ordinal = AFTERMATH;
            case.label = "once more, after everything was removed".to_owned();
            case
        };
        let cases: Vec<Case> = others.filter_map(accepted).map(again).collect();
        let wave = Wave { phase: Phase::Coverage, harm: Harm::All };
        self.send_cases(wave, cases).await
    }

    async fn send_wave(&mut self, wave: Wave) -> Option<Stop> {
        self.wave_done = 0;
        let stop = self.fly(wave).await;
        self.judge_pending();
        for tally in &mut self.tallies {
            tally.learn();
        }
        let session = Arc::clone(&self.session);
        self.lessons.learn(&session.api, &session.base_path);
        if stop.is_none() {
            self.plan.end();
        }
        stop
    }

    async fn fly(&mut self, wave: Wave) -> Option<Stop> {
        let session = Arc::clone(&self.session);
        let mut flights = Flights::new();
        // Quick operations do not wait for the proofs of slow ones.
        let (mut lane, mut slow_lane): (Lane, Lane) = (None, None);
        let mut stop = None;
        let halt = halt(&session);
        tokio::pin!(halt);
        let patience = session.line.pace.patience().grace;
        let mut grace: Option<Instant> = None;
        loop {
            let mut launched = Launched::All;
            if stop.is_none() {
                launched = self.launch(&mut flights);
                let idle = flights.is_empty();
                if lane.is_none() {
                    lane = self.next_proof(idle, false);
                }
                if slow_lane.is_none() {
                    slow_lane = self.next_proof(idle, true);
                }
            }
            if flights.is_empty() && lane.is_none() && slow_lane.is_none() {
                match launched {
                    Launched::All => return stop,
                    Launched::Full => {}
                    Launched::Refused if self.pulse.is_weak() => stop = self.look_at_target().await,
                    Launched::Refused if session.line.budget.release() => {}
                    Launched::Refused => return session.line.budget.exhausted().or(Some(Stop::Requests)),
                }
                continue;
            }
            tokio::select! {
                biased;
                reason = &mut halt, if stop.is_none() => {
                    stop = Some(reason);
                    grace = Some(Instant::now() + patience);
                }
                () = sleep_until(grace.unwrap_or_else(Instant::now)), if grace.is_some() => return stop,
                Some(proved) = OptionFuture::from(lane.as_mut()) => {
                    lane = None;
                    self.settle(proved);
                }
                Some(proved) = OptionFuture::from(slow_lane.as_mut()) => {
                    slow_lane = None;
                    self.settle(proved);
                }
                Some(landed) = flights.next() => self.land(landed),
            }
            if stop.is_none() && session.line.pace.gave_up() {
                stop = Some(Stop::Throttled);
                grace = Some(Instant::now() + patience);
            }
            self.progress(wave.phase, false);
        }
    }

    /// Starts as many cases as pace and budget allow; the rest waits.
    fn launch(&mut self, flights: &mut Flights) -> Launched {
        let width = self.session.line.pace.width();
        while flights.len() < width {
            let is_late = self.docket.waiting() > 0 && self.session.line.budget.is_late();
            if self.docket.is_full() || is_late {
                return Launched::Full;
            }
            let Some(mut planned) = self.upcoming(width) else { return Launched::All };
            // The next random requests follow from these answers, which must not depend on who was first.
            if planned.case.phase == Phase::Random && !self.busy.insert(self.root(planned.case.operation)) {
                self.held = Some(planned);
                return Launched::Full;
            }
            if self.pulse.is_weak() || !self.session.line.budget.take(Purpose::Case) {
                self.busy.remove(&self.root(planned.case.operation));
                self.held = Some(planned);
                return Launched::Refused;
            }
            self.open.insert(planned.position);
            if let Some(tally) = self.tallies.get_mut(planned.case.operation) {
                self.tested += usize::from(tally.requests == 0 && tally.in_flight == 0);
                tally.in_flight += 1;
                // Only a `GET` of the same target can be compared.
                if planned.case.intent == Intent::HeadParity
                    && let Some(control) = tally.control()
                {
                    planned.request.target.clone_from(&control.request.target);
                }
            }
            flights.push(Box::pin(fly_one(Arc::clone(&self.session), planned)));
        }
        Launched::Full
    }

    /// The next case: of operations that answer quickly before those that do not.
    fn upcoming(&mut self, width: usize) -> Option<Planned> {
        if let Some(held) = self.held.take() {
            return Some(held);
        }
        if let Some(planned) = self.slow.next(width, false) {
            return Some(planned);
        }
        while let Some(planned) = self.plan.next() {
            if let Turn::Now(planned) = self.slow.admit(planned) {
                return Some(*planned);
            }
        }
        self.slow.next(width, true)
    }

    fn root(&self, operation: usize) -> String {
        let path = self.session.api.operations.get(operation).map_or("", |operation| &operation.path);
        path.split('/').nth(1).unwrap_or_default().to_owned()
    }

    fn land(&mut self, landed: Landed) {
        let Landed { position, case, request, answer, took } = landed;
        self.slow.landed(case.operation, took);
        if case.phase == Phase::Random {
            self.busy.remove(&self.root(case.operation));
        }
        self.wave_done += 1;
        let index = case.operation;
        let phase = case.phase;
        let session = Arc::clone(&self.session);
        let Some(operation) = session.api.operations.get(index) else { return };
        let truth = session.classify(operation, &request);
        let Some(tally) = self.tallies.get_mut(index) else { return };
        tally.in_flight = tally.in_flight.saturating_sub(1);
        if answer.throttled.is_some() {
            tally.count(answer.throttled);
        }
        let exchange = Exchange::new(Some(case), request, answer.result, truth, answer.at);
        self.pulse.observe(index, &exchange);
        tally.record(position, &exchange, self.baseline_bytes);
        self.lessons.attend(position, index, &exchange);
        if !self.security {
            self.explorer.attend(position, index, &exchange);
        }
        if self.security && self.traffic.len() < MAX_TRAFFIC && self.traffic_bytes < MAX_TRAFFIC_BYTES {
            let sample = copy(&exchange, KEPT_BODY);
            self.traffic_bytes += sample.response().map_or(0, |response| response.body.len());
            self.traffic.push((position, index, sample));
        }
        if phase == Phase::HappyPath {
            tally.pending.push((position, exchange));
            if tally.in_flight == 0 && self.plan.is_done(index) {
                self.judge_happy_path(index);
            }
        } else {
            self.judge(position, index, exchange);
        }
    }

    /// The whole happy path of an operation is known: what its answers mean is known too.
    fn judge_happy_path(&mut self, operation: usize) {
        let Some(tally) = self.tallies.get_mut(operation) else { return };
        tally.learn();
        let mut pending = std::mem::take(&mut tally.pending);
        pending.sort_by_key(|(position, _)| *position);
        for (position, exchange) in pending {
            self.judge(position, operation, exchange);
        }
    }

    /// Judges happy paths that were cut short.
    fn judge_pending(&mut self) {
        for operation in 0..self.tallies.len() {
            if !self.tallies[operation].pending.is_empty() {
                self.judge_happy_path(operation);
            }
        }
        self.open.clear();
        self.busy.clear();
        self.slow.end();
        for tally in &mut self.tallies {
            tally.in_flight = 0;
        }
    }

    fn judge(&mut self, position: u64, index: usize, exchange: Exchange) {
        self.open.remove(&position);
        let ended = matches!(exchange.result, Err(TransportError::Cancelled | TransportError::Denied(_)));
        let session = Arc::clone(&self.session);
        let (Some(operation), false) = (session.api.operations.get(index), ended) else { return };
        let identity_works = self.identity_works();
        let Some(tally) = self.tallies.get_mut(index) else { return };
        let control = tally.control().map(Arc::clone);
        let cx = Context {
            api: &session.api,
            operation,
            has_positive_control: control.is_some(),
            baseline_fails: tally.baseline_fails,
            authenticated: session.authenticated,
            identity_works,
            baseline: comparable(control.as_deref(), &exchange),
        };
        let judged = self.judges.judge(&cx, &exchange);
        tally.applied |= judged.applied;
        if let Some(id) = judged.broke {
            self.narrator.notice(format!("The check {id} failed on an answer and was left out from then on."));
        }
        if judged.suspicions.is_empty() {
            return;
        }
        let exchange = Arc::new(kept(exchange));
        for (check, suspicion) in judged.suspicions {
            let scope = (!suspicion.api_wide).then_some(index);
            let key = (check, scope, suspicion.location.clone(), suspicion.discriminant.clone());
            let exchange = Arc::clone(&exchange);
            self.docket.file(Candidate { key, position, operation: index, check, suspicion, exchange });
        }
    }

    /// Protected operations accepted the credentials, or refused them as those of somebody who is known.
    fn identity_works(&self) -> bool {
        let protected = |operation: &&Operation| operation.is_protected();
        let tallies = self.session.api.operations.iter().filter(protected).filter_map(|o| self.tallies.get(o.index));
        let (accepted, known) = tallies.fold((0, false), |(accepted, known), tally| {
            (accepted + usize::from(tally.control().is_some()), known || tally.is_forbidden())
        });
        // One open door alone says nothing about the key.
        self.session.authenticated && (accepted > 1 || known)
    }

    /// A request of another operation that needs credentials, accepts these, and changes nothing.
    fn witness(&self, operation: usize) -> Option<Arc<Exchange>> {
        let other = |o: &&Operation| o.index != operation && o.method == "GET" && o.is_protected();
        let mut others = self.session.api.operations.iter().filter(other);
        others.find_map(|operation| self.tallies.get(operation.index)?.control().map(Arc::clone))
    }

    /// The next proof that needs requests; those that need none are settled at once.
    fn next_proof(&mut self, idle: bool, slow: bool) -> Lane {
        loop {
            let open = self.open.first().copied().filter(|_| !(idle && self.docket.is_full()));
            let watermark = open.unwrap_or(u64::MAX);
            let candidate = self.next_candidate(watermark, slow)?;
            if candidate.suspicion.proof == Proof::Direct {
                let exchanges = Some(Vec::new());
                self.settle(Proved { candidate, exchanges, minimal: None, starved: false, sent: Vec::new() });
                continue;
            }
            let identity_works = self.identity_works();
            let tally = self.tallies.get(candidate.operation)?;
            let knowledge = Knowledge {
                control: tally.control().map(Arc::clone),
                baseline_fails: tally.baseline_fails,
                identity_works,
                witness: self.witness(candidate.operation),
            };
            let (session, judges) = (Arc::clone(&self.session), Arc::clone(&self.judges));
            return Some(Box::pin(prove(session, judges, candidate, knowledge)));
        }
    }

    /// Of a slow operation first what did not take long itself: many such proofs fit into the time of one of the others.
    fn next_candidate(&mut self, watermark: u64, slow: bool) -> Option<Candidate> {
        let of = |candidate: &Candidate| (self.slow.is(candidate.operation) && candidate.takes_long()) == slow;
        let soon = if slow { self.docket.next(watermark, |one| of(one) && !one.is_late()) } else { None };
        soon.or_else(|| self.docket.next(watermark, of))
    }

    fn settle(&mut self, proved: Proved) {
        let Proved { candidate, exchanges, minimal, starved, sent } = proved;
        if let Some(tally) = self.tallies.get_mut(candidate.operation) {
            sent.into_iter().for_each(|status| tally.count(status));
        }
        self.starved |= starved;
        let Some(exchanges) = exchanges else { return };
        self.docket.settle(&candidate.key);
        if let Some(tally) = self.tallies.get_mut(candidate.operation) {
            tally.failed |= 1 << candidate.check;
        }
        let Some(check) = self.judges.get(candidate.check) else { return };
        let operation = self.session.api.operations.get(candidate.operation);
        let others = exchanges.iter().map(|(role, exchange)| (*role, exchange));
        let finding = match &minimal {
            None => {
                let evidence: Vec<_> = std::iter::once((Role::Probe, &*candidate.exchange)).chain(others).collect();
                self.session.report.build(check.info(), &candidate.suspicion, operation, &evidence)
            }
            Some(minimal) => {
                // Another sample stays evidence; the same request again does not.
                let whole = &candidate.exchange.request;
                let is_same = |sent: &Request| sent.target == whole.target && sent.body == whole.body;
                let kept = others.filter(|(role, sent)| *role != Role::Repeat || !is_same(&sent.request));
                let own = [(Role::Probe, &minimal.probe), (Role::Repeat, &minimal.repeat)];
                let evidence: Vec<_> = own.into_iter().chain(kept).collect();
                self.session.report.build(check.info(), &minimal.told(), operation, &evidence)
            }
        };
        let id = finding.id.clone();
        self.add(finding);
        self.counted.push((id, candidate.key));
    }

    /// The exchanges kept, in plan order.
    pub(super) fn take_traffic(&mut self) -> Vec<(usize, Exchange)> {
        let mut traffic = std::mem::take(&mut self.traffic);
        traffic.sort_by_key(|(position, ..)| *position);
        traffic.into_iter().map(|(_, operation, exchange)| (operation, exchange)).collect()
    }

    /// Takes a finding; a known fingerprint only raises its count.
    pub(super) fn add(&mut self, finding: Finding) {
        if let Some(known) = self.findings.get_mut(&finding.id) {
            known.occurrences = known.occurrences.saturating_add(finding.occurrences);
        } else if self.findings.len() < MAX_FINDINGS {
            self.narrator.tell(Event::Found(Arc::new(finding.clone())));
            self.findings.insert(finding.id.clone(), finding);
        } else {
            self.narrator.notice(format!("Only the first {MAX_FINDINGS} findings are kept."));
        }
    }

    /// A security scan, not a functional one.
    pub(super) const fn is_security(&self) -> bool {
        self.security
    }

    /// Counts a request that was made outside the plan.
    pub(super) fn count(&mut self, operation: usize, status: Option<u16>) {
        if let Some(tally) = self.tallies.get_mut(operation) {
            tally.count(status);
        }
    }

    /// Counts of occurrences are known at the end only.
    pub(super) fn finish_counts(&mut self) {
        let mut totals: BTreeMap<&str, u32> = BTreeMap::new();
        for (id, key) in &self.counted {
            let total = totals.entry(id).or_default();
            *total = total.saturating_add(self.docket.seen(key));
        }
        for (id, total) in totals {
            if let Some(finding) = self.findings.get_mut(id) {
                finding.occurrences = total;
            }
        }
        if self.starved || self.docket.waiting() > 0 {
            self.narrator.notice("Some suspicions could not be proved within the budget and are not reported.");
        }
        let slow = self.slow.left_out().iter().filter_map(|index| self.session.api.operations.get(*index));
        let slow: Vec<String> = slow.map(Operation::endpoint).collect();
        if let Some(first) = slow.first() {
            let others = if slow.len() > 1 { format!(" and {} others", slow.len() - 1) } else { String::new() };
            self.narrator.notice(format!("{first}{others} took long to answer; some of their requests were left out."));
        }
        if self.docket.overflowed() {
            self.narrator.notice("There were too many different suspicions; the later ones are not reported.");
        }
    }

    /// Many requests in a row got no answer: is it the target or the requests? A target that is away for a moment may
    /// come back; one that stays away was brought down by what it was sent last.
    pub(super) async fn look_at_target(&mut self) -> Option<Stop> {
        let session = Arc::clone(&self.session);
        let mut request = Request::new("GET", format!("{}/", session.base_path));
        request.set_header("Accept", "*/*");
        session.identities.apply(As::Primary, &mut request).await;
        let mut looks: Vec<Exchange> = Vec::new();
        let patience = session.line.pace.patience();
        for pause in patience.tries.iter().map(|pause| 2 * *pause).chain(patience.watch) {
            let wait = tokio::time::sleep(pause);
            tokio::select! {
                reason = halt(&session) => return Some(reason),
                () = wait => {}
            }
            let Some(answer) = session.line.send(&request, true, Purpose::Probe).await else { break };
            if answer.result.is_ok() {
                self.pulse.revive();
                return None;
            }
            looks.push(Exchange::new(None, request.clone(), answer.result, WireTruth::Ambiguous, answer.at));
        }
        // Without the budget for enough looks there is no verdict.
        let watched = looks.len() > patience.tries.len();
        let finding = self.pulse.finding(&session.api, &session.report, &looks).filter(|_| watched);
        let Some(finding) = finding else { return Some(Stop::Unreachable) };
        self.add(finding);
        Some(Stop::Crashed)
    }

    /// Tells progress when it is due, or `now`.
    pub(super) fn progress(&mut self, phase: Phase, now: bool) {
        if !now && !self.narrator.is_due() {
            return;
        }
        let (first, last) = span(phase, self.security);
        let width = u64::from(last - first);
        let done = (self.wave_done as u64).min(self.wave_total as u64);
        let part = if now { width } else { width * done / (self.wave_total.max(1) as u64) };
        let percent = first.saturating_add(u8::try_from(part).unwrap_or(u8::MAX));
        self.tell_progress(phase, percent);
    }

    pub(super) fn tell_progress(&mut self, phase: Phase, percent: u8) {
        let progress = Progress {
            phase,
            operations_total: self.operations,
            operations_tested: self.tested.min(self.operations),
            requests_sent: self.session.line.budget.requests(),
            percent,
        };
        self.narrator.progress(progress);
    }
}

/// One case: credentials, bytes out, answer in.
async fn fly_one(session: Arc<Session>, planned: Planned) -> Landed {
    let Planned { position, case, mut request } = planned;
    let begun = Instant::now();
    let passage = Passage::of_case(&session.words, position);
    let how = Sending { fresh: false, purpose: Purpose::Case, operation: Some(case.operation), paid: true };
    let answer = session.exchange(&passage, &mut request, As::Primary, how).await;
    passage.finish();
    // What is paid for is refused only when the scan is stopped.
    let answer = answer.unwrap_or_else(|| Answer {
        result: Err(TransportError::Cancelled),
        at: session.line.now.now(),
        throttled: None,
        replayed: false,
    });
    Landed { position, case, request, answer, took: begun.elapsed() }
}

/// Resolves when the scan has to stop.
pub(super) async fn halt(session: &Session) -> Stop {
    tokio::select! {
        biased;
        () = session.line.cancel.cancelled() => Stop::Cancelled,
        () = sleep_until(session.line.budget.deadline()) => Stop::Time,
    }
}

/// An exchange that waits for its proof holds no large body.
fn kept(exchange: Exchange) -> Exchange {
    let large = exchange.response().is_some_and(|response| response.body.len() > KEPT_BODY);
    if !large {
        return exchange;
    }
    let Exchange { case, request, result, truth, at, identity, .. } = exchange;
    Exchange::new(case, request, result.map(|response| cut(response, KEPT_BODY)), truth, at).sent_as(identity)
}
