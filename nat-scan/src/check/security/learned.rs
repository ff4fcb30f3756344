//! What security checks learn and others can use.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use super::authentication::gate::Gate;
use super::authentication::secret::Guessed;
use crate::check::As;

/// Facts, in the order in which they were learned.
#[derive(Default)]
pub(crate) struct Facts {
    /// Paths with query that answer and that the document does not name.
    pub(crate) hidden: Vec<String>,
    /// Reads that let only the rightful user in, by user.
    pub(crate) gates: HashMap<As, Arc<Vec<Gate>>>,
    /// The secret that signs tokens, once it was looked for.
    pub(crate) jwt_secret: Option<Option<Guessed>>,
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
