//! A GraphQL endpoint.

use super::{Area, Op};

pub(super) const AREA: Area = Area { name: "graphql", mutants: &[], operations, finish: None };

fn operations() -> Vec<Op> {
    Vec::new()
}
