//! What names say: ids, owners, secrets, privileges, texts that may be anything.

use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::chain::{key, tokens};

fn has(name: &str, all: &[&str]) -> bool {
    tokens(name).iter().any(|word| all.contains(&word.as_str()))
}

/// A text that may be replaced by any other: neither its name nor its form says otherwise.
pub(super) fn is_open(name: &str, text: &str) -> bool {
    const BOUND: [&str; 46] = [
        "id", "uuid", "guid", "key", "email", "mail", "password", "passwd", "pwd", "url", "uri", "link", "href",
        "date", "time", "at", "status", "state", "type", "kind", "role", "country", "currency", "language", "lang",
        "locale", "timezone", "color", "colour", "code", "phone", "mobile", "zip", "token", "version", "gender",
        "format", "sort", "order", "host", "ip", "unit", "level", "priority", "category", "method",
    ];
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b" -_.,!'".contains(&byte);
    !has(name, &BOUND) && text.starts_with(|c: char| c.is_ascii_alphabetic()) && text.bytes().all(plain)
}

/// The member says which thing it is.
pub(in crate::check::security) fn names_id(name: &str, wanted: &str, noun: &str) -> bool {
    let own = key(name);
    own == key(wanted)
        || own == format!("{noun}_id")
        || ["id", "uuid", "guid", "key", "slug", "name"].contains(&own.as_str())
}

/// Only its owner may know such a value, whoever may see the thing.
pub(in crate::check::security) fn is_secret(name: &str) -> bool {
    const WORDS: [&str; 18] = [
        "secret",
        "password",
        "passwd",
        "token",
        "pin",
        "ssn",
        "passport",
        "iban",
        "card",
        "cvv",
        "salary",
        "balance",
        "diagnosis",
        "medical",
        "tax",
        "private",
        "confidential",
        "apikey",
    ];
    has(name, &WORDS)
}

/// About a person.
pub(super) fn is_personal(name: &str) -> bool {
    const WORDS: [&str; 14] = [
        "email",
        "mail",
        "phone",
        "mobile",
        "address",
        "street",
        "birth",
        "birthday",
        "dob",
        "firstname",
        "lastname",
        "surname",
        "location",
        "latitude",
    ];
    is_secret(name) || has(name, &WORDS)
}

/// Whose it is.
pub(super) fn is_owner(name: &str) -> bool {
    const WORDS: [&str; 8] = ["owner", "user", "customer", "account", "username", "tenant", "holder", "client"];
    has(name, &WORDS)
}

/// What somebody may do.
pub(super) fn is_privilege(name: &str) -> bool {
    const WORDS: [&str; 12] = [
        "admin",
        "administrator",
        "isadmin",
        "role",
        "staff",
        "superuser",
        "root",
        "privilege",
        "permission",
        "scope",
        "moderator",
        "authority",
    ];
    has(name, &WORDS)
}

/// What is worth money, or what others rely on.
pub(super) fn is_worth(name: &str) -> bool {
    const WORDS: [&str; 14] = [
        "balance", "credit", "price", "paid", "discount", "plan", "tier", "quota", "verified", "approved", "amount",
        "points", "point", "status",
    ];
    has(name, &WORDS)
}

/// A function that is not for everybody.
pub(in crate::check::security) fn is_privileged_place(words: &[String]) -> bool {
    const WORDS: [&str; 9] = [
        "admin",
        "administrator",
        "administration",
        "superadmin",
        "superuser",
        "sysadmin",
        "backoffice",
        "moderation",
        "sudo",
    ];
    words.iter().any(|word| WORDS.contains(&word.as_str()))
}

/// Another id of the same form that nothing has.
pub(super) fn stranger(id: &Value, word: &str) -> Option<Value> {
    match id {
        Value::Number(number) => Some(Value::from(number.as_i64()?.checked_add(1_000_003)?)),
        Value::String(text) => Some(match text.parse::<i64>() {
            Ok(number) => Value::from(number.checked_add(1_000_003)?.to_string()),
            Err(_) if is_uuid(text) => Value::from(scrambled(text, word)),
            Err(_) => Value::from(word),
        }),
        _ => None,
    }
}

/// Eight, four, four, four and twelve hexadecimal digits.
pub(super) fn is_uuid(text: &str) -> bool {
    let groups: Vec<&str> = text.split('-').collect();
    groups.iter().map(|group| group.len()).eq([8, 4, 4, 4, 12])
        && groups.iter().all(|group| group.bytes().all(|byte| byte.is_ascii_hexdigit()))
}

/// Other digits, except those that say which kind of UUID it is.
fn scrambled(text: &str, word: &str) -> String {
    let digits = hex::encode(Sha256::digest(word));
    let other = |(at, (old, new)): (usize, (char, char))| if old == '-' || at == 14 || at == 19 { old } else { new };
    text.chars().zip(digits.chars()).enumerate().map(other).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn strangers_have_the_form_of_the_id() {
        let id = "3f2a0c11-9c1e-4b7a-8f10-0123456789ab";
        let other = stranger(&json!(id), "natword").unwrap();
        let other = other.as_str().unwrap();
        assert!(is_uuid(other) && other != id && other[14..15] == id[14..15] && other[19..20] == id[19..20], "{other}");
        assert_eq!(stranger(&json!(7), "x"), Some(json!(1_000_010)));
        assert_eq!(stranger(&json!("7"), "x"), Some(json!("1000010")));
        assert_eq!(stranger(&json!("ada"), "x"), Some(json!("x")));
        assert_eq!(stranger(&json!(i64::MAX), "x"), None);
    }

    #[test]
    fn names_are_read_by_their_words() {
        assert!(is_open("book_title", "book99") && is_open("secret", "pass1secret"));
        assert!(!is_open("country", "DE") && !is_open("note", "2025-01-01") && !is_open("parcelId", "abc"));
        assert!(is_privilege("isAdmin") && is_privilege("is_admin") && is_owner("ownerId") && !is_owner("name"));
        assert!(is_secret("api_secret") && is_personal("e_mail") && !is_secret("secretary"));
    }
}
