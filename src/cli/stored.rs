//! Reports that were written with `--format json`, read again.

use std::path::Path;

use nat::scan::engine::Outcome;
use nat::scan::finding::Finding;
use serde_json::Value;

/// A report file: the outcome of a scan, or one finding of it.
pub(super) enum Stored {
    /// `nat scan --format json`.
    Report {
        /// As the report names it.
        scan_id: String,
        /// The scan.
        outcome: Box<Outcome>,
    },
    /// One element of `findings`.
    Finding(Box<Finding>),
}

impl Stored {
    /// Reads a file.
    ///
    /// # Errors
    /// A sentence for the user.
    pub(super) fn read(path: &Path) -> Result<Self, String> {
        let name = path.display();
        let bytes = std::fs::read(path).map_err(|error| format!("{name}: {error}"))?;
        let value: Value = serde_json::from_slice(&bytes).map_err(|error| format!("{name} is no JSON: {error}"))?;
        let not_ours = |error| format!("{name} is no report of nat scan --format json: {error}");
        if value.get("findings").is_none() && value.get("check_id").is_some() {
            return serde_json::from_value(value).map(|finding| Self::Finding(Box::new(finding))).map_err(not_ours);
        }
        let scan_id = value.get("scan_id").and_then(Value::as_str).unwrap_or_default().to_owned();
        let outcome = serde_json::from_value(value).map_err(not_ours)?;
        Ok(Self::Report { scan_id, outcome: Box::new(outcome) })
    }

    /// The scan; of a single finding one that found only that.
    pub(super) fn into_outcome(self) -> (String, Outcome) {
        match self {
            Self::Report { scan_id, outcome } => (scan_id, *outcome),
            Self::Finding(finding) => {
                let seed = finding.origin.as_ref().map_or(0, |origin| origin.seed);
                let mut outcome = Outcome::blank("functional", "", seed, finding.first_seen);
                outcome.findings.push(*finding);
                (String::new(), outcome)
            }
        }
    }

    /// Every finding.
    pub(super) fn findings(&self) -> &[Finding] {
        match self {
            Self::Report { outcome, .. } => &outcome.findings,
            Self::Finding(finding) => std::slice::from_ref(finding),
        }
    }

    /// The base URL that was scanned, when the file says so.
    pub(super) fn target(&self) -> Option<&str> {
        match self {
            Self::Report { outcome, .. } => Some(&outcome.target),
            Self::Finding(_) => None,
        }
    }

    /// The seed of the scan.
    pub(super) fn seed(&self) -> Option<u64> {
        match self {
            Self::Report { outcome, .. } => Some(outcome.seed),
            Self::Finding(finding) => finding.origin.as_ref().map(|origin| origin.seed),
        }
    }

    /// The one finding whose id begins so; without `id` the only one.
    ///
    /// # Errors
    /// A sentence for the user.
    pub(super) fn pick(&self, id: Option<&str>) -> Result<&Finding, String> {
        let prefix = id.unwrap_or_default();
        let mut matching = self.findings().iter().filter(|finding| finding.id.starts_with(prefix));
        match (matching.next(), matching.next(), id) {
            (Some(one), None, _) => Ok(one),
            (Some(_), Some(_), Some(id)) => Err(format!("more than one finding has an id that begins with '{id}'")),
            (Some(_), Some(_), None) => Err("the report holds more than one finding: name one by its id".to_owned()),
            (None, _, Some(id)) => Err(format!("no finding has an id that begins with '{id}'")),
            (None, _, None) => Err("the report holds no finding".to_owned()),
        }
    }
}
