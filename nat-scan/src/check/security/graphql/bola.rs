//! Q-BOLA: what one user made, another reads by its id.

use async_trait::async_trait;
use serde_json::{Value, json};

use super::endpoint::{Endpoint, endpoints};
use super::schema::{Argument, Field, Schema};
use super::{Proof, finding};
use crate::check::{As, CheckInfo, Exchange, SecurityCheck, SecurityContext, Turn};
use crate::finding::Finding;

/// Q-BOLA.
pub(super) struct ForeignObject;

static INFO: CheckInfo = CheckInfo {
    id: "Q-BOLA",
    title: "GraphQL object of another user can be read",
    description: "A query field that takes an id gives the object to any user, whoever owns it.",
    remediation: "Check in the resolver that the caller may read this very object.",
    cwe: &["CWE-639"],
    owasp: Some("API1:2023"),
};

const VECTOR: &str = "CVSS:3.1/AV:N/AC:L/PR:L/UI:N/S:U/C:H/I:N/A:N";

/// Pairs of mutation and query that are tried, an endpoint.
pub(super) const MAX_PAIRS: usize = 8;
const MAX_LEAVES: usize = 20;
const MAX_INPUT_DEPTH: usize = 3;

#[async_trait]
impl SecurityCheck for ForeignObject {
    fn info(&self) -> &'static CheckInfo {
        &INFO
    }

    fn turn(&self) -> Turn {
        Turn::Write
    }

    async fn run(&self, cx: &SecurityContext<'_>) -> Vec<Finding> {
        if cx.safe_mode || !cx.prober.has(As::Primary) || !cx.prober.has(As::Second) {
            return Vec::new();
        }
        let mut found = Vec::new();
        for endpoint in endpoints(cx).await {
            let Some(schema) = &endpoint.schema else { continue };
            for pair in pairs(schema).into_iter().take(cx.at_most(MAX_PAIRS)) {
                found.extend(prove(cx, &endpoint, schema, &pair).await);
            }
        }
        found
    }
}

/// A mutation that makes an object, and the query that reads one by id.
pub(super) struct Pair<'a> {
    pub(super) create: &'a Field,
    pub(super) read: &'a Field,
    pub(super) id: &'a Argument,
}

pub(super) fn pairs(schema: &Schema) -> Vec<Pair<'_>> {
    let makes = |field: &&Field| {
        let name = field.name.to_ascii_lowercase();
        let verb = ["create", "add", "new", "insert", "make", "post"].iter().any(|verb| name.starts_with(verb));
        verb && !field.of.list && schema.fields(&field.of.name).iter().any(|field| field.name == "id")
    };
    let mutations = schema.mutation.as_deref().map_or(&[][..], |name| schema.fields(name));
    let mut pairs = Vec::new();
    for create in mutations.iter().filter(makes) {
        for read in schema.queries().iter().filter(|read| read.of.name == create.of.name && !read.of.list) {
            let mut required = read.arguments.iter().filter(|argument| argument.required);
            let id = required.next().or_else(|| read.arguments.iter().find(|argument| argument.name == "id"));
            let Some(id) = id.filter(|id| id.name.to_ascii_lowercase().ends_with("id")) else { continue };
            if required.next().is_none() && ["ID", "String", "Int"].contains(&id.of.name.as_str()) {
                pairs.push(Pair { create, read, id });
            }
        }
    }
    pairs
}

async fn prove(cx: &SecurityContext<'_>, endpoint: &Endpoint, schema: &Schema, pair: &Pair<'_>) -> Option<Finding> {
    let (mark, id) = create(cx, endpoint, schema, pair).await?;
    let read = |id: &Value| endpoint.ask(&query(schema, pair, id));
    let send = |id: &Value, who: As| cx.prober.send(endpoint.operation, read(id), who);
    let baseline = send(&id, As::Primary).await?;
    if !holds(&baseline, &mark) {
        return None;
    }
    let probe = send(&id, As::Second).await?;
    if !holds(&probe, &mark) {
        return None;
    }
    // What everybody may read, or what a list gives to the other user, is shared on purpose.
    let control = send(&id, As::Anonymous).await?;
    if says(&control, &mark) || is_listed(cx, endpoint, schema, pair, &mark).await? {
        return None;
    }
    let nobody = if id.is_number() { json!(2_000_000_011) } else { json!(cx.prober.nonce()) };
    if says(&send(&nobody, As::Second).await?, &mark) {
        return None;
    }
    let (again, other) = create(cx, endpoint, schema, pair).await?;
    let repeat = send(&other, As::Second).await?;
    if !holds(&repeat, &again) {
        return None;
    }
    let explanation = format!(
        "The second user reads by '{}({})' what the first user made by '{}', with the text that only this one knows. \
         Without credentials, and with a made-up id, it is not given.",
        pair.read.name, pair.id.name, pair.create.name
    );
    let proof = Proof { baseline: Some(baseline), probe, control: Some(control), repeat };
    let location = format!("query {}", pair.read.name);
    Some(finding(cx, &INFO, endpoint.operation, (&location, &explanation), Some(VECTOR), &proof))
}

/// An object of the first user: the text in it and its id.
pub(super) async fn create(
    cx: &SecurityContext<'_>,
    endpoint: &Endpoint,
    schema: &Schema,
    pair: &Pair<'_>,
) -> Option<(String, Value)> {
    let mark = cx.prober.nonce();
    let arguments = filled(schema, &pair.create.arguments, &mark, 0)?;
    if !arguments.contains(&mark) {
        return None;
    }
    let query = format!("mutation{{made:{}({arguments}){{id}}}}", pair.create.name);
    let made = cx.prober.send(endpoint.operation, endpoint.ask(&query), As::Primary).await?;
    let id = made.json()?.pointer("/data/made/id")?.clone();
    (id.is_string() || id.is_number()).then_some((mark, id))
}

/// `name: value, …` of what is required, and of texts at the first level.
pub(super) fn filled(schema: &Schema, arguments: &[Argument], mark: &str, depth: usize) -> Option<String> {
    if depth > MAX_INPUT_DEPTH {
        return None;
    }
    let mut out = Vec::new();
    for argument in arguments.iter().filter(|argument| argument.required || argument.of.name == "String") {
        let value = match (argument.of.name.as_str(), argument.of.kind.as_str()) {
            ("String", _) => format!("\"{mark}\""),
            ("Int" | "Float", _) => "1".to_owned(),
            ("Boolean", _) => "false".to_owned(),
            (name, "ENUM") => schema.get(name)?.members.first()?.clone(),
            (name, "INPUT_OBJECT") => format!("{{{}}}", filled(schema, &schema.get(name)?.inputs, mark, depth + 1)?),
            _ => return None,
        };
        let value = if argument.of.list { format!("[{value}]") } else { value };
        out.push(format!("{}:{value}", argument.name));
    }
    Some(out.join(","))
}

pub(super) fn leaves(schema: &Schema, name: &str) -> String {
    let leaves = schema.fields(name).iter().filter(|field| field.of.is_leaf() && field.is_plain());
    leaves.take(MAX_LEAVES).map(|field| field.name.as_str()).collect::<Vec<_>>().join(" ")
}

pub(super) fn query(schema: &Schema, pair: &Pair<'_>, id: &Value) -> String {
    let id = written(pair.id, id);
    let fields = leaves(schema, &pair.read.of.name);
    format!("{{read:{}({}:{id}){{{fields}}}}}", pair.read.name, pair.id.name)
}

/// An id as the argument takes it.
pub(super) fn written(argument: &Argument, id: &Value) -> String {
    if argument.of.name == "Int" { id.to_string().trim_matches('"').to_owned() } else { quoted(id) }
}

fn quoted(id: &Value) -> String {
    match id {
        Value::String(_) => id.to_string(),
        other => format!("\"{other}\""),
    }
}

/// The object itself, with the text that was put into it.
pub(super) fn holds(exchange: &Exchange, mark: &str) -> bool {
    let object = exchange.json().and_then(|json| json.pointer("/data/read"));
    object
        .and_then(Value::as_object)
        .is_some_and(|object| object.values().any(|value| value.to_string().contains(mark)))
}

fn says(exchange: &Exchange, mark: &str) -> bool {
    exchange.response().is_some_and(|response| String::from_utf8_lossy(&response.body).contains(mark))
}

/// A list of such objects shows it to the second user.
async fn is_listed(
    cx: &SecurityContext<'_>,
    endpoint: &Endpoint,
    schema: &Schema,
    pair: &Pair<'_>,
    mark: &str,
) -> Option<bool> {
    let fields = leaves(schema, &pair.read.of.name);
    let lists = schema.queries().iter().filter(|field| field.of.list && field.of.name == pair.read.of.name);
    for list in lists.filter(|field| field.is_plain()).take(2) {
        let ask = endpoint.ask(&format!("{{{}{{{fields}}}}}", list.name));
        if says(&cx.prober.send(endpoint.operation, ask, As::Second).await?, mark) {
            return Some(true);
        }
    }
    Some(false)
}
