//! What the document itself says about security.

use crate::check::SecurityCheck;

/// Every check of this area.
pub(super) const CHECKS: &[&dyn SecurityCheck] = &[];
