//! A node that sells through a fake Stripe on loopback, both on one clock.

use std::ops::Deref;
use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use nat_billing::{
    BillingSettings, StripeGateway,
    service::{BillingStatus, Checkout, StartCheckout},
    testing::{Card, Event, FakeOptions, FakeStripe, Price, Shape},
};
use nat_core::{
    Actor, Result,
    db::{SeaStore, testing::on_every_database},
    entitlement::Standing,
    secret::SecretString,
    time::ManualClock,
};

use crate::world::{HOOK_SECRET, World, settings, start};

pub(crate) const STRIPE_KEY: &str = "sk_test_of_the_cases";

/// One node and its Stripe.
pub(crate) struct Shop {
    pub(crate) world: World,
    pub(crate) stripe: FakeStripe,
}

impl Deref for Shop {
    type Target = World;

    fn deref(&self) -> &World {
        &self.world
    }
}

/// Runs `test` on every database and in both shapes of Stripe's answers.
pub(crate) async fn with_shop(test: impl AsyncFn(Shop)) {
    with_options(|_| {}, test).await;
}

pub(crate) async fn with_options(change: impl Fn(&mut FakeOptions), test: impl AsyncFn(Shop)) {
    for shape in [Shape::Basil, Shape::PreBasil] {
        on_every_database(nat_billing::db::migrations, async |database| {
            let clock = Arc::new(ManualClock::new(start()));
            let mut options = options(clock.clone());
            options.shape = shape;
            change(&mut options);
            let stripe = open(options).await;
            let world = node(database.store, clock, &stripe, settings());
            test(Shop { world, stripe }).await;
        })
        .await;
    }
}

pub(crate) fn options(clock: Arc<ManualClock>) -> FakeOptions {
    FakeOptions {
        secret_key: SecretString::from(STRIPE_KEY),
        webhook_secrets: vec![SecretString::from(HOOK_SECRET)],
        ..FakeOptions::new(clock)
    }
}

/// A Stripe with the prices of the settings.
pub(crate) async fn open(options: FakeOptions) -> FakeStripe {
    let stripe = FakeStripe::start(options).await.unwrap();
    stripe.add_price(Price::monthly("price_pro", "prod_pro", 4_900));
    stripe.add_price(Price::monthly("price_pro_old", "prod_pro", 3_900));
    stripe.add_price(Price::monthly("price_team", "prod_team", 19_900));
    stripe
}

/// A node over that store and that Stripe.
pub(crate) fn node(store: SeaStore, clock: Arc<ManualClock>, stripe: &FakeStripe, settings: BillingSettings) -> World {
    let gateway = StripeGateway::new(&SecretString::from(STRIPE_KEY), Some(&stripe.url())).unwrap();
    World::new(store, clock, Some(Arc::new(gateway)), settings)
}

pub(crate) fn order(plan: &str) -> StartCheckout {
    StartCheckout {
        plan: Some(plan.to_owned()),
        price_id: None,
        success_url: Some("https://app.example.test/dashboard?checkout=success".to_owned()),
        cancel_url: Some("https://app.example.test/dashboard".to_owned()),
    }
}

impl Shop {
    pub(crate) async fn checkout(&self, actor: &Actor, plan: &str) -> Result<Checkout> {
        self.billing.checkout(actor, order(plan)).await
    }

    /// Checks out and pays; the subscription. Nothing is delivered yet.
    pub(crate) async fn buy(&self, actor: &Actor, plan: &str) -> String {
        let session = self.checkout(actor, plan).await.unwrap();
        self.stripe.pay_checkout(&session.session_id, Card::Good).unwrap()
    }

    /// Registers a tenant that pays for `plan`, and is seen to.
    pub(crate) async fn subscriber(&self, id: &str, plan: &str) -> (Actor, String) {
        let actor = self.tenant(id, "free").await;
        let subscription = self.buy(&actor, plan).await;
        self.settle().await;
        (actor, subscription)
    }

    pub(crate) async fn deliver_event(&self, event: &Event) -> Result<()> {
        let signature = self.stripe.sign(&event.payload);
        self.billing.accept_webhook(&event.payload, Some(&signature)).await
    }

    /// Delivers what happened, in order, and does the work.
    pub(crate) async fn settle(&self) {
        self.stripe.tick();
        for event in self.stripe.take_events() {
            self.deliver_event(&event).await.unwrap();
        }
        self.billing.run_due().await.unwrap();
    }

    /// Moves the clock, then delivers what that brought about.
    pub(crate) async fn pass(&self, time: TimeDelta) {
        self.advance(time);
        self.settle().await;
    }

    pub(crate) async fn standing(&self, id: &str) -> Standing {
        self.row(id).await.entitlement.at(self.now())
    }

    #[track_caller]
    pub(crate) fn plan(&self, id: &str) -> impl Future<Output = String> {
        let standing = self.standing(id);
        async move { standing.await.plan_id.to_string() }
    }

    /// When the plan ends.
    pub(crate) async fn ends(&self, id: &str) -> Option<DateTime<Utc>> {
        self.row(id).await.entitlement.settled(self.now()).ending.map(|ending| ending.at)
    }

    pub(crate) async fn status(&self, actor: &Actor) -> BillingStatus {
        self.billing.status(actor, None).await.unwrap()
    }

    pub(crate) async fn customer(&self, id: &str) -> String {
        self.row(id).await.stripe_customer_id.unwrap()
    }
}

pub(crate) fn utc(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

pub(crate) fn days(count: i64) -> TimeDelta {
    TimeDelta::days(count)
}
