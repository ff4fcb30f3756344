//! Mutations: what the caller can mend, order, inputs.

use chrono::TimeDelta;
use serde_json::{Value, json};

use crate::app::{App, target, with_app};

const START: &str = "mutation($input: StartScanInput!) { startScan(input: $input) { scan { scanId status } \
                     userErrors { code message path retryAfter quotaResetDate requiredPlan reason } } }";

async fn start(app: &App, key: &str, input: &Value) -> Value {
    app.data_with(key, START, &json!({"input": input})).await["startScan"].clone()
}

#[tokio::test]
async fn g24_what_can_be_mended_is_in_the_payload() {
    with_app(async |app| {
        let key = app.tenant("t", "free").await;
        let target = json!({"url": "http://127.0.0.1:1"});
        for _ in 0..2 {
            assert_eq!(start(&app, &key, &target).await["scan"]["status"], "QUEUED");
        }
        let refused = start(&app, &key, &target).await;
        assert_eq!(
            refused,
            json!({"scan": null, "userErrors": [{
                "code": "QUOTA_EXCEEDED",
                "message": "You have reached your monthly scan quota. Upgrade your plan or wait for quota reset.",
                "path": null, "retryAfter": null, "quotaResetDate": "2025-02-01T00:00:00Z", "requiredPlan": null, "reason": null,
            }]})
        );
        let wrong = start(&app, &key, &json!({"url": "ftp://x", "options": {"concurrency": 0, "maxSeconds": -1}})).await;
        let mut found: Vec<(Value, Value)> = Vec::new();
        for error in wrong["userErrors"].as_array().expect("errors") {
            found.push((error["code"].clone(), error["path"].clone()));
        }
        let expected = [json!(["input", "url"]), json!(["input", "options", "concurrency"]), json!(["input", "options", "maxSeconds"])];
        assert_eq!(found, expected.map(|path| (json!("VALIDATION_ERROR"), path)));
        let security = "mutation { startSecurityScan(input: {url: \"http://127.0.0.1:1\"}) { userErrors { code requiredPlan } } }";
        let payload = app.data(&key, security).await["startSecurityScan"].clone();
        assert_eq!(payload["userErrors"], json!([{"code": "FEATURE_NOT_AVAILABLE", "requiredPlan": "pro"}]));
        // Nothing that other input helps against: the field fails.
        let portal = app.query(&key, "mutation { createPortalSession(input: {returnUrl: \"https://x.example\"}) { portalUrl } }").await;
        assert_eq!((portal.status, portal.code().as_str()), (200, "BILLING_NOT_CONFIGURED"), "{portal:?}");
        let absent = app.call("POST", "/graphql", &[("content-type", "application/json")], "{}").await;
        absent.assert_refused(401, "INVALID_API_KEY");
    })
    .await;
}

#[tokio::test]
async fn g25_mutations_of_one_document_run_in_order() {
    with_app(async |app| {
        let key = app.tenant("t", "free").await;
        let query = "mutation { \
            bad: startScan(input: {}) { userErrors { code } } \
            one: startScan(input: {url: \"http://127.0.0.1:1\"}) { scan { scanId } } \
            two: startScan(input: {url: \"http://127.0.0.1:1\"}) { scan { scanId } } \
            three: startScan(input: {url: \"http://127.0.0.1:1\"}) { scan { scanId } userErrors { code } } \
            billing: createPortalSession(input: {returnUrl: \"https://x.example\"}) { portalUrl } \
            made: createApiKey(input: {name: \"after a failure\"}) { apiKey { name } } }";
        let answer = app.query(&key, query).await;
        let data = answer.json()["data"].clone();
        assert_eq!(data["bad"]["userErrors"][0]["code"], "VALIDATION_ERROR", "{answer:?}");
        assert!(data["one"]["scan"]["scanId"].is_string() && data["two"]["scan"]["scanId"].is_string(), "{answer:?}");
        assert_eq!(data["three"], json!({"scan": null, "userErrors": [{"code": "QUOTA_EXCEEDED"}]}));
        assert_eq!((&data["billing"], &data["made"]["apiKey"]["name"]), (&Value::Null, &json!("after a failure")));
        let usage = app.data(&key, "{ usage { scansUsed scansRemaining } }").await;
        assert_eq!(usage["usage"], json!({"scansUsed": 2, "scansRemaining": 0}));
    })
    .await;
}

#[tokio::test]
async fn g26_inputs_are_what_the_schema_says() {
    with_app(async |app| {
        let key = app.tenant("t", "pro").await;
        for (query, variables) in [
            ("query($a: Int!) { scans(first: $a) { nodes { id } } }", json!({"a": 2_147_483_648_u64})),
            ("query($a: Int!) { scans(first: $a) { nodes { id } } }", json!({"a": 1.5})),
            ("query($a: Int!) { scans(first: $a) { nodes { id } } }", json!({"a": "1"})),
            ("query($a: ScanFilter) { scans(first: 1, filter: $a) { nodes { id } } }", json!({"a": {"kind": "OTHER"}})),
            ("query($a: ScanFilter) { scans(first: 1, filter: $a) { nodes { id } } }", json!({"a": {"nonsense": 1}})),
            ("query($a: ID!) { scan(id: $a) { id } }", json!({})),
            ("query($a: ID!) { scan(id: $a) { id } }", json!({"a": null})),
            ("mutation($a: DateTime) { createApiKey(input: {name: \"x\", expiresAt: $a}) { secret } }", json!({"a": "soon"})),
        ] {
            let answer = app.post(&key, &json!({"query": query, "variables": variables})).await;
            assert_eq!(answer.code(), "GRAPHQL_VALIDATION_FAILED", "{query} {variables}: {answer:?}");
        }
        // An id may be written as a number.
        let answer = app.query(&key, "{ scan(id: 12345) { id } }").await;
        assert_eq!(answer.json(), json!({"data": {"scan": null}}));

        // Absent keeps what null takes away: a decision is only taken back when it is asked for.
        let target = target().await;
        app.scan(&key, &target.url).await;
        let id = app.data(&key, "{ findings(first: 1) { nodes { id } } }").await["findings"]["nodes"][0]["id"].clone();
        let decide = async |input: Value| {
            let query = "mutation($input: SetFindingStatusInput!) { setFindingStatus(input: $input) { finding { triage { status reason expiresAt } } userErrors { code path } } }";
            let mut input = input;
            input["id"] = id.clone();
            app.data_with(&key, query, &json!({"input": input})).await["setFindingStatus"].clone()
        };
        let later = "2025-01-16T12:00:00Z";
        let accepted = decide(json!({"status": "ACCEPTED_RISK", "reason": "known", "expiresAt": later})).await;
        assert_eq!(accepted["finding"]["triage"], json!({"status": "ACCEPTED_RISK", "reason": "known", "expiresAt": later}));
        for (input, field) in [
            (json!({"status": "FALSE_POSITIVE"}), "reason"),
            (json!({"status": "FALSE_POSITIVE", "reason": " "}), "reason"),
            (json!({"status": "FALSE_POSITIVE", "reason": "x".repeat(1_001)}), "reason"),
            (json!({"status": "FALSE_POSITIVE", "reason": "x", "expiresAt": "2025-01-01T00:00:00Z"}), "expiresAt"),
        ] {
            let payload = decide(input.clone()).await;
            assert_eq!(payload["userErrors"], json!([{"code": "VALIDATION_ERROR", "path": ["input", field]}]), "{input}");
        }
        let triaged = async || {
            let found = app.data(&key, "{ findings(first: 10, filter: {triaged: true}) { nodes { id triage { status } } } }").await;
            found["findings"]["nodes"].as_array().map(Vec::len)
        };
        assert_eq!(triaged().await, Some(1));
        app.clock.advance(TimeDelta::days(1));
        assert_eq!(triaged().await, Some(0), "from the instant of its expiry on it does not hold");
        decide(json!({"status": "FALSE_POSITIVE", "reason": "for good"})).await;
        // It holds for later scans of the target too.
        app.scan(&key, &target.url).await;
        assert_eq!(triaged().await, Some(1));
        assert_eq!(decide(json!({"status": null})).await["finding"]["triage"], Value::Null);
        assert_eq!(triaged().await, Some(0));
    })
    .await;
}

#[tokio::test]
async fn keys_are_made_replaced_and_revoked() {
    with_app(async |app| {
        let key = app.tenant("t", "pro").await;
        let made = app.data(&key, "mutation { createApiKey(input: {name: \"ci\", scopes: [\"usage:read\"]}) { secret apiKey { id keyId scopes } } }").await;
        let made = &made["createApiKey"];
        let secret = made["secret"].as_str().expect("shown once").to_owned();
        assert!(secret.starts_with(&format!("nat_pk_{}", made["apiKey"]["keyId"].as_str().expect("an id"))));
        let rotate = "mutation($id: ID!) { rotateApiKey(input: {id: $id}) { secret apiKey { id } userErrors { code } } }";
        let rotated = app.data_with(&key, rotate, &json!({"id": made["apiKey"]["id"]})).await["rotateApiKey"].clone();
        let next = rotated["secret"].as_str().expect("shown once").to_owned();
        app.query(&secret, "{ __typename }").await.assert_refused(401, "INVALID_API_KEY");
        assert_eq!(app.query(&next, "{ usage { plan } }").await.status, 200);
        let again = app.data_with(&key, rotate, &json!({"id": made["apiKey"]["id"]})).await["rotateApiKey"].clone();
        assert_eq!(again["userErrors"], json!([{"code": "KEY_NOT_ACTIVE"}]));
        let revoke = "mutation($id: ID!) { revokeApiKey(input: {id: $id}) { revokedId userErrors { code } } }";
        let revoked = app.data_with(&key, revoke, &json!({"id": rotated["apiKey"]["id"]})).await["revokeApiKey"].clone();
        assert_eq!(revoked["revokedId"], rotated["apiKey"]["id"]);
        app.query(&next, "{ __typename }").await.assert_refused(401, "INVALID_API_KEY");
    })
    .await;
}
