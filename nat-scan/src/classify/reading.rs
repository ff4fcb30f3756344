//! From text to values: what a strict and what a lenient server would make of it.

use std::borrow::Cow;

use serde_json::{Map, Value};

use super::wire::{Pair, decode};
use crate::generate::canonical::Types;
use crate::schema::Schema;
use crate::spec::Style;

/// Nesting of references and combinators that is followed.
const MAX_NESTING: u32 = 12;

/// The values that a text may mean.
#[derive(Debug, Default)]
pub(super) struct Reading {
    /// What the document says, most specific first. Empty: the part is absent.
    pub(super) strict: Vec<Value>,
    /// What else a lenient server would try.
    pub(super) lenient: Vec<Value>,
    /// Valid or not, some servers see something else.
    pub(super) fragile: bool,
    /// A lenient server may take it as absent.
    pub(super) maybe_absent: bool,
}

impl Reading {
    fn add(&mut self, mut other: Self) {
        self.strict.append(&mut other.strict);
        self.lenient.append(&mut other.lenient);
        self.fragile |= other.fragile;
        self.maybe_absent |= other.maybe_absent;
    }
}

/// JSON types that a node may have.
pub(super) fn types(schema: &Schema, node: &Value) -> Types {
    types_within(schema, node, MAX_NESTING)
}

fn types_within(schema: &Schema, node: &Value, nesting: u32) -> Types {
    let (Value::Object(map), Some(below)) = (node, nesting.checked_sub(1)) else { return Types::ANY };
    let mut found = Types::declared(map.get("type"));
    if let Some(only) = map.get("const") {
        found = found.and(Types::of(only));
    }
    if let Some(Value::Array(options)) = map.get("enum") {
        found = found.and(options.iter().fold(Types::NONE, |types, option| types.or(Types::of(option))));
    }
    if map.contains_key("$ref") {
        let target = schema.resolve(node);
        if !std::ptr::eq(target, node) {
            found = found.and(types_within(schema, target, below));
        }
    }
    for (key, value) in map {
        let Value::Array(members) = value else { continue };
        let each = || members.iter().map(|member| types_within(schema, member, below));
        match key.as_str() {
            "allOf" => found = each().fold(found, Types::and),
            "anyOf" | "oneOf" => found = found.and(each().fold(Types::NONE, Types::or)),
            _ => {}
        }
    }
    found
}

/// The first schema found for a member: of an object by name, of an array (`None`) for its items.
pub(super) fn child<'a>(schema: &'a Schema, node: &'a Value, name: Option<&str>) -> Option<&'a Value> {
    child_within(schema, node, name, MAX_NESTING)
}

fn child_within<'a>(schema: &'a Schema, node: &'a Value, name: Option<&str>, nesting: u32) -> Option<&'a Value> {
    let below = nesting.checked_sub(1)?;
    let node = schema.resolve(node);
    let own = match name {
        Some(name) => node.get("properties").and_then(|properties| properties.get(name)),
        None => node.get("items"),
    };
    own.or_else(|| {
        ["allOf", "anyOf", "oneOf"]
            .into_iter()
            .filter_map(|key| node.get(key)?.as_array())
            .flatten()
            .find_map(|member| child_within(schema, member, name, below))
    })
    .or_else(|| node.get("additionalProperties").filter(|part| name.is_some() && part.is_object()))
}

/// Names of the declared properties.
fn property_names<'a>(schema: &'a Schema, node: &'a Value, nesting: u32, out: &mut Vec<&'a str>) {
    let Some(below) = nesting.checked_sub(1) else { return };
    let node = schema.resolve(node);
    out.extend(node.get("properties").and_then(Value::as_object).into_iter().flatten().map(|(name, _)| name.as_str()));
    for key in ["allOf", "anyOf", "oneOf"] {
        for member in node.get(key).and_then(Value::as_array).into_iter().flatten() {
            property_names(schema, member, below, out);
        }
    }
}

/// Whether a value has the right types, options and required members, whatever else is wrong with it.
pub(super) fn has_shape(schema: &Schema, node: &Value, value: &Value) -> bool {
    has_shape_within(schema, node, value, MAX_NESTING * 2)
}

fn has_shape_within(schema: &Schema, node: &Value, value: &Value, nesting: u32) -> bool {
    let (Value::Object(map), Some(below)) = (node, nesting.checked_sub(1)) else { return node != &Value::Bool(false) };
    let fits = |node: &Value, value: &Value| has_shape_within(schema, node, value, below);
    let listed = |key: &str| map.get(key).and_then(Value::as_array);
    if !Types::declared(map.get("type")).meets(Types::of(value))
        || map.get("const").is_some_and(|only| only != value)
        || listed("enum").is_some_and(|options| !options.iter().any(|option| same(option, value)))
    {
        return false;
    }
    if map.contains_key("$ref") {
        let target = schema.resolve(node);
        if !std::ptr::eq(target, node) && !fits(target, value) {
            return false;
        }
    }
    if listed("allOf").is_some_and(|all| !all.iter().all(|part| fits(part, value))) {
        return false;
    }
    if ["anyOf", "oneOf"].into_iter().filter_map(listed).any(|any| !any.iter().any(|part| fits(part, value))) {
        return false;
    }
    match value {
        Value::Array(items) => map.get("items").is_none_or(|part| items.iter().all(|item| fits(part, item))),
        Value::Object(members) => {
            let property = |name: &str| map.get("properties").and_then(|properties| properties.get(name));
            let sent =
                |name: &str| property(name).is_none_or(|node| schema.resolve(node)["readOnly"] != Value::Bool(true));
            let mut required = listed("required").into_iter().flatten().filter_map(Value::as_str);
            let additional = map.get("additionalProperties").filter(|part| part.is_object());
            required.all(|name| members.contains_key(name) || !sent(name))
                && members
                    .iter()
                    .all(|(name, value)| property(name).or(additional).is_none_or(|part| fits(part, value)))
        }
        _ => true,
    }
}

/// Equal as JSON Schema compares: 1 is 1.0.
fn same(a: &Value, b: &Value) -> bool {
    a == b || (a.is_number() && b.is_number() && a.as_f64() == b.as_f64())
}

/// A text as a scalar of these types.
pub(super) fn scalar(types: Types, text: &str) -> Reading {
    let mut reading = Reading { fragile: text.is_empty(), maybe_absent: text.is_empty(), ..Reading::default() };
    let strict = &mut reading.strict;
    if types.meets(Types::NUMBER)
        && let Some(number) =
            json_number(text).filter(|_| types.has(Types::FRACTION) || !text.contains(['.', 'e', 'E']))
    {
        strict.push(number);
    }
    match text {
        "true" | "false" if types.has(Types::BOOLEAN) => strict.push(Value::Bool(text == "true")),
        "" | "null" if types.has(Types::NULL) => strict.push(Value::Null),
        _ => {}
    }
    if types.has(Types::STRING) || strict.is_empty() {
        strict.push(Value::String(text.to_owned()));
    }
    lenient_scalar(types, text, &mut reading);
    reading
}

/// What common frameworks convert too.
fn lenient_scalar(types: Types, text: &str, reading: &mut Reading) {
    let trimmed = text.trim();
    let lower = trimmed.to_ascii_lowercase();
    let lenient = &mut reading.lenient;
    if types.meets(Types::NUMBER) {
        let plain: String = trimmed.strip_prefix('+').unwrap_or(trimmed).chars().filter(|c| *c != '_').collect();
        let number = plain.parse::<i64>().ok().map(Value::from);
        lenient.extend(number.or_else(|| plain.parse::<f64>().ok().and_then(whole_or_float)));
        let hex = lower.strip_prefix("0x").and_then(|digits| i64::from_str_radix(digits, 16).ok());
        lenient.extend(hex.map(Value::from));
        if matches!(lower.trim_start_matches(['+', '-']), "nan" | "inf" | "infinity") {
            // Some readers know these words; JSON has no value to judge them by.
            reading.fragile = true;
            reading.maybe_absent = true;
        }
    }
    if types.has(Types::BOOLEAN) {
        match lower.as_str() {
            "true" | "1" | "yes" | "on" | "t" | "y" => lenient.push(Value::Bool(true)),
            "false" | "0" | "no" | "off" | "f" | "n" => lenient.push(Value::Bool(false)),
            _ => {}
        }
    }
    if types.has(Types::NULL) && matches!(lower.as_str(), "" | "null" | "none" | "nil" | "undefined") {
        lenient.push(Value::Null);
    }
    if types.has(Types::STRING) && trimmed != text {
        lenient.push(Value::String(trimmed.to_owned()));
    }
}

#[expect(clippy::cast_possible_truncation, reason = "guarded by the comparison")]
fn whole_or_float(number: f64) -> Option<Value> {
    if number.fract() == 0.0 && number.abs() < 9e15 {
        return Some(Value::from(number as i64));
    }
    serde_json::Number::from_f64(number).map(Value::Number)
}

fn json_number(text: &str) -> Option<Value> {
    text.starts_with(|c: char| c == '-' || c.is_ascii_digit())
        .then(|| serde_json::from_str::<serde_json::Number>(text).ok())
        .flatten()
        .map(Value::Number)
}

/// Texts as the items of an array.
fn array(schema: &Schema, node: &Value, texts: &[Cow<'_, str>]) -> Reading {
    let items = child(schema, node, None);
    let types = items.map_or(Types::ANY, |items| self::types(schema, items));
    let readings: Vec<Reading> = texts.iter().map(|text| item(types, text)).collect();
    let all = |pick: fn(&Reading) -> Option<&Value>| -> Value { readings.iter().filter_map(pick).cloned().collect() };
    let mut reading = Reading {
        strict: vec![all(|reading| reading.strict.first())],
        lenient: vec![all(|reading| reading.lenient.first().or_else(|| reading.strict.first()))],
        fragile: readings.iter().any(|reading| reading.fragile),
        maybe_absent: texts.iter().all(|text| text.is_empty()),
    };
    if readings.iter().any(|reading| reading.strict.len() > 1) {
        reading.strict.push(all(|reading| reading.strict.last()));
    }
    reading
}

fn item(types: Types, text: &str) -> Reading {
    if types.meets(Types::ARRAY.or(Types::OBJECT))
        && let Ok(value @ (Value::Array(_) | Value::Object(_))) = serde_json::from_str(text)
    {
        return Reading { strict: vec![value], ..Reading::default() };
    }
    scalar(types, text)
}

/// Keys and texts as the members of an object.
pub(super) fn object(schema: &Schema, node: &Value, members: &[(Cow<'_, str>, Vec<Cow<'_, str>>)]) -> Reading {
    let mut strict = Map::new();
    let mut strings = Map::new();
    let mut lenient = Map::new();
    let mut reading = Reading::default();
    for (key, texts) in members {
        let part = child(schema, node, Some(key)).unwrap_or(&Value::Bool(true));
        let types = types(schema, part);
        let value = match texts.as_slice() {
            texts if types.has(Types::ARRAY) && types != Types::ANY => {
                let mut value = array(schema, part, texts);
                if let [only] = texts {
                    value.lenient.extend(serde_json::from_str::<Value>(only).ok().filter(Value::is_array));
                }
                value
            }
            [only] => item(types, only),
            texts => {
                let mut value = Reading { fragile: true, ..Reading::default() };
                texts.iter().take(2).for_each(|text| value.add(item(types, text)));
                value
            }
        };
        reading.fragile |= value.fragile;
        let pick = |wanted: Option<&Value>| wanted.or(value.strict.first()).cloned();
        let dropped = value.maybe_absent && !types.has(Types::STRING);
        strict.extend(pick(value.strict.first()).map(|value| (key.clone().into_owned(), value)));
        strings.extend(pick(value.strict.last()).map(|value| (key.clone().into_owned(), value)));
        if !dropped {
            lenient.extend(pick(value.lenient.last()).map(|value| (key.clone().into_owned(), value)));
        }
    }
    reading.lenient.push(Value::Object(lenient));
    if strings != strict {
        reading.strict.push(Value::Object(strings));
    }
    reading.strict.insert(0, Value::Object(strict));
    reading
}

/// How a parameter is found among pairs.
#[derive(Clone, Copy, Debug)]
pub(super) struct Form<'a> {
    pub(super) name: &'a str,
    pub(super) style: Style,
    pub(super) explode: bool,
    /// `+` is a space.
    pub(super) plus: bool,
}

/// A parameter among the pairs of a query or the cookies. `None`: bytes that are no UTF-8.
pub(super) fn form(schema: &Schema, how: Form<'_>, pairs: &[Pair<'_>], taken: &[&str]) -> Option<Reading> {
    let node = schema.node();
    let types = types(schema, node);
    let raws: Vec<&str> = pairs.iter().filter(|pair| pair.key == how.name).map(|pair| pair.raw).collect();
    let mut reading = Reading::default();
    if types.has(Types::OBJECT) && types != Types::ANY {
        reading.add(form_object(schema, how, pairs, taken, &raws)?);
    }
    if types.has(Types::ARRAY) && types != Types::ANY && !raws.is_empty() {
        reading.add(form_array(schema, how, &raws)?);
    }
    if types == Types::ANY || !(types.has(Types::OBJECT) || types.has(Types::ARRAY)) || types.meets(SCALARS) {
        for raw in raws.iter().take(3) {
            reading.add(scalar(types, &decode(raw, how.plus)?));
        }
        reading.fragile |= raws.len() > 1;
        let odd = |raw: &&str| decode(raw, how.plus).is_none_or(|text| text.contains(|c: char| c.is_control()));
        reading.fragile |= raws.iter().any(odd);
    }
    if raws.is_empty() && reading.strict.is_empty() {
        // `ids[]=1` is how some frameworks write a list.
        let bracketed: Vec<&str> =
            pairs.iter().filter(|pair| pair.key.strip_suffix("[]") == Some(how.name)).map(|pair| pair.raw).collect();
        if !bracketed.is_empty() {
            reading.lenient.extend(form_array(schema, Form { explode: true, ..how }, &bracketed)?.strict);
        }
    }
    Some(reading)
}

const SCALARS: Types = Types::STRING.or(Types::NUMBER).or(Types::BOOLEAN).or(Types::NULL);

fn form_array(schema: &Schema, how: Form<'_>, raws: &[&str]) -> Option<Reading> {
    let node = schema.node();
    let decoded = raws.iter().map(|raw| decode(raw, how.plus)).collect::<Option<Vec<_>>>()?;
    let delimiter = match how.style {
        Style::SpaceDelimited => ' ',
        Style::PipeDelimited => '|',
        Style::TabDelimited => '\t',
        _ => ',',
    };
    let split = |text: &Cow<'_, str>| -> Vec<Cow<'static, str>> {
        text.split(delimiter).map(|item| Cow::Owned(item.to_owned())).collect()
    };
    let mut reading = if how.explode {
        array(schema, node, &decoded)
    } else {
        let first = raws.first().copied().unwrap_or_default();
        // Only a bare comma separates; an encoded one belongs to the item.
        let texts: Option<Vec<_>> = if delimiter == ',' && !first.to_ascii_lowercase().contains("%2c") {
            first.split(',').map(|raw| decode(raw, how.plus)).collect()
        } else {
            decoded.first().map(split)
        };
        let mut reading = array(schema, node, &texts?);
        reading.fragile |= raws.len() > 1 || (delimiter == ',' && first.to_ascii_lowercase().contains("%2c"));
        if raws.len() > 1 {
            reading.lenient.extend(array(schema, node, &decoded).strict);
        }
        reading
    };
    if let [only] = decoded.as_slice() {
        if how.explode && only.contains(',') {
            reading.lenient.extend(array(schema, node, &split(only)).strict);
        }
        reading.lenient.extend(serde_json::from_str::<Value>(only).ok().filter(Value::is_array));
    }
    Some(reading)
}

fn form_object(schema: &Schema, how: Form<'_>, pairs: &[Pair<'_>], taken: &[&str], raws: &[&str]) -> Option<Reading> {
    let node = schema.node();
    let mut members: Vec<(Cow<'_, str>, Vec<Cow<'_, str>>)> = Vec::new();
    let mut add =
        |key: Cow<'static, str>, text: Cow<'static, str>| match members.iter_mut().find(|(known, _)| *known == key) {
            Some((_, texts)) => texts.push(text),
            None => members.push((key, vec![text])),
        };
    let owned = |text: Cow<'_, str>| Cow::Owned(text.into_owned());
    let mut nested = false;
    if how.style == Style::DeepObject {
        for pair in pairs {
            let Some(keys) = pair.key.strip_prefix(how.name).and_then(|rest| rest.strip_prefix('[')) else { continue };
            let key = keys.strip_suffix(']').unwrap_or(keys);
            let key = key.strip_suffix("[]").map_or(key, |key| key.trim_end_matches(']'));
            nested |= key.contains("][");
            add(Cow::Owned(key.to_owned()), owned(decode(pair.raw, how.plus)?));
        }
    } else if how.explode {
        let mut names = Vec::new();
        property_names(schema, node, MAX_NESTING, &mut names);
        let open = names.is_empty()
            || schema.resolve(node).get("additionalProperties").is_some_and(|a| a != &Value::Bool(false));
        for pair in pairs {
            let known = names.contains(&pair.key.as_ref());
            if known || (open && !taken.contains(&pair.key.as_ref())) {
                add(Cow::Owned(pair.key.clone().into_owned()), owned(decode(pair.raw, how.plus)?));
            }
        }
    } else if let Some(raw) = raws.first() {
        let decoded = decode(raw, how.plus)?;
        let delimiter = match how.style {
            Style::SpaceDelimited => ' ',
            Style::PipeDelimited => '|',
            Style::TabDelimited => '\t',
            _ => ',',
        };
        let mut texts = decoded.split(delimiter);
        while let Some(key) = texts.next() {
            add(Cow::Owned(key.to_owned()), Cow::Owned(texts.next().unwrap_or_default().to_owned()));
        }
    }
    let mut reading = if members.is_empty() { Reading::default() } else { object(schema, node, &members) };
    reading.fragile |= nested;
    for raw in raws {
        let json = serde_json::from_str::<Value>(&decode(raw, how.plus)?).ok().filter(Value::is_object);
        reading.lenient.extend(json);
    }
    if nested {
        // Only one level is taken apart here; what lies deeper is the server's business.
        reading.lenient.extend(reading.strict.first().cloned());
        reading.maybe_absent = true;
    }
    Some(reading)
}

/// A text of style `simple`, `label` or `matrix`, from a path or a header; `decoded` turns raw text into text.
pub(super) fn simple<'r>(
    schema: &Schema,
    style: Style,
    explode: bool,
    name: &str,
    raw: &'r str,
    decoded: impl Fn(&'r str) -> Option<Cow<'r, str>>,
) -> Option<Reading> {
    let node = schema.node();
    let types = types(schema, node);
    let (raw, delimiter) = match style {
        Style::Label => (raw.strip_prefix('.').unwrap_or(raw), if explode { '.' } else { ',' }),
        Style::Matrix => {
            let raw = raw.strip_prefix(';').unwrap_or(raw);
            if explode && types.meets(Types::ARRAY.or(Types::OBJECT)) {
                (raw, ';')
            } else {
                (raw.strip_prefix(name).and_then(|raw| raw.strip_prefix('=')).unwrap_or(raw), ',')
            }
        }
        _ => (raw, ','),
    };
    let mut reading = Reading::default();
    let structured = types.meets(Types::ARRAY.or(Types::OBJECT)) && types != Types::ANY;
    if structured && types.has(Types::OBJECT) {
        let mut members = Vec::new();
        let mut parts = raw.split(delimiter);
        while let Some(part) = parts.next() {
            let (key, value) = match (explode, part.split_once('=')) {
                (true, pair) => pair.unwrap_or((part, "")),
                (false, _) => (part, parts.next().unwrap_or_default()),
            };
            members.push((decoded(key)?, vec![decoded(value)?]));
        }
        reading.add(object(schema, node, &members));
    }
    if structured && types.has(Types::ARRAY) {
        let item = |part: &'r str| {
            let part =
                if style == Style::Matrix && explode { part.split_once('=').map_or(part, |(_, v)| v) } else { part };
            decoded(part.trim())
        };
        let texts = if raw.is_empty() { Some(Vec::new()) } else { raw.split(delimiter).map(item).collect() };
        reading.add(array(schema, node, &texts?));
    }
    if !structured || types.meets(SCALARS) {
        reading.add(scalar(types, &decoded(raw)?));
    }
    Some(reading)
}
