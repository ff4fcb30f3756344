//! Secrets: never printed, sealed at rest.

pub use secrecy::{ExposeSecret, SecretString};

use crate::{Result, entropy::Entropy};

/// Seals target credentials before they are stored and opens them for the worker that needs them.
///
/// XChaCha20-Poly1305 with a random nonce; `context` (for example the scan id) is authenticated, so that a sealed
/// value cannot be moved to another row.
pub struct Vault {
    key: zeroize::Zeroizing<[u8; 32]>,
}

impl std::fmt::Debug for Vault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Vault(…)")
    }
}

impl Vault {
    /// A vault over a 32-byte key.
    #[must_use]
    pub fn new(key: [u8; 32]) -> Self {
        Self { key: zeroize::Zeroizing::new(key) }
    }

    /// Nonce and ciphertext of `plain`.
    pub fn seal(&self, plain: &[u8], context: &str, entropy: &dyn Entropy) -> Result<Vec<u8>> {
        let _ = (plain, context, entropy, &self.key);
        todo!("core")
    }

    /// The plain bytes; an internal error when key, context or bytes do not belong together.
    pub fn open(&self, sealed: &[u8], context: &str) -> Result<zeroize::Zeroizing<Vec<u8>>> {
        let _ = (sealed, context);
        todo!("core")
    }
}
