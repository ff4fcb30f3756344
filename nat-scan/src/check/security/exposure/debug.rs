//! S-DBG: debug and administration endpoints, and files that should not be served.

use std::sync::LazyLock;

use async_trait::async_trait;
use regex::Regex;
use serde_json::Value;

use crate::check::security::is_success;
use crate::check::{As, CheckInfo, Exchange, SecurityCheck, SecurityContext, Suspicion};
use crate::finding::{Confidence, Finding, Role, Severity};
use crate::transport::Request;

/// S-DBG.
pub(super) struct DebugEndpoint;

static INFO: CheckInfo = CheckInfo {
    id: "S-DBG",
    title: "Debug endpoint or internal file is public",
    description: "A path that is meant for operators or developers answers to anyone.",
    remediation: "Remove it from the public listener, or put it behind authentication.",
    cwe: &["CWE-215", "CWE-489", "CWE-538"],
    owasp: Some("API8:2023"),
};

const SECRETS: Option<&str> = Some("CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:N/A:N");
const CONFIGURATION: Option<&str> = Some("CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:L/I:N/A:N");
const TAKEOVER: Option<&str> = Some("CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H");
const HARMLESS: Option<&str> = None;

struct Place {
    path: &'static str,
    what: &'static str,
    signature: Signature,
    vector: Option<&'static str>,
}

/// What only the real thing contains.
enum Signature {
    /// All of these texts.
    Texts(&'static [&'static str]),
    /// JSON with all of these members.
    Members(&'static [&'static str]),
    /// The body begins so.
    Magic(&'static [&'static [u8]]),
    /// Environment variables, as JSON or as lines.
    Environment,
}

use Signature::{Environment, Magic, Members, Texts};

const fn place(path: &'static str, what: &'static str, signature: Signature, vector: Option<&'static str>) -> Place {
    Place { path, what, signature, vector }
}

const PLACES: &[Place] = &[
    place("/.env", "a file of settings and secrets", Environment, SECRETS),
    place("/.git/HEAD", "the source repository", Magic(&[b"ref: refs/"]), SECRETS),
    place("/.git/config", "the source repository", Texts(&["[core]", "repositoryformatversion"]), SECRETS),
    place("/env", "the environment of the process", Environment, SECRETS),
    place("/debug", "the environment of the process", Environment, SECRETS),
    place("/debug/env", "the environment of the process", Environment, SECRETS),
    place("/debug/config", "the environment of the process", Environment, SECRETS),
    place("/_debug", "the environment of the process", Environment, SECRETS),
    place("/actuator/env", "the environment of the process", Members(&["propertySources"]), SECRETS),
    place("/actuator/heapdump", "a dump of the memory", Magic(&[b"JAVA PROFILE", b"\x1f\x8b\x08"]), SECRETS),
    place("/actuator/configprops", "the configuration", Members(&["contexts"]), CONFIGURATION),
    place("/actuator/mappings", "the list of all routes", Members(&["contexts"]), CONFIGURATION),
    place("/actuator/httptrace", "requests of other users", Members(&["traces"]), SECRETS),
    place("/actuator", "the index of Spring Boot Actuator", Members(&["_links"]), HARMLESS),
    place("/actuator/prometheus", "metrics", Texts(&["# HELP ", "# TYPE "]), HARMLESS),
    place("/metrics", "metrics", Texts(&["# HELP ", "# TYPE "]), HARMLESS),
    place("/debug/pprof/", "the Go profiler", Texts(&["/debug/pprof/", "goroutine", "heap"]), CONFIGURATION),
    place("/debug/vars", "variables of a Go process", Members(&["cmdline", "memstats"]), CONFIGURATION),
    place("/phpinfo.php", "the configuration of PHP", Texts(&["phpinfo()", "PHP Version"]), CONFIGURATION),
    place("/info.php", "the configuration of PHP", Texts(&["phpinfo()", "PHP Version"]), CONFIGURATION),
    place("/console", "a Python console", Texts(&["Interactive Console", "EVALEX"]), TAKEOVER),
    place("/server-status", "the status page of Apache", Texts(&["Apache Server Status"]), CONFIGURATION),
    place("/_profiler", "the Symfony profiler", Texts(&["Symfony Profiler"]), CONFIGURATION),
    place("/telescope/requests", "Laravel Telescope", Texts(&["Telescope", "laravel"]), CONFIGURATION),
    place("/elmah.axd", "the error log of ASP.NET", Texts(&["Error Log for"]), CONFIGURATION),
];

#[async_trait]
impl SecurityCheck for DebugEndpoint {
    fn info(&self) -> &'static CheckInfo {
        &INFO
    }

    async fn run(&self, cx: &SecurityContext<'_>) -> Vec<Finding> {
        let base = cx.prober.base_path();
        let roots: &[&str] = if base.is_empty() { &[""] } else { &["", base] };
        let mut found = Vec::new();
        for root in roots {
            for place in PLACES {
                // What the document lists was published on purpose, unless it gives secrets away.
                let documented = *root == base && cx.api.operations.iter().any(|one| one.path == place.path);
                if documented && place.vector != SECRETS {
                    continue;
                }
                found.extend(probe(cx, root, place).await);
            }
        }
        found
    }
}

async fn probe(cx: &SecurityContext<'_>, root: &str, place: &Place) -> Option<Finding> {
    let ask = |path: &str| Request::new("GET", format!("{root}{path}"));
    let probe = cx.prober.send(None, ask(place.path), As::Anonymous).await?;
    if !shows(cx, place, &probe) {
        return None;
    }
    // A neighbour that cannot exist: a server that answers everything alike shows nothing.
    let parent = place.path.trim_end_matches('/').rsplit_once('/').map_or("", |(parent, _)| parent);
    let control = cx.prober.send(None, ask(&format!("{parent}/{}", cx.prober.nonce())), As::Anonymous).await?;
    let repeat = cx.prober.send(None, ask(place.path), As::Anonymous).await?;
    if shows(cx, place, &control) || !shows(cx, place, &repeat) {
        return None;
    }
    let explanation = format!(
        "{} answers {} without credentials and gives {}. A made-up path beside it does not.",
        probe.request.target,
        probe.status().unwrap_or_default(),
        place.what
    );
    let suspicion = Suspicion::new(Severity::Info, "", place.path, explanation).confidence(Confidence::Confirmed);
    let secrets: Vec<String> =
        environment(&probe).into_iter().filter(|(name, _)| sounds_secret(name)).map(|(_, value)| value).collect();
    let report = cx.report.masking(secrets.iter().map(String::as_str));
    let exchanges = [(Role::Probe, &probe), (Role::Control, &control), (Role::Repeat, &repeat)];
    let finding = report.build(&INFO, &suspicion, None, &exchanges);
    Some(place.vector.map_or_else(|| finding.clone(), |vector| finding.clone().rated(vector)))
}

fn shows(cx: &SecurityContext<'_>, place: &Place, exchange: &Exchange) -> bool {
    let Some(response) = exchange.response().filter(|_| is_success(exchange)) else { return false };
    if cx.prober.is_catch_all(response) {
        return false;
    }
    match place.signature {
        Texts(texts) => {
            let body = String::from_utf8_lossy(&response.body);
            texts.iter().all(|text| body.contains(text))
        }
        Members(names) => exchange.json().is_some_and(|json| names.iter().all(|name| json.get(name).is_some())),
        Magic(beginnings) => beginnings.iter().any(|magic| response.body.starts_with(magic)),
        Environment => {
            let variables = environment(exchange);
            variables.len() >= 3 && variables.iter().any(|(name, _)| is_well_known(name) || sounds_secret(name))
        }
    }
}

/// Names in capitals with their values: of a JSON object (also one level down), or of `NAME=value` lines.
fn environment(exchange: &Exchange) -> Vec<(String, String)> {
    if let Some(json) = exchange.json() {
        let nested = json.as_object().into_iter().flat_map(|members| members.values());
        let objects = std::iter::once(json).chain(nested).filter_map(Value::as_object);
        let members = objects.flatten().filter(|(name, _)| is_variable(name));
        return members
            .filter_map(|(name, value)| Some((name.clone(), value.as_str()?.to_owned())))
            .take(500)
            .collect();
    }
    let Some(response) = exchange.response() else { return Vec::new() };
    if response.media_type().is_some_and(|media| media.contains("html")) {
        return Vec::new();
    }
    let text = String::from_utf8_lossy(&response.body);
    let lines = text.lines().take(500).filter_map(|line| line.trim().trim_start_matches("export ").split_once('='));
    let variables = lines.filter(|(name, _)| is_variable(name));
    variables.map(|(name, value)| (name.to_owned(), value.trim_matches(['"', '\'']).to_owned())).collect()
}

fn is_variable(name: &str) -> bool {
    static NAME: LazyLock<Regex> = LazyLock::new(|| Regex::new(r"^[A-Z][A-Z0-9_]{2,60}$").expect("a constant pattern"));
    NAME.is_match(name)
}

fn is_well_known(name: &str) -> bool {
    ["PATH", "HOME", "PWD", "HOSTNAME", "SHELL", "LANG", "USER"].contains(&name)
}

fn sounds_secret(name: &str) -> bool {
    ["SECRET", "PASSWORD", "PASSWD", "TOKEN", "_KEY", "APIKEY", "DATABASE_URL", "_DSN", "CREDENTIAL"]
        .iter()
        .any(|part| name.contains(part))
}
