//! Recognises values that should not leave a server, by their form and checksums rather than by their names.

use std::sync::LazyLock;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use regex::Regex;
use serde_json::Value;

/// A kind of secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    PasswordHash,
    PrivateKey,
    CloudKey,
    Password,
    PaymentCard,
    Iban,
    Jwt,
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
            Self::Jwt => "jwt",
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
            Self::Jwt => "a token (JWT)",
        }
    }

    /// Gives access, or is worth stealing, by itself.
    pub(super) fn is_severe(self) -> bool {
        !matches!(self, Self::Iban | Self::Jwt)
    }
}

static PATTERNS: LazyLock<Vec<(Kind, Regex)>> = LazyLock::new(|| {
    [
        (Kind::PasswordHash, r"^\$2[abxy]\$\d\d\$[./A-Za-z0-9]{53}$"),
        (Kind::PasswordHash, r"^\$argon2(?:id|i|d)\$v=\d+\$"),
        (Kind::PasswordHash, r"^\$(?:1|5|6|y)\$[^$]{1,64}\$[./A-Za-z0-9]{22,}$"),
        (Kind::PasswordHash, r"^(?:pbkdf2_sha256|pbkdf2:sha256(?::\d+)?|scrypt:\d+:\d+:\d+)\$"),
        (Kind::PrivateKey, r"-----BEGIN (?:[A-Z]+ )?PRIVATE KEY-----"),
        (Kind::CloudKey, r"\b(?:AKIA|ASIA)[0-9A-Z]{16}\b"),
        (Kind::CloudKey, r"\bgh[pousr]_[A-Za-z0-9]{36}\b"),
        (Kind::CloudKey, r"\bxox[abeoprs]-[0-9A-Za-z-]{20,}"),
        (Kind::CloudKey, r"\b[rs]k_live_[0-9A-Za-z]{20,}"),
        (Kind::CloudKey, r"\bAIza[0-9A-Za-z_-]{35}\b"),
    ]
    .into_iter()
    .map(|(kind, pattern)| (kind, Regex::new(pattern).expect("a constant pattern")))
    .collect()
});

/// What `value` of the property `name` is, if it should not be shown.
pub(super) fn detect(name: &str, value: &Value) -> Option<Kind> {
    let text = value.as_str()?;
    let by_form = PATTERNS.iter().find(|(_, pattern)| pattern.is_match(text)).map(|(kind, _)| *kind);
    by_form.or_else(|| match text {
        _ if is_jwt(text) => Some(Kind::Jwt),
        _ if is_card(name, text) => Some(Kind::PaymentCard),
        _ if is_iban(text) => Some(Kind::Iban),
        _ if is_password_name(name) && !is_masked(text) => Some(Kind::Password),
        _ => None,
    })
}

fn is_password_name(name: &str) -> bool {
    let name: String = name.chars().filter(char::is_ascii_alphanumeric).collect::<String>().to_ascii_lowercase();
    let known = [
        "password",
        "passwd",
        "pwd",
        "passphrase",
        "passwordhash",
        "hashedpassword",
        "passhash",
        "userpassword",
        "clientsecret",
        "secretkey",
        "privatekey",
    ];
    known.contains(&name.as_str())
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
    let named = ["card", "pan", "ccnum", "creditcard"].iter().any(|part| name.contains(part));
    if !(grouped || named) || !text.bytes().all(|byte| byte.is_ascii_digit() || byte == b' ' || byte == b'-') {
        return false;
    }
    let digits: Vec<u32> = text.chars().filter_map(|c| c.to_digit(10)).collect();
    let prefix = |length: usize| digits.iter().take(length).fold(0, |number, digit| number * 10 + digit);
    let network = match digits.len() {
        13 | 16 | 19 if prefix(1) == 4 => true,
        16 => {
            (51..=55).contains(&prefix(2)) || (2221..=2720).contains(&prefix(4)) || prefix(4) == 6011 || prefix(2) == 65
        }
        15 => matches!(prefix(2), 34 | 37),
        _ => false,
    };
    let sum: u32 = digits
        .iter()
        .rev()
        .enumerate()
        .map(|(at, digit)| match (at % 2, digit * 2) {
            (0, _) => *digit,
            (_, double) if double > 9 => double - 9,
            (_, double) => double,
        })
        .sum();
    network && sum.is_multiple_of(10) && digits.windows(2).any(|pair| pair[0] != pair[1])
}

/// Country, length and the remainder of ISO 13616.
fn is_iban(text: &str) -> bool {
    let compact: String = text.chars().filter(|c| *c != ' ').collect();
    let bytes = compact.as_bytes();
    let shaped = (15..=34).contains(&bytes.len())
        && bytes[..2].iter().all(u8::is_ascii_uppercase)
        && bytes[2..4].iter().all(u8::is_ascii_digit)
        && bytes[4..].iter().all(|byte| byte.is_ascii_digit() || byte.is_ascii_uppercase())
        && bytes.iter().filter(|byte| byte.is_ascii_digit()).count() >= 10;
    if !shaped {
        return false;
    }
    let rotated = bytes[4..].iter().chain(&bytes[..4]);
    let remainder = rotated.fold(0u32, |remainder, byte| match byte {
        b'0'..=b'9' => (remainder * 10 + u32::from(byte - b'0')) % 97,
        _ => (remainder * 100 + u32::from(byte - b'A') + 10) % 97,
    });
    remainder == 1
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
