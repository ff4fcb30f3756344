//! What becomes part of an SQL statement.

use std::convert::Infallible;
use std::time::{Duration, Instant};

use axum::body::Body;
use axum::response::Response;
use bytes::Bytes;
use serde_json::{Value, json};

use super::statement::{Dialect, Row, evaluate, select};
use crate::sample::farm::answers::object;
use crate::sample::farm::call::{Call, error, json, reply};
use crate::sample::farm::op::Op;
use crate::sample::farm::shelf::{Thing, uuid};

pub(super) const BOOKS: [Row<'static>; 3] = [
    &[("id", "1"), ("title", "Dune"), ("pages", "612")],
    &[("id", "2"), ("title", "Emma"), ("pages", "474")],
    &[("id", "3"), ("title", "Ulysses"), ("pages", "730")],
];

pub(super) fn text() -> Value {
    json!({"type": "string"})
}

pub(super) fn sample(example: &str) -> Value {
    json!({"type": "string", "minLength": 1, "example": example})
}

pub(super) fn column<'r>(row: Row<'r>, name: &str) -> &'r str {
    row.iter().find(|(column, _)| *column == name).map_or("", |(_, value)| *value)
}

/// Rows as the API shows them.
pub(super) fn shown(rows: &[Row<'_>]) -> Value {
    let one = |row: &Row<'_>| row.iter().map(|(name, value)| ((*name).to_owned(), Value::from(*value))).collect();
    json!({"items": rows.iter().map(one).collect::<Vec<Value>>()})
}

pub(super) fn list() -> Value {
    let item = json!({"type": "object", "additionalProperties": {"type": "string"}});
    object(&["items"], json!({"items": {"type": "array", "items": item}}))
}

fn first(rows: &[Row<'_>]) -> Response {
    match rows.first() {
        Some(row) => json(200, json!({"title": column(row, "title"), "pages": column(row, "pages")})),
        None => error(404, "no such thing"),
    }
}

pub(super) fn raw<'c>(call: &'c Call<'_>, name: &str) -> Option<&'c str> {
    call.raw.query.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
}

pub(super) fn operations() -> Vec<Op> {
    [conditions(), lists(), silent(), stored()].into_iter().flatten().collect()
}

fn conditions() -> Vec<Op> {
    let book = || object(&["title", "pages"], json!({"title": text(), "pages": text()}));
    let by_title = |path| Op::get(path).id("title", sample("Dune")).gives("200", book());
    let opened = || object(&["opened"], json!({"opened": {"type": "boolean"}}));
    let code = || {
        let mut body = object(&["code"], json!({"code": {"type": "string", "minLength": 1}}));
        body["example"] = json!({"code": "Emma"});
        body
    };
    let by_code = |path| Op::post(path).body(code()).gives("200", opened()).gives_nothing("403");
    vec![
        by_title("/novels/{title}").answer(|call| {
            let title = call.path("title");
            if call.on("sql-text") {
                return first(&select(&BOOKS, &format!("title = '{title}'"), Dialect::Sql).unwrap_or_default());
            }
            first(&matching(|row| column(row, "title") == title))
        }),
        // A lenient search: any word of the text will do, and quotes are text.
        by_title("/romances/{title}").answer(|call| {
            let words: Vec<&str> = call.path("title").split(|c: char| !c.is_alphanumeric()).collect();
            first(&matching(|row| words.contains(&column(row, "title"))))
        }),
        by_code("/kiosks/open").answer(|call| {
            let code = call.body["code"].as_str().unwrap_or_default();
            let condition = format!("(title = ('{code}'))");
            let found = match call.on("sql-login") {
                true => select(&BOOKS, &condition, Dialect::Sql).unwrap_or_default(),
                false => matching(|row| column(row, "title") == code),
            };
            opened_by(&found)
        }),
        // What is sent is shortened to its first word.
        by_code("/booths/open").answer(|call| {
            let code = call.body["code"].as_str().unwrap_or_default();
            let word = code.split(|c: char| !c.is_alphanumeric()).next().unwrap_or_default();
            opened_by(&matching(|row| column(row, "title") == word))
        }),
    ]
}

fn opened_by(rows: &[Row<'_>]) -> Response {
    if rows.is_empty() { error(403, "wrong code") } else { json(200, json!({"opened": true})) }
}

fn matching(wanted: impl Fn(Row<'static>) -> bool) -> Vec<Row<'static>> {
    BOOKS.into_iter().filter(|row| wanted(row)).collect()
}

fn lists() -> Vec<Op> {
    let customer = json!({"type": "integer", "minimum": 1, "maximum": 3, "example": 2});
    let of = |path| Op::get(path).query("customer", customer.clone()).gives("200", list());
    let search = |path| Op::get(path).query("q", sample("no such words")).gives("200", list());
    let order = json!({"type": "string", "enum": ["pages"]});
    let sorted = |path| Op::get(path).query("sort", order.clone()).gives("200", list());
    vec![
        of("/receipts").lapse("sql-number", "query customer", "type").answer(|call| match raw(call, "customer") {
            Some(customer) => match select(&BOOKS, &format!("id = {customer}"), Dialect::Sql) {
                Ok(rows) => json(200, shown(&rows)),
                Err(_) => error(400, "wrong parameters"),
            },
            None => json(200, shown(&BOOKS)),
        }),
        // Reads the number that the text begins with, as some languages do.
        of("/bills").lax(None, "query customer", "type").lax(None, "query customer", "maximum").answer(|call| {
            let customer = raw(call, "customer").unwrap_or("1");
            let digits: String = customer.chars().take_while(char::is_ascii_digit).collect();
            json(200, shown(&matching(|row| column(row, "id") == digits)))
        }),
        search("/digests").answer(|call| {
            let q = call.text("q").unwrap_or_default();
            if call.on("sql-search") {
                let condition = format!("(title LIKE '%{q}%')");
                return json(200, shown(&select(&BOOKS, &condition, Dialect::Sql).unwrap_or_default()));
            }
            json(200, shown(&matching(|row| column(row, "title").contains(q))))
        }),
        // A search that knows OR, and sells that as a feature.
        search("/almanacs").answer(|call| {
            let parts: Vec<&str> = call.text("q").unwrap_or_default().split(" OR ").collect();
            json(200, shown(&matching(|row| parts.iter().any(|part| column(row, "title").contains(*part)))))
        }),
        sorted("/cashbooks").lapse("sql-sort", "query sort", "enum").answer(|call| {
            let mut rows = Vec::new();
            for row in BOOKS {
                match evaluate(call.text("sort").unwrap_or("id"), row, Dialect::Sql) {
                    Ok((key, _)) => rows.push((key.text(), row)),
                    Err(_) => return error(400, "cannot sort by that"),
                }
            }
            rows.sort_by(|one, other| one.0.cmp(&other.0));
            json(200, shown(&rows.into_iter().map(|(_, row)| row).collect::<Vec<_>>()))
        }),
        // What is no column sorts by number.
        sorted("/registers").lax(None, "query sort", "enum").answer(|call| {
            let mut rows = BOOKS;
            if call.text("sort") == Some("pages") {
                rows.sort_by(|one, other| column(one, "pages").cmp(column(other, "pages")));
            }
            json(200, shown(&rows))
        }),
    ]
}

/// The answer says nothing of what was found.
fn silent() -> Vec<Op> {
    let status = || object(&["status"], json!({"status": text()}));
    let by_code = |path| Op::get(path).id("code", sample("ab12")).gives("200", status()).gives_nothing("400");
    let by_city = |path| Op::get(path).query("city", sample("Oslo")).gives("200", status());
    vec![
        by_code("/parcels/{code}").answer(|call| {
            let condition = format!("title = '{}'", call.path("code"));
            match select(&BOOKS, &condition, Dialect::Sql) {
                Err(complaint) if call.on("sql-message") => error(400, &complaint),
                _ => json(200, json!({"status": "on its way"})),
            }
        }),
        // Always speaks of syntax.
        by_code("/packets/{code}").answer(|call| {
            match call.path("code").bytes().all(|byte| byte.is_ascii_alphanumeric()) {
                true => json(200, json!({"status": "on its way"})),
                false => error(400, "Incorrect syntax near the end of the code: letters and digits only"),
            }
        }),
        by_city("/forecasts").answer(|call| {
            let city = call.text("city").unwrap_or("Oslo");
            let answer = json!({"status": "asked"});
            if !call.on("sql-wait") {
                return json(200, answer);
            }
            match evaluate(&format!("'{city}'"), &[], Dialect::Sql) {
                Ok((_, slept)) => later(Duration::from_secs_f64(slept), &answer),
                Err(_) => error(500, "INTERNAL"),
            }
        }),
        // Slow, and slower each time until it begins anew.
        by_city("/climates").answer(|call| {
            let slow = Duration::from_millis(20 + 5 * (call.farm.shelves.tick() % 5));
            later(slow, &json!({"status": "asked"}))
        }),
    ]
}

/// An answer that comes after a while; nothing else has to wait for it.
fn later(wait: Duration, body: &Value) -> Response {
    if wait.is_zero() {
        return json(200, body.clone());
    }
    let bytes = Bytes::from(body.to_string());
    let stream = futures::stream::once(async move {
        tokio::time::sleep(wait).await;
        Ok::<_, Infallible>(bytes)
    });
    reply(200, &[("content-type", "application/json")], Body::from_stream(stream))
}

/// What is stored is read back.
fn stored() -> Vec<Op> {
    let kept = || object(&["id", "text"], json!({"id": text(), "text": text()}));
    let body = || object(&["text"], json!({"text": {"type": "string", "minLength": 1, "maxLength": 300}}));
    let all = [("annotations", "sql-stored"), ("remarks", ""), ("mottos", ""), ("maxims", "")];
    let pair = |(noun, mutant): (&'static str, &'static str)| {
        let template = noun == "mottos";
        [
            Op::post(format!("/{noun}"))
                .body(body())
                .gives("201", object(&["id"], json!({"id": text()})))
                .gives_nothing("400")
                .answer(move |call| shelve(call, noun, mutant)),
            Op::get(format!("/{noun}/{{id}}")).gives("200", kept()).answer(move |call| {
                let state = call.farm.shelves.state();
                let id = call.path("id");
                let Some(thing) = state.shelves.get(noun).and_then(|shelf| shelf.things.get(id)) else {
                    return error(404, "no such thing");
                };
                let kept = thing.value.as_str().unwrap_or_default();
                let on = template && call.on("template-stored");
                let text = if on { super::reply::rendered(kept) } else { kept.to_owned() };
                json(200, json!({"id": id, "text": text}))
            }),
        ]
    };
    all.into_iter().flat_map(pair).collect()
}

fn shelve(call: &Call<'_>, noun: &'static str, mutant: &'static str) -> Response {
    let text = call.body["text"].as_str().unwrap_or_default();
    let value = match call.on(mutant) {
        true => match evaluate(&format!("'{text}'"), &[], Dialect::Sql) {
            Ok((value, _)) => value.text(),
            Err(_) => return error(400, "this cannot be kept"),
        },
        false => text.to_owned(),
    };
    let mut state = call.farm.shelves.state();
    let number = state.tick();
    let id = uuid(number);
    let thing = Thing {
        number,
        value: Value::from(value),
        version: 1,
        made: Instant::now(),
        deleted: false,
        parent: String::new(),
    };
    state.shelves.entry(noun).or_default().put(id.clone(), thing);
    json(201, json!({"id": id}))
}
