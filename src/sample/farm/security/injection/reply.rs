//! What becomes part of a command, a template, the name of a file, or of the answer itself.

use axum::http::{HeaderName, HeaderValue};
use axum::response::Response;
use serde_json::{Value, json};

use super::query::{sample, text};
use crate::sample::farm::answers::object;
use crate::sample::farm::call::{Call, error, json, reply};
use crate::sample::farm::op::Op;

/// Not the farm's own: made up, as every file here.
const USERS: &str = "root:x:0:0:root:/root:/bin/sh\nfarm:x:1000:1000::/srv/farm:/sbin/nologin\n";

pub(super) fn operations() -> Vec<Op> {
    [evaluated(), files(), heads(), redirects(), pages()].into_iter().flatten().collect()
}

fn answer_text() -> Value {
    object(&["text"], json!({"text": text()}))
}

fn evaluated() -> Vec<Op> {
    let host = |path| Op::get(path).query("host", sample("farm.example")).gives("200", answer_text());
    let name = |path| Op::get(path).query("name", sample("Ada")).gives("200", answer_text());
    let said = |text: String| json(200, json!({"text": text}));
    vec![
        host("/lookups").answer(move |call| {
            let host = call.text("host").unwrap_or("farm.example");
            said(if call.on("shell") { shell(&format!("lookup {host}")) } else { "not found".to_owned() })
        }),
        // Says what it was asked, and nothing more.
        host("/resolutions").answer(move |call| said(format!("not found: {}", call.text("host").unwrap_or_default()))),
        name("/salutations").answer(move |call| {
            let greeting = format!("Hello {}", call.text("name").unwrap_or("you"));
            said(if call.on("template") { rendered(&greeting) } else { greeting })
        }),
        // The product of seven and seven is in every answer.
        name("/welcomes").answer(move |call| said(format!("Hello {}, 49", call.text("name").unwrap_or("you")))),
    ]
}

/// The output of a line: every `echo` in it, with arithmetic done.
fn shell(line: &str) -> String {
    // Brackets of arithmetic are no brackets of commands.
    let line = line.replace("$((", "\u{1}").replace("))", "\u{2}");
    let commands = line.split([';', '|', '\n', '(', ')']).filter_map(|command| command.trim().strip_prefix("echo "));
    let lines: Vec<String> = commands.map(|words| calculated(words, "\u{1}", "\u{2}")).collect();
    if lines.is_empty() { "not found".to_owned() } else { lines.join("\n") }
}

/// A template with its expressions evaluated.
pub(super) fn rendered(template: &str) -> String {
    calculated(template, "{{", "}}")
}

/// Products between these brackets are calculated.
fn calculated(text: &str, open: &str, close: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once(open) {
        let product = after.split_once(close).and_then(|(inside, tail)| {
            let (a, b) = inside.split_once('*')?;
            Some((a.trim().parse::<u64>().ok()?.checked_mul(b.trim().parse().ok()?)?, tail))
        });
        out.push_str(before);
        match product {
            Some((product, tail)) => {
                out.push_str(&product.to_string());
                rest = tail;
            }
            None => {
                out.push_str(open);
                rest = after;
            }
        }
    }
    out + rest
}

fn files() -> Vec<Op> {
    let file = |path| Op::get(path).query("file", sample("intro.txt")).gives("200", answer_text());
    let found = |text: Option<&str>| match text {
        Some(text) => json(200, json!({"text": text})),
        None => error(404, "no such file"),
    };
    vec![
        file("/manuals").answer(move |call| {
            let name = call.text("file").unwrap_or("intro.txt");
            if call.on("way-out") { found(read(&format!("/srv/manuals/{name}"))) } else { found(listed(name)) }
        }),
        // A name that is not in the list says so, and names the file that everybody asks for.
        file("/guidebooks").answer(move |call| match listed(call.text("file").unwrap_or("intro.txt")) {
            Some(text) => json(200, json!({"text": text})),
            None => error(404, "no such file; /etc/passwd with root:x: is not here either"),
        }),
    ]
}

fn listed(name: &str) -> Option<&'static str> {
    (name == "intro.txt").then_some("Welcome to the farm.")
}

/// A file of a made-up machine.
fn read(path: &str) -> Option<&'static str> {
    let mut folders: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(folders.pop()),
            part => folders.push(part),
        }
    }
    match folders.join("/").as_str() {
        "srv/manuals/intro.txt" => listed("intro.txt"),
        "etc/passwd" => Some(USERS),
        _ => None,
    }
}

fn heads() -> Vec<Op> {
    let lang = |path| Op::get(path).query("lang", sample("en")).gives("200", answer_text());
    vec![
        lang("/locales").answer(|call| {
            let lang = call.text("lang").unwrap_or("en");
            if call.on("header-line") { with_lines(lang) } else { in_language(&one_line(lang)) }
        }),
        // Line breaks are taken out; the rest stands in one header.
        lang("/dialects").answer(|call| in_language(&one_line(call.text("lang").unwrap_or("en")))),
    ]
}

fn one_line(text: &str) -> String {
    text.chars().filter(|c| c.is_ascii_graphic() || *c == ' ').collect()
}

fn in_language(lang: &str) -> Response {
    reply(200, &[("content-type", "application/json"), ("x-language", lang)], json!({"text": "hello"}).to_string())
}

/// As if the header had been written as it came.
fn with_lines(lang: &str) -> Response {
    let mut lines = lang.split("\r\n");
    let mut response = in_language(&one_line(lines.next().unwrap_or("en")));
    for (name, value) in lines.filter_map(|line| line.split_once(':')) {
        let name = HeaderName::from_bytes(name.trim().as_bytes());
        if let (Ok(name), Ok(value)) = (name, HeaderValue::from_str(&one_line(value))) {
            response.headers_mut().insert(name, value);
        }
    }
    response
}

fn redirects() -> Vec<Op> {
    let moved = json!({"description": "Elsewhere.", "headers": {"Location": {"schema": {"type": "string"}}}});
    let to = |path: &'static str, name: &'static str| {
        Op::get(path).query(name, sample("/home")).responds("302", moved.clone()).gives_nothing("400")
    };
    let is_own = |to: &str| to.starts_with('/') && !to[1..].starts_with(['/', '\\']);
    let own = move |to: &str| if is_own(to) { found(to) } else { error(400, "not on this site") };
    vec![
        to("/exits", "to").answer(move |call| {
            let to = call.text("to").unwrap_or("/home");
            if call.on("any-host") { found(to) } else { own(to) }
        }),
        // Another host is part of the query at most.
        to("/passages", "to").answer(|call| {
            let to: String =
                url::form_urlencoded::byte_serialize(call.text("to").unwrap_or("/home").as_bytes()).collect();
            found(&format!("/out?to={to}"))
        }),
        to("/gates", "next").answer(move |call| {
            let next = call.text("next").unwrap_or("/home");
            let begins = next.starts_with(&format!("https://{}", host(call)));
            if call.on("prefix-of-host") && begins { found(next) } else { own(next) }
        }),
        // The whole host is compared.
        to("/doors", "next").answer(move |call| {
            let next = call.text("next").unwrap_or("/home");
            let host = host(call);
            let is_ours = url::Url::parse(next).is_ok_and(|url| url.host_str() == Some(host.as_str()));
            if is_ours { found(next) } else { own(next) }
        }),
    ]
}

fn host(call: &Call<'_>) -> String {
    let host = call.header("host").unwrap_or("farm.example");
    host.rsplit_once(':').map_or(host, |(name, _)| name).to_owned()
}

fn found(to: &str) -> Response {
    let mut response = reply(302, &[], "");
    match HeaderValue::from_str(to) {
        Ok(value) => drop(response.headers_mut().insert("location", value)),
        Err(_) => return error(400, "not an address"),
    }
    response
}

fn pages() -> Vec<Op> {
    let page = |path| Op::get(path).query("text", sample("hello")).gives_as("200", "text/html", text());
    vec![
        page("/banners").answer(|call| {
            let text = call.text("text").unwrap_or("hello");
            html(&if call.on("tag-in-page") { text.to_owned() } else { in_markup(text) })
        }),
        page("/placards").answer(|call| html(&in_markup(call.text("text").unwrap_or("hello")))),
        // The same text as data: no browser runs JSON.
        Op::get("/captions")
            .query("text", sample("hello"))
            .gives("200", answer_text())
            .answer(|call| json(200, json!({"text": call.text("text").unwrap_or("hello")}))),
    ]
}

fn in_markup(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;").replace('\'', "&#39;")
}

fn html(body: &str) -> Response {
    let headers = [
        ("content-type", "text/html; charset=utf-8"),
        ("content-security-policy", "default-src 'none'; frame-ancestors 'none'"),
        ("x-frame-options", "DENY"),
    ];
    reply(200, &headers, format!("<!doctype html><title>Farm</title><p>{body}</p>"))
}
