//! Checks of what becomes of an object: made, read, changed, removed. One file a check.
//!
//! Each attempt works on objects that it makes itself, so that attempts never disturb each other. What an attempt
//! raises is reported when a second attempt, on other objects, raises the same.

mod conflict;
mod create;
mod delete;
mod failed;
mod filter;
mod hierarchy;
mod idempotency;
mod pages;
mod patch;
mod put;
mod reflect;
mod resource;
mod same;
mod stage;
mod steady;

use async_trait::async_trait;

use super::{CheckInfo, Exchange, Suspicion};
use crate::finding::Role;

pub(crate) use resource::{Resource, resources};
pub(crate) use same::{by_server, differences, items, object, volatile};
pub(crate) use stage::{Stage, Surroundings, Thing, place};

/// What an attempt shows.
pub(crate) struct Raised {
    pub(crate) suspicion: Suspicion,
    /// The operation at fault.
    pub(crate) operation: usize,
    /// The steps, in order.
    pub(crate) evidence: Vec<(Role, Exchange)>,
    /// Those among them that nothing later builds upon, in order: perhaps it shows without them.
    pub(crate) spare: Vec<Spare>,
}

/// A step that an attempt can leave out. What makes a thing, and what the probe asks about, is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Spare {
    /// The read of a new thing before anything is done to it. (It may fill a cache.)
    Look,
    /// A change before the one in question, by its number.
    Change(usize),
}

impl Raised {
    fn new(operation: usize, suspicion: Suspicion, evidence: Vec<(Role, Exchange)>) -> Self {
        Self { suspicion, operation, evidence, spare: Vec::new() }
    }

    /// The same suspicion of the same operation.
    pub(crate) fn is_like(&self, other: &Self) -> bool {
        self.operation == other.operation && self.suspicion.is_same(&other.suspicion)
    }

    fn sparing(self, spare: Vec<Spare>) -> Self {
        Self { spare, ..self }
    }
}

/// A check over one kind of thing.
#[async_trait]
pub(crate) trait ResourceCheck: Send + Sync {
    /// What is constant.
    fn info(&self) -> &'static CheckInfo;

    /// Whether the resource has the operations that the check needs.
    fn applies(&self, resource: &Resource) -> bool;

    /// One attempt on objects of its own.
    async fn attempt(&self, stage: &Stage<'_>) -> Vec<Raised>;
}

/// Every check, in order.
pub(crate) fn all() -> &'static [&'static dyn ResourceCheck] {
    &[
        &delete::UseAfterDelete,
        &create::Available,
        &reflect::Reflects,
        &failed::CreateLeaks,
        &failed::ChangeLeaks,
        &put::Replaces,
        &patch::MergePatch,
        &delete::Twice,
        &steady::Safe,
        &hierarchy::WrongParent,
        &idempotency::KeyIgnored,
        &conflict::StaleMatch,
        &pages::Pages,
        &filter::Filters,
    ]
}

#[cfg(test)]
mod tests;
