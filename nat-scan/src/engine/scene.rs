//! What security checks find when they begin, set up a second time: for findings that are asked again.

use std::sync::Arc;

use super::ScanConfig;
use super::budget::Stop;
use super::clean_up::clean_up;
use super::execute::Driver;
use super::judge::Judges;
use super::narrate::Narrator;
use super::plan::{Plan, Selection};
use super::run::{before_harm, waves};
use super::scope::Scope;
use super::session::Session;
use super::slow::Slow;
use crate::check::Exchange;
use crate::generate::Base;

/// The valid requests of a scan, sent, and what they got.
pub(super) struct Scene {
    driver: Driver,
    /// By index of operation, as in [`crate::check::SecurityContext`].
    pub(super) baselines: Vec<Option<Exchange>>,
    /// What each operation accepted.
    pub(super) accepted: Vec<Option<Base>>,
    /// What was kept.
    pub(super) traffic: Vec<(usize, Exchange)>,
}

impl Scene {
    /// Sends what a security scan with this configuration sends before its checks.
    pub(super) async fn set(session: &Arc<Session>, config: &ScanConfig) -> Self {
        let scope = Scope::new(&session.api, &session.base_path, &config.exclude, config.safe_mode);
        let operations = scope.operations();
        let count = operations.len();
        let max_cases = config.max_requests / 5 * 2;
        let what = Selection { operations, sample: true, safe_mode: config.safe_mode, max_cases };
        let words = Arc::clone(&session.words);
        let plan = Plan::new(Arc::clone(&session.api), session.base_path.clone(), config.seed, words, what);
        let narrator = Narrator::new(Arc::new(|_| {}));
        let slow = Slow::new(config.max_duration, config.concurrency, count);
        let judges = Judges::new(Vec::new());
        let mut driver = Driver::new(Arc::clone(session), judges, plan, narrator, true, count, slow);
        // Cut short by the budget, it is what there is.
        let _: Option<Stop> = waves(&mut driver, before_harm(), &[], None, &mut (0, 0)).await;
        let baselines = driver.tallies.iter().map(|tally| tally.control_copy()).collect();
        let operations = session.api.operations.iter();
        let accepted = operations.map(|operation| driver.lessons.accepted(operation)).collect();
        let traffic = driver.take_traffic();
        Self { driver, baselines, accepted, traffic }
    }

    /// Removes what was made.
    pub(super) async fn strike(mut self) {
        clean_up(&mut self.driver).await;
    }
}
