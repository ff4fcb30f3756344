//! Billing: webhook signatures, the event inbox, tenant synchronisation. Checkout and portal answer
//! `BILLING_NOT_CONFIGURED` until a payment gateway is set.

#[cfg(feature = "sea-orm")]
pub mod db;
pub mod service;
pub mod webhook;

pub use service::{Billing, BillingPorts};
