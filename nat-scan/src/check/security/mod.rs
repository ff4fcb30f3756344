//! Security checks: can the API be abused?

use super::SecurityCheck;

/// Every security check.
#[must_use]
pub fn all() -> &'static [&'static dyn SecurityCheck] {
    &[]
}
