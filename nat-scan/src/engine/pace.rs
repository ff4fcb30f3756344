//! Politeness: how many requests at once, and when to wait.

use std::sync::{Mutex, PoisonError};

use tokio::time::{Duration, Instant};

use crate::transport::{Response, TransportError};

/// How long the engine waits for things. A value, so that tests need not wait.
#[derive(Clone, Copy, Debug)]
pub(super) struct Patience {
    /// Never wait longer for a target that asks for a pause.
    pub(super) max_pause: Duration,
    /// When it asks without saying how long.
    pub(super) default_pause: Duration,
    /// Before a request that met a busy target is sent again.
    pub(super) breath: Duration,
    /// What is under way when a scan is stopped may still end in this time.
    pub(super) grace: Duration,
    /// Tries before a target counts as unreachable: the pause before each.
    pub(super) tries: [Duration; 3],
    /// Further ones, before a target that answered counts as brought down: more than ten seconds in all.
    pub(super) watch: [Duration; 3],
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            max_pause: Duration::from_secs(5),
            default_pause: Duration::from_secs(1),
            breath: Duration::from_millis(150),
            grace: Duration::from_secs(2),
            tries: [0, 300, 900].map(Duration::from_millis),
            watch: [2, 3, 4].map(Duration::from_secs),
        }
    }
}

/// One cut of the width in this time, however many answers ask for it.
const CUT_WINDOW: Duration = Duration::from_secs(1);
/// So many throttled answers in a row: the target does not want this scan.
const MAX_THROTTLED: u32 = 40;

/// Good answers after an overload before one more request at once than then is tried; doubled by every further overload.
const CALM: (usize, usize) = (100, 12_800);

/// Answers 503 in a row after which one is no longer asked again: that is its answer.
const MAX_BUSY: u32 = 6;

/// A 503 that does not say how long.
fn is_busy(response: &Response) -> bool {
    response.status == 503 && response.header("retry-after").is_none()
}

/// Additive increase, multiplicative decrease.
#[derive(Debug)]
pub(super) struct Pace {
    max: usize,
    patience: Patience,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    width: usize,
    /// What the target was able to bear so far: wider only after a time of calm.
    ceiling: usize,
    /// Good answers that are wanted for that, and those there were.
    calm: usize,
    calmed: usize,
    successes: usize,
    throttled: u32,
    /// Answers 503 without a time in a row.
    busy: u32,
    /// Requests in a row that were not answered in time.
    late: usize,
    pause_until: Option<Instant>,
    cut_at: Option<Instant>,
}

impl Pace {
    pub(super) fn new(concurrency: usize, patience: Patience) -> Self {
        let max = concurrency.clamp(1, 64);
        let state = State {
            width: max,
            ceiling: max,
            calm: CALM.0,
            calmed: 0,
            successes: 0,
            throttled: 0,
            busy: 0,
            late: 0,
            pause_until: None,
            cut_at: None,
        };
        Self { max, patience, state: Mutex::new(state) }
    }

    pub(super) const fn patience(&self) -> &Patience {
        &self.patience
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Requests that may be under way now.
    pub(super) fn width(&self) -> usize {
        self.state().width
    }

    /// The target refuses for good.
    pub(super) fn gave_up(&self) -> bool {
        self.state().throttled >= MAX_THROTTLED
    }

    /// Waits while the target asked for patience.
    pub(super) async fn ready(&self) {
        loop {
            let until = self.state().pause_until;
            match until {
                Some(until) if until > Instant::now() => tokio::time::sleep_until(until).await,
                _ => return,
            }
        }
    }

    /// Learns from an answer; true when the request should be sent once more after the pause.
    pub(super) fn observe(&self, result: &Result<Response, TransportError>) -> bool {
        if result.as_ref().is_ok_and(is_busy) {
            return self.step_back();
        }
        let throttle = match result {
            Ok(response) => throttle(response, &self.patience),
            Err(TransportError::Timeout(_)) => {
                // One operation that hangs while others answer is no overload.
                let mut state = self.state();
                state.late += 1;
                if state.late >= state.width.max(2) {
                    state.late = 0;
                    self.cut(&mut state);
                }
                return false;
            }
            Err(_) => None,
        };
        let mut state = self.state();
        let Some(pause) = throttle else {
            state.throttled = 0;
            state.busy = 0;
            state.late = 0;
            state.grow(self.max);
            return false;
        };
        state.throttled = state.throttled.saturating_add(1);
        let until = Instant::now() + pause;
        state.pause_until = Some(state.pause_until.map_or(until, |old| old.max(until)));
        self.cut(&mut state);
        true
    }

    /// The target has too much to do right now, perhaps because of us: fewer at once, and one more try.
    fn step_back(&self) -> bool {
        let mut state = self.state();
        state.busy = state.busy.saturating_add(1);
        if state.busy > MAX_BUSY {
            return false;
        }
        let until = Instant::now() + self.patience.breath;
        state.pause_until = Some(state.pause_until.map_or(until, |old| old.max(until)));
        self.cut(&mut state);
        true
    }

    fn cut(&self, state: &mut State) {
        let now = Instant::now();
        if state.cut_at.is_none_or(|at| now.duration_since(at) >= CUT_WINDOW) {
            state.width = (state.width / 2).max(1);
            state.cut_at = Some(now);
            // Programs that lock a database do less the more is asked at once.
            if state.ceiling < self.max {
                state.calm = (state.calm * 2).min(CALM.1);
            }
            state.ceiling = state.width;
        }
        state.calmed = 0;
        state.successes = 0;
    }
}

impl State {
    /// A good answer.
    fn grow(&mut self, max: usize) {
        self.calmed += 1;
        if self.calmed >= self.calm && self.ceiling < max {
            self.ceiling += 1;
            self.calmed = 0;
        }
        self.successes += 1;
        if self.successes >= self.width && self.width < self.ceiling {
            self.width += 1;
            self.successes = 0;
        }
    }
}

/// How long the answer asks to wait: any 429, and a 503 that says when to come back.
fn throttle(response: &Response, patience: &Patience) -> Option<Duration> {
    let asked = response.header("retry-after").map(|value| {
        // A date means "later": there is no point in being exact with the pause capped so low.
        value.trim().parse::<u64>().map_or(patience.default_pause, Duration::from_secs).min(patience.max_pause)
    });
    match response.status {
        429 => Some(asked.unwrap_or(patience.default_pause)),
        503 => asked,
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::fake::respond;

    #[tokio::test]
    async fn throttled_answers_halve_the_width_and_successes_restore_it() {
        let max_pause = Duration::from_millis(20);
        let pace = Pace::new(8, Patience { max_pause, ..Patience::default() });
        let mut busy = respond(429, "text/plain", "");
        busy.headers.push(("Retry-After".to_owned(), b"900".to_vec()));
        assert!(pace.observe(&Ok(busy.clone())));
        assert!(pace.observe(&Ok(busy)));
        assert_eq!(pace.width(), 4, "one cut a window");
        let before = Instant::now();
        pace.ready().await;
        assert!(before.elapsed() >= max_pause / 2, "the pause is kept");
        assert!(before.elapsed() < Duration::from_secs(5), "and capped");
        let calm = |answers: usize| {
            for _ in 0..answers {
                assert!(!pace.observe(&Ok(respond(200, "text/plain", ""))));
            }
            pace.width()
        };
        assert_eq!(calm(CALM.0 - 1), 4, "what it could bear");
        assert_eq!(calm(CALM.0 * 5), 8);
    }
}
