//! Parameters as text: path templates, every style with and without `explode`, headers and cookies.
//!
//! What RFC 6570 or OpenAPI leave open is decided here, and [`crate::classify`] reads it the same way: nested arrays
//! and objects are JSON text, `null` is the empty string, delimiters other than the comma are percent-encoded, brackets
//! of `deepObject` too, repeated cookies are separated by `; `.

use std::fmt::Write;

use serde_json::Value;

use crate::spec::{Location, Operation, Parameter, Style};

use super::Argument;

/// How text is made safe.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Charset {
    /// Only RFC 3986 unreserved characters stay.
    Percent,
    /// Only cookie octets stay, and no `%`.
    Cookie,
    /// Everything stays; the header as a whole is checked later.
    Raw,
}

impl Charset {
    const fn keeps(self, byte: u8) -> bool {
        match self {
            Self::Percent => byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~'),
            Self::Cookie => matches!(byte, 0x21 | 0x23..=0x24 | 0x26..=0x2b | 0x2d..=0x3a | 0x3c..=0x5b | 0x5d..=0x7e),
            Self::Raw => true,
        }
    }
}

/// Appends `text`, run by run.
pub(crate) fn encode(out: &mut String, text: &str, charset: Charset) {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    let mut start = 0;
    for (index, byte) in text.bytes().enumerate() {
        if charset.keeps(byte) {
            continue;
        }
        out.push_str(text.get(start..index).unwrap_or_default());
        out.push('%');
        out.push(char::from(HEX[usize::from(byte >> 4)]));
        out.push(char::from(HEX[usize::from(byte & 15)]));
        // Inside a multi-byte character each byte is encoded, so a run never starts in the middle of one.
        start = index + 1;
    }
    out.push_str(text.get(start..).unwrap_or_default());
}

/// Appends a scalar; arrays and objects as JSON.
pub(crate) fn scalar(out: &mut String, value: &Value, charset: Charset) {
    match value {
        Value::Null => {}
        Value::Bool(true) => out.push_str("true"),
        Value::Bool(false) => out.push_str("false"),
        Value::Number(number) => {
            // Writing to a string cannot fail.
            let _ = write!(out, "{number}");
        }
        Value::String(text) => encode(out, text, charset),
        Value::Array(_) | Value::Object(_) => encode(out, &value.to_string(), charset),
    }
}

fn joined<'v>(out: &mut String, values: impl Iterator<Item = &'v Value>, delimiter: &str, charset: Charset) {
    for (index, value) in values.enumerate() {
        if index > 0 {
            out.push_str(delimiter);
        }
        scalar(out, value, charset);
    }
}

fn members(out: &mut String, value: &Value, equals: &str, delimiter: &str, charset: Charset) {
    for (index, (key, value)) in value.as_object().into_iter().flatten().enumerate() {
        if index > 0 {
            out.push_str(delimiter);
        }
        encode(out, key, charset);
        out.push_str(equals);
        scalar(out, value, charset);
    }
}

/// The path of `operation` with its parameters filled in.
pub(crate) fn path(out: &mut String, operation: &Operation, arguments: &[Argument]) -> Result<(), String> {
    let mut rest = operation.path.as_str();
    if !rest.starts_with('/') {
        out.push('/');
    }
    while let Some((literal, after)) = rest.split_once('{') {
        let Some((name, tail)) = after.split_once('}') else { break };
        encode_literal(out, literal);
        let (parameter, value) =
            argument(operation, arguments, name).ok_or_else(|| format!("path parameter {name} has no value"))?;
        let start = out.len();
        path_value(out, parameter, value);
        match out.get(start..).unwrap_or_default() {
            "" => return Err(format!("path parameter {name} would be empty")),
            "." | ".." if out[..start].ends_with('/') && (tail.is_empty() || tail.starts_with('/')) => {
                return Err(format!("path parameter {name} would be a dot segment"));
            }
            _ => {}
        }
        rest = tail;
    }
    encode_literal(out, rest);
    Ok(())
}

fn argument<'a>(operation: &'a Operation, arguments: &'a [Argument], name: &str) -> Option<(&'a Parameter, &'a Value)> {
    arguments.iter().find_map(|argument| {
        let parameter = operation.parameters.get(argument.parameter)?;
        (parameter.location == Location::Path && parameter.name == name).then_some((parameter, &argument.value))
    })
}

/// What stands between parameters: legal characters and existing escapes stay.
pub(crate) fn encode_literal(out: &mut String, literal: &str) {
    for c in literal.chars() {
        if c.is_ascii_graphic() && !matches!(c, '"' | '#' | '<' | '>' | '\\' | '^' | '`' | '{' | '|' | '}') {
            out.push(c);
        } else {
            encode(out, c.encode_utf8(&mut [0; 4]), Charset::Percent);
        }
    }
}

fn path_value(out: &mut String, parameter: &Parameter, value: &Value) {
    let charset = Charset::Percent;
    if parameter.content_type.is_some() {
        return encode(out, &value.to_string(), charset);
    }
    let explode = parameter.explode;
    match (parameter.style, value) {
        (Style::Label, Value::Array(items)) if items.is_empty() => {}
        (Style::Label, _) => {
            out.push('.');
            let delimiter = if explode { "." } else { "," };
            compound(out, value, if explode { "=" } else { "," }, delimiter, charset);
        }
        (Style::Matrix, Value::Array(items)) if explode => {
            for item in items {
                named(out, ";", &parameter.name, item, charset);
            }
        }
        (Style::Matrix, Value::Object(_)) if explode => {
            out.push(';');
            members(out, value, "=", ";", charset);
        }
        (Style::Matrix, _) => {
            out.push(';');
            encode(out, &parameter.name, charset);
            out.push('=');
            compound(out, value, ",", ",", charset);
        }
        _ => compound(out, value, if explode { "=" } else { "," }, ",", charset),
    }
}

fn compound(out: &mut String, value: &Value, equals: &str, delimiter: &str, charset: Charset) {
    match value {
        Value::Array(items) => joined(out, items.iter(), delimiter, charset),
        Value::Object(_) => members(out, value, equals, delimiter, charset),
        _ => scalar(out, value, charset),
    }
}

fn named(out: &mut String, before: &str, name: &str, value: &Value, charset: Charset) {
    out.push_str(before);
    encode(out, name, charset);
    out.push('=');
    scalar(out, value, charset);
}

/// Appends `name=value` pairs of one query, form or cookie parameter, each preceded by `separator` unless it is the
/// first thing after `start`.
pub(crate) fn pairs(out: &mut String, start: usize, separator: &str, parameter: &Parameter, value: &Value) {
    let charset = if parameter.location == Location::Cookie { Charset::Cookie } else { Charset::Percent };
    let name = parameter.name.as_str();
    let between = |out: &mut String| {
        if out.len() > start {
            out.push_str(separator);
        }
    };
    if parameter.content_type.is_some() {
        between(out);
        encode(out, name, charset);
        out.push('=');
        return encode(out, &value.to_string(), charset);
    }
    let delimiter = match parameter.style {
        Style::SpaceDelimited => "%20",
        Style::PipeDelimited => "%7C",
        Style::TabDelimited => "%09",
        // A bare comma is no cookie octet.
        _ if charset == Charset::Cookie => "%2C",
        _ => ",",
    };
    match value {
        Value::Object(members) if parameter.style == Style::DeepObject => {
            for (key, value) in members {
                deep(out, &between, name, &mut vec![key], value);
            }
        }
        Value::Array(items) if parameter.explode || parameter.style == Style::DeepObject => {
            for item in items {
                between(out);
                named(out, "", name, item, charset);
            }
        }
        Value::Object(members) if parameter.explode => {
            for (key, value) in members {
                between(out);
                named(out, "", key, value, charset);
            }
        }
        Value::Array(items) if items.is_empty() => {}
        Value::Object(members) if members.is_empty() => {}
        _ => {
            between(out);
            encode(out, name, charset);
            out.push('=');
            compound(out, value, delimiter, delimiter, charset);
        }
    }
}

/// `p[k]=v`, `p[k][l]=v`; arrays repeat their key.
fn deep<'v>(
    out: &mut String,
    between: &impl Fn(&mut String),
    name: &str,
    keys: &mut Vec<&'v String>,
    value: &'v Value,
) {
    match value {
        Value::Object(members) if keys.len() < 8 => {
            for (key, value) in members {
                keys.push(key);
                deep(out, between, name, keys, value);
                keys.pop();
            }
        }
        Value::Array(items) => items.iter().for_each(|item| deep_pair(out, between, name, keys, item)),
        _ => deep_pair(out, between, name, keys, value),
    }
}

fn deep_pair(out: &mut String, between: &impl Fn(&mut String), name: &str, keys: &[&String], value: &Value) {
    between(out);
    encode(out, name, Charset::Percent);
    for key in keys {
        out.push_str("%5B");
        encode(out, key, Charset::Percent);
        out.push_str("%5D");
    }
    out.push('=');
    scalar(out, value, Charset::Percent);
}

/// The value of a header: style `simple`, or JSON.
pub(crate) fn header(parameter: &Parameter, value: &Value) -> Result<Vec<u8>, String> {
    let mut out = String::new();
    if parameter.content_type.is_some() {
        out = value.to_string();
    } else {
        compound(&mut out, value, if parameter.explode { "=" } else { "," }, ",", Charset::Raw);
    }
    if out.chars().any(|c| c.is_control() && c != '\t') {
        return Err(format!("header {} would hold a control character", parameter.name));
    }
    // UTF-8 as it is: servers that read Latin-1 see another text, and the classifier calls that ambiguous.
    Ok(out.into_bytes())
}
