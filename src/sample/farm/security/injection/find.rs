//! What becomes part of a query for a document store, a directory or XML.

use serde_json::{Value, json};

use super::query::{BOOKS, column, list, raw, sample, shown, text};
use super::statement::{Dialect, Row, select};
use crate::sample::farm::answers::object;
use crate::sample::farm::call::{Call, json};
use crate::sample::farm::op::Op;

const PEOPLE: [Row<'static>; 3] = [
    &[("uid", "ada"), ("email", "ada@farm.example"), ("class", "person")],
    &[("uid", "bob"), ("email", "bob@farm.example"), ("class", "person")],
    &[("uid", "eve"), ("email", "eve@farm.example"), ("class", "person")],
];

fn people(wanted: impl Fn(Row<'static>) -> bool) -> Value {
    shown(&PEOPLE.into_iter().filter(|row| wanted(row)).collect::<Vec<_>>())
}

pub(super) fn operations() -> Vec<Op> {
    [documents(), directories(), merges()].into_iter().flatten().collect()
}

/// An operator as a document store runs it; what is none compares with an object, and no text is one.
fn runs(stored: &str, operator: &str, operand: &str) -> bool {
    match operator {
        "$eq" => stored == operand,
        "$ne" => stored != operand,
        "$gt" => stored > operand,
        _ => false,
    }
}

fn documents() -> Vec<Op> {
    let email = || object(&["email"], json!({"email": {"type": "string", "example": "ada@farm.example"}}));
    let search = |path| Op::post(path).body(email()).gives("200", list());
    let by_name = |path| Op::get(path).query("name", sample("ada")).gives("200", list());
    let by_topic = |path| Op::get(path).query("topic", sample("Dune")).gives("200", list());
    vec![
        search("/members/search").lapse("operator-in-body", "body /email", "type").answer(|call| {
            let wanted = &call.body["email"];
            let found = |stored: &str| match wanted {
                Value::Object(members) => members
                    .iter()
                    .all(|(operator, operand)| runs(stored, operator, operand.as_str().unwrap_or_default())),
                _ => wanted.as_str() == Some(stored),
            };
            json(200, people(|row| found(column(row, "email"))))
        }),
        // What is no text is no filter.
        search("/guests/search").lax(None, "body /email", "type").answer(|call| {
            let wanted = call.body["email"].as_str();
            json(200, people(|row| wanted.is_none_or(|wanted| wanted == column(row, "email"))))
        }),
        by_name("/pupils").answer(|call| {
            let in_brackets = |(key, operand): &(String, String)| {
                let operator = key.strip_prefix("name[")?.strip_suffix(']')?;
                Some((operator.to_owned(), operand.clone()))
            };
            let operators: Vec<(String, String)> = call.raw.query.iter().filter_map(in_brackets).collect();
            let on = call.on("operator-in-query");
            json(
                200,
                people(|row| {
                    let stored = column(row, "uid");
                    let plain = raw(call, "name").is_none_or(|name| name == stored);
                    plain && (!on || operators.iter().all(|(operator, operand)| runs(stored, operator, operand)))
                }),
            )
        }),
        // Brackets are another name, and another name is no filter.
        by_name("/trainees")
            .answer(|call| json(200, people(|row| raw(call, "name").is_none_or(|name| name == column(row, "uid"))))),
        by_topic("/surveys").answer(|call| {
            let topic = call.text("topic").unwrap_or("Dune");
            if call.on("script-in-query") {
                let script = format!("title == '{topic}'");
                return json(200, shown(&select(&BOOKS, &script, Dialect::Script).unwrap_or_default()));
            }
            books_of(topic)
        }),
        by_topic("/censuses").answer(|call| {
            let topic = call.text("topic").unwrap_or("Dune");
            // Only what stands before the first space is looked at.
            books_of(topic.split(['\'', ' ']).next().unwrap_or_default())
        }),
    ]
}

/// Answers with what was sent, merged into an object with defaults.
fn merges() -> Vec<Op> {
    let body = || object(&["theme"], json!({"theme": {"type": "string", "minLength": 1, "maxLength": 40}}));
    let merge = |path| Op::post(path).body(body()).gives("200", json!({"type": "object"}));
    vec![
        merge("/preferences").answer(|call| {
            let mut state = call.farm.shelves.state();
            let prototype = state.shelves.entry("prototype").or_default();
            let own = call.body["__proto__"].as_object().filter(|_| call.on("prototype"));
            for name in own.into_iter().flatten().map(|(name, _)| name) {
                prototype.keys.insert(name.clone(), (Value::Null, String::new()));
            }
            // One that has grown too long is cut.
            while prototype.keys.len() > 50 {
                prototype.keys.pop_first();
            }
            let mut answer = json!({"theme": call.body["theme"], "size": 10});
            prototype.keys.keys().for_each(|name| answer[name] = json!("inherited"));
            json(200, answer)
        }),
        // The name is a name like any other.
        merge("/presets").answer(|call| {
            let mut answer = json!({"size": 10});
            for (name, value) in call.body.as_object().into_iter().flatten() {
                answer[name] = value.clone();
            }
            json(200, answer)
        }),
    ]
}

fn books_of(title: &str) -> axum::response::Response {
    json(200, shown(&BOOKS.into_iter().filter(|row| column(row, "title") == title).collect::<Vec<_>>()))
}

fn directories() -> Vec<Op> {
    let by_uid = |path| Op::get(path).query("uid", sample("bob")).gives("200", list());
    let sku = |path| {
        let price = object(&["known"], json!({"known": {"type": "boolean"}, "title": text()}));
        Op::get(path).query("sku", sample("Emma")).gives("200", price)
    };
    vec![
        by_uid("/staff").answer(|call| {
            let uid = call.text("uid").unwrap_or("bob");
            let filter = match call.on("filter-of-directory") {
                true => format!("(&(objectClass=person)(uid={uid}))"),
                false => format!("(&(objectClass=person)(uid={}))", escaped(uid)),
            };
            json(200, people(|row| holds(&filter, row) == Some(true)))
        }),
        // Stars are welcome here.
        by_uid("/crew").answer(|call| {
            let uid = call.text("uid").unwrap_or("bob");
            json(200, people(|row| is_like(column(row, "uid"), uid)))
        }),
        sku("/inventory").answer(|call| {
            let sku = call.text("sku").unwrap_or("Emma");
            if call.on("path-into-xml") {
                let path = format!("title='{sku}'");
                return known(&select(&BOOKS, &path, Dialect::Xpath).unwrap_or_default());
            }
            by_sku(call)
        }),
        sku("/stockroom").answer(by_sku),
    ]
}

fn by_sku(call: &Call<'_>) -> axum::response::Response {
    let sku = call.text("sku").unwrap_or("Emma");
    known(&BOOKS.into_iter().filter(|row| column(row, "title") == sku).collect::<Vec<_>>())
}

fn known(rows: &[Row<'_>]) -> axum::response::Response {
    json(200, json!({"known": !rows.is_empty()}))
}

/// RFC 4515, section 3.
fn escaped(value: &str) -> String {
    value.replace('\\', "\\5c").replace('*', "\\2a").replace('(', "\\28").replace(')', "\\29")
}

/// Whether a filter holds for an entry; `None` when it is no filter.
fn holds(filter: &str, row: Row<'_>) -> Option<bool> {
    let mut rest = filter.strip_prefix("(&")?;
    let mut all = true;
    while rest != ")" {
        let (assertion, after) = rest.strip_prefix('(')?.split_once(')')?;
        let (attribute, pattern) = assertion.split_once('=')?;
        let value = if attribute == "objectClass" { "person" } else { column(row, attribute) };
        all &= !attribute.contains(['[', '(']) && !value.is_empty() && is_like(value, pattern);
        rest = after;
    }
    Some(all)
}

/// `*` is anything.
fn is_like(text: &str, pattern: &str) -> bool {
    let mut parts = pattern.split('*');
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = text.strip_prefix(first) else { return false };
    let parts: Vec<&str> = parts.collect();
    let Some((last, middle)) = parts.split_last() else { return rest.is_empty() };
    for part in middle {
        let Some((_, after)) = rest.split_once(part) else { return false };
        rest = after;
    }
    rest.ends_with(last)
}
