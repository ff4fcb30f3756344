//! S-XSS: a tag of ours in an answer that browsers run.

use async_trait::async_trait;

use super::echo::contains;
use super::likeness::plain;
use super::{MAX_FINDINGS, Point, Proof, four, is_open, operations, places, together};
use crate::check::security::point::of_unaccepted;
use crate::check::{CheckInfo, Exchange, SecurityCheck, SecurityContext};
use crate::finding::{Confidence, Finding};

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

/// Bytes of a page that are read.
const MAX_PAGE: usize = 256 << 10;

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

/// A tag that only we know: alone, out of an attribute, out of where tags are only text.
const FORMS: [&str; 3] = ["{t}", "\"'>{t}", "--></title></textarea></style></script>{t}"];

/// A text, and the tag in it.
fn written(form: &str, nonce: &str) -> (String, String) {
    let tag = format!("<{nonce}>");
    (form.replace("{t}", &tag), tag)
}

/// Browsers run what this answer says.
fn runs(exchange: &Exchange) -> bool {
    let Some(response) = exchange.response() else { return false };
    let nosniff =
        response.header("x-content-type-options").is_some_and(|value| value.trim().eq_ignore_ascii_case("nosniff"));
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

/// A browser would read a tag here.
fn shows(exchange: &Exchange, tag: &str) -> bool {
    let read = |body: &[u8]| is_tag(&String::from_utf8_lossy(&body[..body.len().min(MAX_PAGE)]), tag);
    runs(exchange) && exchange.response().is_some_and(|response| read(&response.body))
}

/// Whether `tag` stands where a tag begins: not in a comment, in an attribute, or in an element that holds text only.
fn is_tag(page: &str, tag: &str) -> bool {
    const TEXT_ONLY: [&str; 7] = ["script", "style", "textarea", "title", "xmp", "iframe", "noframes"];
    let mut rest = page;
    while let Some(at) = rest.find('<') {
        rest = &rest[at..];
        if rest.starts_with(tag) {
            return true;
        }
        let after = if rest.starts_with("<!--") {
            rest.find("-->").map(|end| end + 3)
        } else if rest[1..].starts_with(|c: char| c.is_ascii_alphabetic() || c == '/' || c == '!') {
            end_of_tag(rest)
        } else {
            Some(1)
        };
        let Some(after) = after else { return false };
        let name =
            rest[1..].split(|c: char| !c.is_ascii_alphanumeric()).next().unwrap_or_default().to_ascii_lowercase();
        rest = &rest[after..];
        if TEXT_ONLY.contains(&name.as_str()) {
            let Some(end) = rest.to_ascii_lowercase().find(&format!("</{name}")) else { return false };
            rest = &rest[end..];
        }
    }
    false
}

/// Length of the tag that the text begins with, quoted attributes and all.
fn end_of_tag(text: &str) -> Option<usize> {
    let mut quote = None;
    for (at, c) in text.char_indices() {
        match (quote, c) {
            (None, '>') => return Some(at + 1),
            (None, '"' | '\'') if text[..at].trim_end().ends_with('=') => quote = Some(c),
            (Some(open), c) if open == c => quote = None,
            _ => {}
        }
    }
    None
}

async fn prove(cx: &SecurityContext<'_>, point: &Point<'_>) -> Option<Finding> {
    for form in FORMS {
        let (text, tag) = written(form, &cx.prober.nonce());
        let probe = point.text(cx, &text).await?;
        if shows(&probe, &tag) {
            return confirm(cx, point, form, probe, &tag).await;
        }
        // Escaped once, escaped always.
        let is_raw = probe.response().is_some_and(|response| contains(&response.body, tag.as_bytes()));
        if !is_raw || !runs(&probe) {
            return None;
        }
    }
    None
}

async fn confirm(
    cx: &SecurityContext<'_>,
    point: &Point<'_>,
    form: &str,
    probe: Exchange,
    tag: &str,
) -> Option<Finding> {
    let nonce = cx.prober.nonce();
    let control = point.text(cx, &nonce).await?;
    let baseline = plain(cx, point).await?;
    let (again, second) = written(form, &cx.prober.nonce());
    let repeat = point.text(cx, &again).await.filter(|answer| shows(answer, &second))?;
    // Who makes a tag of every word would make one of this, too.
    if shows(&control, &format!("<{nonce}>")) || shows(&repeat, tag) {
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
        exchanges: four(baseline, probe, control, repeat),
    };
    Some(proof.finding(cx))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_count_only_where_browsers_read_them() {
        for (page, expected) in [
            ("<p><nat></p>", true),
            ("hello <nat>", true),
            ("a < b and <nat>", true),
            ("<!-- <nat> -->", false),
            ("<!-- x --><nat>", true),
            ("<!-- never closed <nat>", false),
            ("<input value=\"<nat>\">", false),
            ("<input value='\"'><nat>'>", true),
            ("<a title='it is > that'><nat></a>", true),
            ("<title><nat></title>", false),
            ("<TITLE>x</TITLE><nat>", true),
            ("<script>var x = '<nat>';</script>", false),
            ("<textarea></textarea><nat></textarea>", true),
            ("&lt;nat>", false),
            ("", false),
        ] {
            assert_eq!(is_tag(page, "<nat>"), expected, "{page}");
        }
    }
}
