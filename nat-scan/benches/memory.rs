//! Memory of scans of 201 operations, of more and more requests, in one process: `cargo bench -p nat-scan --bench memory`
//! (Linux: the figures are the kernel's).
#![expect(clippy::print_stdout, reason = "the figures are the result")]

mod common;

use std::sync::Arc;

use nat_scan::engine;
use tokio_util::sync::CancellationToken;

const RESOURCES: usize = 67;
/// Requests that one scan may send; the last ends by itself.
const LIMITS: [u64; 4] = [10_000, 30_000, 100_000, 1_000_000];
/// Requests of all scans together.
const ALL: u64 = 1_000_000;

/// A line of `/proc/self/status`, in MB.
fn resident(name: &str) -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    let kib = line.and_then(|line| line.split_whitespace().next()?.parse::<f64>().ok());
    kib.unwrap_or(f64::NAN) / 1024.0
}

fn main() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let target: url::Url = format!("http://{}", common::serve()).parse().expect("a URL");
    let document = common::document(RESOURCES);
    let mut sent = 0;
    let limits = LIMITS.into_iter().chain(std::iter::repeat(LIMITS[LIMITS.len() - 1]));
    for limit in limits {
        let config = common::config(&target, &document, 64, limit);
        let run = engine::run(config, common::ports(), Arc::new(|_| {}), CancellationToken::new());
        let outcome = runtime.block_on(run);
        assert_eq!(outcome.failure, None);
        sent += outcome.requests;
        println!(
            "{:>7} requests in this scan, {sent:>8} in all: {:.0} MB resident, {:.0} MB at most",
            outcome.requests,
            resident("VmRSS"),
            resident("VmHWM")
        );
        if sent >= ALL {
            break;
        }
    }
}
