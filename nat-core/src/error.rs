//! The error registry: one table of code, HTTP status number and explanation, and one `Error` that carries a code.
//!
//! Every wire, the documentation page and the tests read this table; nothing else decides what an error looks like.
//! Field order and the published bodies are fixed by the contract (`docs/errors.md`).

use chrono::{DateTime, SecondsFormat, Utc};
use serde_json::{Map, Value, json};

/// The result of every service method.
pub type Result<T, E = Error> = std::result::Result<T, E>;

macro_rules! registry {
    ($($variant:ident $code:literal $status:literal $why:literal)*) => {
        /// A documented error code; [`ErrorCode::as_str`] is what clients match on.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[non_exhaustive]
        pub enum ErrorCode { $(#[doc = $why] $variant,)* }

        impl ErrorCode {
            /// Every code, in the order of the registry.
            pub const ALL: &'static [ErrorCode] = &[$(ErrorCode::$variant,)*];

            /// The code on the wire, for example `QUOTA_EXCEEDED`.
            #[must_use]
            pub const fn as_str(self) -> &'static str { match self { $(Self::$variant => $code,)* } }

            /// The HTTP status number that REST answers with.
            #[must_use]
            pub const fn status(self) -> u16 { match self { $(Self::$variant => $status,)* } }

            /// When it happens and what to do, for the documentation page.
            #[must_use]
            pub const fn explanation(self) -> &'static str { match self { $(Self::$variant => $why,)* } }
        }
    };
}

registry! {
    InvalidApiKey "INVALID_API_KEY" 401 "The `X-API-Key` header is absent, malformed, unknown, expired or revoked; all look the same on purpose. Send the whole key, without white space, in `X-API-Key`."
    InvalidSyncKey "INVALID_SYNC_KEY" 401 "`X-Sync-Key` is absent or is not the value of `NAT_APP_SYNC_KEY`."
    QuotaExceeded "QUOTA_EXCEEDED" 402 "The monthly quota of this kind of scan is used up. Wait for `quota_reset_date` or upgrade; running scans go on."
    FeatureNotAvailable "FEATURE_NOT_AVAILABLE" 403 "The plan does not include this feature; `required_plan` names the first that does. No quota was touched."
    Forbidden "FORBIDDEN" 403 "The key lacks the scope named in `required_scope`."
    NotFound "NOT_FOUND" 404 "No such path or object for this tenant. Another tenant's object answers the same."
    MethodNotAllowed "METHOD_NOT_ALLOWED" 405 "The path exists, the method does not; the `Allow` header lists those that do."
    RequestTimeout "REQUEST_TIMEOUT" 408 "The request was not complete within the time limit. Send it again."
    TenantAlreadyExists "TENANT_ALREADY_EXISTS" 409 "The tenant id is registered already; its key goes on working. Safe to ignore when provisioning again."
    PlanAlreadyActive "PLAN_ALREADY_ACTIVE" 409 "The plan is active already; manage it through `POST /api/v1/billing/portal`."
    NoBillingAccount "NO_BILLING_ACCOUNT" 409 "There is no billing account yet; start a checkout first."
    ScanNotFinished "SCAN_NOT_FINISHED" 409 "The scan still runs; results exist once it has ended."
    ScanFinished "SCAN_FINISHED" 409 "The scan has ended already and cannot be cancelled."
    KeyNotActive "KEY_NOT_ACTIVE" 409 "The key is revoked, expired or was rotated meanwhile; nothing was minted."
    PayloadTooLarge "PAYLOAD_TOO_LARGE" 413 "The body is larger than this route takes."
    UnsupportedMediaType "UNSUPPORTED_MEDIA_TYPE" 415 "The route takes `application/json`."
    MalformedJson "MALFORMED_JSON" 400 "The body is not JSON, or nests deeper than 64; the message gives the position."
    QueryRefused "QUERY_REFUSED" 400 "GraphQL: the query is larger, deeper or dearer than this server takes; the message names the limit. Nothing was run."
    GraphqlParseFailed "GRAPHQL_PARSE_FAILED" 400 "GraphQL: the query is no GraphQL document; `locations` shows the place."
    GraphqlValidationFailed "GRAPHQL_VALIDATION_FAILED" 400 "GraphQL: the query does not fit the schema or its variables, or names no operation."
    PersistedQueryNotFound "PERSISTED_QUERY_NOT_FOUND" 400 "GraphQL: the hash is not known here; send it again together with the query."
    PersistedQueryMismatch "PERSISTED_QUERY_MISMATCH" 400 "GraphQL: `sha256Hash` is not the SHA-256 of the query, or `version` is not 1."
    TooManyStreams "TOO_MANY_STREAMS" 429 "GraphQL: more live operations or connections than one connection or tenant may have; end one first."
    NotAcceptable "NOT_ACCEPTABLE" 406 "GraphQL: `Accept` allows none of `application/json`, `application/graphql-response+json` and, for streams, `text/event-stream`."
    InvalidSignature "INVALID_SIGNATURE" 400 "`Stripe-Signature` is missing, malformed, wrong or more than 300 seconds off."
    InvalidPriceId "INVALID_PRICE_ID" 400 "`price_id` is not a price of this service."
    ValidationError "VALIDATION_ERROR" 422 "A field is missing or wrong; `fields` lists all of them when there is more than one or one is nested."
    TargetNotAllowed "TARGET_NOT_ALLOWED" 422 "The target policy refuses this address; `reason` names the rule."
    OwnershipNotProved "OWNERSHIP_NOT_PROVED" 403 "This server wants proof that you control what a security scan attacks. Serve the text of `token` at `proof_url`, or put the TXT record `nat-verification=<token>` on the host name, and start the scan again; `safe_mode` needs no proof."
    RateLimited "RATE_LIMITED" 429 "Too many requests of this tenant; wait `retry_after` seconds."
    ConcurrentLimit "CONCURRENT_LIMIT" 429 "Too many scans of this tenant run at once for its plan; wait for one to end."
    Internal "INTERNAL" 500 "A defect or failure on our side. The log holds the cause under `request_id`."
    SyncNotConfigured "SYNC_NOT_CONFIGURED" 503 "`NAT_APP_SYNC_KEY` is not set on the server."
    BillingNotConfigured "BILLING_NOT_CONFIGURED" 503 "The server has no Stripe credentials; scans work all the same."
    StripeUnavailable "STRIPE_UNAVAILABLE" 503 "Stripe cannot be reached; wait `retry_after` seconds."
    Unavailable "SERVICE_UNAVAILABLE" 503 "The database cannot be reached or the server is stopping; wait `retry_after` seconds."
}

/// A failure with a documented code, a public message and, apart from it, an internal cause that only logs see.
///
/// [`std::fmt::Display`] shows the code and the public message, never the cause.
#[derive(Debug, thiserror::Error)]
#[error("{}: {message}", code.as_str())]
pub struct Error {
    /// The registry entry.
    pub code: ErrorCode,
    /// Public text. Never holds a secret, SQL or a path of this machine.
    pub message: String,
    /// Documented extra members of the body, in their order.
    pub extras: Vec<(&'static str, Value)>,
    /// What is wrong with which field, for wires that show it beside the field; the flat body says it in its own way.
    pub fields: Vec<FieldError>,
    /// Seconds to wait; becomes the `Retry-After` header. At least 1 when present.
    pub retry_after_s: Option<u32>,
    /// The two published bodies E5 and E6 have no `status` member.
    show_status: bool,
    #[source]
    cause: Option<Box<dyn std::error::Error + Send + Sync>>,
}

impl Error {
    /// An error whose body is `error`, `message`, `status` and nothing more.
    pub fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
            extras: Vec::new(),
            fields: Vec::new(),
            retry_after_s: None,
            show_status: true,
            cause: None,
        }
    }

    /// Adds a documented member behind those already there.
    #[must_use]
    pub fn with(mut self, name: &'static str, value: impl Into<Value>) -> Self {
        self.extras.push((name, value.into()));
        self
    }

    /// Adds `retry_after` to the body and the header; 0 becomes 1.
    #[must_use]
    pub fn retry_after(mut self, seconds: u32) -> Self {
        let seconds = seconds.max(1);
        self.retry_after_s = Some(seconds);
        self.with("retry_after", seconds)
    }

    /// Attaches the internal cause, for the log only.
    #[must_use]
    pub fn caused_by(mut self, cause: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        self.cause = Some(cause.into());
        self
    }

    /// The internal cause, for the log at the edge.
    pub fn cause(&self) -> Option<&(dyn std::error::Error + Send + Sync)> {
        self.cause.as_deref()
    }

    /// The flat JSON body: `error`, `message`, `status` (unless the published body has none), then the extras.
    #[must_use]
    pub fn body(&self) -> Map<String, Value> {
        let mut body = Map::new();
        body.insert("error".into(), json!(self.code.as_str()));
        body.insert("message".into(), json!(self.message));
        if self.show_status {
            body.insert("status".into(), json!(self.code.status()));
        }
        body.extend(self.extras.iter().map(|(name, value)| ((*name).to_owned(), value.clone())));
        body
    }

    /// E1: every way in which a key can fail.
    #[must_use]
    pub fn invalid_api_key() -> Self {
        Self::new(ErrorCode::InvalidApiKey, "The API key provided is invalid or has been revoked.")
    }

    /// 401 of sync-tenant.
    #[must_use]
    pub fn invalid_sync_key() -> Self {
        Self::new(ErrorCode::InvalidSyncKey, "The sync key provided is missing or invalid.")
    }

    /// E4 (Free) and E5 (paid plans): the two published bodies of an exhausted quota.
    #[must_use]
    pub fn quota_exceeded(resets_at: DateTime<Utc>, on_free_plan: bool) -> Self {
        let reset = resets_at.to_rfc3339_opts(SecondsFormat::Secs, true);
        let message = if on_free_plan {
            "You have reached your monthly scan quota. Upgrade your plan or wait for quota reset.".to_owned()
        } else {
            format!("Monthly scan quota exhausted. Quota resets on {}.", resets_at.format("%Y-%m-%d"))
        };
        let mut error = Self::new(ErrorCode::QuotaExceeded, message).with("quota_reset_date", reset);
        error.show_status = on_free_plan;
        error
    }

    /// E6.
    #[must_use]
    pub fn rate_limited(retry_after_s: u32) -> Self {
        let seconds = retry_after_s.max(1);
        let message = format!("Too many requests. Please slow down and retry after {seconds} seconds.");
        let mut error = Self::new(ErrorCode::RateLimited, message).retry_after(seconds);
        error.show_status = false;
        error
    }

    /// E7.
    #[must_use]
    pub fn sync_not_configured() -> Self {
        Self::new(
            ErrorCode::SyncNotConfigured,
            "NAT_APP_SYNC_KEY is not configured. Set this environment variable to enable tenant synchronization.",
        )
    }

    /// E8.
    #[must_use]
    pub fn tenant_already_exists() -> Self {
        Self::new(ErrorCode::TenantAlreadyExists, "A tenant with this ID is already registered.")
    }

    /// The one 404 body, for unknown paths, unknown ids and other tenants' ids alike.
    #[must_use]
    pub fn not_found() -> Self {
        Self::new(ErrorCode::NotFound, "The requested resource was not found.")
    }

    /// 403 for a key without `scope`.
    #[must_use]
    pub fn forbidden(scope: crate::Scope) -> Self {
        Self::new(ErrorCode::Forbidden, format!("The API key lacks the scope '{}'.", scope.as_str()))
            .with("required_scope", scope.as_str())
    }

    /// 503 with `retry_after`: the database is away. Never a 401, which would make clients drop a good key.
    pub fn unavailable(cause: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self::new(ErrorCode::Unavailable, "The service is temporarily unavailable. Please retry.")
            .retry_after(5)
            .caused_by(cause)
    }

    /// 500 with constant text; `request_id` is added by the wire.
    pub fn internal(cause: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self::new(ErrorCode::Internal, "An internal error occurred.").caused_by(cause)
    }

    /// E3 and E9: the published sentences for missing fields, in the order given. One or more names.
    #[must_use]
    pub fn missing_fields(names: &[&str]) -> Self {
        let quoted: Vec<String> = names.iter().map(|name| format!("'{name}'")).collect();
        let message = match quoted.as_slice() {
            [one] => format!("Field {one} is required."),
            [most @ .., last] => format!("Fields {} and {last} are required.", most.join(", ")),
            [] => "A required field is missing.".to_owned(),
        };
        Self::new(ErrorCode::ValidationError, message)
    }
}

/// One thing wrong with one field of an input.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldError {
    /// Path with dots, for example `options.concurrency`.
    pub field: String,
    /// A sentence that names the field, for example `Field 'url' must be an absolute http or https URL.`
    pub message: String,
    /// True when the field is absent though required.
    pub missing: bool,
}

/// Collects field errors, so that one answer names all of them.
#[derive(Debug, Default)]
pub struct Validation {
    errors: Vec<FieldError>,
}

impl Validation {
    /// Notes an absent required field.
    pub fn missing(&mut self, field: &str) {
        self.errors.push(FieldError {
            field: field.into(),
            message: format!("Field '{field}' is required."),
            missing: true,
        });
    }

    /// Notes a wrong value; `what` continues the sentence "Field 'x' …".
    pub fn invalid(&mut self, field: &str, what: &str) {
        self.errors.push(FieldError {
            field: field.into(),
            message: format!("Field '{field}' {what}."),
            missing: false,
        });
    }

    /// True while nothing is wrong.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.errors.is_empty()
    }

    /// `Ok` when nothing is wrong, else the 422 that names everything.
    ///
    /// Only missing top-level fields give the bare published bodies E3 and E9; `fields` is added as soon as something
    /// else is wrong as well, or the one field is nested.
    pub fn finish(self) -> Result<()> {
        match self.refusal() {
            Some(error) => Err(Error { fields: self.errors, ..error }),
            None => Ok(()),
        }
    }

    fn refusal(&self) -> Option<Error> {
        let first = self.errors.first()?;
        let nested = |error: &FieldError| error.field.contains(['.', '[']);
        if self.errors.iter().all(|error| error.missing && !nested(error)) {
            let names: Vec<&str> = self.errors.iter().map(|error| error.field.as_str()).collect();
            return Some(Error::missing_fields(&names));
        }
        let error = Error::new(ErrorCode::ValidationError, first.message.clone());
        if self.errors.len() == 1 && !nested(first) {
            return Some(error);
        }
        let fields: Vec<Value> =
            self.errors.iter().map(|error| json!({"field": error.field, "message": error.message})).collect();
        Some(error.with("fields", fields))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(error: &Error, status: u16, body: &str) {
        assert_eq!(serde_json::to_string(&error.body()).unwrap(), body);
        assert_eq!(error.code.status(), status);
    }

    #[test]
    fn published_bodies_are_kept_byte_for_byte() {
        let reset: DateTime<Utc> = "2025-02-01T00:00:00Z".parse().unwrap();
        let missing = |names: &[&str]| {
            let mut validation = Validation::default();
            names.iter().for_each(|name| validation.missing(name));
            validation.finish().unwrap_err()
        };
        for (error, status, body) in [
            (
                Error::invalid_api_key(),
                401,
                r#"{"error":"INVALID_API_KEY","message":"The API key provided is invalid or has been revoked.","status":401}"#,
            ),
            (
                missing(&["url"]),
                422,
                r#"{"error":"VALIDATION_ERROR","message":"Field 'url' is required.","status":422}"#,
            ),
            (
                Error::quota_exceeded(reset, true),
                402,
                r#"{"error":"QUOTA_EXCEEDED","message":"You have reached your monthly scan quota. Upgrade your plan or wait for quota reset.","status":402,"quota_reset_date":"2025-02-01T00:00:00Z"}"#,
            ),
            (
                Error::quota_exceeded(reset, false),
                402,
                r#"{"error":"QUOTA_EXCEEDED","message":"Monthly scan quota exhausted. Quota resets on 2025-02-01.","quota_reset_date":"2025-02-01T00:00:00Z"}"#,
            ),
            (
                Error::rate_limited(10),
                429,
                r#"{"error":"RATE_LIMITED","message":"Too many requests. Please slow down and retry after 10 seconds.","retry_after":10}"#,
            ),
            (
                Error::sync_not_configured(),
                503,
                r#"{"error":"SYNC_NOT_CONFIGURED","message":"NAT_APP_SYNC_KEY is not configured. Set this environment variable to enable tenant synchronization.","status":503}"#,
            ),
            (
                Error::tenant_already_exists(),
                409,
                r#"{"error":"TENANT_ALREADY_EXISTS","message":"A tenant with this ID is already registered.","status":409}"#,
            ),
            (
                missing(&["tenant_id", "email"]),
                422,
                r#"{"error":"VALIDATION_ERROR","message":"Fields 'tenant_id' and 'email' are required.","status":422}"#,
            ),
        ] {
            check(&error, status, body);
        }
        assert_eq!(Error::rate_limited(10).retry_after_s, Some(10));
        assert_eq!(Error::rate_limited(0).retry_after_s, Some(1), "never 0 on a 429");
    }

    #[test]
    fn validation_lists_fields_when_more_than_one_thing_is_wrong() {
        let mut one = Validation::default();
        one.invalid("url", "must be absolute");
        check(
            &one.finish().unwrap_err(),
            422,
            r#"{"error":"VALIDATION_ERROR","message":"Field 'url' must be absolute.","status":422}"#,
        );
        let mut nested = Validation::default();
        nested.missing("auth.token");
        check(
            &nested.finish().unwrap_err(),
            422,
            r#"{"error":"VALIDATION_ERROR","message":"Field 'auth.token' is required.","status":422,"fields":[{"field":"auth.token","message":"Field 'auth.token' is required."}]}"#,
        );
        let mut two = Validation::default();
        two.missing("url");
        two.invalid("seed", "must be a number");
        assert_eq!(two.finish().unwrap_err().extras[0].1.as_array().map(Vec::len), Some(2));
        assert!(Validation::default().finish().is_ok());
        assert_eq!(Error::missing_fields(&["a", "b", "c"]).message, "Fields 'a', 'b' and 'c' are required.");
    }

    #[test]
    fn registry_has_no_code_twice_and_explains_each() {
        let mut codes: Vec<&str> = ErrorCode::ALL.iter().map(|code| code.as_str()).collect();
        codes.sort_unstable();
        codes.dedup();
        assert_eq!(codes.len(), ErrorCode::ALL.len());
        for code in ErrorCode::ALL {
            assert!((400..=503).contains(&code.status()) && code.explanation().len() > 20, "{code:?}");
        }
    }

    #[test]
    fn internal_cause_never_reaches_the_public_text() {
        let error = Error::internal("password=hunter2");
        assert!(!format!("{error} {}", serde_json::to_string(&error.body()).unwrap()).contains("hunter2"));
        assert!(error.cause().is_some());
    }
}
