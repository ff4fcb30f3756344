//! Constraints that only answers told of (F021): a valid request was refused, the same request without one difference
//! was accepted, and the refusal says what was wrong.

use serde_json::{Value, json};

use super::{Change, answer, escaped, real};
use crate::chain::hint::{self, Remedy};
use crate::chain::key;
use crate::finding::Finding;

/// What the document would have to say of the part that the refusal names.
pub(super) fn learned(finding: &Finding, document: &Value) -> Option<Vec<Change>> {
    let endpoint = finding.origin.as_ref().map_or(&finding.endpoint, |origin| &origin.operation);
    let (method, path) = endpoint.split_once(' ')?;
    let item = real(document, &format!("/paths/{}", escaped(path)))?;
    let operation = real(document, &format!("{item}/{}", method.to_ascii_lowercase()))?;
    let answer = answer(finding).filter(|answer| !answer.body.is_cut && !answer.body.is_base64)?;
    let body: Value = serde_json::from_str(&answer.body.text).ok()?;
    let hints = hint::read(&body);
    let hint = hints.iter().find(|hint| !matches!(hint.remedy, Remedy::Doubt | Remedy::Remove))?;
    let (name, outer) = hint.path.split_last()?;
    if hint.remedy == Remedy::Add {
        return required(document, &schema_of_body(document, &operation)?, outer, name);
    }
    let parameter = || {
        let lists = [format!("{operation}/parameters"), format!("{item}/parameters")];
        outer.is_empty().then(|| lists.iter().find_map(|list| schema_of_parameter(document, list, name))).flatten()
    };
    let schema = parameter().or_else(|| below(document, schema_of_body(document, &operation)?, &hint.path))?;
    Some(changes(document, &schema, &hint.remedy)).filter(|changes| !changes.is_empty())
}

fn schema_of_parameter(document: &Value, list: &str, name: &str) -> Option<String> {
    let count = document.pointer(list)?.as_array()?.len();
    (0..count).find_map(|index| {
        let parameter = real(document, &format!("{list}/{index}"))?;
        let own = document.pointer(&parameter)?.get("name")?.as_str()?;
        (key(own) == key(name)).then(|| real(document, &format!("{parameter}/schema")).or(Some(parameter))).flatten()
    })
}

fn schema_of_body(document: &Value, operation: &str) -> Option<String> {
    if let Some(body) = real(document, &format!("{operation}/requestBody")) {
        let content = document.pointer(&body)?.get("content")?.as_object()?;
        let media = content.keys().find(|media| media.contains("json")).or_else(|| content.keys().next())?;
        return real(document, &format!("{body}/content/{}/schema", escaped(media)));
    }
    let list = format!("{operation}/parameters");
    let count = document.pointer(&list)?.as_array()?.len();
    let is_body = |at: &String| document.pointer(at).is_some_and(|parameter| parameter["in"] == "body");
    let body = (0..count).filter_map(|index| real(document, &format!("{list}/{index}"))).find(is_body)?;
    real(document, &format!("{body}/schema"))
}

/// The schema of a member; a digit is an item of an array.
fn below(document: &Value, schema: String, path: &[String]) -> Option<String> {
    path.iter().try_fold(schema, |schema, step| match step.parse::<usize>() {
        Ok(_) => real(document, &format!("{schema}/items")),
        Err(_) => real(document, &format!("{schema}/properties/{}", escaped(step))),
    })
}

fn required(document: &Value, body: &str, outer: &[String], name: &str) -> Option<Vec<Change>> {
    let parent = below(document, body.to_owned(), outer)?;
    document.pointer(&format!("{parent}/properties/{}", escaped(name)))?;
    let path = format!("{parent}/required");
    match document.pointer(&path).and_then(Value::as_array) {
        Some(known) if known.iter().any(|known| known == name) => None,
        Some(_) => Some(vec![("add", format!("{path}/-"), Some(name.into()))]),
        None => Some(vec![("add", path, Some(json!([name])))]),
    }
}

fn changes(document: &Value, schema: &str, remedy: &Remedy) -> Vec<Change> {
    let is_array = document.pointer(schema).is_some_and(|schema| schema["type"] == "array");
    let (fewest, most_of) = if is_array { ("minItems", "maxItems") } else { ("minLength", "maxLength") };
    let said: Vec<(&str, Option<Value>)> = match remedy {
        Remedy::Within { least, most } => {
            vec![("minimum", least.map(Value::from)), ("maximum", most.map(Value::from))]
        }
        Remedy::Length { least, most } => vec![(fewest, least.map(Value::from)), (most_of, most.map(Value::from))],
        Remedy::Pattern(pattern) => vec![("pattern", Some(pattern.as_str().into()))],
        Remedy::OneOf(values) => vec![("enum", Some(Value::Array(values.clone())))],
        // Others are known to no reader of documents.
        Remedy::Format(format @ ("uuid" | "date-time" | "date" | "email" | "uri" | "ipv4" | "duration")) => {
            vec![("format", Some((*format).into()))]
        }
        Remedy::Format(_) | Remedy::Add | Remedy::Remove | Remedy::Doubt => Vec::new(),
    };
    let new = |keyword: &str, value: &Value| document.pointer(&format!("{schema}/{keyword}")) != Some(value);
    said.into_iter()
        .filter_map(|(keyword, value)| Some((keyword, value?)))
        .filter(|(keyword, value)| new(keyword, value))
        .map(|(keyword, value)| ("add", format!("{schema}/{keyword}"), Some(value)))
        .collect()
}
