//! Users: right in every way, so that the areas can build upon them.

use axum::response::Response;
use serde_json::{Value, json};

use super::{ADMIN, token};
use crate::sample::farm::answers::object;
use crate::sample::farm::call::{Call, error, json, set, who_are_you};
use crate::sample::farm::op::Op;

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
        Op::post("/register")
            .body(credentials())
            .gives("201", id())
            .gives_nothing("409")
            .gives_nothing("422")
            .answer(register),
        Op::post("/login")
            .body(credentials())
            .gives("200", object(&["token"], json!({"token": {"type": "string"}})))
            .gives_nothing("401")
            .gives_nothing("429")
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

pub(super) fn register(call: &Call<'_>) -> Response {
    let (name, password) = texts(call);
    if name == password {
        return error(422, "the password must not be the name");
    }
    match name != ADMIN.0 && call.farm.shelves.register(name, password) {
        true => json(201, json!({"id": name})),
        false => error(409, "the name is taken"),
    }
}

fn login(call: &Call<'_>) -> Response {
    enter(call, "front", true).map_or_else(|refusal| *refusal, |token| json(200, json!({"token": token})))
}

/// Wrong passwords of one user at one door until nobody is let in.
const MAX_MISSES: u32 = 10;

/// A token for whoever knows the password; a throttled door closes after some wrong ones.
pub(super) fn enter(call: &Call<'_>, door: &str, throttled: bool) -> Result<String, Box<Response>> {
    let (name, password) = texts(call);
    let shelves = &call.farm.shelves;
    if (name, password) == ADMIN {
        shelves.register(name, password);
    }
    let key = format!("{door} {name}");
    if throttled && shelves.misses(&key) >= MAX_MISSES {
        let mut response = error(429, "too many wrong passwords");
        set(&mut response, "retry-after", "60");
        return Err(Box::new(response));
    }
    let token = shelves.sign_in_with(name, password, |number| token::mint(call.farm, name, number));
    shelves.missed(&key, token.is_none());
    token.ok_or_else(|| Box::new(who_are_you()))
}
