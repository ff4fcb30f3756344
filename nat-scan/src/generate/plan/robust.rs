//! Requests that nobody expects, and requests that should make no difference.

use serde_json::{Number, Value};

use super::{BodyValue, Codec, Expect, Plan, content_type, place, set, typed};
use crate::generate::{Case, Intent, LARGE_KIND, Slot, render};
use crate::spec::{Location, Operation};

/// Members of a body that get unusual values.
const MAX_MEMBERS: usize = 4;
/// Texts that get lost in databases and conversions, by kind. Their letters have no case and no other normal form.
const TEXTS: [(&str, &str); 5] = [
    ("astral", "\u{1f69c}\u{1f33e}"),
    ("script", "\u{5d0}\u{6f22}\u{5b57}"),
    ("bidi", "nat\u{202e}tan"),
    ("zero-width", "n\u{200b}a\u{200d}t"),
    ("nul", "nat\u{0}nat"),
];

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

    /// Unusual and valid values of the members of a JSON body (F027, F028), and one large one (F029).
    fn unusual_values(&mut self) {
        let Some(body) = self.bodies.first() else { return };
        let (index, full) = (body.media_type, body.full.clone());
        let media = self.operation.body.as_ref().and_then(|body| body.content.get(index));
        let Some(media) = media.filter(|media| Codec::of(&media.media_type) == Codec::Json) else { return };
        let (Some(schema), Some(members)) = (&media.schema, full.as_object()) else { return };
        let root = schema.resolve(schema.node());
        let mut large = false;
        for (name, now) in members.iter().take(MAX_MEMBERS) {
            let property = root.get("properties").and_then(|all| all.get(name)).map(|node| schema.resolve(node));
            let says = |key: &str| property.and_then(|property| property.get(key));
            let mut values: Vec<(&'static str, Value)> = Vec::new();
            match now {
                Value::String(_) if says("format").is_none() && says("enum").is_none() => {
                    values.extend(TEXTS.map(|(kind, text)| (kind, Value::from(text))));
                    if !large && says("maxLength").is_none() && says("pattern").is_none() {
                        large = true;
                        // It becomes large only when it is written: a plan holds many cases.
                        values.push((LARGE_KIND, Value::from("n")));
                    }
                }
                // The document says how exact it is.
                Value::Number(_) if says("format").is_none_or(|format| format != "float") => {
                    values.extend(INTEGERS.map(|(kind, number)| (kind, Value::Number(Number::from(number)))));
                }
                _ => {}
            }
            for (kind, value) in values {
                let mut changed = full.clone();
                changed[name.as_str()] = value;
                let slot = Slot { location: "body", name: format!("/{}", name.replace('~', "~0").replace('/', "~1")) };
                let mut case = self.case(format!("body {}: {kind}", slot.name), Intent::Unusual { slot, kind });
                case.body = Some(typed(index, &changed));
                self.push(case, if kind == LARGE_KIND { Expect::Anything } else { Expect::NotNegative });
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

fn is_scalar(value: &Value) -> bool {
    matches!(value, Value::Bool(_) | Value::Number(_) | Value::String(_))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

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
        let planned = |index: usize| -> Vec<String> {
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
        let mut expected: Vec<String> = texts.iter().map(|kind| format!("body /name: {kind}")).collect();
        expected.extend(["body /code: astral", "body /size: beyond-24-bits"].map(str::to_owned));
        expected.extend(["a media type that nobody knows", "which methods are allowed"].map(str::to_owned));
        assert_eq!(planned(0), expected);
        assert_eq!(planned(1), ["query order is its default", "no content coding is acceptable"]);
    }
}
