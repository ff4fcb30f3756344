//! The document, the page, and that both speak of the routes that exist.

use serde_json::Value;

use crate::app::with_app;

#[tokio::test]
async fn every_documented_operation_is_a_route() {
    let document: Value = serde_json::from_str(&nat_rest::openapi()).expect("JSON");
    with_app(async |app| {
        let key = app.tenant("t", "free").await;
        for (path, item) in document["paths"].as_object().expect("paths") {
            for method in item.as_object().expect("an item").keys() {
                // A body that no route takes, so that nothing is changed: the route exists when it says 415.
                let path = format!("/{}", path.replace("{id}", "none"));
                let headers =
                    [("x-api-key", key.as_str()), ("x-sync-key", crate::app::SYNC_KEY), ("content-type", "text/plain")];
                let answer = app.call(&method.to_uppercase(), &path, &headers, "x").await;
                let routed = answer.status != 405 && (answer.status != 404 || path.contains("none"));
                assert!(routed, "{method} {path}: {answer:?}");
            }
        }
    })
    .await;
}

#[tokio::test]
async fn document_loads_without_a_warning() {
    let text = nat_rest::openapi();
    let api = nat_scan::spec::load(text.as_bytes(), None, None, nat_scan::spec::SpecLimits::default()).await;
    let api = api.expect("a document that can be tested with");
    assert_eq!((api.operations.len(), api.warnings), (23, Vec::new()));
}

#[tokio::test]
async fn docs_page_needs_nothing_from_elsewhere() {
    with_app(async |app| {
        let document = app.call("GET", "/openapi.json", &[], "").await;
        assert_eq!((document.status, document.text == nat_rest::openapi()), (200, true));
        assert_eq!(document.header("content-type"), "application/json");

        let page = app.call("GET", "/docs", &[], "").await;
        assert_eq!(page.status, 200);
        assert!(page.header("content-security-policy").starts_with("default-src 'none'; script-src 'self';"));
        assert!(!page.text.contains("//"), "{}", page.text);
        let files: Vec<&str> = page.text.split('"').filter(|text| text.starts_with("docs/")).collect();
        assert_eq!(files.len(), 3);
        for file in files {
            let answer = app.call("GET", &format!("/{file}"), &[], "").await;
            assert!(answer.status == 200 && answer.text.len() > 100, "{file}");
            assert!(answer.header("content-type").starts_with("text/"), "{file}");
        }
        app.call("GET", "/docs/index.html", &[], "").await.assert_error(404, "NOT_FOUND");
    })
    .await;
}

#[tokio::test]
async fn plans_are_the_catalogue() {
    with_app(async |app| {
        let plans = app.call("GET", "/plans", &[], "").await;
        assert_eq!(
            plans.text,
            r#"{"plans":[{"id":"free","functional_scans":5,"security_scans":0,"requests_per_minute":100000,"concurrent_scans":50,"outgoing_webhooks":false},{"id":"pro","functional_scans":null,"security_scans":null,"requests_per_minute":100000,"concurrent_scans":null,"outgoing_webhooks":false},{"id":"slow","functional_scans":1,"security_scans":null,"requests_per_minute":2,"concurrent_scans":1,"outgoing_webhooks":false}]}"#
        );
    })
    .await;
}
