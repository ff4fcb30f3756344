//! The random phase of whole scans.

use serde_json::Value;

use super::*;

const LISTS: &str = r#"{
  "openapi": "3.1.0", "info": {"title": "Lists", "version": "1"},
  "paths": {
    "/lists": {"post": {
      "requestBody": {"required": true, "content": {"application/json": {"schema": {
        "type": "object", "required": ["items"], "properties": {
          "items": {"type": "array", "maxItems": 8, "items": {"type": "integer", "minimum": 0, "maximum": 99}},
          "note": {"type": "string", "maxLength": 30}}}}}},
      "responses": {"200": {"description": ""}, "400": {"description": ""}}}},
    "/plain": {"get": {"responses": {"200": {"description": ""}}}}
  }
}"#;

/// Fails on three or more equal items.
fn lists(request: &Request) -> Answer {
    if request.method == "OPTIONS" {
        return Ok(respond(204, "", ""));
    }
    if path(request) == "/plain" {
        return json(if request.method == "GET" { 200 } else { 405 }, "{}");
    }
    let body: Option<Value> = request.body.as_deref().and_then(|body| serde_json::from_slice(body).ok());
    let Some(items) = body.as_ref().and_then(|body| body["items"].as_array()).filter(|_| request.method == "POST")
    else {
        return json(400, r#"{"error":"no items"}"#);
    };
    let equal = items.len() >= 3 && items.iter().all(|item| *item == items[0]);
    json(if equal { 500 } else { 200 }, "{}")
}

#[tokio::test]
async fn odd_values_are_found_by_chance_and_a_plateau_ends_the_search() {
    let api = FakeApi::new(lists);
    let outcome = scan(config(Some(LISTS)), &api).await;
    let found = outcome.findings.iter().find(|finding| finding.check_id == "F001" && finding.endpoint == "POST /lists");
    let origin = found.and_then(|finding| finding.origin.as_ref());
    assert_eq!(origin.map(|origin| origin.phase), Some(Phase::Random), "{:#?}", outcome.findings);
    assert!(outcome.requests < 400, "{}", outcome.requests);
    let unseen = outcome.unseen.unwrap();
    assert!((0.0..0.1).contains(&unseen), "{unseen}");
}

#[tokio::test]
async fn nothing_is_left_to_chance_where_there_is_nothing_to_choose() {
    let spec = r#"{"openapi": "3.1.0", "info": {"title": "Plain", "version": "1"},
        "paths": {"/plain": {"get": {"responses": {"200": {"description": ""}}}}}}"#;
    let outcome = scan(config(Some(spec)), &FakeApi::new(lists)).await;
    assert_eq!(outcome.unseen, None);
}
