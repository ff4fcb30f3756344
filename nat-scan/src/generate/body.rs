//! Bodies as bytes, by media type.

use serde_json::Value;

use super::canonical::{Part, Types, views};
use super::serialize::{Charset, encode, scalar};
use crate::schema::Schema;
use crate::spec::MediaType;

/// Between the parts of a multipart body; constant, so that equal cases are equal bytes.
pub(crate) const BOUNDARY: &str = "nat-7f3a91c2d8e64b05";

/// How a media type is written and read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Codec {
    Json,
    Form,
    Multipart,
    Xml,
    /// Text that stands for one string.
    Text,
    /// Bytes without a structure that we know.
    Opaque,
}

/// Type and subtype in lower case.
pub(crate) fn essence(media_type: &str) -> String {
    media_type.split(';').next().unwrap_or("").trim().to_ascii_lowercase()
}

impl Codec {
    pub(crate) fn of(media_type: &str) -> Self {
        match essence(media_type).as_str() {
            "application/x-www-form-urlencoded" => Self::Form,
            kind if kind.starts_with("multipart/") => Self::Multipart,
            "application/xml" | "text/xml" => Self::Xml,
            "*/*" | "application/*" | "application/json" | "text/json" | "" => Self::Json,
            kind if kind.ends_with("+json") || kind.ends_with("/json") => Self::Json,
            kind if kind.ends_with("+xml") => Self::Xml,
            kind if kind.starts_with("text/") => Self::Text,
            _ => Self::Opaque,
        }
    }
}

/// What to put into `Content-Type`: wildcards made concrete, the boundary added.
pub(crate) fn content_type(media_type: &str) -> String {
    let essence = essence(media_type);
    match essence.as_str() {
        "*/*" | "application/*" | "" => "application/json".to_owned(),
        "text/*" => "text/plain".to_owned(),
        "image/*" => "image/png".to_owned(),
        "audio/*" => "audio/mpeg".to_owned(),
        "video/*" => "video/mp4".to_owned(),
        "multipart/*" => format!("multipart/form-data; boundary={BOUNDARY}"),
        kind if kind.starts_with("multipart/") => format!("{kind}; boundary={BOUNDARY}"),
        kind if kind.ends_with("/*") => "application/octet-stream".to_owned(),
        _ => media_type.trim().to_owned(),
    }
}

/// The bytes of `value` as this media type.
pub(crate) fn bytes(media: &MediaType, value: &Value) -> Result<Vec<u8>, String> {
    match Codec::of(&media.media_type) {
        Codec::Json => serde_json::to_vec(value).map_err(|error| error.to_string()),
        Codec::Form => form(value),
        Codec::Multipart => multipart(media, value),
        Codec::Xml => xml(media.schema.as_ref(), value),
        Codec::Text | Codec::Opaque => Ok(match value {
            Value::String(text) => text.clone().into_bytes(),
            Value::Array(_) | Value::Object(_) => serde_json::to_vec(value).map_err(|error| error.to_string())?,
            _ => {
                let mut out = String::new();
                scalar(&mut out, value, Charset::Raw);
                out.into_bytes()
            }
        }),
    }
}

/// Arrays repeat their key, objects are JSON text.
fn form(value: &Value) -> Result<Vec<u8>, String> {
    let Value::Object(members) = value else {
        return Err("only an object can be a form".to_owned());
    };
    let mut out = String::new();
    let mut pair = |key: &str, value: &Value| {
        if !out.is_empty() {
            out.push('&');
        }
        encode(&mut out, key, Charset::Percent);
        out.push('=');
        scalar(&mut out, value, Charset::Percent);
    };
    for (key, value) in members {
        match value {
            Value::Array(items) => items.iter().for_each(|item| pair(key, item)),
            _ => pair(key, value),
        }
    }
    Ok(out.into_bytes())
}

fn multipart(media: &MediaType, value: &Value) -> Result<Vec<u8>, String> {
    let Value::Object(members) = value else {
        return Err("only an object can be a multipart body".to_owned());
    };
    let mut out = Vec::with_capacity(256 * (members.len() + 1));
    for (key, value) in members {
        let encoding = media.encoding.get(key).map(String::as_str);
        let file = media.schema.as_ref().is_some_and(|schema| is_binary(schema, key));
        match value {
            Value::Array(items) if encoding.is_none_or(|kind| Codec::of(kind) != Codec::Json) => {
                items.iter().for_each(|item| part(&mut out, key, item, encoding, file));
            }
            _ => part(&mut out, key, value, encoding, file),
        }
    }
    out.extend_from_slice(b"--");
    out.extend_from_slice(BOUNDARY.as_bytes());
    out.extend_from_slice(b"--\r\n");
    Ok(out)
}

fn part(out: &mut Vec<u8>, name: &str, value: &Value, encoding: Option<&str>, file: bool) {
    let mut head = format!("--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"");
    // As browsers do: the three characters that would end the name.
    for c in name.chars() {
        match c {
            '"' => head.push_str("%22"),
            '\r' => head.push_str("%0D"),
            '\n' => head.push_str("%0A"),
            _ => head.push(c),
        }
    }
    head.push('"');
    if file {
        head.push_str("; filename=\"nat.bin\"");
    }
    let structured = value.is_array() || value.is_object();
    let kind = encoding.and_then(|kinds| kinds.split(',').next()).map(content_type);
    let kind = kind.or_else(|| structured.then(|| "application/json".to_owned()));
    let kind = kind.or_else(|| file.then(|| "application/octet-stream".to_owned()));
    if let Some(kind) = kind.filter(|kind| !kind.contains(['\r', '\n'])) {
        head.push_str("\r\nContent-Type: ");
        head.push_str(&kind);
    }
    head.push_str("\r\n\r\n");
    if encoding.is_some_and(|kind| Codec::of(kind) == Codec::Json) {
        head.push_str(&value.to_string());
    } else {
        scalar(&mut head, value, Charset::Raw);
    }
    head.push_str("\r\n");
    out.extend_from_slice(head.as_bytes());
}

/// The property is a file, or a list of files.
fn is_binary(schema: &Schema, name: &str) -> bool {
    let file = |part: &Part<'_>| {
        views(schema, part).iter().any(|view| view.types.has(Types::STRING) && view.format == Some("binary"))
    };
    views(schema, &Part::of(schema.node())).iter().any(|view| {
        let property = view.property(name);
        file(&property) || views(schema, &property).iter().any(|view| file(&view.items))
    })
}

/// A simple mapping: members are elements, items repeat the element, `xml` renames, wraps or makes attributes.
fn xml(schema: Option<&Schema>, value: &Value) -> Result<Vec<u8>, String> {
    let mut out = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>");
    let any = Schema::any();
    let schema = schema.unwrap_or(&any);
    let node = schema.node();
    let resolved = schema.resolve(node);
    let referred = node.get("$ref").and_then(Value::as_str).and_then(|target| target.rsplit('/').next());
    let name = xml_name(resolved)
        .or(referred)
        .or_else(|| resolved.get("title").and_then(Value::as_str))
        .filter(|name| is_xml_name(name))
        .unwrap_or("root");
    element(&mut out, schema, node, name, value, 0)?;
    Ok(out.into_bytes())
}

fn xml_name(node: &Value) -> Option<&str> {
    node.get("xml")?.get("name")?.as_str()
}

fn is_xml_name(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.'))
}

fn xml_flag(node: &Value, flag: &str) -> bool {
    node.get("xml").and_then(|xml| xml.get(flag)) == Some(&Value::Bool(true))
}

fn element(
    out: &mut String,
    schema: &Schema,
    node: &Value,
    name: &str,
    value: &Value,
    depth: usize,
) -> Result<(), String> {
    if !is_xml_name(name) || depth > 64 {
        return Err(format!("{name:?} cannot be an XML element"));
    }
    let node = schema.resolve(node);
    let child = |key: &str| node.get("properties").and_then(|all| all.get(key)).map(|node| schema.resolve(node));
    let named = |key: &str| child(key).and_then(xml_name).unwrap_or(key).to_owned();
    out.push('<');
    out.push_str(name);
    for (key, value) in value.as_object().into_iter().flatten() {
        if child(key).is_some_and(|node| xml_flag(node, "attribute")) {
            out.push(' ');
            out.push_str(&named(key));
            out.push_str("=\"");
            escape(out, value)?;
            out.push('"');
        }
    }
    out.push('>');
    match value {
        Value::Object(members) => {
            for (key, value) in members {
                let below = child(key).unwrap_or(&Value::Bool(true));
                if xml_flag(below, "attribute") {
                    continue;
                }
                match value {
                    Value::Array(items) => list(out, schema, below, &named(key), items, depth)?,
                    _ => element(out, schema, below, &named(key), value, depth + 1)?,
                }
            }
        }
        Value::Array(items) => {
            let below = node.get("items").unwrap_or(&Value::Bool(true));
            let name = xml_name(schema.resolve(below)).unwrap_or("item").to_owned();
            items.iter().try_for_each(|item| element(out, schema, below, &name, item, depth + 1))?;
        }
        _ => escape(out, value)?,
    }
    out.push_str("</");
    out.push_str(name);
    out.push('>');
    Ok(())
}

fn list(
    out: &mut String,
    schema: &Schema,
    node: &Value,
    name: &str,
    items: &[Value],
    depth: usize,
) -> Result<(), String> {
    let below = node.get("items").unwrap_or(&Value::Bool(true));
    let inner = xml_name(schema.resolve(below)).unwrap_or(name);
    let wrapped = xml_flag(node, "wrapped");
    if wrapped {
        out.extend(["<", name, ">"]);
    }
    items.iter().try_for_each(|item| element(out, schema, below, inner, item, depth + 1))?;
    if wrapped {
        out.extend(["</", name, ">"]);
    }
    Ok(())
}

fn escape(out: &mut String, value: &Value) -> Result<(), String> {
    let mut text = String::new();
    scalar(&mut text, value, Charset::Raw);
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\t' | '\n' | '\r' => out.push(c),
            c if c.is_control() || matches!(c, '\u{fffe}' | '\u{ffff}') => {
                return Err("a control character cannot be XML".to_owned());
            }
            c => out.push(c),
        }
    }
    Ok(())
}
