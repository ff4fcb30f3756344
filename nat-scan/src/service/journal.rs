//! The journal of a stored scan: chunks in the database, sealed like credentials. Another node can take a scan over with it.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use async_trait::async_trait;

use super::ScansPorts;
use crate::db::journal;
use crate::db::scan::Lease;
use crate::journal::{JournalError, JournalStore, MAX_BYTES};

/// Writes under one lease.
pub(super) struct LeasedStore {
    ports: Arc<ScansPorts>,
    lease: Lease,
    /// Of the next chunk.
    number: AtomicI64,
}

impl LeasedStore {
    pub(super) const fn new(ports: Arc<ScansPorts>, lease: Lease) -> Self {
        Self { ports, lease, number: AtomicI64::new(0) }
    }

    /// Chunks cannot be moved to another scan.
    fn context(&self) -> String {
        format!("{} journal", self.lease.scan_id)
    }
}

fn storage(error: &nat_core::Error) -> JournalError {
    JournalError::Storage(error.to_string())
}

#[async_trait]
impl JournalStore for LeasedStore {
    async fn read(&self) -> Result<Vec<u8>, JournalError> {
        let mut bytes = Vec::new();
        let mut number = 0;
        loop {
            let next = journal::find_next(&self.ports.store.read, &self.lease.scan_id, number).await;
            let Some((found, chunk)) = next.map_err(|error| storage(&error))? else { break };
            let opened = self.ports.vault.open(&chunk, &self.context());
            bytes.extend_from_slice(&opened.map_err(|error| storage(&error))?);
            number = found + 1;
            if bytes.len() as u64 > MAX_BYTES {
                break;
            }
        }
        self.number.store(number, Ordering::Relaxed);
        Ok(bytes)
    }

    async fn append(&self, bytes: Vec<u8>) -> Result<(), JournalError> {
        let sealed = self.ports.vault.seal(&bytes, &self.context(), &*self.ports.entropy);
        let sealed = sealed.map_err(|error| storage(&error))?;
        let number = self.number.fetch_add(1, Ordering::Relaxed);
        let written = async {
            let tx = self.ports.store.begin_sea().await?;
            journal::append(&tx, &self.lease, number, sealed).await?;
            nat_core::store::CoreTx::commit(Box::new(tx)).await
        };
        written.await.map_err(|error| storage(&error))
    }

    /// The end of the scan does it, in its own transaction.
    async fn remove(&self) -> Result<(), JournalError> {
        Ok(())
    }
}
