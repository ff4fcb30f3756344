use serde_json::json;

use super::resource::{Resource, resources};
use super::same::same;
use crate::generate::fixture::{api, operation};
use crate::spec::Api;

/// `POST /pets`, one a line; everything in braces is a path parameter.
fn api_of(lines: &[&str]) -> Api {
    let operations = lines.iter().map(|line| {
        let (method, path) = line.split_once(' ').expect("a method and a path");
        let names = path.split('{').skip(1).filter_map(|rest| rest.split('}').next());
        let parameters: Vec<_> = names.map(|name| json!({"name": name, "in": "path"})).collect();
        operation(method, path, json!({ "parameters": parameters }))
    });
    api(operations.collect())
}

#[test]
fn operations_of_one_kind_of_thing_belong_together() {
    let check = |lines: &[&str], expected: Resource| {
        let found = resources(&api_of(lines)).into_iter().next().unwrap_or_default();
        assert_eq!(format!("{found:?}"), format!("{expected:?}"), "{lines:?}");
    };
    let pets = ["POST /pets", "GET /pets", "GET /pets/{id}", "PUT /pets/{id}", "PATCH /pets/{id}", "DELETE /pets/{id}"];
    let [create, list, read, put, patch, delete] = [0, 1, 2, 3, 4, 5].map(Some);
    let all = Resource {
        noun: "pet".to_owned(),
        key: "id".to_owned(),
        create,
        list,
        read,
        put,
        patch,
        delete,
        ..Resource::default()
    };
    check(&pets, all.clone());
    let nested = Resource {
        noun: "toy".to_owned(),
        list: None,
        read: Some(1),
        put: None,
        patch: None,
        delete: None,
        parents: vec!["pet".to_owned()],
        key: "toy".to_owned(),
        ..all.clone()
    };
    check(&["POST /pets/{pet}/toys", "GET /pets/{pet}/toys/{toy}"], nested);
    let singular = Resource {
        noun: "silence".to_owned(),
        key: "silenceID".to_owned(),
        put: None,
        patch: None,
        delete: Some(3),
        ..all.clone()
    };
    check(&["POST /silences", "GET /silences", "GET /silence/{silenceID}", "DELETE /silence/{silenceID}"], singular);
    let registered = Resource {
        noun: "user".to_owned(),
        key: "name".to_owned(),
        list: None,
        read: Some(1),
        put: None,
        patch: None,
        delete: None,
        ..all.clone()
    };
    check(&["POST /users/register", "GET /users/{name}"], registered);
    let listed = Resource {
        noun: "log".to_owned(),
        key: String::new(),
        read: None,
        put: None,
        patch: None,
        delete: None,
        ..all.clone()
    };
    check(&["POST /logs", "GET /logs"], listed);
    let viewed = Resource { read: Some(1), list: None, views: vec![2], put: None, patch: None, delete: None, ..all };
    check(&["POST /pets", "GET /pets/{id}", "GET /pets/{id}/photo", "GET /pets/{id}/toys/{toy}"], viewed);
    assert!(resources(&api_of(&["POST /pets/{id}", "POST /login", "GET /health"])).is_empty());
}

#[test]
fn stored_values_are_compared_by_what_they_mean() {
    for (sent, stored, expected) in [
        (json!(" Ann "), json!("Ann"), true),
        (json!("Ann@Example.org"), json!("ann@example.org"), true),
        (json!("2026-01-01T00:00:00Z"), json!("2026-01-01T01:00:00+01:00"), true),
        (json!(1), json!(1.0), true),
        (json!("7"), json!(7), true),
        (json!({"a": 1}), json!({"a": 1, "b": 2}), true),
        (json!([1, 2]), json!([2, 1]), true),
        (json!("Ann"), json!("Bob"), false),
        (json!(1), json!(2), false),
        (json!([1, 2]), json!([1]), false),
        (json!({"a": 1}), json!({"b": 1}), false),
    ] {
        assert_eq!(same(&sent, &stored), expected, "{sent} {stored}");
    }
}
