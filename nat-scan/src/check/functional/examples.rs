//! F030: examples of the document.

use chrono::{DateTime, Utc};
use serde_json::Value;

use super::{grants_credentials, is_contractual};
use crate::check::{Check, CheckInfo, Context, Exchange, Suspicion};
use crate::classify::WireTruth;
use crate::finding::{Confidence, Finding, FindingBuilder, Severity};
use crate::generate::{Intent, Phase};
use crate::schema::{Direction, Schema};
use crate::spec::{Api, MediaType, Operation, StatusPattern};

/// F030.
pub(super) struct Examples;

static INFO: CheckInfo = CheckInfo {
    id: "F030",
    title: "Example is wrong",
    description: "An example of the document does not fit its own schema, or the server rejects it.",
    remediation: "Correct the example: people copy it.",
    cwe: &[],
    owasp: None,
};

/// An example longer than this is quoted in part.
const MAX_QUOTE: usize = 2_000;

impl Check for Examples {
    fn info(&self) -> &'static CheckInfo {
        &INFO
    }

    fn applies(&self, cx: &Context<'_>, exchange: &Exchange) -> bool {
        let is_example =
            exchange.case.as_ref().is_some_and(|case| case.phase == Phase::Examples && case.intent == Intent::Positive);
        // Without a request that works, anything that is no example may be the reason.
        let parts = cx.operation.parameters.iter().filter(|parameter| parameter.required).count();
        let alone = parts + usize::from(cx.operation.body.as_ref().is_some_and(|body| body.required)) <= 1;
        let judged = is_example
            && (cx.has_positive_control || alone)
            && exchange.truth == WireTruth::Positive
            && is_contractual(cx, exchange);
        judged && !grants_credentials(cx.operation) && exchange.response().is_some()
    }

    fn judge(&self, _cx: &Context<'_>, exchange: &Exchange) -> Vec<Suspicion> {
        let Some(status @ (400 | 422)) = exchange.status() else { return Vec::new() };
        let label = exchange.case.as_ref().map(|case| case.label.as_str()).unwrap_or_default();
        let explanation = format!("The example of the document ({label}) was answered {status}.");
        vec![Suspicion::new(Severity::Low, "", "rejected", explanation)]
    }
}

/// Every example that does not fit its own schema.
pub(super) fn static_findings(api: &Api, report: &FindingBuilder, at: DateTime<Utc>) -> Vec<Finding> {
    let mut found = Vec::new();
    for operation in &api.operations {
        let mut judge = |location: String, schema: &Schema, examples: &[Value], direction, pointer: &str| {
            for example in examples {
                found.extend(wrong_example(report, operation, &location, (schema, direction), example, pointer, at));
            }
        };
        for parameter in &operation.parameters {
            let location = format!("{} {}", parameter.location.as_str(), parameter.name);
            judge(location, &parameter.schema, &parameter.examples, Direction::Request, &parameter.pointer);
        }
        let mut judge_media = |location: &str, media: &MediaType, direction| {
            if let Some(schema) = &media.schema {
                judge(location.to_owned(), schema, &media.examples, direction, &media.pointer);
            }
        };
        for media in operation.body.iter().flat_map(|body| &body.content) {
            judge_media("body", media, Direction::Request);
        }
        for response in &operation.responses {
            let status = match response.status {
                StatusPattern::Exact(status) => status.to_string(),
                StatusPattern::Class(class) => format!("{class}XX"),
                StatusPattern::Default => "default".to_owned(),
            };
            for media in &response.content {
                judge_media(&format!("response {status}"), media, Direction::Response);
            }
        }
    }
    found
}

fn wrong_example(
    report: &FindingBuilder,
    operation: &Operation,
    location: &str,
    (schema, direction): (&Schema, Direction),
    example: &Value,
    pointer: &str,
    at: DateTime<Utc>,
) -> Option<Finding> {
    if readings(example).iter().any(|reading| schema.is_valid(reading, direction)) {
        return None;
    }
    let violations = schema.violations(example, direction);
    let first = violations.first()?;
    let explanation = format!("The example of {location} breaks '{}' of its own schema.", first.keyword);
    let suspicion = Suspicion::new(Severity::Low, location, &first.keyword, explanation)
        .confidence(Confidence::Confirmed)
        .pointer(pointer);
    let quote: String = example.to_string().chars().take(MAX_QUOTE).collect();
    let faults: Vec<String> = violations
        .iter()
        .take(5)
        .map(|violation| {
            format!("{}: {}", violation.schema_path, violation.message.chars().take(300).collect::<String>())
        })
        .collect();
    Some(report.build_static(&INFO, &suspicion, operation, &format!("{pointer}\n{quote}"), &faults.join("\n"), at))
}

/// Documents write examples of parameters as they look on the wire: `"3"`, `"a,b"`.
fn readings(example: &Value) -> Vec<Value> {
    let mut readings = vec![example.clone()];
    if let Value::String(text) = example {
        if let Ok(scalar @ (Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_))) =
            serde_json::from_str(text)
        {
            readings.push(scalar);
        }
        readings.push(Value::Array(text.split(',').map(|part| Value::String(part.trim().to_owned())).collect()));
    }
    readings
}
