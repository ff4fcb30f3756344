//! Nothing secret leaves the engine: what is known to be secret is replaced wherever it stands.

use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use secrecy::ExposeSecret;

use crate::identity::{Credentials, Issued};

/// What stands in the place of a secret.
pub(crate) const REDACTED: &str = "[redacted]";

/// Shorter secrets are hidden in sensitive headers only: replaced everywhere they would garble every text.
const MIN_SECRET: usize = 4;

const SENSITIVE_HEADERS: [&str; 5] = ["authorization", "proxy-authorization", "cookie", "set-cookie", "x-api-key"];

/// A value to hide, with what stands for it in text and in a shell.
#[derive(Clone)]
pub(super) struct Secret {
    pub(super) value: Vec<u8>,
    pub(super) replacement: String,
    /// Shell variable; a masked value of the target has none.
    pub(super) variable: Option<String>,
}

/// Knows the secrets of a scan and hides them.
#[derive(Clone, Default)]
pub struct Redactor {
    secrets: Vec<Arc<Secret>>,
    headers: Vec<String>,
    /// Parameters of the query that carry credentials.
    queries: Vec<String>,
    /// Tokens that are renewed while the scan runs, with their shell variables.
    issued: Vec<(Issued, String)>,
}

impl std::fmt::Debug for Redactor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Redactor").field("secrets", &self.secrets.len()).field("headers", &self.headers).finish()
    }
}

impl Redactor {
    /// Knows the sensitive header names and no secret yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Knows the secrets in credentials; `suffix` (`""`, `"_2"`) tells identities apart in shell variables. Tokens got
    /// from an OAuth2 server are added with [`Redactor::secret`].
    pub fn credentials(&mut self, credentials: &Credentials, suffix: &str) {
        match credentials {
            Credentials::None => {}
            Credentials::Bearer(token) => self.secret(token.expose_secret(), &format!("NAT_TOKEN{suffix}")),
            Credentials::Header { name, value } => {
                self.headers.push(name.to_ascii_lowercase());
                self.secret(value.expose_secret(), &format!("NAT_API_KEY{suffix}"));
            }
            Credentials::Basic { username, password } => {
                let pair = STANDARD.encode(format!("{username}:{}", password.expose_secret()));
                self.secret(&pair, &format!("NAT_BASIC{suffix}"));
                self.secret(password.expose_secret(), &format!("NAT_PASSWORD{suffix}"));
            }
            Credentials::OAuth2(grant) => {
                for secret in grant.client_secret.iter().chain(&grant.password).chain(&grant.refresh_token) {
                    self.secret(secret.expose_secret(), &format!("NAT_PASSWORD{suffix}"));
                }
            }
            Credentials::User { password, .. } => {
                self.secret(password.expose_secret(), &format!("NAT_PASSWORD{suffix}"));
            }
            Credentials::Login(login) => {
                for secret in &login.secrets {
                    self.secret(secret.expose_secret(), &format!("NAT_PASSWORD{suffix}"));
                }
            }
            Credentials::SignUp(sign_up) => self.secret(sign_up.key.expose_secret(), &format!("NAT_PASSWORD{suffix}")),
            Credentials::All(all) => all.iter().for_each(|one| self.credentials(one, suffix)),
        }
    }

    /// The header or the parameter of the query of that name carries credentials.
    pub(crate) fn carriers(&mut self, headers: Vec<String>, queries: Vec<String>) {
        self.headers.extend(headers);
        self.queries.extend(queries);
    }

    /// Hides every token that is issued from now on.
    pub(crate) fn renewed(&mut self, issued: Issued, variable: &str) {
        self.issued.push((issued, variable.to_owned()));
    }

    /// Hides `value` wherever it stands: as it is, percent-encoded, and as it looks inside JSON. In curl lines it
    /// becomes the shell variable.
    pub fn secret(&mut self, value: &str, variable: &str) {
        for form in forms(value) {
            self.add(form, REDACTED.to_owned(), Some(variable.to_owned()));
        }
    }

    /// Shows only the ends of `value` (something that the target leaks).
    pub(crate) fn mask(&mut self, value: &str) {
        let masked = masked(value);
        let escaped = serde_json::to_string(value).unwrap_or_default();
        for form in [value, escaped.trim_matches('"')] {
            self.add(form.to_owned(), masked.clone(), None);
        }
    }

    fn add(&mut self, value: String, replacement: String, variable: Option<String>) {
        let value = value.into_bytes();
        if value.is_empty() || self.secrets.iter().any(|known| known.value == value) {
            return;
        }
        self.secrets.push(Arc::new(Secret { value, replacement, variable }));
        // The longest first: a secret may contain another one.
        self.secrets.sort_by_key(|secret| std::cmp::Reverse(secret.value.len()));
    }

    /// Whether the value of that header is never shown.
    #[must_use]
    pub fn is_sensitive_header(&self, name: &str) -> bool {
        let name = name.to_ascii_lowercase();
        SENSITIVE_HEADERS.contains(&name.as_str()) || self.headers.contains(&name)
    }

    /// Whether that header carries the credentials of this scan: its own name, or one reserved for credentials.
    #[must_use]
    pub fn is_credential_header(&self, name: &str) -> bool {
        let name = name.to_ascii_lowercase();
        matches!(name.as_str(), "authorization" | "proxy-authorization") || self.headers.contains(&name)
    }

    /// Names of the parameters of the query that carry the credentials of this scan.
    pub(crate) fn credential_queries(&self) -> &[String] {
        &self.queries
    }

    /// `text` without secrets.
    #[must_use]
    pub fn text(&self, text: &str) -> String {
        String::from_utf8_lossy(&self.bytes(text.as_bytes())).into_owned()
    }

    /// `bytes` without secrets.
    #[must_use]
    pub fn bytes(&self, bytes: &[u8]) -> Vec<u8> {
        let mut out = Vec::with_capacity(bytes.len());
        for piece in self.pieces(bytes) {
            match piece {
                Piece::Plain(plain) => out.extend_from_slice(plain),
                Piece::Secret(secret) => out.extend_from_slice(secret.replacement.as_bytes()),
            }
        }
        out
    }

    /// `bytes` cut where secrets stand.
    pub(super) fn pieces<'a>(&self, bytes: &'a [u8]) -> Vec<Piece<'a>> {
        let mut secrets = self.secrets.clone();
        for (issued, variable) in &self.issued {
            for token in issued.all() {
                secrets.extend(forms(token.expose_secret()).into_iter().map(|form| {
                    let (value, variable) = (form.into_bytes(), Some(variable.clone()));
                    Arc::new(Secret { value, replacement: REDACTED.to_owned(), variable })
                }));
            }
        }
        if !self.issued.is_empty() {
            secrets.sort_by_key(|secret| std::cmp::Reverse(secret.value.len()));
        }
        let mut pieces = Vec::new();
        let (mut start, mut at) = (0, 0);
        while at < bytes.len() {
            let hit = secrets.iter().find(|secret| bytes[at..].starts_with(&secret.value));
            match hit {
                Some(secret) => {
                    if start < at {
                        pieces.push(Piece::Plain(&bytes[start..at]));
                    }
                    pieces.push(Piece::Secret(Arc::clone(secret)));
                    at += secret.value.len();
                    start = at;
                }
                None => at += 1,
            }
        }
        if start < bytes.len() {
            pieces.push(Piece::Plain(&bytes[start..]));
        }
        pieces
    }
}

/// Part of a text.
pub(super) enum Piece<'a> {
    Plain(&'a [u8]),
    Secret(Arc<Secret>),
}

/// How a secret may be written; none of one that is too short.
fn forms(value: &str) -> Vec<String> {
    if value.len() < MIN_SECRET {
        return Vec::new();
    }
    let encoded: String = url::form_urlencoded::byte_serialize(value.as_bytes()).collect();
    let escaped = serde_json::to_string(value).unwrap_or_default();
    let escaped = escaped.trim_matches('"').to_owned();
    let mut forms = vec![value.to_owned()];
    for form in [encoded.replace('+', "%20"), encoded, escaped] {
        if !forms.contains(&form) {
            forms.push(form);
        }
    }
    forms
}

/// The first and last two characters of a longer value.
pub(crate) fn masked(value: &str) -> String {
    let characters: Vec<char> = value.chars().collect();
    if characters.len() < 12 {
        return "[masked]".to_owned();
    }
    let head: String = characters[..4].iter().collect();
    let tail: String = characters[characters.len() - 2..].iter().collect();
    format!("{head}[masked]{tail}")
}
