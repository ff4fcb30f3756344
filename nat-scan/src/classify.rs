//! What were the bytes really? The rule that keeps false alarms away: a request is negative only if its *wire form*
//! is invalid under a strict and under a lenient reading.

use crate::schema::Violation;
use crate::spec::Operation;
use crate::transport::Request;

/// The verdict on sent bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WireTruth {
    /// Valid under both readings.
    Positive,
    /// Invalid under both; what a lenient server would still find wrong. `hard` when one of them is a missing required
    /// part, a wrong JSON type, an enum or malformed JSON.
    Negative {
        /// What is wrong; `instance_path` starts with the location, for example `/query/limit` or `/body/name`.
        violations: Vec<Violation>,
        /// Worth gating on.
        hard: bool,
    },
    /// Depends on the reader: only crash checks judge it.
    Ambiguous,
}

/// Reads the request as a server would and validates it with the operation's own schemas. `base_path` as in
/// [`crate::generate::render`].
#[must_use]
pub fn classify(operation: &Operation, request: &Request, base_path: &str) -> WireTruth {
    let _ = (operation, request, base_path);
    todo!("spec")
}
