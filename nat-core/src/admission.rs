//! Admission: who shows this key, and may this tenant's request pass now? Written once for every wire.
//!
//! A wire collects what the client presented, in whatever form it came; this module judges it, authenticates the key
//! and charges the tenant's bucket. The published 401 body never says what was wrong, a [`KeyMistake`] does: it names
//! the mistake for a hint beside the body and never repeats the key.

use std::sync::Arc;

use crate::{
    Actor, Error, ErrorCode, Result,
    access::ApiKeys,
    rate_limit::{RateDecision, RateLimiter},
};

/// What a client presented as its credentials.
#[derive(Clone, Debug, Default)]
pub struct Presented<'a> {
    /// Every value of `X-API-Key`, as bytes.
    pub api_keys: Vec<&'a [u8]>,
    /// An `Authorization` header is there.
    pub authorization: bool,
    /// Something like a key is in the query string.
    pub query: bool,
    /// Something like a key is in a cookie.
    pub cookie: bool,
}

/// How a key was presented wrongly.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyMistake {
    /// Nothing was presented.
    Absent,
    /// `Authorization` instead of `X-API-Key`.
    Authorization,
    /// In the query string.
    Query,
    /// In a cookie.
    Cookie,
    /// More than one `X-API-Key`.
    Several,
    /// An empty value.
    Empty,
    /// White space, a no-break space or a byte order mark in or around it.
    Whitespace,
    /// Quotation marks around it.
    Quoted,
    /// `Bearer ` in front of it.
    Prefixed,
    /// It does not look like a key of ours, or it is not a live one.
    Refused,
}

impl KeyMistake {
    /// A sentence for the client.
    #[must_use]
    pub const fn hint(self) -> &'static str {
        match self {
            Self::Absent => "send your key in the header X-API-Key",
            Self::Authorization => "use the header X-API-Key instead of Authorization",
            Self::Query => "keys in the query string are ignored: use the header X-API-Key",
            Self::Cookie => "keys in cookies are ignored: use the header X-API-Key",
            Self::Several => "send the header X-API-Key exactly once",
            Self::Empty => "the header X-API-Key is empty",
            Self::Whitespace => "remove the white space in or around the key",
            Self::Quoted => "remove the quotation marks around the key",
            Self::Prefixed => "remove the word Bearer in front of the key",
            Self::Refused => "copy the whole key, beginning with nat_pk_, and check that it was not rotated or revoked",
        }
    }

    /// The value of `WWW-Authenticate`: the published 401 body cannot say what was wrong.
    #[must_use]
    pub fn challenge(self) -> String {
        format!(r#"ApiKey realm="nat", header="X-API-Key", hint="{}""#, self.hint())
    }
}

impl<'a> Presented<'a> {
    /// Collects from the headers (names in lower case) and the query string of a request.
    pub fn collect(headers: impl Iterator<Item = (&'a str, &'a [u8])>, query: Option<&str>) -> Self {
        let names_key = |text: &str| {
            let text = text.to_ascii_lowercase();
            text.contains("nat_pk_") || ["api_key=", "api-key=", "apikey="].iter().any(|name| text.contains(name))
        };
        let mut presented = Self { query: query.is_some_and(names_key), ..Self::default() };
        for (name, value) in headers {
            match name {
                "x-api-key" => presented.api_keys.push(value),
                "authorization" => presented.authorization = true,
                "cookie" => presented.cookie |= std::str::from_utf8(value).is_ok_and(names_key),
                _ => {}
            }
        }
        presented
    }

    /// The one key text that is worth looking up.
    pub fn key(&self) -> Result<&'a str, KeyMistake> {
        let raw = match self.api_keys.as_slice() {
            [one] => std::str::from_utf8(one).map_err(|_| KeyMistake::Refused)?,
            [] if self.authorization => return Err(KeyMistake::Authorization),
            [] if self.query => return Err(KeyMistake::Query),
            [] if self.cookie => return Err(KeyMistake::Cookie),
            [] => return Err(KeyMistake::Absent),
            _ => return Err(KeyMistake::Several),
        };
        if raw.is_empty() {
            Err(KeyMistake::Empty)
        } else if raw.get(..7).is_some_and(|start| start.eq_ignore_ascii_case("bearer ")) {
            Err(KeyMistake::Prefixed)
        } else if raw.contains(|c: char| c.is_whitespace() || c.is_control() || matches!(c, '\u{feff}' | '\u{200b}')) {
            Err(KeyMistake::Whitespace)
        } else if raw.starts_with(['"', '\'', '`', '“', '‘']) {
            Err(KeyMistake::Quoted)
        } else if !raw.is_ascii() || raw.len() > 256 {
            Err(KeyMistake::Refused)
        } else {
            Ok(raw)
        }
    }
}

/// A request that may pass.
#[derive(Clone, Debug)]
pub struct Admitted {
    /// Who acts.
    pub actor: Actor,
    /// The state of the bucket after this request.
    pub rate: RateDecision,
}

/// A request that may not pass.
#[derive(Debug)]
pub struct Refused {
    /// E1, E6, or 503 when the store is away.
    pub error: Error,
    /// What was wrong with the key, for E1.
    pub mistake: Option<KeyMistake>,
    /// The state of the bucket, for E6.
    pub rate: Option<RateDecision>,
}

/// Authentication, then the tenant's rate limit.
#[derive(Clone)]
pub struct Admission {
    keys: ApiKeys,
    limiter: Arc<dyn RateLimiter>,
}

impl Admission {
    /// Over these services.
    #[must_use]
    pub fn new(keys: ApiKeys, limiter: Arc<dyn RateLimiter>) -> Self {
        Self { keys, limiter }
    }

    /// 401 before 429; a request that is not authenticated charges nobody's bucket.
    pub async fn admit(&self, presented: &Presented<'_>, cost: u32) -> Result<Admitted, Box<Refused>> {
        let refused = |error, mistake, rate| Box::new(Refused { error, mistake, rate });
        let raw = presented.key().map_err(|mistake| refused(Error::invalid_api_key(), Some(mistake), None))?;
        let actor = self.keys.authenticate(raw).await.map_err(|error| {
            let mistake = (error.code == ErrorCode::InvalidApiKey).then_some(KeyMistake::Refused);
            refused(error, mistake, None)
        })?;
        let rate = self.limiter.check(&actor.tenant_id, &actor.plan_id, cost).await;
        if rate.allowed {
            Ok(Admitted { actor, rate })
        } else {
            Err(refused(Error::rate_limited(rate.retry_after_s), None, Some(rate)))
        }
    }
}

/// What every tenant is told about its bucket: `RateLimit-Policy` and `RateLimit`, structured fields of
/// draft-ietf-httpapi-ratelimit-headers-11. An unlimited plan has neither.
#[must_use]
pub fn rate_fields(rate: &RateDecision) -> Option<[(&'static str, String); 2]> {
    let quota = rate.limit?;
    let policy = format!(r#""tenant";q={quota};w=60"#);
    let state = format!(r#""tenant";r={};t={}"#, rate.remaining, rate.reset_after_s);
    Some([("ratelimit-policy", policy), ("ratelimit", state)])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rate_fields_are_structured_fields() {
        let mut rate =
            RateDecision { allowed: true, limit: Some(30), remaining: 29, reset_after_s: 2, retry_after_s: 0 };
        let [(_, policy), (_, state)] = rate_fields(&rate).expect("a limited plan");
        assert_eq!((policy.as_str(), state.as_str()), (r#""tenant";q=30;w=60"#, r#""tenant";r=29;t=2"#));
        rate.limit = None;
        assert!(rate_fields(&rate).is_none());
    }

    #[test]
    fn collect_sees_keys_in_wrong_places() {
        let check = |query: &str, cookie: &str, expected: (bool, bool)| {
            let headers = [("cookie", cookie.as_bytes()), ("accept", b"*/*")];
            let presented = Presented::collect(headers.into_iter(), Some(query));
            assert_eq!((presented.query, presented.cookie), expected, "{query} {cookie}");
        };
        check("api_key=1", "a=b", (true, false));
        check("key=NAT_PK_1", "X-Api-Key=1", (true, true));
        check("page=1", "session=1", (false, false));
    }

    #[test]
    fn challenge_every_hint_keeps_the_quotes_balanced() {
        use KeyMistake::*;
        for mistake in [Absent, Authorization, Query, Cookie, Several, Empty, Whitespace, Quoted, Prefixed, Refused] {
            let challenge = mistake.challenge();
            assert!(challenge.is_ascii() && challenge.matches('"').count() == 6, "{challenge}");
        }
    }

    fn check(api_keys: &[&[u8]], elsewhere: (bool, bool, bool), expected: Result<&str, KeyMistake>) {
        let (authorization, query, cookie) = elsewhere;
        let presented = Presented { api_keys: api_keys.to_vec(), authorization, query, cookie };
        assert_eq!(presented.key(), expected, "{api_keys:?} {elsewhere:?}");
    }

    #[test]
    fn presented_key_each_mistake_is_named() {
        const NONE: (bool, bool, bool) = (false, false, false);
        check(&[b"nat_pk_x"], NONE, Ok("nat_pk_x"));
        check(&[b"nat_pk_x"], (true, true, true), Ok("nat_pk_x"));
        check(&[], NONE, Err(KeyMistake::Absent));
        check(&[], (true, true, true), Err(KeyMistake::Authorization));
        check(&[], (false, true, true), Err(KeyMistake::Query));
        check(&[], (false, false, true), Err(KeyMistake::Cookie));
        check(&[b"nat_pk_x", b"nat_pk_x"], NONE, Err(KeyMistake::Several));
        check(&[b""], NONE, Err(KeyMistake::Empty));
        check(&[b"Bearer nat_pk_x"], NONE, Err(KeyMistake::Prefixed));
        for text in [" k", "k ", "k\t", "k\r", "\u{a0}k", "\u{feff}k", "k x"] {
            check(&[text.as_bytes()], NONE, Err(KeyMistake::Whitespace));
        }
        check(&[b"\"nat_pk_x\""], NONE, Err(KeyMistake::Quoted));
        check(&[b"\xff\xfe"], NONE, Err(KeyMistake::Refused));
        check(&["nät".as_bytes()], NONE, Err(KeyMistake::Refused));
        check(&[&[b'a'; 257]], NONE, Err(KeyMistake::Refused));
    }
}
