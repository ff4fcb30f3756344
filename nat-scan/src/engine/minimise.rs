//! Findings made small: what is not needed to show the defect is left out of its request.
//!
//! A step counts only when the same check raises the same suspicion on the live answer, and when the bytes are still of
//! the kind that they were: a request that was faulty in one place must not become one that is faulty in another.
//! Nothing of this is part of the plan.

use tokio::time::Instant;

use super::budget::Purpose;
use super::contain::contain;
use super::plan::{Harm, harm};
use super::prove::Attempt;
use super::session::Sending;
use crate::check::{As, Exchange, Proof, Suspicion};
use crate::classify::WireTruth;
use crate::generate::reduce::{parts, simpler, size, without};
use crate::generate::{self, Case, Intent};
use crate::spec::Operation;

/// Requests for one finding, the confirmation included.
const MAX_REQUESTS: usize = 64;

/// A smaller request that shows the same.
pub(super) struct Minimal {
    pub(super) probe: Exchange,
    pub(super) repeat: Exchange,
    pub(super) suspicion: Suspicion,
    /// Parts of the request that was found, and of this one.
    pub(super) from: usize,
    pub(super) to: usize,
}

impl Minimal {
    /// The suspicion, with what became of the request.
    pub(super) fn told(&self) -> Suspicion {
        let mut suspicion = self.suspicion.clone();
        if self.to < self.from {
            let (from, to) = (self.from, self.to);
            let parts = if to == 1 { "part" } else { "parts" };
            suspicion.explanation.push_str(&format!(" The request was minimised from {from} to {to} {parts}."));
        }
        suspicion
    }
}

/// The search for a smaller request.
struct Search<'s, 'a> {
    attempt: &'s mut Attempt<'a>,
    operation: &'a Operation,
    /// What the bytes must stay.
    truth: &'a WireTruth,
    left: usize,
    best: Option<(Case, Exchange)>,
}

/// Makes the request of a proved suspicion smaller; none when it is as small as can be, or must not be sent so often.
pub(super) async fn minimise(attempt: &mut Attempt<'_>) -> Option<Minimal> {
    let candidate = attempt.candidate;
    let case = candidate.exchange.case.as_ref().filter(|case| is_reducible(case))?;
    let operation = attempt.session.api.operations.get(candidate.operation)?;
    let often = !matches!(candidate.suspicion.proof, Proof::Direct | Proof::RepeatLater);
    let session = attempt.session;
    if !often || harm(operation) != Harm::None || !session.line.budget.may_minimise() {
        return None;
    }
    let begun = Instant::now();
    let plain = attempt.knowledge.control.as_ref().and_then(|control| control.case.clone());
    let truth = &candidate.exchange.truth;
    // The last request confirms.
    let mut search = Search { attempt, operation, truth, left: MAX_REQUESTS - 1, best: None };
    search.leave_out(case).await;
    search.simplify(case, plain.as_ref()).await;
    let best = search.best;
    session.line.budget.minimised(begun.elapsed());
    let (small, _) = best?;
    let probe = attempt.ask(operation, &small, false).await?;
    let repeat = attempt.ask(operation, &small, true).await?;
    attempt.again(&repeat)?;
    let suspicion = attempt.again(&probe)?;
    Some(Minimal { from: size(case), to: size(&small), probe, repeat, suspicion })
}

/// A request whose parts mean what they say. (Others are about the request as a whole.)
fn is_reducible(case: &Case) -> bool {
    let whole = matches!(
        case.intent,
        Intent::Positive
            | Intent::Negative { .. }
            | Intent::MissingRequired { .. }
            | Intent::Unusual { .. }
            | Intent::Random { .. }
    );
    whole && case.method.is_none()
}

impl Search<'_, '_> {
    /// Leaves out parts: all of them, halves, quarters, … each.
    async fn leave_out(&mut self, case: &Case) {
        let all = parts(self.operation, case);
        let mut width = all.len();
        while width > 0 {
            for chunk in all.chunks(width) {
                let now = self.best.as_ref().map_or(case, |(best, _)| best).clone();
                if let Some(smaller) = without(&now, chunk) {
                    self.try_case(smaller).await;
                }
            }
            width = if width == 1 { 0 } else { width.div_ceil(2) };
        }
    }

    /// Makes values simpler, one place after the other.
    async fn simplify(&mut self, case: &Case, plain: Option<&Case>) {
        let mut place = 0;
        loop {
            let now = self.best.as_ref().map_or(case, |(best, _)| best).clone();
            let Some(group) = simpler(&now, plain).into_iter().nth(place) else { return };
            let mut changed = false;
            for smaller in group {
                if self.try_case(smaller).await {
                    changed = true;
                    break;
                }
            }
            // A place that is as simple as can be is no group any more.
            place += usize::from(!changed);
            if self.left == 0 {
                return;
            }
        }
    }

    /// Whether the smaller request shows the same; then it is the best so far.
    async fn try_case(&mut self, mut case: Case) -> bool {
        if self.left == 0 || !self.is_of_the_same_kind(&case) {
            return false;
        }
        self.left -= 1;
        if !case.label.ends_with(MINIMISED) {
            case.label.push_str(MINIMISED);
        }
        let Some(exchange) = self.attempt.ask(self.operation, &case, false).await else {
            self.left = 0;
            return false;
        };
        let shows = exchange.truth.is_like(self.truth) && self.attempt.again(&exchange).is_some();
        if shows {
            self.best = Some((case, exchange));
        }
        shows
    }

    fn is_of_the_same_kind(&self, case: &Case) -> bool {
        let session = self.attempt.session;
        let written = contain(|| generate::render(self.operation, &case.bound(), &session.base_path));
        let Some(Ok(request)) = written else { return false };
        session.classify(self.operation, &request).is_like(self.truth)
    }
}

/// Ends the label of a case that was made smaller.
const MINIMISED: &str = ", minimised";

impl Attempt<'_> {
    /// Sends a case with fresh words where it needs them; none when the budget does not allow it.
    async fn ask(&mut self, operation: &Operation, case: &Case, fresh: bool) -> Option<Exchange> {
        let session = self.session;
        let renewed = if case.is_fresh() { case.renewed(&self.passage.word()) } else { case.clone() };
        let mut request =
            contain(|| generate::render(operation, &renewed.bound(), &session.base_path)).and_then(Result::ok)?;
        let how = Sending { fresh, purpose: Purpose::Minimise, ..self.sending() };
        let answer = session.exchange(&self.passage, &mut request, As::Primary, how).await?;
        let truth = session.classify(operation, &request);
        let exchange = Exchange::new(Some(case.clone()), request, answer.result, truth, answer.at);
        self.sent.push(exchange.status());
        Some(exchange)
    }
}

impl WireTruth {
    /// Of the same kind, and faulty in the same places.
    fn is_like(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Negative { violations, hard }, Self::Negative { violations: others, hard: was_hard }) => {
                let of = |all: &[crate::schema::Violation]| {
                    let mut places: Vec<(String, String)> =
                        all.iter().map(|one| (one.instance_path.clone(), one.keyword.clone())).collect();
                    places.sort();
                    places.dedup();
                    places
                };
                hard == was_hard && of(violations) == of(others)
            }
            (one, other) => one == other,
        }
    }
}
