//! Things that belong to whoever made them.

use std::time::Instant;

use axum::response::Response;
use serde_json::{Value, json};

use crate::sample::farm::answers::object;
use crate::sample::farm::call::{Call, empty, error, json, who_are_you};
use crate::sample::farm::op::Op;
use crate::sample::farm::security::account::bearer;
use crate::sample::farm::shelf::{State, Thing, uuid};

/// To whom a thing is shown besides its owner.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Shown {
    /// Nobody.
    Nobody,
    /// Every user, and every list.
    Users,
    /// Everybody, the public too.
    All,
    /// Users, without what matters.
    Masked,
    /// Users, as an empty object.
    Blank,
    /// Its title and its owner stand in a public list.
    Title,
    /// Every user, and the public list has its title.
    Details,
}

/// What others get for a write.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Written {
    /// 404.
    Refused,
    /// A success that changes nothing.
    Pretended,
    /// What they asked for: that is what the thing is for.
    Welcome,
}

#[derive(Clone, Copy)]
struct Kind {
    path: &'static str,
    id: &'static str,
    /// Of `CRLUPDX`: create, read, list, replace, change, remove, close. Lower case: not in the document.
    verbs: &'static str,
    flaw: &'static str,
    shown: Shown,
    written: Written,
    /// The second text.
    text: &'static str,
}

const fn kind(path: &'static str, id: &'static str, verbs: &'static str, flaw: &'static str) -> Kind {
    Kind { path, id, verbs, flaw, shown: Shown::Nobody, written: Written::Refused, text: "note" }
}

impl Kind {
    const fn shown(mut self, shown: Shown) -> Self {
        self.shown = shown;
        self
    }

    const fn written(mut self, written: Written) -> Self {
        self.written = written;
        self
    }

    const fn text(mut self, text: &'static str) -> Self {
        self.text = text;
        self
    }

    fn has(self, call: &Call<'_>, flaw: &str) -> bool {
        self.flaw == flaw && call.on(flaw)
    }

    /// Member that says who made it.
    fn owner(self) -> &'static str {
        if self.written == Written::Welcome { "author" } else { "owner" }
    }

    /// The title is the id.
    fn is_named(self) -> bool {
        self.id == "title"
    }

    /// Path of what it lies in, and the parameter that says in which.
    fn above(self) -> Option<(&'static str, &'static str)> {
        let (above, rest) = self.path.split_once("/{")?;
        Some((above, rest.split_once('}')?.0))
    }
}

#[rustfmt::skip]
const KINDS: &[Kind] = &[
    kind("/diaries", "diary_id", "CRL", "foreign-read"),
    kind("/bulletins", "bulletin_id", "CRL", "").shown(Shown::Users),
    kind("/noticeboards", "noticeboard_id", "CR", "").shown(Shown::All),
    kind("/postcards", "postcard_id", "CRL", "").shown(Shown::Masked),
    kind("/telegrams", "telegram_id", "CRL", "").shown(Shown::Blank),
    kind("/manuscripts", "title", "CRL", "foreign-secret").shown(Shown::Title).text("secret"),
    kind("/gazettes", "title", "CRL", "").shown(Shown::Details),
    kind("/expenses", "expense_id", "CRL", "foreign-list"),
    kind("/catalogues", "title", "CRL", "").shown(Shown::Title),
    kind("/recordings", "recording_id", "CRLU", "foreign-put"),
    kind("/sketchbooks", "sketchbook_id", "CRLU", "").written(Written::Pretended),
    kind("/essays", "essay_id", "CRLP", "foreign-patch").shown(Shown::Users),
    kind("/wikis", "wiki_id", "CRLP", "").shown(Shown::Users).written(Written::Welcome),
    kind("/albums", "album_id", "CRLD", "foreign-delete"),
    kind("/folders", "folder_id", "CRLD", "").written(Written::Pretended),
    kind("/disputes", "dispute_id", "CRLX", "foreign-close"),
    kind("/requests", "request_id", "CRLX", ""),
    kind("/shipments", "shipment_id", "CRL", ""),
    kind("/badges", "badge_id", "CRL", "guessable-ids"),
    kind("/households", "household_id", "CRL", ""),
    kind("/households/{household_id}/chores", "chore_id", "CRL", "foreign-parent"),
    kind("/flats", "flat_id", "CRL", ""),
    kind("/flats/{flat_id}/duties", "duty_id", "CRL", ""),
    kind("/rebates", "title", "CR", "existence-told"),
    kind("/refunds", "title", "CR", ""),
    kind("/pamphlets", "pamphlet_id", "CRLd", "hidden-delete"),
    kind("/posters", "poster_id", "CRLu", "hidden-put"),
    kind("/leaflets", "leaflet_id", "CRLud", "").written(Written::Pretended),
];

pub(super) fn operations() -> Vec<Op> {
    let kinds = KINDS.iter().flat_map(|kind| kind.verbs.chars().map(|verb| operation(*kind, verb)));
    kinds.chain(references()).collect()
}

fn body(kind: Kind) -> Value {
    let title = json!({"type": "string", "minLength": 1, "maxLength": 60});
    object(&["title", kind.text], json!({"title": title, kind.text: {"type": "string", "maxLength": 200}}))
}

fn schema(kind: Kind) -> Value {
    let read_only = json!({"type": "string", "readOnly": true});
    let mut all = json!({"id": read_only, kind.owner(): read_only, "state": read_only});
    for (name, schema) in body(kind)["properties"].as_object().into_iter().flatten() {
        all[name] = schema.clone();
    }
    object(&["id", "title", kind.owner()], all)
}

fn operation(kind: Kind, verb: char) -> Op {
    let one = format!("{}/{{{}}}", kind.path, kind.id);
    let mut changes = body(kind);
    changes["required"] = json!([]);
    let op = match verb {
        'C' => Op::post(kind.path).body(body(kind)).gives("201", schema(kind)).answer(move |call| create(kind, call)),
        'R' => Op::get(one).gives("200", schema(kind)).answer(move |call| read(kind, call)),
        'L' => {
            let items = json!({"type": "array", "items": {"type": "object"}});
            Op::get(kind.path)
                .gives("200", object(&["items"], json!({"items": items})))
                .answer(move |call| list(kind, call))
        }
        'U' | 'u' => Op::new("PUT", one)
            .body(body(kind))
            .gives("200", schema(kind))
            .answer(move |call| change(kind, call, &["foreign-put", "hidden-put"])),
        'P' => Op::new("PATCH", one)
            .body(changes)
            .gives("200", schema(kind))
            .answer(move |call| change(kind, call, &["foreign-patch"])),
        'X' => Op::post(format!("{one}/close")).gives("200", schema(kind)).answer(move |call| close(kind, call)),
        _ => Op::new("DELETE", one).gives_nothing("204").answer(move |call| remove(kind, call)),
    };
    let is_public = matches!((kind.shown, verb), (Shown::All, 'R') | (Shown::Title | Shown::Details, 'L'));
    let op = if is_public { op } else { op.secured(bearer()).gives_nothing("401") };
    if verb.is_lowercase() { op.hidden() } else { op }
}

fn missing() -> Response {
    error(404, "no such thing")
}

fn title<'a>(call: &'a Call<'_>) -> &'a str {
    call.body["title"].as_str().unwrap_or_default()
}

/// Id of the parent, which must be the user's; empty where there is none.
fn parent(kind: Kind, call: &Call<'_>, state: &State, user: &str) -> Option<String> {
    let Some((above, name)) = kind.above() else { return Some(String::new()) };
    let id = call.path(name);
    let known = state.shelves.get(above)?.things.get(id)?;
    (known.value["owner"] == user).then(|| id.to_owned())
}

fn create(kind: Kind, call: &Call<'_>) -> Response {
    let Some(user) = call.user() else { return who_are_you() };
    let mut state = call.farm.shelves.state();
    let Some(parent) = parent(kind, call, &state, &user) else { return missing() };
    let number = state.tick();
    let id = match () {
        () if kind.is_named() => title(call).to_owned(),
        () if kind.has(call, "guessable-ids") => (100_000 + number).to_string(),
        () => uuid(number),
    };
    let shelf = state.shelves.entry(kind.path).or_default();
    if shelf.things.contains_key(&id) {
        return error(409, "the title is taken");
    }
    let text = call.body[kind.text].clone();
    let value = json!({"id": id, "title": title(call), kind.text: text, kind.owner(): user, "state": "open"});
    let thing = Thing { number, value: value.clone(), version: 1, made: Instant::now(), deleted: false, parent };
    shelf.put(id, thing);
    json(201, value)
}

/// The thing that the path names.
fn found<'s>(kind: Kind, call: &Call<'_>, state: &'s mut State, user: &str) -> Option<&'s mut Thing> {
    let parent = parent(kind, call, state, user)?;
    let thing = state.shelves.entry(kind.path).or_default().things.get_mut(call.path(kind.id))?;
    (thing.parent == parent || kind.has(call, "foreign-parent")).then_some(thing)
}

fn read(kind: Kind, call: &Call<'_>) -> Response {
    let user = match (call.user(), kind.shown) {
        (Some(user), _) => user,
        (None, Shown::All) => String::new(),
        (None, _) => return who_are_you(),
    };
    let mut state = call.farm.shelves.state();
    let Some(thing) = found(kind, call, &mut state, &user) else { return missing() };
    let open = ["foreign-read", "foreign-secret", "foreign-parent"].into_iter().any(|flaw| kind.has(call, flaw));
    if thing.value[kind.owner()] == user || open {
        return json(200, thing.value.clone());
    }
    match kind.shown {
        Shown::Users | Shown::All | Shown::Details => json(200, thing.value.clone()),
        Shown::Masked => {
            let mut value = thing.value.clone();
            for name in ["title", kind.text, "owner"] {
                value[name] = json!("***");
            }
            json(200, value)
        }
        Shown::Blank => json(200, json!({})),
        _ if kind.has(call, "existence-told") => error(403, "that belongs to somebody else"),
        _ => missing(),
    }
}

fn list(kind: Kind, call: &Call<'_>) -> Response {
    let titles = matches!(kind.shown, Shown::Title | Shown::Details);
    let user = match call.user() {
        Some(user) => user,
        None if titles => String::new(),
        None => return who_are_you(),
    };
    let mut state = call.farm.shelves.state();
    let Some(parent) = parent(kind, call, &state, &user) else { return missing() };
    let all = matches!(kind.shown, Shown::Users | Shown::All) || titles || kind.has(call, "foreign-list");
    let things = state.shelves.entry(kind.path).or_default().things.values();
    let mine = things.filter(|thing| thing.parent == parent && (all || thing.value[kind.owner()] == user));
    let short = |value: &Value| json!({"title": value["title"], "owner": value["owner"]});
    let items: Vec<Value> = mine.map(|thing| if titles { short(&thing.value) } else { thing.value.clone() }).collect();
    json(200, json!({"items": items}))
}

/// What becomes of a write to the thing.
enum Verdict {
    Done,
    Pretended,
    Missing,
}

fn judge(kind: Kind, call: &Call<'_>, thing: &Thing, user: &str, flaws: &[&str]) -> Verdict {
    match kind.written {
        _ if flaws.iter().any(|flaw| kind.has(call, flaw)) => Verdict::Done,
        // Nobody may, not even the owner: such a method is not there.
        Written::Pretended if kind.path == "/leaflets" => Verdict::Pretended,
        _ if thing.value[kind.owner()] == user => Verdict::Done,
        Written::Welcome => Verdict::Done,
        Written::Pretended => Verdict::Pretended,
        Written::Refused => Verdict::Missing,
    }
}

/// A method that is not documented and does not work.
fn is_closed(kind: Kind, call: &Call<'_>) -> bool {
    ["hidden-put", "hidden-delete"].contains(&kind.flaw) && !call.on(kind.flaw)
}

fn change(kind: Kind, call: &Call<'_>, flaws: &[&str]) -> Response {
    let Some(user) = call.user() else { return who_are_you() };
    if is_closed(kind, call) {
        return error(405, "this method is not allowed");
    }
    let mut state = call.farm.shelves.state();
    let Some(thing) = found(kind, call, &mut state, &user) else { return missing() };
    let mut value = thing.value.clone();
    for name in ["title", kind.text] {
        if let Some(text) = call.body.get(name) {
            value[name] = text.clone();
        }
    }
    match judge(kind, call, thing, &user, flaws) {
        Verdict::Done => thing.value.clone_from(&value),
        Verdict::Pretended => {}
        Verdict::Missing => return missing(),
    }
    json(200, value)
}

fn close(kind: Kind, call: &Call<'_>) -> Response {
    let Some(user) = call.user() else { return who_are_you() };
    let mut state = call.farm.shelves.state();
    let Some(thing) = found(kind, call, &mut state, &user) else { return missing() };
    match judge(kind, call, thing, &user, &["foreign-close"]) {
        Verdict::Done => thing.value["state"] = json!("closed"),
        Verdict::Pretended => {}
        Verdict::Missing => return missing(),
    }
    json(200, thing.value.clone())
}

fn remove(kind: Kind, call: &Call<'_>) -> Response {
    let Some(user) = call.user() else { return who_are_you() };
    if is_closed(kind, call) {
        return error(405, "this method is not allowed");
    }
    let mut state = call.farm.shelves.state();
    let Some(thing) = found(kind, call, &mut state, &user) else { return missing() };
    match judge(kind, call, thing, &user, &["foreign-delete", "hidden-delete"]) {
        Verdict::Done => {
            let id = call.path(kind.id);
            drop(state.shelves.entry(kind.path).or_default().things.remove(id));
        }
        Verdict::Pretended => {}
        Verdict::Missing => return missing(),
    }
    empty(204)
}

/// Operations that name a shipment.
fn references() -> Vec<Op> {
    let id = || json!({"type": "string", "format": "uuid"});
    let paper = || object(&["text"], json!({"text": {"type": "string"}}));
    let by_body = |path: &str, flaw: &'static str| {
        let op = Op::post(path).body(object(&["shipment_id"], json!({"shipment_id": id()})));
        op.gives("200", paper())
            .gives_nothing("401")
            .secured(bearer())
            .answer(move |call| shipment(call, call.body["shipment_id"].as_str(), flaw))
    };
    let by_query = |path: &str, flaw: &'static str| {
        let op = Op::get(path).must_query("shipment_id", id());
        op.gives("200", paper())
            .gives_nothing("401")
            .secured(bearer())
            .answer(move |call| shipment(call, call.text("shipment_id"), flaw))
    };
    vec![
        by_body("/labels", "foreign-reference"),
        by_body("/stickers", ""),
        by_query("/trackings", "foreign-query"),
        by_query("/routings", ""),
    ]
}

fn shipment(call: &Call<'_>, id: Option<&str>, flaw: &str) -> Response {
    let Some(user) = call.user() else { return who_are_you() };
    let state = call.farm.shelves.state();
    let known = state.shelves.get("/shipments").and_then(|shelf| shelf.things.get(id.unwrap_or_default()));
    match known.filter(|thing| thing.value["owner"] == user || call.on(flaw)) {
        Some(thing) => json(200, json!({"text": format!("To {}", thing.value["note"].as_str().unwrap_or_default())})),
        None => error(422, "no such shipment"),
    }
}
