use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use futures::FutureExt as _;
use serde_json::{Value, json};

use super::*;
use crate::schema::Direction;

/// Documents by URL, and what was asked for.
#[derive(Default)]
struct Files {
    by_url: HashMap<String, String>,
    asked: Mutex<Vec<String>>,
}

impl Files {
    fn new(files: &[(&str, &str)]) -> Self {
        let by_url = files.iter().map(|(url, text)| ((*url).to_owned(), (*text).to_owned())).collect();
        Self { by_url, asked: Mutex::default() }
    }
}

#[async_trait]
impl FetchDocument for Files {
    async fn fetch(&self, url: &Url, max_bytes: usize) -> Result<Vec<u8>, String> {
        self.asked.lock().unwrap().push(url.to_string());
        let text = self.by_url.get(url.as_str()).ok_or("404 Not Found")?;
        if text.len() > max_bytes { Err("too large".to_owned()) } else { Ok(text.clone().into_bytes()) }
    }
}

fn load_from(text: &str, base: Option<&str>, files: &Files) -> Result<Api, SpecError> {
    let base = base.map(|base| Url::parse(base).unwrap());
    // Nothing here waits.
    load(text.as_bytes(), base.as_ref(), Some(files), SpecLimits::default()).now_or_never().unwrap()
}

fn load_text(text: &str) -> Result<Api, SpecError> {
    load_from(text, None, &Files::default())
}

fn load_json(document: &Value) -> Api {
    load_text(&document.to_string()).unwrap()
}

/// A 3.0 document with these members beside `openapi`, `info` and `paths`.
fn v30(paths: Value, more: Value) -> Value {
    let mut document = json!({"openapi": "3.0.3", "info": {"title": "t", "version": "1"}, "paths": paths});
    for (key, value) in more.as_object().into_iter().flatten() {
        document[key] = value.clone();
    }
    document
}

fn warnings(api: &Api) -> Vec<String> {
    api.warnings.iter().map(|warning| format!("{} {}", warning.pointer, warning.message)).collect()
}

#[track_caller]
fn warns(api: &Api, part: &str) {
    assert!(warnings(api).iter().any(|warning| warning.contains(part)), "{part}: {:#?}", warnings(api));
}

/// The model as text, without what differs between versions by nature.
fn show(api: &Api) -> String {
    use std::fmt::Write as _;
    let mut out = format!("{} {}\nservers {:?}\n", api.title, api.version, api.servers);
    for (name, scheme) in &api.security_schemes {
        writeln!(out, "scheme {name}: {scheme:?}").unwrap();
    }
    for o in &api.operations {
        writeln!(
            out,
            "\n{} {:?} {:?} security {:?} unusable {:?}",
            o.endpoint(),
            o.operation_id,
            o.tags,
            o.security,
            o.unusable
        )
        .unwrap();
        for p in &o.parameters {
            let (place, style) = (p.location.as_str(), p.style);
            writeln!(out, "  {place} {} required={} {style:?} explode={}", p.name, p.required, p.explode).unwrap();
            writeln!(out, "    {} examples {:?}", p.schema.node(), p.examples).unwrap();
        }
        let body = o
            .body
            .iter()
            .flat_map(|body| body.content.iter().map(|media| (format!("body required={}", body.required), media)));
        let answers =
            o.responses.iter().flat_map(|r| r.content.iter().map(move |media| (format!("{:?}", r.status), media)));
        for (what, media) in body.chain(answers) {
            writeln!(out, "  {what} {} examples {:?}", media.media_type, media.examples).unwrap();
            writeln!(out, "    {}", media.schema.as_ref().map_or(&Value::Null, |schema| schema.node())).unwrap();
        }
        for header in o.responses.iter().flat_map(|r| &r.headers) {
            writeln!(out, "  header {} {}", header.name, header.schema.node()).unwrap();
        }
    }
    if let Some(schema) = api.operations.iter().flat_map(|o| &o.parameters).map(|p| &p.schema).next() {
        writeln!(out, "\n{}", serde_json::to_string_pretty(schema.definitions()).unwrap()).unwrap();
    }
    out
}

const PETS_2: &str = include_str!("../../tests/fixtures/pets-2.0.yaml");
const PETS_30: &str = include_str!("../../tests/fixtures/pets-3.0.yaml");
const PETS_31: &str = include_str!("../../tests/fixtures/pets-3.1.yaml");

#[test]
fn every_version_gives_the_same_model() {
    let versions = [(PETS_2, SpecVersion::V2), (PETS_30, SpecVersion::V30), (PETS_31, SpecVersion::V31)];
    for (text, version) in versions {
        let api = load_text(text).unwrap();
        assert_eq!(api.spec_version, version);
        assert_eq!(warnings(&api), [""; 0], "{version:?}");
        insta::with_settings!({ description => "the same for each version" }, {
            insta::assert_snapshot!("pets", show(&api));
        });
        let value: Value = parse::parse(text.as_bytes(), &SpecLimits::default()).unwrap().value;
        assert_eq!(show(&load_json(&value)), show(&api), "JSON and YAML of {version:?}");
    }
}

#[test]
fn what_cannot_be_used_at_all_is_a_named_error() {
    let open = "openapi: 3.0.0\n";
    let laughs = {
        let mut text = format!("{open}a: &a [x, x, x, x, x, x, x, x, x]\n");
        for (name, before) in ["b", "c", "d", "e", "f", "g", "h", "i"].iter().zip("abcdefgh".chars()) {
            text += &format!("{name}: &{name} [{}]\n", vec![format!("*{before}"); 9].join(", "));
        }
        text
    };
    let cases = [
        ("20 MB", " ".repeat(20 << 20), "more than 10485760 bytes"),
        ("billion laughs", laughs, "expands beyond the budget"),
        (
            "deep nesting",
            format!("{{\"openapi\":{}1{}}}", "[".repeat(5000), "]".repeat(5000)),
            "expands beyond the budget",
        ),
        ("not YAML", "openapi: 3.0.0\npaths: [".to_owned(), "neither JSON nor YAML"),
        ("HTML", "<!DOCTYPE html>\n<html><body>Log in</body></html>".to_owned(), "HTML page"),
        ("a text", "hello".to_owned(), "not an object"),
        ("a list", "[]".to_owned(), "not an object"),
        ("some JSON", "{\"a\":1}".to_owned(), "neither `openapi` nor `swagger`"),
        ("Swagger 1.2", "{\"swaggerVersion\":\"1.2\",\"swagger\":1.2}".to_owned(), "`1.2` is not known"),
        ("OpenAPI 4", "openapi: 4.0.0".to_owned(), "`4.0.0` is not known"),
        ("empty paths", format!("{open}paths: {{}}"), "no operation to test"),
        ("no paths", open.to_owned(), "no operation to test"),
        ("paths without operations", format!("{open}paths: {{/a: {{description: x}}, /b: 3}}"), "no operation to test"),
    ];
    for (name, text, expected) in cases {
        let error = load_text(&text).expect_err(name).to_string();
        assert!(error.contains(expected), "{name}: {error}");
    }
}

#[test]
fn references_go_no_further_than_the_spec_came_from() {
    let refer = |to: &str| {
        let schema = json!({"type": "object", "properties": {"x": {"$ref": to}}});
        v30(
            json!({"/a": {"get": {"responses": {"200": {"content": {"application/json": {"schema": schema}}}}}}}),
            json!({}),
        )
    };
    let web = "http://api.test:8080/specs/v1/openapi.yaml";
    let file = "file:///srv/specs/openapi.yaml";
    let cases = [
        (Some(web), "http://other.test/x.yaml", "another host"),
        (Some(web), "https://api.test:8080/x.yaml", "another host"),
        (Some(web), "http://api.test/x.yaml", "another host"),
        (Some(web), "//other.test/x.yaml#/A", "another host"),
        (Some(web), "http://user:pw@api.test:8080/x.yaml", "credentials"),
        (Some(web), "file:///etc/passwd", "`file:` is not followed"),
        (Some(web), "missing.yaml", "404 Not Found"),
        (Some(web), "#/components/schemas/Missing", "`#/components/schemas/Missing` points to nothing"),
        (Some(file), "file:///etc/passwd", "outside the directory"),
        (Some(file), "../secret.yaml", "outside the directory"),
        (Some(file), "..%2f..%2fetc/passwd", "outside the directory"),
        (Some(file), "sub/%2e%2e/../../x", "outside the directory"),
        (Some(file), "http://api.test/x.yaml", "`http:` is not followed"),
        (None, "other.yaml", "its base, is unknown"),
        (None, "file:///etc/passwd", "its base, is unknown"),
    ];
    for (base, to, expected) in cases {
        let files = Files::default();
        let api = load_from(&refer(to).to_string(), base, &files).unwrap();
        warns(&api, expected);
        warns(&api, "/paths/~1a/get/responses/200/content/application~1json/schema/properties/x");
        let may_ask = expected.starts_with("404");
        assert_eq!(files.asked.lock().unwrap().len(), usize::from(may_ask), "{to}");
        assert_eq!(api.operations[0].unusable, None, "{to}");
    }
}

#[test]
fn documents_of_the_same_origin_are_read() {
    let files = Files::new(&[
        (
            "http://api.test/s/paths/a.yaml",
            "get: {parameters: [{$ref: '../common.json#/Limit'}], responses: {200: {$ref: ../common.json#/Ok}}}",
        ),
        (
            "http://api.test/s/common.json",
            r##"{"Limit": {"name": "limit", "in": "query", "schema": {"$ref": "#/a~1b%20c"}}, "a/b c": {"type": "integer"},
                "Ok": {"description": "", "content": {"application/json": {"schema": {"$ref": "openapi.json#/components/schemas/Node"}}}}}"##,
        ),
    ]);
    let root = json!({"openapi": "3.1.0", "paths": {"/a": {"$ref": "paths/a.yaml"}}, "components": {"schemas": {
        "Node": {"type": "object", "properties": {"next": {"$ref": "#node"}, "other": {"$ref": "common.json#/a~1b%20c"}}, "$anchor": "node"}}}});
    let api = load_from(&root.to_string(), Some("http://api.test/s/openapi.json"), &files).unwrap();
    assert_eq!(warnings(&api), [""; 0]);
    let operation = &api.operations[0];
    assert_eq!(operation.pointer, "http://api.test/s/paths/a.yaml#/get");
    let limit = &operation.parameters[0].schema;
    assert_eq!(limit.resolve(limit.node()), &json!({"type": "integer"}));
    let ok = operation.responses[0].content[0].schema.as_ref().unwrap();
    assert!(ok.is_valid(&json!({"next": {"next": {"other": 1}}}), Direction::Response));
    assert!(!ok.is_valid(&json!({"next": {"next": {"other": "x"}}}), Direction::Response));
    assert_eq!(files.asked.lock().unwrap().len(), 2);
}

#[test]
fn circles_of_references_end() {
    let schemas = json!({
        "A": {"$ref": "#/components/schemas/B"},
        "B": {"$ref": "#/components/schemas/A"},
        "C": {"type": "object", "allOf": [{"$ref": "#/components/schemas/C"}, {"required": ["c"]}]},
        "Tree": {"type": "object", "properties": {"children": {"type": "array", "items": {"$ref": "#/components/schemas/Tree"}}}},
    });
    let content = |name: &str| json!({"content": {"application/json": {"schema": {"$ref": format!("#/components/schemas/{name}")}}}});
    let responses = json!({"200": content("A"), "201": content("C"), "202": content("Tree"), "203": {"$ref": "#/components/responses/X"}});
    let more = json!({"components": {"schemas": schemas, "responses": {"X": {"$ref": "#/components/responses/X"}}}});
    let api = load_json(&v30(json!({"/a": {"get": {"responses": responses}}}), more));
    warns(&api, "/components/schemas/B the schema refers to itself");
    warns(&api, "/components/schemas/C the schema refers to itself");
    warns(&api, "/paths/~1a/get/responses/203 `$ref` leads in a circle");
    let schema = |n: usize| api.operations[0].responses[n].content[0].schema.clone().unwrap();
    assert!(schema(0).is_valid(&json!(1), Direction::Response));
    assert!(!schema(1).is_valid(&json!({}), Direction::Response));
    assert!(!schema(2).is_valid(&json!({"children": [{"children": 1}]}), Direction::Response));
}

#[test]
fn servers_are_filled_in_and_kept_relative() {
    let paths = json!({"/a": {"get": {}}});
    let servers = json!([
        {"url": "https://{host}.test:{port}/v{n}", "variables": {"host": {"default": "api"}, "port": {"enum": ["1", "2"]}, "n": {"default": 2}}},
        {"url": "/api/v1"},
        {"url": "https://{unknown}.test"},
    ]);
    let api = load_json(&v30(paths.clone(), json!({"servers": servers})));
    assert_eq!(api.servers, ["https://api.test:1/v2", "/api/v1"]);
    warns(&api, "`port` has no default; its first value is used");
    warns(&api, "`unknown` has no value; the server is ignored");
    let old = |more: Value| {
        let mut document = json!({"swagger": "2.0", "paths": paths});
        document.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        load_from(&document.to_string(), Some("https://docs.test/x.json"), &Files::default()).unwrap().servers
    };
    assert_eq!(
        old(json!({"host": "h:1", "basePath": "v1/", "schemes": ["https", "ws", "http"]})),
        ["https://h:1/v1", "http://h:1/v1"]
    );
    assert_eq!(old(json!({"host": "h"})), ["https://h"]);
    assert_eq!(old(json!({"basePath": "/v1"})), ["/v1"]);
    assert_eq!(old(json!({})), [""; 0]);
}

#[test]
fn faults_of_an_operation_stay_with_it() {
    let ok = json!({"responses": {"200": {"description": ""}}});
    let with = |parameters: Value| json!({"get": {"parameters": parameters, "responses": {}}});
    let paths = json!({
        "/fine": {"get": ok},
        "/missing/{id}": {"get": ok},
        "/extra": with(json!([{"name": "id", "in": "path", "required": true, "schema": {"type": "string"}}])),
        "/nameless": with(json!([{"in": "query", "required": true}])),
        "/optional": with(json!([{"in": "query"}, {"name": "x", "in": "body"}])),
        "/dangling": with(json!([{"$ref": "#/components/parameters/X"}])),
        "/schema": with(json!([{"name": "q", "in": "query", "required": true, "schema": {"$ref": "#/components/schemas/X"}}])),
        "/body": {"post": {"requestBody": {"required": true, "content": {"application/json": {"schema": {"$ref": "#/nope"}}}}}},
        "/nobody": {"post": {"requestBody": {"required": true}}},
        "/odd": {"get": 3, "post": ok, "foo": ok, "QUERY": ok},
        "twice//": {"get": ok},
        "/twice/?x=1": {"get": ok},
        "/status": {"get": {"responses": {"2xx": {}, "ok": {}, "99": {}, "default": {}}}},
    });
    let api = load_json(&v30(paths, json!({})));
    let endpoints: Vec<_> = api.operations.iter().map(Operation::endpoint).collect();
    assert_eq!(endpoints[9..], ["POST /odd", "QUERY /odd", "GET /twice/", "GET /status"]);
    let unusable: Vec<_> = api.operations.iter().filter(|o| o.unusable.is_some()).map(|o| o.path.as_str()).collect();
    assert_eq!(unusable, ["/nameless", "/dangling", "/schema", "/body", "/nobody"]);
    assert_eq!(api.operations[1].parameters[0].name, "id");
    assert!(api.operations[2].parameters.is_empty());
    for part in [
        "path parameter `id` is not documented",
        "path parameter `id` is not in the path",
        "#/components/parameters/X` points to nothing",
        "GET /twice/ is documented twice",
        "`ok` is no status",
        "`99` is no status",
        "GET /dangling cannot be tested",
    ] {
        warns(&api, part);
    }
    let statuses: Vec<_> = api.operations[12].responses.iter().map(|r| r.status).collect();
    assert_eq!(statuses, [StatusPattern::Class(2), StatusPattern::Default]);
}

#[test]
fn parameters_are_merged_and_credentials_left_out() {
    let paths = json!({"/a/{id}": {
        "parameters": [
            {"name": "id", "in": "path", "required": true, "schema": {"type": "string"}},
            {"name": "X-Trace", "in": "header", "schema": {"type": "string"}},
            {"name": "q", "in": "query", "schema": {"type": "string"}},
        ],
        "get": {"parameters": [
            {"name": "id", "in": "path", "required": true, "schema": {"type": "integer"}},
            {"name": "x-trace", "in": "header", "required": true, "schema": {"type": "integer"}},
            {"name": "q", "in": "cookie", "schema": {"type": "string"}},
            {"name": "q", "in": "cookie", "schema": {"type": "integer"}},
            {"name": "authorization", "in": "header", "required": true, "schema": {"type": "string"}},
            {"name": "Accept", "in": "header", "schema": {"type": "string"}},
            {"name": "x-api-key", "in": "header", "required": true, "schema": {"type": "string"}},
            {"name": "filter", "in": "query", "style": "deepObject", "schema": {"type": "object"}},
            {"name": "json", "in": "query", "content": {"application/json": {"schema": {"type": "array"}, "example": [1]}}},
            {"name": "list", "in": "query", "style": "matrix", "schema": {"type": "array"}, "examples": {"a": {"value": [1]}, "b": {"externalValue": "x"}}},
        ], "security": [{}, {"key": [], "other": ["a"]}]},
        "put": {"security": []}, "post": {},
    }});
    let more = json!({"security": [{"key": []}], "components": {"securitySchemes": {"key": {"type": "apiKey", "in": "header", "name": "X-API-Key"}}}});
    let api = load_json(&v30(paths, more));
    let get = &api.operations[0];
    let shown: Vec<_> = get
        .parameters
        .iter()
        .map(|p| format!("{} {} {} {:?} {}", p.location.as_str(), p.name, p.schema.node(), p.style, p.explode))
        .collect();
    assert_eq!(
        shown,
        [
            r#"path id {"type":"integer"} Simple false"#,
            r#"header x-trace {"type":"integer"} Simple false"#,
            r#"query q {"type":"string"} Form true"#,
            r#"cookie q {"type":"string"} Form true"#,
            r#"query filter {"type":"object"} DeepObject true"#,
            r#"query json {"type":"array"} Form true"#,
            r#"query list {"type":"array"} Form true"#,
        ]
    );
    assert_eq!(get.parameters[5].content_type.as_deref(), Some("application/json"));
    assert_eq!((&get.parameters[5].examples, &get.parameters[6].examples), (&vec![json!([1])], &vec![json!([1])]));
    let requirement = |names: &[(&str, &[&str])]| -> SecurityRequirement {
        names.iter().map(|(n, s)| ((*n).to_owned(), s.iter().map(|s| (*s).to_owned()).collect())).collect()
    };
    assert_eq!(get.security, [requirement(&[]), requirement(&[("key", &[]), ("other", &["a"])])]);
    assert_eq!(api.operations[1].security, []);
    assert_eq!(api.operations[2].security, [requirement(&[("key", &[])])]);
    for part in [
        "style `matrix` does not exist in the query",
        "`q` is listed twice",
        "security scheme `other` is not documented",
    ] {
        warns(&api, part);
    }
}

#[test]
fn security_schemes_of_all_versions() {
    let schemes = json!({
        "a": {"type": "apiKey", "in": "cookie", "name": "sid"}, "b": {"type": "http", "scheme": "Basic"},
        "c": {"type": "http", "scheme": "bearer"}, "d": {"type": "http", "scheme": "digest"},
        "e": {"type": "oauth2", "flows": {"implicit": {"authorizationUrl": "x"}, "password": {"tokenUrl": "/token"}}},
        "f": {"type": "openIdConnect"}, "g": {"type": "mutualTLS"}, "h": {"type": "apiKey", "in": "nowhere", "name": "x"},
    });
    let api = load_json(&v30(json!({"/": {"get": {}}}), json!({"components": {"securitySchemes": schemes}})));
    let key = SecurityScheme::ApiKey { location: Location::Cookie, name: "sid".to_owned() };
    let bearer = |url: Option<&str>| SecurityScheme::Bearer { token_url: url.map(str::to_owned) };
    let other = |kind: &str| SecurityScheme::Other(kind.to_owned());
    let expected = [
        key,
        SecurityScheme::Basic,
        bearer(None),
        other("http digest"),
        bearer(Some("/token")),
        bearer(None),
        other("mutualTLS"),
        other("apiKey"),
    ];
    assert_eq!(api.security_schemes.into_values().collect::<Vec<_>>(), expected);
}

#[test]
fn arc_of_definitions_is_shared() {
    let api = load_text(PETS_30).unwrap();
    let schemas: Vec<_> = api.operations.iter().flat_map(|o| &o.parameters).map(|p| &p.schema).collect();
    assert!(schemas.len() > 1);
    assert!(schemas.windows(2).all(|pair| std::ptr::eq(pair[0].definitions(), pair[1].definitions())));
    let _: Arc<Api> = Arc::new(api);
}

/// One schema in the answer of one operation.
fn schema_in(version: &str, schema: &Value) -> (Value, Vec<String>) {
    let answer = json!({"content": {"application/json": {"schema": schema}}, "schema": schema});
    let key = if version.starts_with('2') { "swagger" } else { "openapi" };
    let document = json!({key: version, "paths": {"/a": {"get": {"responses": {"200": answer}}}},
        "definitions": {"P": {"type": "object"}}, "components": {"schemas": {"P": {"type": "object"}}}});
    let api = load_json(&document);
    let node = api.operations[0].responses[0].content[0].schema.as_ref().unwrap().node().clone();
    (node, warnings(&api).into_iter().map(|warning| warning.split_once(' ').unwrap().1.to_owned()).collect())
}

#[test]
fn schemas_of_each_version_are_normalised() {
    let p = |version: &str| if version.starts_with('2') { "#/definitions/P" } else { "#/components/schemas/P" };
    let refer = json!({"$ref": "#/$defs/P"});
    let cases = [
        ("2.0", json!({"type": "string", "x-nullable": true}), json!({"type": ["string", "null"]}), ""),
        (
            "3.0.0",
            json!({"type": "string", "enum": ["a"], "nullable": true}),
            json!({"type": ["string", "null"], "enum": ["a", null]}),
            "",
        ),
        (
            "3.0.0",
            json!({"allOf": [{"$ref": p("3")}], "nullable": true, "description": "d"}),
            json!({"description": "d", "anyOf": [{"allOf": [refer]}, {"type": "null"}]}),
            "",
        ),
        ("3.0.0", json!({"$ref": p("3"), "nullable": true, "description": "d"}), refer.clone(), "beside `$ref`"),
        ("3.1.0", json!({"$ref": p("3"), "description": "d"}), refer.clone(), ""),
        ("3.1.0", json!({"$ref": p("3"), "maxProperties": 1}), json!({"maxProperties": 1, "allOf": [refer]}), ""),
        (
            "3.1.0",
            json!({"type": ["string", "null"], "const": "a"}),
            json!({"type": ["string", "null"], "const": "a"}),
            "",
        ),
        ("3.0.0", json!({"const": "a"}), json!({"examples": ["a"]}), "`const` does not exist"),
        ("2.0", json!({"maximum": 3, "exclusiveMaximum": true}), json!({"exclusiveMaximum": 3}), ""),
        ("3.0.0", json!({"minimum": 3, "exclusiveMinimum": false}), json!({"minimum": 3}), ""),
        ("3.0.0", json!({"exclusiveMinimum": 3}), json!({"exclusiveMinimum": 3}), ""),
        ("3.0.0", json!({"minLength": "3", "maxLength": -1, "minimum": "x"}), json!({"minLength": 3}), "whole number"),
        (
            "3.0.0",
            json!({"items": [{"type": "integer"}, {}], "additionalItems": false}),
            json!({"prefixItems": [{"type": "integer"}, {}], "items": false}),
            "",
        ),
        (
            "3.0.0",
            json!({"properties": {"a": {"type": "int", "required": true}}}),
            json!({"properties": {"a": {"type": "integer"}}}),
            "list of property names",
        ),
        ("3.0.0", json!({"type": "thing", "minLength": 1}), json!({"minLength": 1}), "unknown type `thing`"),
        ("3.0.0", json!({"pattern": "(", "maxLength": 1}), json!({"maxLength": 1}), "regular expression"),
        (
            "3.0.0",
            json!({"patternProperties": {"^a": {}}, "additionalProperties": false}),
            json!({"additionalProperties": true}),
            "`patternProperties`",
        ),
        (
            "3.0.0",
            json!({"oneOf": [{"$ref": p("3")}], "discriminator": {"propertyName": "k", "mapping": {"x": "P", "y": p("3")}}}),
            json!({"oneOf": [refer], "discriminator": {"propertyName": "k", "mapping": {"x": "#/$defs/P", "y": "#/$defs/P"}}}),
            "",
        ),
        (
            "3.0.0",
            json!({"oneOf": [{"$ref": p("3")}], "discriminator": {"propertyName": "k"}}),
            json!({"oneOf": [refer], "discriminator": {"propertyName": "k", "mapping": {"P": "#/$defs/P"}}}),
            "",
        ),
        (
            "2.0",
            json!({"discriminator": "k", "example": 1, "x-y": 2}),
            json!({"examples": [1], "discriminator": {"propertyName": "k"}}),
            "",
        ),
        ("3.1.0", json!({"examples": [{"value": 1}], "example": 2}), json!({"examples": [{"value": 1}, 2]}), ""),
        (
            "3.1.0",
            json!({"dependencies": {"a": ["b"], "c": {"maximum": 1}}}),
            json!({"dependentRequired": {"a": ["b"]}, "dependentSchemas": {"c": {"maximum": 1}}}),
            "",
        ),
        ("3.0.0", json!({"allOf": [], "enum": [], "properties": 3}), json!({}), "at least one"),
        ("3.0.0", json!("text"), json!(true), "must be an object"),
    ];
    for (version, schema, expected, warning) in cases {
        let (node, warnings) = schema_in(version, &schema);
        assert_eq!(node, expected, "{version} {schema}");
        assert_eq!(warning.is_empty(), warnings.is_empty(), "{version} {schema}: {warnings:?}");
        assert!(warning.is_empty() || warnings.iter().any(|w| w.contains(warning)), "{version} {schema}: {warnings:?}");
    }
}

#[test]
fn produces_of_swagger_2_names_the_types_of_good_answers() {
    let check = |root: Value, own: Value, response: Value, status: &str, expected: &[&str]| {
        let mut operation = json!({"responses": {status: response}});
        if !own.is_null() {
            operation["produces"] = own;
        }
        let api = load_json(&json!({"swagger": "2.0", "produces": root, "paths": {"/a": {"get": operation}}}));
        let content = &api.operations[0].responses[0].content;
        let types: Vec<&str> = content.iter().map(|media| media.media_type.as_str()).collect();
        assert_eq!(types, expected);
    };
    let (root, own) = (json!(["text/csv"]), json!(["image/png", "image/*"]));
    let (bare, typed) = (json!({"description": ""}), json!({"description": "", "schema": {"type": "string"}}));
    check(root.clone(), own.clone(), typed.clone(), "200", &["image/png", "image/*"]);
    check(root.clone(), Value::Null, typed, "400", &["text/csv"]);
    check(root.clone(), own.clone(), bare.clone(), "200", &["image/png", "image/*"]);
    check(root.clone(), own, bare.clone(), "400", &[]);
    check(root, Value::Null, bare, "200", &[]);
}

#[test]
fn forms_of_swagger_2_become_bodies() {
    let field = |name: &str, kind: &str| json!({"name": name, "in": "formData", "type": kind});
    let cases = [
        (json!([field("a", "string")]), json!([]), vec!["application/x-www-form-urlencoded"]),
        (json!([field("a", "string"), field("f", "file")]), json!([]), vec!["multipart/form-data"]),
        (
            json!([field("a", "string"), field("f", "file")]),
            json!(["application/x-www-form-urlencoded"]),
            vec!["multipart/form-data"],
        ),
        (
            json!([field("a", "string")]),
            json!(["multipart/form-data", "application/x-www-form-urlencoded", "application/json"]),
            vec!["multipart/form-data", "application/x-www-form-urlencoded"],
        ),
        (json!([{"name": "b", "in": "body", "schema": {}}]), json!([]), vec!["application/json"]),
        (json!([{"name": "b", "in": "body", "schema": {}}]), json!(["text/plain", "nonsense"]), vec!["text/plain"]),
    ];
    for (parameters, consumes, expected) in cases {
        let document =
            json!({"swagger": "2.0", "consumes": consumes, "paths": {"/a": {"post": {"parameters": parameters}}}});
        let api = load_json(&document);
        let body = api.operations[0].body.as_ref().unwrap();
        assert_eq!(
            body.content.iter().map(|media| media.media_type.as_str()).collect::<Vec<_>>(),
            expected,
            "{document}"
        );
        assert!(!body.required, "{document}");
        assert!(api.operations[0].parameters.is_empty(), "{document}");
    }
}

#[test]
fn limits_hold_over_all_documents() {
    let chain: Vec<(String, String)> = (0..20)
        .map(|n| {
            (
                format!("http://a.test/{n}.json"),
                json!({"$ref": format!("{}.json", n + 1), "x": "y".repeat(100)}).to_string(),
            )
        })
        .collect();
    let chain: Vec<(&str, &str)> = chain.iter().map(|(url, text)| (url.as_str(), text.as_str())).collect();
    let root = json!({"openapi": "3.0.0", "paths": {"/a": {"get": {}}}, "x": {"$ref": "0.json"}}).to_string();
    let base = Url::parse("http://a.test/root.json").unwrap();
    let cases = [
        (SpecLimits { max_documents: 5, ..SpecLimits::default() }, 5),
        (SpecLimits { max_total_bytes: 600, ..SpecLimits::default() }, 5),
        (SpecLimits { max_bytes: 120, ..SpecLimits::default() }, 1),
        (SpecLimits::default(), 21),
    ];
    for (limits, asked) in cases {
        let files = Files::new(&chain);
        let result = load(root.as_bytes(), Some(&base), Some(&files), limits).now_or_never().unwrap();
        assert!(result.is_ok(), "{result:?}");
        assert_eq!(files.asked.lock().unwrap().len(), asked, "{limits:?}");
    }
}

#[test]
fn answers_that_cannot_be_read_are_documented_all_the_same() {
    let paths = json!({"/a": {"get": {"responses": {
        "200": {"$ref": "#/components/responses/Missing"},
        "201": {"content": {"json": {"schema": {"type": "string"}}}},
        "204": {"description": ""},
    }}}});
    let api = load_json(&v30(paths, json!({})));
    let operation = &api.operations[0];
    let content = |status| {
        operation.response(status).map(|r| r.content.iter().map(|m| m.media_type.as_str()).collect::<Vec<_>>())
    };
    assert_eq!((content(200), content(201), content(204)), (Some(vec!["*/*"]), Some(vec!["*/*"]), Some(vec![])));
    assert_eq!(api.warnings.len(), 2);
}
