//! GraphQL endpoints.

mod alone;
mod bola;
mod depth;
mod endpoint;
mod function;
mod infos;
mod inject;
#[cfg(test)]
mod inject_tests;
#[cfg(test)]
mod roles;
mod schema;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod two_users;

use super::is_success;
use crate::check::{As, CheckInfo, Exchange, SecurityCheck, SecurityContext, Suspicion};
use crate::finding::{Confidence, Finding, Role};
use crate::transport::Request;

pub(crate) use endpoint::Endpoint;

/// Every check of this area.
pub(super) const CHECKS: &[&dyn SecurityCheck] = &[
    &alone::INTROSPECTION,
    &alone::SUGGESTIONS,
    &alone::ALIASES,
    &alone::DIRECTIVES,
    &alone::REPEATS,
    &alone::BATCHES,
    &alone::MUTATION_BY_FORM,
    &alone::IDE,
    &alone::TRACING,
    &alone::TRACES_OF_ERRORS,
    &depth::Depth,
    &bola::ForeignObject,
    &function::ForeignFunction,
    &inject::Injection,
];

/// The exchanges that prove a defect.
struct Proof {
    baseline: Option<Exchange>,
    probe: Exchange,
    control: Option<Exchange>,
    repeat: Exchange,
}

/// What is asked of one endpoint.
struct Question {
    probe: Request,
    /// Must not show the defect. None: the answer to the probe is proof enough.
    control: Option<Request>,
    shows: Box<dyn Fn(&Exchange) -> bool + Send + Sync>,
    who: As,
    location: &'static str,
    explanation: String,
}

async fn prove(cx: &SecurityContext<'_>, operation: Option<usize>, question: &Question) -> Option<Proof> {
    let shows = |exchange: &Exchange| {
        let catch_all = exchange.response().is_some_and(|response| cx.prober.is_catch_all(response));
        !catch_all && (question.shows)(exchange)
    };
    let probe = cx.prober.send(operation, question.probe.clone(), question.who).await?;
    if !shows(&probe) {
        return None;
    }
    let control = match &question.control {
        Some(control) => Some(cx.prober.send(operation, control.clone(), question.who).await?),
        None => None,
    };
    if control.as_ref().is_some_and(shows) {
        return None;
    }
    let repeat = cx.prober.send(operation, question.probe.clone(), question.who).await?;
    shows(&repeat).then_some(Proof { baseline: None, probe, control, repeat })
}

/// The finding, with a vector or of no weight.
fn finding(
    cx: &SecurityContext<'_>,
    info: &'static CheckInfo,
    operation: Option<usize>,
    (location, explanation): (&str, &str),
    vector: Option<&str>,
    proof: &Proof,
) -> Finding {
    let severity = crate::finding::Severity::Info;
    let suspicion = Suspicion::new(severity, location, "graphql", explanation).confidence(Confidence::Confirmed);
    let baseline = proof.baseline.as_ref().map(|exchange| (Role::Baseline, exchange));
    let control = proof.control.as_ref().map(|exchange| (Role::Control, exchange));
    let exchanges: Vec<_> = baseline
        .into_iter()
        .chain([(Role::Probe, &proof.probe)])
        .chain(control)
        .chain([(Role::Repeat, &proof.repeat)])
        .collect();
    let operation = operation.and_then(|index| cx.api.operations.get(index));
    let finding = cx.report.build(info, &suspicion, operation, &exchanges);
    match vector {
        Some(vector) => finding.rated(vector),
        None => finding,
    }
}

/// The whole query was executed: data, and no errors.
fn is_executed(exchange: &Exchange) -> bool {
    let Some(json) = exchange.json().filter(|_| is_success(exchange)) else { return false };
    let faults = json.get("errors").and_then(|errors| errors.as_array()).is_some_and(|errors| !errors.is_empty());
    json.get("data").is_some_and(serde_json::Value::is_object) && !faults
}
