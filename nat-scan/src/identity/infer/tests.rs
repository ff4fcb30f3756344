use serde_json::json;

use super::*;
use crate::generate::{self, BodyValue, Case};
use crate::identity::{Placement, Take};
use crate::spec::{self, SpecLimits};

/// An API of these operations: `POST /login`, the properties of its body, those of its answer.
async fn api(operations: &[(&str, &[&str], &[&str])], schemes: Value) -> Api {
    let mut paths = serde_json::Map::new();
    for (endpoint, body, answer) in operations {
        let (method, path) = endpoint.split_once(' ').unwrap();
        let object = |names: &[&str]| {
            let properties: serde_json::Map<String, Value> =
                names.iter().map(|name| ((*name).to_owned(), json!({"type": "string"}))).collect();
            json!({"application/json": {"schema": {"type": "object", "required": names, "properties": properties}}})
        };
        let mut operation = json!({"responses": {"200": {"description": "", "content": object(answer)}}});
        if answer.is_empty() {
            operation["responses"]["200"] = json!({"description": ""});
        }
        if !body.is_empty() {
            operation["requestBody"] = json!({"required": true, "content": object(body)});
        }
        let names = path.split(['{', '}']).skip(1).step_by(2);
        operation["parameters"] = names
            .map(|name| json!({"name": name, "in": "path", "required": true, "schema": {"type": "string"}}))
            .collect();
        paths.entry(path).or_insert_with(|| json!({}))[method.to_lowercase()] = operation;
    }
    let document = json!({
        "openapi": "3.0.3", "info": {"title": "T", "version": "1"}, "paths": paths,
        "components": {"securitySchemes": schemes},
    });
    spec::load(document.to_string().as_bytes(), None, None, SpecLimits::default()).await.unwrap()
}

fn endpoints(api: &Api, forms: &[Form]) -> Vec<String> {
    forms.iter().map(|form| api.operations[form.operation].endpoint()).collect()
}

#[tokio::test]
async fn logins_are_known_by_name_fields_and_answer() {
    for (endpoint, body, answer, is_login) in [
        ("POST /login", &["username", "password"][..], &[][..], true),
        ("POST /users/v1/login", &["username", "password"], &["auth_token", "status"], true),
        ("POST /api/signIn", &["email", "password"], &[], true),
        ("POST /sign-in", &["login", "passwd"], &[], true),
        ("POST /token", &["username", "password"], &["access_token", "token_type"], true),
        ("POST /auth", &["user", "pwd"], &["jwt"], true),
        ("POST /sessions", &["email", "password"], &[], true),
        ("POST /auth/authenticate", &["name", "pass"], &[], true),
        ("POST /tokens/{id}/revoke", &["username", "password"], &[], false),
        ("GET /auth/status", &[], &["token"], false),
        ("POST /password-reset", &["email"], &[], false),
        ("POST /auth/password-reset", &["email", "new_password"], &[], false),
        ("POST /auth/change-password", &["username", "old_password", "password"], &[], false),
        ("POST /auth/register", &["username", "password"], &["token"], false),
        ("POST /auth/refresh", &["username", "password"], &["token"], false),
        ("POST /token/introspect", &["user", "password"], &["token"], false),
        ("POST /logout", &["username", "password"], &[], false),
        ("POST /login", &["code"], &["token"], false),
        ("POST /books", &["name", "password"], &[], false),
        ("POST /databases", &["user", "password"], &["id"], false),
        ("POST /session/verify", &["user", "password"], &[], false),
    ] {
        let api = api(&[(endpoint, body, answer)], json!({})).await;
        assert_eq!(endpoints(&api, &logins(&api, 1)).len(), usize::from(is_login), "{endpoint} {body:?}");
    }
}

#[tokio::test]
async fn registrations_are_known_and_look_alikes_are_not() {
    for (endpoint, body, is_registration) in [
        ("POST /users/v1/register", &["username", "password", "email"][..], true),
        ("POST /signup", &["email", "password", "password_confirmation"], true),
        ("POST /auth/sign-up", &["email", "password"], true),
        ("POST /users", &["name", "email", "password"], true),
        ("POST /accounts", &["login", "password"], true),
        ("POST /login", &["username", "password"], false),
        ("POST /users/reset", &["email", "password"], false),
        ("POST /users/bulk", &["email", "password"], false),
        ("PUT /users/{id}", &["email", "password"], false),
        ("POST /users", &["name", "email"], false),
        ("POST /admin/invite", &["email", "password"], false),
        ("POST /wifi", &["name", "password"], false),
    ] {
        let api = api(&[(endpoint, body, &[])], json!({})).await;
        assert_eq!(endpoints(&api, &registrations(&api, 1)).len(), usize::from(is_registration), "{endpoint} {body:?}");
    }
}

#[tokio::test]
async fn the_likeliest_comes_first() {
    let user = &["username", "password"][..];
    let operations: &[(&str, &[&str], &[&str])] = &[
        ("POST /admin/login", user, &[]),
        ("POST /users", user, &["id"]),
        ("POST /auth/token", user, &["refresh_token"]),
        ("POST /users/register", user, &["id"]),
        ("POST /users/login", user, &["token"]),
    ];
    let api = api(operations, json!({})).await;
    assert_eq!(endpoints(&api, &logins(&api, 1))[0], "POST /users/login");
    assert_eq!(endpoints(&api, &registrations(&api, 1)), ["POST /users/register", "POST /users"]);
}

fn sent(case: &Case) -> Value {
    match &case.body {
        Some(BodyValue::Typed { value, .. }) => value.clone(),
        _ => Value::Null,
    }
}

#[tokio::test]
async fn forms_are_filled_in() {
    let operations: &[(&str, &[&str], &[&str])] = &[
        ("POST /register", &["username", "email", "password", "password2", "city"], &[]),
        ("POST /login", &["username", "password"], &[]),
        ("POST /sign-in", &["email", "password"], &[]),
    ];
    let api = api(operations, json!({})).await;
    let ann = Entry { user: "ann", email: "ann@example.com", password: "pw" };
    let body = sent(&registrations(&api, 1)[0].register(&ann)[0]);
    let texts: Vec<_> = ["username", "email", "password", "password2"].iter().map(|name| body[*name].clone()).collect();
    assert_eq!(texts, [json!("ann"), json!("ann@example.com"), json!("pw"), json!("pw")]);
    assert!(body["city"].is_string());
    let logins = logins(&api, 1);
    let of = |path: &str| logins.iter().find(|form| api.operations[form.operation].path == path).unwrap();
    assert_eq!(sent(&of("/login").login(&ann)), json!({"username": "ann", "password": "pw"}));
    assert_eq!(sent(&of("/sign-in").login(&ann)), json!({"email": "ann@example.com", "password": "pw"}));
    // A user who has an address and no name.
    let mail = Entry { user: "", ..ann };
    assert_eq!(sent(&of("/login").login(&mail)), json!({"username": "ann@example.com", "password": "pw"}));
}

#[tokio::test]
async fn a_nested_form_and_one_in_the_query_are_understood() {
    let document = json!({
        "openapi": "3.1.0", "info": {"title": "T", "version": "1"},
        "paths": {
            "/users/login": {"post": {
                "requestBody": {"content": {"application/json": {"schema": {"$ref": "#/components/schemas/Login"}}}},
                "responses": {"200": {"description": ""}}}},
            "/user/login": {"get": {
                "parameters": [
                    {"name": "username", "in": "query", "schema": {"type": "string"}},
                    {"name": "password", "in": "query", "schema": {"type": "string"}}],
                "responses": {"200": {"description": ""}}}},
        },
        "components": {"schemas": {"Login": {"type": "object", "required": ["user"], "properties": {"user": {
            "type": "object", "required": ["email", "password"],
            "properties": {"email": {"type": "string", "format": "email"}, "password": {"type": "string"}}}}}}},
    });
    let api = spec::load(document.to_string().as_bytes(), None, None, SpecLimits::default()).await.unwrap();
    let forms = logins(&api, 1);
    assert_eq!(endpoints(&api, &forms), ["POST /users/login", "GET /user/login"]);
    let ann = Entry { user: "ann", email: "ann@example.com", password: "p&w" };
    assert_eq!(sent(&forms[0].login(&ann)), json!({"user": {"email": "ann@example.com", "password": "p&w"}}));
    let request = generate::render(&api.operations[1], &forms[1].login(&ann), "").unwrap();
    assert_eq!(request.target, "/user/login?username=ann&password=p%26w");
}

#[tokio::test]
async fn a_token_goes_where_the_document_says_and_then_where_most_put_it() {
    let token = Take::Body("/token".to_owned());
    let header = |name: &str| Placement::header(name, "{token}");
    let query = Placement::Query { name: "key".to_owned(), template: "{token}".to_owned() };
    let key = |place: &str, name: &str| json!({"k": {"type": "apiKey", "in": place, "name": name}});
    for (schemes, cookies, expected) in [
        (json!({}), false, vec![(token.clone(), Placement::bearer())]),
        (json!({"b": {"type": "http", "scheme": "bearer"}}), false, vec![(token.clone(), Placement::bearer())]),
        (key("header", "X-Key"), false, vec![(token.clone(), header("X-Key")), (token.clone(), Placement::bearer())]),
        (key("query", "key"), false, vec![(token.clone(), query), (token.clone(), Placement::bearer())]),
        (
            key("cookie", "sid"),
            true,
            vec![
                (Take::Cookies, Placement::Cookies),
                (token.clone(), Placement::Cookie { name: "sid".to_owned() }),
                (token.clone(), Placement::bearer()),
            ],
        ),
        (
            key("header", "authorization"),
            false,
            vec![
                (token.clone(), Placement::header("authorization", "Bearer {token}")),
                (token.clone(), header("authorization")),
                (token.clone(), Placement::header("authorization", "Token {token}")),
                (token.clone(), Placement::bearer()),
            ],
        ),
    ] {
        let api = api(&[("GET /a", &[], &[])], schemes.clone()).await;
        let mut offers = vec![token.clone()];
        offers.extend(cookies.then_some(Take::Cookies));
        assert_eq!(placements(&api, &offers), expected, "{schemes}");
    }
    let api = api(&[("GET /a", &[], &[])], json!({})).await;
    assert_eq!(placements(&api, &[Take::Cookies]), [(Take::Cookies, Placement::Cookies)]);
}
