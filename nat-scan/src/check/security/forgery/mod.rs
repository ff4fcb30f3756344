//! Requests that the target makes for us (SSRF), seen by a listener of our own.

use crate::check::SecurityCheck;

/// Every check of this area.
pub(super) const CHECKS: &[&dyn SecurityCheck] = &[];
