//! Suggestions for the document (RFC 6902): what it would have to say for the answers that were seen to be right. Whether
//! the document or the answer is wrong is for people to decide; each operation names its finding.

mod constraint;

use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::finding::{Finding, ResponseParts};

/// Followed references of one pointer.
const MAX_REFERENCES: usize = 32;

/// One operation of a patch. Members that RFC 6902 does not know are for people; those who apply patches ignore them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Suggestion {
    /// `add`, `replace` or `remove`.
    pub op: &'static str,
    /// JSON pointer into the document.
    pub path: String,
    /// None for `remove`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub value: Option<Value>,
    /// Fingerprint of the finding.
    #[serde(rename = "x-nat-finding")]
    pub finding: String,
    /// Why.
    #[serde(rename = "x-nat-comment")]
    pub comment: String,
}

/// What the document would have to say; the operations apply in order.
#[must_use]
pub fn spec_patch(findings: &[Finding], document: &Value) -> Vec<Suggestion> {
    let mut suggestions: Vec<Suggestion> = Vec::new();
    let mut patched = document.clone();
    for finding in findings {
        let changes = match finding.check_id.as_str() {
            "F010" => status(finding, &patched),
            "F011" => media(finding, &patched),
            "F013" => schema(finding, &patched),
            "F014" => header(finding, &patched),
            "F021" => constraint::learned(finding, &patched),
            _ => None,
        };
        for (op, path, value) in changes.unwrap_or_default() {
            let comment = format!("{} {}: {}", finding.check_id, finding.endpoint, finding.explanation);
            let suggestion = Suggestion { op, path, value, finding: finding.id.clone(), comment };
            if suggestions.iter().all(|known| known.path != suggestion.path) && apply(&mut patched, &suggestion) {
                suggestions.push(suggestion);
            }
        }
    }
    suggestions
}

type Change = (&'static str, String, Option<Value>);

/// Applies one operation; false when it does not fit the document, which stays as it is then.
pub(crate) fn apply(document: &mut Value, suggestion: &Suggestion) -> bool {
    let Some((parent, key)) = suggestion.path.rsplit_once('/') else { return false };
    let key = key.replace("~1", "/").replace("~0", "~");
    let value = suggestion.value.clone();
    match (document.pointer_mut(parent), suggestion.op, value) {
        (Some(Value::Object(members)), "add", Some(value)) => {
            members.insert(key, value);
            true
        }
        (Some(Value::Object(members)), "replace", Some(value)) => {
            members.get_mut(&key).map(|old| *old = value).is_some()
        }
        (Some(Value::Object(members)), "remove", None) => members.shift_remove(&key).is_some(),
        (Some(Value::Array(items)), "add", Some(value)) if key == "-" => {
            items.push(value);
            true
        }
        _ => false,
    }
}

/// Where a pointer leads when references within the document are followed: its real place.
fn real(document: &Value, pointer: &str) -> Option<String> {
    let mut place = String::new();
    let mut left = MAX_REFERENCES;
    for part in pointer.split('/').skip(1) {
        while let Some(reference) = document.pointer(&place)?.get("$ref").and_then(Value::as_str) {
            left = left.checked_sub(1)?;
            place = reference.strip_prefix('#')?.to_owned();
        }
        if part != "$ref" {
            place = format!("{place}/{part}");
            document.pointer(&place)?;
        }
    }
    while let Some(reference) = document.pointer(&place)?.get("$ref").and_then(Value::as_str) {
        left = left.checked_sub(1)?;
        place = reference.strip_prefix('#')?.to_owned();
    }
    Some(place)
}

fn escaped(key: &str) -> String {
    key.replace('~', "~0").replace('/', "~1")
}

fn responses(finding: &Finding, document: &Value) -> Option<String> {
    let endpoint = finding.origin.as_ref().map_or(&finding.endpoint, |origin| &origin.operation);
    let (method, path) = endpoint.split_once(' ')?;
    real(document, &format!("/paths/{}/{}/responses", escaped(path), method.to_ascii_lowercase()))
}

/// The documented answer for a status: exact, then its class, then the default.
fn response(finding: &Finding, document: &Value, status: u16) -> Option<String> {
    let responses = responses(finding, document)?;
    let names = [status.to_string(), format!("{}XX", status / 100), "default".to_owned()];
    names.iter().find_map(|name| real(document, &format!("{responses}/{name}")))
}

fn answer(finding: &Finding) -> Option<ResponseParts> {
    finding.evidence.iter().find(|evidence| evidence.role == "probe")?.response_parts()
}

fn status(finding: &Finding, document: &Value) -> Option<Vec<Change>> {
    let status = answer(finding)?.status;
    let responses = responses(finding, document)?;
    let value = json!({"description": format!("Status {status}")});
    Some(vec![("add", format!("{responses}/{status}"), Some(value))])
}

fn media(finding: &Finding, document: &Value) -> Option<Vec<Change>> {
    let answer = answer(finding)?;
    let media = answer.header("content-type")?.split(';').next()?.trim().to_ascii_lowercase();
    if !media.contains('/') || media.contains(char::is_whitespace) {
        return None;
    }
    if document.get("swagger").is_some() {
        let operation = responses(finding, document)?;
        let operation = operation.strip_suffix("/responses")?;
        return Some(match document.pointer(&format!("{operation}/produces")) {
            Some(_) => vec![("add", format!("{operation}/produces/-"), Some(media.into()))],
            None => {
                // What stood above is repeated: an own list replaces it.
                let mut all = document.get("produces").and_then(Value::as_array).cloned().unwrap_or_default();
                all.push(media.into());
                vec![("add", format!("{operation}/produces"), Some(Value::Array(all)))]
            }
        });
    }
    let response = response(finding, document, answer.status)?;
    Some(match document.pointer(&format!("{response}/content")) {
        Some(_) => vec![("add", format!("{response}/content/{}", escaped(&media)), Some(json!({})))],
        None => vec![("add", format!("{response}/content"), Some(json!({media: {}})))],
    })
}

/// A header that did not come is not required.
fn header(finding: &Finding, document: &Value) -> Option<Vec<Change>> {
    let answer = answer(finding)?;
    let name = finding.location.strip_prefix("header ")?;
    if answer.header(name).is_some() {
        return None;
    }
    let response = response(finding, document, answer.status)?;
    let headers = document.pointer(&format!("{response}/headers"))?.as_object()?;
    let documented = headers.keys().find(|key| key.eq_ignore_ascii_case(name))?;
    let header = real(document, &format!("{response}/headers/{}", escaped(documented)))?;
    document.pointer(&format!("{header}/required"))?;
    Some(vec![("replace", format!("{header}/required"), Some(Value::Bool(false)))])
}

/// The broken keyword, loosened as far as the answer needs it.
fn schema(finding: &Finding, document: &Value) -> Option<Vec<Change>> {
    let keyword_path = finding.cause.strip_prefix("F013|")?;
    let (schema, keyword) = keyword_path.rsplit_once('/')?;
    // A shared definition is named, any other schema is pointed at.
    let schema = match schema.starts_with('/') {
        true => real(document, schema),
        false => {
            ["/components/schemas", "/definitions"].iter().find_map(|at| real(document, &format!("{at}/{schema}")))
        }
    }?;
    let path = format!("{schema}/{keyword}");
    let old = document.pointer(&path)?;
    let answer = answer(finding).filter(|answer| !answer.body.is_cut && !answer.body.is_base64)?;
    let body: Value = serde_json::from_str(&answer.body.text).ok()?;
    let mut values = Vec::new();
    let place = finding.location.strip_prefix("response").unwrap_or_default().trim_start();
    collect(&body, &mut place.split('/').skip(1), &mut values);
    match keyword {
        "type" => loosened_type(document, &schema, old, &values),
        "required" => {
            let is_there =
                |name: &Value| values.iter().all(|value| name.as_str().is_none_or(|name| value.get(name).is_some()));
            let kept: Vec<Value> = old.as_array()?.iter().filter(|name| is_there(name)).cloned().collect();
            Some(match kept.is_empty() {
                true => vec![("remove", path, None)],
                false => vec![("replace", path, Some(Value::Array(kept)))],
            })
        }
        "enum" => {
            let mut all = old.as_array()?.clone();
            all.extend(
                values.iter().filter(|value| value.is_string() || value.is_number()).map(|value| (*value).clone()),
            );
            let mut unique: Vec<Value> = Vec::new();
            all.into_iter().for_each(|value| {
                if !unique.contains(&value) {
                    unique.push(value)
                }
            });
            Some(vec![("replace", path, Some(Value::Array(unique)))])
        }
        "additionalProperties" => Some(vec![("replace", path, Some(Value::Bool(true)))]),
        "minimum" | "maximum" | "exclusiveMinimum" | "exclusiveMaximum" | "multipleOf" | "minLength" | "maxLength"
        | "pattern" | "format" | "minItems" | "maxItems" | "uniqueItems" | "minProperties" | "maxProperties" => {
            Some(vec![("remove", path, None)])
        }
        _ => None,
    }
}

/// The values at a place without indices.
fn collect<'a>(value: &'a Value, place: &mut std::iter::Skip<std::str::Split<'_, char>>, into: &mut Vec<&'a Value>) {
    let Some(part) = place.next() else {
        into.push(value);
        return;
    };
    match (part, value) {
        ("[]", Value::Array(items)) => items.iter().for_each(|item| collect(item, &mut place.clone(), into)),
        ("{}", Value::Object(members)) => {
            members.values().for_each(|member| collect(member, &mut place.clone(), into));
        }
        (part, Value::Object(members)) => {
            if let Some(member) = members.get(&part.replace("~1", "/").replace("~0", "~")) {
                collect(member, place, into);
            }
        }
        _ => {}
    }
}

fn loosened_type(document: &Value, schema: &str, old: &Value, values: &[&Value]) -> Option<Vec<Change>> {
    let mut types: Vec<&str> = match old {
        Value::String(one) => vec![one],
        Value::Array(many) => many.iter().filter_map(Value::as_str).collect(),
        _ => return None,
    };
    let allows = |types: &[&str], kind: &str| types.contains(&kind) || (kind == "integer" && types.contains(&"number"));
    let seen: Vec<&str> = values.iter().map(|value| kind(value)).filter(|kind| !allows(&types, kind)).collect();
    if seen.is_empty() {
        return None;
    }
    let is_old = document.get("swagger").is_some()
        || document.get("openapi").and_then(Value::as_str).is_some_and(|version| version.starts_with("3.0"));
    let path = format!("{schema}/type");
    if is_old {
        if seen.iter().all(|kind| *kind == "null") {
            let word = if document.get("swagger").is_some() { "x-nullable" } else { "nullable" };
            return Some(vec![("add", format!("{schema}/{word}"), Some(Value::Bool(true)))]);
        }
        // There are no unions: the type that every value has, or none.
        let first = kind(values.first()?);
        let is_one = values.iter().all(|value| kind(value) == first);
        return is_one.then(|| vec![("replace", path, Some(first.into()))]);
    }
    for kind in seen {
        if !types.contains(&kind) {
            types.push(kind);
        }
    }
    Some(vec![("replace", path, Some(types.into()))])
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(number) if number.is_i64() || number.is_u64() => "integer",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

/// The patched document, for those who want to see it whole.
#[must_use]
pub fn patched(document: &Value, patch: &[Suggestion]) -> Value {
    let mut out = match document {
        Value::Object(members) => Value::Object(members.clone()),
        _ => Value::Object(Map::new()),
    };
    for suggestion in patch {
        apply(&mut out, suggestion);
    }
    out
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use chrono::DateTime;

    use super::*;
    use crate::finding::{Confidence, Evidence, Severity};
    use crate::spec::{SpecLimits, load};

    fn finding(check: &str, endpoint: &str, location: &str, cause: &str, response: &str) -> Finding {
        Finding {
            id: format!("{check}{}", cause.len()),
            check_id: check.to_owned(),
            title: String::new(),
            severity: Severity::Low,
            confidence: Confidence::Confirmed,
            endpoint: endpoint.to_owned(),
            location: location.to_owned(),
            cwe: Vec::new(),
            owasp: None,
            cvss: None,
            description: String::new(),
            explanation: "so it is".to_owned(),
            remediation: String::new(),
            evidence: vec![Evidence {
                role: "probe".to_owned(),
                request: String::new(),
                response: response.to_owned(),
                at: DateTime::UNIX_EPOCH,
            }],
            curl: String::new(),
            first_seen: DateTime::UNIX_EPOCH,
            occurrences: 1,
            spec_pointer: None,
            cause: cause.to_owned(),
            steps: Vec::new(),
            origin: None,
        }
    }

    fn document(version: &str) -> Value {
        json!({
            "openapi": version, "info": {"title": "t", "version": "1"},
            "paths": {"/pets/{id}": {
                "parameters": [{"name": "id", "in": "path", "required": true, "schema": {"type": "string"}}],
                "get": {"responses": {
                    "200": {"$ref": "#/components/responses/Pet"},
                    "4XX": {"description": "no"}
                }}
            }},
            "components": {
                "responses": {"Pet": {
                    "description": "ok",
                    "headers": {"X-Rate": {"required": true, "schema": {"type": "integer"}}},
                    "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Pet"}}}
                }},
                "schemas": {"Pet": {"type": "object", "required": ["name", "age"], "properties": {
                    "name": {"type": "string", "maxLength": 3},
                    "age": {"type": "integer"},
                    "kinds": {"type": "array", "items": {"type": "string", "enum": ["cat"]}}
                }}}
            }
        })
    }

    fn findings() -> Vec<Finding> {
        let body = r#"{"name":null,"kinds":["cat","dog","dog"]}"#;
        let get = "GET /pets/{id}";
        let schema = "F013|/components/schemas/Pet";
        let answer = |status: u16, media: &str| format!("HTTP/1.1 {status}\nContent-Type: {media}\n\n{body}");
        let of_schema = |location: &str, path: &str| {
            finding("F013", get, location, &format!("{schema}{path}"), &answer(200, "application/json"))
        };
        vec![
            finding("F010", get, "response 302", "", &answer(302, "text/html")),
            finding("F011", get, "", "", &answer(200, "text/html; charset=utf-8")),
            finding("F011", get, "", "x", &answer(404, "application/problem+json")),
            finding("F014", get, "header x-rate", "", &answer(200, "application/json")),
            of_schema("response", "/required"),
            of_schema("response /name", "/properties/name/type"),
            of_schema("response /name", "/properties/name/maxLength"),
            // A shared definition goes by its name.
            finding(
                "F013",
                get,
                "response /kinds/[]",
                "F013|Pet/properties/kinds/items/enum",
                &answer(200, "application/json"),
            ),
            finding("F013", "GET /gone", "", "F013|/nowhere/type", &answer(200, "application/json")),
            finding("F010", "GET /gone", "", "", &answer(302, "text/html")),
        ]
    }

    #[tokio::test]
    async fn patch_applies_and_the_document_stays_valid() {
        for version in ["3.1.0", "3.0.3"] {
            let document = document(version);
            let patch = spec_patch(&findings(), &document);
            let ops: BTreeMap<&str, (&str, Option<&Value>)> =
                patch.iter().map(|one| (one.path.as_str(), (one.op, one.value.as_ref()))).collect();
            let pet = "/components/schemas/Pet";
            let check = |path: &str, op: &str, value: Option<Value>| {
                assert_eq!(ops.get(path), Some(&(op, value.as_ref())), "{path} in {ops:#?}");
            };
            let responses = "/paths/~1pets~1{id}/get/responses";
            check(&format!("{responses}/302"), "add", Some(json!({"description": "Status 302"})));
            check("/components/responses/Pet/content/text~1html", "add", Some(json!({})));
            check(&format!("{responses}/4XX/content"), "add", Some(json!({"application/problem+json": {}})));
            check("/components/responses/Pet/headers/X-Rate/required", "replace", Some(json!(false)));
            check(&format!("{pet}/required"), "replace", Some(json!(["name"])));
            check(&format!("{pet}/properties/name/maxLength"), "remove", None);
            check(&format!("{pet}/properties/kinds/items/enum"), "replace", Some(json!(["cat", "dog"])));
            match version {
                "3.1.0" => check(&format!("{pet}/properties/name/type"), "replace", Some(json!(["string", "null"]))),
                _ => check(&format!("{pet}/properties/name/nullable"), "add", Some(json!(true))),
            }
            assert_eq!(patch.len(), 8);
            let bytes = serde_json::to_vec(&patched(&document, &patch)).unwrap();
            let api = load(&bytes, None, None, SpecLimits::default()).await.unwrap();
            assert!(api.warnings.is_empty(), "{:?}", api.warnings);
            let schema_of = |status: u16| api.operations[0].response(status).map(|one| one.content.len());
            assert_eq!((schema_of(200), schema_of(302), schema_of(404)), (Some(2), Some(0), Some(1)));
        }
    }

    #[test]
    fn what_refusals_tell_becomes_a_constraint() {
        let find = json!({"type": "object", "properties": {
            "limit": {"type": "integer"}, "name": {"type": "string"}, "tags": {"type": "array", "items": {"type": "string"}},
            "range": {"$ref": "#/components/schemas/Range"}}});
        let document = json!({"openapi": "3.1.0", "paths": {"/find": {
            "parameters": [{"name": "zone-id", "in": "query", "schema": {"type": "string"}}],
            "post": {"requestBody": {"content": {"application/json": {"schema": find}}}}}},
            "components": {"schemas": {"Range": {"required": ["to"], "properties": {"from": {}, "to": {}}}}}});
        let schema = "/paths/~1find/post/requestBody/content/application~1json/schema";
        let check = |said: Value, expected: &[(&str, Value)]| {
            let answer = format!("HTTP/1.1 422\nContent-Type: application/json\n\n{said}");
            let patch = spec_patch(&[finding("F021", "POST /find", "", "", &answer)], &document);
            let found: Vec<(&str, Value)> =
                patch.iter().map(|one| (one.path.as_str(), one.value.clone().unwrap_or_default())).collect();
            assert_eq!(found, expected, "{said}");
        };
        let entry = |path: Value, message: &str| json!({"detail": [{"loc": path, "msg": message, "type": "x"}]});
        let at = |rest: &str| format!("{schema}/properties/{rest}");
        check(
            entry(json!(["body", "limit"]), "Input should be less than or equal to 200"),
            &[(&at("limit/maximum"), json!(200))],
        );
        check(
            entry(json!(["body", "range", "from"]), "Field required"),
            &[("/components/schemas/Range/required/-", json!("from"))],
        );
        check(entry(json!(["body", "name"]), "Field required"), &[(&format!("{schema}/required"), json!(["name"]))]);
        check(entry(json!(["body", "tags"]), "List should have at least 1 items"), &[(&at("tags/minItems"), json!(1))]);
        check(
            entry(json!(["query", "zone_id"]), "must be one of 'a', 'b'"),
            &[("/paths/~1find/parameters/0/schema/enum", json!(["a", "b"]))],
        );
        check(entry(json!(["body", "gone"]), "Field required"), &[]);
        check(json!({"message": "no"}), &[]);
    }

    #[test]
    fn swagger_lists_what_an_operation_produces() {
        let document =
            json!({"swagger": "2.0", "produces": ["a/b"], "paths": {"/x": {"get": {"responses": {"200": {}}}}}});
        let found = finding("F011", "GET /x", "", "", "HTTP/1.1 200\nContent-Type: text/html\n\nx");
        let patch = spec_patch(&[found], &document);
        assert_eq!(
            (patch[0].path.as_str(), patch[0].value.clone()),
            ("/paths/~1x/get/produces", Some(json!(["a/b", "text/html"])))
        );
    }
}
