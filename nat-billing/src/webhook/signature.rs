//! Verification of `Stripe-Signature`: bytes, header, secrets and now in, a verdict out; no I/O.
//!
//! The header is `t=<Unix seconds>,v1=<hex>,…`; each `v1` is the HMAC-SHA-256 of `<t>.<payload>` under a secret of the
//! endpoint, the whole text of which (`whsec_…`) is the key. Several `v1` and several secrets appear while a secret is
//! rolled. Source: Stripe's documentation, "Verify webhook signatures manually".

use chrono::{DateTime, Utc};
use hmac::{Hmac, KeyInit, Mac};
use nat_core::{
    Error, ErrorCode,
    secret::{ExposeSecret, SecretString},
};
use sha2::Sha256;
use subtle::{Choice, ConstantTimeEq};

/// How far the header's time may lie from ours, in either direction.
pub const TOLERANCE_S: i64 = 300;
/// Longer headers are refused unread.
pub const MAX_HEADER_BYTES: usize = 16 * 1024;
/// More `v1` entries than this are refused before any is compared.
pub const MAX_CANDIDATES: usize = 64;
/// Secrets that are tried; a roll needs two.
pub const MAX_SECRETS: usize = 16;

/// Why a signature was refused. Says nothing about the expected value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SignatureError {
    /// No header, or an empty one.
    #[error("The Stripe-Signature header is missing.")]
    Missing,
    /// The header cannot be read; the text says why.
    #[error("The Stripe-Signature header is malformed: {0}.")]
    Malformed(&'static str),
    /// Signed too long ago, or in the future.
    #[error(
        "The timestamp in Stripe-Signature is outside the tolerance of 300 seconds; check the clock of the server."
    )]
    OutsideTolerance,
    /// No `v1` fits any secret.
    #[error(
        "No signature in Stripe-Signature matches the payload; check the signing secret (whsec_…) and that the body is unchanged."
    )]
    NoMatch,
}

impl From<SignatureError> for Error {
    fn from(error: SignatureError) -> Self {
        Self::new(ErrorCode::InvalidSignature, error.to_string())
    }
}

type Tag = [u8; 32];

/// `Ok` when `header` signs exactly `payload` with one of `secrets` at a time within 300 seconds of `now`.
///
/// Work is bounded: one pass over a header of at most 16 KiB, then one HMAC a secret (16 at most) and one comparison in
/// constant time for each of at most 64 candidates.
pub fn verify(
    payload: &[u8],
    header: Option<&str>,
    secrets: &[SecretString],
    now: DateTime<Utc>,
) -> Result<(), SignatureError> {
    check_time(signed_at(payload, header, secrets)?, now)
}

/// When `payload` was signed with one of `secrets`: what [`verify`] says, but for the time. The difference to now is
/// how far this machine's clock is off, and how long the event was under way.
pub fn signed_at(
    payload: &[u8],
    header: Option<&str>,
    secrets: &[SecretString],
) -> Result<DateTime<Utc>, SignatureError> {
    let header = Header::parse(header.unwrap_or_default())?;
    let mut matched = Choice::from(0);
    for secret in secrets.iter().take(MAX_SECRETS) {
        let expected = tag(payload, header.timestamp_text, secret.expose_secret());
        for candidate in header.first.iter().chain(&header.more) {
            matched |= same(&expected, candidate);
        }
    }
    if bool::from(matched) { Ok(header.timestamp) } else { Err(SignatureError::NoMatch) }
}

/// `Ok` when a signature of `signed_at` may still be believed at `now`.
pub fn check_time(signed_at: DateTime<Utc>, now: DateTime<Utc>) -> Result<(), SignatureError> {
    // Whole seconds, as the header counts them.
    let off_s = now.timestamp() - signed_at.timestamp();
    if off_s.abs() > TOLERANCE_S { Err(SignatureError::OutsideTolerance) } else { Ok(()) }
}

/// The header that Stripe would send for `payload` at `at`; for tests, fakes and trying things out.
#[must_use]
pub fn sign(payload: &[u8], secret: &SecretString, at: DateTime<Utc>) -> String {
    let timestamp = at.timestamp().to_string();
    let tag = tag(payload, &timestamp, secret.expose_secret());
    format!("t={timestamp},v1={}", hex::encode(tag))
}

fn tag(payload: &[u8], timestamp: &str, secret: &str) -> Tag {
    #[expect(clippy::expect_used, reason = "HMAC takes keys of every length")]
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).expect("HMAC takes keys of every length");
    mac.update(timestamp.as_bytes());
    mac.update(b".");
    mac.update(payload);
    mac.finalize().into_bytes().into()
}

/// In constant time, by words: byte by byte it would cost a tenth of the HMAC of a usual event.
fn same(one: &Tag, other: &Tag) -> Choice {
    let pairs = one.as_chunks::<8>().0.iter().zip(other.as_chunks::<8>().0);
    pairs.fold(Choice::from(1), |so_far, (one, other)| {
        so_far & u64::from_ne_bytes(*one).ct_eq(&u64::from_ne_bytes(*other))
    })
}

struct Header<'a> {
    timestamp: DateTime<Utc>,
    /// As sent: these bytes were signed.
    timestamp_text: &'a str,
    /// Nearly always the only one: apart, so that it needs no allocation.
    first: Option<Tag>,
    more: Vec<Tag>,
}

impl<'a> Header<'a> {
    fn parse(text: &'a str) -> Result<Self, SignatureError> {
        use SignatureError::{Malformed, Missing};
        if text.is_empty() {
            return Err(Missing);
        }
        if text.len() > MAX_HEADER_BYTES {
            return Err(Malformed("it is longer than 16 KiB"));
        }
        let mut timestamp = None;
        let (mut first, mut more) = (None, Vec::new());
        let mut count = 0;
        for item in text.split(',') {
            let (name, value) = item.split_once('=').ok_or(Malformed("an item is not of the form name=value"))?;
            match name {
                "t" if timestamp.is_some() => return Err(Malformed("more than one timestamp")),
                "t" => timestamp = Some(parse_timestamp(value).ok_or(Malformed("the timestamp is not a number"))?),
                "v1" => {
                    count += 1;
                    if count > MAX_CANDIDATES {
                        return Err(Malformed("more than 64 v1 signatures"));
                    }
                    let tag = parse_tag(value);
                    if first.is_none() { first = tag } else { more.extend(tag) }
                }
                // Other schemes (v0 of test events, whatever comes next) prove nothing to us.
                _ => {}
            }
        }
        let (timestamp, timestamp_text) = timestamp.ok_or(Malformed("no timestamp"))?;
        if count == 0 {
            return Err(Malformed("no v1 signature"));
        }
        Ok(Self { timestamp, timestamp_text, first, more })
    }
}

fn parse_timestamp(text: &str) -> Option<(DateTime<Utc>, &str)> {
    let digits = (1..=12).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
    let second = text.parse().ok().filter(|_| digits)?;
    Some((DateTime::from_timestamp(second, 0)?, text))
}

/// 64 lower-case hexadecimal digits, as Stripe sends them; anything else can match nothing.
fn parse_tag(text: &str) -> Option<Tag> {
    let (pairs, []) = text.as_bytes().as_chunks::<2>() else { return None };
    let pairs: &[[u8; 2]; 32] = pairs.try_into().ok()?;
    let mut tag = Tag::default();
    for (byte, [high, low]) in tag.iter_mut().zip(pairs) {
        *byte = digit(*high)? << 4 | digit(*low)?;
    }
    Some(tag)
}

fn digit(byte: u8) -> Option<u8> {
    match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
