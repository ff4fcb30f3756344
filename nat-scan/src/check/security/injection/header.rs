//! S-CRLF: a line of ours becomes a header of the answer.

use async_trait::async_trait;

use super::likeness::plain;
use super::{MAX_FINDINGS, Point, Proof, four, is_open, operations, places, together};
use crate::check::security::point::of_unaccepted;
use crate::check::{CheckInfo, Exchange, SecurityCheck, SecurityContext};
use crate::finding::{Confidence, Finding};

/// S-CRLF.
pub(super) struct Header;

static INFO: CheckInfo = CheckInfo {
    id: "S-CRLF",
    title: "Header injection",
    description: "A line break in the request ends a header of the answer, and what follows becomes a header of its own.",
    remediation: "Refuse carriage return and line feed in values that become headers, or set headers with a library that refuses them.",
    cwe: &["CWE-113", "CWE-93"],
    owasp: Some("API8:2023"),
};

/// A person has to follow a link.
const VECTOR: &str = "CVSS:3.1/AV:N/AC:L/PR:?/UI:R/S:C/C:L/I:L/A:N";
/// What ends a line: as it should be, for lenient readers, and for those that cut characters to bytes.
const BREAKS: [&str; 3] = ["\r\n", "\n", "\u{560d}\u{560a}"];

#[async_trait]
impl SecurityCheck for Header {
    fn info(&self) -> &'static CheckInfo {
        &INFO
    }

    fn weight(&self) -> u64 {
        2
    }

    async fn run(&self, cx: &SecurityContext<'_>) -> Vec<Finding> {
        let mut points = places(cx).await;
        points.extend(cx.api.operations.iter().flat_map(|operation| of_unaccepted(cx, operation)));
        points.retain(Point::takes_text);
        let mut found = Vec::new();
        for point in &points {
            // All at once, each with a header of its own.
            let value = point.original().unwrap_or_default();
            let names: Vec<String> = BREAKS.iter().map(|_| name(cx)).collect();
            let lines = BREAKS.iter().zip(&names).map(|(end, name)| format!("{end}{name}: 1"));
            let text = format!("{value}{}", lines.collect::<String>());
            let Some(answer) = point.text(cx, &text).await else { continue };
            let shown = BREAKS.iter().zip(&names).find(|(_, name)| has(&answer, name));
            if let Some((end, _)) = shown {
                found.extend(prove(cx, point, end, &value).await);
            }
            if found.len() >= MAX_FINDINGS {
                break;
            }
        }
        together(&INFO, found, operations(&points))
    }
}

fn name(cx: &SecurityContext<'_>) -> String {
    format!("X-{}", cx.prober.nonce())
}

/// The answer has a header of that name: parsed, not only said somewhere.
fn has(exchange: &Exchange, name: &str) -> bool {
    exchange.response().is_some_and(|response| response.header(name).is_some())
}

async fn prove(cx: &SecurityContext<'_>, point: &Point<'_>, end: &str, value: &str) -> Option<Finding> {
    let first = name(cx);
    let probe = point.text(cx, &format!("{value}{end}{first}: 1")).await.filter(|answer| has(answer, &first))?;
    let other = name(cx);
    let control = point.text(cx, &format!("{value} {other}: 1")).await?;
    let baseline = plain(cx, point).await?;
    let second = name(cx);
    let again = format!("{value}{end}{second}: 1");
    let repeat = point.text(cx, &again).await.filter(|answer| has(answer, &second))?;
    if has(&control, &other) || has(&repeat, &first) {
        return None;
    }
    let request = point.with(cx, again.as_str().into());
    let open = is_open(cx, point, request, |answer| has(answer, &second)).await;
    let explanation = format!(
        "A line break in what is sent as {} ends a header: the answer has a header {first} of ours. With a space in the place of the line break it has not.",
        point.location
    );
    let proof = Proof {
        info: &INFO,
        point,
        discriminant: "header",
        cause: "header",
        explanation,
        confidence: Confidence::Confirmed,
        vector: VECTOR,
        open,
        exchanges: four(baseline, probe, control, repeat),
    };
    Some(proof.finding(cx))
}
