//! B15: whatever order, number and loss of events, the end is the same.

use std::collections::BTreeMap;
use std::sync::Arc;

use nat_billing::testing::{Adversary, Card, Event, permutations};
use nat_core::{Actor, db::testing::on_every_database, time::ManualClock};
use rand::{RngExt, SeedableRng, rngs::StdRng};

use crate::{
    shop::{Shop, node, open, options},
    world::{settings, start},
};

/// Schedules over one database and one Stripe.
const BATCH: usize = 24;
/// Has no factor in common with 24 and 720: a few schedules are spread over all orders, many take every one.
const STRIDE: usize = 77;
/// Schedules unless `NAT_TEST_SCHEDULES` says more; `.ci/run` asks for 5,040.
const SCHEDULES: usize = 210;

/// What customers do. After each step events may reach us at once, which looks at a state that is soon history.
#[derive(Clone, Copy)]
enum Step {
    Pay,
    Authenticate,
    Cancel,
    BuyAgain,
}

/// A story and the events of it that are delivered in every order.
struct Story {
    steps: &'static [Step],
    kinds: &'static [&'static str],
}

const PURCHASE: Story = Story {
    steps: &[Step::Pay, Step::Authenticate],
    kinds: &[
        "checkout.session.completed",
        "customer.subscription.created",
        "customer.subscription.updated",
        "invoice.paid",
    ],
};

const AGAIN: Story = Story {
    steps: &[Step::Pay, Step::Authenticate, Step::Cancel, Step::BuyAgain],
    kinds: &[
        "checkout.session.completed",
        "customer.subscription.created",
        "customer.subscription.updated",
        "invoice.paid",
        "customer.subscription.deleted",
        "customer.subscription.created",
    ],
};

/// What a tenant has in the end: everything that it or an operator could tell apart.
type End = (String, Option<String>, String, Option<String>, u32);

impl Shop {
    async fn act(&self, actor: &Actor, step: Step, subscription: &mut String) {
        match step {
            Step::Pay => {
                let session = self.checkout(actor, "pro").await.unwrap();
                *subscription = self.stripe.pay_checkout(&session.session_id, Card::NeedsAuthentication).unwrap();
            }
            Step::Authenticate => self.stripe.authenticate(subscription),
            Step::Cancel => self.stripe.cancel_now(subscription),
            Step::BuyAgain => *subscription = self.buy(actor, "pro").await,
        }
    }

    async fn take(&self, event: &Event) {
        self.deliver_event(event).await.unwrap();
        self.billing.run_due().await.unwrap();
    }

    async fn end_of(&self, actor: &Actor) -> End {
        let standing = self.standing(actor.tenant_id.as_str()).await;
        let ends = self.ends(actor.tenant_id.as_str()).await.map(|at| at.to_string());
        let status = self.status(actor).await;
        let subscription = status.subscription.map(|seen| format!("{} {:?}", seen.status, seen.period_end));
        let period = format!("{:?}", standing.period);
        (standing.plan_id.to_string(), ends, period, subscription, self.summary(actor).await.scans_used)
    }

    /// One tenant lives through `story`; its events come in the given order of places, disturbed by `rng`.
    async fn live(&self, id: &str, story: &Story, order: &[usize], rng: Option<&mut StdRng>) -> Actor {
        let actor = self.tenant(id, "free").await;
        let (mut subscription, mut happened) = (String::new(), Vec::new());
        let mut calm = StdRng::seed_from_u64(0);
        let disturbed = rng.is_some();
        let rng = rng.unwrap_or(&mut calm);
        for step in story.steps {
            self.act(&actor, *step, &mut subscription).await;
            happened.extend(self.stripe.take_events());
            if disturbed && rng.random_range(0..3) == 0 {
                let early = rng.random_range(0..happened.len());
                self.take(&happened[early]).await;
            }
        }
        let mut left: BTreeMap<&str, usize> = BTreeMap::new();
        story.kinds.iter().for_each(|kind| *left.entry(kind).or_default() += 1);
        happened.retain(|event| match left.get_mut(&*event.kind) {
            Some(count) if *count > 0 => {
                *count -= 1;
                true
            }
            _ => false,
        });
        assert_eq!(happened.len(), story.kinds.len(), "every kind of the story happened");
        let ordered: Vec<Event> = order.iter().map(|place| happened[*place].clone()).collect();
        let mut adversary = Adversary::new(rng.random());
        (adversary.dropped_percent, adversary.duplicates) = if disturbed { (25, 1) } else { (0, 0) };
        for delivery in adversary.disturb(&ordered, &*self.clock) {
            self.take(&delivery.event).await;
        }
        actor
    }
}

/// Lives through the schedules with these numbers, sweeps, and compares every end with that of the calm story.
async fn run(story: &Story, numbers: std::ops::Range<usize>, orders: &[Vec<usize>]) {
    on_every_database(nat_billing::db::migrations, async |database| {
        let clock = Arc::new(ManualClock::new(start()));
        let stripe = open(options(clock.clone())).await;
        let shop = Shop { world: node(database.store, clock, &stripe, settings()), stripe };
        let calm = shop.live("calm", story, &orders[0], None).await;
        let wanted = shop.end_of(&calm).await;
        assert_eq!(wanted.0, "pro");
        let mut lived = Vec::new();
        for number in numbers.clone() {
            let mut rng = StdRng::seed_from_u64(number as u64);
            let order = &orders[number * STRIDE % orders.len()];
            lived.push((number, shop.live(&format!("t_{number}"), story, order, Some(&mut rng)).await));
        }
        shop.billing.repair().await.unwrap();
        shop.billing.run_due().await.unwrap();
        assert_eq!(shop.billing.drift().await.unwrap(), []);
        for (number, actor) in lived {
            let end = shop.end_of(&actor).await;
            assert_eq!(end, wanted, "schedule {number} of {} events (seed {number})", story.kinds.len());
        }
    })
    .await;
}

/// Two threads, each with a runtime, a database and a Stripe of its own a batch: as many as there are cores.
fn run_all(story: &'static Story, schedules: usize) {
    let orders = permutations(&(0..story.kinds.len()).collect::<Vec<_>>());
    let half = &|which: usize| {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        for from in (which * BATCH..schedules).step_by(2 * BATCH) {
            runtime.block_on(run(story, from..(from + BATCH).min(schedules), &orders));
        }
    };
    std::thread::scope(|scope| {
        let halves = [0, 1].map(|which| scope.spawn(move || half(which)));
        halves.into_iter().for_each(|half| half.join().unwrap());
    });
}

#[test]
fn b15_every_order_with_duplicates_and_losses_ends_in_the_same_state() {
    #[expect(clippy::disallowed_methods, reason = "tests are configured by their environment")]
    let schedules = std::env::var("NAT_TEST_SCHEDULES").map_or(SCHEDULES, |text| text.parse().unwrap());
    // The 24 orders of a purchase, the 720 of one that is ended and made again, each disturbed otherwise every time.
    let purchases = schedules * 3 / 7;
    run_all(&PURCHASE, purchases);
    run_all(&AGAIN, schedules - purchases);
    #[expect(clippy::print_stdout, reason = "the count is part of what is shown")]
    {
        println!("{schedules} schedules ended in the same state");
    }
}
