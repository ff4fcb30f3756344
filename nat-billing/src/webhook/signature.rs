//! Verification of `Stripe-Signature`: bytes, header, secrets and now in, a verdict out; no I/O.
