//! S-CORS: other sites may read answers that were made for a logged-in user.

use async_trait::async_trait;

use crate::check::security::{is_success, rightful, without_credentials};
use crate::check::{As, CheckInfo, Exchange, SecurityCheck, SecurityContext, Suspicion};
use crate::finding::{Confidence, Finding, Role, Severity};
use crate::spec::{Location, SecurityScheme};
use crate::transport::Request;

/// S-CORS.
pub(super) struct Cors;

static INFO: CheckInfo = CheckInfo {
    id: "S-CORS",
    title: "CORS trusts any origin with credentials",
    description: "The server lets a foreign origin read answers and send credentials along (Access-Control-Allow-Origin with Access-Control-Allow-Credentials).",
    remediation: "Compare the Origin header with a list of exact origins, and send Access-Control-Allow-Credentials only to them.",
    cwe: &["CWE-942"],
    owasp: Some("API8:2023"),
};

/// A browser sends cookies and Basic credentials by itself; it does not send bearer tokens.
const AMBIENT: &str = "CVSS:3.1/AV:N/AC:L/PR:N/UI:R/S:U/C:H/I:L/A:N";
const TOKEN: &str = "CVSS:3.1/AV:N/AC:L/PR:N/UI:R/S:U/C:L/I:N/A:N";

/// Operations tried: the setting is nearly always one for the whole server.
const MAX_OPERATIONS: usize = 60;
/// Of these, tried with every trick.
const MAX_TRICKED: usize = 16;

/// How an origin gets past the rule of the server.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Trick {
    Any,
    Null,
    Suffix,
}

impl Trick {
    const ALL: [Trick; 3] = [Self::Any, Self::Null, Self::Suffix];

    fn origin(self, cx: &SecurityContext<'_>) -> String {
        let nonce = cx.prober.nonce();
        match self {
            Self::Any => format!("https://{nonce}.example"),
            Self::Null => "null".to_owned(),
            Self::Suffix => {
                let host = cx.prober.origin().split("://").nth(1).unwrap_or_default();
                let host = host.rsplit_once(':').map_or(host, |(host, _)| host);
                format!("https://{host}.{nonce}.example")
            }
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Any => "any",
            Self::Null => "null",
            Self::Suffix => "suffix",
        }
    }

    fn words(self) -> &'static str {
        match self {
            Self::Any => "any origin",
            Self::Null => "the origin 'null', which any sandboxed frame has",
            Self::Suffix => "any origin that begins with the name of this host",
        }
    }
}

struct Proof {
    operation: usize,
    trick: Trick,
    probe: Exchange,
    control: Exchange,
    repeat: Exchange,
}

#[async_trait]
impl SecurityCheck for Cors {
    fn info(&self) -> &'static CheckInfo {
        &INFO
    }

    async fn run(&self, cx: &SecurityContext<'_>) -> Vec<Finding> {
        let reads: Vec<(usize, &Exchange)> = cx
            .baselines
            .iter()
            .enumerate()
            .filter_map(|(index, baseline)| baseline.as_ref().map(|baseline| (index, baseline)))
            .filter(|(_, baseline)| baseline.request.method == "GET" && is_success(baseline))
            .take(cx.at_most(MAX_OPERATIONS))
            .collect();
        let mut proofs = Vec::new();
        for (number, (index, baseline)) in reads.iter().enumerate() {
            let tricks = if number < cx.at_most(MAX_TRICKED) { &Trick::ALL[..] } else { &Trick::ALL[..1] };
            proofs.extend(prove(cx, *index, baseline, tricks).await);
        }
        let one_rule = reads.len() > 1
            && proofs.len() == reads.len()
            && proofs.windows(2).all(|pair| pair[0].trick == pair[1].trick);
        let kept = if one_rule { 1 } else { proofs.len() };
        proofs.iter().take(kept).map(|proof| finding(cx, proof, one_rule)).collect()
    }
}

async fn prove(cx: &SecurityContext<'_>, operation: usize, baseline: &Exchange, tricks: &[Trick]) -> Option<Proof> {
    let plain = without_credentials(cx, &baseline.request);
    let who = rightful(cx);
    for &trick in tricks {
        let first = trick.origin(cx);
        let probe = cx.prober.send(Some(operation), with_origin(&plain, &first), who).await?;
        if !trusts(&probe, &first) {
            continue;
        }
        // Another origin must be judged by itself, and no origin at all must not bring back the first one.
        let second = trick.origin(cx);
        let control = cx.prober.send(Some(operation), plain.clone(), who).await?;
        let repeat = cx.prober.send(Some(operation), with_origin(&plain, &second), who).await?;
        if trusts(&repeat, &second) && !trusts(&control, &first) {
            return Some(Proof { operation, trick, probe, control, repeat });
        }
    }
    None
}

fn with_origin(request: &Request, origin: &str) -> Request {
    let mut request = request.clone();
    request.set_header("Origin", origin);
    request
}

fn trusts(exchange: &Exchange, origin: &str) -> bool {
    let header = |name| exchange.response().and_then(|response| response.header(name)).map(str::trim);
    is_success(exchange)
        && header("access-control-allow-origin") == Some(origin)
        && header("access-control-allow-credentials").is_some_and(|value| value.eq_ignore_ascii_case("true"))
}

fn finding(cx: &SecurityContext<'_>, proof: &Proof, one_rule: bool) -> Finding {
    let operation = cx.api.operations.get(proof.operation);
    let ambient = uses_ambient_credentials(cx);
    let protected = cx.prober.has(As::Primary) || !cx.api.security_schemes.is_empty();
    let reach = match (ambient, protected) {
        (true, _) => {
            "Browsers send the credentials of this API by themselves, so any page that a user visits can read and act for him"
        }
        (false, true) => "Browsers do not add the credentials of this API by themselves, which limits the harm",
        (false, false) => "This API seems to need no credentials, so little is lost",
    };
    let explanation = format!("The server trusts {} with credentials. {reach}.", proof.trick.words());
    let mut suspicion =
        Suspicion::new(Severity::Info, "header Access-Control-Allow-Origin", proof.trick.name(), explanation)
            .confidence(Confidence::Confirmed);
    if one_rule {
        suspicion = suspicion.api_wide();
    }
    let exchanges = [(Role::Probe, &proof.probe), (Role::Control, &proof.control), (Role::Repeat, &proof.repeat)];
    let finding = cx.report.build(&INFO, &suspicion, operation, &exchanges);
    match (ambient, protected) {
        (true, _) => finding.rated(AMBIENT),
        (false, true) => finding.rated(TOKEN),
        (false, false) => finding,
    }
}

/// Cookies or Basic: in the document, in what we send, or in what the server sets.
fn uses_ambient_credentials(cx: &SecurityContext<'_>) -> bool {
    let declared = cx.api.security_schemes.values().any(|scheme| {
        matches!(scheme, SecurityScheme::Basic | SecurityScheme::ApiKey { location: Location::Cookie, .. })
    });
    let in_traffic = |exchange: &Exchange| {
        let basic = exchange.request.header("authorization").is_some_and(|value| value.starts_with(b"Basic "));
        let sets_session =
            exchange.response().and_then(|response| response.header("set-cookie")).is_some_and(|cookie| {
                let name = cookie.split('=').next().unwrap_or_default().to_ascii_lowercase();
                name.contains("sess") || name.contains("auth") || name.ends_with("sid")
            });
        basic || sets_session
    };
    declared || cx.baselines.iter().flatten().any(in_traffic)
}
