//! OpenAPI 3.0 and later.

use std::collections::BTreeMap;

use super::document::Place;
use super::ir::{
    HeaderSpec, Link, Location, MediaType, Parameter, RequestBody, ResponseSpec, SecurityScheme, StatusPattern, Style,
};
use super::loader::Loader;
use super::operation::{Version, api_key, examples, is_media_type, name_and_location};
use crate::schema::Schema;

/// Links of one answer.
const MAX_LINKS: usize = 64;

/// OpenAPI 3.0 and later; they differ in their schemas only.
pub(super) struct OpenApi3;

/// `servers` with variables filled in.
pub(super) fn servers(loader: &mut Loader<'_>) -> Vec<String> {
    let root = loader.docs.root();
    let mut found = Vec::new();
    for server in root.get("servers").iter().flat_map(Place::items) {
        match server.text("url") {
            Some(url) => found.extend(fill(loader, &server, &url)),
            None => loader.warn(&server, "a server without a URL is ignored"),
        }
    }
    found
}

fn fill(loader: &mut Loader<'_>, server: &Place<'_>, url: &str) -> Option<String> {
    let mut out = String::new();
    let mut rest = url.trim();
    while let Some((before, after)) = rest.split_once('{') {
        let Some((name, tail)) = after.split_once('}') else { break };
        let variable = server.get("variables").and_then(|variables| variables.get(name));
        let Some(value) = variable_value(loader, server, name, variable.as_ref()) else {
            let name: String = name.chars().take(60).collect();
            loader.warn(server, format!("server variable `{name}` has no value; the server is ignored"));
            return None;
        };
        out.push_str(before);
        out.push_str(&value);
        rest = tail;
    }
    out.push_str(rest);
    Some(out)
}

fn variable_value(
    loader: &mut Loader<'_>,
    server: &Place<'_>,
    name: &str,
    variable: Option<&Place<'_>>,
) -> Option<String> {
    let variable = variable?;
    variable.text("default").or_else(|| {
        let first = variable.get("enum")?.items().find_map(|item| item.value.as_str().map(str::to_owned))?;
        let name: String = name.chars().take(60).collect();
        loader.warn(server, format!("server variable `{name}` has no default; its first value is used"));
        Some(first)
    })
}

/// `components.securitySchemes`.
pub(super) fn security_schemes(loader: &mut Loader<'_>) -> BTreeMap<String, SecurityScheme> {
    let root = loader.docs.root();
    let schemes = root.get("components").and_then(|components| components.get("securitySchemes"));
    let mut found = BTreeMap::new();
    for (name, place) in schemes.iter().flat_map(Place::entries) {
        let Some(place) = loader.follow(place) else { continue };
        let scheme = scheme(&place);
        if let SecurityScheme::Other(kind) = &scheme {
            loader.warn(&place, format!("security scheme of type `{kind}` cannot be used"));
        }
        found.insert(name.to_owned(), scheme);
    }
    found
}

fn scheme(place: &Place<'_>) -> SecurityScheme {
    let kind = place.text("type").unwrap_or_default();
    let other = |kind: &str| SecurityScheme::Other(kind.chars().take(60).collect());
    match kind.as_str() {
        "apiKey" => api_key(place).unwrap_or_else(|| other("apiKey")),
        "oauth2" => SecurityScheme::Bearer { token_url: token_url(place) },
        "openIdConnect" => SecurityScheme::Bearer { token_url: None },
        "http" => match place.text("scheme").unwrap_or_default().to_ascii_lowercase().as_str() {
            "basic" => SecurityScheme::Basic,
            "bearer" => SecurityScheme::Bearer { token_url: None },
            scheme => other(&format!("http {scheme}")),
        },
        kind => other(if kind.is_empty() { "unknown" } else { kind }),
    }
}

/// Of the flow that a scan can use by itself, else of any.
fn token_url(place: &Place<'_>) -> Option<String> {
    let flows = place.get("flows")?;
    let wanted = ["clientCredentials", "password"].iter().find_map(|flow| flows.get(flow)?.text("tokenUrl"));
    wanted.or_else(|| flows.entries().find_map(|(_, flow)| flow.text("tokenUrl")))
}

impl<'d> Version<'d> for OpenApi3 {
    fn parameter(&self, loader: &mut Loader<'d>, place: &Place<'d>) -> Result<Parameter, String> {
        let (name, location) = name_and_location(place)?;
        let (style, explode) = style(loader, place, location);
        let mut examples = examples(loader, place);
        let content = place.get("content").and_then(|content| content.entries().next());
        let (schema, content_type) = match (place.get("schema"), content) {
            (Some(schema), _) => (loader.schema(&schema), None),
            (None, Some((media_type, media))) => {
                examples.extend(super::operation::examples(loader, &media));
                let schema = media.get("schema").map(|schema| loader.schema(&schema));
                (schema.unwrap_or_else(Schema::any), Some(media_type.trim().to_owned()))
            }
            (None, None) => {
                loader.warn(place, format!("parameter `{name}` has no schema; any value is sent"));
                (Schema::any(), None)
            }
        };
        Ok(Parameter {
            name,
            location,
            required: location == Location::Path || place.flag("required"),
            schema,
            style,
            explode,
            content_type,
            examples,
            pointer: loader.label(place),
        })
    }

    fn is_body_part(&self, _: &Place<'d>) -> bool {
        false
    }

    fn body(
        &self,
        loader: &mut Loader<'d>,
        operation: &Place<'d>,
        _: &[Place<'d>],
    ) -> Result<Option<RequestBody>, String> {
        let Some(place) = operation.get("requestBody") else {
            return Ok(None);
        };
        let place = loader.follow(place).ok_or("the body is a `$ref` that leads nowhere")?;
        let required = place.flag("required");
        let content = content(loader, &place, false);
        if content.is_empty() {
            loader.warn(&place, "the body has no media type");
            return if required { Err("the required body has no media type".to_owned()) } else { Ok(None) };
        }
        let schemas =
            place.get("content").map(|c| c.entries().filter_map(|(_, m)| m.get("schema")).collect::<Vec<_>>());
        if required && schemas.is_some_and(|s| !s.is_empty() && s.iter().all(|schema| loader.is_dangling(schema))) {
            return Err("the schema of the required body is a `$ref` that leads nowhere".to_owned());
        }
        Ok(Some(RequestBody { required, content }))
    }

    fn response(
        &self,
        loader: &mut Loader<'d>,
        _: &Place<'d>,
        place: &Place<'d>,
        status: StatusPattern,
    ) -> ResponseSpec {
        let mut headers = Vec::new();
        for (name, header) in place.get("headers").iter().flat_map(Place::entries) {
            // The media types of `content` say it already.
            if name.eq_ignore_ascii_case("content-type") {
                continue;
            }
            let Some(header) = loader.follow(header) else { continue };
            // With `content` instead, the value is a text of that media type, which is not judged.
            let schema = header.get("schema").map_or_else(Schema::any, |schema| loader.schema(&schema));
            let required = header.flag("required");
            headers.push(HeaderSpec { name: name.to_owned(), required, schema, style: Style::Simple });
        }
        let links = links(loader, place);
        ResponseSpec { status, headers, content: content(loader, place, true), links, pointer: loader.label(place) }
    }
}

/// Entries of `links` that name an operation.
fn links<'d>(loader: &mut Loader<'d>, place: &Place<'d>) -> Vec<Link> {
    let mut found = Vec::new();
    for (name, link) in place.get("links").iter().flat_map(Place::entries).take(MAX_LINKS) {
        let Some(link) = loader.follow(link) else { continue };
        let target = link.text("operationId").or_else(|| link.text("operationRef"));
        let Some(target) = target else { continue };
        let parameters = link.get("parameters").map(|parameters| {
            let pairs = parameters.entries().filter_map(|(name, value)| {
                let name = name.rsplit_once('.').map_or(name, |(_, name)| name);
                Some((name.to_owned(), value.value.as_str()?.to_owned()))
            });
            pairs.collect()
        });
        let pointer = loader.label(&link);
        found.push(Link { name: name.to_owned(), target, parameters: parameters.unwrap_or_default(), pointer });
    }
    found
}

/// Entries of `content`. What cannot be read is left out of a body, and is anything in an answer: it is documented.
fn content<'d>(loader: &mut Loader<'d>, place: &Place<'d>, is_answer: bool) -> Vec<MediaType> {
    let mut found = Vec::new();
    for (media_type, entry) in place.get("content").iter().flat_map(Place::entries) {
        if !is_media_type(media_type) {
            loader.warn(&entry, "the key is no media type; it is ignored");
            found.extend(is_answer.then(|| MediaType::anything("*/*", loader.label(&entry))));
            continue;
        }
        let media_type = media_type.trim();
        let label = loader.label(&entry);
        let Some(media) = loader.follow(entry) else {
            found.extend(is_answer.then(|| MediaType::anything(media_type, label)));
            continue;
        };
        let mut encoding = BTreeMap::new();
        for (property, entry) in media.get("encoding").iter().flat_map(Place::entries) {
            let types = entry.text("contentType").unwrap_or_default();
            if let Some(first) = types.split(',').map(str::trim).find(|first| is_media_type(first)) {
                encoding.insert(property.to_owned(), first.to_owned());
            }
        }
        found.push(MediaType {
            media_type: media_type.to_owned(),
            schema: media.get("schema").map(|schema| loader.schema(&schema)),
            examples: examples(loader, &media),
            encoding,
            pointer: loader.label(&media),
        });
    }
    found
}

fn style(loader: &mut Loader<'_>, place: &Place<'_>, location: Location) -> (Style, bool) {
    let usual = match location {
        Location::Query | Location::Cookie => Style::Form,
        Location::Path | Location::Header => Style::Simple,
    };
    let style = match (place.text("style").as_deref(), location) {
        (None, _) => usual,
        (Some("simple"), Location::Path | Location::Header) => Style::Simple,
        (Some("label"), Location::Path) => Style::Label,
        (Some("matrix"), Location::Path) => Style::Matrix,
        (Some("form" | "cookie"), Location::Query | Location::Cookie) => Style::Form,
        (Some("spaceDelimited"), Location::Query) => Style::SpaceDelimited,
        (Some("pipeDelimited"), Location::Query) => Style::PipeDelimited,
        (Some("deepObject"), Location::Query) => Style::DeepObject,
        (Some(other), _) => {
            let other: String = other.chars().take(40).collect();
            loader.warn(
                place,
                format!("style `{other}` does not exist in the {}; the default is used", location.as_str()),
            );
            usual
        }
    };
    let explode = place.value.get("explode").and_then(serde_json::Value::as_bool);
    (style, explode.unwrap_or(matches!(style, Style::Form | Style::DeepObject)))
}
