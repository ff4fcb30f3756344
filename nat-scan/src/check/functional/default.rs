//! F031: leaving a parameter out is the same as sending its default.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::check::{Check, CheckInfo, Context, Exchange, Proof, Suspicion};
use crate::finding::Severity;
use crate::generate::Intent;

/// F031.
pub(super) struct DefaultHonoured;

static INFO: CheckInfo = CheckInfo {
    id: "F031",
    title: "Default is another than documented",
    description: "A request without an optional parameter gets another answer than one that sends the documented default.",
    remediation: "Document the default that is used, or use the documented one.",
    cwe: &[],
    owasp: None,
};

impl Check for DefaultHonoured {
    fn info(&self) -> &'static CheckInfo {
        &INFO
    }

    fn applies(&self, cx: &Context<'_>, exchange: &Exchange) -> bool {
        let ours = matches!(exchange.case.as_ref().map(|case| &case.intent), Some(Intent::DefaultSent { .. }));
        ours && exchange.status() == Some(200) && exchange.json().is_some() && without(cx).is_some()
    }

    fn judge(&self, cx: &Context<'_>, exchange: &Exchange) -> Vec<Suspicion> {
        let Some(Intent::DefaultSent { slot }) = exchange.case.as_ref().map(|case| &case.intent) else {
            return Vec::new();
        };
        let (Some(with), Some(without)) = (exchange.json(), without(cx)) else { return Vec::new() };
        differing(with, without)
            .into_iter()
            .map(|place| {
                let explanation = format!(
                    "Without {} {} the answer differs at '{place}' from the answer to its documented default.",
                    slot.location, slot.name
                );
                let place = format!("response {place}");
                // The parameter is the defect, the place shows it: both tell one finding from another.
                Suspicion::new(Severity::Low, place.trim_end(), slot.name.as_str(), explanation)
                    .proof(Proof::RepeatWithSameControl)
            })
            .collect()
    }
}

/// The answer to the request without the parameter.
fn without<'a>(cx: &Context<'a>) -> Option<&'a Value> {
    cx.baseline.filter(|baseline| baseline.status() == Some(200)).and_then(Exchange::json)
}

/// Members that differ, as pointers; the whole when the bodies are no objects. Links quote the request.
fn differing(one: &Value, other: &Value) -> BTreeSet<String> {
    let (Value::Object(one), Value::Object(other)) = (one, other) else {
        return if one == other { BTreeSet::new() } else { BTreeSet::from([String::new()]) };
    };
    let is_link = |name: &str| {
        let name = name.to_ascii_lowercase();
        ["link", "href", "url", "uri", "self", "next", "prev", "query", "request", "param", "filter"]
            .iter()
            .any(|word| name.contains(word))
    };
    let differs = |name: &&String| one.get(*name) != other.get(*name);
    // A member that is there only once is another shape of answer; that is a difference, too.
    let names: BTreeSet<&String> = one.keys().chain(other.keys()).collect();
    names
        .into_iter()
        .filter(differs)
        .filter(|name| !is_link(name))
        .map(|name| format!("/{}", name.replace('~', "~0").replace('/', "~1")))
        .collect()
}
