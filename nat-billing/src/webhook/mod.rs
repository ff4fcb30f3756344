//! Stripe webhooks: a hint, verified over the raw bytes and recorded once.

pub mod inbox;
pub mod signature;
