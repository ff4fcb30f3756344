//! Hostile and broken documents: loading never panics, never takes long, and what it yields can be used.

use std::time::{Duration, Instant};

use futures::FutureExt as _;
use nat_scan::schema::Direction;
use nat_scan::spec::{Api, SpecError, SpecLimits, load};
use proptest::prelude::*;
use serde_json::{Value, json};

const PETS: [&str; 3] = [
    include_str!("fixtures/pets-2.0.yaml"),
    include_str!("fixtures/pets-3.0.yaml"),
    include_str!("fixtures/pets-3.1.yaml"),
];

fn load_bytes(bytes: &[u8]) -> Result<Api, SpecError> {
    let started = Instant::now();
    let result = load(bytes, None, None, SpecLimits::default()).now_or_never().expect("loading waits for nothing here");
    assert!(started.elapsed() < Duration::from_secs(20), "took {:?}", started.elapsed());
    result
}

/// Uses everything that an API holds.
fn exercise(api: &Api) {
    let probes = [json!(null), json!(1), json!("x"), json!({"name": "a", "id": [1]}), json!([{"name": 1}])];
    for (index, operation) in api.operations.iter().enumerate() {
        assert_eq!(operation.index, index);
        assert!(operation.path.starts_with('/'));
        let bodies = operation.body.iter().flat_map(|body| &body.content);
        let answers = operation.responses.iter().flat_map(|answer| &answer.content);
        let schemas = bodies.chain(answers).filter_map(|media| media.schema.as_ref());
        for schema in schemas.chain(operation.parameters.iter().map(|parameter| &parameter.schema)) {
            for probe in &probes {
                for direction in [Direction::Request, Direction::Response] {
                    let fits = schema.is_valid(probe, direction);
                    assert_eq!(fits, schema.violations(probe, direction).is_empty(), "{probe} {:?}", schema.node());
                }
            }
        }
    }
}

fn value() -> impl Strategy<Value = Value> {
    let words =
        ["#/definitions/Pet", "#/components/schemas/Pet", "#", "#/paths", "string", "integer", "query", "(", "x"];
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        prop::sample::select(words.to_vec()).prop_map(Value::from),
        "\\PC{0,8}".prop_map(Value::from),
    ];
    let keys = [
        "$ref",
        "type",
        "properties",
        "items",
        "allOf",
        "anyOf",
        "oneOf",
        "not",
        "enum",
        "required",
        "name",
        "in",
        "schema",
        "parameters",
        "responses",
        "200",
        "get",
        "post",
        "/x/{id}",
        "content",
        "application/json",
        "pattern",
        "minimum",
        "exclusiveMinimum",
        "nullable",
        "discriminator",
        "mapping",
        "additionalProperties",
        "security",
        "examples",
        "format",
    ];
    leaf.prop_recursive(5, 60, 6, move |inner| {
        let key = prop_oneof![4 => prop::sample::select(keys.to_vec()).prop_map(str::to_owned), 1 => "\\PC{0,5}"];
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            prop::collection::vec((key, inner), 0..6).prop_map(|entries| Value::Object(entries.into_iter().collect())),
        ]
    })
}

/// Replaces the `at`-th node, in the order of reading.
fn replace(node: &mut Value, at: &mut usize, new: &Value) -> bool {
    if *at == 0 {
        *node = new.clone();
        return true;
    }
    *at -= 1;
    match node {
        Value::Array(items) => items.iter_mut().any(|item| replace(item, at, new)),
        Value::Object(map) => map.iter_mut().any(|(_, item)| replace(item, at, new)),
        _ => false,
    }
}

fn pets(index: usize) -> Value {
    serde_saphyr::from_str(PETS[index]).expect("a fixture")
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_bytes_give_a_result(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = load_bytes(&bytes);
    }

    #[test]
    fn any_value_gives_a_result(paths in value(), more in value(), version in 0..3_usize) {
        let mut document = json!({"paths": {"/x/{id}": paths}, "definitions": {"Pet": more}, "components": {"schemas": {"Pet": more}}});
        let (key, version) = [("swagger", "2.0"), ("openapi", "3.0.0"), ("openapi", "3.1.0")][version];
        document[key] = json!(version);
        if let Ok(api) = load_bytes(document.to_string().as_bytes()) {
            exercise(&api);
        }
    }

    #[test]
    fn a_changed_document_gives_a_result(version in 0..3_usize, changes in prop::collection::vec((1..150_usize, value()), 1..4)) {
        let mut document = pets(version);
        for (at, new) in changes {
            let mut at = at;
            replace(&mut document, &mut at, &new);
        }
        if let Ok(api) = load_bytes(document.to_string().as_bytes()) {
            exercise(&api);
        }
    }

    #[test]
    fn a_cut_or_damaged_text_gives_a_result(version in 0..3_usize, at in 0..2000_usize, byte in any::<u8>(), cut in any::<bool>()) {
        let mut text = PETS[version].as_bytes().to_vec();
        let at = at.min(text.len() - 1);
        if cut { text.truncate(at) } else { text[at] = byte }
        if let Ok(api) = load_bytes(&text) {
            exercise(&api);
        }
    }
}

#[test]
fn a_document_of_five_megabytes_loads_in_seconds() {
    let mut document = json!({"openapi": "3.0.0", "paths": {}, "components": {"schemas": {}}});
    for n in 0..7500 {
        let refer = |to: usize| json!({"$ref": format!("#/components/schemas/S{to}")});
        document["components"]["schemas"][format!("S{n}")] = json!({
            "type": "object", "required": ["id"], "description": "x".repeat(200),
            "properties": {"id": {"type": "integer", "minimum": 1}, "name": {"type": "string", "pattern": format!("^[a-z]{{1,{}}}$", n % 50 + 1)},
                "next": refer((n + 1) % 7500), "other": refer(n * 7 % 7500), "odd": {"$ref": "#/nowhere"}},
        });
        document["paths"][format!("/things/{n}/{{id}}")] = json!({"get": {
            "parameters": [{"name": "id", "in": "path", "required": true, "schema": {"type": "string"}}],
            "responses": {"200": {"description": "", "content": {"application/json": {"schema": refer(n)}}}}}});
    }
    let text = document.to_string();
    assert!(text.len() > 5_000_000, "{}", text.len());
    let api = load_bytes(text.as_bytes()).unwrap();
    assert_eq!(api.operations.len(), 7500);
    assert_eq!(api.warnings.len(), 1000);
}
