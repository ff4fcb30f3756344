//! Admission: who shows this key, and may this tenant's request pass now? Written once for every wire.
//!
//! A wire collects what the client presented, in whatever form it came; this module judges it, authenticates the key
//! and charges the tenant's bucket. The published 401 body never says what was wrong; a [`Hint`] beside it does.

use std::sync::Arc;

use crate::{
    Actor, Error, Result,
    access::{self, ApiKeys},
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

/// A sentence about a refused key, for the client. It names a mistake and never repeats the key; which of the reasons
/// a well-formed key is refused for is in the tenant's audit log only.
pub type Hint = &'static str;

const ABSENT: Hint = "send the API key in the header X-API-Key";
const AUTHORIZATION: Hint = "use the header X-API-Key instead of Authorization";
const QUERY: Hint = "a key in the query string is ignored: use the header X-API-Key";
const COOKIE: Hint = "a key in a cookie is ignored: use the header X-API-Key";
const SEVERAL: Hint = "send the header X-API-Key exactly once";
const NO_TEXT: Hint = "the key holds bytes that are no text";
const REFUSED: Hint = "check that the key was not rotated or revoked and has not expired";

/// The value of `WWW-Authenticate`: the published 401 body cannot say what was wrong.
#[must_use]
pub fn challenge(hint: Option<Hint>) -> String {
    format!(r#"ApiKey realm="nat", header="X-API-Key", hint="{}""#, hint.unwrap_or(REFUSED))
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
    pub fn key(&self) -> Result<&'a str, Hint> {
        let raw = match self.api_keys.as_slice() {
            [one] => std::str::from_utf8(one).map_err(|_| NO_TEXT)?,
            [] if self.authorization => return Err(AUTHORIZATION),
            [] if self.query => return Err(QUERY),
            [] if self.cookie => return Err(COOKIE),
            [] => return Err(ABSENT),
            _ => return Err(SEVERAL),
        };
        access::hint(raw).map_or(Ok(raw), Err)
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
    /// For [`challenge`], with E1.
    pub hint: Option<Hint>,
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
        let refused = |error, hint, rate| Box::new(Refused { error, hint, rate });
        let raw = presented.key().map_err(|hint| refused(Error::invalid_api_key(), Some(hint), None))?;
        let actor = self.keys.authenticate(raw).await.map_err(|error| refused(error, None, None))?;
        self.charge(actor, cost).await
    }

    /// The second half of it, for whoever was authenticated before, such as the other end of a connection that lives on.
    pub async fn charge(&self, actor: Actor, cost: u32) -> Result<Admitted, Box<Refused>> {
        let rate = self.limiter.check(&actor.tenant_id, &actor.plan_id, cost).await;
        if rate.allowed {
            Ok(Admitted { actor, rate })
        } else {
            let error = Error::rate_limited(rate.retry_after_s);
            Err(Box::new(Refused { error, hint: None, rate: Some(rate) }))
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
        let ours = [ABSENT, AUTHORIZATION, QUERY, COOKIE, SEVERAL, NO_TEXT, REFUSED];
        let shapes = ["", "Bearer x", "\"x\"", " x", "x", "nat_pk_x"].map(|text| access::hint(text).expect("a hint"));
        for hint in ours.into_iter().chain(shapes) {
            let challenge = challenge(Some(hint));
            assert!(challenge.is_ascii() && challenge.matches('"').count() == 6, "{challenge}");
        }
    }

    fn check(api_keys: &[&[u8]], elsewhere: (bool, bool, bool), hint: Hint) {
        let (authorization, query, cookie) = elsewhere;
        let presented = Presented { api_keys: api_keys.to_vec(), authorization, query, cookie };
        assert_eq!(presented.key(), Err(hint), "{api_keys:?} {elsewhere:?}");
    }

    #[test]
    fn presented_key_each_mistake_is_named() {
        check(&[], (false, false, false), ABSENT);
        check(&[], (true, true, true), AUTHORIZATION);
        check(&[], (false, true, true), QUERY);
        check(&[], (false, false, true), COOKIE);
        check(&[b"nat_pk_x", b"nat_pk_x"], (false, false, false), SEVERAL);
        check(&[b"\xff\xfe"], (false, false, false), NO_TEXT);
        check(&[b"nat_pk_x"], (true, true, true), access::hint("nat_pk_x").expect("too short"));
    }
}
