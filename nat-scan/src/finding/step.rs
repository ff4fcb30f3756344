//! The requests that reproduce a finding, in order, without credentials.
//!
//! Texts of a step may hold `{{name}}`: the value that an earlier step captured under that name. Names nobody captured
//! stay as they are, so that a body may hold braces of its own.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::check::As;
use crate::generate::{Intent, Phase};
use crate::transport::Response;

/// One request of the sequence; the last one is the probe.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step {
    /// As sent.
    pub method: String,
    /// Path and query as sent, base path included.
    pub target: String,
    /// In order, without the headers that carry the identity's credentials.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub headers: Vec<StepHeader>,
    /// Whose credentials belong onto the request.
    #[serde(rename = "as")]
    pub identity: As,
    /// The headers that are left out, with variables in the place of secrets (`Bearer {{NAT_TOKEN}}`), for those who send
    /// the request without NAT.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub credentials: Vec<StepHeader>,
    /// The body, if there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body: Option<StepBody>,
    /// What later steps need of the answer.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub captures: Vec<Capture>,
    /// What was answered in the scan; none when no answer came.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
}

/// A header of a step.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StepHeader {
    /// As sent.
    pub name: String,
    /// As text; placeholders allowed.
    pub value: String,
    /// The bytes sent were no UTF-8: each character of the value is one byte.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub latin1: bool,
}

/// A body: text where it is text.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StepBody {
    /// UTF-8, placeholders allowed.
    Text(String),
    /// Any bytes, as they are.
    Base64(String),
}

/// A value that is kept from an answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Capture {
    /// For `{{name}}`: letters, digits and `_`.
    pub name: String,
    /// Where it stands.
    pub from: CaptureFrom,
}

/// Where a value stands in an answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CaptureFrom {
    /// A JSON pointer (RFC 6901) into the body.
    Body(String),
    /// The first header of that name.
    Header(String),
}

/// Where the probe of a finding came from, so that a check can judge it again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Origin {
    /// The seed of the scan.
    pub seed: u64,
    /// `POST /pets`: the operation that was tested, also where the finding is about the API as a whole.
    pub operation: String,
    /// When it was sent.
    pub phase: Phase,
    /// Position within operation and phase.
    pub ordinal: u32,
    /// For people.
    pub label: String,
    /// Why.
    pub intent: Intent,
}

impl CaptureFrom {
    /// The value in an answer: strings as they are, numbers and booleans as JSON writes them, nothing else.
    #[must_use]
    pub fn read(&self, response: &Response) -> Option<String> {
        match self {
            Self::Header(name) => response.header(name).map(str::to_owned),
            Self::Body(pointer) => match serde_json::from_slice::<Value>(&response.body).ok()?.pointer(pointer)? {
                Value::String(text) => Some(text.clone()),
                scalar @ (Value::Number(_) | Value::Bool(_)) => Some(scalar.to_string()),
                _ => None,
            },
        }
    }
}

/// `{{name}}`
pub(crate) fn placeholder(name: &str) -> String {
    format!("{{{{{name}}}}}")
}

/// The names that stand as placeholders in a text, in order.
pub(crate) fn placeholders(text: &str) -> impl Iterator<Item = &str> {
    text.split("{{")
        .skip(1)
        .filter_map(|rest| rest.split_once("}}"))
        .map(|(name, _)| name)
        .filter(|name| !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_'))
}

impl Step {
    /// The names of its placeholders, in any part.
    pub(crate) fn wanted(&self) -> impl Iterator<Item = &str> {
        let body = match &self.body {
            Some(StepBody::Text(text)) => Some(text.as_str()),
            _ => None,
        };
        let headers = self.headers.iter().map(|header| header.value.as_str());
        std::iter::once(self.target.as_str()).chain(headers).chain(body).flat_map(placeholders)
    }

    /// The content type that it declares, in lower case.
    pub(crate) fn is_json(&self) -> bool {
        self.headers.iter().any(|header| {
            header.name.eq_ignore_ascii_case("content-type") && header.value.to_ascii_lowercase().contains("json")
        })
    }
}
