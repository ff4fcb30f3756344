//! What answers give away.

mod data;
mod debug;
mod detector;
#[cfg(test)]
mod tests;
mod verbose;

use crate::check::SecurityCheck;

/// Every check of this area.
pub(super) const CHECKS: &[&dyn SecurityCheck] = &[&verbose::VerboseError, &debug::DebugEndpoint, &data::ExcessiveData];
