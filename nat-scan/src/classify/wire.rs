//! The wire form taken apart: path by its template, pairs of a query, percent-encoding.

use std::borrow::Cow;

use crate::generate::serialize::encode_literal;

/// Parameters of `path` (without query, still encoded) by `template`, or `None` when it does not match.
pub(crate) fn captures<'t, 'p>(template: &'t str, path: &'p str) -> Option<Vec<(&'t str, &'p str)>> {
    let template = template.split('?').next().unwrap_or_default();
    let mut found = Vec::new();
    // Attempts are bounded: a template with many parameters in one segment must not take exponential time.
    let mut fuel = 2_000;
    let path = if template.starts_with('/') { path } else { path.strip_prefix('/')? };
    capture(template, path, &mut found, &mut fuel).then_some(found)
}

fn capture<'t, 'p>(template: &'t str, path: &'p str, found: &mut Vec<(&'t str, &'p str)>, fuel: &mut u32) -> bool {
    *fuel = fuel.saturating_sub(1);
    let Some((literal, name, rest)) = split(template) else {
        return literal_matches(template, path).is_some_and(str::is_empty);
    };
    let Some(path) = literal_matches(literal, path) else { return false };
    let segment = path.find('/').unwrap_or(path.len());
    // The longest first: a literal behind the parameter belongs to the end of the segment.
    for end in (1..=segment).rev() {
        if *fuel == 0 {
            return false;
        }
        let Some((value, after)) = path.split_at_checked(end) else { continue };
        found.push((name, value));
        if capture(rest, after, found, fuel) {
            return true;
        }
        found.pop();
        if rest.is_empty() || rest.starts_with('/') {
            return false;
        }
    }
    false
}

fn split(template: &str) -> Option<(&str, &str, &str)> {
    let (literal, after) = template.split_once('{')?;
    let (name, rest) = after.split_once('}')?;
    Some((literal, name, rest))
}

fn literal_matches<'p>(literal: &str, path: &'p str) -> Option<&'p str> {
    path.strip_prefix(literal).or_else(|| {
        let mut encoded = String::new();
        encode_literal(&mut encoded, literal);
        path.strip_prefix(encoded.as_str())
    })
}

/// Percent-decoded; `None` when the bytes are no UTF-8. Broken escapes stay as they are.
pub(crate) fn decode(raw: &str, plus_is_space: bool) -> Option<Cow<'_, str>> {
    if !raw.bytes().any(|byte| byte == b'%' || (plus_is_space && byte == b'+')) {
        return Some(Cow::Borrowed(raw));
    }
    let mut out = Vec::with_capacity(raw.len());
    let mut bytes = raw.bytes();
    while let Some(byte) = bytes.next() {
        let escape = || {
            let mut ahead = bytes.clone();
            Some((hex(ahead.next()?)? << 4) | hex(ahead.next()?)?)
        };
        match byte {
            b'%' => match escape() {
                Some(decoded) => {
                    out.push(decoded);
                    bytes.nth(1);
                }
                None => out.push(byte),
            },
            b'+' if plus_is_space => out.push(b' '),
            _ => out.push(byte),
        }
    }
    String::from_utf8(out).ok().map(Cow::Owned)
}

fn hex(byte: u8) -> Option<u8> {
    char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}

/// One `key=value`, the value still encoded.
#[derive(Clone, Debug)]
pub(crate) struct Pair<'a> {
    pub(crate) key: Cow<'a, str>,
    pub(crate) raw: &'a str,
}

/// Pairs of a query or form; `None`: a key is no UTF-8.
pub(crate) fn pairs(text: &str) -> Option<Vec<Pair<'_>>> {
    text.split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| {
            let (key, raw) = pair.split_once('=').unwrap_or((pair, ""));
            Some(Pair { key: decode(key, true)?, raw })
        })
        .collect()
}

/// Pairs of a `Cookie` header.
pub(crate) fn cookies(text: &str) -> Vec<Pair<'_>> {
    text.split(';')
        .filter_map(|pair| {
            let (key, raw) = pair.trim().split_once('=')?;
            Some(Pair { key: decode(key, false).unwrap_or(Cow::Borrowed(key)), raw: raw.trim_matches('"') })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_matched_by_their_template() {
        type Captured = Option<&'static [(&'static str, &'static str)]>;
        let table: &[(&str, &str, Captured)] = &[
            ("/a", "/a", Some(&[])),
            ("/a", "/b", None),
            ("/a/{id}", "/a/1", Some(&[("id", "1")])),
            ("/a/{id}", "/a/", None),
            ("/a/{id}", "/a/1/2", None),
            ("/a/{id}.json", "/a/1.json", Some(&[("id", "1")])),
            ("/a/{id}.json", "/a/1.json.json", Some(&[("id", "1.json")])),
            ("/{x}-{y}/c", "/1-2/c", Some(&[("x", "1"), ("y", "2")])),
            ("/a/{id}:cancel", "/a/1:cancel", Some(&[("id", "1")])),
            ("/a b/{id}", "/a%20b/%2F", Some(&[("id", "%2F")])),
        ];
        for (template, path, expected) in table {
            assert_eq!(captures(template, path).as_deref(), *expected, "{template} {path}");
        }
    }

    #[test]
    fn text_is_decoded_once() {
        assert_eq!(decode("a%2Bb+c%25", true).as_deref(), Some("a+b c%"));
        assert_eq!(decode("a+b%zz", false).as_deref(), Some("a+b%zz"));
        assert_eq!(decode("%FF", false), None);
    }
}
