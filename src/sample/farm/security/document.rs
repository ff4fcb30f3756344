//! What the document itself says.

use serde_json::{Value, json};

use super::{Area, Op};
use crate::sample::farm::answers::object;
use crate::sample::farm::call::{Switches, json as answer};
use crate::sample::farm::mutants::{Mutant, mutant};

pub(super) const AREA: Area = Area { name: "document", mutants: MUTANTS, operations, finish: None };

#[rustfmt::skip]
const MUTANTS: &[Mutant] = &[
    mutant("http-server", "S-SPEC-HTTP", "*", "GET /imprints", "the document names a server without TLS"),
    mutant("implicit-flow", "S-SPEC-IMPLICIT", "*", "GET /imprints", "tokens stand in addresses"),
    mutant("token-over-http", "S-SPEC-TOKEN-HTTP", "*", "GET /imprints", "tokens are got without TLS"),
    mutant("secret-in-url", "S-SPEC-SECRET-IN-URL", "*", "GET /imprints", "a password goes into the query (GET /colophons)"),
];

fn operations() -> Vec<Op> {
    let page = || object(&["text"], json!({"text": {"type": "string"}}));
    let read = |path: &str| Op::get(path).gives("200", page()).answer(|_| answer(200, json!({"text": "the farm"})));
    vec![
        read("/colophons"),
        // A token for the next page is no secret.
        read("/imprints").query("page_token", json!({"type": "string", "maxLength": 40})),
    ]
}

/// The document with its faults.
pub(in crate::sample::farm) fn amend(on: &Switches, document: &mut Value) {
    let mut scheme = |name: &str, kind: &str, login: &str| {
        let flow = json!({"authorizationUrl": format!("{login}/authorize"), "tokenUrl": format!("{login}/token"), "scopes": {}});
        document["components"]["securitySchemes"][name] = json!({"type": "oauth2", "flows": {kind: flow}});
    };
    if on.has("implicit-flow") {
        scheme("legacy", "implicit", "https://login.farm.example");
    }
    if on.has("token-over-http") {
        scheme("partner", "authorizationCode", "http://login.farm.example");
    }
    if on.has("http-server") {
        document["servers"] = json!([{"url": "http://farm.example"}]);
    }
    if on.has("secret-in-url") {
        document["paths"]["/colophons"]["get"]["parameters"] =
            json!([{"name": "password", "in": "query", "schema": {"type": "string", "maxLength": 40}}]);
    }
}
