//! S-JWT-CONF: the token itself says how it is to be verified, and is believed.

use async_trait::async_trait;
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use secrecy::SecretString;
use serde_json::{Value, json};
use url::Url;

use super::gate::{Gate, Holder, Report, gates_of, holders, prove};
use super::jwt::signed;
use super::signature::FORGED;
use crate::check::security::is_success;
use crate::check::{As, CheckInfo, SecurityCheck, SecurityContext};
use crate::finding::Finding;
use crate::transport::Request;

/// S-JWT-CONF.
pub(super) struct KeyConfusion;

static INFO: CheckInfo = CheckInfo {
    id: "S-JWT-CONF",
    title: "The header of a token chooses how it is verified",
    description: "A forged JSON Web Token is accepted because the algorithm or the key is taken from its own header: the public key of the API used as HMAC secret, a key that the token brings along, or a key id that leads to a file.",
    remediation: "Fix the algorithm and the keys on the server. Look up `kid` in a list of known keys, and ignore `jwk`, `jku` and `x5u`.",
    cwe: &["CWE-347"],
    owasp: Some("API2:2023"),
};

/// Gates that are tried.
const MAX_TRIED: usize = 24;
/// Public keys that are used.
const MAX_KEYS: usize = 3;
/// Where public keys are served.
const PLACES: [&str; 10] = [
    "/.well-known/jwks.json",
    "/jwks.json",
    "/.well-known/jwks",
    "/jwks",
    "/oauth/jwks",
    "/oauth2/jwks",
    "/oauth2/v1/keys",
    "/api/.well-known/jwks.json",
    "/auth/jwks.json",
    "/keys",
];
const NO_FILE: &str = "../../../../../../../../../../dev/null";

/// A token that should be refused, and one that must be.
struct Trick {
    forged: SecretString,
    control: SecretString,
    discriminant: &'static str,
    what: String,
}

#[async_trait]
impl SecurityCheck for KeyConfusion {
    fn info(&self) -> &'static CheckInfo {
        &INFO
    }

    async fn run(&self, cx: &SecurityContext<'_>) -> Vec<Finding> {
        let holders = holders(cx).await;
        let asymmetric =
            |holder: &Holder| ["RS", "PS", "ES"].iter().any(|kind| holder.jwt.algorithm().starts_with(kind));
        let keys = if holders.iter().any(asymmetric) { public_keys(cx).await } else { Vec::new() };
        let mut found: Vec<Finding> = Vec::new();
        let mut known = Vec::new();
        for holder in &holders {
            let gates = gates_of(cx, holder.who).await;
            let gates: Vec<&Gate> = gates.iter().take(cx.at_most(MAX_TRIED)).collect();
            let mut tricks = vec![brought_along(holder)];
            if holder.jwt.header.contains_key("kid") {
                tricks.push(no_file(holder));
            }
            if asymmetric(holder) {
                tricks.extend(
                    keys.iter().flat_map(|key| key.forms()).map(|(form, bytes)| as_secret(holder, form, &bytes)),
                );
            }
            for trick in tricks.into_iter().flatten() {
                if known.contains(&trick.discriminant) {
                    continue;
                }
                let report = Report {
                    info: &INFO,
                    discriminant: trick.discriminant,
                    what: format!("{}; the same token signed with another secret is refused", trick.what),
                    vector: FORGED,
                    whole_api: false,
                };
                let worn = &holder.worn;
                let finding = prove(cx, &gates, &worn.with(trick.forged), &worn.with(trick.control), &report).await;
                known.extend(finding.is_some().then_some(trick.discriminant));
                found.extend(finding);
            }
        }
        found
    }
}

/// The forged token brings the key that verifies it.
fn brought_along(holder: &Holder) -> Option<Trick> {
    let secret = b"nat-forged-key-that-the-token-itself-brings-along";
    let key = json!({"kty": "oct", "alg": "HS256", "k": URL_SAFE_NO_PAD.encode(secret)});
    let mut header = holder.jwt.header_with(&[("alg", Value::from("HS256")), ("jwk", key)]);
    header.shift_remove("kid");
    Some(Trick {
        forged: signed(&header, &holder.jwt.claims, secret)?,
        control: signed(&header, &holder.jwt.claims, b"nat-another-key")?,
        discriminant: "jwk",
        what: "to a forged token that brings its own key in the header (`jwk`)".to_owned(),
    })
}

/// The key id leads to an empty file.
fn no_file(holder: &Holder) -> Option<Trick> {
    let header = holder.jwt.header_with(&[("alg", Value::from("HS256")), ("kid", Value::from(NO_FILE))]);
    Some(Trick {
        forged: signed(&header, &holder.jwt.claims, b"")?,
        control: signed(&header, &holder.jwt.claims, b"nat-another-key")?,
        discriminant: "kid",
        what: format!("to a token signed with the empty secret whose `kid` is {NO_FILE}"),
    })
}

/// What everybody may know is used as the secret.
fn as_secret(holder: &Holder, form: &str, bytes: &[u8]) -> Option<Trick> {
    let header = holder.jwt.header_with(&[("alg", Value::from("HS256"))]);
    Some(Trick {
        forged: signed(&header, &holder.jwt.claims, bytes)?,
        control: signed(&header, &holder.jwt.claims, b"nat-another-key")?,
        discriminant: "algorithm",
        what: format!("to a token signed by HS256 with the API's own public key ({form}) as the secret"),
    })
}

/// A public RSA key as it was served.
struct PublicKey {
    modulus: Vec<u8>,
    exponent: Vec<u8>,
}

impl PublicKey {
    fn of(key: &Value) -> Option<Self> {
        let number = |name: &str| URL_SAFE_NO_PAD.decode(key.get(name)?.as_str()?.trim_end_matches('=')).ok();
        let (modulus, exponent) = (number("n")?, number("e")?);
        ((128..=1024).contains(&modulus.len()) && !exponent.is_empty() && exponent.len() <= 8)
            .then_some(Self { modulus, exponent })
    }

    /// The texts in which programs keep such a key.
    fn forms(&self) -> Vec<(&'static str, Vec<u8>)> {
        // RSAEncryption, 1.2.840.113549.1.1.1, and NULL.
        const ALGORITHM: [u8; 15] =
            [0x30, 0x0d, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01, 0x05, 0x00];
        let numbers = [integer(&self.modulus), integer(&self.exponent)].concat();
        let pkcs1 = der(0x30, &numbers);
        let bits = der(0x03, &[&[0], pkcs1.as_slice()].concat());
        let spki = der(0x30, &[&ALGORITHM, bits.as_slice()].concat());
        let (public, rsa) = (pem("PUBLIC KEY", &spki), pem("RSA PUBLIC KEY", &pkcs1));
        vec![
            ("PEM", public.clone().into_bytes()),
            ("PEM without the last line feed", public.trim_end().as_bytes().to_vec()),
            ("PEM, PKCS#1", rsa.into_bytes()),
            ("DER", spki),
        ]
    }
}

/// One value in the Distinguished Encoding Rules.
fn der(tag: u8, content: &[u8]) -> Vec<u8> {
    let length = content.len();
    let bytes = length.to_be_bytes();
    let significant: Vec<u8> = bytes.into_iter().skip_while(|byte| *byte == 0).collect();
    let mut out = vec![tag];
    match u8::try_from(length) {
        Ok(short) if short < 0x80 => out.push(short),
        _ => {
            out.push(0x80 | u8::try_from(significant.len()).unwrap_or(8));
            out.extend(significant);
        }
    }
    out.extend_from_slice(content);
    out
}

fn integer(number: &[u8]) -> Vec<u8> {
    let number: Vec<u8> = number.iter().copied().skip_while(|byte| *byte == 0).collect();
    // A first bit would make it negative.
    let sign: &[u8] = if number.first().is_some_and(|first| *first >= 0x80) { &[0] } else { &[] };
    der(0x02, &[sign, number.as_slice()].concat())
}

fn pem(label: &str, bytes: &[u8]) -> String {
    let text = STANDARD.encode(bytes);
    let lines: Vec<&str> = (0..text.len()).step_by(64).map(|at| &text[at..text.len().min(at + 64)]).collect();
    format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", lines.join("\n"))
}

/// The RSA keys that the target serves.
async fn public_keys(cx: &SecurityContext<'_>) -> Vec<PublicKey> {
    let base = cx.prober.base_path();
    let mut places: Vec<String> = Vec::new();
    let documented = cx.api.operations.iter().filter(|one| one.method == "GET" && one.path.contains("jwks"));
    places.extend(documented.filter(|one| !one.path.contains('{')).map(|one| format!("{base}{}", one.path)));
    places.extend(configured(cx).await);
    let roots: &[&str] = if base.is_empty() { &[""] } else { &["", base] };
    places.extend(PLACES.iter().flat_map(|place| roots.iter().map(move |root| format!("{root}{place}"))));
    for place in places {
        let Some(answer) = cx.prober.send(None, Request::new("GET", place), As::Anonymous).await else { break };
        let keys = answer.json().filter(|_| is_success(&answer)).and_then(|json| json.get("keys")?.as_array());
        let keys: Vec<PublicKey> = keys.into_iter().flatten().filter_map(PublicKey::of).take(MAX_KEYS).collect();
        if !keys.is_empty() {
            return keys;
        }
    }
    Vec::new()
}

/// Where OpenID Connect discovery says that they are, on the target itself.
async fn configured(cx: &SecurityContext<'_>) -> Option<String> {
    let request = Request::new("GET", "/.well-known/openid-configuration");
    let answer = cx.prober.send(None, request, As::Anonymous).await.filter(is_success)?;
    let link = answer.json()?.get("jwks_uri")?.as_str()?;
    let origin = Url::parse(cx.prober.origin()).ok()?;
    let url = origin.join(link).ok()?;
    (url.origin() == origin.origin()).then(|| url[url::Position::BeforePath..url::Position::AfterQuery].to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn key_is_written_as_openssl_does() {
        let key = PublicKey { modulus: [&[0xc1][..], &[0x11; 127]].concat(), exponent: vec![1, 0, 1] };
        let forms = key.forms();
        let (pem, der) = (String::from_utf8(forms[0].1.clone()).unwrap(), hex::encode(&forms[3].1));
        assert!(pem.starts_with("-----BEGIN PUBLIC KEY-----\nMIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQDB"), "{pem}");
        assert!(pem.ends_with("IDAQAB\n-----END PUBLIC KEY-----\n"), "{pem}");
        assert!(der.starts_with("30819f300d06092a864886f70d010101050003818d0030818902818100c111"), "{der}");
        assert!(der.ends_with("0203010001"));
    }
}
