//! How much one client may ask for.

use super::{Area, Op};

pub(super) const AREA: Area = Area { name: "limits", mutants: &[], operations, finish: None };

fn operations() -> Vec<Op> {
    Vec::new()
}
