//! The plan is the same however many requests are under way: 20 of 20 scans of fresh farms have one hash.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use nat::sample::farm::Switches;

use crate::farm::{Part, scan_part};

const RUNS: usize = 20;
const WORKERS: [usize; 3] = [1, 2, 8];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn plan_is_the_same_with_one_two_and_eight_requests_at_once() {
    let mut table = String::from("run | workers | plan | waves | findings | requests\n");
    let (mut plans, mut chains, mut findings) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
    for run in 0..RUNS {
        let concurrency = WORKERS[run % WORKERS.len()];
        // A part of the farm, with every phase of a scan: twenty of them in less than a minute.
        let outcome =
            scan_part(Switches::all(), "/openapi.json", 7, Part { concurrency, left_out: crate::resume::LEFT_OUT })
                .await;
        let found: Vec<String> =
            outcome.findings.iter().map(|f| format!("{} {} {}", f.check_id, f.endpoint, f.location)).collect();
        let _ = writeln!(
            table,
            "{run:>3} | {concurrency:>7} | {} | {} | {} | {}",
            outcome.plan_hash,
            outcome.plan_chain.len(),
            found.len(),
            outcome.requests
        );
        plans.insert(outcome.plan_hash);
        chains.insert(outcome.plan_chain);
        findings.insert(found);
    }
    println_table(&table);
    assert_eq!((plans.len(), chains.len()), (1, 1), "{table}\n{chains:#?}");
    assert_eq!(findings.len(), 1, "{table}\n{findings:#?}");
}

#[expect(clippy::print_stdout, reason = "the table is what this test shows")]
fn println_table(table: &str) {
    println!("{table}");
}
