//! Verifying a webhook beside the bare HMAC that it cannot do without:
//! `cargo bench -p nat-billing --all-features --bench signature`.
//!
//! Criterion measures one after the other; the ratio comes from alternating rounds, the best of each, so that other load
//! on the machine does not decide it.
#![expect(clippy::print_stdout, reason = "the ratio is the result")]

use std::hint::black_box;
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use hmac::{Hmac, KeyInit, Mac};
use nat_billing::webhook::signature::{sign, verify};
use nat_core::secret::{ExposeSecret, SecretString};
use sha2::Sha256;

const ROUNDS: usize = 400;
/// Calls in a round: short enough that many rounds are not interrupted.
const CALLS: u32 = 200;

const HEAD: &str = r#"{"id":"evt_1QkZ2mLkdIwHu7ix","type":"customer.subscription.updated","data":{"object":{"customer":"cus_RdQx","items":["#;
const ITEM: &str = r#"{"id":"si_RdQxV8a1K2mP0s","object":"subscription_item","created":1700000000,"current_period_end":1702592000,
"current_period_start":1700000000,"metadata":{},"price":{"id":"price_1QkYzTLkdIwHu7ixmPqD","object":"price","active":true,
"billing_scheme":"per_unit","currency":"eur","product":"prod_RdQwM3k9","recurring":{"interval":"month","interval_count":1,
"trial_period_days":null,"usage_type":"licensed"},"tax_behavior":"exclusive","type":"recurring","unit_amount":4900},
"quantity":1,"subscription":"sub_1QkZ2kLkdIwHu7ixQw","tax_rates":[]}"#;
const NOTE: &str = r#"],"note":""#;
const TAIL: &str = r#""}}}"#;

/// An update of a subscription in exactly that many bytes: as many items as fit, a note for the rest.
fn event(size: usize) -> Vec<u8> {
    let mut text = HEAD.to_owned();
    while text.len() + 1 + ITEM.len() + NOTE.len() + TAIL.len() <= size {
        text += if text.ends_with('[') { "" } else { "," };
        text += ITEM;
    }
    text += NOTE;
    text += &"n".repeat(size - text.len() - TAIL.len());
    text += TAIL;
    text.into_bytes()
}

/// What is verified: one signature, or two while a secret is rolled.
struct Delivery {
    name: String,
    payload: Vec<u8>,
    header: String,
    secrets: Vec<SecretString>,
    now: DateTime<Utc>,
}

impl Delivery {
    fn new(size: usize, secrets: &[&str]) -> Self {
        let now = DateTime::from_timestamp(1_700_000_000, 0).unwrap_or_default();
        let payload = event(size);
        let secrets: Vec<_> = secrets.iter().map(|text| SecretString::from(*text)).collect();
        let signed: Vec<_> = secrets.iter().map(|secret| sign(&payload, secret, now)).collect();
        let tags: Vec<_> = signed.iter().filter_map(|header| header.split_once(',')).map(|(_, tag)| tag).collect();
        let header = format!("t={},{}", now.timestamp(), tags.join(","));
        let name = format!("{size} bytes, {} v1", tags.len());
        let delivery = Self { name, payload, header, secrets, now };
        assert!(delivery.verify(), "what is measured is a good signature");
        delivery
    }

    fn verify(&self) -> bool {
        verify(black_box(&self.payload), Some(black_box(&self.header)), &self.secrets, self.now).is_ok()
    }

    /// The HMAC under each secret, and nothing else.
    fn bare_hmac(&self) {
        for secret in &self.secrets {
            #[expect(clippy::expect_used, reason = "HMAC takes keys of every length")]
            let mut mac = Hmac::<Sha256>::new_from_slice(secret.expose_secret().as_bytes())
                .expect("HMAC takes keys of every length");
            mac.update(b"1700000000.");
            mac.update(black_box(&self.payload));
            black_box(mac.finalize().into_bytes());
        }
    }

    fn ratio(&self) {
        let time = |call: &dyn Fn()| {
            let began = Instant::now();
            (0..CALLS).for_each(|_| call());
            began.elapsed() / CALLS
        };
        let (mut verify, mut bare) = (Duration::MAX, Duration::MAX);
        for _ in 0..ROUNDS {
            bare = bare.min(time(&|| self.bare_hmac()));
            verify = verify.min(time(&|| {
                black_box(self.verify());
            }));
        }
        let ratio = bare.as_secs_f64() / verify.as_secs_f64();
        println!("{:<22} bare HMAC {bare:>9.2?}   verify {verify:>9.2?}   ratio {ratio:.3}", self.name);
    }
}

fn signature(criterion: &mut Criterion) {
    let one = ["whsec_test_secret"].as_slice();
    let rolled = ["whsec_test_secret", "whsec_next_secret"].as_slice();
    let sizes = [(200, one), (3_000, one), (3_000, rolled), (200_000, one)];
    let deliveries: Vec<_> = sizes.into_iter().map(|(size, secrets)| Delivery::new(size, secrets)).collect();
    for delivery in &deliveries {
        let mut group = criterion.benchmark_group(&delivery.name);
        group.throughput(Throughput::Bytes(delivery.payload.len() as u64));
        group.bench_function("verify", |bench| bench.iter(|| delivery.verify()));
        group.bench_function("bare_hmac", |bench| bench.iter(|| delivery.bare_hmac()));
        group.finish();
    }
    deliveries.iter().for_each(Delivery::ratio);
}

criterion_group!(benches, signature);
criterion_main!(benches);
