//! Q-BFLA against endpoints with functions of administrators.

use std::collections::BTreeSet;
use std::sync::{LazyLock, Mutex, PoisonError};

use super::function::ForeignFunction;
use super::two_users::found_by;
use crate::check::As;
use crate::check::security::fixture::*;

fn named(kind: &str, name: &str) -> Value {
    json!({"kind": kind, "name": name})
}

fn types() -> Value {
    let leaf = |name: &str, of: &str| json!({"name": name, "args": [], "type": named("SCALAR", of)});
    let plain = |name: &str, of: &str| json!({"name": name, "args": [], "type": named("OBJECT", of)});
    let must = |name: &str, of: &str| json!([{"name": name, "type": {"kind": "NON_NULL", "name": null, "ofType": named("SCALAR", of)}, "defaultValue": null}]);
    json!({"data": {"__schema": {
    "queryType": {"name": "Query"},
    "mutationType": {"name": "Mutation"},
    "types": [
        {"kind": "OBJECT", "name": "Query", "fields": [
            {"name": "note", "args": must("id", "ID"), "type": named("OBJECT", "Note")},
            plain("adminContact", "Report"), plain("adminSettings", "Report"), plain("adminReport", "Report")]},
        {"kind": "OBJECT", "name": "Mutation", "fields": [
            {"name": "createNote", "args": must("text", "String"), "type": named("OBJECT", "Note")},
            {"name": "adminRemoveAllNotes", "args": must("id", "ID"), "type": named("SCALAR", "Boolean")},
            {"name": "adminRemoveUser", "args": must("id", "ID"), "type": named("SCALAR", "Boolean")},
            {"name": "adminRemoveNote", "args": must("id", "ID"), "type": named("SCALAR", "Boolean")}]},
        {"kind": "OBJECT", "name": "Report", "fields": [leaf("users", "Int"), leaf("secret", "String")]},
        {"kind": "OBJECT", "name": "Note", "fields": [leaf("id", "ID"), leaf("text", "String")]},
    ]}}})
}

/// Notes that are gone; each test has texts of its own.
static GONE: LazyLock<Mutex<BTreeSet<String>>> = LazyLock::new(Mutex::default);

/// Who may ask for what. `secret` stands in the report.
struct Rules {
    name: &'static str,
    settings: fn(As) -> bool,
    report: fn(As) -> bool,
    remove: fn(As) -> bool,
    secret: Value,
}

fn answered(request: &Request, who: As, rules: &Rules) -> Response {
    let body: Value = request.body.as_deref().and_then(|body| serde_json::from_slice(body).ok()).unwrap_or_default();
    let query = body["query"].as_str().unwrap_or_default();
    let text = query.split('"').nth(1).unwrap_or_default();
    let gone = || GONE.lock().unwrap_or_else(PoisonError::into_inner);
    let key = format!("{} {text}", rules.name);
    let refused = || json_answer(200, &json!({"data": null, "errors": [{"message": "Forbidden"}]}));
    let report = json!({"asked": {"users": 3, "secret": rules.secret}});
    let data = match query {
        "{__typename}" => json!({"__typename": "Query"}),
        _ if query.starts_with("{__schema") => return json_answer(200, &types()),
        _ if query.starts_with("{asked:adminContact{") => json!({"asked": {"users": 1, "secret": null}}),
        _ if query.starts_with("{asked:adminSettings{") && (rules.settings)(who) => report,
        _ if query.starts_with("{asked:adminReport{") && (rules.report)(who) => report,
        _ if query.starts_with("mutation{made:createNote(text:") => json!({"made": {"id": format!("id-{text}")}}),
        _ if query.starts_with("{read:note(id:") && gone().contains(&key) => json!({"read": null}),
        _ if query.starts_with("{read:note(id:") && who == As::Primary => {
            json!({"read": {"id": text, "text": text.trim_start_matches("id-")}})
        }
        _ if query.starts_with("mutation{asked:adminRemoveNote(id:") && (rules.remove)(who) => {
            assert!(text.starts_with("id-"), "only what the scan made is removed");
            json!({"asked": gone().insert(key)})
        }
        _ if query.starts_with("mutation{asked:") && !query.contains("adminRemoveNote(") => unreachable!("{query}"),
        _ => return refused(),
    };
    json_answer(200, &json!({ "data": data }))
}

fn is_admin(who: As) -> bool {
    who == As::Admin
}

fn is_user(who: As) -> bool {
    matches!(who, As::Primary | As::Second | As::Admin)
}

const RIGHT: Rules =
    Rules { name: "right", settings: is_admin, report: is_admin, remove: is_admin, secret: Value::Null };

#[test]
fn what_any_user_may_is_found() {
    let wrong = |request: &Request, who: As| {
        answered(request, who, &Rules { name: "wrong", report: is_user, remove: is_user, ..RIGHT })
    };
    for admin in [false, true] {
        let found = found_by(&ForeignFunction, (wrong, admin), false);
        assert_eq!(found, ["query adminReport", "mutation adminRemoveNote"], "{admin}");
        GONE.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }
    let safe = |request: &Request, who: As| {
        let query = request.target.split_once("?query=").map(|(_, query)| query).unwrap_or_default();
        let query = url::form_urlencoded::parse(format!("q={query}").as_bytes()).into_owned().next();
        let mut posted = request.clone();
        posted.body = query.map(|(_, query)| json!({ "query": query }).to_string().into());
        answered(&posted, who, &Rules { name: "safe", report: is_user, remove: is_user, ..RIGHT })
    };
    assert_eq!(found_by(&ForeignFunction, (safe, true), true), ["query adminReport"], "no mutation is run");
}

#[test]
fn what_anybody_may_is_found_where_nobody_should() {
    let open = |request: &Request, who: As| {
        answered(
            request,
            who,
            &Rules { name: "open", report: |_| true, remove: |_| true, secret: json!("k9"), ..RIGHT },
        )
    };
    let found = found_by(&ForeignFunction, (open, true), false);
    assert_eq!(found, ["query adminReport", "mutation adminRemoveNote"]);
}

#[test]
fn what_is_refused_public_or_of_no_role_is_not() {
    let none: [String; 0] = [];
    let right = |request: &Request, who: As| answered(request, who, &RIGHT);
    let public =
        |request: &Request, who: As| answered(request, who, &Rules { name: "public", report: |_| true, ..RIGHT });
    // Nobody is refused anything: the names say nothing here.
    let flat = |request: &Request, who: As| {
        answered(request, who, &Rules { name: "flat", settings: is_user, report: is_user, remove: is_user, ..RIGHT })
    };
    // The administrator is refused as well.
    let closed = |request: &Request, who: As| {
        answered(
            request,
            who,
            &Rules { name: "closed", settings: |_| false, report: is_user, remove: is_user, ..RIGHT },
        )
    };
    assert_eq!(found_by(&ForeignFunction, (right, true), false), none, "right");
    assert_eq!(found_by(&ForeignFunction, (public, true), false), none, "public");
    assert_eq!(found_by(&ForeignFunction, (flat, true), false), none, "flat");
    assert_eq!(found_by(&ForeignFunction, (closed, true), false), none, "closed");
}
