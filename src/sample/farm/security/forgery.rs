//! Requests that the farm makes for others.

use super::{Area, Op};

pub(super) const AREA: Area = Area { name: "forgery", mutants: &[], operations, finish: None };

fn operations() -> Vec<Op> {
    Vec::new()
}
