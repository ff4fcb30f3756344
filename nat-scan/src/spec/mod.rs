//! The only place that knows OpenAPI 2.0, 3.0 and 3.1: any document becomes one internal [`Api`].

mod document;
pub mod ir;
mod loader;
mod oauth;
mod operation;
mod parse;
mod v2;
mod v3;

pub use ir::*;

use async_trait::async_trait;
use serde_json::Value;
use sha2::{Digest, Sha256};
use url::Url;

use crate::schema::normalise::Dialect;
use document::{Documents, Place};
use loader::Loader;

/// Why a document cannot be used at all. Smaller faults become [`Api::warnings`] and skip what they touch.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SpecError {
    /// Over [`SpecLimits::max_bytes`].
    #[error("the spec has more than {limit} bytes")]
    TooLarge {
        /// The limit.
        limit: usize,
    },
    /// Aliases or nesting beyond the budget (a "billion laughs").
    #[error("the spec expands beyond the budget of the parser: {0}")]
    Bomb(String),
    /// Neither JSON nor YAML.
    #[error("the spec is neither JSON nor YAML: {0}")]
    Syntax(String),
    /// HTML where a spec should be (a login or error page).
    #[error("the spec is an HTML page, not an OpenAPI document")]
    Html,
    /// JSON or YAML, but no OpenAPI document of a known version.
    #[error("not an OpenAPI document: {0}")]
    NotOpenApi(String),
    /// No path, or none with an operation.
    #[error("the spec has no operation to test")]
    NoOperations,
    /// It could not be fetched.
    #[error("the spec could not be fetched: {0}")]
    Fetch(String),
}

/// Any JSON or YAML file under the limits of a document.
pub(crate) fn read(bytes: &[u8], limits: &SpecLimits) -> Result<Value, SpecError> {
    parse::parse(bytes, limits).map(|parsed| parsed.value)
}

/// Bounds of loading.
#[derive(Clone, Copy, Debug)]
pub struct SpecLimits {
    /// Of one document, decoded.
    pub max_bytes: usize,
    /// Of all documents together.
    pub max_total_bytes: usize,
    /// External documents that may be fetched.
    pub max_documents: usize,
    /// YAML nodes after expansion of aliases.
    pub max_nodes: usize,
    /// Nesting of JSON or YAML.
    pub max_depth: usize,
}

impl Default for SpecLimits {
    fn default() -> Self {
        Self {
            max_bytes: 10 << 20,
            max_total_bytes: 32 << 20,
            max_documents: 256,
            max_nodes: 1_000_000,
            max_depth: 128,
        }
    }
}

/// Fetches external documents for `$ref`. Implementations apply the target policy; the loader asks only for documents
/// of the same origin (or directory, for files) as the root document.
#[async_trait]
pub trait FetchDocument: Send + Sync {
    /// The bytes of the document, at most `max_bytes`; the error is a sentence for the user.
    async fn fetch(&self, url: &Url, max_bytes: usize) -> Result<Vec<u8>, String>;
}

/// A document as a tree, JSON or YAML, as [`load`] reads it: nothing resolved, nothing judged.
///
/// # Errors
/// [`SpecError`] when it is neither, or beyond the limits.
pub fn document(bytes: &[u8]) -> Result<serde_json::Value, SpecError> {
    parse::parse(bytes, &SpecLimits::default()).map(|parsed| parsed.value)
}

/// Reads a document. `base` is where it came from: the base of relative `$ref`s and servers; `None` for bytes alone.
///
/// # Errors
/// [`SpecError`] when nothing can be tested with it.
pub async fn load(
    bytes: &[u8],
    base: Option<&Url>,
    fetch: Option<&dyn FetchDocument>,
    limits: SpecLimits,
) -> Result<Api, SpecError> {
    let parsed = parse::parse(bytes, &limits)?;
    let version = detect(&parsed.value)?;
    let documents = Documents::load(parsed.value, base, fetch, bytes.len(), &limits).await;
    let root = documents.root();
    let dialect = match version {
        SpecVersion::V2 => Dialect::Swagger2,
        SpecVersion::V30 => Dialect::OpenApi30,
        SpecVersion::V31 | SpecVersion::Inferred => Dialect::OpenApi31,
    };
    let mut loader = Loader::new(&documents, dialect);
    for pointer in parsed.duplicates {
        loader.warn_at(pointer, "the key is there twice; the last one counts".to_owned());
    }
    let (servers, security_schemes, mut operations) = if version == SpecVersion::V2 {
        let schemes = v2::security_schemes(&mut loader);
        let operations = operation::operations(&mut loader, &v2::Swagger2, &schemes);
        (v2::servers(&root, base), schemes, operations)
    } else {
        let schemes = v3::security_schemes(&mut loader);
        let operations = operation::operations(&mut loader, &v3::OpenApi3, &schemes);
        (v3::servers(&mut loader), schemes, operations)
    };
    if operations.is_empty() {
        return Err(SpecError::NoOperations);
    }
    let oauth_flows = oauth::flows(&mut loader);
    let warnings = loader.finish(&mut operations);
    Ok(Api {
        title: info(&root, "title"),
        version: info(&root, "version"),
        spec_version: version,
        servers,
        operations,
        security_schemes,
        oauth_flows,
        warnings,
        digest: hex::encode(Sha256::digest(bytes)),
    })
}

fn info(root: &Place<'_>, key: &str) -> String {
    root.get("info").and_then(|info| info.text(key)).unwrap_or_default()
}

/// The version that the document states; numbers are tolerated, since YAML reads `3.1` as one.
fn detect(root: &Value) -> Result<SpecVersion, SpecError> {
    let refuse = |message: &str| Err(SpecError::NotOpenApi(message.to_owned()));
    if !root.is_object() {
        return refuse("the document is not an object");
    }
    let stated = |key: &str| match root.get(key)? {
        Value::String(text) => Some(text.trim().chars().take(40).collect::<String>()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    };
    match (stated("openapi"), stated("swagger")) {
        (Some(version), _) if version == "3.0" || version.starts_with("3.0.") => Ok(SpecVersion::V30),
        (Some(version), _) if version == "3" || version.starts_with("3.") => Ok(SpecVersion::V31),
        (None, Some(version)) if version == "2" || version.starts_with("2.") => Ok(SpecVersion::V2),
        (Some(version), _) => refuse(&format!("OpenAPI `{version}` is not known")),
        (None, Some(version)) => refuse(&format!("Swagger `{version}` is not known; 2.0 is")),
        (None, None) => refuse("it has neither `openapi` nor `swagger`"),
    }
}

#[cfg(test)]
mod tests;
