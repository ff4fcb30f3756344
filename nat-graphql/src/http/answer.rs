//! Writing an answer: status, media type, headers.

use async_graphql::{BatchResponse, Response as Answer, ServerError, Value};
use async_graphql_axum::GraphQLResponse;
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::{IntoResponse, Response};
use nat_core::admission::{Refused, challenge, rate_fields};
use nat_core::rate_limit::RateDecision;
use nat_core::{Error, ErrorCode};
use serde::Serialize;

use super::media::Media;
use super::status;
use crate::error::{code_of, finish, server_error};
use crate::facade::Executed;

/// An answer to a request that was not run has no `data`.
#[derive(Serialize)]
struct NotRun<'a> {
    errors: &'a [ServerError],
}

/// What was executed, or refused as a document.
pub(super) fn answered(executed: Executed, media: Media) -> Response {
    let mut response = written(executed.response, media);
    tell_rate(response.headers_mut(), &executed.rate);
    response
}

fn written(answer: Answer, media: Media) -> Response {
    let refusing = refusing_code(&answer);
    let retry_after_s = refusing.as_ref().and_then(|_| retry_after(&answer));
    let number = match &refusing {
        None => 200,
        // What the document says is wrong: older clients expect 200 with the older media type.
        Some(code) if media == Media::Json && is_of_document(code) => 200,
        Some(code) => number_of(code),
    };
    let mut response = match media {
        Media::GraphQl if refusing.is_some() => {
            let body = serde_json::to_vec(&NotRun { errors: &answer.errors }).unwrap_or_default();
            body.into_response()
        }
        _ => GraphQLResponse::from(answer).into_response(),
    };
    *response.status_mut() = status(number);
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(media.content_type()));
    headers.extend(retry_after_s.map(|seconds| (header::RETRY_AFTER, HeaderValue::from(seconds))));
    response
}

/// The code of a request that was not run: no data, and no error that belongs to a field.
fn refusing_code(answer: &Answer) -> Option<String> {
    let not_run = answer.data == Value::Null && answer.errors.iter().all(|error| error.path.is_empty());
    let first = answer.errors.first().filter(|_| not_run)?;
    Some(code_of(first).unwrap_or_default())
}

fn is_of_document(code: &str) -> bool {
    use ErrorCode::{GraphqlParseFailed, GraphqlValidationFailed, PersistedQueryMismatch, PersistedQueryNotFound};
    [GraphqlParseFailed, GraphqlValidationFailed, PersistedQueryMismatch, PersistedQueryNotFound]
        .iter()
        .any(|known| known.as_str() == code)
}

fn number_of(code: &str) -> u16 {
    ErrorCode::ALL.iter().find(|known| known.as_str() == code).map_or(400, |known| known.status())
}

fn retry_after(answer: &Answer) -> Option<u64> {
    match answer.errors.first()?.extensions.as_ref()?.get("retryAfter")? {
        Value::Number(seconds) => seconds.as_u64(),
        _ => None,
    }
}

/// Answers to a batch, in its order.
pub(super) fn batch(answers: Vec<Answer>) -> Response {
    GraphQLResponse(BatchResponse::Batch(answers)).into_response()
}

/// A request that failed as a whole, as one answer of a batch.
pub(super) fn failed(error: &Error, request_id: Option<&str>) -> Answer {
    let mut answer = Answer::from_errors(vec![server_error(error)]);
    finish(&mut answer, request_id);
    answer
}

/// A request that is not even a document.
pub(super) fn refusal(error: &Error, media: Media, request_id: Option<&str>) -> Response {
    // A stream that is refused before it begins is refused in JSON.
    let media = if media == Media::EventStream { Media::Json } else { media };
    written(failed(error, request_id), media)
}

/// A request whose key or bucket does not let it pass.
pub(super) fn refusal_with(refused: &Refused, media: Media, request_id: Option<&str>) -> Response {
    let mut response = refusal(&refused.error, media, request_id);
    let headers = response.headers_mut();
    if refused.error.code == ErrorCode::InvalidApiKey
        && let Ok(challenge) = HeaderValue::from_str(&challenge(refused.hint))
    {
        headers.insert(header::WWW_AUTHENTICATE, challenge);
    }
    if let Some(rate) = &refused.rate {
        tell_rate(headers, rate);
    }
    response
}

pub(super) fn tell_rate(headers: &mut HeaderMap, rate: &RateDecision) {
    for (name, text) in rate_fields(rate).into_iter().flatten() {
        if let Ok(value) = HeaderValue::from_str(&text) {
            headers.insert(name, value);
        }
    }
}
