//! Sequences made short: steps that are not needed to show the defect are left out.
//!
//! The check says which of its steps nothing later builds upon ([`Spare`]); what makes a thing or names it is never one of
//! them. Each attempt works on things that it makes itself, so that nothing is changed or removed that was there before.
//! Nothing of this is part of the plan.

use std::collections::BTreeSet;

use tokio::time::Instant;

use super::session::Session;
use crate::check::stateful::{Raised, ResourceCheck, Spare, Stage};

/// Attempts for one finding, the confirmation included.
const MAX_ATTEMPTS: usize = 16;

/// Fewer steps that show the same, twice; none when all are needed, or there is no time to find out.
pub(super) async fn shorten(
    session: &Session,
    stage: &Stage<'_>,
    check: &dyn ResourceCheck,
    raised: &Raised,
) -> Option<Raised> {
    if raised.spare.is_empty() || !session.line.budget.may_minimise() {
        return None;
    }
    let begun = Instant::now();
    let mut without = BTreeSet::new();
    let mut best: Option<Raised> = None;
    // What is nearest to the probe first; the last attempt confirms.
    for spare in raised.spare.iter().rev().take(MAX_ATTEMPTS - 1) {
        let fewer: BTreeSet<Spare> = without.iter().chain([spare]).copied().collect();
        let least = best.as_ref().unwrap_or(raised).evidence.len();
        let attempt = again(stage, check, raised, &fewer).await;
        if let Some(shorter) = attempt.filter(|shorter| shorter.evidence.len() < least) {
            (best, without) = (Some(shorter), fewer);
        }
    }
    let confirmed = best.is_some() && again(stage, check, raised, &without).await.is_some();
    session.line.budget.minimised(begun.elapsed());
    let mut shorter = best.filter(|_| confirmed)?;
    let (from, to) = (raised.evidence.len(), shorter.evidence.len());
    shorter.suspicion.explanation.push_str(&format!(" The sequence was minimised from {from} to {to} steps."));
    Some(shorter)
}

/// What an attempt without these steps shows, if it is the same.
async fn again(
    stage: &Stage<'_>,
    check: &dyn ResourceCheck,
    like: &Raised,
    without: &BTreeSet<Spare>,
) -> Option<Raised> {
    let shown = check.attempt(&stage.shorter(like.operation, without.clone())).await;
    shown.into_iter().find(|one| one.is_like(like))
}
