//! What Swagger 2.0 and OpenAPI 3 have in common: paths, methods, the merging of parameters, path templates, security.

use std::collections::{BTreeMap, HashSet};

use serde_json::{Value, json};

use super::document::Place;
use super::ir::{
    Location, MediaType, Operation, Parameter, RequestBody, ResponseSpec, SecurityRequirement, SecurityScheme,
    StatusPattern, Style,
};
use super::loader::Loader;
use crate::schema::Schema;
use crate::schema::example::unwrap_example;

/// Operations of one API; a document with more is cut.
const MAX_OPERATIONS: usize = 20_000;
const METHODS: [&str; 9] = ["get", "put", "post", "delete", "patch", "head", "options", "trace", "query"];
/// Headers that are described elsewhere (`content`, `security`) or belong to the transport.
const RESERVED_HEADERS: [&str; 7] =
    ["accept", "content-type", "authorization", "host", "content-length", "connection", "transfer-encoding"];

/// A version of OpenAPI, as far as one operation goes.
pub(super) trait Version<'d> {
    /// The parameter at `place`, which is no `$ref`. The error says why it cannot be used.
    fn parameter(&self, loader: &mut Loader<'d>, place: &Place<'d>) -> Result<Parameter, String>;

    /// True for list items that are part of the body (2.0).
    fn is_body_part(&self, place: &Place<'d>) -> bool;

    /// The body; `parts` are the list items for which [`Self::is_body_part`] holds.
    fn body(
        &self,
        loader: &mut Loader<'d>,
        operation: &Place<'d>,
        parts: &[Place<'d>],
    ) -> Result<Option<RequestBody>, String>;

    /// The answer at `place`, which is no `$ref`.
    fn response(
        &self,
        loader: &mut Loader<'d>,
        operation: &Place<'d>,
        place: &Place<'d>,
        status: StatusPattern,
    ) -> ResponseSpec;
}

/// All operations under `paths`, in the document's order.
pub(super) fn operations<'d>(
    loader: &mut Loader<'d>,
    version: &dyn Version<'d>,
    schemes: &BTreeMap<String, SecurityScheme>,
) -> Vec<Operation> {
    let root = loader.docs.root();
    let Some(paths) = root.get("paths") else {
        return Vec::new();
    };
    let security = security(loader, &root, schemes).unwrap_or_default();
    let mut reader = Reader { loader, version, schemes, security, seen: HashSet::new(), operations: Vec::new() };
    for (path, item) in paths.entries().filter(|(path, _)| !path.starts_with("x-")) {
        reader.path(path, item);
    }
    reader.operations
}

struct Reader<'a, 'd> {
    loader: &'a mut Loader<'d>,
    version: &'a dyn Version<'d>,
    schemes: &'a BTreeMap<String, SecurityScheme>,
    security: Vec<SecurityRequirement>,
    seen: HashSet<(String, String)>,
    operations: Vec<Operation>,
}

impl<'d> Reader<'_, 'd> {
    fn path(&mut self, path: &str, item: Place<'d>) {
        let path = self.clean_path(path, &item);
        let mut items = vec![item.clone()];
        if item.value.get("$ref").is_some() {
            items.extend(self.loader.follow(item));
        }
        for item in &items {
            if !item.value.is_object() {
                self.loader.warn(item, "a path item must be an object; it is ignored");
            }
            for (key, operation) in item.entries() {
                let method = key.to_ascii_lowercase();
                if !METHODS.contains(&method.as_str()) {
                    continue;
                }
                if !operation.value.is_object() {
                    self.loader.warn(&operation, "an operation must be an object; it is ignored");
                    continue;
                }
                let method = method.to_ascii_uppercase();
                // What stands beside a `$ref` comes first and wins.
                if !self.seen.insert((method.clone(), path.clone())) {
                    self.loader.warn(&operation, format!("{method} {path} is documented twice; the first one counts"));
                    continue;
                }
                if self.operations.len() >= MAX_OPERATIONS {
                    self.loader
                        .warn_at("/paths".to_owned(), format!("only the first {MAX_OPERATIONS} operations are read"));
                    return;
                }
                self.operation(method, &path, item, &operation);
            }
        }
    }

    fn clean_path(&mut self, path: &str, item: &Place<'d>) -> String {
        let route = path.split(['?', '#']).next().unwrap_or("").trim();
        let mut clean = String::with_capacity(route.len() + 1);
        for character in std::iter::once('/').chain(route.chars()) {
            if character != '/' || !clean.ends_with('/') {
                clean.push(character);
            }
        }
        if clean != path {
            self.loader.warn(item, format!("the path is read as `{clean}`"));
        }
        clean
    }

    fn operation(&mut self, method: String, path: &str, item: &Place<'d>, place: &Place<'d>) {
        let mut faults = Vec::new();
        let (parameters, parts) = self.parameters(path, item, place, &mut faults);
        let body = self.version.body(self.loader, place, &parts).unwrap_or_else(|fault| {
            faults.push(fault);
            None
        });
        let body = self.body_of_method(&method, body, place);
        let responses = self.responses(place);
        let security = match security(self.loader, place, self.schemes) {
            Some(own) => own,
            None => self.security.clone(),
        };
        for (key, _) in ["servers", "callbacks"].iter().filter_map(|key| Some((*key, place.get(key)?))) {
            self.loader.warn(place, format!("`{key}` of an operation is not used"));
        }
        let unusable = (!faults.is_empty()).then(|| faults.join("; "));
        if let Some(reason) = &unusable {
            self.loader.warn(place, format!("{method} {path} cannot be tested: {reason}"));
        }
        let tags = place
            .get("tags")
            .map(|tags| tags.items().filter_map(|tag| tag.value.as_str().map(str::to_owned)).collect());
        self.operations.push(Operation {
            index: self.operations.len(),
            method,
            path: path.to_owned(),
            operation_id: place.text("operationId").filter(|id| !id.is_empty()),
            tags: tags.unwrap_or_default(),
            parameters,
            body,
            responses,
            security,
            deprecated: place.flag("deprecated"),
            pointer: self.loader.label(place),
            unusable,
        });
    }

    /// Merges the two lists; the second result holds the parts of the body (2.0).
    fn parameters(
        &mut self,
        path: &str,
        item: &Place<'d>,
        operation: &Place<'d>,
        faults: &mut Vec<String>,
    ) -> (Vec<Parameter>, Vec<Place<'d>>) {
        let mut merged: Vec<Parameter> = Vec::new();
        let mut parts: Vec<Place<'d>> = Vec::new();
        for level in [item, operation] {
            let mut here: HashSet<(Location, String)> = HashSet::new();
            for entry in level.get("parameters").iter().flat_map(Place::items) {
                let Some(place) = self.loader.follow(entry.clone()) else {
                    faults.push("a parameter is a `$ref` that leads nowhere".to_owned());
                    continue;
                };
                if self.version.is_body_part(&place) {
                    parts.retain(|part| !same_part(part, &place));
                    parts.push(place);
                    continue;
                }
                let Some(parameter) = self.parameter(&place, faults) else { continue };
                let key = (parameter.location, key_name(&parameter));
                if !here.insert(key.clone()) {
                    self.loader
                        .warn(&place, format!("parameter `{}` is listed twice; the first one counts", parameter.name));
                    continue;
                }
                match merged.iter_mut().find(|known| (known.location, key_name(known)) == key) {
                    Some(known) => *known = parameter,
                    None => merged.push(parameter),
                }
            }
        }
        self.fit_template(path, operation, &mut merged);
        (merged, parts)
    }

    fn parameter(&mut self, place: &Place<'d>, faults: &mut Vec<String>) -> Option<Parameter> {
        let parameter = match self.version.parameter(self.loader, place) {
            Ok(parameter) => parameter,
            Err(reason) => {
                self.loader.warn(place, reason.clone());
                if place.flag("required") {
                    faults.push(reason);
                }
                return None;
            }
        };
        let lower = parameter.name.to_ascii_lowercase();
        if parameter.location == Location::Header && RESERVED_HEADERS.contains(&lower.as_str()) {
            return None;
        }
        let is_key = self.schemes.values().any(|scheme| {
            matches!(scheme, SecurityScheme::ApiKey { location, name }
                if *location == parameter.location && (*name == parameter.name
                    || *location == Location::Header && name.eq_ignore_ascii_case(&parameter.name)))
        });
        if is_key {
            return None;
        }
        if parameter.required
            && let Some(schema) = place.get("schema")
            && self.loader.is_dangling(&schema)
        {
            faults.push(format!(
                "the schema of the required parameter `{}` is a `$ref` that leads nowhere",
                parameter.name
            ));
        }
        Some(parameter)
    }

    /// Every name of the template has a parameter afterwards, and no other path parameter is left.
    fn fit_template(&mut self, path: &str, operation: &Place<'d>, parameters: &mut Vec<Parameter>) {
        let names = template_names(path);
        parameters.retain(|parameter| {
            let fits = parameter.location != Location::Path || names.contains(&parameter.name.as_str());
            if !fits {
                let message = format!("path parameter `{}` is not in the path", parameter.name);
                self.loader.warn_at(parameter.pointer.clone(), message);
            }
            fits
        });
        for name in names {
            if parameters.iter().any(|known| known.location == Location::Path && known.name == name) {
                continue;
            }
            self.loader.warn(operation, format!("path parameter `{name}` is not documented; it is taken for a text"));
            let pointer = self.loader.label(operation);
            let schema =
                Schema::new(json!({ "type": "string", "minLength": 1 }), std::sync::Arc::default(), pointer.clone());
            parameters.push(Parameter {
                name: name.to_owned(),
                location: Location::Path,
                required: true,
                schema,
                style: Style::Simple,
                explode: false,
                content_type: None,
                examples: Vec::new(),
                pointer,
            });
        }
    }

    /// Bodies of methods for which HTTP gives them no meaning are not sent, unless they are said to be required.
    fn body_of_method(&mut self, method: &str, body: Option<RequestBody>, place: &Place<'d>) -> Option<RequestBody> {
        let body = body?;
        let pointless = match method {
            "TRACE" => true,
            "GET" | "HEAD" => !body.required,
            _ => false,
        };
        if pointless {
            self.loader.warn(place, format!("a body of {method} has no meaning; it is not sent"));
        }
        (!pointless).then_some(body)
    }

    fn responses(&mut self, operation: &Place<'d>) -> Vec<ResponseSpec> {
        let mut found: Vec<ResponseSpec> = Vec::new();
        let entries = operation.get("responses").map(|r| r.entries().collect::<Vec<_>>()).unwrap_or_default();
        for (key, entry) in entries.into_iter().filter(|(key, _)| !key.starts_with("x-")) {
            let Some(status) = status_pattern(key) else {
                self.loader.warn(
                    &entry,
                    format!("`{}` is no status; the answer is ignored", key.chars().take(40).collect::<String>()),
                );
                continue;
            };
            if found.iter().any(|known| known.status == status) {
                continue;
            }
            let pointer = self.loader.label(&entry);
            found.push(match self.loader.follow(entry) {
                Some(place) => self.version.response(self.loader, operation, &place, status),
                // The status is documented all the same.
                None => {
                    let content = vec![MediaType::anything("*/*", pointer.clone())];
                    ResponseSpec { status, headers: Vec::new(), content, links: Vec::new(), pointer }
                }
            });
        }
        found
    }
}

/// Header names are equal in any case.
fn key_name(parameter: &Parameter) -> String {
    match parameter.location {
        Location::Header => parameter.name.to_ascii_lowercase(),
        _ => parameter.name.clone(),
    }
}

fn same_part(a: &Place<'_>, b: &Place<'_>) -> bool {
    let is_body = |place: &Place<'_>| place.text("in").as_deref() == Some("body");
    (is_body(a) && is_body(b)) || (is_body(a) == is_body(b) && a.text("name") == b.text("name"))
}

/// Names in braces, in order, each once.
pub(super) fn template_names(path: &str) -> Vec<&str> {
    let mut names = Vec::new();
    let mut rest = path;
    while let Some((_, after)) = rest.split_once('{') {
        let Some((name, tail)) = after.split_once('}') else { break };
        if !name.is_empty() && !name.contains(['{', '/']) && !names.contains(&name) {
            names.push(name);
        }
        rest = tail;
    }
    names
}

fn status_pattern(key: &str) -> Option<StatusPattern> {
    if key.eq_ignore_ascii_case("default") {
        return Some(StatusPattern::Default);
    }
    if let [class @ b'1'..=b'9', b'x' | b'X', b'x' | b'X'] = key.as_bytes() {
        return Some(StatusPattern::Class(class - b'0'));
    }
    key.parse().ok().filter(|status| (100..1000).contains(status)).map(StatusPattern::Exact)
}

/// `security` of the document or of an operation; `None` when it is absent.
fn security(
    loader: &mut Loader<'_>,
    place: &Place<'_>,
    schemes: &BTreeMap<String, SecurityScheme>,
) -> Option<Vec<SecurityRequirement>> {
    let list = place.get("security")?;
    if !list.value.is_array() {
        loader.warn(&list, "`security` must be a list; it is ignored");
        return None;
    }
    let mut found = Vec::new();
    for entry in list.items() {
        let mut requirement = SecurityRequirement::new();
        for (name, scopes) in entry.entries() {
            if !schemes.contains_key(name) {
                loader.warn(
                    &scopes,
                    format!("security scheme `{}` is not documented", name.chars().take(100).collect::<String>()),
                );
            }
            let scopes = scopes.items().filter_map(|scope| scope.value.as_str().map(str::to_owned)).collect();
            requirement.insert(name.to_owned(), scopes);
        }
        if entry.value.is_object() {
            found.push(requirement);
        }
    }
    Some(found)
}

/// Where an API key goes.
pub(super) fn api_key(place: &Place<'_>) -> Option<SecurityScheme> {
    let location = location(place)?;
    let name = place.text("name").filter(|name| !name.is_empty() && location != Location::Path)?;
    Some(SecurityScheme::ApiKey { location, name })
}

/// `in`.
pub(super) fn location(place: &Place<'_>) -> Option<Location> {
    Some(match place.text("in")?.as_str() {
        "path" => Location::Path,
        "query" => Location::Query,
        "header" => Location::Header,
        "cookie" => Location::Cookie,
        _ => return None,
    })
}

/// `name` and `in` of a parameter.
pub(super) fn name_and_location(place: &Place<'_>) -> Result<(String, Location), String> {
    let name = place.text("name").filter(|name| !name.is_empty()).ok_or("a parameter has no name")?;
    let shown: String = name.chars().take(100).collect();
    let location =
        location(place).ok_or_else(|| format!("parameter `{shown}` has no place that is known here (`in`)"))?;
    Ok((name, location))
}

/// True for `type/subtype`.
pub(super) fn is_media_type(text: &str) -> bool {
    let mut parts = text.split(';').next().unwrap_or("").trim().splitn(2, '/');
    let mut next = || parts.next().is_some_and(|part| !part.is_empty() && !part.contains(char::is_whitespace));
    next() && next()
}

/// Values of `x-example`, `example` and `examples` of a member of the document.
pub(super) fn examples(loader: &Loader<'_>, place: &Place<'_>) -> Vec<Value> {
    let mut found: Vec<Value> =
        ["example", "x-example"].iter().filter_map(|key| place.value.get(*key)).filter_map(unwrap_example).collect();
    let Some(named) = place.get("examples") else {
        return found;
    };
    let resolved = |entry: Place<'_>| loader.docs.follow(entry).ok().map(|place| place.value.clone());
    found.extend(named.items().filter_map(resolved).filter_map(|example| unwrap_example(&example)));
    let value = |example: Value| example.get("value").or_else(|| example.get("dataValue")).cloned();
    found.extend(named.entries().filter_map(|(_, entry)| resolved(entry)).filter_map(value));
    found
}
