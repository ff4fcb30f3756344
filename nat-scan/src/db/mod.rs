//! The scan tables on nat-core's store.

pub(crate) mod finding;
pub(crate) mod journal;
mod migration;
pub(crate) mod scan;

/// The migrations of this crate, for [`nat_core::db::SeaStore::open`].
#[must_use]
pub fn migrations() -> nat_core::db::Migrations {
    vec![Box::new(migration::Migration), Box::new(migration::Findings), Box::new(migration::Journal)]
}
