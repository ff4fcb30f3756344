//! S-DBG: debug and administration endpoints, and files that should not be served.

use std::sync::LazyLock;

use async_trait::async_trait;
use regex::Regex;
use serde_json::Value;

use super::places::Signature::{Environment, Line, Magic, Members, Texts};
use super::places::{PLACES, Place, SECRETS};
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

/// Of a body that is searched for lines.
const MAX_TEXT: usize = 64 << 10;
/// Words of one body that are masked.
const MAX_SECRETS: usize = 1_000;

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
    let secrets = secrets(place, &probe);
    let report = cx.report.masking(secrets.iter().map(String::as_str));
    let exchanges = [(Role::Probe, &probe), (Role::Control, &control), (Role::Repeat, &repeat)];
    let finding = report.build(&INFO, &suspicion, None, &exchanges);
    Some(place.vector.map_or_else(|| finding.clone(), |vector| finding.clone().rated(vector)))
}

/// What the report must not repeat.
fn secrets(place: &Place, probe: &Exchange) -> Vec<String> {
    match (&place.signature, probe.response()) {
        (Environment, _) => {
            environment(probe).into_iter().filter(|(name, _)| sounds_secret(name)).map(|(_, value)| value).collect()
        }
        // No more than that it is there.
        (Line(_), Some(response)) if place.vector == SECRETS => {
            let text = String::from_utf8_lossy(&response.body[..response.body.len().min(MAX_TEXT)]).into_owned();
            let words = text.split(|c: char| c.is_whitespace() || matches!(c, '=' | ':' | '\'' | '"' | ','));
            words.filter(|word| word.len() >= 12).take(MAX_SECRETS).map(str::to_owned).collect()
        }
        _ => Vec::new(),
    }
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
        Line(pattern) => {
            let text = String::from_utf8_lossy(&response.body[..response.body.len().min(MAX_TEXT)]);
            let is_page = response.media_type().is_some_and(|media| media.contains("html"));
            !is_page && Regex::new(pattern).is_ok_and(|pattern| pattern.is_match(&text))
        }
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
