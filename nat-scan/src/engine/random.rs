//! The random phase: epochs of random requests, until they show nothing new or have had their share.

use std::sync::Arc;

use super::budget::Stop;
use super::contain::contain;
use super::event::Event;
use super::execute::Driver;
use super::plan::{Harm, Wave};
use crate::check::functional::grants_credentials;
use crate::generate::plan::FULL;
use crate::generate::{self, Phase};

/// The part of the requests that are left which random ones may use: one in so many.
const SHARE: u64 = 3;
const WAVE: Wave = Wave { phase: Phase::Random, harm: Harm::None };

impl Driver {
    /// Explores every operation that does no harm; with `only_safe`, those that are safe by definition.
    pub(super) async fn explore(&mut self, only_safe: bool) -> Option<Stop> {
        let session = Arc::clone(&self.session);
        self.choose_fields(only_safe);
        // What the plan may hold, not what was sent: logins and proofs must not change it.
        let mut left = self.plan.left() / SHARE;
        let mut begun = false;
        loop {
            let cases = self.explorer.epoch(&session.api, &self.lessons.pool, session.seed, left);
            if cases.is_empty() {
                break;
            }
            if !std::mem::replace(&mut begun, true) {
                self.narrator.tell(Event::PhaseStarted(Phase::Random));
            }
            left = left.saturating_sub(cases.len() as u64);
            let stop = self.send_cases(WAVE, cases).await;
            self.explorer.learn();
            if stop.is_some() {
                return stop;
            }
        }
        if begun {
            self.progress(Phase::Random, true);
        }
        None
    }

    fn choose_fields(&mut self, only_safe: bool) {
        let session = Arc::clone(&self.session);
        let chosen: Vec<usize> = self
            .plan
            .selected(Harm::None)
            // Random credentials lock people out.
            .filter(|operation| !grants_credentials(operation) && operation.unusable.is_none())
            .filter(|operation| !only_safe || matches!(operation.method.as_str(), "GET" | "HEAD" | "OPTIONS"))
            .map(|operation| operation.index)
            .collect();
        for operation in chosen.into_iter().filter_map(|index| session.api.operations.get(index)) {
            let base = self.lessons.accepted(operation);
            if base.is_none() && (operation.path.contains('{') || self.lessons.is_hopeless(operation.index)) {
                continue;
            }
            let happy = contain(|| {
                generate::cases_upon(&session.api, operation, Phase::HappyPath, session.seed, base.as_ref())
            });
            let happy = happy.unwrap_or_default();
            let works = base.is_some();
            let (least, most) = base.map_or((None, None), |base| (Some(base.least), base.most));
            let Some(plain) = least.or_else(|| happy.first().cloned()) else { continue };
            let full = most.or_else(|| happy.into_iter().find(|case| case.label == FULL));
            let full = full.unwrap_or_else(|| plain.clone());
            self.explorer.add(&session.api, operation, plain, full, works);
        }
    }
}
