//! Two GraphQL endpoints: one that the mutants live at, and one that is always right. Both let signed-in users ask for
//! the schema, and limit depth, complexity and directives.

mod world;

use std::future::Future;
use std::pin::pin;

use async_graphql::parser::types::OperationType;
use async_graphql::{Request, Response as Answer, Variables};
use axum::response::Response;
use futures::FutureExt;
use serde_json::{Value, json};

use super::account::is_admin;
use super::{Area, Mutant, Op};
use crate::sample::farm::answers::object;
use crate::sample::farm::call::{Call, error, json as answer, reply};
use crate::sample::farm::mutants::{at, mutant};
use world::{Limits, Viewer, World, schema};

pub(super) const AREA: Area = Area { name: "graphql", mutants: MUTANTS, operations, finish: None };

const HERE: &str = "POST /graphql";
const TWIN: &str = "POST /closed/graphql";

#[rustfmt::skip]
const MUTANTS: &[Mutant] = &[
    mutant("public-introspection", "Q-INTRO", HERE, TWIN, "anybody may ask for the schema"),
    mutant("suggested-names", "Q-SUGG", HERE, TWIN, "errors suggest names of fields"),
    mutant("endless-depth", "Q-DEPTH", HERE, TWIN, "queries have no limit of depth"),
    mutant("endless-aliases", "Q-ALIAS", HERE, TWIN, "queries have no limit of aliases"),
    mutant("endless-repeats", "Q-DUP", HERE, TWIN, "a query may repeat a field any number of times"),
    mutant("endless-directives", "Q-DIR", HERE, TWIN, "a field may carry any number of directives"),
    mutant("batched-queries", "Q-BATCH", HERE, TWIN, "an array of queries is executed"),
    mutant("mutation-by-get", "Q-CSRF", HERE, TWIN, "GET executes mutations"),
    mutant("public-ide", "Q-IDE", HERE, TWIN, "browsers get a page for queries"),
    mutant("traced-answers", "Q-TRACE", HERE, TWIN, "answers hold timings"),
    mutant("traced-errors", "Q-ERR", HERE, TWIN, "an unknown field gives a stack trace"),
    mutant("foreign-note", "Q-BOLA", HERE, TWIN, "any user reads any note"),
    at(mutant("admin-query", "Q-BFLA", HERE, TWIN, "any user gets the report for administrators"), "query adminReport"),
    at(mutant("admin-mutation", "Q-BFLA", HERE, TWIN, "any user removes notes as administrators do"), "mutation adminRemoveNote"),
    at(mutant("sql-in-argument", "Q-INJ", HERE, TWIN, "a title becomes part of an SQL text"), "query books(title)"),
    at(mutant("sql-complaint", "Q-INJ", HERE, TWIN, "the database complains about a quote"), "query author(name)"),
];

const MAX_BATCH: usize = 20;

fn operations() -> Vec<Op> {
    let world = World::default();
    let question = || {
        let text = json!({"type": "string", "minLength": 1, "maxLength": 10_000, "examples": ["{__typename}"]});
        object(
            &["query"],
            json!({"query": text, "variables": {"type": "object"}, "operationName": {"type": "string", "maxLength": 100}}),
        )
    };
    let result = || object(&[], json!({"data": {}, "errors": {"type": "array"}, "extensions": {"type": "object"}}));
    let endpoint = |path: &'static str, open: bool| {
        let (posted, got) = (world.clone(), world.clone());
        let post = Op::post(path)
            .body(question())
            .gives("200", result())
            .gives("400", result())
            .secured(json!([{}, {"bearer": []}]));
        let post = if open { post.lapse("batched-queries", "body", "type") } else { post };
        let text = json!({"type": "string", "minLength": 1, "maxLength": 10_000, "examples": ["{__typename}"]});
        let get = Op::get(path)
            .query("query", text)
            .gives("200", result())
            .gives("400", result())
            .secured(json!([{}, {"bearer": []}]));
        [post.answer(move |call| by_post(call, &posted, open)), get.answer(move |call| by_get(call, &got, open))]
    };
    [endpoint("/graphql", true), endpoint("/closed/graphql", false)].into_iter().flatten().collect()
}

fn by_post(call: &Call<'_>, world: &World, open: bool) -> Response {
    let Value::Array(batch) = &call.body else {
        return match execute(call, world, open, request(&call.body)) {
            (true, value) => answer(200, value),
            (false, value) => answer(400, value),
        };
    };
    let fits = batch.len() <= MAX_BATCH && batch.iter().all(|one| one["query"].is_string());
    if !fits {
        return error(422, "body breaks items");
    }
    answer(200, batch.iter().map(|one| execute(call, world, open, request(one)).1).collect())
}

fn by_get(call: &Call<'_>, world: &World, open: bool) -> Response {
    let html = call.header("accept").is_some_and(|accept| accept.contains("text/html"));
    if open && html && call.on("public-ide") {
        let policy = "default-src 'none'; frame-ancestors 'none'";
        let headers = [("content-type", "text/html; charset=utf-8"), ("content-security-policy", policy)];
        return reply(200, &headers, "<!doctype html><title>GraphiQL</title><div id=graphiql></div>");
    }
    let Some(query) = call.text("query") else { return error(400, "the query is missing") };
    let mut request = Request::new(query);
    let changes = request.parsed_query().is_ok_and(|document| {
        document.operations.iter().any(|(_, operation)| operation.node.ty == OperationType::Mutation)
    });
    if changes && !(open && call.on("mutation-by-get")) {
        return answer(400, json!({"errors": [{"message": "mutations come by POST"}]}));
    }
    match execute(call, world, open, request) {
        (true, value) => answer(200, value),
        (false, value) => answer(400, value),
    }
}

fn request(body: &Value) -> Request {
    let mut request = Request::new(body["query"].as_str().unwrap_or_default());
    if body["variables"].is_object() {
        request = request.variables(Variables::from_json(body["variables"].clone()));
    }
    match body["operationName"].as_str() {
        Some(name) => request.operation_name(name),
        None => request,
    }
}

/// Whether it was executed, and the answer.
fn execute(call: &Call<'_>, world: &World, open: bool, mut request: Request) -> (bool, Value) {
    let on = |mutant: &str| open && call.on(mutant);
    let limits = Limits {
        suggestions: on("suggested-names"),
        depth: !on("endless-depth"),
        complexity: !on("endless-aliases") && !on("endless-repeats"),
        directives: !on("endless-directives"),
    };
    if request.parsed_query().is_err() {
        return (false, json!({"errors": [{"message": "the query cannot be parsed"}]}));
    }
    let name = call.user();
    if name.is_none() && !on("public-introspection") {
        request = request.disable_introspection();
    }
    let viewer = Viewer {
        is_admin: name.as_ref().is_some_and(|name| is_admin(call, name)),
        name,
        reads_all: on("foreign-note"),
        reports: on("admin-query"),
        removes: on("admin-mutation"),
        pasted: on("sql-in-argument"),
        complaining: on("sql-complaint"),
    };
    let request = request.data(viewer);
    let done = finished(schema(world, limits).execute(request));
    let done = done.unwrap_or_else(|| Answer::from_errors(Vec::new()));
    let executed = done.data != async_graphql::Value::Null;
    let mut value = serde_json::to_value(&done).unwrap_or_default();
    if on("traced-answers") {
        let execution = json!({"resolvers": []});
        value["extensions"]["tracing"] =
            json!({"version": 1, "startTime": "2024-05-01T00:00:00Z", "duration": 81_400, "execution": execution});
    }
    if on("traced-errors") {
        errors_with_traces(&mut value);
    }
    (executed, value)
}

fn errors_with_traces(value: &mut Value) {
    let trace = json!([
        "GraphQLError: Unknown field",
        "    at validate (/srv/notes/node_modules/graphql/validation/validate.js:44:12)",
        "    at execute (/srv/notes/src/server.js:87:20)",
    ]);
    for error in value["errors"].as_array_mut().into_iter().flatten() {
        if error["message"].as_str().is_some_and(|message| message.starts_with("Unknown field")) {
            error["extensions"]["exception"]["stacktrace"] = trace.clone();
        }
    }
}

/// The resolvers wait for nothing; a few turns are enough.
fn finished<T>(work: impl Future<Output = T>) -> Option<T> {
    let mut work = pin!(work);
    (0..1_000).find_map(|_| work.as_mut().now_or_never())
}
