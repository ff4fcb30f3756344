//! Q-BOLA against endpoints that know two users.

use std::sync::atomic::AtomicU64;

use async_trait::async_trait;

use super::bola::ForeignObject;
use crate::check::security::Learned;
use crate::check::security::fixture::*;
use crate::check::{As, Exchange, Prober, Profile, SecurityCheck, SecurityContext};
use crate::finding::{FindingBuilder, Redactor};

/// A target that knows two users, and an administrator if it is said so.
pub(super) struct Two {
    pub(super) prober: FakeProber,
    pub(super) admin: bool,
}

#[async_trait]
impl Prober for Two {
    async fn send(&self, _: Option<usize>, request: Request, who: As) -> Option<Exchange> {
        Some(self.prober.exchange(request, who))
    }

    fn base_path(&self) -> &str {
        self.prober.base_path()
    }

    fn origin(&self) -> &str {
        self.prober.origin()
    }

    fn tls(&self) -> bool {
        false
    }

    fn has(&self, who: As) -> bool {
        who != As::Admin || self.admin
    }

    fn nonce(&self) -> String {
        self.prober.nonce()
    }

    fn is_catch_all(&self, response: &Response) -> bool {
        self.prober.is_catch_all(response)
    }
}

fn found(target: Target, safe_mode: bool) -> Vec<String> {
    found_by(&ForeignObject, (target, false), safe_mode)
}

/// Locations of what the check finds.
pub(super) fn found_by(check: &dyn SecurityCheck, (target, admin): (Target, bool), safe_mode: bool) -> Vec<String> {
    let prober = Two { prober: FakeProber { target, nonces: AtomicU64::new(0), authenticated: true }, admin };
    let api = api(vec![operation("POST", "/graphql")], &[bearer()]);
    let report = FindingBuilder::new(prober.origin(), Redactor::new());
    let cx = SecurityContext {
        api: &api,
        baselines: &[],
        traffic: &[],
        accepted: &[],
        learned: &Learned::default(),
        seed: 1,
        nonce: "natfixture",
        profile: Profile::Quiet,
        safe_mode,
        callback: None,
        prober: &prober,
        report: &report,
    };
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    runtime.block_on(check.run(&cx)).into_iter().map(|finding| finding.location).collect()
}

fn types() -> Value {
    let leaf = |name: &str, of: &str| json!({"name": name, "args": [], "type": {"kind": "SCALAR", "name": of}});
    let must = |name: &str, of: &str| {
        let named = json!({"kind": "SCALAR", "name": of});
        json!({"name": name, "type": {"kind": "NON_NULL", "name": null, "ofType": named}, "defaultValue": null})
    };
    let note = json!({"kind": "OBJECT", "name": "Note"});
    let list = json!({"kind": "LIST", "name": null, "ofType": note});
    json!({"data": {"__schema": {
    "queryType": {"name": "Query"},
    "mutationType": {"name": "Mutation"},
    "types": [
        {"kind": "OBJECT", "name": "Query", "fields": [
            {"name": "note", "args": [must("id", "ID")], "type": note},
            {"name": "notes", "args": [], "type": list}]},
        {"kind": "OBJECT", "name": "Mutation", "fields": [
            {"name": "createNote", "args": [must("text", "String")], "type": note}]},
        {"kind": "OBJECT", "name": "Note", "fields": [leaf("id", "ID"), leaf("text", "String")]},
    ]}}})
}

/// The id of a note is its text, so that the target needs no memory.
fn notes(request: &Request, may_read: bool, listed: &str) -> Response {
    let body: Value = request.body.as_deref().and_then(|body| serde_json::from_slice(body).ok()).unwrap_or_default();
    let query = body["query"].as_str().unwrap_or_default();
    let text = query.split('"').nth(1).unwrap_or_default();
    let data = match query {
        "{__typename}" => json!({"__typename": "Query"}),
        _ if query.starts_with("{__schema") => return json_answer(200, &types()),
        _ if query.starts_with("mutation{made:createNote(text:") => json!({"made": {"id": format!("id-{text}")}}),
        _ if query.starts_with("{notes{") => json!({"notes": [{"id": "1", "text": listed}]}),
        _ if query.starts_with("{read:note(id:") && may_read && text.starts_with("id-") => {
            json!({"read": {"id": text, "text": text.trim_start_matches("id-")}})
        }
        _ if query.starts_with("{read:note(id:") => json!({"read": null}),
        _ => return json_answer(200, &json!({"errors": [{"message": "unknown field"}]})),
    };
    json_answer(200, &json!({ "data": data }))
}

#[test]
fn what_any_user_reads_is_found() {
    assert_eq!(found(|request, who| notes(request, who != As::Anonymous, ""), false), ["query note"]);
}

#[test]
fn what_is_owned_public_or_shared_is_not() {
    let none: [String; 0] = [];
    assert_eq!(found(|request, who| notes(request, who == As::Primary, ""), false), none, "owned");
    assert_eq!(found(|request, _| notes(request, true, ""), false), none, "public");
    let shared = found(|request, who| notes(request, who != As::Anonymous, "nat0 nat1 nat2 nat3 nat4"), false);
    assert_eq!(shared, none, "shared");
    assert_eq!(found(|request, who| notes(request, who != As::Anonymous, ""), true), none, "nothing is made");
}
