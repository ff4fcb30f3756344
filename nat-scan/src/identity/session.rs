//! Credentials on requests.

use std::fmt;
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use secrecy::{ExposeSecret, SecretString};

use super::Credentials;
use super::token::{AuthError, TokenSource};
use crate::transport::Request;
use crate::transport::fetch::PolicyFetcher;

/// Headers whose values are never shown, whatever the credentials are.
const SECRET_HEADERS: [&str; 5] = ["authorization", "proxy-authorization", "cookie", "set-cookie", "x-api-key"];

/// One identity during one scan: puts its credentials on requests and keeps its token fresh.
pub struct Session {
    /// None: anonymous.
    methods: Vec<Method>,
}

enum Method {
    /// The same value all the time.
    Static {
        name: String,
        value: SecretString,
        garbage: SecretString,
        secrets: Vec<SecretString>,
    },
    OAuth2(Box<TokenSource>),
}

/// Shows what kind of identity it is and nothing of its secrets.
impl fmt::Debug for Session {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kinds = self.methods.iter().map(|method| match method {
            Method::Static { .. } => "static",
            Method::OAuth2(_) => "oauth2",
        });
        formatter.write_str("Session")?;
        formatter.debug_list().entries(kinds).finish()
    }
}

impl Session {
    /// A session of these credentials; `fetcher` is how tokens are obtained.
    #[must_use]
    pub fn new(credentials: Credentials, fetcher: Arc<PolicyFetcher>) -> Self {
        let methods = match credentials {
            Credentials::None => Vec::new(),
            Credentials::Bearer(token) => {
                let value = format!("Bearer {}", token.expose_secret());
                vec![static_header("Authorization".to_owned(), value, vec![token])]
            }
            Credentials::Header { name, value } => {
                let text = value.expose_secret().to_owned();
                // "Bearer x" or "Token x": the second word alone is a secret too.
                let last = text.rsplit(' ').next().unwrap_or_default().to_owned();
                vec![static_header(name, text, vec![value, last.into()])]
            }
            Credentials::Basic { username, password } => vec![basic(&username, password)],
            Credentials::OAuth2(grant) => vec![Method::OAuth2(Box::new(TokenSource::new(*grant, fetcher)))],
            Credentials::All(all) => {
                all.into_iter().flat_map(|one| Self::new(one, Arc::clone(&fetcher)).methods).collect()
            }
        };
        Self { methods }
    }

    /// A session without credentials.
    #[must_use]
    pub const fn anonymous() -> Self {
        Self { methods: Vec::new() }
    }

    /// True when requests carry credentials.
    #[must_use]
    pub const fn is_authenticated(&self) -> bool {
        !self.methods.is_empty()
    }

    /// Puts the credentials on a request; obtains or renews the token first when there is need.
    ///
    /// # Errors
    /// [`AuthError`] when no token can be had.
    pub async fn apply(&self, request: &mut Request) -> Result<(), AuthError> {
        for method in &self.methods {
            match method {
                Method::Static { name, value, .. } => put(request, name, value.expose_secret()),
                Method::OAuth2(tokens) => {
                    let token = tokens.current().await?;
                    put(request, "Authorization", &format!("Bearer {}", token.expose_secret()));
                }
            }
        }
        Ok(())
    }

    /// Puts credentials of the same shape on a request that cannot be valid. Nothing for an anonymous session.
    pub fn apply_garbage(&self, request: &mut Request) {
        for method in &self.methods {
            match method {
                Method::Static { name, garbage, .. } => put(request, name, garbage.expose_secret()),
                Method::OAuth2(tokens) => {
                    let token = tokens.last().map_or_else(|| "0".repeat(40), |token| garbage(token.expose_secret()));
                    put(request, "Authorization", &format!("Bearer {token}"));
                }
            }
        }
    }

    /// The token was refused: the next [`Session::apply`] obtains another one. Nothing for static credentials.
    pub fn invalidate(&self) {
        for method in &self.methods {
            if let Method::OAuth2(tokens) = method {
                tokens.invalidate();
            }
        }
    }

    /// Every value that must not appear in evidence, reports or logs; tokens obtained so far included.
    #[must_use]
    pub fn secrets(&self) -> Vec<SecretString> {
        let secrets = self.methods.iter().flat_map(|method| match method {
            Method::Static { secrets, .. } => secrets.clone(),
            Method::OAuth2(tokens) => {
                let mut secrets = tokens.secrets();
                secrets.extend(tokens.last().map(|token| garbage(token.expose_secret()).into()));
                secrets
            }
        });
        secrets.filter(|secret| !secret.expose_secret().is_empty()).collect()
    }

    /// Names, in lower case, of headers whose values are redacted as a whole.
    #[must_use]
    pub fn secret_headers(&self) -> Vec<String> {
        let mut names: Vec<String> = SECRET_HEADERS.iter().map(|name| (*name).to_owned()).collect();
        for method in &self.methods {
            let Method::Static { name, .. } = method else { continue };
            let name = name.to_ascii_lowercase();
            if !names.contains(&name) {
                names.push(name);
            }
        }
        names
    }
}

fn static_header(name: String, value: String, mut secrets: Vec<SecretString>) -> Method {
    // The first word of "Bearer x" is a scheme, not a secret.
    let invalid =
        value.rsplit_once(' ').map_or_else(|| garbage(&value), |(scheme, rest)| format!("{scheme} {}", garbage(rest)));
    // A garbage token shares parts with the real one.
    secrets.push(invalid.rsplit(' ').next().unwrap_or_default().to_owned().into());
    Method::Static { name, value: value.into(), garbage: invalid.into(), secrets }
}

fn basic(username: &str, password: SecretString) -> Method {
    let encode = |password: &str| STANDARD.encode(format!("{username}:{password}"));
    let (valid, invalid) = (encode(password.expose_secret()), encode(&garbage(password.expose_secret())));
    Method::Static {
        name: "Authorization".to_owned(),
        value: format!("Basic {valid}").into(),
        garbage: format!("Basic {invalid}").into(),
        secrets: vec![password, valid.into(), invalid.into()],
    }
}

fn put(request: &mut Request, name: &str, value: &str) {
    // A cookie of the identity stands beside the operation's own cookies.
    match request.header("cookie") {
        Some(own) if name.eq_ignore_ascii_case("cookie") => {
            let joined = [own, b"; ", value.as_bytes()].concat();
            request.set_header(name, joined);
        }
        _ => request.set_header(name, value),
    }
}

/// The same shape (length, kinds of characters) and another value. Of a JWT only the signature changes: whoever accepts
/// it does not verify signatures.
fn garbage(value: &str) -> String {
    let rotate = |part: &str| -> String {
        part.chars()
            .map(|char| match char {
                'z' => 'a',
                'Z' => 'A',
                '9' => '0',
                'a'..='y' | 'A'..='Y' | '0'..='8' => char::from_u32(char as u32 + 1).unwrap_or('x'),
                other => other,
            })
            .collect()
    };
    let is_jwt = value.starts_with("eyJ") && value.matches('.').count() == 2;
    let rotated = match value.rsplit_once('.') {
        Some((signed, signature)) if is_jwt => format!("{signed}.{}", rotate(signature)),
        _ => rotate(value),
    };
    // Nothing to rotate: add something.
    if rotated == value { format!("{value}x") } else { rotated }
}

#[cfg(test)]
mod tests;
