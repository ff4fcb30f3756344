//! Lists: pages, filters, orders.

use axum::response::Response;
use serde_json::{Value, json};

use super::answers::object;
use super::call::{Call, json};
use super::op::Op;

/// Items in every list.
const COUNT: i64 = 23;

fn list(extra: Value) -> Value {
    let item = object(&["id", "name"], json!({"id": {"type": "integer"}, "name": {"type": "string"}}));
    let mut properties = json!({"items": {"type": "array", "items": item}, "total": {"type": "integer"}});
    for (name, schema) in extra.as_object().into_iter().flatten() {
        properties[name] = schema.clone();
    }
    object(&["items"], properties)
}

fn item(id: i64) -> Value {
    json!({"id": id, "name": format!("Item {id}")})
}

fn limit() -> Value {
    json!({"type": "integer", "minimum": 1, "maximum": 50, "default": 10})
}

pub(super) fn operations() -> Vec<Op> {
    [by_offset(), by_page(), by_cursor(), filters()].into_iter().flatten().collect()
}

fn by_offset() -> Vec<Op> {
    let offset = json!({"type": "integer", "minimum": 0, "maximum": 1000, "default": 0});
    let songs =
        |path| Op::get(path).query("offset", offset.clone()).query("limit", limit()).gives("200", list(json!({})));
    /// The items from `first` on, `step` being what an offset of more than nothing is off by.
    fn page(call: &Call<'_>, step: i64) -> Response {
        let (offset, limit) = (call.integer("offset").unwrap_or(0), call.integer("limit").unwrap_or(10));
        let first = if offset > 0 { (offset + step).max(0) } else { 0 };
        let items: Vec<Value> = (first + 1..=COUNT).take(usize::try_from(limit).unwrap_or(10)).map(item).collect();
        json(200, json!({"items": items, "total": COUNT}))
    }
    vec![
        songs("/songs").answer(|call| page(call, if call.on("page-repeats") { -1 } else { 0 })),
        songs("/tunes").answer(|call| page(call, 0)),
        songs("/films").answer(|call| page(call, if call.on("page-omits") { 1 } else { 0 })),
        songs("/movies").answer(|call| page(call, 0)),
    ]
}

fn by_page() -> Vec<Op> {
    let number = json!({"type": "integer", "minimum": 1, "maximum": 1000, "default": 1});
    let plays = |path| {
        Op::get(path)
            .query("page", number.clone())
            .query("limit", limit())
            .gives("200", list(json!({"pages": {"type": "integer"}})))
    };
    fn page(call: &Call<'_>, limit: i64) -> Response {
        let number = call.integer("page").unwrap_or(1);
        let items = (1..=COUNT).skip(usize::try_from((number - 1) * limit).unwrap_or(0));
        let items: Vec<Value> = items.take(usize::try_from(limit).unwrap_or(10)).map(item).collect();
        json(200, json!({"items": items, "total": COUNT, "pages": (COUNT + limit - 1) / limit}))
    }
    vec![
        plays("/plays").answer(|call| {
            let wanted = call.integer("limit").unwrap_or(10);
            page(call, if call.on("limit-ignored") { 10 } else { wanted })
        }),
        // A page may hold less than the limit.
        plays("/shows").answer(|call| page(call, call.integer("limit").unwrap_or(10).min(20))),
    ]
}

fn by_cursor() -> Vec<Op> {
    let cursor = json!({"type": "string", "pattern": "^[a-z]+$", "maxLength": 80});
    let next = json!({"next": {"type": ["string", "null"]}});
    let verses =
        |path| Op::get(path).query("cursor", cursor.clone()).query("limit", limit()).gives("200", list(next.clone()));
    /// A cursor is the number of items before, written in letters; an unknown one begins anew.
    fn page(call: &Call<'_>, links: Option<&str>, endless: bool) -> Response {
        let limit = call.integer("limit").unwrap_or(10);
        let before = call.text("cursor").map_or(0, |text| i64::try_from(text.len()).unwrap_or(1) - 1);
        let before = if before >= COUNT && endless { 0 } else { before };
        let items: Vec<Value> = (before + 1..=COUNT).take(usize::try_from(limit).unwrap_or(10)).map(item).collect();
        let after = before + limit;
        let more = after < COUNT || endless;
        let cursor = "n".repeat(usize::try_from(after + 1).unwrap_or(1));
        let next = match links {
            Some(path) => format!("{path}?cursor={cursor}"),
            None => cursor,
        };
        json(200, json!({"items": items, "next": more.then_some(next)}))
    }
    vec![
        verses("/verses").answer(|call| page(call, None, call.on("endless-pages"))),
        verses("/stanzas").answer(|call| page(call, None, false)),
        verses("/operas")
            .answer(|call| page(call, Some(if call.on("broken-next") { "/operas/next" } else { "/operas" }), false)),
        // A link may be relative.
        verses("/ballets").answer(|call| page(call, Some("ballets"), false)),
    ]
}

fn filters() -> Vec<Op> {
    let status = json!({"type": "string", "enum": ["free", "sold"]});
    let pet = object(&["id", "status"], json!({"id": {"type": "integer"}, "status": status}));
    let car = object(&["id", "price"], json!({"id": {"type": "integer"}, "price": {"type": "integer"}}));
    let pets = |path| {
        let all = object(&["items"], json!({"items": {"type": "array", "items": pet.clone()}}));
        Op::get(path).query("status", pet["properties"]["status"].clone()).gives("200", all)
    };
    let cars = |path| {
        let all = object(&["items"], json!({"items": {"type": "array", "items": car.clone()}}));
        Op::get(path).query("sort", json!({"type": "string", "enum": ["price", "-price"]})).gives("200", all)
    };
    fn some(call: &Call<'_>, leak: bool) -> Response {
        let wanted = call.text("status");
        let fits = |id: &i64| wanted.is_none_or(|wanted| wanted == status_of(*id)) || (leak && id % 5 == 0);
        let items: Vec<Value> = (1..=COUNT).filter(fits).map(|id| json!({"id": id, "status": status_of(id)})).collect();
        json(200, json!({"items": items}))
    }
    fn sorted(call: &Call<'_>, wrong: bool) -> Response {
        let mut prices: Vec<(i64, i64)> = (1..=COUNT).map(|id| (id, id * 7 % 11)).collect();
        match call.text("sort") {
            Some("price") => prices.sort_by_key(|(_, price)| *price),
            Some(_) if wrong => prices.sort_by_key(|(_, price)| price.to_string()),
            Some(_) => prices.sort_by_key(|(_, price)| -price),
            None => {}
        }
        let items: Vec<Value> = prices.into_iter().map(|(id, price)| json!({"id": id, "price": price})).collect();
        json(200, json!({"items": items}))
    }
    vec![
        pets("/cats").answer(|call| some(call, call.on("leaky-filter"))),
        pets("/dogs").answer(|call| some(call, false)),
        cars("/cars").answer(|call| sorted(call, call.on("wrong-sort"))),
        cars("/bikes").answer(|call| sorted(call, false)),
    ]
}

fn status_of(id: i64) -> &'static str {
    if id % 3 == 0 { "sold" } else { "free" }
}
