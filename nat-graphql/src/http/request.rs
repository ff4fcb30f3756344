//! Reading a request: its parameters, from the query string or from a JSON body.

use async_graphql::parser::types::OperationType;
use async_graphql::{Request as Document, Variables};
use axum::http::{HeaderMap, header};
use nat_core::{Error, ErrorCode};
use serde::Deserialize;
use serde_json::{Map, Value};

/// Largest body in bytes. A document of a scan may stand in the variables; a larger one goes over REST or by URL.
const BODY_LIMIT: usize = 1 << 20;

/// What came in.
pub(super) enum Body {
    Single(Box<Document>),
    Batch(Vec<Document>),
}

/// The parameters of the specification; anything else is ignored, as it says.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Parameters {
    query: Option<String>,
    operation_name: Option<String>,
    variables: Option<Map<String, Value>>,
    extensions: Option<Map<String, Value>>,
}

impl Parameters {
    fn document(self) -> Result<Document, Error> {
        let extensions = self.extensions.unwrap_or_default();
        if self.query.is_none() && !extensions.contains_key("persistedQuery") {
            return Err(malformed("The parameter 'query' is required."));
        }
        let mut document = Document::new(self.query.unwrap_or_default());
        document.operation_name = self.operation_name;
        document.variables = Variables::from_json(Value::Object(self.variables.unwrap_or_default()));
        document.extensions.extend(extensions.into_iter().map(|(name, value)| (name, constant(value))));
        Ok(document)
    }
}

fn constant(value: Value) -> async_graphql::Value {
    async_graphql::Value::from_json(value).unwrap_or_default()
}

/// `GET`: the parameters are in the query string, variables and extensions as JSON.
pub(super) fn from_query(query: &str) -> Result<Body, Error> {
    let json = |name: &str, text: &str| match serde_json::from_str::<Option<Map<String, Value>>>(text) {
        Ok(map) => Ok(map),
        Err(error) => Err(malformed(format!("The parameter '{name}' is not a JSON object: {error}."))),
    };
    let mut parameters = Parameters { query: None, operation_name: None, variables: None, extensions: None };
    for (name, value) in form_pairs(query) {
        match name.as_str() {
            "query" => parameters.query = Some(value),
            "operationName" => parameters.operation_name = Some(value).filter(|name| !name.is_empty()),
            "variables" => parameters.variables = json("variables", &value)?,
            "extensions" => parameters.extensions = json("extensions", &value)?,
            _ => {}
        }
    }
    Ok(Body::Single(Box::new(parameters.document()?)))
}

/// Pairs of `application/x-www-form-urlencoded`.
fn form_pairs(query: &str) -> impl Iterator<Item = (String, String)> + '_ {
    query.split('&').filter(|pair| !pair.is_empty()).map(|pair| {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        (form_decoded(name), form_decoded(value))
    })
}

fn form_decoded(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(byte) = bytes.get(at) {
        let escaped = bytes.get(at + 1..at + 3).and_then(|two| std::str::from_utf8(two).ok());
        match (byte, escaped.and_then(|two| u8::from_str_radix(two, 16).ok())) {
            (b'%', Some(value)) => {
                decoded.push(value);
                at += 2;
            }
            (b'+', _) => decoded.push(b' '),
            (byte, _) => decoded.push(*byte),
        }
        at += 1;
    }
    String::from_utf8_lossy(&decoded).into_owned()
}

/// `POST`: JSON only, since a page of another origin can send forms and plain text without asking.
pub(super) async fn from_body(headers: &HeaderMap, body: axum::body::Body, max_batch: usize) -> Result<Body, Error> {
    if !is_json(headers) {
        return Err(Error::new(ErrorCode::UnsupportedMediaType, "The request body must be application/json in UTF-8."));
    }
    let bytes = axum::body::to_bytes(body, BODY_LIMIT).await.map_err(|_| {
        Error::new(ErrorCode::PayloadTooLarge, format!("The request body is larger than {BODY_LIMIT} bytes."))
    })?;
    let is_batch = bytes.iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b'[');
    let fault = |error| malformed(format!("The request body is not a GraphQL request: {error}."));
    if !is_batch {
        let parameters: Parameters = serde_json::from_slice(&bytes).map_err(fault)?;
        return Ok(Body::Single(Box::new(parameters.document()?)));
    }
    let batch: Vec<Parameters> = serde_json::from_slice(&bytes).map_err(fault)?;
    if max_batch == 0 {
        return Err(malformed("Batches are not enabled: send one request, not an array."));
    }
    if batch.is_empty() || batch.len() > max_batch {
        return Err(malformed(format!("A batch must hold 1 to {max_batch} requests.")));
    }
    Ok(Body::Batch(batch.into_iter().map(Parameters::document).collect::<Result<_, _>>()?))
}

fn is_json(headers: &HeaderMap) -> bool {
    let Some(kind) = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()) else { return false };
    let mut parts = kind.split(';').map(str::trim);
    let json = parts.next().is_some_and(|kind| kind.eq_ignore_ascii_case("application/json"));
    let utf8 = parts.filter_map(|parameter| parameter.split_once('=')).all(|(name, value)| {
        !name.trim().eq_ignore_ascii_case("charset") || value.trim().trim_matches('"').eq_ignore_ascii_case("utf-8")
    });
    json && utf8
}

/// What a document that has passed the guard would do; `None` when it cannot be told.
pub(super) fn operation_type(document: &Document) -> Option<OperationType> {
    let parsed = async_graphql::parser::parse_query(&document.query).ok()?;
    let mut operations = parsed.operations.iter();
    let found = match &document.operation_name {
        Some(wanted) => operations.find(|(name, _)| name.is_some_and(|name| name == wanted.as_str())),
        None => operations.next(),
    };
    found.map(|(_, operation)| operation.node.ty)
}

fn malformed(message: impl Into<String>) -> Error {
    Error::new(ErrorCode::MalformedJson, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn query_string_is_decoded_like_a_form() {
        let check = |text: &str, expected: &[(&str, &str)]| {
            let pairs: Vec<_> = form_pairs(text).collect();
            let pairs: Vec<_> = pairs.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
            assert_eq!(pairs, expected, "{text}");
        };
        check("query=%7Ba%7D&variables=", &[("query", "{a}"), ("variables", "")]);
        check("a=b+c%20d&&e", &[("a", "b c d"), ("e", "")]);
        check("a=%zz%f", &[("a", "%zz%f")]);
        check("a=%C3%A4%FF", &[("a", "ä\u{fffd}")]);
    }
}
