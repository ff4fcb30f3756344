//! A fake Stripe: stateful, on loopback, with the caller's clock, and an adversary that delivers its events.
//!
//! Stripe's test mode needs the network and an account, stripe-mock keeps no state, localstripe has no checkout, portal
//! or `subscription.updated`. This one has customers, prices, checkout and portal sessions, subscriptions, schedules,
//! invoices, refunds, disputes and events, speaks the form-encoded API that Stripe's own SDKs speak (the suite in
//! `.ci/stripe-sdk` drives it with those of Node and Python), honours idempotency keys, pages its lists, shows both
//! shapes of its answers (before and since the API of 2025-03-31), and fails on demand.
//!
//! It is meant for this crate and for anybody who has a webhook handler to test:
//!
//! ```no_run
//! # use std::sync::Arc;
//! # use chrono::DateTime;
//! use nat_billing::testing::{Adversary, Card, FakeOptions, FakeStripe, Price};
//! use nat_core::time::ManualClock;
//!
//! # async fn example() -> std::io::Result<()> {
//! let clock = Arc::new(ManualClock::new(DateTime::from_timestamp(1_750_000_000, 0).unwrap()));
//! let stripe = FakeStripe::start(FakeOptions::new(clock.clone())).await?;
//! stripe.add_price(Price::monthly("price_pro", "prod_pro", 4_900));
//! // Point your program at `stripe.url()`, let it open a checkout session, and pay it as the customer would:
//! stripe.pay_checkout("cs_test_…", Card::Good);
//! // Now deliver what happened to your own endpoint: out of order, twice, three days late, some of it never.
//! let schedule = Adversary::new(7).schedule(&stripe.take_events(), clock.as_ref());
//! let report = stripe.deliver_to(schedule, &clock, "http://127.0.0.1:8080/webhook").await;
//! assert_eq!(report.given_up, 0);
//! # Ok(())
//! # }
//! ```
//!
//! What it does not do: taxes, coupons, proration amounts, connected accounts, and every object that a subscription of
//! one price does not need. Whoever is not written in Rust starts the example `fake-stripe` and drives it over HTTP below
//! `/_fake/` (see `remote.rs`). Time moves only with the clock: [`FakeStripe::tick`] (and every request) does what is due.

mod api;
mod control;
mod deliver;
mod fault;
mod form;
mod lifecycle;
mod remote;
mod server;
mod shape;
mod state;

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use nat_core::secret::SecretString;
use nat_core::time::Clock;
use serde_json::Value;
use tokio_util::sync::{CancellationToken, DropGuard};

pub use control::Price;
pub use deliver::{Adversary, Delivery, Report, permutations};
pub use fault::{Fault, FaultKind};
pub use form::Form;
pub use lifecycle::SubscriptionInit;
pub use shape::Shape;
pub use state::Event;

use state::State;

/// What a fake Stripe is told.
#[derive(Clone)]
pub struct FakeOptions {
    /// Its time.
    pub clock: Arc<dyn Clock>,
    /// The key that requests must show.
    pub secret_key: SecretString,
    /// What events are signed with; during a roll there are two.
    pub webhook_secrets: Vec<SecretString>,
    /// The shape of its answers and events.
    pub shape: Shape,
    /// Ids are made from it.
    pub seed: u64,
    /// Whether it plays live mode.
    pub livemode: bool,
    /// Where it listens.
    pub listen: SocketAddr,
    /// What happens after the last failed retry of a renewal.
    pub exhausted: Exhausted,
}

impl FakeOptions {
    /// Test mode on a free port of loopback; key `sk_test_fake`, webhook secret `whsec_fake`.
    #[must_use]
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self {
            clock,
            secret_key: SecretString::from("sk_test_fake"),
            webhook_secrets: vec![SecretString::from("whsec_fake")],
            shape: Shape::default(),
            seed: 1,
            livemode: false,
            listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            exhausted: Exhausted::default(),
        }
    }
}

/// The account's setting for a subscription whose renewal failed for good.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Exhausted {
    /// It ends.
    #[default]
    Cancel,
    /// It becomes `unpaid`.
    Unpaid,
    /// It stays `past_due`.
    PastDue,
}

/// How a payment goes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Card {
    /// At once.
    #[default]
    Good,
    /// It is attached, and declined when charged.
    Declined,
    /// The bank asks the customer first.
    NeedsAuthentication,
    /// A method that takes days: the checkout completes unpaid.
    Delayed,
}

/// A request that came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// `GET`, `POST` or `DELETE`.
    pub method: String,
    /// For example `/v1/customers`.
    pub path: String,
    /// Query and body.
    pub form: Form,
    /// Its idempotency key.
    pub idempotency_key: Option<String>,
    /// The answer was one that was kept for the key.
    pub replayed: bool,
}

/// The fake Stripe. Clones are the same one; it stops with the last of them.
#[derive(Clone)]
pub struct FakeStripe {
    state: Arc<Mutex<State>>,
    address: SocketAddr,
    _stop: Arc<DropGuard>,
}

impl FakeStripe {
    /// Starts to listen.
    ///
    /// # Errors
    /// The address cannot be listened on.
    pub async fn start(options: FakeOptions) -> std::io::Result<Self> {
        let listener = tokio::net::TcpListener::bind(options.listen).await?;
        let address = listener.local_addr()?;
        let state = Arc::new(Mutex::new(State::new(options)));
        let stop = CancellationToken::new();
        tokio::spawn(server::serve(listener, state.clone(), stop.clone()));
        Ok(Self { state, address, _stop: Arc::new(stop.drop_guard()) })
    }

    /// For example `http://127.0.0.1:40123`; the API is below `/v1`.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Does everything that is due at the time of the clock: renewals, retries, trials, ends, expiries.
    pub fn tick(&self) {
        self.state().tick();
    }

    /// What happened so far.
    #[must_use]
    pub fn events(&self) -> Vec<Event> {
        self.state().events.clone()
    }

    /// What happened since the last call. `GET /v1/events` no longer lists it.
    #[must_use]
    pub fn take_events(&self) -> Vec<Event> {
        std::mem::take(&mut self.state().events)
    }

    /// The `Stripe-Signature` of a payload, signed now with every current secret.
    #[must_use]
    pub fn sign(&self, payload: &[u8]) -> String {
        self.state().sign(payload)
    }

    /// Lets coming requests fail.
    pub fn fault(&self, fault: Fault) {
        self.state().faults.push(fault);
    }

    /// Ends every failure that was asked for.
    pub fn heal(&self) {
        self.state().faults.clear();
    }

    /// What was asked so far.
    #[must_use]
    pub fn requests(&self) -> Vec<Request> {
        self.state().requests.clone()
    }

    /// How often this was asked.
    #[must_use]
    pub fn count(&self, method: &str, path: &str) -> usize {
        self.state().requests.iter().filter(|request| request.method == method && request.path == path).count()
    }

    /// Shows another shape from now on.
    pub fn set_shape(&self, shape: Shape) {
        self.state().options.shape = shape;
    }

    /// Signs with other secrets from now on: a roll.
    pub fn set_webhook_secrets(&self, secrets: &[&str]) {
        self.state().options.webhook_secrets = secrets.iter().map(|text| SecretString::from(*text)).collect();
    }

    /// Leaves these members out of every answer and event, as a future version of Stripe might.
    pub fn hide(&self, members: &[&str]) {
        self.state().hidden = members.iter().map(|name| (*name).to_owned()).collect();
    }

    /// The objects of a list, newest last, in the newest shape: `customers`, `subscriptions`, `checkout/sessions`,
    /// `invoices`, `refunds`, …
    #[must_use]
    pub fn all(&self, list: &str) -> Vec<Value> {
        self.state().table(list).map(|table| table.0.clone()).unwrap_or_default()
    }

    /// One subscription in the newest shape; null when there is none.
    #[must_use]
    pub fn subscription(&self, id: &str) -> Value {
        self.state().subscriptions.get(id).cloned().unwrap_or(Value::Null)
    }
}
