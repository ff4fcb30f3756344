use axum::http::{HeaderMap, HeaderName, HeaderValue, header};
use nat_core::Error;
use nat_core::error::Validation;
use serde_json::Value;

use super::json::{Media, object};
use super::{Query, strict};
use crate::extract::{Fields, FromObject};

/// One member of each type, one object inside.
#[derive(Debug, Default)]
struct Sample;

impl FromObject for Sample {
    fn read(fields: &mut Fields<'_>) -> Self {
        fields.string("url");
        fields.integer("count");
        fields.unsigned("seed");
        fields.boolean("flag");
        fields.strings("list");
        fields.instant("at");
        fields.object::<Sample>("inner");
        Self
    }
}

fn check(body: &str, expected: Result<(), &str>) {
    let found = object::<Sample>(body.as_bytes());
    let found = found.map(|_| ()).map_err(|error| Value::Object(error.0.error.body()).to_string());
    assert_eq!(found, expected.map_err(str::to_owned), "{body}");
}

#[test]
fn object_good_bodies_pass() {
    for body in [
        "",
        "{}",
        " {\"url\":null,\"inner\":null}\n",
        r#"{"url":"x","count":-1,"seed":18446744073709551615,"flag":true,"list":["a"],"at":"2025-02-01T01:00:00+01:00","inner":{"url":"y"}}"#,
    ] {
        check(body, Ok(()));
    }
}

#[test]
fn object_wrong_fields_are_named() {
    for (body, expected) in [
        (r#"{"url":7}"#, r#"{"error":"VALIDATION_ERROR","message":"Field 'url' must be a string.","status":422}"#),
        (r#"{"colour":7}"#, r#"{"error":"VALIDATION_ERROR","message":"Field 'colour' is unknown.","status":422}"#),
        (
            r#"{"inner":{"colour":1}}"#,
            r#"{"error":"VALIDATION_ERROR","message":"Field 'inner.colour' is unknown.","status":422,"fields":[{"field":"inner.colour","message":"Field 'inner.colour' is unknown."}]}"#,
        ),
        (
            r#"{"flag":"yes","count":1.5}"#,
            r#"{"error":"VALIDATION_ERROR","message":"Field 'count' must be a whole number.","status":422,"fields":[{"field":"count","message":"Field 'count' must be a whole number."},{"field":"flag","message":"Field 'flag' must be true or false."}]}"#,
        ),
        (
            r#"{"list":["a",1]}"#,
            r#"{"error":"VALIDATION_ERROR","message":"Field 'list' must be an array of strings.","status":422}"#,
        ),
        (
            r#"{"inner":[]}"#,
            r#"{"error":"VALIDATION_ERROR","message":"Field 'inner' must be an object.","status":422}"#,
        ),
        (
            r#"{"at":"yesterday"}"#,
            r#"{"error":"VALIDATION_ERROR","message":"Field 'at' must be a date and time such as 2025-02-01T00:00:00Z.","status":422}"#,
        ),
        (
            r#"{"url":"a\u0000b"}"#,
            r#"{"error":"VALIDATION_ERROR","message":"Field 'url' must not contain NUL.","status":422}"#,
        ),
        ("[]", r#"{"error":"VALIDATION_ERROR","message":"The request body must be a JSON object.","status":422}"#),
        ("null", r#"{"error":"VALIDATION_ERROR","message":"The request body must be a JSON object.","status":422}"#),
    ] {
        check(body, Err(expected));
    }
}

#[test]
fn object_many_unknown_members_are_named_in_part() {
    let members: Vec<String> = (0..1000).map(|n| format!("\"x{n}\":1")).collect();
    let error = object::<Sample>(format!("{{{}}}", members.join(",")).as_bytes()).expect_err("unknown members");
    assert_eq!(error.0.error.body()["fields"].as_array().map(Vec::len), Some(20));
}

#[test]
fn strict_refuses_what_is_not_json_with_its_position() {
    let deep = format!("{}{}", "[".repeat(65), "]".repeat(65));
    let many = format!("[{}0]", "0,".repeat(20_000));
    for (text, expected) in [
        ("{not json", "key must be a string at line 1 column 2"),
        ("{} x", "trailing characters at line 1 column 4"),
        ("{\"a\":NaN}", "expected value at line 1 column 6"),
        ("{\"a\":1,\"a\":2}", "a member occurs twice at line 1 column 10"),
        ("\"\\ud800\"", "unexpected end of hex escape at line 1 column 8"),
        ("{\"a\":", "EOF while parsing a value at line 1 column 5"),
        ("1e999", "number out of range at line 1 column 5"),
        (deep.as_str(), "nested deeper than 64 at line 1 column 66"),
        (many.as_str(), "more than 20000 values at line 1 column 39999"),
    ] {
        assert_eq!(strict::parse(text.as_bytes()), Err(expected.to_owned()));
    }
    assert!(strict::parse(b"\"\xff\"").is_err());
    let deep_enough = format!("{}{}", "[".repeat(64), "]".repeat(64));
    assert!(strict::parse(deep_enough.as_bytes()).is_ok());
}

proptest::proptest! {
    #[test]
    fn strict_agrees_with_serde_json_on_any_bytes(bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..64)) {
        if let Ok(value) = strict::parse(&bytes) {
            proptest::prop_assert_eq!(serde_json::from_slice::<Value>(&bytes).ok(), Some(value));
        }
    }
}

#[test]
fn media_only_plain_utf8_json_passes() {
    let check = |headers: &[(HeaderName, &'static str)], expected: Media| {
        let headers: HeaderMap =
            headers.iter().map(|(name, value)| (name.clone(), HeaderValue::from_static(value))).collect();
        assert_eq!(Media::of(&headers), expected, "{headers:?}");
    };
    const TYPE: HeaderName = header::CONTENT_TYPE;
    check(&[], Media::Absent);
    check(&[(TYPE, "application/json")], Media::Json);
    check(&[(TYPE, "Application/JSON; charset=UTF-8")], Media::Json);
    check(&[(TYPE, "application/merge-patch+json")], Media::Json);
    check(&[(TYPE, "application/json; charset=utf-16")], Media::Other);
    check(&[(TYPE, "application/x-www-form-urlencoded")], Media::Other);
    check(&[(TYPE, "text/plain")], Media::Other);
    check(&[(TYPE, "application/jsonx")], Media::Other);
    check(&[(TYPE, "application/json"), (header::CONTENT_ENCODING, "gzip")], Media::Other);
}

#[test]
fn query_numbers_are_strict() {
    let query = |text: &str| Query(vec![("page".to_owned(), text.to_owned())]);
    for (text, passes) in
        [("1", true), ("01", true), ("+1", false), ("-1", false), ("1.0", false), ("", false), ("x", false)]
    {
        assert_eq!(query(text).page().is_ok(), passes, "{text}");
    }
    let twice = Query(vec![("page".into(), "1".into()), ("page".into(), "2".into())]);
    assert_eq!(message(twice.page().map(|_| ())), "Field 'page' must be given once.");
    assert_eq!(message(query("0").page().map(|_| ())), "Field 'page' must be between 1 and 1000000.");
    let nul = Query(vec![("status".into(), "a\0".into())]);
    let mut validation = Validation::default();
    assert_eq!(nul.text("status", &mut validation), None);
    assert!(!validation.is_empty());
}

fn message(result: Result<(), Error>) -> String {
    result.expect_err("an error").message
}
