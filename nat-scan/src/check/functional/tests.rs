//! Every check sees every row: a row says all that is suspected, so that each row is the benign twin of the other checks.

mod robust;

use std::time::Duration;

use bytes::Bytes;
use chrono::DateTime;
use serde_json::{Value, json};

use super::all;
use crate::check::{Context, Exchange};
use crate::classify::classify;
use crate::finding::{FindingBuilder, Redactor};
use crate::generate::{Case, Intent, Phase, Slot};
use crate::spec::{Api, SpecLimits, load};
use crate::transport::{Request, Response, TransportError};

/// A document with one operation, a request to it, and what came back.
struct Row {
    document: Value,
    request: Request,
    result: Result<Response, TransportError>,
    intent: Intent,
    phase: Phase,
    has_positive_control: bool,
    baseline_fails: bool,
    identity_works: bool,
    /// Answer to a `GET` of the same target, or to the request with `control_body`.
    get: Option<Response>,
    control_body: Option<String>,
}

impl Row {
    /// `operation` stands at `method` `/items`; the request is `method /items`.
    fn new(method: &str, operation: Value) -> Self {
        let mut row = Self::document(json!({
            "openapi": "3.0.3", "info": {"title": "t", "version": "1"},
            "paths": {"/items": {method.to_lowercase(): operation}},
        }));
        row.request.method = method.to_owned();
        row
    }

    fn document(document: Value) -> Self {
        Self {
            document,
            request: Request::new("GET", "/items"),
            result: Ok(response(200, &[], "")),
            intent: Intent::Positive,
            phase: Phase::Coverage,
            has_positive_control: true,
            baseline_fails: false,
            identity_works: false,
            get: None,
            control_body: None,
        }
    }

    fn target(mut self, target: &str) -> Self {
        target.clone_into(&mut self.request.target);
        self
    }

    fn header(mut self, name: &str, value: &str) -> Self {
        self.request.set_header(name, value);
        self
    }

    fn body(mut self, body: &str) -> Self {
        self.request.set_header("Content-Type", "application/json");
        self.request.body = Some(Bytes::copy_from_slice(body.as_bytes()));
        self
    }

    fn intent(mut self, intent: Intent) -> Self {
        self.intent = intent;
        self
    }

    fn answer(mut self, status: u16, headers: &[(&str, &str)], body: &str) -> Self {
        self.result = Ok(response(status, headers, body));
        self
    }

    fn json(self, status: u16, body: &str) -> Self {
        self.answer(status, &[("Content-Type", "application/json")], body)
    }

    fn fails(mut self, error: TransportError) -> Self {
        self.result = Err(error);
        self
    }

    fn with(mut self, change: impl FnOnce(&mut Self)) -> Self {
        change(&mut self);
        self
    }

    fn api(&self) -> Api {
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        let bytes = serde_json::to_vec(&self.document).expect("serialises");
        runtime.block_on(load(&bytes, None, None, SpecLimits::default())).expect("a usable document")
    }

    /// `F013 response /a | type | medium`, for each suspicion of each check.
    fn suspicions(self) -> Vec<String> {
        let api = self.api();
        let operation = &api.operations[0];
        let truth = classify(operation, &self.request, "");
        let case = Case {
            operation: 0,
            phase: self.phase,
            ordinal: 0,
            label: "a case".to_owned(),
            intent: self.intent,
            method: None,
            arguments: Vec::new(),
            body: None,
            bindings: Vec::new(),
        };
        let at = DateTime::UNIX_EPOCH;
        let mut get_request = self.request.clone();
        match self.control_body {
            Some(body) => get_request.body = Some(Bytes::from(body)),
            None => get_request.method = "GET".to_owned(),
        }
        let baseline = self.get.map(|answer| Exchange::new(None, get_request, Ok(answer), truth.clone(), at));
        let exchange = Exchange::new(Some(case), self.request, self.result, truth, at);
        let cx = Context {
            api: &api,
            operation,
            has_positive_control: self.has_positive_control,
            baseline_fails: self.baseline_fails,
            authenticated: self.identity_works,
            identity_works: self.identity_works,
            baseline: baseline.as_ref(),
        };
        all()
            .iter()
            .filter(|check| check.applies(&cx, &exchange))
            .flat_map(|check| check.judge(&cx, &exchange).into_iter().map(|found| (check.info().id, found)))
            .map(|(id, found)| {
                assert!(!found.explanation.contains("  "), "{}", found.explanation);
                format!("{id} {} | {} | {}", found.location, found.discriminant, found.severity.as_str())
            })
            .collect()
    }
}

fn response(status: u16, headers: &[(&str, &str)], body: &str) -> Response {
    Response {
        status,
        headers: headers.iter().map(|(name, value)| ((*name).to_owned(), value.as_bytes().to_vec())).collect(),
        body: Bytes::copy_from_slice(body.as_bytes()),
        truncated: false,
        unexpected_bytes: 0,
        elapsed: Duration::ZERO,
        wire_bytes: 0,
    }
}

#[track_caller]
fn check(name: &str, row: Row, expected: &[&str]) {
    assert_eq!(row.suspicions(), expected, "{name}");
}

fn plain() -> Value {
    json!({"responses": {"200": {"description": ""}}})
}

/// 200 with a JSON body of that schema.
fn returns(schema: Value) -> Value {
    json!({"responses": {"200": {"description": "", "content": {"application/json": {"schema": schema}}}}})
}

/// A JSON body of that schema is required, and refusals are documented.
fn takes(schema: Value) -> Value {
    let statuses = ["200", "201", "400", "422"].map(|status| (status.to_owned(), json!({"description": ""})));
    json!({
        "requestBody": {"required": true, "content": {"application/json": {"schema": schema}}},
        "responses": serde_json::Map::from_iter(statuses),
    })
}

fn negative(location: &'static str, name: &str, keyword: &str) -> Intent {
    Intent::Negative { slot: Slot { location, name: name.to_owned() }, keyword: keyword.to_owned() }
}

#[test]
fn server_errors() {
    let get = || Row::new("GET", plain());
    check("500", get().answer(500, &[], ""), &["F001  | 500| | high"]);
    check("500 with a code", get().json(500, r#"{"error":"DB","id":"a1"}"#), &["F001  | 500|error=DB,id | high"]);
    check(
        "500 with a trace",
        get().answer(500, &[], "Traceback (most recent call last):\n  File \"/x/a.py\", line 3, in f\nE"),
        &["F001  | 500|a.py:f | high"],
    );
    check("501", get().answer(501, &[], ""), &["F001  | 501| | high"]);
    check("501 to an undocumented method", get().intent(Intent::UndocumentedMethod).answer(501, &[], ""), &[]);
    check("501 to HEAD beside GET", get().intent(Intent::HeadParity).answer(501, &[], ""), &[]);
    check("503 while overloaded", get().answer(503, &[("Retry-After", "3")], ""), &[]);
    check("503", get().answer(503, &[], ""), &["F001  | 503| | high"]);
    check("502 of a gateway", get().answer(502, &[("Via", "1.1 gw")], ""), &[]);
    let limited = json!({"parameters": [{"name": "limit", "in": "query", "schema": {"type": "integer"}}],
        "responses": {"200": {"description": ""}}});
    let faulty =
        || Row::new("GET", limited.clone()).target("/items?limit=x").intent(negative("query", "limit", "type"));
    check("500 to a faulty request", faulty().answer(500, &[], ""), &["F001  | 500||type limit | high"]);
    check(
        "500 to a faulty request, with a code",
        faulty().json(500, r#"{"error":"DB"}"#),
        &["F001  | 500|error=DB | high"],
    );
    check("as valid ones", faulty().with(|row| row.baseline_fails = true).answer(500, &[], ""), &[]);
}

#[test]
fn connection_failures() {
    let get = || Row::new("GET", plain());
    check("reset", get().fails(TransportError::Reset), &["F002  | reset | high"]);
    check("empty", get().fails(TransportError::Empty), &["F002  | empty-reply | high"]);
    check("grammar", get().fails(TransportError::Malformed("x".into())), &["F002  | malformed | high"]);
    check("cut", get().fails(TransportError::Incomplete), &["F002  | incomplete | high"]);
    check("slow", get().fails(TransportError::Timeout(Duration::from_secs(1))), &["F002  | timeout | medium"]);
    check("bomb", get().fails(TransportError::DecompressionBomb), &["F002  | decompression-bomb | medium"]);
    check("no connection", get().fails(TransportError::Connect("refused".into())), &[]);
    check("stopped", get().fails(TransportError::Cancelled), &[]);
}

#[test]
fn status_codes() {
    let get = || Row::new("GET", plain());
    check("documented", get(), &[]);
    check("undocumented success", get().answer(202, &[], ""), &["F010 response 202 | 202 | low"]);
    check("undocumented redirect", get().answer(302, &[], ""), &["F010 response 302 | 302 | low"]);
    check("conventional error", get().answer(403, &[], ""), &[]);
    check("conventional error to a valid request", get().answer(404, &[], ""), &["F010 response 404 | 404 | info"]);
    let limited = json!({"responses": {"200": {"description": ""}}, "parameters": [
        {"name": "limit", "in": "query", "schema": {"type": "integer"}}]});
    let refused = |status: u16| {
        let row = Row::new("GET", limited.clone()).intent(negative("query", "limit", "type"));
        row.with(|row| row.request.target = "/items?limit=x".to_owned()).answer(status, &[], "")
    };
    check("refusal", refused(422), &["F010 response 422 | 422 | info"]);
    check("refusal of what is not there", refused(404), &[]);
    let never = get().with(|row| row.has_positive_control = false);
    check("conventional error to all that was tried", never.answer(409, &[], ""), &[]);
    check("unconventional error", get().answer(451, &[], ""), &["F010 response 451 | 451 | info"]);
    let ranges = json!({"responses": {"2XX": {"description": ""}}});
    check("range", Row::new("GET", ranges).answer(299 - 73, &[], ""), &[]);
    check("default", Row::new("GET", json!({"responses": {"default": {"description": ""}}})).answer(302, &[], ""), &[]);
    check("nothing documented", Row::new("GET", json!({"responses": {}})).answer(202, &[], ""), &[]);
    check("not modified", get().header("If-None-Match", "\"a\"").answer(304, &[], ""), &[]);
    check("another method", get().with(|row| row.request.method = "OPTIONS".to_owned()).answer(204, &[], ""), &[]);
}

#[test]
fn content_types() {
    let get = || Row::new("GET", returns(json!({})));
    let json = |value: &str| get().answer(200, &[("Content-Type", value)], "{}");
    check("equal", json("application/json"), &[]);
    check("with charset and in capitals", json("Application/JSON; Charset=UTF-8"), &[]);
    check("text", json("text/plain"), &["F011 response 200 header Content-Type | text/plain | low"]);
    check("no type", get().answer(200, &[], "{}"), &["F011 response 200 header Content-Type | missing | low"]);
    check("no such type", json("json"), &["F011 response 200 header Content-Type | malformed | low"]);
    check(
        "a dialect",
        json("application/hal+json"),
        &["F011 response 200 header Content-Type | application/hal+json | info"],
    );
    check("HEAD has no body", get().with(|row| row.request.method = "HEAD".to_owned()).answer(200, &[], ""), &[]);
    check("problem", get().answer(403, &[("Content-Type", "application/problem+json")], "{}"), &[]);
    let documented = |media: &str| json!({"responses": {"default": {"description": "", "content": {media: {}}}}});
    let answer =
        |media: &str, actual: &str| Row::new("GET", documented(media)).answer(409, &[("Content-Type", actual)], "{}");
    check("vendor type", answer("application/vnd.shop.v1+json", "application/vnd.shop.v1+json; a=b"), &[]);
    check("any suffix", answer("application/*+json", "application/vnd.shop+json"), &[]);
    check("any subtype", answer("text/*", "text/csv"), &[]);
    check("anything", answer("*/*", "image/png"), &[]);
    check(
        "undocumented problem",
        answer("application/json", "application/problem+json"),
        &["F011 response 409 header Content-Type | application/problem+json | info"],
    );
}

#[test]
fn bodies_that_cannot_be_read() {
    let get = |body: &str| Row::new("GET", returns(json!({}))).json(200, body);
    check("JSON", get(r#"{"a":[1]}"#), &[]);
    check("byte order mark", get("\u{feff}{}"), &[]);
    check("text", get("oops"), &["F012 response 200 | syntax | medium"]);
    check("cut", get(r#"{"a":"#), &["F012 response 200 | syntax | medium"]);
    check("NaN", get(r#"{"a":NaN}"#), &["F012 response 200 | nan | medium"]);
    check("twice", get(r#"{"a":1,"a":2}"#), &["F012 response 200 | duplicate-key | low"]);
    check("half a pair", get(r#"{"a":"\ud800"}"#), &["F012 response 200 | lone-surrogate | low"]);
    check("empty", get(""), &["F012 response 200 | empty | medium"]);
    check("cut by us", get(r#"{"a":"#).with(|row| row.result.as_mut().expect("an answer").truncated = true), &[]);
    let coded = |media: &str, body: &'static [u8]| {
        Row::new("GET", returns(json!({})))
            .answer(200, &[("Content-Type", media)], "")
            .with(|row| row.result.as_mut().expect("an answer").body = Bytes::from_static(body))
    };
    check("Latin-1 as said", coded("application/json; charset=iso-8859-1", b"[\"\xe9\"]"), &[]);
    check("unknown charset", coded("application/json; charset=klingon", b"[\"\xe9\"]"), &[]);
    check("Latin-1 unsaid", coded("application/json", b"[\"\xe9\"]"), &["F012 response 200 | charset | medium"]);
    let xml = |body: &str| {
        let operation = json!({"responses": {"200": {"description": "", "content": {"application/xml": {}}}}});
        Row::new("GET", operation).answer(200, &[("Content-Type", "application/xml")], body)
    };
    check("XML", xml("<?xml version=\"1.0\"?><!-- < --><a b=\"c\"><d/><![CDATA[<]]></a>\n"), &[]);
    check("XML, not closed", xml("<a><b></a>"), &["F012 response 200 | xml | medium"]);
    check("XML, two roots", xml("<a/><b/>"), &["F012 response 200 | xml | medium"]);
}

#[test]
fn schemas_of_answers() {
    let get = |schema: Value, body: &str| Row::new("GET", returns(schema)).json(200, body);
    let list = json!({"type": "array", "items": {"type": "object", "required": ["id"], "properties": {
        "id": {"type": "integer"}, "name": {"type": "string", "nullable": true}}}});
    check("fits", get(list.clone(), r#"[{"id":1,"name":null,"more":true}]"#), &[]);
    check(
        "one finding a schema path, without indices",
        get(list.clone(), r#"[{"id":"1"},{"id":"2"},{"name":5}]"#),
        &[
            "F013 response /[]/id | type | medium",
            "F013 response /[] | required | medium",
            "F013 response /[]/name | type | medium",
        ],
    );
    check("another thing", get(list, r#""x""#), &["F013 response | type | medium"]);
    let map = json!({"type": "object", "additionalProperties": {"type": "number"}});
    check("names that are data", get(map, r#"{"eur":"1","usd":"2"}"#), &["F013 response /{} | type | medium"]);
    let state = json!({"type": "string", "nullable": true, "enum": ["open", "done", null]});
    check("nullable enum", get(state.clone(), "null"), &[]);
    let state = json!({"type": "string", "nullable": true, "enum": ["open", "done"]});
    check("nullable enum without null", get(state.clone(), "null"), &[]);
    check("outside the enum", get(state, r#""lost""#), &["F013 response | enum | medium"]);
    let user = json!({"type": "object", "required": ["id", "password"], "properties": {
        "id": {"type": "integer", "readOnly": true}, "password": {"type": "string", "writeOnly": true}}});
    check("required write-only is absent", get(user, r#"{"id":1}"#), &[]);
    check("letters of any script", get(json!({"type": "string", "pattern": r"^\p{L}+$"}), r#""Österreich""#), &[]);
    check("a pattern nobody can read", get(json!({"type": "string", "pattern": "(?<=x"}), r#""y""#), &[]);
    check("an unknown format", get(json!({"type": "string", "format": "colour"}), r#""y""#), &[]);
    let swagger = json!({"swagger": "2.0", "info": {"title": "t", "version": "1"}, "paths": {"/items": {"get": {
        "produces": ["application/json"],
        "responses": {"200": {"description": "", "schema": {"type": "array", "items": {"type": "string"}},
            "headers": {"X-Ids": {"type": "array", "items": {"type": "integer"}, "collectionFormat": "pipes"}}}}}}}});
    let headers = |ids: &'static str| [("Content-Type", "application/json"), ("X-Ids", ids)];
    check("2.0, array header", Row::document(swagger.clone()).answer(200, &headers("1|2"), r#"["a"]"#), &[]);
    check(
        "2.0, wrong item and header",
        Row::document(swagger).answer(200, &headers("1|b"), "[1]"),
        &["F013 response /[] | type | medium", "F014 header X-Ids | type | low"],
    );
}

#[test]
fn headers_of_answers() {
    let operation = json!({"responses": {"200": {"description": "", "headers": {
        "X-Total": {"required": true, "schema": {"type": "integer", "minimum": 0}},
        "X-More": {"schema": {"type": "boolean"}},
        "Content-Type": {"required": true, "schema": {"type": "string"}}}}}});
    let get = |headers: &[(&str, &str)]| Row::new("GET", operation.clone()).answer(200, headers, "");
    check("there", get(&[("x-total", "3"), ("X-More", "true")]), &[]);
    check("missing", get(&[]), &["F014 header X-Total | missing | low"]);
    check("no number", get(&[("X-Total", "many")]), &["F014 header X-Total | type | low"]);
    check("out of range", get(&[("X-Total", "-3")]), &["F014 header X-Total | minimum | low"]);
}

#[test]
fn faulty_requests() {
    let operation = json!({
        "parameters": [
            {"name": "limit", "in": "query", "required": true, "schema": {"type": "integer", "maximum": 10}},
            {"name": "q", "in": "query", "schema": {"type": "string"}},
        ],
        "responses": {"200": {"description": ""}, "400": {"description": ""}},
    });
    let get = |target: &str| Row::new("GET", operation.clone()).target(target);
    let wrong_type = || get("/items?limit=many").intent(negative("query", "limit", "type"));
    check("rejected", wrong_type().answer(400, &[], ""), &[]);
    check("404 of a router", wrong_type().answer(404, &[], ""), &[]);
    check("redirected", wrong_type().answer(400, &[("Location", "/")], ""), &[]);
    check("accepted", wrong_type(), &["F020 query limit | type | medium"]);
    check("200 that says no", wrong_type().json(200, r#"{"success":false}"#), &[]);
    check("no control", wrong_type().with(|row| row.has_positive_control = false), &[]);
    let too_big = get("/items?limit=11").intent(negative("query", "limit", "maximum"));
    check("soft constraint", too_big, &["F020 query limit | maximum | low"]);
    let became_legal = get("/items?limit=1&q=false").intent(negative("query", "q", "type"));
    check("a wrong type that is a string on the wire", became_legal, &[]);
    let extra = get("/items?limit=1&zzz=1").intent(negative("query", "zzz", "additionalProperties"));
    check("an extra parameter", extra, &[]);
    let missing = |slot| Intent::MissingRequired { slot };
    let limit = Slot { location: "query", name: "limit".to_owned() };
    check("missing", get("/items").intent(missing(limit.clone())), &["F022 query limit | required | medium"]);
    check("missing, rejected", get("/items").intent(missing(limit.clone())).answer(400, &[], ""), &[]);
    let with_default = json!({
        "parameters": [{"name": "limit", "in": "query", "required": true, "schema": {"type": "integer", "default": 5}}],
        "responses": {"200": {"description": ""}},
    });
    check("missing, but there is a default", Row::new("GET", with_default).intent(missing(limit)), &[]);
}

#[test]
fn faulty_bodies() {
    let schema = json!({"type": "object", "required": ["name"], "properties": {
        "name": {"type": "string"}, "tags": {"type": "array", "items": {"type": "string"}}}});
    let put = |body: &str| Row::new("PUT", takes(schema.clone())).body(body);
    check("valid", put(r#"{"name":"a"}"#), &[]);
    check(
        "wrong type inside",
        put(r#"{"name":"a","tags":[{}]}"#).intent(negative("body", "/tags/[]", "type")),
        &["F020 body /tags/[] | type | medium"],
    );
    check(
        "member missing",
        put("{}").intent(negative("body", "/name", "required")),
        &["F022 body /name | required | medium"],
    );
    let malformed = |kind, body: &str| put(body).intent(Intent::MalformedBody { kind });
    check("cut, accepted", malformed("truncated", r#"{"name":"#), &["F026 body | truncated | medium"]);
    check("cut, rejected", malformed("truncated", r#"{"name":"#).answer(400, &[], ""), &[]);
    check("cut, fails", malformed("truncated", r#"{"name":"#).answer(500, &[], ""), &["F001  | 500||truncated | high"]);
    check("a parser may take the last", malformed("duplicate-keys", r#"{"name":"a","name":"b"}"#), &[]);
    check("a parser may skip the mark", malformed("bom", "\u{feff}{\"name\":\"a\"}"), &[]);
}

#[test]
fn valid_requests_that_are_rejected() {
    let put = |operation: Value| Row::new("PUT", operation).body("{}").answer(422, &[], "");
    let rejected = "F021  | rejected|a case | low";
    check("rejected", put(takes(json!({"type": "object"}))), &[rejected]);
    let never = put(takes(json!({}))).with(|row| row.has_positive_control = false);
    check("never accepted", never, &["F021  | rejected | info"]);
    let undocumented = |status: u16| put(takes(json!({}))).answer(status, &[], "");
    check("made-up id", undocumented(404), &["F010 response 404 | 404 | info"]);
    check("conflict", undocumented(409), &["F010 response 409 | 409 | info"]);
    let login = |name: &str| {
        let mut operation = takes(json!({}));
        operation["operationId"] = json!(name);
        put(operation)
    };
    check("login", login("userLogin"), &[]);
    check("sign in", login("sign_in"), &[]);
    check("authors are no authentication", login("putAuthor"), &[rejected]);
    let example = put(takes(json!({}))).with(|row| row.phase = Phase::Examples);
    check("example of the document", example, &["F030  | rejected | low"]);
}

#[test]
fn undocumented_methods() {
    let patch = |status| {
        Row::new("GET", plain())
            .with(|row| row.request.method = "PATCH".to_owned())
            .intent(Intent::UndocumentedMethod)
            .answer(status, &[("Allow", "GET"), ("WWW-Authenticate", "Bearer")], "")
    };
    check("accepted", patch(200), &["F023 method PATCH | accepted | low"]);
    for status in [405, 404, 501, 401, 403, 302] {
        check("refused", patch(status), &[]);
    }
    let overlapping = json!({"openapi": "3.0.3", "info": {"title": "t", "version": "1"}, "paths": {
        "/items/me": {"get": plain()},
        "/items/{id}": {"patch": {"parameters": [{"name": "id", "in": "path", "required": true, "schema": {}}],
            "responses": {}}}}});
    let row = Row::document(overlapping).target("/items/me").intent(Intent::UndocumentedMethod);
    check("documented on another template", row.with(|row| row.request.method = "PATCH".to_owned()), &[]);
}

#[test]
fn head_requests_and_bodyless_answers() {
    let head = |status, headers: &[(&str, &str)]| {
        Row::new("GET", plain())
            .with(|row| {
                row.request.method = "HEAD".to_owned();
                row.get = Some(response(200, &[("Content-Type", "text/plain"), ("Content-Length", "5")], "hello"));
            })
            .intent(Intent::HeadParity)
            .answer(status, headers, "")
    };
    check("equal", head(200, &[("content-type", "text/plain"), ("Content-Length", "5")]), &[]);
    check("less said", head(200, &[]), &[]);
    check("status", head(404, &[]), &["F062 status | status | low"]);
    check("type", head(200, &[("Content-Type", "text/html")]), &["F062 header Content-Type | Content-Type | low"]);
    check("length", head(200, &[("Content-Length", "6")]), &["F062 header Content-Length | Content-Length | info"]);
    let got = |headers: &[(&str, &str)], body: &'static str| {
        head(200, &[("Content-Length", "6")]).with(|row| row.get = Some(response(200, headers, body)))
    };
    check("length of an echo", got(&[("Content-Length", "20")], r#"{"method": "GET"}"#), &[]);
    check(
        "of a like word",
        got(&[("Content-Length", "5")], "GETTY"),
        &["F062 header Content-Length | Content-Length | info"],
    );
    check("of what cannot be read", got(&[("Content-Length", "5"), ("Content-Encoding", "br")], "?"), &[]);
    check("slow down", head(429, &[]), &[]);
    check("nothing to compare with", head(404, &[]).with(|row| row.get = None), &[]);
    let body = head(200, &[]).with(|row| row.result.as_mut().expect("an answer").unexpected_bytes = 5);
    check("body", body, &["F063 response HEAD | HEAD | low"]);

    let none = json!({"responses": {"204": {"description": ""}}});
    let delete = |headers: &[(&str, &str)]| Row::new("DELETE", none.clone()).answer(204, headers, "");
    check("204", delete(&[]), &[]);
    check("204 of length 0", delete(&[("Content-Length", "0")]), &[]);
    check("204 of length 2", delete(&[("Content-Length", "2")]), &["F063 response 204 | 204 | low"]);
    let bytes = delete(&[]).with(|row| row.result.as_mut().expect("an answer").unexpected_bytes = 2);
    check("204 with a body", bytes, &["F063 response 204 | 204 | low"]);
}

#[test]
fn rules_of_http() {
    let get = || Row::new("GET", json!({"responses": {"default": {"description": ""}}}));
    check("401", get().answer(401, &[], ""), &["F064 header WWW-Authenticate | missing | info"]);
    check("401 with a challenge", get().answer(401, &[("WWW-Authenticate", "Bearer")], ""), &[]);
    check("405", get().answer(405, &[], ""), &["F065 response 405 | allow | info"]);
    check("405 with Allow", get().answer(405, &[("Allow", "POST")], ""), &[]);
    check("426", get().answer(426, &[], ""), &["F065 response 426 | upgrade | info"]);
    let partial = [("Content-Range", "bytes 0-1/9")];
    check("206 asked for", get().header("Range", "bytes=0-1").answer(206, &partial, ""), &[]);
    check("206 not asked for", get().answer(206, &partial, ""), &["F065 response 206 | range-not-asked | info"]);
    check("304 asked for", get().header("If-None-Match", "\"a\"").answer(304, &[], ""), &[]);
    check("304 not asked for", get().answer(304, &[], ""), &["F065 response 304 | not-conditional | info"]);
    check("416", get().answer(416, &[("Content-Range", "bytes */9")], ""), &[]);
    check("201 to GET", get().answer(201, &[], ""), &["F065 response 201 | created-by-safe-method | info"]);
    check("unassigned", get().answer(299, &[], ""), &["F065 response 299 | unassigned | info"]);
    check("413 to nothing", get().answer(413, &[], ""), &["F065 response 413 | no-payload | info"]);
}

#[test]
fn created_resources() {
    let post = |headers: &[(&str, &str)], body: &str| {
        let mut headers = headers.to_vec();
        headers.push(("Content-Type", "application/json"));
        Row::new("POST", takes(json!({}))).body("{}").answer(201, &headers, body)
    };
    check("Location", post(&[("Location", "/items/7")], "{}"), &[]);
    check("absolute Location", post(&[("Location", "http://h/items/7")], "{}"), &[]);
    check("an id", post(&[], r#"{"item":{"itemId":7}}"#), &[]);
    check("a link", post(&[], r#"{"_links":{"self":{}}}"#), &[]);
    check("neither", post(&[], r#"{"ok":true}"#), &["F066 header Location | missing | low"]);
    check("no URL", post(&[("Location", "item 7")], "{}"), &["F066 header Location | invalid | low"]);
    let many = post(&[], "").body("\u{feff} []");
    check("many at once have no one reference", many, &[]);
    let named = |path: &str| {
        let row = Row::document(json!({
            "openapi": "3.0.3", "info": {"title": "t", "version": "1"},
            "paths": {"/items": {"post": takes(json!({}))}, path: {"get": plain()}},
        }));
        row.with(|row| row.request.method = "POST".to_owned()).body(r#"{"key":"a"}"#).json(201, r#"{"ok":true}"#)
    };
    check("the client chose the name", named("/items/{key}"), &[]);
    check("another name", named("/items/{number}"), &["F066 header Location | missing | low"]);
    let put = Row::new("PUT", takes(json!({}))).body("{}").json(201, "{}");
    check("PUT creates its target", put, &[]);
}

#[test]
fn examples_of_the_document() {
    let document = json!({"openapi": "3.0.3", "info": {"title": "t", "version": "1"}, "paths": {"/items": {"post": {
        "parameters": [
            {"name": "limit", "in": "query", "example": "ten", "schema": {"type": "integer"}},
            {"name": "page", "in": "query", "example": "2", "schema": {"type": "integer"}},
            {"name": "tags", "in": "query", "example": "a,b", "schema": {"type": "array", "items": {"type": "string"}}},
        ],
        "requestBody": {"content": {"application/json": {"schema": {"type": "object", "required": ["a"]},
            "examples": {"good": {"value": {"a": 1}}, "bad": {"value": {"b": 1}}}}}},
        "responses": {"200": {"description": "", "content": {"application/json": {
            "schema": {"type": "string", "nullable": true}, "example": null}}}},
    }}}});
    let report = FindingBuilder::new("http://h", Redactor::new());
    let found = super::static_findings(&Row::document(document).api(), &report, DateTime::UNIX_EPOCH);
    let found: Vec<_> = found.iter().map(|one| (one.endpoint.as_str(), one.location.as_str())).collect();
    assert_eq!(found, [("POST /items", "query limit"), ("POST /items", "body")]);
}

/// What a user reads about a check is filled in, and ids are in order.
#[test]
fn checks_describe_themselves() {
    let ids: Vec<&str> = all().iter().map(|check| check.info().id).collect();
    assert!(ids.is_sorted(), "{ids:?}");
    for check in all() {
        let info = check.info();
        assert!(
            !info.title.is_empty() && info.description.ends_with('.') && info.remediation.ends_with('.'),
            "{info:?}"
        );
    }
}
