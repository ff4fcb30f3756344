//! Nothing secret leaves the engine: what is known to be secret is replaced wherever it stands.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use secrecy::ExposeSecret;

use crate::identity::Credentials;

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
    secrets: Vec<Secret>,
    headers: Vec<String>,
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
                for secret in grant.client_secret.iter().chain(&grant.password) {
                    self.secret(secret.expose_secret(), &format!("NAT_PASSWORD{suffix}"));
                }
            }
            Credentials::All(all) => all.iter().for_each(|one| self.credentials(one, suffix)),
        }
    }

    /// Hides `value` wherever it stands: as it is, percent-encoded, and as it looks inside JSON. In curl lines it
    /// becomes the shell variable.
    pub fn secret(&mut self, value: &str, variable: &str) {
        if value.len() < MIN_SECRET {
            return;
        }
        let encoded: String = url::form_urlencoded::byte_serialize(value.as_bytes()).collect();
        let escaped = serde_json::to_string(value).unwrap_or_default();
        let escaped = escaped.trim_matches('"').to_owned();
        for form in [value.to_owned(), encoded.replace('+', "%20"), encoded, escaped] {
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
        self.secrets.push(Secret { value, replacement, variable });
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
    pub(super) fn pieces<'a>(&'a self, bytes: &'a [u8]) -> Vec<Piece<'a>> {
        let mut pieces = Vec::new();
        let (mut start, mut at) = (0, 0);
        while at < bytes.len() {
            let hit = self.secrets.iter().find(|secret| bytes[at..].starts_with(&secret.value));
            match hit {
                Some(secret) => {
                    if start < at {
                        pieces.push(Piece::Plain(&bytes[start..at]));
                    }
                    pieces.push(Piece::Secret(secret));
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
    Secret(&'a Secret),
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
