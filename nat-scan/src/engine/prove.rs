//! The proof lane: nothing that was seen once becomes a finding.

use std::sync::Arc;
use std::time::Duration;

use super::budget::Purpose;
use super::contain::contain;
use super::docket::Candidate;
use super::judge::Judges;
use super::minimise::{Minimal, minimise};
use super::session::Session;
use crate::check::{Context, Exchange, Proof, Suspicion};
use crate::finding::Role;
use crate::generate::{self, Intent, Phase};

/// Pauses before the repetitions of what an overload may cause.
const LATER: [Duration; 2] = [Duration::from_secs(1), Duration::from_secs(3)];
/// Other valid requests that are tried as a second sample.
const MAX_SAMPLES: usize = 3;

/// How a proof ended.
pub(super) struct Proved {
    pub(super) candidate: Candidate,
    /// The exchanges of the proof; none: not proved.
    pub(super) exchanges: Option<Vec<(Role, Exchange)>>,
    /// A smaller request that shows the same.
    pub(super) minimal: Option<Minimal>,
    /// The budget did not allow it.
    pub(super) starved: bool,
    /// What was sent: operation and status.
    pub(super) sent: Vec<Option<u16>>,
}

/// What is known about the operation when the proof begins.
#[derive(Clone)]
pub(super) struct Knowledge {
    pub(super) control: Option<Arc<Exchange>>,
    pub(super) baseline_fails: bool,
    pub(super) identity_works: bool,
    /// A `GET` of another operation that accepted the credentials.
    pub(super) witness: Option<Arc<Exchange>>,
}

/// One proof under way.
pub(super) struct Attempt<'a> {
    pub(super) session: &'a Session,
    judges: &'a Judges,
    pub(super) candidate: &'a Candidate,
    pub(super) knowledge: &'a Knowledge,
    exchanges: Vec<(Role, Exchange)>,
    pub(super) sent: Vec<Option<u16>>,
    starved: bool,
}

/// Tries to prove one suspicion. Each exchange uses a connection of its own.
pub(super) async fn prove(
    session: Arc<Session>,
    judges: Arc<Judges>,
    candidate: Candidate,
    knowledge: Knowledge,
) -> Proved {
    let mut attempt = Attempt {
        session: &session,
        judges: &judges,
        candidate: &candidate,
        knowledge: &knowledge,
        exchanges: Vec::new(),
        sent: Vec::new(),
        starved: false,
    };
    let proved = match candidate.suspicion.proof {
        Proof::Direct => true,
        Proof::Repeat => attempt.repeat().await,
        Proof::RepeatLater => attempt.repeat_after(LATER[0]).await && attempt.repeat_after(LATER[1]).await,
        Proof::RepeatWithControl => attempt.control().await && attempt.repeat().await,
        Proof::RepeatWithSteadyControl => attempt.control().await && attempt.is_steady() && attempt.repeat().await,
        Proof::RepeatWithSameControl => attempt.control().await && attempt.is_same() && attempt.repeat().await,
        Proof::RepeatWithWitness => attempt.witness().await && attempt.repeat().await,
        Proof::TwoSamples => attempt.repeat().await && attempt.second_sample().await,
    };
    let minimal = if proved { minimise(&mut attempt).await } else { None };
    let Attempt { exchanges, sent, starved, .. } = attempt;
    Proved { exchanges: proved.then_some(exchanges), minimal, starved: starved && !proved, sent, candidate }
}

impl Attempt<'_> {
    /// The same request raises the same suspicion.
    async fn repeat(&mut self) -> bool {
        let original = &self.candidate.exchange;
        let Some(repeat) = self.send(original).await else { return false };
        let same = self.suspects(&repeat);
        self.exchanges.push((Role::Repeat, repeat));
        same
    }

    /// As [`Attempt::repeat`], after a pause.
    async fn repeat_after(&mut self, pause: Duration) -> bool {
        tokio::time::sleep(pause).await;
        self.repeat().await
    }

    /// The operation's valid request still succeeds.
    async fn control(&mut self) -> bool {
        let Some(control) = self.knowledge.control.clone() else { return false };
        let Some(again) = self.send(&control).await else { return false };
        let works = again.status().is_some_and(|status| (200..300).contains(&status));
        self.exchanges.push((Role::Control, again));
        works
    }

    /// The credentials are still accepted elsewhere: they have not run out since.
    async fn witness(&mut self) -> bool {
        let Some(witness) = self.knowledge.witness.clone() else { return false };
        let Some(again) = self.send(&witness).await else { return false };
        let works = again.status().is_some_and(|status| (200..300).contains(&status));
        self.exchanges.push((Role::Control, again));
        works
    }

    /// The control that was just repeated has the length of before.
    fn is_steady(&self) -> bool {
        let length = |exchange: &Exchange| exchange.response()?.header("content-length").map(str::to_owned);
        let before = self.knowledge.control.as_deref().and_then(length);
        let now = self.exchanges.last().and_then(|(_, control)| length(control));
        before.is_some() && before == now
    }

    /// The control that was just repeated says the same as before at the place in question.
    fn is_same(&self) -> bool {
        let location = &self.candidate.suspicion.location;
        let pointer = location.strip_prefix("response ").unwrap_or_default();
        let content = |exchange: &Exchange| exchange.json().map(|json| json.pointer(pointer).cloned());
        let before = self.knowledge.control.as_deref().and_then(content);
        let now = self.exchanges.last().and_then(|(_, control)| content(control));
        before.is_some() && before == now
    }

    /// Another valid request raises the same suspicion.
    async fn second_sample(&mut self) -> bool {
        let session = self.session;
        let Some(operation) = session.api.operations.get(self.candidate.operation) else { return false };
        // Another seed gives other values; only the bytes decide whether it is another request.
        let seed = session.seed ^ 0x9e37_79b9_7f4a_7c15;
        let of = |phase| contain(|| generate::cases(&session.api, operation, phase, seed)).unwrap_or_default();
        let cases = [Phase::HappyPath, Phase::Coverage].into_iter().flat_map(of);
        let original = &self.candidate.exchange.request;
        let mut tried = 0;
        let like = self.knowledge.control.as_deref().unwrap_or(&self.candidate.exchange).case.clone();
        for case in cases.filter(|case| case.intent == Intent::Positive && case.method.is_none()) {
            let case = like.iter().fold(case, |case, like| case.rebound(like));
            let Some(Ok(mut request)) = contain(|| generate::render(operation, &case.bound(), &session.base_path))
            else {
                continue;
            };
            if request.target == original.target && request.body == original.body {
                continue;
            }
            tried += 1;
            if tried > MAX_SAMPLES {
                break;
            }
            session.identities.apply(crate::check::As::Primary, &mut request).await;
            let truth = session.classify(operation, &request);
            let Some(answer) = self.session.line.send(&request, true, Purpose::Proof).await else {
                self.starved = true;
                return false;
            };
            let sample = Exchange::new(Some(case), request, answer.result, truth, answer.at);
            self.sent.push(sample.status());
            if !self.suspects(&sample) {
                return false;
            }
            self.exchanges.push((Role::Repeat, sample));
            return true;
        }
        false
    }

    fn suspects(&self, exchange: &Exchange) -> bool {
        self.again(exchange).is_some()
    }

    /// The suspicion, if the exchange raises it again.
    pub(super) fn again(&self, exchange: &Exchange) -> Option<Suspicion> {
        let operation = self.session.api.operations.get(self.candidate.operation)?;
        let cx = Context {
            api: &self.session.api,
            operation,
            has_positive_control: self.knowledge.control.is_some(),
            baseline_fails: self.knowledge.baseline_fails,
            authenticated: self.session.authenticated,
            identity_works: self.knowledge.identity_works,
            baseline: comparable(self.knowledge.control.as_deref(), exchange),
        };
        self.judges.again(self.candidate.check, &cx, exchange, &self.candidate.suspicion)
    }

    /// The same request once more.
    async fn send(&mut self, like: &Exchange) -> Option<Exchange> {
        let mut request = self.session.once_more(like);
        // Credentials may have been renewed since.
        self.session.identities.apply(crate::check::As::Primary, &mut request).await;
        let Some(answer) = self.session.line.send(&request, true, Purpose::Proof).await else {
            self.starved = true;
            return None;
        };
        let exchange = Exchange::new(like.case.clone(), request, answer.result, like.truth.clone(), answer.at);
        self.sent.push(exchange.status());
        Some(exchange)
    }
}

/// The control, when it asked for the same thing; for a request that sends a default, when it left that out.
pub(super) fn comparable<'a>(control: Option<&'a Exchange>, exchange: &Exchange) -> Option<&'a Exchange> {
    let target = match exchange.case.as_ref().map(|case| &case.intent) {
        Some(Intent::DefaultSent { slot }) => without(&exchange.request.target, &slot.name),
        _ => exchange.request.target.clone(),
    };
    control.filter(|control| control.request.target == target)
}

/// The target without a parameter of the query.
fn without(target: &str, name: &str) -> String {
    let Some((path, query)) = target.split_once('?') else { return target.to_owned() };
    let is_other = |pair: &&str| {
        let named = url::form_urlencoded::parse(pair.as_bytes()).next().map(|(key, _)| key == name);
        named != Some(true)
    };
    let rest: Vec<&str> = query.split('&').filter(is_other).collect();
    if rest.is_empty() { path.to_owned() } else { format!("{path}?{}", rest.join("&")) }
}

#[cfg(test)]
mod tests {
    use super::without;

    #[test]
    fn a_default_is_left_out_of_the_target() {
        let check = |target: &str, expected: &str| assert_eq!(without(target, "sort by"), expected, "{target}");
        check("/a?sort%20by=x", "/a");
        check("/a?b=1&sort+by=x&c=2", "/a?b=1&c=2");
        check("/a?sort=x", "/a?sort=x");
        check("/a", "/a");
    }
}
