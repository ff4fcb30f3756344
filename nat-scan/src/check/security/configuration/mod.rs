//! How the server is set up: headers, cross-origin rules, methods, TLS.

mod cors;
mod headers;
mod host;
mod method;
#[cfg(test)]
mod tests;
mod tls;

use crate::check::SecurityCheck;

/// Every check of this area.
pub(super) const CHECKS: &[&dyn SecurityCheck] =
    &[&headers::SecurityHeaders, &cors::Cors, &method::Methods, &host::HostTrusted, &tls::Tls];
