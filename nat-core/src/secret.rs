//! Secrets: never printed, sealed at rest.

pub use secrecy::{ExposeSecret, SecretString};

use chacha20poly1305::{
    KeyInit, XChaCha20Poly1305, XNonce,
    aead::{Aead, Payload},
};

use crate::{Error, Result, entropy::Entropy};

/// First byte of a sealed value, so that another cipher or key can be told apart later.
const VERSION: u8 = 1;
const NONCE_LEN: usize = 24;

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

    /// Version, nonce and ciphertext of `plain`.
    pub fn seal(&self, plain: &[u8], context: &str, entropy: &dyn Entropy) -> Result<Vec<u8>> {
        let mut nonce = [0u8; NONCE_LEN];
        entropy.fill(&mut nonce);
        let sealed = self
            .cipher()
            .encrypt(XNonce::from_slice(&nonce), Payload { msg: plain, aad: context.as_bytes() })
            .map_err(|_| Error::internal("a secret could not be sealed"))?;
        Ok([&[VERSION], nonce.as_slice(), sealed.as_slice()].concat())
    }

    /// The plain bytes; an internal error when key, context or bytes do not belong together.
    pub fn open(&self, sealed: &[u8], context: &str) -> Result<zeroize::Zeroizing<Vec<u8>>> {
        let refused = || Error::internal("a sealed secret does not belong to this seal key and row");
        let (nonce, text) = match sealed.split_first() {
            Some((&VERSION, rest)) => rest.split_at_checked(NONCE_LEN).ok_or_else(refused)?,
            _ => return Err(refused()),
        };
        self.cipher()
            .decrypt(XNonce::from_slice(nonce), Payload { msg: text, aad: context.as_bytes() })
            .map(zeroize::Zeroizing::new)
            .map_err(|_| refused())
    }

    fn cipher(&self) -> XChaCha20Poly1305 {
        XChaCha20Poly1305::new((&*self.key).into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entropy::SeededEntropy;

    #[test]
    fn vault_opens_only_what_belongs_together() {
        let entropy = SeededEntropy::new(1);
        let vault = Vault::new([7; 32]);
        let sealed = vault.seal(b"hunter2", "scan_1", &entropy).unwrap();
        assert_eq!(vault.open(&sealed, "scan_1").unwrap().as_slice(), b"hunter2");
        assert!(vault.open(&sealed, "scan_2").is_err(), "moved to another row");
        assert!(Vault::new([8; 32]).open(&sealed, "scan_1").is_err(), "another key");
        for at in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[at] ^= 1;
            assert!(vault.open(&changed, "scan_1").is_err(), "byte {at} changed");
            assert!(vault.open(&sealed[..at], "scan_1").is_err(), "cut at {at}");
        }
        assert_ne!(sealed, vault.seal(b"hunter2", "scan_1", &entropy).unwrap(), "a nonce is used once");
        assert!(!sealed.windows(7).any(|part| part == b"hunter2"));
        assert_eq!(format!("{vault:?}"), "Vault(…)");
    }
}
