//! Operations for tests, written like OpenAPI 3.1.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Map, Value, json};

use crate::schema::Schema;
use crate::spec::{Api, Location, MediaType, Operation, Parameter, RequestBody, SpecVersion, Style};

/// `{"parameters": [...], "requestBody": {...}, "definitions": {...}}` as an operation.
pub(crate) fn operation(method: &str, path: &str, node: Value) -> Operation {
    let definitions: Arc<Map<String, Value>> =
        Arc::new(node.get("definitions").and_then(Value::as_object).cloned().unwrap_or_default());
    let schema = |node: &Value| Schema::new(node.clone(), Arc::clone(&definitions), "");
    let parameters = node["parameters"].as_array().into_iter().flatten().map(|node| parameter(node, &schema)).collect();
    let body = node.get("requestBody").map(|body| RequestBody {
        required: body["required"] == json!(true),
        content: body["content"]
            .as_object()
            .into_iter()
            .flatten()
            .map(|(kind, node)| media(kind, node, &schema))
            .collect(),
    });
    Operation {
        index: 0,
        method: method.to_owned(),
        path: path.to_owned(),
        operation_id: None,
        tags: Vec::new(),
        parameters,
        body,
        responses: Vec::new(),
        security: Vec::new(),
        deprecated: false,
        pointer: String::new(),
        unusable: None,
    }
}

fn media(kind: &str, node: &Value, schema: &impl Fn(&Value) -> Schema) -> MediaType {
    MediaType {
        media_type: kind.to_owned(),
        schema: node.get("schema").map(schema),
        examples: node["examples"].as_array().cloned().unwrap_or_default(),
        encoding: node["encoding"]
            .as_object()
            .into_iter()
            .flatten()
            .filter_map(|(name, kind)| Some((name.clone(), kind.as_str()?.to_owned())))
            .collect(),
        pointer: String::new(),
    }
}

fn parameter(node: &Value, schema: &impl Fn(&Value) -> Schema) -> Parameter {
    let location = match node["in"].as_str() {
        Some("path") => Location::Path,
        Some("header") => Location::Header,
        Some("cookie") => Location::Cookie,
        _ => Location::Query,
    };
    let style = match (node["style"].as_str(), location) {
        (Some("label"), _) => Style::Label,
        (Some("matrix"), _) => Style::Matrix,
        (Some("spaceDelimited"), _) => Style::SpaceDelimited,
        (Some("pipeDelimited"), _) => Style::PipeDelimited,
        (Some("tabDelimited"), _) => Style::TabDelimited,
        (Some("deepObject"), _) => Style::DeepObject,
        (_, Location::Path | Location::Header) => Style::Simple,
        _ => Style::Form,
    };
    Parameter {
        name: node["name"].as_str().unwrap_or("p").to_owned(),
        location,
        required: location == Location::Path || node["required"] == json!(true),
        schema: schema(node.get("schema").unwrap_or(&json!(true))),
        style,
        explode: node.get("explode").map_or(style == Style::Form, |explode| explode == &json!(true)),
        content_type: node["contentType"].as_str().map(str::to_owned),
        examples: node["examples"].as_array().cloned().unwrap_or_default(),
        pointer: String::new(),
    }
}

/// An API of these operations.
pub(crate) fn api(operations: Vec<Operation>) -> Api {
    let operations = (0..).zip(operations).map(|(index, operation)| Operation { index, ..operation }).collect();
    Api {
        title: "Fixture".to_owned(),
        version: "1".to_owned(),
        spec_version: SpecVersion::V31,
        servers: Vec::new(),
        operations,
        security_schemes: BTreeMap::new(),
        oauth_flows: Vec::new(),
        warnings: Vec::new(),
        digest: String::new(),
    }
}
