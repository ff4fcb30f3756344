//! Places of working requests where a value of ours can be put.

use serde_json::Value;

use super::{SecurityContext, is_success};
use crate::check::Exchange;
use crate::generate::{self, BodyValue, Case};
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
    case: &'a Case,
    place: Place,
}

impl Point<'_> {
    /// A valid request as it was accepted, with texts of its own where it needs them. `None` when it cannot be written.
    pub(crate) fn plain(&self, cx: &SecurityContext<'_>) -> Option<Request> {
        render(cx, self.operation, &renewed(cx, self.case))
    }

    /// The same with another value here.
    pub(crate) fn with(&self, cx: &SecurityContext<'_>, value: Value) -> Option<Request> {
        let mut case = renewed(cx, self.case);
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
        render(cx, self.operation, &case)
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
    let case = base.most.as_ref().unwrap_or(&base.least);
    let sent = case.bound();
    let mut found = Vec::new();
    for (index, argument) in sent.arguments.iter().enumerate() {
        let Some(parameter) = operation.parameters.get(argument.parameter) else { continue };
        let location = word(parameter.location);
        found.push(Point {
            operation,
            location: format!("{location} {}", parameter.name),
            name: parameter.name.clone(),
            value: argument.value.clone(),
            case,
            place: Place::Argument(index),
        });
    }
    for (index, parameter) in operation.parameters.iter().enumerate() {
        let is_sent = sent.arguments.iter().any(|argument| argument.parameter == index);
        if !is_sent && parameter.location == Location::Query {
            found.push(Point {
                operation,
                location: format!("query {}", parameter.name),
                name: parameter.name.clone(),
                value: Value::Null,
                case,
                place: Place::Absent(index),
            });
        }
    }
    if let Some(BodyValue::Typed { value, .. }) = &sent.body {
        let mut leaves = Vec::new();
        walk(value, &mut String::new(), &mut String::new(), 0, &mut leaves);
        for (pointer, slot, name, value) in leaves {
            let location = format!("body {slot}").trim_end().to_owned();
            found.push(Point { operation, location, name, value, case, place: Place::Body(pointer) });
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
