use std::collections::BTreeSet;
use std::sync::Arc;

use proptest::prelude::{ProptestConfig, any, prop_assert, prop_assert_eq, proptest};
use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use serde_json::{Map, Value, json};

use super::fixture::{api, operation};
use super::place::Place;
use super::value::Fill;
use super::*;
use crate::classify::{WireTruth, classify};
use crate::schema::{Direction, Schema};

const PHASES: [Phase; 3] = [Phase::HappyPath, Phase::Examples, Phase::Coverage];

fn request(operation: &Operation, arguments: Vec<Value>, body: Option<BodyValue>) -> Result<Request, String> {
    let case = Case {
        operation: 0,
        phase: Phase::Coverage,
        ordinal: 0,
        label: String::new(),
        intent: Intent::Positive,
        method: None,
        arguments: (0..).zip(arguments).map(|(parameter, value)| Argument { parameter, value }).collect(),
        body,
        bindings: Vec::new(),
    };
    render(operation, &case, "/v1")
}

#[test]
fn parameters_are_written_as_the_openapi_table_shows() {
    let string = json!("blue");
    let array = json!(["blue", "black", "brown"]);
    let object = json!({"R": 100, "G": 200, "B": 150});
    let table = [
        ("path", "matrix", false, ";color=blue", ";color=blue,black,brown", ";color=R,100,G,200,B,150"),
        ("path", "matrix", true, ";color=blue", ";color=blue;color=black;color=brown", ";R=100;G=200;B=150"),
        ("path", "label", false, ".blue", ".blue,black,brown", ".R,100,G,200,B,150"),
        ("path", "label", true, ".blue", ".blue.black.brown", ".R=100.G=200.B=150"),
        ("path", "simple", false, "blue", "blue,black,brown", "R,100,G,200,B,150"),
        ("path", "simple", true, "blue", "blue,black,brown", "R=100,G=200,B=150"),
        ("query", "form", false, "color=blue", "color=blue,black,brown", "color=R,100,G,200,B,150"),
        ("query", "form", true, "color=blue", "color=blue&color=black&color=brown", "R=100&G=200&B=150"),
        (
            "query",
            "spaceDelimited",
            false,
            "color=blue",
            "color=blue%20black%20brown",
            "color=R%20100%20G%20200%20B%20150",
        ),
        (
            "query",
            "pipeDelimited",
            false,
            "color=blue",
            "color=blue%7Cblack%7Cbrown",
            "color=R%7C100%7CG%7C200%7CB%7C150",
        ),
        (
            "query",
            "tabDelimited",
            false,
            "color=blue",
            "color=blue%09black%09brown",
            "color=R%09100%09G%09200%09B%09150",
        ),
        (
            "query",
            "deepObject",
            true,
            "color=blue",
            "color=blue&color=black&color=brown",
            "color%5BR%5D=100&color%5BG%5D=200&color%5BB%5D=150",
        ),
        ("header", "simple", false, "blue", "blue,black,brown", "R,100,G,200,B,150"),
        ("header", "simple", true, "blue", "blue,black,brown", "R=100,G=200,B=150"),
        ("cookie", "form", false, "color=blue", "color=blue%2Cblack%2Cbrown", "color=R%2C100%2CG%2C200%2CB%2C150"),
        ("cookie", "form", true, "color=blue", "color=blue; color=black; color=brown", "R=100; G=200; B=150"),
    ];
    for (location, style, explode, of_string, of_array, of_object) in table {
        let path = if location == "path" { "/c/{color}/x" } else { "/c" };
        let parameter = json!({"name": "color", "in": location, "style": style, "explode": explode});
        let operation = operation("GET", path, json!({"parameters": [parameter]}));
        for (value, expected) in [(&string, of_string), (&array, of_array), (&object, of_object)] {
            let request = request(&operation, vec![value.clone()], None).unwrap();
            let got = match location {
                "path" => request.target.strip_prefix("/v1/c/").unwrap().strip_suffix("/x").unwrap().to_owned(),
                "query" => request.target.strip_prefix("/v1/c?").unwrap().to_owned(),
                name => {
                    String::from_utf8(request.header(if name == "cookie" { name } else { "color" }).unwrap().to_vec())
                        .unwrap()
                }
            };
            assert_eq!(got, expected, "{location} {style} {explode} {value}");
        }
    }
}

#[test]
fn templates_keep_their_literals_and_values_are_encoded() {
    let table = [
        ("/a/{id}.json", json!("x y"), Ok("/v1/a/x%20y.json")),
        ("/a/{id}:cancel", json!("é/?"), Ok("/v1/a/%C3%A9%2F%3F:cancel")),
        ("/a b/{id}", json!(1.5), Ok("/v1/a%20b/1.5")),
        ("/a/{id}", json!(""), Err(())),
        ("/a/{id}", json!(null), Err(())),
        ("/a/{id}", json!([]), Err(())),
        ("/a/{id}", json!(".."), Err(())),
        ("/a/{other}", json!("x"), Err(())),
    ];
    for (path, value, expected) in table {
        let operation = operation("GET", path, json!({"parameters": [{"name": "id", "in": "path"}]}));
        let got = request(&operation, vec![value.clone()], None).map(|request| request.target);
        assert_eq!(got.as_deref().map_err(|_| ()), expected, "{path} {value}");
    }
    let header = operation("GET", "/", json!({"parameters": [{"name": "X-A", "in": "header"}]}));
    assert!(request(&header, vec![json!("a\r\nX-B: c")], None).is_err());
    let query = operation("GET", "/s?fixed=1", json!({"parameters": [{"name": "q"}]}));
    assert_eq!(request(&query, vec![json!("a&b=c")], None).unwrap().target, "/v1/s?fixed=1&q=a%26b%3Dc");
}

#[test]
fn bodies_are_written_by_media_type() {
    let value = json!({"name": "a&<b", "tags": ["x", "y"], "file": "data", "o": {"k": 1}});
    let schema = json!({"type": "object", "title": "Pet", "properties": {
        "tags": {"type": "array", "items": {"type": "string", "xml": {"name": "tag"}}, "xml": {"wrapped": true}},
        "file": {"type": "string", "format": "binary"},
        "name": {"type": "string", "xml": {"attribute": true}},
    }});
    let write = |kind: &str| {
        let body = json!({"requestBody": {"required": true, "content": {kind: {"schema": schema}}}});
        let operation = operation("POST", "/", body);
        let body = BodyValue::Typed { media_type: 0, value: value.clone() };
        let request = request(&operation, vec![], Some(body)).unwrap();
        String::from_utf8(request.body.unwrap().to_vec()).unwrap()
    };
    assert_eq!(write("application/json"), value.to_string());
    assert_eq!(write("application/vnd.nat+json; v=1"), value.to_string());
    assert_eq!(write("application/x-www-form-urlencoded"), "name=a%26%3Cb&tags=x&tags=y&file=data&o=%7B%22k%22%3A1%7D");
    assert_eq!(
        write("application/xml"),
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?><Pet name=\"a&amp;&lt;b\"><tags><tag>x</tag><tag>y</tag></tags>\
         <file>data</file><o><k>1</k></o></Pet>"
    );
    let multipart = write("multipart/form-data");
    assert!(multipart.starts_with(&format!(
        "--{}\r\nContent-Disposition: form-data; name=\"name\"\r\n\r\na&<b\r\n--",
        body::BOUNDARY
    )));
    assert!(
        multipart
            .contains("name=\"file\"; filename=\"nat.bin\"\r\nContent-Type: application/octet-stream\r\n\r\ndata\r\n")
    );
    assert!(multipart.contains("name=\"o\"\r\nContent-Type: application/json\r\n\r\n{\"k\":1}\r\n"));
    assert!(multipart.ends_with(&format!("--{}--\r\n", body::BOUNDARY)));
}

/// A schema that some value satisfies, as a rule.
fn random_schema(rng: &mut ChaCha8Rng, depth: u32) -> Value {
    let pick = |rng: &mut ChaCha8Rng, most: usize| rng.random_range(0..most);
    let low = rng.random_range(0..5_i64);
    match pick(rng, if depth == 0 { 7 } else { 12 }) {
        0 => json!({"type": "integer", "minimum": low, "maximum": low + rng.random_range(0..50_i64)}),
        1 => json!({"type": "integer", "multipleOf": low + 1, "exclusiveMinimum": low}),
        2 => json!({"type": "number", "exclusiveMinimum": low, "maximum": low + 2}),
        3 => json!({"type": "string", "minLength": low, "maxLength": low + rng.random_range(0..20_i64)}),
        4 => {
            let patterns = ["^[a-z]{2,5}$", "^[A-Z][0-9]+$", "^(a|b)-\\d{3}$", "x"];
            json!({"type": "string", "pattern": patterns[pick(rng, patterns.len())]})
        }
        5 => json!({"enum": ["red", "green", 7, null]}),
        6 => json!({"type": ["boolean", "null"]}),
        7 => json!({"type": "array", "items": random_schema(rng, depth - 1), "minItems": low.min(2), "maxItems": 4}),
        8 => json!({"type": "array", "items": {"type": "integer"}, "uniqueItems": true, "minItems": low}),
        9 => {
            let either = [random_schema(rng, depth - 1), random_schema(rng, depth - 1)];
            json!({"anyOf": either})
        }
        10 => {
            json!({"allOf": [{"type": "object", "properties": {"left": random_schema(rng, depth - 1)}, "required": ["left"]},
                     {"type": "object", "properties": {"right": random_schema(rng, depth - 1)}}]})
        }
        _ => {
            let names = ["id", "name", "email", "tags"];
            let properties: Map<String, Value> =
                names.iter().map(|name| ((*name).to_owned(), random_schema(rng, depth - 1))).collect();
            let required: Vec<&str> = names.into_iter().filter(|_| low % 2 == 0).take(low as usize).collect();
            json!({"type": "object", "properties": properties, "required": required, "additionalProperties": low != 3})
        }
    }
}

fn random_operation(seed: u64) -> Operation {
    let mut rng = rng::stream(seed, "schema", Phase::Probe, 0);
    let parameters: Vec<Value> =
        [("id", "path"), ("limit", "query"), ("filter", "query"), ("X-Trace", "header"), ("sid", "cookie")]
            .into_iter()
            .map(|(name, location)| {
                let style = if name == "filter" { "deepObject" } else { "" };
                json!({"name": name, "in": location, "style": style, "required": rng.random_range(0..2) == 0,
                   "schema": random_schema(&mut rng, u32::from(location != "path"))})
            })
            .collect();
    let kinds = ["application/json", "application/x-www-form-urlencoded", "multipart/form-data"];
    let kind = kinds[rng.random_range(0..kinds.len())];
    let mut schema = random_schema(&mut rng, 3);
    if kind != "application/json" {
        schema = json!({"type": "object", "properties": {"a": schema, "b": {"type": "integer", "maximum": 9}}, "required": ["b"]});
    }
    let body = json!({"required": true, "content": {kind: {"schema": schema}}});
    operation("POST", "/things/{id}", json!({"parameters": parameters, "requestBody": body}))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn cases_are_what_they_claim(seed in any::<u64>()) {
        let api = api(vec![random_operation(seed)]);
        let operation = &api.operations[0];
        let happy = cases(&api, operation, Phase::HappyPath, seed);
        for case in happy.iter().chain(&cases(&api, operation, Phase::Coverage, seed)) {
            let request = render(operation, case, "").unwrap();
            let truth = classify(operation, &request, "");
            match &case.intent {
                Intent::Positive => prop_assert!(!matches!(truth, WireTruth::Negative { .. }), "{} {truth:?}", case.label),
                Intent::Negative { slot, .. } if slot.location != "body" => {
                    prop_assert!(matches!(truth, WireTruth::Negative { .. }), "{} {truth:?}", case.label);
                }
                Intent::Negative { .. } => prop_assert!(truth != WireTruth::Positive, "{}", case.label),
                Intent::MissingRequired { .. } => {
                    prop_assert!(matches!(truth, WireTruth::Negative { hard: true, .. }), "{} {truth:?}", case.label);
                }
                _ => {}
            }
        }
        if happy.is_empty() {
            // Only a part that cannot be written at all excuses silence.
            let unwritable = operation.parameters.iter().filter(|parameter| parameter.required).any(|parameter| {
                let mut rng = rng::stream(seed, "", Phase::Probe, 0);
                value::valid(&parameter.schema, &parameter.name, &[], Place::Text, Fill::Full, &mut rng).is_none()
            });
            let located = operation.parameters.iter().any(|p| p.required && p.schema.node()["type"] != "string");
            prop_assert!(unwritable || located, "no case for {operation:?}");
        }
    }

    #[test]
    fn random_schemas_get_valid_values(seed in any::<u64>()) {
        let node = random_schema(&mut rng::stream(seed, "schema", Phase::Probe, 1), 3);
        let schema = Schema::new(node.clone(), Arc::default(), "");
        for fill in [Fill::Minimal, Fill::Full] {
            let mut rng = rng::stream(seed, "value", Phase::Coverage, 0);
            let value = value::valid(&schema, "", &[], Place::Json, fill, &mut rng);
            prop_assert!(value.as_ref().is_some_and(|value| schema.is_valid(value, Direction::Request)), "{node} {value:?}");
        }
    }

    #[test]
    fn equal_seeds_give_equal_cases_in_any_order(seed in any::<u64>()) {
        let api = api(vec![random_operation(seed), Operation { path: "/others/{id}".to_owned(), ..random_operation(!seed) }]);
        let all = |operation: &Operation| PHASES.map(|phase| cases(&api, operation, phase, seed));
        let forward: Vec<_> = api.operations.iter().map(all).collect();
        let mut backward: Vec<_> = api.operations.iter().rev().map(all).collect();
        backward.reverse();
        prop_assert_eq!(forward, backward);
    }
}

fn coverage(node: Value) -> BTreeSet<(String, String)> {
    let api = api(vec![operation("POST", "/things", node)]);
    cases(&api, &api.operations[0], Phase::Coverage, 7)
        .into_iter()
        .filter_map(|case| match case.intent {
            Intent::Negative { slot, keyword } => Some((format!("{} {}", slot.location, slot.name), keyword)),
            Intent::MissingRequired { slot } => {
                Some((format!("{} {}", slot.location, slot.name), "missing".to_owned()))
            }
            _ => None,
        })
        .collect()
}

#[test]
fn every_keyword_is_violated_once() {
    let body = json!({"type": "object", "required": ["name", "rows"], "additionalProperties": false, "properties": {
        "name": {"type": "string", "minLength": 2, "maxLength": 8, "pattern": "^[a-z]+$"},
        "kind": {"enum": ["a", "b"]},
        "age": {"type": "integer", "minimum": 1, "exclusiveMaximum": 100, "multipleOf": 3},
        "rows": {"type": "array", "minItems": 1, "maxItems": 3, "uniqueItems": true,
                 "items": {"type": "object", "required": ["n"], "properties": {"n": {"type": "number", "maximum": 5}}}},
    }});
    let parameters = json!([
        {"name": "limit", "required": true, "schema": {"type": "integer", "minimum": 1, "maximum": 100}},
        {"name": "ids", "schema": {"type": "array", "items": {"type": "integer"}, "maxItems": 2}},
    ]);
    let found = coverage(json!({"parameters": parameters,
        "requestBody": {"required": true, "content": {"application/json": {"schema": body}}}}));
    let expected = [
        ("body /name", "minLength"),
        ("body /name", "maxLength"),
        ("body /name", "pattern"),
        ("body /name", "required"),
        ("body /name", "type"),
        ("body /kind", "enum"),
        ("body /age", "minimum"),
        ("body /age", "exclusiveMaximum"),
        ("body /age", "multipleOf"),
        ("body /rows", "minItems"),
        ("body /rows", "maxItems"),
        ("body /rows", "uniqueItems"),
        ("body /rows/[]/n", "maximum"),
        ("body /rows/[]/n", "required"),
        ("body /rows/[]/n", "type"),
        ("body /nat_unexpected", "additionalProperties"),
        ("body ", "type"),
        ("body ", "missing"),
        ("query limit", "minimum"),
        ("query limit", "maximum"),
        ("query limit", "type"),
        ("query limit", "missing"),
        ("query ids", "maxItems"),
        ("query ids/[]", "type"),
    ];
    for (slot, keyword) in expected {
        assert!(found.contains(&(slot.to_owned(), keyword.to_owned())), "{slot} {keyword} is not violated: {found:?}");
    }
}

#[test]
fn numbers_without_a_bound_are_tried_at_zero_and_below() {
    let check = |schema: Value, expected: &[&str]| {
        let parameter = json!({"name": "n", "in": "path", "required": true, "schema": schema});
        let api = api(vec![operation("GET", "/a/{n}", json!({"parameters": [parameter]}))]);
        let cases = cases(&api, &api.operations[0], Phase::Coverage, 1);
        let valid = cases.iter().filter(|case| case.intent == Intent::Positive && case.method.is_none());
        let mut sent: Vec<String> = valid.map(|case| render(&api.operations[0], case, "").unwrap().target).collect();
        sent.retain(|target| ["/a/0", "/a/-1"].contains(&target.as_str()));
        assert_eq!(sent, expected);
    };
    check(json!({"type": "integer"}), &["/a/0", "/a/-1"]);
    check(json!({"type": "number", "maximum": 7}), &["/a/0", "/a/-1"]);
    check(json!({"type": "integer", "minimum": 0, "maximum": 9}), &["/a/0"]);
    check(json!({"type": "integer", "minimum": 2, "maximum": 2}), &[]);
}

#[test]
fn recursion_ends_and_the_impossible_is_left_out() {
    let node = json!({"definitions": {
        "Tree": {"type": "object", "required": ["value"], "properties": {
            "value": {"type": "integer"}, "left": {"$ref": "#/$defs/Tree"},
            "children": {"type": "array", "items": {"$ref": "#/$defs/Tree"}}}},
        "Endless": {"type": "object", "required": ["next"], "properties": {"next": {"$ref": "#/$defs/Endless"}}},
        "Either": {"anyOf": [{"$ref": "#/$defs/Endless"}, {"$ref": "#/$defs/Tree"}]},
        "Loop": {"$ref": "#/$defs/Loop"},
        "Bush": {"anyOf": [{"$ref": "#/$defs/Bush"}, {"$ref": "#/$defs/Bush"}, {"type": "integer"}]},
    }});
    let table = [("Tree", true), ("Endless", false), ("Either", true), ("Bush", true)];
    for (name, possible) in table {
        let definitions = Arc::new(node["definitions"].as_object().unwrap().clone());
        let schema = Schema::new(json!({"$ref": format!("#/$defs/{name}")}), definitions, "");
        for fill in [Fill::Minimal, Fill::Full] {
            let mut rng = rng::stream(1, name, Phase::Coverage, 0);
            let value = value::valid(&schema, "", &[], Place::Json, fill, &mut rng);
            assert_eq!(value.is_some(), possible, "{name} {value:?}");
        }
    }
}

#[test]
fn special_cases_are_planned_once() {
    let body = json!({"requestBody": {"required": true, "content": {"application/json": {"schema": {"type": "object",
        "properties": {"a": {"type": "string"}}}}}}});
    let api = api(vec![
        operation(
            "GET",
            "/a/{id}",
            json!({"parameters": [{"name": "id", "in": "path", "schema": {"type": "string"}}]}),
        ),
        operation("PUT", "/a/{id}", {
            let mut node = body.clone();
            node["parameters"] = json!([{"name": "id", "in": "path", "schema": {"type": "string"}}]);
            node
        }),
        operation("POST", "/a/mine", body),
    ]);
    let count = |index: usize, wanted: &dyn Fn(&Intent) -> bool| {
        let all = cases(&api, &api.operations[index], Phase::Coverage, 3);
        all.iter().filter(|case| wanted(&case.intent)).count()
    };
    let undocumented = |intent: &Intent| *intent == Intent::UndocumentedMethod;
    assert_eq!([0, 1, 2].map(|index| count(index, &undocumented)), [1, 0, 1]);
    assert_eq!([0, 1, 2].map(|index| count(index, &|intent| *intent == Intent::HeadParity)), [1, 0, 0]);
    let malformed = |intent: &Intent| matches!(intent, Intent::MalformedBody { .. });
    assert_eq!([0, 1, 2].map(|index| count(index, &malformed)), [0, 6, 6]);
    for (index, forbidden) in [(0, vec!["GET", "PUT", "DELETE"]), (2, vec!["GET", "PUT", "POST", "DELETE"])] {
        let all = cases(&api, &api.operations[index], Phase::Coverage, 3);
        let method = all.iter().find(|case| undocumented(&case.intent)).and_then(|case| case.method.clone()).unwrap();
        assert!(!forbidden.contains(&method.as_str()), "{method}");
    }
}

#[test]
fn read_only_properties_are_not_sent() {
    let schema = json!({"type": "object", "required": ["id", "name"], "properties": {
        "id": {"type": "integer", "readOnly": true}, "name": {"type": "string"}, "at": {"$ref": "#/$defs/At"}}});
    let schema = Schema::new(
        schema,
        Arc::new(json!({"At": {"type": "string", "readOnly": true}}).as_object().unwrap().clone()),
        "",
    );
    let examples = [json!({"id": 1, "name": "Rex", "at": "now"})];
    for examples in [&examples[..], &[]] {
        let mut rng = rng::stream(1, "", Phase::Coverage, 0);
        let value = value::valid(&schema, "", examples, Place::Json, Fill::Full, &mut rng).unwrap();
        assert_eq!(value.as_object().unwrap().keys().collect::<Vec<_>>(), ["name"], "{value}");
    }
}

#[test]
fn schemas_that_trip_generators_get_valid_values() {
    let table = [
        json!({"type": "array", "items": {"type": "integer"}, "contains": {"type": "integer", "minimum": 50}, "minContains": 2}),
        json!({"type": "array", "items": {"enum": ["a", "b", "c"]}, "uniqueItems": true, "minItems": 3}),
        json!({"type": "array", "items": {"type": "string"}, "maxItems": 0}),
        json!({"type": "array", "prefixItems": [{"type": "integer"}, {"type": "string"}], "items": false}),
        json!({"type": "object", "properties": {"a": {"type": "integer"}, "b": {"type": "integer"}, "c": {"type": "integer"}},
               "dependentRequired": {"a": ["b"], "b": ["c"]}, "required": ["a"]}),
        json!({"type": "object", "properties": {"a": {"type": "integer"}, "b": {"type": "integer"}}, "required": ["a"],
               "not": {"required": ["b"]}}),
        json!({"type": "string", "not": {"enum": ["nat"]}}),
        json!({"oneOf": [{"type": "object", "required": ["a"], "properties": {"a": {"type": "integer"}}},
                         {"type": "object", "required": ["b"], "properties": {"b": {"type": "integer"}}}]}),
        json!({"type": "object", "properties": {"k": {"type": "string"}},
               "anyOf": [{"required": ["x"], "properties": {"x": {"type": "integer"}}}, {"required": ["y"]}],
               "oneOf": [{"properties": {"z": {"const": 1}}, "required": ["z"]}, {"properties": {"z": {"const": 2}}, "required": ["z"]}]}),
        json!({"allOf": [{"type": "object", "properties": {"a": {"type": "integer"}}, "additionalProperties": false},
                         {"properties": {"b": {"type": "integer"}}}]}),
        json!({"oneOf": [{"$ref": "#/$defs/Cat"}, {"$ref": "#/$defs/Dog"}],
               "discriminator": {"propertyName": "kind", "mapping": {"dog": "#/$defs/Dog", "cat": "#/$defs/Cat"}}}),
        json!({"type": "object", "additionalProperties": {"type": "integer"}, "minProperties": 2,
               "propertyNames": {"pattern": "^[a-z]{3}$"}}),
        json!({"type": "object", "patternProperties": {"^x-[a-z]+$": {"type": "integer"}}, "additionalProperties": false, "minProperties": 1}),
        json!({"type": "object", "required": ["a", "b"], "properties": {"a": {"enum": [1]}}, "additionalProperties": {"type": "string"}}),
        json!({"if": {"properties": {"k": {"const": "x"}}, "required": ["k"]}, "then": {"required": ["v"]},
               "else": {"properties": {"k": {"const": "y"}}}, "type": "object", "properties": {"k": {"enum": ["x", "y"]}, "v": {"type": "integer"}}}),
        json!({"type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 0.001}),
        json!({"type": "number", "multipleOf": 0.01, "minimum": 0.05, "maximum": 0.07}),
        json!({"type": "integer", "minimum": 9_007_199_254_740_993_i64, "maximum": 9_007_199_254_740_993_i64}),
        json!({"type": "integer", "exclusiveMaximum": 0, "multipleOf": 7}),
        json!({"type": "integer", "minimum": -5, "maximum": -5}),
        json!({"type": "string", "format": "email", "minLength": 40, "maxLength": 40}),
        json!({"type": "string", "format": "date-time", "example": "not a date"}),
        json!({"type": "string", "pattern": "^(?=.*[A-Z])(?=.*[0-9]).{8,20}$"}),
        json!({"type": "string", "minLength": 300}),
        json!({"type": ["null", "string"], "enum": [null, "a"]}),
        json!({"anyOf": [{"type": "null"}, {"type": "object", "required": ["a"], "properties": {"a": {"type": "boolean"}}}]}),
        (0..12).fold(
            json!({"type": "integer"}),
            |below, _| json!({"type": "object", "required": ["n"], "properties": {"n": below}}),
        ),
        json!({}),
        json!(true),
    ];
    let definitions = Arc::new(json!({
        "Cat": {"type": "object", "required": ["kind"], "properties": {"kind": {"enum": ["cat"]}, "lives": {"type": "integer"}}},
        "Dog": {"type": "object", "required": ["kind", "barks"], "properties": {"kind": {"const": "dog"}, "barks": {"type": "boolean"}}},
    }).as_object().unwrap().clone());
    for node in table {
        let schema = Schema::new(node.clone(), Arc::clone(&definitions), "");
        for fill in [Fill::Minimal, Fill::Full] {
            let mut rng = rng::stream(9, "trip", Phase::Coverage, 0);
            let value = value::valid(&schema, "", &[], Place::Json, fill, &mut rng);
            assert!(value.is_some_and(|value| schema.is_valid(&value, Direction::Request)), "{fill:?} {node}");
        }
    }
}

#[test]
fn hostile_schemas_cost_little() {
    let wide =
        |key: &str| json!({key: (0..60).map(|i| json!({"$ref": format!("#/$defs/N{}", i % 20)})).collect::<Vec<_>>()});
    let definitions: Map<String, Value> =
        (0..20).map(|i| (format!("N{i}"), wide(if i % 2 == 0 { "anyOf" } else { "allOf" }))).collect();
    let chain: Map<String, Value> = (0..2_000)
        .map(|i| {
            let next = json!({"$ref": format!("#/$defs/C{}", i + 1)});
            (format!("C{i}"), json!({"type": "object", "required": ["n"], "properties": {"n": next}}))
        })
        .collect();
    let table = [
        (wide("anyOf"), definitions),
        (json!({"$ref": "#/$defs/C0"}), chain),
        (json!({"type": "string", "pattern": "((a{1000}){1000}){1000}"}), Map::new()),
        (json!({"type": "string", "minLength": 1_000_000_000}), Map::new()),
        (json!({"type": "array", "minItems": 1_000_000_000, "items": {}}), Map::new()),
        (json!({"type": "object", "minProperties": 1_000_000_000}), Map::new()),
    ];
    for (node, definitions) in table {
        let schema = Schema::new(node, Arc::new(definitions), "");
        let mut rng = rng::stream(9, "hostile", Phase::Coverage, 0);
        // Nothing can be made of these within bounds; what counts is that the answer comes.
        assert_eq!(value::valid(&schema, "", &[], Place::Json, Fill::Minimal, &mut rng), None);
    }
}

fn listing() -> Operation {
    let parameters = json!([
        {"name": "sort", "in": "query", "schema": {"enum": ["asc", "desc"]}},
        {"name": "expand", "in": "query", "schema": {"type": "boolean"}},
        {"name": "limit", "in": "query", "schema": {"type": "integer", "minimum": 1, "maximum": 50}},
        {"name": "X-Trace", "in": "header", "schema": {"type": "string"}},
    ]);
    operation("GET", "/things", json!({"parameters": parameters}))
}

/// Whether some combination has all these texts in its target and body.
fn combines(cases: &[Case], operation: &Operation, parts: &[&str]) -> bool {
    cases.iter().filter(|case| case.label.starts_with("combination of ")).any(|case| {
        let request = render(operation, case, "").unwrap();
        let body = String::from_utf8_lossy(request.body.as_deref().unwrap_or_default()).into_owned();
        let all = format!("{} {body}", request.target);
        parts.iter().all(|part| all.contains(part))
    })
}

#[test]
fn combinations_hold_every_two_classes_of_parameters() {
    let api = api(vec![listing()]);
    let operation = &api.operations[0];
    let cases = cases(&api, operation, Phase::Coverage, 1);
    for sort in ["sort=asc", "sort=desc"] {
        for expand in ["expand=true", "expand=false"] {
            assert!(combines(&cases, operation, &[sort, expand]), "{sort} {expand}");
            assert!(
                combines(&cases, operation, &[sort, "limit=50"]) && combines(&cases, operation, &[expand, "limit=1"])
            );
        }
    }
    let made = cases.iter().filter(|case| case.label.starts_with("combination of "));
    assert!(made.clone().count() <= 30, "{:#?}", made.map(|case| &case.label).collect::<Vec<_>>());
    let telling = cases.iter().any(|case| case.label.contains("query sort \"desc\", query expand true"));
    assert!(telling, "{:#?}", cases.iter().map(|case| &case.label).collect::<Vec<_>>());
}

#[test]
fn combinations_of_two_optional_parts_alone_are_left_to_chance() {
    let mut operation = listing();
    operation.parameters.truncate(2);
    let api = api(vec![operation]);
    let cases = cases(&api, &api.operations[0], Phase::Coverage, 1);
    assert!(cases.iter().all(|case| !case.label.starts_with("combination of ")));
}

#[test]
fn combinations_hold_optional_members_behind_each_alternative() {
    let shape = |kind: &str, own: Value| {
        json!({"type": "object", "required": ["kind"], "additionalProperties": false, "properties": {
            "kind": {"const": kind}, "note": {"type": "string"}, "own": own}})
    };
    let body = json!({"required": true, "content": {"application/json": {"schema": {"oneOf": [
        shape("circle", json!({"type": "integer", "minimum": 1, "maximum": 9})),
        shape("square", json!({"type": "boolean"})),
    ]}}}});
    let api = api(vec![operation("POST", "/shapes", json!({"requestBody": body}))]);
    let operation = &api.operations[0];
    let cases = cases(&api, operation, Phase::Coverage, 1);
    let labels = || cases.iter().map(|case| &case.label).collect::<Vec<_>>();
    for parts in [["circle", "\"own\":9"], ["square", "\"own\":true"], ["square", "\"note\""], ["circle", "\"note\""]] {
        assert!(combines(&cases, operation, &parts), "{parts:?} {:#?}", labels());
    }
}
