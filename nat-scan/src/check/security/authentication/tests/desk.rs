//! Checks of tokens, logins and sessions against a target that keeps users, with the defect and without.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;
use chrono::DateTime;
use secrecy::{ExposeSecret, SecretString};

use super::super::jwt::{Jwt, signed};
use super::super::*;
use crate::check::security::Learned;
use crate::check::security::fixture::*;
use crate::check::{As, Exchange, Prober, Profile, SecurityContext};
use crate::classify::WireTruth;
use crate::finding::{FindingBuilder, Redactor};
use crate::identity::{Newcomer, Placement, Worn};
use crate::spec::{self, SpecLimits};

/// A user and what the desk remembers; answers as its defects say.
struct Desk {
    defects: BTreeSet<&'static str>,
    users: Mutex<BTreeMap<String, String>>,
    ended: Mutex<BTreeSet<String>>,
    misses: Mutex<u32>,
    numbers: AtomicU64,
}

const STRONG: &str = "8fQ2v-Xb71mZr0Ld9TsKc4Ye6Hn3Ug5P";

impl Desk {
    fn new(defects: &[&'static str]) -> Self {
        Self {
            defects: defects.iter().copied().collect(),
            users: Mutex::default(),
            ended: Mutex::default(),
            misses: Mutex::default(),
            numbers: AtomicU64::new(0),
        }
    }

    fn has(&self, defect: &str) -> bool {
        self.defects.contains(defect)
    }

    fn secret(&self) -> &'static str {
        if self.has("weak") { "Secret123" } else { STRONG }
    }

    fn token(&self, name: &str) -> SecretString {
        let header = json!({"alg": "HS256", "typ": "JWT", "kid": "1"});
        let number = self.numbers.fetch_add(1, Ordering::Relaxed);
        let claims = json!({"sub": name, "iat": 4_000_000_000_u64 + number, "exp": 4_000_003_600_u64 + number});
        signed(header.as_object().unwrap(), claims.as_object().unwrap(), self.secret().as_bytes()).unwrap()
    }

    /// Whose token it is.
    fn user(&self, request: &Request) -> Option<String> {
        let header = request.header("authorization").map(|value| String::from_utf8_lossy(value).into_owned());
        let in_url = request.target.split_once("access_token=").filter(|_| self.has("url"));
        let in_url = in_url.map(|(_, rest)| rest.split('&').next().unwrap_or_default().to_owned());
        let shown = header.and_then(|value| value.strip_prefix("Bearer ").map(str::to_owned)).or(in_url)?;
        let token = Jwt::read(&shown)?;
        let kid = token.header.get("kid").and_then(Value::as_str).unwrap_or_default();
        let genuine = token.is_signed_by(self.secret().as_bytes())
            || self.has("signature")
            || (self.has("none") && token.algorithm().eq_ignore_ascii_case("none") && shown.ends_with('.'))
            || (self.has("kid") && kid.ends_with("/dev/null") && token.is_signed_by(b""));
        let alive = self.has("expired") || token.time("exp")? > 4_000_000_000;
        let ended = self.ended.lock().unwrap().contains(&shown);
        let name = token.claims.get("sub")?.as_str()?.to_owned();
        (genuine && alive && !ended).then_some(name)
    }

    fn answer(&self, request: &Request) -> Response {
        let path = request.target.split('?').next().unwrap_or_default();
        let body: Value =
            request.body.as_deref().and_then(|body| serde_json::from_slice(body).ok()).unwrap_or_default();
        let text = |name: &str| body[name].as_str().unwrap_or_default().to_owned();
        match (request.method.as_str(), path) {
            ("GET", "/me") => match self.user(request) {
                Some(name) => json_answer(200, &json!({"id": name, "kind": "user"})),
                None => self.stranger(request),
            },
            ("GET", "/ME") if self.has("case") => json_answer(200, &json!({"id": "ada", "kind": "user"})),
            ("POST", "/register") if text("password").len() < 8 && !self.has("password") => {
                json_answer(422, &json!({}))
            }
            ("POST", "/register") => {
                self.users.lock().unwrap().insert(text("name"), text("password"));
                json_answer(201, &json!({"id": text("name")}))
            }
            ("POST", "/login") => self.login(&text("name"), &text("password")),
            ("POST", "/logout") => {
                let header = request.header("authorization").map(|value| String::from_utf8_lossy(value).into_owned());
                let token = header.unwrap_or_default().replace("Bearer ", "");
                if !self.has("logout") {
                    self.ended.lock().unwrap().insert(token);
                }
                json_answer(200, &json!({"bye": true}))
            }
            _ => not_found(),
        }
    }

    fn stranger(&self, request: &Request) -> Response {
        let trusted = request.header("x-forwarded-for") == Some(b"127.0.0.1") && self.has("proxy");
        if trusted { json_answer(200, &json!({"id": "ada", "kind": "user"})) } else { json_answer(401, &json!({})) }
    }

    fn login(&self, name: &str, password: &str) -> Response {
        let right = self.users.lock().unwrap().get(name).cloned();
        let mut misses = self.misses.lock().unwrap();
        if *misses > 20 && !self.has("guessing") {
            return json_answer(429, &json!({}));
        }
        match right {
            Some(right) if right == password => {
                *misses = 0;
                json_answer(200, &json!({"token": self.token(name).expose_secret()}))
            }
            None if self.has("users") => json_answer(401, &json!({"message": format!("{name} is unknown")})),
            _ => {
                *misses += 1;
                json_answer(401, &json!({"message": format!("wrong password for {name}, request {}", *misses)}))
            }
        }
    }

    fn exchange(&self, mut request: Request, who: As) -> Exchange {
        let name = match who {
            As::Primary => Some("ada"),
            As::Second => Some("bob"),
            _ => None,
        };
        if let Some(name) = name {
            request.set_header("Authorization", format!("Bearer {}", self.token(name).expose_secret()));
        }
        let answer = self.answer(&request);
        Exchange::new(None, request, Ok(answer), WireTruth::Positive, DateTime::UNIX_EPOCH).sent_as(who)
    }
}

#[async_trait]
impl Prober for Desk {
    async fn send(&self, _: Option<usize>, request: Request, who: As) -> Option<Exchange> {
        Some(self.exchange(request, who))
    }

    fn base_path(&self) -> &str {
        ""
    }

    fn origin(&self) -> &str {
        "http://desk.test:80"
    }

    fn tls(&self) -> bool {
        false
    }

    fn has(&self, who: As) -> bool {
        !matches!(who, As::Admin)
    }

    fn nonce(&self) -> String {
        format!("natdesk{:04}", self.numbers.fetch_add(1, Ordering::Relaxed))
    }

    fn is_catch_all(&self, _: &Response) -> bool {
        false
    }

    async fn worn(&self, who: As) -> Option<Worn> {
        let name = if who == As::Second { "bob" } else { "ada" };
        Worn::of(vec![(Placement::bearer(), self.token(name))])
    }

    fn newcomer(&self, purpose: &str) -> Option<Newcomer> {
        let word: String = format!("guest{}", purpose.replace(' ', "")).chars().take(20).collect();
        Some(Newcomer { word, passwords: ["Nat-1234567890", "Nat7123456", "Nt712345"].map(SecretString::from) })
    }
}

async fn document() -> Api {
    let text = || json!({"type": "string"});
    let form = json!({"required": true, "content": {"application/json": {"schema": {
        "type": "object", "required": ["name", "password"], "properties": {"name": text(), "password": text()}}}}});
    let done = || json!({"200": {"description": "Done."}});
    let secured = json!([{"bearer": []}]);
    let document = json!({"openapi": "3.1.0", "info": {"title": "Desk", "version": "1"},
        "components": {"securitySchemes": {"bearer": {"type": "http", "scheme": "bearer"}}},
        "paths": {
            "/me": {"get": {"responses": done(), "security": secured}},
            "/register": {"post": {"requestBody": form, "responses": done()}},
            "/login": {"post": {"requestBody": form, "responses": done()}},
            "/logout": {"post": {"responses": done(), "security": secured}}}});
    spec::load(document.to_string().as_bytes(), None, None, SpecLimits::default()).await.unwrap()
}

/// What this check finds at a desk with these defects.
async fn found(check: &dyn SecurityCheck, defects: &[&'static str]) -> Vec<String> {
    let (api, desk) = (document().await, Desk::new(defects));
    let first = |operation: &Operation| {
        let wanted = operation.path == "/me";
        wanted.then(|| desk.exchange(Request::new(operation.method.clone(), operation.path.clone()), As::Primary))
    };
    let baselines: Vec<_> = api.operations.iter().map(first).collect();
    let report = FindingBuilder::new(desk.origin(), Redactor::new());
    let cx = SecurityContext {
        api: &api,
        baselines: &baselines,
        traffic: &[],
        accepted: &[],
        learned: &Learned::default(),
        seed: 1,
        nonce: "natdesk",
        profile: Profile::Thorough,
        safe_mode: false,
        prober: &desk,
        report: &report,
    };
    let findings = check.run(&cx).await;
    for finding in &findings {
        assert!(finding.evidence.iter().any(|evidence| evidence.role == "probe"), "{}", finding.check_id);
        assert!(finding.evidence.iter().any(|evidence| evidence.role == "repeat"), "{}", finding.check_id);
        assert!(finding.cvss.is_some() && !finding.cwe.is_empty() && finding.owasp.is_some(), "{}", finding.check_id);
    }
    findings.iter().map(|finding| format!("{} {}", finding.check_id, finding.endpoint)).collect()
}

/// Each check, the defects that it finds and what it says; without them, and with all other defects, it is silent.
const TABLE: &[(&dyn SecurityCheck, &[&str], &str)] = &[
    (&variant::AnotherWay, &["case"], "S-AUTH2 GET /me"),
    (&variant::AnotherWay, &["proxy"], "S-AUTH2 GET /me"),
    (&signature::SignatureIgnored, &["signature"], "S-JWT-SIG GET /me"),
    (&signature::NoAlgorithm, &["none"], "S-JWT-NONE GET /me"),
    (&secret::WeakSecret, &["weak"], "S-JWT-WEAK *"),
    (&secret::ClaimsTrusted, &["weak"], "S-JWT-CLAIM GET /me"),
    (&confusion::KeyConfusion, &["kid"], "S-JWT-CONF GET /me"),
    (&query::TokenInUrl, &["url"], "S-CREDURL GET /me"),
    (&expiry::ExpiryIgnored, &["weak", "expired"], "S-JWT-EXP GET /me"),
    (&password::WeakPassword, &["password"], "S-PWPOL POST /register"),
    (&enumerate::UsersTold, &["users"], "S-ENUM-U POST /login"),
    (&brute::Guessable, &["guessing"], "S-BRUTE POST /login"),
    (&logout::SessionOutlives, &["logout"], "S-SESS POST /logout"),
];

#[tokio::test]
async fn each_check_finds_its_defect_and_nothing_without_it() {
    for (check, defects, expected) in TABLE {
        assert_eq!(found(*check, defects).await, [*expected], "{defects:?}");
        let quiet = found(*check, &[]).await;
        assert!(quiet.iter().all(|one| one.starts_with("S-PWPOL")), "{expected}: {quiet:?}");
    }
}

#[tokio::test]
async fn a_signature_that_does_not_matter_is_one_defect() {
    for check in [&signature::NoAlgorithm as &dyn SecurityCheck, &confusion::KeyConfusion, &expiry::ExpiryIgnored] {
        assert_eq!(found(check, &["signature"]).await, Vec::<String>::new(), "{}", check.info().id);
    }
}
