//! F067: dates in headers.

use chrono::NaiveDateTime;

use crate::check::{Check, CheckInfo, Context, Exchange, Proof, Suspicion};
use crate::finding::{Confidence, Severity};

/// F067.
pub(super) struct Dates;

static INFO: CheckInfo = CheckInfo {
    id: "F067",
    title: "Header is no date",
    description: "Date, Expires and Last-Modified hold a date in the format of HTTP (RFC 9110, section 5.6.7). Caches ignore others.",
    remediation: "Write dates like `Sun, 06 Nov 1994 08:49:37 GMT`.",
    cwe: &[],
    owasp: None,
};

const HEADERS: [&str; 3] = ["Date", "Expires", "Last-Modified"];

impl Check for Dates {
    fn info(&self) -> &'static CheckInfo {
        &INFO
    }

    fn applies(&self, _cx: &Context<'_>, exchange: &Exchange) -> bool {
        let has = |response: &crate::transport::Response| HEADERS.iter().any(|name| response.header(name).is_some());
        exchange.response().is_some_and(has)
    }

    fn judge(&self, _cx: &Context<'_>, exchange: &Exchange) -> Vec<Suspicion> {
        let Some(response) = exchange.response() else { return Vec::new() };
        let broken = HEADERS.iter().filter(|name| response.header(name).is_some_and(|value| !is_date(name, value)));
        broken
            .map(|name| {
                let explanation = format!("The value of {name} is no date in the format of HTTP.");
                Suspicion::new(Severity::Info, format!("header {name}"), "no-date", explanation)
                    .confidence(Confidence::Confirmed)
                    .proof(Proof::Direct)
                    .api_wide()
            })
            .collect()
    }
}

/// The preferred format, or one of the two obsolete ones that must be understood. Of `Expires` a number says, too, that
/// the answer is stale (RFC 9111, section 5.3).
fn is_date(name: &str, value: &str) -> bool {
    let value = value.trim();
    let stale = name == "Expires" && matches!(value, "0" | "-1");
    let formats = ["%a, %d %b %Y %H:%M:%S GMT", "%A, %d-%b-%y %H:%M:%S GMT", "%a %b %e %H:%M:%S %Y"];
    stale || formats.iter().any(|format| NaiveDateTime::parse_from_str(value, format).is_ok())
}
