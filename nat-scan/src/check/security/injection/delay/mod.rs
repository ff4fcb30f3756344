//! Whether a target waits as long as it is told to.
//!
//! Time is a weak witness: servers stall, networks jitter. So one short question comes first, which costs nothing where
//! nobody listens; then times in an order that has nothing to do with their length must lie on a line, twice, and a
//! wait of zero, and a wait in words that mean nothing, must take as long as usual.

mod statistics;
#[cfg(test)]
mod tests;

use async_trait::async_trait;
use rand::SeedableRng as _;
use rand::seq::SliceRandom as _;
use rand_chacha::ChaCha8Rng;

use statistics::{Band, Line, spread};

/// Waits asked for, in units.
const WAITS: [f64; 6] = [0.0, 1.0, 3.0, 2.0, 0.0, 4.0];
/// Plain requests that say what is usual.
const USUAL: usize = 6;
/// Series that must agree.
const SERIES: usize = 2;
/// A target whose usual times spread further than this (in seconds) says nothing.
const MAX_JITTER: f64 = 1.0;
/// Times within this of the usual one (in units) are usual.
const MIN_BAND: f64 = 0.3;
const SLOPE: std::ops::RangeInclusive<f64> = 0.8..=1.2;
const MIN_CORRELATION: f64 = 0.97;

/// What is timed: all in seconds, `None` when there was no answer to time.
#[async_trait]
pub(super) trait Stopwatch: Send {
    /// The target is asked to wait so long.
    async fn wait(&mut self, seconds: f64) -> Option<f64>;

    /// The same in words that mean nothing.
    async fn mumble(&mut self, seconds: f64) -> Option<f64>;

    /// An ordinary request.
    async fn plain(&mut self) -> Option<f64>;
}

/// What was measured, when it proves something.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Obedience {
    /// Seconds asked for and seconds taken, in the order of the requests.
    pub(super) points: Vec<(f64, f64)>,
    /// Median of ordinary requests.
    pub(super) usual: f64,
    pub(super) slope: f64,
    pub(super) correlation: f64,
}

/// Whether the target waits as it is told. `unit` is in seconds: the longest wait is four of them.
pub(super) async fn obeys(watch: &mut dyn Stopwatch, unit: f64, seed: u64) -> Option<Obedience> {
    let first = watch.wait(2.0 * unit).await?;
    if first < 2.0 * unit * 0.95 {
        return None;
    }
    let mut usual = Vec::with_capacity(USUAL);
    for _ in 0..USUAL {
        usual.push(watch.plain().await?);
    }
    let band = Band::around(&usual, MIN_BAND * unit)?;
    if spread(&usual) > MAX_JITTER || band.holds(first) {
        return None;
    }
    let mut proof: Option<Obedience> = None;
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    for _ in 0..SERIES {
        let mut waits = WAITS;
        waits.shuffle(&mut random);
        let mut points = Vec::with_capacity(waits.len());
        for wait in waits {
            let seconds = wait * unit;
            let taken = watch.wait(seconds).await?;
            // Nobody answers before he waited, and a wait of zero is none.
            if taken < seconds * 0.95 || (wait == 0.0 && !band.holds(taken)) {
                return None;
            }
            points.push((seconds, taken));
        }
        let line = Line::through(&points).filter(is_one_to_one)?;
        let so_far = proof.take().map(|proof| proof.points).unwrap_or_default();
        proof = Some(Obedience {
            points: so_far.into_iter().chain(points).collect(),
            usual: band.middle,
            slope: line.slope,
            correlation: line.correlation,
        });
    }
    let mumbled = watch.mumble(4.0 * unit).await?;
    proof.filter(|_| band.holds(mumbled))
}

fn is_one_to_one(line: &Line) -> bool {
    SLOPE.contains(&line.slope) && line.correlation > MIN_CORRELATION
}
