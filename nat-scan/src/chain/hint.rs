//! What an error body says is wrong with a request: which part, and what it should be.
//!
//! Frameworks differ in form, not in matter: an entry names a part (`loc`, `field`, `path`, `property`, `param`,
//! `pointer`, or a member that is named like the part) and says what is wrong in a sentence. A hint is only ever a
//! guess; the variant that follows it proves it by being accepted.

use std::sync::LazyLock;

use regex::Regex;
use serde_json::Value;

/// Entries read of one body.
const MAX_HINTS: usize = 16;
/// Levels of the body.
const MAX_DEPTH: usize = 6;

/// What to do with the part.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Remedy {
    /// It is missing.
    Add,
    /// It is not wanted.
    Remove,
    /// One of these values is wanted.
    OneOf(Vec<Value>),
    /// A number within these bounds.
    Within { least: Option<i64>, most: Option<i64> },
    /// A text of a length within these bounds.
    Length { least: Option<usize>, most: Option<usize> },
    /// A text that matches.
    Pattern(String),
    /// A text of a format that the message names.
    Format(&'static str),
    /// Something else: leave it out if that is possible.
    Doubt,
}

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Hint {
    /// Names from the outside in, without `body` and the like; indices as digits.
    pub(crate) path: Vec<String>,
    pub(crate) remedy: Remedy,
    /// What was said.
    pub(crate) message: String,
}

/// What the body of a refusal says.
pub(crate) fn read(body: &Value) -> Vec<Hint> {
    let mut hints = Vec::new();
    walk(body, 0, &mut hints);
    hints.dedup();
    hints.truncate(MAX_HINTS);
    hints
}

impl Hint {
    /// Which part and what about it, without values: `history/interval range`.
    pub(crate) fn gist(&self) -> String {
        let names = self.path.iter().filter(|step| step.parse::<usize>().is_err());
        let what = match &self.remedy {
            Remedy::Add => "required",
            Remedy::Remove => "forbidden",
            Remedy::OneOf(_) => "enum",
            Remedy::Within { .. } => "range",
            Remedy::Length { .. } => "length",
            Remedy::Pattern(_) => "pattern",
            Remedy::Format(format) => format,
            Remedy::Doubt => "invalid",
        };
        format!("{} {what}", names.map(String::as_str).collect::<Vec<_>>().join("/"))
    }
}

fn walk(value: &Value, depth: usize, hints: &mut Vec<Hint>) {
    if depth > MAX_DEPTH || hints.len() >= MAX_HINTS {
        return;
    }
    match value {
        Value::Array(items) => items.iter().take(MAX_HINTS).for_each(|item| walk(item, depth + 1, hints)),
        Value::Object(members) => {
            if let Some(path) = named_part(members) {
                let message = text_of(members);
                hints.push(Hint { path, remedy: remedy(&message), message: said(&message) });
                return;
            }
            for (name, member) in members {
                match member {
                    // `{"errors": {"name": ["is too short"]}}`, as Rails, Laravel, DRF and ASP.NET write it.
                    Value::Array(items) if !items.is_empty() && items.iter().all(Value::is_string) && is_part(name) => {
                        let message = items.iter().filter_map(Value::as_str).collect::<Vec<_>>().join("; ");
                        hints.push(Hint { path: parts(name), remedy: remedy(&message), message: said(&message) });
                    }
                    Value::String(message) => hints.extend(quoted_part(message)),
                    _ => walk(member, depth + 1, hints),
                }
            }
        }
        Value::String(message) => hints.extend(quoted_part(message)),
        _ => {}
    }
}

/// The part that an entry names.
fn named_part(members: &serde_json::Map<String, Value>) -> Option<Vec<String>> {
    for name in
        ["loc", "path", "field", "property", "param", "parameter", "pointer", "instancePath", "propertyPath", "key"]
    {
        let path = match members.get(name) {
            Some(Value::Array(items)) if !items.is_empty() => items
                .iter()
                .filter_map(|item| match item {
                    Value::String(text) => Some(text.clone()),
                    Value::Number(number) => Some(number.to_string()),
                    _ => None,
                })
                .collect(),
            Some(Value::String(text)) if !text.is_empty() && !text.starts_with("/api") => parts(text),
            _ => continue,
        };
        let says = ["msg", "message", "error", "reason", "detail", "description", "title", "type", "code", "keyword"];
        if says.iter().any(|name| members.get(*name).is_some_and(Value::is_string)) {
            return Some(without_place(path));
        }
    }
    None
}

/// Enough of a sentence.
fn said(message: &str) -> String {
    message.chars().take(200).collect()
}

fn without_place(mut path: Vec<String>) -> Vec<String> {
    let places = ["body", "query", "path", "header", "headers", "cookie", "params", "json", "form", "data", "request"];
    if path.len() > 1 && path.first().is_some_and(|first| places.contains(&first.as_str())) {
        path.remove(0);
    }
    path
}

/// `/a/0/b`, `a.0.b`, `a[0].b`, `$.a.b`
fn parts(text: &str) -> Vec<String> {
    let split = text.split(['/', '.', '[', ']']).map(|part| part.trim_matches(['"', '\'', '$', '#']));
    without_place(split.filter(|part| !part.is_empty()).map(str::to_owned).collect())
}

fn is_part(name: &str) -> bool {
    !matches!(name.to_ascii_lowercase().as_str(), "errors" | "messages" | "message" | "detail" | "details" | "error")
}

/// Everything that an entry says, as one text.
fn text_of(members: &serde_json::Map<String, Value>) -> String {
    let mut text = String::new();
    for name in ["msg", "message", "error", "reason", "detail", "description", "title", "type", "code", "keyword"] {
        if let Some(Value::String(part)) = members.get(name) {
            text.push_str(part);
            text.push_str("; ");
        }
    }
    if let Some(Value::Object(context)) = members.get("ctx").or_else(|| members.get("params")) {
        for (name, value) in context {
            match value {
                Value::String(part) => text.push_str(&format!("{name}: {part}; ")),
                Value::Number(number) => text.push_str(&format!("{name}: {number}; ")),
                _ => {}
            }
        }
    }
    text
}

/// `'name' is a required property`, `"x" is not allowed`, `property name should not exist`, `Unknown field: x`
fn quoted_part(message: &str) -> Option<Hint> {
    static QUOTED: LazyLock<Regex> = LazyLock::new(|| {
        Regex::new(r#"^\s*(?:the |field |property |parameter |unknown field:? |missing (?:required )?(?:field|parameter|property):? )*[`'"]?([A-Za-z_][\w.\-]{0,63})[`'"]?\s*(.*)$"#)
            .expect("a constant pattern")
    });
    if message.len() > 400 {
        return None;
    }
    let found = QUOTED.captures(message)?;
    let name = found.get(1)?.as_str();
    let remedy = remedy(message);
    (remedy != Remedy::Doubt).then(|| Hint { path: parts(name), remedy, message: said(message) })
}

/// The sentence as something to do.
fn remedy(message: &str) -> Remedy {
    let lower = message.to_lowercase();
    let has = |words: &[&str]| words.iter().any(|word| lower.contains(word));
    if has(&[
        "extra_forbidden",
        "extra inputs",
        "extra fields",
        "not permitted",
        "should not exist",
        "unknown field",
        "unexpected field",
        "unrecognized",
        "additional propert",
        "is not allowed",
    ]) {
        return Remedy::Remove;
    }
    if has(&[
        "field required",
        "is required",
        "missing",
        "may not be blank",
        "must not be null",
        "can't be blank",
        "required property",
    ]) && !has(&["timezone", "time zone"])
    {
        return Remedy::Add;
    }
    if has(&[
        "one of",
        "should be '",
        "literal_error",
        "enum",
        "permitted:",
        "allowed values",
        "valid choices",
        "must be either",
    ]) && let Some(values) = quoted_values(message)
    {
        return Remedy::OneOf(values);
    }
    if let Some(pattern) = pattern(message) {
        return Remedy::Pattern(pattern);
    }
    if has(&["character", "length", "too short", "too long", "string_too", "items", "size"]) {
        let (least, most) = bounds(&lower);
        if least.is_some() || most.is_some() {
            let size = |value: Option<i64>| value.and_then(|value| usize::try_from(value).ok());
            return Remedy::Length { least: size(least), most: size(most) };
        }
    }
    let (least, most) = bounds(&lower);
    if least.is_some() || most.is_some() {
        return Remedy::Within { least, most };
    }
    let formats = [
        ("uuid", "uuid"),
        ("date-time", "date-time"),
        ("datetime", "date-time"),
        ("timezone", "time-zone"),
        ("time zone", "time-zone"),
        ("iana", "time-zone"),
        ("cron", "cron"),
        ("rrule", "rrule"),
        ("email", "email"),
        ("e-mail", "email"),
        ("url", "uri"),
        ("ip address", "ipv4"),
        ("date", "date"),
        ("duration", "duration"),
        ("semver", "semver"),
        ("version", "semver"),
        ("hex", "hex"),
        ("base64", "base64"),
    ];
    let format = formats.iter().find(|(word, _)| lower.contains(word));
    format.map_or(Remedy::Doubt, |(_, format)| Remedy::Format(format))
}

/// Values between quotation marks, or a list after a colon.
fn quoted_values(message: &str) -> Option<Vec<Value>> {
    static QUOTED: LazyLock<Regex> =
        LazyLock::new(|| Regex::new(r#"'([^']{1,60})'|"([^"]{1,60})"|`([^`]{1,60})`"#).expect("a constant pattern"));
    static LISTED: LazyLock<Regex> = LazyLock::new(|| {
        Regex::new(r"(?i)(?:one of|permitted|allowed values|valid choices)[^:\[(]*[:\[(]\s*([\w .,|\-]+)")
            .expect("a constant pattern")
    });
    let group =
        |found: &regex::Captures<'_>| found.iter().skip(1).flatten().next().map(|part| Value::from(part.as_str()));
    let quoted: Vec<Value> = QUOTED.captures_iter(message).filter_map(|found| group(&found)).collect();
    if !quoted.is_empty() {
        return Some(quoted);
    }
    let list = LISTED.captures(message)?.get(1)?.as_str();
    let values: Vec<Value> =
        list.split([',', '|']).map(str::trim).filter(|word| !word.is_empty()).map(Value::from).collect();
    (!values.is_empty()).then_some(values)
}

fn pattern(message: &str) -> Option<String> {
    static PATTERN: LazyLock<Regex> = LazyLock::new(|| {
        Regex::new(r#"(?i)(?:pattern|regex|regular expression|match)[^'"`/^]{0,24}['"`/]?(\^[^'"`]{1,200}?\$)"#)
            .expect("a constant pattern")
    });
    PATTERN.captures(message).and_then(|found| found.get(1)).map(|found| found.as_str().to_owned())
}

/// `greater than or equal to 1`, `at most 10`, `le: 200`
fn bounds(lower: &str) -> (Option<i64>, Option<i64>) {
    static LEAST: LazyLock<Regex> = LazyLock::new(|| {
        Regex::new(r"(?:at least|greater than or equal to|not be less than|minimum(?: is| of|:)?|>=|\bge:|min_length:|more than or equal to)\s*(-?\d{1,15})")
            .expect("a constant pattern")
    });
    static ABOVE: LazyLock<Regex> = LazyLock::new(|| {
        Regex::new(r"(?:greater than|more than|\bgt:|must be >)\s*(-?\d{1,15})").expect("a constant pattern")
    });
    static MOST: LazyLock<Regex> = LazyLock::new(|| {
        Regex::new(r"(?:at most|less than or equal to|not be greater than|no more than|maximum(?: is| of|:)?|<=|\ble:|max_length:|up to)\s*(-?\d{1,15})")
            .expect("a constant pattern")
    });
    static BELOW: LazyLock<Regex> = LazyLock::new(|| {
        Regex::new(r"(?:less than|fewer than|\blt:|must be <)\s*(-?\d{1,15})").expect("a constant pattern")
    });
    let number = |pattern: &Regex| pattern.captures(lower)?.get(1)?.as_str().parse::<i64>().ok();
    let least = number(&LEAST).or_else(|| number(&ABOVE).map(|bound| bound.saturating_add(1)));
    let most = number(&MOST).or_else(|| number(&BELOW).map(|bound| bound.saturating_sub(1)));
    (least, most)
}
