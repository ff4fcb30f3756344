//! Key and rate limit, before anything else is looked at; and what every tenant is told about its bucket.

use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use nat_core::admission::Presented;
use nat_core::rate_limit::RateDecision;

use crate::App;
use crate::error::ApiError;
use crate::layer::RequestId;

/// 401, then 429, then the route (or 404 and 405) with the [`nat_core::Actor`] in the extensions.
pub(crate) async fn admit(State(app): State<App>, mut request: Request, next: Next) -> Response {
    let admitted = app.admission.admit(&presented(&request), 1).await;
    match admitted {
        Ok(admitted) => {
            let mut actor = admitted.actor;
            actor.request_id = request.extensions().get::<RequestId>().map(|id| id.as_str().to_owned());
            request.extensions_mut().insert(actor);
            let mut response = next.run(request).await;
            tell_rate(response.headers_mut(), &admitted.rate);
            response
        }
        Err(refused) => {
            let mut response = ApiError::with_mistake(refused.error, refused.mistake).into_response();
            if let Some(rate) = &refused.rate {
                tell_rate(response.headers_mut(), rate);
            }
            response
        }
    }
}

fn presented(request: &Request) -> Presented<'_> {
    let headers = request.headers();
    let names_key = |text: &str| {
        let text = text.to_ascii_lowercase();
        text.contains("nat_pk_") || ["api_key=", "api-key=", "apikey="].iter().any(|name| text.contains(name))
    };
    Presented {
        api_keys: headers.get_all("x-api-key").iter().map(HeaderValue::as_bytes).collect(),
        authorization: headers.contains_key(header::AUTHORIZATION),
        query: request.uri().query().is_some_and(names_key),
        cookie: headers.get_all(header::COOKIE).iter().any(|value| value.to_str().is_ok_and(names_key)),
    }
}

/// `RateLimit-Policy` and `RateLimit`, structured fields of draft-ietf-httpapi-ratelimit-headers-11. An unlimited plan
/// has neither.
fn tell_rate(headers: &mut HeaderMap, rate: &RateDecision) {
    let Some(quota) = rate.limit else { return };
    let policy = format!(r#""tenant";q={quota};w=60"#);
    let state = format!(r#""tenant";r={};t={}"#, rate.remaining, rate.reset_after_s);
    for (name, text) in [("ratelimit-policy", policy), ("ratelimit", state)] {
        if let Ok(value) = HeaderValue::from_str(&text) {
            headers.insert(name, value);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tell_rate_writes_structured_fields() {
        let mut headers = HeaderMap::new();
        let mut rate =
            RateDecision { allowed: true, limit: Some(30), remaining: 29, reset_after_s: 2, retry_after_s: 0 };
        tell_rate(&mut headers, &rate);
        assert_eq!(headers["ratelimit-policy"], r#""tenant";q=30;w=60"#);
        assert_eq!(headers["ratelimit"], r#""tenant";r=29;t=2"#);
        rate.limit = None;
        let mut headers = HeaderMap::new();
        tell_rate(&mut headers, &rate);
        assert!(headers.is_empty());
    }

    #[test]
    fn presented_sees_keys_in_wrong_places() {
        let check = |uri: &str, cookie: &str, expected: (bool, bool)| {
            let request = Request::builder()
                .uri(uri)
                .header("cookie", cookie)
                .body(axum::body::Body::empty())
                .expect("a request");
            let presented = presented(&request);
            assert_eq!((presented.query, presented.cookie), expected, "{uri} {cookie}");
        };
        check("/x?api_key=1", "a=b", (true, false));
        check("/x?key=NAT_PK_1", "X-Api-Key=1", (true, true));
        check("/x?page=1", "session=1", (false, false));
    }
}
