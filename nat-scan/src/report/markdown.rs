//! Markdown for a pull request or an issue: at most 65,000 characters, nothing of the target's text is live.

use std::fmt::Write as _;

use crate::engine::Outcome;

use super::text::{clean, count, cut, escape_html, one_line};
use super::view::{self, Coverage, Group, groups};

/// GitHub refuses a comment of more than 65,536 characters.
const MAX_CHARS: usize = 65_000;
/// Room for what follows the findings.
const RESERVE: usize = 2_000;
/// Room for everything but the findings.
const MAX_LINES: usize = 20;

pub(super) fn write(outcome: &Outcome, id: &str) -> String {
    let mut out = head(outcome);
    let groups = groups(outcome);
    let mut budget = MAX_CHARS.saturating_sub(out.chars().count() + RESERVE);
    let mut shown = 0;
    for group in &groups {
        let section = section(group);
        let length = section.chars().count();
        if length > budget {
            break;
        }
        budget -= length;
        shown += 1;
        out.push_str(&section);
    }
    if shown < groups.len() {
        let more = count(groups.len() - shown, "more group");
        let _ = writeln!(out, "\n_{more} did not fit; the other formats hold them all._");
    }
    let _ = writeln!(
        out,
        "\n---\n{} {} · scan `{}` · {}",
        super::TOOL,
        super::VERSION,
        code(&cut(id, 100)),
        escape(&cut(&view::reproducible(outcome), 200))
    );
    out
}

fn head(outcome: &Outcome) -> String {
    let coverage = Coverage::of(outcome);
    let line = |text: &str| escape(&cut(text, 500));
    let mut out = format!("## {}: {}\n\n", line(&view::subject(outcome)), view::severities(outcome));
    let _ = writeln!(
        out,
        "{} scan of {}, {} in {:.1} s.\n",
        line(&outcome.kind),
        line(&outcome.target),
        line(&view::ending(outcome)),
        view::seconds(outcome)
    );
    out.push_str("| severity | findings |\n|---|---:|\n");
    for (severity, number) in view::counts(outcome) {
        let _ = writeln!(out, "| {} | {number} |", severity.as_str());
    }
    let _ = writeln!(out, "\n**Coverage**: {}.", coverage.sentence());
    bullets(&mut out, coverage.reasons.iter().map(|(reason, number)| format!("{number} × {}", line(reason))));
    if !outcome.notices.is_empty() {
        out.push_str("\n**Notices**\n");
        bullets(&mut out, outcome.notices.iter().map(|notice| line(notice)));
    }
    out.push('\n');
    out
}

fn bullets(out: &mut String, lines: impl ExactSizeIterator<Item = String>) {
    let more = lines.len().saturating_sub(MAX_LINES);
    for line in lines.take(MAX_LINES) {
        let _ = writeln!(out, "- {line}");
    }
    if more > 0 {
        let _ = writeln!(out, "- … and {more} more");
    }
}

fn section(group: &Group<'_>) -> String {
    let lead = group.lead;
    let line = |text: &str| escape(&cut(text, 1_000));
    let mut out = format!(
        "<details><summary><b>{}</b> {} {} ({})</summary>\n\n",
        lead.severity.as_str(),
        inline_html(&cut(&lead.check_id, 100)),
        inline_html(&cut(&lead.title, 500)),
        count(group.findings.len(), "finding")
    );
    let _ = writeln!(out, "{}\n", line(&lead.explanation));
    out.push_str("| endpoint | where | severity | seen |\n|---|---|---|---:|\n");
    for finding in group.findings.iter().take(MAX_LINES) {
        let place = if finding.location.is_empty() { "the answer" } else { &finding.location };
        let _ = writeln!(
            out,
            "| {} | {} | {} | {} |",
            escape(&cut(&view::endpoint(finding), 200)),
            escape(&cut(place, 200)),
            finding.severity.as_str(),
            finding.occurrences
        );
    }
    if group.findings.len() > MAX_LINES {
        let _ = writeln!(out, "\n… and {} more.", group.findings.len() - MAX_LINES);
    }
    let _ = writeln!(out, "\n**To do**: {}\n", line(&lead.remediation));
    let curl = clean(&cut(&lead.curl, 2_000));
    let fence = "`".repeat(longest_run(&curl, '`').max(2) + 1);
    let _ = writeln!(out, "{fence}sh\n{curl}\n{fence}\n\n</details>\n");
    out
}

/// Text that is only text: no markup, no link, no mention, no table cell.
fn escape(text: &str) -> String {
    let mut out = String::new();
    for char in one_line(text).chars() {
        match char {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '@' => out.push_str("&#64;"),
            '\\' | '`' | '*' | '_' | '{' | '}' | '[' | ']' | '#' | '|' | '~' | '!' => {
                out.push('\\');
                out.push(char);
            }
            other => out.push(other),
        }
    }
    // Bare addresses become links otherwise.
    out.replace("://", "&#58;//").replace("www.", "www&#46;")
}

/// As [`escape`], where Markdown is not read: inside an HTML block.
fn inline_html(text: &str) -> String {
    escape_html(&one_line(text)).replace('@', "&#64;").replace("://", "&#58;//")
}

/// Inside single backticks.
fn code(text: &str) -> String {
    one_line(text).replace('`', "'")
}

fn longest_run(text: &str, wanted: char) -> usize {
    let mut longest = 0;
    let mut run = 0;
    for char in text.chars() {
        run = if char == wanted { run + 1 } else { 0 };
        longest = longest.max(run);
    }
    longest
}
