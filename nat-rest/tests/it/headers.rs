//! Headers that every answer has.

use crate::app::with_app;

#[tokio::test]
async fn request_id_is_the_clients_when_it_is_safe() {
    with_app(async |app| {
        let key = app.tenant("t", "free").await;
        for (given, kept) in [("abc-1.2_3", true), ("a b", false), ("", false), (&"a".repeat(129), false)] {
            for path in ["/usage", "/health", "/nothing", "//nothing", "//livez"] {
                let answer = app.call("GET", path, &[("x-api-key", &key), ("x-request-id", given)], "").await;
                let id = answer.header("x-request-id");
                assert!(!id.is_empty() && (id == given) == kept, "{path} {given:?} {id:?}");
            }
        }
        let (first, second) = (app.get("/usage", &key).await, app.get("/usage", &key).await);
        assert!(first.header("x-request-id").starts_with("req_"));
        assert_ne!(first.header("x-request-id"), second.header("x-request-id"));
    })
    .await;
}

#[tokio::test]
async fn tenant_answers_tell_the_rate_and_are_never_stored() {
    with_app(async |app| {
        let key = app.tenant("t", "free").await;
        for path in ["/usage", "/usage/alerts", "/keys", "/nothing", "/usage/alerts?page=0"] {
            let answer = app.get(path, &key).await;
            assert_eq!(answer.header("ratelimit-policy"), r#""tenant";q=100000;w=60"#, "{path}");
            assert!(answer.header("ratelimit").starts_with(r#""tenant";r=9"#), "{path}");
            assert_eq!(answer.header("cache-control"), "private, no-store", "{path}");
            assert_eq!(answer.header("x-content-type-options"), "nosniff", "{path}");
        }
        assert_eq!(app.call("GET", "/usage", &[], "").await.header("ratelimit"), "");
    })
    .await;
}

#[tokio::test]
async fn head_is_get_without_the_body() {
    with_app(async |app| {
        let key = app.tenant("t", "free").await;
        for path in ["/usage", "/health", "/plans", "/nothing", "/openapi.json", "/docs"] {
            let get = app.get(path, &key).await;
            let head = app.call("HEAD", path, &[("x-api-key", &key)], "").await;
            assert_eq!((head.status, head.text.as_str()), (get.status, ""), "{path}");
            for name in ["content-type", "content-length", "cache-control"] {
                assert_eq!(head.header(name), get.header(name), "{path} {name}");
            }
        }
    })
    .await;
}

#[tokio::test]
async fn usage_has_the_published_members() {
    with_app(async |app| {
        let key = app.tenant("t", "free").await;
        assert_eq!(
            app.get("/usage", &key).await.text,
            r#"{"tenant_id":"t","plan":"free","scans_used":0,"scans_limit":5,"scans_remaining":5,"security_scan_count":0,"monthly_security_scan_quota":0,"approaching_limit":false,"quota_reset_date":"2025-02-01T00:00:00Z","period_start":"2025-01-01T00:00:00Z","period_end":"2025-01-31T23:59:59Z"}"#
        );
        assert_eq!(app.get("/usage/alerts", &key).await.text, r#"{"alerts":[],"page":1,"per_page":20,"total":0}"#);
        assert_eq!(app.get("/usage/ledger", &key).await.text, r#"{"entries":[],"next_cursor":null}"#);
    })
    .await;
}
