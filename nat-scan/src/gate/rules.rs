//! The file of suppressions: one rule a line, with a reason and a last day.
//!
//! ```text
//! check=F064  op="GET /admin/*"  slot="header *"  expires=2027-01-31  reason="the gateway answers here"
//! ```

use chrono::NaiveDate;
use serde::Serialize;

use crate::engine::matches;
use crate::finding::Finding;

/// Lines of one file.
const MAX_RULES: usize = 10_000;

/// Findings that do not count.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Rule {
    /// Where it stands in the file.
    pub line: usize,
    /// Check id with `*`; none: every check.
    pub check: Option<String>,
    /// `METHOD /template` with `*`; none: every operation.
    pub operation: Option<String>,
    /// Slot with `*`; none: every slot.
    pub slot: Option<String>,
    /// The last day.
    pub expires: NaiveDate,
    /// Why.
    pub reason: String,
}

/// All rules of a file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rules {
    /// In order.
    pub rules: Vec<Rule>,
}

impl Rule {
    /// The finding is meant, whatever the day.
    #[must_use]
    pub fn covers(&self, finding: &Finding) -> bool {
        let fits = |pattern: &Option<String>, text: &str| pattern.as_ref().is_none_or(|pattern| matches(pattern, text));
        fits(&self.check, &finding.check_id)
            && fits(&self.operation, &finding.endpoint)
            && fits(&self.slot, &finding.location)
    }
}

impl Rules {
    /// Reads a file.
    ///
    /// # Errors
    /// A sentence with the number of the line.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut rules = Vec::new();
        for (number, line) in (1..).zip(text.lines()) {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            if rules.len() == MAX_RULES {
                return Err(format!("there are more than {MAX_RULES} rules"));
            }
            rules.push(rule(number, line).map_err(|why| format!("line {number}: {why}"))?);
        }
        Ok(Self { rules })
    }
}

fn rule(line: usize, text: &str) -> Result<Rule, String> {
    let (mut check, mut operation, mut slot, mut expires, mut reason) = (None, None, None, None, None);
    for (key, value) in fields(text)? {
        let place = match key.as_str() {
            "check" => &mut check,
            "op" => &mut operation,
            "slot" => &mut slot,
            "expires" => &mut expires,
            "reason" => &mut reason,
            _ => return Err(format!("'{key}' is none of check, op, slot, expires, reason")),
        };
        if place.replace(value).is_some() {
            return Err(format!("{key} stands there twice"));
        }
    }
    let day = expires.ok_or("a rule needs expires=YYYY-MM-DD")?;
    let expires = day.parse().map_err(|_| format!("'{day}' is no day (YYYY-MM-DD)"))?;
    let reason = reason.filter(|reason| !reason.trim().is_empty()).ok_or("a rule needs a reason=\"…\"")?;
    if check.is_none() && operation.is_none() && slot.is_none() {
        return Err("a rule names at least one of check, op and slot".to_owned());
    }
    Ok(Rule { line, check, operation, slot, expires, reason })
}

/// `key=word` and `key="words"`.
fn fields(text: &str) -> Result<Vec<(String, String)>, String> {
    let mut fields = Vec::new();
    let mut rest = text.trim();
    while !rest.is_empty() {
        let (key, after) = rest.split_once('=').ok_or_else(|| format!("'{rest}' is not key=value"))?;
        let (value, left) = match after.strip_prefix('"') {
            Some(quoted) => quoted.split_once('"').ok_or_else(|| format!("the quotation of {key} does not end"))?,
            None => after.split_once(char::is_whitespace).unwrap_or((after, "")),
        };
        fields.push((key.trim().to_owned(), value.to_owned()));
        rest = left.trim_start();
    }
    Ok(fields)
}
