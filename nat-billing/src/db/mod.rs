//! The billing tables on nat-core's store.

/// The migrations of this crate, for [`nat_core::db::SeaStore::open`].
#[must_use]
pub fn migrations() -> nat_core::db::Migrations {
    Vec::new()
}
