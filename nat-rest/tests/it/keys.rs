//! Keys over the wire: shown once, rotated, revoked, never escalated.

use serde_json::json;

use crate::app::with_app;

fn names(value: &serde_json::Value) -> Vec<&str> {
    value.as_object().expect("an object").keys().map(String::as_str).collect()
}

#[tokio::test]
async fn key_life_from_creation_to_revocation() {
    with_app(async |app| {
        let first = app.tenant("t", "free").await;
        app.clock.advance(chrono::TimeDelta::seconds(1));
        let made = app.post("/keys", &first, r#"{"name":"ci","scopes":["usage:read","keys:read"]}"#).await;
        assert_eq!(made.status, 201, "{made:?}");
        let made = made.json();
        assert_eq!(names(&made), ["key_id", "api_key", "name", "scopes", "expires_at", "created_at"]);
        assert_eq!((&made["name"], &made["created_at"]), (&json!("ci"), &json!("2025-01-15T12:00:01.000Z")));
        let (id, key) = (made["key_id"].as_str().expect("an id"), made["api_key"].as_str().expect("a key"));

        let list = app.get("/keys", key).await;
        assert_eq!(list.status, 200);
        assert!(!list.text.contains(key) && !list.text.contains(&first));
        let listed = &list.json()["keys"];
        assert_eq!(listed.as_array().map(Vec::len), Some(2));
        assert_eq!(
            names(&listed[1]),
            ["key_id", "name", "prefix", "scopes", "created_at", "last_used_at", "expires_at", "revoked_at"]
        );
        assert_eq!(listed[1]["prefix"], format!("nat_pk_{id}"));

        let refused = app.post("/keys", key, r#"{"name":"more"}"#).await;
        assert_eq!(
            refused.text,
            r#"{"error":"FORBIDDEN","message":"The API key lacks the scope 'keys:write'.","status":403,"required_scope":"keys:write"}"#
        );

        // The body of a rotation may be left out.
        let rotated = app.call("POST", &format!("/keys/{id}/rotate"), &[("x-api-key", &first)], "").await;
        assert_eq!(rotated.status, 200, "{rotated:?}");
        let rotated = rotated.json();
        let new = rotated["api_key"].as_str().expect("a key");
        app.get("/usage", key).await.assert_error(401, "INVALID_API_KEY");
        assert_eq!(app.get("/usage", new).await.status, 200);
        app.post(&format!("/keys/{id}/rotate"), &first, "{}").await.assert_error(409, "KEY_NOT_ACTIVE");

        let path = format!("/keys/{}", rotated["key_id"].as_str().expect("an id"));
        for _ in 0..2 {
            let gone = app.call("DELETE", &path, &[("x-api-key", &first)], "").await;
            assert_eq!((gone.status, gone.text.as_str()), (204, ""));
        }
        app.get("/usage", new).await.assert_error(401, "INVALID_API_KEY");
    })
    .await;
}

#[tokio::test]
async fn key_inputs_out_of_range_are_named() {
    with_app(async |app| {
        let key = app.tenant("t", "free").await;
        let id = app.get("/keys", &key).await.json()["keys"][0]["key_id"].as_str().expect("an id").to_owned();
        let rotate = format!("/keys/{id}/rotate");
        for (path, body) in [
            ("/keys", r#"{"name":""}"#),
            ("/keys", r#"{"name":"a","scopes":["everything"]}"#),
            ("/keys", r#"{"name":"a","expires_at":"2020-01-01T00:00:00Z"}"#),
            ("/keys", r#"{"name":"a\u0000b"}"#),
            (&rotate, r#"{"grace_seconds":-1}"#),
            (&rotate, r#"{"grace_seconds":604801}"#),
            (&rotate, r#"{"grace":1}"#),
        ] {
            app.post(path, &key, body).await.assert_error(422, "VALIDATION_ERROR");
        }
        assert_eq!(app.get("/usage", &key).await.status, 200, "nothing was rotated");
    })
    .await;
}
