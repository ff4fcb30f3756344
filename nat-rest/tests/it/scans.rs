//! Scans over the wire: what a client sends, and what it gets back from acceptance to results.

use axum::Json;
use axum::routing::get;
use nat_core::ScanId;
use serde_json::{Value, json};

use crate::app::{Answer, App, with_app};

/// A tiny target on a free port, for as long as the test's runtime lives.
async fn target() -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("http://{}", listener.local_addr().expect("bound"));
    let schema = json!({"type": "object", "required": ["name"], "properties": {"name": {"type": "string"}}});
    let answers = json!({"200": {"description": "a pet", "content": {"application/json": {"schema": schema}}}});
    let document = json!({
        "openapi": "3.0.3", "info": {"title": "pets", "version": "1"},
        "paths": {"/pet": {"get": {"operationId": "getPet", "responses": answers}}},
    });
    let router = axum::Router::new()
        .route("/openapi.json", get(async || Json(document)))
        // The document says a string.
        .route("/pet", get(async || Json(json!({"name": 7}))));
    tokio::spawn(async move { axum::serve(listener, router).await });
    url
}

fn names(value: &Value) -> Vec<&str> {
    value.as_object().expect("an object").keys().map(String::as_str).collect()
}

async fn start(app: &App, key: &str, path: &str, body: &Value) -> String {
    let answer = app.post(path, key, &body.to_string()).await;
    assert_eq!(answer.status, 202, "{answer:?}");
    let accepted = answer.json();
    assert_eq!(names(&accepted), ["scan_id", "status", "created_at"]);
    assert_eq!((&accepted["status"], &accepted["created_at"]), (&json!("running"), &json!("2025-01-15T12:00:00.000Z")));
    let id = accepted["scan_id"].as_str().expect("an id").to_owned();
    assert_eq!(answer.header("location"), format!("/api/v1/scan/{id}"));
    id
}

const STATUS: [&str; 13] = [
    "scan_id",
    "kind",
    "status",
    "url",
    "created_at",
    "started_at",
    "completed_at",
    "progress",
    "summary",
    "total",
    "passed",
    "failed",
    "error",
];

#[tokio::test]
async fn scan_from_acceptance_to_every_export() {
    with_app(async |app| {
        let key = app.tenant("t", "pro").await;
        let url = target().await;
        let body =
            json!({"url": url, "spec_url": format!("{url}/openapi.json"), "options": {"seed": 7, "max_seconds": 20}});
        let id = start(&app, &key, "/scan", &body).await;
        let path = format!("/scan/{id}");

        let waiting = app.get(&path, &key).await.json();
        assert_eq!(names(&waiting), STATUS);
        assert_eq!((&waiting["kind"], &waiting["status"]), (&json!("functional"), &json!("running")));
        assert_eq!(
            names(&waiting["progress"]),
            ["phase", "operations_total", "operations_tested", "requests_sent", "percent"]
        );
        assert_eq!(names(&waiting["summary"]), ["critical", "high", "medium", "low", "info"]);
        app.get(&format!("{path}/results"), &key).await.assert_error(409, "SCAN_NOT_FINISHED");
        app.get(&format!("{path}/export"), &key).await.assert_error(409, "SCAN_NOT_FINISHED");

        app.services.scans.execute(ScanId::from(id.as_str())).await;
        let results = app.get(&format!("{path}/results"), &key).await.json();
        assert_eq!(results["status"], "completed", "{results}");
        assert_eq!(names(&results)[..13], STATUS);
        assert_eq!(names(&results)[13..], ["operations", "findings", "reproducible", "notices"]);
        assert_eq!(results["reproducible"]["seed"], 7);
        let operation = &results["operations"][0];
        assert_eq!(names(operation), ["method", "path", "operation_id", "requests", "statuses", "covered", "reason"]);
        let finding = &results["findings"][0];
        assert_eq!(
            names(finding),
            [
                "id",
                "check_id",
                "title",
                "severity",
                "confidence",
                "endpoint",
                "location",
                "cwe",
                "owasp",
                "cvss",
                "description",
                "explanation",
                "remediation",
                "evidence",
                "curl",
                "first_seen"
            ]
        );
        assert_eq!(finding["endpoint"], "GET /pet");

        for (format, ending, media, mark) in [
            ("", "json", "application/json", "findings"),
            ("?format=json", "json", "application/json", "findings"),
            ("?format=html", "html", "text/html; charset=utf-8", "<html"),
            ("?format=csv", "csv", "text/csv; charset=utf-8", ","),
            ("?format=sarif", "sarif", "application/sarif+json", "2.1.0"),
            ("?format=junit", "xml", "application/xml", "<testsuite"),
            ("?format=markdown", "md", "text/markdown; charset=utf-8", "#"),
        ] {
            let file = app.get(&format!("{path}/export{format}"), &key).await;
            assert_eq!((file.status, file.header("content-type")), (200, media), "{format}");
            assert_eq!(file.header("content-disposition"), format!(r#"attachment; filename="{id}.{ending}""#));
            assert!(file.text.contains(mark) && file.header("content-security-policy").contains("sandbox"), "{format}");
        }
        app.get(&format!("{path}/export?format=pdf"), &key).await.assert_error(422, "VALIDATION_ERROR");
        let gone = app.call("DELETE", &path, &[("x-api-key", &key)], "").await;
        gone.assert_error(409, "SCAN_FINISHED");
    })
    .await;
}

#[tokio::test]
async fn list_and_cancel() {
    with_app(async |app| {
        let key = app.tenant("t", "pro").await;
        let body = json!({"url": "http://127.0.0.1:1"});
        let first = start(&app, &key, "/scan", &body).await;
        let second = start(&app, &key, "/security-scan", &body).await;
        let gone = app.call("DELETE", &format!("/scan/{first}"), &[("x-api-key", &key)], "").await;
        assert_eq!(gone.text, format!(r#"{{"scan_id":"{first}","status":"cancelled"}}"#));
        for (query, expected) in [
            ("?status=cancelled", vec![&first]),
            ("?status=running", vec![&second]),
            ("?kind=security", vec![&second]),
            ("?kind=functional&status=running", vec![]),
        ] {
            let list = app.get(&format!("/scans{query}"), &key).await.json();
            assert_eq!(names(&list), ["scans", "page", "per_page", "total"]);
            let ids: Vec<&str> =
                list["scans"].as_array().expect("scans").iter().filter_map(|scan| scan["scan_id"].as_str()).collect();
            assert_eq!(ids, expected, "{query}");
            assert_eq!(list["total"], expected.len());
        }
        for query in ["?status=queued", "?kind=x", "?page=0", "?per_page=101", "?page=x", "?kind=a&kind=b"] {
            app.get(&format!("/scans{query}"), &key).await.assert_error(422, "VALIDATION_ERROR");
        }
    })
    .await;
}

#[tokio::test]
async fn scan_inputs_that_are_wrong_are_named_and_cost_nothing() {
    with_app(async |app| {
        let key = app.tenant("t", "free").await;
        let check = |answer: &Answer, message: &str, field: Option<&str>| {
            answer.assert_error(422, "VALIDATION_ERROR");
            let body = answer.json();
            assert_eq!((&body["message"], body["fields"][0]["field"].as_str()), (&json!(message), field), "{answer:?}");
        };
        let url = "http://127.0.0.1:1";
        for (body, message, field) in [
            (json!({}), "Field 'url' is required.", None),
            (json!({"url": null}), "Field 'url' is required.", None),
            (json!({"url": 7}), "Field 'url' must be a string.", None),
            (json!({"url": url, "colour": 1}), "Field 'colour' is unknown.", None),
            (json!({"url": url, "auth": {"colour": 1}}), "Field 'auth.colour' is unknown.", Some("auth.colour")),
            (json!({"url": url, "options": {"x": 1}}), "Field 'options.x' is unknown.", Some("options.x")),
            (json!({"url": url, "second_auth": 1}), "Field 'second_auth' must be an object.", None),
            (
                json!({"url": url, "options": {"concurrency": "5"}}),
                "Field 'options.concurrency' must be a whole number.",
                Some("options.concurrency"),
            ),
            (
                json!({"url": url, "options": {"seed": -1}}),
                "Field 'options.seed' must be a whole number that is not negative.",
                Some("options.seed"),
            ),
        ] {
            check(&app.post("/scan", &key, &body.to_string()).await, message, field);
        }
        for body in [
            json!({"url": "/x"}),
            json!({"url": "ftp://x/"}),
            json!({"url": url, "spec_url": "nope"}),
            json!({"url": url, "options": {"concurrency": 65}}),
            json!({"url": url, "auth": {"type": "magic"}}),
        ] {
            app.post("/scan", &key, &body.to_string()).await.assert_error(422, "VALIDATION_ERROR");
        }
        let refused = app.post("/security-scan", &key, &json!({"url": url}).to_string()).await;
        refused.assert_error(403, "FEATURE_NOT_AVAILABLE");
        assert_eq!(app.get("/usage", &key).await.json()["scans_used"], 0);
    })
    .await;
}

#[tokio::test]
async fn quota_warns_from_80_percent_and_ends_with_the_published_402() {
    with_app(async |app| {
        let key = app.tenant("t", "free").await;
        let body = json!({"url": "http://127.0.0.1:1"}).to_string();
        for used in 1..=5 {
            let accepted = app.post("/scan", &key, &body).await;
            assert_eq!(accepted.status, 202, "{accepted:?}");
            let warning =
                if used >= 4 { format!(r#""functional";used={used};limit=5"#) } else { String::new() };
            assert_eq!(accepted.header("x-nat-usage-warning"), warning);
            let usage = app.get("/usage", &key).await;
            assert_eq!(usage.header("x-nat-usage-warning"), warning);
            let body = usage.json();
            assert_eq!((&body["scans_used"], &body["scans_remaining"]), (&json!(used), &json!(5 - used)));
        }
        assert_eq!(
            app.post("/scan", &key, &body).await.text,
            r#"{"error":"QUOTA_EXCEEDED","message":"You have reached your monthly scan quota. Upgrade your plan or wait for quota reset.","status":402,"quota_reset_date":"2025-02-01T00:00:00Z"}"#
        );
        let alerts = app.get("/usage/alerts", &key).await.json();
        assert_eq!(
            names(&alerts["alerts"][0]),
            ["id", "type", "kind", "threshold_percent", "used", "limit", "period_start", "message", "created_at"]
        );
        let ledger = app.get("/usage/ledger", &key).await.json();
        assert_eq!(names(&ledger["entries"][0]), ["at", "kind", "delta", "scan_id", "reason", "balance"]);
        assert_eq!(ledger["entries"].as_array().map(Vec::len), Some(5));
    })
    .await;
}
