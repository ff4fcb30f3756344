//! Bytes to one JSON value. JSON and YAML 1.2 go through the same visitor, so that one budget holds for both.

use std::collections::HashSet;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

use super::{SpecError, SpecLimits};
use crate::schema::pointer;

/// Duplicate keys that are reported; more are only tolerated.
const MAX_DUPLICATES: usize = 64;
/// Text that aliases may add up to, as a multiple of [`SpecLimits::max_bytes`].
const TEXT_FACTOR: usize = 4;

/// A document and what was odd about its syntax.
#[derive(Debug)]
pub(super) struct Parsed {
    /// The document.
    pub(super) value: Value,
    /// JSON pointers of keys that occur twice; the last one counts.
    pub(super) duplicates: Vec<String>,
}

/// Reads JSON or YAML.
pub(super) fn parse(bytes: &[u8], limits: &SpecLimits) -> Result<Parsed, SpecError> {
    if bytes.len() > limits.max_bytes {
        return Err(SpecError::TooLarge { limit: limits.max_bytes });
    }
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let text = std::str::from_utf8(bytes).map_err(|error| SpecError::Syntax(format!("not UTF-8: {error}")))?;
    let start = text.trim_start();
    if start.is_empty() {
        return Err(SpecError::Syntax("the document is empty".to_owned()));
    }
    refuse_markup(start)?;
    if !start.starts_with(['{', '[']) {
        return yaml(text, limits);
    }
    match json(text, limits) {
        // A flow mapping of YAML starts like JSON.
        Err(SpecError::Syntax(message)) => match yaml(text, limits) {
            Err(SpecError::Syntax(_)) => Err(SpecError::Syntax(message)),
            other => other,
        },
        other => other,
    }
}

fn refuse_markup(start: &str) -> Result<(), SpecError> {
    let mut first = start.chars();
    let tag =
        first.next() == Some('<') && first.next().is_some_and(|c| c.is_ascii_alphabetic() || matches!(c, '!' | '?'));
    if !tag {
        return Ok(());
    }
    let head: String = start.chars().take(4096).collect::<String>().to_ascii_lowercase();
    if ["<!doctype html", "<html", "<head", "<body"].iter().any(|mark| head.contains(mark)) {
        return Err(SpecError::Html);
    }
    Err(SpecError::Syntax("it looks like XML".to_owned()))
}

fn json(text: &str, limits: &SpecLimits) -> Result<Parsed, SpecError> {
    let mut budget = Budget::new(limits);
    let mut reader = serde_json::Deserializer::from_str(text);
    let read = Node { budget: &mut budget, depth: 0 }.deserialize(&mut reader).and_then(|value| {
        reader.end()?;
        Ok(value)
    });
    match (read, budget.exceeded) {
        (Ok(value), _) => Ok(Parsed { value, duplicates: budget.duplicates }),
        (Err(_), Some(what)) => Err(SpecError::Bomb(what.to_owned())),
        (Err(error), None) => {
            let message = error.to_string();
            // serde_json guards its own stack and has no other sign of it.
            if message.starts_with("recursion limit") {
                return Err(SpecError::Bomb("it is nested too deeply".to_owned()));
            }
            Err(SpecError::Syntax(message))
        }
    }
}

fn yaml(text: &str, limits: &SpecLimits) -> Result<Parsed, SpecError> {
    let mut budget = Budget::new(limits);
    let read = serde_saphyr::with_deserializer_from_str_with_options(text, yaml_options(limits), |reader| {
        Node { budget: &mut budget, depth: 0 }.deserialize(reader)
    });
    match (read, budget.exceeded) {
        (Ok(value), _) => Ok(Parsed { value, duplicates: budget.duplicates }),
        (Err(_), Some(what)) => Err(SpecError::Bomb(what.to_owned())),
        (Err(error), None) if is_bomb(&error) => Err(SpecError::Bomb(one_line(&error))),
        (Err(error), None) => Err(SpecError::Syntax(one_line(&error))),
    }
}

fn yaml_options(limits: &SpecLimits) -> serde_saphyr::Options {
    use serde_saphyr::options::{DuplicateKeyPolicy, NonFiniteFloatPolicy};
    serde_saphyr::options! {
        budget: serde_saphyr::budget! {
            max_events: limits.max_nodes.saturating_mul(4),
            max_nodes: limits.max_nodes,
            max_depth: limits.max_depth,
            max_documents: 1,
            max_total_scalar_bytes: limits.max_bytes.saturating_mul(TEXT_FACTOR),
            // Many uses of one anchor are normal in specs; what they expand to is bounded below and by our own visitor.
            enforce_alias_anchor_ratio: false,
        },
        alias_limits: serde_saphyr::alias_limits! {
            // No real document repeats itself this often, and replaying is the slow part.
            max_total_replayed_events: limits.max_nodes / 4,
        },
        duplicate_keys: DuplicateKeyPolicy::PassThrough,
        strict_booleans: true,
        leading_zero_numbers_as_strings: true,
        underscored_numbers_as_strings: true,
        non_finite_float_policy: NonFiniteFloatPolicy::AsString,
        with_snippet: false,
    }
}

fn is_bomb(error: &serde_saphyr::Error) -> bool {
    use serde_saphyr::Error;
    let mut error = error;
    loop {
        match error {
            Error::WithSnippet { error: inner, .. } | Error::AliasError { error: inner, .. } => error = inner,
            Error::Budget { .. }
            | Error::AliasReplayCounterOverflow { .. }
            | Error::AliasReplayLimitExceeded { .. }
            | Error::AliasExpansionLimitExceeded { .. }
            | Error::AliasReplayStackDepthExceeded { .. }
            | Error::RecursiveReferencesRequireWeakTypes { .. } => return true,
            _ => return false,
        }
    }
}

fn one_line(error: &serde_saphyr::Error) -> String {
    let text = error.to_string();
    let line = text.lines().next().unwrap_or("unreadable");
    line.chars().take(300).collect()
}

/// What reading may still cost.
struct Budget {
    nodes: usize,
    text: usize,
    max_depth: usize,
    exceeded: Option<&'static str>,
    path: String,
    duplicates: Vec<String>,
}

impl Budget {
    fn new(limits: &SpecLimits) -> Self {
        Self {
            nodes: limits.max_nodes,
            text: limits.max_bytes.saturating_mul(TEXT_FACTOR),
            max_depth: limits.max_depth,
            exceeded: None,
            path: String::new(),
            duplicates: Vec::new(),
        }
    }

    fn exceed<E: serde::de::Error>(&mut self, what: &'static str) -> E {
        self.exceeded = Some(what);
        E::custom(what)
    }

    fn node<E: serde::de::Error>(&mut self) -> Result<(), E> {
        match self.nodes.checked_sub(1) {
            Some(left) => self.nodes = left,
            None => return Err(self.exceed("it has too many values")),
        }
        Ok(())
    }

    fn text<E: serde::de::Error>(&mut self, length: usize) -> Result<(), E> {
        match self.text.checked_sub(length) {
            Some(left) => self.text = left,
            None => return Err(self.exceed("it has too much text")),
        }
        Ok(())
    }
}

/// Reads one value.
struct Node<'a> {
    budget: &'a mut Budget,
    depth: usize,
}

impl Node<'_> {
    fn enter<E: serde::de::Error>(&mut self) -> Result<(), E> {
        self.budget.node()?;
        if self.depth >= self.budget.max_depth {
            return Err(self.budget.exceed("it is nested too deeply"));
        }
        Ok(())
    }

    fn scalar<E: serde::de::Error>(self, value: impl Into<Value>) -> Result<Value, E> {
        self.budget.node()?;
        Ok(value.into())
    }
}

impl<'de> DeserializeSeed<'de> for Node<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, reader: D) -> Result<Value, D::Error> {
        reader.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Node<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_bool<E: serde::de::Error>(self, value: bool) -> Result<Value, E> {
        self.scalar(value)
    }

    fn visit_i64<E: serde::de::Error>(self, value: i64) -> Result<Value, E> {
        self.scalar(value)
    }

    fn visit_u64<E: serde::de::Error>(self, value: u64) -> Result<Value, E> {
        self.scalar(value)
    }

    fn visit_f64<E: serde::de::Error>(self, value: f64) -> Result<Value, E> {
        self.scalar(value)
    }

    fn visit_str<E: serde::de::Error>(self, value: &str) -> Result<Value, E> {
        self.budget.text(value.len())?;
        self.scalar(value)
    }

    fn visit_string<E: serde::de::Error>(self, value: String) -> Result<Value, E> {
        self.budget.text(value.len())?;
        self.scalar(value)
    }

    fn visit_unit<E: serde::de::Error>(self) -> Result<Value, E> {
        self.scalar(Value::Null)
    }

    fn visit_none<E: serde::de::Error>(self) -> Result<Value, E> {
        self.scalar(Value::Null)
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut items: A) -> Result<Value, A::Error> {
        self.enter()?;
        let mut out = Vec::new();
        let length = self.budget.path.len();
        loop {
            pointer::push(&mut self.budget.path, out.len());
            let item = items.next_element_seed(Node { budget: &mut *self.budget, depth: self.depth + 1 })?;
            self.budget.path.truncate(length);
            match item {
                Some(item) => out.push(item),
                None => return Ok(Value::Array(out)),
            }
        }
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut entries: A) -> Result<Value, A::Error> {
        self.enter()?;
        let mut out = Map::new();
        let mut twice = HashSet::new();
        let length = self.budget.path.len();
        while let Some(key) = entries.next_key_seed(Key)? {
            self.budget.text(key.len())?;
            pointer::push(&mut self.budget.path, &key);
            if out.contains_key(&key) && twice.insert(key.clone()) && self.budget.duplicates.len() < MAX_DUPLICATES {
                self.budget.duplicates.push(self.budget.path.clone());
            }
            let value = entries.next_value_seed(Node { budget: &mut *self.budget, depth: self.depth + 1 })?;
            self.budget.path.truncate(length);
            out.insert(key, value);
        }
        Ok(Value::Object(out))
    }
}

/// Reads a key as its text: `200:`, `true:` and `~:` become strings.
struct Key;

impl<'de> DeserializeSeed<'de> for Key {
    type Value = String;

    fn deserialize<D: Deserializer<'de>>(self, reader: D) -> Result<String, D::Error> {
        reader.deserialize_option(self)
    }
}

impl<'de> Visitor<'de> for Key {
    type Value = String;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_none<E: serde::de::Error>(self) -> Result<String, E> {
        Ok("null".to_owned())
    }

    fn visit_unit<E: serde::de::Error>(self) -> Result<String, E> {
        Ok("null".to_owned())
    }

    fn visit_some<D: Deserializer<'de>>(self, reader: D) -> Result<String, D::Error> {
        reader.deserialize_str(self)
    }

    fn visit_str<E: serde::de::Error>(self, value: &str) -> Result<String, E> {
        Ok(value.to_owned())
    }

    fn visit_string<E: serde::de::Error>(self, value: String) -> Result<String, E> {
        Ok(value)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, _: A) -> Result<String, A::Error> {
        Err(A::Error::custom("a list cannot be a key"))
    }

    fn visit_map<A: MapAccess<'de>>(self, _: A) -> Result<String, A::Error> {
        Err(A::Error::custom("a mapping cannot be a key"))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(text: &str) -> Result<Value, SpecError> {
        parse(text.as_bytes(), &SpecLimits::default()).map(|parsed| parsed.value)
    }

    #[test]
    fn yaml_scalars_follow_version_1_2() {
        let cases = [
            ("a: on", json!({"a": "on"})),
            ("a: [yes, no, off, y, n]", json!({"a": ["yes", "no", "off", "y", "n"]})),
            ("a: True", json!({"a": true})),
            ("a: 2020-01-02", json!({"a": "2020-01-02"})),
            ("a: 2020-01-02T03:04:05Z", json!({"a": "2020-01-02T03:04:05Z"})),
            ("a: 0755", json!({"a": "0755"})),
            ("a: 1_000", json!({"a": "1_000"})),
            ("a: 12:30:45", json!({"a": "12:30:45"})),
            ("a: ~", json!({"a": null})),
            (
                "200: x\n1.10: y\ntrue: z\n~: n\non: o",
                json!({"200": "x", "1.10": "y", "true": "z", "null": "n", "on": "o"}),
            ),
            ("{a: 1, b: [2]}", json!({"a": 1, "b": [2]})),
            ("a: &x {k: 1}\nb: *x\nc: {<<: *x, m: 2}", json!({"a": {"k": 1}, "b": {"k": 1}, "c": {"m": 2, "k": 1}})),
            ("a: .nan\nb: 1e999", json!({"a": ".nan", "b": ".inf"})),
            ("a: 18446744073709551616", json!({"a": 18_446_744_073_709_551_616.0})),
            ("\u{feff}{\"a\": 1}", json!({"a": 1})),
            ("--- # comment\na: |\n  x\n  y\n", json!({"a": "x\ny\n"})),
        ];
        for (text, expected) in cases {
            assert_eq!(read(text).as_ref(), Ok(&expected), "{text}");
        }
    }

    #[test]
    fn duplicate_keys_are_reported_and_the_last_counts() {
        for text in [r#"{"a":{"b":1,"b":2}}"#, "a:\n  b: 1\n  b: 2\n"] {
            let parsed = parse(text.as_bytes(), &SpecLimits::default()).expect(text);
            assert_eq!(parsed.value, json!({"a": {"b": 2}}), "{text}");
            assert_eq!(parsed.duplicates, ["/a/b"], "{text}");
        }
    }

    #[test]
    fn budgets_end_reading() {
        let limits = SpecLimits { max_nodes: 100, max_depth: 10, max_bytes: 1000, ..SpecLimits::default() };
        let mut laughs = "a: &a [x, x, x, x]\n".to_owned();
        for (name, before) in [("b", "a"), ("c", "b"), ("d", "c"), ("e", "d")] {
            laughs += &format!("{name}: &{name} [*{before}, *{before}, *{before}, *{before}]\n");
        }
        let cases = [
            ("[".repeat(11) + &"]".repeat(11), "deep JSON"),
            ("- ".repeat(20) + "x", "deep YAML"),
            (format!("[{}1]", "1,".repeat(200)), "many JSON values"),
            ("- 1\n".repeat(200), "many YAML values"),
            (laughs, "billion laughs"),
            (format!("a: &a {}\nb: [{}]", "x".repeat(700), vec!["*a"; 30].join(",")), "one long text many times"),
            ("a: &a [*a]".to_owned(), "an alias of itself"),
        ];
        for (text, name) in cases {
            let result = parse(text.as_bytes(), &limits);
            assert!(matches!(result, Err(SpecError::Bomb(_))), "{name}: {result:?}");
        }
        assert!(matches!(parse(&[b' '; 1001], &limits), Err(SpecError::TooLarge { limit: 1000 })));
    }

    #[test]
    fn what_is_no_document_is_named() {
        let syntax =
            ["", " \n", "a: b: c: d", "{\"a\": ", "{{{{", "<?xml version=\"1.0\"?><rss/>", "a: [1, 2", "\t- x:\ty: ]"];
        for text in syntax {
            assert!(matches!(read(text), Err(SpecError::Syntax(_))), "{text}: {:?}", read(text));
        }
        for text in ["<!DOCTYPE html><html></html>", "\n <html>", "<?xml version=\"1.0\"?><!DOCTYPE HTML>"] {
            assert_eq!(read(text), Err(SpecError::Html), "{text}");
        }
        assert!(matches!(parse(b"\xff\xfe\x00", &SpecLimits::default()), Err(SpecError::Syntax(_))));
    }
}
