//! Usage periods: half-open intervals computed from time, never by a job.

use chrono::{DateTime, Datelike, Months, Utc};

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
///
/// A calendar month is the month anchored at the first of any month, so there is one rule only. Every boundary is the
/// anchor plus a whole number of months; none is computed from the boundary before it.
#[must_use]
pub fn period_at(anchor: Option<DateTime<Utc>>, at: DateTime<Utc>) -> Period {
    let anchor = anchor.unwrap_or(DateTime::UNIX_EPOCH);
    let months = month_number(at) - month_number(anchor);
    // The boundary inside the month of `at` may lie behind `at`; then the period began in the month before.
    let first = if boundary(anchor, months) <= at { months } else { months - 1 };
    Period { start: boundary(anchor, first), end: boundary(anchor, first + 1) }
}

fn month_number(at: DateTime<Utc>) -> i64 {
    i64::from(at.year()) * 12 + i64::from(at.month0())
}

/// The anchor moved by whole months; the ends of time stand in for what no calendar date can express.
fn boundary(anchor: DateTime<Utc>, months: i64) -> DateTime<Utc> {
    let count = Months::new(u32::try_from(months.unsigned_abs()).unwrap_or(u32::MAX));
    if months < 0 {
        anchor.checked_sub_months(count).unwrap_or(DateTime::<Utc>::MIN_UTC)
    } else {
        anchor.checked_add_months(count).unwrap_or(DateTime::<Utc>::MAX_UTC)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn utc(text: &str) -> DateTime<Utc> {
        text.parse().unwrap()
    }

    #[track_caller]
    fn check(anchor: Option<&str>, at: &str, start: &str, end: &str) {
        let period = period_at(anchor.map(utc), utc(at));
        assert_eq!(period, Period { start: utc(start), end: utc(end) }, "anchor {anchor:?}, at {at}");
    }

    #[test]
    fn period_without_anchor_is_the_calendar_month() {
        check(None, "2025-01-15T12:00:00Z", "2025-01-01T00:00:00Z", "2025-02-01T00:00:00Z");
        check(None, "2025-01-31T23:59:59.999999999Z", "2025-01-01T00:00:00Z", "2025-02-01T00:00:00Z");
        check(None, "2025-02-01T00:00:00Z", "2025-02-01T00:00:00Z", "2025-03-01T00:00:00Z");
        check(None, "2024-12-31T23:59:59Z", "2024-12-01T00:00:00Z", "2025-01-01T00:00:00Z");
        check(None, "1969-12-31T23:59:59Z", "1969-12-01T00:00:00Z", "1970-01-01T00:00:00Z");
    }

    #[test]
    fn period_with_anchor_is_clamped_and_not_eroded() {
        let end_of_january = Some("2025-01-31T10:00:00Z");
        check(end_of_january, "2025-01-31T10:00:00Z", "2025-01-31T10:00:00Z", "2025-02-28T10:00:00Z");
        check(end_of_january, "2025-02-28T09:59:59Z", "2025-01-31T10:00:00Z", "2025-02-28T10:00:00Z");
        check(end_of_january, "2025-02-28T10:00:00Z", "2025-02-28T10:00:00Z", "2025-03-31T10:00:00Z");
        check(end_of_january, "2025-04-30T10:00:00Z", "2025-04-30T10:00:00Z", "2025-05-31T10:00:00Z");
        check(end_of_january, "2028-02-29T10:00:00Z", "2028-02-29T10:00:00Z", "2028-03-31T10:00:00Z");
        // A leap day, and the thirtieth in February.
        check(Some("2024-02-29T00:00:00Z"), "2025-03-01T00:00:00Z", "2025-02-28T00:00:00Z", "2025-03-29T00:00:00Z");
        check(Some("2025-01-30T00:00:00Z"), "2025-02-28T00:00:00Z", "2025-02-28T00:00:00Z", "2025-03-30T00:00:00Z");
        // Before the anchor: a subscription that starts in the future.
        check(end_of_january, "2024-12-31T09:00:00Z", "2024-11-30T10:00:00Z", "2024-12-31T10:00:00Z");
    }

    #[test]
    fn period_at_the_ends_of_time_does_not_panic() {
        for at in [DateTime::<Utc>::MIN_UTC, DateTime::<Utc>::MAX_UTC] {
            for anchor in [None, Some(DateTime::<Utc>::MIN_UTC), Some(DateTime::<Utc>::MAX_UTC)] {
                let period = period_at(anchor, at);
                assert!(period.start <= period.end);
            }
        }
    }

    proptest! {
        #[test]
        fn periods_tile_time(anchor in 0i64..4_000_000_000, at in 0i64..4_000_000_000, nanos in 0u32..1_000_000_000) {
            let anchor = DateTime::from_timestamp(anchor, nanos);
            let at = DateTime::from_timestamp(at, 0).unwrap();
            let mut period = period_at(anchor, at);
            prop_assert!(period.start <= at && at < period.end);
            for _ in 0..40 {
                let next = period_at(anchor, period.end);
                prop_assert_eq!(next.start, period.end, "no gap, no overlap");
                let last = period.end - chrono::TimeDelta::nanoseconds(1);
                prop_assert_eq!(period_at(anchor, last), period, "half-open");
                period = next;
            }
        }
    }
}
