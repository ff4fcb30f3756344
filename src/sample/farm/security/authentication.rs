//! Credentials that are not checked, can be forged, guessed or outlive their session.
//!
//! Every operation below `/vault` lets in whoever shows a token that the farm issued. What else it lets in is the defect.

use axum::response::Response;
use serde_json::{Value, json};

use super::account::{bearer, enter, register};
use super::{Area, Mutant, Op, token};
use crate::sample::farm::answers::object;
use crate::sample::farm::call::{Call, empty, error, json, set, who_are_you};
use crate::sample::farm::mutants::mutant;

pub(super) const AREA: Area = Area { name: "authentication", mutants: MUTANTS, operations, finish: None };

#[rustfmt::skip]
const MUTANTS: &[Mutant] = &[
    mutant("proxy-header-trusted", "S-AUTH2", "GET /vault/console", "GET /vault/office", "who says to come from 127.0.0.1 is let in"),
    mutant("capital-path-open", "S-AUTH2", "GET /vault/archive", "GET /vault/attic", "the path in capitals asks for nothing"),
    mutant("signature-ignored", "S-JWT-SIG", "GET /vault/cards", "GET /vault/medals", "any signature will do"),
    mutant("unsigned-token", "S-JWT-NONE", "GET /vault/badges", "GET /vault/medals", "alg none needs no signature"),
    mutant("weak-secret", "S-JWT-WEAK", "*", "GET /vault/medals", "the secret is a word with a year"),
    mutant("claims-trusted", "S-JWT-CLAIM", "GET /vault/profile", "GET /vault/account", "the subject is whoever the token says"),
    mutant("expired-token", "S-JWT-EXP", "GET /vault/calendar", "GET /vault/signed", "exp does not matter"),
    mutant("key-id-path", "S-JWT-CONF", "GET /vault/plans", "GET /vault/maps", "the key is read from the file that kid names"),
    mutant("public-key-as-secret", "S-JWT-CONF", "GET /vault/stamps", "GET /vault/maps", "HS256 is verified with the public key"),
    mutant("token-in-url", "S-CREDURL", "GET /vault/downloads", "GET /vault/uploads", "the token may stand in the query"),
    mutant("logout-forgets", "S-SESS", "POST /logout", "POST /portal/logout", "logout ends nothing"),
    mutant("bare-cookie", "S-COOKIE", "POST /portal/login", "POST /kiosk/login", "the session cookie is open to scripts"),
    mutant("guessing-allowed", "S-BRUTE", "POST /portal/login", "POST /login", "wrong passwords are not counted"),
    mutant("login-tells-users", "S-ENUM-U", "POST /kiosk/login", "POST /portal/login", "unknown users are told so"),
    mutant("reset-tells-users", "S-ENUM-U", "POST /password/forgot", "POST /portal/forgot", "only known users get a mail, and are told so"),
    mutant("weak-password", "S-PWPOL", "POST /portal/register", "POST /register", "any password is taken"),
];

fn operations() -> Vec<Op> {
    let mut all = spellings();
    all.extend(tokens());
    all.extend(sessions());
    all.extend(doors());
    all
}

/// What lets in a request that shows no token of the farm.
type Defect = fn(&Call<'_>) -> bool;

fn vault(path: &'static str, defect: Defect) -> Op {
    let page = object(&["page", "pages"], json!({"page": {"type": "string"}, "pages": {"type": "integer"}}));
    Op::get(path).gives("200", page).gives_nothing("401").secured(bearer()).answer(move |call| {
        match call.user().is_some() || defect(call) {
            true => json(200, json!({"page": path, "pages": path.len()})),
            false => who_are_you(),
        }
    })
}

/// The bearer token, taken apart.
fn forged(call: &Call<'_>, good: impl FnOnce(&token::Token<'_>) -> bool) -> bool {
    let shown = call.header("authorization").and_then(|value| value.strip_prefix("Bearer "));
    shown.and_then(token::read).is_some_and(|token| good(&token))
}

/// Signed by the secret of the farm, and in time.
fn is_valid(call: &Call<'_>) -> bool {
    forged(call, |token| token.is_signed_by(token::secret(call.farm)) && token.is_alive())
}

fn spellings() -> Vec<Op> {
    vec![
        vault("/vault/console", |call| {
            call.on("proxy-header-trusted") && call.header("x-forwarded-for") == Some("127.0.0.1")
        }),
        // The header is there for the log.
        vault("/vault/office", |_| false),
        vault("/vault/archive", |_| false),
        Op::get("/VAULT/ARCHIVE").hidden().answer(|call| match call.on("capital-path-open") {
            true => json(200, json!({"page": "/vault/archive", "pages": "/vault/archive".len()})),
            false => error(404, "no such path"),
        }),
        vault("/vault/attic", |_| false),
        // Paths are the same in any case, and credentials are asked for in any case.
        Op::get("/VAULT/ATTIC").hidden().answer(|call| match call.user() {
            Some(_) => json(200, json!({"page": "/vault/attic", "pages": "/vault/attic".len()})),
            None => who_are_you(),
        }),
        vault("/vault/downloads", |call| {
            let shown = call.raw.query.iter().find(|(name, _)| name == "access_token");
            call.on("token-in-url") && shown.is_some_and(|(_, token)| call.farm.shelves.user_of(token).is_some())
        }),
        vault("/vault/uploads", |_| false),
    ]
}

fn tokens() -> Vec<Op> {
    let keys = || json!({"keys": [{"kty": "RSA", "use": "sig", "alg": "RS256", "kid": "main", "n": token::MODULUS, "e": "AQAB"}]});
    vec![
        vault("/vault/cards", |call| call.on("signature-ignored") && forged(call, |_| true)),
        vault("/vault/badges", |call| call.on("unsigned-token") && forged(call, |token| token.is_unsigned())),
        vault("/vault/medals", is_valid),
        vault("/vault/signed", is_valid),
        vault("/vault/calendar", |call| {
            let late = call.on("expired-token");
            forged(call, |token| token.is_signed_by(token::secret(call.farm)) && (late || token.is_alive()))
        }),
        owner("/vault/profile", "claims-trusted"),
        owner("/vault/account", ""),
        vault("/vault/plans", |call| {
            let is_path =
                |token: &token::Token<'_>| token.header["kid"].as_str().is_some_and(|kid| kid.ends_with("/dev/null"));
            call.on("key-id-path") && forged(call, |token| is_path(token) && token.is_signed_by(b""))
        }),
        vault("/vault/stamps", |call| {
            call.on("public-key-as-secret") && forged(call, |token| token.is_signed_by(token::PEM.as_bytes()))
        }),
        // One key, whatever the token says.
        vault("/vault/maps", is_valid),
        Op::get("/.well-known/jwks.json")
            .gives("200", object(&["keys"], json!({"keys": {"type": "array", "items": {"type": "object"}}})))
            .answer(move |_| json(200, keys())),
    ]
}

/// Shows whose token it is: a token that was written for somebody else is not bound to them.
fn owner(path: &'static str, mutant: &'static str) -> Op {
    let page = object(&["owner"], json!({"owner": {"type": "string"}}));
    Op::get(path).gives("200", page).gives_nothing("401").secured(bearer()).answer(move |call| {
        let shown = call.header("authorization").and_then(|value| value.strip_prefix("Bearer "));
        let signed = shown.and_then(token::read).filter(|token| {
            let bound = token.claims["jti"] == token::binding(token.subject());
            token.is_signed_by(token::secret(call.farm)) && token.is_alive() && (bound || call.on(mutant))
        });
        match call.user().or_else(|| signed.map(|token| token.subject().to_owned())) {
            Some(user) => json(200, json!({"owner": user})),
            None => who_are_you(),
        }
    })
}

fn sessions() -> Vec<Op> {
    let leave = |path: &'static str, mutant: &'static str| {
        Op::post(path).gives_nothing("204").gives_nothing("401").secured(bearer()).answer(move |call| {
            let Some(shown) = call.header("authorization").and_then(|value| value.strip_prefix("Bearer ")) else {
                return who_are_you();
            };
            if call.user().is_none() {
                return who_are_you();
            }
            if !call.on(mutant) {
                call.farm.shelves.revoke(shown);
            }
            empty(204)
        })
    };
    // The cookie is as good as the token.
    let lounge = |call: &Call<'_>| {
        let cookies = call.header("cookie").unwrap_or_default().split(';');
        let session = cookies.filter_map(|pair| pair.trim().strip_prefix("sid=")).next();
        session.is_some_and(|token| call.farm.shelves.user_of(token).is_some())
    };
    vec![leave("/logout", "logout-forgets"), leave("/portal/logout", ""), vault("/vault/lounge", lounge)]
}

fn credentials() -> Value {
    object(
        &["name", "password"],
        json!({
        "name": {"type": "string", "minLength": 1, "maxLength": 40},
        "password": {"type": "string", "format": "password", "maxLength": 60}}),
    )
}

fn doors() -> Vec<Op> {
    let welcome = || object(&["welcome"], json!({"welcome": {"type": "boolean"}}));
    let token = || object(&["token"], json!({"token": {"type": "string"}}));
    let door = |path: &'static str, answer: Value| {
        Op::post(path).body(credentials()).gives("200", answer).gives_nothing("401").gives_nothing("429")
    };
    let name = || object(&["name"], json!({"name": {"type": "string", "minLength": 1, "maxLength": 40}}));
    let forgot = |path: &'static str, mutant: &'static str| {
        Op::post(path).body(name()).gives("202", welcome()).gives_nothing("404").answer(move |call| {
            let known = call.farm.shelves.knows(call.body["name"].as_str().unwrap_or_default());
            match known || !call.on(mutant) {
                true => json(202, json!({"welcome": true})),
                false => error(404, "there is no such user"),
            }
        })
    };
    vec![
        door("/portal/login", welcome()).answer(portal),
        door("/kiosk/login", token()).answer(kiosk),
        Op::post("/portal/register")
            .body(credentials())
            .gives("201", object(&["id"], json!({"id": {"type": "string"}})))
            .gives_nothing("409")
            .gives_nothing("422")
            .answer(|call| {
                let (name, password) = (call.body["name"].as_str(), call.body["password"].as_str().unwrap_or_default());
                if call.on("weak-password") {
                    return match call.farm.shelves.register(name.unwrap_or_default(), password) {
                        true => json(201, json!({"id": name})),
                        false => error(409, "the name is taken"),
                    };
                }
                if password.chars().count() < 8 { error(422, "the password is too short") } else { register(call) }
            }),
        forgot("/password/forgot", "reset-tells-users"),
        forgot("/portal/forgot", ""),
    ]
}

/// The session is a cookie; what the page looks like is another one, and needs no protection.
fn portal(call: &Call<'_>) -> Response {
    let token = match enter(call, "portal", !call.on("guessing-allowed")) {
        Ok(token) => token,
        Err(refusal) => return *refusal,
    };
    let attributes = if call.on("bare-cookie") { "; Path=/" } else { "; Path=/; HttpOnly; SameSite=Lax" };
    let mut response = json(200, json!({"welcome": true}));
    for cookie in [format!("sid={token}{attributes}"), "theme=dark; Path=/".to_owned()] {
        if let Ok(value) = cookie.parse() {
            response.headers_mut().append("set-cookie", value);
        }
    }
    response
}

/// Hands out a token; its cookie counts visits.
fn kiosk(call: &Call<'_>) -> Response {
    let name = call.body["name"].as_str().unwrap_or_default();
    if call.on("login-tells-users") && !call.farm.shelves.knows(name) {
        return error(401, "there is no such user");
    }
    let mut response = match enter(call, "kiosk", true) {
        Ok(token) => json(200, json!({"token": token})),
        Err(refusal) => return *refusal,
    };
    set(&mut response, "set-cookie", "visits=1; Path=/");
    response
}
