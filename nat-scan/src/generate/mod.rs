//! What to send: labelled cases for an operation, deterministic from a seed, and their rendering to bytes.

mod alternatives;
pub(crate) mod body;
mod boundary;
pub(crate) mod canonical;
mod change;
pub(crate) mod choice;
mod cover;
mod depth;
pub(crate) mod draw;
#[cfg(test)]
pub(crate) mod fixture;
mod negative;
pub(crate) mod pattern;
mod place;
pub(crate) mod plan;
pub(crate) mod random;
pub(crate) mod reduce;
pub(crate) mod rng;
pub(crate) mod serialize;
mod site;
pub(crate) mod text;
mod value;

use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

use crate::chain::Binding;
use crate::spec::{Api, Location, Operation};
use crate::transport::Request;

/// The phases in which cases are sent, in this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// Reachability, fingerprints, latency.
    Probe,
    /// Minimal and full valid requests.
    HappyPath,
    /// The document's own examples.
    Examples,
    /// Each keyword at its bounds and violated once.
    Coverage,
    /// Objects made, read, changed and removed.
    Stateful,
    /// Random requests, as long as they show something new.
    Random,
    /// Security checks.
    Security,
}

impl Phase {
    /// `probe`, `happy_path`, `examples`, `coverage`, `stateful`, `random`, `security`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Probe => "probe",
            Self::HappyPath => "happy_path",
            Self::Examples => "examples",
            Self::Coverage => "coverage",
            Self::Stateful => "stateful",
            Self::Random => "random",
            Self::Security => "security",
        }
    }
}

/// A constant word. (An alias, because serde takes a reference in a field for one into its input.)
type Word = &'static str;

/// What a case is about: the one place and keyword it bends.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Slot {
    /// `path`, `query`, `header`, `cookie`, `body`, `method` or `content-type`.
    #[serde(deserialize_with = "known_word")]
    pub location: Word,
    /// Parameter name, or JSON pointer in the body with indices as `[]`.
    pub name: String,
}

/// Why a case exists.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
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
        #[serde(deserialize_with = "known_word")]
        kind: Word,
    },
    /// A `HEAD` beside a documented `GET` (F062).
    HeadParity,
    /// An optional parameter with the value that the document calls its default (F031).
    DefaultSent {
        /// Which.
        slot: Slot,
    },
    /// A valid value that programs are not prepared for (F027, F028, F029).
    Unusual {
        /// Where.
        slot: Slot,
        /// `astral`, `script`, `bidi`, `zero-width`, `nul`, `line-feed`, `beyond-latin`, `quote`, `separator`, `large`,
        /// `calendar-end`, `calendar-begin`, `status`, or the number of bits that a number needs.
        #[serde(deserialize_with = "known_word")]
        kind: Word,
    },
    /// A body of a media type that nobody knows (F025).
    UnsupportedMediaType,
    /// `OPTIONS` on a documented path (F024).
    Options,
    /// A `GET` that accepts no content coding (F068).
    NoCoding,
    /// Whatever came of random choices.
    Random {
        /// Where values came from: `schema`, `boundary`, `observed`, `example`, `dictionary` or `hostile`.
        #[serde(deserialize_with = "known_word")]
        source: Word,
    },
}

/// Words of [`Slot::location`], [`Intent::MalformedBody`], [`Intent::Unusual`] and [`Intent::Random`].
const WORDS: [&str; 38] = [
    "path",
    "query",
    "header",
    "cookie",
    "body",
    "method",
    "content-type",
    "truncated",
    "duplicate-keys",
    "deep-nesting",
    "bom",
    "empty",
    "not-utf8",
    "astral",
    "script",
    "bidi",
    "zero-width",
    "nul",
    "beyond-24-bits",
    "beyond-31-bits",
    "beyond-53-bits",
    "63-bits",
    "64-bits",
    "line-feed",
    "beyond-latin",
    "quote",
    "separator",
    "calendar-end",
    "calendar-begin",
    "status",
    LARGE_KIND,
    "schema",
    "boundary",
    "observed",
    "example",
    "dictionary",
    "hostile",
    "other",
];

/// A stored word; one that this version does not know is `other`, so that a newer report still loads.
fn known_word<'de, D: Deserializer<'de>>(deserializer: D) -> Result<&'static str, D::Error> {
    let word = String::deserialize(deserializer)?;
    Ok(WORDS.into_iter().find(|known| **known == word).unwrap_or("other"))
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
    /// Values of the target that are put in when the request is written ([`Case::bound`]).
    pub bindings: Vec<Binding>,
}

/// The cases of one operation and phase, in order. The same seed and document give the same cases.
#[must_use]
pub fn cases(api: &Api, operation: &Operation, phase: Phase, seed: u64) -> Vec<Case> {
    plan::cases(api, operation, phase, seed, None)
}

/// Valid cases that the target accepted.
#[derive(Clone, Debug, PartialEq)]
pub struct Base {
    /// The first.
    pub least: Case,
    /// The one with everything that is documented.
    pub most: Option<Case>,
}

/// As [`cases`], each built upon what the target accepted: what a case does not bend is as there.
#[must_use]
pub fn cases_upon(api: &Api, operation: &Operation, phase: Phase, seed: u64, base: Option<&Base>) -> Vec<Case> {
    plan::cases(api, operation, phase, seed, base)
}

/// The bytes of a case below `base_path` (no trailing slash), without credentials and as it stands: a case with values
/// of the target is [`Case::bound`] first.
///
/// # Errors
/// A sentence, when the case cannot be put on the wire (for example an empty path segment): it is skipped.
pub fn render(operation: &Operation, case: &Case, base_path: &str) -> Result<Request, String> {
    let mut target = String::with_capacity(base_path.len() + operation.path.len() + 64);
    target.push_str(base_path);
    serialize::path(&mut target, operation, &case.arguments)?;
    let mut request = Request::new(case.method.as_deref().unwrap_or(&operation.method), String::new());
    // A template may hold a query already; that is not legal, but found in the wild.
    let before_query = target.find('?').unwrap_or(target.len()) + 1;
    let mut cookies = String::new();
    let mut accept = None;
    for argument in &case.arguments {
        let parameter = operation.parameters.get(argument.parameter).ok_or("an argument without a parameter")?;
        match parameter.location {
            Location::Path => {}
            Location::Query => {
                if target.len() < before_query {
                    target.push('?');
                }
                serialize::pairs(&mut target, before_query, "&", parameter, &argument.value);
            }
            Location::Cookie => serialize::pairs(&mut cookies, 0, "; ", parameter, &argument.value),
            Location::Header if parameter.name.eq_ignore_ascii_case("accept") => {
                accept = Some(serialize::header(parameter, &argument.value)?);
            }
            Location::Header if is_reserved_header(&parameter.name) => {}
            Location::Header => {
                request.headers.push((parameter.name.clone(), serialize::header(parameter, &argument.value)?));
            }
        }
    }
    if target.ends_with('?') {
        target.pop();
    }
    request.target = target;
    request.headers.insert(0, ("Accept".to_owned(), accept.unwrap_or_else(|| default_accept(operation))));
    if !cookies.is_empty() {
        request.headers.push(("Cookie".to_owned(), cookies.into_bytes()));
    }
    if case.intent == Intent::NoCoding {
        request.headers.push(("Accept-Encoding".to_owned(), b"identity, gzip;q=0, deflate;q=0, br;q=0".to_vec()));
    }
    render_body(&mut request, operation, case)?;
    Ok(request)
}

fn render_body(request: &mut Request, operation: &Operation, case: &Case) -> Result<(), String> {
    let (content_type, bytes) = match &case.body {
        None => return Ok(()),
        Some(BodyValue::Raw { content_type, bytes }) => (content_type.clone(), bytes.clone()),
        Some(BodyValue::Typed { media_type, value }) => {
            let content = operation.body.as_ref().and_then(|body| body.content.get(*media_type));
            let media = content.ok_or("a body of a media type that the operation does not have")?;
            let large = enlarged(&case.intent, value);
            (body::content_type(&media.media_type), body::bytes(media, large.as_ref().unwrap_or(value))?)
        }
    };
    request.headers.push(("Content-Type".to_owned(), content_type.into_bytes()));
    request.body = Some(bytes.into());
    Ok(())
}

/// The kind of [`Intent::Unusual`] whose text is made large when it is written.
pub(crate) const LARGE_KIND: &str = "large";
/// Its length.
const LARGE: usize = 128 << 10;

impl Case {
    /// About a large text, which takes a server long: F029 judges it, and no other check.
    pub(crate) fn is_large(&self) -> bool {
        matches!(self.intent, Intent::Unusual { kind: LARGE_KIND, .. })
    }
}

/// The body with the large text in its place, for a case that is about that.
fn enlarged(intent: &Intent, value: &Value) -> Option<Value> {
    let Intent::Unusual { slot, kind: LARGE_KIND } = intent else { return None };
    let mut value = value.clone();
    *value.pointer_mut(&slot.name)? = Value::from(large());
    Some(value)
}

/// Letters without a pattern: answers that show them are large on the wire too, not a bomb that a client must fear.
fn large() -> String {
    let mut state: u32 = 0x6e61_7421;
    let letter = |_| {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        char::from(b'a' + u8::try_from(state % 26).unwrap_or(0))
    };
    (0..LARGE).map(letter).collect()
}

/// Headers that the document cannot define as parameters, or that the transport writes.
pub(crate) fn is_reserved_header(name: &str) -> bool {
    const RESERVED: [&str; 10] = [
        "accept",
        "content-type",
        "authorization",
        "host",
        "content-length",
        "user-agent",
        "connection",
        "transfer-encoding",
        "cookie",
        "expect",
    ];
    RESERVED.iter().any(|reserved| name.eq_ignore_ascii_case(reserved))
}

/// The documented types of good answers, and anything else if need be.
fn default_accept(operation: &Operation) -> Vec<u8> {
    let good = operation.responses.iter().filter(|response| response.status.is_success());
    let mut accept = String::new();
    let mut count = 0;
    for media in good.flat_map(|response| &response.content) {
        let kind = media.media_type.trim();
        let sendable =
            kind.is_ascii() && !kind.contains(|c: char| c.is_control()) && kind != "*/*" && kind.contains('/');
        if sendable && count < 8 && !accept.split(", ").any(|known| known == kind) {
            accept.push_str(kind);
            accept.push_str(", ");
            count += 1;
        }
    }
    accept.push_str(if accept.is_empty() { "*/*" } else { "*/*;q=0.1" });
    accept.into_bytes()
}

#[cfg(test)]
mod tests;
