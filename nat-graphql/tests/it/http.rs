//! GraphQL over HTTP.

use std::sync::atomic::Ordering;

use nat_core::ScanId;
use nat_core::access::CreateApiKey;
use nat_core::secret::ExposeSecret;
use nat_core::{Actor, PlanId, Scope, TenantId};
use nat_graphql::{Introspection, Settings};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::app::{App, quick, target, with_app, with_settings};

const USAGE: &str = "{ usage { tenantId plan scansUsed scansLimit scansRemaining quotaResetDate periodEnd } }";
const RESPONSE_JSON: &str = "application/graphql-response+json";

async fn narrow_key(app: &App, tenant: &str, scopes: &[&str]) -> String {
    let actor = Actor::system(TenantId::from(tenant), PlanId::from("pro"));
    let scopes = Some(scopes.iter().map(|scope| (*scope).to_owned()).collect());
    let input = CreateApiKey { name: "narrow".to_owned(), scopes, expires_at: None };
    app.services.keys.create(&actor, input).await.expect("a key").secret.expose_secret().to_owned()
}

#[tokio::test]
async fn usage_shows_the_viewers_own_period() {
    with_app(async |app| {
        let (ann, bob) = (app.tenant("ann", "free").await, app.tenant("bob", "free").await);
        for (name, key) in [("ann", &ann), ("bob", &bob)] {
            let answer = app.query(key, USAGE).await;
            assert_eq!(answer.status, 200);
            assert_eq!(answer.header("ratelimit-policy"), r#""tenant";q=100000;w=60"#);
            let usage = json!({
                "tenantId": name, "plan": "free", "scansUsed": 0, "scansLimit": 2, "scansRemaining": 2,
                "quotaResetDate": "2025-02-01T00:00:00Z", "periodEnd": "2025-01-31T23:59:59Z",
            });
            assert_eq!(answer.json(), json!({"data": {"usage": usage}}));
        }
    })
    .await;
}

#[tokio::test]
async fn refusals_have_the_codes_of_the_registry() {
    with_app(async |app| {
        let key = app.tenant("t", "pro").await;
        let json_type = ("content-type", "application/json");
        let absent = app.call("POST", "/graphql", &[json_type], "not json").await;
        absent.assert_refused(401, "INVALID_API_KEY");
        assert!(absent.header("www-authenticate").contains("X-API-Key"));
        app.query("nat_pk_x", USAGE).await.assert_refused(401, "INVALID_API_KEY");
        let with_key = [("x-api-key", key.as_str()), json_type];
        app.call("POST", "/graphql", &with_key, "not json").await.assert_refused(400, "MALFORMED_JSON");
        app.call("POST", "/graphql", &with_key, "{}").await.assert_refused(400, "MALFORMED_JSON");
        app.call("POST", "/graphql", &with_key, &" ".repeat((1 << 20) + 1))
            .await
            .assert_refused(413, "PAYLOAD_TOO_LARGE");
        let delete = app.call("DELETE", "/graphql", &with_key, "").await;
        delete.assert_refused(405, "METHOD_NOT_ALLOWED");
        assert_eq!(delete.header("allow"), "GET, POST");
    })
    .await;
}

#[tokio::test]
async fn request_id_is_in_every_error() {
    with_app(async |app| {
        let key = app.tenant("t", "pro").await;
        let headers =
            [("x-api-key", key.as_str()), ("content-type", "application/json"), ("x-request-id", "req_of_the_test")];
        for query in ["{ nonsense }", "{", "{ scans(first: 0) { nodes { id } } }"] {
            let answer = app.call("POST", "/graphql", &headers, &json!({"query": query}).to_string()).await;
            let body = answer.json();
            assert_eq!(body["errors"][0]["extensions"]["requestId"], "req_of_the_test", "{query}: {body}");
        }
    })
    .await;
}

#[tokio::test]
async fn g09_batches_only_when_configured() {
    let batch = |count: usize| Value::from(vec![json!({"query": "{ usage { plan } }"}); count]);
    with_app(async |app| {
        let key = app.tenant("t", "pro").await;
        for count in [1, 2_000] {
            app.post(&key, &batch(count)).await.assert_refused(400, "MALFORMED_JSON");
        }
    })
    .await;
    with_settings(Settings { max_batch: 10, ..quick() }, async |app| {
        let key = app.tenant("t", "slow").await;
        let remaining = async || app.data(&key, "{ rateLimit { remaining } }").await["rateLimit"]["remaining"].as_u64();
        let before = remaining().await.expect("a number");
        let answer = app.post(&key, &batch(10)).await;
        assert_eq!(answer.json().as_array().map(Vec::len), Some(10), "{answer:?}");
        // Each pays for itself; admission took one, and asking again takes one.
        let spent = before - remaining().await.expect("a number");
        assert_eq!(spent, 10 + 1 + 1);
        for count in [0, 11] {
            app.post(&key, &batch(count)).await.assert_refused(400, "MALFORMED_JSON");
        }
    })
    .await;
}

#[tokio::test]
async fn g12_get_is_for_queries() {
    with_app(async |app| {
        let key = app.tenant("t", "pro").await;
        let get = async |query: &str| {
            let uri = format!(
                "/graphql?query={}",
                query.replace(' ', "+").replace('{', "%7B").replace('}', "%7D").replace('"', "%22")
            );
            app.call("GET", &uri, &[("x-api-key", &key)], "").await
        };
        let answer = get("{ usage { plan } }").await;
        assert_eq!((answer.status, &answer.json()["data"]["usage"]["plan"]), (200, &json!("pro")), "{answer:?}");
        for query in
            ["mutation { createApiKey(input: {name: \"x\"}) { secret } }", "subscription { usageAlerts { alertId } }"]
        {
            let answer = get(query).await;
            answer.assert_refused(405, "METHOD_NOT_ALLOWED");
            assert_eq!(answer.header("allow"), "POST");
        }
        let keys = app.data(&key, "{ apiKeys { name } }").await;
        assert_eq!(keys["apiKeys"].as_array().map(Vec::len), Some(1), "nothing was made: {keys}");
        let named = "/graphql?query=query+A+%7B+usage+%7B+plan+%7D+%7D&operationName=A&variables=%7B%7D";
        assert_eq!(app.call("GET", named, &[("x-api-key", &key)], "").await.status, 200);
        for uri in ["/graphql", "/graphql?query=", "/graphql?query=%7B__typename%7D&variables=%5B%5D"] {
            assert!(app.call("GET", uri, &[("x-api-key", &key)], "").await.json()["errors"].is_array(), "{uri}");
        }
    })
    .await;
}

#[tokio::test]
async fn g13_only_json_in_utf8_is_read() {
    with_app(async |app| {
        let key = app.tenant("t", "pro").await;
        let body = json!({"query": "{ usage { plan } }"}).to_string();
        for (kind, passes) in [
            ("application/json", true),
            ("application/json; charset=utf-8", true),
            ("APPLICATION/JSON;charset=\"UTF-8\"", true),
            ("application/json; charset=iso-8859-1", false),
            ("text/plain", false),
            ("application/x-www-form-urlencoded", false),
            ("multipart/form-data; boundary=x", false),
            ("application/graphql", false),
            ("", false),
        ] {
            let answer = app.call("POST", "/graphql", &[("x-api-key", &key), ("content-type", kind)], &body).await;
            if passes {
                assert_eq!(answer.status, 200, "{kind}: {answer:?}");
            } else {
                answer.assert_refused(415, "UNSUPPORTED_MEDIA_TYPE");
            }
        }
        app.call("POST", "/graphql", &[("x-api-key", &key)], &body).await.assert_refused(415, "UNSUPPORTED_MEDIA_TYPE");
    })
    .await;
}

#[tokio::test]
async fn g14_answer_is_what_the_client_accepts() {
    with_app(async |app| {
        let key = app.tenant("t", "pro").await;
        let ask = async |accept: Option<&str>, query: &str| {
            let mut headers = vec![("x-api-key", key.as_str()), ("content-type", "application/json")];
            headers.extend(accept.map(|accept| ("accept", accept)));
            app.call("POST", "/graphql", &headers, &json!({"query": query}).to_string()).await
        };
        for wrong in ["{ nonsense }", "{", "query A($a: Int!) { scans(first: $a) { nodes { id } } }"] {
            for accept in [None, Some("*/*"), Some("application/json")] {
                let answer = ask(accept, wrong).await;
                assert_eq!((answer.status, answer.header("content-type")), (200, "application/json; charset=utf-8"));
            }
            let answer = ask(Some(RESPONSE_JSON), wrong).await;
            assert_eq!(answer.status, 400, "{wrong}: {answer:?}");
            assert_eq!(answer.header("content-type"), format!("{RESPONSE_JSON}; charset=utf-8"));
            assert!(answer.json().get("data").is_none(), "{answer:?}");
        }
        assert_eq!(ask(Some(RESPONSE_JSON), USAGE).await.status, 200);
        // A field that fails is no reason to refuse the document.
        let partly = ask(Some(RESPONSE_JSON), "{ plans { planId } scans(first: 0) { nodes { id } } }").await;
        assert_eq!(partly.status, 200, "{partly:?}");
        ask(Some("text/html"), USAGE).await.assert_refused(406, "NOT_ACCEPTABLE");
        ask(Some("application/json; charset=latin1"), USAGE).await.assert_refused(406, "NOT_ACCEPTABLE");
        ask(None, "subscription { usageAlerts { alertId } }").await.assert_refused(406, "NOT_ACCEPTABLE");
    })
    .await;
}

/// The audits of npm's graphql-http are run in `.ci/graphql`; these are the ones that the stock server fails.
#[tokio::test]
async fn g15_audits_that_the_stock_server_fails() {
    with_app(async |app| {
        let key = app.tenant("t", "pro").await;
        let headers = [("x-api-key", key.as_str()), ("content-type", "application/json"), ("accept", RESPONSE_JSON)];
        for (body, status) in [
            (r#"{"notquery":1}"#, 400),
            (r#"{"query":7}"#, 400),
            (r#"{"query":"{ __typename }","variables":"x"}"#, 400),
            (r#"{"query":"{ __typename }","operationName":1}"#, 400),
            (r#"{"query":"{ __typename }","extensions":0}"#, 400),
            (r#"{ "not a JSON""#, 400),
            (r#"{"query":"{"}"#, 400),
            (r#"{"query":"{ __typename }","operationName":null,"variables":null,"extensions":null}"#, 200),
            (r#"{"query":"query A { __typename }","operationName":"B"}"#, 400),
        ] {
            let answer = app.call("POST", "/graphql", &headers, body).await;
            assert_eq!(answer.status, status, "{body}: {answer:?}");
        }
    })
    .await;
}

#[tokio::test]
async fn g16_failures_of_the_inside_are_masked() {
    with_app(async |app| {
        let key = app.tenant("t", "pro").await;
        assert_eq!(app.query(&key, USAGE).await.status, 200);
        app.store.clone().close().await;
        // The key is still known for a moment; what needs the database says nothing of it.
        let answer = app.query(&key, "{ scans(first: 1) { nodes { id } } plans { planId } }").await;
        let text = answer.text.to_lowercase();
        for word in ["select", "sqlite", "postgres", "pool", "connection", "sqlx", "panick"] {
            assert!(!text.contains(word), "{word} in {answer:?}");
        }
        assert!(["SERVICE_UNAVAILABLE", "INTERNAL"].contains(&answer.code().as_str()), "{answer:?}");
        assert!(answer.json()["data"]["plans"].is_array(), "{answer:?}");
    })
    .await;
}

#[tokio::test]
async fn g17_panic_of_a_resolver_stays_in_its_field() {
    with_app(async |app| {
        let key = app.tenant("t", "pro").await;
        app.sabotage.entropy_panics.store(true, Ordering::SeqCst);
        let query = "mutation { one: createApiKey(input: {name: \"a\"}) { secret } \
                     two: revokeApiKey(input: {id: \"zzzzzzzzzz\"}) { userErrors { code } } }";
        let answer = app.query(&key, query).await;
        let body = answer.json();
        assert_eq!((answer.status, answer.code().as_str()), (200, "INTERNAL"), "{answer:?}");
        assert_eq!(body["errors"][0]["path"], json!(["one"]), "{answer:?}");
        assert_eq!(body["data"], json!({"one": null, "two": {"userErrors": [{"code": "NOT_FOUND"}]}}));
        assert!(!answer.text.contains("secret of the inside"), "{answer:?}");
        app.sabotage.entropy_panics.store(false, Ordering::SeqCst);
        assert_eq!(app.query(&key, USAGE).await.status, 200);
    })
    .await;
}

#[tokio::test]
async fn g18_schema_is_shown_to_those_who_may_see_it() {
    const SCHEMA: &str = "{ __schema { queryType { name } } __type(name: \"Usage\") { name } }";
    with_app(async |app| {
        let key = app.tenant("t", "pro").await;
        assert_eq!(app.data(&key, SCHEMA).await["__schema"]["queryType"]["name"], "Query");
        assert!(app.query(&key, "{ usag { plan } }").await.text.contains("Did you mean"));
        let anonymous = app.call("POST", "/graphql", &[("content-type", "application/json")], SCHEMA).await;
        anonymous.assert_refused(401, "INVALID_API_KEY");
    })
    .await;
    let hosted = Settings { introspection: Introspection::With(Scope::SchemaRead), ..quick() };
    with_settings(hosted, async |app| {
        let key = app.tenant("t", "pro").await;
        assert_eq!(app.data(&key, SCHEMA).await["__schema"]["queryType"]["name"], "Query");
        let narrow = narrow_key(&app, "t", &["usage:read"]).await;
        let answer = app.query(&narrow, SCHEMA).await;
        assert!(!answer.text.contains("Query\""), "{answer:?}");
        assert_eq!(app.data(&narrow, "{ __typename usage { __typename } }").await["__typename"], "Query");
        assert!(!app.query(&narrow, "{ usag { plan } }").await.text.contains("Did you mean"));
    })
    .await;
}

#[tokio::test]
async fn g19_field_that_fails_is_null_alone() {
    with_app(async |app| {
        app.tenant("t", "pro").await;
        let narrow = narrow_key(&app, "t", &["usage:read"]).await;
        let query = "{ usage { plan } scans(first: 1) { nodes { id } } viewer { tenant { tenantId } scopes } apiKeys { name } }";
        let answer = app.query(&narrow, query).await;
        let body = answer.json();
        assert_eq!(body["data"]["usage"]["plan"], "pro", "{answer:?}");
        assert_eq!(body["data"]["viewer"], json!({"tenant": {"tenantId": "t"}, "scopes": ["usage:read"]}));
        assert_eq!((&body["data"]["scans"], &body["data"]["apiKeys"]), (&Value::Null, &Value::Null));
        let mut failed: Vec<(String, String)> = Vec::new();
        for error in body["errors"].as_array().expect("errors") {
            assert_eq!(error["extensions"]["code"], "FORBIDDEN");
            let scope = error["extensions"]["requiredScope"].as_str().expect("a scope").to_owned();
            failed.push((error["path"][0].as_str().expect("a path").to_owned(), scope));
        }
        failed.sort();
        let expected = [("apiKeys", "keys:read"), ("scans", "scans:read")];
        assert_eq!(failed, expected.map(|(field, scope)| (field.to_owned(), scope.to_owned())));
    })
    .await;
}

#[tokio::test]
async fn g22_persisted_queries_are_each_tenants_own() {
    with_app(async |app| {
        let (ann, bob) = (app.tenant("ann", "pro").await, app.tenant("bob", "pro").await);
        let query = "{ usage { tenantId } }";
        let hash = hex::encode(Sha256::digest(query));
        let extension = json!({"persistedQuery": {"version": 1, "sha256Hash": hash}});
        let by_hash = json!({"extensions": extension});
        let whole = json!({"query": query, "extensions": extension});
        let unknown = app.post(&ann, &by_hash).await;
        assert_eq!((unknown.status, unknown.code().as_str()), (200, "PERSISTED_QUERY_NOT_FOUND"), "{unknown:?}");
        assert_eq!(unknown.json()["errors"][0]["message"], "PersistedQueryNotFound");
        assert_eq!(app.post(&ann, &whole).await.json()["data"]["usage"]["tenantId"], "ann");
        assert_eq!(app.post(&ann, &by_hash).await.json()["data"]["usage"]["tenantId"], "ann");
        // Another tenant neither finds it nor gets what the first one sees.
        assert_eq!(app.post(&bob, &by_hash).await.code(), "PERSISTED_QUERY_NOT_FOUND");
        assert_eq!(app.post(&bob, &whole).await.json()["data"]["usage"]["tenantId"], "bob");
        let wrong = json!({"query": "{ __typename }", "extensions": extension});
        assert_eq!(app.post(&ann, &wrong).await.code(), "PERSISTED_QUERY_MISMATCH");
        let uri = format!(
            "/graphql?extensions=%7B%22persistedQuery%22:%7B%22version%22:1,%22sha256Hash%22:%22{hash}%22%7D%7D"
        );
        let answer = app.call("GET", &uri, &[("x-api-key", &ann)], "").await;
        assert_eq!(answer.json()["data"]["usage"]["tenantId"], "ann", "{answer:?}");
    })
    .await;
}

#[tokio::test]
async fn g32_client_that_leaves_takes_its_work_with_it() {
    with_app(async |app| {
        let key = app.tenant("t", "pro").await;
        let address = app.address().await;
        app.sabotage.limiter_hangs.store(true, Ordering::SeqCst);
        let body = json!({"query": "{ a: usage { plan } b: usage { plan } c: usage { plan } }"}).to_string();
        let mut client = tokio::net::TcpStream::connect(address).await.expect("a connection");
        let head = format!(
            "POST /graphql HTTP/1.1\r\nHost: x\r\nX-API-Key: {key}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n",
            body.len()
        );
        client.write_all(head.as_bytes()).await.expect("written");
        client.write_all(body.as_bytes()).await.expect("written");
        app.sabotage.limiter_entered.notified().await;
        drop(client);
        app.sabotage.limiter_dropped.notified().await;
    })
    .await;
}

#[tokio::test]
async fn rate_limit_is_the_tenants() {
    with_app(async |app| {
        let key = app.tenant("t", "slow").await;
        // A hundred of what costs one are a hundred calls.
        let many: String = (0..20).map(|n| format!("a{n}: usage {{ plan }} ")).collect();
        for _ in 0..5 {
            assert_eq!(app.query(&key, &format!("{{ {many} }}")).await.status, 200);
        }
        let limited = app.query(&key, "{ usage { plan } }").await;
        limited.assert_refused(429, "RATE_LIMITED");
        assert_eq!(limited.json()["errors"][0]["extensions"]["retryAfter"].to_string(), limited.header("retry-after"));
    })
    .await;
}

#[tokio::test]
async fn document_too_dear_for_the_bucket_is_not_run() {
    with_app(async |app| {
        let key = app.tenant("t", "slow").await;
        let dear: String = (0..20).map(|n| format!("a{n}: usage {{ plan }} ")).collect();
        for _ in 0..4 {
            assert_eq!(app.query(&key, &format!("{{ {dear} }}")).await.status, 200);
        }
        let dearer = format!("{{ {dear} viewer {{ scopes }} }}");
        app.query(&key, &dearer).await.assert_refused(400, "QUERY_REFUSED");
        let refused = app.query(&key, "{ scans(first: 100) { nodes { findings(first: 21) { nodes { id } } } } }").await;
        refused.assert_refused(429, "RATE_LIMITED");
        let cost = &refused.json()["errors"][0]["extensions"]["cost"];
        assert_eq!((&cost["requested"], &cost["limit"]), (&json!(22), &json!(100)), "{refused:?}");
        // Only the fee for reading them was charged.
        assert!(cost["remaining"].as_u64().is_some_and(|left| left >= 17), "{cost}");
        assert_eq!(app.query(&key, "{ usage { plan } }").await.status, 200);
    })
    .await;
}

#[tokio::test]
async fn event_stream_tells_a_scan_to_its_end() {
    with_app(async |app| {
        let key = app.tenant("t", "pro").await;
        let target = target().await;
        let id = app.start(&key, &target.url).await;
        let body = json!({
            "query": "subscription($id: ID!) { scanProgress(id: $id) { status progress { percent } } }",
            "variables": {"id": id},
        })
        .to_string();
        let headers =
            [("x-api-key", key.as_str()), ("content-type", "application/json"), ("accept", "text/event-stream")];
        let (answer, ()) = tokio::join!(
            app.call("POST", "/graphql", &headers, &body),
            app.services.scans.execute(ScanId::from(id.as_str()))
        );
        assert_eq!((answer.status, answer.header("content-type")), (200, "text/event-stream"), "{answer:?}");
        let events: Vec<&str> = answer.text.split("\n\n").filter(|event| !event.is_empty()).collect();
        let (last, answers) = events.split_last().expect("events");
        assert!(last.starts_with("event: complete"), "{events:?}");
        assert!(answers.iter().all(|event| event.starts_with("event: next\ndata: ")), "{events:?}");
        assert!(answers.last().is_some_and(|event| event.contains("COMPLETED")), "{events:?}");
        let wrong = app.call("POST", "/graphql", &headers, &json!({"query": "{ nonsense }"}).to_string()).await;
        assert!(
            wrong.text.contains("GRAPHQL_VALIDATION_FAILED") && wrong.text.contains("event: complete"),
            "{wrong:?}"
        );
    })
    .await;
}

#[tokio::test]
async fn event_streams_of_a_tenant_are_few() {
    with_settings(Settings { max_connections: 2, ..quick() }, async |app| {
        let key = app.tenant("t", "pro").await;
        let address = app.address().await;
        let body = json!({"query": "subscription { usageAlerts { alertId } }"}).to_string();
        let open = async || {
            let mut client = tokio::net::TcpStream::connect(address).await.expect("a connection");
            let head = format!(
                "POST /graphql HTTP/1.1\r\nHost: x\r\nX-API-Key: {key}\r\nContent-Type: application/json\r\n\
                 Accept: text/event-stream\r\nContent-Length: {}\r\n\r\n{body}",
                body.len()
            );
            client.write_all(head.as_bytes()).await.expect("written");
            let mut status = [0; 12];
            client.read_exact(&mut status).await.expect("a status line");
            (client, String::from_utf8_lossy(&status).into_owned())
        };
        let (first, second, third) = (open().await, open().await, open().await);
        assert_eq!([&*first.1, &*second.1, &*third.1], ["HTTP/1.1 200", "HTTP/1.1 200", "HTTP/1.1 429"]);
    })
    .await;
}

#[tokio::test]
async fn event_stream_that_is_cut_off_says_why() {
    with_app(async |app| {
        let key = app.tenant("t", "pro").await;
        let made = app.data(&key, "mutation { createApiKey(input: {name: \"x\"}) { secret apiKey { id } } }").await;
        let made = &made["createApiKey"];
        let headers = [
            ("x-api-key", made["secret"].as_str().expect("a key")),
            ("content-type", "application/json"),
            ("accept", "text/event-stream"),
        ];
        let body = json!({"query": "subscription { usageAlerts { alertId } }"}).to_string();
        let revoke = format!("mutation {{ revokeApiKey(input: {{id: {}}}) {{ revokedId }} }}", made["apiKey"]["id"]);
        let (answer, _) = tokio::join!(app.call("POST", "/graphql", &headers, &body), app.data(&key, &revoke));
        // Whichever was first: a key that is dead is told so.
        assert!(answer.text.contains("INVALID_API_KEY"), "{answer:?}");
    })
    .await;
}
