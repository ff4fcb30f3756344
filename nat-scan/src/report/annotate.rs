//! Lines that a CI server shows beside the document: GitHub and Azure commands, GitLab's Code Quality file.

use serde_json::{Value, json};

use super::json::to_json;
use super::text::{clean, one_line};
use super::view;
use crate::finding::{Finding, Severity};

/// Annotations of one run; servers show few of them, and drop the rest.
const MAX_ANNOTATIONS: usize = 200;

/// Whose annotations.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Annotate {
    /// `::error file=…::…` on standard output.
    Github,
    /// Code Quality JSON, to be kept as the artefact `codequality`.
    Gitlab,
    /// `##vso[task.logissue …]` on standard output.
    Azure,
}

impl Annotate {
    /// Every one.
    pub const ALL: [Annotate; 3] = [Self::Github, Self::Gitlab, Self::Azure];

    /// The name in `--annotate`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Github => "github",
            Self::Gitlab => "gitlab",
            Self::Azure => "azure",
        }
    }

    /// The one of that name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|one| one.as_str() == name)
    }
}

/// The document that annotations point into.
#[derive(Clone, Copy, Debug, Default)]
pub struct SpecFile<'a> {
    /// Relative to the repository.
    pub path: &'a str,
    /// Its text; without it everything stands on line 1.
    pub text: &'a str,
}

/// The annotations of these findings.
#[must_use]
pub fn annotations<'a>(
    findings: impl IntoIterator<Item = &'a Finding>,
    dialect: Annotate,
    spec: SpecFile<'_>,
) -> Vec<u8> {
    let findings = findings.into_iter().take(MAX_ANNOTATIONS);
    match dialect {
        Annotate::Github => findings.map(|finding| github(finding, spec)).collect::<String>().into_bytes(),
        Annotate::Azure => findings.map(|finding| azure(finding, spec)).collect::<String>().into_bytes(),
        Annotate::Gitlab => to_json(&findings.map(|finding| gitlab(finding, spec)).collect::<Vec<Value>>()),
    }
}

fn github(finding: &Finding, spec: SpecFile<'_>) -> String {
    let level = match finding.severity {
        Severity::Critical | Severity::High => "error",
        Severity::Medium => "warning",
        Severity::Low | Severity::Info => "notice",
    };
    let data = |text: &str| clean(text).replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A");
    let property = |text: &str| data(text).replace(':', "%3A").replace(',', "%2C");
    format!(
        "::{level} file={},line={},title={}::{}\n",
        property(spec.path),
        spec.line(finding),
        property(&title(finding)),
        data(&message(finding))
    )
}

fn azure(finding: &Finding, spec: SpecFile<'_>) -> String {
    let level = if finding.severity >= Severity::High { "error" } else { "warning" };
    let property = |text: &str| one_line(text).replace('%', "%AZP25").replace(';', "%3B").replace(']', "%5D");
    format!(
        "##vso[task.logissue type={level};sourcepath={};linenumber={};code={}]{}\n",
        property(spec.path),
        spec.line(finding),
        property(&finding.check_id),
        one_line(&message(finding)).replace('%', "%AZP25")
    )
}

fn gitlab(finding: &Finding, spec: SpecFile<'_>) -> Value {
    let severity = match finding.severity {
        Severity::Critical => "blocker",
        Severity::High => "critical",
        Severity::Medium => "major",
        Severity::Low => "minor",
        Severity::Info => "info",
    };
    json!({
        "description": one_line(&message(finding)),
        "check_name": finding.check_id,
        "fingerprint": finding.id,
        "severity": severity,
        "location": {"path": spec.path, "lines": {"begin": spec.line(finding)}}
    })
}

fn title(finding: &Finding) -> String {
    format!("{} {}", finding.check_id, one_line(&finding.title))
}

fn message(finding: &Finding) -> String {
    format!("{}: {}", view::endpoint(finding), one_line(&finding.explanation))
}

impl SpecFile<'_> {
    /// Where the operation stands, found by its keys: the path, and below it the method. Good for JSON and YAML that are
    /// laid out; 1 where nothing is found.
    fn line(&self, finding: &Finding) -> usize {
        let Some((method, path)) = finding.endpoint.split_once(' ') else { return 1 };
        let method = method.to_ascii_lowercase();
        let is_key = |line: &str, key: &str| {
            let line = line.trim_start();
            let rest = line.strip_prefix(['"', '\'']).unwrap_or(line).strip_prefix(key);
            rest.is_some_and(|rest| rest.trim_start_matches(['"', '\'']).trim_start().starts_with(':'))
        };
        let mut lines = (1..).zip(self.text.lines());
        let Some((at, _)) = lines.find(|(_, line)| is_key(line, path)) else { return 1 };
        let below = lines.take_while(|(_, line)| !line.trim_start().trim_start_matches(['"', '\'']).starts_with('/'));
        let mut below = below.filter(|(_, line)| is_key(line, &method)).map(|(number, _)| number);
        below.next().unwrap_or(at)
    }
}
