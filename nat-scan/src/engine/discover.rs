//! Finding a document that nobody named: usual places first, then pages that show one.

use std::sync::LazyLock;

use futures::future::join_all;
use regex::Regex;
use url::Url;

use super::fingerprint::CatchAll;
use super::scout::Scout;
use crate::spec::{self, Api, SpecLimits};
use crate::transport::Response;

/// Where frameworks and people put their document.
const PLACES: [&str; 40] = [
    "/openapi.json",
    "/openapi.yaml",
    "/openapi.yml",
    "/swagger.json",
    "/swagger.yaml",
    "/swagger.yml",
    "/spec.json",
    "/v3/api-docs",
    "/v2/api-docs",
    "/api-docs",
    "/api-docs.json",
    "/api/openapi.json",
    "/api/openapi.yaml",
    "/api/swagger.json",
    "/api/v1/openapi.json",
    "/api/v2/openapi.json",
    "/api/v1/swagger.json",
    "/api/v3/openapi.json",
    "/api/spec.json",
    "/api/schema",
    "/api/schema/?format=json",
    "/api/docs.json",
    "/api/doc.json",
    "/api/api-docs",
    "/v1/openapi.json",
    "/v2/openapi.json",
    "/v3/openapi.json",
    "/v1/swagger.json",
    "/v2/swagger.json",
    "/swagger/v1/swagger.json",
    "/swagger/v2/swagger.json",
    "/swagger/doc.json",
    "/swagger-ui/openapi.json",
    "/docs/openapi.json",
    "/docs/swagger.json",
    "/schema.json",
    "/schema/openapi.json",
    "/apispec_1.json",
    "/.well-known/openapi.json",
    "/q/openapi",
];
/// Pages that show a document and name where it is.
const PAGES: [&str; 7] = ["/", "/docs", "/swagger-ui/", "/swagger-ui/index.html", "/swagger", "/redoc", "/api/docs"];
const AT_ONCE: usize = 4;
const MAX_HINTS: usize = 8;
/// What is asked for.
const DOCUMENT: &str = "application/json, application/yaml, */*;q=0.5";

#[expect(clippy::unwrap_used, reason = "a constant pattern")]
static HINT: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r#"["']([^"'\s<>]{0,200}(?:openapi|swagger|api-docs|spec|schema)[^"'\s<>]{0,60}(?:\.json|\.ya?ml|api-docs))["']"#)
        .unwrap()
});

/// A document at one of the usual places, with where it is.
pub(super) async fn discover(scout: &Scout<'_>, base_path: &str, unknown: &CatchAll) -> Option<(Api, Url)> {
    let mut bases = vec![base_path];
    if !base_path.is_empty() {
        bases.push("");
    }
    // Lists rather than lazy iterators: a closure that lives across an await makes the future's type too particular.
    let places = below(&bases, &PLACES);
    for some in places.chunks(AT_ONCE) {
        let answers = join_all(some.iter().map(|place| scout.get(place, DOCUMENT))).await;
        for answer in answers {
            if let Some(found) = read(scout, answer, unknown).await {
                return Some(found);
            }
        }
    }
    let mut hints: Vec<String> = Vec::new();
    for page in below(&bases, &PAGES) {
        let Some((url, response)) = scout.get(&page, "text/html, */*;q=0.5").await else { continue };
        if response.status < 400 {
            hints.extend(hinted(&url, &response));
            hints.dedup();
        }
    }
    for hint in hints.into_iter().take(MAX_HINTS) {
        let answer = scout.get(&hint, DOCUMENT).await;
        if let Some(found) = read(scout, answer, unknown).await {
            return Some(found);
        }
    }
    None
}

/// Each path below each base.
fn below(bases: &[&str], paths: &[&str]) -> Vec<String> {
    let mut all = Vec::new();
    for base in bases {
        all.extend(paths.iter().map(|path| format!("{base}{path}")));
    }
    all
}

/// The document in an answer, if it is one.
async fn read(scout: &Scout<'_>, answer: Option<(Url, Response)>, unknown: &CatchAll) -> Option<(Api, Url)> {
    let (url, response) = answer?;
    let usable = (200..300).contains(&response.status) && !response.truncated;
    if !usable || !looks_like_spec(&response.body) || unknown.matches(&response) {
        return None;
    }
    let api = spec::load(&response.body, Some(&url), Some(scout), SpecLimits::default()).await.ok()?;
    Some((api, url))
}

/// Cheap look before the loader.
fn looks_like_spec(body: &[u8]) -> bool {
    let head = String::from_utf8_lossy(&body[..body.len().min(4096)]);
    let start = head.trim_start_matches('\u{feff}').trim_start();
    !start.starts_with('<') && (body.len() > 4096 || start.contains("openapi") || start.contains("swagger"))
}

/// Same-origin documents that a page names.
fn hinted(page: &Url, response: &Response) -> Vec<String> {
    let text = String::from_utf8_lossy(&response.body[..response.body.len().min(256 << 10)]);
    HINT.captures_iter(&text)
        .filter_map(|found| page.join(found.get(1)?.as_str()).ok())
        .filter(|url| url.origin() == page.origin())
        .map(|url| super::scout::path_and_query(&url))
        .take(MAX_HINTS)
        .collect()
}
