//! Sequences of choices: what a random request is made of.
//!
//! A request is a pure function of numbers, each of which chooses among a few possibilities of which the first is the
//! simplest; where the sequence ends, all further choices are the simplest. So a request is kept, changed and made smaller
//! by editing numbers, without knowing what they stand for (Hypothesis' design, MacIver and Donaldson 2020).

use rand::{Rng, RngExt};
use rand_chacha::ChaCha8Rng;

/// Numbers of a sequence.
const MAX_LENGTH: usize = 192;

/// Reads a sequence.
pub(crate) struct Choices<'c> {
    sequence: &'c [u32],
    read: usize,
}

impl<'c> Choices<'c> {
    pub(crate) const fn new(sequence: &'c [u32]) -> Self {
        Self { sequence, read: 0 }
    }

    /// One of `count` possibilities; 0 when there is nothing left to read, or nothing to choose.
    pub(crate) fn below(&mut self, count: usize) -> usize {
        let raw = self.sequence.get(self.read).copied().unwrap_or(0);
        self.read += 1;
        raw as usize % count.max(1)
    }

    /// One of them, the first if there is nothing left to read.
    pub(crate) fn of<'a, T>(&mut self, options: &'a [T]) -> Option<&'a T> {
        let at = self.below(options.len());
        options.get(at)
    }

    /// Numbers that were read and are there: what comes after them means nothing.
    pub(crate) fn used(&self) -> usize {
        self.read.min(self.sequence.len())
    }
}

/// A new sequence.
pub(crate) fn fresh(rng: &mut ChaCha8Rng) -> Vec<u32> {
    (0..MAX_LENGTH).map(|_| rng.next_u32()).collect()
}

/// The sequence edited in one to three places; what follows its end is `other`'s.
pub(crate) fn edited(sequence: &[u32], other: &[u32], rng: &mut ChaCha8Rng) -> Vec<u32> {
    let mut made = sequence.to_vec();
    for _ in 0..rng.random_range(1..=3) {
        if made.is_empty() {
            break;
        }
        let at = rng.random_range(0..made.len());
        match rng.random_range(0..6) {
            0 => made[at] = 0,
            1 => made[at] = made[at].wrapping_add(1),
            2 => made[at] = rng.next_u32(),
            3 => {
                let end = made.len().min(at + rng.random_range(1..=4));
                made.drain(at..end);
            }
            4 => {
                let end = made.len().min(at + rng.random_range(1..=4));
                let again: Vec<u32> = made[at..end].to_vec();
                made.splice(at..at, again);
            }
            _ => {
                made.truncate(at);
                made.extend(other.iter().skip(at));
            }
        }
    }
    let rest = MAX_LENGTH.saturating_sub(made.len());
    made.extend(fresh(rng).into_iter().take(rest));
    made.truncate(MAX_LENGTH);
    made
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::generate::{Phase, rng};

    #[test]
    fn what_is_not_there_is_the_simplest() {
        let mut choices = Choices::new(&[7, 9]);
        assert_eq!([choices.below(4), choices.below(10), choices.below(5), choices.below(0)], [3, 9, 0, 0]);
        assert_eq!(choices.used(), 2);
        assert_eq!(Choices::new(&[5]).of(&["a", "b", "c"]), Some(&"c"));
        assert_eq!(Choices::new(&[5]).of::<u8>(&[]), None);
    }

    #[test]
    fn edits_are_bounded_and_depend_on_the_stream_alone() {
        let stream = |number| rng::stream(3, "GET /a", Phase::Random, number);
        let parent = fresh(&mut stream(0));
        let edits: Vec<Vec<u32>> = (1..200).map(|number| edited(&parent[..20], &parent, &mut stream(number))).collect();
        assert!(edits.iter().all(|edit| edit.len() == MAX_LENGTH));
        assert!(edits.iter().any(|edit| edit[..20] != parent[..20]));
        assert_eq!(edits[6], edited(&parent[..20], &parent, &mut stream(7)));
    }
}
