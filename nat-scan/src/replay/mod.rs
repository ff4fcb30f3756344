//! Findings asked again: is the defect still there?
//!
//! The steps of a finding are sent through the same policy, budget and identities as a scan's requests; the last answer
//! goes to the check that made the finding. It is *reproduced* when the check finds the same fingerprint, *fixed* when
//! the check is content and the answer says something, *changed* when another defect or another answer stands in its
//! place, and *undecidable* when the question could not be put. Doubt never becomes "fixed".

mod compare;
mod fill;
mod judge;
mod play;
#[cfg(test)]
mod tests;

use serde::{Deserialize, Serialize};
use tokio_util::sync::CancellationToken;

use crate::check::security::authentication::anonymous::AuthenticationIgnored;
use crate::check::{SecurityCheck, functional, security};
use crate::engine::{EnginePorts, Recheck, ScanConfig, ScanFailure, ScanKind};
use crate::finding::Finding;
use crate::spec::Operation;

/// What became of a finding.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// Still there.
    Reproduced,
    /// Gone.
    Fixed,
    /// Something else is there now.
    Changed,
    /// Nobody can say.
    Undecidable,
}

impl State {
    /// `reproduced`, `fixed`, `changed`, `undecidable`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Reproduced => "reproduced",
            Self::Fixed => "fixed",
            Self::Changed => "changed",
            Self::Undecidable => "undecidable",
        }
    }
}

/// What became of one finding, and why we think so.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verdict {
    /// Fingerprint of the finding.
    pub id: String,
    /// What became of it.
    pub state: State,
    /// A sentence.
    pub why: String,
    /// The status that the probe got now.
    pub status: Option<u16>,
}

impl Verdict {
    fn new(finding: &Finding, state: State, why: impl Into<String>) -> Self {
        Self { id: finding.id.clone(), state, why: why.into(), status: None }
    }

    fn answered(self, status: Option<u16>) -> Self {
        Self { status, ..self }
    }
}

/// Asks about each finding, one after the other: a verdict for each, in order. `config.target` says where; the paths are
/// those of the steps. A target that cannot be reached makes every verdict undecidable.
///
/// # Errors
/// Why no question could be put at all: as a scan fails.
pub async fn verify(
    findings: &[Finding],
    config: &ScanConfig,
    ports: &EnginePorts,
    cancel: &CancellationToken,
) -> Result<Vec<Verdict>, ScanFailure> {
    let mut config = config.clone();
    if attacks(findings) {
        config.kind = ScanKind::Security;
    }
    let recheck = Recheck::open(&config, ports, cancel).await?;
    let mut verdicts: Vec<Option<Verdict>> = findings.iter().map(|_| None).collect();
    // Security checks in the order of a scan: some end sessions or strain the target.
    let mut order: Vec<usize> = (0..findings.len()).collect();
    order.sort_by_key(|at| findings.get(*at).and_then(security_check).map(|check| check.turn()));
    for at in order {
        let Some(finding) = findings.get(at) else { continue };
        let verdict = tokio::select! {
            biased;
            () = recheck.halted() => Verdict::new(finding, State::Undecidable, "stopped before it was asked"),
            verdict = ask(&recheck, finding) => verdict,
        };
        if let Some(place) = verdicts.get_mut(at) {
            *place = Some(verdict);
        }
    }
    if !cancel.is_cancelled() {
        recheck.close().await;
    }
    Ok(verdicts.into_iter().flatten().collect())
}

/// Whether asking about these findings runs security checks.
#[must_use]
pub fn attacks(findings: &[Finding]) -> bool {
    findings.iter().any(|finding| security_check(finding).is_some_and(|check| check.info().id != F080))
}

/// The check of protected operations in a functional scan.
const F080: &str = "F080";

fn security_check(finding: &Finding) -> Option<&'static dyn SecurityCheck> {
    let contract: &'static dyn SecurityCheck = &AuthenticationIgnored::CONTRACT;
    security::all().into_iter().chain([contract]).find(|check| check.info().id == finding.check_id)
}

async fn ask(recheck: &Recheck, finding: &Finding) -> Verdict {
    let functional = functional::all().iter().find(|check| check.info().id == finding.check_id);
    let security = security_check(finding);
    if finding.steps.is_empty() {
        let is_static = finding.evidence.first().is_some_and(|evidence| evidence.role == "static");
        return match security {
            Some(check) if is_static => judge::security_of_document(recheck, finding, check).await,
            Some(check) if recheck.finds(check, &finding.id).await => judge::again(finding),
            _ => about_document(recheck, finding),
        };
    }
    match (functional, security) {
        (Some(check), _) if finding.origin.is_some() => judge::functional(recheck, finding, *check).await,
        (_, Some(check)) => judge::security(recheck, finding, check).await,
        _ => judge::by_answer(recheck, finding).await,
    }
}

/// A finding about the document needs no request.
fn about_document(recheck: &Recheck, finding: &Finding) -> Verdict {
    if finding.evidence.first().is_none_or(|evidence| evidence.role != "static") {
        return Verdict::new(finding, State::Undecidable, "the finding holds no requests to send");
    }
    let mut faults = functional::static_findings(recheck.api(), recheck.report(), finding.first_seen);
    faults.extend(security::static_findings(recheck.api(), recheck.report(), finding.first_seen));
    if faults.iter().any(|fault| fault.id == finding.id) {
        return Verdict::new(finding, State::Reproduced, "the document still has the fault");
    }
    let is_there = |operation: &Operation| operation.endpoint() == finding.endpoint;
    match finding.endpoint == "*" || recheck.api().operations.iter().any(is_there) {
        true => Verdict::new(finding, State::Fixed, "the document has the fault no more"),
        false => Verdict::new(finding, State::Changed, "the document has the operation no more"),
    }
}
