//! Credentials that are not checked, can be forged, guessed or outlive their session.

use super::{Area, Op};

pub(super) const AREA: Area = Area { name: "authentication", mutants: &[], operations, finish: None };

fn operations() -> Vec<Op> {
    Vec::new()
}
