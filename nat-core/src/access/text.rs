//! The text of an API key: made, taken apart and hashed. No store, no clock.

use secrecy::SecretString;
use sha2::{Digest, Sha256};

use crate::{KeyId, entropy::Entropy};

const PREFIX: &str = "nat_pk_";
const ID_LEN: usize = 10;
/// 27 characters of base 62 are 160.7 bits.
const SECRET_LEN: usize = 27;
const CHECKSUM_LEN: usize = 6;
const TEXT_LEN: usize = PREFIX.len() + ID_LEN + 1 + SECRET_LEN + CHECKSUM_LEN;
const BASE62: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// SHA-256 of the whole text: all that is kept of a key.
pub(super) type SecretHash = [u8; 32];

/// A text with the shape and checksum of a key.
pub(super) struct Presented {
    pub(super) id: KeyId,
    pub(super) hash: SecretHash,
}

/// Takes a text apart. `None` for anything but the exact text of a key, white space around it included.
pub(super) fn parse(text: &str) -> Option<Presented> {
    let bytes = text.as_bytes();
    if bytes.len() != TEXT_LEN || !text.is_ascii() {
        return None;
    }
    let (head, checksum) = text.split_at(TEXT_LEN - CHECKSUM_LEN);
    let (id, secret) = head.strip_prefix(PREFIX)?.split_once('_')?;
    let base62 = |part: &str| part.bytes().all(|byte| byte.is_ascii_alphanumeric());
    if id.len() != ID_LEN || !base62(id) || !base62(secret) || checksum_of(head) != checksum {
        return None;
    }
    Some(Presented { id: KeyId::from(id), hash: hash_of(text) })
}

/// The mistake that the shape of a refused text shows, for people; `None` when the shape is right. It looks at nothing
/// but the text, so it tells nobody whether a key exists, and it never repeats a part of the text.
#[must_use]
pub fn hint(text: &str) -> Option<&'static str> {
    let odd_space = |c: char| c.is_whitespace() || c.is_control() || c == '\u{feff}';
    if text.is_empty() {
        Some("send the API key in the header X-API-Key")
    } else if text.get(..7).is_some_and(|start| start.eq_ignore_ascii_case("bearer ")) {
        Some("send the key alone, without 'Bearer'")
    } else if text.starts_with(['"', '\'']) {
        Some("send the key without quotes")
    } else if text.contains(odd_space) {
        Some("the key has white space in it or around it")
    } else if !text.starts_with(PREFIX) {
        Some("a key starts with nat_pk_")
    } else if text.len() != TEXT_LEN {
        Some("the key is incomplete or too long; copy all 51 characters")
    } else if parse(text).is_none() {
        Some("the key has a typing error")
    } else {
        None
    }
}

/// A new key: public id, text, hash.
pub(super) fn generate(entropy: &dyn Entropy) -> (KeyId, SecretString, SecretHash) {
    let id = random_base62(ID_LEN, entropy);
    let mut text = format!("{PREFIX}{id}_{}", random_base62(SECRET_LEN, entropy));
    text.push_str(&checksum_of(&text));
    let hash = hash_of(&text);
    (KeyId::new(id), SecretString::from(text), hash)
}

fn hash_of(text: &str) -> SecretHash {
    Sha256::digest(text).into()
}

/// Finds typing errors and cut keys; it is no secret.
fn checksum_of(head: &str) -> String {
    let digest = Sha256::digest(["nat key checksum:", head].concat());
    let mut number = digest.iter().take(8).fold(0u64, |number, byte| (number << 8) | u64::from(*byte));
    let mut text = String::with_capacity(CHECKSUM_LEN);
    for _ in 0..CHECKSUM_LEN {
        text.push(char::from(BASE62[(number % 62) as usize]));
        number /= 62;
    }
    text
}

/// Uniform: bytes that would favour the first characters are drawn again.
fn random_base62(len: usize, entropy: &dyn Entropy) -> String {
    let mut text = String::with_capacity(len);
    let mut bytes = zeroize::Zeroizing::new([0u8; 32]);
    while text.len() < len {
        entropy.fill(bytes.as_mut());
        let fair = bytes.iter().filter(|byte| **byte < 248);
        text.extend(fair.map(|byte| char::from(BASE62[usize::from(byte % 62)])).take(len - text.len()));
    }
    text
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use secrecy::ExposeSecret;

    use super::*;
    use crate::entropy::SeededEntropy;

    #[test]
    fn generated_key_is_read_back() {
        let entropy = SeededEntropy::new(1);
        let (id, text, hash) = generate(&entropy);
        let text = text.expose_secret();
        assert_eq!(text.len(), 51);
        let presented = parse(text).unwrap();
        assert_eq!((&presented.id, presented.hash), (&id, hash));
        assert!(text.starts_with(&format!("nat_pk_{id}_")));
        assert_ne!(generate(&entropy).0, id);
    }

    #[test]
    fn hint_names_the_mistake_and_never_the_key() {
        let (_, text, _) = generate(&SeededEntropy::new(3));
        let text = text.expose_secret();
        assert_eq!(hint(text), None);
        for (wrong, word) in [
            (String::new(), "X-API-Key"),
            (format!("Bearer {text}"), "Bearer"),
            (format!("\"{text}\""), "quotes"),
            (format!("{text}\u{a0}"), "white space"),
            (format!("\u{feff}{text}"), "white space"),
            (text.replace("nat_", "NAT_"), "nat_pk_"),
            (text[..50].to_owned(), "incomplete"),
            (text[..50].to_owned() + "-", "typing error"),
        ] {
            let hint = hint(&wrong).unwrap_or_default();
            assert!(hint.contains(word) && !hint.contains(&text[17..]), "{wrong}: {hint}");
        }
    }

    #[test]
    fn changed_key_is_refused() {
        let (_, text, _) = generate(&SeededEntropy::new(2));
        let text = text.expose_secret();
        for around in [" ", "\t", "\n", "\r", "\u{a0}", "\u{feff}", "\"", "Bearer "] {
            assert!(parse(&format!("{around}{text}")).is_none(), "{around:?} before");
            assert!(parse(&format!("{text}{around}")).is_none(), "{around:?} behind");
        }
        for at in 0..text.len() {
            assert!(parse(&text[..at]).is_none(), "cut at {at}");
            let mut changed = text.as_bytes().to_vec();
            changed[at] = if changed[at] == b'x' { b'y' } else { b'x' };
            assert!(parse(&String::from_utf8(changed).unwrap()).is_none(), "typing error at {at}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_taken_without_panic(text in "\\PC{0,80}", tail in "[0-9A-Za-z_ä]{0,50}") {
            prop_assert!(parse(&text).is_none());
            let text = format!("nat_pk_{tail}");
            prop_assert!(parse(&text).is_none());
        }
    }
}
