//! Gates: reads that give the rightful user something and refuse everybody else. What a forged credential is tried on.

use std::collections::BTreeSet;
use std::sync::Arc;

use secrecy::ExposeSecret;

use crate::check::security::{is_success, without_credentials};
use crate::check::shape::{is_soft_error, leaves, skeleton};
use crate::check::{As, CheckInfo, Exchange, SecurityContext, Suspicion};
use crate::finding::{Confidence, Finding, Role, Severity};
use crate::identity::{Worn, is_jwt};
use crate::spec::Operation;
use crate::transport::Request;

/// Operations that are looked at.
const MAX_GATES: usize = 40;

/// One such read, of one user.
pub(crate) struct Gate {
    pub(super) operation: usize,
    /// Without credentials.
    pub(super) request: Request,
    /// What the rightful user is answered.
    pub(super) baseline: Exchange,
    /// What everybody else is.
    pub(super) refused: Exchange,
    /// What the rightful user is told each time.
    constant: BTreeSet<String>,
}

impl Gate {
    /// Asks twice as the user, once as nobody and once with a token that means nothing.
    pub(super) async fn open(
        cx: &SecurityContext<'_>,
        operation: &Operation,
        request: &Request,
        who: As,
    ) -> Option<Self> {
        let ask = |who: As| cx.prober.send(Some(operation.index), request.clone(), who);
        let refused = ask(As::Anonymous).await.filter(is_refusal)?;
        let first = ask(who).await.filter(is_success)?;
        let baseline = ask(who).await.filter(is_success)?;
        let constant = match (first.json(), baseline.json()) {
            (Some(first), Some(again)) => leaves(first).intersection(&leaves(again)).cloned().collect(),
            (None, None) if first.response()?.body == baseline.response()?.body => BTreeSet::new(),
            _ => return None,
        };
        let gate = Self { operation: operation.index, request: request.clone(), baseline, refused, constant };
        let is_something =
            !gate.constant.is_empty() || (gate.baseline.json().is_none() && !gate.baseline.response()?.body.is_empty());
        if !is_something || !gate.gives(cx, &gate.baseline) {
            return None;
        }
        let nonsense = match cx.prober.worn(who).await {
            Some(worn) => gate.send(cx, &nonsense(&worn)).await?,
            None if cx.prober.has(As::Garbage) => ask(As::Garbage).await?,
            None => return Some(gate),
        };
        is_refusal(&nonsense).then_some(gate)
    }

    /// The answer is what the rightful user gets.
    pub(super) fn gives(&self, cx: &SecurityContext<'_>, answer: &Exchange) -> bool {
        let (Some(expected), Some(response)) = (self.baseline.response(), answer.response()) else { return false };
        if !is_success(answer) || cx.prober.is_catch_all(response) || response.media_type() != expected.media_type() {
            return false;
        }
        match (self.baseline.json(), answer.json()) {
            (Some(one), Some(other)) => {
                !is_soft_error(other) && skeleton(one) == skeleton(other) && self.constant.is_subset(&leaves(other))
            }
            (None, None) => response.body == expected.body,
            _ => false,
        }
    }

    /// Asks with this token and nothing else.
    pub(super) async fn send(&self, cx: &SecurityContext<'_>, worn: &Worn) -> Option<Exchange> {
        let mut request = self.request.clone();
        worn.put(&mut request);
        cx.prober.hide(worn.token());
        cx.prober.send(Some(self.operation), request, As::Anonymous).await
    }

    /// The token opens it.
    pub(super) async fn takes(&self, cx: &SecurityContext<'_>, worn: &Worn) -> Option<Exchange> {
        self.send(cx, worn).await.filter(|answer| self.gives(cx, answer))
    }

    pub(super) fn endpoint<'a>(&self, cx: &SecurityContext<'a>) -> Option<&'a Operation> {
        cx.api.operations.get(self.operation)
    }
}

/// Nobody is let in.
pub(super) fn is_refusal(exchange: &Exchange) -> bool {
    matches!(exchange.status(), Some(401 | 403))
}

/// A token of the same length that means nothing.
pub(super) fn nonsense(worn: &Worn) -> Worn {
    let length = worn.token().expose_secret().len().clamp(8, 400);
    worn.with("natgarbage".chars().cycle().take(length).collect::<String>())
}

/// The gates of the first user that the scan has, found once a scan.
pub(super) async fn gates(cx: &SecurityContext<'_>) -> Arc<Vec<Gate>> {
    gates_of(cx, As::Primary).await
}

/// As [`gates`], of another user.
pub(super) async fn gates_of(cx: &SecurityContext<'_>, who: As) -> Arc<Vec<Gate>> {
    if let Some(known) = cx.learned.with(|facts| facts.gates.get(&who).cloned()) {
        return known;
    }
    let mut found = Vec::new();
    if cx.prober.has(who) {
        for (operation, baseline) in cx.api.operations.iter().zip(cx.baselines) {
            let Some(baseline) = baseline.as_ref().filter(|_| operation.method == "GET") else { continue };
            let request = without_credentials(cx, &baseline.request);
            found.extend(Gate::open(cx, operation, &request, who).await);
            if found.len() == cx.at_most(MAX_GATES) {
                break;
            }
        }
    }
    let found = Arc::new(found);
    cx.learned.with(|facts| facts.gates.insert(who, Arc::clone(&found)));
    found
}

/// A user with a JSON Web Token, one for each way in which tokens are signed.
pub(super) struct Holder {
    pub(super) who: As,
    pub(super) worn: Worn,
    pub(super) jwt: super::jwt::Jwt,
}

/// Everybody who has a JWT; of several with the same algorithm the first.
pub(super) async fn holders(cx: &SecurityContext<'_>) -> Vec<Holder> {
    let mut found: Vec<Holder> = Vec::new();
    for who in [As::Primary, As::Second, As::Admin] {
        if !cx.prober.has(who) {
            continue;
        }
        let Some(worn) = cx.prober.worn(who).await.filter(|worn| is_jwt(worn.token().expose_secret())) else {
            continue;
        };
        let Some(jwt) = super::jwt::Jwt::read(worn.token().expose_secret()) else { continue };
        if found.iter().all(|known| known.jwt.algorithm() != jwt.algorithm()) {
            found.push(Holder { who, worn, jwt });
        }
    }
    found
}

/// What is reported of a token that should not have been taken.
pub(super) struct Report<'a> {
    pub(super) info: &'a CheckInfo,
    pub(super) discriminant: &'a str,
    /// After "GET /me gives the rightful user's data".
    pub(super) what: String,
    pub(super) vector: &'a str,
    /// One gate is proof for all.
    pub(super) whole_api: bool,
}

/// Tries the token on each gate until one takes it, where `control` is refused, and takes it again.
pub(super) async fn prove(
    cx: &SecurityContext<'_>,
    gates: &[&Gate],
    forged: &Worn,
    control: &Worn,
    report: &Report<'_>,
) -> Option<Finding> {
    for (at, gate) in gates.iter().enumerate() {
        let Some(probe) = gate.takes(cx, forged).await else { continue };
        let control = gate.send(cx, control).await?;
        if gate.gives(cx, &control) {
            continue;
        }
        let Some(repeat) = gate.takes(cx, forged).await else { continue };
        // Nobody who refused before, and the next one takes it too: then all do.
        let everywhere = match gates.get(at + 1).filter(|_| at == 0) {
            Some(next) => next.takes(cx, forged).await.is_some(),
            None => false,
        };
        let operation = gate.endpoint(cx)?;
        let more = if everywhere { " Other operations do so, too." } else { "" };
        let explanation = format!("{} gives the rightful user's data {}.{more}", operation.endpoint(), report.what);
        let suspicion = Suspicion::new(Severity::High, "", report.discriminant, explanation)
            .confidence(Confidence::Confirmed)
            .pointer(operation.pointer.clone());
        let suspicion = if everywhere || report.whole_api { suspicion.api_wide() } else { suspicion };
        let exchanges = [
            (Role::Baseline, &gate.baseline),
            (Role::Probe, &probe),
            (Role::Control, &control),
            (Role::Repeat, &repeat),
        ];
        return Some(cx.report.build(report.info, &suspicion, Some(operation), &exchanges).rated(report.vector));
    }
    None
}
