//! The mutant farm: one API with many defects, each of which can be switched on alone, and beside each the nearest
//! look-alike that is right.
//!
//! A scan of the farm with a defect on must report it; with everything off, and at the look-alikes always, it must
//! report nothing. With a switch off an operation is right, so that there is one operation a defect and one a look-alike.
//! What is stored lies in memory and is bounded. All secrets in it are made up.

mod account;
mod answers;
mod call;
mod conduct;
mod document;
mod inputs;
mod listing;
mod mutants;
mod op;
mod pairs;
mod resource;
mod rule;
pub mod security;
mod shelf;
mod wire;

use std::sync::Arc;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::response::Response;
use bytes::Bytes;
use serde_json::Value;

pub use call::Switches;
use call::{Call, Farm, Raw, empty, error, json, set};
pub use mutants::{FUNCTIONAL, Mutant};
use op::Op;
use shelf::Shelves;

/// A larger body is refused.
const MAX_BODY: usize = 4 << 20;

/// What happens to every answer: the farm, the path and the request.
type Finish = fn(&Farm, &str, &Raw, &mut Response);

/// The farm with its operations and documents.
struct App {
    farm: Farm,
    ops: Vec<Op>,
    documents: [(&'static str, Value); 3],
    finish: Vec<Finish>,
}

/// The farm with these mutants alive, its documents at `/openapi.json`, `/openapi-3.0.json` and `/swagger.json`.
pub fn router(on: Switches) -> Router {
    serving(on, operations(), Vec::new())
}

fn serving(on: Switches, ops: Vec<Op>, finish: Vec<Finish>) -> Router {
    let documents = document::all(&ops, &on);
    let app = App { farm: Farm { on, shelves: Shelves::default() }, ops, documents, finish };
    Router::new().fallback(serve).with_state(Arc::new(app))
}

fn operations() -> Vec<Op> {
    let parts = [
        answers::operations(),
        inputs::operations(),
        wire::operations(),
        resource::operations(),
        listing::operations(),
        account::operations(),
        pairs::operations(),
    ];
    parts.into_iter().flatten().collect()
}

async fn serve(State(app): State<Arc<App>>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let most = if app.farm.on.has("no-body-limit") { MAX_BODY * 4 } else { MAX_BODY };
    let Ok(body) = to_bytes(body, most).await else { return error(413, "the body is too large") };
    let body = match security::unpacked(&app.farm, parts.uri.path(), &parts.headers, body) {
        Ok(body) => body,
        Err(refusal) => return *refusal,
    };
    let query = url::form_urlencoded::parse(parts.uri.query().unwrap_or_default().as_bytes()).into_owned().collect();
    let raw = Raw { method: parts.method.to_string(), query, headers: parts.headers, body };
    let mut response = app.answer(parts.uri.path(), &raw);
    set(&mut response, "x-content-type-options", "nosniff");
    if !response.headers().contains_key("cache-control") {
        set(&mut response, "cache-control", "no-store");
    }
    app.finish.iter().for_each(|finish| finish(&app.farm, parts.uri.path(), &raw, &mut response));
    if raw.method == "HEAD" { without_body(response).await } else { response }
}

/// The head of what `GET` answers.
async fn without_body(response: Response) -> Response {
    let (parts, body) = response.into_parts();
    let length = to_bytes(body, MAX_BODY).await.map_or(0, |bytes| bytes.len());
    let mut response = Response::from_parts(parts, Body::empty());
    match response.headers_mut().remove("x-farm-no-length") {
        None => set(&mut response, "content-length", &length.to_string()),
        Some(_) => *response.body_mut() = Body::from_stream(futures::stream::empty::<Result<Bytes, std::io::Error>>()),
    }
    response
}

impl App {
    fn answer(&self, path: &str, raw: &Raw) -> Response {
        if let Some((_, document)) = self.documents.iter().find(|(place, _)| *place == path) {
            return json(200, document.clone());
        }
        // A literal path wins over a template.
        let matching = self.ops.iter().filter_map(|op| Some((op, op.captures(path)?)));
        let Some((nearest, captured)) = matching.min_by_key(|(op, _)| op.path.matches('{').count()) else {
            return error(404, "no such path");
        };
        let here: Vec<&Op> = self.ops.iter().filter(|op| op.path == nearest.path).collect();
        let wanted = if raw.method == "HEAD" { "GET" } else { &raw.method };
        if let Some(op) = here.iter().find(|op| op.method == wanted) {
            return Call::read(&self.farm, op, raw, captured)
                .map_or_else(|refusal| *refusal, |call| (op.answer)(&call));
        }
        if let Some(response) = here.iter().find_map(|op| op.stray?(&self.farm, &raw.method)) {
            return response;
        }
        let mut response = if raw.method == "OPTIONS" { empty(204) } else { error(405, "this method is not allowed") };
        let get = here.iter().any(|op| op.method == "GET");
        let methods = here.iter().map(|op| op.method).chain(get.then_some("HEAD")).chain(["OPTIONS"]);
        set(&mut response, "allow", &methods.collect::<Vec<_>>().join(", "));
        response
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_mutant_and_twin_stands_at_an_operation_of_its_own() {
        let known: BTreeSet<String> = operations().iter().map(|op| format!("{} {}", op.method, op.path)).collect();
        assert_eq!(known.len(), operations().len(), "no operation is there twice");
        let mut ids = BTreeSet::new();
        for mutant in FUNCTIONAL {
            assert!(ids.insert(mutant.id), "{} is there twice", mutant.id);
            // F023 is about a method that is not documented.
            let exempt = mutant.endpoint == "*" || mutant.check == "F023";
            assert!(exempt || known.contains(mutant.endpoint), "{}", mutant.endpoint);
            assert!(known.contains(mutant.twin), "{}", mutant.twin);
            assert_ne!(mutant.endpoint, mutant.twin);
        }
        assert!(FUNCTIONAL.len() >= 45, "{}", FUNCTIONAL.len());
    }
}
