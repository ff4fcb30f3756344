//! What random requests to make: arms of operation and source, a corpus of interesting choices for each operation, and
//! what the answers were worth.
//!
//! Plans are made an epoch at a time, each from the answers of the epochs before in plan order, so that they do not
//! depend on which answer came first.

use std::collections::{HashMap, HashSet};

use rand::RngExt;
use rand_chacha::ChaCha8Rng;

use super::bandit::{Arm, best};
use super::contain::contain;
use super::signature::signature;
use crate::chain::Pool;
use crate::check::Exchange;
use crate::generate::draw::Source;
use crate::generate::random::{self, Drawn, Stock};
use crate::generate::{Case, Phase, choice, rng};
use crate::spec::{Api, Operation};

/// Arms that are chosen by one draw.
const BATCH: usize = 16;
/// Cases of an epoch at least and at most.
const EPOCH: (usize, usize) = (32, 256);
/// Answers without anything new after which an operation is left alone, at least and at most.
const PATIENCE: (usize, usize) = (16, 48);
/// The same for an operation that never accepted anything.
const SHORT_PATIENCE: usize = 8;
/// Random requests to one operation, in multiples of its patience: answers can be new for ever.
const MAX_PATIENCES: u32 = 8;
/// Sequences tried until one makes a request that was not made before.
const TRIES: u64 = 4;
/// Interesting sequences of one operation.
const MAX_CORPUS: usize = 32;
/// What an answer is worth.
const NEW_ANSWER: f64 = 1.0;
const FIRST_SUCCESS: f64 = 3.0;
const NEW_FAILURE: f64 = 5.0;

/// How good the sources are as a rule.
const fn prior(source: Source) -> f64 {
    match source {
        Source::Schema => 2.5,
        Source::Boundary => 1.5,
        Source::Observed | Source::Example | Source::Dictionary => 1.0,
        Source::Hostile => 0.5,
    }
}

/// An operation that is explored.
struct Field {
    operation: usize,
    plain: Case,
    full: Case,
    rivals: Vec<String>,
    arms: [Arm; Source::ALL.len()],
    /// Choices that brought something new.
    corpus: Vec<Vec<u32>>,
    /// Digests of requests that were made.
    made: HashSet<u64>,
    works: bool,
    patience: u32,
    /// Answers since the last new one.
    quiet: u32,
    tried: u32,
}

impl Field {
    const fn is_live(&self) -> bool {
        self.quiet < self.patience && self.tried < self.patience * MAX_PATIENCES
    }
}

/// A request that is under way.
struct Trial {
    field: usize,
    source: usize,
    sequence: Vec<u32>,
}

/// An answer that was not learned from yet.
struct Returned {
    position: u64,
    ordinal: u32,
    signature: u64,
    status: Option<u16>,
}

/// The state of the random phase.
#[derive(Default)]
pub(super) struct Explorer {
    fields: Vec<Field>,
    trials: HashMap<u32, Trial>,
    returned: Vec<Returned>,
    /// Signatures of valid requests before.
    known: HashSet<u64>,
    /// Signatures that only random requests brought, and how often.
    found: HashMap<u64, u32>,
    /// Answers to random requests.
    answers: u64,
    epoch: u64,
    serial: u32,
}

impl Explorer {
    /// Takes note of the answer to a valid or a random request.
    pub(super) fn attend(&mut self, position: u64, operation: usize, exchange: &Exchange) {
        // Of what bends requests many are under way at once; which kinds of answers they get depends on the moment.
        let Some(case) = exchange.case.as_ref().filter(|case| matches!(case.phase, Phase::Random | Phase::HappyPath))
        else {
            return;
        };
        let Some(signature) = contain(|| signature(operation, exchange)).flatten() else { return };
        if case.phase == Phase::Random {
            self.returned.push(Returned { position, ordinal: case.ordinal, signature, status: exchange.status() });
        } else {
            self.known.insert(signature);
        }
    }

    /// Explores an operation from a valid request and one with everything; `works`: the first was accepted.
    pub(super) fn add(&mut self, api: &Api, operation: &Operation, plain: Case, full: Case, works: bool) {
        let freedom = random::freedom(operation, &full);
        if freedom == 0 {
            return;
        }
        let (least, most) = PATIENCE;
        let patience = if works { (8 + 4 * freedom).clamp(least, most) } else { SHORT_PATIENCE };
        self.fields.push(Field {
            operation: operation.index,
            plain,
            full,
            rivals: random::rivals_of(api, operation),
            arms: Source::ALL.map(|source| Arm::new(prior(source))),
            corpus: Vec::new(),
            made: HashSet::new(),
            works,
            patience: u32::try_from(patience).unwrap_or(u32::MAX),
            quiet: 0,
            tried: 0,
        });
    }

    /// The cases of the next epoch, at most `most`; none: nothing is left that promises something new.
    pub(super) fn epoch(&mut self, api: &Api, pool: &Pool, seed: u64, most: u64) -> Vec<Case> {
        let (low, high) = EPOCH;
        let size = (4 * self.fields.len()).clamp(low, high).min(usize::try_from(most).unwrap_or(high));
        let mut rng = rng::stream(seed, "", Phase::Random, self.epoch);
        self.epoch += 1;
        let mut cases = Vec::new();
        while cases.len() < size {
            let live = self.fields.iter().enumerate().filter(|(_, field)| field.is_live());
            let arms = live
                .flat_map(|(at, field)| field.arms.iter().enumerate().map(move |(source, arm)| ((at, source), *arm)));
            let chosen = best(arms, BATCH.min(size - cases.len()), &mut rng);
            if chosen.is_empty() {
                break;
            }
            for (field, source) in chosen {
                cases.extend(self.case(api, pool, seed, (field, source), &mut rng));
            }
        }
        cases
    }

    /// A request of an arm that was not made before. What was planned counts as quiet until its answer says otherwise.
    fn case(
        &mut self,
        api: &Api,
        pool: &Pool,
        seed: u64,
        (at, source): (usize, usize),
        rng: &mut ChaCha8Rng,
    ) -> Option<Case> {
        let (ordinal, field) = (self.serial, self.fields.get_mut(at)?);
        self.serial += 1;
        field.quiet += 1;
        field.tried += 1;
        let operation = api.operations.get(field.operation)?;
        let stock = Stock { operation, plain: &field.plain, full: &field.full, pool, rivals: &field.rivals };
        let kind = *Source::ALL.get(source)?;
        let parents: Option<(&Vec<u32>, &Vec<u32>)> =
            (!field.corpus.is_empty() && rng.random_range(0..2) == 0).then(|| {
                let mut pick = || &field.corpus[rng.random_range(0..field.corpus.len())];
                (pick(), pick())
            });
        for attempt in 0..TRIES {
            let number = u64::from(ordinal) * TRIES + attempt + (1 << 40);
            let mut stream = rng::stream(seed, &operation.endpoint(), Phase::Random, number);
            let sequence = match parents {
                Some((parent, other)) => choice::edited(parent, other, &mut stream),
                None => choice::fresh(&mut stream),
            };
            let drawn = contain(|| random::case(&stock, kind, &sequence, ordinal)).flatten();
            let Some(Drawn { case, used, digest }) = drawn.filter(|drawn| !field.made.contains(&drawn.digest)) else {
                continue;
            };
            field.made.insert(digest);
            let sequence = sequence.into_iter().take(used).collect();
            self.trials.insert(ordinal, Trial { field: at, source, sequence });
            return Some(case);
        }
        field.arms[source].learn(0.0);
        None
    }

    /// Learns from the epoch that ended.
    pub(super) fn learn(&mut self) {
        let mut returned = std::mem::take(&mut self.returned);
        returned.sort_by_key(|returned| returned.position);
        for Returned { ordinal, signature, status, .. } in returned {
            let Some(Trial { field, source, sequence }) = self.trials.remove(&ordinal) else { continue };
            let Some(field) = self.fields.get_mut(field) else { continue };
            self.answers += 1;
            let mut reward = 0.0;
            if !self.known.contains(&signature) {
                let count = self.found.entry(signature).or_default();
                *count += 1;
                if *count == 1 {
                    reward = if status.is_some_and(|status| status >= 500) { NEW_FAILURE } else { NEW_ANSWER };
                }
            }
            if !field.works && status.is_some_and(|status| (200..300).contains(&status)) {
                field.works = true;
                reward += FIRST_SUCCESS;
            }
            field.arms[source].learn(reward);
            if reward > 0.0 {
                field.quiet = 0;
                if field.corpus.len() < MAX_CORPUS {
                    field.corpus.push(sequence);
                }
            }
        }
        self.trials.clear();
    }

    /// The estimated probability that one more random request gets an answer of a kind that was never seen: by Good and
    /// Turing the share of the kinds that were seen once. None without random requests.
    pub(super) fn unseen(&self) -> Option<f64> {
        let once = self.found.values().filter(|count| **count == 1).count();
        (self.answers > 0).then(|| once as f64 / self.answers as f64)
    }
}
