//! From an exchange to a verdict.

use super::compare::{self, Likeness};
use super::play::play;
use super::{State, Verdict};
use crate::check::{Check, Exchange, Proof, SecurityCheck, Suspicion, Turn};
use crate::engine::{Control, Recheck};
use crate::finding::{Finding, Role};
use crate::generate::Intent;
use crate::spec::Operation;
use crate::transport::Request;

/// A defect that does not show itself once may be a lucky answer.
const TRIES: usize = 2;
/// Operations whose valid request is tried for a finding about the whole API.
const MAX_OPERATIONS: usize = 6;

/// By the check that made the finding: the same fingerprint must come out.
pub(super) async fn functional(recheck: &Recheck, finding: &Finding, check: &dyn Check) -> Verdict {
    let Some(operation) = operation_of(recheck, finding) else {
        return Verdict::new(finding, State::Undecidable, "the document has the operation no more");
    };
    let mut verdict = Verdict::new(finding, State::Undecidable, "");
    for _ in 0..TRIES {
        let exchange = match play(recheck, finding, Some(operation)).await {
            Ok(exchange) => exchange,
            Err(why) => return Verdict::new(finding, State::Undecidable, why),
        };
        let control = control_for(recheck, finding, operation).await;
        let suspicions = recheck.judge(check, operation, &control, &exchange);
        let status = exchange.status();
        verdict = match suspicions {
            Some(suspicions) if !suspicions.is_empty() => {
                suspected(recheck, finding, check, (operation, &control), &exchange, &suspicions)
            }
            content => silent(finding, content.is_some(), &control, &exchange),
        }
        .answered(status);
        if verdict.state != State::Fixed {
            return verdict;
        }
    }
    verdict
}

/// By running the check, first with this operation alone and then as in a scan; else by the answer.
pub(super) async fn security(recheck: &Recheck, finding: &Finding, check: &dyn SecurityCheck) -> Verdict {
    let operation = operation_of(recheck, finding);
    let exchange = match play(recheck, finding, operation).await {
        Ok(exchange) => exchange,
        Err(_) if recheck.finds(check, &finding.id).await => return again(finding),
        Err(why) => return Verdict::new(finding, State::Undecidable, why),
    };
    let status = exchange.status();
    let verdict = |state, why: &str| Verdict::new(finding, state, why).answered(status);
    let mut controls = Vec::new();
    let wanted: Vec<&Operation> = match operation {
        Some(operation) => vec![operation],
        None if finding.endpoint == "*" => recheck.api().operations.iter().collect(),
        None => Vec::new(),
    };
    // A scan leaves to its end what resets the data: here other findings are still to be asked about.
    let wanted: Vec<&Operation> =
        wanted.into_iter().filter(|operation| recheck.is_harmless(operation)).take(MAX_OPERATIONS).collect();
    for operation in &wanted {
        controls.push((operation.index, recheck.control(operation).await));
    }
    let probe = (operation.map(|operation| operation.index), &exchange);
    // What ends sessions or strains the target is not done twice.
    let is_gentle = check.turn() < Turn::Strain;
    if (is_gentle && recheck.prove(check, &controls, probe).await.contains(&finding.id))
        || recheck.finds(check, &finding.id).await
    {
        return again(finding).answered(status);
    }
    if let Err(error) = &exchange.result {
        return verdict(State::Undecidable, &format!("no answer: {error}"));
    }
    if matches!(status, Some(429 | 502..=504)) {
        return verdict(State::Undecidable, "the answer says nothing about the defect");
    }
    let works = wanted.is_empty() || controls.iter().any(|(_, control)| control.exchange.is_some());
    match compare::compare(finding, &exchange) {
        Likeness::Same | Likeness::Unknown => {
            verdict(State::Changed, "the answer looks as before, but the check proves nothing any more")
        }
        _ if !works => verdict(State::Undecidable, "no valid request to the operation succeeds"),
        Likeness::Status if status.is_some_and(|status| status >= 500) => {
            verdict(State::Changed, "the check proves nothing any more, and the request fails")
        }
        Likeness::Shape if !compare::shape_tells(finding, &exchange) => {
            verdict(State::Changed, "the check proves nothing any more, and the answer has another shape")
        }
        _ => verdict(State::Fixed, "the check finds nothing, and the answer is another one"),
    }
}

pub(super) fn again(finding: &Finding) -> Verdict {
    Verdict::new(finding, State::Reproduced, "the check proves it again")
}

/// A finding about the document, by a security check that reads it.
pub(super) async fn security_of_document(recheck: &Recheck, finding: &Finding, check: &dyn SecurityCheck) -> Verdict {
    match recheck.reads(check, &finding.id).await {
        true => Verdict::new(finding, State::Reproduced, "the document still has the fault"),
        false => Verdict::new(finding, State::Fixed, "the document has the fault no more"),
    }
}

/// By the answer alone.
pub(super) async fn by_answer(recheck: &Recheck, finding: &Finding) -> Verdict {
    let exchange = match play(recheck, finding, operation_of(recheck, finding)).await {
        Ok(exchange) => exchange,
        Err(why) => return Verdict::new(finding, State::Undecidable, why),
    };
    if let Err(error) = &exchange.result {
        return Verdict::new(finding, State::Undecidable, format!("no answer: {error}"));
    }
    let (state, why) = compare::state(finding, &exchange);
    Verdict::new(finding, state, why).answered(exchange.status())
}

/// The operation that the finding is about.
fn operation_of<'a>(recheck: &'a Recheck, finding: &Finding) -> Option<&'a Operation> {
    let endpoint = finding.origin.as_ref().map_or(&finding.endpoint, |origin| &origin.operation);
    recheck.api().operations.iter().find(|operation| operation.endpoint() == *endpoint)
}

/// A valid request; beside a `HEAD` the `GET` of the same target.
async fn control_for(recheck: &Recheck, finding: &Finding, operation: &Operation) -> Control {
    let is_parity = finding.origin.as_ref().is_some_and(|origin| origin.intent == Intent::HeadParity);
    let Some(step) = finding.steps.last().filter(|_| is_parity) else { return recheck.control(operation).await };
    let mut request = Request::new("GET", step.target.clone());
    request.headers = step.headers.iter().map(|h| (h.name.clone(), h.value.clone().into_bytes())).collect();
    let exchange = recheck.send(Some(operation), request, step.identity, None).await;
    let succeeded = exchange.filter(|exchange| matches!(exchange.status(), Some(200..300)));
    Control { exchange: succeeded.map(std::sync::Arc::new), fails: false }
}

/// The check suspects something: the same thing, or another?
fn suspected(
    recheck: &Recheck,
    finding: &Finding,
    check: &dyn Check,
    (operation, control): (&Operation, &Control),
    exchange: &Exchange,
    suspicions: &[Suspicion],
) -> Verdict {
    let print = |suspicion: &Suspicion| {
        recheck.report().build(check.info(), suspicion, Some(operation), &[(Role::Probe, exchange)])
    };
    let found: Vec<Finding> = suspicions.iter().map(print).collect();
    let Some(at) = found.iter().position(|found| found.id == finding.id) else {
        let now = found.first().map(|found| found.explanation.as_str()).unwrap_or_default();
        return Verdict::new(finding, State::Changed, format!("another defect stands in its place: {now}"));
    };
    let needs_control = matches!(suspicions[at].proof, Proof::RepeatWithControl | Proof::RepeatWithSteadyControl);
    if needs_control && control.exchange.is_none() {
        return Verdict::new(finding, State::Undecidable, "it looks as before, but no valid request succeeds either");
    }
    Verdict::new(finding, State::Reproduced, "the check finds the same again")
}

/// The check suspects nothing: does that mean anything?
fn silent(finding: &Finding, is_content: bool, control: &Control, exchange: &Exchange) -> Verdict {
    let undecidable = |why: String| Verdict::new(finding, State::Undecidable, why);
    let now = match (&exchange.result, exchange.status()) {
        (Err(error), _) => return undecidable(format!("no answer: {error}")),
        (_, status) => status.unwrap_or_default(),
    };
    let then = finding.steps.last().and_then(|step| step.status);
    let is_other = then != Some(now);
    let meant_valid =
        finding.origin.as_ref().is_some_and(|origin| matches!(origin.intent, Intent::Positive | Intent::HeadParity));
    match now {
        401 | 403 | 429 | 502..=504 if is_other => undecidable(format!("the answer is {now} now, which tells nothing")),
        404 if is_other && control.exchange.is_none() => {
            undecidable("the answer is 404 now, and no valid request to the operation succeeds".to_owned())
        }
        500.. if is_other && then.is_some_and(|then| then < 500) => {
            Verdict::new(finding, State::Changed, format!("the request is answered {now} now"))
        }
        400..500 if meant_valid && then.is_some_and(|then| then < 300) => {
            Verdict::new(finding, State::Changed, format!("the valid request is answered {now} now"))
        }
        _ if !is_content => {
            Verdict::new(finding, State::Changed, format!("the check has nothing to say about the answer {now}"))
        }
        _ => Verdict::new(finding, State::Fixed, format!("the request is answered {now}, as it should be")),
    }
}
