//! F029: a large value brings the server to its knees.

use crate::check::{Check, CheckInfo, Context, Exchange, Proof, Suspicion};
use crate::finding::Severity;
use crate::generate::{Case, Intent};
use crate::transport::TransportError;

/// F029.
pub(super) struct LargeValue;

static INFO: CheckInfo = CheckInfo {
    id: "F029",
    title: "Large value makes the server fail",
    description: "A text of 128 KiB, which the document allows, was answered with a 5xx status or not in time.",
    remediation: "Document a maxLength and answer 413 or 422 to what is longer.",
    cwe: &["CWE-770"],
    owasp: Some("API4:2023"),
};

impl Check for LargeValue {
    fn info(&self) -> &'static CheckInfo {
        &INFO
    }

    fn applies(&self, cx: &Context<'_>, exchange: &Exchange) -> bool {
        exchange.case.as_ref().is_some_and(Case::is_large) && cx.has_positive_control && !cx.baseline_fails
    }

    fn judge(&self, _cx: &Context<'_>, exchange: &Exchange) -> Vec<Suspicion> {
        let Some(Intent::Unusual { slot, .. }) = exchange.case.as_ref().map(|case| &case.intent) else {
            return Vec::new();
        };
        let (discriminant, text) = match &exchange.result {
            // An overload that is announced, and gateways that refuse the size.
            Ok(response) if response.status >= 500 && !matches!(response.status, 501..=504) => {
                (response.status.to_string(), format!("was answered {}", response.status))
            }
            Err(TransportError::Timeout(_)) => ("timeout".to_owned(), "got no answer in time".to_owned()),
            _ => return Vec::new(),
        };
        let explanation = format!("A text of 128 KiB in body {} {text}; expected is 413 or 422.", slot.name);
        vec![
            Suspicion::new(Severity::Low, format!("body {}", slot.name), discriminant, explanation)
                .proof(Proof::RepeatWithControl),
        ]
    }
}
