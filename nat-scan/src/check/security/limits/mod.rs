//! How much the target lets one client ask for.

mod ambiguity;
mod body;
mod bomb;
mod growth;
mod pages;
mod rate;
mod redos;
#[cfg(test)]
mod tests;

use crate::check::SecurityCheck;

/// Every check of this area.
pub(super) const CHECKS: &[&dyn SecurityCheck] =
    &[&pages::PageSize, &redos::ExpensivePattern, &body::BodySize, &bomb::ExpandingBody, &rate::NoRateLimit];
