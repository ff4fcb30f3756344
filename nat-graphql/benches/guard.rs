//! The guard beside the parser that it protects: `cargo bench -p nat-graphql --bench guard`.
//!
//! Alternating rounds, the best of each, so that other load on the machine does not decide the ratio.
#![expect(clippy::print_stdout, reason = "the throughput is the result")]

use std::hint::black_box;
use std::time::Instant;

use async_graphql::parser::parse_query;
use nat_graphql::guard::{Limits, check};

const ROUNDS: usize = 200;
const CALLS: u32 = 50;

/// A document of some two kilobytes, as a frontend sends it.
fn typical() -> String {
    let scan =
        "id scanId kind status url createdAt progress { phase percent } summary { critical high medium low info }";
    let finding = "id checkId title severity confidence endpoint location status triage { status reason expiresAt }";
    format!(
        "query Dashboard($first: Int!, $after: String, $filter: ScanFilter = {{status: [RUNNING, COMPLETED]}}) {{ \
         usage {{ plan scansUsed scansLimit scansRemaining approachingLimit quotaResetDate }} \
         scans(first: $first, after: $after, filter: $filter) {{ totalCount edges {{ cursor node {{ ...S }} }} pageInfo {{ hasNextPage endCursor }} }} \
         findings(first: 50, filter: {{severity: [CRITICAL, HIGH], triaged: false}}) {{ nodes {{ ...F scan {{ ...S }} }} }} \
         viewer {{ tenant {{ tenantId email plan {{ planId functionalScans }} }} scopes }} rateLimit {{ cost remaining }} }} \
         fragment S on Scan {{ {scan} findings(first: 3) {{ nodes {{ ...F }} }} }} \
         fragment F on Finding {{ {finding} detail {{ description explanation remediation curl evidence {{ role request response at }} }} }}"
    )
}

/// The best time of one call, in seconds.
fn best(mut call: impl FnMut(), best: &mut f64) {
    let begin = Instant::now();
    for _ in 0..CALLS {
        call();
    }
    *best = best.min(begin.elapsed().as_secs_f64() / f64::from(CALLS));
}

fn main() {
    let limits = Limits::default();
    let text = format!("{{ scan(id: \"{}\") {{ id }} }}", "x".repeat(60 << 10));
    let comment = format!("{{ a }} #{}", "[{(".repeat(20 << 10));
    let hostile = format!("{{ a(b: {}", "[".repeat(60 << 10));
    println!("{:<26} {:>8} {:>10} {:>10} {:>10}", "document", "bytes", "guard", "MB/s", "of parser");
    for (name, query) in [
        ("typical", typical()),
        ("60 KiB string", text),
        ("60 KiB comment", comment),
        ("60 KiB nest, refused", hostile),
    ] {
        let (mut guard, mut parser) = (f64::INFINITY, f64::INFINITY);
        for _ in 0..ROUNDS {
            best(
                || {
                    let _ = black_box(check(black_box(&query), &limits));
                },
                &mut guard,
            );
            // What is refused must not reach the parser.
            if check(&query, &limits).is_ok() {
                best(
                    || {
                        let _ = black_box(parse_query(black_box(&query)));
                    },
                    &mut parser,
                );
            }
        }
        let share = if parser.is_finite() { format!("{:.3}", guard / parser) } else { "-".to_owned() };
        println!(
            "{name:<26} {:>8} {:>7.2} µs {:>10.0} {share:>10}",
            query.len(),
            guard * 1e6,
            query.len() as f64 / guard / 1e6
        );
    }
}
