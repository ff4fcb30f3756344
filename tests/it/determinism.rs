//! The plan is the same however many requests are under way: 20 of 20 scans of fresh farms have one hash.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use nat::sample::farm::Switches;

use crate::farm::{Part, scan_part};
use crate::resume::LEFT_OUT;

const WORKERS: [usize; 3] = [1, 2, 8];
/// More than the plan needs.
const WHOLE: u64 = 20_000;

/// Scans a part of the farm so often and compares plans, waves and findings.
async fn check(runs: usize, left_out: &'static str, max_requests: u64) {
    let mut table = String::from("run | workers | plan | waves | findings | requests\n");
    let (mut plans, mut findings) = (BTreeSet::new(), BTreeSet::new());
    for run in 0..runs {
        let concurrency = WORKERS[run % WORKERS.len()];
        let part = Part { concurrency, left_out, max_requests };
        let outcome = scan_part(Switches::all(), "/openapi.json", 7, part).await;
        let found: Vec<String> =
            outcome.findings.iter().map(|f| format!("{} {} {}", f.check_id, f.endpoint, f.location)).collect();
        let (waves, count) = (outcome.plan_chain.len(), found.len());
        let _ = writeln!(
            table,
            "{run:>3} | {concurrency:>7} | {} | {waves} | {count} | {}",
            outcome.plan_hash, outcome.requests
        );
        // Where a budget ends a wave depends on how many requests its proofs took, and that on what the target answers.
        let whole = max_requests == WHOLE;
        plans.insert((whole.then_some(outcome.plan_hash), outcome.plan_chain));
        findings.insert(found);
    }
    show(&table);
    assert_eq!(plans.len(), 1, "{table}\n{plans:#?}");
    assert_eq!(findings.len(), 1, "{table}\n{findings:#?}");
}

#[expect(clippy::print_stdout, reason = "the table is what these tests show")]
pub(crate) fn show(table: &str) {
    println!("{table}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn plan_is_the_same_with_one_two_and_eight_requests_at_once() {
    // A part of the farm, with every phase of a scan: twenty of them in less than a minute.
    check(20, LEFT_OUT, WHOLE).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn plan_that_the_budget_cuts_begins_with_the_same_waves() {
    check(3, "", 2_500).await;
}
