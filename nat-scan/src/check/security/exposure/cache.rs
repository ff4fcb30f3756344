//! S-CACHE: a cache gives to anybody what was answered to a user.

use async_trait::async_trait;

use crate::check::security::{is_success, without_credentials};
use crate::check::shape::{is_soft_error, leaves};
use crate::check::{As, CheckInfo, Exchange, SecurityCheck, SecurityContext, Suspicion};
use crate::finding::{Confidence, Finding, Role, Severity};
use crate::spec::Operation;
use crate::transport::Request;

/// S-CACHE.
pub(super) struct CachedPrivate;

static INFO: CheckInfo = CheckInfo {
    id: "S-CACHE",
    title: "Private answer is served from a cache",
    description: "What was answered to a user with credentials is answered again to whoever asks for the same address without any.",
    remediation: "Send `Cache-Control: no-store` (or `private`) with answers to authenticated requests, let caches take the credentials into the key (`Vary: Authorization, Cookie`), and do not cache by the ending of a path.",
    cwe: &["CWE-524", "CWE-525"],
    owasp: Some("API8:2023"),
};

/// The usual requests of users fill the cache.
const BY_ITSELF: &str = "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:N/A:N";
/// A user must be led to an address first.
const BY_A_LINK: &str = "CVSS:3.1/AV:N/AC:L/PR:N/UI:R/S:U/C:H/I:N/A:N";

/// Operations tried: the cache is nearly always one for the whole server.
const MAX_OPERATIONS: usize = 24;

/// An address that is new to the cache and means the same to the server.
#[derive(Clone, Copy)]
enum Disguise {
    /// `?natx=1`: the cache leaves the credentials out of its key.
    Query,
    /// `/natx.css`: the cache keeps what looks like a file.
    File,
    /// `;natx.css`
    Parameter,
}

impl Disguise {
    const ALL: [Self; 3] = [Self::Query, Self::File, Self::Parameter];

    fn apply(self, request: &Request, nonce: &str) -> Request {
        let mut request = request.clone();
        let (path, query) = match request.target.split_once('?') {
            Some((path, query)) => (path, format!("{query}&")),
            None => (request.target.as_str(), String::new()),
        };
        request.target = match self {
            Self::Query => format!("{path}?{query}{nonce}=1"),
            Self::File => format!("{path}/{nonce}.css?{query}"),
            Self::Parameter => format!("{path};{nonce}.css?{query}"),
        };
        request.target.truncate(request.target.trim_end_matches(['?', '&']).len());
        request
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Query => "query",
            Self::File => "file",
            Self::Parameter => "parameter",
        }
    }
}

#[async_trait]
impl SecurityCheck for CachedPrivate {
    fn info(&self) -> &'static CheckInfo {
        &INFO
    }

    async fn run(&self, cx: &SecurityContext<'_>) -> Vec<Finding> {
        if !cx.prober.has(As::Primary) {
            return Vec::new();
        }
        let mut found = Vec::new();
        let mut tried = 0;
        for (operation, baseline) in cx.api.operations.iter().zip(cx.baselines) {
            let Some(baseline) = baseline.as_ref().filter(|_| operation.method == "GET") else { continue };
            if tried >= cx.at_most(MAX_OPERATIONS) {
                break;
            }
            // What anybody may read may be cached. The address is one that no cache knows yet.
            let plain = without_credentials(cx, &baseline.request);
            let fresh = Disguise::Query.apply(&plain, &cx.prober.nonce());
            let Some(refused) = cx.prober.send(Some(operation.index), fresh, As::Anonymous).await else { break };
            if !matches!(refused.status(), Some(401 | 403)) {
                continue;
            }
            tried += 1;
            for disguise in Disguise::ALL {
                if let Some(finding) = prove(cx, operation, baseline, disguise).await {
                    found.push(finding);
                    break;
                }
            }
        }
        found
    }
}

async fn prove(
    cx: &SecurityContext<'_>,
    operation: &Operation,
    baseline: &Exchange,
    disguise: Disguise,
) -> Option<Finding> {
    let plain = without_credentials(cx, &baseline.request);
    let index = Some(operation.index);
    let (kept, probe) = twice(cx, index, &disguise.apply(&plain, &cx.prober.nonce())).await?;
    // An address that the user never asked for.
    let control = cx.prober.send(index, disguise.apply(&plain, &cx.prober.nonce()), As::Anonymous).await?;
    if is_success(&control) {
        return None;
    }
    let (_, repeat) = twice(cx, index, &disguise.apply(&plain, &cx.prober.nonce())).await?;
    let explanation = format!(
        "{} gives a request without credentials what it answered to the user before. An address that the user did not \
         ask for is refused ({}).",
        probe.request.target,
        control.status().unwrap_or_default(),
    );
    let suspicion = Suspicion::new(Severity::High, "", disguise.name(), explanation).confidence(Confidence::Confirmed);
    let exchanges =
        [(Role::Baseline, &kept), (Role::Probe, &probe), (Role::Control, &control), (Role::Repeat, &repeat)];
    Some(cx.report.build(&INFO, &suspicion, Some(operation), &exchanges).rated(match disguise {
        Disguise::Query => BY_ITSELF,
        Disguise::File | Disguise::Parameter => BY_A_LINK,
    }))
}

/// Asked by the user and then by nobody: both answers, when they are the same.
async fn twice(cx: &SecurityContext<'_>, index: Option<usize>, request: &Request) -> Option<(Exchange, Exchange)> {
    let kept = cx.prober.send(index, request.clone(), As::Primary).await?;
    let has_data = |exchange: &Exchange| {
        is_success(exchange) && exchange.json().is_none_or(|json| !is_soft_error(json) && !leaves(json).is_empty())
    };
    let is_real =
        kept.response().is_some_and(|response| !response.body.is_empty() && !cx.prober.is_catch_all(response));
    if !is_real || !has_data(&kept) {
        return None;
    }
    let given = cx.prober.send(index, request.clone(), As::Anonymous).await?;
    let body = |exchange: &Exchange| exchange.response().map(|response| response.body.clone());
    (is_success(&given) && body(&given) == body(&kept)).then_some((kept, given))
}
