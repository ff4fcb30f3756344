//! Credentials on requests.

use std::fmt;
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use secrecy::{ExposeSecret, SecretString};

use super::login::LoginSource;
use super::oauth2::Grant;
use super::place::put_header as put;
use super::token::{AuthError, Issued, Obtain, TokenSource};
use super::{Credentials, Endpoint, Placement, Worn};
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
    Token(Box<TokenSource>),
}

/// Which tokens a request carries, for [`Session::renew`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ticket(Vec<u64>);

/// Shows what kind of identity it is and nothing of its secrets.
impl fmt::Debug for Session {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kinds = self.methods.iter().map(|method| match method {
            Method::Static { .. } => "static",
            Method::Token(_) => "token",
        });
        formatter.write_str("Session")?;
        formatter.debug_list().entries(kinds).finish()
    }
}

impl Session {
    /// A session of these credentials; `fetcher` is how tokens are obtained. What only a document can complete is left
    /// out: users without a login, grants without a token URL, logins on the target's origin.
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
            Credentials::OAuth2(grant) => match grant.token_url.clone() {
                Some(url) => vec![tokens(Grant::new(*grant, url, fetcher), Placement::bearer())],
                None => Vec::new(),
            },
            Credentials::Login(login) => match &login.endpoint {
                Endpoint::Url(url) => login
                    .call(url)
                    .map(|call| {
                        let source = LoginSource::new(fetcher, call, login.take.clone(), login.secrets());
                        tokens(source, login.placement.clone())
                    })
                    .into_iter()
                    .collect(),
                Endpoint::Path(_) => Vec::new(),
            },
            Credentials::User { .. } | Credentials::SignUp(_) => Vec::new(),
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

    /// The session with one more login.
    pub(crate) fn add(&mut self, source: LoginSource, placement: Placement) {
        self.methods.push(tokens(source, placement));
    }

    /// The session with the methods of another one.
    pub(crate) fn join(&mut self, other: Self) {
        self.methods.extend(other.methods);
    }

    /// Puts the credentials on a request; obtains or renews the token first when there is need.
    ///
    /// # Errors
    /// [`AuthError`] when no token can be had.
    pub async fn apply(&self, request: &mut Request) -> Result<Ticket, AuthError> {
        let mut ticket = Vec::new();
        for method in &self.methods {
            match method {
                Method::Static { name, value, .. } => put(request, name, value.expose_secret()),
                Method::Token(tokens) => {
                    let (token, generation) = tokens.current().await?;
                    tokens.placement.put(request, token.expose_secret());
                    ticket.push(generation);
                }
            }
        }
        Ok(Ticket(ticket))
    }

    /// What requests carry now. `None` for an anonymous session, for name and password on each request, and when no token
    /// can be had.
    pub(crate) async fn worn(&self) -> Option<Worn> {
        let mut all = Vec::new();
        for method in &self.methods {
            match method {
                Method::Static { name, value, .. } => match value.expose_secret().split_once(' ') {
                    Some((scheme, _)) if scheme.eq_ignore_ascii_case("basic") => return None,
                    Some((scheme, token)) => {
                        all.push((Placement::header(name, &format!("{scheme} {{token}}")), token.to_owned().into()));
                    }
                    None => all.push((Placement::header(name, "{token}"), value.clone())),
                },
                Method::Token(tokens) => {
                    let (token, _) = tokens.current().await.ok()?;
                    all.push((tokens.placement.clone(), token));
                }
            }
        }
        Worn::of(all)
    }

    /// Puts credentials of the same shape on a request that cannot be valid. Nothing for an anonymous session.
    pub fn apply_garbage(&self, request: &mut Request) {
        for method in &self.methods {
            match method {
                Method::Static { name, garbage, .. } => put(request, name, garbage.expose_secret()),
                Method::Token(tokens) => {
                    let token = tokens.last().map_or_else(|| "0".repeat(40), |token| garbage_of(tokens, &token));
                    tokens.placement.put(request, &token);
                }
            }
        }
    }

    /// The tokens of this ticket were refused: obtains others, once for all who ask at the same time. True when there
    /// are others now. Static credentials are what they are.
    pub async fn renew(&self, ticket: &Ticket) -> bool {
        let mut renewed = false;
        for (tokens, refused) in self.tokens().zip(&ticket.0) {
            tokens.invalidate(*refused);
            renewed |= tokens.current().await.is_ok_and(|(_, generation)| generation != *refused);
        }
        renewed
    }

    fn tokens(&self) -> impl Iterator<Item = &TokenSource> {
        self.methods.iter().filter_map(|method| match method {
            Method::Static { .. } => None,
            Method::Token(tokens) => Some(&**tokens),
        })
    }

    /// Where the tokens of this session and of its future are kept.
    pub(crate) fn issued(&self) -> Vec<Issued> {
        self.tokens().map(|tokens| tokens.issued.clone()).collect()
    }

    /// Every value that must not appear in evidence, reports or logs; tokens obtained so far included.
    #[must_use]
    pub fn secrets(&self) -> Vec<SecretString> {
        let secrets = self.methods.iter().flat_map(|method| match method {
            Method::Static { secrets, .. } => secrets.clone(),
            Method::Token(tokens) => {
                let mut secrets = tokens.secrets();
                secrets.extend(tokens.last().map(|token| garbage_of(tokens, &token).into()));
                secrets
            }
        });
        secrets.filter(|secret| !secret.expose_secret().is_empty()).collect()
    }

    /// Names, in lower case, of headers whose values are redacted as a whole.
    #[must_use]
    pub fn secret_headers(&self) -> Vec<String> {
        let mut names: Vec<String> = SECRET_HEADERS.iter().map(|name| (*name).to_owned()).collect();
        for name in self.credential_headers() {
            if !names.contains(&name) {
                names.push(name);
            }
        }
        names
    }

    /// Names, in lower case, of the headers that carry the credentials.
    pub(crate) fn credential_headers(&self) -> Vec<String> {
        let name = |method: &Method| match method {
            Method::Static { name, .. } => Some(name.to_ascii_lowercase()),
            Method::Token(tokens) => tokens.placement.secret_header(),
        };
        self.methods.iter().filter_map(name).collect()
    }

    /// Names of the parameters of the query that carry them.
    pub(crate) fn credential_queries(&self) -> Vec<String> {
        self.tokens().filter_map(|tokens| tokens.placement.secret_query()).map(str::to_owned).collect()
    }
}

fn tokens(from: impl Obtain + 'static, placement: Placement) -> Method {
    Method::Token(Box::new(TokenSource::new(Box::new(from), placement)))
}

/// Of cookies the names stay.
fn garbage_of(tokens: &TokenSource, token: &SecretString) -> String {
    let token = token.expose_secret();
    if tokens.placement != Placement::Cookies {
        return garbage(token);
    }
    let pairs = token.split("; ").map(|pair| match pair.split_once('=') {
        Some((name, value)) => format!("{name}={}", garbage(value)),
        None => garbage(pair),
    });
    pairs.collect::<Vec<_>>().join("; ")
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
