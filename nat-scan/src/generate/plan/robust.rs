//! Requests that nobody expects, and requests that should make no difference.

use serde_json::{Number, Value, json};

use super::{BodyValue, Codec, Expect, Plan, content_type, place, set, typed};
use crate::generate::{Case, Intent, LARGE_KIND, Slot, render};
use crate::schema::Direction;
use crate::spec::{Location, Operation};

/// Members of a body that get unusual values.
const MAX_MEMBERS: usize = 12;
/// Levels of a body that are looked at.
const MAX_DEPTH: usize = 3;
/// Texts that get lost in databases and conversions, by kind. Their letters have no case and no other normal form.
const TEXTS: [(&str, &str); 5] = [
    ("astral", "\u{1f69c}\u{1f33e}"),
    ("script", "\u{5d0}\u{6f22}\u{5b57}"),
    ("bidi", "nat\u{202e}tan"),
    ("zero-width", "n\u{200b}a\u{200d}t"),
    ("nul", "nat\u{0}nat"),
];

/// Texts that break headers, paths and queries of databases, for parameters.
const HOSTILE: [(&str, &str); 5] = [
    ("line-feed", "nat\nnat"),
    ("nul", "nat\u{0}nat"),
    ("beyond-latin", "\u{100}"),
    ("quote", "nat'nat"),
    ("separator", "\u{1c}nat"),
];

/// Instants at the edge of the calendar, which leave it in another time zone.
const INSTANTS: [(&str, &str); 2] =
    [("calendar-end", "9999-12-31T23:59:59-14:00"), ("calendar-begin", "0001-01-01T00:00:00+14:00")];

/// Numbers that are no status of HTTP.
const STATUSES: [(&str, i64); 3] = [("status", 0), ("status", 934), ("status", 1000)];

/// Beyond 64 bits with a sign.
const TWO_TO_63: u64 = 1 << 63;

/// Numbers that get rounded: beyond single precision, 32 bits, double precision, 64 bits.
const INTEGERS: [(&str, i64); 4] = [
    ("beyond-24-bits", 16_777_217),
    ("beyond-31-bits", 2_147_483_649),
    ("beyond-53-bits", 9_007_199_254_740_993),
    ("63-bits", i64::MAX),
];

impl Plan<'_> {
    pub(super) fn robust(&mut self) {
        self.defaults();
        self.unusual_values();
        self.unusual_parameters();
        self.unsupported_media_type();
        self.options();
        self.no_coding();
    }

    /// Sending the default is the same as sending nothing (F031). Only for `GET`: others may change something.
    fn defaults(&mut self) {
        if self.operation.method != "GET" {
            return;
        }
        for (index, parameter) in self.operation.parameters.iter().enumerate() {
            if parameter.required || parameter.location != Location::Query {
                continue;
            }
            let default = parameter.schema.resolve(parameter.schema.node()).get("default");
            let Some(default) = default.filter(|value| is_scalar(value) && place(parameter).admits(value)) else {
                continue;
            };
            let slot = Slot { location: "query", name: parameter.name.clone() };
            let mut case = self.case(format!("query {} is its default", parameter.name), Intent::DefaultSent { slot });
            set(&mut case.arguments, index, default.clone());
            // A case of the same bytes may be there already, for another reason.
            self.insist(case);
        }
    }

    /// Unusual and valid values of the members of a JSON body (F027, F028), and one large one (F029); of a form, those that
    /// parameters get.
    fn unusual_values(&mut self) {
        let Some(body) = self.bodies.first() else { return };
        let (index, full) = (body.media_type, body.full.clone());
        let Some(media) = self.operation.body.as_ref().and_then(|body| body.content.get(index)) else { return };
        let is_form = match Codec::of(&media.media_type) {
            Codec::Json => false,
            Codec::Form | Codec::Multipart => true,
            _ => return,
        };
        let (Some(schema), Some(members)) = (&media.schema, full.as_object()) else { return };
        let root = schema.resolve(schema.node());
        let mut places = Vec::new();
        scalars(&full, &mut String::new(), 0, &mut places);
        let mut large = false;
        for pointer in places {
            let Some(now) = full.pointer(&pointer) else { continue };
            let top = pointer.strip_prefix('/').filter(|name| members.contains_key(*name));
            let property = top.and_then(|name| root.get("properties")?.get(name)).map(|node| schema.resolve(node));
            let says = |key: &str| property.and_then(|property| property.get(key));
            let mut values = match top.filter(|_| is_form) {
                Some(name) => {
                    let free = ["format", "enum", "pattern"].iter().all(|key| says(key).is_none());
                    unusual_text(name, now, free)
                }
                None if is_form => continue,
                None => unusual(now, says("format").is_none() && says("enum").is_none()),
            };
            if says("format").is_some_and(|format| format == "float") {
                // The document says how exact it is.
                values.clear();
            }
            let free = says("maxLength").is_none() && says("pattern").is_none() && says("enum").is_none();
            if !is_form && !large && top.is_some() && now.is_string() && says("format").is_none() && free {
                large = true;
                // It becomes large only when it is written: a plan holds many cases.
                values.push((LARGE_KIND, Value::from("n")));
            }
            for (kind, value) in values {
                let mut changed = full.clone();
                let Some(place) = changed.pointer_mut(&pointer) else { continue };
                *place = value;
                let slot = Slot { location: "body", name: pointer.clone() };
                let mut case = self.case(format!("body {}: {kind}", slot.name), Intent::Unusual { slot, kind });
                case.body = Some(typed(index, &changed));
                // What is written as JSON is what the schema judges.
                if is_form || kind == LARGE_KIND || schema.is_valid(&changed, Direction::Request) {
                    self.push(case, Expect::Anything);
                }
            }
        }
    }

    /// The same for parameters; their texts end in headers, paths and statements.
    fn unusual_parameters(&mut self) {
        for (index, parameter) in self.operation.parameters.iter().enumerate() {
            let location = parameter.location;
            if !matches!(location, Location::Query | Location::Path) {
                continue;
            }
            let Some(now) = self.full.iter().chain(&self.minimal).find(|argument| argument.parameter == index) else {
                continue;
            };
            let node = parameter.schema.resolve(parameter.schema.node());
            let free = ["format", "enum", "pattern"].iter().all(|key| node.get(key).is_none());
            let values = match &now.value {
                // Its members are parameters of any name.
                Value::Object(_) if location == Location::Query && node.get("properties").is_none() => free_form(),
                value => unusual_text(&parameter.name, value, free),
            };
            for (kind, value) in values {
                let slot = Slot { location: location.as_str(), name: parameter.name.clone() };
                let label = format!("{} {}: {kind}", slot.location, slot.name);
                let mut case = self.case(label, Intent::Unusual { slot, kind });
                set(&mut case.arguments, index, value);
                self.push(case, Expect::Anything);
            }
        }
    }

    /// The same bytes under a media type that nobody knows (F025).
    fn unsupported_media_type(&mut self) {
        let Some(documented) = &self.operation.body else { return };
        if documented.content.iter().any(|media| media.media_type.contains('*')) {
            return;
        }
        let Some(body) = self.bodies.first() else { return };
        let Some(media) = documented.content.get(body.media_type) else { return };
        let Ok(bytes) = crate::generate::body::bytes(media, &body.minimal) else { return };
        if bytes.is_empty() {
            return;
        }
        debug_assert_ne!(content_type(&media.media_type), UNKNOWN_MEDIA);
        let mut case = self.case("a media type that nobody knows".to_owned(), Intent::UnsupportedMediaType);
        case.body = Some(BodyValue::Raw { content_type: UNKNOWN_MEDIA.to_owned(), bytes });
        self.push(case, Expect::Anything);
    }

    /// What the path says that it allows (F024): once a path.
    fn options(&mut self) {
        let here = |operation: &&Operation| operation.path == self.operation.path;
        let mut all = self.api.operations.iter().filter(here);
        let first = all.next().is_some_and(|first| first.index == self.operation.index);
        if !first || self.operation.method == "OPTIONS" || all.any(|operation| operation.method == "OPTIONS") {
            return;
        }
        let mut case = self.case("which methods are allowed".to_owned(), Intent::Options);
        case.method = Some("OPTIONS".to_owned());
        case.body = None;
        self.push(case, Expect::Anything);
    }

    /// No content coding is wanted (F068).
    fn no_coding(&mut self) {
        if self.operation.method == "GET" {
            let case = self.case("no content coding is acceptable".to_owned(), Intent::NoCoding);
            self.push(case, Expect::NotNegative);
        }
    }

    /// Takes a case even if the same bytes are sent by another one.
    fn insist(&mut self, case: Case) {
        if let Ok(request) = render(self.operation, &case, "") {
            self.forget(&request);
            self.push(case, Expect::NotNegative);
        }
    }
}

/// What no server knows.
const UNKNOWN_MEDIA: &str = "application/x-nat";

/// Pointers to texts and numbers, a few levels deep, first items of arrays only.
fn scalars(value: &Value, at: &mut String, depth: usize, found: &mut Vec<String>) {
    if found.len() >= MAX_MEMBERS || depth > MAX_DEPTH {
        return;
    }
    let length = at.len();
    match value {
        Value::Object(members) => {
            for (name, member) in members {
                at.push('/');
                at.push_str(&name.replace('~', "~0").replace('/', "~1"));
                scalars(member, at, depth + 1, found);
                at.truncate(length);
            }
        }
        Value::Array(items) => {
            if let Some(item) = items.first() {
                at.push_str("/0");
                scalars(item, at, depth + 1, found);
                at.truncate(length);
            }
        }
        Value::String(_) | Value::Number(_) if depth > 0 => found.push(at.clone()),
        _ => {}
    }
}

/// Values of the same type that programs are not prepared for.
fn unusual(now: &Value, free: bool) -> Vec<(&'static str, Value)> {
    match now {
        Value::String(text) if is_instant(text) => INSTANTS.map(|(kind, text)| (kind, Value::from(text))).to_vec(),
        Value::String(_) if free => TEXTS.map(|(kind, text)| (kind, Value::from(text))).to_vec(),
        Value::Number(_) => {
            let integers = INTEGERS.map(|(kind, number)| (kind, Value::Number(Number::from(number))));
            integers.into_iter().chain([("64-bits", Value::from(TWO_TO_63))]).collect()
        }
        _ => Vec::new(),
    }
}

/// The same for what travels as text and ends in headers, paths and statements.
fn unusual_text(name: &str, now: &Value, free: bool) -> Vec<(&'static str, Value)> {
    let mut values: Vec<(&'static str, Value)> = match now {
        Value::String(_) if free => HOSTILE.map(|(kind, text)| (kind, Value::from(text))).to_vec(),
        Value::String(text) if is_instant(text) => INSTANTS.map(|(kind, text)| (kind, Value::from(text))).to_vec(),
        Value::Number(number) if number.is_i64() => vec![("64-bits", Value::from(TWO_TO_63))],
        _ => return Vec::new(),
    };
    let last = crate::chain::tokens(name).pop().unwrap_or_default();
    if free && matches!(last.as_str(), "code" | "status") {
        let as_now = |number: i64| match now {
            Value::String(_) => Value::from(number.to_string()),
            _ => Value::from(number),
        };
        values.extend(STATUSES.map(|(kind, number)| (kind, as_now(number))));
    }
    values
}

/// Parameters whose names and values are hostile texts, one at a time.
fn free_form() -> Vec<(&'static str, Value)> {
    let named = HOSTILE.map(|(kind, text)| (kind, json!({ text: "nat" })));
    let valued = HOSTILE.map(|(kind, text)| (kind, json!({ "nat": text })));
    named.into_iter().chain(valued).collect()
}

fn is_instant(text: &str) -> bool {
    chrono::DateTime::parse_from_rfc3339(text).is_ok()
}

fn is_scalar(value: &Value) -> bool {
    matches!(value, Value::Bool(_) | Value::Number(_) | Value::String(_))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::{HOSTILE, json};
    use crate::generate::fixture::{api, operation};
    use crate::generate::{Intent, Phase, cases};

    #[test]
    fn unusual_requests_are_planned_where_the_document_allows_them() {
        let body = json!({"requestBody": {"required": true, "content": {"application/json": {"schema": {
            "type": "object", "required": ["name", "code", "size"], "properties": {
                "name": {"type": "string"}, "code": {"type": "string", "maxLength": 2},
                "size": {"type": "integer", "maximum": 20_000_000}}}}}}});
        let get = json!({"parameters": [
            {"name": "order", "in": "query", "schema": {"type": "string", "default": "asc"}},
            {"name": "page", "in": "query", "schema": {"type": "integer"}}]});
        let api = api(vec![operation("POST", "/a", body), operation("GET", "/a", get)]);
        let planned = |index: usize| -> BTreeSet<String> {
            let all = cases(&api, &api.operations[index], Phase::Coverage, 3);
            let is_ours = |intent: &Intent| {
                matches!(
                    intent,
                    Intent::DefaultSent { .. }
                        | Intent::Unusual { .. }
                        | Intent::UnsupportedMediaType
                        | Intent::Options
                        | Intent::NoCoding
                )
            };
            all.iter().filter(|case| is_ours(&case.intent)).map(|case| case.label.clone()).collect()
        };
        let texts = ["astral", "script", "bidi", "zero-width", "nul", "large"];
        let mut expected: BTreeSet<String> = texts.iter().map(|kind| format!("body /name: {kind}")).collect();
        expected.extend(["body /code: astral", "body /size: beyond-24-bits"].map(str::to_owned));
        expected.extend(["a media type that nobody knows", "which methods are allowed"].map(str::to_owned));
        assert_eq!(planned(0), expected);
        let mut expected = BTreeSet::from(["query order is its default".to_owned()]);
        expected.extend(HOSTILE.map(|(kind, _)| format!("query order: {kind}")));
        expected.extend(["query page: 64-bits", "no content coding is acceptable"].map(str::to_owned));
        assert_eq!(planned(1), expected);
    }
}
