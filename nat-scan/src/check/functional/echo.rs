//! F027 and F028: a value that comes back changed.

use serde_json::Value;

use super::is_accepted;
use crate::check::{Check, CheckInfo, Context, Exchange, Proof, Suspicion};
use crate::classify::WireTruth;
use crate::finding::Severity;
use crate::generate::Intent;

/// F027.
pub(super) struct TextChanged;

/// F028.
pub(super) struct NumberChanged;

static TEXT: CheckInfo = CheckInfo {
    id: "F027",
    title: "Text comes back changed",
    description: "A text with characters beyond the usual ones was accepted, and the answer holds another one: characters get lost.",
    remediation: "Store and convert text in UTF-8 with four bytes a character, or reject what cannot be stored.",
    cwe: &["CWE-176"],
    owasp: None,
};

static NUMBER: CheckInfo = CheckInfo {
    id: "F028",
    title: "Number comes back changed",
    description: "A large number was accepted, and the answer holds another one: digits get lost.",
    remediation: "Use a type that holds the documented range exactly, or document a smaller range and reject what is beyond.",
    cwe: &["CWE-681"],
    owasp: None,
};

impl Check for TextChanged {
    fn info(&self) -> &'static CheckInfo {
        &TEXT
    }

    fn applies(&self, cx: &Context<'_>, exchange: &Exchange) -> bool {
        is_echo(cx, exchange, |value| value.is_string())
    }

    fn judge(&self, _cx: &Context<'_>, exchange: &Exchange) -> Vec<Suspicion> {
        let Some((pointer, kind)) = slot(exchange) else { return Vec::new() };
        // Control characters and those that nobody sees may be filtered out: that protects readers.
        if !matches!(kind, "astral" | "script") {
            return Vec::new();
        }
        judge(exchange, pointer, kind, "characters", Severity::Medium)
    }
}

impl Check for NumberChanged {
    fn info(&self) -> &'static CheckInfo {
        &NUMBER
    }

    fn applies(&self, cx: &Context<'_>, exchange: &Exchange) -> bool {
        is_echo(cx, exchange, |value| value.is_number())
    }

    fn judge(&self, _cx: &Context<'_>, exchange: &Exchange) -> Vec<Suspicion> {
        let Some((pointer, kind)) = slot(exchange) else { return Vec::new() };
        judge(exchange, pointer, kind, "digits", Severity::Medium)
    }
}

fn judge(exchange: &Exchange, pointer: &str, kind: &str, what: &str, severity: Severity) -> Vec<Suspicion> {
    let (Some(sent), Some(received)) =
        (sent(exchange, pointer), exchange.json().and_then(|json| json.pointer(pointer)))
    else {
        return Vec::new();
    };
    if is_same(&sent, received) {
        return Vec::new();
    }
    let explanation = format!("The value of body {pointer} ({kind}) was accepted and comes back with other {what}.");
    vec![Suspicion::new(severity, format!("body {pointer}"), kind, explanation).proof(Proof::RepeatWithControl)]
}

fn slot(exchange: &Exchange) -> Option<(&str, &'static str)> {
    match &exchange.case.as_ref()?.intent {
        Intent::Unusual { slot, kind } if slot.location == "body" => Some((&slot.name, kind)),
        _ => None,
    }
}

/// A valid request with an unusual value of this kind was accepted, and an ordinary value is known to come back as it
/// was sent.
fn is_echo(cx: &Context<'_>, exchange: &Exchange, is_kind: fn(&Value) -> bool) -> bool {
    let Some((pointer, _)) = slot(exchange) else { return false };
    let judged = exchange.truth == WireTruth::Positive && is_accepted(exchange) && exchange.json().is_some();
    let echoes = |control: &Exchange| {
        let received = control.json().and_then(|json| json.pointer(pointer));
        sent(control, pointer).zip(received).is_some_and(|(sent, received)| is_same(&sent, received))
    };
    judged && sent(exchange, pointer).is_some_and(|sent| is_kind(&sent)) && cx.baseline.is_some_and(echoes)
}

fn sent(exchange: &Exchange, pointer: &str) -> Option<Value> {
    let body: Value = serde_json::from_slice(exchange.request.body.as_deref()?).ok()?;
    body.pointer(pointer).cloned()
}

/// Equal, but for what a service may tidy up. A value of another type is another thing.
fn is_same(sent: &Value, received: &Value) -> bool {
    match (sent, received) {
        (Value::String(sent), Value::String(received)) => {
            sent == received || sent.trim().to_lowercase() == received.trim().to_lowercase()
        }
        (Value::Number(sent), Value::Number(received)) => match (sent.as_i64(), received.as_i64()) {
            (Some(sent), Some(received)) => sent == received,
            _ => sent.as_f64() == received.as_f64(),
        },
        _ => true,
    }
}
