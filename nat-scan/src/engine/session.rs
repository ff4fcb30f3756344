//! What is fixed once a scan begins to test.

use std::sync::Arc;

use super::contain::contain;
use super::identities::Identities;
use super::line::Line;
use crate::classify::{self, WireTruth};
use crate::finding::FindingBuilder;
use crate::spec::{Api, Operation};
use crate::transport::Request;

/// Shared by the driver, the proof lane and the security checks.
pub(super) struct Session {
    pub(super) api: Arc<Api>,
    pub(super) line: Arc<Line>,
    pub(super) identities: Identities,
    pub(super) base_path: String,
    pub(super) seed: u64,
    pub(super) authenticated: bool,
    pub(super) report: FindingBuilder,
}

impl Session {
    /// What the bytes are; a classifier that breaks on them gives no verdict.
    pub(super) fn classify(&self, operation: &Operation, request: &Request) -> WireTruth {
        contain(|| classify::classify(operation, request, &self.base_path)).unwrap_or(WireTruth::Ambiguous)
    }
}
