//! `.http` files in the dialect of the REST Client of VS Code (httpYac reads it too): requests can be named, and later
//! ones refer to their answers.

use std::fmt::Write as _;

use super::har::origin;
use super::text::{clean, one_line};
use super::view;
use crate::engine::Outcome;
use crate::finding::{CaptureFrom, Finding, Step, StepBody};

pub(super) fn write(outcome: &Outcome) -> String {
    let mut out = format!(
        "# Findings of {} {}. Secrets come from the environment.\n@target = {}\n",
        super::TOOL,
        super::VERSION,
        one_line(&origin(&outcome.target))
    );
    for (number, finding) in (1..).zip(outcome.findings.iter().filter(|finding| !finding.steps.is_empty())) {
        finding_requests(&mut out, number, finding);
    }
    out
}

fn finding_requests(out: &mut String, number: usize, finding: &Finding) {
    let many = finding.steps.len() > 1;
    for (at, step) in (1..).zip(&finding.steps) {
        let part = if many { format!(", step {at} of {}", finding.steps.len()) } else { String::new() };
        let _ = writeln!(
            out,
            "\n### {} {}: {}{part}\n# {}\n# @name {}",
            finding.check_id,
            view::endpoint(finding),
            one_line(&finding.title),
            finding.id,
            name(number, at)
        );
        request(out, number, step);
        for capture in &step.captures {
            let from = match &capture.from {
                CaptureFrom::Body(pointer) => format!("body.{}", json_path(pointer)),
                CaptureFrom::Header(header) => format!("headers.{header}"),
            };
            let _ = writeln!(out, "\n@f{number}_{} = {{{{{}.response.{from}}}}}", capture.name, name(number, at));
        }
    }
}

fn name(number: usize, step: usize) -> String {
    format!("f{number}_{step}")
}

fn request(out: &mut String, number: usize, step: &Step) {
    let text = |text: &str| variables(text, number);
    let _ = writeln!(out, "{} {{{{target}}}}{}", step.method, text(&step.target));
    for header in step.headers.iter().chain(&step.credentials) {
        let _ = writeln!(out, "{}: {}", header.name, text(&one_line(&header.value)));
    }
    match &step.body {
        None => {}
        Some(StepBody::Text(body)) if is_plain(body) => {
            let _ = writeln!(out, "\n{}", text(body));
        }
        Some(_) => out.push_str("# The body cannot stand in this file; the curl line of the finding sends it.\n"),
    }
}

/// Nothing in it means something to the reader of the file, and it survives as text.
fn is_plain(body: &str) -> bool {
    let is_marked = |line: &str| {
        let line = line.trim_start();
        ["#", "@", "<", ">", "//"].iter().any(|mark| line.starts_with(mark))
    };
    !body.is_empty() && !body.lines().any(is_marked) && clean(body) == body && !body.ends_with('\n')
}

/// `{{id}}` as the variable of this finding; `{{NAT_TOKEN}}` from the environment.
fn variables(text: &str, number: usize) -> String {
    let mut out = text.to_owned();
    let mut known: Vec<&str> = crate::finding::placeholders(text).collect();
    known.sort_unstable();
    known.dedup();
    for name in known {
        let old = crate::finding::placeholder(name);
        let new = match name.starts_with("NAT_") {
            true => format!("{{{{$processEnv {name}}}}}"),
            false => format!("{{{{f{number}_{name}}}}}"),
        };
        out = out.replace(&old, &new);
    }
    out
}

/// `/data/0/id` as `$.data[0].id`.
fn json_path(pointer: &str) -> String {
    let mut out = "$".to_owned();
    for part in pointer.split('/').skip(1) {
        let part = part.replace("~1", "/").replace("~0", "~");
        let is_name = part.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
        let _ = match part.parse::<usize>() {
            Ok(index) => write!(out, "[{index}]"),
            Err(_) if is_name => write!(out, ".{part}"),
            Err(_) => write!(out, "['{}']", part.replace('\'', "\\'")),
        };
    }
    out
}
