//! Errors on this wire: message, code and extras of nat-core's registry, nothing else.

use std::borrow::Cow;
use std::sync::Arc;

use async_graphql::parser::types::Field;
use async_graphql::registry::{Deprecation, MetaEnumValue, MetaType, MetaTypeId, Registry};
use async_graphql::{
    ContextSelectionSet, ErrorExtensionValues, Name, OutputType, Positioned, Response, ServerError, ServerResult,
    SimpleObject, Value,
};
use chrono::DateTime;
use nat_core::{Error, ErrorCode};

use crate::scalar::Instant;

/// Errors of one answer; a document with a thousand mistakes must not make a large one.
const MAX_ERRORS: usize = 10;
/// Characters of a message that is not of the registry.
const MAX_MESSAGE: usize = 500;

/// A failure of a resolver. It has no `Display`, so that `?` cannot turn an internal text into a public one.
#[derive(Clone)]
pub(crate) struct WireError(Arc<Error>);

impl From<Error> for WireError {
    fn from(error: Error) -> Self {
        Self(Arc::new(error))
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

/// A field that is null when it fails, so that its neighbours stay.
pub(crate) type Fallible<T> = Option<Result<T, WireError>>;

/// What a field shows of the answer of a service.
pub(crate) fn shown<T, O: From<T>>(answer: Result<T, Error>) -> Fallible<O> {
    Some(answer.map(O::from).map_err(WireError::from))
}

/// The same for an answer that may be "there is none", which is null without an error.
pub(crate) fn found<T, O: From<T>>(answer: Result<Option<T>, Error>) -> Fallible<O> {
    answer.map(|found| found.map(O::from)).map_err(WireError::from).transpose()
}

/// An error outside any field: authentication, limits, a request that cannot be read.
pub(crate) fn server_error(error: &Error) -> ServerError {
    log(error);
    let mut public = ServerError::new(error.message.clone(), None);
    public.extensions = Some(extensions(error));
    public
}

/// `code`, `status` and the extras of the REST body, in this wire's spelling.
fn extensions(error: &Error) -> ErrorExtensionValues {
    let mut values = ErrorExtensionValues::default();
    values.set("code", error.code.as_str());
    values.set("status", error.code.status());
    for (name, value) in &error.extras {
        values.set(camel_case(name), Value::from_json(value.clone()).unwrap_or_default());
    }
    values
}

/// `quota_reset_date` is `quotaResetDate` here.
pub(crate) fn camel_case(name: &str) -> String {
    let mut words = name.split('_');
    let first = words.next().unwrap_or_default().to_owned();
    words.fold(first, |mut text, word| {
        let mut letters = word.chars();
        text.extend(letters.next().map(|letter| letter.to_ascii_uppercase()));
        text.push_str(letters.as_str());
        text
    })
}

fn log(error: &Error) {
    let code = error.code.as_str();
    match error.cause() {
        Some(cause) if error.code.status() >= 500 => tracing::error!(code, %cause, "graphql request failed"),
        _ => tracing::debug!(code, "graphql request refused"),
    }
}

/// Gives an error that the library made its code.
pub(crate) fn with_code(mut error: ServerError, code: ErrorCode) -> ServerError {
    if code_of(&error).is_none() {
        let values = error.extensions.get_or_insert_default();
        values.set("code", code.as_str());
        values.set("status", code.status());
    }
    error
}

/// The code that an error carries.
pub(crate) fn code_of(error: &ServerError) -> Option<String> {
    match error.extensions.as_ref()?.get("code")? {
        Value::String(code) => Some(code.clone()),
        _ => None,
    }
}

/// The last look at an answer: few errors, short messages, a code and the id of the request in each.
pub(crate) fn finish(response: &mut Response, request_id: Option<&str>) {
    response.errors.truncate(MAX_ERRORS);
    for error in &mut response.errors {
        if let Some((end, _)) = error.message.char_indices().nth(MAX_MESSAGE) {
            error.message.truncate(end);
        }
        error.locations.truncate(MAX_ERRORS);
        *error = with_code(error.clone(), ErrorCode::GraphqlValidationFailed);
        if let (Some(id), Some(values)) = (request_id, error.extensions.as_mut()) {
            values.set("requestId", id);
        }
    }
}

/// Something that the caller of a mutation can mend: other input, other state, another plan, later.
#[derive(Debug, SimpleObject)]
pub(crate) struct UserError {
    /// What happened; the same code as over REST.
    code: CodeEnum,
    /// A sentence for people.
    message: String,
    /// The argument that is wrong, for example `["input", "options", "concurrency"]`; null when none is.
    path: Option<Vec<String>>,
    /// Seconds to wait before trying again.
    retry_after: Option<u32>,
    /// When the quota begins anew, with `QUOTA_EXCEEDED`.
    quota_reset_date: Option<Instant>,
    /// The first plan that has the feature, with `FEATURE_NOT_AVAILABLE`.
    required_plan: Option<String>,
    /// The rule that refused a target, with `TARGET_NOT_ALLOWED`.
    reason: Option<String>,
}

/// What can be mended, by the errors of the payload; everything else fails the field. A key without the scope and a
/// server in trouble are nothing that other input helps against.
pub(crate) fn user_errors(error: Error) -> Result<Vec<UserError>, WireError> {
    use ErrorCode::{Forbidden, InvalidApiKey};
    if error.code.status() >= 500 || matches!(error.code, Forbidden | InvalidApiKey) {
        return Err(error.into());
    }
    log(&error);
    let text = |name| {
        let (_, value) = error.extras.iter().find(|(extra, _)| *extra == name)?;
        value.as_str().map(str::to_owned)
    };
    let user_error = |message: &str, path| UserError {
        code: CodeEnum(error.code),
        message: message.to_owned(),
        path,
        retry_after: error.retry_after_s,
        quota_reset_date: text("quota_reset_date")
            .and_then(|text| DateTime::parse_from_rfc3339(&text).ok())
            .map(|at| Instant(at.to_utc())),
        required_plan: text("required_plan"),
        reason: text("reason"),
    };
    if error.fields.is_empty() {
        return Ok(vec![user_error(&error.message, None)]);
    }
    let path = |field: &str| {
        let segments = field.split('.').map(camel_case);
        Some(std::iter::once("input".to_owned()).chain(segments).collect())
    };
    Ok(error.fields.iter().map(|fault| user_error(&fault.message, path(&fault.field))).collect())
}

/// The registry as an enum of the schema: one value a code, described by its explanation.
#[derive(Clone, Copy, Debug)]
pub(crate) struct CodeEnum(ErrorCode);

impl OutputType for CodeEnum {
    fn type_name() -> Cow<'static, str> {
        Cow::Borrowed("ErrorCode")
    }

    fn create_type_info(registry: &mut Registry) -> String {
        registry.create_output_type::<Self, _>(MetaTypeId::Enum, |_| MetaType::Enum {
            name: "ErrorCode".to_owned(),
            description: Some("What went wrong. New values may be added at any time.".to_owned()),
            enum_values: ErrorCode::ALL.iter().map(|code| (code.as_str().to_owned(), enum_value(*code))).collect(),
            visible: None,
            inaccessible: false,
            tags: Vec::new(),
            rust_typename: Some(std::any::type_name::<Self>()),
            directive_invocations: Vec::new(),
            requires_scopes: Vec::new(),
        })
    }

    async fn resolve(&self, _: &ContextSelectionSet<'_>, _: &Positioned<Field>) -> ServerResult<Value> {
        Ok(Value::Enum(Name::new(self.0.as_str())))
    }
}

fn enum_value(code: ErrorCode) -> MetaEnumValue {
    MetaEnumValue {
        name: code.as_str().to_owned(),
        description: Some(code.explanation().to_owned()),
        deprecation: Deprecation::NoDeprecated,
        visible: None,
        inaccessible: false,
        tags: Vec::new(),
        directive_invocations: Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn camel_case_is_that_of_the_schema() {
        for (name, expected) in [
            ("url", "url"),
            ("spec_url", "specUrl"),
            ("oauth2_token_url", "oauth2TokenUrl"),
            ("quota_reset_date", "quotaResetDate"),
        ] {
            assert_eq!(camel_case(name), expected);
        }
    }

    #[test]
    fn finish_bounds_what_the_library_says() {
        let mut response = Response::from_errors(vec![ServerError::new("ä".repeat(2_000), None); 1_000]);
        finish(&mut response, Some("req_1"));
        let text = serde_json::to_string(&response).expect("JSON");
        assert!(text.len() < 16 << 10 && response.errors.len() == 10, "{}", text.len());
        assert!(text.contains("req_1") && text.contains("GRAPHQL_VALIDATION_FAILED"));
    }
}
