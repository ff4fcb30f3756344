//! What a scan may spend: requests, bytes and time, with a share that is kept back for proofs.

use std::sync::atomic::{AtomicU64, Ordering};

use tokio::time::{Duration, Instant};

/// Why sending stopped before the plan was done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stop {
    Cancelled,
    Requests,
    Time,
    Bytes,
    Unreachable,
    Crashed,
    Throttled,
}

impl Stop {
    /// The sentence for the user.
    pub(super) const fn notice(self) -> &'static str {
        match self {
            Self::Cancelled => "The scan was cancelled; what it found until then is kept.",
            Self::Requests => "The request budget ran out before the plan was done.",
            Self::Time => "The time budget ran out before the plan was done.",
            Self::Bytes => "The byte budget ran out before the plan was done.",
            Self::Unreachable => "The target became unreachable during the scan; the results until then are kept.",
            Self::Crashed => "The target stopped answering after one of our requests; the scan ended there.",
            Self::Throttled => {
                "The target answered only 429 or 503 for a long time; the rest of the scan was given up."
            }
        }
    }

    /// Why an operation was never tried.
    pub(super) const fn reason(self) -> &'static str {
        match self {
            Self::Cancelled => "not tried: the scan was cancelled",
            Self::Requests => "not tried: the request budget ran out",
            Self::Time => "not tried: the time budget ran out",
            Self::Bytes => "not tried: the byte budget ran out",
            Self::Unreachable => "not tried: the target became unreachable",
            Self::Crashed => "not tried: the target stopped answering",
            Self::Throttled => "not tried: the target throttles",
        }
    }
}

/// What a request is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    /// Reachability and security probes.
    Probe,
    /// Discovery, documents and crawling.
    Document,
    /// A case of the plan.
    Case,
    /// The proof of a suspicion.
    Proof,
    /// A smaller request for what is proved: out of the first half of the reserve, so that proofs always have the other.
    Minimise,
}

/// Milliseconds for smaller requests that no scan has to earn.
const MINIMISE_AT_ONCE: u64 = 2_000;

/// Counters. Cases may use all but the reserve, so that the number of cases sent does not depend on how proofs and
/// cases interleave.
#[derive(Debug)]
pub(super) struct Budget {
    max_requests: u64,
    max_bytes: u64,
    begun: Instant,
    deadline: Instant,
    /// Milliseconds spent on smaller requests.
    minimising: AtomicU64,
    others: AtomicU64,
    proofs: AtomicU64,
    reserve: AtomicU64,
    bytes: AtomicU64,
}

impl Budget {
    pub(super) fn new(max_requests: u64, max_bytes: u64, max_duration: Duration) -> Self {
        // Far enough for every scan, near enough for the clock's arithmetic.
        let duration = max_duration.min(Duration::from_secs(30 * 24 * 3600));
        Self {
            max_requests,
            max_bytes,
            begun: Instant::now(),
            deadline: Instant::now() + duration,
            minimising: AtomicU64::new(0),
            others: AtomicU64::new(0),
            proofs: AtomicU64::new(0),
            reserve: AtomicU64::new(max_requests / 5),
            bytes: AtomicU64::new(0),
        }
    }

    /// One request, if it may be sent.
    pub(super) fn take(&self, purpose: Purpose) -> bool {
        if self.bytes.load(Ordering::Relaxed) >= self.max_bytes {
            return false;
        }
        let (counter, other, limit) = match purpose {
            Purpose::Proof => (&self.proofs, 0, self.reserve.load(Ordering::Relaxed)),
            Purpose::Minimise => (&self.proofs, 0, self.reserve.load(Ordering::Relaxed) / 2),
            Purpose::Case => (&self.others, self.reserve.load(Ordering::Relaxed), self.max_requests),
            Purpose::Probe | Purpose::Document => {
                (&self.others, self.proofs.load(Ordering::Relaxed), self.max_requests)
            }
        };
        counter
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |used| (used + other < limit).then_some(used + 1))
            .is_ok()
    }

    /// Whether there is time for smaller requests: a tenth of what went by, and a little at once. They keep the proof lane,
    /// and on a slow target a scan is there to find things first.
    pub(super) fn may_minimise(&self) -> bool {
        let passed = u64::try_from(self.begun.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.minimising.load(Ordering::Relaxed) < passed / 10 + MINIMISE_AT_ONCE
    }

    pub(super) fn minimised(&self, took: Duration) {
        self.minimising.fetch_add(u64::try_from(took.as_millis()).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    /// Hands most of what no proof needed to the cases; false when there is nothing to hand over. Call it only while no
    /// proof is running.
    pub(super) fn release(&self) -> bool {
        let (reserve, used) = (self.reserve.load(Ordering::Relaxed), self.proofs.load(Ordering::Relaxed));
        let free = reserve.saturating_sub(used);
        if free == 0 {
            return false;
        }
        self.reserve.store(used + free / 5, Ordering::Relaxed);
        true
    }

    pub(super) fn receive(&self, bytes: u64) {
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    pub(super) fn requests(&self) -> u64 {
        self.others.load(Ordering::Relaxed) + self.proofs.load(Ordering::Relaxed)
    }

    /// Requests that probes may still use.
    pub(super) fn left(&self) -> u64 {
        self.max_requests.saturating_sub(self.requests())
    }

    pub(super) fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }

    pub(super) const fn deadline(&self) -> Instant {
        self.deadline
    }

    /// The last tenth of the time: what is suspected is proved before anything else is asked.
    pub(super) fn is_late(&self) -> bool {
        let now = Instant::now();
        self.deadline.saturating_duration_since(now) < self.deadline.duration_since(self.begun) / 10
    }

    /// The budget that refuses, if one does.
    pub(super) fn exhausted(&self) -> Option<Stop> {
        if self.bytes() >= self.max_bytes {
            Some(Stop::Bytes)
        } else if Instant::now() >= self.deadline {
            Some(Stop::Time)
        } else if self.left() == 0 {
            Some(Stop::Requests)
        } else {
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn budget(requests: u64) -> Budget {
        Budget::new(requests, 1000, Duration::from_secs(60))
    }

    #[tokio::test]
    async fn cases_leave_the_reserve_to_proofs_until_it_is_released() {
        let budget = budget(10);
        let cases = (0..20).filter(|_| budget.take(Purpose::Case)).count();
        assert_eq!(cases, 8);
        assert!(budget.take(Purpose::Proof));
        assert!(budget.release());
        assert!(budget.take(Purpose::Case));
        assert!(!budget.release(), "nothing is left to release");
        assert!(!budget.take(Purpose::Case));
        assert_eq!(budget.requests(), 10);
        assert_eq!(budget.exhausted(), Some(Stop::Requests));
    }

    #[tokio::test]
    async fn proofs_never_take_more_than_a_fifth() {
        let budget = budget(100);
        assert_eq!((0..200).filter(|_| budget.take(Purpose::Proof)).count(), 20);
    }

    #[tokio::test]
    async fn smaller_requests_never_take_more_than_a_tenth_and_leave_the_rest_to_proofs() {
        let budget = budget(100);
        assert_eq!((0..200).filter(|_| budget.take(Purpose::Minimise)).count(), 10);
        assert_eq!((0..200).filter(|_| budget.take(Purpose::Proof)).count(), 10);
        assert!(!budget.take(Purpose::Minimise));
    }

    #[tokio::test]
    async fn bytes_stop_everything() {
        let budget = budget(10);
        budget.receive(1000);
        assert!(!budget.take(Purpose::Case));
        assert_eq!(budget.exhausted(), Some(Stop::Bytes));
    }
}
