//! The cases of billing that the wire decides: B9, B10, B11, B50, B52.

use nat_core::secret::SecretString;
use nat_core::time::Clock;

use crate::app::{Answer, App, HOOK_SECRET, SYNC_KEY, with_app};

const EVENT: &str = r#"{"id":"evt_1","type":"customer.subscription.updated","data":{"object":{"customer":"cus_1"}}}"#;

async fn deliver(app: &App, payload: &str, headers: &[(&str, &str)]) -> Answer {
    let secret = SecretString::from(HOOK_SECRET);
    let signature = nat_billing::webhook::signature::sign(payload.as_bytes(), &secret, app.clock.now());
    let headers = [&[("stripe-signature", signature.as_str())], headers].concat();
    app.call("POST", "/billing/webhook", &headers, payload).await
}

#[tokio::test]
async fn b09_large_body_is_413_no_json_is_400_unknown_type_is_200() {
    with_app(async |app| {
        let large = format!(r#"{{"id":"evt_1","x":"{}"}}"#, "x".repeat(app.config.webhook_body_limit));
        deliver(&app, &large, &[]).await.assert_error(413, "PAYLOAD_TOO_LARGE");
        for body in ["not json", "[]", "{}", r#"{"id":7}"#] {
            deliver(&app, body, &[]).await.assert_error(400, "MALFORMED_JSON");
        }
        let unknown = deliver(&app, r#"{"id":"evt_2","type":"invention.of_tomorrow","data":{"object":{}}}"#, &[]).await;
        assert_eq!((unknown.status, unknown.text.as_str()), (200, r#"{"received":true}"#));
    })
    .await;
}

#[tokio::test]
async fn b10_without_the_database_stripe_is_told_to_come_again() {
    // The other half, Stripe's API stalled: nat-billing's `b10_answer_does_not_wait_for_stripe`.
    with_app(async |app| {
        let tenant = app.tenant("t", "free").await;
        app.store.clone().close().await;
        let answer = deliver(&app, EVENT, &[]).await;
        answer.assert_error(503, "SERVICE_UNAVAILABLE");
        assert_eq!(answer.header("retry-after"), "5");
        app.get("/usage", &tenant).await.assert_error(503, "SERVICE_UNAVAILABLE");
    })
    .await;
}

#[tokio::test]
async fn b11_webhook_needs_its_signature_and_nothing_else() {
    with_app(async |app| {
        // No API key, no origin, any media type, no tenant's limit: the plan `slow` has two requests a minute.
        let key = app.tenant("t", "slow").await;
        for n in 0..50 {
            let event = EVENT.replace("evt_1", &format!("evt_{n}"));
            let headers = [("content-type", "text/plain"), ("origin", "https://evil.example"), ("x-api-key", &*key)];
            let answer = deliver(&app, &event, &headers).await;
            assert_eq!((answer.status, answer.text.as_str()), (200, r#"{"received":true}"#), "{n}");
        }
        assert_eq!(app.get("/usage", &key).await.status, 200, "nothing was charged to a tenant");
        // Stripe counts a redirect as a failure: a path that is nearly right is a 404, never a 3xx.
        for path in ["/billing/webhook/", "//api/v1/billing//webhook", "//API/v1/billing/webhook"] {
            let answer = app.call("POST", path, &[("x-api-key", &key)], EVENT).await;
            assert!((400..500).contains(&answer.status), "{path}: {answer:?}");
        }
        app.call("GET", "/billing/webhook", &[], "").await.assert_error(405, "METHOD_NOT_ALLOWED");
    })
    .await;
}

#[tokio::test]
async fn b50_payload_is_neither_kept_nor_logged() {
    // The log of a whole server: `b50_no_secret_in_log_audit_error_or_metric` of the root package. Rows of the inbox
    // expire: nat-billing's `b50_inbox_rows_expire`.
    with_app(async |app| {
        let event = r#"{"id":"evt_1","type":"customer.created","data":{"object":{"object":"customer","id":"cus_1","email":"private@example.test","name":"Private Person"}}}"#;
        assert_eq!(deliver(&app, event, &[]).await.status, 200);
        let kept = dump(&app).await;
        assert!(kept.contains("evt_1") && kept.contains("cus_1"), "{kept}");
        assert!(!kept.contains("private@example.test") && !kept.contains("Private Person"), "{kept}");
    })
    .await;
}

/// Every row of the inbox, as text.
async fn dump(app: &App) -> String {
    use nat_core::db::sea_orm::{FromQueryResult, JsonValue, Statement};
    let statement = Statement::from_string(app.store.read.get_database_backend(), "SELECT * FROM stripe_event");
    let rows = JsonValue::find_by_statement(statement).all(&app.store.read).await.expect("rows");
    serde_json::to_string(&rows).expect("JSON")
}

#[tokio::test]
async fn b52_sync_key_and_api_keys_do_not_open_each_others_routes() {
    with_app(async |app| {
        let key = app.tenant("t", "free").await;
        let json = ("content-type", "application/json");
        let body = r#"{"tenant_id":"t_2","email":"a@example.test"}"#;
        for headers in [vec![json, ("x-api-key", &*key)], vec![json, ("x-sync-key", &*key)]] {
            app.call("POST", "/billing/sync-tenant", &headers, body).await.assert_error(401, "INVALID_SYNC_KEY");
        }
        for path in ["/usage", "/keys", "/billing/status"] {
            app.get(path, SYNC_KEY).await.assert_error(401, "INVALID_API_KEY");
            app.call("GET", path, &[("x-sync-key", SYNC_KEY)], "").await.assert_error(401, "INVALID_API_KEY");
        }
    })
    .await;
}

#[tokio::test]
async fn b55_retry_with_its_idempotency_key_gets_the_first_answer() {
    with_app(async |app| {
        let call = async |key: &str| {
            let headers = [("content-type", "application/json"), ("x-sync-key", SYNC_KEY), ("idempotency-key", key)];
            let body = r#"{"tenant_id":"t","email":"a@example.test"}"#;
            app.call("POST", "/billing/sync-tenant", &headers, body).await
        };
        let (first, again) = (call("one").await, call("one").await);
        assert_eq!((first.status, again.status), (201, 201), "{again:?}");
        assert_eq!(first.text, again.text);
        call("two").await.assert_error(409, "TENANT_ALREADY_EXISTS");
        call("").await.assert_error(422, "VALIDATION_ERROR");
        let key = first.json()["api_key"].as_str().expect("a key").to_owned();
        let status = app.get("/billing/status", &key).await;
        assert_eq!(
            status.text,
            r#"{"plan":"free","plan_ends_at":null,"next_plan":null,"has_billing_account":false,"subscription":null}"#
        );
        app.get("/billing/status?session_id=cs_1", &key).await.assert_error(503, "BILLING_NOT_CONFIGURED");
    })
    .await;
}
