//! Requests that the farm makes for others.

use axum::response::Response;
use serde_json::{Value, json};

use super::{Area, Op, fetch};
use crate::sample::farm::answers::object;
use crate::sample::farm::call::{Call, error, json};
use crate::sample::farm::mutants::{Mutant, at, mutant};

#[rustfmt::skip]
const MUTANTS: &[Mutant] = &[
    at(mutant("fetch-any-url", "S-SSRF", "POST /previews", "POST /bookmarks", "the page of any URL is fetched and shown"), "body /url"),
    at(mutant("fetch-any-source", "S-SSRF", "GET /imports", "GET /mirrors", "any source is fetched, and nothing of it shown"), "query source"),
    at(mutant("look-up-any-name", "S-SSRF", "POST /beacons", "POST /nodes", "any host name is looked up"), "body /host"),
    at(mutant("webhook-anywhere", "S-SSRF", "POST /hooks", "POST /bookmarks", "any address may be a webhook"), "body /callback_url"),
    at(mutant("webhook-follows", "S-UNSAFE", "POST /hooks", "POST /previews", "the webhook goes wherever it is redirected to"), "body /callback_url"),
    at(mutant("metadata-reachable", "S-SSRF-META", "POST /previews", "POST /hooks", "link-local addresses are fetched, too"), "body /url"),
    mutant("xml-external-entity", "S-XXE", "POST /waybills", "POST /receipts", "external entities are fetched"),
    mutant("xml-internal-entity", "S-XXE", "POST /cables", "POST /wires", "entities are expanded"),
    mutant("xml-beside-json", "S-XXE", "POST /circulars", "POST /flyers", "where JSON is documented XML is read, too, with its entities"),
];

pub(super) const AREA: Area = Area { name: "forgery", mutants: MUTANTS, operations, finish: None };

fn operations() -> Vec<Op> {
    [addresses(), documents()].into_iter().flatten().collect()
}

fn url() -> Value {
    json!({"type": "string", "format": "uri", "minLength": 1, "maxLength": 300})
}

fn name() -> Value {
    json!({"type": "string", "minLength": 1, "maxLength": 120})
}

fn done() -> Value {
    object(&["done"], json!({"done": {"type": "boolean"}}))
}

fn yes() -> Response {
    json(200, json!({"done": true}))
}

/// Takes one text.
fn takes(path: &str, member: &str, schema: Value) -> Op {
    Op::post(path).body(object(&[member], json!({member: schema}))).gives("200", done()).gives_nothing("422")
}

fn addresses() -> Vec<Op> {
    let preview = object(&["title"], json!({"title": {"type": "string"}}));
    let source = |path: &str| Op::get(path).must_query("source", url()).gives("200", done()).gives_nothing("422");
    vec![
        Op::post("/previews")
            .body(object(&["url"], json!({"url": url()})))
            .gives("200", preview)
            .gives_nothing("422")
            .answer(preview_of),
        // Kept, and never asked for.
        takes("/bookmarks", "url", url()).answer(|_| yes()),
        source("/imports").answer(|call| {
            if call.on("fetch-any-source") {
                fetch::call(call.text("source").unwrap_or_default(), false);
            }
            yes()
        }),
        // Only hosts of a list are asked.
        source("/mirrors").answer(|call| {
            let source = url::Url::parse(call.text("source").unwrap_or_default()).ok();
            if source.as_ref().and_then(url::Url::host_str) == Some("mirror.farm.test") {
                fetch::call("http://mirror.farm.test/", false);
            }
            yes()
        }),
        takes("/beacons", "host", name()).answer(|call| {
            if call.on("look-up-any-name") {
                fetch::look_up(call.body["host"].as_str().unwrap_or_default());
            }
            yes()
        }),
        takes("/nodes", "host", name()).answer(|_| yes()),
        takes("/hooks", "callback_url", url()).answer(|call| {
            let follows = call.on("webhook-follows");
            if follows || call.on("webhook-anywhere") {
                fetch::call(call.body["callback_url"].as_str().unwrap_or_default(), follows);
            }
            yes()
        }),
    ]
}

/// Redirects are not followed, whatever is fetched.
fn preview_of(call: &Call<'_>) -> Response {
    let url = call.body["url"].as_str().unwrap_or_default();
    let metadata = if call.on("metadata-reachable") { fetch::metadata(url) } else { None };
    let page = || if call.on("fetch-any-url") { fetch::aside(|| fetch::get(url)).map(|page| page.body) } else { None };
    let title: String = metadata.or_else(page).unwrap_or_else(|| "no preview".to_owned()).chars().take(200).collect();
    json(200, json!({"title": title}))
}

/// What a parser does with a document type.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Parser {
    Refuses,
    /// References stay as they are.
    Ignores,
    Expands,
    Fetches,
}

fn documents() -> Vec<Op> {
    let note = || object(&["note"], json!({"note": {"type": "string", "minLength": 1, "maxLength": 200}}));
    // The farm reads such bodies itself.
    let xml = |path: &str| {
        let op = Op::post(path).body_as("application/xml", note()).lax(None, "body", "syntax");
        op.gives("200", note()).gives_nothing("400")
    };
    let json_note =
        |path: &str| Op::post(path).body(note()).gives("200", note()).gives_nothing("400").gives_nothing("415");
    let plain = |call: &Call<'_>| json(200, json!({"note": call.body["note"]}));
    vec![
        xml("/waybills")
            .answer(|call| read(call, if call.on("xml-external-entity") { Parser::Fetches } else { Parser::Refuses })),
        xml("/receipts").answer(|call| read(call, Parser::Refuses)),
        xml("/cables")
            .answer(|call| read(call, if call.on("xml-internal-entity") { Parser::Expands } else { Parser::Ignores })),
        xml("/wires").answer(|call| read(call, Parser::Ignores)),
        json_note("/circulars").lapse("xml-beside-json", "body", "media-type").answer(move |call| {
            match call.body["note"].is_null() {
                true => read(call, Parser::Fetches),
                false => plain(call),
            }
        }),
        json_note("/flyers").answer(plain),
    ]
}

/// The text of `note`, by a parser of this kind.
fn read(call: &Call<'_>, parser: Parser) -> Response {
    let text = String::from_utf8_lossy(&call.raw.body).into_owned();
    let (before, rest) = match text.split_once("<!DOCTYPE") {
        None => ("", text.as_str()),
        Some(_) if parser == Parser::Refuses => return error(400, "document types are not allowed"),
        Some((_, rest)) => rest.split_once("]>").unwrap_or(("", rest)),
    };
    let note = rest.split_once("<note>").and_then(|(_, rest)| rest.split_once("</note>"));
    let Some((note, _)) = note else { return error(400, "there is no note") };
    let mut note = note.to_owned();
    for definition in before.split("<!ENTITY").skip(1) {
        let mut words = definition.split_whitespace();
        let name = words.next().filter(|name| *name != "%");
        let quoted = definition.split('"').nth(1).unwrap_or_default();
        let external = definition.contains("SYSTEM");
        if external && parser == Parser::Fetches {
            fetch::call(quoted, false);
        }
        if let Some(name) = name.filter(|_| !external && matches!(parser, Parser::Expands | Parser::Fetches)) {
            note = note.replace(&format!("&{name};"), quoted);
        }
    }
    json(200, json!({"note": note.chars().take(200).collect::<String>()}))
}
