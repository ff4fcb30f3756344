//! Errors on this wire: the message, code and extras of nat-core's registry, nothing else.

use async_graphql::{ErrorExtensionValues, ServerError, Value};
use nat_core::{Error, ErrorCode};

/// A failure of a resolver. It has no `Display`, so that `?` cannot turn an internal text into a public one.
pub(crate) struct WireError(Error);

impl WireError {
    /// The schema was built without something that a resolver needs.
    pub(crate) fn wiring(error: async_graphql::Error) -> Self {
        Self(Error::internal(error.message))
    }
}

impl From<Error> for WireError {
    fn from(error: Error) -> Self {
        Self(error)
    }
}

impl From<WireError> for async_graphql::Error {
    fn from(WireError(error): WireError) -> Self {
        let mut public = Self::new(error.message.clone());
        public.extensions = Some(extensions(&error));
        log(&error);
        public
    }
}

/// An error outside any field: authentication, limits, a request that cannot be read.
pub(crate) fn server_error(error: &Error) -> ServerError {
    log(error);
    let mut public = ServerError::new(error.message.clone(), None);
    public.extensions = Some(extensions(error));
    public
}

/// `code`, `status` and the extras of the REST body.
fn extensions(error: &Error) -> ErrorExtensionValues {
    let mut values = ErrorExtensionValues::default();
    values.set("code", error.code.as_str());
    values.set("status", error.code.status());
    for (name, value) in &error.extras {
        values.set(*name, Value::from_json(value.clone()).unwrap_or_default());
    }
    values
}

fn log(error: &Error) {
    let code = error.code.as_str();
    match error.cause() {
        Some(cause) if error.code.status() >= 500 => tracing::error!(code, %cause, "graphql request failed"),
        _ => tracing::debug!(code, "graphql request refused"),
    }
}

/// 400 for a request that is no GraphQL request, or too much of one.
pub(crate) fn malformed(message: impl Into<String>) -> Error {
    Error::new(ErrorCode::MalformedJson, message)
}
