//! Operations whose answers go wrong.

use axum::body::Body;
use axum::response::Response;
use bytes::Bytes;
use serde_json::{Value, json};

use super::call::{Call, error, json, reply};
use super::op::Op;

/// An id that always exists.
pub(super) fn any_id() -> Value {
    json!({"type": "integer", "minimum": 1, "maximum": 1000})
}

fn text() -> Value {
    json!({"type": "string"})
}

pub(super) fn object(required: &[&str], properties: Value) -> Value {
    json!({"type": "object", "required": required, "properties": properties})
}

fn id_of(call: &Call<'_>) -> i64 {
    call.path("id").parse().unwrap_or(1)
}

pub(super) fn operations() -> Vec<Op> {
    [crashes(), broken(), contracts(), variants()].into_iter().flatten().collect()
}

fn crash() -> Response {
    error(500, "INTERNAL")
}

fn crashes() -> Vec<Op> {
    let parts = json!({"type": "integer", "minimum": 0, "maximum": 100});
    let share = object(&["share"], json!({"share": {"type": ["number", "null"]}}));
    let nullable = object(&["text"], json!({"text": {"type": ["string", "null"], "maxLength": 30}}));
    let short = object(&["text"], json!({"text": {"type": "string", "minLength": 1, "maxLength": 40}}));
    let kind = json!({"type": "string", "enum": ["daily", "weekly"]});
    let length = object(&["length"], json!({"length": {"type": "integer"}}));
    let shares = |path| Op::get(path).query("parts", parts.clone()).gives("200", share.clone());
    let nulls = |path| Op::post(path).body(nullable.clone()).gives("200", nullable.clone());
    let lengths = |path| Op::post(path).body(short.clone()).gives("200", length.clone());
    let kinds =
        |path| Op::get(path).query("kind", kind.clone()).gives("200", object(&["kind"], json!({"kind": text()})));
    vec![
        shares("/shares").answer(|call| match call.integer("parts").unwrap_or(4) {
            0 if call.on("divide-by-zero") => crash(),
            parts => share_of(parts),
        }),
        shares("/portions").answer(|call| share_of(call.integer("parts").unwrap_or(4))),
        nulls("/labels").answer(|call| match &call.body["text"] {
            Value::Null if call.on("null-crash") => crash(),
            _ => json(200, call.body.clone()),
        }),
        nulls("/tags").answer(|call| json(200, call.body.clone())),
        lengths("/slogans").lapse("long-text-crash", "body /text", "maxLength").answer(|call| match call.body["text"]
            .as_str()
            .map_or(0, |text| text.chars().count())
        {
            41.. => crash(),
            length => json(200, json!({"length": length})),
        }),
        lengths("/proverbs").answer(|call| json(200, json!({"length": call.body["text"].as_str().map(str::len)}))),
        kinds("/reports").lapse("unknown-kind-crash", "query kind", "enum").answer(|call| {
            match call.text("kind").unwrap_or("daily") {
                kind @ ("daily" | "weekly") => json(200, json!({"kind": kind})),
                _ => reply(500, &[("content-type", "text/plain")], STACK_TRACE),
            }
        }),
        // Not this API fails but what stands behind its gateway.
        kinds("/mirrors").lax(None, "query kind", "enum").answer(|call| match call.text("kind").unwrap_or("daily") {
            kind @ ("daily" | "weekly") => json(200, json!({"kind": kind})),
            _ => reply(502, &[("via", "1.1 gateway"), ("content-type", "text/plain")], "bad gateway"),
        }),
    ]
}

const STACK_TRACE: &str = "Traceback (most recent call last):\n  File \"/srv/farm/reports.py\", line 41, in report\n    \
                           writer = WRITERS[kind]\nKeyError: 'kind'\n";

fn share_of(parts: i64) -> Response {
    let share = (parts != 0).then(|| 100.0 / parts as f64);
    json(200, json!({"share": share}))
}

fn broken() -> Vec<Op> {
    let lines = |path| Op::get(path).id("id", any_id()).gives_as("200", "text/csv", text());
    let entries = object(&["entries"], json!({"entries": {"type": "array", "items": {"type": "integer"}}}));
    let csv = "id,title\n1,First\n";
    vec![
        lines("/exports/{id}").answer(move |call| {
            if call.on("cut-body") {
                let chunks = [Ok(Bytes::from_static(b"id,ti")), Err(std::io::Error::other("the disk is gone"))];
                let body = Body::from_stream(futures::stream::iter(chunks));
                return reply(200, &[("content-type", "text/csv"), ("content-length", "100")], body);
            }
            reply(200, &[("content-type", "text/csv")], csv)
        }),
        // In chunks, without a length: that is no cut.
        lines("/archives/{id}").answer(move |_| {
            let chunks = csv.as_bytes().chunks(5).map(|chunk| Ok::<_, std::io::Error>(Bytes::from_static(chunk)));
            let body = Body::from_stream(futures::stream::iter(chunks));
            reply(200, &[("content-type", "text/csv")], body)
        }),
        Op::get("/journals").gives("200", entries.clone()).answer(|call| {
            let text = if call.on("broken-json") { "{\"entries\": [1, 2,]}" } else { "{\"entries\": [1, 2]}" };
            reply(200, &[("content-type", "application/json")], text)
        }),
        // A byte order mark may be skipped.
        Op::get("/diaries")
            .gives("200", entries)
            .answer(|_| reply(200, &[("content-type", "application/json")], "\u{feff}{\"entries\": [1, 2]}")),
    ]
}

fn contracts() -> Vec<Op> {
    let by_id = |path: &str| Op::get(path).id("id", any_id());
    let state = object(&["state"], json!({"state": text()}));
    let price = object(&["amount"], json!({"amount": {"type": "number"}}));
    let address = object(
        &["street", "city"],
        json!({
        "street": text(), "city": {"type": ["string", "null"], "enum": ["Ulm", "Jena", null]}}),
    );
    let total = object(&["total"], json!({"total": {"type": "integer"}}));
    vec![
        by_id("/queues/{id}")
            .gives("200", state.clone())
            .answer(|call| json(if call.on("undocumented-status") { 202 } else { 200 }, json!({"state": "waiting"}))),
        by_id("/lanes/{id}").gives("2XX", state.clone()).answer(|_| json(203, json!({"state": "open"}))),
        Op::get("/greetings").gives("200", state.clone()).answer(|call| match call.on("text-for-json") {
            true => reply(200, &[("content-type", "text/plain")], "hello"),
            false => json(200, json!({"state": "hello"})),
        }),
        Op::get("/salutes").gives("200", state).answer(|_| {
            reply(200, &[("content-type", "Application/JSON; Charset=\"UTF-8\"")], "{\"state\": \"grüezi\"}")
        }),
        by_id("/prices/{id}").gives("200", price.clone()).answer(|call| match call.on("string-for-number") {
            true => json(200, json!({"amount": format!("{}.90", id_of(call))})),
            false => json(200, json!({"amount": id_of(call)})),
        }),
        by_id("/fees/{id}").gives("200", price).answer(|call| json(200, json!({"amount": id_of(call)}))),
        by_id("/addresses/{id}").gives("200", address.clone()).answer(|call| match call.on("missing-member") {
            true => json(200, json!({"street": "Main Street"})),
            false => json(200, json!({"street": "Main Street", "city": "Ulm"})),
        }),
        // Null is one of the values, and what is not documented may be there.
        by_id("/places/{id}")
            .gives("200", address)
            .answer(|_| json(200, json!({"street": "Side Street", "city": null, "zip": 7}))),
        Op::get("/counts")
            .gives("200", total.clone())
            .header("200", "X-Total-Count", json!({"type": "integer"}))
            .answer(|call| {
                let headers: &[_] = &[("content-type", "application/json"), ("x-total-count", "7")];
                reply(200, if call.on("missing-header") { &headers[..1] } else { headers }, "{\"total\": 7}")
            }),
        Op::get("/sums")
            .gives("200", total)
            .header("200", "X-Parts", json!({"type": "array", "items": {"type": "integer"}}))
            .answer(|_| reply(200, &[("content-type", "application/json"), ("x-parts", "3,4")], "{\"total\": 7}")),
    ]
}

fn variants() -> Vec<Op> {
    let by_id = |path: &str| Op::get(path).id("id", any_id());
    let coded = object(&["id"], json!({"id": text(), "code": text()}));
    let ticket = |path: &str, code: &str| {
        let get = format!("{path}/{{code}}");
        let links = json!({"ticket": {"operationRef": format!("#/paths/{}/get", get.replace('/', "~1")),
            "parameters": {"code": "$response.body#/code"}}});
        let created = json!({"description": "Created.", "links": links,
            "headers": {"Location": {"schema": {"type": "string"}}},
            "content": {"application/json": {"schema": coded.clone()}}});
        let location = format!("{path}/{code}");
        let code = code.to_owned();
        let found = code.clone();
        let created = Op::post(path)
            .body(object(&["name"], json!({"name": {"type": "string", "minLength": 1, "maxLength": 40}})))
            .responds("201", created)
            .answer(move |call| {
                let ticket = match call.on("dead-link") && location.starts_with("/tickets") {
                    true => json!({"id": code}),
                    false => json!({"id": code, "code": code}),
                };
                let mut response = json(201, ticket);
                super::call::set(&mut response, "location", &location);
                response
            });
        let read = Op::get(get).gives("200", coded.clone()).answer(move |call| match call.path("code") == found {
            true => json(200, json!({"id": found, "code": found})),
            false => error(404, "no such thing"),
        });
        [created, read]
    };
    let mut all = vec![
        by_id("/shapes/{id}").gives("200", json!({"$ref": "#/components/schemas/Shape"})).answer(|call| {
            json(200, json!({"kind": if call.on("unknown-variant") { "blob" } else { "circle" }, "size": 3}))
        }),
        // Without a mapping the name of the schema is the value.
        by_id("/figures/{id}")
            .gives("200", json!({"$ref": "#/components/schemas/Figure"}))
            .answer(|_| json(200, json!({"kind": "Circle", "size": 3}))),
    ];
    all.extend(ticket("/tickets", "T-1"));
    all.extend(ticket("/passes", "P-1"));
    all
}
