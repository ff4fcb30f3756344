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
}

impl Raised {
    fn new(operation: usize, suspicion: Suspicion, evidence: Vec<(Role, Exchange)>) -> Self {
        Self { suspicion, operation, evidence }
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
