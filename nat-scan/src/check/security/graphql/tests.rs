//! Each check against an endpoint with its defect, and against one without.

use super::super::fixture::*;
use super::depth::Depth;
use super::{CHECKS, alone};
use crate::check::{As, SecurityCheck};

fn field(name: &str, kind: &str, of: &str) -> Value {
    json!({"name": name, "args": [], "type": {"kind": kind, "name": of}})
}

fn types() -> Value {
    json!({"data": {"__schema": {
    "queryType": {"name": "Query"},
    "mutationType": {"name": "Mutation"},
    "types": [
        {"kind": "OBJECT", "name": "Query", "fields": [field("viewer", "OBJECT", "User")]},
        {"kind": "OBJECT", "name": "Mutation", "fields": []},
        {"kind": "OBJECT", "name": "User", "fields": [field("note", "OBJECT", "Note")]},
        {"kind": "OBJECT", "name": "Note", "fields": [field("owner", "OBJECT", "User")]},
    ]}}})
}

fn fault(message: &str) -> Response {
    json_answer(200, &json!({"errors": [{"message": message}]}))
}

/// The query of a request by either method.
fn query(request: &Request) -> String {
    if let Some((_, query)) = request.target.split_once("?query=") {
        let bytes = url::form_urlencoded::parse(format!("q={query}").as_bytes()).into_owned().next();
        return bytes.map(|(_, text)| text).unwrap_or_default();
    }
    let body: Value = request.body.as_deref().and_then(|body| serde_json::from_slice(body).ok()).unwrap_or_default();
    body["query"].as_str().unwrap_or_default().to_owned()
}

/// Right in every way: a schema for users, limits, nothing by GET but queries.
fn careful(request: &Request, who: As) -> Response {
    if request.target.split('?').next() != Some("/graphql") {
        return not_found();
    }
    let query = query(request);
    match query.as_str() {
        _ if query.contains("nat") => fault("unknown field"),
        "{__typename}" => json_answer(200, &json!({"data": {"__typename": "Query"}})),
        _ if query.starts_with("{__schema") && who == As::Primary => json_answer(200, &types()),
        _ if query.matches('{').count() > 8 => fault("too deep"),
        _ if query.contains("viewer{") && !query.contains("a1:") && query.len() < 1_000 => {
            json_answer(200, &json!({"data": {"viewer": {}}}))
        }
        _ => fault("refused"),
    }
}

/// Wrong in every way.
fn careless(request: &Request, who: As) -> Response {
    let html = request.header("accept").is_some_and(|accept| accept == b"text/html");
    if html && request.target == "/graphql" {
        return answer(200, &[("Content-Type", "text/html")], "<title>GraphiQL</title>");
    }
    if request.body.as_deref().is_some_and(|body| body.starts_with(b"[")) {
        let one = json!({"data": {"__typename": "Query"}});
        let wrong = String::from_utf8_lossy(request.body.as_deref().unwrap_or_default()).contains("nat");
        return if wrong { fault("unknown field") } else { json_answer(200, &Value::from(vec![one; 10])) };
    }
    let query = query(request);
    if query.contains('@') {
        let errors = vec![json!({"message": "unknown directive"}); query.matches('@').count()];
        return json_answer(200, &json!({ "errors": errors }));
    }
    if query.contains("nat") {
        let trace = json!(["Error", "    at a (/srv/a.js:1:1)"]);
        return json_answer(
            200,
            &json!({"errors": [{"message": "unknown", "extensions": {"exception": {"stacktrace": trace}}}]}),
        );
    }
    match query.as_str() {
        "{__typename}" => json_answer(
            200,
            &json!({"data": {"__typename": "Query"}, "extensions": {"tracing": {"version": 1, "startTime": ""}}}),
        ),
        "mutation{__typename}" => json_answer(200, &json!({"data": {"__typename": "Mutation"}})),
        "{viewerq}" => fault("Unknown field viewerq. Did you mean viewer?"),
        _ if query.starts_with("{__schema") => json_answer(200, &types()),
        _ if query.starts_with("{a1:") => {
            let all: BTreeMap<String, Value> = (0..101).map(|number| (format!("a{number}"), json!({}))).collect();
            json_answer(200, &json!({ "data": all }))
        }
        _ if query.starts_with("{viewer{") => json_answer(200, &json!({"data": {"viewer": {}}})),
        _ => careful(request, who),
    }
}

fn mirror(request: &Request, _: As) -> Response {
    json_answer(200, &json!({"data": {"__typename": "Query", "echo": query(request)}}))
}

fn documented() -> Api {
    api(vec![operation("POST", "/graphql")], &[bearer()])
}

#[test]
fn each_defect_is_found() {
    let cases: [(&dyn SecurityCheck, &str, Severity); 11] = [
        (&alone::INTROSPECTION, "introspection", Severity::Low),
        (&alone::SUGGESTIONS, "suggestions", Severity::Low),
        (&alone::ALIASES, "aliases", Severity::Low),
        (&alone::DIRECTIVES, "directives", Severity::Low),
        (&alone::REPEATS, "repeats", Severity::Low),
        (&alone::BATCHES, "batch", Severity::Low),
        (&alone::MUTATION_BY_FORM, "mutation", Severity::Low),
        (&alone::IDE, "ide", Severity::Info),
        (&alone::TRACING, "extensions", Severity::Low),
        (&alone::TRACES_OF_ERRORS, "errors", Severity::Medium),
        (&Depth, "depth", Severity::Medium),
    ];
    for (check, location, severity) in cases {
        println_on_failure(check.info().id, || {
            Scan::new(documented(), careless).check(check, &[("POST /graphql", location, severity)]);
        });
    }
}

#[test]
fn twins_are_silent() {
    let cut = |request: &Request, who: As| match careless(request, who) {
        response if response.body.len() > 300 => text_answer(200, "cut"),
        response => response,
    };
    for check in CHECKS {
        println_on_failure(check.info().id, || {
            Scan::new(documented(), careful).check(*check, &[]);
            Scan::new(documented(), mirror).check(*check, &[]);
            Scan::new(documented(), |_, _| answer(200, &[("Content-Type", "text/html")], CATCH_ALL)).check(*check, &[]);
        });
    }
    // Without a schema there is no circle to follow.
    Scan::new(documented(), cut).check(&Depth, &[]);
}

#[test]
fn an_endpoint_that_the_document_does_not_name_is_found() {
    let other = api(vec![operation("GET", "/items")], &[bearer()]);
    // It answers at every usual place, and is reported at the first.
    Scan::new(other, careless).check(&alone::TRACING, &[("POST /graphql", "extensions", Severity::Low)]);
}
