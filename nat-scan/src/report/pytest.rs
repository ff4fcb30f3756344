//! A pytest file: each finding becomes a test that passes once the defect is gone. It uses Python's own HTTP client,
//! which sends targets as they are.

use std::fmt::Write as _;

use super::har::origin;
use super::text::one_line;
use super::view;
use crate::engine::Outcome;
use crate::finding::{Capture, CaptureFrom, Finding, Step, StepBody, StepHeader};
use crate::generate::Intent;

const HEAD: &str = include_str!("pytest.py");

pub(super) fn write(outcome: &Outcome) -> String {
    let target = text(&origin(&outcome.target));
    let mut out = HEAD.replace("\"@TARGET@\"", &target);
    for finding in outcome.findings.iter().filter(|finding| !finding.steps.is_empty()) {
        test(&mut out, finding);
    }
    out
}

fn test(out: &mut String, finding: &Finding) {
    let Some((probe, before)) = finding.steps.split_last() else { return };
    let assertion = assertion(finding, probe);
    out.push_str("\n\n");
    if assertion.is_none() {
        let reason = format!("{} must judge the answer: nat replay REPORT {}", finding.check_id, finding.id);
        let _ = writeln!(out, "@pytest.mark.skip(reason={})", text(&reason));
    }
    let id = finding.id.get(..12).unwrap_or(&finding.id);
    let about = format!("{}: {}", view::endpoint(finding), one_line(&finding.explanation));
    let _ = writeln!(out, "def test_{}_{}():", word(&finding.check_id), word(id));
    let _ = writeln!(out, "    {}", text(&about));
    out.push_str("    values = dict(os.environ)\n");
    for step in before {
        let _ = writeln!(out, "    answer = send(values, {})", call(step));
        if let Some(status) = step.status {
            let _ = writeln!(out, "    assert answer.status // 100 == {}, \"the set-up fails\"", status / 100);
        }
        for capture in &step.captures {
            let _ = writeln!(out, "    values[{}] = {}", text(&capture.name), read(capture));
        }
    }
    let _ = writeln!(out, "    answer = send(values, {})", call(probe));
    let _ = writeln!(out, "    assert {}", assertion.as_deref().unwrap_or("answer.status < 500"));
}

/// What must be true once the defect is gone, when that can be said in a line.
fn assertion(finding: &Finding, probe: &Step) -> Option<String> {
    let meant_valid = finding.origin.as_ref().is_some_and(|origin| origin.intent == Intent::Positive);
    match (finding.check_id.as_str(), probe.status) {
        (_, None) => Some("answer.status > 0".to_owned()),
        ("F011", _) => {
            let answer = finding.evidence.iter().find(|evidence| evidence.role == "probe")?.response_parts()?;
            let media = answer.header("content-type")?.split(';').next()?.trim();
            Some(format!("answer.headers.get_content_type() != {}", text(&media.to_ascii_lowercase())))
        }
        ("F014", _) => {
            let answer = finding.evidence.iter().find(|evidence| evidence.role == "probe")?.response_parts()?;
            let name = finding.location.strip_prefix("header ").filter(|name| answer.header(name).is_none())?;
            Some(format!("{} in answer.headers", text(name)))
        }
        ("F010", Some(status)) => Some(format!("answer.status != {status}")),
        (_, Some(500..)) => Some("answer.status < 500".to_owned()),
        ("F020" | "F022" | "F023" | "F026" | "S-AUTH1" | "S-AUTH2" | "F040", Some(200..300)) => {
            Some("not 200 <= answer.status < 300".to_owned())
        }
        (_, Some(400..500)) if meant_valid => Some("answer.status < 400".to_owned()),
        _ => None,
    }
}

fn call(step: &Step) -> String {
    let headers: Vec<String> = step.headers.iter().chain(&step.credentials).map(header).collect();
    let body = match &step.body {
        None => "None".to_owned(),
        Some(StepBody::Text(body)) => text(body),
        Some(StepBody::Base64(body)) => format!("base64.b64decode({})", text(body)),
    };
    format!("{}, {}, [{}], {body}", text(&step.method), text(&step.target), headers.join(", "))
}

fn header(header: &StepHeader) -> String {
    format!("({}, {})", text(&header.name), text(&header.value))
}

fn read(capture: &Capture) -> String {
    match &capture.from {
        CaptureFrom::Body(pointer) => format!("point(answer.json, {})", text(pointer)),
        CaptureFrom::Header(name) => format!("answer.headers[{}]", text(name)),
    }
}

/// A literal: a string of JSON is one of Python too. In ASCII, so that the source shows what it does.
fn text(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    for char in serde_json::to_string(text).unwrap_or_default().chars() {
        let _ = match char {
            ' '..='~' => write!(out, "{char}"),
            _ => write!(out, "\\U{:08x}", u32::from(char)),
        };
    }
    out
}

fn word(text: &str) -> String {
    text.chars().map(|char| if char.is_ascii_alphanumeric() { char.to_ascii_lowercase() } else { '_' }).collect()
}
