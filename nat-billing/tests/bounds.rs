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

/// What headers and JSON are held together by.
const PUNCTUATION: &[u8] = b"tv01=,\"\\{}[]:e-. \n\0";

/// Sometimes nothing good is left at all: any characters, or any bytes.
fn garble(rng: &mut StdRng, text: &str, longest: usize) -> Vec<u8> {
    let length = rng.random_range(0..=longest);
    match rng.random_range(0..10) {
        0 => (0..length / 4).map(|_| rng.random::<char>()).collect::<String>().into_bytes(),
        1 => (0..length).map(|_| rng.random()).collect(),
        2 => (0..length).map(|_| PUNCTUATION[rng.random_range(0..PUNCTUATION.len())]).collect(),
        _ => mutate(rng, text, longest),
    }
}

/// What a header must hold to prove anything, said more simply than [`verify`] can afford to.
fn is_plausible(header: &str, good: &str) -> bool {
    let mut times = header.split(',').filter(|item| item.starts_with("t="));
    let Some((time, tag)) = good.split_once(',') else { return false };
    header.len() <= 16 << 10
        && times.next() == Some(time)
        && times.next().is_none()
        && header.split(',').any(|item| item == tag)
}

/// The bytes that a call asks for in all, and how long it takes. Machines are noisy: of a slow one the best of twenty
/// counts.
fn measure(call: impl Fn() -> bool) -> (usize, Duration) {
    let region = Region::new(ALLOCATOR);
    let began = Instant::now();
    call();
    let (mut took, bytes) = (began.elapsed(), region.change().bytes_allocated);
    for _ in 0..20 {
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
    let (mut most, mut longest, mut refused, mut good_left) = (0, Duration::ZERO, 0, 0);
    for number in 0..CASES {
        let header = garble(&mut rng, &good, 20 << 10);
        let body = garble(&mut rng, EVENT, 4 << 10);
        let header = String::from_utf8_lossy(&header).into_owned();
        let verdict = verify(&body, Some(&header), &secrets, now);
        assert!(verdict.is_err() || body == EVENT.as_bytes(), "case {number}: {header}");
        // A header that still holds the good signature is a good header, for the body that was signed.
        let of_the_signed = verify(EVENT.as_bytes(), Some(&header), &secrets, now);
        assert!(of_the_signed.is_err() || is_plausible(&header, &good), "case {number}: {header}");
        good_left += usize::from(of_the_signed.is_ok());
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
        println!("{good_left} headers were still good for the body that was signed");
    }
}

type Shape = (&'static str, fn(&mut StdRng) -> String);

/// Bodies of at most 1 MiB that are as large, as deep or as many-membered as they can be.
const SHAPES: [Shape; 10] = [
    ("arrays", |rng| {
        let depth = rng.random_range(1..120);
        fill(r#"{"id":"evt_1","x":["#, |_| format!("{}{},", "[".repeat(depth), "]".repeat(depth)), "[]]}")
    }),
    ("members", |_| fill(r#"{"id":"evt_1","x":{"#, |n| format!(r#""a{n}":1,"#), r#""b":2}}"#)),
    ("wanted members", |rng| {
        let name = wanted(rng);
        fill("{", |_| format!(r#""{name}":{{"id":"cus_1"}},"id":"evt_1","#), r#""id":"evt_1"}"#)
    }),
    ("a text", |rng| fill(&format!(r#"{{"id":"evt_1","{}":""#, wanted(rng)), |_| "x".repeat(64), r#""}"#)),
    ("an escaped text", |rng| {
        let plain = "x".repeat(rng.random_range(0..4_000));
        fill(r#"{"id":"evt_1","x":""#, |_| format!("\\u00e4{plain}"), r#""}"#)
    }),
    ("a name", |rng| {
        let plain = "x".repeat(rng.random_range(0..4_000));
        fill(r#"{"id":"evt_1",""#, |_| format!("\\n{plain}"), r#"":1}"#)
    }),
    ("depth", |rng| {
        let units = ["[", r#"{"data":"#, r#"{"data":{"object":["#, r#"[{"":"#];
        let unit = units[rng.random_range(0..units.len())];
        fill(&format!(r#"{{"id":"evt_1","{}":"#, wanted(rng)), |_| unit.repeat(64), "")
    }),
    ("numbers", |rng| {
        let digits = rng.random_range(1..400);
        fill(r#"{"id":"evt_1","created":["#, |_| format!("{}e308,", "1".repeat(digits)), "0]}")
    }),
    ("a number", |rng| fill(&format!(r#"{{"id":"evt_1","{}":1"#, wanted(rng)), |_| "0".repeat(64), "}")),
    ("white space", |rng| {
        let space = [" ", "\n", "\t \r\n"][rng.random_range(0..3)];
        fill(r#"{"id":"evt_1","#, |_| space.repeat(64), r#""x":1}"#)
    }),
];

/// Between `open` and `close` as many units as fit into 1 MiB.
fn fill(open: &str, unit: impl Fn(usize) -> String, close: &str) -> String {
    let mut text = open.to_owned();
    for unit in (0..).map(unit) {
        if text.len() + unit.len() + close.len() > 1 << 20 {
            break;
        }
        text += &unit;
    }
    text + close
}

fn wanted(rng: &mut StdRng) -> &'static str {
    ["id", "type", "created", "livemode", "data", "object", "customer", "x"][rng.random_range(0..8)]
}

#[test]
fn b09_largest_body_of_any_shape_needs_no_more_memory_than_its_texts() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let mut rng = StdRng::seed_from_u64(9);
    let (mut most, mut read) = ((0, ""), 0);
    // Each shape three times, made otherwise.
    for (shape, body) in SHAPES.iter().cycle().take(3 * SHAPES.len()) {
        let body = body(&mut rng);
        assert!(body.len() <= 1 << 20 && body.len() > (1 << 20) - 5_000, "{shape}: {}", body.len());
        let region = Region::new(ALLOCATOR);
        read += usize::from(black_box(StripeEvent::parse(body.as_bytes())).is_ok());
        let bytes = region.change().bytes_allocated;
        assert!(bytes <= MOST_BYTES, "{shape}: {bytes} bytes");
        most = most.max((bytes, *shape));
    }
    #[expect(clippy::print_stdout, reason = "the figures are part of what is shown")]
    {
        println!("bodies of 1 MiB, {read} of them read; at most {} bytes, of {}", most.0, most.1);
    }
}
