//! Operations that bend the rules of HTTP.

use std::io::Write as _;

use axum::http::header;
use axum::response::Response;
use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::{Value, json};

use super::answers::{any_id, object};
use super::call::{Call, Farm, empty, error, json, reply, set};
use super::op::Op;

pub(super) fn operations() -> Vec<Op> {
    [methods(), statuses(), fields(), codings()].into_iter().flatten().collect()
}

fn name() -> Value {
    object(&["name"], json!({"name": {"type": "string"}}))
}

fn named() -> Response {
    json(200, json!({"name": "one"}))
}

fn reads(path: &str) -> Op {
    let op = Op::get(path).gives("200", name()).answer(|_| named());
    op.id("id", any_id())
}

fn allowing(methods: &str) -> Response {
    let mut response = empty(204);
    set(&mut response, "allow", methods);
    response
}

fn methods() -> Vec<Op> {
    vec![
        reads("/banners").stray(|farm, method| (farm.on.has("open-method") && method != "OPTIONS").then(named)),
        // Which methods a thing has may depend on the thing, so 404 is right.
        reads("/flags/{id}").stray(|_, method| (method != "OPTIONS").then(|| error(404, "no such thing"))),
        reads("/ramps").stray(|farm, method| {
            (farm.on.has("allow-drift") && method == "OPTIONS").then(|| allowing("GET, HEAD, DELETE, OPTIONS"))
        }),
        reads("/bridges").stray(|_, method| (method == "OPTIONS").then(|| allowing("OPTIONS, HEAD, GET"))),
        reads("/signs").stray(|farm: &Farm, method| {
            (farm.on.has("no-allow") && method != "OPTIONS").then(|| error(405, "this method is not allowed"))
        }),
        reads("/posters"),
        reads("/stocks/{id}").answer(|call| match call.raw.method == "HEAD" && call.on("head-differs") {
            true => error(404, "no such thing"),
            false => named(),
        }),
        // The length may be left out.
        reads("/racks/{id}").answer(|call| {
            let mut response = named();
            if call.raw.method == "HEAD" {
                set(&mut response, "x-farm-no-length", "1");
            }
            response
        }),
        reads("/almanac").answer(|call| if call.on("ghost-operation") { error(404, "no such path") } else { named() }),
        // Nobody knows an id that exists.
        reads("/ghosts/{id}").answer(|_| error(404, "no such thing")),
    ]
}

fn statuses() -> Vec<Op> {
    let pin = |path: &str| {
        let pin = object(&["pin"], json!({"pin": {"type": "string", "pattern": "^[0-9]{4}$"}}));
        Op::post(path).body(pin).gives("200", name()).gives_nothing("401")
    };
    let create = |path: &str, answer: Value| Op::post(path).body(name()).gives("201", answer);
    let refused = |challenge: bool| {
        let mut response = error(401, "that is not the pin");
        if challenge {
            set(&mut response, "www-authenticate", "Pin");
        }
        response
    };
    vec![
        pin("/pins/check").answer(move |call| refused(!call.on("no-challenge"))),
        pin("/codes/check").answer(move |_| refused(true)),
        reads("/chapters/{id}").gives("206", name()).answer(|call| match call.on("unasked-range") {
            true => {
                let headers = [("content-type", "application/json"), ("content-range", "bytes 0-13/20")];
                reply(206, &headers, "{\"name\":\"one\"}")
            }
            false => named(),
        }),
        reads("/volumes/{id}").gives("206", name()).answer(|_| {
            let mut response = named();
            set(&mut response, "accept-ranges", "bytes");
            response
        }),
        create("/boxes", json!({"type": "object"})).answer(|call| {
            let mut response = json(201, json!({"done": true}));
            if !call.on("no-location") {
                set(&mut response, "location", "/boxes/1");
            }
            response
        }),
        // The id in the body says it, too.
        create("/crates", object(&["id"], json!({"id": {"type": "integer"}}))).answer(|_| json(201, json!({"id": 1}))),
    ]
}

fn fields() -> Vec<Op> {
    let dated = |name: &'static str, value: &str| {
        let mut response = named();
        set(&mut response, name, value);
        response
    };
    let text = |path: &str| Op::get(path).gives_as("200", "text/plain", json!({"type": "string"}));
    vec![
        reads("/bulletins").answer(move |call| {
            let date = if call.on("bad-date") { "yesterday" } else { "Wed, 21 Oct 2015 07:28:00 GMT" };
            dated("last-modified", date)
        }),
        // Not a date, but the usual way to say that it has expired (RFC 9111, section 5.3).
        reads("/notices").answer(move |_| dated("expires", "0")),
        text("/poems").answer(|call| match call.on("wrong-charset") {
            true => reply(200, &[("content-type", "text/plain; charset=utf-8")], b"Gr\xfc\xdfe".to_vec()),
            false => reply(200, &[("content-type", "text/plain; charset=utf-8")], "Grüße"),
        }),
        text("/ballads")
            .answer(|_| reply(200, &[("content-type", "text/plain; charset=iso-8859-1")], b"Gr\xfc\xdfe".to_vec())),
    ]
}

fn codings() -> Vec<Op> {
    vec![
        reads("/maps").answer(|call| if takes_gzip(call) || call.on("unwanted-gzip") { gzipped() } else { named() }),
        reads("/charts").answer(|call| if takes_gzip(call) { gzipped() } else { named() }),
    ]
}

/// Said so, and not with `q=0`.
fn takes_gzip(call: &Call<'_>) -> bool {
    let codings =
        call.raw.headers.get(header::ACCEPT_ENCODING).and_then(|value| value.to_str().ok()).unwrap_or_default();
    codings
        .split(',')
        .map(str::trim)
        .any(|coding| coding.starts_with("gzip") && !coding.replace(' ', "").ends_with("q=0"))
}

fn gzipped() -> Response {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    // Writing to memory does not fail.
    let _ = encoder.write_all(b"{\"name\":\"one\"}");
    let bytes = encoder.finish().unwrap_or_default();
    let headers = [("content-type", "application/json"), ("content-encoding", "gzip"), ("vary", "Accept-Encoding")];
    reply(200, &headers, bytes)
}
