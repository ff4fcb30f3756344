//! Objects and functions of others.

use super::{Area, Op};

pub(super) const AREA: Area = Area { name: "authorization", mutants: &[], operations, finish: None };

fn operations() -> Vec<Op> {
    Vec::new()
}
