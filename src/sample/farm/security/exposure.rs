//! What answers give away.

use std::time::Instant;

use axum::response::Response;
use serde_json::{Map, Value, json};

use super::account::bearer;
use super::{Area, Op};
use crate::sample::farm::answers::{any_id, object};
use crate::sample::farm::call::{Call, Farm, Raw, error, json as answer, reply, set, who_are_you};
use crate::sample::farm::mutants::{Mutant, at, mutant};
use crate::sample::farm::shelf::Thing;

pub(super) const AREA: Area = Area { name: "exposure", mutants: MUTANTS, operations, finish: Some(finish) };

#[rustfmt::skip]
const MUTANTS: &[Mutant] = &[
    at(mutant("hash-in-answer", "S-EDE", "GET /clerks/{id}", "GET /scans/{id}", "the hash of a password is answered"), "response /pass_hash"),
    at(mutant("password-read-back", "S-EDE", "GET /mailboxes/{id}", "GET /printers/{id}", "a documented password is answered in clear text"), "response /password"),
    at(mutant("card-in-answer", "S-EDE", "GET /purchases/{id}", "GET /raffles/{id}", "the number of a card is answered"), "response /card_number"),
    at(mutant("cloud-key-in-answer", "S-EDE", "GET /uplinks/{id}", "GET /downlinks/{id}", "a key of another service is answered"), "response /access"),
    at(mutant("internal-address", "S-EDE", "GET /freights/{id}", "GET /cargos/{id}", "an address of the internal network is answered"), "response /served_by"),
    at(mutant("everybodys-mail", "S-EDE", "GET /guests", "GET /hosts", "everybody sees the e-mail addresses of all guests"), "response /guests/[]"),
    mutant("undescribed-member", "S-EDE-SCHEMA", "*", "GET /lockers/{id}", "a column that nobody described is answered (GET /desks/{id})"),
    mutant("stack-trace", "S-ERR", "POST /estimates", "POST /appraisals", "a wrong value ends in a stack trace"),
    mutant("server-version", "S-VER", "*", "GET /lockers/{id}", "the Server header has a version"),
    mutant("env-file", "S-DBG", "GET /.env", "GET /env", "the file of settings is served"),
    mutant("actuator-env", "S-DBG", "GET /actuator/env", "GET /actuator/health", "the actuator shows the environment"),
    mutant("open-metrics", "S-DBG", "GET /metrics", "GET /debug", "metrics are public"),
    mutant("open-old-version", "S-INV", "GET /v1/wallets", "GET /v1/ledgers", "the old version asks for no credentials"),
    mutant("forgotten-path", "S-INV", "*", "GET /private", "a path that nobody documented answers (GET /backup)"),
    at(mutant("hidden-secret", "S-EDE", "GET /internal", "GET /test", "a path that nobody documented answers hashes of passwords"), "response /clerks/[]/pass_hash"),
    mutant("internal-document", "S-DOC", "GET /internal/openapi.json", "GET /docs", "an internal document is public"),
    mutant("cached-private-answer", "S-CACHE", "GET /statements", "GET /remittances", "a cache gives the answer of a user to anybody"),
];

fn operations() -> Vec<Op> {
    [members(), people(), errors(), hidden(), versions(), cached()].into_iter().flatten().collect()
}

/// With the Server header that most servers have.
fn finish(farm: &Farm, _path: &str, _raw: &Raw, response: &mut Response) {
    set(response, "server", if farm.on.has("server-version") { "farm/2.4.1" } else { "farm" });
}

fn text() -> Value {
    json!({"type": "string"})
}

/// A read by id whose answer has a member more while the mutant is alive.
fn read(path: &str, properties: Value, shown: Value, extra: Option<(&'static str, &'static str, &'static str)>) -> Op {
    Op::get(path).id("id", any_id()).gives("200", object(&["id"], properties)).answer(move |call| {
        let mut out: Map<String, Value> = shown.as_object().cloned().unwrap_or_default();
        out.insert("id".to_owned(), json!(call.path("id").parse::<i64>().unwrap_or(1)));
        if let Some((_, name, value)) = extra.filter(|(mutant, ..)| call.on(mutant)) {
            out.insert(name.to_owned(), json!(value));
        }
        answer(200, Value::Object(out))
    })
}

const BCRYPT: &str = "$2b$12$R9h/cIPz0gi.URNNX3kh2OPST9/PgBkqquzi.Ss7KIUgO2t0jWMUW";
const SHA256: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

fn members() -> Vec<Op> {
    let id = || json!({"type": "integer"});
    let named = || json!({"id": id(), "name": text()});
    // Whatever else there is may be there.
    let open = |mut op: Op| {
        op.responses["200"]["content"]["application/json"]["schema"]["additionalProperties"] = json!(true);
        op
    };
    let hashed = json!({"id": id(), "name": text(), "sha256": text()});
    let password = json!({"id": id(), "name": text(), "password": text()});
    vec![
        read("/clerks/{id}", named(), json!({"name": "Ada"}), Some(("hash-in-answer", "pass_hash", BCRYPT))),
        // The hash of a file is there to be compared.
        read("/scans/{id}", hashed, json!({"name": "scan.pdf", "sha256": SHA256}), None),
        read(
            "/mailboxes/{id}",
            password.clone(),
            json!({"name": "inbox", "password": "********"}),
            Some(("password-read-back", "password", "tulip-carpet-91")),
        ),
        read("/printers/{id}", password, json!({"name": "lobby", "password": "********"}), None),
        read(
            "/purchases/{id}",
            named(),
            json!({"name": "p"}),
            Some(("card-in-answer", "card_number", "4242424242424242")),
        ),
        // Sixteen digits, and the last one is wrong for a card.
        open(read("/raffles/{id}", named(), json!({"name": "r", "card_number": "4242424242424243"}), None)),
        read(
            "/uplinks/{id}",
            named(),
            json!({"name": "u"}),
            Some(("cloud-key-in-answer", "access", "AKIAQ7ZB3MNPL2XKVW4T")),
        ),
        open(read("/downlinks/{id}", named(), json!({"name": "d", "access": "AKIA****************"}), None)),
        read(
            "/freights/{id}",
            named(),
            json!({"name": "f"}),
            Some(("internal-address", "served_by", "10.3.0.17:8080")),
        ),
        open(read("/cargos/{id}", named(), json!({"name": "c", "served_by": "198.51.100.7:443"}), None)),
        read("/desks/{id}", named(), json!({"name": "d"}), Some(("undescribed-member", "cost_centre", "C-14"))),
        open(read("/lockers/{id}", named(), json!({"name": "l", "cost_centre": "C-14"}), None)),
    ]
}

fn people() -> Vec<Op> {
    let guest = object(&["name"], json!({"name": text(), "mail": text()}));
    let list = |name: &str| object(&[name], json!({name: {"type": "array", "items": guest.clone()}}));
    let all = |path: &str, name: &str| Op::get(path).gives("200", list(name)).gives_nothing("401").secured(bearer());
    vec![
        all("/guests", "guests").answer(|call| {
            let Some(user) = call.user() else { return who_are_you() };
            let own = json!({"name": user, "mail": format!("{user}@inn.example")});
            let others = ["ines.roth", "bela.kun", "jo.lund"].map(|name| match call.on("everybodys-mail") {
                true => json!({"name": name, "mail": format!("{name}@post.example")}),
                false => json!({"name": name}),
            });
            let all: Vec<Value> = std::iter::once(own).chain(others).collect();
            answer(200, json!({"guests": all}))
        }),
        // Who is behind an address is not shown.
        all("/hosts", "hosts").answer(|call| match call.user() {
            Some(_) => answer(
                200,
                json!({"hosts": [
                {"name": "Ines", "mail": "i***@post.example"}, {"name": "Bela", "mail": "b***@post.example"},
                {"name": "Office", "mail": "info@inn.example"}]}),
            ),
            None => who_are_you(),
        }),
    ]
}

const TRACE: &str = "Traceback (most recent call last):\n  File \"/srv/farm/estimates.py\", line 17, in price\n    return \
                     hours * RATE\nTypeError: can't multiply sequence by non-int of type 'float'\n";

fn errors() -> Vec<Op> {
    let hours = || object(&["hours"], json!({"hours": {"type": "integer", "minimum": 0, "maximum": 500}}));
    let price = || object(&["price"], json!({"price": {"type": "integer"}}));
    let fault = || object(&["error"], json!({"error": text()}));
    let priced =
        |path: &str| Op::post(path).body(hours()).gives("200", price()).gives("422", fault()).gives("400", fault());
    let price_of = |call: &Call<'_>| answer(200, json!({"price": call.body["hours"].as_i64().unwrap_or(0) * 80}));
    vec![
        priced("/estimates").lapse("stack-trace", "body /hours", "type").answer(move |call| {
            match call.body["hours"].is_number() {
                true => price_of(call),
                false => reply(500, &[("content-type", "text/plain")], TRACE),
            }
        }),
        priced("/appraisals").answer(price_of),
    ]
}

/// Not there unless the mutant is alive.
fn only_with(mutant: &'static str, path: &str, shown: fn() -> Response) -> Op {
    Op::get(path).hidden().answer(move |call| match call.on(mutant) {
        true => shown(),
        false => error(404, "no such path"),
    })
}

fn hidden() -> Vec<Op> {
    let always = |path: &str, shown: fn() -> Response| Op::get(path).hidden().answer(move |_| shown());
    vec![
        only_with("env-file", "/.env", || {
            reply(
                200,
                &[("content-type", "text/plain")],
                "APP_KEY=9f2c7a51d0e3\nDB_PASSWORD=tulip-carpet-91\nPORT=80\n",
            )
        }),
        always("/env", || answer(200, json!({"environment": "production"}))),
        only_with("actuator-env", "/actuator/env", || {
            answer(200, json!({"activeProfiles": [], "propertySources": [{"name": "systemEnvironment"}]}))
        }),
        // A public status page.
        always("/actuator/health", || answer(200, json!({"status": "UP"}))),
        only_with("open-metrics", "/metrics", || {
            let text =
                "# HELP farm_requests_total Requests.\n# TYPE farm_requests_total counter\nfarm_requests_total 3\n";
            reply(200, &[("content-type", "text/plain; version=0.0.4")], text)
        }),
        // The same page for whatever is asked there.
        always("/debug", || {
            let page = "<html><head><style>p{}</style></head><body>Farm</body></html>";
            let guarded = [("content-security-policy", "default-src 'none'; frame-ancestors 'none'")];
            reply(200, &[("content-type", "text/html"), guarded[0]], page)
        }),
        only_with("forgotten-path", "/backup", || answer(200, json!({"tables": ["users", "orders"]}))),
        only_with("hidden-secret", "/internal", || answer(200, json!({"clerks": [{"id": 1, "pass_hash": BCRYPT}]}))),
        // The same without anything to hide.
        only_with("hidden-secret", "/test", || answer(200, json!({"clerks": [{"id": 1, "pass_hash": "********"}]}))),
        always("/private", || error(403, "only from the office")),
        only_with("internal-document", "/internal/openapi.json", || {
            answer(
                200,
                json!({"openapi": "3.1.0", "info": {"title": "Farm internal", "version": "1"}, "paths": {
                "/crops/burn": {"post": {"responses": {"200": {"description": "Done."}}}}}}),
            )
        }),
        // About the API, for people.
        always("/docs", || {
            let guarded = [("content-security-policy", "default-src 'none'; frame-ancestors 'none'")];
            reply(200, &[("content-type", "text/html"), guarded[0]], "<html><body>How to farm</body></html>")
        }),
    ]
}

fn versions() -> Vec<Op> {
    let coins = || object(&["coins"], json!({"coins": {"type": "integer"}}));
    let guarded = |path: &str| {
        Op::get(path).gives("200", coins()).gives_nothing("401").secured(bearer()).answer(|call| match call.user() {
            Some(_) => answer(200, json!({"coins": 12})),
            None => who_are_you(),
        })
    };
    vec![
        guarded("/v2/wallets"),
        only_with("open-old-version", "/v1/wallets", || answer(200, json!({"coins": 12}))),
        guarded("/v2/ledgers"),
        // Old, and protected as well as the new one.
        guarded("/v1/ledgers"),
    ]
}

fn cached() -> Vec<Op> {
    let sum = || object(&["owner"], json!({"owner": text(), "sum": {"type": "number"}}));
    let guarded = |path: &str| Op::get(path).gives("200", sum()).gives_nothing("401").secured(bearer());
    let own = |user: &str| json!({"owner": user, "sum": 81.5});
    vec![
        guarded("/statements").answer(move |call| {
            let kept =
                call.raw.query.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("&");
            let is_cached = call.on("cached-private-answer") && !kept.is_empty();
            let mut state = call.farm.shelves.state();
            let known = state.shelves.entry("cache").or_default().things.get(&kept).map(|thing| thing.value.clone());
            drop(state);
            match (known.filter(|_| is_cached), call.user()) {
                (Some(known), _) => answer(200, known),
                (None, None) => who_are_you(),
                (None, Some(user)) => {
                    keep(call, kept, own(&user));
                    answer(200, own(&user))
                }
            }
        }),
        guarded("/remittances").answer(move |call| match call.user() {
            Some(user) => answer(200, own(&user)),
            None => who_are_you(),
        }),
    ]
}

fn keep(call: &Call<'_>, key: String, value: Value) {
    let mut state = call.farm.shelves.state();
    let number = state.tick();
    let thing = Thing { number, value, version: 1, made: Instant::now(), deleted: false, parent: String::new() };
    state.shelves.entry("cache").or_default().put(key, thing);
}
