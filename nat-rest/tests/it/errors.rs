//! Every error that this wire makes, byte for byte.

use std::time::Duration;

use axum::body::Body;
use axum::http::Request;

use crate::app::{Answer, Settings, with_app, with_settings};

const E1: &str =
    r#"{"error":"INVALID_API_KEY","message":"The API key provided is invalid or has been revoked.","status":401}"#;
const NOT_FOUND: &str = r#"{"error":"NOT_FOUND","message":"The requested resource was not found.","status":404}"#;

/// Path, headers, what the hint says.
type Case<'a> = (&'a str, &'a [(&'a str, &'a str)], &'a str);

fn check(answer: &Answer, status: u16, body: &str) {
    assert_eq!((answer.status, answer.text.as_str()), (status, body), "{:?}", answer.headers);
    assert_eq!(answer.header("content-type"), "application/json");
    assert_eq!(answer.header("x-content-type-options"), "nosniff");
    assert_eq!(answer.header("cache-control"), "private, no-store");
    assert!(!answer.header("x-request-id").is_empty());
}

#[tokio::test]
async fn keys_presented_wrongly_get_the_published_401_and_a_hint() {
    with_app(async |app| {
        let key = app.tenant("t", "free").await;
        let (quoted, spaced, prefixed) = (format!("\"{key}\""), format!("{key} x"), format!("Bearer {key}"));
        let (short, bearer) = (&key[..key.len() - 3], prefixed.as_str());
        let cases: [Case<'_>; 9] = [
            ("/usage", &[], "send the API key in the header X-API-Key"),
            ("/usage", &[("authorization", bearer)], "use the header X-API-Key instead of Authorization"),
            (&format!("/usage?api_key={key}"), &[], "a key in the query string is ignored: use the header X-API-Key"),
            ("/usage", &[("x-api-key", &key), ("x-api-key", &key)], "send the header X-API-Key exactly once"),
            ("/usage", &[("x-api-key", "")], "send the API key in the header X-API-Key"),
            ("/usage", &[("x-api-key", &spaced)], "the key has white space in it or around it"),
            ("/usage", &[("x-api-key", &quoted)], "send the key without quotes"),
            ("/usage", &[("x-api-key", bearer)], "send the key alone, without 'Bearer'"),
            ("/usage", &[("x-api-key", short)], "the key is incomplete or too long"),
        ];
        for (path, headers, hint) in cases {
            let answer = app.call("GET", path, headers, "").await;
            check(&answer, 401, E1);
            let challenge = answer.header("www-authenticate");
            assert!(challenge.starts_with(r#"ApiKey realm="nat", header="X-API-Key", hint=""#), "{challenge}");
            assert!(challenge.contains(hint) && !challenge.contains(&key[7..]), "{challenge}");
        }
        assert_eq!(app.get("/usage", &key).await.status, 200);
    })
    .await;
}

#[tokio::test]
async fn paths_and_methods_that_do_not_exist_are_flat_errors() {
    with_app(async |app| {
        let key = app.tenant("t", "free").await;
        for path in ["/nothing", "/", "", "/usage/", "/scan/%FF", "/scan/a%00b", "//", "//nothing"] {
            check(&app.get(path, &key).await, 404, NOT_FOUND);
        }
        let method =
            r#"{"error":"METHOD_NOT_ALLOWED","message":"The method is not allowed for this path.","status":405}"#;
        for (path, allow) in
            [("/usage", "GET,HEAD"), ("/health", "GET,HEAD"), ("/keys", "GET,HEAD,POST"), ("//livez", "GET,HEAD")]
        {
            let answer = app.call("PATCH", path, &[("x-api-key", &key)], "").await;
            check(&answer, 405, method);
            assert_eq!(answer.header("allow"), allow);
        }
    })
    .await;
}

#[tokio::test]
async fn bodies_that_cannot_be_read_are_flat_errors() {
    with_app(async |app| {
        let key = app.tenant("t", "free").await;
        let media = r#"{"error":"UNSUPPORTED_MEDIA_TYPE","message":"The request body must be application/json.","status":415}"#;
        let key_header = ("x-api-key", key.as_str());
        for kind in ["application/x-www-form-urlencoded", "text/plain", "application/json; charset=utf-16"] {
            let answer = app.call("POST", "/keys", &[key_header, ("content-type", kind)], "{}").await;
            check(&answer, 415, media);
        }
        check(&app.call("POST", "/keys", &[key_header], "{}").await, 415, media);
        check(
            &app.post("/keys", &key, "{not json").await,
            400,
            r#"{"error":"MALFORMED_JSON","message":"The request body is not valid JSON: key must be a string at line 1 column 2.","status":400}"#,
        );
        check(
            &app.post("/keys", &key, r#"{"name":"a","name":"b"}"#).await,
            400,
            r#"{"error":"MALFORMED_JSON","message":"The request body is not valid JSON: a member occurs twice at line 1 column 18.","status":400}"#,
        );
        check(
            &app.post("/keys", &key, "{}").await,
            422,
            r#"{"error":"VALIDATION_ERROR","message":"Field 'name' is required.","status":422}"#,
        );
        check(
            &app.post("/keys", &key, r#"{"name":7,"colour":1}"#).await,
            422,
            r#"{"error":"VALIDATION_ERROR","message":"Field 'name' must be a string.","status":422,"fields":[{"field":"name","message":"Field 'name' must be a string."},{"field":"colour","message":"Field 'colour' is unknown."}]}"#,
        );
        let large = format!(r#"{{"name":"{}"}}"#, "x".repeat(1 << 20));
        let too_large =
            r#"{"error":"PAYLOAD_TOO_LARGE","message":"The request body is larger than 1048576 bytes.","status":413}"#;
        check(&app.post("/keys", &key, &large).await, 413, too_large);
        let declared = [key_header, ("content-type", "application/json"), ("content-length", "1048577")];
        check(&app.call("POST", "/keys", &declared, "{}").await, 413, too_large);
        check(&app.call("POST", "/billing/webhook", &[], &large).await, 413, too_large);
    })
    .await;
}

#[tokio::test]
async fn sync_tenant_errors_are_the_published_ones() {
    with_app(async |app| {
        let missing =
            r#"{"error":"VALIDATION_ERROR","message":"Fields 'tenant_id' and 'email' are required.","status":422}"#;
        check(&app.sync("{}").await, 422, missing);
        check(&app.sync("").await, 422, missing);
        app.tenant("t", "free").await;
        check(
            &app.sync(r#"{"tenant_id":"t","email":"t@example.test"}"#).await,
            409,
            r#"{"error":"TENANT_ALREADY_EXISTS","message":"A tenant with this ID is already registered.","status":409}"#,
        );
        let answer = app.call("POST", "/billing/sync-tenant", &[("x-sync-key", "wrong")], "{}").await;
        check(
            &answer,
            401,
            r#"{"error":"INVALID_SYNC_KEY","message":"The sync key provided is missing or invalid.","status":401}"#,
        );
        assert_eq!(answer.header("www-authenticate"), r#"ApiKey realm="nat", header="X-Sync-Key""#);
    })
    .await;
    with_settings(Settings { sync_key: false, ..Settings::default() }, async |app| {
        check(
            &app.sync("{not json").await,
            503,
            r#"{"error":"SYNC_NOT_CONFIGURED","message":"NAT_APP_SYNC_KEY is not configured. Set this environment variable to enable tenant synchronization.","status":503}"#,
        );
    })
    .await;
}

#[tokio::test]
async fn rate_limit_body_and_headers_agree() {
    with_app(async |app| {
        let key = app.tenant("t", "slow").await;
        let other = app.tenant("u", "slow").await;
        let mut last = app.get("/usage", &key).await;
        assert_eq!(last.header("ratelimit-policy"), r#""tenant";q=2;w=60"#);
        assert_eq!(last.header("ratelimit"), r#""tenant";r=1;t=30"#);
        for _ in 0..2 {
            last = app.get("/usage", &key).await;
        }
        check(
            &last,
            429,
            r#"{"error":"RATE_LIMITED","message":"Too many requests. Please slow down and retry after 30 seconds.","retry_after":30}"#,
        );
        assert_eq!(last.header("retry-after"), "30");
        assert_eq!(last.header("ratelimit"), r#""tenant";r=0;t=60"#);
        assert_eq!(app.get("/usage", &other).await.status, 200);
        app.clock.advance(chrono::TimeDelta::seconds(30));
        assert_eq!(app.get("/usage", &key).await.status, 200);
    })
    .await;
}

#[tokio::test]
async fn panic_is_a_500_with_the_request_id_and_no_cause() {
    with_app(async |app| {
        let answer = app.call("GET", "//panic", &[("x-request-id", "req-7")], "").await;
        check(
            &answer,
            500,
            r#"{"error":"INTERNAL","message":"An internal error occurred.","status":500,"request_id":"req-7"}"#,
        );
        assert_eq!(app.call("GET", "//livez", &[], "").await.status, 200);
    })
    .await;
}

#[tokio::test]
async fn slow_body_is_a_408() {
    let settings = Settings { timeout: Duration::from_millis(100), ..Settings::default() };
    with_settings(settings, async |app| {
        let body = Body::from_stream(futures::stream::pending::<Result<bytes::Bytes, std::io::Error>>());
        let request = Request::builder().method("POST").uri("/api/v1/billing/webhook").body(body).expect("a request");
        check(
            &app.send(request).await,
            408,
            r#"{"error":"REQUEST_TIMEOUT","message":"The request was not complete within the time limit.","status":408}"#,
        );
    })
    .await;
}

#[tokio::test]
async fn store_away_is_a_503_and_never_a_401() {
    with_app(async |app| {
        let key = app.tenant("t", "free").await;
        assert_eq!(app.call("GET", "//readyz", &[], "").await.status, 200);
        app.store.clone().close().await;
        let away = r#"{"error":"SERVICE_UNAVAILABLE","message":"The service is temporarily unavailable. Please retry.","status":503,"retry_after":5}"#;
        let ready = app.call("GET", "//readyz", &[], "").await;
        check(&ready, 503, away);
        assert_eq!(ready.header("retry-after"), "5");
        check(&app.get("/usage", &key).await, 503, away);
        assert_eq!(app.call("GET", "//livez", &[], "").await.status, 200);
    })
    .await;
}

#[tokio::test]
async fn draining_server_is_alive_but_not_ready() {
    with_app(async |app| {
        app.config.draining.store(true, std::sync::atomic::Ordering::Relaxed);
        app.call("GET", "//readyz", &[], "").await.assert_error(503, "SERVICE_UNAVAILABLE");
        assert_eq!(app.call("GET", "//livez", &[], "").await.status, 200);
        assert_eq!(app.call("GET", "/health", &[], "").await.text, r#"{"status":"ok","version":"9.9.9"}"#);
    })
    .await;
}

#[tokio::test]
async fn problem_form_only_when_asked_for() {
    with_app(async |app| {
        let headers = [("accept", "application/problem+json"), ("x-request-id", "req-7")];
        let answer = app.call("GET", "/usage", &headers, "").await;
        assert_eq!(answer.header("content-type"), "application/problem+json");
        assert_eq!(
            answer.text,
            r#"{"type":"/api/v1/docs/errors#INVALID_API_KEY","title":"Unauthorized","status":401,"detail":"The API key provided is invalid or has been revoked.","instance":"req-7","error":"INVALID_API_KEY"}"#
        );
        let page = app.call("GET", "/docs/errors", &[], "").await;
        assert!(page.text.contains(r#"id="INVALID_API_KEY""#));
    })
    .await;
}
