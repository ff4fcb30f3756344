//! Every writer over one outcome that holds what targets like to hide in text.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde_json::Value;

use super::*;
use crate::engine::{OperationOutcome, SPEC_FAULT, ScanFailure};
use crate::finding::{Confidence, Cvss, Evidence, Finding, Severity};
use crate::gate::Status;

const SCAN: &str = "scan_01hzy";

/// Ends tags, cells, fences and lines; starts formulas, links, mentions and terminal sequences.
const HOSTILE: &str =
    "=cmd()|<script>alert('1')</script>\"&\n```\n</details>@all\x1b[31m\x00\u{202e} https://evil.test [x](y)";

fn at(seconds: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(1_760_000_000 + seconds, 0).unwrap()
}

fn finding(check_id: &str, severity: Severity, endpoint: &str, cause: &str) -> Finding {
    Finding {
        id: format!("{check_id}-{endpoint}").bytes().fold(String::new(), |id, byte| format!("{id}{byte:02x}")),
        check_id: check_id.to_owned(),
        title: format!("Title of {check_id}"),
        severity,
        confidence: Confidence::Confirmed,
        endpoint: endpoint.to_owned(),
        location: "query limit".to_owned(),
        cwe: vec!["CWE-20".to_owned()],
        owasp: None,
        cvss: None,
        description: "What it is.".to_owned(),
        explanation: "A valid request was answered 500 twice, and a second valid request was answered 200 in between."
            .to_owned(),
        remediation: "Handle it.".to_owned(),
        evidence: vec![Evidence {
            role: "probe".to_owned(),
            request: "GET /pets?limit=0 HTTP/1.1\nAuthorization: [redacted]".to_owned(),
            response: "HTTP/1.1 500 Internal Server Error\n\noops".to_owned(),
            at: at(2),
        }],
        curl: "curl -sS 'http://127.0.0.1:8080/pets?limit=0' -H \"Authorization: Bearer $NAT_TOKEN\"".to_owned(),
        first_seen: at(2),
        occurrences: 1,
        spec_pointer: Some("/paths/~1pets/get".to_owned()),
        cause: cause.to_owned(),
        steps: Vec::new(),
        origin: None,
    }
}

fn operation(endpoint: &str, covered: bool, reason: Option<&str>) -> OperationOutcome {
    let (method, path) = endpoint.split_once(' ').unwrap();
    OperationOutcome {
        method: method.to_owned(),
        path: path.to_owned(),
        operation_id: None,
        requests: 12,
        statuses: BTreeMap::from([(if covered { 200 } else { 404 }, 11), (500, 1)]),
        covered,
        reason: reason.map(str::to_owned),
    }
}

/// An outcome with `findings` and a little of everything else.
fn outcome(findings: Vec<Finding>) -> Outcome {
    Outcome {
        kind: "functional".to_owned(),
        target: "http://127.0.0.1:8080/v1".to_owned(),
        api: Some("Pet shop 1.2.0".to_owned()),
        failure: None,
        cancelled: false,
        operations: vec![
            operation("GET /pets", true, None),
            operation("POST /pets", true, None),
            operation("GET /pets/{id}", false, Some("always 404: ids are made up")),
            operation("DELETE /pets/{id}", false, Some("always 404: ids are made up")),
            operation("GET /admin", false, Some("always 401: credentials are missing or refused")),
        ],
        findings,
        accounts: Vec::new(),
        notices: vec!["The request budget of 10,000 ran out; what came later in the plan was not tried.".to_owned()],
        requests: 10_000,
        bytes_received: 2_345_678,
        passed: 1_234,
        failed: 9,
        seed: 42,
        unseen: Some(0.0125),
        plan_hash: "5f16c0ffee".to_owned(),
        clean_up: None,
        plan_chain: Vec::new(),
        started_at: at(0),
        completed_at: at(4),
    }
}

fn sample() -> Outcome {
    let crash = |endpoint| finding("F001", Severity::High, endpoint, "F001 top frame handlers.py:12");
    let mut hostile = finding("F012", Severity::Medium, "POST /pets", "");
    hostile.title = HOSTILE.to_owned();
    hostile.explanation = HOSTILE.to_owned();
    hostile.remediation = HOSTILE.to_owned();
    hostile.location = HOSTILE.to_owned();
    hostile.curl = HOSTILE.to_owned();
    hostile.evidence[0].response = HOSTILE.to_owned();
    hostile.confidence = Confidence::Tentative;
    let mut cors = finding("S-CORS", Severity::Critical, "*", "cors");
    cors.cvss = Some(Cvss { vector: "CVSS:3.1/AV:N/AC:L/PR:N/UI:R/S:U/C:H/I:H/A:H".to_owned(), score: 9.1 });
    cors.owasp = Some("API8:2023".to_owned());
    cors.location = String::new();
    cors.occurrences = 31;
    outcome(vec![
        cors,
        crash("GET /pets"),
        crash("POST /pets"),
        crash("GET /pets/{id}"),
        crash("DELETE /pets/{id}"),
        crash("GET /admin"),
        crash("PUT /pets/{id}"),
        hostile,
        finding("F064", Severity::Info, "GET /admin", "F064"),
    ])
}

fn text(outcome: &Outcome, format: Format) -> String {
    String::from_utf8(write(outcome, SCAN, format)).unwrap()
}

#[test]
fn report_of_every_format_is_as_reviewed() {
    let outcome = sample();
    for format in Format::ALL {
        let text = text(&outcome, format).replace(VERSION, "[version]");
        insta::assert_snapshot!(format.as_str(), text);
    }
}

#[test]
fn terminal_is_as_reviewed() {
    insta::assert_snapshot!("terminal", terminal(&sample(), false, 80));
    insta::assert_snapshot!("terminal_in_colour", terminal(&sample(), true, 100).replace('\x1b', "␛"));
}

#[test]
fn terminal_of_a_failed_or_cancelled_or_empty_scan_says_so() {
    let mut empty = outcome(Vec::new());
    assert!(terminal(&empty, false, 80).ends_with("\nno findings\n"));
    empty.cancelled = true;
    assert!(terminal(&empty, false, 80).contains("\ncancelled; this is what it got to after 4.0 s\n"));
    empty.operations.clear();
    empty.failure = Some(ScanFailure { code: "TARGET_UNREACHABLE".to_owned(), message: "Nobody is there.".to_owned() });
    let text = terminal(&empty, false, 80);
    assert!(
        text.contains("\nfailed: Nobody is there. (TARGET_UNREACHABLE) after 4.0 s\n") && !text.contains("Coverage")
    );
}

#[test]
fn terminal_keeps_to_its_width_and_holds_no_control_character() {
    let outcome = sample();
    for width in [0, 40, 80, 120, 1000] {
        let text = terminal(&outcome, false, width);
        for line in text.lines().filter(|line| !line.trim_start().starts_with("$ ")) {
            assert!(line.chars().count() <= width.clamp(40, 120), "{width}: {line}");
        }
        assert!(!text.chars().any(|char| char.is_control() && char != '\n'));
    }
}

#[test]
fn terminal_shows_few_faults_of_the_spec_and_the_json_report_all() {
    let mut outcome = sample();
    outcome.notices.extend((0..9).map(|number| format!("{SPEC_FAULT}/paths/{number}: odd")));
    let shown = terminal(&outcome, false, 80);
    assert_eq!(shown.matches(SPEC_FAULT).count(), 3);
    assert!(shown.contains("… and 6 more kinds of faults in the spec (see the JSON report)"), "{shown}");
    assert!(shown.contains("request budget"), "other notices stay");
    assert_eq!(text(&outcome, Format::Json).matches(SPEC_FAULT).count(), 9);
}

#[test]
fn hostile_text_is_inert_in_every_format() {
    let outcome = sample();
    let html = text(&outcome, Format::Html);
    assert!(!html.contains("<script") && !html.contains("</details>@all") && !html.contains("<a "));
    let markdown = text(&outcome, Format::Markdown);
    assert!(!markdown.lines().any(|line| line.starts_with('|') && line.contains("<script")), "cells are escaped");
    let junit = text(&outcome, Format::Junit);
    assert!(!junit.contains("<script") && !junit.chars().any(|char| char.is_control() && !"\n\t".contains(char)));
    let table = text(&outcome, Format::Csv);
    let mut reader = ::csv::Reader::from_reader(table.as_bytes());
    let columns = reader.headers().unwrap().len();
    let rows: Vec<_> = reader.records().map(Result::unwrap).collect();
    assert_eq!(rows.len(), outcome.findings.len());
    for cell in rows.iter().flatten() {
        assert!(!cell.starts_with(['=', '+', '-', '@', '\t', '\r']), "{cell}");
    }
    assert!(
        rows.iter().all(|row| row.len() == columns) && rows.iter().flatten().any(|cell| cell.starts_with("'=cmd()"))
    );
}

#[test]
fn every_report_says_how_to_reproduce_and_how_much_was_reached() {
    let outcome = sample();
    for format in Format::ALL {
        let text = text(&outcome, format);
        for needle in ["42", "5f16c0ffee", SCAN] {
            assert!(text.contains(needle), "{} lacks {needle}", format.as_str());
        }
        // A CSV row has no place for sentences.
        let notice = "ran out; what came later";
        assert!(format == Format::Csv || text.contains(notice), "{} lacks the notice", format.as_str());
    }
}

#[test]
fn json_is_the_outcome_with_an_id_and_reads_back() {
    let outcome = sample();
    let bytes = write(&outcome, SCAN, Format::Json);
    assert_eq!(serde_json::from_slice::<Outcome>(&bytes).unwrap(), outcome);
    let value: Value = serde_json::from_slice(&bytes).unwrap();
    assert_eq!(
        (&value["scan_id"], &value["summary"]["high"], &value["tool"]["name"]),
        (&SCAN.into(), &6.into(), &"NAT".into())
    );
}

#[test]
fn sarif_has_what_the_standard_and_github_require() {
    let outcome = sample();
    let log: Value = serde_json::from_slice(&write(&outcome, SCAN, Format::Sarif)).unwrap();
    assert_eq!((&log["version"], log["runs"].as_array().unwrap().len()), (&"2.1.0".into(), 1));
    let run = &log["runs"][0];
    let rules = run["tool"]["driver"]["rules"].as_array().unwrap();
    let ids: Vec<_> = rules.iter().map(|rule| rule["id"].as_str().unwrap()).collect();
    assert_eq!(ids, ["S-CORS", "F001", "F012", "F064"]);
    assert_eq!(rules[0]["properties"]["security-severity"], "9.1");
    assert_eq!(rules[1]["properties"]["security-severity"], Value::Null, "a contract defect is no security alert");
    let results = run["results"].as_array().unwrap();
    assert_eq!(results.len(), outcome.findings.len());
    for result in results {
        let index = usize::try_from(result["ruleIndex"].as_u64().unwrap()).unwrap();
        assert_eq!(result["ruleId"], rules[index]["id"]);
        assert!(!result["message"]["text"].as_str().unwrap().is_empty());
        assert!(["error", "warning", "note"].contains(&result["level"].as_str().unwrap()));
        let location = &result["locations"][0]["physicalLocation"];
        assert_eq!(
            (&location["artifactLocation"]["uri"], &location["region"]["startLine"]),
            (&"openapi.json".into(), &1.into())
        );
        assert!(result["partialFingerprints"]["nat/v1"].is_string());
        assert_eq!(result["partialFingerprints"].as_object().unwrap().len(), 1);
    }
}

#[test]
fn sarif_says_what_is_new_only_beside_a_baseline() {
    let outcome = sample();
    let states = |bytes: &[u8]| -> Vec<(Value, bool)> {
        let log: Value = serde_json::from_slice(bytes).unwrap();
        let results = log["runs"][0]["results"].as_array().unwrap().clone();
        results.iter().map(|result| (result["baselineState"].clone(), result["suppressions"].is_array())).collect()
    };
    assert!(states(&write(&outcome, SCAN, Format::Sarif)).iter().all(|(state, _)| state.is_null()));
    let mut statuses = vec![Status::New; outcome.findings.len()];
    (statuses[0], statuses[1]) = (Status::Unchanged, Status::Suppressed);
    let review = Review { outcome: &outcome, statuses, gone: Vec::new(), notices: Vec::new() };
    let told = states(&write_reviewed(&review, SCAN, Format::Sarif));
    assert_eq!(told[..3], [("unchanged".into(), false), ("unchanged".into(), true), ("new".into(), false)]);
    assert_eq!(write_reviewed(&review, SCAN, Format::Csv), write(&outcome, SCAN, Format::Csv));
}

#[test]
fn sarif_and_markdown_and_html_are_bounded() {
    let many = |number: usize| -> Outcome {
        outcome(
            (0..number).map(|i| finding("F010", Severity::Low, &format!("GET /p{i}"), &format!("cause {i}"))).collect(),
        )
    };
    let outcome = many(25_001);
    let log: Value = serde_json::from_slice(&write(&outcome, SCAN, Format::Sarif)).unwrap();
    assert_eq!(log["runs"][0]["results"].as_array().unwrap().len(), 25_000);
    let notes = log["runs"][0]["invocations"][0]["toolExecutionNotifications"].to_string();
    assert!(notes.contains("1 more results are left out"), "{notes}");
    let outcome = many(2_001);
    let markdown = text(&outcome, Format::Markdown);
    assert!(markdown.chars().count() <= 65_000 && markdown.contains("more groups did not fit"));
    assert!(markdown.ends_with("plan 5f16c0ffee\n"));
    assert!(text(&outcome, Format::Html).contains("The first 2000 are shown"));
    assert!(terminal(&outcome, false, 80).contains("and 1,961 more causes"));
}

/// A finding of one request and one of two, with what could break a quotation.
fn replayable() -> Outcome {
    use crate::check::As;
    use crate::finding::{Capture, CaptureFrom, Step, StepBody, StepHeader};
    let header = |name: &str, value: &str| StepHeader { name: name.to_owned(), value: value.to_owned(), latin1: false };
    let step = |method: &str, target: &str, body: Option<StepBody>, status| Step {
        method: method.to_owned(),
        target: target.to_owned(),
        headers: vec![header("Content-Type", "application/json")],
        identity: As::Primary,
        credentials: vec![header("Authorization", "Bearer {{NAT_TOKEN}}")],
        body,
        captures: Vec::new(),
        status,
    };
    let hostile = StepBody::Text(format!("{{\"a\":\"it's \\\"{HOSTILE}\\n'''\\u0000\"}}"));
    let mut one = finding("F001", Severity::High, "POST /pets", "a");
    one.steps = vec![step("POST", "/pets?limit='$(id)'", Some(hostile), Some(500))];
    let mut create = step("POST", "/pets", Some(StepBody::Text("{\"name\":\"Rex\"}".to_owned())), Some(201));
    let capture = |name: &str, from| Capture { name: name.to_owned(), from };
    create.captures = vec![
        capture("id", CaptureFrom::Body("/data/0/the id".to_owned())),
        capture("tag", CaptureFrom::Header("ETag".to_owned())),
    ];
    let bytes = StepBody::Base64("//4=".to_owned());
    let mut two = finding("F040", Severity::High, "GET /pets/{id}", "b");
    two.steps =
        vec![create, step("PUT", "/pets/{{id}}", Some(bytes), Some(204)), step("GET", "/pets/{{id}}", None, Some(200))];
    two.steps[2].headers[0].value = "{{tag}}".to_owned();
    let mut three = finding("F013", Severity::Low, "GET /pets", "c");
    three.steps = vec![step("GET", "/pets", None, Some(200))];
    outcome(vec![one, two, three, finding("F030", Severity::Low, "GET /pets", "d")])
}

#[test]
fn export_of_every_kind_is_as_reviewed() {
    let outcome = replayable();
    for kind in Export::ALL {
        let files = export(&outcome, SCAN, kind);
        assert_eq!(files.len() == 1, !kind.is_directory());
        let all: Vec<String> =
            files.iter().map(|file| format!("--- {}\n{}", file.name, String::from_utf8_lossy(&file.bytes))).collect();
        insta::assert_snapshot!(format!("export_{}", kind.as_str()), all.join("\n").replace(VERSION, "[version]"));
    }
}

#[test]
fn exports_of_hostile_findings_stay_well_formed() {
    let outcome = sample();
    let log: Value = serde_json::from_slice(&export(&outcome, SCAN, Export::Har)[0].bytes).unwrap();
    let entries = log["log"]["entries"].as_array().unwrap();
    assert!(!entries.is_empty() && entries.iter().all(|entry| entry["_nat"]["finding"].is_string()));
    for file in export(&outcome, SCAN, Export::Allure) {
        assert!(file.name.chars().all(|char| char.is_ascii_alphanumeric() || "-.".contains(char)), "{}", file.name);
    }
    let lines = export(&outcome, SCAN, Export::Ndjson)[0].bytes.clone();
    let findings: Vec<Finding> =
        String::from_utf8(lines).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(findings, outcome.findings);
}

#[test]
fn pytest_file_is_python() {
    use std::process::{Command, Stdio};
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), &export(&replayable(), SCAN, Export::Pytest)[0].bytes).unwrap();
    let script = "import ast,sys; ast.parse(open(sys.argv[1], encoding='utf-8').read())";
    let run = Command::new("python3").args(["-c", script]).arg(file.path()).stderr(Stdio::piped()).output();
    // A machine without Python has no use for the file either.
    let Ok(output) = run else { return };
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn annotations_point_into_the_document_and_cannot_be_broken_out_of() {
    let text =
        "openapi: 3.1.0\npaths:\n  /pets:\n    get: {}\n    post:\n      responses: {}\n  '/pets/{id}':\n    get: {}\n";
    let spec = SpecFile { path: "api,v1/openapi.yaml", text };
    let outcome = sample();
    for dialect in Annotate::ALL {
        let bytes = annotations(&outcome.findings, dialect, spec);
        insta::assert_snapshot!(format!("annotations_{}", dialect.as_str()), String::from_utf8(bytes).unwrap());
    }
    let lines = String::from_utf8(annotations(&outcome.findings, Annotate::Github, spec)).unwrap();
    assert_eq!(lines.lines().count(), outcome.findings.len());
    assert!(lines.lines().all(|line| line.starts_with("::")), "{lines}");
}
