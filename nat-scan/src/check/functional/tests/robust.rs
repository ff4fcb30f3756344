//! Checks of what nobody expects: media types, methods, defaults, unusual values, identities.

use serde_json::{Value, json};

use super::{Row, check, plain, response, returns, takes};
use crate::generate::{Intent, Slot};
use crate::transport::TransportError;

fn unusual(name: &str, kind: &'static str) -> Intent {
    Intent::Unusual { slot: Slot { location: "body", name: name.to_owned() }, kind }
}

/// The ordinary request and its answer, as the control.
fn after(mut row: Row, body: &str, answer: &str) -> Row {
    row.control_body = Some(body.to_owned());
    row.get = Some(response(200, &[("Content-Type", "application/json")], answer));
    row
}

#[test]
fn unknown_variants() {
    let variant = json!({"type": "object", "properties": {"kind": {"type": "string"}},
        "discriminator": {"propertyName": "kind", "mapping": {"cat": "#/components/schemas/Cat"}}});
    let row = |schema: Value, body: &str| {
        Row::document(json!({"openapi": "3.0.3", "info": {"title": "t", "version": "1"},
            "components": {"schemas": {"Pet": schema, "Cat": {"type": "object"}}},
            "paths": {"/items": {"get": returns(json!({"type": "array", "items": {"$ref": "#/components/schemas/Pet"}}))}}}))
        .json(200, body)
    };
    check("unknown", row(variant.clone(), r#"[{"kind":"dog"}]"#), &["F015 response /[]/kind | unknown-variant | low"]);
    check("mapped", row(variant.clone(), r#"[{"kind":"cat"}]"#), &[]);
    check("the name of the schema", row(variant.clone(), r#"[{"kind":"Cat"}]"#), &[]);
    check("no discriminator in the body", row(variant.clone(), "[{}]"), &[]);
    let mut unmapped = variant;
    unmapped["discriminator"] = json!({"propertyName": "kind"});
    check("no mapping", row(unmapped, r#"[{"kind":"dog"}]"#), &[]);
}

#[test]
fn allow_and_the_document() {
    let options = |headers: &[(&str, &str)]| {
        let row = Row::new("GET", plain()).answer(204, headers, "").intent(Intent::Options);
        row.with(|row| row.request.method = "OPTIONS".to_owned())
    };
    check("alike", options(&[("Allow", "OPTIONS, GET, HEAD")]), &[]);
    check("a method more", options(&[("Allow", "GET, DELETE")]), &["F024 method DELETE | not-documented | info"]);
    check("a method less", options(&[("Allow", "HEAD")]), &["F024 method GET | not-allowed | info"]);
    check("no Allow", options(&[]), &[]);
    check("preflight", options(&[("Allow", "GET, PUT"), ("Access-Control-Allow-Methods", "GET, PUT")]), &[]);
    let refused = options(&[("Allow", "GET")]).with(|row| row.result = Ok(response(405, &[("Allow", "PUT")], "")));
    check("refused", refused, &["F024 method PUT | not-documented | info", "F024 method GET | not-allowed | info"]);
    let other = options(&[]).with(|row| row.result = Ok(response(403, &[("Allow", "PUT")], "")));
    check("refused to this client", other, &[]);
}

#[test]
fn unknown_media_types() {
    let post = |required: bool, status: u16, body: &str| {
        let mut operation = takes(json!({"type": "object"}));
        operation["requestBody"]["required"] = json!(required);
        Row::new("POST", operation)
            .body("{}")
            .header("Content-Type", "application/x-nat")
            .json(status, body)
            .intent(Intent::UnsupportedMediaType)
    };
    check("taken", post(true, 200, "{}"), &["F025 header Content-Type | accepted | info"]);
    check("415", post(true, 415, "{}"), &[]);
    check("optional body", post(false, 200, "{}"), &[]);
    check("an error in disguise", post(true, 200, r#"{"error":"no"}"#), &[]);
    check("no control", post(true, 200, "{}").with(|row| row.has_positive_control = false), &[]);
}

#[test]
fn values_that_come_back_changed() {
    let schema = json!({"type": "object", "properties": {"name": {"type": "string"}, "size": {"type": "integer"}}});
    let row = |sent: &str, received: &str, intent: Intent| {
        let row = Row::new("POST", takes(schema.clone())).body(sent).json(200, received).intent(intent);
        after(row, r#"{"name":"Ann","size":3}"#, r#"{"name":"ann","size":3}"#)
    };
    let name = |kind, received: &str| row("{\"name\":\"\u{1f69c}\"}", received, unusual("/name", kind));
    check("lost", name("astral", r#"{"name":"?"}"#), &["F027 body /name | astral | medium"]);
    check("kept", name("astral", "{\"name\":\"\u{1f69c}\"}"), &[]);
    check("not shown", name("astral", "{}"), &[]);
    check("rejected", name("astral", "").with(|row| row.result = Ok(response(422, &[], ""))), &[]);
    check("filtered", name("bidi", r#"{"name":""}"#), &[]);
    let no_echo = after(name("astral", r#"{"name":"?"}"#), r#"{"name":"Ann"}"#, r#"{"name":"Order 7"}"#);
    check("another member of that name", no_echo, &[]);
    let size = |received: &str| row(r#"{"size":16777217}"#, received, unusual("/size", "beyond-24-bits"));
    check("rounded", size(r#"{"size":16777216}"#), &["F028 body /size | beyond-24-bits | medium"]);
    check("exact", size(r#"{"size":16777217}"#), &[]);
    check("exact, as a fraction", size(r#"{"size":16777217.0}"#), &[]);
    check("as a text", size(r#"{"size":"16777217"}"#), &[]);
}

#[test]
fn large_values() {
    let row = || Row::new("POST", takes(json!({}))).body("{}").intent(unusual("/name", "large"));
    check("fails", row().answer(500, &[], ""), &["F029 body /name | 500 | low"]);
    let slow = TransportError::Timeout(std::time::Duration::ZERO);
    check("hangs", row().fails(slow), &["F029 body /name | timeout | low"]);
    check("closed while it was sent", row().fails(TransportError::Reset), &[]);
    check("too large", row().answer(413, &[], ""), &[]);
    check("overloaded", row().answer(503, &[], ""), &[]);
    check("fails anyway", row().answer(500, &[], "").with(|row| row.baseline_fails = true), &[]);
}

#[test]
fn defaults_of_parameters() {
    let row = |with: &str, without: &str| {
        let slot = Slot { location: "query", name: "order".to_owned() };
        let row = Row::new("GET", plain()).target("/items?order=asc").json(200, with);
        let row = row.intent(Intent::DefaultSent { slot });
        row.with(|row| row.get = Some(response(200, &[("Content-Type", "application/json")], without)))
    };
    check("another order", row(r#"{"items":[1,2]}"#, r#"{"items":[2,1]}"#), &["F031 response /items | order | low"]);
    check("a list", row("[1,2]", "[2,1]"), &["F031 response | order | low"]);
    check("alike", row(r#"{"items":[1,2]}"#, r#"{"items":[1,2]}"#), &[]);
    check("a link quotes the request", row(r#"{"self":"?order=asc"}"#, r#"{"self":"?"}"#), &[]);
}

#[test]
fn dates() {
    let get = |name: &str, value: &str| Row::new("GET", plain()).answer(200, &[(name, value)], "");
    check("a date", get("Last-Modified", "Wed, 21 Oct 2015 07:28:00 GMT"), &[]);
    check("an obsolete date", get("Last-Modified", "Sunday, 06-Nov-94 08:49:37 GMT"), &[]);
    check("C", get("Date", "Sun Nov  6 08:49:37 1994"), &[]);
    check("none", get("Last-Modified", "yesterday"), &["F067 header Last-Modified | no-date | info"]);
    check("ISO 8601", get("Expires", "2015-10-21T07:28:00Z"), &["F067 header Expires | no-date | info"]);
    check("expired", get("Expires", "0"), &[]);
}

#[test]
fn charsets_and_codings() {
    let text = |charset: &str, body: &[u8]| {
        let kind = format!("text/plain; charset={charset}");
        let row = Row::new("GET", plain()).answer(200, &[("Content-Type", &kind)], "");
        let body = bytes::Bytes::copy_from_slice(body);
        row.with(|row| row.result = row.result.clone().map(|answer| crate::transport::Response { body, ..answer }))
    };
    check("not UTF-8", text("utf-8", b"Gr\xfc\xdfe"), &["F068 response 200 | charset | low"]);
    check("Latin 1", text("iso-8859-1", b"Gr\xfc\xdfe"), &[]);
    check("UTF-8", text("UTF-8", "Grüße".as_bytes()), &[]);
    check("unknown", text("x-nat", b"\xff"), &[]);
    let coded = |coding: &str| Row::new("GET", plain()).answer(200, &[("Content-Encoding", coding)], "body");
    let refused = |coding: &str| coded(coding).intent(Intent::NoCoding);
    check("refused", refused("gzip"), &["F068 header Content-Encoding | refused-coding | low"]);
    check("identity", refused("identity"), &[]);
    check("not refused", coded("gzip"), &[]);
    let document =
        json!({"openapi": "3.0.3", "info": {"title": "t", "version": "1"}, "paths": {"/brotli": {"get": plain()}}});
    let answer = response(200, &[("Content-Encoding", "br")], "body");
    let purpose =
        Row::document(document).target("/brotli").intent(Intent::NoCoding).with(|row| row.result = Ok(answer));
    check("what the operation is for", purpose, &[]);
}

#[test]
fn identities_that_are_known() {
    let secured =
        json!({"security": [{"key": []}], "responses": {"200": {"description": ""}, "401": {"description": ""}}});
    let row = |operation: Value, status: u16| {
        let row = Row::document(json!({"openapi": "3.0.3", "info": {"title": "t", "version": "1"},
            "components": {"securitySchemes": {"key": {"type": "http", "scheme": "bearer"}}},
            "paths": {"/items": {"get": operation}}}));
        let row = row.answer(status, &[("WWW-Authenticate", "Bearer")], "");
        row.with(|row| (row.identity_works, row.has_positive_control) = (true, false))
    };
    check("401", row(secured.clone(), 401), &["F081  | 401 | info"]);
    check("403", row(secured.clone(), 403), &[]);
    check("nobody knows the key", row(secured.clone(), 401).with(|row| row.identity_works = false), &[]);
    check("works otherwise", row(secured, 401).with(|row| row.has_positive_control = true), &[]);
    check("not protected", row(json!({"responses": {"401": {"description": ""}}}), 401), &[]);
}

#[test]
fn operations_that_are_missing() {
    let row = |path: &str, documented: &str, status: u16| {
        let row = Row::document(json!({"openapi": "3.0.3", "info": {"title": "t", "version": "1"},
            "paths": {path: {"get": {
                "parameters": if path.contains('{') {
                    json!([{"name": "id", "in": "path", "required": true, "schema": {"type": "string"}}])
                } else {
                    json!([])
                },
                "responses": {documented: {"description": ""}}}}}}));
        let row = row.target(&path.replace("{id}", "7")).answer(status, &[("Allow", "POST")], "");
        row.with(|row| row.has_positive_control = false)
    };
    check("404", row("/items", "200", 404), &["F082  | missing | medium"]);
    check("405", row("/items/{id}", "200", 405), &["F082  | missing | medium"]);
    check("404 of a thing", row("/items/{id}", "200", 404), &[]);
    check("documented", row("/items", "404", 404), &[]);
    let once = row("/items", "200", 404).with(|row| row.has_positive_control = true);
    check("once it was there", once, &["F010 response 404 | 404 | info"]);
}

#[test]
fn an_object_in_a_query_leaves_the_parameter_out() {
    let operation = json!({"responses": {"200": {"description": ""}}, "parameters": [
        {"name": "symbol", "in": "query", "required": true, "schema": {"type": "string"}}]});
    let row = |target: &str, keyword: &str| {
        Row::new("GET", operation.clone()).target(target).intent(super::negative("query", "symbol", keyword))
    };
    check("left out", row("/items?nat=nat", "type"), &[]);
    check("left out on purpose", row("/items", "required"), &["F022 query symbol | required | medium"]);
}
