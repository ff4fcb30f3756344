//! `rateLimit(dryRun: true)`: the price of a document without running it.

use async_graphql::parser::parse_query;
use async_graphql::parser::types::{ExecutableDocument, Field, OperationDefinition, Selection, SelectionSet};
use async_graphql::{Name, Request, Response, Value};

use crate::cost::{Charged, DRY_RUN};

/// Selections that are looked at; the guard lets no document have more.
const MAX_SELECTIONS: usize = 5_000;

/// The document, when it asks for its price only. It has passed the guard.
pub(super) fn asked_for(request: &Request) -> Option<ExecutableDocument> {
    // Nearly no document does: the text is looked at before it is parsed a second time.
    if !request.query.contains("dryRun") {
        return None;
    }
    let document = parse_query(&request.query).ok()?;
    let (_, operation) = document.operations.iter().next()?;
    let asks = fields(&document, &operation.node.selection_set.node)
        .iter()
        .any(|field| field.name.node == "rateLimit" && is_dry(field, &operation.node, request));
    asks.then_some(document)
}

fn is_dry(field: &Field, operation: &OperationDefinition, request: &Request) -> bool {
    let Some(value) = field.get_argument("dryRun") else { return false };
    let value = value.node.clone().into_const_with::<()>(|name| {
        let given = request.variables.get(&name).cloned();
        let declared = operation.variable_definitions.iter().find(|definition| definition.node.name.node == name);
        let default = declared.and_then(|definition| Some(definition.node.default_value.as_ref()?.node.clone()));
        given.or(default).ok_or(())
    });
    value == Ok(Value::Boolean(true))
}

/// Fields of a selection set, fragments opened.
fn fields<'a>(document: &'a ExecutableDocument, set: &'a SelectionSet) -> Vec<&'a Field> {
    let mut open: Vec<&Selection> = set.items.iter().rev().map(|item| &item.node).collect();
    let (mut found, mut looked) = (Vec::new(), 0);
    while let Some(selection) = open.pop().filter(|_| looked < MAX_SELECTIONS) {
        looked += 1;
        let inner = match selection {
            Selection::Field(field) => {
                found.push(&field.node);
                continue;
            }
            Selection::InlineFragment(fragment) => Some(&fragment.node.selection_set.node),
            Selection::FragmentSpread(spread) => {
                document.fragments.get(&spread.node.fragment_name.node).map(|found| &found.node.selection_set.node)
            }
        };
        open.extend(inner.into_iter().flat_map(|set| set.items.iter().rev().map(|item| &item.node)));
    }
    found
}

/// `rateLimit` with the price, every other field null. Whatever else was wrong with the document is shown instead.
pub(super) fn answer(refused: Response, document: &ExecutableDocument, charged: &Charged) -> Response {
    if refused.errors.iter().any(|error| error.message != DRY_RUN) {
        return refused;
    }
    let Some((_, operation)) = document.operations.iter().next() else { return refused };
    let root = fields(document, &operation.node.selection_set.node);
    let data = root.into_iter().map(|field| {
        let value = match field.name.node.as_str() {
            "rateLimit" => Value::Object(price(document, field, charged)),
            "__typename" => Value::from("Query"),
            _ => Value::Null,
        };
        (field.response_key().node.clone(), value)
    });
    Response::new(Value::Object(data.collect()))
}

fn price(
    document: &ExecutableDocument,
    field: &Field,
    charged: &Charged,
) -> async_graphql::indexmap::IndexMap<Name, Value> {
    let rate = &charged.rate;
    let shown = fields(document, &field.selection_set.node).into_iter().map(|field| {
        let value = match field.name.node.as_str() {
            "cost" => Value::from(charged.cost),
            "limit" => rate.limit.map_or(Value::Null, Value::from),
            "remaining" => rate.limit.map_or(Value::Null, |_| Value::from(rate.remaining)),
            "resetAfterSeconds" => Value::from(rate.reset_after_s),
            "__typename" => Value::from("RateLimit"),
            _ => Value::Null,
        };
        (field.response_key().node.clone(), value)
    });
    shown.collect()
}
