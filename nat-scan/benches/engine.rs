//! What generation, classification and checks cost: the engine beside a plain client loop over the same transport, the
//! same requests and the same in-process server, and `wrk -t1 -c64` on that server where it is installed.
//! `cargo bench -p nat-scan --bench engine`
#![expect(clippy::print_stdout, reason = "the ratio is the result")]

mod common;

use std::sync::Arc;
use std::time::{Duration, Instant};

use common::{document, policy, serve};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use futures::StreamExt;
use nat_scan::engine::{self, Connect};
use nat_scan::generate::{self, Phase};
use nat_scan::spec::{self, SpecLimits};
use nat_scan::transport::http::HttpConnect;
use nat_scan::transport::{Limits, Request, Transport};
use tokio::runtime::Runtime;
use tokio_util::sync::CancellationToken;

const CONCURRENCY: usize = 64;
/// Equal resources: enough cases that start and end do not show.
const RESOURCES: usize = 40;
const ROUNDS: usize = 5;

struct Setup {
    runtime: Runtime,
    target: url::Url,
    document: String,
    requests: Vec<Request>,
}

impl Setup {
    fn new() -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let target: url::Url = format!("http://{}", serve()).parse().expect("a URL");
        let document = document(RESOURCES);
        let loading = spec::load(document.as_bytes(), None, None, SpecLimits::default());
        let api = runtime.block_on(loading).expect("a sound document");
        let mut requests = Vec::new();
        for phase in [Phase::HappyPath, Phase::Examples, Phase::Coverage] {
            for operation in &api.operations {
                let cases = generate::cases(&api, operation, phase, 1);
                requests.extend(cases.iter().filter_map(|case| generate::render(operation, case, "").ok()));
            }
        }
        Self { runtime, target, document, requests }
    }

    fn transport(&self) -> Arc<dyn Transport> {
        let pinned = self.runtime.block_on(policy().pin(&self.target)).expect("loopback is allowed");
        HttpConnect::default().connect(&pinned, Limits::default(), "scan_bench")
    }

    /// Requests and time of a loop that only sends.
    fn plain(&self) -> (u64, Duration) {
        let transport = self.transport();
        let begin = Instant::now();
        self.runtime.block_on(async {
            let sends = self.requests.iter().map(|request| transport.send(request, false));
            futures::stream::iter(sends).buffer_unordered(CONCURRENCY).for_each(|_| async {}).await;
        });
        (self.requests.len() as u64, begin.elapsed())
    }

    /// Requests and time of a whole scan: reading the document, generation, validation, proofs.
    fn engine(&self) -> (u64, Duration) {
        let config = common::config(&self.target, &self.document, CONCURRENCY, 1_000_000);
        let ports = common::ports();
        let begin = Instant::now();
        let outcome = self.runtime.block_on(engine::run(config, ports, Arc::new(|_| {}), CancellationToken::new()));
        assert_eq!(outcome.failure, None);
        (outcome.requests, begin.elapsed())
    }
}

fn rate((requests, elapsed): (u64, Duration)) -> f64 {
    requests as f64 / elapsed.as_secs_f64()
}

/// Requests a second of a client that neither makes nor looks at them.
fn wrk(target: &url::Url) -> Option<f64> {
    let url = target.join("r/1/5").ok()?;
    let output = std::process::Command::new("wrk").args(["-t1", "-c64", "-d5s", url.as_str()]).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    text.lines().find_map(|line| line.strip_prefix("Requests/sec:")?.trim().parse().ok())
}

fn engine_beside_plain_loop(criterion: &mut Criterion) {
    let setup = Setup::new();
    // Alternating, the best of each: other load on the machine must not decide the ratio.
    let (mut plain, mut engine) = (0.0_f64, 0.0_f64);
    for _ in 0..ROUNDS {
        plain = plain.max(rate(setup.plain()));
        engine = engine.max(rate(setup.engine()));
    }
    println!(
        "plain loop {plain:.0} requests/s, engine {engine:.0} requests/s, ratio {:.2} ({} cases, {CONCURRENCY} at once)",
        engine / plain,
        setup.requests.len()
    );
    match wrk(&setup.target) {
        Some(most) => println!(
            "wrk -t1 -c64 {most:.0} requests/s of one resource; engine {engine:.0} validated requests/s, ratio {:.2}",
            engine / most
        ),
        None => println!("wrk is not installed: no comparison with it"),
    }
    let mut group = criterion.benchmark_group("requests");
    group.sample_size(10).throughput(Throughput::Elements(setup.requests.len() as u64));
    group.bench_function("plain", |bencher| bencher.iter(|| setup.plain()));
    group.bench_function("engine", |bencher| bencher.iter(|| setup.engine()));
    group.finish();
}

criterion_group!(benches, engine_beside_plain_loop);
criterion_main!(benches);
