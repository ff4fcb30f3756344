//! Malformed signature headers and bodies cost next to nothing: no panic, no memory, no time. A target of its own,
//! because it counts every allocation of the process.

use std::alloc::System;
use std::hint::black_box;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use chrono::DateTime;
use nat_billing::webhook::{
    inbox::StripeEvent,
    signature::{sign, verify},
};
use nat_core::secret::SecretString;
use rand::{RngExt, SeedableRng, rngs::StdRng};
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// The allocator counts for the whole process: one test at a time.
static ALONE: Mutex<()> = Mutex::new(());

const CASES: usize = 10_000;
const MOST_BYTES: usize = 2 << 20;
const LONGEST: Duration = Duration::from_millis(1);

const EVENT: &str = r#"{"id":"evt_1","object":"event","type":"customer.subscription.updated","created":1700000000,
 "livemode":false,"data":{"object":{"id":"sub_1","object":"subscription","customer":{"id":"cus_1"},"items":{"data":[]}}}}"#;

/// Takes something good apart: cuts, repeats, swaps and overwrites.
fn mutate(rng: &mut StdRng, text: &str, longest: usize) -> Vec<u8> {
    let mut bytes = text.as_bytes().to_vec();
    for _ in 0..rng.random_range(1..6) {
        let at = rng.random_range(0..=bytes.len());
        match rng.random_range(0..7) {
            0 => bytes.truncate(at),
            1 => bytes = bytes[at..].to_vec(),
            2 => bytes = bytes.repeat(rng.random_range(1..8)),
            3 => bytes.splice(at..at, "[{\"".repeat(rng.random_range(1..200)).into_bytes()).for_each(drop),
            4 => bytes.splice(at..at, ",v1=00,t=1,v0=".repeat(rng.random_range(1..300)).into_bytes()).for_each(drop),
            5 => bytes.splice(at..at, "ä\u{0}\u{202e}\"\\".bytes()).for_each(drop),
            _ => bytes.iter_mut().take(at).for_each(|byte| *byte ^= u8::from(rng.random_range(0..20) == 0)),
        }
        bytes.truncate(longest);
    }
    bytes
}

/// The bytes that a call asks for in all, and how long it takes. Machines are noisy: of a slow one the best of three
/// counts.
fn measure(call: impl Fn() -> bool) -> (usize, Duration) {
    let region = Region::new(ALLOCATOR);
    let began = Instant::now();
    call();
    let (mut took, bytes) = (began.elapsed(), region.change().bytes_allocated);
    for _ in 0..3 {
        if took > LONGEST {
            let began = Instant::now();
            call();
            took = took.min(began.elapsed());
        }
    }
    (bytes, took)
}

#[test]
fn b05_ten_thousand_malformed_headers_and_bodies_cost_nothing() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let secrets = [SecretString::from("whsec_one"), SecretString::from("whsec_two")];
    let now = DateTime::from_timestamp(1_700_000_000, 0).unwrap();
    let good = sign(EVENT.as_bytes(), &secrets[0], now);
    let mut rng = StdRng::seed_from_u64(7);
    let (mut most, mut longest, mut refused) = (0, Duration::ZERO, 0);
    for number in 0..CASES {
        let header = mutate(&mut rng, &good, 20 << 10);
        let body = mutate(&mut rng, EVENT, 4 << 10);
        let header = String::from_utf8_lossy(&header).into_owned();
        // A header that still holds the good signature is a good header, for the body that was signed.
        let verdict = verify(&body, Some(&header), &secrets, now);
        assert!(verdict.is_err() || body == EVENT.as_bytes(), "case {number}: {header}");
        refused += usize::from(verdict.is_err()) + usize::from(StripeEvent::parse(&body).is_err());
        for (bytes, took) in [
            measure(|| black_box(verify(&body, Some(&header), &secrets, now)).is_ok()),
            measure(|| black_box(StripeEvent::parse(&body)).is_ok()),
        ] {
            assert!(bytes <= MOST_BYTES, "case {number} asked for {bytes} bytes");
            assert!(took <= LONGEST, "case {number} took {took:?}");
            most = most.max(bytes);
            longest = longest.max(took);
        }
    }
    assert!(refused > CASES, "most of them are malformed: {refused}");
    #[expect(clippy::print_stdout, reason = "the figures are part of what is shown")]
    {
        println!("{CASES} headers and bodies, {refused} refused; at most {most} bytes and {longest:?} each");
    }
}

#[test]
fn b09_largest_body_of_any_shape_needs_no_more_memory_than_its_texts() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let most = 1 << 20;
    let fill = |open: &str, unit: &str, close: &str| {
        format!("{open}{}{close}", unit.repeat((most - open.len() - close.len()) / unit.len()))
    };
    for (shape, body) in [
        ("arrays", fill(r#"{"id":"evt_1","x":["#, "[],", "[]]}")),
        ("members", fill(r#"{"id":"evt_1","x":{"#, r#""a":1,"#, r#""b":2}}"#)),
        ("wanted members", fill("{", r#""id":"evt_1","#, r#""id":"evt_1"}"#)),
        ("a text", fill(r#"{"id":"evt_1","customer":""#, "x", r#""}"#)),
        ("an escaped text", fill(r#"{"id":"evt_1","x":""#, "\\u00e4", r#""}"#)),
        ("depth", fill(r#"{"id":"evt_1","x":"#, "[", "")),
        ("wanted depth", fill("", r#"{"data":"#, "")),
        ("numbers", fill(r#"{"id":"evt_1","x":["#, "1e308,", "0]}")),
    ] {
        assert!(body.len() <= most);
        let (bytes, _) = measure(|| black_box(StripeEvent::parse(body.as_bytes())).is_ok());
        assert!(bytes <= MOST_BYTES, "{shape}: {bytes} bytes");
    }
}
