//! Findings show no more than what is needed.

use serde_json::{Value, json};

use super::*;
use crate::finding::StepBody;

/// An order that fails when it is urgent and a gift, whatever else it is.
const ORDERS: &str = r#"{
  "openapi": "3.1.0", "info": {"title": "Orders", "version": "1"},
  "paths": {
    "/orders": {"post": {
      "parameters": [
        {"name": "dry", "in": "query", "schema": {"type": "boolean"}},
        {"name": "urgent", "in": "query", "schema": {"type": "boolean"}},
        {"name": "X-Region", "in": "header", "schema": {"type": "string", "enum": ["eu", "us"]}}],
      "requestBody": {"required": true, "content": {"application/json": {"schema": {
        "type": "object", "required": ["count"], "properties": {
          "count": {"type": "integer", "minimum": 1, "maximum": 90},
          "note": {"type": "string", "maxLength": 30},
          "gift": {"type": "boolean"},
          "tags": {"type": "array", "maxItems": 4, "items": {"type": "string", "maxLength": 9}}}}}}},
      "responses": {"200": {"description": ""}, "400": {"description": ""}}}}
  }
}"#;

fn orders(request: &Request) -> Answer {
    let body: Option<Value> = request.body.as_deref().and_then(|body| serde_json::from_slice(body).ok());
    let body = body.filter(|body| request.method == "POST" && body["count"].as_i64().is_some_and(|count| count > 0));
    let Some(body) = body else { return answer(400, r#"{"error":"no count"}"#) };
    let fails = request.target.contains("urgent=true") && body["gift"] == true;
    super::json(if fails { 500 } else { 200 }, "{}")
}

fn answer(status: u16, body: &str) -> Answer {
    super::json(status, body)
}

#[tokio::test]
async fn finding_shows_the_smallest_request_that_fails() {
    let api = FakeApi::new(orders);
    let outcome = scan(config(Some(ORDERS)), &api).await;
    let finding = outcome.findings.iter().find(|finding| finding.check_id == "F001").unwrap();
    let step = finding.steps.last().unwrap();
    assert_eq!(step.target, "/orders?urgent=true");
    assert!(!step.headers.iter().any(|header| header.name == "X-Region"), "{step:#?}");
    let Some(StepBody::Text(text)) = &step.body else { panic!("{step:#?}") };
    let body: Value = serde_json::from_str(text).unwrap();
    assert_eq!(body.as_object().map(|members| members.len()), Some(2), "{body}");
    assert_eq!(body["gift"], json!(true));
    assert!(finding.curl.contains("urgent=true") && !finding.curl.contains("note"), "{}", finding.curl);
    let told = finding.explanation.contains("The request was minimised from ");
    assert!(
        told || finding.origin.as_ref().is_some_and(|o| !o.label.ends_with("minimised")),
        "{}",
        finding.explanation
    );
    assert_eq!(outcome.requests, api.count());
}

#[tokio::test]
async fn minimal_requests_are_the_same_at_any_concurrency() {
    let mut seen = Vec::new();
    for concurrency in [1, 2, 8] {
        let api = FakeApi::slow(Duration::from_millis(2), orders);
        let outcome = scan(ScanConfig { concurrency, ..config(Some(ORDERS)) }, &api).await;
        let shown: Vec<_> = outcome.findings.into_iter().map(|finding| (finding.id, finding.curl)).collect();
        seen.push((outcome.plan_hash, shown, outcome.requests));
    }
    assert!(seen.iter().all(|one| *one == seen[0]), "{seen:#?}");
}

#[tokio::test]
async fn faulty_requests_stay_faulty_in_the_same_place() {
    // Fails on a count that is too large.
    let api = FakeApi::new(|request| {
        let body: Option<Value> = request.body.as_deref().and_then(|body| serde_json::from_slice(body).ok());
        match body.as_ref().and_then(|body| body["count"].as_i64()) {
            Some(91..) => answer(500, "{}"),
            Some(1..) if request.method == "POST" => answer(200, "{}"),
            _ => answer(400, "{}"),
        }
    });
    let outcome = scan(config(Some(ORDERS)), &api).await;
    let finding = outcome.findings.iter().find(|finding| finding.check_id == "F001").unwrap();
    let Some(StepBody::Text(text)) = finding.steps.last().and_then(|step| step.body.as_ref()) else { panic!() };
    let body: Value = serde_json::from_str(text).unwrap();
    assert!(body["count"].as_i64().is_some_and(|count| count > 90), "{body}");
    assert_eq!(body.as_object().map(|members| members.len()), Some(1), "{body}");
}
