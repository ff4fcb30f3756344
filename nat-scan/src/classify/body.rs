//! The body as a server would read it.

use std::borrow::Cow;
use std::cell::Cell;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

use super::reading::{self, Reading, child, types};
use super::wire;
use crate::generate::canonical::Types;
use crate::schema::Schema;

/// JSON as bytes.
pub(super) enum Json {
    /// Well-formed; `doubtful` when readers may see different values (duplicate keys).
    Value { value: Value, doubtful: bool },
    /// Only lenient readers accept it: a byte order mark, bytes that are no UTF-8, very deep nesting.
    Doubtful,
    /// No reader accepts it.
    Malformed(String),
}

pub(super) fn json(bytes: &[u8]) -> Json {
    match parse(bytes) {
        Ok((value, doubtful)) => Json::Value { value, doubtful },
        Err(error) if error.contains("recursion limit") => Json::Doubtful,
        Err(error) => {
            let text = String::from_utf8_lossy(bytes);
            let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
            let rescued = text.as_bytes() != bytes && parse(text.as_bytes()).is_ok();
            if rescued { Json::Doubtful } else { Json::Malformed(error) }
        }
    }
}

fn parse(bytes: &[u8]) -> Result<(Value, bool), String> {
    let duplicates = Cell::new(false);
    let mut deserializer = serde_json::Deserializer::from_slice(bytes);
    let value = Seed(&duplicates).deserialize(&mut deserializer).map_err(|error| error.to_string())?;
    deserializer.end().map_err(|error| error.to_string())?;
    Ok((value, duplicates.get()))
}

/// Builds a value and notices duplicate keys.
#[derive(Clone, Copy)]
struct Seed<'a>(&'a Cell<bool>);

impl<'de> DeserializeSeed<'de> for Seed<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Seed<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(Number::from_f64(value).map_or(Value::Null, Value::Number))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::String(value.to_owned()))
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(Value::String(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Value, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = access.next_element_seed(self)? {
            items.push(item);
        }
        Ok(Value::Array(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Value, A::Error> {
        let mut members = Map::new();
        while let Some(key) = access.next_key::<String>()? {
            if members.insert(key, access.next_value_seed(self)?).is_some() {
                self.0.set(true);
            }
        }
        Ok(Value::Object(members))
    }
}

/// The value as a reader sees it that converts scalars (`"5"` to 5, 5 to `"5"`, `"true"` to true) where the schema
/// wants another scalar, and, with `drop_nulls`, takes `null` of an optional property as absent.
pub(super) fn relaxed(schema: &Schema, node: &Value, value: &Value, drop_nulls: bool) -> Value {
    let wanted = types(schema, node);
    match value {
        Value::Object(members) => {
            let part = |key: &str| child(schema, node, Some(key)).unwrap_or(&Value::Bool(true));
            let kept = members
                .iter()
                .filter(|(key, value)| !(drop_nulls && value.is_null() && !types(schema, part(key)).has(Types::NULL)));
            kept.map(|(key, value)| (key.clone(), relaxed(schema, part(key), value, drop_nulls))).collect()
        }
        Value::Array(items) => {
            let part = child(schema, node, None).unwrap_or(&Value::Bool(true));
            items.iter().map(|item| relaxed(schema, part, item, drop_nulls)).collect()
        }
        _ if wanted.meets(Types::of(value)) => value.clone(),
        Value::String(text) => {
            let read = reading::scalar(wanted, text);
            read.strict
                .into_iter()
                .chain(read.lenient)
                .find(|found| wanted.meets(Types::of(found)))
                .unwrap_or_else(|| value.clone())
        }
        Value::Number(number) if wanted.has(Types::STRING) => Value::String(number.to_string()),
        Value::Number(number) if wanted.has(Types::BOOLEAN) && matches!(number.as_i64(), Some(0 | 1)) => {
            Value::Bool(number.as_i64() == Some(1))
        }
        Value::Bool(flag) if wanted.has(Types::STRING) => Value::String(flag.to_string()),
        Value::Bool(flag) if wanted.has(Types::INTEGER) => Value::from(i64::from(*flag)),
        _ => value.clone(),
    }
}

/// A form; `None`: bytes that are no UTF-8.
pub(super) fn form(schema: &Schema, bytes: &[u8]) -> Option<Reading> {
    let text = std::str::from_utf8(bytes).ok()?;
    let mut members = Vec::new();
    for pair in wire::pairs(text)? {
        add(&mut members, pair.key, wire::decode(pair.raw, true)?);
    }
    Some(reading::object(schema, schema.node(), &members))
}

fn add<'a>(members: &mut Vec<(Cow<'a, str>, Vec<Cow<'a, str>>)>, key: Cow<'a, str>, text: Cow<'a, str>) {
    match members.iter_mut().find(|(known, _)| *known == key) {
        Some((_, texts)) => texts.push(text),
        None => members.push((key, vec![text])),
    }
}

/// A multipart body; `None`: not taken apart.
pub(super) fn multipart(schema: &Schema, content_type: &str, bytes: &[u8]) -> Option<Reading> {
    let boundary = content_type.split(';').find_map(|part| part.trim().strip_prefix("boundary="))?.trim_matches('"');
    let text = String::from_utf8_lossy(bytes);
    let mark = format!("--{boundary}");
    let mut members = Vec::new();
    for part in text.split(mark.as_str()).skip(1) {
        if part.starts_with("--") {
            break;
        }
        let (head, body) = part.strip_prefix("\r\n")?.split_once("\r\n\r\n")?;
        let name = head.split("name=\"").nth(1)?.split('"').next()?;
        let name = name.replace("%22", "\"").replace("%0D", "\r").replace("%0A", "\n");
        let body = body.strip_suffix("\r\n").unwrap_or(body);
        add(&mut members, Cow::Owned(name), Cow::Owned(body.to_owned()));
    }
    Some(reading::object(schema, schema.node(), &members))
}
