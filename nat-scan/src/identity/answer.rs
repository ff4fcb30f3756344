//! What the answer of a login gives: a token in its body or in a header, or cookies.

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::DateTime;
use secrecy::SecretString;
use serde_json::Value;

use super::token::AuthError;
use crate::chain::tokens;
use crate::transport::Response;

/// Levels of a body that are searched.
const MAX_DEPTH: usize = 4;
/// Values of a body that are looked at.
const MAX_VALUES: usize = 500;
/// A longer text is no token.
const MAX_TOKEN: usize = 16 << 10;

/// Where in the answer of a login the token stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Take {
    /// A JSON pointer (RFC 6901) into the body.
    Body(String),
    /// The value of a header, without the word `Bearer`.
    Header(String),
    /// The value of a cookie.
    Cookie(String),
    /// All cookies.
    Cookies,
}

/// A token that was obtained.
pub(super) struct Taken {
    pub(super) value: SecretString,
    /// How long it is good, when the answer says so.
    pub(super) life: Option<Duration>,
}

/// Takes what `take` names.
///
/// # Errors
/// [`AuthError`] when it is not there.
pub(super) fn take(response: &Response, take: &Take) -> Result<Taken, AuthError> {
    let body = body(response);
    let value = match take {
        Take::Body(pointer) => match body.pointer(pointer) {
            Some(Value::String(text)) => Some(text.clone()),
            Some(Value::Number(number)) => Some(number.to_string()),
            _ => None,
        },
        Take::Header(name) => response.header(name).map(|value| bare(value).to_owned()),
        Take::Cookie(name) => cookies(response).into_iter().find(|(known, _)| known == name).map(|(_, value)| value),
        Take::Cookies => {
            let all: Vec<String> = cookies(response).iter().map(|(name, value)| format!("{name}={value}")).collect();
            (!all.is_empty()).then(|| all.join("; "))
        }
    };
    let value = value.filter(|value| !value.is_empty() && value.len() <= MAX_TOKEN);
    let value = value.ok_or_else(|| AuthError(format!("the answer of the login ({}) gives none", response.status)))?;
    if value.bytes().any(|byte| byte.is_ascii_control()) {
        return Err(AuthError("the token holds control characters".to_owned()));
    }
    let life = life_of_jwt(&value, response).or_else(|| told_life(&body)).or_else(|| match take {
        Take::Cookie(_) | Take::Cookies => cookie_life(response),
        _ => None,
    });
    Ok(Taken { value: value.into(), life })
}

/// The value that `take` names, if it is there.
pub(crate) fn value(response: &Response, what: &Take) -> Option<SecretString> {
    take(response, what).ok().map(|taken| taken.value)
}

/// What an answer may give, the likeliest first.
pub(crate) fn offers(response: &Response) -> Vec<Take> {
    let mut found = Vec::new();
    let mut left = MAX_VALUES;
    search(&body(response), &mut String::new(), 0, &mut left, &mut found);
    // Of equal ones the first; sorting is stable.
    found.sort_by_key(|(rank, _)| std::cmp::Reverse(*rank));
    let mut takes: Vec<Take> = found.into_iter().take(2).map(|(_, pointer)| Take::Body(pointer)).collect();
    let named = |name: &str| {
        let words = tokens(name);
        let has = |word: &str| words.iter().any(|one| one == word);
        has("authorization") || (has("token") && !has("csrf") && !has("xsrf") && !has("refresh"))
    };
    let header = response.headers.iter().find(|(name, value)| named(name) && !value.is_empty());
    takes.extend(header.map(|(name, _)| Take::Header(name.clone())));
    if !cookies(response).is_empty() {
        takes.push(Take::Cookies);
    }
    takes
}

/// Names and values of the cookies that an answer sets; what it removes is not among them.
pub(crate) fn cookies(response: &Response) -> Vec<(String, String)> {
    let lines = response.headers.iter().filter(|(name, _)| name.eq_ignore_ascii_case("set-cookie"));
    let mut found: Vec<(String, String)> = Vec::new();
    for (_, line) in lines {
        let Ok(line) = std::str::from_utf8(line) else { continue };
        let Some((name, value)) = line.split(';').next().and_then(|pair| pair.split_once('=')) else { continue };
        let (name, value) = (name.trim(), value.trim());
        if name.is_empty()
            || value.is_empty()
            || attribute(line, "max-age").is_some_and(|age| age.starts_with(['0', '-']))
        {
            continue;
        }
        found.retain(|(known, _)| known != name);
        found.push((name.to_owned(), value.to_owned()));
    }
    found
}

fn attribute<'a>(line: &'a str, name: &str) -> Option<&'a str> {
    let mut pairs = line.split(';').skip(1).filter_map(|pair| pair.split_once('='));
    pairs.find(|(key, _)| key.trim().eq_ignore_ascii_case(name)).map(|(_, value)| value.trim())
}

/// A body that is no JSON is one text.
fn body(response: &Response) -> Value {
    serde_json::from_slice(&response.body).unwrap_or_else(|_| {
        let text = std::str::from_utf8(&response.body).unwrap_or_default().trim();
        let word = !text.is_empty() && text.len() <= MAX_TOKEN && !text.contains(char::is_whitespace);
        if word { Value::from(text) } else { Value::Null }
    })
}

fn search(value: &Value, pointer: &mut String, depth: usize, left: &mut usize, found: &mut Vec<(u8, String)>) {
    if depth > MAX_DEPTH || *left == 0 {
        return;
    }
    *left -= 1;
    let name = pointer.rsplit('/').next().unwrap_or_default().replace("~1", "/").replace("~0", "~");
    match value {
        Value::String(text) if !text.is_empty() && text.len() <= MAX_TOKEN => {
            let rank = rank(&name, text);
            if rank > 0 {
                found.push((rank, pointer.clone()));
            }
        }
        Value::Object(members) => {
            for (name, member) in members {
                let length = pointer.len();
                pointer.push('/');
                pointer.push_str(&name.replace('~', "~0").replace('/', "~1"));
                search(member, pointer, depth + 1, left, found);
                pointer.truncate(length);
            }
        }
        _ => {}
    }
}

/// How much a text looks like what requests are to carry; 0: not at all.
fn rank(name: &str, text: &str) -> u8 {
    let words = tokens(name);
    let has = |all: &[&str]| words.iter().any(|word| all.contains(&word.as_str()));
    if text.contains(char::is_whitespace) || has(&["refresh", "csrf", "xsrf", "type", "expire", "url", "reset"]) {
        return 0;
    }
    let is_jwt = text.starts_with("eyJ") && text.matches('.').count() == 2;
    match () {
        () if name_is(&words, &["access", "token"]) => 7,
        () if has(&["token", "jwt"]) && !has(&["id"]) => 6,
        () if is_jwt && !has(&["id"]) => 5,
        () if has(&["token"]) || is_jwt => 4,
        () if name_is(&words, &["session", "id"]) || name_is(&words, &["session"]) || name_is(&words, &["sid"]) => 3,
        () if name_is(&words, &["api", "key"]) || name_is(&words, &["apikey"]) => 2,
        () if has(&["bearer", "authorization"]) => 2,
        () => 0,
    }
}

fn name_is(words: &[String], wanted: &[&str]) -> bool {
    words.iter().map(String::as_str).eq(wanted.iter().copied())
}

/// The name of a property that documents a token.
pub(super) fn is_token_name(name: &str) -> bool {
    rank(name, "x") > 0
}

fn bare(value: &str) -> &str {
    let value = value.trim();
    match value.split_once(' ') {
        Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") => token.trim(),
        _ => value,
    }
}

/// `exp` of a JWT, after `iat` or else after the server's own `Date`: no clock of ours is asked.
fn life_of_jwt(token: &str, response: &Response) -> Option<Duration> {
    let claims = token.split('.').nth(1).filter(|_| token.starts_with("eyJ"))?;
    let claims: Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(claims.trim_end_matches('=')).ok()?).ok()?;
    let begin = claims["iat"].as_f64().or_else(|| {
        let date = DateTime::parse_from_rfc2822(response.header("date")?).ok()?;
        u32::try_from(date.timestamp()).ok().map(f64::from)
    })?;
    seconds(claims["exp"].as_f64()? - begin)
}

/// `expires_in` beside the token, in seconds.
pub(super) fn told_life(body: &Value) -> Option<Duration> {
    let member = ["expires_in", "expiresIn"].iter().find_map(|name| body.get(*name))?;
    seconds(member.as_f64().or_else(|| member.as_str().and_then(|text| text.trim().parse().ok()))?)
}

fn cookie_life(response: &Response) -> Option<Duration> {
    let lines = response.headers.iter().filter(|(name, _)| name.eq_ignore_ascii_case("set-cookie"));
    let ages = lines.filter_map(|(_, line)| attribute(std::str::from_utf8(line).ok()?, "max-age")?.parse().ok());
    seconds(ages.filter(|age: &f64| *age > 0.0).fold(f64::NAN, f64::min))
}

fn seconds(seconds: f64) -> Option<Duration> {
    seconds.is_finite().then(|| Duration::from_secs_f64(seconds.clamp(0.0, 1e6)))
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use secrecy::ExposeSecret;

    use super::*;

    fn answer(headers: &[(&str, &str)], body: &str) -> Response {
        let headers = headers.iter().map(|(name, value)| ((*name).to_owned(), value.as_bytes().to_vec())).collect();
        Response {
            status: 200,
            headers,
            body: Bytes::copy_from_slice(body.as_bytes()),
            truncated: false,
            unexpected_bytes: 0,
            elapsed: Duration::ZERO,
            wire_bytes: 0,
        }
    }

    #[test]
    fn tokens_are_found_and_look_alikes_are_not() {
        let jwt = "eyJhbGciOiJIUzI1NiJ9.eyJpYXQiOjEwMCwiZXhwIjoxNjB9.c2ln";
        let check = |headers: &[(&str, &str)], body: &str, expected: Option<(&str, Option<u64>)>| {
            let answer = answer(headers, body);
            let taken = offers(&answer).first().and_then(|offer| take(&answer, offer).ok());
            let taken = taken.map(|taken| (taken.value.expose_secret().to_owned(), taken.life));
            let expected = expected.map(|(value, life)| (value.to_owned(), life.map(Duration::from_secs)));
            assert_eq!(taken, expected, "{headers:?} {body}");
        };
        check(&[], &format!(r#"{{"auth_token": "{jwt}", "status": "success"}}"#), Some((jwt, Some(60))));
        check(
            &[],
            r#"{"access_token": "a", "refresh_token": "r", "id_token": "i", "expires_in": 9}"#,
            Some(("a", Some(9))),
        );
        check(&[], r#"{"data": {"user": {"token": "t"}}}"#, Some(("t", None)));
        check(&[], &format!(r#"{{"result": "{jwt}"}}"#), Some((jwt, Some(60))));
        check(&[], &format!(r#""{jwt}""#), Some((jwt, Some(60))));
        check(&[], jwt, Some((jwt, Some(60))));
        check(&[], r#"{"token_type": "bearer", "csrf_token": "c", "message": "token sent"}"#, None);
        check(&[], r#"{"status": "fail", "message": "Password is not correct"}"#, None);
        check(&[], "<html>welcome</html>", None);
        check(&[("Authorization", "Bearer b")], "{}", Some(("b", None)));
        check(&[("X-CSRF-Token", "c")], "{}", None);
        check(
            &[("Set-Cookie", "sid=1; Max-Age=60; HttpOnly"), ("set-cookie", "old=; Path=/")],
            "",
            Some(("sid=1", Some(60))),
        );
        check(&[("Set-Cookie", "sid=1; Max-Age=0")], "", None);
    }

    #[test]
    fn what_is_named_is_taken_or_missed() {
        let answer =
            answer(&[("Set-Cookie", "a=1"), ("Set-Cookie", "b=2; Path=/"), ("X-T", "t")], r#"{"n": 7, "l": []}"#);
        let check = |what: Take, expected: Option<&str>| {
            let taken = take(&answer, &what).ok().map(|taken| taken.value.expose_secret().to_owned());
            assert_eq!(taken.as_deref(), expected, "{what:?}");
        };
        check(Take::Body("/n".to_owned()), Some("7"));
        check(Take::Body("/l".to_owned()), None);
        check(Take::Body("/x".to_owned()), None);
        check(Take::Header("x-t".to_owned()), Some("t"));
        check(Take::Cookie("b".to_owned()), Some("2"));
        check(Take::Cookies, Some("a=1; b=2"));
    }

    #[test]
    fn life_of_a_jwt_without_iat_is_told_by_the_servers_date() {
        // {"exp": 160}
        let token = "eyJhbGciOiJIUzI1NiJ9.eyJleHAiOjE2MH0.c2ln";
        let body = format!(r#"{{"token": "{token}"}}"#);
        let dated = answer(&[("Date", "Thu, 01 Jan 1970 00:01:40 GMT")], &body);
        let life = |answer: &Response| take(answer, &Take::Body("/token".to_owned())).ok().and_then(|taken| taken.life);
        assert_eq!(life(&dated), Some(Duration::from_secs(60)));
        assert_eq!(life(&answer(&[], &body)), None);
    }
}
