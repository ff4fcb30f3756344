//! The adversary: delivers events as badly as a network may, and worse than Stripe does.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use chrono::{DateTime, TimeDelta, Utc};
use nat_core::time::{Clock, ManualClock};
use rand::{RngExt, SeedableRng, rngs::StdRng};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use url::Url;

use super::{Event, FakeStripe};

/// How long after a failure each further attempt is made: Stripe goes on for three days, with growing pauses.
const RETRY_AFTER_S: [i64; 9] = [60, 600, 3_600, 7_200, 14_400, 28_800, 43_200, 57_600, 72_000];
/// The longest answer of an endpoint that is read.
const MAX_ANSWER: u64 = 64 << 10;

/// Makes schedules of deliveries; the same seed makes the same ones.
#[derive(Debug)]
pub struct Adversary {
    rng: StdRng,
    /// Each event comes up to this many times more than once.
    pub duplicates: u32,
    /// Of a hundred events, so many never come.
    pub dropped_percent: u32,
    /// A delivery comes up to this many seconds late, three days by default; 0 keeps the order.
    pub latest_s: i64,
}

/// One delivery to be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delivery {
    /// When.
    pub at: DateTime<Utc>,
    /// What.
    pub event: Event,
    /// How often it failed before.
    pub attempt: usize,
}

/// What became of a schedule.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Deliveries that were answered with a 2xx.
    pub accepted: usize,
    /// Deliveries that failed and were made again.
    pub retried: usize,
    /// Deliveries that failed for three days.
    pub given_up: usize,
}

impl Adversary {
    /// Duplicates up to twice more, drops a tenth, delays up to three days.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self { rng: StdRng::seed_from_u64(seed), duplicates: 2, dropped_percent: 10, latest_s: 3 * 86_400 }
    }

    /// A schedule for `events`, in order of time from now on.
    pub fn schedule(&mut self, events: &[Event], clock: &dyn Clock) -> Vec<Delivery> {
        let mut schedule = Vec::new();
        for event in events {
            if self.rng.random_range(0..100) < self.dropped_percent {
                continue;
            }
            for _ in 0..=self.rng.random_range(0..=self.duplicates) {
                let late = TimeDelta::seconds(self.rng.random_range(0..=self.latest_s));
                schedule.push(Delivery { at: clock.now() + late, event: event.clone(), attempt: 0 });
            }
        }
        schedule.sort_by_key(|delivery| delivery.at);
        schedule
    }

    /// `events` in the order given, with duplicates sprinkled in and some left out; the time stands still.
    pub fn disturb(&mut self, events: &[Event], clock: &dyn Clock) -> Vec<Delivery> {
        let mut schedule: Vec<Delivery> = Vec::new();
        for event in events {
            if self.rng.random_range(0..100) >= self.dropped_percent {
                schedule.push(Delivery { at: clock.now(), event: event.clone(), attempt: 0 });
            }
            if self.duplicates > 0 && !schedule.is_empty() && self.rng.random_range(0..3) == 0 {
                let again = self.rng.random_range(0..schedule.len());
                schedule.push(schedule[again].clone());
            }
        }
        schedule
    }
}

/// Every order of `things`, for example of a handful of events, or of their places.
#[must_use]
pub fn permutations<T: Clone>(things: &[T]) -> Vec<Vec<T>> {
    let Some((first, rest)) = things.split_first() else { return vec![Vec::new()] };
    let mut all = Vec::new();
    for order in permutations(rest) {
        for place in 0..=order.len() {
            let mut longer = order.clone();
            longer.insert(place, first.clone());
            all.push(longer);
        }
    }
    all
}

/// Deliveries by time, then in the order in which they were added.
struct Queued(Reverse<(DateTime<Utc>, usize)>, Delivery);

impl PartialEq for Queued {
    fn eq(&self, other: &Self) -> bool {
        self.0 == other.0
    }
}

impl Eq for Queued {}

impl PartialOrd for Queued {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Queued {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.0.cmp(&other.0)
    }
}

impl FakeStripe {
    /// Makes the deliveries of `schedule`, moving `clock` to each, and repeats those that are not answered with a 2xx for
    /// three days. `handler` gets the raw body and the `Stripe-Signature`, and returns the status.
    pub async fn deliver(
        &self,
        schedule: Vec<Delivery>,
        clock: &ManualClock,
        mut handler: impl AsyncFnMut(&[u8], &str) -> u16,
    ) -> Report {
        let mut queue: BinaryHeap<Queued> = BinaryHeap::new();
        let mut added = 0;
        let mut add = |queue: &mut BinaryHeap<Queued>, delivery: Delivery| {
            added += 1;
            queue.push(Queued(Reverse((delivery.at, added)), delivery));
        };
        schedule.into_iter().for_each(|delivery| add(&mut queue, delivery));
        let mut report = Report::default();
        while let Some(Queued(_, delivery)) = queue.pop() {
            clock.advance((delivery.at - clock.now()).max(TimeDelta::zero()));
            let signature = self.sign(&delivery.event.payload);
            let status = handler(&delivery.event.payload, &signature).await;
            if (200..300).contains(&status) {
                report.accepted += 1;
            } else if let Some(pause_s) = RETRY_AFTER_S.get(delivery.attempt) {
                report.retried += 1;
                let at = clock.now() + TimeDelta::seconds(*pause_s);
                add(&mut queue, Delivery { at, attempt: delivery.attempt + 1, ..delivery });
            } else {
                report.given_up += 1;
            }
        }
        report
    }

    /// The same, over HTTP to `url` (`http://` on loopback). An endpoint that cannot be reached counts as status 0.
    pub async fn deliver_to(&self, schedule: Vec<Delivery>, clock: &ManualClock, url: &str) -> Report {
        self.deliver(schedule, clock, async |payload, signature| post(url, payload, signature).await.unwrap_or(0)).await
    }

    /// Delivers one event to `url` now.
    ///
    /// # Errors
    /// The endpoint cannot be reached or does not answer in HTTP.
    pub async fn post_to(&self, url: &str, event: &Event) -> std::io::Result<u16> {
        post(url, &event.payload, &self.sign(&event.payload)).await
    }
}

/// One request on a connection of its own; the status.
async fn post(url: &str, payload: &[u8], signature: &str) -> std::io::Result<u16> {
    let invalid = |what: &str| std::io::Error::new(std::io::ErrorKind::InvalidInput, what.to_owned());
    let url = Url::parse(url).map_err(|_| invalid("not a URL"))?;
    let host = url.host_str().ok_or_else(|| invalid("a URL without a host"))?;
    let port = url.port_or_known_default().unwrap_or(80);
    let mut socket = TcpStream::connect((host.trim_matches(['[', ']']), port)).await?;
    let head = format!(
        "POST {}{} HTTP/1.1\r\nHost: {host}:{port}\r\nContent-Type: application/json; charset=utf-8\r\n\
         User-Agent: Stripe/1.0 (+https://stripe.com/docs/webhooks)\r\nStripe-Signature: {signature}\r\n\
         Content-Length: {}\r\nConnection: close\r\n\r\n",
        url.path(),
        url.query().map(|query| format!("?{query}")).unwrap_or_default(),
        payload.len()
    );
    socket.write_all(&[head.as_bytes(), payload].concat()).await?;
    let mut answer = Vec::new();
    socket.take(MAX_ANSWER).read_to_end(&mut answer).await?;
    let status = answer.get(9..12).and_then(|digits| std::str::from_utf8(digits).ok()?.parse().ok());
    status.filter(|_| answer.starts_with(b"HTTP/1.")).ok_or_else(|| invalid("no HTTP answer"))
}
