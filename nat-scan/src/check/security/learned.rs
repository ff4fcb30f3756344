//! What security checks learn and others can use.

use std::sync::{Mutex, PoisonError};

/// Facts, in the order in which they were learned.
#[derive(Default)]
pub(crate) struct Facts {
    /// Paths with query that answer and that the document does not name.
    pub(crate) hidden: Vec<String>,
    /// Endpoints that speak GraphQL, once somebody looked for them.
    pub(crate) graphql: Option<Vec<std::sync::Arc<super::graphql::Endpoint>>>,
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
