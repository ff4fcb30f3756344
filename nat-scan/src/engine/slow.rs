//! Operations that take long. Few of their requests are under way at once, and after those that are quick; what one of
//! them takes in all is bounded, so that a scan is not about waiting.

use std::collections::{BTreeSet, HashMap, VecDeque};

use tokio::time::Duration;

use super::plan::Planned;
use crate::generate::Phase;

/// An answer that takes this long makes its operation slow.
pub(super) const LONG: Duration = Duration::from_secs(2);
/// Requests that wait; further ones are left out.
const MAX_WAITING: usize = 5_000;
/// What one slow operation may take where there are many operations: this part of the scan, and not more than that.
const SHARE: (u32, Duration) = (10, Duration::from_secs(30));
/// With fewer requests than these, some of which may be quick, it may take so many times its part.
const LEAST: (usize, u32) = (24, 4);

/// What becomes of a planned case.
pub(super) enum Turn {
    Now(Box<Planned>),
    /// It waits, or is left out.
    Not,
}

/// What a slow operation took so far.
#[derive(Clone, Copy, Default)]
struct Spent {
    time: Duration,
    requests: usize,
}

pub(super) struct Slow {
    spent: HashMap<usize, Spent>,
    in_flight: usize,
    waiting: VecDeque<Planned>,
    allowance: Duration,
    left_out: BTreeSet<usize>,
}

impl Slow {
    /// For a scan that may take this long, with so many requests at once and operations in all.
    pub(super) fn new(duration: Duration, at_once: usize, operations: usize) -> Self {
        let (part, most) = SHARE;
        let fair = duration.saturating_mul(u32::try_from(at_once).unwrap_or(u32::MAX))
            / u32::try_from(operations.max(1)).unwrap_or(u32::MAX);
        Self {
            spent: HashMap::new(),
            in_flight: 0,
            waiting: VecDeque::new(),
            allowance: fair.max((duration / part).min(most)),
            left_out: BTreeSet::new(),
        }
    }

    pub(super) fn is(&self, operation: usize) -> bool {
        self.spent.contains_key(&operation)
    }

    fn had_its_part(&self, operation: usize) -> bool {
        let Some(Spent { time, requests }) = self.spent.get(&operation) else { return false };
        let (least, times) = LEAST;
        *time >= if *requests < least { self.allowance * times } else { self.allowance }
    }

    /// A request of the plan comes up. The happy path is what everything else builds upon: it waits for nobody.
    pub(super) fn admit(&mut self, planned: Planned) -> Turn {
        let operation = planned.case.operation;
        if !self.is(operation) {
            return Turn::Now(Box::new(planned));
        }
        if planned.case.phase == Phase::HappyPath {
            self.in_flight += 1;
            return Turn::Now(Box::new(planned));
        }
        if self.had_its_part(operation) || self.waiting.len() >= MAX_WAITING {
            self.left_out.insert(operation);
        } else {
            self.waiting.push_back(planned);
        }
        Turn::Not
    }

    /// One of those that wait, when so few are under way that it may go. `alone`: nothing else is left to send.
    pub(super) fn next(&mut self, width: usize, alone: bool) -> Option<Planned> {
        if !alone && self.in_flight >= width / 4 {
            return None;
        }
        while let Some(planned) = self.waiting.pop_front() {
            let operation = planned.case.operation;
            if !self.had_its_part(operation) {
                self.in_flight += 1;
                return Some(planned);
            }
            self.left_out.insert(operation);
        }
        None
    }

    /// What came of a request that is under way no more.
    pub(super) fn landed(&mut self, operation: usize, took: Duration) {
        match self.spent.get_mut(&operation) {
            Some(spent) => {
                spent.time += took;
                spent.requests += 1;
                self.in_flight = self.in_flight.saturating_sub(1);
            }
            None if took >= LONG => drop(self.spent.insert(operation, Spent { time: took, requests: 1 })),
            None => {}
        }
    }

    /// A wave ends, perhaps early: what waits belongs to it.
    pub(super) fn end(&mut self) {
        self.in_flight = 0;
        self.waiting.clear();
    }

    /// Operations of which requests were left out.
    pub(super) const fn left_out(&self) -> &BTreeSet<usize> {
        &self.left_out
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::generate::{Case, Intent};
    use crate::transport::Request;

    fn planned(operation: usize, phase: Phase) -> Planned {
        let case = Case {
            operation,
            phase,
            ordinal: 0,
            label: String::new(),
            intent: Intent::Positive,
            method: None,
            arguments: Vec::new(),
            body: None,
            bindings: Vec::new(),
        };
        Planned { position: 0, case, request: Request::new("GET", "/") }
    }

    #[test]
    fn slow_operations_wait_and_do_not_take_everything() {
        let mut slow = Slow::new(Duration::from_secs(60), 4, 100);
        let now = |turn: Turn| matches!(turn, Turn::Now(_));
        assert!(now(slow.admit(planned(1, Phase::Coverage))), "nobody knows yet");
        slow.landed(1, Duration::from_secs(3));
        slow.landed(2, Duration::from_millis(3));
        assert!(now(slow.admit(planned(2, Phase::Coverage))));
        assert!(now(slow.admit(planned(1, Phase::HappyPath))));
        slow.landed(1, Duration::from_secs(1));
        for _ in 0..4 {
            assert!(!now(slow.admit(planned(1, Phase::Coverage))));
        }
        assert!(slow.next(4, false).is_some());
        assert!(slow.next(4, false).is_none(), "one of four at a time");
        assert!(slow.next(4, true).is_some(), "when nothing else is left, more");
        (0..LEAST.0).for_each(|_| slow.landed(1, Duration::from_millis(200)));
        assert!(slow.next(4, true).is_none(), "it had its share of six seconds");
        assert!(!now(slow.admit(planned(1, Phase::Random))));
        assert_eq!(slow.left_out().iter().copied().collect::<Vec<_>>(), [1]);
        let alone = Slow::new(Duration::from_secs(60), 4, 2);
        assert_eq!(alone.allowance, Duration::from_secs(120), "where all are slow, each gets its part");
    }
}
