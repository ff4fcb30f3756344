//! Sending the steps of a finding.

use super::fill::{self, Values};
use crate::check::{As, Exchange};
use crate::engine::Recheck;
use crate::finding::{Finding, Step};
use crate::generate::Case;
use crate::spec::Operation;

/// Sends the steps in order; the exchange of the last one.
///
/// # Errors
/// A sentence: what kept the probe from being sent as it was.
pub(super) async fn play(
    recheck: &Recheck,
    finding: &Finding,
    operation: Option<&Operation>,
) -> Result<Exchange, String> {
    let mut values = Values::new();
    let Some((probe, before)) = finding.steps.split_last() else {
        return Err("the finding holds no requests to send".to_owned());
    };
    for (number, step) in (1..).zip(before) {
        let exchange = send(recheck, step, &values, None, None).await?;
        let class = |status: Option<u16>| status.map(|status| status / 100);
        if step.status.is_some() && class(exchange.status()) != class(step.status) {
            let now = exchange.status().map_or_else(|| "nothing".to_owned(), |status| status.to_string());
            let then = step.status.unwrap_or_default();
            return Err(format!("step {number} ({}) is answered {now}, in the scan it was {then}", step.method));
        }
        for capture in &step.captures {
            let value = exchange.response().and_then(|response| capture.from.read(response));
            let Some(value) = value else {
                return Err(format!("the answer to step {number} gives no {}", capture.name));
            };
            values.insert(capture.name.clone(), value);
        }
    }
    send(recheck, probe, &values, operation, case_of(finding, operation)).await
}

async fn send(
    recheck: &Recheck,
    step: &Step,
    values: &Values,
    operation: Option<&Operation>,
    case: Option<Case>,
) -> Result<Exchange, String> {
    if !recheck.allows(&step.method) {
        return Err(format!("{} is not sent in safe mode", step.method));
    }
    if !recheck.has(step.identity) {
        let whose = match step.identity {
            As::Second => "those of a second user",
            As::Admin => "those of an administrator",
            _ => "any",
        };
        return Err(format!("the request needs credentials, and there are not {whose}"));
    }
    let request = fill::request(step, values)?;
    let sent = recheck.send(operation, request, step.identity, case).await;
    sent.ok_or_else(|| "the budget allows no more requests".to_owned())
}

/// What the check needs to know of the case; its values are in the bytes.
fn case_of(finding: &Finding, operation: Option<&Operation>) -> Option<Case> {
    let origin = finding.origin.as_ref()?;
    let operation = operation?;
    let sent = &finding.steps.last()?.method;
    Some(Case {
        operation: operation.index,
        phase: origin.phase,
        ordinal: origin.ordinal,
        label: origin.label.clone(),
        intent: origin.intent.clone(),
        method: (*sent != operation.method).then(|| sent.clone()),
        arguments: Vec::new(),
        body: None,
        bindings: Vec::new(),
    })
}
