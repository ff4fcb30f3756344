//! Looking at a target before anything is tested: single GET requests, same-origin redirects followed.

use std::sync::Arc;

use async_trait::async_trait;
use url::Url;

use super::budget::Purpose;
use super::fingerprint::CatchAll;
use super::identities::Identities;
use super::line::Line;
use super::probe::nonce;
use crate::check::As;
use crate::spec::FetchDocument;
use crate::transport::fetch::PolicyFetcher;
use crate::transport::{Request, Response};

const MAX_REDIRECTS: usize = 3;

/// Reads from one target.
pub(super) struct Scout<'a> {
    pub(super) line: &'a Line,
    pub(super) identities: &'a Identities,
    /// Base URL; its path has no trailing slash.
    pub(super) target: &'a Url,
    /// For documents elsewhere.
    pub(super) fetcher: &'a Arc<PolicyFetcher>,
    pub(super) seed: u64,
}

impl Scout<'_> {
    /// The answer to a GET of `path` (with query) on the target's origin, after redirects, and where it came from.
    pub(super) async fn get(&self, path: &str, accept: &str) -> Option<(Url, Response)> {
        let mut url = self.target.join(path).ok()?;
        for _ in 0..=MAX_REDIRECTS {
            let mut request = Request::new("GET", path_and_query(&url));
            request.set_header("Accept", accept);
            self.identities.apply(As::Primary, &mut request).await;
            let response = self.line.send(&request, false, Purpose::Document).await?.result.ok()?;
            let next = match response.status {
                301 | 302 | 303 | 307 | 308 => response.header("location").and_then(|to| url.join(to.trim()).ok()),
                _ => return Some((url, response)),
            };
            match next {
                Some(next) if next.origin() == url.origin() => url = next,
                _ => return Some((url, response)),
            }
        }
        None
    }

    /// What the target says to three paths that cannot exist.
    pub(super) async fn catch_all(&self, base_path: &str) -> CatchAll {
        let mut learned = CatchAll::default();
        for (number, suffix) in ["", ".json", "/x"].iter().enumerate() {
            let path = format!("{base_path}/{}{suffix}", nonce(self.seed, "path", number as u64));
            if let Some((_, response)) = self.get(&path, "*/*").await {
                learned.learn(&response);
            }
        }
        learned
    }
}

#[async_trait]
impl FetchDocument for Scout<'_> {
    async fn fetch(&self, url: &Url, max_bytes: usize) -> Result<Vec<u8>, String> {
        if url.origin() != self.target.origin() {
            return FetchDocument::fetch(self.fetcher.as_ref(), url, max_bytes).await;
        }
        let (_, response) = self
            .get(&path_and_query(url), "application/json, application/yaml, */*;q=0.5")
            .await
            .ok_or_else(|| format!("{url} could not be fetched"))?;
        if (300..400).contains(&response.status) {
            // It leads elsewhere: judged and pinned anew, and without our credentials.
            return FetchDocument::fetch(self.fetcher.as_ref(), url, max_bytes).await;
        }
        if !(200..300).contains(&response.status) {
            return Err(format!("{url} answered {}", response.status));
        }
        if response.truncated || response.body.len() > max_bytes {
            return Err(format!("{url} has more than {max_bytes} bytes"));
        }
        Ok(response.body.to_vec())
    }
}

/// What goes into the request line.
pub(super) fn path_and_query(url: &Url) -> String {
    url[url::Position::BeforePath..url::Position::AfterQuery].to_owned()
}
