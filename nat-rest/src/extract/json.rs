//! A JSON object as a request body.

use axum::extract::{FromRequest, Request};
use axum::http::{HeaderMap, header};
use nat_core::ErrorCode;
use nat_core::error::Validation;
use serde_json::Value;

use crate::App;
use crate::error::ApiError;
use crate::extract::{Fields, FromObject, raw, strict};

/// A body read as a `T`: 415, 413, 400, then 422. An empty body without a media type is an empty object.
pub(crate) struct Json<T>(pub(crate) T);

impl<T: FromObject> FromRequest<App> for Json<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, app: &App) -> Result<Self, ApiError> {
        let (parts, body) = request.into_parts();
        let media = Media::of(&parts.headers);
        if media == Media::Other {
            return Err(unsupported());
        }
        let bytes = raw::read(&parts.headers, body, T::limit(&app.config)).await?;
        if media == Media::Absent && !bytes.is_empty() {
            return Err(unsupported());
        }
        object(&bytes).map(Self)
    }
}

/// What the headers say about the body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Media {
    Json,
    Absent,
    Other,
}

impl Media {
    /// `application/json` or `application/…+json`, in UTF-8, not compressed.
    pub(super) fn of(headers: &HeaderMap) -> Self {
        if headers.get(header::CONTENT_ENCODING).is_some_and(|coding| coding != "identity") {
            return Self::Other;
        }
        let mut values = headers.get_all(header::CONTENT_TYPE).iter();
        let value = match (values.next(), values.next()) {
            (None, _) => return Self::Absent,
            (Some(value), None) => value.to_str().unwrap_or_default().to_ascii_lowercase(),
            _ => return Self::Other,
        };
        let mut parts = value.split(';').map(str::trim);
        let kind = parts.next().unwrap_or_default();
        let is_json = kind == "application/json"
            || (kind.starts_with("application/") && kind.ends_with("+json") && kind.len() > 17);
        let is_utf8 = parts
            .filter_map(|parameter| parameter.strip_prefix("charset="))
            .all(|charset| matches!(charset.trim_matches('"'), "utf-8" | "utf8" | "us-ascii"));
        if is_json && is_utf8 { Self::Json } else { Self::Other }
    }
}

/// The bytes as a `T`.
pub(super) fn object<T: FromObject>(bytes: &[u8]) -> Result<T, ApiError> {
    let value = if bytes.is_empty() {
        Value::Object(serde_json::Map::new())
    } else {
        strict::parse(bytes).map_err(|what| {
            ApiError::new(ErrorCode::MalformedJson, format!("The request body is not valid JSON: {what}."))
        })?
    };
    let Value::Object(members) = value else {
        return Err(ApiError::new(ErrorCode::ValidationError, "The request body must be a JSON object."));
    };
    let mut validation = Validation::default();
    let value = Fields::read_all(members, &mut validation);
    validation.finish()?;
    Ok(value)
}

fn unsupported() -> ApiError {
    ApiError::new(ErrorCode::UnsupportedMediaType, "The request body must be application/json.")
}
