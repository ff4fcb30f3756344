//! Places of working requests where a value of ours can be put.

use std::sync::Arc;

use serde_json::Value;

use super::{SecurityContext, is_success};
use crate::check::Exchange;
use crate::generate::{self, BodyValue, Case, Intent, Phase};
use crate::spec::{Location, Operation};
use crate::transport::Request;

/// Places of one request.
const MAX_POINTS: usize = 40;
/// Levels below the root of a body.
const MAX_DEPTH: usize = 4;

#[derive(Clone, Debug)]
enum Place {
    /// Index into the arguments of the case.
    Argument(usize),
    /// Index of a parameter that the case does not send.
    Absent(usize),
    /// JSON pointer into the body.
    Body(String),
}

/// One place of a request that the target accepted.
#[derive(Clone, Debug)]
pub(crate) struct Point<'a> {
    pub(crate) operation: &'a Operation,
    /// As in findings: `query sort`, `path id`, `body /user/name` with indices as `[]`.
    pub(crate) location: String,
    /// Name of the parameter or property.
    pub(crate) name: String,
    /// What the accepted request has there; null where it has nothing.
    pub(crate) value: Value,
    /// The request changes nothing, whatever stands here.
    pub(crate) reads: bool,
    case: Arc<Case>,
    place: Place,
}

impl Point<'_> {
    /// A valid request as it was accepted, with texts of its own where it needs them. `None` when it cannot be written.
    pub(crate) fn plain(&self, cx: &SecurityContext<'_>) -> Option<Request> {
        render(cx, self.operation, &renewed(cx, &self.case))
    }

    /// The same with another value here.
    pub(crate) fn with(&self, cx: &SecurityContext<'_>, value: Value) -> Option<Request> {
        render(cx, self.operation, &self.case_with(cx, value)?)
    }

    /// The case with another value here, not written yet.
    pub(crate) fn case_with(&self, cx: &SecurityContext<'_>, value: Value) -> Option<Case> {
        let mut case = renewed(cx, &self.case);
        match &self.place {
            Place::Argument(index) => case.arguments.get_mut(*index)?.value = value,
            Place::Absent(parameter) => {
                case.arguments.push(generate::Argument { parameter: *parameter, value });
            }
            Place::Body(pointer) => {
                let Some(BodyValue::Typed { value: body, .. }) = &mut case.body else { return None };
                *body.pointer_mut(pointer)? = value;
            }
        }
        Some(case)
    }

    /// The request with `name[key]=value` in the query instead of `name=value`, as many servers read objects. `None` when
    /// the place is not in the query.
    pub(crate) fn bracketed(&self, cx: &SecurityContext<'_>, key: &str, value: &str) -> Option<Request> {
        if !self.location.starts_with("query ") {
            return None;
        }
        let mut request = self.with(cx, Value::from(value))?;
        crate::identity::without_query(&mut request, &self.name);
        let encoded = |text: &str| {
            let mut out = String::new();
            generate::serialize::encode(&mut out, text, generate::serialize::Charset::Percent);
            out
        };
        request.target.push(if request.target.contains('?') { '&' } else { '?' });
        request.target.push_str(&format!("{}%5B{}%5D={}", encoded(&self.name), encoded(key), encoded(value)));
        Some(request)
    }

    /// Sends the request with this value here, as the rightful identity.
    pub(crate) async fn send(&self, cx: &SecurityContext<'_>, value: Value) -> Option<Exchange> {
        let request = self.with(cx, value)?;
        cx.prober.send(Some(self.operation.index), request, super::rightful(cx)).await
    }

    /// As [`Point::send`], with a text.
    pub(crate) async fn text(&self, cx: &SecurityContext<'_>, text: &str) -> Option<Exchange> {
        self.send(cx, Value::from(text)).await
    }

    /// The same place of the request with the texts that it was made up with, for operations that want one that they know
    /// (a code, a name to sign in with). `None` when every request has the same texts anyway.
    pub(crate) fn settled(&self) -> Option<Self> {
        if !self.case.is_fresh() {
            return None;
        }
        let case = self.case.settled();
        let value = match (&self.place, &case.bound().body) {
            (Place::Body(pointer), Some(BodyValue::Typed { value, .. })) => value.pointer(pointer)?.clone(),
            _ => self.value.clone(),
        };
        Some(Self { case: Arc::new(case), value, ..self.clone() })
    }

    /// The accepted value as a text: what stands on the wire.
    pub(crate) fn original(&self) -> Option<String> {
        match &self.value {
            Value::String(text) => Some(text.clone()),
            Value::Number(number) => Some(number.to_string()),
            Value::Bool(flag) => Some(flag.to_string()),
            _ => None,
        }
    }

    /// A text can be put on the wire here without breaking the JSON type.
    pub(crate) fn takes_text(&self) -> bool {
        self.value.is_string() || !matches!(self.place, Place::Body(_))
    }

    /// A text can be put here, perhaps in the place of a number: servers without types take it.
    pub(crate) fn takes_any(&self) -> bool {
        self.takes_text() || self.value.is_number()
    }

    /// In the path.
    pub(crate) fn is_in_path(&self) -> bool {
        self.location.starts_with("path ")
    }
}

/// The places of every operation that accepted a request and may be sent in this scan, in the order of the document.
/// Operations that destroy are left out, and so are places that carry credentials.
pub(crate) fn points<'a>(cx: &SecurityContext<'a>) -> Vec<Point<'a>> {
    let usable = cx.api.operations.iter().filter(|operation| super::may_repeat(cx, &operation.method));
    usable.flat_map(|operation| of_operation(cx, operation)).collect()
}

/// The places of one operation.
pub(crate) fn of_operation<'a>(cx: &SecurityContext<'a>, operation: &'a Operation) -> Vec<Point<'a>> {
    let Some(base) = cx.accepted.get(operation.index).and_then(Option::as_ref) else { return Vec::new() };
    of_case(operation, base.most.as_ref().unwrap_or(&base.least))
}

/// The places of a `GET` that never answered 2xx, because it redirects or wants better values: of a valid case as it was
/// made up.
pub(crate) fn of_unaccepted<'a>(cx: &SecurityContext<'a>, operation: &'a Operation) -> Vec<Point<'a>> {
    let is_accepted = cx.accepted.get(operation.index).is_some_and(Option::is_some);
    // What the scan itself did not call is left out of it.
    let is_known = cx.traffic.iter().any(|(index, _)| *index == operation.index);
    if is_accepted || !is_known || operation.method != "GET" {
        return Vec::new();
    }
    let cases = generate::cases(cx.api, operation, Phase::HappyPath, cx.seed);
    let first = cases.into_iter().find(|case| case.intent == Intent::Positive);
    first.map(|case| of_case(operation, &case)).unwrap_or_default()
}

/// The variable `$v` of a GraphQL query that is sent to this operation. `None` when it takes no JSON.
pub(crate) fn of_variable<'a>(
    operation: &'a Operation,
    query: &str,
    (location, name, value): (String, String, Value),
) -> Option<Point<'a>> {
    let content = &operation.body.as_ref()?.content;
    let media_type = content.iter().position(|media| media.media_type.to_ascii_lowercase().ends_with("json"))?;
    let body = serde_json::json!({"query": query, "variables": {"v": &value}});
    let case = Case {
        operation: operation.index,
        phase: Phase::HappyPath,
        ordinal: 0,
        label: String::new(),
        intent: Intent::Positive,
        method: None,
        arguments: Vec::new(),
        body: Some(BodyValue::Typed { media_type, value: body }),
        bindings: Vec::new(),
    };
    let place = Place::Body("/variables/v".to_owned());
    Some(Point { operation, location, name, value, reads: true, case: Arc::new(case), place })
}

fn of_case<'a>(operation: &'a Operation, case: &Case) -> Vec<Point<'a>> {
    let case = Arc::new(case.clone());
    let sent = case.bound();
    let reads = operation.method == "GET";
    let mut found = Vec::new();
    for (index, argument) in sent.arguments.iter().enumerate() {
        let Some(parameter) = operation.parameters.get(argument.parameter) else { continue };
        let location = word(parameter.location);
        found.push(Point {
            operation,
            location: format!("{location} {}", parameter.name),
            name: parameter.name.clone(),
            value: argument.value.clone(),
            reads,
            case: Arc::clone(&case),
            place: Place::Argument(index),
        });
    }
    for (index, parameter) in operation.parameters.iter().enumerate() {
        let is_sent = sent.arguments.iter().any(|argument| argument.parameter == index);
        if !is_sent && matches!(parameter.location, Location::Query | Location::Header) {
            found.push(Point {
                operation,
                location: format!("{} {}", word(parameter.location), parameter.name),
                name: parameter.name.clone(),
                value: Value::Null,
                reads,
                case: Arc::clone(&case),
                place: Place::Absent(index),
            });
        }
    }
    if let Some(BodyValue::Typed { value, .. }) = &sent.body {
        let mut leaves = Vec::new();
        walk(value, &mut String::new(), &mut String::new(), 0, &mut leaves);
        for (pointer, slot, name, value) in leaves {
            let location = format!("body {slot}").trim_end().to_owned();
            let case = Arc::clone(&case);
            found.push(Point { operation, location, name, value, reads, case, place: Place::Body(pointer) });
        }
    }
    found.truncate(MAX_POINTS);
    found
}

const fn word(location: Location) -> &'static str {
    match location {
        Location::Path => "path",
        Location::Query => "query",
        Location::Header => "header",
        Location::Cookie => "cookie",
    }
}

/// Every leaf, with pointer, slot and name.
fn walk(
    value: &Value,
    pointer: &mut String,
    slot: &mut String,
    depth: usize,
    found: &mut Vec<(String, String, String, Value)>,
) {
    let (at, shown) = (pointer.len(), slot.len());
    let mut below = |key: &str, shown_key: &str, child: &Value, pointer: &mut String, slot: &mut String| {
        let key = key.replace('~', "~0").replace('/', "~1");
        pointer.push('/');
        pointer.push_str(&key);
        slot.push('/');
        slot.push_str(if shown_key == "[]" { "[]" } else { &key });
        walk(child, pointer, slot, depth + 1, found);
        pointer.truncate(at);
        slot.truncate(shown);
    };
    match value {
        Value::Object(members) if depth < MAX_DEPTH => {
            members.iter().for_each(|(key, child)| below(key, key, child, pointer, slot));
        }
        Value::Array(items) if depth < MAX_DEPTH => {
            // The first item stands for all.
            items.iter().take(1).for_each(|child| below("0", "[]", child, pointer, slot));
        }
        Value::Object(_) | Value::Array(_) => {}
        leaf => {
            let name = slot.rsplit('/').find(|part| *part != "[]").unwrap_or_default().to_owned();
            found.push((pointer.clone(), slot.clone(), name, leaf.clone()));
        }
    }
}

/// With live values, and texts that no other request had.
fn renewed(cx: &SecurityContext<'_>, case: &Case) -> Case {
    case.renewed(&cx.prober.word()).bound()
}

fn render(cx: &SecurityContext<'_>, operation: &Operation, case: &Case) -> Option<Request> {
    generate::render(operation, case, cx.prober.base_path()).ok()
}

/// The request works now, with what it was accepted with.
pub(crate) async fn works(cx: &SecurityContext<'_>, point: &Point<'_>) -> Option<Exchange> {
    let request = point.plain(cx)?;
    cx.prober.send(Some(point.operation.index), request, super::rightful(cx)).await.filter(is_success)
}
