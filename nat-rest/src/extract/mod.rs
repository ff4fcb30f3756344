//! Extractors whose rejections have our shape.
//!
//! They check in the order of the contract: media type, size, JSON, fields. What a value means is for the services.

mod fields;
mod json;
mod raw;
mod strict;

use axum::extract::FromRequestParts;
use axum::extract::rejection::PathRejection;
use axum::http::request::Parts;
use nat_core::error::Validation;
use nat_core::{Actor, Error};

use crate::error::ApiError;

pub(crate) use fields::{Fields, FromObject};
pub(crate) use json::Json;
pub(crate) use raw::{Raw, header_once};

/// Who acts: put there by the admission layer.
pub(crate) struct Authenticated(pub(crate) Actor);

impl<S: Sync> FromRequestParts<S> for Authenticated {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        let actor = parts.extensions.remove::<Actor>();
        actor.map(Self).ok_or_else(|| Error::internal("a tenant's route without the admission layer").into())
    }
}

/// An id in the path. What cannot be an id of ours is not found, like one that does not exist.
pub(crate) struct Id(pub(crate) String);

impl<S: Send + Sync> FromRequestParts<S> for Id {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let path: Result<axum::extract::Path<String>, PathRejection> =
            <axum::extract::Path<String> as FromRequestParts<S>>::from_request_parts(parts, state).await;
        let id = path.map_err(|_| ApiError::not_found())?.0;
        if is_id(&id) { Ok(Self(id)) } else { Err(ApiError::not_found()) }
    }
}

fn is_id(text: &str) -> bool {
    (1..=128).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'))
}

/// The parameters of the query string. Unknown ones are ignored, known ones count once.
pub(crate) struct Query(Vec<(String, String)>);

impl<S: Send + Sync> FromRequestParts<S> for Query {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        let pairs = axum::extract::Query::<Vec<(String, String)>>::try_from_uri(&parts.uri)
            .map_err(|_| ApiError::new(nat_core::ErrorCode::ValidationError, "The query string is malformed."))?;
        Ok(Self(pairs.0))
    }
}

impl Query {
    /// The text of `name`; twice is wrong, and so is a NUL, which no store takes.
    pub(crate) fn text(&self, name: &str, validation: &mut Validation) -> Option<String> {
        let mut values = self.0.iter().filter(|(key, _)| key == name).map(|(_, value)| value);
        let value = values.next()?;
        if values.next().is_some() {
            validation.invalid(name, "must be given once");
            return None;
        }
        if value.contains('\0') {
            validation.invalid(name, "must not contain NUL");
            return None;
        }
        Some(value.clone())
    }

    /// The whole number of `name`.
    pub(crate) fn number(&self, name: &str, validation: &mut Validation) -> Option<u64> {
        let text = self.text(name, validation)?;
        let number = text.parse().ok().filter(|_| text.bytes().all(|byte| byte.is_ascii_digit()));
        if number.is_none() {
            validation.invalid(name, "must be a whole number");
        }
        number
    }

    /// `page` and `per_page`.
    pub(crate) fn page(&self) -> Result<nat_core::page::PageRequest, Error> {
        let mut validation = Validation::default();
        let page = self.number("page", &mut validation);
        let per_page = self.number("per_page", &mut validation);
        validation.finish()?;
        nat_core::page::PageRequest::new(page, per_page)
    }
}

#[cfg(test)]
mod tests;
