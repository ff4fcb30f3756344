//! S-XSS: a tag of ours in an answer that browsers run.

use async_trait::async_trait;

use super::echo::contains;
use super::likeness::plain;
use super::{MAX_FINDINGS, Point, Proof, is_open, operations, places, together};
use crate::check::security::point::of_unaccepted;
use crate::check::{CheckInfo, Exchange, SecurityCheck, SecurityContext};
use crate::finding::{Confidence, Finding, Role};

/// S-XSS.
pub(super) struct Markup;

static INFO: CheckInfo = CheckInfo {
    id: "S-XSS",
    title: "Cross-site scripting (reflected)",
    description: "Markup in the request stands in the answer as it was sent, and the type of the answer lets browsers run it.",
    remediation: "Escape values when they become part of markup. Answer data as application/json with X-Content-Type-Options: nosniff.",
    cwe: &["CWE-79"],
    owasp: Some("API8:2023"),
};

/// A link has to be followed, and what runs reaches into the page of the API.
const VECTOR: &str = "CVSS:3.1/AV:N/AC:L/PR:?/UI:R/S:C/C:L/I:L/A:N";

#[async_trait]
impl SecurityCheck for Markup {
    fn info(&self) -> &'static CheckInfo {
        &INFO
    }

    fn weight(&self) -> u64 {
        2
    }

    async fn run(&self, cx: &SecurityContext<'_>) -> Vec<Finding> {
        // What a link cannot send nobody can be made to send: no JSON, no headers.
        let mut points: Vec<Point<'_>> = places(cx).await;
        points.extend(cx.api.operations.iter().flat_map(|operation| of_unaccepted(cx, operation)));
        points.retain(|point| {
            point.operation.method == "GET"
                && (point.location.starts_with("query ") || point.is_in_path())
                && point.takes_text()
        });
        let mut found = Vec::new();
        for point in &points {
            found.extend(prove(cx, point).await);
            if found.len() >= MAX_FINDINGS {
                break;
            }
        }
        together(&INFO, found, operations(&points))
    }
}

/// What ends an attribute or a tag, and a tag that only we know.
fn written(nonce: &str) -> (String, String) {
    let tag = format!("<{nonce}>");
    (format!("\"'>{tag}"), tag)
}

/// Browsers run what this answer says.
fn runs(exchange: &Exchange) -> bool {
    let Some(response) = exchange.response() else { return false };
    let nosniff = response
        .header("x-content-type-options")
        .is_some_and(|value| value.trim().eq_ignore_ascii_case("nosniff"));
    let is_download = response
        .header("content-disposition")
        .is_some_and(|value| value.trim_start().to_ascii_lowercase().starts_with("attachment"));
    let executable = match response.media_type().as_deref() {
        None | Some("") => !nosniff,
        Some("text/html" | "application/xhtml+xml" | "image/svg+xml" | "text/xml" | "application/xml") => true,
        Some(_) => false,
    };
    executable && !is_download
}

fn shows(exchange: &Exchange, tag: &str) -> bool {
    runs(exchange) && exchange.response().is_some_and(|response| contains(&response.body, tag.as_bytes()))
}

async fn prove(cx: &SecurityContext<'_>, point: &Point<'_>) -> Option<Finding> {
    let (text, tag) = written(&cx.prober.nonce());
    let probe = point.text(cx, &text).await.filter(|answer| shows(answer, &tag))?;
    let nonce = cx.prober.nonce();
    let control = point.text(cx, &nonce).await?;
    let baseline = plain(cx, point).await?;
    let (again, second) = written(&cx.prober.nonce());
    let repeat = point.text(cx, &again).await.filter(|answer| shows(answer, &second))?;
    // Who makes a tag of every word would make one of this, too.
    if shows(&control, &format!("<{nonce}>")) || shows(&repeat, &tag) {
        return None;
    }
    let request = point.with(cx, again.as_str().into());
    let open = is_open(cx, point, request, |answer| shows(answer, &second)).await;
    let kind = probe.response().and_then(crate::transport::Response::media_type);
    let explanation = format!(
        "The tag that is sent as {} stands in the answer as it was sent, and the answer is {}, which browsers run.",
        point.location,
        kind.unwrap_or_else(|| "of no type".to_owned()),
    );
    let proof = Proof {
        info: &INFO,
        point,
        discriminant: "reflected",
        cause: "markup",
        explanation,
        confidence: Confidence::Confirmed,
        vector: VECTOR,
        open,
        exchanges: vec![
            (Role::Baseline, baseline),
            (Role::Probe, probe),
            (Role::Control, control),
            (Role::Repeat, repeat),
        ],
    };
    Some(proof.finding(cx))
}
