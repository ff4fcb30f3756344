//! Swagger 2.0.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Map, Value, json};
use url::Url;

use super::document::Place;
use super::ir::{
    HeaderSpec, Location, MediaType, Parameter, RequestBody, ResponseSpec, SecurityScheme, StatusPattern, Style,
};
use super::loader::Loader;
use super::operation::{Version, api_key, examples, is_media_type, name_and_location};
use crate::schema::Schema;

/// Members of a parameter that are not part of its schema.
const OUTER: [&str; 7] = ["name", "in", "required", "description", "collectionFormat", "allowEmptyValue", "x-example"];
const FORM: &str = "application/x-www-form-urlencoded";
const MULTIPART: &str = "multipart/form-data";
const JSON: &str = "application/json";

/// Swagger 2.0.
pub(super) struct Swagger2;

/// `schemes`, `host` and `basePath` as URLs; without a host only the path.
pub(super) fn servers(root: &Place<'_>, base: Option<&Url>) -> Vec<String> {
    let path = root.text("basePath").unwrap_or_default();
    let path = path.trim().trim_matches('/');
    let path = if path.is_empty() { String::new() } else { format!("/{path}") };
    let Some(host) = root.text("host").filter(|host| !host.is_empty()) else {
        return if path.is_empty() { Vec::new() } else { vec![path] };
    };
    let mut schemes: Vec<String> =
        list(root, "schemes").into_iter().map(|scheme| scheme.to_ascii_lowercase()).collect();
    schemes.retain(|scheme| scheme == "http" || scheme == "https");
    if schemes.is_empty() {
        let own = base.map(Url::scheme).filter(|scheme| scheme.starts_with("http"));
        schemes.push(own.unwrap_or("http").to_owned());
    }
    schemes.iter().map(|scheme| format!("{scheme}://{host}{path}")).collect()
}

/// `securityDefinitions`.
pub(super) fn security_schemes(loader: &mut Loader<'_>) -> BTreeMap<String, SecurityScheme> {
    let root = loader.docs.root();
    let mut found = BTreeMap::new();
    for (name, place) in root.get("securityDefinitions").iter().flat_map(Place::entries) {
        let scheme = match place.text("type").as_deref() {
            Some("basic") => SecurityScheme::Basic,
            Some("apiKey") => api_key(&place).unwrap_or_else(|| SecurityScheme::Other("apiKey".to_owned())),
            Some("oauth2") => SecurityScheme::Bearer { token_url: place.text("tokenUrl") },
            other => SecurityScheme::Other(other.unwrap_or("unknown").to_owned()),
        };
        if let SecurityScheme::Other(kind) = &scheme {
            loader.warn(&place, format!("security scheme of type `{kind}` cannot be used"));
        }
        found.insert(name.to_owned(), scheme);
    }
    found
}

impl<'d> Version<'d> for Swagger2 {
    fn parameter(&self, loader: &mut Loader<'d>, place: &Place<'d>) -> Result<Parameter, String> {
        let (name, location) = name_and_location(place)?;
        let (style, explode) = style(place, location);
        let schema = match place.get("schema") {
            Some(schema) => loader.schema(&schema),
            None => loader.schema_of(&inline_schema(place.value), place),
        };
        Ok(Parameter {
            name,
            location,
            required: location == Location::Path || place.flag("required"),
            schema,
            style,
            explode,
            content_type: None,
            examples: examples(loader, place),
            pointer: loader.label(place),
        })
    }

    fn is_body_part(&self, place: &Place<'d>) -> bool {
        matches!(place.text("in").as_deref(), Some("body" | "formData"))
    }

    fn body(
        &self,
        loader: &mut Loader<'d>,
        operation: &Place<'d>,
        parts: &[Place<'d>],
    ) -> Result<Option<RequestBody>, String> {
        let consumes = media_types(loader, operation, "consumes");
        if let Some(body) = parts.iter().find(|part| part.text("in").as_deref() == Some("body")) {
            if parts.len() > 1 {
                loader.warn(body, "`body` and `formData` exclude each other; `formData` is ignored");
            }
            return json_body(loader, body, consumes).map(Some);
        }
        if parts.is_empty() {
            return Ok(None);
        }
        form_body(loader, operation, parts, &consumes).map(Some)
    }

    fn response(
        &self,
        loader: &mut Loader<'d>,
        operation: &Place<'d>,
        place: &Place<'d>,
        status: StatusPattern,
    ) -> ResponseSpec {
        let mut headers = Vec::new();
        for (name, header) in place.get("headers").iter().flat_map(Place::entries) {
            let (style, _) = style(&header, Location::Header);
            let schema = loader.schema_of(&inline_schema(header.value), &header);
            headers.push(HeaderSpec { name: name.to_owned(), required: false, schema, style });
        }
        let content = match place.get("schema") {
            Some(schema) => response_content(loader, operation, place, &schema),
            // Strictly there is no body then. But who lists types for one operation means its good answers.
            None if status.is_success() && operation.get("produces").is_some() => {
                media_types(loader, operation, "produces").into_iter().map(|media| bare(loader, place, media)).collect()
            }
            None => Vec::new(),
        };
        ResponseSpec { status, headers, content, links: Vec::new(), pointer: loader.label(place) }
    }
}

/// A media type about whose content nothing is said.
fn bare(loader: &Loader<'_>, place: &Place<'_>, media_type: String) -> MediaType {
    let pointer = loader.label(place);
    MediaType { schema: None, examples: Vec::new(), encoding: BTreeMap::new(), pointer, media_type }
}

fn response_content<'d>(
    loader: &mut Loader<'d>,
    operation: &Place<'d>,
    place: &Place<'d>,
    schema: &Place<'d>,
) -> Vec<MediaType> {
    let mut produces = media_types(loader, operation, "produces");
    let is_file = schema.text("type").as_deref() == Some("file");
    if produces.is_empty() {
        let is_stated = [operation, &loader.docs.root()].iter().any(|place| !list(place, "produces").is_empty());
        produces.push(if is_file || is_stated { "*/*" } else { JSON }.to_owned());
    }
    let parsed = (!is_file).then(|| loader.schema(schema));
    let shown = place.get("examples");
    let media = |media_type: String| MediaType {
        schema: parsed.clone(),
        examples: shown.iter().filter_map(|shown| shown.value.get(&media_type)).cloned().collect(),
        encoding: BTreeMap::new(),
        pointer: loader.label(place),
        media_type,
    };
    produces.into_iter().map(media).collect()
}

fn json_body<'d>(loader: &mut Loader<'d>, body: &Place<'d>, consumes: Vec<String>) -> Result<RequestBody, String> {
    let required = body.flag("required");
    let schema = body.get("schema");
    if let Some(place) = schema.as_ref().filter(|schema| required && loader.is_dangling(schema)) {
        loader.warn(place, "the schema of the body is a `$ref` that leads nowhere");
        return Err("the schema of the required body is a `$ref` that leads nowhere".to_owned());
    }
    let parsed = schema.map(|schema| loader.schema(&schema));
    let shown = examples(loader, body);
    let types = if consumes.is_empty() { vec![JSON.to_owned()] } else { consumes };
    let media = |media_type| MediaType {
        media_type,
        schema: parsed.clone(),
        examples: shown.clone(),
        encoding: BTreeMap::new(),
        pointer: loader.label(body),
    };
    let content = types.into_iter().map(media).collect();
    Ok(RequestBody { required, content })
}

fn form_body<'d>(
    loader: &mut Loader<'d>,
    operation: &Place<'d>,
    parts: &[Place<'d>],
    consumes: &[String],
) -> Result<RequestBody, String> {
    let mut properties = Map::new();
    let mut required = Vec::new();
    let mut has_file = false;
    for part in parts {
        let Some(name) = part.text("name").filter(|name| !name.is_empty()) else {
            loader.warn(part, "a form field has no name");
            if part.flag("required") {
                return Err("a required form field has no name".to_owned());
            }
            continue;
        };
        has_file |= part.text("type").as_deref() == Some("file");
        if part.flag("required") {
            required.push(Value::String(name.clone()));
        }
        let schema = loader.schema_of(&inline_schema(part.value), part);
        properties.insert(name, schema.node().clone());
    }
    let mut node = json!({ "type": "object", "properties": properties });
    let is_required = !required.is_empty();
    if is_required {
        node["required"] = Value::Array(required);
    }
    let schema = Schema::new(node, Arc::default(), loader.label(operation));
    let fits = |media: &&String| media.starts_with(MULTIPART) || (media.starts_with(FORM) && !has_file);
    let mut types: Vec<String> = consumes.iter().filter(fits).cloned().collect();
    if types.is_empty() {
        types.push(if has_file { MULTIPART } else { FORM }.to_owned());
    }
    let media = |media_type| MediaType {
        media_type,
        schema: Some(schema.clone()),
        examples: Vec::new(),
        encoding: BTreeMap::new(),
        pointer: loader.label(operation),
    };
    let content = types.into_iter().map(media).collect();
    Ok(RequestBody { required: is_required, content })
}

/// The schema that is mixed into a parameter, header or form field.
fn inline_schema(value: &Value) -> Value {
    let members = value.as_object().into_iter().flatten();
    // `required` is a list only where somebody wrote a real schema.
    let inner =
        members.filter(|(key, value)| !OUTER.contains(&key.as_str()) || (*key == "required" && value.is_array()));
    Value::Object(inner.map(|(key, value)| (key.clone(), value.clone())).collect())
}

fn style(place: &Place<'_>, location: Location) -> (Style, bool) {
    match place.text("collectionFormat").as_deref() {
        Some("multi") if matches!(location, Location::Query | Location::Cookie) => (Style::Form, true),
        Some("ssv") => (Style::SpaceDelimited, false),
        Some("tsv") => (Style::TabDelimited, false),
        Some("pipes") => (Style::PipeDelimited, false),
        // Without a list it makes no difference; the flag is then what 3.x has by default.
        _ if matches!(location, Location::Query | Location::Cookie) => {
            (Style::Form, place.text("type").as_deref() != Some("array"))
        }
        _ => (Style::Simple, false),
    }
}

fn media_types(loader: &mut Loader<'_>, operation: &Place<'_>, key: &str) -> Vec<String> {
    let place = if operation.get(key).is_some() { operation.clone() } else { loader.docs.root() };
    let (good, bad): (Vec<_>, Vec<_>) = list(&place, key).into_iter().partition(|text| is_media_type(text));
    for text in bad {
        let text: String = text.chars().take(60).collect();
        loader.warn(&place, format!("`{text}` in `{key}` is no media type; it is ignored"));
    }
    good
}

fn list(place: &Place<'_>, key: &str) -> Vec<String> {
    let Some(list) = place.get(key) else { return Vec::new() };
    match list.value {
        Value::String(one) => vec![one.trim().to_owned()],
        _ => list.items().filter_map(|item| Some(item.value.as_str()?.trim().to_owned())).collect(),
    }
}
