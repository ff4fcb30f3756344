//! OAuth2 access tokens: obtained when first needed, renewed by one task at 80 % of their life.

use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;
use tokio::time::Instant;
use url::form_urlencoded::Serializer;

use super::OAuth2;
use crate::transport::Response;
use crate::transport::fetch::PolicyFetcher;

/// A token answer is small.
const MAX_TOKEN_BYTES: usize = 64 << 10;
/// Life of a token whose answer does not say.
const DEFAULT_LIFE: Duration = Duration::from_secs(300);
/// Nothing renews earlier than this, whatever `expires_in` says.
const MIN_LIFE: Duration = Duration::from_secs(1);
/// After a failure the token endpoint is left alone for a while.
const RETRY_AFTER: Duration = Duration::from_secs(5);
/// Issued tokens remembered for redaction.
const MAX_ISSUED: usize = 64;

/// Why there is no token. Holds no secret.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no access token could be obtained: {0}")]
pub struct AuthError(pub String);

#[derive(Clone)]
struct Token {
    value: SecretString,
    renew_at: Instant,
    expires_at: Instant,
}

/// The tokens of one grant.
pub(super) struct TokenSource {
    grant: OAuth2,
    fetcher: Arc<PolicyFetcher>,
    /// Read by every request; written by the one task that holds `renewal`.
    token: RwLock<Option<Token>>,
    /// Held while a token is requested: a hundred requests cause one. Holds the last failure and when to try again.
    renewal: tokio::sync::Mutex<Option<(Instant, AuthError)>>,
    issued: Mutex<Vec<SecretString>>,
}

impl TokenSource {
    pub(super) fn new(grant: OAuth2, fetcher: Arc<PolicyFetcher>) -> Self {
        Self {
            grant,
            fetcher,
            token: RwLock::new(None),
            renewal: tokio::sync::Mutex::new(None),
            issued: Mutex::new(Vec::new()),
        }
    }

    /// A token that is good now.
    pub(super) async fn current(&self) -> Result<SecretString, AuthError> {
        if let Some(value) = self.fresh(Instant::now()) {
            return Ok(value);
        }
        let mut failure = self.renewal.lock().await;
        let now = Instant::now();
        // Somebody else may have renewed it while this task waited.
        if let Some(value) = self.fresh(now) {
            return Ok(value);
        }
        let error = match &*failure {
            Some((retry_at, error)) if now < *retry_at => error.clone(),
            _ => match self.request().await {
                Ok((value, life)) => {
                    *failure = None;
                    return Ok(self.store(value, life));
                }
                Err(error) => {
                    *failure = Some((Instant::now() + RETRY_AFTER, error.clone()));
                    error
                }
            },
        };
        // Between 80 % and the end of its life the old token still serves.
        let usable = self.read().filter(|token| now < token.expires_at);
        usable.map(|token| token.value).ok_or(error)
    }

    /// The last token, good or not.
    pub(super) fn last(&self) -> Option<SecretString> {
        self.issued.lock().unwrap_or_else(PoisonError::into_inner).last().cloned()
    }

    pub(super) fn invalidate(&self) {
        *self.token.write().unwrap_or_else(PoisonError::into_inner) = None;
    }

    pub(super) fn secrets(&self) -> Vec<SecretString> {
        let mut secrets: Vec<SecretString> =
            [&self.grant.client_secret, &self.grant.password].into_iter().flatten().cloned().collect();
        secrets.extend(self.issued.lock().unwrap_or_else(PoisonError::into_inner).iter().cloned());
        secrets
    }

    fn read(&self) -> Option<Token> {
        self.token.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn fresh(&self, now: Instant) -> Option<SecretString> {
        self.read().filter(|token| now < token.renew_at).map(|token| token.value)
    }

    fn store(&self, value: SecretString, life: Duration) -> SecretString {
        let now = Instant::now();
        let token = Token { value: value.clone(), renew_at: now + life.mul_f64(0.8), expires_at: now + life };
        *self.token.write().unwrap_or_else(PoisonError::into_inner) = Some(token);
        let mut issued = self.issued.lock().unwrap_or_else(PoisonError::into_inner);
        if issued.len() == MAX_ISSUED {
            issued.remove(0);
        }
        issued.push(value.clone());
        value
    }

    /// Asks with the client's secret in `Authorization`; a server that knows the client only from the form gets it there.
    async fn request(&self) -> Result<(SecretString, Duration), AuthError> {
        let in_header = self.grant.client_secret.is_some();
        let response = self.post(in_header).await?;
        let response =
            if in_header && matches!(response.status, 400 | 401) { self.post(false).await? } else { response };
        parse(&response)
    }

    async fn post(&self, secret_in_header: bool) -> Result<Response, AuthError> {
        let (headers, form) = self.form(secret_in_header);
        let answer = self.fetcher.post_form(&self.grant.token_url, &headers, form, MAX_TOKEN_BYTES).await;
        answer.map_err(|error| AuthError(error.to_string()))
    }

    /// Headers and body. Apart from the sending: the serialiser may not live across an await.
    fn form(&self, secret_in_header: bool) -> (Vec<(String, Vec<u8>)>, String) {
        let grant = &self.grant;
        let secret = grant.client_secret.as_ref().map(ExposeSecret::expose_secret);
        let mut headers = vec![("Accept".to_owned(), b"application/json".to_vec())];
        let mut form = Serializer::new(String::new());
        match &grant.username {
            Some(username) => {
                let password = grant.password.as_ref().map_or("", |password| password.expose_secret());
                form.append_pair("grant_type", "password")
                    .append_pair("username", username)
                    .append_pair("password", password);
            }
            None => {
                form.append_pair("grant_type", "client_credentials");
            }
        }
        if let Some(scope) = &grant.scope {
            form.append_pair("scope", scope);
        }
        match secret {
            Some(secret) if secret_in_header => {
                // RFC 6749 section 2.3.1: both parts are form-encoded before they are joined.
                let encode = |text: &str| url::form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
                let pair = STANDARD.encode(format!("{}:{}", encode(&grant.client_id), encode(secret)));
                headers.push(("Authorization".to_owned(), format!("Basic {pair}").into_bytes()));
            }
            secret => {
                form.append_pair("client_id", &grant.client_id);
                if let Some(secret) = secret {
                    form.append_pair("client_secret", secret);
                }
            }
        }
        (headers, form.finish())
    }
}

/// Reads a token answer. The error shows the status and the server's error code, never its text.
fn parse(response: &Response) -> Result<(SecretString, Duration), AuthError> {
    let body: Value = serde_json::from_slice(&response.body).unwrap_or_default();
    if !(200..=299).contains(&response.status) {
        let code = body["error"].as_str().unwrap_or_default();
        let code: String =
            code.chars().filter(|char| char.is_ascii_alphanumeric() || "_-".contains(*char)).take(64).collect();
        return Err(AuthError(format!("the token endpoint answered {} {code}", response.status).trim_end().to_owned()));
    }
    let token = body["access_token"].as_str().filter(|token| !token.is_empty());
    let token = token.ok_or_else(|| AuthError("the token answer has no access_token".to_owned()))?;
    if token.bytes().any(|byte| byte.is_ascii_control()) {
        return Err(AuthError("the access_token holds control characters".to_owned()));
    }
    let expires_in = &body["expires_in"];
    let seconds = expires_in.as_f64().or_else(|| expires_in.as_str().and_then(|text| text.trim().parse().ok()));
    let life =
        seconds.filter(|seconds| seconds.is_finite()).map(|seconds| Duration::from_secs_f64(seconds.clamp(0.0, 1e6)));
    Ok((token.to_owned().into(), life.unwrap_or(DEFAULT_LIFE).max(MIN_LIFE)))
}
