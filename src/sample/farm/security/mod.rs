//! The security half of the farm: an API of its own with users who sign up, and an administrator.

mod account;
mod authentication;
mod authorization;
mod configuration;
mod document;
mod exposure;
mod fetch;
mod forgery;
mod graphql;
mod injection;
mod limits;
mod token;

use axum::Router;
pub(super) use document::amend;

use super::op::Op;
use super::{Finish, Mutant, Switches, serving};
pub(super) use limits::unpacked;

/// What belongs together. A farm can consist of one area alone.
#[derive(Clone, Copy)]
pub struct Area {
    /// As the module.
    pub name: &'static str,
    /// Every defect of it.
    pub mutants: &'static [Mutant],
    operations: fn() -> Vec<Op>,
    finish: Option<Finish>,
}

/// Every area.
pub const AREAS: &[Area] = &[
    authentication::AREA,
    authorization::AREA,
    configuration::AREA,
    document::AREA,
    exposure::AREA,
    forgery::AREA,
    graphql::AREA,
    injection::AREA,
    limits::AREA,
];

/// Name and password of the administrator. Everybody else signs up.
pub const ADMIN: (&str, &str) = ("root", "correct-horse-battery-staple-9");

/// These areas with these mutants alive, with `/register`, `/login` and `/me`.
pub fn router(on: Switches, areas: &[Area]) -> Router {
    let operations = areas.iter().flat_map(|area| (area.operations)());
    let operations = account::operations().into_iter().chain(operations).collect();
    // Every part has a limit for clients, so that only one mutant lacks it.
    let finish = areas.iter().filter_map(|area| area.finish).chain([limits::announce as Finish]);
    serving(on, operations, finish.collect())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_mutant_and_twin_stands_at_an_operation_of_its_own() {
        let all: Vec<Op> = AREAS.iter().flat_map(|area| (area.operations)()).chain(account::operations()).collect();
        let mut known = BTreeSet::new();
        let twice: Vec<String> = all
            .iter()
            .map(|op| format!("{} {}", op.method, op.path))
            .filter(|endpoint| !known.insert(endpoint.clone()))
            .collect();
        assert_eq!(twice, Vec::<String>::new(), "no operation is there twice");
        let mut ids = BTreeSet::new();
        for mutant in AREAS.iter().flat_map(|area| area.mutants) {
            assert!(ids.insert(mutant.id), "{} is there twice", mutant.id);
            assert!(mutant.endpoint == "*" || known.contains(mutant.endpoint), "{}", mutant.endpoint);
            assert!(known.contains(mutant.twin), "{}", mutant.twin);
            assert_ne!(mutant.endpoint, mutant.twin);
        }
    }
}
