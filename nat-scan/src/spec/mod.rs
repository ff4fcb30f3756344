//! The only place that knows OpenAPI 2.0, 3.0 and 3.1: any document becomes one internal [`Api`].

pub mod ir;

pub use ir::*;

use async_trait::async_trait;
use url::Url;

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
    let _ = (bytes, base, fetch, limits);
    todo!("spec")
}
