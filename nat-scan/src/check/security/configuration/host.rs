//! S-HOST: the server believes whoever asks what its own name is. One finding for the whole server.

use async_trait::async_trait;

use crate::check::security::{rightful, without_credentials};
use crate::check::{CheckInfo, Exchange, SecurityCheck, SecurityContext, Suspicion};
use crate::finding::{Confidence, Finding, Role, Severity};
use crate::transport::Request;

/// S-HOST.
pub(super) struct HostTrusted;

static INFO: CheckInfo = CheckInfo {
    id: "S-HOST",
    title: "Links are built from a host that the request names",
    description: "The server takes the name in its links or redirects from a header of the request. Sent by others, or kept by a cache, such links lead to another server (password resets, poisoned pages).",
    remediation: "Build absolute links from a configured name, and accept X-Forwarded-Host only from your own proxy.",
    cwe: &["CWE-644"],
    owasp: Some("API8:2023"),
};

const VECTOR: &str = "CVSS:3.1/AV:N/AC:H/PR:N/UI:R/S:U/C:N/I:L/A:N";

/// Operations tried: names are configured for the whole server.
const MAX_OPERATIONS: usize = 12;
/// Of a body that is searched.
const MAX_TEXT: usize = 256 << 10;

/// Who is believed.
#[derive(Clone, Copy)]
enum Source {
    ForwardedHost,
    Forwarded,
    Host,
}

impl Source {
    /// Asked together: the first ones change nothing where nobody reads them, the last one may lead elsewhere.
    const ROUNDS: [&[Self]; 2] = [&[Self::ForwardedHost, Self::Forwarded], &[Self::Host]];

    const fn header(self) -> &'static str {
        match self {
            Self::ForwardedHost => "X-Forwarded-Host",
            Self::Forwarded => "Forwarded",
            Self::Host => "Host",
        }
    }

    fn apply(self, request: &mut Request, host: &str) {
        let value = if matches!(self, Self::Forwarded) { format!("host={host}") } else { host.to_owned() };
        request.set_header(self.header(), value);
    }
}

#[async_trait]
impl SecurityCheck for HostTrusted {
    fn info(&self) -> &'static CheckInfo {
        &INFO
    }

    async fn run(&self, cx: &SecurityContext<'_>) -> Vec<Finding> {
        let reads = cx
            .baselines
            .iter()
            .enumerate()
            .filter_map(|(index, one)| one.as_ref().map(|one| (index, one)))
            .filter(|(_, one)| one.request.method == "GET");
        // Whoever names hosts in its answers is asked first.
        let mut reads: Vec<(usize, &Exchange)> = reads.collect();
        reads.sort_by_key(|(index, one)| (!names_a_host(one), *index));
        for round in Source::ROUNDS {
            for (index, baseline) in reads.iter().take(cx.at_most(MAX_OPERATIONS)) {
                for source in believed(cx, *index, baseline, round).await {
                    if let Some(finding) = prove(cx, *index, baseline, source).await {
                        return vec![finding];
                    }
                }
            }
        }
        Vec::new()
    }
}

fn names_a_host(exchange: &Exchange) -> bool {
    exchange.response().is_some_and(|response| {
        response.header("location").is_some()
            || String::from_utf8_lossy(&response.body[..response.body.len().min(MAX_TEXT)]).contains("http")
    })
}

/// Which of them seem to be, asked together.
async fn believed(cx: &SecurityContext<'_>, index: usize, baseline: &Exchange, round: &[Source]) -> Vec<Source> {
    let mut request = without_credentials(cx, &baseline.request);
    let hosts: Vec<(Source, String)> =
        round.iter().map(|source| (*source, format!("{}.example", cx.prober.nonce()))).collect();
    hosts.iter().for_each(|(source, host)| source.apply(&mut request, host));
    let Some(answer) = cx.prober.send(Some(index), request, rightful(cx)).await else { return Vec::new() };
    hosts.into_iter().filter(|(_, host)| links_to(&answer, host).is_some()).map(|(source, _)| source).collect()
}

async fn prove(cx: &SecurityContext<'_>, index: usize, baseline: &Exchange, source: Source) -> Option<Finding> {
    let plain = without_credentials(cx, &baseline.request);
    let who = rightful(cx);
    let first = format!("{}.example", cx.prober.nonce());
    let with = |host: &str| {
        let mut request = plain.clone();
        source.apply(&mut request, host);
        request
    };
    let probe = cx.prober.send(Some(index), with(&first), who).await?;
    let place = links_to(&probe, &first)?;
    // What repeats any header repeats this one, too.
    let echoed = format!("{}.example", cx.prober.nonce());
    let mut echo = plain.clone();
    echo.set_header("X-Nat-Echo", format!("http://{echoed}/"));
    let control = cx.prober.send(Some(index), echo, who).await?;
    let second = format!("{}.example", cx.prober.nonce());
    let repeat = cx.prober.send(Some(index), with(&second), who).await?;
    if links_to(&control, &echoed).is_some() || links_to(&repeat, &second) != Some(place) {
        return None;
    }
    let operation = cx.api.operations.get(index)?;
    let explanation = format!(
        "{} answers with a link to the host that the header {} names ({place}). A header without meaning is not \
         repeated.",
        operation.endpoint(),
        source.header(),
    );
    let location = format!("header {}", source.header());
    let suspicion =
        Suspicion::new(Severity::Info, location, "host", explanation).confidence(Confidence::Confirmed).api_wide();
    let exchanges = [(Role::Probe, &probe), (Role::Control, &control), (Role::Repeat, &repeat)];
    let finding = cx.report.build(&INFO, &suspicion, Some(operation), &exchanges);
    // Redirects to the name that was asked for are what most servers do by themselves.
    let is_usual = matches!(source, Source::Host) && place == LOCATION;
    Some(if is_usual { finding } else { finding.rated(VECTOR) })
}

const LOCATION: &str = "in Location";

/// Where an answer leads to `host`.
fn links_to(exchange: &Exchange, host: &str) -> Option<&'static str> {
    let response = exchange.response()?;
    let is_link = |text: &str| {
        ["http://", "https://", "https:\\/\\/", "http:\\/\\/"]
            .iter()
            .any(|scheme| text.contains(&format!("{scheme}{host}")))
    };
    if response.header("location").is_some_and(is_link) {
        return Some(LOCATION);
    }
    let body = String::from_utf8_lossy(&response.body[..response.body.len().min(MAX_TEXT)]);
    is_link(&body).then_some("in the body")
}
