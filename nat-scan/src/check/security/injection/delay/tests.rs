//! The clock is simulated: nobody waits.

use futures::executor::block_on;
use rand::RngExt as _;
use rand_distr::{Distribution as _, LogNormal};

use super::*;

/// How a server takes a wait: seconds for seconds.
type Waits = fn(f64) -> f64;

/// A server whose answers take `middle` seconds, more or less, and now and then much longer.
struct Server {
    random: ChaCha8Rng,
    jitter: LogNormal<f64>,
    stalls: f64,
    waits: Waits,
    mumbles: Waits,
    requests: usize,
}

impl Server {
    fn new(seed: u64, middle: f64, sigma: f64, stalls: f64) -> Self {
        Self {
            random: ChaCha8Rng::seed_from_u64(seed),
            jitter: LogNormal::new(middle.ln(), sigma).expect("a distribution"),
            stalls,
            waits: |_| 0.0,
            mumbles: |_| 0.0,
            requests: 0,
        }
    }

    fn obeying(mut self, waits: Waits) -> Self {
        self.waits = waits;
        self
    }

    fn time(&mut self) -> f64 {
        self.requests += 1;
        let stall = if self.random.random_bool(self.stalls) { 3.0 } else { 0.0 };
        self.jitter.sample(&mut self.random) + stall
    }
}

#[async_trait]
impl Stopwatch for Server {
    async fn wait(&mut self, seconds: f64) -> Option<f64> {
        Some(self.time() + (self.waits)(seconds))
    }

    async fn mumble(&mut self, seconds: f64) -> Option<f64> {
        Some(self.time() + (self.mumbles)(seconds))
    }

    async fn plain(&mut self) -> Option<f64> {
        Some(self.time())
    }
}

fn obeyed(server: &mut Server, unit: f64, seed: u64) -> Option<Obedience> {
    block_on(obeys(server, unit, seed))
}

#[test]
fn a_thousand_runs_against_a_server_that_jitters_and_stalls_raise_no_alarm() {
    for unit in [0.25, 0.5] {
        let mut asked = 0;
        for seed in 0..1_000 {
            let mut server = Server::new(seed, 0.08, 0.8, 0.01);
            assert_eq!(obeyed(&mut server, unit, seed), None, "seed {seed}");
            asked += server.requests;
        }
        assert!(asked < 1_400, "what does not wait costs hardly more than one request: {asked}");
    }
}

#[test]
fn the_first_question_is_not_all_that_stands_between_a_stall_and_an_alarm() {
    // As if each first question fell into a stall, and with many more stalls after it.
    for seed in 0..1_000 {
        let mut server = Server::new(seed, 0.08, 0.8, 0.05).obeying(|seconds| if seconds == 1.0 { 3.0 } else { 0.0 });
        assert_eq!(obeyed(&mut server, 0.5, seed), None, "seed {seed}");
    }
}

#[test]
fn a_server_that_waits_as_told_is_found() {
    for seed in 0..200 {
        let proof = obeyed(&mut Server::new(seed, 0.05, 0.3, 0.0).obeying(|seconds| seconds), 0.5, seed);
        let proof = proof.expect("it waits");
        assert!(proof.correlation > 0.97 && proof.points.len() == 12, "{proof:?}");
    }
}

#[test]
fn servers_that_are_slow_in_another_way_are_left_alone() {
    let cases: [(&str, Waits); 4] = [
        ("always slow", |_| 2.5),
        ("slow with any text of ours", |_| 1.2),
        ("waits twice as long", |seconds| seconds * 2.0),
        ("waits once, then gives up", |seconds| seconds.min(1.0)),
    ];
    for (name, waits) in cases {
        for seed in 0..50 {
            let mut server = Server::new(seed, 0.05, 0.3, 0.0).obeying(waits);
            assert_eq!(obeyed(&mut server, 0.5, seed), None, "{name}");
        }
    }
    // Not the function but the length of the text, or the number in it, makes it slow.
    let mut server = Server::new(1, 0.05, 0.3, 0.0).obeying(|seconds| seconds);
    server.mumbles = |seconds| seconds;
    assert_eq!(obeyed(&mut server, 0.5, 1), None);
    // Too much jitter to say anything.
    let mut server = Server::new(2, 0.8, 1.2, 0.0).obeying(|seconds| seconds);
    assert_eq!(obeyed(&mut server, 0.5, 2), None);
}
