//! F061: filters filter, sorting sorts.

use async_trait::async_trait;
use serde_json::Value;

use super::reflect::brief;
use super::same::{items, object, same};
use super::stage::{is_success, place};
use super::{Raised, Resource, ResourceCheck, Stage};
use crate::chain::key;
use crate::check::{CheckInfo, Exchange, Suspicion};
use crate::finding::{Role, Severity};
use crate::generate::{Argument, Case};
use crate::schema::Direction;
use crate::spec::{Location, Operation};

/// Objects that are made first.
const OBJECTS: usize = 3;
/// Parameters that are tried.
const MAX_PARAMETERS: usize = 8;

/// F061.
pub(super) struct Filters;

static INFO: CheckInfo = CheckInfo {
    id: "F061",
    title: "Filter or order has no effect",
    description: "A filter by a property shows only items that have the value; ascending and descending order are each other's reverse.",
    remediation: "Apply the parameter in the query, or remove it from the document.",
    cwe: &[],
    owasp: None,
};

#[async_trait]
impl ResourceCheck for Filters {
    fn info(&self) -> &'static CheckInfo {
        &INFO
    }

    fn applies(&self, resource: &Resource) -> bool {
        resource.list.is_some()
    }

    async fn attempt(&self, stage: &Stage<'_>) -> Vec<Raised> {
        tried(stage).await.unwrap_or_default()
    }
}

async fn tried(stage: &Stage<'_>) -> Option<Vec<Raised>> {
    let operation = stage.operation(stage.resource.list?)?;
    let (parents, _) = stage.fill(OBJECTS).await;
    let mut base = stage.least(operation)?;
    place(operation, &mut base, &parents);
    let all = stage.send(operation, &base, &[]).await?;
    let shown = all.json().filter(|_| is_success(&all)).and_then(items)?.clone();
    if shown.len() < 2 {
        return None;
    }
    let mut raised = Vec::new();
    let optional = operation.parameters.iter().enumerate();
    for (index, parameter) in
        optional.filter(|(_, p)| p.location == Location::Query && !p.required).take(MAX_PARAMETERS)
    {
        let name = key(&parameter.name);
        if matches!(
            name.as_str(),
            "sort" | "order" | "order_by" | "sort_by" | "ordering" | "order_dir" | "sort_order" | "direction"
        ) {
            raised.extend(order(stage, operation, &base, index).await);
        } else {
            raised.extend(filter(stage, operation, &base, index, &shown).await);
        }
    }
    Some(raised)
}

fn with(base: &Case, parameter: usize, value: Value) -> Case {
    let mut case = base.clone();
    case.arguments.push(Argument { parameter, value });
    case.arguments.sort_by_key(|argument| argument.parameter);
    case
}

async fn listed(stage: &Stage<'_>, operation: &Operation, case: &Case) -> Option<(Vec<Value>, Exchange)> {
    let answer = stage.send(operation, case, &[]).await?;
    let shown = answer.json().filter(|_| is_success(&answer)).and_then(items)?.clone();
    Some((shown, answer))
}

/// A parameter that is named like a member of the items, with a value that some of them have.
async fn filter(
    stage: &Stage<'_>,
    operation: &Operation,
    base: &Case,
    index: usize,
    shown: &[Value],
) -> Option<Raised> {
    let parameter = operation.parameters.get(index)?;
    let wanted = key(&parameter.name);
    let member = |item: &Value| {
        let members = object(item)?;
        members
            .iter()
            .find(|(name, value)| key(name) == wanted && (value.is_string() || value.is_boolean() || value.is_number()))
            .map(|(_, value)| value.clone())
    };
    let values: Vec<Value> = shown.iter().filter_map(member).collect();
    let value = values.iter().find(|value| parameter.schema.is_valid(value, Direction::Request))?;
    // Without an item that must vanish nothing can be told.
    let other = values.iter().any(|other| !same(other, value));
    if values.len() != shown.len() || !other {
        return None;
    }
    let (filtered, answer) = listed(stage, operation, &with(base, index, value.clone())).await?;
    let stranger = filtered.iter().filter_map(member).find(|own| !related(value, own))?;
    let text =
        format!("Filtered by {}={}, the list shows an item with {}.", parameter.name, brief(value), brief(&stranger));
    let suspicion = Suspicion::new(Severity::Medium, format!("query {}", parameter.name), "filter-ignored", text);
    Some(Raised::new(operation.index, suspicion, vec![(Role::Probe, answer)]))
}

/// The item may well match: many filters look for parts of a text, and without case.
fn related(wanted: &Value, own: &Value) -> bool {
    let text = |value: &Value| value.as_str().map(str::to_lowercase);
    same(wanted, own) || text(wanted).zip(text(own)).is_some_and(|(wanted, own)| own.contains(&wanted))
}

/// Ascending and descending order of the same key.
async fn order(stage: &Stage<'_>, operation: &Operation, base: &Case, index: usize) -> Option<Raised> {
    let parameter = operation.parameters.get(index)?;
    let node = parameter.schema.resolve(parameter.schema.node());
    let values: Vec<&str> = node.get("enum")?.as_array()?.iter().filter_map(Value::as_str).collect();
    let (up, down) = values.iter().find_map(|up| {
        let low = up.to_ascii_lowercase();
        let wanted = [format!("-{low}"), low.replace("asc", "desc"), format!("{low}_desc"), format!("{low}:desc")];
        let down = values.iter().find(|down| **down != *up && wanted.contains(&down.to_ascii_lowercase()))?;
        Some((*up, *down))
    })?;
    let (ascending, _) = listed(stage, operation, &with(base, index, Value::from(up))).await?;
    let (descending, answer) = listed(stage, operation, &with(base, index, Value::from(down))).await?;
    let field = up.to_ascii_lowercase().replace("_asc", "").replace(":asc", "");
    let keys =
        |items: &[Value]| -> Vec<f64> { items.iter().filter_map(|item| object(item)?.get(&field)?.as_f64()).collect() };
    // Numbers have one order; texts have as many as there are languages.
    let (rising, falling) = (keys(&ascending), keys(&descending));
    let wrong = [
        (up, rising.windows(2).find(|pair| pair[0] > pair[1])),
        (down, falling.windows(2).find(|pair| pair[0] < pair[1])),
    ];
    if let Some((value, Some(pair))) = wrong.into_iter().find(|(_, pair)| pair.is_some()) {
        let text =
            format!("{}={value} shows an item with {field} {} before one with {}.", parameter.name, pair[0], pair[1]);
        let suspicion = Suspicion::new(Severity::Medium, format!("query {}", parameter.name), "order-wrong", text);
        return Some(Raised::new(operation.index, suspicion, vec![(Role::Probe, answer)]));
    }
    // Equal keys and cut-off lists may differ otherwise; the same order both ways cannot be right.
    let same_way = ascending == descending && ascending.len() >= 2;
    let members: Vec<Option<&Value>> = ascending.iter().map(|item| object(item)?.get(&field)).collect();
    let told = members.iter().any(|member| member.is_some() && *member != members[0]);
    if !same_way || !told {
        return None;
    }
    let text = format!(
        "{}={up} and {}={down} give the same order of {} items.",
        parameter.name,
        parameter.name,
        ascending.len()
    );
    let suspicion = Suspicion::new(Severity::Low, format!("query {}", parameter.name), "order-ignored", text);
    Some(Raised::new(operation.index, suspicion, vec![(Role::Probe, answer)]))
}
