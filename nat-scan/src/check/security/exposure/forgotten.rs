//! S-EDE: secrets in the answers of paths that nobody documented. S-INV found them; what they hold is another defect.

use std::collections::BTreeSet;

use super::data::{Hit, INFO, hits, is_of_target, rated};
use super::inventory::{self, Hidden};
use crate::check::{As, SecurityContext, Suspicion};
use crate::finding::{Confidence, Finding, Role, Severity, masked};

pub(super) async fn findings(cx: &SecurityContext<'_>) -> Vec<Finding> {
    let mut found = Vec::new();
    for one in inventory::known(cx).await.iter() {
        let again = hits(None, &one.repeat);
        let mut seen = BTreeSet::new();
        for hit in hits(None, &one.probe) {
            let comes_again = again.iter().any(|other| other.kind == hit.kind && other.location == hit.location);
            if comes_again && !is_of_target(cx, &hit.value) && seen.insert((hit.location.clone(), hit.kind)) {
                found.push(finding(cx, one, &hit, &again));
            }
        }
    }
    found
}

/// Probe, control (a path that nobody knows, in the same place) and repeat are those that showed that the path is alive.
fn finding(cx: &SecurityContext<'_>, one: &Hidden, hit: &Hit, again: &[Hit]) -> Finding {
    let is_public = one.who == As::Anonymous;
    let explanation = format!(
        "{} is not documented; its answer holds {} at '{}' ({}).{}",
        one.path,
        hit.kind.words(),
        hit.location,
        masked(&hit.value),
        if is_public { " It is given without credentials." } else { "" },
    );
    let location = format!("response {}", hit.location);
    let suspicion =
        Suspicion::new(Severity::Info, location, hit.kind.name(), explanation).confidence(Confidence::Confirmed);
    let all = hits(None, &one.probe);
    let report = cx.report.masking(all.iter().chain(again).map(|hit| hit.value.as_str()));
    let exchanges = [(Role::Probe, &one.probe), (Role::Control, &one.control), (Role::Repeat, &one.repeat)];
    rated(report.build(&INFO, &suspicion, None, &exchanges), hit.kind.harm(), is_public)
}
