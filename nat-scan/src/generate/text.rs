//! Strings by format and by name: what a person would type there.

use rand::RngExt;
use rand_chacha::ChaCha8Rng;

/// A year for a date of this name: what ends lies behind what begins, and both in the future, where servers want them.
fn year(name: &str) -> u32 {
    let words = words(name);
    let has = |all: &[&str]| words.iter().any(|word| all.contains(&word.as_str()));
    if has(&[
        "end",
        "ends",
        "ended",
        "until",
        "to",
        "before",
        "due",
        "expires",
        "expiry",
        "expiration",
        "expire",
        "finish",
    ]) {
        2037
    } else if has(&["start", "starts", "begin", "begins", "scheduled", "schedule", "planned"]) {
        2036
    } else if has(&["birth", "birthday", "birthdate", "dob", "born"]) {
        1990
    } else {
        2025
    }
}

/// A valid string of a format; `None`: a format that says nothing we know.
pub(crate) fn of_format(format: &str, name: &str, rng: &mut ChaCha8Rng) -> Option<String> {
    let number = rng.random_range(100..10_000_u32);
    let small = |rng: &mut ChaCha8Rng, high: u32| rng.random_range(1..=high);
    Some(match format {
        "date" | "full-date" => format!("{}-{:02}-{:02}", year(name), small(rng, 12), small(rng, 28)),
        "date-time" | "datetime" => {
            format!(
                "{}-{:02}-{:02}T{:02}:{:02}:00Z",
                year(name),
                small(rng, 12),
                small(rng, 28),
                small(rng, 23),
                small(rng, 59)
            )
        }
        "time" => format!("{:02}:{:02}:00Z", small(rng, 23), small(rng, 59)),
        "duration" => format!("P{}D", small(rng, 28)),
        "email" | "idn-email" => format!("user{number}@example.com"),
        "uuid" | "guid" => uuid(rng),
        "uri" | "url" | "iri" => format!("https://example.com/nat/{number}"),
        "uri-reference" | "iri-reference" => format!("/nat/{number}"),
        "uri-template" => format!("/nat/{{id}}/{number}"),
        "hostname" | "idn-hostname" => format!("host{number}.example.com"),
        "ip" | "ipv4" => format!("192.0.2.{}", small(rng, 254)),
        "ipv6" => format!("2001:db8::{number:x}"),
        "byte" | "base64" | "base64url" => "bmF0".to_owned(),
        "binary" => format!("nat {number}"),
        "password" => format!("Natural-{number}!"),
        "json-pointer" => format!("/nat/{number}"),
        "relative-json-pointer" => "0/nat".to_owned(),
        "regex" => "^nat$".to_owned(),
        "int32" | "int64" | "integer" => number.to_string(),
        "decimal" | "number" | "float" | "double" => format!("{number}.5"),
        "phone" | "phone-number" | "tel" => format!("+1202555{number:04}"),
        "char" => "n".to_owned(),
        "color" => "#336699".to_owned(),
        _ => return None,
    })
}

fn uuid(rng: &mut ChaCha8Rng) -> String {
    let (high, low): (u64, u64) = (rng.random(), rng.random());
    format!(
        "{:08x}-{:04x}-4{:03x}-{:04x}-{:012x}",
        high >> 32,
        (high >> 16) & 0xffff,
        high & 0xfff,
        0x8000 | ((low >> 48) & 0x3fff),
        low & 0xffff_ffff_ffff
    )
}

/// A believable string for a property or parameter of this name.
pub(crate) fn of_name(name: &str, rng: &mut ChaCha8Rng) -> Option<String> {
    let words = words(name);
    let number = rng.random_range(100..10_000_u32);
    let last = words.last().map_or("", String::as_str);
    let has = |word: &str| words.iter().any(|w| w == word);
    let joined = words.concat();
    if joined.contains("email") || joined.ends_with("mail") {
        return of_format("email", name, rng);
    }
    Some(match last {
        "id" | "ids" if has("uuid") => uuid(rng),
        "uuid" | "guid" => uuid(rng),
        "phone" | "mobile" | "tel" | "telephone" | "fax" => format!("+1202555{number:04}"),
        "url" | "uri" | "link" | "href" | "website" | "homepage" | "callback" | "webhook" | "urls" => {
            format!("https://example.com/nat/{number}")
        }
        "at" | "timestamp" | "datetime" => return of_format("date-time", name, rng),
        "date" | "birthday" | "dob" | "since" | "until" => return of_format("date", name, rng),
        "time" => return of_format("time", name, rng),
        "host" | "hostname" | "domain" => return of_format("hostname", name, rng),
        "ip" | "ipaddress" => return of_format("ipv4", name, rng),
        "firstname" | "first" | "given" => "Ada".to_owned(),
        "lastname" | "surname" | "family" => "Lovelace".to_owned(),
        "username" | "login" | "user" | "nickname" => format!("nat{number}"),
        "name" if has("first") || has("given") => "Ada".to_owned(),
        "name" if has("last") || has("family") => "Lovelace".to_owned(),
        "name" if has("user") => format!("nat{number}"),
        // Names are often identifiers, and those with spaces in them refused.
        "name" | "label" => format!("nat{number}"),
        "title" => format!("Nat {number}"),
        "description" | "comment" | "summary" | "message" | "note" | "text" | "body" => {
            format!("A note by nat {number}")
        }
        "password" | "passwd" | "secret" => format!("Natural-{number}!"),
        "country" | "nationality" => "DE".to_owned(),
        "currency" => "EUR".to_owned(),
        "language" | "lang" => "en".to_owned(),
        "locale" => "en-US".to_owned(),
        "timezone" | "tz" => "Europe/Berlin".to_owned(),
        "city" | "town" => "Berlin".to_owned(),
        "street" | "address" => "1 Example Street".to_owned(),
        "zip" | "zipcode" | "postcode" | "postal" => "10115".to_owned(),
        "color" | "colour" => "#336699".to_owned(),
        "order" | "direction" | "dir" => "asc".to_owned(),
        "version" => "1.0.0".to_owned(),
        "slug" | "key" | "tag" => format!("nat-{number}"),
        "status_code" | "statuscode" | "codes" => "200".to_owned(),
        "code" if has("status") => "200".to_owned(),
        _ => return None,
    })
}

/// A believable number for a property or parameter of this name.
pub(crate) fn number_of_name(name: &str) -> Option<i64> {
    let words = words(name);
    let has = |word: &str| words.iter().any(|w| w == word);
    Some(match words.last().map_or("", String::as_str) {
        "page" if has("per") => 10,
        "page" | "delay" | "seconds" | "quantity" | "qty" | "count" | "n" => 1,
        "limit" | "size" | "perpage" | "top" | "take" => 10,
        "offset" | "skip" => 0,
        "year" => 2025,
        "month" => 6,
        "day" => 15,
        "hour" => 12,
        "minute" => 30,
        "age" => 30,
        "port" => 8080,
        "lat" | "latitude" => 52,
        "lon" | "lng" | "longitude" => 13,
        "price" | "amount" | "total" | "cost" => 10,
        "percent" | "percentage" => 50,
        "statuscode" => 200,
        "code" | "codes" if has("status") => 200,
        _ => return None,
    })
}

/// `createdAt`, `created_at` and `Created-At` are `created` and `at`.
pub(crate) fn words(name: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut lower_before = false;
    for c in name.chars() {
        if !c.is_alphanumeric() || (c.is_uppercase() && lower_before) {
            words.push(String::new());
        }
        lower_before = c.is_lowercase() || c.is_numeric();
        if let Some(word) = words.last_mut().filter(|_| c.is_alphanumeric()) {
            word.extend(c.to_lowercase());
        }
    }
    words.retain(|word| !word.is_empty());
    words
}

/// The text with a length in code points between `least` and `most`, keeping what the format needs.
pub(crate) fn fit(mut text: String, format: Option<&str>, least: usize, most: Option<usize>) -> Option<String> {
    if let Some(most) = most.filter(|most| text.chars().count() > *most) {
        text = shortened(&text, format, most)?;
    }
    let length = text.chars().count();
    if length >= least {
        return Some(text);
    }
    let missing = least - length;
    match format {
        Some("email" | "idn-email") => {
            let local = (missing).min(50);
            text.insert_str(0, &"n".repeat(local));
            let label = missing - local;
            if label > 0 {
                let domain = labels(label);
                text = text.replacen("@", &format!("@{domain}"), 1);
            }
        }
        Some("hostname" | "idn-hostname") => text.insert_str(0, &labels(missing)),
        Some("byte" | "base64") => text.push_str(&"bmF0".repeat(missing.div_ceil(4))),
        Some("date-time") if missing >= 2 => text = text.replacen('Z', &format!(".{}Z", "0".repeat(missing - 1)), 1),
        Some("duration") => text.insert_str(1, &"0".repeat(missing)),
        Some(format) if is_exact(format) => return None,
        _ => text.extend("abcdefghij".chars().cycle().take(missing)),
    }
    let length = text.chars().count();
    (length >= least && most.is_none_or(|most| length <= most)).then_some(text)
}

/// At most `most` characters, which may turn out to be fewer.
fn shortened(text: &str, format: Option<&str>, most: usize) -> Option<String> {
    Some(match format {
        Some("email" | "idn-email") if most >= 6 => format!("{}@b.co", "a".repeat((most - 5).min(8))),
        Some("uri" | "url") if most >= 11 => "http://a.io".to_owned(),
        Some("hostname") if most >= 4 => "a.io".to_owned(),
        Some("byte" | "base64") if most < 4 => String::new(),
        Some("ipv4") if most >= 7 => "1.1.1.1".to_owned(),
        Some("ipv6") if most >= 3 => "::1".to_owned(),
        Some("email" | "idn-email" | "uri" | "url" | "hostname") => return None,
        Some(format) if is_exact(format) => return None,
        _ => text.chars().take(most).collect(),
    })
}

/// `length` characters of host labels, with the dot at the end.
fn labels(length: usize) -> String {
    let mut out = String::with_capacity(length);
    let mut left = length;
    while left > 0 {
        let label = if left > 64 { 40 } else { left };
        if label == 1 {
            // A dot alone is no label; lengthen the one before, or start with one letter too many.
            out.insert(0, 'n');
        } else {
            out.push_str(&"n".repeat(label - 1));
            out.push('.');
        }
        left -= label;
    }
    if out.ends_with('.') { out } else { format!("{out}.") }
}

/// Formats whose length cannot be chosen.
fn is_exact(format: &str) -> bool {
    matches!(format, "date" | "date-time" | "time" | "uuid" | "guid" | "ip" | "ipv4" | "ipv6" | "full-date")
}

/// Valid strings of a format that naive parsers refuse.
pub(crate) fn corners(format: &str) -> &'static [&'static str] {
    match format {
        "date" => &["2028-02-29"],
        "date-time" => &["2028-02-29T23:59:59.999+14:00"],
        "time" => &["23:59:59.999-12:00"],
        "email" => &["first.last+tag@sub.example.com"],
        "uuid" => &["00000000-0000-1000-8000-000000000000", "FFFFFFFF-FFFF-7FFF-BFFF-FFFFFFFFFFFF"],
        "uri" | "url" => &["https://example.com:8443/a%20b?c=d&e=f#g"],
        "hostname" => &["xn--bcher-kva.example"],
        "ipv4" => &["0.0.0.0", "255.255.255.255"],
        "ipv6" => &["::", "::ffff:192.0.2.1"],
        _ => &[],
    }
}

/// Strings that nearly have a format.
pub(crate) fn near_misses(format: &str) -> &'static [&'static str] {
    match format {
        "date" => &["2025-02-30", "2025-13-01", "nat"],
        "date-time" => &["2025-02-30T12:00:00Z", "2025-01-01T25:00:00Z", "nat"],
        "time" => &["25:00:00Z", "nat"],
        "duration" => &["P", "nat"],
        "email" | "idn-email" => &["user.example.com", "user@", "@example.com"],
        "uuid" => &["00000000-0000-4000-8000-00000000000g", "00000000-0000-4000-8000-00000000000"],
        "uri" | "url" => &["http//example.com", "//[nat"],
        "hostname" => &["-nat-.example.com", "nat_.exa mple"],
        "ipv4" => &["192.0.2.256", "192.0.2"],
        "ipv6" => &["2001:db8:::1", "2001:db8::g"],
        "json-pointer" => &["nat/~2"],
        "regex" => &["(nat"],
        _ => &[],
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::generate::{Phase, rng};

    #[test]
    fn lengths_are_met_exactly() {
        let mut rng = rng::stream(1, "", Phase::Coverage, 0);
        for format in ["email", "hostname", "uri", "password", "nonsense"] {
            for length in [12, 30, 63, 64, 65, 66, 67, 100, 105, 106, 107, 130] {
                let text = of_format(format, "", &mut rng).unwrap_or_else(|| "nat".to_owned());
                if let Some(text) = fit(text, Some(format), length, Some(length)) {
                    assert_eq!(text.chars().count(), length, "{format} {text}");
                    assert!(!text.contains(".."), "{text}");
                }
            }
        }
    }

    #[test]
    fn names_are_split_into_words() {
        for (name, expected) in
            [("createdAt", "created at"), ("X-Request-ID", "x request id"), ("user_name", "user name")]
        {
            assert_eq!(words(name).join(" "), expected);
        }
    }
}
