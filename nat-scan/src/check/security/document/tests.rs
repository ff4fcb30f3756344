//! Each rule against a document that breaks it and against one that keeps it.

use chrono::DateTime;
use serde_json::{Value, json};

use super::{CHECKS, RULES, static_findings};
use crate::finding::{FindingBuilder, Redactor, Severity};
use crate::spec::{Api, SpecLimits, load};

fn read(document: &Value) -> Api {
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    let text = document.to_string();
    runtime.block_on(load(text.as_bytes(), None, None, SpecLimits::default())).expect("a document")
}

/// Ids of the rules that a document breaks, with the severity and the number of places.
fn broken(document: &Value) -> Vec<(String, Severity, String)> {
    let report = FindingBuilder::new("http://shop.test:80", Redactor::new());
    let found = static_findings(&read(document), &report, DateTime::UNIX_EPOCH);
    for finding in &found {
        assert_eq!((finding.endpoint.as_str(), finding.evidence[0].role.as_str()), ("*", "static"));
        assert!(finding.steps.is_empty() && finding.spec_pointer.is_some());
    }
    found.into_iter().map(|finding| (finding.check_id, finding.severity, finding.explanation)).collect()
}

/// A document that keeps every rule.
fn sound() -> Value {
    json!({
        "openapi": "3.1.0", "info": {"title": "Shop", "version": "1"},
        "servers": [{"url": "https://api.shop.example/v1"}],
        "security": [{"token": []}],
        "components": {"securitySchemes": {"token": {"type": "http", "scheme": "bearer"}}},
        "paths": {"/orders": {
            "get": {
                "parameters": [{"name": "limit", "in": "query", "schema": {"type": "integer", "minimum": 1, "maximum": 100}}],
                "responses": {"200": {"description": "", "content": {"application/json": {"schema": {
                    "type": "array", "items": {"type": "object", "properties": {"note": {"type": "string"}}}}}}},
                    "401": {"description": ""}, "429": {"description": ""}}},
            "post": {
                "requestBody": {"content": {"application/json": {"schema": {"$ref": "#/components/schemas/Order"}}}},
                "responses": {"201": {"description": ""}, "4XX": {"description": ""}}}}},
    })
}

fn with_schema(mut document: Value) -> Value {
    document["components"]["schemas"]["Order"] = json!({
        "type": "object", "additionalProperties": false, "properties": {
            "note": {"type": "string", "maxLength": 200}, "kind": {"enum": ["a", "b"], "type": "string"},
            "day": {"type": "string", "format": "date"}, "role": {"type": "string", "readOnly": true},
            "items": {"type": "array", "maxItems": 10, "items": {"type": "integer", "minimum": 1, "maximum": 9}}}});
    document
}

#[track_caller]
fn check(pointer: &str, value: Value, expected: &[&str]) {
    let mut document = with_schema(sound());
    let (parent, key) = pointer.rsplit_once('/').expect("a pointer");
    let key = key.replace("~1", "/");
    *document
        .pointer_mut(parent)
        .and_then(|parent| parent.as_object_mut())
        .expect("an object")
        .entry(key)
        .or_insert_with(|| json!(null)) = value;
    let found: Vec<String> = broken(&document).into_iter().map(|(id, ..)| id).collect();
    assert_eq!(found, expected, "{pointer}");
}

#[test]
fn sound_document_breaks_no_rule() {
    assert_eq!(broken(&with_schema(sound())), []);
}

#[test]
fn rules_about_access_find_their_fault_and_nothing_else() {
    check("/security", json!([]), &["S-SPEC-NOAUTH", "S-SPEC-UNUSED-SCHEME"]);
    check("/paths/~1orders/post/security", json!([]), &["S-SPEC-NOAUTH"]);
    check("/paths/~1orders/post/security", json!([{}, {"token": []}]), &["S-SPEC-OPTIONAL-AUTH"]);
    check("/paths/~1orders/get/security", json!([]), &[]);
    check("/paths/~1orders/get/security", json!([{"tokn": []}]), &["S-SPEC-UNKNOWN-SCHEME"]);
    check("/servers", json!([{"url": "http://api.shop.example"}]), &["S-SPEC-HTTP"]);
    check("/servers", json!([{"url": "http://localhost:5000"}, {"url": "/v1"}]), &[]);
    check(
        "/servers",
        json!([{"url": "https://staging.shop.example"}, {"url": "http://10.0.0.3"}]),
        &["S-SPEC-INTERNAL-SERVER"],
    );
    let scheme = |scheme: Value, expected: &[&str]| check("/components/securitySchemes/token", scheme, expected);
    scheme(json!({"type": "http", "scheme": "basic"}), &["S-SPEC-BASIC"]);
    scheme(json!({"type": "apiKey", "in": "query", "name": "key"}), &["S-SPEC-APIKEY-QUERY"]);
    scheme(json!({"type": "apiKey", "in": "cookie", "name": "sid"}), &["S-SPEC-APIKEY-COOKIE"]);
    scheme(json!({"type": "apiKey", "in": "header", "name": "X-Key"}), &[]);
    let url = "https://login.shop.example";
    let flow = |kind: &str, url: &str| json!({"type": "oauth2", "flows": {kind: {"authorizationUrl": url, "tokenUrl": url, "scopes": {}}}});
    scheme(flow("implicit", url), &["S-SPEC-IMPLICIT", "S-SPEC-NO-SCOPES"]);
    scheme(flow("password", url), &["S-SPEC-PASSWORD-GRANT", "S-SPEC-NO-SCOPES"]);
    scheme(flow("authorizationCode", "http://login.shop.example"), &["S-SPEC-TOKEN-HTTP", "S-SPEC-NO-SCOPES"]);
    scheme(flow("authorizationCode", url), &["S-SPEC-NO-SCOPES"]);
    let path = |path: &str, expected: &[&str]| {
        let get = json!({"get": {"responses": {"200": {"description": ""}, "401": {"description": ""}}}});
        check(&format!("/paths/{}", path.replace('/', "~1")), get, expected);
    };
    path("/createdb", &["S-SPEC-GET-CHANGES"]);
    path("/created", &[]);
    path("/users/_debug", &["S-SPEC-INTERNAL"]);
    check("/paths/~1orders/get/deprecated", json!(true), &["S-SPEC-DEPRECATED"]);
    let id = |kind: &str| json!([{"name": "id", "in": "path", "required": true, "schema": {"type": kind, "minimum": 1, "maximum": 9, "maxLength": 9}}]);
    let by_id = |kind: &str| json!({"parameters": id(kind), "get": {"responses": {"200": {"description": ""}, "401": {"description": ""}}}});
    check("/paths/~1carts~1{id}", by_id("integer"), &["S-SPEC-SEQUENTIAL-ID"]);
    check("/paths/~1carts~1{id}", by_id("string"), &[]);
}

#[test]
fn rules_about_answers_find_their_fault_and_nothing_else() {
    let get = "/paths/~1orders/get/responses";
    check(get, json!({"200": {"description": ""}}), &["S-SPEC-NO-401", "S-SPEC-NO-ERRORS"]);
    check(get, json!({"200": {"description": ""}, "404": {"description": ""}}), &["S-SPEC-NO-401"]);
    check("/paths/~1orders/post/responses", json!({"201": {"description": ""}, "default": {"description": ""}}), &[]);
    let mut none = with_schema(sound());
    none["paths"]["/orders"]["get"]["responses"] = json!({"200": {"description": ""}, "401": {"description": ""}});
    none["paths"]["/orders"]["post"]["responses"] = json!({"200": {"description": ""}, "401": {"description": ""}});
    assert_eq!(broken(&none).into_iter().map(|(id, ..)| id).collect::<Vec<_>>(), ["S-SPEC-NO-429"]);
    let answer = "/paths/~1orders/get/responses/200/content/application~1json";
    let properties = format!("{answer}/schema/items/properties/password");
    check(&properties, json!({"type": "string"}), &["S-SPEC-SECRET-IN-ANSWER"]);
    check(&properties, json!({"type": "string", "writeOnly": true}), &[]);
    let key = format!("AKIA{}", "ABCDEFGH23456789");
    check(&format!("{answer}/example"), json!([{"note": key}]), &["S-SPEC-SECRET-EXAMPLE"]);
    check(&format!("{answer}/example"), json!([{"note": "AKIAIOSFODNN7EXAMPLE", "password": "hunter2"}]), &[]);
}

#[test]
fn rules_about_inputs_find_their_fault_and_nothing_else() {
    let property = |name: &str, schema: Value, expected: &[&str]| {
        check(&format!("/components/schemas/Order/properties/{name}"), schema, expected);
    };
    property("name", json!({"type": "string"}), &["S-SPEC-UNBOUNDED-STRING"]);
    property("name", json!({"type": ["string", "null"], "pattern": "^a{1,3}$"}), &[]);
    property("tags", json!({"type": "array", "items": {"const": 1}}), &["S-SPEC-UNBOUNDED-ARRAY"]);
    property("price", json!({"type": "number", "minimum": 0}), &["S-SPEC-UNBOUNDED-NUMBER"]);
    property("price", json!({"type": "number", "exclusiveMinimum": 0, "maximum": 9}), &[]);
    property("is_admin", json!({"type": "boolean"}), &["S-SPEC-PRIVILEGE"]);
    property("inner", json!({"type": "object", "properties": {"a": {"type": "boolean"}}}), &["S-SPEC-OPEN-OBJECT"]);
    property("callback_url", json!({"type": "string", "maxLength": 200}), &["S-SPEC-URL-INPUT"]);
    property("picture", json!({"type": "string", "format": "binary"}), &["S-SPEC-UPLOAD"]);
    property("new_password", json!({"type": "string", "minLength": 4, "maxLength": 90}), &["S-SPEC-WEAK-PASSWORD"]);
    property("new_password", json!({"type": "string", "minLength": 10, "maxLength": 90}), &[]);
    let query = |name: &str, schema: Value, expected: &[&str]| {
        let parameters = json!([{"name": name, "in": "query", "schema": schema}]);
        check("/paths/~1orders/get/parameters", parameters, expected);
    };
    query("page_size", json!({"type": "integer", "minimum": 1}), &["S-SPEC-UNBOUNDED-NUMBER", "S-SPEC-PAGE-SIZE"]);
    query("password", json!({"type": "string", "maxLength": 9}), &["S-SPEC-SECRET-IN-URL"]);
    query("page_token", json!({"type": "string", "maxLength": 9}), &[]);
    check("/paths/~1orders/post/requestBody/content/application~1json", json!({}), &["S-SPEC-ANY-BODY"]);
}

#[test]
fn a_fault_in_many_places_is_one_finding_that_counts_them() {
    let mut document = with_schema(sound());
    for at in 0..12 {
        document["components"]["schemas"]["Order"]["properties"][format!("text{at}")] = json!({"type": "string"});
    }
    let found = broken(&document);
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(found[0].2.starts_with("12 places of the document: POST /orders body text0; "), "{}", found[0].2);
    assert!(found[0].2.ends_with(" and 2 more."), "{}", found[0].2);
    let ids: std::collections::BTreeSet<&str> = RULES.iter().map(|rule| rule.info.id).collect();
    assert!(ids.len() == RULES.len() && CHECKS.len() == RULES.len() && RULES.len() >= 25);
}
