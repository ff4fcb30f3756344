//! Typed identifiers: a tenant id cannot be passed where a scan id belongs.

use std::fmt;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::entropy::Entropy;

macro_rules! id_type {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(String);

        impl $name {
            /// Takes any text: an id that does not exist is simply not found.
            pub fn new(text: impl Into<String>) -> Self { Self(text.into()) }
            /// The text.
            #[must_use]
            pub fn as_str(&self) -> &str { &self.0 }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result { f.write_str(&self.0) }
        }

        impl From<&str> for $name { fn from(text: &str) -> Self { Self(text.to_owned()) } }
        impl From<String> for $name { fn from(text: String) -> Self { Self(text) } }
    };
}

id_type! {
    /// A customer of the service; chosen by the application that calls sync-tenant.
    TenantId
}
id_type! {
    /// The public ten characters of an API key (`nat_pk_<key id>_…`).
    KeyId
}
id_type! {
    /// A scan, `scan_` and 26 characters that sort by time of creation.
    ScanId
}
id_type! {
    /// A plan of the catalogue, for example `free`.
    PlanId
}

impl ScanId {
    /// A fresh id: time-ordered, unguessable in its random part.
    #[must_use]
    pub fn generate(now: DateTime<Utc>, entropy: &dyn Entropy) -> Self {
        Self(format!("scan_{}", sortable(now, entropy)))
    }
}

/// 26 characters of Crockford base 32: 48 bits of Unix milliseconds, then 80 random bits (the ULID layout).
#[must_use]
pub fn sortable(now: DateTime<Utc>, entropy: &dyn Entropy) -> String {
    const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
    let mut bytes = [0u8; 16];
    entropy.fill(&mut bytes);
    let millis = u64::try_from(now.timestamp_millis()).unwrap_or(0);
    bytes[..6].copy_from_slice(&millis.to_be_bytes()[2..]);
    let number = u128::from_be_bytes(bytes);
    (0..26).rev().map(|place| char::from(ALPHABET[((number >> (place * 5)) & 31) as usize])).collect()
}
