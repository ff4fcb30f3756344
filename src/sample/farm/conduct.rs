//! What resources do: created, read, changed, deleted.

use std::time::{Duration, Instant};

use axum::response::Response;
use serde_json::{Map, Value, json};

use super::call::{Call, empty, error, json, set};
use super::resource::{Ids, Quirk, Resource, WITH_KEY, WITH_TAG, body_schema, fields};
use super::rule::faults;
use super::shelf::{State, Thing, uuid};

/// How long a lagging resource takes to show what was created.
const LAG: Duration = Duration::from_millis(300);

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

pub(super) fn create(resource: Resource, call: &Call<'_>) -> Response {
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
fn found<'s>(resource: Resource, call: &Call<'_>, state: &'s mut State) -> Result<&'s mut Thing, Box<Response>> {
    let parent = parent(resource, call, state).ok_or_else(|| Box::new(missing()))?;
    let shelf = state.shelves.entry(resource.path).or_default();
    let thing = shelf.things.get_mut(call.path(resource.id)).ok_or_else(|| Box::new(missing()))?;
    let strays = thing.parent != parent && !resource.has(call, "wrong-parent");
    let lags = resource.quirk == Quirk::Lags && thing.made.elapsed() < LAG;
    if strays || lags { Err(Box::new(missing())) } else { Ok(thing) }
}

pub(super) fn read(resource: Resource, call: &Call<'_>) -> Response {
    let mut state = call.farm.shelves.state();
    let ticks = state.tick();
    let thing = match found(resource, call, &mut state) {
        Ok(thing) => thing,
        Err(response) => return *response,
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
pub(super) fn preview(resource: Resource, call: &Call<'_>) -> Response {
    let mut state = call.farm.shelves.state();
    let ticks = state.tick();
    match found(resource, call, &mut state) {
        Ok(thing) => {
            if resource.has(call, "get-changes") {
                thing.value["note"] = json!("previewed");
            }
            shown(resource, thing, ticks)
        }
        Err(response) => *response,
    }
}

pub(super) fn update(resource: Resource, call: &Call<'_>) -> Response {
    let mut state = call.farm.shelves.state();
    let ticks = state.tick();
    let creates = resource.quirk == Quirk::PutCreates;
    let id = call.path(resource.id).to_owned();
    let thing = match found(resource, call, &mut state) {
        Ok(thing) if !(creates && thing.deleted) => thing,
        Err(response) if !creates => return *response,
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

pub(super) fn patch(resource: Resource, call: &Call<'_>) -> Response {
    let mut state = call.farm.shelves.state();
    let ticks = state.tick();
    let thing = match found(resource, call, &mut state) {
        Ok(thing) => thing,
        Err(response) => return *response,
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

pub(super) fn delete(resource: Resource, call: &Call<'_>) -> Response {
    let mut state = call.farm.shelves.state();
    match found(resource, call, &mut state) {
        Ok(thing) if thing.deleted && resource.has(call, "second-delete-crash") => error(500, "INTERNAL"),
        Ok(thing) if thing.deleted && resource.quirk == Quirk::Gone => error(410, "it was deleted"),
        Ok(thing) if thing.deleted => missing(),
        Ok(thing) => {
            thing.deleted = true;
            empty(204)
        }
        Err(response) => *response,
    }
}

pub(super) fn list(resource: Resource, call: &Call<'_>) -> Response {
    let mut state = call.farm.shelves.state();
    let shelf = state.shelves.entry(resource.path).or_default();
    let mut things: Vec<&Thing> = shelf.things.values().filter(|thing| !thing.deleted).collect();
    things.sort_by_key(|thing| std::cmp::Reverse(thing.number));
    let items: Vec<&Value> = things.into_iter().take(100).map(|thing| &thing.value).collect();
    json(200, json!({"items": items}))
}
