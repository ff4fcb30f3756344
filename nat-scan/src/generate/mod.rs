//! What to send: labelled cases for an operation, deterministic from a seed, and their rendering to bytes.

use serde_json::Value;

use crate::spec::{Api, Location, Operation};
use crate::transport::Request;

/// The phases in which cases are sent, in this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Phase {
    /// Reachability, fingerprints, latency.
    Probe,
    /// Minimal and full valid requests.
    HappyPath,
    /// The document's own examples.
    Examples,
    /// Each keyword at its bounds and violated once.
    Coverage,
    /// Security checks.
    Security,
}

impl Phase {
    /// `probe`, `happy_path`, `examples`, `coverage`, `security`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Probe => "probe",
            Self::HappyPath => "happy_path",
            Self::Examples => "examples",
            Self::Coverage => "coverage",
            Self::Security => "security",
        }
    }
}

/// What a case is about: the one place and keyword it bends.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Slot {
    /// `path`, `query`, `header`, `cookie`, `body`, `method` or `content-type`.
    pub location: &'static str,
    /// Parameter name, or JSON pointer in the body with indices as `[]`.
    pub name: String,
}

/// Why a case exists.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Intent {
    /// Meant to be valid.
    Positive,
    /// Meant to break exactly `keyword` at `slot`.
    Negative {
        /// Where.
        slot: Slot,
        /// Which keyword; `required` for an absent part, `type` for another JSON type.
        keyword: String,
    },
    /// A required part removed (F022).
    MissingRequired {
        /// Which.
        slot: Slot,
    },
    /// A method that the document does not list for the path (F023).
    UndocumentedMethod,
    /// A body that is broken as bytes: truncated JSON, duplicate keys, deep nesting, BOM, zero bytes (F026).
    MalformedBody {
        /// `truncated`, `duplicate-keys`, `deep-nesting`, `bom`, `empty`, `not-utf8`.
        kind: &'static str,
    },
    /// A `HEAD` beside a documented `GET` (F062).
    HeadParity,
}

/// The value of one parameter, or its absence.
#[derive(Clone, Debug, PartialEq)]
pub struct Argument {
    /// Index into [`Operation::parameters`].
    pub parameter: usize,
    /// Before serialisation.
    pub value: Value,
}

/// A body before serialisation.
#[derive(Clone, Debug, PartialEq)]
pub enum BodyValue {
    /// A value for the media type at this index of [`crate::spec::RequestBody::content`].
    Typed {
        /// Index of the media type.
        media_type: usize,
        /// The value.
        value: Value,
    },
    /// Bytes as they are, with a content type.
    Raw {
        /// `Content-Type`.
        content_type: String,
        /// The bytes.
        bytes: Vec<u8>,
    },
}

/// One request to make, and why.
#[derive(Clone, Debug, PartialEq)]
pub struct Case {
    /// Index of the operation.
    pub operation: usize,
    /// When it is sent.
    pub phase: Phase,
    /// Position within (operation, phase); with the seed it identifies the case.
    pub ordinal: u32,
    /// For people: `maxLength of body /name exceeded by one`.
    pub label: String,
    /// Why.
    pub intent: Intent,
    /// Overrides the operation's method.
    pub method: Option<String>,
    /// Values of parameters; absent ones are not sent.
    pub arguments: Vec<Argument>,
    /// The body; `None`: no body.
    pub body: Option<BodyValue>,
}

/// The cases of one operation and phase, in order. The same seed and document give the same cases.
#[must_use]
pub fn cases(api: &Api, operation: &Operation, phase: Phase, seed: u64) -> Vec<Case> {
    let _ = (api, operation, phase, seed);
    todo!("spec")
}

/// The bytes of a case below `base_path` (no trailing slash), without credentials.
///
/// # Errors
/// A sentence, when the case cannot be put on the wire (for example an empty path segment): it is skipped.
pub fn render(operation: &Operation, case: &Case, base_path: &str) -> Result<Request, String> {
    let _ = (operation, case, base_path, Location::Path);
    todo!("spec")
}
