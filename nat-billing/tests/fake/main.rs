//! The fake Stripe itself: what it does over the clock, what it answers to the client that NAT uses, how it fails and how
//! it delivers.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on must fail")]

mod answers;
mod delivery;
mod faults;
mod life;
mod payments;

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use nat_billing::testing::{Card, FakeOptions, FakeStripe, Price, SubscriptionInit};
use nat_core::time::{Clock, ManualClock};
use serde_json::Value;
use stripe::{Client, ClientBuilder, IdempotencyKey, RequestStrategy, StripeError};
use stripe_client_core::{RequestBuilder, StripeMethod};
use url::form_urlencoded::Serializer;

pub(crate) type Answer = Result<Value, StripeError>;
pub(crate) type Pairs<'a> = &'a [(&'a str, &'a str)];

/// A fake with two prices, its clock, and a client of it.
pub(crate) struct Shop {
    pub(crate) stripe: FakeStripe,
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) client: Client,
}

pub(crate) fn utc(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

/// 31 January 2026, noon.
pub(crate) async fn shop() -> Shop {
    shop_with(|_| {}).await
}

pub(crate) async fn shop_with(change: impl FnOnce(&mut FakeOptions)) -> Shop {
    let clock = Arc::new(ManualClock::new(utc("2026-01-31T12:00:00Z")));
    let mut options = FakeOptions::new(clock.clone());
    change(&mut options);
    let stripe = FakeStripe::start(options).await.unwrap();
    stripe.add_price(Price::monthly("price_pro", "prod_pro", 4_900));
    stripe.add_price(Price::monthly("price_team", "prod_team", 19_900));
    let client = client(&stripe, "sk_test_fake", Duration::from_secs(10));
    Shop { stripe, clock, client }
}

pub(crate) fn client(stripe: &FakeStripe, key: &str, timeout: Duration) -> Client {
    ClientBuilder::new(key).url(format!("{}/", stripe.url())).timeout(timeout).build().unwrap()
}

/// One request by the client that NAT uses.
pub(crate) async fn ask(client: &Client, method: StripeMethod, path: &str, pairs: Pairs<'_>, key: &str) -> Answer {
    let text = (!pairs.is_empty()).then(|| Serializer::new(String::new()).extend_pairs(pairs).finish());
    let (query, body) = if matches!(method, StripeMethod::Get) { (text, None) } else { (None, text) };
    let request = RequestBuilder { query, body, path: path.to_owned(), method };
    let strategy = match IdempotencyKey::new(key) {
        Ok(key) if !key.as_str().is_empty() => RequestStrategy::Idempotent(key),
        _ => RequestStrategy::Once,
    };
    let answer = request.customize::<miniserde::json::Value>().request_strategy(strategy).send(client).await?;
    Ok(serde_json::from_str(&miniserde::json::to_string(&answer)).unwrap())
}

/// Status and code of an error.
pub(crate) fn refusal(answer: Answer) -> (u16, String) {
    match answer.unwrap_err() {
        StripeError::Stripe(error, status) => (status, error.code.map(|code| code.to_string()).unwrap_or_default()),
        other => panic!("not Stripe's form of an error: {other}"),
    }
}

impl Shop {
    pub(crate) async fn get(&self, path: &str, query: Pairs<'_>) -> Value {
        ask(&self.client, StripeMethod::Get, path, query, "").await.unwrap()
    }

    pub(crate) async fn post(&self, path: &str, form: Pairs<'_>) -> Value {
        ask(&self.client, StripeMethod::Post, path, form, "").await.unwrap()
    }

    /// An open checkout session for the price `price_pro`.
    pub(crate) async fn checkout(&self) -> Value {
        let form = [
            ("mode", "subscription"),
            ("line_items[0][price]", "price_pro"),
            ("success_url", "https://shop.example/"),
            ("subscription_data[metadata][tenant_id]", "tenant"),
        ];
        self.post("/checkout/sessions", &form).await
    }

    /// A subscription to `price_pro` without a checkout.
    pub(crate) fn subscribe(&self, card: Card) -> String {
        let customer = self.stripe.create_customer("ada@example.test", &[]);
        self.stripe.subscribe(&customer, &["price_pro"], &SubscriptionInit { card, ..SubscriptionInit::default() })
    }

    /// Moves the clock to an instant and does what is due.
    pub(crate) fn until(&self, text: &str) {
        self.clock.advance(utc(text) - self.clock.now());
        self.stripe.tick();
    }

    pub(crate) fn advance(&self, delta: TimeDelta) {
        self.clock.advance(delta);
        self.stripe.tick();
    }

    pub(crate) fn status(&self, id: &str) -> String {
        self.stripe.subscription(id)["status"].as_str().unwrap().to_owned()
    }

    /// The instants between which the running period lies.
    pub(crate) fn period(&self, id: &str) -> (DateTime<Utc>, DateTime<Utc>) {
        let item = self.stripe.subscription(id)["items"]["data"][0].clone();
        (instant(&item["current_period_start"]), instant(&item["current_period_end"]))
    }

    /// The newest invoice.
    pub(crate) fn invoice(&self) -> Value {
        self.stripe.all("invoices").pop().unwrap()
    }

    /// What happened since this was last asked, without what a customer's beginning brings.
    pub(crate) fn kinds(&self) -> Vec<String> {
        self.stripe.take_events().into_iter().map(|event| event.kind).collect()
    }
}

pub(crate) fn instant(value: &Value) -> DateTime<Utc> {
    DateTime::from_timestamp(value.as_i64().unwrap(), 0).unwrap()
}

pub(crate) fn ids(page: &Value) -> Vec<String> {
    page["data"].as_array().unwrap().iter().map(|row| row["id"].as_str().unwrap().to_owned()).collect()
}
