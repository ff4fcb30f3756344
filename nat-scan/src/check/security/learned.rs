//! What security checks learn and others can use.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use super::authentication::gate::Gate;
use super::authentication::secret::Guessed;
use crate::check::As;

/// Facts, in the order in which they were learned.
#[derive(Default)]
pub(crate) struct Facts {
    /// Users that checks signed up for themselves: what they are called, and the operation that made them.
    pub(crate) people: Vec<(String, String)>,
    /// Members that a registration takes though it should not, with the value that was stored.
    pub(crate) assigned: Vec<(usize, String, serde_json::Value)>,
    /// Operations whose texts must differ from request to request, and whether they work only with those they were
    /// accepted with.
    pub(crate) settled: Vec<(usize, bool)>,
    /// Operations and locations of numbers where any other text is refused.
    pub(crate) refused: Vec<(usize, String)>,
    /// Operations and locations whose text was proved to become code.
    pub(crate) injected: Vec<(usize, String)>,
    /// Operations and locations where a quote fails and two of them do not.
    pub(crate) quotes: Vec<(usize, String)>,
    /// Places whose URL the target asks for; none while nobody looked.
    pub(crate) fetches: Option<Vec<Fetch>>,
    /// Reads that let only the rightful user in, by user.
    pub(crate) gates: HashMap<As, Arc<Vec<Gate>>>,
    /// The secret that signs tokens, once it was looked for.
    pub(crate) jwt_secret: Option<Option<Guessed>>,
    /// Paths that answer and that nobody documented, once somebody looked for them.
    pub(crate) hidden: Option<Arc<Vec<super::exposure::Hidden>>>,
    /// Endpoints that speak GraphQL, once somebody looked for them.
    pub(crate) graphql: Option<Vec<std::sync::Arc<super::graphql::Endpoint>>>,
}

/// The target asks for the URL that stands here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Fetch {
    /// Index of the operation.
    pub(crate) operation: usize,
    /// As in findings.
    pub(crate) location: String,
    /// What it gets is in its answer.
    pub(crate) shows: bool,
}

/// Shared by the checks of one scan.
#[derive(Default)]
pub(crate) struct Learned(Mutex<Facts>);

impl Learned {
    /// Reads or adds. Not across a wait.
    pub(crate) fn with<T>(&self, act: impl FnOnce(&mut Facts) -> T) -> T {
        act(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
