//! Before anything is tested: may the target be contacted, does it answer, who are we, what is its API?

use std::collections::HashMap;
use std::sync::Arc;

use sha2::{Digest as _, Sha256};
use tokio::time::{Duration, sleep};
use url::Url;

use super::budget::{Budget, Purpose};
use super::clean_up::Made;
use super::crawl::crawl;
use super::discover::discover;
use super::enrol::Enrol;
use super::event::Event;
use super::fingerprint::CatchAll;
use super::identities::Identities;
use super::line::{Counted, Line};
use super::narrate::Narrator;
use super::outcome::SPEC_FAULT;
use super::pace::{Pace, Patience};
use super::passage::Words;
use super::scope::Fence;
use super::scout::Scout;
use super::session::Session;
use super::{EnginePorts, ScanConfig, ScanFailure, ScanKind, SpecSource};
use crate::check::As;
use crate::finding::FindingBuilder;
use crate::journal::{Identity, Journal};
use crate::policy::PolicyError;
use crate::spec::{self, Api, SpecError, SpecLimits, SpecVersion, SpecWarning};
use crate::transport::fetch::PolicyFetcher;
use crate::transport::{Request, TransportError};

/// Kinds of faults of the document that become notices.
const MAX_FAULTS: usize = 50;
/// To fetch and read the document with everything that it refers to.
const MAX_SPEC_TIME: Duration = Duration::from_secs(120);

/// For a scan that is resumed when its time is over.
const LEAST_TIME: Duration = Duration::from_secs(20);

/// Everything that testing needs.
pub(super) struct Ready {
    pub(super) session: Session,
    pub(super) catch_all: CatchAll,
}

pub(super) fn failure(code: &str, message: impl Into<String>) -> ScanFailure {
    ScanFailure { code: code.to_owned(), message: message.into() }
}

/// The target passed the policy; the way to it.
pub(super) struct Reached {
    pub(super) line: Arc<Line>,
    url: Url,
    fetcher: Arc<PolicyFetcher>,
    /// How tokens are obtained.
    login: Arc<PolicyFetcher>,
}

/// Judges and pins the target.
pub(super) async fn reach(
    config: &ScanConfig,
    ports: &EnginePorts,
    patience: Patience,
    cancel: tokio_util::sync::CancellationToken,
    journal: &Journal,
) -> Result<Reached, ScanFailure> {
    let pinned = ports.policy.pin(&config.target).await.map_err(|error| {
        let code = match error {
            PolicyError::Unresolvable(_) => "TARGET_UNREACHABLE",
            PolicyError::NotAllowed { .. } | PolicyError::InvalidUrl(_) => "TARGET_NOT_ALLOWED",
        };
        failure(code, error.to_string())
    })?;
    let spec = SpecLimits::default();
    let mut large = config.limits;
    large.max_body_bytes = large.max_body_bytes.max(spec.max_bytes + 1);
    large.max_decoded_bytes = large.max_decoded_bytes.max(spec.max_bytes + 1);
    let line = Line {
        transport: ports.connect.connect(&pinned, config.limits, &config.scan_id),
        documents: ports.connect.connect(&pinned, large, &config.scan_id),
        now: Arc::clone(&ports.now),
        budget: Budget::new(config.max_requests, config.max_bytes, time_left(config.max_duration, journal.spent())),
        pace: Pace::new(config.concurrency, patience),
        cancel,
    };
    let fetcher = PolicyFetcher {
        policy: ports.policy.clone(),
        connect: Arc::clone(&ports.connect),
        limits: large,
        scan_id: config.scan_id.clone(),
    };
    let line = Arc::new(line);
    let counted = Counted { line: Arc::clone(&line), connect: Arc::clone(&ports.connect) };
    let login = PolicyFetcher { connect: Arc::new(counted), limits: config.limits, ..fetcher.clone() };
    Ok(Reached { line, url: pinned.url, fetcher: Arc::new(fetcher), login: Arc::new(login) })
}

/// What a resumed scan still has of its time: at least enough to read its journal and say what it found.
fn time_left(max: Duration, spent: Duration) -> Duration {
    max.saturating_sub(spent).max(max.min(LEAST_TIME))
}

/// Probes the target, signs in, reads or finds the document.
pub(super) async fn prepare(
    config: &ScanConfig,
    reached: &Reached,
    narrator: &mut Narrator,
    journal: &Arc<Journal>,
) -> Result<Ready, ScanFailure> {
    let Reached { line, url, fetcher, login } = reached;
    probe(line, &trimmed(url.path())).await?;
    let mut identities = Identities::new(config, login);
    identities
        .sign_in()
        .await
        .map_err(|error| failure("AUTH_FAILED", format!("The scan could not sign in: {error}.")))?;
    let scout = Scout { line, identities: &identities, target: url, fetcher, seed: config.seed };
    let (api, found_at, catch_all) = document(config, &scout, narrator).await?;
    let (base_path, notice) = base_path(url, &api, found_at.as_ref());
    if let Some(notice) = notice {
        narrator.notice(notice);
    }
    narrator.notices.extend(spec_faults(&api.warnings));
    let catch_all = match catch_all {
        Some(known) => known,
        None if config.kind == ScanKind::Security => scout.catch_all(&base_path).await,
        None => CatchAll::default(),
    };
    let api = Arc::new(api);
    let enrol = Enrol { config, line, target: url, fetcher: login, api: &api, base_path: &base_path };
    enrol.all(&mut identities, narrator).await?;
    let redactor = identities.redactor(config);
    let nonce = super::probe::nonce(config.seed, &config.scan_id, 0).chars().skip(3).take(4).collect();
    let bound = journal
        .bind(identity(config, &api, &base_path), nonce, redactor.clone())
        .map_err(|error| failure("JOURNAL_FOREIGN", format!("The scan cannot be resumed: {error}.")))?;
    if bound.epoch > 0 {
        let known = bound.known;
        narrator.notice(format!("The scan was resumed; {known} steps of it were in its journal and not repeated."));
    }
    let report = FindingBuilder::new(line.transport.origin(), redactor).seeded(config.seed);
    let made = Made::new(&api, &base_path, line.transport.origin(), &bound.nonce);
    let session = Session {
        made,
        authenticated: identities.has(As::Primary),
        api,
        line: Arc::clone(line),
        identities,
        fence: Fence::new(&base_path, &config.exclude, config.safe_mode),
        base_path,
        seed: config.seed,
        words: Arc::new(Words::new(bound, Arc::clone(journal))),
        report,
    };
    Ok(Ready { session, catch_all })
}

/// What a journal must be of. All that changes which requests are sent, and no secret.
fn identity(config: &ScanConfig, api: &Api, base_path: &str) -> Identity {
    let mut document = Sha256::new();
    document.update(&api.digest);
    // A document that was inferred has no bytes, and one that refers to others has more than its own.
    for operation in &api.operations {
        document.update(format!("{} {}\n", operation.method, operation.path));
    }
    let ScanConfig { kind, max_requests, max_bytes, exclude, safe_mode, profile, .. } = config;
    let mut exclude = exclude.clone();
    exclude.sort();
    let told = format!("{kind:?} {profile:?} {max_requests} {max_bytes} {safe_mode} {exclude:?}");
    Identity {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        target: format!("{}{base_path}", config.target.origin().ascii_serialization()),
        document: hex::encode(document.finalize()),
        config: hex::encode(Sha256::digest(told)),
        seed: config.seed,
    }
}

/// Any HTTP answer counts as reachable.
async fn probe(line: &Line, base_path: &str) -> Result<(), ScanFailure> {
    let mut request = Request::new("GET", format!("{base_path}/"));
    request.set_header("Accept", "*/*");
    let mut last = None;
    let tries = line.pace.patience().tries;
    for pause in tries {
        sleep(pause).await;
        let Some(answer) = line.send(&request, true, Purpose::Probe).await else { break };
        match answer.result {
            Ok(_) => return Ok(()),
            // These are answers too, if bad ones.
            Err(TransportError::HeadTooLarge | TransportError::DecompressionBomb | TransportError::Incomplete) => {
                return Ok(());
            }
            Err(error) => last = Some(error),
        }
    }
    let message = match last {
        Some(TransportError::Malformed(why)) => format!("The target does not speak HTTP: {why}."),
        Some(error) => format!("The target gave no answer in {} tries: {error}.", tries.len()),
        None => "The budget allows no request.".to_owned(),
    };
    Err(failure("TARGET_UNREACHABLE", message))
}

/// The API, where its document is, and the catch-all page if it was looked at.
async fn document(
    config: &ScanConfig,
    scout: &Scout<'_>,
    narrator: &mut Narrator,
) -> Result<(Api, Option<Url>, Option<CatchAll>), ScanFailure> {
    let limits = SpecLimits::default();
    let invalid = |error: SpecError| failure("SPEC_INVALID", format!("The spec cannot be used: {error}."));
    let late = |_| failure("SPEC_INVALID", "The spec could not be read in time.");
    match &config.spec {
        SpecSource::Bytes { bytes, base } => {
            let loading = spec::load(bytes, base.as_ref(), Some(scout), limits);
            let api = tokio::time::timeout(MAX_SPEC_TIME, loading).await.map_err(late)?.map_err(invalid)?;
            Ok((api, base.clone(), None))
        }
        SpecSource::Url(url) => {
            let loading = async {
                let bytes = spec::FetchDocument::fetch(scout, url, limits.max_bytes).await.map_err(SpecError::Fetch)?;
                spec::load(&bytes, Some(url), Some(scout), limits).await
            };
            let api = tokio::time::timeout(MAX_SPEC_TIME, loading).await.map_err(late)?.map_err(invalid)?;
            Ok((api, Some(url.clone()), None))
        }
        SpecSource::Discover => {
            let base_path = trimmed(scout.target.path());
            let catch_all = scout.catch_all(&base_path).await;
            if let Some((api, url)) = discover(scout, &base_path, &catch_all).await {
                narrator.notice(format!("No spec was given; the one at {url} is used."));
                return Ok((api, Some(url), Some(catch_all)));
            }
            let api = crawl(scout, &base_path, &catch_all).await;
            narrator.notice(format!(
                "No spec was given or found. {} GET operations were inferred from links; without a spec this scan \
                 proves little: neither what should be answered nor what else exists is known.",
                api.operations.len()
            ));
            Ok((api, None, Some(catch_all)))
        }
    }
}

/// The base path, without trailing slash. The target's wins; one that has none takes the path of the first server.
fn base_path(target: &Url, api: &Api, found_at: Option<&Url>) -> (String, Option<String>) {
    let own = trimmed(target.path());
    let named = api.servers.first().filter(|_| api.spec_version != SpecVersion::Inferred).and_then(|server| {
        let server = found_at.unwrap_or(target).join(server).ok()?;
        // `file:` and the like: only the path of a web address means something here.
        matches!(server.scheme(), "http" | "https").then(|| trimmed(server.path()))
    });
    match named {
        Some(path) if own.is_empty() && !path.is_empty() => {
            let notice = format!("The target has no path: operations are called below {path}, as the spec says.");
            (path, Some(notice))
        }
        Some(path) if !own.is_empty() && !path.is_empty() && path != own => {
            let notice = format!("Operations are called below {own} (the target's path); the spec says {path}.");
            (own, Some(notice))
        }
        _ => (own, None),
    }
}

/// Faults of the document, equal ones in one sentence: a generator of documents makes the same mistake everywhere.
fn spec_faults(warnings: &[SpecWarning]) -> Vec<String> {
    let mut kinds: Vec<(&SpecWarning, usize)> = Vec::new();
    let mut places: HashMap<&str, usize> = HashMap::new();
    for warning in warnings {
        let kind = *places.entry(&warning.message).or_insert(kinds.len());
        match kinds.get_mut(kind) {
            Some((_, number)) => *number += 1,
            None => kinds.push((warning, 1)),
        }
    }
    let sentence = |(warning, number): &(&SpecWarning, usize)| match number {
        1 => format!("{SPEC_FAULT}{}: {}", warning.pointer, warning.message),
        2 => format!("{SPEC_FAULT}{} and 1 more place: {}", warning.pointer, warning.message),
        _ => format!("{SPEC_FAULT}{} and {} more places: {}", warning.pointer, number - 1, warning.message),
    };
    let mut sentences: Vec<String> = kinds.iter().take(MAX_FAULTS).map(sentence).collect();
    if kinds.len() > MAX_FAULTS {
        sentences.push(format!("{SPEC_FAULT}and {} more kinds of faults.", kinds.len() - MAX_FAULTS));
    }
    sentences
}

fn trimmed(path: &str) -> String {
    path.trim_end_matches('/').to_owned()
}

/// Tells what was read.
pub(super) fn announce(session: &Session, operations: usize, narrator: &Narrator) {
    narrator.tell(Event::SpecLoaded {
        title: session.api.title.clone(),
        operations,
        warnings: session.api.warnings.len(),
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::fake::api_with;

    #[test]
    fn faults_of_the_document_are_told_once_a_kind() {
        let check = |warnings: &[(&str, &str)], expected: &[&str]| {
            let warning = |(pointer, message): &(&str, &str)| SpecWarning {
                pointer: (*pointer).to_owned(),
                message: (*message).to_owned(),
            };
            let warnings: Vec<SpecWarning> = warnings.iter().map(warning).collect();
            assert_eq!(spec_faults(&warnings), expected);
        };
        check(&[], &[]);
        check(&[("/a", "odd")], &["Spec, /a: odd"]);
        check(
            &[("/a", "odd"), ("/b", "lost"), ("/c", "odd"), ("/d", "odd"), ("/e", "lost")],
            &["Spec, /a and 2 more places: odd", "Spec, /b and 1 more place: lost"],
        );
        let many: Vec<String> = (0..MAX_FAULTS + 2).map(|number| number.to_string()).collect();
        let many: Vec<(&str, &str)> = many.iter().map(|text| ("/a", text.as_str())).collect();
        let warnings: Vec<SpecWarning> =
            many.iter().map(|(p, m)| SpecWarning { pointer: (*p).to_owned(), message: (*m).to_owned() }).collect();
        let told = spec_faults(&warnings);
        assert_eq!((told.len(), told[MAX_FAULTS].as_str()), (MAX_FAULTS + 1, "Spec, and 2 more kinds of faults."));
    }

    #[test]
    fn base_path_is_the_targets_unless_it_has_none() {
        let check = |target: &str, server: &str, found_at: Option<&str>, expected: &str, told: bool| {
            let mut api = api_with(Vec::new());
            api.servers = vec![server.to_owned()];
            let found_at = found_at.map(|url| Url::parse(url).unwrap());
            let (path, notice) = base_path(&Url::parse(target).unwrap(), &api, found_at.as_ref());
            assert_eq!((path.as_str(), notice.is_some()), (expected, told), "{target} {server}");
        };
        check("http://h", "http://other/v2", None, "/v2", true);
        check("http://h/", "/v2/", None, "/v2", true);
        check("http://h", "v2", Some("http://h/docs/openapi.json"), "/docs/v2", true);
        check("http://h/api", "/v2", None, "/api", true);
        check("http://h/v2/", "/v2", None, "/v2", false);
        check("http://h", "", Some("http://h/"), "", false);
        check("http://h", "http://h/", None, "", false);
    }
}
