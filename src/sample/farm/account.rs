//! Users, and what only some of them may see.

use axum::response::Response;
use serde_json::{Value, json};

use super::answers::object;
use super::call::{Call, error, json, who_are_you};
use super::op::Op;

fn credentials() -> Value {
    object(
        &["name", "password"],
        json!({
        "name": {"type": "string", "minLength": 1, "maxLength": 40},
        "password": {"type": "string", "format": "password", "minLength": 1, "maxLength": 40}}),
    )
}

fn bearer() -> Value {
    json!([{"bearer": []}])
}

pub(super) fn operations() -> Vec<Op> {
    let total = || object(&["total"], json!({"total": {"type": "number"}}));
    let guarded = |path: &str| Op::get(path).gives("200", total()).gives_nothing("401").gives_nothing("403");
    let id = || object(&["id"], json!({"id": {"type": "string"}}));
    vec![
        Op::post("/register").body(credentials()).gives("201", id()).gives_nothing("409").answer(register),
        Op::post("/login")
            .body(credentials())
            .gives("200", object(&["token"], json!({"token": {"type": "string"}})))
            .gives_nothing("401")
            .answer(login),
        Op::get("/account").gives("200", id()).gives_nothing("401").secured(bearer()).answer(|call| {
            match call.user() {
                Some(user) => json(200, json!({"id": user})),
                None => who_are_you(),
            }
        }),
        guarded("/invoices").secured(bearer()).answer(|call| match call.user() {
            None if !call.on("open-door") => who_are_you(),
            _ => json(200, json!({"total": 23.8})),
        }),
        // Credentials are optional: who shows some sees a better price.
        guarded("/offers")
            .secured(json!([{}, {"bearer": []}]))
            .answer(|call| json(200, json!({"total": if call.user().is_some() { 9.5 } else { 10.0 }}))),
        guarded("/audits").secured(bearer()).answer(|call| match call.user() {
            Some(_) if !call.on("401-for-403") => error(403, "only for auditors"),
            _ => who_are_you(),
        }),
        guarded("/controls").secured(bearer()).answer(|call| match call.user() {
            Some(_) => error(403, "only for controllers"),
            None => who_are_you(),
        }),
    ]
}

fn texts<'a>(call: &'a Call<'_>) -> (&'a str, &'a str) {
    let text = |name: &str| call.body[name].as_str().unwrap_or_default();
    (text("name"), text("password"))
}

fn register(call: &Call<'_>) -> Response {
    let (name, password) = texts(call);
    match call.farm.shelves.register(name, password) {
        true => json(201, json!({"id": name})),
        false => error(409, "the name is taken"),
    }
}

fn login(call: &Call<'_>) -> Response {
    let (name, password) = texts(call);
    match call.farm.shelves.sign_in(name, password) {
        Some(token) => json(200, json!({"token": token})),
        None => who_are_you(),
    }
}
