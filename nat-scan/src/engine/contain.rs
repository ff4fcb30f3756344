//! A panic in one check or generator must not end the scan.

use std::panic::{AssertUnwindSafe, catch_unwind};

/// The result, or none when it panicked. What is called must not leave shared state half written: checks are pure and
/// generators own what they build.
pub(super) fn contain<T>(call: impl FnOnce() -> T) -> Option<T> {
    catch_unwind(AssertUnwindSafe(call)).ok()
}
