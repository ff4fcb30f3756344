//! Each check against a target that has the defect and against its benign twin. Targets ask over real sockets.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};

use super::{ssrf::RequestForgery, xxe::ExternalEntity};
use crate::callback::{Callback, CallbackAddress};
use crate::check::SecurityCheck;
use crate::check::security::fixture::*;
use crate::engine::Now;
use crate::generate::{Base, Intent, Phase, cases};
use crate::schema::Schema;
use crate::spec::RequestBody;

struct Epoch;

impl Now for Epoch {
    fn now(&self) -> DateTime<Utc> {
        DateTime::UNIX_EPOCH
    }
}

fn taking(media: &str, member: &str, schema: Value) -> Api {
    let mut operation = operation("POST", "/in");
    let node = json!({"type": "object", "required": [member], "properties": {member: schema}});
    operation.body = Some(RequestBody {
        required: true,
        content: vec![MediaType {
            media_type: media.to_owned(),
            schema: Some(Schema::new(node, Default::default(), "")),
            examples: Vec::new(),
            encoding: BTreeMap::new(),
            pointer: String::new(),
        }],
    });
    api(vec![operation], &[])
}

fn check(check: &dyn SecurityCheck, api: Api, target: Target, expected: &[(&str, &str, Severity)]) -> Vec<Finding> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let mut scan = Scan::new(api, target);
    scan.accepted = scan
        .api
        .operations
        .iter()
        .map(|operation| {
            let mut cases = cases(&scan.api, operation, Phase::HappyPath, 1).into_iter();
            cases.find(|case| case.intent == Intent::Positive).map(|least| Base { least, most: None })
        })
        .collect();
    runtime.block_on(async {
        let address = CallbackAddress::beside("http://127.0.0.1").expect("loopback");
        let callback = Callback::open(&address, Arc::new(Epoch), 0).await.expect("a port");
        let callback = callback.patient(Duration::from_millis(300));
        let findings = tokio::select! {
            never = callback.serve() => match never {},
            findings = scan.findings_beside(check, Some(&callback)) => findings,
        };
        let found: Vec<_> =
            findings.iter().map(|one| (one.endpoint.as_str(), one.location.as_str(), one.severity)).collect();
        assert_eq!(found, expected);
        findings
    })
}

fn body(request: &Request) -> String {
    String::from_utf8_lossy(request.body.as_deref().unwrap_or_default()).into_owned()
}

/// Asks for the first URL in the text, in a thread of its own.
fn fetch(text: &str) {
    let Some(url) = text.split("http://127.0.0.1").nth(1).and_then(|rest| rest.split(['"', '<', ' ']).next()) else {
        return;
    };
    let Some((port, path)) = url.trim_start_matches(':').split_once('/') else { return };
    let (port, path) = (port.parse::<u16>().unwrap_or(0), path.to_owned());
    std::thread::spawn(move || {
        let Ok(mut stream) = TcpStream::connect(("127.0.0.1", port)) else { return };
        let _ = stream.write_all(format!("GET /{path} HTTP/1.1\r\nHost: x\r\nCookie: s=1\r\n\r\n").as_bytes());
        let _ = stream.read_to_end(&mut Vec::new());
    });
}

fn fine() -> Response {
    json_answer(200, &json!({"ok": true}))
}

#[test]
fn url_that_is_asked_for_is_found() {
    let by_name = || taking("application/json", "callbackUrl", json!({"type": "string"}));
    let found = check(
        &RequestForgery,
        by_name(),
        |request, _| {
            fetch(&body(request));
            fine()
        },
        &[("POST /in", "body /callbackUrl", Severity::High)],
    );
    assert!(found[0].explanation.contains("GET /nat"), "{}", found[0].explanation);
    let by_format = taking("application/json", "x", json!({"type": "string", "format": "uri"}));
    let target: Target = |request, _| {
        fetch(&body(request));
        fine()
    };
    check(&RequestForgery, by_format, target, &[("POST /in", "body /x", Severity::High)]);
}

#[test]
fn urls_that_are_not_asked_for_are_no_finding() {
    let url = || taking("application/json", "callbackUrl", json!({"type": "string"}));
    check(&RequestForgery, url(), |_, _| fine(), &[]);
    check(&RequestForgery, url(), |request, _| json_answer(200, &json!({"echo": body(request)})), &[]);
    // Not a place for URLs, whoever asks for what is there.
    let other = taking("application/json", "comment", json!({"type": "string", "enum": ["a"]}));
    let target: Target = |request, _| {
        fetch(&body(request));
        fine()
    };
    check(&RequestForgery, other, target, &[]);
}

#[test]
fn entities_that_are_fetched_or_expanded_are_found() {
    let note = |media: &str| taking(media, "note", json!({"type": "string"}));
    let fetching: Target = |request, _| {
        if body(request).contains("SYSTEM") {
            fetch(&body(request));
        }
        fine()
    };
    check(&ExternalEntity, note("application/xml"), fetching, &[("POST /in", "body", Severity::High)]);
    // JSON is documented, and XML is read.
    check(&ExternalEntity, note("application/json"), fetching, &[("POST /in", "body", Severity::High)]);
    let expanding: Target = |request, _| {
        let text = body(request);
        let entities: Vec<&str> = text.split("<!ENTITY").skip(1).filter_map(|part| part.split('"').nth(1)).collect();
        json_answer(200, &json!({"note": if text.contains("&nata;") { entities.concat() } else { String::new() }}))
    };
    check(&ExternalEntity, note("application/xml"), expanding, &[("POST /in", "body", Severity::Medium)]);
}

#[test]
fn parsers_without_document_types_are_no_finding() {
    let note = || taking("application/xml", "note", json!({"type": "string"}));
    let twins: [(&str, Target); 4] = [
        ("refused", |request, _| match body(request).contains("DOCTYPE") {
            true => json_answer(400, &json!({})),
            false => fine(),
        }),
        ("echo of the document", |request, _| json_answer(200, &json!({"got": body(request)}))),
        ("whatever looks like a URL is asked for", |request, _| {
            fetch(&body(request));
            fine()
        }),
        ("not read", |_, _| fine()),
    ];
    for (name, target) in twins {
        println_on_failure(name, || drop(check(&ExternalEntity, note(), target, &[])));
    }
}
