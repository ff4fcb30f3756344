//! Billing that cannot drift: Stripe checkout, portal and webhooks.
//!
//! A webhook is a hint. It is verified over its raw bytes ([`webhook::signature`]), recorded once
//! ([`webhook::inbox`]), and wakes one piece of work a customer: fetch the customer's subscriptions as they are now and
//! fold them into an entitlement ([`subscription::fold()`]). Nothing else changes a plan, so that order, duplicates and
//! losses of events cannot matter; an hourly sweep repairs what no event told of.
//!
//! The payment provider is a port ([`gateway::PaymentGateway`]). With the feature `stripe` there is one for Stripe
//! (`StripeGateway`), with `testing` a fake Stripe to test it, or a program of one's own, against.

pub mod account;
#[cfg(feature = "sea-orm")]
pub mod db;
pub mod gateway;
pub mod price;
pub mod redirect;
pub mod service;
pub mod store;
#[cfg(feature = "stripe")]
mod stripe;
pub mod subscription;
#[cfg(feature = "testing")]
pub mod testing;
pub mod webhook;

#[cfg(feature = "stripe")]
pub use self::stripe::StripeGateway;
pub use service::{Billing, BillingPorts, BillingSettings};
