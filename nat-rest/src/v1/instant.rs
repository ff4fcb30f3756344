//! Instants on this wire: RFC 3339, UTC, `Z`.

use chrono::{DateTime, SecondsFormat, Utc};

/// Bounds of periods, as published: whole seconds.
pub(super) fn seconds(instant: DateTime<Utc>) -> String {
    instant.to_rfc3339_opts(SecondsFormat::Secs, true)
}

/// When something happened: milliseconds.
pub(super) fn millis(instant: DateTime<Utc>) -> String {
    instant.to_rfc3339_opts(SecondsFormat::Millis, true)
}
