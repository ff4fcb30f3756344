//! The summary that a person reads after a scan, at any width, with or without colour.

use crate::engine::{Outcome, SPEC_FAULT};
use crate::finding::Severity;

use super::text::{clean, count, cut, one_line, size, thousands};
use super::view::{self, Coverage, Group, groups};

/// Endpoints named in a group.
const MAX_ENDPOINTS: usize = 5;
/// Groups shown; a person reads no more, and every report file holds them all.
const MAX_GROUPS: usize = 40;
/// Reasons and notices shown.
const MAX_LINES: usize = 12;
/// Faults of the document shown; the scan is about the API.
const MAX_FAULTS: usize = 3;
/// Characters of one explanation.
const MAX_EXPLANATION: usize = 600;

/// The outcome as text that ends with a line end. `width` is the terminal's, in columns; curl lines are never broken,
/// so that they can be copied.
#[must_use]
pub fn terminal(outcome: &Outcome, colour: bool, width: usize) -> String {
    let mut page = Page { out: String::new(), colour, width: width.clamp(40, 120) };
    page.head(outcome);
    page.coverage(outcome);
    page.findings(outcome);
    page.notices(outcome);
    page.foot(outcome);
    page.out
}

/// What helps where credentials are missing.
const CREDENTIALS: &str = " (give --user, --bearer, --header or --auth-file)";

struct Page {
    out: String,
    colour: bool,
    width: usize,
}

/// SGR parameters.
const BOLD: &str = "1";
const DIM: &str = "2";
const YELLOW: &str = "33";
const RED: &str = "1;31";
const GREEN: &str = "32";

const fn tone(severity: Severity) -> &'static str {
    match severity {
        Severity::Critical => "1;97;41",
        Severity::High => "1;31",
        Severity::Medium => "1;33",
        Severity::Low => "1;34",
        Severity::Info => "2",
    }
}

impl Page {
    fn paint(&self, style: &str, text: &str) -> String {
        if self.colour { format!("\x1b[{style}m{text}\x1b[0m") } else { text.to_owned() }
    }

    fn line(&mut self, text: &str) {
        self.out.push_str(text.trim_end());
        self.out.push('\n');
    }

    /// Paragraph with hanging indentation: `first` before the first line, spaces before the others.
    fn wrapped(&mut self, first: &str, text: &str, style: Option<&str>) {
        let indent = first.chars().count();
        for (index, line) in wrap(text, self.width.saturating_sub(indent)).into_iter().enumerate() {
            let line = line.replace('\u{a0}', " ");
            let line = style.map_or_else(|| line.clone(), |style| self.paint(style, &line));
            let lead = if index == 0 { first.to_owned() } else { " ".repeat(indent) };
            self.line(&format!("{lead}{line}"));
        }
    }

    /// A title and a rule to the right edge.
    fn section(&mut self, title: &str) {
        let rule = "─".repeat(self.width.saturating_sub(title.chars().count() + 1));
        let line = format!("\n{} {}", self.paint(BOLD, title), self.paint(DIM, &rule));
        self.line(&line);
    }

    fn head(&mut self, outcome: &Outcome) {
        let subject = self.paint(BOLD, &cut(&view::subject(outcome), 200));
        self.line(&format!("{subject}  {} scan", one_line(&outcome.kind)));
        let ending = view::ending(outcome);
        let style = if outcome.failure.is_some() { Some(RED) } else { outcome.cancelled.then_some(YELLOW) };
        self.wrapped("", &one_line(&outcome.target), Some(DIM));
        self.wrapped("", &format!("{ending} after {:.1} s", view::seconds(outcome)), style);
    }

    fn coverage(&mut self, outcome: &Outcome) {
        let coverage = Coverage::of(outcome);
        if coverage.total == 0 {
            return;
        }
        self.section("Coverage");
        if self.width >= 70 {
            let filled = coverage.covered * 20 / coverage.total;
            let (full, empty) = ("█".repeat(filled), "░".repeat(20 - filled));
            let line = format!("  {}{}  {}", self.paint(GREEN, &full), self.paint(DIM, &empty), coverage.sentence());
            self.line(&line);
        } else {
            self.wrapped("  ", &coverage.sentence(), None);
        }
        for (reason, number) in coverage.reasons.iter().take(MAX_LINES) {
            let remedy = if reason.ends_with("credentials are missing") { CREDENTIALS } else { "" };
            self.wrapped(&format!("  {number:>5}  "), &format!("{reason}{remedy}"), None);
        }
        self.more(coverage.reasons.len().saturating_sub(MAX_LINES), "reason");
    }

    fn more(&mut self, number: usize, noun: &str) {
        if number > 0 {
            let line = self.paint(DIM, &format!("  … and {}", count(number, &format!("more {noun}"))));
            self.line(&line);
        }
    }

    fn findings(&mut self, outcome: &Outcome) {
        let groups = groups(outcome);
        if groups.is_empty() {
            return;
        }
        let title = if groups.len() == outcome.findings.len() {
            "Findings".to_owned()
        } else {
            format!("Findings ({} from {})", thousands(outcome.findings.len() as u64), count(groups.len(), "cause"))
        };
        self.section(&title);
        for (index, group) in groups.iter().take(MAX_GROUPS).enumerate() {
            if index > 0 {
                self.line("");
            }
            self.group(group);
        }
        self.more(groups.len().saturating_sub(MAX_GROUPS), "cause");
    }

    fn group(&mut self, group: &Group<'_>) {
        let lead = group.lead;
        let name = format!("{:<8}", lead.severity.as_str().to_uppercase());
        let number = match group.findings.len() {
            1 => String::new(),
            more => format!(" ({more}×)"),
        };
        let confidence = match lead.confidence {
            crate::finding::Confidence::Tentative => " [not proved]",
            _ => "",
        };
        let title = format!("{}  {}{number}{confidence}", one_line(&lead.check_id), one_line(&lead.title));
        let indent = name.chars().count() + 1;
        for (index, line) in wrap(&title, self.width.saturating_sub(indent)).into_iter().enumerate() {
            let label = if index == 0 { self.paint(tone(lead.severity), &name) } else { " ".repeat(indent - 1) };
            let line = format!("{label} {}", self.paint(BOLD, &line));
            self.line(&line);
        }
        let endpoints = group.endpoints();
        let mut places: Vec<String> = endpoints.iter().take(MAX_ENDPOINTS).map(|endpoint| cut(endpoint, 120)).collect();
        if endpoints.len() > MAX_ENDPOINTS {
            places.push(format!("and {} more", endpoints.len() - MAX_ENDPOINTS));
        }
        // "GET /pets" stays on one line.
        let places = places.iter().map(|place| place.replace(' ', "\u{a0}")).collect::<Vec<_>>().join(", ");
        self.wrapped("  ", &places, None);
        self.wrapped("  ", &one_line(&cut(&lead.explanation, MAX_EXPLANATION)), Some(DIM));
        if !lead.curl.is_empty() {
            // Spaces inside its quotes count, so only line ends are touched.
            let line = format!("  {} {}", self.paint(DIM, "$"), clean(&lead.curl).replace(['\n', '\t'], " "));
            self.line(&line);
        }
    }

    fn notices(&mut self, outcome: &Outcome) {
        if outcome.notices.is_empty() {
            return;
        }
        self.section("Notices");
        let (faults, others): (Vec<_>, Vec<_>) =
            outcome.notices.iter().partition(|notice| notice.starts_with(SPEC_FAULT));
        for notice in others.iter().take(MAX_LINES).chain(faults.iter().take(MAX_FAULTS)) {
            self.wrapped("  ! ", &one_line(&cut(notice, MAX_EXPLANATION)), Some(YELLOW));
        }
        self.more(others.len().saturating_sub(MAX_LINES), "notice");
        if faults.len() > MAX_FAULTS {
            let rest = count(faults.len() - MAX_FAULTS, "more kind");
            let line = self.paint(DIM, &format!("  … and {rest} of faults in the spec (see the JSON report)"));
            self.line(&line);
        }
    }

    fn foot(&mut self, outcome: &Outcome) {
        self.section("Summary");
        let verdicts = format!("{} passed, {} failed", thousands(outcome.passed), thousands(outcome.failed));
        let used = format!(
            "{} requests, {} received, {:.1} s",
            thousands(outcome.requests),
            size(outcome.bytes_received),
            view::seconds(outcome)
        );
        self.wrapped("  budget    ", &used, None);
        self.wrapped("  verdicts  ", &verdicts, None);
        if let Some(unseen) = view::unseen(outcome) {
            self.wrapped("  unseen    ", &unseen, None);
        }
        self.wrapped("  repeat    ", &format!("--seed {}", outcome.seed), None);
        if !outcome.plan_hash.is_empty() {
            self.wrapped("  plan      ", &one_line(&outcome.plan_hash), None);
        }
        let worst = view::counts(outcome).find(|(_, number)| *number > 0).map(|(severity, _)| severity);
        let style = worst.map_or(GREEN, tone);
        let closing = if outcome.findings.is_empty() {
            "no findings".to_owned()
        } else {
            format!("{}: {}", count(outcome.findings.len(), "finding"), view::severities(outcome))
        };
        self.line("");
        self.wrapped("", &closing, Some(style));
    }
}

/// Breaks text at spaces into lines of at most `width` characters; a longer word is broken where it must be.
fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines = Vec::new();
    let mut line = String::new();
    let mut length = 0;
    for word in text.split(' ') {
        let needed = word.chars().count() + usize::from(length > 0);
        if length > 0 && length + needed > width {
            lines.push(std::mem::take(&mut line));
            length = 0;
        } else if length > 0 {
            line.push(' ');
            length += 1;
        }
        for char in word.chars() {
            if length == width {
                lines.push(std::mem::take(&mut line));
                length = 0;
            }
            line.push(char);
            length += 1;
        }
    }
    lines.push(line);
    lines
}
