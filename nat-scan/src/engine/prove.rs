//! The proof lane: nothing that was seen once becomes a finding.

use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;

use super::budget::Purpose;
use super::contain::contain;
use super::docket::Candidate;
use super::judge::Judges;
use super::minimise::{Minimal, minimise};
use super::passage::Passage;
use super::session::{Sending, Session};
use crate::check::{As, Context, Exchange, Proof, Suspicion};
use crate::finding::Role;
use crate::generate::{self, BodyValue, Case, Intent, Phase};
use crate::spec::{Operation, Parameter};

/// Pauses before the repetitions of what an overload may cause.
const LATER: [Duration; 2] = [Duration::from_secs(1), Duration::from_secs(3)];
/// Other valid requests that are tried as a second sample.
const MAX_SAMPLES: usize = 3;

/// Each exchange uses a connection of its own.
const SENDING: Sending = Sending { fresh: true, purpose: Purpose::Proof, operation: None, paid: false };

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
    pub(super) passage: Passage,
    exchanges: Vec<(Role, Exchange)>,
    pub(super) sent: Vec<Option<u16>>,
    starved: bool,
    /// What is reported in the place of the candidate.
    instead: Option<(Suspicion, Exchange)>,
}

/// The same for the same suspicion of the same case, whenever a scan comes to it.
fn describe(candidate: &Candidate) -> String {
    let (check, scope, location, discriminant) = &candidate.key;
    format!("proof {} {check} {scope:?} {location}\n{discriminant}", candidate.position)
}

/// Tries to prove one suspicion. Each exchange uses a connection of its own.
pub(super) async fn prove(
    session: Arc<Session>,
    judges: Arc<Judges>,
    candidate: Candidate,
    knowledge: Knowledge,
) -> Proved {
    let passage = session.passage(&describe(&candidate));
    let mut attempt = Attempt {
        passage,
        session: &session,
        judges: &judges,
        candidate: &candidate,
        knowledge: &knowledge,
        exchanges: Vec::new(),
        sent: Vec::new(),
        starved: false,
        instead: None,
    };
    let proved = match candidate.suspicion.proof {
        Proof::Direct => true,
        Proof::Repeat => attempt.repeat().await,
        Proof::RepeatBesidePlain => attempt.repeat().await && attempt.plain().await,
        Proof::RepeatLater => {
            // Most of what an overload caused is gone at once, and the lane waits for nothing.
            attempt.repeat().await && attempt.repeat_after(LATER[0]).await && attempt.repeat_after(LATER[1]).await
        }
        Proof::RepeatWithControl => attempt.control().await && attempt.repeat().await,
        Proof::RepeatWithSteadyControl => attempt.control().await && attempt.is_steady() && attempt.repeat().await,
        Proof::RepeatWithSameControl => attempt.control().await && attempt.is_same() && attempt.repeat().await,
        Proof::RepeatWithWitness => attempt.witness().await && attempt.repeat().await,
        Proof::TwoSamples => attempt.repeat().await && attempt.second_sample().await,
    };
    // What is plain is small; and to make something smaller that is not answered in time costs that time at every step.
    let small = attempt.instead.is_some() || candidate.is_unanswered();
    let minimal = if proved && !small { minimise(&mut attempt).await } else { None };
    // A proof that was stopped is not done.
    if !session.line.cancel.is_cancelled() {
        attempt.passage.finish();
    }
    let Attempt { mut exchanges, sent, starved, instead, .. } = attempt;
    let mut candidate = candidate;
    if let Some((suspicion, exchange)) = instead {
        // What was repeated is another request than the one that is reported now.
        exchanges.clear();
        candidate = Candidate { suspicion, exchange: Arc::new(exchange), ..candidate };
    }
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

    /// The request with a plain value in the place of the unusual one: either it fares better, or it is the defect.
    async fn plain(&mut self) -> bool {
        let session = self.session;
        let Some(operation) = session.api.operations.get(self.candidate.operation) else { return false };
        let Some(case) = self.candidate.exchange.case.as_ref().and_then(|case| plain(operation, case)) else {
            return true;
        };
        let case = case.renewed(&self.passage.word());
        let Some(Ok(mut request)) = contain(|| generate::render(operation, &case.bound(), &session.base_path)) else {
            return true;
        };
        let Some(answer) = session.exchange(&self.passage, &mut request, As::Primary, self.sending()).await else {
            self.starved = true;
            return false;
        };
        let truth = session.classify(operation, &request);
        let beside = Exchange::new(Some(case), request, answer.result, truth, answer.at);
        self.sent.push(beside.status());
        match self.judged(&beside).into_iter().next() {
            Some(suspicion) => self.instead = Some((suspicion, beside)),
            None => self.exchanges.push((Role::Control, beside)),
        }
        true
    }

    /// As [`Attempt::repeat`], after a pause.
    async fn repeat_after(&mut self, pause: Duration) -> bool {
        self.wait(pause).await;
        self.repeat().await
    }

    /// The operation's valid request still succeeds. A request that was not answered may still keep the target busy: it
    /// gets time to come back.
    async fn control(&mut self) -> bool {
        let Some(control) = self.knowledge.control.clone() else { return false };
        let watch = self.session.line.pace.patience().watch;
        let mut pauses = if self.candidate.is_unanswered() { &watch[..] } else { &[] }.iter();
        loop {
            let Some(again) = self.send(&control).await else { return false };
            let works = again.status().is_some_and(|status| (200..300).contains(&status));
            let pause = pauses.next().filter(|_| !works);
            let Some(pause) = pause else {
                self.exchanges.push((Role::Control, again));
                return works;
            };
            self.wait(*pause).await;
        }
    }

    async fn wait(&self, pause: Duration) {
        if !self.passage.is_ahead() {
            tokio::time::sleep(pause).await;
        }
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
            let Some(answer) = session.exchange(&self.passage, &mut request, As::Primary, self.sending()).await else {
                self.starved = true;
                return false;
            };
            let truth = session.classify(operation, &request);
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
        let candidate = self.candidate;
        self.judges.again(candidate.check, &self.context(exchange)?, exchange, &candidate.suspicion)
    }

    /// What the check of the candidate says about another exchange.
    fn judged(&self, exchange: &Exchange) -> Vec<Suspicion> {
        let (Some(cx), Some(check)) = (self.context(exchange), self.judges.get(self.candidate.check)) else {
            return Vec::new();
        };
        contain(|| if check.applies(&cx, exchange) { check.judge(&cx, exchange) } else { Vec::new() })
            .unwrap_or_default()
    }

    fn context<'c>(&'c self, exchange: &Exchange) -> Option<Context<'c>> {
        Some(Context {
            api: &self.session.api,
            operation: self.session.api.operations.get(self.candidate.operation)?,
            has_positive_control: self.knowledge.control.is_some(),
            baseline_fails: self.knowledge.baseline_fails,
            authenticated: self.session.authenticated,
            identity_works: self.knowledge.identity_works,
            baseline: comparable(self.knowledge.control.as_deref(), exchange),
        })
    }

    pub(super) fn sending(&self) -> Sending {
        Sending { operation: Some(self.candidate.operation), ..SENDING }
    }

    /// The same request once more.
    async fn send(&mut self, like: &Exchange) -> Option<Exchange> {
        let mut request = self.session.once_more(like, &self.passage);
        // Credentials may have been renewed since.
        let Some(answer) = self.session.exchange(&self.passage, &mut request, As::Primary, self.sending()).await else {
            self.starved = true;
            return None;
        };
        let exchange = Exchange::new(like.case.clone(), request, answer.result, like.truth.clone(), answer.at);
        self.sent.push(exchange.status());
        Some(exchange)
    }
}

/// The case with a plain value in the place of the unusual one.
fn plain(operation: &Operation, case: &Case) -> Option<Case> {
    let Intent::Unusual { slot, kind } = &case.intent else { return None };
    let mut case = case.clone();
    let place = match (slot.location, &mut case.body) {
        ("body", Some(BodyValue::Typed { value, .. })) => value.pointer_mut(&slot.name),
        (location, _) => {
            let named = |parameter: &Parameter| parameter.name == slot.name && parameter.location.as_str() == location;
            let index = operation.parameters.iter().position(named)?;
            case.arguments.iter_mut().find(|argument| argument.parameter == index).map(|argument| &mut argument.value)
        }
    }?;
    *place = match &*place {
        Value::String(_) if kind.starts_with("calendar") => Value::from("2026-01-01T00:00:00Z"),
        Value::String(_) if *kind == "status" => Value::from("200"),
        Value::Number(_) if *kind == "status" => Value::from(200),
        Value::String(_) => Value::from("nat"),
        Value::Number(_) => Value::from(1),
        Value::Object(_) => serde_json::json!({"nat": "nat"}),
        _ => return None,
    };
    case.label = format!("{} {} with a plain value", slot.location, slot.name);
    case.intent = Intent::Positive;
    Some(case)
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
