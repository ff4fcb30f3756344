//! The tokens of the farm: JSON Web Tokens, made and read by hand. Its clock stands still.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::ADMIN;
use crate::sample::farm::call::Farm;

/// The time at the farm, for ever: far enough ahead that no token of it looks expired to anybody.
pub(super) const NOW: u64 = 4_000_000_000;
const STRONG: &[u8] = b"8fQ2v-Xb71mZr0Ld9TsKc4Ye6Hn3Ug5P";
const WEAK: &[u8] = b"Sunshine2023";

/// The public key that administrators' tokens seem to be signed for; nobody has the private one.
pub(super) const MODULUS: &str = "wQswVXqfxOkOM1h9osfsETZbgKXK7xQ5XoOozfIXPGGGq9D1Gj9kia7T-B1CZ4yx1vsgRWqPtNn-I0htkrfcASZLcJW63wQpTnOYveIHLFF2m8DlCi9UeZ7D6A0yV3yhxusQNVp_pMnuEzhdgqfM8RY7YIWqz_QZPmOIrdL3HEE";
pub(super) const PEM: &str = "-----BEGIN PUBLIC KEY-----\n\
    MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQDBCzBVep/E6Q4zWH2ix+wRNluA\n\
    pcrvFDleg6jN8hc8YYar0PUaP2SJrtP4HUJnjLHW+yBFao+02f4jSG2St9wBJktw\n\
    lbrfBClOc5i94gcsUXabwOUKL1R5nsPoDTJXfKHG6xA1Wn+kye4TOF2Cp8zxFjtg\n\
    harP9Bk+Y4it0vccQQIDAQAB\n\
    -----END PUBLIC KEY-----\n";

pub(super) fn secret(farm: &Farm) -> &'static [u8] {
    if farm.on.has("weak-secret") { WEAK } else { STRONG }
}

/// A token for this user: the number makes it another one each time.
pub(super) fn mint(farm: &Farm, subject: &str, number: u64) -> String {
    let asymmetric = subject == ADMIN.0;
    let header = json!({"alg": if asymmetric { "RS256" } else { "HS256" }, "typ": "JWT", "kid": "main"});
    let made = NOW + number;
    let claims = json!({"sub": subject, "iat": made, "exp": made + 3600, "jti": binding(subject)});
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let text = format!("{}.{}", part(&header), part(&claims));
    // What looks like a signature by RSA is one that only the farm can make.
    let signature = match asymmetric {
        true => hmac(STRONG, text.as_bytes()).repeat(4),
        false => hmac(secret(farm), text.as_bytes()),
    };
    format!("{text}.{}", URL_SAFE_NO_PAD.encode(signature))
}

/// What only a token that was made for this user holds.
pub(super) fn binding(subject: &str) -> String {
    URL_SAFE_NO_PAD.encode(&hmac(STRONG, subject.as_bytes())[..12])
}

/// A token, taken apart and not verified.
pub(super) struct Token<'a> {
    pub(super) header: Value,
    pub(super) claims: Value,
    text: &'a str,
    signature: Vec<u8>,
}

pub(super) fn read(token: &str) -> Option<Token<'_>> {
    let (text, signature) = token.rsplit_once('.')?;
    let (header, claims) = text.split_once('.')?;
    let value = |part: &str| serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).ok()?).ok();
    let (header, claims): (Value, Value) = (value(header)?, value(claims)?);
    claims["sub"].as_str()?;
    Some(Token { header, claims, text, signature: URL_SAFE_NO_PAD.decode(signature).ok()? })
}

impl Token<'_> {
    /// HS256 by this secret.
    pub(super) fn is_signed_by(&self, secret: &[u8]) -> bool {
        self.header["alg"] == "HS256" && hmac(secret, self.text.as_bytes()) == self.signature
    }

    pub(super) fn is_unsigned(&self) -> bool {
        self.header["alg"].as_str().is_some_and(|name| name.eq_ignore_ascii_case("none")) && self.signature.is_empty()
    }

    pub(super) fn is_alive(&self) -> bool {
        self.claims["exp"].as_u64().is_some_and(|end| end > NOW)
    }

    pub(super) fn subject(&self) -> &str {
        self.claims["sub"].as_str().unwrap_or_default()
    }
}

/// RFC 2104 with SHA-256.
fn hmac(secret: &[u8], text: &[u8]) -> Vec<u8> {
    const BLOCK: usize = 64;
    let mut key = if secret.len() > BLOCK { Sha256::digest(secret).to_vec() } else { secret.to_vec() };
    key.resize(BLOCK, 0);
    let pad = |with: u8| key.iter().map(|byte| byte ^ with).collect::<Vec<u8>>();
    let inner = Sha256::digest([pad(0x36).as_slice(), text].concat());
    Sha256::digest([pad(0x5c).as_slice(), inner.as_slice()].concat()).to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hmac_is_that_of_others() {
        // RFC 4231, test case 2.
        let expected = "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843";
        assert_eq!(hex::encode(hmac(b"Jefe", b"what do ya want for nothing?")), expected);
    }
}
