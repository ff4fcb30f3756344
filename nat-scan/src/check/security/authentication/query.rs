//! S-CREDURL: a token that belongs into a header is taken from the URL.

use async_trait::async_trait;

use super::gate::{Gate, gates, nonsense};
use crate::check::{As, CheckInfo, SecurityCheck, SecurityContext, Suspicion};
use crate::finding::{Confidence, Finding, Role, Severity};
use crate::identity::{Placement, Worn};
use crate::spec::{Location, SecurityScheme};
use crate::transport::Request;

/// S-CREDURL.
pub(super) struct TokenInUrl;

static INFO: CheckInfo = CheckInfo {
    id: "S-CREDURL",
    title: "Credentials are accepted in the URL",
    description: "A token is accepted as a parameter of the query. URLs end up in logs, histories and Referer headers, and the token with them.",
    remediation: "Take credentials from headers or cookies only.",
    cwe: &["CWE-598"],
    owasp: Some("API2:2023"),
};

const LEAKED: &str = "CVSS:3.1/AV:N/AC:H/PR:N/UI:N/S:U/C:L/I:N/A:N";
const NAMES: [&str; 10] = [
    "access_token",
    "token",
    "auth_token",
    "api_key",
    "apikey",
    "key",
    "auth",
    "jwt",
    "authorization",
    "Authorization",
];
/// Gates that are tried.
const MAX_TRIED: usize = 40;

#[async_trait]
impl SecurityCheck for TokenInUrl {
    fn info(&self) -> &'static CheckInfo {
        &INFO
    }

    async fn run(&self, cx: &SecurityContext<'_>) -> Vec<Finding> {
        let Some(worn) = cx.prober.worn(As::Primary).await else { return Vec::new() };
        if matches!(worn.placement(), Placement::Query { .. }) || is_documented(cx) {
            return Vec::new();
        }
        let gates = gates(cx).await;
        for gate in gates.iter().take(cx.at_most(MAX_TRIED)) {
            if let Some(found) = probe(cx, gate, &worn).await {
                return vec![found];
            }
        }
        Vec::new()
    }
}

/// The document says that a key stands in the query: the design is on record, and other checks speak of it.
fn is_documented(cx: &SecurityContext<'_>) -> bool {
    let in_query = |scheme: &SecurityScheme| matches!(scheme, SecurityScheme::ApiKey { location: Location::Query, .. });
    cx.api.security_schemes.values().any(in_query)
}

async fn probe(cx: &SecurityContext<'_>, gate: &Gate, worn: &Worn) -> Option<Finding> {
    let with = |names: &[&str], worn: &Worn| {
        let mut request = gate.request.clone();
        for name in names {
            put(&mut request, worn, name);
        }
        cx.prober.send(Some(gate.operation), request, As::Anonymous)
    };
    let opens = |answer: &crate::check::Exchange| gate.gives(cx, answer);
    // All at once first: most servers take none.
    with(&NAMES, worn).await.filter(opens)?;
    for name in NAMES {
        let Some(probe) = with(&[name], worn).await.filter(opens) else { continue };
        let control = with(&[name], &nonsense(worn)).await?;
        let Some(repeat) = with(&[name], worn).await.filter(opens).filter(|_| !opens(&control)) else { continue };
        let operation = gate.endpoint(cx)?;
        let explanation = format!(
            "{} takes the token, which belongs into {}, from the query parameter {name} too; one that means nothing is \
             refused there.",
            operation.endpoint(),
            worn.placement()
        );
        let suspicion = Suspicion::new(Severity::Low, format!("query {name}"), "query", explanation)
            .confidence(Confidence::Confirmed)
            .pointer(operation.pointer.clone());
        let exchanges = [
            (Role::Baseline, &gate.baseline),
            (Role::Probe, &probe),
            (Role::Control, &control),
            (Role::Repeat, &repeat),
        ];
        return Some(cx.report.build(&INFO, &suspicion, Some(operation), &exchanges).rated(LEAKED));
    }
    None
}

fn put(request: &mut Request, worn: &Worn, name: &str) {
    let place = Placement::Query { name: name.to_owned(), template: "{token}".to_owned() };
    worn.moved(place).put(request);
}
