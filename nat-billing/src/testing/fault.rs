//! What goes wrong on Stripe's side, on demand.

use std::time::Duration;

/// A failure of the coming requests that it fits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The method, or any.
    pub method: Option<&'static str>,
    /// The path begins so, for example `/v1/customers`.
    pub path: String,
    /// What happens.
    pub what: FaultKind,
    /// How many requests it still strikes.
    pub times: u32,
    /// The work is done and only its answer fails: the case for which there are idempotency keys.
    pub after_effect: bool,
}

/// How a request fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FaultKind {
    /// An error in Stripe's form.
    Status(u16),
    /// A proxy's error page.
    Html(u16),
    /// No answer for so long, then the right one.
    Stall(Duration),
    /// The connection is closed without an answer.
    Reset,
    /// Status 200 and no JSON.
    Garbage,
}

impl Fault {
    /// Every request to `path` fails so, `times` times.
    #[must_use]
    pub fn on(path: &str, what: FaultKind, times: u32) -> Self {
        Self { method: None, path: path.to_owned(), what, times, after_effect: false }
    }
}
