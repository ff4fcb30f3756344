//! The edge: every request gets an id, every error its documented body, every answer its headers, and the log and the
//! metrics one line each. Neither sees a query string, a key or a tenant.

use std::sync::Arc;
use std::time::Instant;

use axum::extract::{MatchedPath, Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, header};
use axum::middleware::Next;
use axum::response::Response;
use nat_core::id::sortable;
use tracing::Instrument;

use crate::App;
use crate::error::{ApiError, Form};

const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// The id of a request: the client's when it is well formed, else one of ours.
#[derive(Clone, Debug)]
pub(crate) struct RequestId(Arc<str>);

impl RequestId {
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

pub(crate) async fn answer(State(app): State<App>, mut request: Request, next: Next) -> Response {
    let id = client_id(request.headers()).unwrap_or_else(|| {
        let services = &app.services;
        format!("req_{}", sortable(services.clock.now(), services.entropy.as_ref()))
    });
    let id_header = HeaderValue::from_str(&id).unwrap_or_else(|_| HeaderValue::from_static("invalid"));
    request.headers_mut().insert(X_REQUEST_ID, id_header.clone());
    request.extensions_mut().insert(RequestId(id.as_str().into()));

    let form = Form::accepted(request.headers());
    let route = route_of(&request);
    let method = method_label(request.method());
    let span = tracing::info_span!("request", method, route = %route, request_id = %id);
    async move {
        let started = Instant::now();
        let mut response = next.run(request).await;
        shape(&mut response, &id, form);
        finish_headers(response.headers_mut(), id_header);
        let status = response.status().as_u16();
        let elapsed = started.elapsed();
        tracing::info!(status, elapsed_ms = u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX), "answered");
        let labels = [("route", route), ("method", method.to_owned()), ("status", status.to_string())];
        metrics::counter!("nat_http_requests_total", &labels).increment(1);
        metrics::histogram!("nat_http_request_duration_seconds", &labels).record(elapsed.as_secs_f64());
        response
    }
    .instrument(span)
    .await
}

/// 1 to 128 of `A-Z a-z 0-9 . _ -`, given once; anything else is replaced.
fn client_id(headers: &HeaderMap) -> Option<String> {
    let mut values = headers.get_all(X_REQUEST_ID).iter();
    let (Some(value), None) = (values.next(), values.next()) else { return None };
    let text = value.to_str().ok()?;
    let valid = (1..=128).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'-'));
    valid.then(|| text.to_owned())
}

/// The template of the route, never the path itself: paths hold ids and would make as many labels.
fn route_of(request: &Request) -> String {
    match request.extensions().get::<MatchedPath>().map(MatchedPath::as_str) {
        Some(path) if !path.contains("__private") => path.to_owned(),
        _ => "(unknown)".to_owned(),
    }
}

fn method_label(method: &Method) -> &'static str {
    match method.as_str() {
        "GET" => "GET",
        "HEAD" => "HEAD",
        "POST" => "POST",
        "PUT" => "PUT",
        "PATCH" => "PATCH",
        "DELETE" => "DELETE",
        "OPTIONS" => "OPTIONS",
        _ => "OTHER",
    }
}

/// Renders our errors, and what the framework said in plain text or not at all.
fn shape(response: &mut Response, id: &str, form: Form) {
    let failure = response.extensions_mut().remove::<ApiError>().or_else(|| {
        let status = response.status();
        let refused = status.is_client_error() || status.is_server_error();
        (refused && !has_body_of_ours(response.headers())).then(|| ApiError::from_status(status))
    });
    let Some(ApiError(failure)) = failure else { return };
    failure.log();
    failure.render(response, id, form);
}

fn has_body_of_ours(headers: &HeaderMap) -> bool {
    headers
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .is_some_and(|kind| !kind.starts_with("text/plain"))
}

fn finish_headers(headers: &mut HeaderMap, id: HeaderValue) {
    headers.insert(X_REQUEST_ID, id);
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("private, no-store"));
}

#[cfg(test)]
mod tests {
    use axum::http::StatusCode;

    use super::*;

    #[test]
    fn client_id_takes_only_what_is_safe_in_a_log() {
        let check = |values: &[&[u8]], expected: Option<&str>| {
            let mut headers = HeaderMap::new();
            for value in values {
                headers.append(X_REQUEST_ID, HeaderValue::from_bytes(value).expect("a header"));
            }
            assert_eq!(client_id(&headers).as_deref(), expected, "{values:?}");
        };
        check(&[], None);
        check(&[b"abc-1.2_3"], Some("abc-1.2_3"));
        check(&[b""], None);
        check(&[&[b'a'; 128]], Some("a".repeat(128).as_str()));
        check(&[&[b'a'; 129]], None);
        check(&[b"a b"], None);
        check(&[b"a\xff"], None);
        check(&[b"a", b"b"], None);
    }

    #[test]
    fn shape_replaces_only_bodies_of_the_framework() {
        let check = |status: StatusCode, kind: Option<&'static str>, replaced: bool| {
            let mut response = Response::new(axum::body::Body::from("text"));
            *response.status_mut() = status;
            if let Some(kind) = kind {
                response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
            }
            shape(&mut response, "req_1", Form::Flat);
            assert_eq!(response.headers().get("content-type").is_some_and(|kind| kind == "application/json"), replaced);
            assert_eq!(response.status(), status);
        };
        check(StatusCode::NOT_FOUND, None, true);
        check(StatusCode::PAYLOAD_TOO_LARGE, Some("text/plain; charset=utf-8"), true);
        check(StatusCode::BAD_REQUEST, Some("application/graphql-response+json"), false);
        check(StatusCode::OK, None, false);
        check(StatusCode::TEMPORARY_REDIRECT, None, false);
    }
}
