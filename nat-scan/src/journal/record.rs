//! What a frame holds: whose journal it is, or the answers of one place in the plan.

use std::io::{Read as _, Write as _};
use std::time::Duration;

use bytes::Bytes;
use chrono::{DateTime, Utc};
use flate2::Compression;
use flate2::read::DeflateDecoder;
use flate2::write::DeflateEncoder;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::Identity;
use crate::finding::Redactor;
use crate::transport::{Request, Response, TransportError};

/// A record never unfolds to more than this.
const MAX_PLAIN: u64 = 128 << 20;
const HEADER: u8 = b'H';
const ANSWERS: u8 = b'A';

/// The scan that the records behind it belong to. One stands at every beginning: of the scan, and of each resumption.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Header {
    pub(super) identity: Identity,
    /// Begins the words that make texts of the scan unique.
    pub(super) nonce: String,
    /// How often the scan was begun before.
    pub(super) epoch: u32,
}

/// A place in the plan, as a hash of its description.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Place([u8; 16]);

impl Place {
    pub(crate) fn of(description: &str) -> Self {
        let digest = Sha256::digest(description);
        Self(std::array::from_fn(|at| digest[at]))
    }
}

/// One answer of the target, or the lack of one.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct KeptAnswer {
    /// Of the request, without credentials.
    pub(crate) print: u64,
    pub(crate) result: Result<Response, TransportError>,
    pub(crate) at: DateTime<Utc>,
    /// Status of a first try that met a busy target.
    pub(crate) throttled: Option<u16>,
}

/// The head of a record of answers, readable without unfolding it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Head {
    pub(super) place: Place,
    pub(super) epoch: u32,
    /// Since the scan began, pauses between its beginnings left out.
    pub(super) elapsed_ms: u64,
}

/// A number that equal requests share. Credentials are no part of it: a resumed scan has others.
pub(super) fn print(request: &Request, redactor: &Redactor) -> u64 {
    let mut hash = Sha256::new();
    let mut part = |bytes: &[u8]| {
        hash.update((bytes.len() as u64).to_le_bytes());
        hash.update(bytes);
    };
    part(request.method.as_bytes());
    part(&redactor.bytes(request.target.as_bytes()));
    for (name, value) in request.headers.iter().filter(|(name, _)| !redactor.is_sensitive_header(name)) {
        part(name.as_bytes());
        part(value);
    }
    part(request.body.as_deref().unwrap_or_default());
    let digest = hash.finalize();
    u64::from_le_bytes(std::array::from_fn(|at| digest[at]))
}

/// What was asked and answered at one place, in order.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Kept {
    /// That made texts of the requests unique.
    pub(crate) words: Vec<String>,
    pub(crate) answers: Vec<KeptAnswer>,
}

#[derive(Serialize, Deserialize)]
struct Shape {
    words: Vec<String>,
    answers: Vec<AnswerShape>,
}

#[derive(Serialize, Deserialize)]
struct AnswerShape {
    print: u64,
    at_us: i64,
    throttled: Option<u16>,
    result: ResultShape,
}

#[derive(Serialize, Deserialize)]
enum ResultShape {
    Response {
        status: u16,
        /// Values byte by byte as characters: they need not be UTF-8.
        headers: Vec<(String, String)>,
        body_bytes: usize,
        truncated: bool,
        unexpected_bytes: usize,
        elapsed_us: u64,
        wire_bytes: u64,
    },
    Failure {
        kind: String,
        text: String,
        timeout_us: u64,
    },
}

pub(super) fn write_header(header: &Header) -> Vec<u8> {
    let mut payload = vec![HEADER];
    // Strings and numbers only: this cannot fail.
    payload.extend(serde_json::to_vec(header).unwrap_or_default());
    payload
}

pub(super) fn read_header(payload: &[u8]) -> Option<Header> {
    let (kind, json) = payload.split_first()?;
    (*kind == HEADER).then(|| serde_json::from_slice(json).ok()).flatten()
}

pub(super) fn write_kept(head: &Head, kept: &Kept) -> Option<Vec<u8>> {
    let answers: Vec<AnswerShape> = kept.answers.iter().map(shape).collect::<Option<_>>()?;
    let json = serde_json::to_vec(&Shape { words: kept.words.clone(), answers }).ok()?;
    let mut payload = vec![ANSWERS];
    payload.extend_from_slice(&head.place.0);
    payload.extend_from_slice(&head.epoch.to_le_bytes());
    payload.extend_from_slice(&head.elapsed_ms.to_le_bytes());
    let mut encoder = DeflateEncoder::new(payload, Compression::fast());
    encoder.write_all(&u32::try_from(json.len()).ok()?.to_le_bytes()).ok()?;
    encoder.write_all(&json).ok()?;
    for answer in &kept.answers {
        encoder.write_all(answer.result.as_ref().map_or(&[], |response| &response.body)).ok()?;
    }
    encoder.finish().ok()
}

pub(super) fn read_head(payload: &[u8]) -> Option<Head> {
    let (kind, rest) = payload.split_first()?;
    let (place, rest) = rest.split_first_chunk::<16>()?;
    let (epoch, rest) = rest.split_first_chunk::<4>()?;
    let elapsed = rest.first_chunk::<8>()?;
    (*kind == ANSWERS).then(|| Head {
        place: Place(*place),
        epoch: u32::from_le_bytes(*epoch),
        elapsed_ms: u64::from_le_bytes(*elapsed),
    })
}

pub(super) fn read_kept(payload: &[u8]) -> Option<Kept> {
    let packed = payload.get(1 + 16 + 4 + 8..)?;
    let mut plain = Vec::new();
    DeflateDecoder::new(packed).take(MAX_PLAIN).read_to_end(&mut plain).ok()?;
    let (length, rest) = plain.split_first_chunk::<4>()?;
    let (json, bodies) = rest.split_at_checked(usize::try_from(u32::from_le_bytes(*length)).ok()?)?;
    let Shape { words, answers } = serde_json::from_slice(json).ok()?;
    let mut bodies = Bytes::copy_from_slice(bodies);
    let answers = answers.into_iter().map(|shape| unshape(shape, &mut bodies)).collect::<Option<_>>()?;
    Some(Kept { words, answers })
}

fn shape(answer: &KeptAnswer) -> Option<AnswerShape> {
    let micros = |duration: Duration| u64::try_from(duration.as_micros()).unwrap_or(u64::MAX);
    let result = match &answer.result {
        Ok(response) => ResultShape::Response {
            status: response.status,
            headers: response.headers.iter().map(|(name, value)| (name.clone(), as_text(value))).collect(),
            body_bytes: response.body.len(),
            truncated: response.truncated,
            unexpected_bytes: response.unexpected_bytes,
            elapsed_us: micros(response.elapsed),
            wire_bytes: response.wire_bytes,
        },
        // The scan's own doing says nothing about the target.
        Err(TransportError::Cancelled | TransportError::Denied(_)) => return None,
        Err(error) => {
            let (text, timeout_us) = match error {
                TransportError::Dns(text)
                | TransportError::Connect(text)
                | TransportError::Tls(text)
                | TransportError::Malformed(text) => (text.clone(), 0),
                TransportError::Timeout(duration) => (String::new(), micros(*duration)),
                _ => (String::new(), 0),
            };
            ResultShape::Failure { kind: error.kind().to_owned(), text, timeout_us }
        }
    };
    Some(AnswerShape { print: answer.print, at_us: answer.at.timestamp_micros(), throttled: answer.throttled, result })
}

fn unshape(shape: AnswerShape, bodies: &mut Bytes) -> Option<KeptAnswer> {
    let result = match shape.result {
        ResultShape::Response { status, headers, body_bytes, truncated, unexpected_bytes, elapsed_us, wire_bytes } => {
            let body = (body_bytes <= bodies.len()).then(|| bodies.split_to(body_bytes))?;
            Ok(Response {
                status,
                headers: headers
                    .into_iter()
                    .map(|(name, value)| Some((name, as_bytes(&value)?)))
                    .collect::<Option<_>>()?,
                body,
                truncated,
                unexpected_bytes,
                elapsed: Duration::from_micros(elapsed_us),
                wire_bytes,
            })
        }
        ResultShape::Failure { kind, text, timeout_us } => Err(failure(&kind, text, timeout_us)?),
    };
    let at = DateTime::from_timestamp_micros(shape.at_us)?;
    Some(KeptAnswer { print: shape.print, result, at, throttled: shape.throttled })
}

fn failure(kind: &str, text: String, timeout_us: u64) -> Option<TransportError> {
    Some(match kind {
        "dns" => TransportError::Dns(text),
        "connect" => TransportError::Connect(text),
        "tls" => TransportError::Tls(text),
        "malformed" => TransportError::Malformed(text),
        "reset" => TransportError::Reset,
        "empty-reply" => TransportError::Empty,
        "incomplete" => TransportError::Incomplete,
        "head-too-large" => TransportError::HeadTooLarge,
        "decompression-bomb" => TransportError::DecompressionBomb,
        "timeout" => TransportError::Timeout(Duration::from_micros(timeout_us)),
        _ => return None,
    })
}

fn as_text(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| char::from(*byte)).collect()
}

fn as_bytes(text: &str) -> Option<Vec<u8>> {
    text.chars().map(|c| u8::try_from(u32::from(c)).ok()).collect()
}
