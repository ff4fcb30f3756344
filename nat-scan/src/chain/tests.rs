use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Value, json};

use super::guide::{Lore, freshen, variants};
use super::hint::{self, Hint};
use super::{Origin, Pool, key, nouns_of_path};
use crate::generate::fixture::{api, operation};
use crate::generate::{self, Case, Phase, render, rng};
use crate::spec::Operation;

/// What an operation at this path answered.
fn harvest(pool: &mut Pool, index: usize, path: &str, created: bool, answer: &Value) {
    let source: Arc<str> = format!("{} {path}", if created { "POST" } else { "GET" }).into();
    let origin = Origin { operation: index, path, created, source, parents: BTreeMap::new() };
    pool.harvest(&origin, Some(answer), None, &[]);
}

fn first(operation: &Operation, pool: &Pool, hints: &[Hint], keep: &[usize]) -> Case {
    let api = api(vec![operation.clone()]);
    let cases = generate::cases(&api, &api.operations[0], Phase::HappyPath, 7);
    let lore = Lore { pool, hints, keep };
    let mut rng = rng::stream(7, "test", Phase::HappyPath, 0);
    variants(&api.operations[0], &cases, &lore, &mut rng).remove(0)
}

fn target(operation: &Operation, case: &Case) -> String {
    render(operation, &case.bound(), "").expect("it can be written").target
}

fn by_id(method: &str, path: &str, name: &str) -> Operation {
    let schema = json!({"type": "string", "minLength": 1});
    operation(method, path, json!({"parameters": [{"name": name, "in": "path", "schema": schema}]}))
}

#[test]
fn names_that_mean_the_same_have_one_key() {
    for (name, expected) in [
        ("flowRunId", "flow_run_id"),
        ("flow-runs_ID", "flow_run_id"),
        ("silenceID", "silence_id"),
        ("addresses", "address"),
        ("status", "status"),
    ] {
        assert_eq!(key(name), expected, "{name}");
    }
    assert_eq!(nouns_of_path("/api/v2/work_pools/{name}/queues/filter"), ["work_pool", "queue"]);
}

/// Which live value a path parameter gets, however it is called.
#[test]
fn ids_come_from_what_the_path_is_about() {
    let mut pool = Pool::default();
    harvest(&mut pool, 0, "/owners", true, &json!({"id": "o1", "name": "Ann"}));
    harvest(&mut pool, 1, "/pets", true, &json!({"data": {"id": "p1", "ownerId": "o1"}}));
    harvest(&mut pool, 2, "/silences", true, &json!({"silenceID": "s1"}));
    harvest(&mut pool, 3, "/tags", false, &json!(["blue", "red"]));
    for (path, name, expected) in [
        ("/pets/{id}", "id", "/pets/p1"),
        ("/pets/{petId}", "petId", "/pets/p1"),
        ("/owners/{owner_id}", "owner_id", "/owners/o1"),
        ("/owners/{name}", "name", "/owners/Ann"),
        ("/silence/{silenceID}", "silenceID", "/silence/s1"),
        ("/tags/{tag}", "tag", "/tags/blue"),
    ] {
        let operation = by_id("GET", path, name);
        assert_eq!(target(&operation, &first(&operation, &pool, &[], &[])), expected, "{path}");
    }
}

#[test]
fn only_our_own_things_are_removed_and_none_that_others_need() {
    let delete = by_id("DELETE", "/notes/{id}", "id");
    let mut pool = Pool::default();
    harvest(&mut pool, 0, "/notes", false, &json!([{"id": "theirs"}]));
    let unbound = |pool: &Pool, keep: &[usize]| first(&delete, pool, &[], keep).bindings.is_empty();
    assert!(unbound(&pool, &[]), "what the list showed is not ours");
    harvest(&mut pool, 1, "/notes", true, &json!({"noteId": "ours"}));
    // The list shows it again, under a name that fits better: still ours.
    harvest(&mut pool, 2, "/notes", false, &json!([{"id": "ours"}]));
    assert_eq!(target(&delete, &first(&delete, &pool, &[], &[])), "/notes/ours");
    assert!(unbound(&pool, &[1]), "another operation's request names it");
}

/// The plan holds what was made up, whatever the target hands out.
#[test]
fn case_keeps_what_was_made_up() {
    let get = by_id("GET", "/notes/{id}", "id");
    let case = |id: &str| {
        let mut pool = Pool::default();
        harvest(&mut pool, 0, "/notes", true, &json!({ "id": id }));
        first(&get, &pool, &[], &[])
    };
    let (one, other) = (case("a"), case("b"));
    assert_eq!(one.arguments, other.arguments);
    assert_eq!(one.bindings[0].source, other.bindings[0].source);
    assert_ne!(target(&get, &one), target(&get, &other));
}

#[test]
fn unique_texts_differ_from_request_to_request() {
    let body = json!({"required": true, "content": {"application/json": {"schema": {"type": "object",
        "required": ["email", "note"],
        "properties": {"email": {"type": "string", "format": "email"}, "note": {"type": "string"}}}}}});
    let post = operation("POST", "/users", json!({ "requestBody": body }));
    let mut case = first(&post, &Pool::default(), &[], &[]);
    freshen(&post, &mut case);
    let sent = |word: &str| render(&post, &case.renewed(word).bound(), "").expect("written").body.expect("a body");
    assert_ne!(sent("one"), sent("two"));
    let note = |bytes: &[u8]| serde_json::from_slice::<Value>(bytes).expect("JSON")["note"].clone();
    assert_eq!(note(&sent("one")), note(&sent("two")), "only what must be unique");
}

#[test]
fn refusals_are_followed() {
    let body = json!({"required": true, "content": {"application/json": {"schema": {"type": "object",
        "required": ["limit"], "properties": {"limit": {"type": "integer"}, "zone": {"type": "string"},
        "kind": {"type": "string"}}}}}});
    let post = operation("POST", "/things/filter", json!({ "requestBody": body }));
    let sent = |answer: &Value| {
        let hints = hint::read(answer);
        let request = render(&post, &first(&post, &Pool::default(), &hints, &[]).bound(), "").expect("written");
        serde_json::from_slice::<Value>(&request.body.expect("a body")).expect("JSON")
    };
    let pydantic = json!({"detail": [{"loc": ["body", "limit"], "type": "less_than_equal",
        "msg": "Input should be less than or equal to 200", "ctx": {"le": 200}}]});
    assert!(sent(&pydantic)["limit"].as_i64().is_some_and(|limit| limit <= 200));
    let rails = json!({"errors": {"zone": ["can't be blank"]}});
    assert!(sent(&rails)["zone"].is_string());
    let ajv = json!({"message": "invalid", "errors": [{"instancePath": "/kind", "keyword": "enum",
        "message": "must be one of 'cat', 'dog'"}]});
    // The member is optional and was not sent: there is nothing to mend.
    assert_eq!(sent(&ajv).get("kind"), None);
    let gist = |answer: &Value| hint::read(answer)[0].gist();
    assert_eq!(gist(&pydantic), "limit range");
    assert_eq!(gist(&rails), "zone required");
    assert_eq!(gist(&ajv), "kind enum");
}
