//! Q-INJ: the argument of a query becomes part of an SQL statement.

use async_trait::async_trait;
use serde_json::Value;

use super::bola::{filled, leaves};
use super::endpoint::{Endpoint, endpoints};
use super::schema::{Argument, Field, Schema};
use crate::check::security::authorization::names::is_secret;
use crate::check::security::injection;
use crate::check::security::point::{Point, of_variable};
use crate::check::{CheckInfo, SecurityCheck, SecurityContext};
use crate::finding::Finding;

/// Q-INJ.
pub(super) struct Injection;

static INFO: CheckInfo = CheckInfo {
    id: "Q-INJ",
    title: "SQL injection through a GraphQL argument",
    description: "The argument of a GraphQL query becomes part of an SQL statement: a condition or a quote in it changes what the statement means.",
    remediation: "Give values to the database as parameters of a prepared statement, never as part of its text. The types of GraphQL do not protect: a text may hold anything.",
    cwe: &["CWE-89"],
    owasp: Some("API8:2023"),
};

/// Arguments that are tried, an endpoint.
const MAX_ARGUMENTS: usize = 40;

#[async_trait]
impl SecurityCheck for Injection {
    fn info(&self) -> &'static CheckInfo {
        &INFO
    }

    fn weight(&self) -> u64 {
        6
    }

    async fn run(&self, cx: &SecurityContext<'_>) -> Vec<Finding> {
        let mut found = Vec::new();
        for endpoint in endpoints(cx).await {
            let Some(schema) = endpoint.schema.as_ref().filter(|_| !endpoint.by_get()) else { continue };
            let points: Vec<_> = places(cx, &endpoint, schema).into_iter().take(cx.at_most(MAX_ARGUMENTS)).collect();
            found.extend(injection::sql(cx, &points, &INFO).await);
        }
        found
    }
}

/// Texts and ids that queries take. Mutations are left alone: a condition in them could change what others own.
fn places<'a>(cx: &SecurityContext<'a>, endpoint: &Endpoint, schema: &Schema) -> Vec<Point<'a>> {
    let operation = endpoint.operation.and_then(|index| cx.api.operations.get(index));
    let Some(operation) = operation else { return Vec::new() };
    let mut found = Vec::new();
    for field in schema.queries() {
        for argument in field.arguments.iter().filter(|argument| takes_text(argument)) {
            let Some(query) = written(schema, field, argument) else { continue };
            let location = format!("query {}({})", field.name, argument.name);
            // One letter finds something where texts are searched; where they are compared it finds nothing, which will do.
            let value = Value::from(if argument.of.name == "ID" { "1" } else { "a" });
            found.extend(of_variable(operation, &query, (location, argument.name.clone(), value)));
        }
    }
    found
}

fn takes_text(argument: &Argument) -> bool {
    !argument.of.list && ["String", "ID"].contains(&argument.of.name.as_str()) && !is_secret(&argument.name)
}

/// The query with this argument as its variable, and the least of the others.
fn written(schema: &Schema, field: &Field, argument: &Argument) -> Option<String> {
    let others = field.arguments.iter().filter(|other| other.required && other.name != argument.name);
    let mut given = vec![format!("{}:$v", argument.name)];
    for other in others {
        given.push(filled(schema, std::slice::from_ref(other), "a", 0)?);
    }
    let inner = match field.of.is_leaf() {
        true => String::new(),
        false => format!("{{{}}}", Some(leaves(schema, &field.of.name)).filter(|leaves| !leaves.is_empty())?),
    };
    let must = if argument.required { "!" } else { "" };
    Some(format!("query($v:{}{must}){{probe:{}({}){inner}}}", argument.of.name, field.name, given.join(",")))
}
