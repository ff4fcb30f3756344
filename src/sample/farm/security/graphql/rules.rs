//! What a server does that has rules of its own about directives.

use async_graphql::Request;
use async_graphql::parser::types::{DocumentOperations, Selection};

/// Takes a directive that is repeated at a field of the first level for one.
pub(super) fn unite_directives(request: &mut Request) {
    let Ok(mut document) = request.parsed_query().cloned() else { return };
    let operations = match &mut document.operations {
        DocumentOperations::Single(one) => vec![one],
        DocumentOperations::Multiple(many) => many.values_mut().collect(),
    };
    for operation in operations {
        for selection in &mut operation.node.selection_set.node.items {
            if let Selection::Field(field) = &mut selection.node {
                field.node.directives.dedup_by(|one, other| one.node.name.node == other.node.name.node);
            }
        }
    }
    request.set_parsed_query(document);
}
