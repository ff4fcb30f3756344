//! How the server is set up.

use super::{Area, Op};

pub(super) const AREA: Area = Area { name: "configuration", mutants: &[], operations, finish: None };

fn operations() -> Vec<Op> {
    Vec::new()
}
