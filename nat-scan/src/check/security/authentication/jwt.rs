//! JSON Web Tokens taken apart and put together (RFC 7515, RFC 7519). Only what a forger needs: HMAC and no signature.

use base64::Engine;
use base64::engine::general_purpose::{URL_SAFE, URL_SAFE_NO_PAD};
use hmac::{Hmac, KeyInit, Mac};
use secrecy::SecretString;
use serde_json::{Map, Value};
use sha2::{Sha256, Sha384, Sha512};

/// Longer tokens are not looked at.
const MAX_TOKEN: usize = 16 << 10;

/// One token. Its texts are no secrets without the signature, and are never shown all the same.
pub(super) struct Jwt {
    pub(super) header: Map<String, Value>,
    pub(super) claims: Map<String, Value>,
    /// Header and claims as they were written, which is what is signed.
    signed: String,
    signature: Vec<u8>,
}

impl Jwt {
    pub(super) fn read(token: &str) -> Option<Self> {
        if token.len() > MAX_TOKEN {
            return None;
        }
        let (signed, signature) = token.rsplit_once('.')?;
        let (header, claims) = signed.split_once('.')?;
        let object = |part: &str| match serde_json::from_slice(&decoded(part)?).ok()? {
            Value::Object(members) => Some(members),
            _ => None,
        };
        Some(Self {
            header: object(header)?,
            claims: object(claims)?,
            signed: signed.to_owned(),
            signature: decoded(signature)?,
        })
    }

    pub(super) fn algorithm(&self) -> &str {
        self.header.get("alg").and_then(Value::as_str).unwrap_or_default()
    }

    /// Signed by a shared secret.
    pub(super) fn is_hmac(&self) -> bool {
        matches!(self.algorithm(), "HS256" | "HS384" | "HS512")
    }

    /// This secret made the signature.
    pub(super) fn is_signed_by(&self, secret: &[u8]) -> bool {
        mac(self.algorithm(), secret, self.signed.as_bytes()).is_some_and(|mac| mac == self.signature)
    }

    /// Seconds since 1970.
    pub(super) fn time(&self, claim: &str) -> Option<i64> {
        let value = self.claims.get(claim)?;
        #[expect(clippy::cast_possible_truncation, reason = "times with fractions are cut")]
        value.as_i64().or_else(|| value.as_f64().map(|seconds| seconds as i64))
    }

    /// The same claims with a signature that cannot be right.
    pub(super) fn with_wrong_signature(&self) -> SecretString {
        let wrong: Vec<u8> = match self.signature.as_slice() {
            [] => vec![0x5a; 32],
            signature => signature.iter().map(|byte| !byte).collect(),
        };
        format!("{}.{}", self.signed, URL_SAFE_NO_PAD.encode(wrong)).into()
    }

    /// Claims that nobody can read, with the signature as it was.
    pub(super) fn with_unreadable_claims(&self) -> SecretString {
        let header = self.signed.split('.').next().unwrap_or_default();
        let claims = "natgarbage".repeat(8);
        format!("{header}.{claims}.{}", URL_SAFE_NO_PAD.encode(&self.signature)).into()
    }

    /// The signature cut off.
    pub(super) fn without_signature(&self) -> SecretString {
        format!("{}.", self.signed).into()
    }

    /// The same claims under another header, with what is left of the signature.
    pub(super) fn unsigned(&self, header: &Map<String, Value>, keep_signature: bool) -> SecretString {
        let claims = self.signed.split('.').nth(1).unwrap_or_default();
        let signature = if keep_signature { URL_SAFE_NO_PAD.encode(&self.signature) } else { String::new() };
        format!("{}.{claims}.{signature}", encoded(header)).into()
    }

    /// The header with some members set.
    pub(super) fn header_with(&self, members: &[(&str, Value)]) -> Map<String, Value> {
        let mut header = self.header.clone();
        members.iter().for_each(|(name, value)| drop(header.insert((*name).to_owned(), value.clone())));
        header
    }
}

/// A token with these claims, signed as its header says; `None` when that is no HMAC.
pub(super) fn signed(header: &Map<String, Value>, claims: &Map<String, Value>, secret: &[u8]) -> Option<SecretString> {
    let text = format!("{}.{}", encoded(header), encoded(claims));
    let algorithm = header.get("alg").and_then(Value::as_str)?;
    let signature = mac(algorithm, secret, text.as_bytes())?;
    Some(format!("{text}.{}", URL_SAFE_NO_PAD.encode(signature)).into())
}

fn encoded(object: &Map<String, Value>) -> String {
    URL_SAFE_NO_PAD.encode(serde_json::to_vec(object).unwrap_or_default())
}

fn decoded(part: &str) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode(part).or_else(|_| URL_SAFE.decode(part)).ok()
}

fn mac(algorithm: &str, secret: &[u8], text: &[u8]) -> Option<Vec<u8>> {
    macro_rules! of {
        ($hash:ty) => {{
            let mut mac = Hmac::<$hash>::new_from_slice(secret).ok()?;
            mac.update(text);
            mac.finalize().into_bytes().to_vec()
        }};
    }
    Some(match algorithm {
        "HS256" => of!(Sha256),
        "HS384" => of!(Sha384),
        "HS512" => of!(Sha512),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret;

    use super::*;

    #[test]
    fn tokens_are_read_verified_and_made() {
        // The example of https://www.rfc-editor.org/rfc/rfc7519 has a binary key; this one was made with `openssl dgst`.
        let header = serde_json::json!({"alg": "HS256", "typ": "JWT"});
        let claims = serde_json::json!({"sub": "ada", "iat": 100, "exp": 160.5});
        let (header, claims) = (header.as_object().unwrap(), claims.as_object().unwrap());
        let token = signed(header, claims, b"random").unwrap();
        let jwt = Jwt::read(token.expose_secret()).unwrap();
        assert_eq!((jwt.algorithm(), jwt.time("iat"), jwt.time("exp")), ("HS256", Some(100), Some(160)));
        assert!(jwt.is_signed_by(b"random") && !jwt.is_signed_by(b"Random"));
        for other in [jwt.with_wrong_signature(), jwt.without_signature()] {
            let other = Jwt::read(other.expose_secret()).unwrap();
            assert!(other.claims == jwt.claims && !other.is_signed_by(b"random"));
        }
        assert!(Jwt::read(jwt.with_unreadable_claims().expose_secret()).is_none());
        let none = jwt.unsigned(&jwt.header_with(&[("alg", Value::from("none"))]), false);
        assert_eq!(Jwt::read(none.expose_secret()).unwrap().algorithm(), "none");
        for broken in ["", "a.b", "eyJh.b.c", "..", "e30.W10.x"] {
            assert!(Jwt::read(broken).is_none(), "{broken}");
        }
    }

    #[test]
    fn signature_is_that_of_others() {
        // RFC 4231, test case 2.
        let expected = "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843";
        assert_eq!(hex::encode(mac("HS256", b"Jefe", b"what do ya want for nothing?").unwrap()), expected);
    }
}
