//! What answers give away.

mod cache;
mod checksum;
mod data;
mod debug;
mod detector;
mod extra;
mod forgotten;
mod inventory;
mod people;
mod places;
mod published;
#[cfg(test)]
mod tests;
mod verbose;
mod version;

use crate::check::SecurityCheck;

pub(super) use inventory::Hidden;

/// Whether an example of the document is a secret that works somewhere.
pub(super) use detector::{Harm, detect};

/// Every check of this area.
pub(super) const CHECKS: &[&dyn SecurityCheck] = &[
    &version::VersionDisclosure,
    &extra::UndescribedMembers,
    &verbose::VerboseError,
    &debug::DebugEndpoint,
    &inventory::Inventory,
    &published::PublishedDocument,
    &data::ExcessiveData,
    &cache::CachedPrivate,
];
