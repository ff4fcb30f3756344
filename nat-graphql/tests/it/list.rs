//! Lists, loaders, prices.

use std::sync::atomic::Ordering;

use chrono::TimeDelta;
use nat_core::ScanId;
use serde_json::{Value, json};

use crate::app::{App, target, with_app};

fn ids(connection: &Value) -> Vec<String> {
    let nodes = connection["nodes"].as_array().unwrap_or_else(|| panic!("{connection}"));
    nodes.iter().map(|node| node["id"].as_str().expect("an id").to_owned()).collect()
}

async fn page(app: &App, key: &str, field: &str, arguments: &str) -> Value {
    let query = format!(
        "{{ {field}({arguments}) {{ nodes {{ id }} edges {{ cursor }} pageInfo {{ hasNextPage hasPreviousPage endCursor }} totalCount }} }}"
    );
    app.data(key, &query).await[field].clone()
}

/// Scans that nobody runs.
async fn accepted(app: &App, key: &str, count: usize) -> Vec<String> {
    let mut made = Vec::new();
    for _ in 0..count {
        app.clock.advance(TimeDelta::milliseconds(1));
        made.push(app.start(key, "http://127.0.0.1:1").await);
    }
    made
}

#[tokio::test]
async fn g23_pages_have_every_row_once() {
    with_app(async |app| {
        let key = app.tenant("t", "pro").await;
        accepted(&app, &key, 6).await;
        let first = page(&app, &key, "scans", "first: 3").await;
        assert_eq!(first["pageInfo"]["hasNextPage"], true);
        assert_eq!((&first["pageInfo"]["hasPreviousPage"], &first["totalCount"]), (&json!(false), &json!(6)));
        // What is new while a client pages is in no later page, and moves nothing.
        accepted(&app, &key, 2).await;
        let cursor = first["pageInfo"]["endCursor"].as_str().expect("a cursor");
        assert_eq!(cursor, first["edges"][2]["cursor"]);
        let second = page(&app, &key, "scans", &format!("first: 3, after: \"{cursor}\"")).await;
        assert_eq!((ids(&second).len(), &second["pageInfo"]["hasNextPage"]), (3, &json!(false)), "an exact multiple");
        let mut seen: Vec<String> = ids(&first).into_iter().chain(ids(&second)).collect();
        seen.sort();
        seen.dedup();
        assert_eq!(seen.len(), 6);
        let oldest = page(&app, &key, "scans", "first: 8, orderBy: {direction: ASC}").await;
        let mut newest = ids(&page(&app, &key, "scans", "first: 8").await);
        newest.reverse();
        assert_eq!(ids(&oldest), newest);

        let bob = app.tenant("bob", "pro").await;
        let foreign = format!("first: 3, after: \"{cursor}\"");
        for (key, field, arguments, code) in [
            (&key, "scans", "first: 0", "VALIDATION_ERROR"),
            (&key, "scans", "first: -1", "VALIDATION_ERROR"),
            (&key, "scans", "first: 101", "VALIDATION_ERROR"),
            (&key, "scans", "first: null", "GRAPHQL_VALIDATION_FAILED"),
            (&key, "scans", "first: 1, last: 1", "GRAPHQL_VALIDATION_FAILED"),
            (&key, "scans", "first: 1, after: \"garbage\"", "VALIDATION_ERROR"),
            (&key, "scans", "first: 1, after: \"\"", "VALIDATION_ERROR"),
            (&bob, "scans", &foreign, "VALIDATION_ERROR"),
            (&key, "findings", &foreign, "VALIDATION_ERROR"),
            (&key, "scans", &format!("{foreign}, filter: {{kind: SECURITY}}"), "VALIDATION_ERROR"),
        ] {
            let answer = app.query(key, &format!("{{ {field}({arguments}) {{ nodes {{ id }} }} }}")).await;
            assert_eq!(answer.code(), code, "{field}({arguments}) {answer:?}");
        }
        for list in ["alerts", "ledger"] {
            let answer = app
                .query(&key, &format!("{{ usage {{ {list}(first: 1, after: \"x\") {{ nodes {{ __typename }} }} }} }}"))
                .await;
            assert_eq!(answer.code(), "VALIDATION_ERROR", "{answer:?}");
        }
    })
    .await;
}

#[tokio::test]
async fn ledger_and_alerts_are_paged_one_by_one() {
    with_app(async |app| {
        let key = app.tenant("t", "free").await;
        accepted(&app, &key, 2).await;
        for (list, field, count) in [("ledger", "scanId", 2), ("alerts", "alertId", 2)] {
            let (mut seen, mut after) = (Vec::new(), String::new());
            loop {
                let query = format!("{{ usage {{ {list}(first: 1 {after}) {{ nodes {{ {field} }} pageInfo {{ hasNextPage endCursor }} }} }} }}");
                let page = app.data(&key, &query).await["usage"][list].clone();
                seen.push(page["nodes"][0][field].clone());
                if page["pageInfo"]["hasNextPage"] == false {
                    break;
                }
                after = format!(", after: {}", page["pageInfo"]["endCursor"]);
            }
            seen.dedup();
            assert_eq!(seen.len(), count, "{list}: {seen:?}");
        }
    })
    .await;
}

#[tokio::test]
async fn findings_are_new_then_unchanged_then_fixed() {
    with_app(async |app| {
        let key = app.tenant("t", "pro").await;
        let target = target().await;
        let statuses = async || {
            let query = "{ findings(first: 100) { totalCount nodes { endpoint status firstSeenAt scan { scanId } } } }";
            let found = app.data(&key, query).await["findings"].clone();
            let nodes = found["nodes"].as_array().expect("nodes").clone();
            assert_eq!(found["totalCount"], nodes.len());
            let of = |endpoint: &str| {
                let mut found: Vec<String> = nodes
                    .iter()
                    .filter(|node| node["endpoint"] == endpoint)
                    .map(|node| node["status"].as_str().expect("a status").to_owned())
                    .collect();
                found.dedup();
                found
            };
            (of("GET /pet"), of("GET /dog"))
        };
        let only = |status: &str| vec![status.to_owned()];
        app.scan(&key, &target.url).await;
        assert_eq!(statuses().await, (only("NEW"), only("NEW")));
        app.clock.advance(TimeDelta::seconds(1));
        app.scan(&key, &target.url).await;
        assert_eq!(statuses().await, (only("UNCHANGED"), only("UNCHANGED")));
        target.is_broken.store(false, Ordering::SeqCst);
        app.clock.advance(TimeDelta::seconds(1));
        let third = app.scan(&key, &target.url).await;
        assert_eq!(statuses().await, (only("FIXED"), only("UNCHANGED")));
        let fixed = app
            .data(
                &key,
                "{ findings(first: 10, filter: {status: [FIXED]}) { nodes { scan { scanId } detail { curl } } } }",
            )
            .await;
        assert_eq!(fixed["findings"]["nodes"][0]["scan"]["scanId"], third);
        assert_eq!(fixed["findings"]["nodes"][0]["detail"], Value::Null);
        // What is fixed is no news of the scan after it.
        app.clock.advance(TimeDelta::seconds(1));
        app.scan(&key, &target.url).await;
        assert_eq!(statuses().await, (Vec::new(), only("UNCHANGED")));
    })
    .await;
}

#[tokio::test]
async fn filters_of_findings_take_what_they_say() {
    with_app(async |app| {
        let key = app.tenant("t", "pro").await;
        let target = target().await;
        let id = app.scan(&key, &target.url).await;
        let count = async |filter: &str| {
            let query = format!(
                "{{ findings(first: 100, filter: {{{filter}}}) {{ totalCount nodes {{ id }} }} \
                 scan(id: \"{id}\") {{ findings(first: 100, filter: {{{filter}}}) {{ totalCount nodes {{ id }} }} }} }}"
            );
            let data = app.data(&key, &query).await;
            let (all, of_scan) = (&data["findings"], &data["scan"]["findings"]);
            assert_eq!(all, of_scan, "{filter}");
            assert_eq!(all["totalCount"], ids(all).len(), "{filter}");
            ids(all).len()
        };
        let all = count("").await;
        let (pet, dog) = (count("operation: \"GET /pet\"").await, count("operation: \"GET /dog\"").await);
        assert!(pet > 0 && dog > 0 && pet + dog <= all, "{pet} {dog} {all}");
        let severities: usize = {
            let mut sum = 0;
            for severity in ["CRITICAL", "HIGH", "MEDIUM", "LOW", "INFO"] {
                sum += count(&format!("severity: [{severity}]")).await;
            }
            sum
        };
        assert_eq!(severities, all);
        assert_eq!(count("status: [NEW]").await, all);
        assert_eq!(count("status: [UNCHANGED, FIXED]").await, 0);
        assert_eq!(count("triaged: true").await, 0);
        assert_eq!(count("triaged: false, kind: FUNCTIONAL").await, all);
        assert_eq!(count("kind: SECURITY").await, 0);
        assert_eq!(count(&format!("url: \"{}\"", target.url)).await, all);
        assert_eq!(count("checkId: \"F999\"").await, 0);
    })
    .await;
}

#[tokio::test]
async fn finding_has_its_proof() {
    with_app(async |app| {
        let key = app.tenant("t", "pro").await;
        let target = target().await;
        let id = app.scan(&key, &target.url).await;
        let query = "query($id: ID!) { scan(id: $id) { findings(first: 1) { nodes { id } } results { planHash seed operations { method path covered statuses { status count } } } } \
                     scanReport(id: $id, format: SARIF) { fileName mediaType content } }";
        let data = app.data_with(&key, query, &json!({"id": id})).await;
        assert_eq!(data["scan"]["results"]["operations"].as_array().map(Vec::len), Some(2));
        assert_eq!(data["scan"]["results"]["seed"], "1");
        assert_eq!(data["scanReport"]["fileName"], format!("{id}.sarif"));
        let finding = &data["scan"]["findings"]["nodes"][0]["id"];
        let query = "query($id: ID!) { node(id: $id) { id ... on Finding { title detail { explanation curl evidence { role request response at } } } } }";
        let node = app.data_with(&key, query, &json!({"id": finding})).await["node"].clone();
        assert_eq!(&node["id"], finding);
        let detail = &node["detail"];
        assert!(detail["curl"].as_str().is_some_and(|curl| curl.starts_with("curl")), "{detail}");
        assert!(detail["evidence"][0]["response"].as_str().is_some_and(|text| text.starts_with("HTTP/1.1 200")), "{detail}");
    })
    .await;
}

#[tokio::test]
async fn g33_price_that_is_told_is_the_price_that_is_charged() {
    with_app(async |app| {
        let key = app.tenant("t", "slow").await;
        accepted(&app, &key, 1).await;
        let remaining = async || {
            app.data(&key, "{ rateLimit { remaining } }").await["rateLimit"]["remaining"].as_u64().expect("a number")
        };
        for (fields, expected) in [
            ("__typename", 1),
            ("usage { plan }", 1),
            ("a: usage { plan } b: usage { plan } c: plans { planId }", 3),
            ("scans(first: 100) { nodes { scanId } }", 1),
            ("scans(first: 100) { nodes { findings(first: 20) { nodes { id } } } }", 21),
            ("nodes(ids: [\"a\", \"b\", \"c\"]) { id }", 3),
        ] {
            // A bucket that is full again.
            app.clock.advance(TimeDelta::minutes(2));
            let dry = app
                .data(&key, &format!("query {{ limit: rateLimit(dryRun: true) {{ cost __typename }} {fields} }}"))
                .await;
            assert_eq!(dry["limit"], json!({"cost": expected, "__typename": "RateLimit"}), "{fields}: {dry}");
            let nulls = dry
                .as_object()
                .expect("an object")
                .iter()
                .filter(|(name, _)| !["limit", "__typename"].contains(&name.as_str()));
            assert!(nulls.clone().all(|(_, value)| value.is_null()), "nothing was run: {dry}");
            let before = remaining().await;
            let told = app.data(&key, &format!("{{ rateLimit {{ cost }} {fields} }}")).await;
            assert_eq!(told["rateLimit"]["cost"], expected, "{fields}");
            assert_eq!(before - remaining().await, expected + 1, "{fields}");
        }
        let wrong = app.query(&key, "{ rateLimit(dryRun: true) { cost } nonsense }").await;
        assert_eq!(wrong.code(), "GRAPHQL_VALIDATION_FAILED");
    })
    .await;
}

#[tokio::test]
async fn objects_named_by_the_id_of_rest_are_found() {
    with_app(async |app| {
        let key = app.tenant("t", "pro").await;
        let id = accepted(&app, &key, 1).await.remove(0);
        let by_rest = app.data(&key, &format!("{{ scan(id: \"{id}\") {{ id scanId }} }}")).await;
        let global = by_rest["scan"]["id"].as_str().expect("an id");
        let query = "query($id: ID!) { scan(id: $id) { scanId } node(id: $id) { id ... on Scan { scanId } } nodes(ids: [$id]) { id } }";
        let data = app.data_with(&key, query, &json!({"id": global})).await;
        assert_eq!((&data["scan"]["scanId"], &data["node"]["scanId"], &data["nodes"][0]["id"]), (&json!(id), &json!(id), &json!(global)));
        app.services.scans.execute(ScanId::from(id.as_str())).await;
    })
    .await;
}
