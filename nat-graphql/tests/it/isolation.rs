//! Nothing of another tenant, by whatever way. Every field of the schema is asked for with another tenant's key in
//! `tests/it/authz.rs` of the root package.

use nat_core::ScanId;
use serde_json::{Value, json};

use crate::app::{target, with_app};

#[tokio::test]
async fn g20_ids_of_another_tenant_name_nothing() {
    with_app(async |app| {
        let (ann, bob) = (app.tenant("ann", "pro").await, app.tenant("bob", "pro").await);
        let target = target().await;
        let scan = app.scan(&ann, &target.url).await;
        let query = "{ tenant { id } apiKeys { id } scans(first: 1) { nodes { id } edges { cursor } } findings(first: 1) { nodes { id } edges { cursor } } }";
        let hers = app.data(&ann, query).await;
        let (scan_id, finding_id) = (&hers["scans"]["nodes"][0]["id"], &hers["findings"]["nodes"][0]["id"]);
        let ids = json!([hers["tenant"]["id"], hers["apiKeys"][0]["id"], scan_id, finding_id]);
        let nodes = "query($ids: [ID!]!) { nodes(ids: $ids) { id __typename } }";
        let types: Vec<Value> = app.data_with(&ann, nodes, &json!({"ids": ids})).await["nodes"]
            .as_array()
            .expect("nodes")
            .iter()
            .map(|node| node["__typename"].clone())
            .collect();
        assert_eq!(types, ["Tenant", "ApiKey", "Scan", "Finding"]);
        assert_eq!(app.data_with(&bob, nodes, &json!({"ids": ids})).await["nodes"], json!([null, null, null, null]));

        for id in ids.as_array().expect("ids") {
            let unknown = app.data(&bob, "{ node(id: \"U2NhbjpzY2FuX3g\") { id } }").await;
            assert_eq!(app.data_with(&bob, "query($id: ID!) { node(id: $id) { id } }", &json!({"id": id})).await, unknown);
        }
        let by_rest_id = "query($id: ID!) { scan(id: $id) { id } }";
        assert_eq!(app.data_with(&bob, by_rest_id, &json!({"id": scan})).await["scan"], Value::Null);
        for (mutation, id) in [
            ("cancelScan(input: {id: $id})", scan_id),
            ("rotateApiKey(input: {id: $id})", &hers["apiKeys"][0]["id"]),
            ("revokeApiKey(input: {id: $id})", &hers["apiKeys"][0]["id"]),
            ("setFindingStatus(input: {id: $id, status: FALSE_POSITIVE, reason: \"mine\"})", finding_id),
        ] {
            let query = format!("mutation($id: ID!) {{ done: {mutation} {{ userErrors {{ code message }} }} }}");
            let theirs = app.data_with(&bob, &query, &json!({"id": id})).await;
            let unknown = app.data_with(&bob, &query, &json!({"id": "nothing"})).await;
            assert_eq!(theirs["done"]["userErrors"][0]["code"], "NOT_FOUND", "{mutation}");
            assert_eq!(theirs, unknown, "{mutation}");
        }
        let report = app.post(&bob, &json!({"query": "query($id: ID!) { scanReport(id: $id) { content } }", "variables": {"id": scan}})).await;
        assert_eq!(report.code(), "NOT_FOUND", "{report:?}");
        for list in ["scans", "findings"] {
            let cursor = &hers[list]["edges"][0]["cursor"];
            let query = format!("query($after: String) {{ {list}(first: 5, after: $after) {{ nodes {{ id }} }} }}");
            let answer = app.post(&bob, &json!({"query": query, "variables": {"after": cursor}})).await;
            assert_eq!(answer.code(), "VALIDATION_ERROR", "{list}: {answer:?}");
        }
        let headers = [("x-api-key", bob.as_str()), ("content-type", "application/json"), ("accept", "text/event-stream")];
        for field in ["scanProgress", "scanFindings"] {
            let body = json!({"query": format!("subscription($id: ID!) {{ {field}(id: $id) {{ id }} }}"), "variables": {"id": scan_id}});
            let answer = app.call("POST", "/graphql", &headers, &body.to_string()).await;
            assert!(answer.text.contains("NOT_FOUND") && !answer.text.contains(scan_id.as_str().expect("text")), "{answer:?}");
        }
        assert_eq!(app.data(&ann, "{ findings(first: 1) { nodes { triage { reason } } } }").await["findings"]["nodes"][0]["triage"], Value::Null);
    })
    .await;
}

#[tokio::test]
async fn g21_loaders_share_nothing_between_tenants() {
    with_app(async |app| {
        let (ann, bob) = (app.tenant("ann", "pro").await, app.tenant("bob", "pro").await);
        let target = target().await;
        let (hers, his) = (app.start(&ann, &target.url).await, app.start(&bob, &target.url).await);
        for id in [&hers, &his] {
            app.services.scans.execute(ScanId::from(id.as_str())).await;
        }
        let query = "query($a: ID!, $b: ID!) { a: scan(id: $a) { scanId findings(first: 3) { nodes { scan { scanId } detail { curl } } } } \
                     b: scan(id: $b) { scanId findings(first: 3) { nodes { scan { scanId } } } } \
                     usage { ledger(first: 10) { nodes { scan { scanId } } } } }";
        let variables = json!({"a": hers, "b": his});
        let asked = (0..10).map(async |n| {
            let (key, own, other) = if n % 2 == 0 { (&ann, &hers, "b") } else { (&bob, &his, "a") };
            let data = app.data_with(key, query, &variables).await;
            assert_eq!(data[other], Value::Null);
            let text = data.to_string();
            assert!(text.contains(own.as_str()), "{text}");
            for foreign in [&hers, &his].into_iter().filter(|id| *id != own) {
                assert!(!text.contains(foreign.as_str()), "{text}");
            }
        });
        futures::future::join_all(asked).await;
    })
    .await;
}
