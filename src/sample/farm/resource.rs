//! Resources with state, each with one flaw or one quirk: the table and the document. What they do is in `conduct`.

use serde_json::{Value, json};

use super::answers::object;
use super::call::Call;
use super::conduct::{create, delete, list, patch, preview, read, update};
use super::op::Op;

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Ids {
    Uuid,
    Integer,
    /// The name is the id.
    Name,
}

/// What looks odd and is right.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Quirk {
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
pub(super) struct Resource {
    pub(super) path: &'static str,
    /// Of the path parameter.
    pub(super) id: &'static str,
    pub(super) ids: Ids,
    /// Of `CRUPDLG`: create, read, update, patch, delete, list, a safe sub-resource.
    verbs: &'static str,
    pub(super) mutant: &'static str,
    pub(super) quirk: Quirk,
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
    pub(super) fn has(self, call: &Call<'_>, mutant: &str) -> bool {
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
pub(super) const WITH_KEY: [&str; 2] = ["/payments", "/charges"];
pub(super) const WITH_TAG: [&str; 2] = ["/sheets", "/slides"];

pub(super) fn operations() -> Vec<Op> {
    RESOURCES.iter().flat_map(|resource| resource.verbs.chars().map(|verb| operation(*resource, verb))).collect()
}

pub(super) fn fields() -> Value {
    json!({
        "name": {"type": "string", "minLength": 1, "maxLength": 40},
        "size": {"type": "integer", "minimum": 0, "maximum": 1000},
        "email": {"type": "string", "format": "email"},
        "note": {"type": "string", "maxLength": 80}})
}

pub(super) fn body_schema() -> Value {
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
    let gone = resource.quirk == Quirk::Gone && matches!(verb, 'R' | 'D');
    let op = if gone { op.gives("410", object(&["error"], json!({"error": {"type": "string"}}))) } else { op };
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
