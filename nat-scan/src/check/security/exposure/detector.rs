//! Recognises values that should not leave a server, by their form and checksums rather than by their names.

use std::sync::LazyLock;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use regex::Regex;
use serde_json::Value;

use super::checksum::{is_github_token, is_iban, is_of_network, passes_luhn};

/// A kind of secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    PasswordHash,
    PrivateKey,
    CloudKey,
    Password,
    PaymentCard,
    Iban,
    NationalId,
    Jwt,
    InternalAddress,
}

impl Kind {
    /// Stable: part of fingerprints.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::PasswordHash => "password-hash",
            Self::PrivateKey => "private-key",
            Self::CloudKey => "api-key",
            Self::Password => "password",
            Self::PaymentCard => "payment-card",
            Self::Iban => "iban",
            Self::NationalId => "national-id",
            Self::Jwt => "jwt",
            Self::InternalAddress => "internal-address",
        }
    }

    pub(super) fn words(self) -> &'static str {
        match self {
            Self::PasswordHash => "the hash of a password",
            Self::PrivateKey => "a private key",
            Self::CloudKey => "a key of another service",
            Self::Password => "a password in clear text",
            Self::PaymentCard => "the number of a payment card",
            Self::Iban => "a bank account number (IBAN)",
            Self::NationalId => "a social security number",
            Self::Jwt => "a token (JWT)",
            Self::InternalAddress => "an address of an internal network",
        }
    }

    /// What losing it costs: H, L or N for confidentiality.
    pub(crate) fn harm(self) -> Harm {
        match self {
            Self::Iban | Self::Jwt => Harm::Some,
            Self::InternalAddress => Harm::Little,
            _ => Harm::Much,
        }
    }
}

/// How bad it is when a value is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Harm {
    /// Gives access, or is worth stealing, by itself.
    Much,
    /// Of use together with something else.
    Some,
    /// Worth knowing.
    Little,
}

static PATTERNS: LazyLock<Vec<(Kind, Regex)>> = LazyLock::new(|| {
    [
        (Kind::PasswordHash, r"^\$2[abxy]\$\d\d\$[./A-Za-z0-9]{53}$"),
        (Kind::PasswordHash, r"^\$argon2(?:id|i|d)\$v=\d+\$"),
        (Kind::PasswordHash, r"^\$(?:1|5|6|y)\$[^$]{1,64}\$[./A-Za-z0-9]{22,}$"),
        (Kind::PasswordHash, r"^(?:pbkdf2_sha256|pbkdf2:sha256(?::\d+)?|scrypt:\d+:\d+:\d+)\$"),
        (Kind::PrivateKey, r"-----BEGIN (?:[A-Z]+ )?PRIVATE KEY-----"),
        (Kind::CloudKey, r"\b(?:AKIA|ASIA)[0-9A-Z]{16}\b"),
        (Kind::CloudKey, r"\bxox[abeoprs]-[0-9A-Za-z-]{20,}"),
        (Kind::CloudKey, r"\b[rs]k_live_[0-9A-Za-z]{20,}"),
        (Kind::CloudKey, r"\bAIza[0-9A-Za-z_-]{35}\b"),
        (Kind::CloudKey, r"\bgithub_pat_[0-9A-Za-z]{22}_[0-9A-Za-z]{59}\b"),
        (Kind::CloudKey, r"\bglpat-[0-9A-Za-z_-]{20}\b"),
        (Kind::CloudKey, r"\bSG\.[0-9A-Za-z_-]{22}\.[0-9A-Za-z_-]{43}\b"),
    ]
    .into_iter()
    .map(|(kind, pattern)| (kind, Regex::new(pattern).expect("a constant pattern")))
    .collect()
});

static GITHUB: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"\bgh[pousr]_[A-Za-z0-9]{36}\b").expect("a constant pattern"));

/// What `value` of the property `name` is, if it should not be shown.
pub(crate) fn detect(name: &str, value: &Value) -> Option<Kind> {
    let text = value.as_str()?;
    let by_form = PATTERNS.iter().find(|(_, pattern)| pattern.is_match(text)).map(|(kind, _)| *kind);
    by_form.or_else(|| match text {
        _ if GITHUB.find(text).is_some_and(|token| is_github_token(token.as_str())) => Some(Kind::CloudKey),
        _ if is_jwt(text) => Some(Kind::Jwt),
        _ if is_card(name, text) => Some(Kind::PaymentCard),
        _ if is_iban(text) => Some(Kind::Iban),
        _ if is_national_id(name, text) => Some(Kind::NationalId),
        _ if is_password_name(name) && !is_masked(text) => Some(Kind::Password),
        _ if is_internal(name, text) => Some(Kind::InternalAddress),
        _ => None,
    })
}

fn is_password_name(name: &str) -> bool {
    is_login_password(name) || matches!(plain(name).as_str(), "clientsecret" | "secretkey" | "privatekey")
}

/// What somebody signs in with, or its hash: nobody needs to read it back, whatever the document says.
pub(super) fn is_login_password(name: &str) -> bool {
    matches!(
        plain(name).as_str(),
        "password" | "passwd" | "pwd" | "passphrase" | "passwordhash" | "hashedpassword" | "passhash" | "userpassword"
    )
}

/// `pass_hash` and `passHash` are the same name.
fn plain(name: &str) -> String {
    name.chars().filter(char::is_ascii_alphanumeric).collect::<String>().to_ascii_lowercase()
}

/// Empty, dots, stars, or a word that says so.
fn is_masked(text: &str) -> bool {
    let filler = |c: char| matches!(c, '*' | '•' | '●' | '.' | '-' | '_' | ' ' | 'x' | 'X' | '#');
    let word = text.trim_matches(['[', ']', '<', '>', '(', ')', '*']).to_ascii_lowercase();
    text.chars().all(filler)
        || matches!(word.as_str(), "redacted" | "hidden" | "masked" | "secret" | "filtered" | "protected")
}

fn is_jwt(text: &str) -> bool {
    let parts: Vec<&str> = text.split('.').collect();
    let [header, claims, _] = parts.as_slice() else { return false };
    let object = |part: &str| {
        let bytes = URL_SAFE_NO_PAD.decode(part).ok()?;
        serde_json::from_slice::<Value>(&bytes).ok().filter(Value::is_object)
    };
    object(header).is_some_and(|header| header.get("alg").is_some()) && object(claims).is_some()
}

/// Luhn, the length and prefix of a known network, and either the usual grouping or a name that says so: every tenth
/// number of that length passes Luhn alone.
fn is_card(name: &str, text: &str) -> bool {
    let grouped = text.len() >= 15 && [4, 9].iter().any(|at| matches!(text.as_bytes().get(*at), Some(b' ' | b'-')));
    let name = name.to_ascii_lowercase();
    let named = name.contains("card") || name.contains("ccnum") || name == "pan";
    if !(grouped || named) || !text.bytes().all(|byte| byte.is_ascii_digit() || byte == b' ' || byte == b'-') {
        return false;
    }
    let digits: Vec<u32> = text.chars().filter_map(|c| c.to_digit(10)).collect();
    is_of_network(&digits) && passes_luhn(&digits) && digits.windows(2).any(|pair| pair[0] != pair[1])
}

/// Three groups, none of them zero, under a name that says so.
fn is_national_id(name: &str, text: &str) -> bool {
    let name = plain(name);
    let named = name == "ssn" || name.contains("socialsecurity");
    let groups: Vec<&str> = text.split('-').collect();
    let is_group = |(group, length): (&&str, usize)| {
        group.len() == length && group.bytes().all(|b| b.is_ascii_digit()) && group.bytes().any(|b| b != b'0')
    };
    named && groups.len() == 3 && groups.iter().zip([3, 2, 4]).all(is_group)
}

/// A host that only an internal network knows, alone or in a URL. What a client is told about itself is no news.
fn is_internal(name: &str, text: &str) -> bool {
    let name = name.to_ascii_lowercase();
    let about_client = ["client", "origin", "remote", "source", "caller", "forwarded", "visitor", "your", "user"];
    if name == "ip" || about_client.iter().any(|part| name.contains(part)) || text.len() > 300 {
        return false;
    }
    let rest = text.split_once("://").map_or(text, |(_, rest)| rest);
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    let host = match host.rsplit_once(':') {
        Some((host, port)) if !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit()) => host,
        _ => host,
    };
    if let Ok(address) = host.parse::<std::net::Ipv4Addr>() {
        return address.is_private();
    }
    let is_name = host.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-'));
    let endings = [".internal", ".svc.cluster.local", ".corp", ".lan", ".intranet"];
    // A bare name is a host only in a URL or with a port.
    is_name && host.len() < authority.len().max(text.len()) && endings.iter().any(|ending| host.ends_with(ending))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn detect_secrets_are_known_by_form_and_look_alikes_are_not() {
        let bcrypt = "$2b$12$R9h/cIPz0gi.URNNX3kh2OPST9/PgBkqquzi.Ss7KIUgO2t0jWMUW";
        for (name, value, expected) in [
            ("note", json!(bcrypt), Some(Kind::PasswordHash)),
            ("note", json!(&bcrypt[..40]), None),
            ("h", json!("$argon2id$v=19$m=65536,t=3,p=4$c2FsdA$aGFzaA"), Some(Kind::PasswordHash)),
            ("pem", json!("-----BEGIN PRIVATE KEY-----\nMIIE"), Some(Kind::PrivateKey)),
            ("pem", json!("-----BEGIN PUBLIC KEY-----\nMIIE"), None),
            ("k", json!("AKIAIOSFODNN7EXAMPLE"), Some(Kind::CloudKey)),
            ("k", json!("AKIAshort"), None),
            ("k", json!("ghp_abcdefghijklmnopqrstuvwxyz0123000000"), None),
            ("ssn", json!("078-05-1120"), Some(Kind::NationalId)),
            ("ssn", json!("***-**-1120"), None),
            ("phone", json!("078-05-1120"), None),
            ("upstream", json!("10.3.0.17:8080"), Some(Kind::InternalAddress)),
            ("upstream", json!("http://billing.svc.cluster.local/v1"), Some(Kind::InternalAddress)),
            ("upstream", json!("https://api.shop.example/"), None),
            ("origin", json!("172.17.0.1"), None),
            ("version", json!("10.3.0"), None),
            ("session", json!("eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2ln"), Some(Kind::Jwt)),
            ("version", json!("1.2.3"), None),
            ("host", json!("api.shop.example"), None),
            ("card_number", json!("4242424242424242"), Some(Kind::PaymentCard)),
            ("payment", json!("4242 4242 4242 4242"), Some(Kind::PaymentCard)),
            ("id", json!("4242424242424242"), None),
            ("card_number", json!("4242424242424241"), None),
            ("card", json!("****4242"), None),
            ("account", json!("DE89 3704 0044 0532 0130 00"), Some(Kind::Iban)),
            ("account", json!("DE89370400440532013001"), None),
            ("isbn", json!("9780306406157"), None),
            ("password", json!("hunter2"), Some(Kind::Password)),
            ("passwordHash", json!("5f4dcc3b5aa765d61d8327deb882cf99"), Some(Kind::Password)),
            ("password", json!("********"), None),
            ("password", json!("[redacted]"), None),
            ("password", json!(null), None),
            ("password_changed_at", json!("2024-01-01"), None),
        ] {
            assert_eq!(detect(name, &value), expected, "{name} = {value}");
        }
    }
}
