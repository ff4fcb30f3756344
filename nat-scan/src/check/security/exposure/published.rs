//! S-DOC: documents of the API that anybody can read.

use std::collections::BTreeSet;

use async_trait::async_trait;
use serde_json::Value;

use crate::check::security::is_success;
use crate::check::{As, CheckInfo, Exchange, SecurityCheck, SecurityContext, Suspicion};
use crate::finding::{Confidence, Finding, Role, Severity};
use crate::spec;
use crate::transport::Request;

/// S-DOC.
pub(super) struct PublishedDocument;

static INFO: CheckInfo = CheckInfo {
    id: "S-DOC",
    title: "The document of the API is public",
    description: "Anybody can read what the API can do. That is meant for public APIs, and a map for attackers of others.",
    remediation: "If the API is not for everybody, serve its document only to those who may use it. Documents of internal operations do not belong on the public listener.",
    cwe: &["CWE-1059"],
    owasp: Some("API9:2023"),
};

const INTERNAL: &str = "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:L/I:N/A:N";

const PLACES: [&str; 20] = [
    "/openapi.json",
    "/openapi.yaml",
    "/swagger.json",
    "/swagger.yaml",
    "/spec.json",
    "/v3/api-docs",
    "/v2/api-docs",
    "/api-docs",
    "/api/openapi.json",
    "/api/swagger.json",
    "/docs/openapi.json",
    "/swagger/v1/swagger.json",
    "/internal/openapi.json",
    "/admin/openapi.json",
    "/internal/swagger.json",
    "/swagger-ui/",
    "/swagger-ui/index.html",
    "/docs",
    "/redoc",
    "/apidocs/",
];
/// Larger ones are not read.
const MAX_DOCUMENT: usize = 1 << 20;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Seen {
    /// A document, or a page that shows one.
    Public,
    /// One that says of itself that it is not for the public.
    Internal,
}

struct Found {
    path: String,
    seen: Seen,
    probe: Exchange,
    control: Exchange,
    repeat: Exchange,
}

#[async_trait]
impl SecurityCheck for PublishedDocument {
    fn info(&self) -> &'static CheckInfo {
        &INFO
    }

    async fn run(&self, cx: &SecurityContext<'_>) -> Vec<Finding> {
        let base = cx.prober.base_path();
        let roots: &[&str] = if base.is_empty() { &[""] } else { &[base, ""] };
        let mut found = Vec::new();
        let mut asked = BTreeSet::new();
        for place in roots.iter().flat_map(|root| PLACES.map(|place| format!("{root}{place}"))) {
            if asked.insert(place.clone()) {
                found.extend(look(cx, &place).await);
            }
        }
        let (internal, public): (Vec<Found>, Vec<Found>) =
            found.into_iter().partition(|one| one.seen == Seen::Internal);
        let mut findings: Vec<Finding> = internal.iter().map(|one| internal_finding(cx, one)).collect();
        findings.extend(public_finding(cx, &public));
        findings
    }
}

async fn look(cx: &SecurityContext<'_>, path: &str) -> Option<Found> {
    let mut request = Request::new("GET", path);
    request.set_header("Accept", "application/json, application/yaml, text/html;q=0.8, */*;q=0.5");
    let probe = cx.prober.send(None, request.clone(), As::Anonymous).await?;
    let seen = seen(cx, &probe)?;
    let mut beside = request.clone();
    let folder = path.trim_end_matches('/').rsplit_once('/').map_or("", |(folder, _)| folder);
    beside.target = format!("{folder}/{}", cx.prober.nonce());
    let control = cx.prober.send(None, beside, As::Anonymous).await?;
    let repeat = cx.prober.send(None, request, As::Anonymous).await?;
    let alone = self::seen(cx, &control).is_none() && self::seen(cx, &repeat) == Some(seen);
    alone.then(|| Found { path: path.to_owned(), seen, probe, control, repeat })
}

fn seen(cx: &SecurityContext<'_>, exchange: &Exchange) -> Option<Seen> {
    let response = exchange.response().filter(|response| is_success(exchange) && !cx.prober.is_catch_all(response))?;
    if response.media_type().is_some_and(|media| media.contains("html")) {
        let text = String::from_utf8_lossy(&response.body).to_ascii_lowercase();
        let shows =
            ["swaggeruibundle", "swagger-ui-bundle", "redoc.standalone", "<redoc", "rapi-doc", "apidescriptionurl"];
        return shows.iter().any(|mark| text.contains(mark)).then_some(Seen::Public);
    }
    if response.body.len() > MAX_DOCUMENT {
        let start = String::from_utf8_lossy(&response.body[..200]).into_owned();
        return (start.contains("openapi") || start.contains("swagger")).then_some(Seen::Public);
    }
    let document = spec::document(&response.body).ok()?;
    let is_one =
        ["openapi", "swagger"].iter().any(|key| document.get(key).is_some()) && document.get("paths").is_some();
    is_one.then(|| if is_internal(&document) { Seen::Internal } else { Seen::Public })
}

/// Its title or a mark for tools says so.
fn is_internal(document: &Value) -> bool {
    let info = &document["info"];
    let title = info["title"].as_str().unwrap_or_default().to_ascii_lowercase();
    let named = title.split(|c: char| !c.is_ascii_alphanumeric()).any(|word| matches!(word, "internal" | "private"));
    let marked = [document, info].iter().any(|place| place["x-internal"] == Value::Bool(true));
    named || marked
}

fn internal_finding(cx: &SecurityContext<'_>, one: &Found) -> Finding {
    let explanation = format!("{} is a document that says it is internal, and is served to anybody.", one.path);
    let suspicion = Suspicion::new(Severity::Medium, "", "internal", explanation).confidence(Confidence::Confirmed);
    cx.report.build(&INFO, &suspicion, None, &evidence(one)).rated(INTERNAL)
}

fn public_finding(cx: &SecurityContext<'_>, public: &[Found]) -> Option<Finding> {
    let paths: Vec<&str> = public.iter().map(|one| one.path.as_str()).collect();
    let explanation = format!("Served without credentials: {}.", paths.join(", "));
    let suspicion =
        Suspicion::new(Severity::Info, "", "public", explanation).confidence(Confidence::Confirmed).api_wide();
    Some(cx.report.build(&INFO, &suspicion, None, &evidence(public.first()?)))
}

fn evidence(one: &Found) -> [(Role, &Exchange); 3] {
    [(Role::Probe, &one.probe), (Role::Control, &one.control), (Role::Repeat, &one.repeat)]
}
