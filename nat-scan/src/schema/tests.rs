use serde_json::json;

use super::*;

fn schema(node: Value, definitions: Value) -> Schema {
    let Value::Object(definitions) = definitions else { panic!("an object of definitions") };
    Schema::new(node, Arc::new(definitions), "")
}

#[test]
fn values_are_judged_with_the_definitions() {
    let tree = json!({"Tree": {"type": "object", "required": ["v"], "properties": {
        "v": {"type": "integer", "maximum": 9},
        "next": {"anyOf": [{"$ref": "#/$defs/Tree"}, {"type": "null"}]},
    }}});
    let schema = schema(json!({"type": "array", "items": {"$ref": "#/$defs/Tree"}}), tree);
    assert!(schema.is_valid(&json!([{"v": 1, "next": {"v": 2, "next": null}}]), Direction::Response));
    let violations = schema.violations(&json!([{"v": 1}, {"v": 10}, {}]), Direction::Response);
    let short: Vec<_> =
        violations.iter().map(|v| (v.instance_path.as_str(), v.schema_path.as_str(), v.keyword.as_str())).collect();
    assert_eq!(
        short,
        [("/1/v", "/$defs/Tree/properties/v/maximum", "maximum"), ("/2", "/$defs/Tree/required", "required")]
    );
}

#[test]
fn direction_decides_about_read_only_and_write_only() {
    let definitions = json!({
        "Id": {"type": "integer", "readOnly": true},
        "Base": {"type": "object", "additionalProperties": true, "properties": {"id": {"$ref": "#/$defs/Id"}}},
    });
    let node = json!({
        "type": "object",
        "allOf": [{"$ref": "#/$defs/Base"}],
        "required": ["id", "name", "secret"],
        "properties": {
            "name": {"type": "string"},
            "secret": {"type": "string", "writeOnly": true},
            "made": {"type": "string", "readOnly": true},
        },
    });
    let schema = schema(node, definitions);
    let cases = [
        (json!({"name": "a", "secret": "b"}), true, false),
        (json!({"name": "a", "secret": "b", "id": "text", "made": 1}), true, false),
        (json!({"name": "a", "id": 1}), false, true),
        (json!({"name": "a", "id": "text"}), false, false),
        (json!({"name": "a", "id": 1, "secret": 1}), false, false),
    ];
    for (value, request, response) in cases {
        let got = (schema.is_valid(&value, Direction::Request), schema.is_valid(&value, Direction::Response));
        assert_eq!(got, (request, response), "{value}");
        assert_eq!(schema.violations(&value, Direction::Request).is_empty(), request, "{value}");
    }
}

#[test]
fn keywords_that_cannot_be_used_do_not_spoil_the_rest() {
    // (schema, a value it must accept, a value it must still reject)
    let cases = [
        (json!({"pattern": "(", "type": "string"}), json!("x"), json!(1)),
        (json!({"pattern": "^(?!a)", "type": "string"}), json!("b"), json!("a")),
        (json!({"pattern": "(a{1000}){1000}", "minLength": 2}), json!("xx"), json!("x")),
        (json!({"type": "strung", "maximum": 3}), json!("x"), json!(4)),
        (json!({"allOf": [{"maximum": 3}, 7]}), json!(3), json!(4)),
        (json!({"format": "int32", "type": "integer"}), json!(1), json!("a")),
        (json!({"format": "date-time"}), json!("2020-02-29T00:00:00Z"), json!("2021-02-29T00:00:00Z")),
        (json!({"format": "uuid"}), json!("6fa459ea-ee8a-3ca4-894e-db77e160355e"), json!("6fa459ea")),
        (json!({"$ref": "#/$defs/missing", "maximum": 3}), json!(3), json!(4)),
        (json!({"$ref": "http://127.0.0.1:1/x", "maximum": 3}), json!(3), json!(4)),
    ];
    for (node, good, bad) in cases {
        let schema = schema(node.clone(), json!({}));
        assert!(schema.is_valid(&good, Direction::Request), "{node}");
        assert!(!schema.is_valid(&bad, Direction::Request), "{node}");
    }
}

#[test]
fn slow_patterns_give_no_verdict() {
    let schema = schema(json!({"pattern": "^(a|b|ab)*(?<!x)c$", "maxLength": 100}), json!({}));
    let text = "ab".repeat(30) + "dc";
    assert!(schema.is_valid(&json!(text), Direction::Request));
    assert!(!schema.is_valid(&json!(text.repeat(2)), Direction::Request));
    assert!(!schema.is_valid(&json!("abdc"), Direction::Request));
}

#[test]
fn deep_and_large_schemas_and_values_are_judged_on_a_small_stack() {
    let nest = |depth: usize, wrap: &dyn Fn(Value) -> Value| {
        (0..depth).fold(json!({"type": "integer"}), |inner, _| wrap(inner))
    };
    let deep_value = (0..120).fold(json!(1), |inner, _| json!([inner]));
    let cases = [
        (nest(60, &|inner| json!({"allOf": [inner]})), json!(1), json!("x")),
        (
            nest(60, &|inner| json!({"properties": {"a": inner}})),
            json!({"a": {"a": 1}}),
            (0..60).fold(json!("x"), |inner, _| json!({"a": inner})),
        ),
        (
            nest(120, &|inner| json!({"items": inner})),
            deep_value.clone(),
            (0..120).fold(json!("x"), |inner, _| json!([inner])),
        ),
        (nest(120, &|inner| json!({ "not": inner })), json!(1), json!("x")),
        (nest(60, &|inner| json!({"oneOf": [inner, {"type": "null"}]})), json!(1), json!("x")),
    ];
    for (node, good, bad) in cases {
        let schema = schema(node, json!({}));
        assert!(schema.is_valid(&good, Direction::Request));
        assert!(!schema.is_valid(&bad, Direction::Request));
    }
    let link = nest(60, &|inner| json!({"allOf": [inner]})).to_string();
    let link = link.replace(r#"{"type":"integer"}"#, r##"{"properties":{"a":{"$ref":"#/$defs/T"}},"type":"object"}"##);
    let recursive = schema(json!({"$ref": "#/$defs/T"}), json!({"T": serde_json::from_str::<Value>(&link).unwrap()}));
    let value = |last: Value| (0..28).fold(last, |inner, _| json!({ "a": inner }));
    assert!(recursive.is_valid(&value(json!({})), Direction::Request));
    assert!(!recursive.is_valid(&value(json!(1)), Direction::Request));
    let chain: Map<String, Value> =
        (0..900).map(|n| (format!("d{n}"), json!({"allOf": [{"$ref": format!("#/$defs/d{}", n + 1)}]}))).collect();
    let mut chain = chain;
    chain.insert("d900".to_owned(), json!({"type": "integer"}));
    let schema = schema(json!({"$ref": "#/$defs/d0"}), Value::Object(chain));
    assert!(schema.is_valid(&json!(1), Direction::Request));
    assert!(!schema.is_valid(&json!("x"), Direction::Request));
}

#[test]
fn a_schema_with_very_many_nodes_is_usable() {
    let definitions: Map<String, Value> = (0..5000)
        .map(|n| {
            let next = format!("#/$defs/d{}", (n + 1) % 5000);
            (
                format!("d{n}"),
                json!({"type": "object", "required": ["a"], "properties": {
                "a": {"type": "string", "maxLength": 5}, "b": {"type": "integer"}, "next": {"$ref": next}}}),
            )
        })
        .collect();
    let schema = schema(json!({"$ref": "#/$defs/d0"}), Value::Object(definitions));
    let started = std::time::Instant::now();
    assert!(schema.is_valid(&json!({"a": "x", "next": {"a": "y"}}), Direction::Response));
    assert!(!schema.is_valid(&json!({"a": "x", "next": {"a": 1}}), Direction::Response));
    assert!(started.elapsed().as_secs() < 60, "{:?}", started.elapsed());
}
