//! One place in the plan: its answers come from the journal as long as it has them, and go into it when the place is
//! done.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::line::Answer;
use crate::journal::{Bound, Journal, Kept, KeptAnswer, Place};
use crate::transport::Request;

/// Numbers of words in one beginning of the scan: positions of the plan, then what is counted.
const STRIDE: u64 = 5_000_000;
const COUNTED: u64 = STRIDE / 2;

/// What a scan writes into texts that must differ from request to request, and the journal that knows which of them were
/// sent before. Words are short: they must fit where texts are short, and all alike, for a resumed scan is the same scan.
pub(super) struct Words {
    pub(super) bound: Bound,
    pub(super) journal: Arc<Journal>,
    serial: AtomicU64,
}

impl Words {
    pub(super) fn new(bound: Bound, journal: Arc<Journal>) -> Self {
        Self { bound, journal, serial: AtomicU64::new(0) }
    }

    /// For the case at this position of the plan. A case that is sent again after the scan was killed gets another word:
    /// the target may have seen the first.
    pub(super) fn of_case(&self, position: u64) -> String {
        let known = if self.bound.known == 0 { None } else { self.journal.epoch_of(&case_place(position)) };
        self.word(known.unwrap_or(self.bound.epoch), position)
    }

    /// For a request that is no case of the plan.
    pub(super) fn next(&self) -> String {
        self.word(self.bound.epoch, COUNTED + self.serial.fetch_add(1, Ordering::Relaxed))
    }

    fn word(&self, epoch: u32, number: u64) -> String {
        let mut rest = u64::from(epoch) * STRIDE + number;
        let mut digits = Vec::new();
        while rest > 0 || digits.is_empty() {
            digits.push(char::from(b"0123456789abcdefghijklmnopqrstuvwxyz"[(rest % 36) as usize]));
            rest /= 36;
        }
        self.bound.nonce.chars().chain(digits.into_iter().rev()).collect()
    }
}

fn case_place(position: u64) -> Place {
    Place::of(&format!("case {position}"))
}

/// The answers of one place, in the order of its requests.
pub(super) struct Passage {
    words: Arc<Words>,
    place: Place,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    ahead: VecDeque<KeptAnswer>,
    behind: Vec<(Request, KeptAnswer)>,
    words_ahead: VecDeque<String>,
    words_behind: Vec<String>,
    /// Some answer is not in the journal yet.
    news: bool,
}

impl Passage {
    /// For the case at this position of the plan.
    pub(super) fn of_case(words: &Arc<Words>, position: u64) -> Self {
        Self::at(words, || case_place(position))
    }

    /// For anything else; `description` is the same whenever the scan comes to the same place.
    pub(super) fn of(words: &Arc<Words>, description: &str) -> Self {
        Self::at(words, || Place::of(description))
    }

    fn at(words: &Arc<Words>, place: impl FnOnce() -> Place) -> Self {
        if !words.journal.is_kept() {
            return Self { words: Arc::clone(words), place: Place::default(), state: Mutex::default() };
        }
        let place = place();
        let Kept { words: words_ahead, answers } = words.journal.recall(&place).unwrap_or_default();
        let state = State { ahead: answers.into(), words_ahead: words_ahead.into(), ..State::default() };
        Self { words: Arc::clone(words), place, state: Mutex::new(state) }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The next answer is known: there is nothing to wait for.
    pub(super) fn is_ahead(&self) -> bool {
        !self.state().ahead.is_empty()
    }

    /// What was answered to the next request, and the number of the request. An answer to another request is
    /// worth nothing, nor are those after it.
    pub(super) fn next(&self, request: &Request) -> (u64, Option<KeptAnswer>) {
        if !self.words.journal.is_kept() {
            return (0, None);
        }
        let print = self.words.journal.print(request);
        let mut state = self.state();
        let next = state.ahead.pop_front().filter(|kept| kept.print == print);
        if next.is_none() && !state.ahead.is_empty() {
            tracing::debug!(target = %request.target, "a resumed scan asks something else than before");
            state.ahead.clear();
            state.words_ahead.clear();
        }
        (print, next)
    }

    /// Takes the answer of a request.
    pub(super) fn note(&self, print: u64, request: &Request, answer: &Answer) {
        if !self.words.journal.is_kept() {
            return;
        }
        let Answer { result, at, throttled, replayed } = answer;
        let kept = KeptAnswer { print, result: result.clone(), at: *at, throttled: *throttled };
        let mut state = self.state();
        state.news |= !replayed;
        state.behind.push((request.clone(), kept));
    }

    /// A word that no other request of the scan has: the one of before when the answers are those of before.
    pub(super) fn word(&self) -> String {
        let mut state = self.state();
        let word = state.words_ahead.pop_front().unwrap_or_else(|| self.words.next());
        state.words_behind.push(word.clone());
        word
    }

    /// The place is done.
    pub(super) fn finish(&self) {
        let mut state = self.state();
        if std::mem::take(&mut state.news) {
            let (words, answers) = (std::mem::take(&mut state.words_behind), std::mem::take(&mut state.behind));
            drop(state);
            self.words.journal.keep(self.place, words, answers);
        }
    }
}
