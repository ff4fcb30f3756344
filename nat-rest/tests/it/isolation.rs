//! Two tenants, every operation of the document: a new operation without a case fails here.

use serde_json::Value;

use crate::app::{App, with_app};

/// What the other tenant must not get.
enum Case {
    /// The path names an object: 404, the same body as for an id that does not exist, and the object is untouched.
    Object(&'static str),
    /// The answer holds only what is the caller's.
    Own,
    /// It makes something new for the caller, from nothing of another tenant.
    Makes,
}

fn case(operation: &str) -> Case {
    match operation {
        "get_usage" | "billing_status" | "list_alerts" | "list_ledger" | "list_keys" | "list_scans" => Case::Own,
        "start_scan" | "start_security_scan" | "create_key" | "checkout" | "portal" => Case::Makes,
        "rotate_key" | "revoke_key" => Case::Object("key"),
        "get_scan" | "cancel_scan" | "get_results" | "export_scan" => Case::Object("scan"),
        _ => panic!("no isolation case for the operation {operation}: add one"),
    }
}

struct Owner {
    key: String,
    key_id: String,
    scan_id: String,
}

async fn owner(app: &App, name: &str) -> Owner {
    let key = app.tenant(name, "pro").await;
    let made = app.post("/keys", &key, &format!(r#"{{"name":"spare of {name}"}}"#)).await.json();
    let scan = app.post("/scan", &key, r#"{"url":"http://127.0.0.1:1"}"#).await;
    assert_eq!(scan.status, 202, "{scan:?}");
    Owner {
        key,
        key_id: made["key_id"].as_str().expect("an id").to_owned(),
        scan_id: scan.json()["scan_id"].as_str().expect("an id").to_owned(),
    }
}

#[tokio::test]
async fn no_operation_shows_or_touches_another_tenants_objects() {
    let document: Value = serde_json::from_str(&nat_rest::openapi()).expect("JSON");
    with_app(async |app| {
        let (ann, bob) = (owner(&app, "ann").await, owner(&app, "bob").await);
        let state = async || {
            let keys = app.get("/keys", &ann.key).await.json()["keys"].clone();
            let scan = app.get(&format!("/scan/{}", ann.scan_id), &ann.key).await;
            assert_eq!(scan.status, 200);
            let revoked: Vec<Value> =
                keys.as_array().expect("keys").iter().map(|key| key["revoked_at"].clone()).collect();
            (revoked, scan.json()["status"].clone())
        };
        let before = state().await;
        let mut checked = 0;
        for (path, item) in document["paths"].as_object().expect("paths") {
            for (method, operation) in item.as_object().expect("an item") {
                if operation["security"][0]["api_key"].is_null() {
                    continue;
                }
                checked += 1;
                let (method, path) = (method.to_uppercase(), path.strip_prefix("/api/v1").expect("the base path"));
                let call = async |id: &str| {
                    let headers = [("x-api-key", bob.key.as_str()), ("content-type", "application/json")];
                    app.call(&method, &path.replace("{id}", id), &headers, "{}").await
                };
                match case(operation["operationId"].as_str().expect("an id")) {
                    Case::Makes => {}
                    Case::Own => {
                        let answer = call("").await;
                        assert_eq!(answer.status, 200, "{method} {path} {answer:?}");
                        for text in [&ann.key_id, &ann.scan_id, &ann.key, "ann"] {
                            assert!(!answer.text.contains(text), "{method} {path} {answer:?}");
                        }
                    }
                    Case::Object(kind) => {
                        let (theirs, unknown) = match kind {
                            "key" => (&ann.key_id, "zzzzzzzzzz"),
                            _ => (&ann.scan_id, "scan_00000000000000000000000000"),
                        };
                        let (theirs, unknown) = (call(theirs).await, call(unknown).await);
                        theirs.assert_error(404, "NOT_FOUND");
                        assert_eq!((theirs.status, theirs.text), (unknown.status, unknown.text), "{method} {path}");
                    }
                }
            }
        }
        assert_eq!(checked, 17, "operations that need a key");
        assert_eq!(state().await, before);
    })
    .await;
}
