//! Things with members that are not the client's to set.

use std::time::Instant;

use axum::response::Response;
use serde_json::{Map, Value, json};

use crate::sample::farm::answers::object;
use crate::sample::farm::call::{Call, error, json, who_are_you};
use crate::sample::farm::op::Op;
use crate::sample::farm::security::account::bearer;
use crate::sample::farm::shelf::{Thing, uuid};

/// What a server does with members that it did not ask for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Further {
    /// Nothing.
    Ignored,
    /// Shows them in the answer to the write, and forgets them.
    Echoed,
    /// Stores whatever comes: the things are notes without a form.
    Kept,
}

#[derive(Clone, Copy)]
struct Kind {
    path: &'static str,
    id: &'static str,
    /// Member that the server decides about.
    member: &'static str,
    flaw: &'static str,
    further: Further,
}

const fn kind(
    path: &'static str,
    id: &'static str,
    member: &'static str,
    flaw: &'static str,
    further: Further,
) -> Kind {
    Kind { path, id, member, flaw, further }
}

#[rustfmt::skip]
const KINDS: &[Kind] = &[
    kind("/memberships", "membership_id", "role", "mass-role", Further::Ignored),
    kind("/subscriptions", "subscription_id", "role", "", Further::Echoed),
    kind("/petitions", "petition_id", "owner_id", "mass-owner", Further::Ignored),
    kind("/jottings", "jotting_id", "owner_id", "", Further::Kept),
    kind("/wallets", "wallet_id", "balance", "mass-balance", Further::Ignored),
    kind("/purses", "purse_id", "balance", "", Further::Echoed),
    kind("/invitations", "invitation_id", "", "", Further::Ignored),
];

/// Wallets and purses can be changed.
const CHANGING: [&str; 2] = ["/wallets", "/purses"];

pub(super) fn operations() -> Vec<Op> {
    let mut all: Vec<Op> = KINDS.iter().flat_map(|kind| of(*kind)).collect();
    all.extend(profile("/profile", "mass-profile"));
    all.extend(profile("/appearance", ""));
    all
}

fn body(kind: Kind) -> Value {
    let mut all = json!({"title": {"type": "string", "minLength": 1, "maxLength": 60}});
    if kind.path == "/invitations" {
        // The client chooses, among what it may choose from.
        all["role"] = json!({"type": "string", "enum": ["guest", "member"]});
    }
    object(&["title"], all)
}

fn schema(kind: Kind) -> Value {
    let mut all = body(kind)["properties"].clone();
    all["id"] = json!({"type": "string", "readOnly": true});
    let read_only = match kind.member {
        "balance" => json!({"type": "integer"}),
        "role" => json!({"type": "string", "enum": ["guest", "member", "admin"]}),
        _ => json!({"type": "string"}),
    };
    if !kind.member.is_empty() {
        all[kind.member] = read_only;
    }
    object(&["id", "title"], all)
}

fn of(kind: Kind) -> Vec<Op> {
    let one = || format!("{}/{{{}}}", kind.path, kind.id);
    let guarded = |op: Op| op.secured(bearer()).gives_nothing("401");
    let mut all = vec![
        guarded(Op::post(kind.path).body(body(kind)).gives("201", schema(kind)).answer(move |call| create(kind, call))),
        guarded(Op::get(one()).gives("200", schema(kind)).answer(move |call| read(kind, call))),
    ];
    if CHANGING.contains(&kind.path) {
        let op = Op::new("PATCH", one()).body(body(kind)).gives("200", schema(kind));
        all.push(guarded(op.answer(move |call| change(kind, call))));
    }
    all
}

/// What the server says by itself.
fn default(kind: Kind, user: &str) -> Value {
    match kind.member {
        "balance" => json!(0),
        "role" => json!("guest"),
        _ => json!(user),
    }
}

/// What is stored of a body, and what the answer to the write shows.
fn stored(kind: Kind, call: &Call<'_>, before: Value, is_new: bool) -> (Value, Value) {
    let mut value = before;
    let sent = call.body.as_object().cloned().unwrap_or_default();
    let asked = body(kind)["properties"].as_object().cloned().unwrap_or_default();
    let open = call.on(kind.flaw) && is_new != CHANGING.contains(&kind.path);
    let mut shown = Map::new();
    for (name, member) in sent {
        let known = asked.contains_key(&name);
        if known
            || (open && name == kind.member)
            || (kind.further == Further::Kept && name != "id" && name != kind.member)
        {
            value[&name] = member;
        } else if kind.further == Further::Echoed {
            shown.insert(name, member);
        }
    }
    let mut answer = value.clone();
    for (name, member) in shown {
        answer[&name] = member;
    }
    (value, answer)
}

fn create(kind: Kind, call: &Call<'_>) -> Response {
    let Some(user) = call.user() else { return who_are_you() };
    let mut state = call.farm.shelves.state();
    let number = state.tick();
    let id = uuid(number);
    let mut before = json!({"id": id});
    if !kind.member.is_empty() {
        before[kind.member] = default(kind, &user);
    }
    let (value, answer) = stored(kind, call, before, true);
    // Where the member says whose it is, it is.
    let owner = value["owner_id"].as_str().map_or(user, str::to_owned);
    let thing = Thing { number, value, version: 1, made: Instant::now(), deleted: false, parent: owner };
    state.shelves.entry(kind.path).or_default().put(id, thing);
    json(201, answer)
}

fn read(kind: Kind, call: &Call<'_>) -> Response {
    let Some(user) = call.user() else { return who_are_you() };
    let mut state = call.farm.shelves.state();
    match state.shelves.entry(kind.path).or_default().things.get(call.path(kind.id)) {
        Some(thing) if thing.parent == user => json(200, thing.value.clone()),
        _ => error(404, "no such thing"),
    }
}

fn change(kind: Kind, call: &Call<'_>) -> Response {
    let Some(user) = call.user() else { return who_are_you() };
    let mut state = call.farm.shelves.state();
    match state.shelves.entry(kind.path).or_default().things.get_mut(call.path(kind.id)) {
        Some(thing) if thing.parent == user => {
            let (value, answer) = stored(kind, call, thing.value.clone(), false);
            thing.value = value;
            json(200, answer)
        }
        _ => error(404, "no such thing"),
    }
}

/// What users say of themselves.
fn profile(path: &'static str, flaw: &'static str) -> Vec<Op> {
    let text = json!({"type": "string", "maxLength": 80});
    let shown = object(&["motto"], json!({"motto": text, "verified": {"type": "boolean", "readOnly": true}}));
    let answer = move |call: &Call<'_>| -> Response {
        let Some(user) = call.user() else { return who_are_you() };
        let mut state = call.farm.shelves.state();
        let number = state.tick();
        let shelf = state.shelves.entry(path).or_default();
        let mut value = shelf
            .things
            .get(&user)
            .map_or_else(|| json!({"motto": "", "verified": false}), |known| known.value.clone());
        if call.body.is_object() {
            for name in ["motto", "verified"] {
                let open = name == "motto" || call.on(flaw);
                if let Some(member) = call.body.get(name).filter(|_| open) {
                    value[name] = member.clone();
                }
            }
            let parent = String::new();
            let thing =
                Thing { number, value: value.clone(), version: 1, made: Instant::now(), deleted: false, parent };
            shelf.put(user, thing);
        }
        json(200, value)
    };
    let guarded = |op: Op| op.gives("200", shown.clone()).secured(bearer()).gives_nothing("401");
    let body = object(&[], json!({"motto": text}));
    vec![guarded(Op::get(path)).answer(answer), guarded(Op::new("PATCH", path).body(body)).answer(answer)]
}
