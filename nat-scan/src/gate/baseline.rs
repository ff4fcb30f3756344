//! The baseline file: one line a finding, sorted, so that branches merge.
//!
//! ```text
//! # nat baseline 1
//! 3f9a…  high  F001  POST /pets  owner=anna  expires=2027-01-31  # known, see issue 12
//! ```

use std::collections::BTreeMap;
use std::fmt::Write as _;

use chrono::NaiveDate;
use serde::Serialize;

use crate::finding::{Finding, Severity};

const HEAD: &str = "# nat baseline 1";
/// Lines of one file.
const MAX_LINES: usize = 100_000;

/// A finding that is known.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Entry {
    /// Fingerprint.
    pub id: String,
    /// When it was accepted.
    pub severity: Severity,
    /// The check.
    pub check_id: String,
    /// `POST /pets`
    pub endpoint: String,
    /// Who cares.
    pub owner: Option<String>,
    /// The last day on which it is accepted.
    pub expires: Option<NaiveDate>,
    /// For people.
    pub comment: String,
}

/// Findings that are known.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Baseline {
    /// By fingerprint.
    pub entries: Vec<Entry>,
}

impl Baseline {
    /// Reads a file.
    ///
    /// # Errors
    /// A sentence with the number of the line.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut entries = BTreeMap::new();
        for (number, line) in (1..).zip(text.lines()) {
            let line = line.trim();
            if number > MAX_LINES {
                return Err(format!("the baseline has more than {MAX_LINES} lines"));
            }
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let entry = entry(line).map_err(|why| format!("line {number}: {why}"))?;
            entries.insert(entry.id.clone(), entry);
        }
        Ok(Self { entries: entries.into_values().collect() })
    }

    /// The same with every finding of a scan; what is written about those that were known stays.
    #[must_use]
    pub fn updated<'a>(mut self, findings: impl IntoIterator<Item = &'a Finding>) -> Self {
        for finding in findings {
            match self.entries.iter_mut().find(|entry| entry.id == finding.id) {
                Some(known) => known.severity = finding.severity,
                None => self.entries.push(Entry {
                    id: finding.id.clone(),
                    severity: finding.severity,
                    check_id: finding.check_id.clone(),
                    endpoint: finding.endpoint.clone(),
                    owner: None,
                    expires: None,
                    comment: finding.title.clone(),
                }),
            }
        }
        self
    }

    /// The same without the lines with these fingerprints.
    #[must_use]
    pub fn without(mut self, ids: &[&str]) -> Self {
        self.entries.retain(|entry| !ids.contains(&entry.id.as_str()));
        self
    }

    /// The file, sorted by fingerprint.
    #[must_use]
    pub fn to_text(&self) -> String {
        let mut entries: Vec<&Entry> = self.entries.iter().collect();
        entries.sort_by(|left, right| left.id.cmp(&right.id));
        let mut out = format!("{HEAD}\n");
        for entry in entries {
            let _ = write!(
                out,
                "{}  {}  {}  {}",
                entry.id,
                entry.severity.as_str(),
                one_word_gaps(&entry.check_id),
                one_word_gaps(&entry.endpoint)
            );
            if let Some(owner) = &entry.owner {
                let _ = write!(out, "  owner={}", one_word_gaps(owner));
            }
            if let Some(expires) = entry.expires {
                let _ = write!(out, "  expires={expires}");
            }
            let comment = one_word_gaps(&entry.comment);
            if !comment.is_empty() {
                let _ = write!(out, "  # {comment}");
            }
            out.push('\n');
        }
        out
    }
}

/// Fields are parted by two spaces: inside one there is none of that, and no end of a line.
fn one_word_gaps(text: &str) -> String {
    let text: String = text.chars().map(|char| if char.is_control() { ' ' } else { char }).collect();
    text.split_whitespace().collect::<Vec<_>>().join(" ").replace(" # ", " - ")
}

fn entry(line: &str) -> Result<Entry, String> {
    let (fields, comment) = line.split_once("  # ").map_or((line, ""), |(fields, comment)| (fields, comment.trim()));
    let mut fields = fields.split("  ").map(str::trim).filter(|field| !field.is_empty());
    let mut next = |what: &str| fields.next().map(str::to_owned).ok_or_else(|| format!("{what} is missing"));
    let id = next("the fingerprint")?;
    if !id.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Err(format!("'{id}' is no fingerprint"));
    }
    let severity = next("the severity")?;
    let severity = Severity::ALL
        .into_iter()
        .find(|known| known.as_str() == severity)
        .ok_or_else(|| format!("'{severity}' is no severity"))?;
    let (check_id, endpoint) = (next("the check")?, next("the operation")?);
    let mut entry = Entry { id, severity, check_id, endpoint, owner: None, expires: None, comment: comment.to_owned() };
    for field in fields {
        match field.split_once('=') {
            Some(("owner", owner)) => entry.owner = Some(owner.to_owned()),
            Some(("expires", day)) => {
                entry.expires = Some(day.parse().map_err(|_| format!("'{day}' is no day (YYYY-MM-DD)"))?);
            }
            _ => return Err(format!("'{field}' is neither owner= nor expires=")),
        }
    }
    Ok(entry)
}
