//! Which of several things that are wrong is answered: the order of the contract.

use crate::app::{HOOK_SECRET, SYNC_KEY, with_app};

#[tokio::test]
async fn tenant_routes_check_key_rate_path_media_json_fields() {
    with_app(async |app| {
        let key = app.tenant("t", "free").await;
        let form = ("content-type", "application/x-www-form-urlencoded");
        let json = ("content-type", "application/json");
        let good = ("x-api-key", key.as_str());
        for (method, path, headers, body, status, code) in [
            // 401 before 404, 405, 415, 400 and 422.
            ("GET", "/nothing", &[][..], "", 401, "INVALID_API_KEY"),
            ("PATCH", "/usage", &[], "", 401, "INVALID_API_KEY"),
            ("POST", "/keys", &[form], "x=1", 401, "INVALID_API_KEY"),
            ("POST", "/scan", &[json], "{not json", 401, "INVALID_API_KEY"),
            ("POST", "/billing/checkout", &[json], "{}", 401, "INVALID_API_KEY"),
            ("GET", "/scan/scan_x", &[("x-api-key", "nat_pk_x")], "", 401, "INVALID_API_KEY"),
            // 404 and 405 before the body.
            ("POST", "/nothing", &[good, form], "x=1", 404, "NOT_FOUND"),
            ("PUT", "/keys", &[good, form], "x=1", 405, "METHOD_NOT_ALLOWED"),
            // 415 before 400, 400 before 422.
            ("POST", "/keys", &[good, form], "{not json", 415, "UNSUPPORTED_MEDIA_TYPE"),
            ("POST", "/keys", &[good, json], "{\"x\":1,", 400, "MALFORMED_JSON"),
            ("POST", "/keys", &[good, json], "{\"x\":1}", 422, "VALIDATION_ERROR"),
            ("GET", "/usage/alerts?page=0", &[good], "", 422, "VALIDATION_ERROR"),
            ("GET", "/usage/ledger?cursor=x", &[good], "", 422, "VALIDATION_ERROR"),
        ] {
            let answer = app.call(method, path, headers, body).await;
            assert_eq!((answer.status, answer.json()["error"].as_str()), (status, Some(code)), "{method} {path}");
        }
    })
    .await;
}

#[tokio::test]
async fn scans_check_fields_plan_concurrency_quota() {
    with_app(async |app| {
        let free = app.tenant("free", "free").await;
        app.post("/security-scan", &free, r#"{"url":7}"#).await.assert_error(422, "VALIDATION_ERROR");
        app.post("/security-scan", &free, r#"{"url":"http://127.0.0.1:1"}"#)
            .await
            .assert_error(403, "FEATURE_NOT_AVAILABLE");
        // One scan at once and one in all: the second start breaks both limits.
        let slow = app.tenant("slow", "slow").await;
        let start = async || app.post("/scan", &slow, r#"{"url":"http://127.0.0.1:1"}"#).await;
        assert_eq!(start().await.status, 202);
        let limited = start().await;
        limited.assert_error(429, "CONCURRENT_LIMIT");
        assert_eq!(limited.json()["retry_after"].to_string(), limited.header("retry-after"));
        assert!(limited.header("retry-after").parse::<u32>().is_ok_and(|seconds| seconds >= 1));
    })
    .await;
}

#[tokio::test]
async fn rate_limit_comes_before_the_path() {
    with_app(async |app| {
        let key = app.tenant("t", "slow").await;
        for expected in [404, 404, 429] {
            assert_eq!(app.get("/nothing", &key).await.status, expected);
        }
        app.get("/usage", "nat_pk_wrong").await.assert_error(401, "INVALID_API_KEY");
    })
    .await;
}

#[tokio::test]
async fn billing_routes_say_not_configured_before_they_read() {
    with_app(async |app| {
        let key = app.tenant("t", "free").await;
        for path in ["/billing/checkout", "/billing/portal"] {
            app.post(path, &key, "{not json").await.assert_error(503, "BILLING_NOT_CONFIGURED");
            app.call("POST", path, &[("x-api-key", &key), ("content-type", "text/plain")], "x")
                .await
                .assert_error(503, "BILLING_NOT_CONFIGURED");
        }
    })
    .await;
}

#[tokio::test]
async fn sync_tenant_checks_the_sync_key_before_the_body() {
    with_app(async |app| {
        let key = app.tenant("t", "free").await;
        let json = ("content-type", "application/json");
        let call =
            async |headers: &[(&str, &str)], body: &str| app.call("POST", "/billing/sync-tenant", headers, body).await;
        call(&[json], "{not json").await.assert_error(401, "INVALID_SYNC_KEY");
        call(&[json, ("x-api-key", &key)], "{}").await.assert_error(401, "INVALID_SYNC_KEY");
        call(&[json, ("x-sync-key", SYNC_KEY), ("x-sync-key", SYNC_KEY)], "{}")
            .await
            .assert_error(401, "INVALID_SYNC_KEY");
        call(&[json, ("x-sync-key", SYNC_KEY)], "{not json").await.assert_error(400, "MALFORMED_JSON");
        call(&[json, ("x-sync-key", SYNC_KEY)], r#"{"tenant_id":"t"}"#).await.assert_error(422, "VALIDATION_ERROR");
        app.get("/usage", SYNC_KEY).await.assert_error(401, "INVALID_API_KEY");
    })
    .await;
}

#[tokio::test]
async fn webhook_verifies_the_raw_bytes_before_the_json() {
    with_app(async |app| {
        let now = nat_core::time::Clock::now(app.clock.as_ref()).timestamp();
        let sign = |payload: &str| {
            use hmac::{Hmac, KeyInit, Mac};
            let mut mac = Hmac::<sha2::Sha256>::new_from_slice(HOOK_SECRET.as_bytes()).expect("any length");
            mac.update(format!("{now}.{payload}").as_bytes());
            format!("t={now},v1={}", hex::encode(mac.finalize().into_bytes()))
        };
        let call = async |signature: Option<&str>, payload: &str| {
            let headers: Vec<(&str, &str)> = signature.map(|value| ("stripe-signature", value)).into_iter().collect();
            app.call("POST", "/billing/webhook", &headers, payload).await
        };
        let event = r#"{ "id":"evt_1", "object":"event","type":"customer.created","created":1,"data":{"object":{"id":"cus_1","object":"customer"}}}"#;
        let answer = call(Some(&sign(event)), event).await;
        assert_eq!((answer.status, answer.text.as_str()), (200, r#"{"received":true}"#));
        let again = call(Some(&sign(event)), event).await;
        assert_eq!((again.status, again.text.as_str()), (200, r#"{"received":true}"#));
        call(None, "not json").await.assert_error(400, "INVALID_SIGNATURE");
        call(Some(&sign(event)), &format!("{event} ")).await.assert_error(400, "INVALID_SIGNATURE");
        call(Some(&sign("not json")), "not json").await.assert_error(400, "MALFORMED_JSON");
    })
    .await;
}
