use bytes::Bytes;
use serde_json::{Value, json};

use super::*;
use crate::generate::fixture::operation;

#[derive(Debug, PartialEq, Eq)]
enum Truth {
    Positive,
    Hard,
    Soft,
    Ambiguous,
}
use Truth::{Ambiguous, Hard, Positive, Soft};

fn truth(operation: &Operation, request: &Request) -> Truth {
    match classify(operation, request, "/v1") {
        WireTruth::Positive => Positive,
        WireTruth::Negative { hard: true, .. } => Hard,
        WireTruth::Negative { hard: false, .. } => Soft,
        WireTruth::Ambiguous => Ambiguous,
    }
}

fn check_query(schema: Value, more: Value, table: &[(&str, Truth)]) {
    let mut parameter = json!({"name": "p", "schema": schema});
    parameter.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    let operation = operation("GET", "/a", json!({"parameters": [parameter]}));
    for (query, expected) in table {
        let request = Request::new("GET", format!("/v1/a?{query}"));
        assert_eq!(truth(&operation, &request), *expected, "{query} for {}", operation.parameters[0].schema.node());
    }
}

#[test]
fn queries_are_negative_only_when_every_reader_refuses_them() {
    let required = || json!({"required": true});
    check_query(
        json!({"type": "integer", "maximum": 10}),
        json!({}),
        &[
            ("p=5", Positive),
            ("", Positive),
            ("p=5&extra=1", Positive),
            ("p=%2B1", Ambiguous),
            ("p=1.0", Ambiguous),
            ("p=1e1", Ambiguous),
            ("p=%205", Ambiguous),
            ("p=", Ambiguous),
            ("p=NaN", Ambiguous),
            ("p=1&p=2", Ambiguous),
            ("p=1&p=nat", Ambiguous),
            ("p[]=1", Ambiguous),
            ("p=11", Soft),
            ("p=1.5", Hard),
            ("p=nat", Hard),
            ("p=true", Hard),
            ("p=%5B1%5D", Hard),
            ("p=1,2", Hard),
            ("p=%FF", Ambiguous),
        ],
    );
    check_query(json!({"type": "integer"}), required(), &[("", Hard), ("q=1", Hard), ("p=", Hard)]);
    check_query(
        json!({"type": "boolean"}),
        json!({}),
        &[("p=true", Positive), ("p=True", Ambiguous), ("p=1", Ambiguous), ("p=yes", Ambiguous), ("p=nat", Hard)],
    );
    check_query(
        json!({"type": "string", "minLength": 2}),
        json!({}),
        &[
            ("p=ab", Positive),
            ("p=12", Positive),
            ("p=false", Positive),
            ("p=a", Soft),
            ("p=", Ambiguous),
            ("p=%00a", Ambiguous),
        ],
    );
    check_query(json!({"type": "string"}), required(), &[("p=", Ambiguous), ("p=a+b", Positive)]);
    check_query(
        json!({"type": ["integer", "null"]}),
        json!({}),
        &[("p=1", Positive), ("p=null", Positive), ("p=", Ambiguous), ("p=nat", Hard)],
    );
    check_query(
        json!({"type": "number", "enum": [1, 2]}),
        json!({}),
        &[("p=1", Positive), ("p=3", Hard), ("p=2.0", Ambiguous)],
    );
    check_query(json!({"enum": ["a", "b"]}), json!({}), &[("p=a", Positive), ("p=c", Hard)]);
    check_query(
        json!({"oneOf": [{"type": "integer"}, {"type": "string", "maxLength": 3}]}),
        json!({}),
        &[("p=1234", Positive), ("p=abcd", Soft)],
    );
}

#[test]
fn lists_and_objects_are_read_by_their_style() {
    let list = || json!({"type": "array", "items": {"type": "integer"}, "maxItems": 2, "minItems": 1});
    check_query(
        list(),
        json!({}),
        &[
            ("p=1&p=2", Positive),
            ("p=1", Positive),
            ("p=1&p=2&p=3", Soft),
            ("p=1&p=x", Hard),
            ("p=1,2", Ambiguous),
            ("p=%5B1%5D", Ambiguous),
            ("", Positive),
        ],
    );
    check_query(
        list(),
        json!({"explode": false}),
        &[("p=1,2", Positive), ("p=1,2,3", Soft), ("p=1,x", Hard), ("p=1%2C2", Ambiguous), ("p=1&p=2", Ambiguous)],
    );
    check_query(
        list(),
        json!({"style": "pipeDelimited"}),
        &[("p=1%7C2", Positive), ("p=1|2", Positive), ("p=1%7C2%7C3", Soft)],
    );
    check_query(list(), json!({"style": "spaceDelimited"}), &[("p=1%202", Positive), ("p=1+2", Positive)]);
    check_query(
        json!({"type": "array", "items": {"type": "string"}}),
        json!({"required": true}),
        &[("", Hard), ("p=", Ambiguous)],
    );
    let object = || json!({"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]});
    check_query(
        object(),
        json!({"style": "deepObject", "explode": true}),
        &[("p%5Bn%5D=1", Positive), ("p[n]=1", Positive), ("p[n]=x", Hard), ("p[m]=1", Hard), ("p[n]=%2B1", Ambiguous)],
    );
    check_query(object(), json!({}), &[("n=1", Positive), ("n=x", Hard), ("", Positive)]);
    check_query(object(), json!({"explode": false}), &[("p=n,1", Positive), ("p=n,x", Hard)]);
    check_query(
        object(),
        json!({"contentType": "application/json"}),
        &[("p=%7B%22n%22:1%7D", Positive), ("p=%7B%22n%22:null%7D", Hard)],
    );
}

#[test]
fn paths_headers_and_cookies_are_read_as_servers_do() {
    let operation = operation(
        "GET",
        "/a/{id}.json",
        json!({"parameters": [
            {"name": "id", "in": "path", "schema": {"type": "integer"}},
            {"name": "X-N", "in": "header", "required": true, "schema": {"type": "integer"}},
            {"name": "Content-Type", "in": "header", "required": true, "schema": {"enum": ["nothing"]}},
            {"name": "c", "in": "cookie", "schema": {"type": "string", "maxLength": 3}},
        ]}),
    );
    let table = [
        ("/v1/a/1.json", "1", "c=abc", Positive),
        ("/v1/a/nat.json", "1", "c=abc", Hard),
        ("/v1/a/%2B1.json", "1", "c=abc", Ambiguous),
        ("/v1/a/1%2F.json", "1", "c=abc", Ambiguous),
        ("/v1/a/1%00.json", "1", "c=abc", Ambiguous),
        ("/v1/a/.json", "1", "c=abc", Ambiguous),
        ("/v1/a/1.json", " 1 ", "c=abc", Ambiguous),
        ("/v1/a/1.json", "x", "c=abc", Hard),
        ("/v1/a/1.json", "1", "c=abcd", Soft),
        ("/v1/a/1.json", "1", "c=a%62", Ambiguous),
        ("/v1/a/1.json", "1", "other=x", Positive),
    ];
    for (target, header, cookie, expected) in table {
        let mut request = Request::new("GET", target);
        request.set_header("x-n", header);
        request.set_header("Cookie", cookie);
        assert_eq!(truth(&operation, &request), expected, "{target} {header} {cookie}");
    }
    assert_eq!(truth(&operation, &Request::new("GET", "/v1/a/1.json")), Hard);
    assert_eq!(truth(&operation, &Request::new("DELETE", "/v1/a/1.json")), Ambiguous);
    let mut head = Request::new("HEAD", "/v1/a/1.json");
    head.set_header("X-N", "1");
    assert_eq!(truth(&operation, &head), Positive);
}

fn check_body(required: bool, kind: &str, schema: Value, table: &[(&str, &[u8], Truth)]) {
    let content = json!({kind: {"schema": schema}});
    let operation = operation("POST", "/a", json!({"requestBody": {"required": required, "content": content}}));
    for (content_type, bytes, expected) in table {
        let mut request = Request::new("POST", "/v1/a");
        if !content_type.is_empty() {
            request.set_header("Content-Type", *content_type);
            request.body = Some(Bytes::copy_from_slice(bytes));
        }
        assert_eq!(truth(&operation, &request), *expected, "{content_type} {}", String::from_utf8_lossy(bytes));
    }
}

#[test]
fn json_bodies_are_judged_by_their_types() {
    let schema = json!({"type": "object", "required": ["n"], "additionalProperties": false, "properties": {
        "n": {"type": "integer", "maximum": 10}, "s": {"type": "string", "maxLength": 3}, "b": {"type": "boolean"},
        "o": {"type": ["string", "null"]},
        "a": {"anyOf": [{"type": "object", "required": ["k"], "properties": {"k": {"type": "string", "maxLength": 1}}}, {"type": "null"}]}}});
    let json = "application/json";
    let deep = format!("{}{}", "[".repeat(200), "]".repeat(200));
    check_body(
        true,
        json,
        schema.clone(),
        &[
            (json, br#"{"n":1}"#, Positive),
            ("Application/JSON; charset=utf-8", br#"{"n":1,"o":null}"#, Positive),
            ("text/csv", br#"{"n":1}"#, Ambiguous),
            (json, br#"{"n":"1"}"#, Ambiguous),
            (json, br#"{"n":1,"s":5}"#, Ambiguous),
            (json, br#"{"n":1,"b":1}"#, Ambiguous),
            (json, br#"{"n":1,"n":2}"#, Ambiguous),
            (json, b"\xef\xbb\xbf{\"n\":1}", Ambiguous),
            (json, b"{\"n\":1,\"s\":\"\xff\"}", Ambiguous),
            (json, deep.as_bytes(), Ambiguous),
            (json, br#"{"n":11}"#, Soft),
            (json, br#"{"n":1,"x":1}"#, Soft),
            (json, br#"{"n":1,"s":"abcd"}"#, Soft),
            (json, br#"{"n":1,"s":null}"#, Soft),
            (json, br#"{"n":1,"a":{"k":"x"}}"#, Positive),
            (json, br#"{"n":1,"a":{"k":"xy"}}"#, Soft),
            (json, br#"{"n":1,"a":{"k":[]}}"#, Hard),
            (json, br#"{"n":1,"a":{}}"#, Hard),
            (json, br#"{"n":null}"#, Hard),
            (json, br#"{"n":"nat"}"#, Hard),
            (json, br#"{"n":1,"s":[]}"#, Hard),
            (json, br#"{"s":"a"}"#, Hard),
            (json, br#"[]"#, Hard),
            (json, br#"{"n":1"#, Hard),
            (json, b"", Hard),
            ("", b"", Hard),
        ],
    );
    check_body(false, json, schema, &[("", b"", Positive), (json, b"", Ambiguous), (json, b"{", Hard)]);
}

#[test]
fn other_bodies_are_text_until_proved_otherwise() {
    let schema = || {
        json!({"type": "object", "required": ["n"], "properties": {"n": {"type": "integer"},
        "l": {"type": "array", "items": {"type": "string"}}, "f": {"type": "string", "format": "binary"}}})
    };
    let form = "application/x-www-form-urlencoded";
    check_body(
        true,
        form,
        schema(),
        &[
            (form, b"n=1", Positive),
            (form, b"n=1&l=a&l=b&x=y", Positive),
            (form, b"n=%2B1", Ambiguous),
            (form, b"n=nat", Hard),
            (form, b"l=a", Hard),
            (form, b"", Hard),
        ],
    );
    let kind = "multipart/form-data; boundary=b";
    let part =
        |name: &str, value: &str| format!("--b\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n");
    let good = format!("{}{}--b--\r\n", part("n", "1"), part("f", "\u{1}"));
    let bad = format!("{}--b--\r\n", part("n", "x"));
    let missing = format!("{}--b--\r\n", part("f", "x"));
    check_body(
        true,
        "multipart/form-data",
        schema(),
        &[
            (kind, good.as_bytes(), Positive),
            (kind, bad.as_bytes(), Hard),
            (kind, missing.as_bytes(), Hard),
            (kind, b"nat", Hard),
        ],
    );
    let text = "text/plain";
    check_body(
        true,
        text,
        json!({"type": "integer"}),
        &[(text, b"1", Positive), (text, b"+1", Ambiguous), (text, b"x", Hard)],
    );
    let bytes = "application/octet-stream";
    check_body(
        true,
        bytes,
        json!({"type": "string", "format": "binary", "maxLength": 1}),
        &[(bytes, b"\xff\x00", Positive)],
    );
    let xml = "application/xml";
    check_body(true, xml, schema(), &[(xml, b"<a><n>x</n></a>", Ambiguous), (xml, b"", Hard)]);
}
