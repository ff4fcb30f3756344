//! Who are you? Whether credentials are checked, cannot be forged, guessed or outlive their session.

pub(crate) mod anonymous;
#[cfg(test)]
mod tests;

use crate::check::SecurityCheck;

/// Every check of this area.
pub(super) const CHECKS: &[&dyn SecurityCheck] = &[&anonymous::AuthenticationIgnored::SECURITY];
