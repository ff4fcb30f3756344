//! A journal in memory, for tests.

use std::sync::{Arc, Mutex};

use async_trait::async_trait;

use super::{JournalError, JournalStore};

/// Clones share their bytes.
#[derive(Clone, Default)]
pub(crate) struct MemoryStore(pub(crate) Arc<Mutex<Vec<u8>>>);

impl MemoryStore {
    /// One that holds the first `frames` records of another, and a torn one behind them.
    pub(crate) fn torn(bytes: &[u8], frames: usize) -> Self {
        let (ranges, _) = super::frame::split(bytes);
        let end = frames.checked_sub(1).and_then(|last| ranges.get(last)).map_or(super::frame::MAGIC.len(), |r| r.end);
        let torn = (end + 5).min(bytes.len());
        Self(Arc::new(Mutex::new(bytes[..torn].to_vec())))
    }

    /// How many records it holds.
    pub(crate) fn records(&self) -> usize {
        super::frame::split(&self.0.lock().unwrap()).0.len()
    }
}

#[async_trait]
impl JournalStore for MemoryStore {
    async fn read(&self) -> Result<Vec<u8>, JournalError> {
        let mut bytes = self.0.lock().unwrap();
        let (_, whole) = super::frame::split(&bytes);
        if super::frame::is_journal(&bytes) {
            bytes.truncate(whole);
        }
        Ok(bytes.clone())
    }

    async fn append(&self, bytes: Vec<u8>) -> Result<(), JournalError> {
        self.0.lock().unwrap().extend(bytes);
        Ok(())
    }

    async fn remove(&self) -> Result<(), JournalError> {
        self.0.lock().unwrap().clear();
        Ok(())
    }
}
