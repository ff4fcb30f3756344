//! Verifying a webhook beside the bare HMAC that it cannot do without.

use std::hint::black_box;

use chrono::DateTime;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use hmac::{Hmac, KeyInit, Mac};
use nat_billing::webhook::signature::{sign, verify};
use nat_core::secret::SecretString;
use sha2::Sha256;

/// An event of about that many bytes, filled up with the metadata that real ones carry.
fn event(size: usize) -> Vec<u8> {
    let head =
        r#"{"id":"evt_1","object":"event","type":"customer.subscription.updated","data":{"object":{"metadata":{"#;
    let mut text = head.to_owned();
    for n in 0.. {
        if text.len() + 40 > size {
            break;
        }
        text += &format!(r#""key_{n}":"value of the member {n}","#);
    }
    text += r#""last":""}}}}"#;
    text.into_bytes()
}

fn signature(criterion: &mut Criterion) {
    let secret = "whsec_test_secret";
    let secrets = [SecretString::from(secret)];
    let now = DateTime::from_timestamp(1_700_000_000, 0).unwrap_or_default();
    for size in [200, 3_000, 200_000] {
        let payload = event(size);
        let header = sign(&payload, &secrets[0], now);
        let mut group = criterion.benchmark_group(format!("signature/{size}"));
        group.throughput(Throughput::Bytes(size as u64));
        group.bench_function("verify", |bench| {
            bench.iter(|| verify(black_box(&payload), Some(black_box(&header)), &secrets, now).is_ok());
        });
        group.bench_function("bare_hmac", |bench| {
            bench.iter(|| {
                #[expect(clippy::expect_used, reason = "HMAC takes keys of every length")]
                let mut mac =
                    Hmac::<Sha256>::new_from_slice(secret.as_bytes()).expect("HMAC takes keys of every length");
                mac.update(b"1700000000.");
                mac.update(black_box(&payload));
                mac.finalize().into_bytes()
            });
        });
        group.finish();
    }
}

criterion_group!(benches, signature);
criterion_main!(benches);
