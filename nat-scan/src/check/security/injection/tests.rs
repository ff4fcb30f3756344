//! Each check against a target that has the defect and against its benign twins. A target answers by one value, `q`.

use std::time::Duration;

use super::*;
use crate::check::security::fixture::*;
use crate::check::security::percent_decoded;
use crate::generate::{self, Base, BodyValue, Intent, Phase};

/// One operation with the text `q` in the query, or in a JSON body, that was accepted as `Dune`.
fn scan(method: &str, target: Target) -> Scan {
    let text = json!({"type": "string", "example": "Dune"});
    let node = match method {
        "GET" => json!({"parameters": [{"name": "q", "in": "query", "schema": text}]}),
        _ => json!({"requestBody": {"required": true, "content": {"application/json": {"schema":
            {"type": "object", "required": ["q"], "properties": {"q": text}}}}}}),
    };
    let mut one = generate::fixture::operation(method, "/books", node);
    one.responses = operation(method, "/books").responses;
    let api = api(vec![one], &[bearer()]);
    let cases = generate::cases(&api, &api.operations[0], Phase::HappyPath, 1);
    let mut least = cases.into_iter().find(|case| case.intent == Intent::Positive).expect("a valid case");
    least.arguments = (0..api.operations[0].parameters.len())
        .map(|parameter| generate::Argument { parameter, value: json!("Dune") })
        .collect();
    if let Some(BodyValue::Typed { value, .. }) = &mut least.body {
        *value = json!({"q": "Dune"});
    }
    let mut scan = Scan::new(api, target);
    scan.accepted = vec![Some(Base { least, most: None })];
    scan
}

fn get(target: Target) -> Scan {
    scan("GET", target)
}

/// The value, wherever it is sent.
fn q(request: &Request) -> String {
    if let Some(body) = &request.body {
        let body: Value = serde_json::from_slice(body).expect("JSON");
        return body["q"].as_str().map_or_else(|| body["q"].to_string(), str::to_owned);
    }
    let query = request.target.split_once('?').map_or("", |(_, query)| query);
    let mut pairs = url::form_urlencoded::parse(query.as_bytes());
    pairs.find(|(name, _)| name == "q").map_or_else(|| "Dune".to_owned(), |(_, value)| value.into_owned())
}

fn found() -> Response {
    json_answer(200, &json!({"id": 7, "title": "Dune"}))
}

fn html(body: &str) -> Response {
    answer(200, &[("Content-Type", "text/html")], body.to_owned())
}

const CRITICAL: &[(&str, &str, Severity)] = &[("GET /books", "query q", Severity::Critical)];

/// Each target is one that a check must keep silent about.
fn silent(check: &dyn SecurityCheck, twins: &[(&str, Target)]) {
    for (name, target) in twins {
        println_on_failure(name, || {
            get(*target).check(check, &[]);
        });
    }
}

/// `Dune' AND 'a'='b` as a database would see it within quotes; `None`: no statement at all.
fn holds(q: &str, and: &str) -> Option<bool> {
    match q.split_once('\'') {
        None => Some(q == "Dune"),
        Some((title, rest)) => {
            let (left, right) = rest.strip_prefix(and)?.strip_prefix('\'')?.split_once("'='")?;
            Some(title == "Dune" && left == right)
        }
    }
}

#[test]
fn conditions_in_sql_are_found() {
    let target: Target = |request, _| match holds(&q(request), " AND ") {
        Some(true) => found(),
        _ => not_found(),
    };
    get(target).check(&sql::Boolean, CRITICAL);
    // Who has no credentials sees nothing: one has to sign up first.
    let target: Target = |request, who| match (holds(&q(request), " AND "), who) {
        (_, As::Anonymous) => json_answer(401, &json!({})),
        (Some(true), _) => found(),
        _ => not_found(),
    };
    get(target).check(&sql::Boolean, &[("GET /books", "query q", Severity::High)]);
}

#[test]
fn places_that_take_numbers_only_are_left_alone_from_then_on() {
    static ASKED: std::sync::atomic::AtomicUsize = std::sync::atomic::AtomicUsize::new(0);
    let target: Target = |request, _| {
        ASKED.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        if q(request).parse::<i64>().is_ok() { found() } else { json_answer(422, &json!({"error": "a number"})) }
    };
    let mut numbers = get(target);
    if let Some(base) = &mut numbers.accepted[0] {
        base.least.arguments[0].value = json!(7);
    }
    numbers.check(&sql::Boolean, &[]);
    // The scan's own request, what is usual, a word, a condition in two spellings and one in quotes.
    assert_eq!(ASKED.load(std::sync::atomic::Ordering::Relaxed), 1 + 2 + 1 + 3);
}

#[test]
fn values_that_find_nothing_are_widened_where_nothing_is_changed() {
    let target: Target = |request, _| {
        let q = q(request);
        let all = q.split_once("%' OR '").and_then(|(_, rest)| rest.split_once("'='"));
        let items = if all.is_some_and(|(a, b)| a == format!("{b}%")) { vec!["Dune", "Emma"] } else { vec![] };
        json_answer(200, &json!({"items": items}))
    };
    get(target).check(&sql::Boolean, CRITICAL);
    scan("POST", target).check(&sql::Boolean, &[]);
    let mut safe = get(target);
    safe.safe_mode = true;
    safe.check(&sql::Boolean, &[]);
}

#[test]
fn targets_that_only_seem_to_read_conditions_are_left_alone() {
    silent(
        &sql::Boolean,
        &[
            ("parameters", |request, _| if q(request) == "Dune" { found() } else { not_found() }),
            ("ignores the value", |_, _| found()),
            ("reads the first word", |request, _| {
                if q(request).split(['\'', ' ']).next() == Some("Dune") { found() } else { not_found() }
            }),
            ("a firewall that knows the word AND", |request, _| match q(request) {
                q if q.contains(" AND ") && q.contains("'='") => answer(403, &[], "blocked"),
                q if q == "Dune" => found(),
                _ => not_found(),
            }),
            ("a quote crashes it", |request, _| match q(request) {
                q if q.contains('\'') => answer(500, &[], "oops"),
                q if q == "Dune" => found(),
                _ => not_found(),
            }),
            ("equal numbers are all that it sees", |request, _| {
                let q = q(request);
                let numbers: Vec<&str> = q.split(|c: char| !c.is_ascii_digit()).filter(|n| n.len() == 4).collect();
                let alike = numbers.windows(2).all(|pair| pair[0] == pair[1]);
                if q == "Dune" || (q.starts_with("Dune'") && alike) { found() } else { not_found() }
            }),
        ],
    );
}

#[test]
fn complaints_of_the_database_are_found_and_only_those_about_a_quote() {
    let target: Target = |request, _| match q(request).matches('\'').count() % 2 {
        1 => json_answer(500, &json!({"error": "(sqlite3.OperationalError) unrecognized token: \"'\""})),
        _ => found(),
    };
    get(target).check(&error::Message, CRITICAL);
    silent(
        &error::Message,
        &[
            ("always speaks of SQL", |_, _| json_answer(200, &json!({"help": "near \"x\": syntax error"}))),
            ("refuses every sign", |request, _| match q(request).chars().all(char::is_alphanumeric) {
                true => found(),
                false => json_answer(400, &json!({"error": "near \"x\": syntax error"})),
            }),
            (
                "crashes and says nothing",
                |request, _| {
                    if q(request).contains('\'') { answer(500, &[], "oops") } else { found() }
                },
            ),
            ("a parameter of the wrong type", |request, _| match q(request).as_str() {
                "Dune" => found(),
                other => json_answer(500, &json!({"error": format!("invalid input syntax for type integer: {other}")})),
            }),
        ],
    );
}

#[test]
fn calculated_values_that_come_back_are_found() {
    let target: Target = |request, _| {
        let q = q(request);
        let product = q.split_once("'||(").and_then(|(_, rest)| rest.strip_suffix(")||'")).and_then(|product| {
            let (a, b) = product.split_once('*')?;
            Some(a.parse::<u64>().ok()? * b.parse::<u64>().ok()?)
        });
        json_answer(201, &json!({"text": product.map_or(q, |product| format!("x{product}"))}))
    };
    scan("POST", target).check(&stored::Stored, &[("POST /books", "body /q", Severity::Critical)]);
    let echo: Target = |request, _| json_answer(201, &json!({"text": q(request)}));
    scan("POST", echo).check(&stored::Stored, &[]);
}

#[test]
fn operators_in_the_place_of_values_are_found() {
    let target: Target = |request, _| match q(request).as_str() {
        "Dune" => found(),
        q if q.contains("\"$ne\"") || q.contains("\"$gt\"") => found(),
        _ => json_answer(401, &json!({"error": "no"})),
    };
    scan("POST", target).check(&nosql::Operators, &[("POST /books", "body /q", Severity::Critical)]);
    let twins: [(&str, Target); 2] = [
        ("any object will do", |request, _| match q(request).as_str() {
            q if q == "Dune" || q.starts_with('{') => found(),
            _ => json_answer(401, &json!({"error": "no"})),
        }),
        ("objects are refused", |request, _| match q(request).as_str() {
            "Dune" => found(),
            _ => json_answer(422, &json!({"error": "a text, please"})),
        }),
    ];
    for (name, target) in twins {
        println_on_failure(name, || {
            scan("POST", target).check(&nosql::Operators, &[]);
        });
    }
    let brackets: Target = |request, _| match request.target.as_str() {
        target if target.contains("q%5B%24ne%5D=") || target.contains("q%5B%24gt%5D=") => {
            json_answer(200, &json!({"items": ["Dune", "Emma"]}))
        }
        target if target.contains("q=Dune") => json_answer(200, &json!({"items": ["Dune"]})),
        _ => json_answer(200, &json!({"items": []})),
    };
    get(brackets).check(&nosql::Operators, CRITICAL);
}

#[test]
fn filters_of_directories_and_paths_into_xml_are_found() {
    let directory: Target = |request, _| match q(request).split_once(")(objectClass=") {
        None if q(request) == "Dune" => found(),
        Some(("Dune", "*")) => found(),
        _ => not_found(),
    };
    get(directory).check(&directory::Ldap, &[("GET /books", "query q", Severity::High)]);
    let xml: Target = |request, _| {
        let q = q(request);
        let condition = q.split_once("' and string-length('").and_then(|(_, rest)| rest.split_once("')=4 and '"));
        let equal = condition.and_then(|(_, rest)| rest.split_once("'='"));
        let holds = q == "Dune" || (q.starts_with("Dune'") && equal.is_some_and(|(a, b)| a == b));
        if holds { found() } else { not_found() }
    };
    get(xml).check(&directory::Xpath, &[("GET /books", "query q", Severity::High)]);
    get(xml).check(&sql::Boolean, &[]);
    let wildcard: Target = |request, _| match q(request).as_str() {
        "Dune" | "*" => found(),
        _ => not_found(),
    };
    silent(&directory::Ldap, &[("stars are a feature", wildcard)]);
    silent(&directory::Xpath, &[("plain", wildcard)]);
}

/// Products of `a*b` between these.
fn calculated(text: &str, open: &str, close: &str) -> Option<String> {
    let (before, rest) = text.split_once(open)?;
    let (product, after) = rest.split_once(close)?;
    let (a, b) = product.split_once('*')?;
    Some(format!("{before}{}{after}", a.trim().parse::<u64>().ok()? * b.trim().parse::<u64>().ok()?))
}

#[test]
fn evaluated_expressions_are_found_and_echoes_are_not() {
    let engine: Target =
        |request, _| text_answer(200, &calculated(&q(request), "{{", "}}").unwrap_or_else(|| q(request)));
    get(engine).check(&template::Template, CRITICAL);
    let shell: Target = |request, _| {
        let output = q(request).split_once('|').and_then(|(_, rest)| {
            let (command, _) = rest.split_once(';')?;
            calculated(command.strip_prefix("echo ")?, "$((", "))")
        });
        text_answer(200, &output.unwrap_or_else(|| "not found".to_owned()))
    };
    get(shell).check(&command::Command, CRITICAL);
    let twins: [(&str, Target); 3] = [
        ("says what it was asked", |request, _| text_answer(200, &format!("{}: 49", q(request)))),
        ("a calculator", |request, _| {
            let q = q(request);
            let digits = |text: &str| text.chars().filter(char::is_ascii_digit).collect::<String>();
            let product = q.split_once('*').and_then(|(a, b)| {
                let a = digits(a.rsplit(['{', ' ', '(']).next()?);
                let b = digits(b.split(['}', ' ', ')']).next()?);
                Some(a.parse::<u64>().ok()? * b.parse::<u64>().ok()?)
            });
            text_answer(200, &product.map_or_else(|| "?".to_owned(), |product| product.to_string()))
        }),
        ("fails at brackets", |request, _| match q(request).contains('{') {
            true => answer(500, &[], "oops"),
            false => found(),
        }),
    ];
    silent(&template::Template, &twins);
    silent(&command::Command, &twins);
}

#[test]
fn files_outside_of_the_folder_are_found() {
    const USERS: &str = "root:x:0:0:root:/root:/bin/bash\nbin:x:1:1:bin:/bin:/sbin/nologin\n";
    let server: Target = |request, _| match q(request) {
        q if q.starts_with("../") && q.ends_with("../etc/passwd") => text_answer(200, USERS),
        q if q.starts_with("./.") && q.ends_with("../etc/passwd") => text_answer(200, USERS),
        q if q == "Dune" => found(),
        _ => not_found(),
    };
    get(server).check(&file::Traversal, &[("GET /books", "query q", Severity::High)]);
    silent(
        &file::Traversal,
        &[
            ("names the file", |request, _| text_answer(404, &format!("no such file: {}, root:x:0:0", q(request)))),
            ("always the same", |_, _| text_answer(200, USERS)),
        ],
    );
}

#[test]
fn lines_that_become_headers_are_found() {
    let server: Target = |request, _| {
        let q = q(request);
        let (value, line) = q.split_once("\r\n").unwrap_or((&q, ""));
        let mut response = answer(200, &[("X-Language", value)], "");
        if let Some((name, value)) = line.split(['\r', '\n']).next().and_then(|line| line.split_once(": ")) {
            response.headers.push((name.to_owned(), value.as_bytes().to_vec()));
        }
        response
    };
    get(server).check(&header::Header, &[("GET /books", "query q", Severity::Medium)]);
    silent(
        &header::Header,
        &[
            ("in one line", |request, _| answer(200, &[("X-Language", &q(request).replace(['\r', '\n'], " "))], "")),
            ("in the body", |request, _| text_answer(200, &q(request))),
        ],
    );
}

#[test]
fn redirects_to_any_host_are_found() {
    for (name, target, expected) in [
        ("anything", (|request, _| answer(302, &[("Location", &q(request))], "")) as Target, true),
        (
            "a host that begins right",
            |request, _| match q(request) {
                q if q.starts_with("https://shop.test") => answer(302, &[("Location", &q)], ""),
                _ => answer(400, &[], ""),
            },
            true,
        ),
        (
            "only paths",
            |request, _| answer(302, &[("Location", &format!("/{}", q(request).replace(['/', '\\'], "")))], ""),
            false,
        ),
        ("in the query", |request, _| answer(302, &[("Location", &format!("/out?to={}", q(request)))], ""), false),
        ("a page that says it", |request, _| html(&format!("<a href='{}'>go</a>", q(request))), false),
    ] {
        let mut scan = get(target);
        scan.accepted.clear();
        scan.traffic = vec![(0, Request::new("GET", "/books?q=https%3A%2F%2Fshop.test%2F"))];
        let all = [("GET /books", "query q", Severity::Medium)];
        println_on_failure(name, || {
            scan.check(&redirect::Redirect, if expected { &all } else { &[] });
        });
    }
}

#[test]
fn tags_in_pages_are_found_and_tags_in_data_are_not() {
    let page: Target = |request, _| html(&format!("<p>{}</p>", q(request)));
    get(page).check(&markup::Markup, &[("GET /books", "query q", Severity::Medium)]);
    let field: Target = |request, _| html(&format!("<input value=\"{}\">", q(request)));
    get(field).check(&markup::Markup, &[("GET /books", "query q", Severity::Medium)]);
    silent(
        &markup::Markup,
        &[
            ("escaped", |request, _| html(&q(request).replace('<', "&lt;"))),
            ("a comment that cannot be closed", |request, _| {
                html(&format!("<p>oops</p><!-- {} -->", q(request).replace("--", "&#45;")))
            }),
            ("data", |request, _| json_answer(200, &json!({"q": q(request)}))),
            ("text", |request, _| text_answer(200, &q(request))),
            ("a file to keep", |request, _| {
                answer(200, &[("Content-Type", "text/html"), ("Content-Disposition", "attachment")], q(request))
            }),
        ],
    );
}

#[test]
fn what_the_whole_server_does_is_one_finding() {
    let page: Target = |request, _| {
        let path = percent_decoded(&request.target);
        html(&format!("<p>no such thing: {path}</p>"))
    };
    let one = get(page);
    let mut scan = get(page);
    scan.api = api(
        (0..6).map(|number| Operation { path: format!("/books{number}"), ..one.api.operations[0].clone() }).collect(),
        &[bearer()],
    );
    scan.accepted = vec![one.accepted[0].clone(); 6];
    let found = scan.check(&markup::Markup, &[("*", "", Severity::Medium)]);
    assert!(found[0].explanation.contains("6 of 6 operations"), "{}", found[0].explanation);
}

#[test]
fn targets_that_wait_as_they_are_told_are_found() {
    fn waiting(request: &Request, function: &str) -> Response {
        let q = q(request);
        let wait =
            q.split_once(function).and_then(|(_, rest)| rest.split([')', ';']).next()?.trim().parse::<f64>().ok());
        let quotes = q.matches('\'').count() % 2;
        let mut response = if quotes == 1 { answer(500, &[], "oops") } else { found() };
        response.elapsed = Duration::from_millis(20) + Duration::from_secs_f64(wait.unwrap_or(0.0));
        response
    }
    // In the quiet profile only where something speaks for it: a check before this one.
    let database: Target = |request, _| waiting(request, "pg_sleep(");
    get(database).check(&timed::Delay, &[]);
    let mut scan = get(database);
    scan.thorough = true;
    scan.check(&timed::Delay, &[("GET /books", "query q", Severity::Medium)]);
    let mut scan = get(|request, _| waiting(request, "$(sleep "));
    scan.thorough = true;
    let found = scan.check(&timed::Delay, &[("GET /books", "query q", Severity::Medium)]);
    assert_eq!(found[0].check_id, "S-CMD");
    let mut scan = get(|request, _| waiting(request, "nothing("));
    scan.thorough = true;
    scan.check(&timed::Delay, &[]);
}

#[test]
fn members_that_reach_other_objects_are_found() {
    use std::sync::Mutex;
    /// What every object inherits, by the thread of the test.
    static INHERITED: Mutex<Vec<String>> = Mutex::new(Vec::new());
    fn merged(request: &Request, kept: fn(&Value) -> &Value) -> Response {
        let sent: Value = serde_json::from_slice(request.body.as_deref().unwrap_or_default()).unwrap_or_default();
        let mut inherited = INHERITED.lock().expect("one thread");
        inherited.extend(kept(&sent).as_object().into_iter().flatten().map(|(name, _)| name.clone()));
        let mut answer = json!({"q": sent["q"]});
        inherited.iter().for_each(|name| answer[name] = json!(true));
        json_answer(201, &answer)
    }
    scan("POST", |request, _| merged(request, |sent| &sent["__proto__"]))
        .check(&prototype::Prototype, &[("POST /books", "body", Severity::High)]);
    INHERITED.lock().expect("one thread").clear();
    // Keeps whatever it gets.
    scan("POST", |request, _| merged(request, |sent| sent)).check(&prototype::Prototype, &[]);
    INHERITED.lock().expect("one thread").clear();
    scan("POST", |request, _| merged(request, |_| &Value::Null)).check(&prototype::Prototype, &[]);
}

#[test]
fn patterns_are_filled_part_by_part() {
    let parts = [("{v}", "{a}"), ("{a}", "1"), ("{b}", "2")];
    for (pattern, expected) in [
        ("{v}' AND '{a}'='{b}", "{a}' AND '1'='2"),
        ("{{{a}*{b}}}", "{{1*2}}"),
        ("${{a}*{b}}", "${1*2}"),
        ("äö{a}", "äö1"),
    ] {
        assert_eq!(fill(pattern, &parts), expected);
    }
}
