//! The fake Stripe itself: what it does over the clock, and what it answers to Stripe's own client crates.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on must fail")]
