//! The documents of the farm: OpenAPI 3.1 from the table of operations, 3.0 and 2.0 from that.

use serde_json::{Map, Value, json};

use super::call::Switches;
use super::op::Op;

/// Path and text of each.
pub(super) fn all(ops: &[Op], on: &Switches) -> [(&'static str, Value); 3] {
    let mut newest = three_one(ops);
    super::security::amend(on, &mut newest);
    let middle = three_zero(&newest);
    let oldest = two(&middle);
    [("/openapi.json", newest), ("/openapi-3.0.json", middle), ("/swagger.json", oldest)]
}

fn three_one(ops: &[Op]) -> Value {
    let mut paths = Map::new();
    for op in ops.iter().filter(|op| !op.hidden) {
        let path = paths.entry(op.path.clone()).or_insert_with(|| json!({}));
        path[op.method.to_ascii_lowercase()] = operation(op);
    }
    let variant = |kind: &str| {
        json!({"type": "object", "required": ["kind", "size"],
        "properties": {"kind": {"type": "string"}, "size": {"type": "integer"}}, "title": kind})
    };
    let mut shape = variant("Shape");
    shape["discriminator"] = json!({"propertyName": "kind",
        "mapping": {"circle": "#/components/schemas/Circle", "square": "#/components/schemas/Square"}});
    let mut figure = variant("Figure");
    figure["discriminator"] = json!({"propertyName": "kind"});
    json!({
        "openapi": "3.1.0",
        "info": {"title": "Farm", "version": "1.0.0", "description": "Every defect has a field of its own."},
        "paths": paths,
        "components": {
            "schemas": {"Shape": shape, "Figure": figure, "Circle": variant("Circle"), "Square": variant("Square")},
            "securitySchemes": {"bearer": {"type": "http", "scheme": "bearer"}}}})
}

fn operation(op: &Op) -> Value {
    let mut responses = op.responses.clone();
    let usual = [
        ("400", op.body.is_some()),
        ("404", op.path.contains('{')),
        ("409", matches!(op.method, "POST" | "PUT" | "PATCH")),
        ("422", op.body.is_some() || !op.parameters.is_empty()),
    ];
    for (status, _) in usual.into_iter().filter(|(_, applies)| *applies) {
        let like = responses.get("400").or_else(|| responses.get("422")).cloned();
        responses.entry(status).or_insert_with(|| like.unwrap_or_else(|| json!({"description": "Error"})));
    }
    let mut out = json!({"operationId": operation_id(op), "responses": responses});
    if !op.parameters.is_empty() {
        out["parameters"] = json!(op.parameters);
    }
    if let Some(body) = &op.body {
        out["requestBody"] = body.clone();
    }
    if let Some(security) = &op.security {
        out["security"] = security.clone();
    }
    out
}

fn operation_id(op: &Op) -> String {
    let words = op.path.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
    let words: Vec<&str> = words.collect();
    format!("{}_{}", op.method.to_ascii_lowercase(), words.join("_"))
}

/// Schemas of 3.0 know no lists of types.
fn three_zero(newest: &Value) -> Value {
    let mut document = older(newest);
    document["openapi"] = json!("3.0.3");
    document
}

fn older(value: &Value) -> Value {
    match value {
        Value::Array(items) => items.iter().map(older).collect(),
        Value::Object(members) => {
            let mut out: Map<String, Value> =
                members.iter().map(|(name, member)| (name.clone(), older(member))).collect();
            let kinds = members.get("type").and_then(Value::as_array);
            let plain: Vec<&Value> = kinds.into_iter().flatten().filter(|kind| *kind != "null").collect();
            if let Some(kinds) = kinds {
                match plain.as_slice() {
                    [one] => drop(out.insert("type".to_owned(), (*one).clone())),
                    // Several types have no other form that all readers of 3.0 and 2.0 know.
                    _ => drop(out.shift_remove("type")),
                }
                if kinds.iter().any(|kind| kind == "null") {
                    out.insert("nullable".to_owned(), Value::Bool(true));
                }
            }
            Value::Object(out)
        }
        other => other.clone(),
    }
}

/// What 2.0 cannot say is left out.
fn two(middle: &Value) -> Value {
    let mut paths = Map::new();
    for (path, item) in middle["paths"].as_object().into_iter().flatten() {
        let item: Map<String, Value> = item
            .as_object()
            .into_iter()
            .flatten()
            .map(|(method, operation)| (method.clone(), two_operation(operation)))
            .collect();
        paths.insert(path.clone(), Value::Object(item));
    }
    let mut definitions = middle["components"]["schemas"].clone();
    for (_, schema) in definitions.as_object_mut().into_iter().flatten() {
        if let Some(members) = schema.as_object_mut() {
            members.shift_remove("discriminator");
        }
    }
    let document = json!({"swagger": "2.0", "info": middle["info"], "paths": paths, "definitions": definitions,
        "securityDefinitions": {"bearer": {"type": "apiKey", "in": "header", "name": "Authorization"}}});
    renamed(&document)
}

fn two_operation(operation: &Value) -> Value {
    let mut parameters: Vec<Value> = Vec::new();
    for parameter in operation["parameters"].as_array().into_iter().flatten() {
        let mut flat = parameter.clone();
        if let Some(members) = flat.as_object_mut() {
            members.shift_remove("schema");
            for (name, value) in parameter["schema"].as_object().into_iter().flatten() {
                members.insert(name.clone(), value.clone());
            }
        }
        parameters.push(flat);
    }
    let mut out = json!({"operationId": operation["operationId"]});
    if let Some((media, content)) = operation["requestBody"]["content"].as_object().and_then(|all| all.iter().next()) {
        out["consumes"] = json!([media]);
        parameters.push(json!({"name": "body", "in": "body", "schema": content["schema"],
            "required": operation["requestBody"]["required"]}));
    }
    let mut responses = Map::new();
    for (status, response) in operation["responses"].as_object().into_iter().flatten() {
        let mut flat = json!({"description": response["description"]});
        for (name, header) in response["headers"].as_object().into_iter().flatten() {
            flat["headers"][name] = header["schema"].clone();
        }
        if let Some((media, content)) = response["content"].as_object().and_then(|all| all.iter().next()) {
            flat["schema"] = content["schema"].clone();
            out["produces"] = json!([media]);
        }
        // Ranges of status codes are newer than 2.0.
        let statuses: &[&str] = if status == "2XX" { &["200", "202", "203"] } else { &[status.as_str()] };
        responses.extend(statuses.iter().map(|status| ((*status).to_owned(), flat.clone())));
    }
    out["parameters"] = json!(parameters);
    out["responses"] = Value::Object(responses);
    if !operation["security"].is_null() {
        out["security"] = operation["security"].clone();
    }
    out
}

fn renamed(value: &Value) -> Value {
    match value {
        Value::Array(items) => items.iter().map(renamed).collect(),
        Value::Object(members) => members
            .iter()
            .map(|(name, member)| {
                let name = if name == "nullable" { "x-nullable" } else { name };
                (name.to_owned(), renamed(member))
            })
            .collect(),
        Value::String(text) => json!(text.replace("#/components/schemas/", "#/definitions/")),
        other => other.clone(),
    }
}
