//! Randomness by counter: each stream is keyed by where it is used, so that no value depends on the order of work.

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use sha2::{Digest, Sha256};

use super::Phase;

/// The stream number `stream` of an operation's phase. Equal arguments give equal streams, on any machine.
pub(crate) fn stream(seed: u64, endpoint: &str, phase: Phase, stream: u64) -> ChaCha8Rng {
    let mut hash = Sha256::new();
    hash.update(b"nat-case-1");
    hash.update(seed.to_le_bytes());
    hash.update(stream.to_le_bytes());
    hash.update(phase.as_str().as_bytes());
    hash.update([0]);
    hash.update(endpoint.as_bytes());
    ChaCha8Rng::from_seed(hash.finalize().into())
}

#[cfg(test)]
mod tests {
    use rand::Rng;

    use super::*;

    #[test]
    fn streams_differ_by_each_part_of_their_key_and_by_nothing_else() {
        let first = |seed, endpoint, phase, number| stream(seed, endpoint, phase, number).next_u64();
        let base = first(1, "GET /a", Phase::Coverage, 0);
        assert_eq!(base, first(1, "GET /a", Phase::Coverage, 0));
        let others = [
            first(2, "GET /a", Phase::Coverage, 0),
            first(1, "GET /b", Phase::Coverage, 0),
            first(1, "GET /a", Phase::Examples, 0),
            first(1, "GET /a", Phase::Coverage, 1),
        ];
        assert!(others.iter().all(|other| *other != base));
    }
}
