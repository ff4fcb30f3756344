//! Usage periods: half-open intervals computed from time, never by a job.

use chrono::{DateTime, Utc};

/// `[start, end)`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Period {
    /// First instant.
    pub start: DateTime<Utc>,
    /// First instant of the next period: the published `quota_reset_date`.
    pub end: DateTime<Utc>,
}

/// The period that holds `at`: the calendar month in UTC without an anchor, else the anchored month, clamped at month
/// ends without eroding the anchor (31 January, 28 February, 31 March).
#[must_use]
pub fn period_at(anchor: Option<DateTime<Utc>>, at: DateTime<Utc>) -> Period {
    let _ = (anchor, at);
    todo!("core")
}
