//! Q-INJ against an endpoint that pastes, and against ones that do not.

use super::super::fixture::*;
use super::inject::Injection;
use crate::check::As;
use crate::spec::RequestBody;

fn types() -> Value {
    let text = json!({"kind": "NON_NULL", "name": null, "ofType": {"kind": "SCALAR", "name": "String"}});
    let title = json!({"name": "title", "type": text, "defaultValue": null});
    let list = json!({"kind": "LIST", "name": null, "ofType": {"kind": "OBJECT", "name": "Book"}});
    let leaf = json!({"name": "title", "args": [], "type": {"kind": "SCALAR", "name": "String"}});
    json!({"data": {"__schema": {
    "queryType": {"name": "Query"},
    "mutationType": {"name": "Mutation"},
    "types": [
        {"kind": "OBJECT", "name": "Query", "fields": [{"name": "books", "args": [title], "type": list}]},
        {"kind": "OBJECT", "name": "Mutation", "fields": [{"name": "removeBooks", "args": [title], "type": list}]},
        {"kind": "OBJECT", "name": "Book", "fields": [leaf]},
    ]}}})
}

/// The condition behind the value, as a database reads `title = '…'`: none when it cannot.
fn condition(value: &str) -> Option<bool> {
    let Some((_, rest)) = value.split_once('\'') else { return Some(false) };
    if value.matches('\'').count() % 2 == 1 {
        return None;
    }
    if rest.starts_with('\'') {
        return Some(false);
    }
    let (one, other) = rest.strip_prefix(" OR '")?.split_once("'='")?;
    Some(one == other)
}

fn books(request: &Request, holds: fn(&str) -> Result<bool, &'static str>) -> Response {
    let body: Value = request.body.as_deref().and_then(|body| serde_json::from_slice(body).ok()).unwrap_or_default();
    let query = body["query"].as_str().unwrap_or_default();
    assert!(!query.starts_with("mutation"), "mutations are left alone");
    match query {
        "{__typename}" => json_answer(200, &json!({"data": {"__typename": "Query"}})),
        _ if query.starts_with("{__schema") => json_answer(200, &types()),
        _ if query == "query($v:String!){probe:books(title:$v){title}}" => {
            match holds(body["variables"]["v"].as_str().unwrap_or_default()) {
                Ok(true) => json_answer(200, &json!({"data": {"probe": [{"title": "Dune"}, {"title": "Emma"}]}})),
                Ok(false) => json_answer(200, &json!({"data": {"probe": []}})),
                // More lines than an empty list has, and yet nothing that was found.
                Err(words) => {
                    let errors =
                        json!([{"message": words, "path": ["probe"], "locations": [{"line": 1, "column": 9}]}]);
                    json_answer(200, &json!({"data": {"probe": null}, "errors": errors}))
                }
            }
        }
        _ => json_answer(200, &json!({"errors": [{"message": "unknown field"}]})),
    }
}

fn documented() -> Api {
    let mut post = operation("POST", "/graphql");
    let content = post.responses.iter().flat_map(|one| one.content.clone()).collect();
    post.body = Some(RequestBody { required: true, content });
    api(vec![post], &[bearer()])
}

fn found(target: fn(&Request, As) -> Response, expected: &[(&str, &str, Severity)]) -> Vec<Finding> {
    Scan::new(documented(), target).check(&Injection, expected)
}

const EXPECTED: &[(&str, &str, Severity)] = &[("POST /graphql", "query books(title)", Severity::Critical)];

#[test]
fn an_argument_that_decides_is_found() {
    let findings = found(|request, _| books(request, |value| condition(value).ok_or("it broke")), EXPECTED);
    assert!(findings.iter().all(|finding| finding.check_id == "Q-INJ"));
}

#[test]
fn an_argument_that_the_database_complains_about_is_found() {
    found(
        |request, _| {
            books(request, |value| match value.matches('\'').count() % 2 {
                0 => Ok(false),
                _ => Err("unterminated quoted string at or near \"'\""),
            })
        },
        EXPECTED,
    );
}

#[test]
fn arguments_that_are_texts_are_not() {
    // A parameter, a search that ignores quotes, a server that refuses them.
    found(|request, _| books(request, |value| Ok(value == "Dune")), &[]);
    found(|request, _| books(request, |value| Ok(value.contains("OR"))), &[]);
    found(|request, _| books(request, |value| if value.contains('\'') { Err("letters only") } else { Ok(false) }), &[]);
    let mut safe = Scan::new(documented(), |request, _| books(request, |value| Ok(condition(value) == Some(true))));
    safe.safe_mode = true;
    safe.check(&Injection, &[]);
}
