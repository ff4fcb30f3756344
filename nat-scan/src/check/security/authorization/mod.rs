//! May you do that? Objects and functions of others.

use crate::check::SecurityCheck;

/// Every check of this area.
pub(super) const CHECKS: &[&dyn SecurityCheck] = &[];
