//! One rule, and the finding that it makes.

use async_trait::async_trait;
use chrono::{DateTime, Utc};

use crate::check::{CheckInfo, SecurityCheck, SecurityContext, Suspicion, Turn};
use crate::finding::{Confidence, Finding, FindingBuilder, Severity};
use crate::spec::{Api, SpecVersion};

/// Places that a finding names.
const MAX_NAMED: usize = 10;

/// A loss that needs somebody else's mistake first: low.
pub(super) const LOW: Option<&str> = Some("CVSS:3.1/AV:N/AC:H/PR:N/UI:N/S:U/C:L/I:N/A:N");
/// Worth knowing.
pub(super) const INFO: Option<&str> = None;

/// A rule that reads the document.
pub(super) struct Rule {
    pub(super) info: &'static CheckInfo,
    /// How bad; none: worth knowing.
    pub(super) vector: Option<&'static str>,
    /// Every place that breaks it.
    pub(super) find: fn(&Api) -> Vec<Fault>,
}

/// A place that breaks a rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Fault {
    /// JSON pointer.
    pub(super) pointer: String,
    /// For people: `POST /users`, `query limit`.
    pub(super) what: String,
}

impl Fault {
    pub(super) fn new(pointer: impl Into<String>, what: impl Into<String>) -> Self {
        Self { pointer: pointer.into(), what: what.into() }
    }
}

impl Rule {
    pub(super) fn finding(&self, api: &Api, report: &FindingBuilder, at: DateTime<Utc>) -> Option<Finding> {
        // What was inferred from links nobody wrote.
        if api.spec_version == SpecVersion::Inferred {
            return None;
        }
        let operation = api.operations.first()?;
        let faults = (self.find)(api);
        let first = faults.first()?;
        let named: Vec<&str> = faults.iter().take(MAX_NAMED).map(|fault| fault.what.as_str()).collect();
        let more = match faults.len().saturating_sub(MAX_NAMED) {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        let places = if faults.len() == 1 { "1 place".to_owned() } else { format!("{} places", faults.len()) };
        let explanation = format!("{places} of the document: {}{more}.", named.join("; "));
        let suspicion = Suspicion::new(Severity::Info, "document", self.info.id, explanation)
            .confidence(Confidence::Confirmed)
            .pointer(first.pointer.clone())
            .api_wide();
        let pointers: Vec<&str> = faults.iter().take(MAX_NAMED).map(|fault| fault.pointer.as_str()).collect();
        let finding =
            report.build_static(self.info, &suspicion, operation, &pointers.join("\n"), self.info.description, at);
        Some(match self.vector {
            Some(vector) => finding.rated(vector),
            None => finding,
        })
    }
}

#[async_trait]
impl SecurityCheck for Rule {
    fn info(&self) -> &'static CheckInfo {
        self.info
    }

    fn turn(&self) -> Turn {
        Turn::Passive
    }

    async fn run(&self, cx: &SecurityContext<'_>) -> Vec<Finding> {
        let sent = cx.baselines.iter().flatten().chain(cx.traffic.iter().map(|(_, exchange)| exchange));
        let at = sent.map(|exchange| exchange.at).min().unwrap_or(DateTime::UNIX_EPOCH);
        self.finding(cx.api, cx.report, at).into_iter().collect()
    }
}
