//! Errors on this wire. A handler returns an [`ApiError`]; the answer layer, which knows the request id and what the
//! client accepts, renders it. The bodies come from the registry of nat-core and from nowhere else.

use std::sync::Arc;

use axum::body::Body;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use nat_core::admission::{Hint, challenge};
use nat_core::{Error, ErrorCode};
use serde_json::{Map, Value, json};

use crate::BASE_PATH;

/// The result of a handler.
pub(crate) type Answer<T> = Result<T, ApiError>;

/// A failure on its way to the answer layer.
#[derive(Clone, Debug)]
pub(crate) struct ApiError(pub(crate) Arc<Failure>);

/// What the answer layer renders.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) error: Error,
    pub(crate) hint: Option<Hint>,
}

impl ApiError {
    pub(crate) fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        Error::new(code, message).into()
    }

    pub(crate) fn with_hint(error: Error, hint: Option<Hint>) -> Self {
        Self(Arc::new(Failure { error, hint }))
    }

    pub(crate) fn not_found() -> Self {
        Error::not_found().into()
    }

    pub(crate) fn payload_too_large(limit: usize) -> Self {
        Self::new(ErrorCode::PayloadTooLarge, format!("The request body is larger than {limit} bytes."))
    }

    /// What stands for an answer of the framework that has no body of ours.
    pub(crate) fn from_status(status: StatusCode) -> Self {
        match status.as_u16() {
            400 => Self::new(ErrorCode::MalformedJson, "The request is malformed."),
            404 => Self::not_found(),
            405 => Self::method_not_allowed(),
            408 => Self::timeout(),
            413 => Self::new(ErrorCode::PayloadTooLarge, "The request body is too large."),
            415 => Self::new(ErrorCode::UnsupportedMediaType, "The request body must be application/json."),
            422 => Self::new(ErrorCode::ValidationError, "The request is invalid."),
            status => Error::internal(format!("an answer with status {status} and no body of ours")).into(),
        }
    }

    pub(crate) fn method_not_allowed() -> Self {
        Self::new(ErrorCode::MethodNotAllowed, "The method is not allowed for this path.")
    }

    pub(crate) fn timeout() -> Self {
        Self::new(ErrorCode::RequestTimeout, "The request was not complete within the time limit.")
    }
}

impl From<Error> for ApiError {
    fn from(error: Error) -> Self {
        Self::with_hint(error, None)
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let mut response = Response::new(Body::empty());
        *response.status_mut() = status_of(&self.0.error);
        response.extensions_mut().insert(self);
        response
    }
}

fn status_of(error: &Error) -> StatusCode {
    StatusCode::from_u16(error.code.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
}

/// The form of an error body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// The published flat body.
    Flat,
    /// RFC 9457, for clients that ask for it.
    Problem,
}

impl Form {
    /// `Accept: application/problem+json` asks for a problem; anything else gets the published form.
    pub(crate) fn accepted(headers: &HeaderMap) -> Self {
        let names_problem = |value: &HeaderValue| {
            value.to_str().is_ok_and(|text| {
                text.split(',').any(|range| {
                    let mut parts = range.split(';').map(str::trim);
                    let wanted = parts.next().is_some_and(|kind| kind.eq_ignore_ascii_case("application/problem+json"));
                    wanted && !parts.any(|parameter| parameter.eq_ignore_ascii_case("q=0"))
                })
            })
        };
        if headers.get_all(header::ACCEPT).iter().any(names_problem) { Self::Problem } else { Self::Flat }
    }
}

impl Failure {
    /// Writes the documented answer into `response`, keeping the headers that are there.
    pub(crate) fn render(&self, response: &mut Response, request_id: &str, form: Form) {
        let (body, media_type) = match form {
            Form::Flat => (self.flat(request_id), "application/json"),
            Form::Problem => (self.problem(request_id), "application/problem+json"),
        };
        *response.status_mut() = status_of(&self.error);
        *response.body_mut() = Body::from(Value::Object(body).to_string());
        let headers = response.headers_mut();
        headers.remove(header::CONTENT_LENGTH);
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(media_type));
        if let Some(seconds) = self.error.retry_after_s {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        if let Some(challenge) = self.challenge() {
            headers.insert(header::WWW_AUTHENTICATE, challenge);
        }
    }

    fn flat(&self, request_id: &str) -> Map<String, Value> {
        let mut body = self.error.body();
        if self.error.code == ErrorCode::Internal {
            body.insert("request_id".into(), json!(request_id));
        }
        body
    }

    fn problem(&self, request_id: &str) -> Map<String, Value> {
        let code = self.error.code;
        let mut body = Map::new();
        body.insert("type".into(), json!(format!("{BASE_PATH}/docs/errors#{}", code.as_str())));
        body.insert("title".into(), json!(status_of(&self.error).canonical_reason().unwrap_or("Error")));
        body.insert("status".into(), json!(code.status()));
        body.insert("detail".into(), json!(self.error.message));
        body.insert("instance".into(), json!(request_id));
        for (name, value) in self.flat(request_id) {
            if name != "message" {
                body.entry(name).or_insert(value);
            }
        }
        body
    }

    /// The published 401 body says nothing about the mistake, so the challenge does.
    fn challenge(&self) -> Option<HeaderValue> {
        let text = match self.error.code {
            ErrorCode::InvalidApiKey => challenge(self.hint),
            ErrorCode::InvalidSyncKey => r#"ApiKey realm="nat", header="X-Sync-Key""#.to_owned(),
            _ => return None,
        };
        HeaderValue::from_str(&text).ok()
    }

    /// Tells the log, once: our failures with their cause, the client's only for those who look closely.
    pub(crate) fn log(&self) {
        let code = self.error.code.as_str();
        let cause = Causes(self.error.cause());
        if self.error.code.status() >= 500 && self.error.cause().is_some() {
            tracing::error!(code, %cause, "request failed");
        } else {
            tracing::debug!(code, %cause, message = %self.error.message, "request refused");
        }
    }
}

/// A cause and its causes on one line.
struct Causes<'a>(Option<&'a (dyn std::error::Error + Send + Sync)>);

impl std::fmt::Display for Causes<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Some(cause) = self.0 else { return Ok(()) };
        write!(f, "{cause}")?;
        let mut next = cause.source();
        while let Some(cause) = next {
            write!(f, ": {cause}")?;
            next = cause.source();
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;
    use nat_core::Scope;

    use super::*;

    fn check(error: Error, form: Form, status: u16, body: &str, headers: &[(&str, &str)]) {
        let mut response = ApiError::from(error).into_response();
        let failure = response.extensions().get::<ApiError>().expect("a failure").clone();
        failure.0.render(&mut response, "req_1", form);
        assert_eq!(response.status().as_u16(), status, "{body}");
        for (name, value) in headers {
            assert_eq!(response.headers().get(*name).expect(name), value);
        }
        let bytes = futures::executor::block_on(axum::body::to_bytes(response.into_body(), 1 << 16)).expect("a body");
        assert_eq!(std::str::from_utf8(&bytes), Ok(body));
    }

    #[test]
    fn render_published_errors_byte_for_byte() {
        let reset = DateTime::parse_from_rfc3339("2025-02-01T00:00:00Z").expect("a date").to_utc();
        let published = [
            (
                Error::invalid_api_key(),
                401,
                r#"{"error":"INVALID_API_KEY","message":"The API key provided is invalid or has been revoked.","status":401}"#,
            ),
            (
                Error::missing_fields(&["url"]),
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
                Error::missing_fields(&["tenant_id", "email"]),
                422,
                r#"{"error":"VALIDATION_ERROR","message":"Fields 'tenant_id' and 'email' are required.","status":422}"#,
            ),
        ];
        for (error, status, body) in published {
            check(error, Form::Flat, status, body, &[("content-type", "application/json")]);
        }
    }

    #[test]
    fn render_headers_follow_the_error() {
        check(
            Error::rate_limited(10),
            Form::Flat,
            429,
            r#"{"error":"RATE_LIMITED","message":"Too many requests. Please slow down and retry after 10 seconds.","retry_after":10}"#,
            &[("retry-after", "10")],
        );
        check(
            Error::internal("the cause"),
            Form::Flat,
            500,
            r#"{"error":"INTERNAL","message":"An internal error occurred.","status":500,"request_id":"req_1"}"#,
            &[],
        );
    }

    #[test]
    fn render_problem_when_asked_for() {
        check(
            Error::forbidden(Scope::KeysRead),
            Form::Problem,
            403,
            r#"{"type":"/api/v1/docs/errors#FORBIDDEN","title":"Forbidden","status":403,"detail":"The API key lacks the scope 'keys:read'.","instance":"req_1","error":"FORBIDDEN","required_scope":"keys:read"}"#,
            &[("content-type", "application/problem+json")],
        );
    }

    #[test]
    fn form_only_an_explicit_accept_asks_for_a_problem() {
        for (accept, form) in [
            ("*/*", Form::Flat),
            ("application/json", Form::Flat),
            ("application/json, application/problem+json", Form::Problem),
            ("application/problem+json;q=0", Form::Flat),
            ("Application/Problem+JSON; q=0.5", Form::Problem),
        ] {
            let headers = HeaderMap::from_iter([(header::ACCEPT, HeaderValue::from_static(accept))]);
            assert_eq!(Form::accepted(&headers), form, "{accept}");
        }
    }
}
