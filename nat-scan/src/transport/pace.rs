//! The time limits of one exchange, as a pure function of instants and byte counts.

use tokio::time::Instant;

use super::{Limits, TransportError};

/// How long an exchange may still take.
#[derive(Debug)]
pub(super) struct Pace {
    limits: Limits,
    connect_end: Instant,
    total_end: Instant,
    first_byte_end: Instant,
    /// End of the present window of progress and the bytes that came in it; none before the first byte.
    window: Option<(Instant, usize)>,
}

impl Pace {
    pub(super) fn new(limits: Limits, now: Instant) -> Self {
        let total_end = now + limits.total_timeout;
        Self {
            limits,
            connect_end: (now + limits.connect_timeout).min(total_end),
            total_end,
            first_byte_end: (now + limits.first_byte_timeout).min(total_end),
            window: None,
        }
    }

    pub(super) const fn limits(&self) -> &Limits {
        &self.limits
    }

    pub(super) const fn connect_deadline(&self) -> Instant {
        self.connect_end
    }

    /// A request goes out: the time to the first byte of its answer begins.
    pub(super) fn begin(&mut self, now: Instant) {
        self.first_byte_end = (now + self.limits.first_byte_timeout).min(self.total_end);
        self.window = None;
    }

    /// When [`Pace::advance`] must be asked at the latest.
    pub(super) fn deadline(&self) -> Instant {
        self.window.map_or(self.first_byte_end, |(end, _)| end.min(self.total_end))
    }

    /// `bytes` came (0: a deadline passed). The error names the limit that was passed.
    pub(super) fn advance(&mut self, now: Instant, bytes: usize) -> Result<(), TransportError> {
        let limits = &self.limits;
        if now >= self.total_end {
            return Err(TransportError::Timeout(limits.total_timeout));
        }
        match &mut self.window {
            None if bytes > 0 => self.window = Some((now + limits.progress_window, bytes)),
            None if now >= self.first_byte_end => return Err(TransportError::Timeout(limits.first_byte_timeout)),
            None => {}
            Some((end, count)) => {
                *count = count.saturating_add(bytes);
                if now >= *end {
                    if *count < limits.min_bytes_per_window {
                        return Err(TransportError::Timeout(limits.progress_window));
                    }
                    self.window = Some((now + limits.progress_window, 0));
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    /// Feeds (milliseconds, bytes) and says at which step which limit was passed.
    fn check(steps: &[(u64, usize)]) -> Option<(usize, u64)> {
        let limits = Limits {
            first_byte_timeout: Duration::from_millis(100),
            total_timeout: Duration::from_millis(1000),
            progress_window: Duration::from_millis(200),
            min_bytes_per_window: 10,
            ..Limits::default()
        };
        let start = Instant::now();
        let mut pace = Pace::new(limits, start);
        steps.iter().enumerate().find_map(|(step, (at, bytes))| {
            match pace.advance(start + Duration::from_millis(*at), *bytes) {
                Err(TransportError::Timeout(limit)) => Some((step, u64::try_from(limit.as_millis()).unwrap())),
                _ => None,
            }
        })
    }

    #[test]
    fn pace_names_the_limit_that_was_passed() {
        for (steps, expected) in [
            (&[(99, 0), (100, 0)][..], Some((1, 100))),
            (&[(99, 1), (298, 8)], None),
            (&[(99, 1), (299, 8)], Some((1, 200))),
            (&[(99, 1), (299, 9), (498, 0), (499, 9)], Some((3, 200))),
            (&[(10, 1), (210, 50), (410, 50), (610, 50), (810, 50), (999, 1), (1000, 50)], Some((6, 1000))),
        ] {
            assert_eq!(check(steps), expected, "{steps:?}");
        }
    }
}
