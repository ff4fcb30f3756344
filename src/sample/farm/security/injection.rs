//! Text that becomes code.

use super::{Area, Op};

pub(super) const AREA: Area = Area { name: "injection", mutants: &[], operations, finish: None };

fn operations() -> Vec<Op> {
    Vec::new()
}
