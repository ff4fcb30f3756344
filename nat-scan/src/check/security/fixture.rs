//! What the tests of all areas share: a target that is a function, and a scan of it by one check.

pub(super) use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use chrono::DateTime;
pub(super) use serde_json::{Value, json};

use super::Learned;
use crate::check::{As, Exchange, Prober, Profile, SecurityCheck, SecurityContext};
use crate::classify::WireTruth;
pub(super) use crate::finding::{Finding, Severity};
use crate::finding::{FindingBuilder, Redactor, severity_of};
use crate::schema::Schema;
use crate::spec::SpecVersion;
pub(super) use crate::spec::{Api, Location, MediaType, Operation, ResponseSpec, SecurityScheme, StatusPattern};
pub(super) use crate::transport::{Request, Response};

pub(super) const BCRYPT: &str = "$2b$12$R9h/cIPz0gi.URNNX3kh2OPST9/PgBkqquzi.Ss7KIUgO2t0jWMUW";
pub(super) const CATCH_ALL: &str = "<html>welcome</html>";

/// An answer of a target under test.
pub(super) fn answer(status: u16, headers: &[(&str, &str)], body: impl Into<Bytes>) -> Response {
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

pub(super) fn json_answer(status: u16, body: &Value) -> Response {
    answer(status, &[("Content-Type", "application/json")], body.to_string())
}

pub(super) fn text_answer(status: u16, body: &str) -> Response {
    answer(status, &[("Content-Type", "text/plain")], body.to_owned())
}

pub(super) fn not_found() -> Response {
    json_answer(404, &json!({"error": "not found"}))
}

pub(super) type Target = fn(&Request, As) -> Response;

pub(super) struct FakeProber {
    pub(super) target: Target,
    pub(super) nonces: AtomicU64,
    pub(super) authenticated: bool,
}

impl FakeProber {
    pub(super) fn exchange(&self, mut request: Request, who: As) -> Exchange {
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
            As::Second | As::Admin => false,
        }
    }

    fn nonce(&self) -> String {
        format!("nat{}", self.nonces.fetch_add(1, Ordering::Relaxed))
    }

    fn is_catch_all(&self, response: &Response) -> bool {
        response.body == CATCH_ALL
    }
}

pub(super) fn operation(method: &str, path: &str) -> Operation {
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
pub(super) fn protected(mut operation: Operation, name: &str) -> Operation {
    operation.security.push(BTreeMap::from([(name.to_owned(), Vec::new())]));
    operation
}

pub(super) fn api(operations: Vec<Operation>, schemes: &[(&str, SecurityScheme)]) -> Api {
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

pub(super) fn bearer() -> (&'static str, SecurityScheme) {
    ("token", SecurityScheme::Bearer { token_url: None })
}

/// A scan of one check: what was sent before, and how the target answers now.
pub(super) struct Scan {
    pub(super) api: Api,
    pub(super) target: Target,
    pub(super) authenticated: bool,
    pub(super) safe_mode: bool,
    /// Sent as the primary identity before the check runs, besides one plain request an operation.
    pub(super) traffic: Vec<(usize, Request)>,
}

impl Scan {
    pub(super) fn new(api: Api, target: Target) -> Self {
        Self { api, target, authenticated: true, safe_mode: false, traffic: Vec::new() }
    }

    pub(super) async fn findings(&self, check: &dyn SecurityCheck) -> Vec<Finding> {
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
            accepted: &[],
            learned: &Learned::default(),
            seed: 1,
            nonce: "natfixture",
            profile: Profile::Quiet,
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
    pub(super) fn check(&self, check: &dyn SecurityCheck, expected: &[(&str, &str, Severity)]) -> Vec<Finding> {
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        let findings = runtime.block_on(self.findings(check));
        let found: Vec<_> =
            findings.iter().map(|one| (one.endpoint.as_str(), one.location.as_str(), one.severity)).collect();
        assert_eq!(found, expected);
        findings
    }
}

/// Names the twin when its check fails.
#[track_caller]
pub(super) fn println_on_failure(name: &str, check: impl FnOnce()) {
    let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(check));
    assert!(outcome.is_ok(), "twin: {name}");
}
