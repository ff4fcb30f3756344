//! Frames: length, checksum, bytes. A process may die in the middle of one, so that what is read is what is whole.

use std::ops::Range;

use flate2::Crc;

/// What every journal begins with; the number is that of the format.
pub(super) const MAGIC: &[u8] = b"NAT-JOURNAL-1\n";
/// A frame never holds more bytes.
pub(super) const MAX_FRAME: usize = 32 << 20;
/// Length and checksum, four bytes each, little-endian.
const HEAD: usize = 8;

/// Appends one frame; false when it is too large.
pub(super) fn push(out: &mut Vec<u8>, payload: &[u8]) -> bool {
    let Some(length) = u32::try_from(payload.len()).ok().filter(|_| payload.len() <= MAX_FRAME) else { return false };
    out.extend_from_slice(&length.to_le_bytes());
    out.extend_from_slice(&checksum(payload).to_le_bytes());
    out.extend_from_slice(payload);
    true
}

/// Whether these bytes are a journal, or the beginning of one that was torn before its first frame.
pub(super) fn is_journal(bytes: &[u8]) -> bool {
    bytes.starts_with(MAGIC) || MAGIC.starts_with(bytes)
}

/// Where the payloads of whole frames stand, and where the last of them ends: what follows is torn.
pub(super) fn split(bytes: &[u8]) -> (Vec<Range<usize>>, usize) {
    let mut frames = Vec::new();
    if !bytes.starts_with(MAGIC) {
        return (frames, 0);
    }
    let mut at = MAGIC.len();
    while let Some((length, sum)) = head(bytes, at) {
        let payload = at + HEAD..at + HEAD + length;
        match bytes.get(payload.clone()) {
            Some(found) if length <= MAX_FRAME && checksum(found) == sum => {
                at = payload.end;
                frames.push(payload);
            }
            _ => break,
        }
    }
    (frames, at)
}

fn head(bytes: &[u8], at: usize) -> Option<(usize, u32)> {
    let (length, rest) = bytes.get(at..)?.split_first_chunk::<4>()?;
    let sum = rest.first_chunk::<4>()?;
    Some((usize::try_from(u32::from_le_bytes(*length)).ok()?, u32::from_le_bytes(*sum)))
}

fn checksum(bytes: &[u8]) -> u32 {
    let mut crc = Crc::new();
    crc.update(bytes);
    crc.sum()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn journal(payloads: &[Vec<u8>]) -> Vec<u8> {
        let mut bytes = MAGIC.to_vec();
        payloads.iter().for_each(|payload| assert!(push(&mut bytes, payload)));
        bytes
    }

    fn read(bytes: &[u8]) -> Vec<Vec<u8>> {
        split(bytes).0.into_iter().map(|range| bytes[range].to_vec()).collect()
    }

    proptest! {
        /// Wherever a journal is cut, the frames before the cut are read, and nothing else.
        #[test]
        fn a_torn_journal_keeps_what_is_whole(
            payloads in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..40), 0..8),
            cut in any::<prop::sample::Index>(),
        ) {
            let bytes = journal(&payloads);
            prop_assert_eq!(read(&bytes), payloads.clone());
            let cut = cut.index(bytes.len() + 1);
            let torn = &bytes[..cut];
            prop_assert!(is_journal(torn));
            let (frames, valid) = split(torn);
            prop_assert!(valid <= cut);
            prop_assert_eq!(&read(torn)[..], &payloads[..frames.len()]);
            // Writing goes on behind what is whole.
            let mut again = if valid == 0 { MAGIC.to_vec() } else { torn[..valid].to_vec() };
            push(&mut again, b"next");
            prop_assert_eq!(read(&again).pop(), Some(b"next".to_vec()));
        }

        /// A bit that flips ends the journal before its frame.
        #[test]
        fn a_corrupt_frame_is_not_read(
            payloads in prop::collection::vec(prop::collection::vec(any::<u8>(), 1..20), 1..6),
            at in any::<prop::sample::Index>(),
            bit in 0..8_u32,
        ) {
            let mut bytes = journal(&payloads);
            let at = MAGIC.len() + at.index(bytes.len() - MAGIC.len());
            bytes[at] ^= 1 << bit;
            let found = read(&bytes);
            prop_assert!(found.len() < payloads.len());
            prop_assert_eq!(&found[..], &payloads[..found.len()]);
        }
    }

    #[test]
    fn what_is_no_journal_is_told_from_a_torn_one() {
        for (bytes, expected) in
            [(&b""[..], true), (b"NAT-J", true), (MAGIC, true), (b"NAT-JOURNAL-2\n", false), (b"{}", false)]
        {
            assert_eq!(is_journal(bytes), expected, "{bytes:?}");
        }
    }
}
