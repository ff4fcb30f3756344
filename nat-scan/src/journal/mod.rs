//! What a scan asked and what was answered, kept so that a scan that was killed goes on where it was.
//!
//! A scan is determined by its document, seed and configuration, and by what the target answers. So the journal keeps the
//! answers, each under its place in the plan: a resumed scan makes the same plan again and takes from the journal what
//! it has; lessons, tallies and findings come out as they did, and from the first place that is missing the scan is live
//! again. Places of several requests (a proof, a check of sequences) are kept when they are done: one that was cut short
//! begins anew, with objects of its own.
//!
//! Nothing secret is written (see `mask`); who resumes signs in again.

mod frame;
mod mask;
mod record;
mod store;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use tokio::sync::Notify;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::finding::Redactor;
use crate::transport::Request;

pub(crate) use record::{Kept, KeptAnswer, Place};
pub use store::{FileStore, JournalStore};

/// Bytes of a journal, of all beginnings together. What comes after is asked again when a scan is resumed.
pub const MAX_BYTES: u64 = 128 << 20;
/// Records are written at most so long after they were made…
const FLUSH_EVERY: Duration = Duration::from_millis(500);
/// … or when there are so many…
const FLUSH_RECORDS: usize = 1_000;
/// … or so large.
const FLUSH_BYTES: usize = 4 << 20;
/// Unwritten bytes beyond which the store is too slow for this scan.
const MAX_PENDING: usize = 64 << 20;

/// Why a journal cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum JournalError {
    /// It is something else; it is left alone.
    #[error("this is no journal, or one of another version of NAT")]
    NotAJournal,
    /// Of another scan. Says what differs.
    #[error("the journal belongs to another scan: its {0} differs")]
    Foreign(&'static str),
    /// By another scan, right now.
    #[error("another scan is using the journal")]
    InUse,
    /// It cannot be read or written.
    #[error("{0}")]
    Storage(String),
}

/// What makes two scans the same. All but the seed are hashes or names without secrets.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Identity {
    pub(crate) version: String,
    pub(crate) target: String,
    pub(crate) document: String,
    pub(crate) config: String,
    pub(crate) seed: u64,
}

impl Identity {
    fn differs(&self, other: &Self) -> Option<&'static str> {
        match () {
            () if self.version != other.version => Some("version of NAT"),
            () if self.target != other.target => Some("target"),
            () if self.document != other.document => Some("document"),
            () if self.seed != other.seed => Some("seed"),
            () if self.config != other.config => Some("configuration"),
            () => None,
        }
    }
}

/// What to do with the journal of another scan.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Foreign {
    /// The scan fails.
    Refuse,
    /// The scan begins anew, and the journal with it.
    StartOver,
}

/// How a scan goes on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Bound {
    /// Begins the words that make texts of the scan unique.
    pub(crate) nonce: String,
    /// How often the scan was begun before: words of this time must differ from those of the times before.
    pub(crate) epoch: u32,
    /// Places that need not be asked again.
    pub(crate) known: usize,
}

/// A journal that one scan writes and reads.
pub struct Journal {
    store: Option<Arc<dyn JournalStore>>,
    foreign: Foreign,
    /// Known from the moment that the scan has signed in.
    redactor: OnceLock<Redactor>,
    state: Mutex<State>,
    wake: Notify,
}

#[derive(Default)]
struct State {
    header: Option<record::Header>,
    /// Frames of former beginnings.
    kept: HashMap<Place, (u32, Bytes)>,
    epoch: u32,
    /// Time that former beginnings took.
    spent: Duration,
    begun: Option<Instant>,
    pending: Vec<u8>,
    records: usize,
    /// Bytes in all.
    size: u64,
    /// Why no more is written.
    closed: Option<JournalError>,
}

impl std::fmt::Debug for Journal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Journal(…)")
    }
}

impl Journal {
    /// One that keeps nothing.
    #[must_use]
    pub fn none() -> Arc<Self> {
        Arc::new(Self::over(None, Foreign::Refuse))
    }

    /// Reads what the store has; a torn end is left out.
    ///
    /// # Errors
    /// The store cannot be read, or holds something else.
    pub async fn open(store: Arc<dyn JournalStore>, foreign: Foreign) -> Result<Arc<Self>, JournalError> {
        let bytes = Bytes::from(store.read().await?);
        if !frame::is_journal(&bytes) {
            return Err(JournalError::NotAJournal);
        }
        let journal = Self::over(Some(store), foreign);
        journal.state().load(&bytes);
        Ok(Arc::new(journal))
    }

    fn over(store: Option<Arc<dyn JournalStore>>, foreign: Foreign) -> Self {
        Self { store, foreign, redactor: OnceLock::new(), state: Mutex::default(), wake: Notify::new() }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The seed of the scan that it belongs to, once there is one.
    #[must_use]
    pub fn seed(&self) -> Option<u64> {
        self.state().header.as_ref().map(|header| header.identity.seed)
    }

    /// Time that the scan took so far, pauses between its beginnings left out.
    pub(crate) fn spent(&self) -> Duration {
        self.state().spent
    }

    /// Begins or resumes a scan. Whoever has no journal gets `nonce` back.
    pub(crate) fn bind(&self, identity: Identity, nonce: String, redactor: Redactor) -> Result<Bound, JournalError> {
        let mut state = self.state();
        state.begun = Some(Instant::now());
        if self.store.is_none() {
            return Ok(Bound { nonce, ..Bound::default() });
        }
        let header = match &state.header {
            None => record::Header { identity, nonce, epoch: 0 },
            Some(found) => {
                let (nonce, epoch) = (found.nonce.clone(), found.epoch.saturating_add(1));
                match found.identity.differs(&identity) {
                    Some(what) if self.foreign == Foreign::Refuse => return Err(JournalError::Foreign(what)),
                    Some(_) => {
                        state.kept.clear();
                        state.spent = Duration::ZERO;
                    }
                    None => {}
                }
                record::Header { identity, nonce, epoch }
            }
        };
        state.epoch = header.epoch;
        let _ = self.redactor.set(redactor);
        let payload = record::write_header(&header);
        let bound = Bound { nonce: header.nonce.clone(), epoch: header.epoch, known: state.kept.len() };
        state.header = Some(header);
        state.push(&payload);
        self.wake.notify_one();
        Ok(bound)
    }

    /// The beginning of the scan in which a place was done; `None` when it was not.
    pub(crate) fn epoch_of(&self, place: &Place) -> Option<u32> {
        self.state().kept.get(place).map(|(epoch, _)| *epoch)
    }

    /// What was asked and answered at a place.
    pub(crate) fn recall(&self, place: &Place) -> Option<Kept> {
        let (_, frame) = self.state().kept.get(place).cloned()?;
        record::read_kept(&frame)
    }

    /// A number that equal requests share, whoever sends them.
    pub(crate) fn print(&self, request: &Request) -> u64 {
        self.redactor.get().map_or(0, |redactor| record::print(request, redactor))
    }

    /// Whether anything is kept at all.
    pub(crate) const fn is_kept(&self) -> bool {
        self.store.is_some()
    }

    /// Keeps what was asked and answered at a place.
    pub(crate) fn keep(&self, place: Place, words: Vec<String>, answers: Vec<(Request, KeptAnswer)>) {
        let Some(redactor) = self.redactor.get() else { return };
        let (epoch, elapsed) = {
            let state = self.state();
            if state.closed.is_some() || answers.is_empty() {
                return;
            }
            (state.epoch, state.spent + state.begun.map_or(Duration::ZERO, |begun| begun.elapsed()))
        };
        let masked = |(request, mut answer): (Request, KeptAnswer)| {
            mask::mask(&mut answer, &request, redactor);
            answer
        };
        let kept = Kept { words, answers: answers.into_iter().map(masked).collect() };
        let elapsed_ms = u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX);
        let Some(payload) = record::write_kept(&record::Head { place, epoch, elapsed_ms }, &kept) else { return };
        let mut state = self.state();
        state.push(&payload);
        if state.records >= FLUSH_RECORDS || state.pending.len() >= FLUSH_BYTES {
            self.wake.notify_one();
        }
    }

    /// Writes what is kept, again and again, until `done`; then once more.
    pub(crate) async fn write_until(&self, done: &CancellationToken) {
        let Some(store) = &self.store else { return };
        loop {
            let ended = tokio::select! {
                biased;
                () = done.cancelled() => true,
                () = self.wake.notified() => false,
                () = tokio::time::sleep(FLUSH_EVERY) => false,
            };
            let bytes = {
                let mut state = self.state();
                state.records = 0;
                std::mem::take(&mut state.pending)
            };
            if !bytes.is_empty()
                && let Err(error) = store.append(bytes).await
            {
                tracing::warn!(%error, "the journal of a scan cannot be written");
                self.state().close(error);
            }
            if ended {
                return;
            }
        }
    }

    /// Why the journal is not complete, if it is not.
    pub(crate) fn trouble(&self) -> Option<JournalError> {
        self.state().closed.clone()
    }

    /// Forgets everything: the scan has ended.
    ///
    /// # Errors
    /// The store cannot do so.
    pub async fn remove(&self) -> Result<(), JournalError> {
        match &self.store {
            Some(store) => store.remove().await,
            None => Ok(()),
        }
    }
}

impl State {
    fn load(&mut self, bytes: &Bytes) {
        let (frames, whole) = frame::split(bytes);
        self.size = whole as u64;
        for range in frames {
            let payload = bytes.slice(range);
            if let Some(header) = record::read_header(&payload) {
                if self.header.as_ref().is_some_and(|before| before.identity != header.identity) {
                    self.kept.clear();
                    self.spent = Duration::ZERO;
                }
                self.header = Some(header);
            } else if let Some(head) = record::read_head(&payload) {
                self.spent = self.spent.max(Duration::from_millis(head.elapsed_ms));
                // A place that was done again counts as it was the last time.
                self.kept.insert(head.place, (head.epoch, payload));
            }
        }
    }

    fn push(&mut self, payload: &[u8]) {
        if self.closed.is_some() {
            return;
        }
        if self.size == 0 {
            self.pending.extend_from_slice(frame::MAGIC);
            self.size = frame::MAGIC.len() as u64;
        }
        let before = self.pending.len();
        if frame::push(&mut self.pending, payload) {
            self.records += 1;
            self.size += (self.pending.len() - before) as u64;
        }
        if self.size > MAX_BYTES || self.pending.len() > MAX_PENDING {
            self.pending.truncate(before);
            self.close(JournalError::Storage("there is too much to keep".to_owned()));
        }
    }

    /// What is written stays of use; nothing is added.
    fn close(&mut self, why: JournalError) {
        self.closed.get_or_insert(why);
    }
}

#[cfg(test)]
pub(crate) mod memory;
#[cfg(test)]
mod tests;
