//! How the server is set up.

use axum::response::Response;
use serde_json::{Map, Value, json};

use super::{Area, Op};
use crate::sample::farm::answers::object;
use crate::sample::farm::call::{Call, Farm, Raw, error, json as answer, reply, set};
use crate::sample::farm::mutants::{Mutant, at, mutant};

pub(super) const AREA: Area = Area { name: "configuration", mutants: MUTANTS, operations, finish: Some(finish) };

#[rustfmt::skip]
const MUTANTS: &[Mutant] = &[
    mutant("any-origin", "S-CORS", "GET /kiosks", "GET /stands", "any origin may read with credentials"),
    mutant("null-origin", "S-CORS", "GET /booths", "GET /stalls", "the origin null may read with credentials"),
    at(mutant("trace-echo", "S-METH", "*", "GET /echoes", "TRACE answers with the request"), ""),
    at(mutant("method-override", "S-METH", "*", "GET /stands", "a header of a GET decides the method"), "header X-HTTP-Method-Override"),
    at(mutant("forwarded-host", "S-HOST", "*", "GET /pointers", "links lead to the host that a header names (GET /signposts)"), "header X-Forwarded-Host"),
];

const HOME: &str = "farm.example";

/// What happens before any operation is asked.
fn finish(farm: &Farm, path: &str, raw: &Raw, response: &mut Response) {
    let header = |name: &str| raw.headers.get(name).and_then(|value| value.to_str().ok());
    if farm.on.has("trace-echo") && raw.method == "TRACE" && path == "/" {
        let lines =
            raw.headers.iter().map(|(name, value)| format!("{name}: {}\r\n", value.to_str().unwrap_or_default()));
        let echo = format!("TRACE {path} HTTP/1.1\r\n{}", lines.collect::<String>());
        *response = reply(200, &[("content-type", "message/http")], echo);
    }
    const KNOWN: [&str; 7] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"];
    let overridden = header("x-http-method-override").filter(|method| !KNOWN.contains(method));
    if farm.on.has("method-override") && raw.method == "GET" && overridden.is_some() {
        *response = error(405, "this method is not allowed");
    }
}

fn name() -> Value {
    object(&["name"], json!({"name": {"type": "string"}}))
}

/// With what a browser wants to know before it shows the answer to a page.
fn shared(call: &Call<'_>, trusts: bool, credentials: bool) -> Response {
    let mut response = answer(200, json!({"name": "one"}));
    if let Some(origin) = call.header("origin").filter(|_| trusts) {
        set(&mut response, "access-control-allow-origin", origin);
        set(&mut response, "vary", "Origin");
        if credentials {
            set(&mut response, "access-control-allow-credentials", "true");
        }
    }
    response
}

fn operations() -> Vec<Op> {
    let read = |path: &str| Op::get(path).gives("200", name());
    let is_home = |call: &Call<'_>| call.header("origin") == Some("https://farm.example");
    let linked = |path: &str| Op::get(path).gives("200", object(&["self"], json!({"self": {"type": "string"}})));
    vec![
        read("/kiosks").answer(move |call| shared(call, call.on("any-origin") || is_home(call), true)),
        // Anybody may read it, and nobody's credentials come along.
        read("/stands").answer(|call| shared(call, true, false)),
        read("/booths").answer(move |call| {
            shared(call, (call.on("null-origin") && call.header("origin") == Some("null")) || is_home(call), true)
        }),
        read("/stalls").answer(move |call| shared(call, is_home(call), true)),
        // Repeats what it was sent, to whoever sent it.
        Op::get("/echoes").gives("200", object(&["headers"], json!({"headers": {"type": "object"}}))).answer(|call| {
            let own = call.raw.headers.iter().filter(|(name, _)| name.as_str().starts_with("x-"));
            let headers: Map<String, Value> =
                own.map(|(name, value)| (name.to_string(), json!(value.to_str().unwrap_or_default()))).collect();
            answer(200, json!({"headers": headers}))
        }),
        linked("/signposts").answer(|call| {
            let host = call.header("x-forwarded-host").filter(|_| call.on("forwarded-host")).unwrap_or(HOME);
            answer(200, json!({"self": format!("https://{host}/signposts")}))
        }),
        linked("/pointers").answer(|_| answer(200, json!({"self": format!("https://{HOME}/pointers")}))),
    ]
}
