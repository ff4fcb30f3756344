//! Resources with state: created, read, changed, deleted, each with one flaw or one quirk.

use std::time::{Duration, Instant};

use axum::response::Response;
use serde_json::{Map, Value, json};

use super::answers::object;
use super::call::{Call, empty, error, json, set};
use super::op::Op;
use super::rule::faults;
use super::shelf::{State, Thing, uuid};

/// How long a lagging resource takes to show what was created.
const LAG: Duration = Duration::from_millis(300);

#[derive(Clone, Copy, PartialEq, Eq)]
enum Ids {
    Uuid,
    Integer,
    /// The name is the id.
    Name,
}

/// What looks odd and is right.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Quirk {
    None,
    /// What was deleted is still shown, marked as deleted.
    SoftDelete,
    /// What was deleted is 410.
    Gone,
    /// PUT creates what is not there.
    PutCreates,
    /// It takes a moment until what was created is shown.
    Lags,
    /// E-mail addresses are folded and trimmed, a slug is computed.
    Folds,
    /// A counter of its own changes with every answer.
    Counts,
    /// A name exists once.
    Unique,
}

#[derive(Clone, Copy)]
struct Resource {
    path: &'static str,
    /// Of the path parameter.
    id: &'static str,
    ids: Ids,
    /// Of `CRUPDLG`: create, read, update, patch, delete, list, a safe sub-resource.
    verbs: &'static str,
    mutant: &'static str,
    quirk: Quirk,
}

const fn resource(path: &'static str, id: &'static str, verbs: &'static str, mutant: &'static str) -> Resource {
    Resource { path, id, ids: Ids::Uuid, verbs, mutant, quirk: Quirk::None }
}

impl Resource {
    const fn ids(mut self, ids: Ids) -> Self {
        self.ids = ids;
        self
    }

    const fn quirk(mut self, quirk: Quirk) -> Self {
        self.quirk = quirk;
        self
    }

    /// The flaw is there.
    fn has(self, call: &Call<'_>, mutant: &str) -> bool {
        self.mutant == mutant && call.on(mutant)
    }
}

#[rustfmt::skip]
const RESOURCES: &[Resource] = &[
    resource("/notes", "note_id", "CRD", "use-after-delete"),
    resource("/memos", "memo_id", "CRD", "").quirk(Quirk::SoftDelete),
    resource("/aliases", "name", "CRD", "name-after-delete").ids(Ids::Name),
    resource("/places-by-name", "name", "CRUD", "").ids(Ids::Name).quirk(Quirk::PutCreates),
    resource("/drafts", "draft_id", "CR", "lost-create").ids(Ids::Integer),
    resource("/parcels", "parcel_id", "CR", "").ids(Ids::Integer).quirk(Quirk::Lags),
    resource("/contacts", "contact_id", "CR", "dropped-member"),
    resource("/members", "member_id", "CR", "").quirk(Quirk::Folds),
    resource("/coupons", "coupon_id", "CRL", "leaky-create"),
    resource("/vouchers", "voucher_id", "CRL", "").quirk(Quirk::Unique),
    resource("/profiles", "profile_id", "CRU", "leaky-put"),
    resource("/settings", "setting_id", "CRU", "").quirk(Quirk::Counts),
    resource("/recipes", "recipe_id", "CRU", "put-merges").ids(Ids::Integer),
    resource("/menus", "menu_id", "CRU", "").ids(Ids::Integer).quirk(Quirk::Folds),
    resource("/cards", "card_id", "CRP", "null-ignored"),
    resource("/badges", "badge_id", "CRP", ""),
    resource("/stamps", "stamp_id", "CRD", "second-delete-crash").ids(Ids::Integer),
    resource("/seals", "seal_id", "CRD", "").ids(Ids::Integer).quirk(Quirk::Gone),
    resource("/letters", "letter_id", "CRG", "get-changes"),
    resource("/mails", "mail_id", "CRG", "").quirk(Quirk::Counts),
    resource("/teams", "team_id", "CR", ""),
    resource("/teams/{team_id}/players", "player_id", "CR", "wrong-parent"),
    resource("/clubs", "club_id", "CR", ""),
    resource("/clubs/{club_id}/fans", "fan_id", "CR", ""),
    resource("/payments", "payment_id", "CR", "key-ignored"),
    resource("/charges", "charge_id", "CR", ""),
    resource("/sheets", "sheet_id", "CRU", "stale-match"),
    resource("/slides", "slide_id", "CRU", ""),
];

/// Resources that take an idempotency key, and those that have entity tags.
const WITH_KEY: [&str; 2] = ["/payments", "/charges"];
const WITH_TAG: [&str; 2] = ["/sheets", "/slides"];

pub(super) fn operations() -> Vec<Op> {
    RESOURCES.iter().flat_map(|resource| resource.verbs.chars().map(|verb| operation(*resource, verb))).collect()
}

fn fields() -> Value {
    json!({
        "name": {"type": "string", "minLength": 1, "maxLength": 40},
        "size": {"type": "integer", "minimum": 0, "maximum": 1000},
        "email": {"type": "string", "format": "email"},
        "note": {"type": "string", "maxLength": 80}})
}

fn body_schema() -> Value {
    object(&["name", "size"], fields())
}

fn patch_schema() -> Value {
    let mut fields = fields();
    for name in ["note", "email"] {
        fields[name]["type"] = json!(["string", "null"]);
    }
    let mut schema = object(&[], fields);
    schema["minProperties"] = json!(1);
    schema
}

fn thing_schema(resource: Resource) -> Value {
    let mut all =
        json!({"id": {"type": if resource.ids == Ids::Integer { "integer" } else { "string" }, "readOnly": true}});
    if resource.ids == Ids::Uuid {
        all["id"]["format"] = json!("uuid");
    }
    for (name, schema) in fields().as_object().into_iter().flatten() {
        all[name] = schema.clone();
    }
    match resource.quirk {
        Quirk::Folds => all["slug"] = json!({"type": "string", "readOnly": true}),
        Quirk::Counts => all["views"] = json!({"type": "integer", "readOnly": true}),
        Quirk::SoftDelete => all["deleted"] = json!({"type": "boolean", "readOnly": true}),
        _ => {}
    }
    object(&["id", "name", "size"], all)
}

fn operation(resource: Resource, verb: char) -> Op {
    let one = format!("{}/{{{}}}", resource.path, resource.id);
    let schema = thing_schema(resource);
    let op = match verb {
        'C' => {
            let op = Op::post(resource.path).body(body_schema()).gives("201", schema);
            let op = op.header("201", "Location", json!({"type": "string"})).answer(move |call| create(resource, call));
            if WITH_KEY.contains(&resource.path) { op.parameter(key_parameter()) } else { op }
        }
        'R' => {
            let op = Op::get(one).gives("200", schema).answer(move |call| read(resource, call));
            if WITH_TAG.contains(&resource.path) {
                return ids(resource, op.header("200", "ETag", json!({"type": "string"})).gives_nothing("304"));
            }
            op
        }
        'U' => {
            let op = Op::new("PUT", one).body(body_schema()).gives("200", schema.clone());
            let op = if resource.quirk == Quirk::PutCreates { op.gives("201", schema) } else { op };
            let op = op.answer(move |call| update(resource, call));
            let tag = json!({"name": "If-Match", "in": "header", "schema": {"type": "string"}});
            if WITH_TAG.contains(&resource.path) { op.parameter(tag).gives_nothing("412") } else { op }
        }
        'P' => Op::new("PATCH", one)
            .body_as("application/merge-patch+json", patch_schema())
            .gives("200", schema)
            .answer(move |call| patch(resource, call)),
        'D' => Op::new("DELETE", one).gives_nothing("204").answer(move |call| delete(resource, call)),
        'G' => Op::get(format!("{one}/preview")).gives("200", schema).answer(move |call| preview(resource, call)),
        _ => {
            let all = object(&["items"], json!({"items": {"type": "array", "items": schema}}));
            Op::get(resource.path).gives("200", all).answer(move |call| list(resource, call))
        }
    };
    // What is judged only after it was stored.
    let leaks = matches!((resource.mutant, verb), ("leaky-create", 'C') | ("leaky-put", 'U'));
    let late = ["type", "minimum", "maximum", "minLength", "maxLength", "format", "required"];
    let op = if leaks { late.into_iter().fold(op, |op, keyword| op.lapse(resource.mutant, "*", keyword)) } else { op };
    ids(resource, op)
}

/// The schemas of the ids in the path.
fn ids(resource: Resource, op: Op) -> Op {
    let schema = match resource.ids {
        Ids::Uuid => json!({"type": "string", "format": "uuid"}),
        Ids::Integer => json!({"type": "integer", "minimum": 1, "maximum": 1_000_000_000}),
        Ids::Name => json!({"type": "string", "minLength": 1, "maxLength": 40}),
    };
    let uuid = || json!({"type": "string", "format": "uuid"});
    op.id(resource.id, schema).id("team_id", uuid()).id("club_id", uuid())
}

fn key_parameter() -> Value {
    json!({"name": "Idempotency-Key", "in": "header", "schema": {"type": "string", "minLength": 8, "maxLength": 64},
        "description": "The same key twice creates one resource."})
}

fn missing() -> Response {
    error(404, "no such thing")
}

/// The parent that the path names: none when there is no such thing.
fn parent(resource: Resource, call: &Call<'_>, state: &State) -> Option<String> {
    let Some((above, _)) = resource.path.split_once("/{") else { return Some(String::new()) };
    let id = call.path(if above == "/teams" { "team_id" } else { "club_id" });
    let known = state.shelves.get(above).is_some_and(|shelf| shelf.things.contains_key(id));
    known.then(|| id.to_owned())
}

fn shown(resource: Resource, thing: &Thing, ticks: u64) -> Response {
    let mut value = thing.value.clone();
    match resource.quirk {
        Quirk::Counts => value["views"] = json!(ticks),
        Quirk::SoftDelete => value["deleted"] = json!(thing.deleted),
        _ => {}
    }
    let mut response = json(200, value);
    if WITH_TAG.contains(&resource.path) {
        set(&mut response, "etag", &tag(thing));
    }
    response
}

fn tag(thing: &Thing) -> String {
    format!("\"v{}\"", thing.version)
}

/// What is stored of a body.
fn stored(resource: Resource, call: &Call<'_>, id: &Value) -> Value {
    let mut value = json!({"id": id});
    for (name, member) in call.body.as_object().into_iter().flatten() {
        if fields().get(name).is_some() && !(name == "note" && resource.has(call, "dropped-member")) {
            value[name] = member.clone();
        }
    }
    if resource.quirk == Quirk::Folds {
        if let Some(email) = value["email"].as_str().map(|email| email.trim().to_lowercase()) {
            value["email"] = json!(email);
        }
        value["slug"] = json!(value["name"].as_str().unwrap_or_default().to_lowercase());
    }
    if let Some(members) = value.as_object_mut() {
        members.retain(|name, member| name != "email" || !member.is_null());
    }
    value
}

/// A body that only a lapse let through.
fn refused(call: &Call<'_>) -> Option<Response> {
    let mut wrong = Vec::new();
    faults(&body_schema(), &call.body, "body", &mut wrong);
    (!wrong.is_empty()).then(|| error(422, "the body is wrong"))
}

fn create(resource: Resource, call: &Call<'_>) -> Response {
    let mut state = call.farm.shelves.state();
    let Some(parent) = parent(resource, call, &state) else { return missing() };
    let number = state.tick();
    let name = call.body["name"].as_str().unwrap_or_default().to_owned();
    let (key, id) = match resource.ids {
        Ids::Uuid => (uuid(number), json!(uuid(number))),
        Ids::Integer => (number.to_string(), json!(number)),
        Ids::Name => (name.clone(), json!(name)),
    };
    let value = stored(resource, call, &id);
    let shelf = state.shelves.entry(resource.path).or_default();
    let taken = match resource.ids {
        Ids::Name => shelf.things.get(&key).is_some_and(|thing| !thing.deleted),
        _ => resource.quirk == Quirk::Unique && shelf.things.values().any(|thing| thing.value["name"] == json!(name)),
    };
    if taken {
        return error(409, "the name is taken");
    }
    let made = |key: &str, value: &Value, location: String| {
        let mut response = json(201, value.clone());
        let segment: String =
            url::form_urlencoded::byte_serialize(key.as_bytes()).collect::<String>().replace('+', "%20");
        set(&mut response, "location", &format!("{location}/{segment}"));
        response
    };
    let location = match parent.is_empty() {
        true => resource.path.to_owned(),
        false => resource.path.replace("{team_id}", &parent).replace("{club_id}", &parent),
    };
    let idempotency = call.header("idempotency-key").filter(|_| WITH_KEY.contains(&resource.path));
    if let Some(idempotency) = idempotency.filter(|_| !resource.has(call, "key-ignored")) {
        match shelf.keys.get(idempotency) {
            Some((body, _)) if *body != call.body => return error(422, "the key belongs to another body"),
            Some((_, known)) => {
                let value = shelf.things.get(known).map_or(Value::Null, |thing| thing.value.clone());
                return made(known, &value, location);
            }
            None => drop(shelf.keys.insert(idempotency.to_owned(), (call.body.clone(), key.clone()))),
        }
    }
    if !resource.has(call, "lost-create") && call.body.is_object() {
        let thing = Thing { number, value: value.clone(), version: 1, made: Instant::now(), deleted: false, parent };
        shelf.put(key.clone(), thing);
    }
    refused(call).unwrap_or_else(|| made(&key, &value, location))
}

/// The thing that the path names, if it is there for everybody to see.
fn found<'s>(resource: Resource, call: &Call<'_>, state: &'s mut State) -> Result<&'s mut Thing, Response> {
    let parent = parent(resource, call, state).ok_or_else(missing)?;
    let shelf = state.shelves.entry(resource.path).or_default();
    let thing = shelf.things.get_mut(call.path(resource.id)).ok_or_else(missing)?;
    let strays = thing.parent != parent && !resource.has(call, "wrong-parent");
    let lags = resource.quirk == Quirk::Lags && thing.made.elapsed() < LAG;
    if strays || lags { Err(missing()) } else { Ok(thing) }
}

fn read(resource: Resource, call: &Call<'_>) -> Response {
    let mut state = call.farm.shelves.state();
    let ticks = state.tick();
    let thing = match found(resource, call, &mut state) {
        Ok(thing) => thing,
        Err(response) => return response,
    };
    let lives_on = resource.has(call, "use-after-delete") || resource.has(call, "name-after-delete");
    match resource.quirk {
        Quirk::SoftDelete => {}
        Quirk::Gone if thing.deleted => return error(410, "it was deleted"),
        _ if thing.deleted && !lives_on => return missing(),
        _ => {}
    }
    let known = call.header("if-none-match").filter(|_| WITH_TAG.contains(&resource.path));
    if known.is_some_and(|known| known.split(',').any(|known| known.trim() == tag(thing))) {
        let mut response = empty(304);
        set(&mut response, "etag", &tag(thing));
        return response;
    }
    shown(resource, thing, ticks)
}

/// A look that should change nothing.
fn preview(resource: Resource, call: &Call<'_>) -> Response {
    let mut state = call.farm.shelves.state();
    let ticks = state.tick();
    match found(resource, call, &mut state) {
        Ok(thing) => {
            if resource.has(call, "get-changes") {
                thing.value["note"] = json!("previewed");
            }
            shown(resource, thing, ticks)
        }
        Err(response) => response,
    }
}

fn update(resource: Resource, call: &Call<'_>) -> Response {
    let mut state = call.farm.shelves.state();
    let ticks = state.tick();
    let creates = resource.quirk == Quirk::PutCreates;
    let id = call.path(resource.id).to_owned();
    let thing = match found(resource, call, &mut state) {
        Ok(thing) if !(creates && thing.deleted) => thing,
        Err(response) if !creates => return response,
        _ => {
            let value = stored(resource, call, &json!(id));
            let thing = Thing {
                number: ticks,
                value: value.clone(),
                version: 1,
                made: Instant::now(),
                deleted: false,
                parent: String::new(),
            };
            state.shelves.entry(resource.path).or_default().put(id, thing);
            return json(201, value);
        }
    };
    let expected = call.header("if-match").filter(|_| WITH_TAG.contains(&resource.path));
    let stale = expected.is_some_and(|expected| expected != "*" && expected != tag(thing));
    if stale && !resource.has(call, "stale-match") {
        return error(412, "it was changed since");
    }
    let mut value = stored(resource, call, &thing.value["id"].clone());
    if resource.has(call, "put-merges") {
        merge(&mut thing.value, &value);
        value = thing.value.clone();
    }
    if call.body.is_object() {
        thing.value = value;
        thing.version += 1;
    }
    refused(call).unwrap_or_else(|| shown(resource, thing, ticks))
}

fn merge(into: &mut Value, from: &Value) {
    for (name, member) in from.as_object().into_iter().flatten() {
        into[name] = member.clone();
    }
}

fn patch(resource: Resource, call: &Call<'_>) -> Response {
    let mut state = call.farm.shelves.state();
    let ticks = state.tick();
    let thing = match found(resource, call, &mut state) {
        Ok(thing) => thing,
        Err(response) => return response,
    };
    let known = fields();
    let changes: Map<String, Value> = call
        .body
        .as_object()
        .into_iter()
        .flatten()
        .filter(|(name, _)| known.get(*name).is_some())
        .map(|(name, member)| (name.clone(), member.clone()))
        .collect();
    for (name, member) in changes {
        match (member, thing.value.as_object_mut()) {
            (Value::Null, Some(members)) if !resource.has(call, "null-ignored") => drop(members.shift_remove(&name)),
            (Value::Null, _) => {}
            (member, _) => thing.value[name.as_str()] = member,
        }
    }
    thing.version += 1;
    shown(resource, thing, ticks)
}

fn delete(resource: Resource, call: &Call<'_>) -> Response {
    let mut state = call.farm.shelves.state();
    match found(resource, call, &mut state) {
        Ok(thing) if thing.deleted && resource.has(call, "second-delete-crash") => error(500, "INTERNAL"),
        Ok(thing) if thing.deleted && resource.quirk == Quirk::Gone => error(410, "it was deleted"),
        Ok(thing) if thing.deleted => missing(),
        Ok(thing) => {
            thing.deleted = true;
            empty(204)
        }
        Err(response) => response,
    }
}

fn list(resource: Resource, call: &Call<'_>) -> Response {
    let mut state = call.farm.shelves.state();
    let shelf = state.shelves.entry(resource.path).or_default();
    let mut things: Vec<&Thing> = shelf.things.values().filter(|thing| !thing.deleted).collect();
    things.sort_by_key(|thing| std::cmp::Reverse(thing.number));
    let items: Vec<&Value> = things.into_iter().take(100).map(|thing| &thing.value).collect();
    json(200, json!({"items": items}))
}
