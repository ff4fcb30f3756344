//! May you do that? Objects and functions of others.
//!
//! Nearly all of these checks let one user of the scan make something, another one ask for it, and believe only what
//! the owner's own reads say. Words of the scan's own in the things tell them from everything else.

mod assign;
mod escalate;
mod exist;
mod function;
mod ground;
mod mass;
mod method;
pub(super) mod names;
mod nested;
mod parent;
mod password;
mod people;
mod read;
#[cfg(test)]
mod tests;
mod write;

use crate::check::SecurityCheck;

/// Every check of this area.
pub(super) const CHECKS: &[&dyn SecurityCheck] = &[
    &read::ForeignRead,
    &nested::ForeignReference,
    &parent::ForeignParent,
    &exist::ExistenceTold,
    &exist::GuessableIds,
    &function::ForeignFunction,
    &mass::MassAssignment,
    &escalate::Escalation,
    &write::ForeignWrite,
    &method::HiddenMethod,
];
