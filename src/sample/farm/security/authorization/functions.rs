//! Functions that are not for everybody, and passwords.

use std::time::Instant;

use axum::response::Response;
use serde_json::{Value, json};

use crate::sample::farm::answers::object;
use crate::sample::farm::call::{Call, empty, error, json, who_are_you};
use crate::sample::farm::op::Op;
use crate::sample::farm::security::account::{bearer, is_admin};
use crate::sample::farm::shelf::{Thing, uuid};

pub(super) fn operations() -> Vec<Op> {
    let mut all = vec![
        report("/admin/audits", "user-reads-audits"),
        report("/admin/figures", ""),
        // Whom to ask is no secret.
        Op::get("/admin/contact")
            .gives("200", object(&["email"], json!({"email": {"type": "string"}})))
            .answer(|_| json(200, json!({"email": "office@example.com"}))),
    ];
    all.extend(notices("/admin/banners", "banner_id", "user-removes-banner"));
    all.extend(notices("/admin/slogans", "slogan_id", ""));
    all.extend([password("/accounts/{name}/password", "foreign-password"), password("/logins/{name}/password", "")]);
    all
}

fn guarded(op: Op) -> Op {
    op.secured(bearer()).gives_nothing("401").gives_nothing("403")
}

fn forbidden() -> Response {
    error(403, "that is for administrators")
}

/// What only administrators read.
fn report(path: &'static str, flaw: &'static str) -> Op {
    let shape = object(&["entries"], json!({"entries": {"type": "array", "items": {"type": "string"}}}));
    guarded(Op::get(path).gives("200", shape)).answer(move |call| match call.user() {
        None => who_are_you(),
        Some(user) if !is_admin(call, &user) && !call.on(flaw) => forbidden(),
        Some(_) => json(200, json!({"entries": ["the door was opened", "the door was closed"]})),
    })
}

/// What administrators put up and take down, and every user reads.
fn notices(path: &'static str, id: &'static str, flaw: &'static str) -> Vec<Op> {
    let text = object(&["text"], json!({"text": {"type": "string", "minLength": 1, "maxLength": 80}}));
    let mut shown = text.clone();
    shown["properties"]["id"] = json!({"type": "string"});
    let one = || format!("{path}/{{{id}}}");
    let create = move |call: &Call<'_>| -> Response {
        let Some(user) = call.user() else { return who_are_you() };
        if !is_admin(call, &user) {
            return forbidden();
        }
        let mut state = call.farm.shelves.state();
        let number = state.tick();
        let value = json!({"id": uuid(number), "text": call.body["text"]});
        let (made, parent) = (Instant::now(), String::new());
        let thing = Thing { number, value: value.clone(), version: 1, made, deleted: false, parent };
        state.shelves.entry(path).or_default().put(uuid(number), thing);
        json(201, value)
    };
    let read = move |call: &Call<'_>| -> Response {
        if call.user().is_none() {
            return who_are_you();
        }
        let mut state = call.farm.shelves.state();
        let known = state.shelves.entry(path).or_default().things.get(call.path(id)).map(|thing| thing.value.clone());
        known.map_or_else(|| error(404, "no such notice"), |value: Value| json(200, value))
    };
    let remove = move |call: &Call<'_>| -> Response {
        let Some(user) = call.user() else { return who_are_you() };
        if !is_admin(call, &user) && !call.on(flaw) {
            return forbidden();
        }
        let mut state = call.farm.shelves.state();
        match state.shelves.entry(path).or_default().things.remove(call.path(id)) {
            Some(_) => empty(204),
            None => error(404, "no such notice"),
        }
    };
    vec![
        guarded(Op::post(path).body(text).gives("201", shown.clone()).answer(create)),
        guarded(Op::get(one()).gives("200", shown).answer(read)),
        guarded(Op::new("DELETE", one()).gives_nothing("204").answer(remove)),
    ]
}

/// A new password for whom the path names, who must be the one who asks.
fn password(path: &'static str, flaw: &'static str) -> Op {
    let word = json!({"type": "string", "format": "password", "minLength": 8, "maxLength": 60});
    guarded(Op::new("PUT", path).body(object(&["password"], json!({"password": word}))).gives_nothing("204")).answer(
        move |call| {
            let Some(user) = call.user() else { return who_are_you() };
            if user != call.path("name") && !call.on(flaw) {
                return forbidden();
            }
            let word = call.body["password"].as_str().unwrap_or_default();
            match call.farm.shelves.set_password(call.path("name"), word) {
                true => empty(204),
                false => error(404, "no such user"),
            }
        },
    )
}
