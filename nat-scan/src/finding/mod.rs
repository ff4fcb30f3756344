//! A finding: one defect, proved, with its evidence. One truth, many writers.

mod builder;
mod curl;
mod cvss;
mod evidence;
mod parts;
mod redact;
mod sequence;
mod step;
#[cfg(test)]
mod tests;

pub use builder::{FindingBuilder, Role, fingerprint};
pub use cvss::{base_score, severity_of};
pub use parts::{BodyParts, RequestParts, ResponseParts};
pub use redact::Redactor;
pub(crate) use redact::masked;
pub use sequence::Sequence;
pub use step::{Capture, CaptureFrom, Origin, Step, StepBody, StepHeader};
pub(crate) use step::{placeholder, placeholders};

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

/// How bad.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// Worth knowing.
    Info,
    /// Small.
    Low,
    /// To be fixed.
    Medium,
    /// To be fixed now.
    High,
    /// Stop and fix.
    Critical,
}

impl Severity {
    /// From the worst.
    pub const ALL: [Severity; 5] = [Self::Critical, Self::High, Self::Medium, Self::Low, Self::Info];

    /// Lower-case name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
            Self::Critical => "critical",
        }
    }
}

/// How sure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Confidence {
    /// Unique evidence, repeated.
    Confirmed,
    /// A difference, repeated.
    Firm,
    /// Seen, not proved.
    Tentative,
}

impl Confidence {
    /// Lower-case name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Confirmed => "confirmed",
            Self::Firm => "firm",
            Self::Tentative => "tentative",
        }
    }
}

/// A CVSS 3.1 rating.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Cvss {
    /// `CVSS:3.1/AV:N/…`
    pub vector: String,
    /// 0.0 to 10.0
    pub score: f32,
}

impl Cvss {
    /// From a base vector; none when it is not a complete one.
    #[must_use]
    pub fn from_vector(vector: &str) -> Option<Self> {
        Some(Self { vector: vector.to_owned(), score: base_score(vector)? })
    }
}

/// One exchange as evidence: redacted, bodies cut at 64 KiB.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Evidence {
    /// `baseline`, `probe`, `control`, `repeat` or `static`.
    pub role: String,
    /// Request line, headers, body as text; secrets replaced by `[redacted]`.
    pub request: String,
    /// Status line, headers, body as text, or the transport error.
    pub response: String,
    /// When it was sent.
    pub at: DateTime<Utc>,
}

/// A defect.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Finding {
    /// Fingerprint v1: hex SHA-256 over check, method, path template, slot and discriminant; no host, value or time.
    pub id: String,
    /// For example `F001`.
    pub check_id: String,
    /// A short sentence.
    pub title: String,
    /// How bad.
    pub severity: Severity,
    /// How sure.
    pub confidence: Confidence,
    /// `GET /users/{id}`, or `*` for the whole API.
    pub endpoint: String,
    /// The slot: `query limit`, `response /items/[]/name`, `header X-Foo`; empty when the whole answer is meant.
    pub location: String,
    /// `CWE-…`
    pub cwe: Vec<String>,
    /// `API1:2023`, or none.
    pub owasp: Option<String>,
    /// For security findings.
    pub cvss: Option<Cvss>,
    /// What it is.
    pub description: String,
    /// Why this is a defect: built from the difference that was seen.
    pub explanation: String,
    /// What to do.
    pub remediation: String,
    /// The proof.
    pub evidence: Vec<Evidence>,
    /// One line that repeats the request; secrets as `$NAT_TOKEN`-like variables.
    pub curl: String,
    /// When it was first seen in this scan.
    pub first_seen: DateTime<Utc>,
    /// How often the same fingerprint was seen.
    pub occurrences: u32,
    /// JSON pointer into the spec, when one place is meant.
    pub spec_pointer: Option<String>,
    /// Findings with the same cause share this key (same stack frame, same missing header).
    pub cause: String,
    /// The requests that reproduce it, in order, the probe last; none when it cannot be replayed (what is wrong with the
    /// document alone, requests too large to keep, reports of older versions).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub steps: Vec<Step>,
    /// Where the probe came from; none for probes of security checks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub origin: Option<Origin>,
}

impl Finding {
    /// Reproduced by these requests instead of by the probe alone; see [`FindingBuilder::sequence`].
    #[must_use]
    pub fn with_steps(mut self, steps: Vec<Step>) -> Self {
        self.steps = steps;
        self
    }
}
