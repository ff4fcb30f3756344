//! Each check against a target that has the defect and against its benign twins. The target keeps notes.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;
use chrono::DateTime;
use serde_json::{Map, Value, json};

use super::*;
use crate::check::security::Learned;
use crate::check::security::fixture::{json_answer, not_found};
use crate::check::{As, Exchange, Prober, Profile, SecurityContext};
use crate::classify::WireTruth;
use crate::finding::{Finding, FindingBuilder, Redactor, severity_of};
use crate::spec::{self, Api, SpecLimits};
use crate::transport::{Request, Response};

/// What others than the owner get for a read.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum Shown {
    #[default]
    Nothing,
    All,
    Masked,
    Empty,
}

/// What others than the owner get for a write.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum Written {
    #[default]
    Refused,
    Done,
    Pretended,
}

/// How the target behaves.
#[derive(Clone, Copy, Default)]
struct Habits {
    shown: Shown,
    /// To the public, too.
    public: bool,
    lists_all: bool,
    written: Written,
    /// 403 instead of 404.
    forbids: bool,
    numbers: bool,
    names: bool,
    /// PATCH works, which is not documented.
    patches: bool,
    /// Further members that are stored.
    keeps: &'static [&'static str],
    keeps_all: bool,
    /// The write answers with what was sent.
    echoes: bool,
    /// A quote names any note.
    quotes_all: bool,
    /// Comments below a note of one's own may be any.
    any_parent: bool,
    /// A password may be set for anybody.
    passwords: bool,
    /// Audits are for all.
    audits: bool,
    /// Who signs up with `role: admin` is one.
    roles: bool,
}

#[derive(Default)]
struct State {
    /// By path: owner, parent, body.
    things: BTreeMap<String, (String, Value)>,
    users: BTreeMap<String, (String, bool)>,
    count: u64,
}

struct Target {
    habits: Habits,
    state: Mutex<State>,
    nonces: AtomicU64,
}

impl Target {
    fn answer(&self, request: &Request, who: As) -> Response {
        let mut state = self.state.lock().expect("no other test holds it");
        let path = request.target.split('?').next().unwrap_or_default().to_owned();
        let parts: Vec<&str> = path.split('/').skip(1).collect();
        let body: Value =
            request.body.as_deref().and_then(|body| serde_json::from_slice(body).ok()).unwrap_or_default();
        let token = request.header("authorization").map(|token| String::from_utf8_lossy(token).into_owned());
        let token = token.and_then(|token| token.strip_prefix("Bearer ").map(str::to_owned));
        let user = match who {
            As::Primary => Some("ada".to_owned()),
            As::Second => Some("bob".to_owned()),
            As::Admin => Some("root".to_owned()),
            _ => token.filter(|token| state.users.contains_key(token)),
        };
        match (request.method.as_str(), parts.as_slice()) {
            ("POST", ["register"]) => return self.register(&mut state, &body),
            ("POST", ["login"]) => {
                let name = body["username"].as_str().unwrap_or_default();
                let known = state.users.get(name).is_some_and(|(password, _)| body["password"] == **password);
                let refused = json_answer(200, &json!({"status": "fail"}));
                return if known { json_answer(200, &json!({"token": name})) } else { refused };
            }
            _ => {}
        }
        let Some(user) = user.or_else(|| self.habits.public.then(String::new)) else {
            return json_answer(401, &json!({"error": "who are you"}));
        };
        let is_admin = user == "root" || state.users.get(&user).is_some_and(|(_, admin)| *admin);
        match (request.method.as_str(), parts.as_slice()) {
            ("PUT", ["users", name, "password"]) => {
                let whose = if self.habits.passwords { *name } else { user.as_str() };
                if let Some((password, _)) = state.users.get_mut(whose) {
                    body["password"].as_str().unwrap_or_default().clone_into(password);
                }
                json_answer(200, &json!({}))
            }
            ("GET", ["admin", "audits"]) if self.habits.audits || is_admin => json_answer(200, &json!({"log": ["a"]})),
            ("GET", ["admin", "figures"]) if is_admin => json_answer(200, &json!({"sum": 7})),
            ("GET", ["admin", _]) => json_answer(403, &json!({"error": "not for you"})),
            ("GET", ["quotes"]) => {
                let id = request.target.split("note_id=").nth(1).unwrap_or_default();
                let known = state.things.get(&format!("/notes/{id}"));
                match known.filter(|(owner, _)| self.habits.quotes_all || *owner == user) {
                    Some((_, note)) => json_answer(200, &json!({"text": note["text"]})),
                    None => not_found(),
                }
            }
            (method, _) => self.notes(&mut state, method, &path, &parts, &body, &user),
        }
    }

    fn register(&self, state: &mut State, body: &Value) -> Response {
        let name = body["username"].as_str().unwrap_or_default().to_owned();
        let password = body["password"].as_str().unwrap_or_default().to_owned();
        let admin = self.habits.roles && body["role"] == "admin";
        state.users.insert(name.clone(), (password, admin));
        json_answer(201, &json!({"username": name}))
    }

    /// `/notes`, `/notes/{note_id}`, and comments below a note.
    fn notes(&self, state: &mut State, method: &str, path: &str, parts: &[&str], body: &Value, user: &str) -> Response {
        let habits = self.habits;
        if parts.len() > 2 {
            let own = state.things.get(&format!("/notes/{}", parts[1])).is_some_and(|(owner, _)| owner == user);
            if !own {
                return not_found();
            }
        }
        if parts.len() > 2 && !["GET", "POST"].contains(&method) {
            return json_answer(405, &json!({}));
        }
        let is_collection = parts.len() % 2 == 1;
        if is_collection && method == "GET" {
            let below = format!("{path}/");
            let here = state.things.iter().filter(|(key, _)| key.starts_with(&below));
            let here = here.filter(|(_, (owner, _))| habits.lists_all || owner == user);
            let items: Vec<&Value> = here.map(|(_, (_, body))| body).collect();
            return json_answer(200, &json!({"items": items}));
        }
        if is_collection && method == "POST" {
            return self.create(state, path, body, user);
        }
        let key = match parts {
            // The parent was checked, and that is all.
            ["notes", _, "comments", id] if habits.any_parent => {
                state.things.keys().find(|key| key.ends_with(&format!("/comments/{id}"))).cloned().unwrap_or_default()
            }
            _ => path.to_owned(),
        };
        let Some((owner, thing)) = state.things.get_mut(&key) else { return not_found() };
        let refused = || if habits.forbids { json_answer(403, &json!({"error": "not yours"})) } else { not_found() };
        let is_mine = owner == user || (parts.len() > 2 && habits.any_parent);
        match method {
            "GET" if is_mine || habits.public || habits.shown == Shown::All => json_answer(200, thing),
            "GET" => match habits.shown {
                Shown::Masked => json_answer(200, &json!({"id": thing["id"], "title": thing["title"], "text": "***"})),
                Shown::Empty => json_answer(200, &json!({})),
                _ => refused(),
            },
            "PATCH" if habits.patches => self.change(thing, body, true),
            "PUT" | "DELETE" if !is_mine && habits.written == Written::Refused => refused(),
            "PUT" => self.change(thing, body, is_mine || habits.written == Written::Done),
            "DELETE" => {
                if is_mine || habits.written == Written::Done {
                    state.things.remove(&key);
                }
                json_answer(200, &json!({}))
            }
            _ => json_answer(405, &json!({})),
        }
    }

    fn change(&self, thing: &mut Value, body: &Value, stays: bool) -> Response {
        let mut changed = thing.clone();
        for name in ["title", "text"].into_iter().filter(|name| body.get(*name).is_some()) {
            changed[name] = body[name].clone();
        }
        if stays {
            thing.clone_from(&changed);
        }
        json_answer(200, &changed)
    }

    fn create(&self, state: &mut State, path: &str, body: &Value, user: &str) -> Response {
        let habits = self.habits;
        state.count += 1;
        let id = match () {
            () if habits.numbers => json!(state.count),
            () if habits.names => body["title"].clone(),
            () => json!(format!("00000000-0000-4000-a000-{:012x}", state.count.wrapping_mul(0x9e37_79b9))),
        };
        let mut stored = Map::new();
        stored.insert("owner".to_owned(), json!(user));
        stored.insert("role".to_owned(), json!("guest"));
        for (name, value) in body.as_object().into_iter().flatten() {
            let known = ["title", "text"].contains(&name.as_str()) || habits.keeps.contains(&name.as_str());
            if known || (habits.keeps_all && !["owner", "role"].contains(&name.as_str())) {
                stored.insert(name.clone(), value.clone());
            }
        }
        stored.insert("id".to_owned(), id.clone());
        let text = id.as_str().map_or_else(|| id.to_string(), str::to_owned);
        let mut shown = stored.clone();
        if habits.echoes {
            shown.extend(body.as_object().cloned().unwrap_or_default());
        }
        state.things.insert(format!("{path}/{text}"), (user.to_owned(), Value::Object(stored)));
        json_answer(201, &Value::Object(shown))
    }
}

#[async_trait]
impl Prober for Target {
    async fn send(&self, _operation: Option<usize>, request: Request, who: As) -> Option<Exchange> {
        let result = Ok(self.answer(&request, who));
        Some(Exchange::new(None, request, result, WireTruth::Positive, DateTime::UNIX_EPOCH).sent_as(who))
    }

    fn base_path(&self) -> &str {
        ""
    }

    fn origin(&self) -> &str {
        "http://notes.test:80"
    }

    fn tls(&self) -> bool {
        false
    }

    fn has(&self, who: As) -> bool {
        who != As::Garbage
    }

    fn nonce(&self) -> String {
        format!("wxyz{:05}", self.nonces.fetch_add(1, Ordering::Relaxed))
    }

    fn is_catch_all(&self, _response: &Response) -> bool {
        false
    }
}

async fn api() -> Api {
    let text = json!({"type": "string", "maxLength": 40});
    let body = |names: &[&str]| {
        let properties: Map<String, Value> = names.iter().map(|name| ((*name).to_owned(), text.clone())).collect();
        json!({"required": true, "content": {"application/json": {"schema": {
            "type": "object", "required": names, "properties": properties}}}})
    };
    let role = json!({"type": "string", "enum": ["guest", "editor", "admin"]});
    let note = json!({"type": "object", "properties": {"id": {}, "title": text, "text": text, "role": role}});
    let ok = json!({"200": {"description": "", "content": {"application/json": {"schema": note}}}});
    let security = json!([{"bearer": []}]);
    let of = |body: Option<Value>| {
        let mut operation = json!({"responses": ok, "security": security});
        if let Some(body) = body {
            operation["requestBody"] = body;
        }
        operation
    };
    let id = |name: &str| json!({"name": name, "in": "path", "required": true, "schema": {"type": "string"}});
    let write = || of(Some(body(&["title", "text"])));
    let mut quote = of(None);
    quote["parameters"] = json!([{"name": "note_id", "in": "query", "required": true, "schema": {"type": "string"}}]);
    let open = |names: &[&str]| json!({"requestBody": body(names), "responses": {"200": {"description": ""}}});
    let document = json!({
    "openapi": "3.1.0", "info": {"title": "Notes", "version": "1"},
    "components": {"securitySchemes": {"bearer": {"type": "http", "scheme": "bearer"}}},
    "paths": {
        "/notes": {"post": write(), "get": of(None)},
        "/notes/{note_id}": {"parameters": [id("note_id")], "get": of(None), "put": write(), "delete": of(None)},
        "/notes/{note_id}/comments": {"parameters": [id("note_id")], "post": write(), "get": of(None)},
        "/notes/{note_id}/comments/{comment_id}":
            {"parameters": [id("note_id"), id("comment_id")], "get": of(None)},
        "/quotes": {"get": quote},
        "/admin/audits": {"get": of(None)},
        "/admin/figures": {"get": of(None)},
        "/register": {"post": open(&["username", "password"])},
        "/login": {"post": open(&["username", "password"])},
        "/users/{name}/password": {"parameters": [id("name")], "put": of(Some(body(&["password"])))},
    }});
    spec::load(document.to_string().as_bytes(), None, None, SpecLimits::default()).await.expect("a document")
}

async fn findings(check: &dyn SecurityCheck, habits: Habits) -> Vec<Finding> {
    let api = api().await;
    let target = Target { habits, state: Mutex::default(), nonces: AtomicU64::new(0) };
    let mut baselines = Vec::new();
    for operation in &api.operations {
        let plain = operation.method == "GET" && !operation.path.contains('{');
        let exchange = target.send(None, Request::new("GET", operation.path.clone()), As::Primary).await;
        baselines.push(exchange.filter(|exchange| plain && exchange.status() == Some(200)));
    }
    let mut redactor = Redactor::new();
    redactor.secret("s3cret-of-the-scan", "NAT_TOKEN");
    let report = FindingBuilder::new("http://notes.test:80", redactor);
    let accepted = vec![None; api.operations.len()];
    let cx = SecurityContext {
        api: &api,
        baselines: &baselines,
        traffic: &[],
        accepted: &accepted,
        learned: &Learned::default(),
        seed: 1,
        nonce: "wxyz",
        profile: Profile::Quiet,
        safe_mode: false,
        callback: None,
        prober: &target,
        report: &report,
    };
    let found = check.run(&cx).await;
    for finding in &found {
        let has = |role: &str| finding.evidence.iter().any(|evidence| evidence.role == role);
        assert!(has("probe") && has("repeat"), "{}", finding.check_id);
        assert!(!finding.cwe.is_empty() && finding.owasp.is_some());
        let band = finding.cvss.as_ref().map_or(crate::finding::Severity::Info, |cvss| severity_of(cvss.score));
        assert_eq!(finding.severity, band, "{}", finding.explanation);
    }
    found
}

#[track_caller]
fn check(check: &dyn SecurityCheck, habits: Habits, expected: &[(&str, &str)]) -> Vec<Finding> {
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    let found = runtime.block_on(findings(check, habits));
    let told: Vec<_> = found.iter().map(|one| (one.endpoint.as_str(), one.location.as_str())).collect();
    assert_eq!(told, expected, "{:?}", found.iter().map(|one| &one.explanation).collect::<Vec<_>>());
    found
}

const RIGHT: Habits = Habits {
    shown: Shown::Nothing,
    public: false,
    lists_all: false,
    written: Written::Refused,
    forbids: false,
    numbers: false,
    names: false,
    patches: false,
    keeps: &[],
    keeps_all: false,
    echoes: false,
    quotes_all: false,
    any_parent: false,
    passwords: false,
    audits: false,
    roles: false,
};

#[test]
fn target_without_a_defect_is_silent_to_every_check() {
    for one in CHECKS {
        check(*one, RIGHT, &[]);
    }
}

#[test]
fn foreign_reads_are_told_from_what_is_shared() {
    let one = &read::ForeignRead;
    let read = |shown| Habits { shown, ..RIGHT };
    check(one, read(Shown::All), &[("GET /notes/{note_id}", "path note_id")]);
    check(one, Habits { numbers: true, ..read(Shown::All) }, &[("GET /notes/{note_id}", "path note_id")]);
    check(one, read(Shown::Masked), &[]);
    check(one, read(Shown::Empty), &[]);
    check(one, Habits { lists_all: true, ..read(Shown::All) }, &[]);
    check(one, Habits { public: true, ..read(Shown::All) }, &[]);
    check(one, Habits { lists_all: true, ..RIGHT }, &[("GET /notes", "response")]);
}

#[test]
fn foreign_writes_count_when_the_owner_sees_them() {
    let one = &write::ForeignWrite;
    let write = |written| Habits { written, ..RIGHT };
    let both = [("PUT /notes/{note_id}", "path note_id"), ("DELETE /notes/{note_id}", "path note_id")];
    check(one, write(Written::Done), &both);
    check(one, write(Written::Pretended), &[]);
    // Everybody sees them, and they name their owner.
    check(one, Habits { shown: Shown::All, lists_all: true, ..write(Written::Done) }, &both);
    check(one, Habits { public: true, ..write(Written::Done) }, &[]);
}

#[test]
fn foreign_passwords_are_proved_by_signing_in() {
    let found = check(
        &write::ForeignWrite,
        Habits { passwords: true, ..RIGHT },
        &[("PUT /users/{name}/password", "path name")],
    );
    let text = serde_json::to_string(&found).expect("findings serialise");
    assert!(!text.contains("8!Zq\"") && !text.contains("7!Qz\""), "{text}");
}

#[test]
fn references_parents_and_refusals_give_away_what_they_should_not() {
    let below = [("GET /notes/{note_id}/comments/{comment_id}", "path note_id")];
    check(&parent::ForeignParent, Habits { any_parent: true, ..RIGHT }, &below);
    check(&nested::ForeignReference, Habits { quotes_all: true, ..RIGHT }, &[("GET /quotes", "query note_id")]);
    // Who may read the note may quote it.
    check(&nested::ForeignReference, Habits { quotes_all: true, shown: Shown::All, ..RIGHT }, &[]);
    let exist = Habits { forbids: true, names: true, ..RIGHT };
    check(&exist::ExistenceTold, exist, &[("GET /notes/{note_id}", "path note_id")]);
    check(&exist::ExistenceTold, Habits { names: true, ..RIGHT }, &[]);
    // Nobody guesses a random id.
    check(&exist::ExistenceTold, Habits { forbids: true, ..RIGHT }, &[]);
    check(&exist::GuessableIds, Habits { numbers: true, ..RIGHT }, &[("*", "")]);
    check(&exist::GuessableIds, Habits { names: true, ..RIGHT }, &[]);
}

#[test]
fn functions_and_methods_need_an_effect_and_a_refusal_elsewhere() {
    check(&function::ForeignFunction, Habits { audits: true, ..RIGHT }, &[("GET /admin/audits", "")]);
    check(&function::ForeignFunction, Habits { audits: true, public: true, ..RIGHT }, &[]);
    check(&method::HiddenMethod, Habits { patches: true, ..RIGHT }, &[("PATCH /notes/{note_id}", "")]);
}

#[test]
fn members_count_when_a_later_read_shows_them() {
    let one = &mass::MassAssignment;
    let keeps = |keeps| Habits { keeps, ..RIGHT };
    let both = |place| [("POST /notes", place), ("POST /notes/{note_id}/comments", place)];
    check(one, keeps(&["role"]), &both("body /role"));
    check(one, keeps(&["owner"]), &both("body /owner"));
    check(one, keeps(&["is_admin"]), &both("body /is_admin"));
    check(one, Habits { echoes: true, ..RIGHT }, &[]);
    // What keeps anything keeps these members, too.
    check(one, Habits { keeps_all: true, ..RIGHT }, &[]);
    check(&escalate::Escalation, Habits { roles: true, ..RIGHT }, &[("POST /register", "body /role")]);
}
