//! Content codings, undone within limits.

use std::io::Read;

use flate2::read::{DeflateDecoder, MultiGzDecoder, ZlibDecoder};

use super::head::malformed;
use super::{Limits, TransportError};

/// Codings on top of each other that are undone.
const MAX_NESTED: usize = 2;
/// Below this size a ratio says nothing: a short text of one letter compresses a hundredfold.
const RATIO_FLOOR: usize = 64 << 10;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Coding {
    Gzip,
    Deflate,
}

/// Undoes gzip and deflate; a body in an unknown coding stays as it is. `cut`: the body's end is missing, so what can be
/// decoded is the answer.
pub(super) fn decode(
    headers: &[(String, Vec<u8>)],
    body: Vec<u8>,
    cut: bool,
    limits: &Limits,
) -> Result<Vec<u8>, TransportError> {
    if body.is_empty() {
        return Ok(body);
    }
    let Some(codings) = codings(headers) else { return Ok(body) };
    if codings.len() > MAX_NESTED {
        return Err(malformed("more than two content codings"));
    }
    let compressed = body.len();
    codings.into_iter().rev().try_fold(body, |body, coding| inflate(coding, &body, compressed, cut, limits))
}

/// The codings in the order in which they were applied; `None` when one of them is unknown.
pub(super) fn codings(headers: &[(String, Vec<u8>)]) -> Option<Vec<Coding>> {
    let mut found = Vec::new();
    for (_, value) in headers.iter().filter(|(name, _)| name.eq_ignore_ascii_case("content-encoding")) {
        for token in value.split(|byte| *byte == b',').map(<[u8]>::trim_ascii) {
            match token.to_ascii_lowercase().as_slice() {
                b"" | b"identity" => {}
                b"gzip" | b"x-gzip" => found.push(Coding::Gzip),
                b"deflate" => found.push(Coding::Deflate),
                _ => return None,
            }
        }
    }
    Some(found)
}

fn inflate(
    coding: Coding,
    body: &[u8],
    compressed: usize,
    cut: bool,
    limits: &Limits,
) -> Result<Vec<u8>, TransportError> {
    let ratio_limit = compressed.saturating_mul(limits.max_ratio).max(RATIO_FLOOR);
    let limit = limits.max_decoded_bytes.min(ratio_limit);
    let mut decoded = Vec::new();
    // One byte more than allowed tells "at the limit" from "beyond".
    let allowed = limit as u64 + 1;
    let result = match coding {
        Coding::Gzip => MultiGzDecoder::new(body).take(allowed).read_to_end(&mut decoded),
        // "deflate" is zlib by the standard and raw deflate by habit.
        Coding::Deflate if is_zlib(body) => ZlibDecoder::new(body).take(allowed).read_to_end(&mut decoded),
        Coding::Deflate => DeflateDecoder::new(body).take(allowed).read_to_end(&mut decoded),
    };
    if decoded.len() > limit {
        return Err(TransportError::DecompressionBomb);
    }
    match result {
        Err(_) if !cut => Err(malformed("the body does not decode by its Content-Encoding")),
        _ => Ok(decoded),
    }
}

fn is_zlib(body: &[u8]) -> bool {
    matches!(body, [first, second, ..] if first & 0x0f == 8 && u16::from_be_bytes([*first, *second]) % 31 == 0)
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::Compression;
    use flate2::write::{DeflateEncoder, GzEncoder, ZlibEncoder};

    use super::*;

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    fn zlib(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = ZlibEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    fn raw(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = DeflateEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    fn check(encodings: &[&str], body: Vec<u8>, cut: bool) -> Result<Vec<u8>, &'static str> {
        let limits = Limits { max_decoded_bytes: 200_000, max_ratio: 100, ..Limits::default() };
        let headers: Vec<_> =
            encodings.iter().map(|value| ("Content-Encoding".to_owned(), value.as_bytes().to_vec())).collect();
        decode(&headers, body, cut, &limits).map_err(|error| error.kind())
    }

    #[test]
    fn codings_are_undone_in_reverse_order() {
        let text = b"{\"a\":1}".as_slice();
        for (encodings, body) in [
            (&[][..], text.to_vec()),
            (&["identity"], text.to_vec()),
            (&["gzip"], gzip(text)),
            (&["X-GZip"], gzip(text)),
            (&["deflate"], zlib(text)),
            (&["deflate"], raw(text)),
            (&["gzip, deflate"], zlib(&gzip(text))),
            (&["gzip", "identity", "gzip"], gzip(&gzip(text))),
            (&["gzip"], [gzip(&text[..3]), gzip(&text[3..])].concat()),
            (&["br"], text.to_vec()),
            (&["gzip, br"], text.to_vec()),
        ] {
            assert_eq!(check(encodings, body, false).as_deref(), Ok(text), "{encodings:?}");
        }
        assert_eq!(check(&["gzip"], Vec::new(), false), Ok(Vec::new()), "an empty body has nothing to undo");
    }

    #[test]
    fn hostile_codings_end_in_a_named_error() {
        let zeros = vec![0; 199_999];
        let mut state = 1_u64;
        let noise: Vec<u8> = std::iter::repeat_with(|| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            state.to_be_bytes()[0]
        })
        .take(150_000)
        .collect();
        for (name, encodings, body, expected) in [
            ("over the ratio", &["gzip"][..], gzip(&zeros), Err("decompression-bomb")),
            ("over the size", &["gzip"], gzip(&vec![0; 200_001]), Err("decompression-bomb")),
            ("over the ratio in the second layer", &["gzip, gzip"], gzip(&gzip(&zeros)), Err("decompression-bomb")),
            ("within both", &["gzip"], gzip(&noise), Ok(())),
            ("three layers", &["gzip, gzip, gzip"], gzip(&gzip(&gzip(b"x"))), Err("malformed")),
            ("not gzip", &["gzip"], b"plain".to_vec(), Err("malformed")),
            ("no end", &["gzip"], gzip(&noise)[..1000].to_vec(), Err("malformed")),
        ] {
            assert_eq!(check(encodings, body, false).map(|_| ()), expected, "{name}");
        }
        let cut = check(&["gzip"], gzip(&noise)[..100_000].to_vec(), true).unwrap();
        assert!(!cut.is_empty() && noise.starts_with(&cut), "a body that was cut decodes as far as it goes");
    }
}
