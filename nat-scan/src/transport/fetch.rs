//! Fetching documents and tokens: through the target policy, redirects by hand, each hop judged and pinned again.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use url::Url;

use super::{Limits, Request, Response, TransportError};
use crate::engine::Connect;
use crate::policy::{AddressClass, PinnedTarget, PolicyError, TargetPolicy};
use crate::spec::FetchDocument;

/// Redirects that are followed.
const MAX_REDIRECTS: usize = 5;

/// Why nothing was fetched.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FetchError {
    /// The URL, or one that it redirects to, is not allowed or not usable.
    #[error(transparent)]
    Policy(#[from] PolicyError),
    /// No answer.
    #[error(transparent)]
    Transport(#[from] TransportError),
    /// A redirect to an address that is more private than where the fetch began, to a metadata address, or from https
    /// to http.
    #[error("the redirect to {0} is not followed")]
    RedirectRefused(String),
    /// A redirect without a usable `Location`.
    #[error("the redirect has no usable Location")]
    RedirectInvalid,
    /// More than five redirects.
    #[error("more than {MAX_REDIRECTS} redirects")]
    TooManyRedirects,
    /// Longer than asked for.
    #[error("the document has more than {limit} bytes")]
    TooLarge {
        /// The limit.
        limit: usize,
    },
    /// An answer, but not a successful one.
    #[error("the server answered {0}")]
    Status(u16),
}

/// What was fetched.
#[derive(Clone, Debug)]
pub struct Fetched {
    /// Where it was in the end, after redirects.
    pub url: Url,
    /// The answer.
    pub response: Response,
}

/// Fetches through policy and transport.
#[derive(Clone)]
pub struct PolicyFetcher {
    /// Judges and pins each hop.
    pub policy: TargetPolicy,
    /// Makes the connection of each hop.
    pub connect: Arc<dyn Connect>,
    /// Of each hop.
    pub limits: Limits,
    /// In `User-Agent` and `X-NAT-Scan-Id`.
    pub scan_id: String,
}

impl PolicyFetcher {
    /// GET, following up to five redirects; any status is an answer. `headers` go to the first origin only.
    ///
    /// # Errors
    /// [`FetchError`]; a body of more than `max_bytes` is one.
    pub async fn get(&self, url: &Url, headers: &[(String, Vec<u8>)], max_bytes: usize) -> Result<Fetched, FetchError> {
        let first = self.policy.pin(url).await?;
        let (mut url, mut pinned) = (url.clone(), first.clone());
        for _ in 0..=MAX_REDIRECTS {
            let mut request = Request::new("GET", target_of(&url));
            if pinned.origin() == first.origin() {
                request.headers.extend_from_slice(headers);
            }
            let response = self.exchange(&pinned, &request, max_bytes).await?;
            if !is_redirect(response.status) {
                return Ok(Fetched { url, response });
            }
            let next = response.header("location").and_then(|location| url.join(location.trim()).ok());
            let next = next.ok_or(FetchError::RedirectInvalid)?;
            let hop = self.policy.pin(&next).await?;
            if !may_follow(first.class(), hop.class()) || (pinned.tls && !hop.tls) {
                return Err(FetchError::RedirectRefused(hop.origin()));
            }
            (url, pinned) = (next, hop);
        }
        Err(FetchError::TooManyRedirects)
    }

    /// GET of a document: as [`PolicyFetcher::get`], and only a 2xx answer will do.
    ///
    /// # Errors
    /// [`FetchError`]
    pub async fn document(
        &self,
        url: &Url,
        headers: &[(String, Vec<u8>)],
        max_bytes: usize,
    ) -> Result<Fetched, FetchError> {
        let fetched = self.get(url, headers, max_bytes).await?;
        match fetched.response.status {
            200..=299 => Ok(fetched),
            status => Err(FetchError::Status(status)),
        }
    }

    /// POST of a form; a redirect is an answer like any other, so that secrets go only where they were meant to go.
    ///
    /// # Errors
    /// [`FetchError`]
    pub async fn post_form(
        &self,
        url: &Url,
        headers: &[(String, Vec<u8>)],
        form: String,
        max_bytes: usize,
    ) -> Result<Response, FetchError> {
        let mut request = Request::new("POST", String::new());
        request.headers.extend_from_slice(headers);
        request.set_header("Content-Type", "application/x-www-form-urlencoded");
        request.body = Some(Bytes::from(form));
        self.send(url, request, max_bytes).await
    }

    /// Any request to `url`, whose path and query become its target. A redirect is an answer like any other.
    ///
    /// # Errors
    /// [`FetchError`]
    pub async fn send(&self, url: &Url, mut request: Request, max_bytes: usize) -> Result<Response, FetchError> {
        let pinned = self.policy.pin(url).await?;
        request.target = target_of(url);
        self.exchange(&pinned, &request, max_bytes).await
    }

    async fn exchange(
        &self,
        pinned: &PinnedTarget,
        request: &Request,
        max_bytes: usize,
    ) -> Result<Response, FetchError> {
        let limits = Limits { max_body_bytes: max_bytes, max_decoded_bytes: max_bytes, ..self.limits };
        let response = self.connect.connect(pinned, limits, &self.scan_id).send(request, true).await?;
        if response.truncated && !is_redirect(response.status) {
            return Err(FetchError::TooLarge { limit: max_bytes });
        }
        Ok(response)
    }
}

#[async_trait]
impl FetchDocument for PolicyFetcher {
    async fn fetch(&self, url: &Url, max_bytes: usize) -> Result<Vec<u8>, String> {
        match self.document(url, &[], max_bytes).await {
            Ok(fetched) => Ok(fetched.response.body.to_vec()),
            Err(error) => Err(error.to_string()),
        }
    }
}

fn target_of(url: &Url) -> String {
    url.query().map_or_else(|| url.path().to_owned(), |query| format!("{}?{query}", url.path()))
}

const fn is_redirect(status: u16) -> bool {
    matches!(status, 301 | 302 | 303 | 307 | 308)
}

/// A redirect leads to the public or stays in the class of addresses where the fetch began: a target must not use the
/// scanner to look further into a network. In every mode, and after the policy.
fn may_follow(first: AddressClass, next: AddressClass) -> bool {
    next != AddressClass::MetadataAddress && (next == AddressClass::Public || next == first)
}
