//! S-RATE: as many requests as one likes.

use async_trait::async_trait;

use crate::check::security::{is_success, rightful, without_credentials};
use crate::check::{CheckInfo, Exchange, SecurityCheck, SecurityContext, Suspicion, Turn};
use crate::finding::{Confidence, Finding, Role, Severity};

/// S-RATE.
pub(super) struct NoRateLimit;

static INFO: CheckInfo = CheckInfo {
    id: "S-RATE",
    title: "No rate limit was seen",
    description: "Many requests in a row were answered without a refusal, and no answer spoke of a limit.",
    remediation: "Limit requests by client, answer 429 with Retry-After beyond the limit, and announce it with RateLimit headers.",
    cwe: &["CWE-770", "CWE-799"],
    owasp: Some("API4:2023"),
};

/// Requests in a row.
const BURST: usize = 60;
/// An operation that takes longer is not asked so often.
const MAX_MS: u128 = 200;
const HEADERS: [&str; 8] = [
    "ratelimit",
    "ratelimit-policy",
    "ratelimit-limit",
    "ratelimit-remaining",
    "x-ratelimit-limit",
    "x-ratelimit-remaining",
    "x-rate-limit-limit",
    "retry-after",
];

#[async_trait]
impl SecurityCheck for NoRateLimit {
    fn info(&self) -> &'static CheckInfo {
        &INFO
    }

    fn turn(&self) -> Turn {
        Turn::Strain
    }

    fn is_opt_in(&self) -> bool {
        true
    }

    async fn run(&self, cx: &SecurityContext<'_>) -> Vec<Finding> {
        // Whoever limited the scan before has a limit.
        if cx.traffic.iter().any(|(_, exchange)| is_limited(exchange)) {
            return Vec::new();
        }
        burst(cx).await.into_iter().collect()
    }
}

fn is_limited(exchange: &Exchange) -> bool {
    let Some(response) = exchange.response() else { return false };
    matches!(response.status, 429 | 503) || HEADERS.iter().any(|name| response.header(name).is_some())
}

async fn burst(cx: &SecurityContext<'_>) -> Option<Finding> {
    let quick = |exchange: &&Exchange| {
        exchange.response().is_some_and(|response| response.elapsed.as_millis() <= MAX_MS) && is_success(exchange)
    };
    let (operation, baseline) = cx.api.operations.iter().zip(cx.baselines).find_map(|(operation, baseline)| {
        let baseline = baseline.as_ref().filter(|_| operation.method == "GET").filter(quick)?;
        Some((operation, baseline))
    })?;
    let request = without_credentials(cx, &baseline.request);
    let mut answers: Vec<Exchange> = Vec::new();
    for _ in 0..BURST {
        let answer = cx.prober.send(Some(operation.index), request.clone(), rightful(cx)).await?;
        if is_limited(&answer) || !is_success(&answer) {
            return None;
        }
        // The first and the last are enough to show.
        answers.truncate(1);
        answers.push(answer);
    }
    let (Some(first), Some(last)) = (answers.first(), answers.last()) else { return None };
    let explanation = format!(
        "{BURST} requests to {} in a row were answered with success, and none of the answers named a limit.",
        operation.endpoint()
    );
    let suspicion = Suspicion::new(Severity::Info, "", "no-limit", explanation).confidence(Confidence::Firm).api_wide();
    let exchanges = [(Role::Baseline, baseline), (Role::Probe, first), (Role::Repeat, last)];
    Some(cx.report.build(&INFO, &suspicion, Some(operation), &exchanges))
}
