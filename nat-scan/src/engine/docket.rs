//! Suspicions that wait for their proof, in plan order, bounded.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use super::slow::LONG;
use crate::check::{Exchange, Proof, Suspicion};
use crate::transport::TransportError;

/// Proofs tried for one defect.
const MAX_TRIES: usize = 3;
/// Different defects that a scan keeps apart; a hostile target could invent more.
const MAX_KEYS: usize = 5_000;
/// Waiting suspicions beyond which no further case is sent.
const MAX_WAITING: usize = 256;

/// What makes two suspicions the same defect: check, operation (none: the whole API), location, discriminant.
pub(super) type Key = (usize, Option<usize>, String, String);

/// A suspicion with what raised it.
pub(super) struct Candidate {
    pub(super) key: Key,
    pub(super) position: u64,
    pub(super) operation: usize,
    pub(super) check: usize,
    pub(super) suspicion: Suspicion,
    pub(super) exchange: Arc<Exchange>,
}

impl Candidate {
    /// No answer came in time.
    pub(super) fn is_unanswered(&self) -> bool {
        matches!(self.exchange.result, Err(TransportError::Timeout(_)))
    }

    /// Raised by an answer that took long, or did not come in time.
    pub(super) fn is_late(&self) -> bool {
        self.is_unanswered() || self.exchange.response().is_some_and(|response| response.elapsed >= LONG)
    }

    /// Its proof asks for more than the same request and a plain one.
    fn needs_others(&self) -> bool {
        !matches!(self.suspicion.proof, Proof::Direct | Proof::Repeat | Proof::RepeatBesidePlain)
    }

    /// Its proof waits for a slow operation.
    pub(super) fn takes_long(&self) -> bool {
        self.is_late() || self.needs_others()
    }
}

#[derive(Default)]
struct Entry {
    seen: u32,
    tries: usize,
    proved: bool,
    waiting: Vec<(u64, usize)>,
}

/// The queue of the proof lane.
#[derive(Default)]
pub(super) struct Docket {
    entries: HashMap<Key, Entry>,
    waiting: BTreeMap<(u64, usize), Candidate>,
    serial: usize,
    dropped: bool,
}

impl Docket {
    /// Takes a suspicion. Of one defect only as many wait as proofs may be tried, those with the lowest position.
    pub(super) fn file(&mut self, candidate: Candidate) {
        if self.entries.len() >= MAX_KEYS && !self.entries.contains_key(&candidate.key) {
            self.dropped = true;
            return;
        }
        let entry = self.entries.entry(candidate.key.clone()).or_default();
        entry.seen = entry.seen.saturating_add(1);
        if entry.proved || entry.tries >= MAX_TRIES {
            return;
        }
        self.serial += 1;
        let place = (candidate.position, self.serial);
        entry.waiting.push(place);
        self.waiting.insert(place, candidate);
        if entry.waiting.len() > MAX_TRIES
            && let Some(last) = entry.waiting.iter().copied().max()
        {
            entry.waiting.retain(|place| *place != last);
            self.waiting.remove(&last);
        }
    }

    /// The first suspicion of these below `watermark`: no earlier one can still come.
    pub(super) fn next(&mut self, watermark: u64, of: impl Fn(&Candidate) -> bool) -> Option<Candidate> {
        loop {
            let mut below = self.waiting.range(..(watermark, 0));
            let place = *below.find(|(_, candidate)| of(candidate))?.0;
            let candidate = self.waiting.remove(&place)?;
            let entry = self.entries.entry(candidate.key.clone()).or_default();
            entry.waiting.retain(|waiting| *waiting != place);
            if !entry.proved && entry.tries < MAX_TRIES {
                entry.tries += 1;
                return Some(candidate);
            }
        }
    }

    /// The defect is proved: what waits for the same one is only counted.
    pub(super) fn settle(&mut self, key: &Key) {
        if let Some(entry) = self.entries.get_mut(key) {
            entry.proved = true;
            for place in entry.waiting.drain(..) {
                self.waiting.remove(&place);
            }
        }
    }

    /// How often the defect was seen.
    pub(super) fn seen(&self, key: &Key) -> u32 {
        self.entries.get(key).map_or(1, |entry| entry.seen)
    }

    /// So much waits that no further case should be sent.
    pub(super) fn is_full(&self) -> bool {
        self.waiting.len() >= MAX_WAITING
    }

    /// Suspicions that never got their turn.
    pub(super) fn waiting(&self) -> usize {
        self.waiting.len()
    }

    /// Defects were left out because there were too many different ones.
    pub(super) const fn overflowed(&self) -> bool {
        self.dropped
    }
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;
    use proptest::prelude::*;

    use super::*;
    use crate::classify::WireTruth;
    use crate::finding::Severity;
    use crate::transport::Request;

    fn candidate(position: u64, defect: u8) -> Candidate {
        let name = defect.to_string();
        let request = Request::new("GET", "/");
        let exchange =
            Exchange::new(None, request, Err(TransportError::Reset), WireTruth::Ambiguous, DateTime::UNIX_EPOCH);
        Candidate {
            key: (0, Some(0), String::new(), name.clone()),
            position,
            operation: 0,
            check: 0,
            suspicion: Suspicion::new(Severity::Low, "", name, ""),
            exchange: Arc::new(exchange),
        }
    }

    proptest! {
        /// In whatever order suspicions arrive, proofs are tried in plan order, at most three a defect, and every
        /// suspicion is counted.
        #[test]
        fn proofs_do_not_depend_on_the_order_of_arrival(
            (mut filed, shuffled) in prop::collection::vec(0..4_u8, 1..60).prop_flat_map(|defects| {
                let filed: Vec<(u64, u8)> = (0..).zip(defects).collect();
                (Just(filed.clone()), Just(filed).prop_shuffle())
            }),
        ) {
            let run = |order: &[(u64, u8)]| {
                let mut docket = Docket::default();
                order.iter().for_each(|(position, defect)| docket.file(candidate(*position, *defect)));
                let tried: Vec<u64> = std::iter::from_fn(|| docket.next(u64::MAX, |_| true)).map(|c| c.position).collect();
                (tried, docket.seen(&candidate(0, 0).key))
            };
            let (tried, seen) = run(&shuffled);
            prop_assert!(tried.is_sorted());
            let expected: Vec<u64> = filed
                .iter()
                .filter(|(position, defect)| {
                    filed.iter().filter(|(p, d)| d == defect && p < position).count() < MAX_TRIES
                })
                .map(|(position, _)| *position)
                .collect();
            prop_assert_eq!(&tried, &expected);
            filed.retain(|(_, defect)| *defect == 0);
            prop_assert_eq!(seen as usize, filed.len().max(1));
        }
    }

    #[test]
    fn nothing_is_handed_out_before_earlier_cases_are_judged() {
        let mut docket = Docket::default();
        docket.file(candidate(5, 1));
        assert!(docket.next(5, |_| true).is_none());
        docket.file(candidate(3, 1));
        assert_eq!(docket.next(6, |_| true).map(|c| c.position), Some(3));
        docket.settle(&candidate(0, 1).key);
        assert!(docket.next(6, |_| true).is_none());
        assert_eq!(docket.seen(&candidate(0, 1).key), 2);
    }
}
