//! Judging exchanges: every applicable check, each contained.

use std::sync::atomic::{AtomicBool, Ordering};

use super::contain::contain;
use crate::check::{Check, Context, Exchange, Suspicion};

/// The checks of a scan and which of them broke.
pub(super) struct Judges {
    checks: Vec<&'static dyn Check>,
    /// Checks that panicked; they stay out for the rest of the scan.
    broken: Vec<AtomicBool>,
}

/// A bit a check.
pub(super) type CheckSet = u128;

/// What the checks said about one exchange.
#[derive(Default)]
pub(super) struct Judged {
    pub(super) applied: CheckSet,
    pub(super) suspicions: Vec<(usize, Suspicion)>,
    /// The check that panicked just now.
    pub(super) broke: Option<&'static str>,
}

impl Judges {
    pub(super) fn new(mut checks: Vec<&'static dyn Check>) -> Self {
        checks.truncate(CheckSet::BITS as usize);
        let broken = checks.iter().map(|_| AtomicBool::new(false)).collect();
        Self { checks, broken }
    }

    pub(super) fn get(&self, index: usize) -> Option<&'static dyn Check> {
        self.checks.get(index).copied()
    }

    /// Every check that has something to say.
    pub(super) fn judge(&self, cx: &Context<'_>, exchange: &Exchange) -> Judged {
        let mut judged = Judged::default();
        for (index, (check, broken)) in self.checks.iter().zip(&self.broken).enumerate() {
            if broken.load(Ordering::Relaxed) {
                continue;
            }
            let verdict = contain(|| check.applies(cx, exchange).then(|| check.judge(cx, exchange)));
            match verdict {
                Some(Some(suspicions)) => {
                    judged.applied |= 1 << index;
                    judged.suspicions.extend(suspicions.into_iter().map(|suspicion| (index, suspicion)));
                }
                Some(None) => {}
                None => {
                    broken.store(true, Ordering::Relaxed);
                    judged.broke = Some(check.info().id);
                }
            }
        }
        judged
    }

    /// The same suspicion by the same check, if the exchange raises it again.
    pub(super) fn again(
        &self,
        check: usize,
        cx: &Context<'_>,
        exchange: &Exchange,
        first: &Suspicion,
    ) -> Option<Suspicion> {
        let check = self.get(check)?;
        let raised = contain(|| check.applies(cx, exchange).then(|| check.judge(cx, exchange))).flatten()?;
        raised.into_iter().find(|raised| raised.is_same(first))
    }
}
