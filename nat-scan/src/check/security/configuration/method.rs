//! S-METH: methods that a public server does not need. One finding each for the whole server.

use async_trait::async_trait;

use crate::check::security::{is_success, rightful, without_credentials};
use crate::check::{As, CheckInfo, Exchange, SecurityCheck, SecurityContext, Suspicion};
use crate::finding::{Confidence, Finding, Role, Severity};
use crate::transport::Request;

/// S-METH.
pub(super) struct Methods;

static INFO: CheckInfo = CheckInfo {
    id: "S-METH",
    title: "Server has methods that it does not need",
    description: "TRACE answers with the request, headers that proxies added included; or a header of a GET turns it into another method, which filters in front of the server do not see.",
    remediation: "Turn TRACE off. Take method overrides out, or allow them on POST alone.",
    cwe: &["CWE-16", "CWE-749"],
    owasp: Some("API8:2023"),
};

const TRACE: &str = "CVSS:3.1/AV:N/AC:H/PR:N/UI:R/S:U/C:L/I:N/A:N";
const NOTE: &str = "X-Nat-Note";
/// A method that nobody knows.
const UNKNOWN: &str = "NATCHECK";
const OVERRIDES: [&str; 3] = ["X-HTTP-Method-Override", "X-HTTP-Method", "X-Method-Override"];
/// Reads that are tried.
const MAX_READS: usize = 2;

#[async_trait]
impl SecurityCheck for Methods {
    fn info(&self) -> &'static CheckInfo {
        &INFO
    }

    async fn run(&self, cx: &SecurityContext<'_>) -> Vec<Finding> {
        let mut found = Vec::new();
        if !cx.safe_mode {
            found.extend(trace(cx).await);
        }
        let reads = cx.baselines.iter().enumerate().filter_map(|(index, one)| one.as_ref().map(|one| (index, one)));
        for (index, baseline) in reads.filter(|(_, one)| one.request.method == "GET").take(MAX_READS) {
            if let Some(finding) = overridden(cx, index, baseline).await {
                found.push(finding);
                break;
            }
        }
        found
    }
}

async fn trace(cx: &SecurityContext<'_>) -> Option<Finding> {
    let base = cx.prober.base_path();
    let read = cx.baselines.iter().flatten().find(|one| one.request.method == "GET");
    let paths = [Some(format!("{base}/")), read.map(|one| without_credentials(cx, &one.request).target)];
    for path in paths.into_iter().flatten() {
        for method in ["TRACE", "TRACK"] {
            let (probe, is_echo) = noted(cx, method, &path).await?;
            if !is_echo {
                continue;
            }
            // What repeats headers to everybody is an echo service.
            let (control, echoes_all) = noted(cx, "GET", &path).await?;
            let (repeat, again) = noted(cx, method, &path).await?;
            if echoes_all || !again {
                continue;
            }
            let explanation =
                format!("{method} {path} answers with the headers of the request. GET does not repeat them.");
            let suspicion =
                Suspicion::new(Severity::Low, "", method, explanation).confidence(Confidence::Confirmed).api_wide();
            let exchanges = [(Role::Probe, &probe), (Role::Control, &control), (Role::Repeat, &repeat)];
            return Some(cx.report.build(&INFO, &suspicion, None, &exchanges).rated(TRACE));
        }
    }
    None
}

/// One exchange with a header that holds a nonce, and whether the answer repeats it.
async fn noted(cx: &SecurityContext<'_>, method: &str, path: &str) -> Option<(Exchange, bool)> {
    let nonce = cx.prober.nonce();
    let mut request = Request::new(method, path);
    request.set_header(NOTE, nonce.clone());
    let exchange = cx.prober.send(None, request, As::Anonymous).await?;
    let echoes = is_success(&exchange)
        && exchange.response().is_some_and(|response| {
            let body = String::from_utf8_lossy(&response.body).to_ascii_lowercase();
            body.contains(&NOTE.to_ascii_lowercase()) && body.contains(&nonce.to_ascii_lowercase())
        });
    Some((exchange, echoes))
}

/// A GET that says it is another method is refused as that method would be.
async fn overridden(cx: &SecurityContext<'_>, index: usize, baseline: &Exchange) -> Option<Finding> {
    let plain = without_credentials(cx, &baseline.request);
    let with = |name: &str, value: &str| {
        let mut request = plain.clone();
        request.set_header(name, value);
        request
    };
    let is_refused = |exchange: &Exchange| matches!(exchange.status(), Some(405 | 501));
    let who = rightful(cx);
    for name in OVERRIDES {
        let probe = cx.prober.send(Some(index), with(name, UNKNOWN), who).await?;
        if !is_refused(&probe) {
            continue;
        }
        // Neither the word nor the header alone is refused.
        let word = cx.prober.send(Some(index), with(NOTE, UNKNOWN), who).await?;
        let control = cx.prober.send(Some(index), with(name, "GET"), who).await?;
        let repeat = cx.prober.send(Some(index), with(name, UNKNOWN), who).await?;
        if !is_success(&word) || !is_success(&control) || !is_refused(&repeat) {
            continue;
        }
        let explanation = format!(
            "A GET with '{name}: {UNKNOWN}' is answered {}, with '{name}: GET' {}: the header decides the method.",
            probe.status().unwrap_or_default(),
            control.status().unwrap_or_default(),
        );
        let suspicion = Suspicion::new(Severity::Info, format!("header {name}"), "override", explanation)
            .confidence(Confidence::Confirmed)
            .api_wide();
        let exchanges = [(Role::Probe, &probe), (Role::Control, &control), (Role::Repeat, &repeat)];
        return Some(cx.report.build(&INFO, &suspicion, None, &exchanges));
    }
    None
}
