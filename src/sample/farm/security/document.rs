//! What the document itself says.

use super::{Area, Op};

pub(super) const AREA: Area = Area { name: "document", mutants: &[], operations, finish: None };

fn operations() -> Vec<Op> {
    Vec::new()
}
