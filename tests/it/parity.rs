//! One use case, two wires: the same data and the same error code over REST and GraphQL.

use std::collections::BTreeSet;

use async_graphql::parser::parse_schema;
use async_graphql::parser::types::{TypeKind, TypeSystemDefinition};
use chrono::DateTime;
use serde_json::{Value, json};

use crate::process::{Client, Server};

/// The operations of the OpenAPI document and the fields that are the same use case.
const PAIRS: &[(&str, &str)] = &[
    ("get_usage", "Query.usage"),
    ("list_alerts", "Usage.alerts"),
    ("list_ledger", "Usage.ledger"),
    ("start_scan", "Mutation.startScan"),
    ("start_security_scan", "Mutation.startSecurityScan"),
    ("get_scan", "Query.scan"),
    ("get_results", "Scan.results"),
    ("get_results", "Scan.findings"),
    ("export_scan", "Query.scanReport"),
    ("list_scans", "Query.scans"),
    ("cancel_scan", "Mutation.cancelScan"),
    ("checkout", "Mutation.createCheckout"),
    ("portal", "Mutation.createPortalSession"),
    ("billing_status", "Query.billing"),
    ("list_keys", "Query.apiKeys"),
    ("create_key", "Mutation.createApiKey"),
    ("rotate_key", "Mutation.rotateApiKey"),
    ("revoke_key", "Mutation.revokeApiKey"),
    ("list_plans", "Query.plans"),
];

/// For programs that own tenants, or for the machine room: no tenant asks for it.
const REST_ONLY: &[&str] = &["health", "webhook", "sync_tenant", "openapi_document", "docs_page"];

/// What only this wire offers: it has no published REST route.
const GRAPHQL_ONLY: &[&str] = &[
    "Query.viewer",
    "Query.tenant",
    "Query.findings",
    "Query.node",
    "Query.nodes",
    "Query.rateLimit",
    "Mutation.setFindingStatus",
    "Subscription.scanProgress",
    "Subscription.scanFindings",
    "Subscription.usageAlerts",
];

/// `scans_used` as GraphQL writes it.
fn camel_case(name: &str) -> String {
    let mut words = name.split('_');
    let first = words.next().unwrap_or_default().to_owned();
    words.fold(first, |text, word| text + &word[..1].to_uppercase() + &word[1..])
}

#[test]
fn every_use_case_is_on_both_wires_or_says_why() {
    let document: Value = serde_json::from_str(&nat::rest::openapi()).expect("JSON");
    let items = document["paths"].as_object().expect("paths").values();
    let operations: BTreeSet<String> = items
        .flat_map(|item| item.as_object().expect("an item").values())
        .filter_map(|operation| operation["operationId"].as_str().map(str::to_owned))
        .collect();
    let named: BTreeSet<String> =
        PAIRS.iter().map(|(operation, _)| *operation).chain(REST_ONLY.iter().copied()).map(str::to_owned).collect();
    assert_eq!(operations, named, "the operations of REST");

    let mut fields = BTreeSet::new();
    for definition in parse_schema(nat::graphql::sdl()).expect("a schema").definitions {
        let TypeSystemDefinition::Type(definition) = definition else { continue };
        let name = definition.node.name.node.to_string();
        if let (TypeKind::Object(object), "Query" | "Mutation" | "Subscription") =
            (&definition.node.kind, name.as_str())
        {
            fields.extend(object.fields.iter().map(|field| format!("{name}.{}", field.node.name.node)));
        }
    }
    let roots = PAIRS
        .iter()
        .map(|(_, field)| *field)
        .filter(|field| !field.starts_with("Usage.") && !field.starts_with("Scan."));
    let named: BTreeSet<String> = roots.chain(GRAPHQL_ONLY.iter().copied()).map(str::to_owned).collect();
    assert_eq!(fields, named, "the root fields of GraphQL");
}

async fn graphql(client: &Client, query: &str, variables: Value) -> Value {
    client.send("POST", "/graphql", Some(&json!({"query": query, "variables": variables}))).await.1
}

/// The same, or the same in the spelling of the other wire.
fn assert_same(rest: &Value, graphql: &Value, place: &str) {
    match (rest, graphql) {
        (Value::Object(rest), Value::Object(_)) => {
            for (name, value) in rest {
                let other = &graphql[camel_case(name)];
                assert_same(value, other, &format!("{place}.{name}"));
            }
        }
        (Value::Array(rest), Value::Array(graphql)) => {
            assert_eq!(rest.len(), graphql.len(), "{place}");
            for (index, (rest, graphql)) in rest.iter().zip(graphql).enumerate() {
                assert_same(rest, graphql, &format!("{place}[{index}]"));
            }
        }
        (Value::String(rest), Value::String(graphql)) => {
            let instant = |text: &str| DateTime::parse_from_rfc3339(text).ok();
            let same = match (instant(rest), instant(graphql)) {
                (Some(rest), Some(graphql)) => rest == graphql,
                // Enums are in capitals there.
                _ => rest == graphql || rest.to_uppercase() == *graphql,
            };
            assert!(same, "{place}: {rest} and {graphql}");
        }
        _ => assert_eq!(rest, graphql, "{place}"),
    }
}

/// `value` without what only REST shows.
fn without(value: &Value, names: &[&str]) -> Value {
    let mut value = value.clone();
    let rows: Vec<&mut Value> = match &mut value {
        Value::Array(rows) => rows.iter_mut().collect(),
        other => vec![other],
    };
    for row in rows {
        row.as_object_mut().expect("an object").retain(|name, _| !names.contains(&name.as_str()));
    }
    value
}

const SCAN: &str = "scanId kind status url createdAt startedAt completedAt total passed failed error { code message } \
    progress { phase operationsTotal operationsTested requestsSent percent } summary { critical high medium low info }";

#[tokio::test(flavor = "multi_thread")]
async fn data_is_the_same_over_both_wires() {
    let dir = tempfile::tempdir().expect("a directory");
    let server = Server::on_sqlite(dir.path(), 4);
    let client = Client::new(server.address).await;
    let client = client.register("t").await;
    let target = crate::server::target().await;
    let spec = format!("{target}/openapi.json");

    // Accepted by the one wire, shown by both.
    let input = json!({"url": target, "specUrl": spec, "options": {"seed": "1", "maxRequests": 60, "maxSeconds": 60}});
    let start = format!(
        "mutation($input: StartScanInput!) {{ startScan(input: $input) {{ scan {{ {SCAN} }} userErrors {{ code }} }} }}"
    );
    let started = graphql(&client, &start, json!({"input": input})).await;
    let first =
        started["data"]["startScan"]["scan"]["scanId"].as_str().unwrap_or_else(|| panic!("{started}")).to_owned();
    let body = json!({"url": target, "spec_url": spec, "options": {"seed": 1, "max_requests": 60, "max_seconds": 60}});
    let (status, second) = client.call("POST", "/security-scan", Some(&body)).await;
    assert_eq!(status, 202, "{second}");
    let second = second["scan_id"].as_str().expect("an id").to_owned();
    for id in [&first, &second] {
        let rest = client.ended(id).await;
        let other =
            graphql(&client, &format!("query($id: ID!) {{ scan(id: $id) {{ {SCAN} }} }}"), json!({"id": id})).await;
        assert_same(&rest, &other["data"]["scan"], "scan");

        let results = client.get(&format!("/scan/{id}/results")).await;
        let query = "query($id: ID!) { scan(id: $id) { results { seed planHash operations { method path operationId requests covered reason statuses { status count } } } \
            findings(first: 100) { totalCount nodes { fingerprint checkId title severity confidence endpoint location detail { cwe owasp cvss { vector score } description explanation remediation curl evidence { role request response at } } } } } \
            scanReport(id: $id, format: CSV) { content mediaType } }";
        let other = graphql(&client, query, json!({"id": id})).await;
        let scan = &other["data"]["scan"];
        assert_eq!(
            results["reproducible"]["seed"].to_string(),
            scan["results"]["seed"].as_str().expect("text"),
            "{other}"
        );
        assert_eq!(results["reproducible"]["plan_hash"], scan["results"]["planHash"]);
        assert_same(&without(&results["operations"], &["statuses"]), &scan["results"]["operations"], "operations");
        for (rest, graphql) in results["operations"]
            .as_array()
            .expect("rows")
            .iter()
            .zip(scan["results"]["operations"].as_array().expect("rows"))
        {
            let listed = graphql["statuses"]
                .as_array()
                .expect("rows")
                .iter()
                .map(|row| (row["status"].to_string(), row["count"].clone()));
            assert_eq!(Value::Object(listed.collect()), rest["statuses"]);
        }
        let findings = results["findings"].as_array().expect("findings");
        assert_eq!(scan["findings"]["totalCount"], findings.len());
        for (rest, graphql) in findings.iter().zip(scan["findings"]["nodes"].as_array().expect("nodes")) {
            let mut whole = graphql["detail"].clone();
            whole.as_object_mut().expect("a detail").extend(graphql.as_object().expect("an object").clone());
            assert_eq!(rest["id"], whole["fingerprint"]);
            assert_same(&without(rest, &["id", "first_seen"]), &whole, "finding");
        }
        let (status, _) = client.call("GET", &format!("/scan/{id}/export?format=csv"), None).await;
        assert_eq!((status, &other["data"]["scanReport"]["mediaType"]), (200, &json!("text/csv; charset=utf-8")));
    }

    let list = client.get("/scans").await;
    let other =
        graphql(&client, &format!("{{ scans(first: 20) {{ totalCount nodes {{ {SCAN} }} }} }}"), json!({})).await;
    assert_same(&list["scans"], &other["data"]["scans"]["nodes"], "scans");
    assert_eq!(list["total"], other["data"]["scans"]["totalCount"]);

    let usage = client.get("/usage").await;
    let fields: Vec<String> = usage.as_object().expect("an object").keys().map(|name| camel_case(name)).collect();
    let query = format!(
        "{{ usage {{ {} ledger(first: 100) {{ nodes {{ at kind delta scanId reason balance }} }} \
         alerts(first: 20) {{ nodes {{ alertId kind thresholdPercent used limit periodStart message createdAt }} }} }} \
         apiKeys {{ keyId name prefix scopes createdAt lastUsedAt expiresAt revokedAt }} \
         plans {{ planId functionalScans securityScans requestsPerMinute concurrentScans outgoingWebhooks }} \
         billing {{ plan {{ planId }} planEndsAt hasBillingAccount subscription {{ status }} }} }}",
        fields.join(" ")
    );
    let other = graphql(&client, &query, json!({})).await;
    let data = &other["data"];
    assert_same(&usage, &data["usage"], "usage");
    assert_same(&client.get("/usage/ledger").await["entries"], &data["usage"]["ledger"]["nodes"], "ledger");
    let alerts = client.get("/usage/alerts").await;
    assert_same(&without(&alerts["alerts"], &["id", "type"]), &data["usage"]["alerts"]["nodes"], "alerts");
    assert_same(&client.get("/keys").await["keys"], &data["apiKeys"], "keys");
    let plans = client.get("/plans").await;
    let plans = plans["plans"].as_array().or(plans.as_array()).unwrap_or_else(|| panic!("{plans}")).clone();
    assert_same(&without(&json!(plans), &["id"]), &data["plans"], "plans");
    let status = client.get("/billing/status").await;
    assert_eq!(status["plan"], data["billing"]["plan"]["planId"], "{status} {other}");
    assert_eq!(status["has_billing_account"], data["billing"]["hasBillingAccount"], "{status} {other}");
}

/// A call that fails over REST, the same over GraphQL, and the code of both.
struct Failing {
    rest: (&'static str, String, Option<Value>),
    query: String,
    code: &'static str,
}

/// The code of an answer over either wire, wherever it stands.
fn code(answer: &Value) -> String {
    let of_rest = &answer["error"];
    let top = &answer["errors"][0]["extensions"]["code"];
    let payload = &answer["data"]["done"]["userErrors"][0]["code"];
    [of_rest, top, payload]
        .into_iter()
        .find_map(Value::as_str)
        .unwrap_or_else(|| panic!("no code in {answer}"))
        .to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn failures_have_the_same_code_over_both_wires() {
    let dir = tempfile::tempdir().expect("a directory");
    let server = Server::on_sqlite(dir.path(), 2);
    let client = Client::new(server.address).await;
    let (free, _) = client.clone().register_free("free").await;
    let client = client.register("t").await;
    let started = client.call("POST", "/scan", Some(&json!({"url": "http://127.0.0.1:1"}))).await.1;
    let ended = started["scan_id"].as_str().expect("an id").to_owned();
    client.ended(&ended).await;
    let made = client.call("POST", "/keys", Some(&json!({"name": "dead"}))).await.1;
    let dead = made["key_id"].as_str().expect("an id").to_owned();
    assert_eq!(client.call("DELETE", &format!("/keys/{dead}"), None).await.0, 204);

    let case = |method: &'static str, path: &str, body: Option<Value>, query: &str, code: &'static str| Failing {
        rest: (method, path.to_owned(), body),
        query: query.to_owned(),
        code,
    };
    let mutation =
        |field: &str, input: &str| format!("mutation {{ done: {field}(input: {input}) {{ userErrors {{ code }} }} }}");
    let (unknown_key, unknown_scan) = ("zzzzzzzzzz", "scan_00000000000000000000000000");
    let cases = vec![
        case("POST", "/scan", Some(json!({})), &mutation("startScan", "{}"), "VALIDATION_ERROR"),
        case(
            "POST",
            "/scan",
            Some(json!({"url": "ftp://x"})),
            &mutation("startScan", "{url: \"ftp://x\"}"),
            "VALIDATION_ERROR",
        ),
        case(
            "POST",
            "/security-scan",
            Some(json!({"url": "x"})),
            &mutation("startSecurityScan", "{url: \"x\"}"),
            "VALIDATION_ERROR",
        ),
        case(
            "DELETE",
            &format!("/scan/{ended}"),
            None,
            &mutation("cancelScan", &format!("{{id: \"{ended}\"}}")),
            "SCAN_FINISHED",
        ),
        case(
            "DELETE",
            &format!("/scan/{unknown_scan}"),
            None,
            &mutation("cancelScan", &format!("{{id: \"{unknown_scan}\"}}")),
            "NOT_FOUND",
        ),
        case(
            "GET",
            &format!("/scan/{unknown_scan}/export"),
            None,
            &format!("{{ scanReport(id: \"{unknown_scan}\") {{ content }} }}"),
            "NOT_FOUND",
        ),
        case("POST", "/keys", Some(json!({})), &mutation("createApiKey", "{}"), "VALIDATION_ERROR"),
        case(
            "POST",
            "/keys",
            Some(json!({"name": "x", "scopes": ["all"]})),
            &mutation("createApiKey", "{name: \"x\", scopes: [\"all\"]}"),
            "VALIDATION_ERROR",
        ),
        case(
            "POST",
            &format!("/keys/{dead}/rotate"),
            Some(json!({})),
            &mutation("rotateApiKey", &format!("{{id: \"{dead}\"}}")),
            "KEY_NOT_ACTIVE",
        ),
        case(
            "POST",
            &format!("/keys/{unknown_key}/rotate"),
            Some(json!({})),
            &mutation("rotateApiKey", &format!("{{id: \"{unknown_key}\"}}")),
            "NOT_FOUND",
        ),
        case(
            "POST",
            &format!("/keys/{dead}/rotate"),
            Some(json!({"grace_seconds": -1})),
            &mutation("rotateApiKey", &format!("{{id: \"{dead}\", graceSeconds: -1}}")),
            "VALIDATION_ERROR",
        ),
        case(
            "DELETE",
            &format!("/keys/{unknown_key}"),
            None,
            &mutation("revokeApiKey", &format!("{{id: \"{unknown_key}\"}}")),
            "NOT_FOUND",
        ),
        case(
            "POST",
            "/billing/checkout",
            Some(json!({"plan": "pro"})),
            &mutation("createCheckout", "{plan: \"pro\"}"),
            "BILLING_NOT_CONFIGURED",
        ),
        case(
            "POST",
            "/billing/portal",
            Some(json!({})),
            &mutation("createPortalSession", "{}"),
            "BILLING_NOT_CONFIGURED",
        ),
        case(
            "GET",
            "/billing/status?session_id=cs_x",
            None,
            "{ billing(sessionId: \"cs_x\") { hasBillingAccount } }",
            "BILLING_NOT_CONFIGURED",
        ),
        case(
            "GET",
            "/usage/ledger?cursor=x",
            None,
            "{ usage { ledger(first: 1, after: \"x\") { nodes { delta } } } }",
            "VALIDATION_ERROR",
        ),
        case("GET", "/scans?per_page=101", None, "{ scans(first: 101) { nodes { id } } }", "VALIDATION_ERROR"),
        case(
            "GET",
            "/usage/alerts?per_page=0",
            None,
            "{ usage { alerts(first: 0) { nodes { used } } } }",
            "VALIDATION_ERROR",
        ),
    ];
    for Failing { rest: (method, path, body), query, code: expected } in &cases {
        let rest = client.call(method, path, body.as_ref()).await.1;
        let other = graphql(&client, query, json!({})).await;
        assert_eq!(
            (code(&rest).as_str(), code(&other).as_str()),
            (*expected, *expected),
            "{method} {path}: {rest} {other}"
        );
    }

    // Plan, quota and concurrency.
    let target = json!({"url": "http://127.0.0.1:1"});
    let start = |field: &str| mutation(field, "{url: \"http://127.0.0.1:1\"}");
    let (rest, other) = (
        free.call("POST", "/security-scan", Some(&target)).await.1,
        graphql(&free, &start("startSecurityScan"), json!({})).await,
    );
    assert_eq!((code(&rest).as_str(), code(&other).as_str()), ("FEATURE_NOT_AVAILABLE", "FEATURE_NOT_AVAILABLE"));
    for _ in 0..2 {
        // The one that could not be reached was given back.
        let hanging = json!({"url": silent_target().await, "spec_content": "e30="});
        client.call("POST", "/scan", Some(&hanging)).await;
    }
    let (rest, other) =
        (client.call("POST", "/scan", Some(&target)).await.1, graphql(&client, &start("startScan"), json!({})).await);
    assert_eq!((code(&rest).as_str(), code(&other).as_str()), ("QUOTA_EXCEEDED", "QUOTA_EXCEEDED"), "{rest} {other}");
    let hanging = json!({"url": silent_target().await});
    assert_eq!(free.call("POST", "/scan", Some(&hanging)).await.0, 202);
    let (rest, other) =
        (free.call("POST", "/scan", Some(&target)).await.1, graphql(&free, &start("startScan"), json!({})).await);
    assert_eq!(
        (code(&rest).as_str(), code(&other).as_str()),
        ("CONCURRENT_LIMIT", "CONCURRENT_LIMIT"),
        "{rest} {other}"
    );

    // Keys and scopes.
    let narrow = json!({"name": "nothing but usage", "scopes": ["usage:read"]});
    let narrow = client.call("POST", "/keys", Some(&narrow)).await.1;
    let wide = json!({"name": "scans", "scopes": ["scans:read"]});
    let wide = client.call("POST", "/keys", Some(&wide)).await.1;
    for (key, path, query, expected) in [
        ("nat_pk_wrong", "/usage", "{ usage { plan } }", "INVALID_API_KEY"),
        (narrow["api_key"].as_str().expect("a key"), "/scans", "{ scans(first: 1) { nodes { id } } }", "FORBIDDEN"),
        (narrow["api_key"].as_str().expect("a key"), "/keys", "{ apiKeys { name } }", "FORBIDDEN"),
        (wide["api_key"].as_str().expect("a key"), "/usage", "{ usage { plan } }", "FORBIDDEN"),
    ] {
        let client = client.with_key(key);
        let (rest, other) = (client.call("GET", path, None).await.1, graphql(&client, query, json!({})).await);
        assert_eq!((code(&rest).as_str(), code(&other).as_str()), (expected, expected), "{path}: {rest} {other}");
    }
}

/// A target that takes connections and never answers.
async fn silent_target() -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("http://{}", listener.local_addr().expect("bound"));
    tokio::spawn(async move {
        let mut kept = Vec::new();
        while let Ok((stream, _)) = listener.accept().await {
            kept.push(stream);
        }
    });
    url
}
