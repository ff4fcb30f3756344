//! S-ERR: errors that show the inside of the server.

use std::collections::BTreeSet;

use async_trait::async_trait;
use serde_json::{Value, json};

use crate::check::security::point::of_operation;
use crate::check::security::{is_echo, may_repeat, rightful, without_credentials};
use crate::check::trace::{self, Leak};
use crate::check::{CheckInfo, Exchange, SecurityCheck, SecurityContext, Suspicion};
use crate::finding::{Confidence, Finding, Role, Severity};
use crate::transport::Request;

/// S-ERR.
pub(super) struct VerboseError;

static INFO: CheckInfo = CheckInfo {
    id: "S-ERR",
    title: "Error message shows internals",
    description: "An error answer holds a stack trace, a database error or paths of files. They tell an attacker what the server is made of and where to push.",
    remediation: "Answer errors with a constant text and a request id; write the details to the log. Turn off debug mode.",
    cwe: &["CWE-209"],
    owasp: Some("API8:2023"),
};

const TRACE: &str = "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:L/I:N/A:N";
const PATH: &str = "CVSS:3.1/AV:N/AC:H/PR:N/UI:N/S:U/C:L/I:N/A:N";

/// Places confirmed in one scan.
const MAX_CONFIRMED: usize = 64;
/// Requests that try to provoke an error, and of one operation.
const MAX_PROVOKED: usize = 300;
const MAX_POINTS: usize = 4;

#[async_trait]
impl SecurityCheck for VerboseError {
    fn info(&self) -> &'static CheckInfo {
        &INFO
    }

    async fn run(&self, cx: &SecurityContext<'_>) -> Vec<Finding> {
        let mut leaks: Vec<(usize, &Exchange, Leak)> = cx
            .traffic
            .iter()
            .filter(|(_, exchange)| may_repeat(cx, &exchange.request.method))
            .filter_map(|(operation, exchange)| Some((*operation, exchange, leak(exchange)?)))
            .collect();
        let provoked = provoke(cx, &leaks.iter().map(|(operation, ..)| *operation).collect()).await;
        leaks.extend(provoked.iter().filter_map(|(operation, exchange)| Some((*operation, exchange, leak(exchange)?))));
        leaks.sort_by_key(|(operation, ..)| *operation);
        let mut seen = BTreeSet::new();
        let mut found: Vec<Finding> = Vec::new();
        for (operation, exchange, leak) in leaks {
            if found.len() >= cx.at_most(MAX_CONFIRMED) {
                break;
            }
            // One place in the program is one defect, however many operations lead there.
            let place = is_place(&leak).then_some(leak.frame.clone());
            let known = place.clone().is_some_and(|place| seen.contains(&(None, place)));
            if known || !seen.insert((Some(operation), format!("{}|{}", leak.kind, leak.frame))) {
                continue;
            }
            if let Some(finding) = confirm(cx, operation, exchange, &leak).await {
                found.push(finding);
                seen.extend(place.map(|place| (None, place)));
            }
        }
        found
    }
}

/// Values of a wrong kind, in working requests to operations that let nothing slip so far: what leaks.
async fn provoke(cx: &SecurityContext<'_>, known: &BTreeSet<usize>) -> Vec<(usize, Exchange)> {
    let mut found = Vec::new();
    let mut left = cx.at_most(MAX_PROVOKED);
    for operation in &cx.api.operations {
        if !may_repeat(cx, &operation.method) || known.contains(&operation.index) {
            continue;
        }
        let mut points = of_operation(cx, operation);
        // What is typed is converted, and conversions fail.
        points.sort_by_key(|point| (point.value.is_string(), point.value.is_null()));
        for point in points.iter().take(MAX_POINTS) {
            let Some(rest) = usize::checked_sub(left, 1) else { return found };
            left = rest;
            let wrong = match &point.value {
                Value::String(_) if point.location.starts_with("body") => json!({"nat": [1]}),
                _ => Value::from("nat'\"\\"),
            };
            match point.send(cx, wrong).await {
                Some(exchange) if leak(&exchange).is_some() => {
                    found.push((operation.index, exchange));
                    break;
                }
                _ => {}
            }
        }
    }
    found
}

/// Names a place in the program; a database says the same wherever it is asked.
fn is_place(leak: &Leak) -> bool {
    leak.strong && leak.frame.contains('.')
}

/// An error answer that lets something slip that we did not say ourselves.
fn leak(exchange: &Exchange) -> Option<Leak> {
    let response = exchange.response().filter(|response| response.status >= 400)?;
    trace::find(response, exchange.json()).filter(|leak| !is_echo(&exchange.request, &leak.quote))
}

async fn confirm(cx: &SecurityContext<'_>, index: usize, seen: &Exchange, leak: &Leak) -> Option<Finding> {
    let operation = cx.api.operations.get(index)?;
    let shows = |exchange: &Exchange| self::leak(exchange).is_some_and(|again| again.frame == leak.frame);
    let who = rightful(cx);
    let request = without_credentials(cx, &seen.request);
    let baseline = cx.baselines.get(index).and_then(Option::as_ref);
    let control_request = match baseline {
        Some(baseline) if may_repeat(cx, &baseline.request.method) => without_credentials(cx, &baseline.request),
        // Nothing valid to compare with: an unknown path, which any server answers with an error.
        _ => Request::new("GET", format!("{}/{}", cx.prober.base_path(), cx.prober.nonce())),
    };
    let probe = cx.prober.send(Some(index), request.clone(), who).await?;
    let control = cx.prober.send(Some(index), control_request, who).await?;
    let repeat = cx.prober.send(Some(index), request, who).await?;
    if !shows(&probe) || shows(&control) || !shows(&repeat) {
        return None;
    }
    let explanation = format!(
        "The error answer {} holds a {}: '{}'. The control request shows nothing of the kind.",
        probe.status().unwrap_or_default(),
        leak.kind,
        leak.quote.chars().take(160).collect::<String>(),
    );
    let suspicion = Suspicion::new(Severity::Medium, "", format!("{}|{}", leak.kind, leak.frame), explanation)
        .confidence(Confidence::Confirmed)
        .cause(format!("S-ERR|{}", leak.frame));
    let exchanges = [(Role::Probe, &probe), (Role::Control, &control), (Role::Repeat, &repeat)];
    let finding = cx.report.build(&INFO, &suspicion, Some(operation), &exchanges);
    Some(finding.rated(if leak.strong { TRACE } else { PATH }))
}
