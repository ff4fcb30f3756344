//! S-INV: versions and paths that answer and that the document does not name.
//!
//! What is merely not documented is one finding worth knowing; an old version that gives to anybody what the current
//! one gives to its users is a finding of its own.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use async_trait::async_trait;
use serde_json::Value;

use crate::check::security::{is_success, rightful, without_credentials};
use crate::check::shape::is_soft_error;
use crate::check::{As, CheckInfo, Exchange, SecurityCheck, SecurityContext, Suspicion};
use crate::finding::{Confidence, Finding, Role, Severity};
use crate::spec::{Api, Location, Operation};
use crate::transport::Request;

/// S-INV.
pub(super) struct Inventory;

static INFO: CheckInfo = CheckInfo {
    id: "S-INV",
    title: "Paths answer that the document does not name",
    description: "Old or other versions and paths beside the documented ones are alive. Nobody tests, patches or watches what is in no list.",
    remediation: "Document them or take them down. Give every version that stays the protection of the current one.",
    cwe: &["CWE-1059"],
    owasp: Some("API9:2023"),
};

const WEAKER: &str = "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:N/A:N";

/// Operations whose other versions are looked for, of one version.
const MAX_SAMPLES: usize = 3;
/// Versions of the API that are known.
const MAX_VERSIONS: usize = 4;
/// Folders that are looked into, besides the root.
const MAX_FOLDERS: usize = 6;
/// What stands in the place of a version besides others.
const STAGES: [&str; 3] = ["beta", "internal", "legacy"];
/// What is left lying about at the root, and in a folder.
const AT_ROOT: [&str; 9] = ["admin", "internal", "debug", "config", "test", "users", "accounts", "backup", "private"];
const IN_FOLDER: [&str; 6] = ["export", "debug", "all", "admin", "internal", "backup"];

/// An answer at a path that nobody documented.
pub(crate) struct Hidden {
    pub(super) path: String,
    /// Who got the answer.
    pub(super) who: As,
    pub(super) probe: Exchange,
    /// To a path beside it that nobody knows.
    pub(super) control: Exchange,
    pub(super) repeat: Exchange,
    /// The path that is refused where this one is not.
    guarded: Option<String>,
}

#[async_trait]
impl SecurityCheck for Inventory {
    fn info(&self) -> &'static CheckInfo {
        &INFO
    }

    async fn run(&self, cx: &SecurityContext<'_>) -> Vec<Finding> {
        let hidden = known(cx).await;
        let (weaker, others): (Vec<&Hidden>, Vec<&Hidden>) = hidden.iter().partition(|one| one.guarded.is_some());
        let mut found: Vec<Finding> = weaker.iter().map(|one| weaker_finding(cx, one)).collect();
        found.extend(others_finding(cx, &others));
        found
    }
}

/// What answers and is not documented, looked for once a scan.
pub(super) async fn known(cx: &SecurityContext<'_>) -> Arc<Vec<Hidden>> {
    if let Some(known) = cx.learned.with(|facts| facts.hidden.clone()) {
        return known;
    }
    let mut hidden = versions(cx).await;
    hidden.extend(siblings(cx).await);
    hidden.sort_by(|a, b| a.path.cmp(&b.path));
    hidden.dedup_by(|a, b| a.path == b.path);
    let hidden = Arc::new(hidden);
    cx.learned.with(|facts| facts.hidden = Some(Arc::clone(&hidden)));
    hidden
}

fn weaker_finding(cx: &SecurityContext<'_>, one: &Hidden) -> Finding {
    let explanation = format!(
        "{} is not documented and answers {} with data to a request without credentials. {} refuses such requests.",
        one.path,
        one.probe.status().unwrap_or_default(),
        one.guarded.as_deref().unwrap_or_default(),
    );
    let suspicion = Suspicion::new(Severity::High, "", "weaker-version", explanation).confidence(Confidence::Confirmed);
    cx.report.build(&INFO, &suspicion, None, &evidence(one)).rated(WEAKER)
}

fn others_finding(cx: &SecurityContext<'_>, others: &[&Hidden]) -> Option<Finding> {
    let first = others.first()?;
    let paths: Vec<&str> = others.iter().map(|one| one.path.as_str()).collect();
    let explanation = format!("Not documented, and alive: {}.", paths.join(", "));
    let suspicion =
        Suspicion::new(Severity::Info, "", "undocumented", explanation).confidence(Confidence::Firm).api_wide();
    Some(cx.report.build(&INFO, &suspicion, None, &evidence(first)))
}

fn evidence(one: &Hidden) -> [(Role, &Exchange); 3] {
    [(Role::Probe, &one.probe), (Role::Control, &one.control), (Role::Repeat, &one.repeat)]
}

/// Other versions of what the document has.
async fn versions(cx: &SecurityContext<'_>) -> Vec<Hidden> {
    let mut hidden = Vec::new();
    for ((before, version), requests) in samples(cx) {
        for other in others(&version) {
            for (request, path) in &requests {
                let Some(rest) = path.strip_prefix(&format!("{before}/{version}/")) else { continue };
                let place = format!("{before}/{other}/{rest}");
                if is_documented(cx, &place) {
                    continue;
                }
                let beside = format!("{before}/{}/{rest}", cx.prober.nonce());
                if let Some(mut one) = look(cx, &place, &beside).await {
                    one.guarded = if one.who == As::Anonymous { guards(cx, request).await } else { None };
                    hidden.push(one);
                }
            }
        }
    }
    hidden
}

/// Reads that need nothing but their path, by what stands before the version and the version itself.
fn samples(cx: &SecurityContext<'_>) -> BTreeMap<(String, String), Vec<(Request, String)>> {
    let mut samples: BTreeMap<(String, String), Vec<(Request, String)>> = BTreeMap::new();
    let mut reads: Vec<&Operation> = cx.api.operations.iter().filter(|one| one.method == "GET").collect();
    // What is protected has something to lose; a path without values reads better.
    reads.sort_by_key(|one| (!one.is_protected(), one.path.contains('{')));
    for operation in reads {
        let Some(request) = plain(cx, operation) else { continue };
        let path = request.target.split('?').next().unwrap_or_default().to_owned();
        let segments: Vec<&str> = path.split('/').collect();
        let Some(at) = segments.iter().position(|segment| number(segment).is_some()) else { continue };
        // A version at the end belongs to what stands before it.
        if at + 1 >= segments.len() {
            continue;
        }
        let key = (segments[..at].join("/"), segments[at].to_owned());
        if samples.len() >= MAX_VERSIONS && !samples.contains_key(&key) {
            continue;
        }
        let known = samples.entry(key).or_default();
        if known.len() < MAX_SAMPLES {
            known.push((request, path));
        }
    }
    samples
}

/// A request that worked, or one that needs nothing to work.
fn plain(cx: &SecurityContext<'_>, operation: &Operation) -> Option<Request> {
    if let Some(baseline) = cx.baselines.get(operation.index).and_then(Option::as_ref) {
        return Some(without_credentials(cx, &baseline.request));
    }
    let needs = |location: Location| {
        operation.parameters.iter().any(|parameter| parameter.location == location && parameter.required)
    };
    let alone = !needs(Location::Path) && !needs(Location::Query) && !needs(Location::Header);
    alone.then(|| Request::new("GET", format!("{}{}", cx.prober.base_path(), operation.path)))
}

/// `v2` is 2.
fn number(segment: &str) -> Option<u32> {
    let digits = segment.strip_prefix('v').filter(|digits| digits.len() <= 2)?;
    digits.parse().ok()
}

fn others(version: &str) -> Vec<String> {
    let known = number(version).unwrap_or(1);
    let numbers = [known.saturating_sub(1), known.saturating_sub(2), known + 1];
    let mut others: Vec<String> = numbers.iter().filter(|other| **other > 0).map(|other| format!("v{other}")).collect();
    others.extend(STAGES.map(str::to_owned));
    others
}

/// Paths beside the documented ones.
async fn siblings(cx: &SecurityContext<'_>) -> Vec<Hidden> {
    let base = cx.prober.base_path();
    let mut hidden = Vec::new();
    let root = (String::new(), &AT_ROOT[..]);
    let folders = folders(cx.api).into_iter().map(|folder| (folder, &IN_FOLDER[..]));
    for (folder, words) in std::iter::once(root).chain(folders) {
        for word in words {
            let place = format!("{base}{folder}/{word}");
            if !is_documented(cx, &place) {
                hidden.extend(look(cx, &place, &format!("{base}{folder}/{}", cx.prober.nonce())).await);
            }
        }
    }
    hidden
}

/// What several documented paths begin with, and what one is.
fn folders(api: &Api) -> BTreeSet<String> {
    let literal = |path: &str| path.split("/{").next().unwrap_or_default().trim_end_matches('/').to_owned();
    let mut count: BTreeMap<String, usize> = BTreeMap::new();
    for operation in &api.operations {
        let path = literal(&operation.path);
        if !path.is_empty() {
            *count.entry(path).or_default() += 1;
        }
    }
    let mut folders: Vec<(String, usize)> = count.into_iter().collect();
    folders.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
    folders.into_iter().take(MAX_FOLDERS).map(|(folder, _)| folder).collect()
}

/// Whether something answers there, to anybody or to us, and not everywhere.
async fn look(cx: &SecurityContext<'_>, place: &str, beside: &str) -> Option<Hidden> {
    let request = Request::new("GET", place);
    for who in [As::Anonymous, rightful(cx)] {
        let probe = cx.prober.send(None, request.clone(), who).await?;
        match probe.status() {
            _ if is_alive(cx, &probe) => {
                let control = cx.prober.send(None, Request::new("GET", beside), who).await?;
                let repeat = cx.prober.send(None, request, who).await?;
                let alone = !is_alive(cx, &control) && is_alive(cx, &repeat);
                return alone.then(|| Hidden { path: place.to_owned(), who, probe, control, repeat, guarded: None });
            }
            // Only who is asked for credentials is asked again with some.
            Some(401 | 403) => {}
            _ => return None,
        }
    }
    None
}

/// A success with data of its own.
fn is_alive(cx: &SecurityContext<'_>, exchange: &Exchange) -> bool {
    let has_data = |json: &Value| match json {
        Value::Object(members) => !members.is_empty() && !is_soft_error(json),
        Value::Array(items) => !items.is_empty(),
        _ => false,
    };
    is_success(exchange)
        && exchange.response().is_some_and(|response| !cx.prober.is_catch_all(response))
        && exchange.json().is_some_and(has_data)
}

/// The current version refuses who is nobody: its path.
async fn guards(cx: &SecurityContext<'_>, current: &Request) -> Option<String> {
    let answer = cx.prober.send(None, current.clone(), As::Anonymous).await?;
    let path = current.target.split('?').next().unwrap_or_default();
    matches!(answer.status(), Some(401 | 403)).then(|| path.to_owned())
}

/// A documented path, or one that a documented template takes in.
fn is_documented(cx: &SecurityContext<'_>, place: &str) -> bool {
    let Some(path) = place.strip_prefix(cx.prober.base_path()) else { return false };
    let segments: Vec<&str> = path.split('/').collect();
    cx.api.operations.iter().any(|operation| {
        let template: Vec<&str> = operation.path.split('/').collect();
        template.len() == segments.len()
            && template.iter().zip(&segments).all(|(ours, theirs)| ours.contains('{') || ours == theirs)
    })
}
