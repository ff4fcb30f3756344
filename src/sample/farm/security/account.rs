//! Users: right in every way, so that the areas can build upon them.

use std::time::Instant;

use axum::response::Response;
use serde_json::{Value, json};

use super::ADMIN;
use crate::sample::farm::answers::object;
use crate::sample::farm::call::{Call, error, json, who_are_you};
use crate::sample::farm::op::Op;
use crate::sample::farm::shelf::Thing;

pub(super) fn bearer() -> Value {
    json!([{"bearer": []}])
}

fn credentials() -> Value {
    object(
        &["name", "password"],
        json!({
        "name": {"type": "string", "minLength": 1, "maxLength": 40},
        "password": {"type": "string", "format": "password", "minLength": 8, "maxLength": 60}}),
    )
}

pub(super) fn operations() -> Vec<Op> {
    let id = || object(&["id"], json!({"id": {"type": "string"}}));
    vec![
        Op::post("/register").body(credentials()).gives("201", id()).gives_nothing("409").answer(register),
        Op::post("/login")
            .body(credentials())
            .gives("200", object(&["token"], json!({"token": {"type": "string"}})))
            .gives_nothing("401")
            .answer(login),
        Op::get("/me").gives("200", id()).gives_nothing("401").secured(bearer()).answer(|call| match call.user() {
            Some(user) => json(200, json!({"id": user})),
            None => who_are_you(),
        }),
    ]
}

fn texts<'a>(call: &'a Call<'_>) -> (&'a str, &'a str) {
    let text = |name: &str| call.body[name].as_str().unwrap_or_default();
    (text("name"), text("password"))
}

/// The user may do what only administrators may.
pub(super) fn is_admin(call: &Call<'_>, user: &str) -> bool {
    let state = call.farm.shelves.state();
    let raised = state.shelves.get(RAISED).is_some_and(|shelf| shelf.things.contains_key(user));
    user == ADMIN.0 || raised
}

/// Users who said that they are administrators, and were believed.
const RAISED: &str = "/administrators";

fn raise(call: &Call<'_>, name: &str) {
    let mut state = call.farm.shelves.state();
    let number = state.tick();
    let (value, parent) = (Value::Null, String::new());
    let thing = Thing { number, value, version: 1, made: Instant::now(), deleted: false, parent };
    state.shelves.entry(RAISED).or_default().put(name.to_owned(), thing);
}

fn register(call: &Call<'_>) -> Response {
    let (name, password) = texts(call);
    match name != ADMIN.0 && call.farm.shelves.register(name, password) {
        true => {
            if call.body["role"] == "admin" && call.on("mass-escalation") {
                raise(call, name);
            }
            json(201, json!({"id": name}))
        }
        false => error(409, "the name is taken"),
    }
}

fn login(call: &Call<'_>) -> Response {
    let (name, password) = texts(call);
    if (name, password) == ADMIN {
        call.farm.shelves.register(name, password);
    }
    match call.farm.shelves.sign_in(name, password) {
        Some(token) => json(200, json!({"token": token})),
        None => who_are_you(),
    }
}
