//! What is fixed once a scan begins to test.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::contain::contain;
use super::identities::Identities;
use super::line::Line;
use crate::check::Exchange;
use crate::classify::{self, WireTruth};
use crate::finding::FindingBuilder;
use crate::generate;
use crate::spec::{Api, Operation};
use crate::transport::Request;

/// Shared by the driver, the proof lane and the security checks.
pub(super) struct Session {
    pub(super) api: Arc<Api>,
    pub(super) line: Arc<Line>,
    pub(super) identities: Identities,
    pub(super) base_path: String,
    pub(super) seed: u64,
    /// Begins the words that make texts of this scan unique.
    pub(super) nonce: String,
    pub(super) serial: AtomicU64,
    pub(super) authenticated: bool,
    pub(super) report: FindingBuilder,
}

impl Session {
    /// The request of an exchange once more: what must be unique in it is.
    pub(super) fn once_more(&self, exchange: &Exchange) -> Request {
        let fresh = exchange.case.as_ref().filter(|case| case.is_fresh()).and_then(|case| {
            let operation = self.api.operations.get(case.operation)?;
            contain(|| generate::render(operation, &case.renewed(&self.word()).bound(), &self.base_path))?.ok()
        });
        fresh.unwrap_or_else(|| exchange.request.clone())
    }

    /// A word that no request of this scan had before.
    pub(super) fn word(&self) -> String {
        format!("{}x{}", self.nonce, self.serial.fetch_add(1, Ordering::Relaxed))
    }

    /// What the bytes are; a classifier that breaks on them gives no verdict.
    pub(super) fn classify(&self, operation: &Operation, request: &Request) -> WireTruth {
        contain(|| classify::classify(operation, request, &self.base_path)).unwrap_or(WireTruth::Ambiguous)
    }
}
