//! The shapes of what is stored: settings, sealed credentials, the outcome as compressed JSON.

use std::io::{Read, Write};
use std::time::Duration;

use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use nat_core::{Error, Result};
use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use url::Url;

use crate::engine::{Outcome, Profile, ScanConfig, ScanKind, SpecSource};
use crate::finding::Finding;
use crate::identity::{Credentials, OAuth2, SignUp};
use crate::transport::Limits;

/// Findings that are kept; they come worst first.
pub(super) const MAX_FINDINGS: usize = 5_000;
/// Bytes of evidence that are kept over all findings.
const MAX_EVIDENCE: usize = 32 << 20;
/// An outcome never unfolds to more than this.
const MAX_OUTCOME: u64 = 256 << 20;
/// Bytes that a scan may receive in all.
const MAX_RECEIVED: u64 = 1 << 30;
/// Shorter secrets are left to the engine: replacing them would garble ordinary text.
const LEAST_SECRET: usize = 6;

/// The settings of a scan, without any secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct StoredConfig {
    pub(super) spec_url: Option<Url>,
    pub(super) concurrency: usize,
    pub(super) timeout_s: u64,
    pub(super) max_requests: u64,
    pub(super) max_seconds: u64,
    pub(super) fail_on: Option<String>,
    pub(super) exclude: Vec<String>,
    pub(super) seed: u64,
    pub(super) safe_mode: bool,
    #[serde(default)]
    pub(super) profile: Profile,
    #[serde(default = "yes")]
    pub(super) clean_up: bool,
    #[serde(default)]
    pub(super) sign_up: bool,
}

/// What rows say that were stored before there was a choice.
const fn yes() -> bool {
    true
}

/// Both identities. Only ever stored sealed; it has no `Debug` that shows a secret.
#[derive(Clone, Default, Serialize, Deserialize)]
pub(super) struct StoredIdentities {
    pub(super) first: StoredCredentials,
    pub(super) second: Option<StoredCredentials>,
    /// What passwords of users of the scan's own are made from; with it they are signed up.
    #[serde(default)]
    pub(super) sign_up_key: Option<String>,
}

/// One identity.
#[derive(Clone, Default, Serialize, Deserialize)]
pub(super) enum StoredCredentials {
    #[default]
    None,
    Bearer {
        token: String,
    },
    Header {
        name: String,
        value: String,
    },
    Basic {
        username: String,
        password: String,
    },
    OAuth2 {
        token_url: Url,
        client_id: String,
        client_secret: Option<String>,
        username: Option<String>,
        password: Option<String>,
        scope: Option<String>,
    },
}

impl std::fmt::Debug for StoredIdentities {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("StoredIdentities(…)")
    }
}

impl StoredIdentities {
    pub(super) fn is_empty(&self) -> bool {
        matches!(self.first, StoredCredentials::None) && self.second.is_none() && self.sign_up_key.is_none()
    }

    /// Every value that must not appear in an outcome.
    pub(super) fn secrets(&self) -> Vec<String> {
        let mut secrets: Vec<String> = [Some(&self.first), self.second.as_ref()]
            .into_iter()
            .flatten()
            .flat_map(StoredCredentials::secrets)
            .chain(self.sign_up_key.clone())
            .filter(|secret| secret.len() >= LEAST_SECRET)
            .collect();
        // The longest first, so that a secret within another one leaves no rest.
        secrets.sort_by_key(|secret| std::cmp::Reverse(secret.len()));
        secrets
    }
}

impl StoredCredentials {
    fn secrets(&self) -> Vec<String> {
        match self.clone() {
            Self::None => Vec::new(),
            Self::Bearer { token } => vec![token],
            Self::Header { value, .. } => vec![value],
            Self::Basic { username, password } => {
                use base64::Engine as _;
                let pair = base64::engine::general_purpose::STANDARD.encode(format!("{username}:{password}"));
                vec![password, pair]
            }
            Self::OAuth2 { client_secret, password, .. } => client_secret.into_iter().chain(password).collect(),
        }
    }

    fn into_credentials(self) -> Credentials {
        match self {
            Self::None => Credentials::None,
            Self::Bearer { token } => Credentials::Bearer(SecretString::from(token)),
            Self::Header { name, value } => Credentials::Header { name, value: SecretString::from(value) },
            Self::Basic { username, password } => {
                Credentials::Basic { username, password: SecretString::from(password) }
            }
            Self::OAuth2 { token_url, client_id, client_secret, username, password, scope } => {
                Credentials::OAuth2(Box::new(OAuth2 {
                    token_url: Some(token_url),
                    client_id,
                    client_secret: client_secret.map(SecretString::from),
                    username,
                    password: password.map(SecretString::from),
                    scope,
                    refresh_token: None,
                }))
            }
        }
    }
}

/// What the engine is told.
pub(super) fn scan_config(
    kind: ScanKind,
    target: Url,
    scan_id: &str,
    config: StoredConfig,
    identities: StoredIdentities,
    spec: Option<Vec<u8>>,
) -> ScanConfig {
    let timeout = Duration::from_secs(config.timeout_s);
    let limits = Limits::default();
    let limits = Limits {
        connect_timeout: limits.connect_timeout.min(timeout),
        first_byte_timeout: timeout,
        total_timeout: timeout,
        ..limits
    };
    let spec = match (config.spec_url, spec) {
        (_, Some(bytes)) => SpecSource::Bytes { bytes, base: None },
        (Some(url), None) => SpecSource::Url(url),
        (None, None) => SpecSource::Discover,
    };
    ScanConfig {
        kind,
        target,
        spec,
        callback: None,
        credentials: first(identities.first, identities.sign_up_key),
        second_credentials: identities.second.map(StoredCredentials::into_credentials),
        admin_credentials: None,
        profile: config.profile,
        concurrency: config.concurrency,
        limits,
        max_requests: config.max_requests,
        max_duration: Duration::from_secs(config.max_seconds),
        max_bytes: MAX_RECEIVED,
        exclude: config.exclude,
        seed: config.seed,
        safe_mode: config.safe_mode,
        clean_up: config.clean_up,
        scan_id: scan_id.to_owned(),
    }
}

/// Who the scan is: as given, and signed up where that is wanted.
fn first(given: StoredCredentials, sign_up_key: Option<String>) -> Credentials {
    let Some(key) = sign_up_key else { return given.into_credentials() };
    let sign_up = Credentials::SignUp(SignUp { key: key.into(), always: true });
    match given.into_credentials() {
        Credentials::None => sign_up,
        given => Credentials::All(vec![given, sign_up]),
    }
}

/// Cuts what is too much, and says so in the notices.
pub(super) fn bound(outcome: &mut Outcome) {
    if outcome.findings.len() > MAX_FINDINGS {
        let more = outcome.findings.len() - MAX_FINDINGS;
        outcome.findings.truncate(MAX_FINDINGS);
        outcome.notices.push(format!("{more} findings of the lowest severity were not stored."));
    }
    let mut left = MAX_EVIDENCE;
    let mut cut = false;
    for finding in &mut outcome.findings {
        finding.evidence.retain(|evidence| {
            let size = evidence.request.len() + evidence.response.len();
            let fits = size <= left;
            left -= if fits { size } else { 0 };
            cut |= !fits;
            fits
        });
    }
    if cut {
        outcome.notices.push("Some evidence was not stored: there is too much of it.".to_owned());
    }
}

/// The engine redacts what it writes; this is the second lock on the same door.
pub(super) fn redact(outcome: &mut Outcome, secrets: &[String]) {
    let clean = |text: &mut String| clean(text, secrets);
    outcome.findings.iter_mut().for_each(|finding| redact_finding(finding, secrets));
    outcome.notices.iter_mut().for_each(clean);
    outcome.operations.iter_mut().filter_map(|operation| operation.reason.as_mut()).for_each(clean);
    if let Some(failure) = &mut outcome.failure {
        clean(&mut failure.message);
    }
}

/// The same for one finding.
pub(super) fn redact_finding(finding: &mut Finding, secrets: &[String]) {
    let texts = [
        &mut finding.title,
        &mut finding.location,
        &mut finding.description,
        &mut finding.explanation,
        &mut finding.remediation,
        &mut finding.curl,
    ];
    let proof = finding.evidence.iter_mut().flat_map(|evidence| [&mut evidence.request, &mut evidence.response]);
    texts.into_iter().chain(proof).for_each(|text| clean(text, secrets));
}

fn clean(text: &mut String, secrets: &[String]) {
    for secret in secrets {
        if text.contains(secret) {
            *text = text.replace(secret, "[redacted]");
        }
    }
}

/// Compressed JSON.
pub(super) fn pack(outcome: &Outcome) -> Result<Vec<u8>> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    serde_json::to_writer(&mut encoder, outcome).map_err(Error::internal)?;
    encoder.flush().map_err(Error::internal)?;
    encoder.finish().map_err(Error::internal)
}

/// The reverse of [`pack`].
pub(super) fn unpack(blob: &[u8]) -> Result<Outcome> {
    let mut json = Vec::new();
    GzDecoder::new(blob).take(MAX_OUTCOME).read_to_end(&mut json).map_err(Error::internal)?;
    serde_json::from_slice(&json).map_err(Error::internal)
}
