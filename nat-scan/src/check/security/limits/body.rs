//! S-BODY: bodies of any size are read.

use async_trait::async_trait;
use serde_json::Value;

use crate::check::security::constraint::keyword;
use crate::check::security::point::{Point, points};
use crate::check::security::{is_success, privileges, rightful};
use crate::check::{CheckInfo, Exchange, SecurityCheck, SecurityContext, Suspicion, Turn};
use crate::finding::{Confidence, Finding, Role, Severity};

/// S-BODY.
pub(super) struct BodySize;

static INFO: CheckInfo = CheckInfo {
    id: "S-BODY",
    title: "The size of request bodies is not limited",
    description: "A body of many megabytes is read and accepted where a few bytes are meant.",
    remediation: "Limit the size of bodies in front of the program, and the length of each text in it (`maxLength`).",
    cwe: &["CWE-770"],
    owasp: Some("API4:2023"),
};

/// Of a body that no field of a form needs.
const LARGE: usize = 8 << 20;
/// And one that is allowed to be refused by nobody.
const SMALL: usize = 64;
/// Places tried.
const MAX_PLACES: usize = 3;

#[async_trait]
impl SecurityCheck for BodySize {
    fn info(&self) -> &'static CheckInfo {
        &INFO
    }

    fn turn(&self) -> Turn {
        Turn::Strain
    }

    fn is_opt_in(&self) -> bool {
        true
    }

    async fn run(&self, cx: &SecurityContext<'_>) -> Vec<Finding> {
        // Where the document limits the text, a refusal would be about that.
        let limited = |point: &Point<'_>| {
            ["maxLength", "pattern", "format", "enum", "const"].iter().any(|name| keyword(point, name).is_some())
        };
        let is_text =
            |point: &Point<'_>| point.location.starts_with("body") && point.value.is_string() && !limited(point);
        for point in points(cx).into_iter().filter(is_text).take(MAX_PLACES) {
            if let Some(finding) = probe(cx, &point).await {
                return vec![finding];
            }
        }
        Vec::new()
    }
}

async fn send(cx: &SecurityContext<'_>, point: &Point<'_>, length: usize) -> Option<Exchange> {
    let request = point.with(cx, Value::from("a".repeat(length)))?;
    let mut exchange = cx.prober.send(Some(point.operation.index), request, rightful(cx)).await?;
    // Evidence needs its beginning only.
    exchange.request.body = exchange.request.body.map(|body| body.slice(..body.len().min(SMALL * 16)));
    Some(exchange)
}

async fn probe(cx: &SecurityContext<'_>, point: &Point<'_>) -> Option<Finding> {
    let control = send(cx, point, SMALL).await.filter(is_success)?;
    let probe = send(cx, point, LARGE).await.filter(is_success)?;
    let repeat = send(cx, point, LARGE).await.filter(is_success)?;
    let explanation = format!(
        "{} accepted a body with {} MiB in {}, twice.",
        point.operation.endpoint(),
        LARGE >> 20,
        point.location
    );
    let suspicion = Suspicion::new(Severity::Medium, "", "size", explanation).confidence(Confidence::Firm).api_wide();
    let exchanges = [(Role::Control, &control), (Role::Probe, &probe), (Role::Repeat, &repeat)];
    let finding = cx.report.build(&INFO, &suspicion, Some(point.operation), &exchanges);
    let privileges = privileges(cx, point.operation);
    Some(finding.rated(&format!("CVSS:3.1/AV:N/AC:L/PR:{privileges}/UI:N/S:U/C:N/I:N/A:L")))
}
