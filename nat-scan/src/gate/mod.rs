//! Does a scan pass? A baseline says which findings are known, rules say which do not count, an expression over the rest
//! decides.

mod baseline;
mod expression;
mod rules;

use std::collections::BTreeMap;

use chrono::NaiveDate;
use serde::Serialize;

pub use baseline::{Baseline, Entry};
pub use expression::{Gate, GateError};
pub use rules::{Rule, Rules};

use crate::engine::Outcome;
use crate::finding::{Confidence, Finding, Severity};

/// What holds where nothing else is asked for: a new finding that is proved and at least high.
pub const DEFAULT: &str = "new.proved.critical > 0 || new.proved.high > 0";

/// Parses a gate over the names that [`Review::value`] knows.
///
/// # Errors
/// [`GateError`] with the column.
pub fn parse(text: &str) -> Result<Gate, GateError> {
    let nothing = Outcome::blank("", "", 0, chrono::DateTime::UNIX_EPOCH);
    let review = Review { outcome: &nothing, statuses: Vec::new(), gone: Vec::new(), notices: Vec::new() };
    Gate::parse(text, |name| review.value(name).is_some())
}

/// The gate that fails at findings of at least this severity, whoever is sure of them, unless they are known.
#[must_use]
pub fn at_least(least: Severity) -> String {
    let severities = Severity::ALL.into_iter().filter(|severity| *severity >= least);
    severities.map(|severity| format!("new.{} > 0", severity.as_str())).collect::<Vec<_>>().join(" || ")
}

/// Where a finding stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// Not in the baseline.
    New,
    /// In the baseline.
    Unchanged,
    /// A rule with a reason lets it be.
    Suppressed,
}

/// A line of a baseline that has no finding any more.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Gone {
    /// The line.
    pub entry: Entry,
    /// Its operation was exercised in this scan: the finding is fixed. Otherwise nobody knows.
    pub fixed: bool,
}

/// An outcome beside its baseline and rules.
#[derive(Clone, Debug)]
pub struct Review<'a> {
    /// The scan.
    pub outcome: &'a Outcome,
    /// Where each finding stands, in the order of the outcome.
    pub statuses: Vec<Status>,
    /// Lines of the baseline without a finding.
    pub gone: Vec<Gone>,
    /// Sentences: what expired.
    pub notices: Vec<String>,
}

impl<'a> Review<'a> {
    /// How many findings have this status.
    #[must_use]
    pub fn count(&self, status: Status) -> usize {
        self.statuses.iter().filter(|one| **one == status).count()
    }

    /// Compares. Lines and rules whose day is over count no more, and it is said. Without a baseline all is new.
    #[must_use]
    pub fn of(outcome: &'a Outcome, baseline: &Baseline, rules: &Rules, today: NaiveDate) -> Self {
        let mut notices = Vec::new();
        let known: BTreeMap<&str, &Entry> = baseline.entries.iter().map(|entry| (entry.id.as_str(), entry)).collect();
        let mut expired_rules = vec![false; rules.rules.len()];
        let mut statuses = Vec::with_capacity(outcome.findings.len());
        for finding in &outcome.findings {
            let rule = rules.rules.iter().enumerate().find(|(_, rule)| rule.covers(finding) && rule.expires >= today);
            for (at, rule) in rules.rules.iter().enumerate() {
                expired_rules[at] |= rule.expires < today && rule.covers(finding);
            }
            let entry = known.get(finding.id.as_str());
            let is_over = entry.and_then(|entry| entry.expires).is_some_and(|expires| expires < today);
            if is_over {
                notices.push(format!("The baseline accepts {} no more: its day is over.", short(finding)));
            }
            statuses.push(match (rule, entry) {
                (Some(_), _) => Status::Suppressed,
                (None, Some(_)) if !is_over => Status::Unchanged,
                _ => Status::New,
            });
        }
        for (rule, _) in rules.rules.iter().zip(expired_rules).filter(|(_, expired)| *expired) {
            notices.push(format!(
                "Rule {} ({}) expired on {} and suppresses nothing any more.",
                rule.line, rule.reason, rule.expires
            ));
        }
        let seen = |id: &str| outcome.findings.iter().any(|finding| finding.id == id);
        let gone = baseline.entries.iter().filter(|entry| !seen(&entry.id));
        let gone = gone.map(|entry| Gone { entry: entry.clone(), fixed: was_exercised(outcome, &entry.endpoint) });
        Self { outcome, statuses, gone: gone.collect(), notices }
    }

    /// The value of an identifier of the expression.
    #[must_use]
    pub fn value(&self, name: &str) -> Option<f64> {
        let covered = self.outcome.operations.iter().filter(|operation| operation.covered).count();
        match name {
            "requests" => return Some(self.outcome.requests as f64),
            "coverage.covered" => return Some(covered as f64),
            // No operation at all is no coverage.
            "coverage.ops2xx" => return Some(covered as f64 / self.outcome.operations.len().max(1) as f64),
            _ => {}
        }
        let mut words: Vec<&str> = name.split('.').collect();
        let severity = match words.pop()? {
            "any" => None,
            word => Some(Severity::ALL.into_iter().find(|severity| severity.as_str() == word)?),
        };
        if words.is_empty() || words.len() > 3 {
            return None;
        }
        if words == ["fixed"] {
            let is_counted = |gone: &&Gone| gone.fixed && severity.is_none_or(|one| one == gone.entry.severity);
            return Some(self.gone.iter().filter(is_counted).count() as f64);
        }
        let scopes = words.into_iter().map(Scope::parse).collect::<Option<Vec<Scope>>>()?;
        let is_counted = |(finding, status): &(&Finding, &Status)| {
            severity.is_none_or(|one| one == finding.severity)
                && scopes.iter().all(|scope| scope.holds(finding, **status))
        };
        Some(self.outcome.findings.iter().zip(&self.statuses).filter(is_counted).count() as f64)
    }
}

/// Which findings an identifier counts. Suppressed ones count nowhere.
#[derive(Clone, Copy)]
enum Scope {
    All,
    New,
    Unchanged,
    Confidence(Confidence),
    Proved,
}

impl Scope {
    fn parse(word: &str) -> Option<Self> {
        Some(match word {
            "all" => Self::All,
            "new" => Self::New,
            "unchanged" => Self::Unchanged,
            "confirmed" => Self::Confidence(Confidence::Confirmed),
            "firm" => Self::Confidence(Confidence::Firm),
            "tentative" => Self::Confidence(Confidence::Tentative),
            "proved" => Self::Proved,
            _ => return None,
        })
    }

    fn holds(self, finding: &Finding, status: Status) -> bool {
        status != Status::Suppressed
            && match self {
                Self::All => true,
                Self::New => status == Status::New,
                Self::Unchanged => status == Status::Unchanged,
                Self::Confidence(confidence) => finding.confidence == confidence,
                Self::Proved => finding.confidence != Confidence::Tentative,
            }
    }
}

/// The operation answered a valid request with success, so that the finding would have shown itself. What is true of the
/// whole API needs one such operation.
fn was_exercised(outcome: &Outcome, endpoint: &str) -> bool {
    outcome.failure.is_none()
        && !outcome.cancelled
        && outcome.operations.iter().any(|operation| {
            operation.covered && (endpoint == "*" || endpoint == format!("{} {}", operation.method, operation.path))
        })
}

fn short(finding: &Finding) -> String {
    format!("{} {}", finding.check_id, finding.endpoint)
}

#[cfg(test)]
mod tests;
