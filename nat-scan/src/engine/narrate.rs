//! Telling the outside: events in order, progress that never falls and comes at most ten times a second.

use tokio::time::{Duration, Instant};

use super::event::{Event, EventSink, Progress};
use crate::generate::Phase;

const INTERVAL: Duration = Duration::from_millis(100);
/// Sentences kept; more would be noise.
const MAX_NOTICES: usize = 100;

/// Sends events and keeps the notices for the outcome.
pub(super) struct Narrator {
    sink: EventSink,
    pub(super) notices: Vec<String>,
    last: Option<Instant>,
    percent: u8,
}

impl Narrator {
    pub(super) fn new(sink: EventSink) -> Self {
        Self { sink, notices: Vec::new(), last: None, percent: 0 }
    }

    pub(super) fn tell(&self, event: Event) {
        (self.sink)(event);
    }

    /// A sentence for the user, once.
    pub(super) fn notice(&mut self, text: impl Into<String>) {
        let text = text.into();
        if self.notices.len() < MAX_NOTICES && !self.notices.contains(&text) {
            self.notices.push(text.clone());
            self.tell(Event::Notice(text));
        }
    }

    /// Progress is due.
    pub(super) fn is_due(&self) -> bool {
        self.last.is_none_or(|last| last.elapsed() >= INTERVAL)
    }

    /// Tells progress; `percent` is raised to what was said before.
    pub(super) fn progress(&mut self, mut progress: Progress) {
        self.percent = self.percent.max(progress.percent.min(100));
        progress.percent = self.percent;
        self.last = Some(Instant::now());
        self.tell(Event::Progress(progress));
    }
}

/// Where a phase stands within the whole: first and last percent.
pub(super) const fn span(phase: Phase, security: bool) -> (u8, u8) {
    match (phase, security) {
        (Phase::Probe, _) => (0, 2),
        (Phase::HappyPath, _) => (2, 15),
        (Phase::Examples, _) => (15, 25),
        (Phase::Coverage, false) => (25, 75),
        (Phase::Stateful, _) => (75, 85),
        (Phase::Random, _) => (85, 99),
        (Phase::Coverage, true) => (25, 45),
        (Phase::Security, _) => (45, 99),
    }
}
