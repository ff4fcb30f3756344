//! What the engine says while it runs. Reporters, storage and the command line only consume these.

use std::sync::Arc;

use crate::finding::Finding;
use crate::generate::Phase;

/// Something happened.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Event {
    /// The document was read.
    SpecLoaded {
        /// Title of the API.
        title: String,
        /// Operations that will be tried.
        operations: usize,
        /// Faults of the document.
        warnings: usize,
    },
    /// The first test request is about to be sent (quota is committed here).
    Started,
    /// A phase begins.
    PhaseStarted(Phase),
    /// Progress, at most ten times a second and at every end of a phase.
    Progress(Progress),
    /// A confirmed finding; later ones of the same fingerprint only raise its count.
    Found(Arc<Finding>),
    /// Something that the user should know, such as "no spec was found".
    Notice(String),
}

/// How far a scan is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// The phase.
    pub phase: Phase,
    /// Operations to try.
    pub operations_total: usize,
    /// Operations with at least one request.
    pub operations_tested: usize,
    /// Requests so far.
    pub requests_sent: u64,
    /// 0 to 100, never falling.
    pub percent: u8,
}

/// Takes events; must not block. Called from the scan's own task.
pub type EventSink = Arc<dyn Fn(Event) + Send + Sync>;
