//! Each check against a target that has the defect and against its benign twin.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use chrono::DateTime;
use serde_json::{Value, json};

use crate::check::{As, Exchange, Prober, SecurityCheck, SecurityContext};
use crate::classify::WireTruth;
use crate::finding::{Finding, FindingBuilder, Redactor, Severity, severity_of};
use crate::schema::Schema;
use crate::spec::{Api, Location, MediaType, Operation, ResponseSpec, SecurityScheme, SpecVersion, StatusPattern};
use crate::transport::{Request, Response};

const BCRYPT: &str = "$2b$12$R9h/cIPz0gi.URNNX3kh2OPST9/PgBkqquzi.Ss7KIUgO2t0jWMUW";
const CATCH_ALL: &str = "<html>welcome</html>";

/// An answer of a target under test.
fn answer(status: u16, headers: &[(&str, &str)], body: impl Into<Bytes>) -> Response {
    Response {
        status,
        headers: headers.iter().map(|(name, value)| ((*name).to_owned(), value.as_bytes().to_vec())).collect(),
        body: body.into(),
        truncated: false,
        unexpected_bytes: 0,
        elapsed: Duration::ZERO,
        wire_bytes: 0,
    }
}

fn json_answer(status: u16, body: &Value) -> Response {
    answer(status, &[("Content-Type", "application/json")], body.to_string())
}

fn text_answer(status: u16, body: &str) -> Response {
    answer(status, &[("Content-Type", "text/plain")], body.to_owned())
}

fn not_found() -> Response {
    json_answer(404, &json!({"error": "not found"}))
}

type Target = fn(&Request, As) -> Response;

struct FakeProber {
    target: Target,
    nonces: AtomicU64,
    authenticated: bool,
}

impl FakeProber {
    fn exchange(&self, mut request: Request, who: As) -> Exchange {
        if let As::Primary = who {
            request.set_header("Authorization", "Bearer right");
        }
        let result = Ok((self.target)(&request, who));
        Exchange::new(None, request, result, WireTruth::Positive, DateTime::UNIX_EPOCH)
    }
}

#[async_trait]
impl Prober for FakeProber {
    async fn send(&self, _operation: Option<usize>, request: Request, who: As) -> Option<Exchange> {
        assert!(request.header("authorization").is_none(), "probes come without credentials");
        Some(self.exchange(request, who))
    }

    fn base_path(&self) -> &str {
        ""
    }

    fn origin(&self) -> &str {
        "http://shop.test:80"
    }

    fn tls(&self) -> bool {
        false
    }

    fn has(&self, who: As) -> bool {
        match who {
            As::Anonymous => true,
            As::Primary | As::Garbage => self.authenticated,
            As::Second => false,
        }
    }

    fn nonce(&self) -> String {
        format!("nat{}", self.nonces.fetch_add(1, Ordering::Relaxed))
    }

    fn is_catch_all(&self, response: &Response) -> bool {
        response.body == CATCH_ALL
    }
}

fn operation(method: &str, path: &str) -> Operation {
    let schema = Schema::new(
        json!({"type": "object", "properties": {"id": {}, "name": {"type": "string"}, "secret": {"writeOnly": true}}}),
        Arc::default(),
        "",
    );
    let media = MediaType {
        media_type: "application/json".to_owned(),
        schema: Some(schema),
        examples: Vec::new(),
        encoding: BTreeMap::new(),
        pointer: String::new(),
    };
    let response = ResponseSpec {
        status: StatusPattern::Exact(200),
        headers: Vec::new(),
        content: vec![media],
        links: Vec::new(),
        pointer: String::new(),
    };
    Operation {
        index: 0,
        method: method.to_owned(),
        path: path.to_owned(),
        operation_id: None,
        tags: Vec::new(),
        parameters: Vec::new(),
        body: None,
        responses: vec![response],
        security: Vec::new(),
        deprecated: false,
        pointer: format!("/paths{path}"),
        unusable: None,
    }
}

/// Requires credentials of the scheme `name`.
fn protected(mut operation: Operation, name: &str) -> Operation {
    operation.security.push(BTreeMap::from([(name.to_owned(), Vec::new())]));
    operation
}

fn api(operations: Vec<Operation>, schemes: &[(&str, SecurityScheme)]) -> Api {
    let operations = operations.into_iter().enumerate().map(|(index, one)| Operation { index, ..one }).collect();
    Api {
        title: String::new(),
        version: String::new(),
        spec_version: SpecVersion::V30,
        servers: Vec::new(),
        operations,
        security_schemes: schemes.iter().map(|(name, scheme)| ((*name).to_owned(), scheme.clone())).collect(),
        warnings: Vec::new(),
        digest: String::new(),
    }
}

fn bearer() -> (&'static str, SecurityScheme) {
    ("token", SecurityScheme::Bearer { token_url: None })
}

/// A scan of one check: what was sent before, and how the target answers now.
struct Scan {
    api: Api,
    target: Target,
    authenticated: bool,
    safe_mode: bool,
    /// Sent as the primary identity before the check runs, besides one plain request an operation.
    traffic: Vec<(usize, Request)>,
}

impl Scan {
    fn new(api: Api, target: Target) -> Self {
        Self { api, target, authenticated: true, safe_mode: false, traffic: Vec::new() }
    }

    async fn findings(&self, check: &dyn SecurityCheck) -> Vec<Finding> {
        let prober = FakeProber { target: self.target, nonces: AtomicU64::new(0), authenticated: self.authenticated };
        let who = if self.authenticated { As::Primary } else { As::Anonymous };
        let first = |operation: &Operation| {
            let exchange = prober.exchange(Request::new(operation.method.clone(), operation.path.clone()), who);
            exchange.status().is_some_and(|status| status < 300).then_some(exchange)
        };
        let baselines: Vec<_> = self.api.operations.iter().map(first).collect();
        let sent = |(index, request): &(usize, Request)| (*index, prober.exchange(request.clone(), who));
        let traffic: Vec<_> = self.traffic.iter().map(sent).collect();
        let mut redactor = Redactor::new();
        redactor.secret("right", "NAT_TOKEN");
        let report = FindingBuilder::new(prober.origin(), redactor);
        let cx = SecurityContext {
            api: &self.api,
            baselines: &baselines,
            traffic: &traffic,
            safe_mode: self.safe_mode,
            prober: &prober,
            report: &report,
        };
        let findings = check.run(&cx).await;
        for finding in &findings {
            // What a refusal looks like is no weakness.
            let weakness = !finding.check_id.starts_with("F01");
            assert!(!weakness || (!finding.cwe.is_empty() && finding.owasp.is_some()), "{}", finding.check_id);
            assert!(finding.evidence.iter().any(|evidence| evidence.role == "probe"));
            assert!(finding.evidence.iter().any(|evidence| evidence.role == "repeat"));
            let band = finding.cvss.as_ref().map_or(Severity::Info, |cvss| severity_of(cvss.score));
            assert!(!weakness || finding.severity == band, "{}", finding.explanation);
            let text = serde_json::to_string(finding).expect("findings serialise");
            assert!(!text.contains("Bearer right") && !text.contains(BCRYPT), "{text}");
        }
        findings
    }

    /// Endpoint, location and severity of what is found.
    #[track_caller]
    fn check(&self, check: &dyn SecurityCheck, expected: &[(&str, &str, Severity)]) -> Vec<Finding> {
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        let findings = runtime.block_on(self.findings(check));
        let found: Vec<_> =
            findings.iter().map(|one| (one.endpoint.as_str(), one.location.as_str(), one.severity)).collect();
        assert_eq!(found, expected);
        findings
    }
}

mod anonymous {
    use super::*;
    use crate::check::security::anonymous::AuthenticationIgnored;

    const CHECK: AuthenticationIgnored = AuthenticationIgnored::SECURITY;

    fn orders(_: &Request, _: As) -> Response {
        json_answer(200, &json!({"id": 7, "name": "Ada"}))
    }

    #[test]
    fn protected_operation_open_to_all_is_found() {
        let scan = Scan::new(
            api(vec![protected(operation("GET", "/orders"), "token"), operation("GET", "/news")], &[bearer()]),
            |request, who| match request.target.as_str() {
                "/orders" | "/news" => orders(request, who),
                _ => not_found(),
            },
        );
        let found = scan.check(&CHECK, &[("GET /orders", "", Severity::High)]);
        assert_eq!(found[0].curl, "curl -sS -g --path-as-is -i -X 'GET' 'http://shop.test:80/orders' -H 'Accept:'");
    }

    #[test]
    fn writes_open_to_all_are_critical_and_left_alone_in_safe_mode() {
        let mut scan =
            Scan::new(api(vec![protected(operation("POST", "/orders"), "token")], &[bearer()]), |request, who| {
                if request.target == "/orders" { orders(request, who) } else { not_found() }
            });
        scan.check(&CHECK, &[("POST /orders", "", Severity::Critical)]);
        scan.safe_mode = true;
        scan.check(&CHECK, &[]);
    }

    #[test]
    fn invalid_credentials_that_are_taken_for_valid_are_found() {
        let scan =
            Scan::new(api(vec![protected(operation("GET", "/orders"), "token")], &[bearer()]), |request, who| {
                match (request.target.as_str(), who) {
                    ("/orders", As::Primary | As::Garbage) => orders(request, who),
                    ("/orders", _) => json_answer(401, &json!({})),
                    _ => not_found(),
                }
            });
        scan.check(&CHECK, &[("GET /orders", "", Severity::High)]);
    }

    #[test]
    fn scan_without_credentials_judges_declared_operations() {
        let mut scan = Scan::new(
            api(vec![protected(operation("GET", "/orders"), "token"), operation("GET", "/news")], &[bearer()]),
            |request, who| match request.target.as_str() {
                "/orders" | "/news" => orders(request, who),
                _ => not_found(),
            },
        );
        scan.authenticated = false;
        scan.check(&CHECK, &[("GET /orders", "", Severity::High)]);
    }

    #[test]
    fn sibling_that_refuses_makes_an_undeclared_operation_suspect() {
        let operations = || vec![operation("GET", "/orders"), operation("GET", "/orders/7"), operation("GET", "/news")];
        let target: Target = |request, who| match (request.target.as_str(), who) {
            ("/orders", As::Primary) | ("/orders/7" | "/news", _) => orders(request, who),
            ("/orders", _) => json_answer(401, &json!({})),
            _ => not_found(),
        };
        Scan::new(api(operations(), &[]), target).check(&CHECK, &[("GET /orders/7", "", Severity::High)]);
        // A document that speaks of security elsewhere says that this one is public.
        Scan::new(api(operations(), &[bearer()]), target).check(&CHECK, &[]);
    }

    #[test]
    fn refusals_keep_the_contract_too() {
        let refuse: Target = |request, who| match who {
            As::Primary => orders(request, who),
            _ => json_answer(401, &json!({"error": "who are you"})),
        };
        let documented = |media: &str| {
            let mut operation = protected(operation("GET", "/orders"), "token");
            operation.responses = vec![ResponseSpec {
                status: StatusPattern::Exact(401),
                headers: Vec::new(),
                content: vec![MediaType {
                    media_type: media.to_owned(),
                    schema: None,
                    examples: Vec::new(),
                    encoding: BTreeMap::new(),
                    pointer: String::new(),
                }],
                links: Vec::new(),
                pointer: String::new(),
            }];
            Scan::new(api(vec![operation], &[bearer()]), refuse)
        };
        let contract = AuthenticationIgnored::CONTRACT;
        let other = ("GET /orders", "response 401 header Content-Type", Severity::Low);
        documented("text/html").check(&contract, &[other]);
        documented("application/json").check(&contract, &[]);
        documented("text/html").check(&CHECK, &[]);
    }

    #[test]
    fn benign_twins_are_silent() {
        let mut optional = protected(operation("GET", "/orders"), "token");
        optional.security.push(BTreeMap::new());
        let one = |operation| api(vec![operation], &[bearer()]);
        let orders_protected = || protected(operation("GET", "/orders"), "token");
        let twins: Vec<(&str, Api, Target)> = vec![
            ("refused", one(orders_protected()), |request, who| match who {
                As::Primary => orders(request, who),
                _ => json_answer(401, &json!({"error": "who are you"})),
            }),
            ("redirected to a login page", one(orders_protected()), |request, who| match who {
                As::Primary => orders(request, who),
                _ => answer(302, &[("Location", "/login")], ""),
            }),
            ("200 with an error inside", one(orders_protected()), |request, who| match who {
                As::Primary => orders(request, who),
                _ => json_answer(200, &json!({"success": false, "error": "login"})),
            }),
            ("another, public view", one(orders_protected()), |request, who| match who {
                As::Primary => orders(request, who),
                _ => json_answer(200, &json!({"id": null})),
            }),
            ("same shape, nothing in common", one(orders_protected()), |_, who| match who {
                As::Primary => json_answer(200, &json!({"id": 7, "name": "Ada"})),
                _ => json_answer(200, &json!({"id": 0, "name": "guest"})),
            }),
            ("nothing worth protecting", one(orders_protected()), |_, _| json_answer(200, &json!([]))),
            ("a server that says the same to every path", one(orders_protected()), orders),
            ("catch-all page", one(orders_protected()), |_, _| text_answer(200, CATCH_ALL)),
            ("optional security", one(optional), orders),
            ("public by the document", one(operation("GET", "/orders")), orders),
            ("hands out tokens", one(protected(operation("POST", "/auth/login"), "token")), orders),
        ];
        for (name, api, target) in twins {
            println_on_failure(name, || drop(Scan::new(api, target).check(&CHECK, &[])));
        }
    }
}

/// Names the twin when its check fails.
#[track_caller]
fn println_on_failure(name: &str, check: impl FnOnce()) {
    let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(check));
    assert!(outcome.is_ok(), "twin: {name}");
}

mod verbose {
    use super::*;
    use crate::check::security::verbose::VerboseError as Check;

    const TRACE: &str =
        "Traceback (most recent call last):\n  File \"/srv/shop/orders.py\", line 12, in get\nKeyError: 1";

    fn scan(target: Target) -> Scan {
        let mut scan = Scan::new(api(vec![operation("GET", "/orders")], &[]), target);
        scan.traffic = vec![(0, Request::new("GET", "/orders?id=-1")), (0, Request::new("GET", "/orders?id=-2"))];
        scan
    }

    #[test]
    fn stack_trace_and_database_error_are_found_once() {
        scan(|request, _| match request.target.as_str() {
            "/orders" => json_answer(200, &json!({"id": 1})),
            _ => json_answer(500, &json!({"error": "boom", "trace": TRACE})),
        })
        .check(&Check, &[("GET /orders", "", Severity::Medium)]);
        scan(|request, _| match request.target.as_str() {
            "/orders" => json_answer(200, &json!({"id": 1})),
            _ => json_answer(400, &json!({"message": "ERROR: syntax error at or near \"x\""})),
        })
        .check(&Check, &[("GET /orders", "", Severity::Medium)]);
        scan(|request, _| match request.target.as_str() {
            "/orders" => json_answer(200, &json!({"id": 1})),
            _ => text_answer(500, "cannot read /srv/shop/config/database.yml"),
        })
        .check(&Check, &[("GET /orders", "", Severity::Low)]);
    }

    #[test]
    fn benign_twins_are_silent() {
        let twins: Vec<(&str, Target)> = vec![
            ("constant error text", |request, _| match request.target.as_str() {
                "/orders" => json_answer(200, &json!({"id": 1})),
                _ => json_answer(500, &json!({"error": "INTERNAL", "request_id": "01J"})),
            }),
            ("a log viewer whose data are traces", |_, _| json_answer(200, &json!({"lines": TRACE}))),
            ("every error of the server looks so, even to an unknown path", |_, _| text_answer(404, TRACE)),
        ];
        for (name, target) in twins {
            println_on_failure(name, || drop(scan(target).check(&Check, &[])));
        }
        // What we said ourselves.
        let mut echo = scan(|request, _| match request.target.as_str() {
            "/orders" => json_answer(200, &json!({"id": 1})),
            target => json_answer(422, &json!({"error": format!("bad {target}")})),
        });
        echo.traffic = vec![(0, Request::new("GET", "/orders?id=/srv/shop/config/database.yml"))];
        echo.check(&Check, &[]);
    }
}

mod debug {
    use super::*;
    use crate::check::security::debug::DebugEndpoint as Check;

    #[test]
    fn places_with_their_signature_are_found_and_secrets_masked() {
        let scan = Scan::new(api(Vec::new(), &[]), |request, who| {
            assert_eq!(who, As::Anonymous);
            match request.target.as_str() {
                "/debug/env" => json_answer(
                    200,
                    &json!({"env": {
                    "PATH": "/bin", "HOME": "/root", "DB_PASSWORD": "correct horse battery"}}),
                ),
                "/.env" => text_answer(200, "# settings\nAPP_KEY=abcdefgh\nDEBUG=1\nexport PORT=80\n"),
                "/.git/HEAD" => text_answer(200, "ref: refs/heads/main\n"),
                "/metrics" => text_answer(200, "# HELP x y\n# TYPE x counter\nx 1\n"),
                _ => not_found(),
            }
        });
        let found = scan.check(
            &Check,
            &[
                ("GET /.env", "", Severity::High),
                ("GET /.git/HEAD", "", Severity::High),
                ("GET /debug/env", "", Severity::High),
                ("GET /metrics", "", Severity::Info),
            ],
        );
        assert!(!serde_json::to_string(&found).expect("serialises").contains("correct horse battery"));
    }

    #[test]
    fn benign_twins_are_silent() {
        let none = || api(Vec::new(), &[]);
        let twins: Vec<(&str, Api, Target)> =
            vec![
                ("nothing there", none(), |_, _| not_found()),
                ("catch-all page", none(), |_, _| text_answer(200, CATCH_ALL)),
                ("needs credentials", none(), |_, _| json_answer(401, &json!({"propertySources": []}))),
                ("a server that echoes to every path", none(), |_, _| {
                    json_answer(200, &json!({"PATH": "/", "HOME": "/", "USER": "x", "propertySources": 1, "_links": 1}))
                }),
                ("an ordinary page at a suspicious path", none(), |request, _| match request.target.as_str() {
                    "/debug" => json_answer(200, &json!({"level": "info"})),
                    "/env" => json_answer(200, &json!({"environment": "production"})),
                    "/.git/HEAD" => answer(200, &[("Content-Type", "text/html")], "<html>ref: refs/heads</html>"),
                    "/metrics" => json_answer(200, &json!({"requests": 3})),
                    _ => not_found(),
                }),
                ("metrics that the document lists", api(vec![operation("GET", "/metrics")], &[]), |request, _| {
                    match request.target.as_str() {
                        "/metrics" => text_answer(200, "# HELP x y\n# TYPE x counter\nx 1\n"),
                        _ => not_found(),
                    }
                }),
            ];
        for (name, api, target) in twins {
            println_on_failure(name, || drop(Scan::new(api, target).check(&Check, &[])));
        }
    }
}

mod cors {
    use super::*;
    use crate::check::security::cors::Cors as Check;

    fn with_cors(request: &Request, trusted: fn(&str) -> bool, credentials: &str) -> Response {
        let origin = request.header("origin").map(|value| String::from_utf8_lossy(value).into_owned());
        let mut response = json_answer(200, &json!({"id": 1}));
        if let Some(origin) = origin.filter(|origin| trusted(origin)) {
            response.headers.push(("Access-Control-Allow-Origin".to_owned(), origin.into_bytes()));
            response.headers.push(("Access-Control-Allow-Credentials".to_owned(), credentials.as_bytes().to_vec()));
        }
        response
    }

    fn cookie() -> (&'static str, SecurityScheme) {
        ("session", SecurityScheme::ApiKey { location: Location::Cookie, name: "sid".to_owned() })
    }

    #[test]
    fn reflected_origin_with_credentials_is_rated_by_how_browsers_authenticate() {
        const LOCATION: &str = "header Access-Control-Allow-Origin";
        let one = |schemes: &[(&str, SecurityScheme)]| api(vec![operation("GET", "/me")], schemes);
        let reflect: Target = |request, _| with_cors(request, |_| true, "true");
        Scan::new(one(&[cookie()]), reflect).check(&Check, &[("GET /me", LOCATION, Severity::High)]);
        Scan::new(one(&[bearer()]), reflect).check(&Check, &[("GET /me", LOCATION, Severity::Medium)]);
        let mut public = Scan::new(one(&[]), reflect);
        public.authenticated = false;
        public.check(&Check, &[("GET /me", LOCATION, Severity::Info)]);
        let null: Target = |request, _| with_cors(request, |origin| origin == "null", "true");
        Scan::new(one(&[cookie()]), null).check(&Check, &[("GET /me", LOCATION, Severity::High)]);
        let prefix: Target = |request, _| with_cors(request, |origin| origin.starts_with("https://shop.test"), "true");
        Scan::new(one(&[cookie()]), prefix).check(&Check, &[("GET /me", LOCATION, Severity::High)]);
        let two = api(vec![operation("GET", "/me"), operation("GET", "/you")], &[cookie()]);
        Scan::new(two, reflect).check(&Check, &[("*", LOCATION, Severity::High)]);
    }

    #[test]
    fn benign_twins_are_silent() {
        let twins: Vec<(&str, Target)> = vec![
            ("no CORS", |_, _| json_answer(200, &json!({"id": 1}))),
            ("reflected without credentials", |request, _| with_cors(request, |_| true, "false")),
            ("a list of exact origins", |request, _| with_cors(request, |o| o == "https://shop.test", "true")),
            ("a star", |_, _| answer(200, &[("Access-Control-Allow-Origin", "*")], "{}")),
            ("the origin echoed in an error", |request, _| {
                let mut response = with_cors(request, |_| true, "true");
                if request.header("origin").is_some() {
                    response.status = 403;
                }
                response
            }),
        ];
        for (name, target) in twins {
            let api = api(vec![operation("GET", "/me")], &[cookie()]);
            println_on_failure(name, || drop(Scan::new(api, target).check(&Check, &[])));
        }
    }
}

mod headers {
    use super::*;
    use crate::check::security::headers::SecurityHeaders as Check;

    #[test]
    fn missing_headers_are_one_finding() {
        let operations =
            vec![protected(operation("GET", "/me"), "token"), protected(operation("GET", "/orders"), "token")];
        let found = Scan::new(api(operations, &[bearer()]), |_, _| json_answer(200, &json!({"id": 1})))
            .check(&Check, &[("*", "", Severity::Info)]);
        assert_eq!(
            found[0].explanation,
            "Missing: Cache-Control: no-store (2 of 2 answers); X-Content-Type-Options: nosniff (2 of 2 answers)."
        );
    }

    #[test]
    fn headers_that_do_not_apply_are_not_missed() {
        // Neither https, nor HTML, nor private: one header is enough.
        let one = api(vec![operation("GET", "/news")], &[]);
        let target: Target = |_, _| {
            let headers = [("Content-Type", "application/json"), ("X-Content-Type-Options", "nosniff")];
            answer(200, &headers, r#"{"id":1}"#)
        };
        Scan::new(one, target).check(&Check, &[]);
    }
}

mod exposure {
    use super::*;
    use crate::check::security::exposure::ExcessiveData as Check;

    fn users() -> Api {
        api(vec![operation("GET", "/users/{id}")], &[bearer()])
    }

    #[test]
    fn secrets_at_undocumented_and_write_only_places_are_found() {
        let found = Scan::new(users(), |_, who| match who {
            As::Primary => json_answer(200, &json!({"id": 1, "name": "Ada", "hash": BCRYPT, "secret": BCRYPT})),
            _ => json_answer(401, &json!({})),
        })
        .check(
            &Check,
            &[
                ("GET /users/{id}", "response /hash", Severity::Medium),
                ("GET /users/{id}", "response /secret", Severity::Medium),
            ],
        );
        assert!(found[0].explanation.contains("$2b$[masked]UW"), "{}", found[0].explanation);
        Scan::new(users(), |_, _| json_answer(200, &json!({"password": "hunter2hunter2"})))
            .check(&Check, &[("GET /users/{id}", "response /password", Severity::High)]);
    }

    #[test]
    fn benign_twins_are_silent() {
        let twins: Vec<(&str, Target)> = vec![
            ("documented fields only", |_, _| json_answer(200, &json!({"id": 1, "name": "Ada"}))),
            ("masked", |_, _| json_answer(200, &json!({"id": 1, "password": "********"}))),
            ("null", |_, _| json_answer(200, &json!({"id": 1, "password": null}))),
            ("about a password, none itself", |_, _| json_answer(200, &json!({"passwordExpires": "2030-01-01"}))),
            ("documented value that looks so", |_, _| json_answer(200, &json!({"name": BCRYPT}))),
            ("an error that shows it", |_, _| json_answer(400, &json!({"hash": BCRYPT}))),
            ("undocumented but harmless", |_, _| json_answer(200, &json!({"isbn": "9780306406157", "views": 4242}))),
        ];
        for (name, target) in twins {
            println_on_failure(name, || drop(Scan::new(users(), target).check(&Check, &[])));
        }
        let login = api(vec![operation("POST", "/login")], &[]);
        Scan::new(login, |_, _| json_answer(200, &json!({"jwt": "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2ln"})))
            .check(&Check, &[]);
    }
}
