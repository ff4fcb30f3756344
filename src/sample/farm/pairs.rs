//! Operations that fail only when two inputs come together, or when a value is odd without being wrong.

use axum::response::Response;
use serde_json::{Value, json};

use super::answers::object;
use super::call::{Call, error, json};
use super::op::Op;

pub(super) fn operations() -> Vec<Op> {
    [two_parameters(), three_flags(), header_and_query(), equal_items(), branch_option()]
        .into_iter()
        .flatten()
        .collect()
}

/// The same operation twice: `is_met` fails on the first while the mutant is alive.
fn twice(
    op: impl Fn(&str) -> Op,
    [path, twin]: [&str; 2],
    mutant: &'static str,
    is_met: fn(&Call<'_>) -> bool,
) -> [Op; 2] {
    let done = || object(&["done"], json!({"done": {"type": "boolean"}}));
    let yes = |_: &Call<'_>| -> Response { json(200, json!({"done": true})) };
    let mutated = op(path).gives("200", done()).answer(move |call| match is_met(call) && call.on(mutant) {
        true => error(500, "INTERNAL"),
        false => yes(call),
    });
    [mutated, op(twin).gives("200", done()).answer(yes)]
}

fn flag() -> Value {
    json!({"type": "boolean"})
}

fn is_set(call: &Call<'_>, name: &str) -> bool {
    call.query.get(name) == Some(&Value::Bool(true))
}

fn two_parameters() -> [Op; 2] {
    let op = |path: &str| {
        Op::get(path)
            .query("sort", json!({"type": "string", "enum": ["asc", "desc"]}))
            .query("expand", flag())
            .query("limit", json!({"type": "integer", "minimum": 1, "maximum": 50}))
    };
    let is_met = |call: &Call<'_>| call.text("sort") == Some("desc") && is_set(call, "expand");
    twice(op, ["/catalogues", "/brochures"], "sort-and-expand-crash", is_met)
}

fn three_flags() -> [Op; 2] {
    let op = |path: &str| {
        let flags = ["colour", "duplex", "draft", "stapled"];
        flags.into_iter().fold(Op::get(path), |op, name| op.query(name, flag()))
    };
    let is_met = |call: &Call<'_>| ["colour", "duplex", "draft"].into_iter().all(|name| is_set(call, name));
    twice(op, ["/printouts", "/handouts"], "three-flags-crash", is_met)
}

fn header_and_query() -> [Op; 2] {
    let op = |path: &str| {
        Op::get(path)
            .parameter(json!({"name": "X-Dry-Run", "in": "header", "schema": flag()}))
            .query("state", json!({"type": "string", "enum": ["open", "closed", "archived"]}))
            .query("page", json!({"type": "integer", "minimum": 1, "maximum": 9}))
    };
    let is_met = |call: &Call<'_>| call.header("x-dry-run") == Some("true") && call.text("state") == Some("archived");
    twice(op, ["/permits", "/licences"], "header-and-query-crash", is_met)
}

fn equal_items() -> [Op; 2] {
    let votes = json!({"type": "array", "minItems": 1, "maxItems": 8,
        "items": {"type": "integer", "minimum": 0, "maximum": 99}});
    let op = move |path: &str| Op::post(path).body(object(&["votes"], json!({"votes": votes.clone()})));
    let is_met = |call: &Call<'_>| {
        let votes = call.body["votes"].as_array().map_or(&[] as &[Value], Vec::as_slice);
        votes.len() >= 3 && votes.iter().all(|vote| *vote == votes[0])
    };
    twice(op, ["/polls/count", "/ballots/count"], "equal-items-crash", is_met)
}

fn branch_option() -> [Op; 2] {
    let branch = |kind: &str, name: &str, option: Value| {
        let mut schema = object(&["kind"], json!({"kind": {"type": "string", "enum": [kind]}}));
        schema["properties"][name] = option;
        schema["additionalProperties"] = json!(false);
        schema
    };
    let sketch = json!({"oneOf": [
        branch("dot", "colour", json!({"type": "string", "minLength": 1, "maxLength": 20})),
        branch("line", "dashes", json!({"type": "integer", "minimum": 1, "maximum": 9})),
        branch("arrow", "angle", json!({"type": "integer", "minimum": 0, "maximum": 359})),
    ]});
    let op = move |path: &str| Op::post(path).body(sketch.clone());
    let is_met = |call: &Call<'_>| call.body["kind"] == "arrow" && call.body["angle"].is_i64();
    twice(op, ["/sketches/check", "/drawings/check"], "branch-option-crash", is_met)
}
