//! Operations that are lax, or strict, or forgetful about what they are sent.

use axum::response::Response;
use serde_json::{Value, json};

use super::answers::object;
use super::call::{Call, empty, error, json, reply};
use super::op::Op;

pub(super) fn operations() -> Vec<Op> {
    [lax(), laxer(), demanding(), forms(), robust(), defaults()].into_iter().flatten().collect()
}

fn done() -> Value {
    object(&["done"], json!({"done": {"type": "boolean"}}))
}

fn yes(_: &Call<'_>) -> Response {
    json(200, json!({"done": true}))
}

/// Takes an object of these members, all of them required.
fn takes(path: &str, properties: Value) -> Op {
    let names: Vec<&str> = properties.as_object().into_iter().flatten().map(|(name, _)| name.as_str()).collect();
    Op::post(path).body(object(&names, properties.clone())).gives("200", done()).answer(yes)
}

fn finds(path: &str) -> Op {
    Op::get(path).gives("200", done()).answer(yes)
}

fn lax() -> Vec<Op> {
    let limit = || json!({"type": "integer", "minimum": 1, "maximum": 50});
    let closed = || {
        let mut schema = object(&["name"], json!({"name": {"type": "string", "maxLength": 20}}));
        schema["additionalProperties"] = json!(false);
        schema
    };
    vec![
        takes("/paints", json!({"color": {"type": "string", "enum": ["red", "green"]}})).lapse(
            "enum-ignored",
            "body /color",
            "enum",
        ),
        // In a query every number and every boolean is a legal string.
        finds("/words").query("q", json!({"type": "string", "minLength": 1, "maxLength": 60})),
        finds("/slices").query("limit", limit()).lapse("maximum-ignored", "query limit", "maximum"),
        finds("/bits").query("limit", limit()),
        finds("/rations").query("limit", limit()).lapse("undocumented-refusal", "query limit", "maximum").answer(
            |call| {
                // Only what the lapse lets through is above it.
                match call.query.get("limit").and_then(Value::as_f64) {
                    Some(limit) if limit > 50.0 => error(400, "there is not that much"),
                    _ => yes(call),
                }
            },
        ),
        takes("/weights", json!({"grams": {"type": "integer", "minimum": 0}})).lapse(
            "type-ignored",
            "body /grams",
            "type",
        ),
        takes("/doses", json!({"grams": {"type": ["integer", "null"], "minimum": 0}})),
        Op::post("/closed").body(closed()).gives("200", done()).answer(yes).lapse(
            "extra-member-taken",
            "*",
            "additionalProperties",
        ),
        takes("/open", json!({"name": {"type": "string", "maxLength": 20}})),
    ]
}

fn laxer() -> Vec<Op> {
    let picks = |unique| {
        json!({"items": {"type": "array", "minItems": 1, "maxItems": 5, "uniqueItems": unique,
        "items": {"type": "integer", "minimum": 0, "maximum": 99}}})
    };
    vec![
        takes("/titles", json!({"title": {"type": "string", "minLength": 1, "maxLength": 20}})).lapse(
            "too-long-taken",
            "body /title",
            "maxLength",
        ),
        // Whatever is sent as text is a text.
        Op::post("/plain-texts")
            .body_as("text/plain", json!({"type": "string", "minLength": 1, "maxLength": 200}))
            .gives("200", done())
            .answer(yes),
        takes("/birthdays", json!({"born": {"type": "string", "format": "date"}})).lapse(
            "format-ignored",
            "body /born",
            "format",
        ),
        // These formats are hints for people.
        takes(
            "/secrets",
            json!({"word": {"type": "string", "format": "password", "minLength": 1}, "name": {"type": "string", "format": "nickname"}}),
        ),
        takes("/plates", json!({"plate": {"type": "string", "pattern": "^[A-Z]{3}-[0-9]{4}$"}})).lapse(
            "pattern-ignored",
            "body /plate",
            "pattern",
        ),
        // 1.0 is an integer.
        takes("/ranks", json!({"rank": {"type": "integer", "minimum": 1, "maximum": 99}})),
        takes("/picks", picks(true)).lapse("duplicates-taken", "body /items", "uniqueItems"),
        takes("/draws", picks(false)),
    ]
}

fn demanding() -> Vec<Op> {
    let email = || json!({"type": "string", "format": "email"});
    let count = || json!({"type": "integer", "minimum": 1, "maximum": 9});
    let code = || json!({"code": {"type": "string", "minLength": 4, "maxLength": 12}});
    let symbol = || json!({"type": "string", "pattern": "^[A-Z]{2}$"});
    let defaulted = || json!({"type": "string", "pattern": "^[A-Z]{2}$", "default": "DE"});
    vec![
        takes("/vouchers/check", code()).answer(|call| {
            match call.body["code"].as_str().is_some_and(|code| code.starts_with("NAT-"))
                || !call.on("hidden-constraint")
            {
                true => yes(call),
                false => error(422, "no such code"),
            }
        }),
        takes("/orders", json!({"count": count(), "email": email()})).lapse(
            "required-member-ignored",
            "body /email",
            "required",
        ),
        // A required member with a default contradicts itself; filling it in is right, too.
        takes(
            "/bookings",
            json!({"count": count(), "email": {"type": "string", "format": "email", "default": "a@b.example"}}),
        )
        .lax(None, "body /email", "required"),
        finds("/quotes").must_query("symbol", symbol()).lapse("required-query-ignored", "query symbol", "required"),
        finds("/rates").must_query("symbol", defaulted()).lax(None, "query symbol", "required"),
    ]
}

fn forms() -> Vec<Op> {
    let name = || json!({"name": {"type": "string", "minLength": 1, "maxLength": 40}});
    let recipe = |path: &str, examples: Value| {
        let mut op = takes(path, json!({"code": {"type": "string", "pattern": "^[A-Z]{3}-[0-9]{4}$"}}));
        if let Some(body) = &mut op.body {
            body["content"]["application/json"]["examples"] = examples;
        }
        op
    };
    vec![
        takes("/forms", name()).lapse("any-media-type", "body", "media-type"),
        takes("/briefs", name()),
        takes("/feedback", name()).lapse("swallowed-syntax-error", "body", "syntax"),
        takes("/comments", name()),
        recipe("/recipes/check", json!({"first": {"value": {"code": "NAT-0001"}}})).answer(|call| {
            match call.on("rejected-example") && call.body["code"] == "NAT-0001" {
                true => error(422, "no such recipe"),
                false => yes(call),
            }
        }),
        // The wrapper of an example is no part of it.
        recipe("/menus/check", json!({"first": {"summary": "A menu", "value": {"code": "NAT-0002"}}})),
        Op::post("/clears").gives_nothing("205").answer(|_| reply(205, &[("content-length", "0")], "")),
        Op::post("/resets").gives_nothing("205").answer(|call| match call.on("body-in-205") {
            true => reply(205, &[], "done"),
            false => empty(205),
        }),
    ]
}

/// Beyond this a text is large.
const LARGE: usize = 100_000;

fn robust() -> Vec<Op> {
    let named = || object(&["name"], json!({"name": {"type": "string", "minLength": 1, "maxLength": 60}}));
    let measured = || object(&["value"], json!({"value": {"type": "number", "minimum": -1e15, "maximum": 1e15}}));
    let coarse = || {
        object(&["value"], json!({"value": {"type": "number", "format": "float", "minimum": -1e15, "maximum": 1e15}}))
    };
    let essay = || json!({"text": {"type": "string"}});
    let echo = |path: &str, schema: Value| {
        Op::post(path).body(schema.clone()).gives("200", schema).answer(|call| json(200, call.body.clone()))
    };
    let rounded = |call: &Call<'_>| {
        #[expect(clippy::cast_possible_truncation, reason = "that is the point")]
        let value = call.body["value"].as_f64().unwrap_or_default() as f32;
        json(200, json!({"value": f64::from(value)}))
    };
    vec![
        echo("/nicknames", named()).answer(|call| {
            let name = call.body["name"].as_str().unwrap_or_default();
            let kept: String = match call.on("emoji-dropped") {
                true => name.chars().map(|c| if c.is_ascii() { c } else { '?' }).collect(),
                false => name.to_owned(),
            };
            json(200, json!({"name": kept}))
        }),
        // A documented normal form: trimmed, in lower case.
        echo("/handles", named()).answer(|call| {
            let name = call.body["name"].as_str().unwrap_or_default();
            // What is blank stays, or the answer would be shorter than it promises.
            let kept = Some(name.trim()).filter(|trimmed| !trimmed.is_empty()).unwrap_or(name);
            json(200, json!({"name": kept.to_lowercase()}))
        }),
        echo("/measures", measured()).answer(move |call| match call.on("rounded-number") {
            true => rounded(call),
            false => json(200, call.body.clone()),
        }),
        // The document says how exact it is.
        echo("/samples", coarse()).answer(rounded),
        takes("/essays", essay()).answer(|call| match call.raw.body.len() > LARGE {
            true if call.on("large-value-crash") => error(500, "INTERNAL"),
            true => error(413, "too large"),
            false => yes(call),
        }),
        takes("/papers", essay()).answer(|call| match call.raw.body.len() > LARGE {
            true => error(413, "too large"),
            false => yes(call),
        }),
    ]
}

fn defaults() -> Vec<Op> {
    let order = || json!({"type": "string", "enum": ["asc", "desc"], "default": "asc"});
    let items = || {
        object(&["items"], json!({"items": {"type": "array", "items": {"type": "integer"}}, "at": {"type": "integer"}}))
    };
    let sorted = |order: &str| if order == "asc" { json!([1, 2, 3]) } else { json!([3, 2, 1]) };
    vec![
        Op::get("/sorted").query("order", order()).gives("200", items()).answer(move |call| {
            let default = if call.on("default-drift") { "desc" } else { "asc" };
            json(200, json!({"items": sorted(call.text("order").unwrap_or(default))}))
        }),
        // One member is another each time.
        Op::get("/ordered").query("order", order()).gives("200", items()).answer(move |call| {
            json(200, json!({"items": sorted(call.text("order").unwrap_or("asc")), "at": call.farm.shelves.tick()}))
        }),
    ]
}
