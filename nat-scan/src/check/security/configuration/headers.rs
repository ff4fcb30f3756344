//! S-HDR: security headers. One finding for the whole API.

use std::collections::BTreeMap;

use async_trait::async_trait;

use crate::check::security::{is_success, rightful, without_credentials};
use crate::check::{As, CheckInfo, Exchange, SecurityCheck, SecurityContext, Suspicion};
use crate::finding::{Confidence, Finding, Role, Severity};

/// S-HDR.
pub(super) struct SecurityHeaders;

static INFO: CheckInfo = CheckInfo {
    id: "S-HDR",
    title: "Security headers are missing",
    description: "Headers that limit what browsers and caches do with the answers of this API are missing.",
    remediation: "Set the headers in one place for every answer.",
    cwe: &["CWE-693"],
    owasp: Some("API8:2023"),
};

#[async_trait]
impl SecurityCheck for SecurityHeaders {
    fn info(&self) -> &'static CheckInfo {
        &INFO
    }

    async fn run(&self, cx: &SecurityContext<'_>) -> Vec<Finding> {
        let judged: Vec<(usize, &Exchange)> = cx
            .traffic
            .iter()
            .map(|(index, exchange)| (*index, exchange))
            .chain(cx.baselines.iter().enumerate().filter_map(|(index, one)| one.as_ref().map(|one| (index, one))))
            .filter(|(_, exchange)| is_success(exchange) && has_body(exchange))
            .collect();
        let mut missing: BTreeMap<&'static str, Vec<(usize, &Exchange)>> = BTreeMap::new();
        for (index, exchange) in &judged {
            for name in missing_from(cx, *index, exchange) {
                missing.entry(name).or_default().push((*index, exchange));
            }
        }
        finding(cx, &missing, judged.len()).await.into_iter().collect()
    }
}

fn has_body(exchange: &Exchange) -> bool {
    exchange.response().is_some_and(|response| !response.body.is_empty())
}

fn missing_from(cx: &SecurityContext<'_>, index: usize, exchange: &Exchange) -> Vec<&'static str> {
    let Some(response) = exchange.response() else { return Vec::new() };
    let has = |name: &str, wanted: &str| {
        response.header(name).is_some_and(|value| value.to_ascii_lowercase().contains(wanted))
    };
    let is_html = response.media_type().as_deref() == Some("text/html");
    let is_private =
        cx.prober.has(As::Primary) && cx.api.operations.get(index).is_some_and(|operation| operation.is_protected());
    let mut missing = Vec::new();
    let mut require = |applies: bool, present: bool, name| {
        if applies && !present {
            missing.push(name);
        }
    };
    require(true, has("x-content-type-options", "nosniff"), "X-Content-Type-Options: nosniff");
    require(cx.prober.tls(), has("strict-transport-security", "max-age"), "Strict-Transport-Security");
    require(is_private && response.is_json(), has("cache-control", "no-store"), "Cache-Control: no-store");
    require(is_html, has("content-security-policy", ""), "Content-Security-Policy");
    let framing = has("x-frame-options", "") || has("content-security-policy", "frame-ancestors");
    require(is_html, framing, "X-Frame-Options");
    missing
}

async fn finding(
    cx: &SecurityContext<'_>,
    missing: &BTreeMap<&'static str, Vec<(usize, &Exchange)>>,
    judged: usize,
) -> Option<Finding> {
    let examples = missing.values().flatten();
    let (index, example) = examples.copied().find(|(_, exchange)| exchange.request.method == "GET")?;
    let repeat = cx.prober.send(Some(index), without_credentials(cx, &example.request), rightful(cx)).await?;
    let still = missing_from(cx, index, &repeat);
    if !is_success(&repeat) || !missing_from(cx, index, example).iter().all(|name| still.contains(name)) {
        return None;
    }
    let lines: Vec<String> =
        missing.iter().map(|(name, places)| format!("{name} ({} of {judged} answers)", places.len())).collect();
    let explanation = format!("Missing: {}.", lines.join("; "));
    let suspicion = Suspicion::new(Severity::Info, "", "headers", explanation).confidence(Confidence::Firm).api_wide();
    Some(cx.report.build(&INFO, &suspicion, None, &[(Role::Probe, example), (Role::Repeat, &repeat)]))
}
