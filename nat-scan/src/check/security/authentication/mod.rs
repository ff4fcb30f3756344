//! Who are you? Whether credentials are checked, cannot be forged, guessed or outlive their session.

pub(crate) mod anonymous;
mod brute;
mod confusion;
mod cookie;
mod enumerate;
mod expiry;
pub(super) mod gate;
mod guest;
mod jwt;
mod logout;
mod password;
mod query;
pub(super) mod secret;
mod signature;
#[cfg(test)]
mod tests;
mod variant;
mod words;

use crate::check::SecurityCheck;

/// Every check of this area.
pub(super) const CHECKS: &[&dyn SecurityCheck] = &[
    &anonymous::AuthenticationIgnored::SECURITY,
    &variant::AnotherWay,
    &signature::SignatureIgnored,
    &signature::NoAlgorithm,
    &secret::WeakSecret,
    &secret::ClaimsTrusted,
    &confusion::KeyConfusion,
    &query::TokenInUrl,
    &cookie::SessionCookie,
    &password::WeakPassword,
    &expiry::ExpiryIgnored,
    &enumerate::UsersTold,
    &brute::Guessable,
    &logout::SessionOutlives,
];
