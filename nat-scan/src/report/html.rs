//! HTML: one self-contained page without scripts. All text is escaped, nothing is a link, and the policy in its head
//! lets nothing be loaded but its own style.

use std::fmt::Write as _;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest, Sha256};

use crate::engine::{OperationOutcome, Outcome};
use crate::finding::{Evidence, Finding};

use super::text::{cut, escape_html as escape, size, thousands};
use super::view::{self, Coverage, Group, groups};

const STYLE: &str = include_str!("html.css");
/// Findings shown; a page with more is no help to anybody.
const MAX_FINDINGS: usize = 2_000;
/// Characters of one piece of evidence.
const MAX_EVIDENCE: usize = 16 << 10;

pub(super) fn write(outcome: &Outcome, id: &str) -> String {
    let style_hash = STANDARD.encode(Sha256::digest(STYLE));
    let mut out = format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'sha256-{style_hash}'; \
         base-uri 'none'; form-action 'none'\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"referrer\" content=\"no-referrer\">\n\
         <title>{}: {}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n",
        escape(&view::subject(outcome)),
        view::severities(outcome)
    );
    header(&mut out, outcome);
    coverage(&mut out, outcome);
    if let Some(unseen) = view::unseen(outcome) {
        let _ = writeln!(out, "<p class=\"dim\">{unseen}.</p>");
    }
    notices(&mut out, outcome);
    findings(&mut out, outcome);
    operations(&mut out, &outcome.operations);
    let _ = write!(
        out,
        "<h2>Reproduce</h2>\n<p>Seed <code>{}</code>, plan <code>{}</code>, scan <code>{}</code>.</p>\n\
         <p class=\"dim\">{} {}</p>\n</body>\n</html>\n",
        outcome.seed,
        escape(&outcome.plan_hash),
        escape(id),
        super::TOOL,
        super::VERSION
    );
    out
}

fn header(out: &mut String, outcome: &Outcome) {
    let _ = write!(
        out,
        "<header>\n<h1>{}</h1>\n<p class=\"dim\">{} scan of <code>{}</code>, {} in {:.1} s. \
         {} requests, {} received, {} verdicts passed, {} failed.</p>\n</header>\n",
        escape(&view::subject(outcome)),
        escape(&outcome.kind),
        escape(&outcome.target),
        escape(&view::ending(outcome)),
        view::seconds(outcome),
        thousands(outcome.requests),
        size(outcome.bytes_received),
        thousands(outcome.passed),
        thousands(outcome.failed)
    );
}

fn coverage(out: &mut String, outcome: &Outcome) {
    let coverage = Coverage::of(outcome);
    let _ = write!(
        out,
        "<h2>Coverage</h2>\n<progress value=\"{}\" max=\"{}\"></progress>\n<p>{}.</p>\n",
        coverage.covered,
        coverage.total.max(1),
        coverage.sentence()
    );
    list(out, coverage.reasons.iter().map(|(reason, number)| format!("{number} × {reason}")));
}

fn notices(out: &mut String, outcome: &Outcome) {
    if !outcome.notices.is_empty() {
        out.push_str("<h2>Notices</h2>\n");
        list(out, outcome.notices.iter().cloned());
    }
}

fn list(out: &mut String, lines: impl Iterator<Item = String>) {
    let items: String = lines.map(|line| format!("<li>{}</li>\n", escape(&line))).collect();
    if !items.is_empty() {
        let _ = writeln!(out, "<ul>\n{items}</ul>");
    }
}

fn findings(out: &mut String, outcome: &Outcome) {
    out.push_str("<h2>Findings</h2>\n<div class=\"filter\">\n");
    for (severity, number) in view::counts(outcome) {
        let name = severity.as_str();
        let _ = writeln!(
            out,
            "<label class=\"{name}\"><input type=\"checkbox\" id=\"show-{name}\" checked> {name} <b>{number}</b></label>"
        );
    }
    out.push_str("</div>\n");
    let mut left = MAX_FINDINGS;
    for group in groups(outcome) {
        if left == 0 {
            break;
        }
        article(out, &group, left);
        left = left.saturating_sub(group.findings.len());
    }
    if outcome.findings.len() > MAX_FINDINGS {
        let _ = writeln!(out, "<p>The first {MAX_FINDINGS} are shown; the JSON report holds them all.</p>");
    }
    if outcome.findings.is_empty() {
        out.push_str("<p>None.</p>\n");
    }
}

fn article(out: &mut String, group: &Group<'_>, max: usize) {
    let lead = group.lead;
    let _ = write!(
        out,
        "<article class=\"{0}\">\n<h3><span>{0}</span>{1} {2}</h3>\n<p class=\"dim\">{3}</p>\n<p>{4}</p>\n\
         <p><b>To do</b>: {5}</p>\n",
        lead.severity.as_str(),
        escape(&lead.check_id),
        escape(&lead.title),
        references(lead),
        escape(&lead.description),
        escape(&lead.remediation)
    );
    for finding in group.findings.iter().take(max) {
        finding_details(out, finding);
    }
    out.push_str("</article>\n");
}

fn references(finding: &Finding) -> String {
    let mut parts = vec![finding.confidence.as_str().to_owned()];
    parts.extend(finding.cwe.iter().cloned());
    parts.extend(finding.owasp.clone());
    parts.extend(finding.cvss.as_ref().map(|cvss| format!("CVSS {:.1} {}", cvss.score, cvss.vector)));
    escape(&parts.join(" · "))
}

fn finding_details(out: &mut String, finding: &Finding) {
    let place = if finding.location.is_empty() { String::new() } else { format!(", {}", finding.location) };
    let _ = write!(
        out,
        "<details>\n<summary><code>{}</code>{} <span class=\"dim\">({}, {})</span></summary>\n<p>{}</p>\n<pre>{}</pre>\n",
        escape(&view::endpoint(finding)),
        escape(&place),
        finding.severity.as_str(),
        seen(finding.occurrences),
        escape(&finding.explanation),
        escape(&finding.curl)
    );
    for evidence in &finding.evidence {
        evidence_details(out, evidence);
    }
    let _ = writeln!(out, "<p class=\"dim\">Fingerprint <code>{}</code></p>\n</details>", escape(&finding.id));
}

fn evidence_details(out: &mut String, evidence: &Evidence) {
    let _ = write!(
        out,
        "<details>\n<summary>{} at {}</summary>\n<pre>{}</pre>\n<pre>{}</pre>\n</details>\n",
        escape(&evidence.role),
        evidence.at.to_rfc3339_opts(chrono::SecondsFormat::Millis, true),
        escape(&cut(&evidence.request, MAX_EVIDENCE)),
        escape(&cut(&evidence.response, MAX_EVIDENCE))
    );
}

fn operations(out: &mut String, operations: &[OperationOutcome]) {
    out.push_str(
        "<h2>Operations</h2>\n<table>\n<thead><tr><th>operation</th><th>requests</th><th>answers</th>\
         <th>covered</th></tr></thead>\n<tbody>\n",
    );
    for operation in operations {
        let answers: Vec<String> =
            operation.statuses.iter().map(|(status, number)| format!("{number} × {status}")).collect();
        let covered = match (&operation.reason, operation.covered) {
            (_, true) => "yes".to_owned(),
            (Some(reason), false) => format!("no: {reason}"),
            (None, false) => "no".to_owned(),
        };
        let _ = writeln!(
            out,
            "<tr><td><code>{} {}</code></td><td class=\"number\">{}</td><td>{}</td><td>{}</td></tr>",
            escape(&operation.method),
            escape(&operation.path),
            thousands(operation.requests),
            answers.join(", "),
            escape(&covered)
        );
    }
    out.push_str("</tbody>\n</table>\n");
}

fn seen(occurrences: u32) -> String {
    match occurrences {
        0 | 1 => "seen once".to_owned(),
        more => format!("seen {} times", thousands(more.into())),
    }
}
