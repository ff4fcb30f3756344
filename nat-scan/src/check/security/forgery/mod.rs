//! Requests that the target makes for others.

mod metadata;
mod place;
mod redirect;
mod ssrf;
#[cfg(test)]
mod tests;
mod xxe;

use crate::check::SecurityCheck;

/// Every check of this area. The first finds the places that the next two look into.
pub(super) const CHECKS: &[&dyn SecurityCheck] =
    &[&ssrf::RequestForgery, &redirect::FollowsRedirects, &metadata::MetadataReached, &xxe::ExternalEntity];
