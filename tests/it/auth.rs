//! Signing in and up: what a document says about it is used, tokens are renewed once for all who need them, users who
//! are forgotten sign up again, and no secret leaves the scan.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard};

use axum::Router;
use axum::body::to_bytes;
use axum::extract::{Request, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use nat_scan::check::As;
use nat_scan::engine::{Outcome, ScanConfig};
use nat_scan::identity::{Credentials, OAuth2, SignUp};
use nat_scan::report::{self, Format};
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::engine;
use crate::process::nat;

/// Where a site takes tokens.
#[derive(Clone, Copy, PartialEq)]
enum Door {
    Bearer,
    Cookie,
    Query,
    /// Bearer tokens of a token endpoint that the document declares; it has no operation that signs in.
    OAuth2,
}

/// What happened at a site.
#[derive(Default)]
struct Book {
    users: HashMap<String, String>,
    /// Token to user, and requests that it is still good for.
    tokens: HashMap<String, (String, usize)>,
    passwords: BTreeSet<String>,
    issued: BTreeSet<String>,
    registrations: usize,
    /// Those of the scan's own users.
    own: usize,
    logins: usize,
    admitted: usize,
}

struct Site {
    door: Door,
    /// Requests that a token is good for.
    life: usize,
    /// The requests after which it forgets its users, once.
    forgets: usize,
    /// Its document says nothing of security.
    is_silent: bool,
    book: Mutex<Book>,
}

impl Site {
    fn new(door: Door, life: usize) -> Arc<Self> {
        Arc::new(Self { door, life, forgets: 0, is_silent: false, book: Mutex::default() })
    }

    fn book(&self) -> MutexGuard<'_, Book> {
        self.book.lock().expect("no handler panics")
    }

    fn with_user(self: Arc<Self>, name: &str, password: &str) -> Arc<Self> {
        self.book().users.insert(name.to_owned(), password.to_owned());
        self
    }

    fn document(&self) -> Value {
        let scheme = match self.door {
            Door::Bearer => json!({"type": "http", "scheme": "bearer"}),
            Door::OAuth2 => json!({"type": "oauth2", "flows": {
                "clientCredentials": {"tokenUrl": "oauth/token", "scopes": {}},
                "password": {"tokenUrl": "oauth/token", "scopes": {}}}}),
            Door::Cookie => json!({"type": "apiKey", "in": "cookie", "name": "sid"}),
            Door::Query => json!({"type": "apiKey", "in": "query", "name": "api_key"}),
        };
        let answers = |codes: &[&str]| -> Value {
            codes
                .iter()
                .map(|code| ((*code).to_owned(), json!({"description": ""})))
                .collect::<serde_json::Map<_, _>>()
                .into()
        };
        let body = |names: &[&str]| {
            let text = json!({"type": "string", "minLength": 1, "maxLength": 40});
            let properties: serde_json::Map<_, _> =
                names.iter().map(|name| ((*name).to_owned(), text.clone())).collect();
            json!({"required": true, "content": {"application/json": {"schema": {
                "type": "object", "required": names, "properties": properties}}}})
        };
        let guarded = |method: &str| {
            let mut operation = json!({"responses": answers(&["200"])});
            if !self.is_silent {
                operation["security"] = json!([{"it": []}]);
                operation["responses"]["401"] = json!({"description": ""});
            }
            json!({method: operation})
        };
        let mut document = json!({
            "openapi": "3.0.3", "info": {"title": "Site", "version": "1"},
            "paths": {
                "/createdb": {"get": {"responses": answers(&["200"])}},
                "/users/v1/register": {"post": {
                    "requestBody": body(&["username", "password", "email"]), "responses": answers(&["200", "400"])}},
                "/users/v1/login": {"post": {
                    "requestBody": body(&["username", "password"]), "responses": answers(&["200", "400", "401"])}},
                "/me": guarded("get"),
                "/books": guarded("get"),
                "/broken": guarded("get"),
                "/vault": guarded("get"),
                "/audit/reset": guarded("post"),
            },
        });
        // Parameters make many requests.
        let parameter = |name: &str, schema: Value| json!({"name": name, "in": "query", "schema": schema});
        document["paths"]["/books"]["get"]["parameters"] = json!([
            parameter("limit", json!({"type": "integer", "minimum": 1, "maximum": 100})),
            parameter("sort", json!({"type": "string", "enum": ["title", "author", "year"]})),
            parameter("title", json!({"type": "string", "maxLength": 20})),
        ]);
        if self.door == Door::OAuth2 {
            let paths = document["paths"].as_object_mut().expect("an object");
            paths.retain(|path, _| !path.starts_with("/users/"));
        }
        if !self.is_silent {
            document["components"] = json!({"securitySchemes": {"it": scheme}});
        }
        document
    }

    /// Who sent the request, if the token is good for one more.
    fn who(&self, parts: &axum::http::request::Parts) -> Option<String> {
        let text = |name| parts.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let token = match self.door {
            Door::Bearer | Door::OAuth2 => text(header::AUTHORIZATION).strip_prefix("Bearer ")?.to_owned(),
            Door::Cookie => text(header::COOKIE).split("; ").find_map(|pair| pair.strip_prefix("sid="))?.to_owned(),
            Door::Query => {
                let query = parts.uri.query().unwrap_or_default();
                url::form_urlencoded::parse(query.as_bytes()).find(|(name, _)| name == "api_key")?.1.into_owned()
            }
        };
        let mut book = self.book();
        let (user, left) = book.tokens.get_mut(&token)?;
        *left = left.checked_sub(1)?;
        let user = user.clone();
        book.admitted += 1;
        if book.admitted == self.forgets {
            book.users.clear();
        }
        book.users.contains_key(&user).then_some(user)
    }

    fn login(&self, body: &Value) -> Response {
        let text = |name: &str| body[name].as_str().unwrap_or_default();
        let mut book = self.book();
        if text("username").is_empty() || book.users.get(text("username")).is_none_or(|known| known != text("password"))
        {
            return (StatusCode::UNAUTHORIZED, [(header::WWW_AUTHENTICATE, "Bearer")]).into_response();
        }
        book.logins += 1;
        let token = format!("t0k3n.{}.{}", self.life, book.logins * 7919);
        book.tokens.insert(token.clone(), (text("username").to_owned(), self.life));
        book.issued.insert(token.clone());
        match self.door {
            Door::Cookie => ([(header::SET_COOKIE, format!("sid={token}; Path=/; HttpOnly"))], "{}").into_response(),
            _ => axum::Json(json!({"auth_token": token, "status": "success"})).into_response(),
        }
    }

    /// A token endpoint: a client, or a user, and refresh tokens that are good once.
    fn grant(&self, form: &[u8]) -> Response {
        let form: HashMap<String, String> = url::form_urlencoded::parse(form).into_owned().collect();
        let text = |name: &str| form.get(name).map(String::as_str).unwrap_or_default();
        let mut book = self.book();
        let user = match text("grant_type") {
            "client_credentials" if text("client_secret") == "s3cret-of-client" => "client".to_owned(),
            "password" if book.users.get(text("username")).is_some_and(|known| known == text("password")) => {
                text("username").to_owned()
            }
            "refresh_token" => match book.tokens.remove(text("refresh_token")) {
                Some((user, _)) => user,
                None => return (StatusCode::BAD_REQUEST, r#"{"error": "invalid_grant"}"#).into_response(),
            },
            _ => return (StatusCode::BAD_REQUEST, r#"{"error": "invalid_client"}"#).into_response(),
        };
        book.logins += 1;
        book.users.entry(user.clone()).or_default();
        let token = |number| format!("t0k3n.{}.{number}", text("grant_type"));
        let (access, refresh) = (token(book.logins * 7919), token(book.logins * 7919 + 1));
        book.tokens.insert(access.clone(), (user.clone(), self.life));
        book.tokens.insert(refresh.clone(), (user, 0));
        book.issued.extend([access.clone(), refresh.clone()]);
        axum::Json(json!({"access_token": access, "refresh_token": refresh, "expires_in": 3600})).into_response()
    }

    fn register(&self, body: &Value) -> Response {
        let text = |name: &str| body[name].as_str().unwrap_or_default().to_owned();
        let valid = ["username", "password", "email"].iter().all(|name| (1..=40).contains(&text(name).chars().count()));
        let mut book = self.book();
        if !valid || book.users.contains_key(&text("username")) {
            return StatusCode::BAD_REQUEST.into_response();
        }
        book.registrations += 1;
        if text("username").starts_with("nat") && text("email").starts_with(&text("username")) {
            book.passwords.insert(text("password"));
            book.own += 1;
        }
        book.users.insert(text("username"), text("password"));
        StatusCode::OK.into_response()
    }
}

async fn serve(State(site): State<Arc<Site>>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let bytes = to_bytes(body, 1 << 20).await.unwrap_or_default();
    let value = || serde_json::from_slice::<Value>(&bytes).unwrap_or_default();
    match (parts.method.as_str(), parts.uri.path()) {
        ("GET", "/openapi.json") => axum::Json(site.document()).into_response(),
        ("GET", "/createdb") => {
            site.book().users.clear();
            StatusCode::OK.into_response()
        }
        ("POST", "/oauth/token") => site.grant(&bytes),
        ("POST", "/users/v1/register") => site.register(&value()),
        ("POST", "/users/v1/login") => site.login(&value()),
        ("GET", "/me" | "/books" | "/broken") | ("POST", "/audit/reset") => match site.who(&parts) {
            Some(_) if parts.uri.path() == "/broken" => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
            Some(user) => axum::Json(json!({"user": user})).into_response(),
            None => (StatusCode::UNAUTHORIZED, [(header::WWW_AUTHENTICATE, "Bearer")]).into_response(),
        },
        // Refuses everybody, whatever the document says.
        ("GET", "/vault") => (StatusCode::UNAUTHORIZED, [(header::WWW_AUTHENTICATE, "Bearer")]).into_response(),
        (_, "/me" | "/books" | "/broken" | "/vault" | "/audit/reset" | "/createdb") => {
            StatusCode::METHOD_NOT_ALLOWED.into_response()
        }
        (_, "/users/v1/register" | "/users/v1/login") => StatusCode::METHOD_NOT_ALLOWED.into_response(),
        _ => StatusCode::NOT_FOUND.into_response(),
    }
}

async fn listen(site: &Arc<Site>) -> (String, tokio::task::JoinHandle<std::io::Result<()>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let target = format!("http://{}", listener.local_addr().expect("an address"));
    let router = Router::new().fallback(serve).with_state(Arc::clone(site));
    (target, tokio::spawn(axum::serve(listener, router).into_future()))
}

async fn scan(site: &Arc<Site>, credentials: Credentials, safe_mode: bool) -> Outcome {
    let (target, server) = listen(site).await;
    let config = ScanConfig {
        credentials,
        concurrency: 16,
        max_requests: 5_000,
        seed: 7,
        safe_mode,
        scan_id: "scan_auth".to_owned(),
        ..engine::config(&target, "/openapi.json")
    };
    let outcome = engine::run(config).await;
    server.abort();
    outcome
}

fn nobody() -> Credentials {
    Credentials::SignUp(SignUp { key: "0123456789abcdef0123456789abcdef".to_owned().into(), always: false })
}

fn ann(password: &str) -> Credentials {
    Credentials::User { username: "ann".to_owned(), password: password.to_owned().into() }
}

fn covered(outcome: &Outcome) -> BTreeSet<String> {
    let covered = outcome.operations.iter().filter(|operation| operation.covered);
    covered.map(|operation| format!("{} {}", operation.method, operation.path)).collect()
}

/// Nothing that any report writes holds a token or a password.
#[track_caller]
fn holds_no_secret(outcome: &Outcome, site: &Site) {
    let book = site.book();
    assert!(outcome.findings.iter().any(|finding| finding.endpoint == "GET /broken"), "something is to be shown");
    for format in Format::ALL {
        let text = String::from_utf8_lossy(&report::write(outcome, "scan_auth", format)).into_owned();
        for secret in book.issued.iter().chain(&book.passwords) {
            assert!(!text.contains(secret.as_str()), "{} holds {secret}", format.as_str());
        }
    }
    assert!(!format!("{outcome:?}").contains("t0k3n."));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn users_are_signed_up_and_stay_signed_in() {
    let site = Arc::new(Site { forgets: 20, ..Arc::into_inner(Site::new(Door::Bearer, 9)).expect("alone") });
    let outcome = scan(&site, nobody(), false).await;
    assert_eq!(outcome.failure, None, "{:?}", outcome.notices);
    let covered = covered(&outcome);
    for endpoint in ["GET /me", "GET /books", "POST /audit/reset", "GET /createdb"] {
        assert!(covered.contains(endpoint), "{endpoint} in {covered:?}: {:?}", outcome.notices);
    }
    let whose: Vec<As> = outcome.accounts.iter().map(|account| account.identity).collect();
    assert!(whose.contains(&As::Primary) && whose.contains(&As::Second), "{:?}", outcome.accounts);
    assert!(outcome.accounts.iter().all(|account| account.made_by == "POST /users/v1/register"));
    let told = outcome.notices.iter().filter(|notice| notice.starts_with("Signed up as nat")).count();
    assert_eq!(told, 2, "{:?}", outcome.notices);
    holds_no_secret(&outcome, &site);
    let (logins, admitted) = {
        let book = site.book();
        assert!(book.own > 2, "whoever is forgotten signs up again: {}", book.own);
        assert_eq!(book.passwords.len(), 2, "two users with a password each, however often they were made");
        (book.logins, book.admitted)
    };
    // A token is good for nine requests; one login each, and a few in vain for the vault, however many are under way.
    assert!(admitted > 5 * 9 && logins <= admitted / 9 + 12, "{logins} logins for {admitted} requests");
    assert!(logins >= admitted / 9, "{logins} logins for {admitted} requests");
    let forever = scan(&Site::new(Door::Bearer, usize::MAX), nobody(), false).await;
    assert_eq!(forever.plan_hash, outcome.plan_hash, "what is sent depends on no token");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_user_signs_in_by_cookie_and_by_key() {
    for door in [Door::Cookie, Door::Query] {
        let site = Site::new(door, 25).with_user("ann", "s3cret-of-ann");
        site.book().passwords.insert("s3cret-of-ann".to_owned());
        let outcome = scan(&site, ann("s3cret-of-ann"), false).await;
        assert_eq!(outcome.failure, None, "{:?}", outcome.notices);
        let covered = covered(&outcome);
        assert!(covered.contains("GET /me") && covered.contains("GET /books"), "{covered:?}");
        let told = outcome.notices.iter().find(|notice| notice.starts_with("Signed in as ann by POST /users/v1/login"));
        let place = if door == Door::Cookie { "cookies" } else { "api_key" };
        assert!(told.is_some_and(|told| told.contains(place)), "{:?}", outcome.notices);
        assert!(outcome.accounts.is_empty());
        holds_no_secret(&outcome, &site);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tokens_come_from_the_endpoint_that_the_document_declares() {
    let client = Credentials::OAuth2(Box::new(OAuth2 {
        token_url: None,
        client_id: "nat".to_owned(),
        client_secret: Some("s3cret-of-client".to_owned().into()),
        username: None,
        password: None,
        scope: None,
        refresh_token: None,
    }));
    for (credentials, secret) in [(client, "s3cret-of-client"), (ann("s3cret-of-ann"), "s3cret-of-ann")] {
        let site = Site::new(Door::OAuth2, 9).with_user("ann", "s3cret-of-ann");
        site.book().passwords.insert(secret.to_owned());
        let outcome = scan(&site, credentials, false).await;
        assert_eq!(outcome.failure, None, "{:?}", outcome.notices);
        assert!(covered(&outcome).contains("GET /me"), "{:?}", outcome.notices);
        holds_no_secret(&outcome, &site);
        let book = site.book();
        let refreshed = book.issued.iter().filter(|token| token.contains("refresh_token")).count();
        assert!(refreshed > 2, "a refresh token is used where there is one: {:?}", book.issued);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_silent_document_is_asked_by_looking() {
    let site = Site { is_silent: true, ..Arc::into_inner(Site::new(Door::Bearer, 50)).expect("alone") };
    let site = Arc::new(site);
    let outcome = scan(&site, nobody(), false).await;
    assert!(covered(&outcome).contains("GET /me"), "{:?}", outcome.notices);
    assert_eq!(outcome.accounts.first().map(|account| account.identity), Some(As::Primary));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_is_signed_up_in_safe_mode_and_a_wrong_password_ends_the_scan() {
    let site = Site::new(Door::Bearer, 50).with_user("ann", "right");
    let outcome = scan(&site, nobody(), true).await;
    assert_eq!((outcome.failure.as_ref(), site.book().registrations), (None, 0));
    assert!(outcome.notices.iter().any(|notice| notice.contains("in safe mode nobody is signed up")));
    let outcome = scan(&site, ann("wrong-password"), false).await;
    let failure = outcome.failure.expect("nobody is let in");
    assert_eq!(failure.code, "AUTH_FAILED");
    assert_eq!(failure.message, "The scan could not sign in: POST /users/v1/login answered 401.");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn command_line_signs_in_by_name_or_file() {
    let site = Site::new(Door::Bearer, 1000).with_user("ann", "s3cret-of-ann");
    let (target, server) = listen(&site).await;
    let spec = format!("{target}/openapi.json");
    let folder = tempfile::tempdir().expect("a folder");
    let file = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).expect("written");
        path.to_str().expect("text").to_owned()
    };
    let good = file(
        "auth.yaml",
        "auth:\n- name: ann\n  loginEndpointAuth:\n    endpoint: /users/v1/login\n    verb: POST\n    payloadUserPwd: \
         {username: ann, password: s3cret-of-ann, usernameField: username, passwordField: password}\n    token: \
         {extractFrom: body, extractSelector: /auth_token, sendIn: header, sendName: Authorization, sendTemplate: \
         'Bearer {token}'}\n",
    );
    let bad = file("bad.yaml", "auth:\n- name: ann\n  loginEndpointAuth: {verb: POST}\n");
    let password = file("password", "s3cret-of-ann\n");
    let run = async |arguments: Vec<String>, password: Option<&'static str>| {
        let (target, spec) = (target.clone(), spec.clone());
        let output = tokio::task::spawn_blocking(move || {
            let mut command = nat();
            command.args(["scan", &target, "--spec", &spec, "--exclude", "/createdb", "--fail-on", "none", "-q"]);
            command.args(&arguments).envs(password.map(|password| ("NAT_PASSWORD", password)));
            command.output().expect("the binary runs")
        });
        let output = output.await.expect("it ran");
        let all = [output.stdout, output.stderr].concat();
        (output.status.code(), String::from_utf8_lossy(&all).into_owned())
    };
    let texts = |all: &[&str]| all.iter().map(|one| (*one).to_owned()).collect::<Vec<String>>();
    for (arguments, secret) in [
        (texts(&["--user", "ann"]), Some("s3cret-of-ann")),
        (texts(&["--user", "ann", "--password-file", &password]), None),
        (texts(&["--auth-file", &good]), None),
    ] {
        let (code, said) = run(arguments.clone(), secret).await;
        assert_eq!(code, Some(0), "{arguments:?}: {said}");
        assert!(!said.contains("s3cret-of-ann") && !said.contains("t0k3n."), "{said}");
        // All but the vault, what is broken, what is excluded, and the login, which does not know whom the plan makes up.
        assert!(said.contains("4 of 8") && said.contains("users who are made up"), "{arguments:?}: {said}");
    }
    for (arguments, expected) in [
        (texts(&["--user", "ann"]), "--user needs NAT_PASSWORD"),
        (texts(&["--auth-file", &bad]), "auth[0].loginEndpointAuth.endpoint is missing"),
        (texts(&["--auth-file", "/nonexistent.yaml"]), "/nonexistent.yaml"),
    ] {
        let (code, said) = run(arguments, None).await;
        assert!(code == Some(2) && said.contains(expected), "{code:?} {said}");
    }
    let (_, said) = run(texts(&["--no-sign-up"]), None).await;
    assert!(said.contains("credentials are missing (give --user"), "{said}");
    server.abort();
}
