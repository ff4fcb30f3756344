//! OAuth2 grants: client credentials, password, refresh token.

use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;
use url::Url;
use url::form_urlencoded::Serializer;

use super::OAuth2;
use super::answer::{Taken, told_life};
use super::token::{AuthError, Obtain};
use crate::transport::Response;
use crate::transport::fetch::PolicyFetcher;

/// A token answer is small.
const MAX_TOKEN_BYTES: usize = 64 << 10;

/// One grant at one token endpoint.
pub(super) struct Grant {
    grant: OAuth2,
    token_url: Url,
    fetcher: Arc<PolicyFetcher>,
    /// The last refresh token.
    refresh: Mutex<Option<SecretString>>,
}

impl Grant {
    pub(super) fn new(grant: OAuth2, token_url: Url, fetcher: Arc<PolicyFetcher>) -> Self {
        let refresh = Mutex::new(grant.refresh_token.clone());
        Self { grant, token_url, fetcher, refresh }
    }

    /// A refresh token is all that was given.
    fn only_refreshes(&self) -> bool {
        self.grant.refresh_token.is_some() && self.grant.username.is_none()
    }

    /// Asks with the client's secret in `Authorization`; a server that knows the client only from the form gets it there.
    async fn request(&self, refresh: Option<&SecretString>) -> Result<Taken, AuthError> {
        let in_header = self.grant.client_secret.is_some();
        let response = self.post(refresh, in_header).await?;
        let response =
            if in_header && matches!(response.status, 400 | 401) { self.post(refresh, false).await? } else { response };
        let (taken, next) = parse(&response)?;
        if let Some(next) = next {
            *self.refresh.lock().unwrap_or_else(PoisonError::into_inner) = Some(next);
        }
        Ok(taken)
    }

    async fn post(&self, refresh: Option<&SecretString>, secret_in_header: bool) -> Result<Response, AuthError> {
        let (headers, form) = self.form(refresh, secret_in_header);
        let answer = self.fetcher.post_form(&self.token_url, &headers, form, MAX_TOKEN_BYTES).await;
        answer.map_err(|error| AuthError(error.to_string()))
    }

    /// Headers and body. Apart from the sending: the serialiser may not live across an await.
    fn form(&self, refresh: Option<&SecretString>, secret_in_header: bool) -> (Vec<(String, Vec<u8>)>, String) {
        let grant = &self.grant;
        let secret = grant.client_secret.as_ref().map(ExposeSecret::expose_secret);
        let mut headers = vec![("Accept".to_owned(), b"application/json".to_vec())];
        let mut form = Serializer::new(String::new());
        match (refresh, &grant.username) {
            (Some(refresh), _) => {
                form.append_pair("grant_type", "refresh_token").append_pair("refresh_token", refresh.expose_secret());
            }
            (None, Some(username)) => {
                let password = grant.password.as_ref().map_or("", |password| password.expose_secret());
                form.append_pair("grant_type", "password")
                    .append_pair("username", username)
                    .append_pair("password", password);
            }
            (None, None) => {
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
                if !grant.client_id.is_empty() {
                    form.append_pair("client_id", &grant.client_id);
                }
                if let Some(secret) = secret {
                    form.append_pair("client_secret", secret);
                }
            }
        }
        (headers, form.finish())
    }
}

#[async_trait]
impl Obtain for Grant {
    async fn obtain(&self) -> Result<Taken, AuthError> {
        let refresh = self.refresh.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some(refresh) = refresh {
            let refreshed = self.request(Some(&refresh)).await;
            if refreshed.is_ok() || self.only_refreshes() {
                return refreshed;
            }
            *self.refresh.lock().unwrap_or_else(PoisonError::into_inner) = None;
        }
        self.request(None).await
    }

    fn secrets(&self) -> Vec<SecretString> {
        let refresh = self.refresh.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let given = [&self.grant.client_secret, &self.grant.password, &self.grant.refresh_token];
        given.into_iter().flatten().cloned().chain(refresh).collect()
    }
}

/// Reads a token answer: the token and a refresh token. The error shows the status and the server's error code, never
/// its text.
fn parse(response: &Response) -> Result<(Taken, Option<SecretString>), AuthError> {
    let body: Value = serde_json::from_slice(&response.body).unwrap_or_default();
    if !(200..=299).contains(&response.status) {
        let code = body["error"].as_str().unwrap_or_default();
        let code: String =
            code.chars().filter(|char| char.is_ascii_alphanumeric() || "_-".contains(*char)).take(64).collect();
        return Err(AuthError(format!("the token endpoint answered {} {code}", response.status).trim_end().to_owned()));
    }
    let text = |name: &str| body[name].as_str().filter(|token| !token.is_empty());
    let token = text("access_token").ok_or_else(|| AuthError("the token answer has no access_token".to_owned()))?;
    if token.bytes().any(|byte| byte.is_ascii_control()) {
        return Err(AuthError("the access_token holds control characters".to_owned()));
    }
    let refresh = text("refresh_token").map(|token| token.to_owned().into());
    Ok((Taken { value: token.to_owned().into(), life: told_life(&body) }, refresh))
}
