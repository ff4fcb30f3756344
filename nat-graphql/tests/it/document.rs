//! Documents that are made to hurt. The four that used to end the process are sent to a child process in the root
//! package's tests as well.

use serde_json::{Value, json};

use crate::app::{Answer, App, with_app};

/// Larger answers to a refused document would be a weapon.
const MAX_ERROR_BODY: usize = 8 << 10;

async fn refused(app: &App, key: &str, query: &str) -> Answer {
    let answer = app.query(key, query).await;
    assert!(answer.text.len() <= MAX_ERROR_BODY, "{} bytes for {}", answer.text.len(), &query[..query.len().min(60)]);
    assert!(!answer.json()["errors"].as_array().is_none_or(Vec::is_empty), "{answer:?}");
    answer
}

#[tokio::test]
async fn g05_unused_fragments_are_few() {
    with_app(async |app| {
        let key = app.tenant("t", "pro").await;
        let fragments = |count: usize| (0..count).map(|n| format!("fragment f{n} on Query {{ plans {{ planId }} }} "));
        let document = |count| format!("{{ plans {{ planId }} }} {}", fragments(count).collect::<String>());
        refused(&app, &key, &document(500)).await.assert_refused(400, "QUERY_REFUSED");
        // As many as pass are only unused.
        assert_eq!(refused(&app, &key, &document(100)).await.code(), "GRAPHQL_VALIDATION_FAILED");
    })
    .await;
}

#[tokio::test]
async fn g06_fragment_cycles_are_refused() {
    with_app(async |app| {
        let key = app.tenant("t", "pro").await;
        for query in [
            "{ ...a } fragment a on Query { ...b } fragment b on Query { ...a }",
            "{ ...a } fragment a on Query { ...a }",
            "{ plans { planId } } fragment a on Query { ...b } fragment b on Query { ...a }",
            "{ plans { planId } } fragment a on Plan { ... on Plan { ...a } }",
        ] {
            refused(&app, &key, query).await.assert_refused(400, "QUERY_REFUSED");
        }
    })
    .await;
}

#[tokio::test]
async fn g07_fragments_that_double_are_refused_before_they_are_expanded() {
    with_app(async |app| {
        let key = app.tenant("t", "pro").await;
        let fragments: String =
            (0..22).map(|n| format!("fragment f{n} on Query {{ ...f{0} ...f{0} }} ", n + 1)).collect();
        let query = format!("{{ ...f0 }} {fragments} fragment f22 on Query {{ plans {{ planId }} }}");
        refused(&app, &key, &query).await.assert_refused(400, "QUERY_REFUSED");
    })
    .await;
}

#[tokio::test]
async fn g08_floods_are_refused_with_a_small_body() {
    with_app(async |app| {
        let key = app.tenant("t", "pro").await;
        for query in [
            format!("{{ {} }}", (0..5_000).map(|n| format!("a{n}:b ")).collect::<String>()),
            format!("{{ {} }}", "__typename ".repeat(5_000)),
            format!("{{ __typename {} }}", "@skip(if: false) ".repeat(3_500)),
            format!("{{ __typename {} }}", "@nonsense ".repeat(6_000)),
        ] {
            refused(&app, &key, &query).await.assert_refused(400, "QUERY_REFUSED");
        }
        let long = format!("{{ {} }}", "__typename ".repeat(100_000 / 11));
        refused(&app, &key, &long).await.assert_refused(413, "PAYLOAD_TOO_LARGE");
        // Within the limits every mistake is reported, but only the first ones.
        let wrong: String = (0..19).map(|n| format!("nonsense_{n}_{} ", "x".repeat(900))).collect();
        let answer = refused(&app, &key, &format!("{{ {wrong} }}")).await;
        assert_eq!(answer.json()["errors"].as_array().map(Vec::len), Some(10), "{answer:?}");
    })
    .await;
}

#[tokio::test]
async fn g10_deep_variables_are_refused() {
    with_app(async |app| {
        let key = app.tenant("t", "pro").await;
        let headers = [("x-api-key", key.as_str()), ("content-type", "application/json")];
        for depth in [200, 50_000] {
            let body = format!(
                r#"{{"query":"query($a: String) {{ plans {{ planId }} }}","variables":{{"a":{}1{}}}}}"#,
                "[".repeat(depth),
                "]".repeat(depth)
            );
            app.call("POST", "/graphql", &headers, &body).await.assert_refused(400, "MALFORMED_JSON");
        }
        let flat: Vec<Value> = vec![json!(1); 1_000];
        let answer = app.post(&key, &json!({"query": "{ plans { planId } }", "variables": {"a": flat}})).await;
        assert_eq!(answer.status, 200, "{answer:?}");
    })
    .await;
}

#[tokio::test]
async fn g11_long_documents_are_too_large() {
    with_app(async |app| {
        let key = app.tenant("t", "pro").await;
        let query = |length: usize| format!("{{ scan(id: \"{}\") {{ scanId }} }}", "x".repeat(length));
        app.query(&key, &query(100 << 10)).await.assert_refused(413, "PAYLOAD_TOO_LARGE");
        app.query(&key, &query(1 << 20)).await.assert_refused(413, "PAYLOAD_TOO_LARGE");
        assert_eq!(app.query(&key, &query(50 << 10)).await.json()["data"]["scan"], Value::Null);
    })
    .await;
}

#[tokio::test]
async fn documents_that_the_library_panics_over_are_only_wrong() {
    with_app(async |app| {
        let key = app.tenant("t", "pro").await;
        // Found by fuzzing.
        for query in [
            "query A($a: Nonsense = 1) { plans { planId } }",
            "query A($a: [[[Nonsense!]!]!] = [[[0]]]) { nodes(ids: $a) { id } }",
        ] {
            assert_eq!(refused(&app, &key, query).await.code(), "GRAPHQL_VALIDATION_FAILED");
        }
        assert_eq!(app.query(&key, "{ plans { planId } }").await.status, 200);
    })
    .await;
}
