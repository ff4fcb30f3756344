//! The internal model of an API: what every OpenAPI version is normalised to. Immutable after loading.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::Value;

use crate::schema::Schema;

/// Which document it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SpecVersion {
    /// Swagger 2.0
    V2,
    /// OpenAPI 3.0
    V30,
    /// OpenAPI 3.1 or later
    V31,
    /// No document: inferred by crawling.
    Inferred,
}

/// An API to test.
#[derive(Clone, Debug)]
pub struct Api {
    /// `info.title`
    pub title: String,
    /// `info.version`
    pub version: String,
    /// Which document it was.
    pub spec_version: SpecVersion,
    /// Base URLs in the document's order, variables filled with their defaults; may be relative or empty.
    /// Advice only: the base URL that the user gives wins.
    pub servers: Vec<String>,
    /// In the document's order; `index` is the position.
    pub operations: Vec<Operation>,
    /// By name.
    pub security_schemes: BTreeMap<String, SecurityScheme>,
    /// How tokens of the OAuth 2 schemes among them are got.
    pub oauth_flows: Vec<OAuthFlow>,
    /// Faults that did not stop loading, each with a JSON pointer.
    pub warnings: Vec<SpecWarning>,
    /// SHA-256 of the document's bytes, hex.
    pub digest: String,
}

/// A fault of the document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SpecWarning {
    /// Where, as a JSON pointer into the root document.
    pub pointer: String,
    /// What.
    pub message: String,
}

/// One method on one path.
#[derive(Clone, Debug)]
pub struct Operation {
    /// Position in [`Api::operations`].
    pub index: usize,
    /// Upper case.
    pub method: String,
    /// Template with `{name}`, as in the document, without the base path.
    pub path: String,
    /// `operationId`
    pub operation_id: Option<String>,
    /// `tags`
    pub tags: Vec<String>,
    /// Path-level and operation-level parameters merged; API keys and `Authorization` headers are not among them.
    pub parameters: Vec<Parameter>,
    /// The body, if the operation takes one.
    pub body: Option<RequestBody>,
    /// Documented answers.
    pub responses: Vec<ResponseSpec>,
    /// Alternatives; an empty alternative means "without credentials too". An empty list: public.
    pub security: Vec<SecurityRequirement>,
    /// `deprecated`
    pub deprecated: bool,
    /// JSON pointer of the operation in the root document.
    pub pointer: String,
    /// Why this operation cannot be tested (for example an unresolvable required parameter).
    pub unusable: Option<String>,
}

impl Operation {
    /// `GET /users/{id}`
    #[must_use]
    pub fn endpoint(&self) -> String {
        format!("{} {}", self.method, self.path)
    }

    /// The document says that it needs credentials: an empty alternative would make them optional.
    #[must_use]
    pub fn is_protected(&self) -> bool {
        !self.security.is_empty() && self.security.iter().all(|alternative| !alternative.is_empty())
    }

    /// True when the method may change state by its definition.
    #[must_use]
    pub fn is_unsafe(&self) -> bool {
        !matches!(self.method.as_str(), "GET" | "HEAD" | "OPTIONS" | "TRACE")
    }

    /// The documented answer for `status`: exact, else range, else default.
    #[must_use]
    pub fn response(&self, status: u16) -> Option<&ResponseSpec> {
        let class = u8::try_from(status / 100).unwrap_or(0);
        let find = |wanted: StatusPattern| self.responses.iter().find(|response| response.status == wanted);
        find(StatusPattern::Exact(status))
            .or_else(|| find(StatusPattern::Class(class)))
            .or_else(|| find(StatusPattern::Default))
    }
}

/// Where a parameter goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Location {
    /// A segment of the path, or part of one.
    Path,
    /// The query string.
    Query,
    /// A header.
    Header,
    /// The `Cookie` header.
    Cookie,
}

impl Location {
    /// `path`, `query`, `header`, `cookie`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Path => "path",
            Self::Query => "query",
            Self::Header => "header",
            Self::Cookie => "cookie",
        }
    }
}

/// How arrays and objects are written. `collectionFormat` of 2.0 is mapped to these.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    /// `a,b` (path, header; `csv` in 2.0)
    Simple,
    /// `.a.b`
    Label,
    /// `;p=a,b`
    Matrix,
    /// `p=a&p=b` or `p=a,b` (query, cookie; `multi` and `csv` in 2.0)
    Form,
    /// `a b` (`ssv`)
    SpaceDelimited,
    /// `a|b` (`pipes`)
    PipeDelimited,
    /// `p[k]=v`
    DeepObject,
    /// A tab between items (`tsv`, 2.0 only)
    TabDelimited,
}

/// A parameter.
#[derive(Clone, Debug)]
pub struct Parameter {
    /// As in the document.
    pub name: String,
    /// Where it goes.
    pub location: Location,
    /// Always true in the path.
    pub required: bool,
    /// Of the value before serialisation.
    pub schema: Schema,
    /// How it is written.
    pub style: Style,
    /// One `name=value` an item.
    pub explode: bool,
    /// The value is this media type as text (`content` of 3.x), usually JSON.
    pub content_type: Option<String>,
    /// `example`, `examples`, and the schema's own, resolved to values.
    pub examples: Vec<Value>,
    /// JSON pointer.
    pub pointer: String,
}

/// A request body.
#[derive(Clone, Debug)]
pub struct RequestBody {
    /// Whether it must be there.
    pub required: bool,
    /// By media type, in the document's order; never empty.
    pub content: Vec<MediaType>,
}

/// A media type with its schema.
#[derive(Clone, Debug)]
pub struct MediaType {
    /// For example `application/json`; parameters kept, may hold wildcards in answers.
    pub media_type: String,
    /// `None`: anything.
    pub schema: Option<Schema>,
    /// Values of `example` and `examples`, and the schema's own.
    pub examples: Vec<Value>,
    /// `encoding`: property to its content type.
    pub encoding: BTreeMap<String, String>,
    /// JSON pointer.
    pub pointer: String,
}

impl MediaType {
    /// A media type of which nothing more is known.
    pub(crate) fn anything(media_type: impl Into<String>, pointer: String) -> Self {
        let media_type = media_type.into();
        Self { media_type, schema: None, examples: Vec::new(), encoding: BTreeMap::new(), pointer }
    }
}

/// Key of a documented answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StatusPattern {
    /// `200`
    Exact(u16),
    /// `2XX`: the first digit.
    Class(u8),
    /// `default`
    Default,
}

impl StatusPattern {
    /// It stands for 2xx answers and no others.
    pub(crate) const fn is_success(self) -> bool {
        matches!(self, Self::Exact(200..=299) | Self::Class(2))
    }
}

/// A documented answer.
#[derive(Clone, Debug)]
pub struct ResponseSpec {
    /// Its key.
    pub status: StatusPattern,
    /// Documented headers.
    pub headers: Vec<HeaderSpec>,
    /// Documented bodies. Empty: none documented.
    pub content: Vec<MediaType>,
    /// Documented links (3.x).
    pub links: Vec<Link>,
    /// JSON pointer.
    pub pointer: String,
}

/// A documented link: what of an answer another operation may be called with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    /// Its key.
    pub name: String,
    /// `operationId`, or the JSON pointer of `operationRef`.
    pub target: String,
    /// Parameter name (without its location) to runtime expression, for example `$response.body#/id`.
    pub parameters: Vec<(String, String)>,
    /// JSON pointer.
    pub pointer: String,
}

/// A documented response header.
#[derive(Clone, Debug)]
pub struct HeaderSpec {
    /// Name as documented.
    pub name: String,
    /// Must be there.
    pub required: bool,
    /// Of the value after coercion.
    pub schema: Schema,
    /// How arrays are joined.
    pub style: Style,
}

/// One alternative of `security`: every named scheme together.
pub type SecurityRequirement = BTreeMap<String, Vec<String>>;

/// A way to authenticate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SecurityScheme {
    /// A key in `location` under `name`.
    ApiKey {
        /// Where.
        location: Location,
        /// Name of the header, query parameter or cookie.
        name: String,
    },
    /// `Authorization: Basic`
    Basic,
    /// `Authorization: Bearer`; OAuth2 and OpenID Connect too.
    Bearer {
        /// OAuth2 token URL if the document names one.
        token_url: Option<String>,
    },
    /// Mutual TLS or something unknown.
    Other(String),
}

/// A declared way to get a token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OAuthFlow {
    /// Name of the scheme.
    pub scheme: String,
    /// `implicit`, `password`, `clientCredentials`, `authorizationCode`, or what the document says.
    pub kind: String,
    /// Where tokens are got.
    pub urls: Vec<String>,
    /// JSON pointer.
    pub pointer: String,
}

/// Shared by everything that runs.
pub type SharedApi = Arc<Api>;
