//! What must not stand in a journal: our credentials wherever a target echoes them, cookies, and tokens that it hands
//! out. A resumed scan signs in again, so that nothing of it is needed.

use serde_json::Value;

use super::record::KeptAnswer;
use crate::chain::tokens;
use crate::finding::Redactor;
use crate::transport::{Request, Response};

/// Shorter texts are no tokens.
const MIN_TOKEN: usize = 8;
/// Levels of a body that are looked at.
const MAX_DEPTH: usize = 6;
const REDACTED: &[u8] = b"[redacted]";

/// Takes secrets out of an answer. What the request itself said is none: it was made up.
pub(super) fn mask(answer: &mut KeptAnswer, request: &Request, redactor: &Redactor) {
    let Ok(response) = &mut answer.result else { return };
    for (name, value) in &mut response.headers {
        if name.eq_ignore_ascii_case("set-cookie") {
            *value = cookie(value);
        } else if redactor.is_sensitive_header(name) {
            *value = REDACTED.to_vec();
        } else {
            *value = redactor.bytes(value);
        }
    }
    let body = redactor.bytes(&response.body);
    if body != response.body {
        response.body = body.into();
    }
    mask_tokens(response, request);
}

/// A cookie keeps its name and attributes: checks are about these.
fn cookie(value: &[u8]) -> Vec<u8> {
    let end = value.iter().position(|byte| *byte == b';').unwrap_or(value.len());
    let (pair, attributes) = value.split_at(end);
    let name = pair.iter().position(|byte| *byte == b'=').map_or(&[][..], |at| &pair[..=at]);
    [name, &alike(&pair[name.len()..]), attributes].concat()
}

fn mask_tokens(response: &mut Response, request: &Request) {
    if response.truncated || !response.is_json() {
        return;
    }
    let Ok(body) = serde_json::from_slice::<Value>(&response.body) else { return };
    let mut found = Vec::new();
    collect(&body, MAX_DEPTH, &mut found);
    for token in found {
        let sent = [request.target.as_bytes(), request.body.as_deref().unwrap_or_default()];
        if !sent.iter().any(|bytes| position(bytes, token.as_bytes()).is_some()) {
            response.body = replaced(&response.body, token.as_bytes()).into();
        }
    }
}

/// Texts of members that are called a token.
fn collect<'a>(value: &'a Value, depth: usize, found: &mut Vec<&'a str>) {
    match value {
        _ if depth == 0 => {}
        Value::Array(items) => items.iter().for_each(|item| collect(item, depth - 1, found)),
        Value::Object(members) => {
            for (name, member) in members {
                let words = tokens(name);
                let last = words.last().map_or("", String::as_str);
                let is_token =
                    matches!(last, "token" | "jwt" | "accesstoken" | "refreshtoken" | "sessionid" | "apikey")
                        || words.ends_with(&["api".to_owned(), "key".to_owned()])
                        || words.ends_with(&["session".to_owned(), "id".to_owned()]);
                match member {
                    Value::String(text) if is_token && text.len() >= MIN_TOKEN => found.push(text),
                    _ => collect(member, depth - 1, found),
                }
            }
        }
        _ => {}
    }
}

fn position(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    bytes.windows(wanted.len().max(1)).position(|window| window == wanted)
}

fn replaced(bytes: &[u8], token: &[u8]) -> Vec<u8> {
    let mut out = bytes.to_vec();
    let mut from = 0;
    while let Some(at) = out.get(from..).and_then(|rest| position(rest, token)) {
        let range = from + at..from + at + token.len();
        from = range.end;
        let masked = alike(&out[range.clone()]);
        out.splice(range, masked);
    }
    out
}

/// Something of the same form, so that schemas which held still hold: letters and digits lose their meaning, hexadecimal
/// ones stay hexadecimal.
fn alike(bytes: &[u8]) -> Vec<u8> {
    let one = |byte: &u8| match byte {
        b'0'..=b'9' => b'1',
        b'a'..=b'f' => b'a',
        b'g'..=b'z' => b'x',
        b'A'..=b'F' => b'A',
        b'G'..=b'Z' => b'X',
        other => *other,
    };
    bytes.iter().map(one).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cookies_keep_their_name_and_attributes() {
        let check = |value: &str, expected: &str| assert_eq!(cookie(value.as_bytes()), expected.as_bytes(), "{value}");
        check("sid=s3cret-Zz; Path=/; HttpOnly", "sid=x1axax-Xx; Path=/; HttpOnly");
        check("sid=", "sid=");
        check("nonsense", "xxxxaxxa");
    }

    #[test]
    fn tokens_of_the_target_lose_their_meaning_but_not_their_form() {
        let check = |body: &str, sent: &str, expected: &str| {
            let mut response = crate::engine::test_respond(200, "application/json", body);
            let mut request = Request::new("POST", "/login");
            request.body = Some(sent.to_owned().into());
            mask_tokens(&mut response, &request);
            assert_eq!(response.body, expected.as_bytes(), "{body}");
        };
        check(r#"{"token":"abc123xyz.9"}"#, "", r#"{"token":"aaa111xxx.1"}"#);
        check(r#"{"data":[{"accessToken":"QWERTZ-77"}]}"#, "", r#"{"data":[{"accessToken":"XXAXXX-11"}]}"#);
        check(r#"{"api_key":"12345678"}"#, "", r#"{"api_key":"11111111"}"#);
        // What was sent is ours, short texts are words, and other members stay.
        check(r#"{"token":"abc123xyz"}"#, r#"{"token":"abc123xyz"}"#, r#"{"token":"abc123xyz"}"#);
        check(r#"{"token":"none","id":"abc123xyz"}"#, "", r#"{"token":"none","id":"abc123xyz"}"#);
    }
}
