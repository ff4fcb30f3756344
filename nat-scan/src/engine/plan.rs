//! Which requests, in which order. Within a wave the plan depends on nothing that the wave itself learns, and values of
//! the target are put in last ([`Case::bound`]): the same document, seed and configuration, and a target that answers
//! alike, give the same plan however many requests are under way at once. Its hash, and one for each wave, name the scan.

use std::collections::VecDeque;
use std::sync::Arc;

use sha2::{Digest, Sha256};

use super::contain::contain;
use super::passage::Words;
use crate::chain;
use crate::generate::{self, Base, Case, Phase};
use crate::spec::{Api, Operation};
use crate::transport::Request;

/// Cases held in memory at once, roughly; a phase with more is planned in windows of ordinals.
const WINDOW_CASES: usize = 50_000;
/// Cases of one operation in the traffic sample of a security scan.
const SAMPLE_PER_OPERATION: usize = 12;

/// A case with its bytes.
pub(super) struct Planned {
    pub(super) position: u64,
    pub(super) case: Case,
    /// Without credentials.
    pub(super) request: Request,
}

/// One step of the plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Wave {
    pub(super) phase: Phase,
    pub(super) harm: Harm,
}

/// What others lose when an operation succeeds. The harmful come later.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Harm {
    /// Nothing.
    None,
    /// One object: `DELETE`.
    Object,
    /// All of them, or the session: an operation whose name says so.
    All,
}

/// The waves of every scan, in order. A happy path is followed by rounds with what was learned.
pub(super) const WAVES: [Wave; 9] = [
    Wave { phase: Phase::HappyPath, harm: Harm::None },
    Wave { phase: Phase::Examples, harm: Harm::None },
    Wave { phase: Phase::HappyPath, harm: Harm::Object },
    Wave { phase: Phase::Coverage, harm: Harm::None },
    Wave { phase: Phase::Examples, harm: Harm::Object },
    Wave { phase: Phase::Coverage, harm: Harm::Object },
    Wave { phase: Phase::HappyPath, harm: Harm::All },
    Wave { phase: Phase::Examples, harm: Harm::All },
    Wave { phase: Phase::Coverage, harm: Harm::All },
];

/// What a successful request to the operation takes from others.
pub(super) fn harm(operation: &Operation) -> Harm {
    match () {
        () if operation.path.contains('{') && operation.method == "DELETE" => Harm::Object,
        () if operation.path.contains('{') => Harm::None,
        () if operation.method == "DELETE" || chain::destroys(&operation.path) => Harm::All,
        () => Harm::None,
    }
}

/// What a plan is made of.
pub(super) struct Selection {
    /// Operations that are tried.
    pub(super) operations: Vec<usize>,
    /// Only a sample of the coverage phase.
    pub(super) sample: bool,
    /// Only methods that are safe by definition, whatever a case overrides.
    pub(super) safe_mode: bool,
    pub(super) max_cases: u64,
}

/// A lazy plan: cases are made, rendered and hashed in order as they are asked for.
pub(super) struct Plan {
    api: Arc<Api>,
    base_path: String,
    seed: u64,
    what: Selection,
    /// Cases that may still be planned.
    left: u64,
    cut: bool,
    position: u64,
    hash: Sha256,
    wave: Option<Wave>,
    window: usize,
    total: usize,
    /// The most cases that one operation has in the wave.
    longest: usize,
    /// How many each has.
    lengths: Vec<usize>,
    queue: VecDeque<Case>,
    /// Cases of the wave not handed out yet, an operation.
    outstanding: Vec<u32>,
    /// Why cases of an operation could not be written.
    unwritable: Vec<Option<String>>,
    /// What the target accepted, an operation: the later phases are built upon it.
    bases: Vec<Option<Arc<Base>>>,
    /// Make texts unique.
    words: Arc<Words>,
    chain: Vec<String>,
}

impl Plan {
    pub(super) fn new(api: Arc<Api>, base_path: String, seed: u64, words: Arc<Words>, what: Selection) -> Self {
        let count = api.operations.len();
        let mut hash = Sha256::new();
        hash.update(b"nat-plan-1\0");
        hash.update(seed.to_be_bytes());
        Self {
            api,
            base_path,
            seed,
            left: what.max_cases,
            what,
            cut: false,
            position: 0,
            hash,
            wave: None,
            window: 0,
            total: 0,
            longest: 0,
            lengths: vec![0; count],
            queue: VecDeque::new(),
            outstanding: vec![0; count],
            unwritable: vec![None; count],
            bases: vec![None; count],
            words,
            chain: Vec::new(),
        }
    }

    /// Begins a wave; the number of its cases.
    pub(super) fn begin(&mut self, wave: Wave) -> usize {
        self.wave = Some(wave);
        self.window = 0;
        self.total = 0;
        self.longest = 0;
        self.queue.clear();
        self.fill(wave);
        self.total
    }

    /// Begins a wave of these cases; the number of them.
    pub(super) fn begin_with(&mut self, wave: Wave, cases: Vec<Case>) -> usize {
        self.wave = Some(wave);
        self.window = 0;
        self.longest = 0;
        self.total = cases.len();
        for case in &cases {
            if let Some(outstanding) = self.outstanding.get_mut(case.operation) {
                *outstanding += 1;
            }
        }
        self.queue = cases.into();
        self.total
    }

    /// Ends a wave: its cases, and all before it, have this hash.
    pub(super) fn end(&mut self) {
        let hash = self.hash();
        if self.chain.last() != Some(&hash) {
            self.chain.push(hash);
        }
    }

    /// The hash after each wave.
    pub(super) fn chain(&self) -> &[String] {
        &self.chain
    }

    /// The operation accepts these cases.
    pub(super) fn build_upon(&mut self, operation: usize, accepted: Base) {
        if let Some(base) = self.bases.get_mut(operation) {
            *base = Some(Arc::new(accepted));
        }
    }

    /// Whether the operation is part of the plan.
    pub(super) fn has(&self, operation: usize) -> bool {
        self.what.operations.contains(&operation)
    }

    /// Takes the subjects of the stateful phase into the hash.
    pub(super) fn note(&mut self, operations: impl Iterator<Item = usize>) {
        for operation in operations {
            self.hash.update((operation as u64).to_be_bytes());
        }
        self.end();
    }

    /// Operations of the plan that do this harm.
    pub(super) fn selected(&self, wanted: Harm) -> impl Iterator<Item = &Operation> {
        let chosen = self.what.operations.iter().filter_map(|index| self.api.operations.get(*index));
        chosen.filter(move |operation| harm(operation) == wanted)
    }

    /// Cases that may still be planned.
    pub(super) const fn left(&self) -> u64 {
        self.left
    }

    /// Cases were left out because of the budget.
    pub(super) const fn is_cut(&self) -> bool {
        self.cut
    }

    /// No case of this operation is left in the wave.
    pub(super) fn is_done(&self, operation: usize) -> bool {
        self.outstanding.get(operation).is_none_or(|left| *left == 0)
    }

    /// Why an operation could not be put on the wire.
    pub(super) fn unwritable(&self, operation: usize) -> Option<&str> {
        self.unwritable.get(operation)?.as_deref()
    }

    /// The next case of the wave.
    pub(super) fn next(&mut self) -> Option<Planned> {
        while self.left > 0 {
            let Some(case) = self.queue.pop_front() else {
                let wave = self.wave?;
                if self.window * self.window_size() >= self.longest {
                    return None;
                }
                self.fill(wave);
                continue;
            };
            if let Some(left) = self.outstanding.get_mut(case.operation) {
                *left = left.saturating_sub(1);
            }
            if let Some(planned) = self.write(case) {
                return Some(planned);
            }
        }
        // What is beyond the budget is no longer expected.
        self.cut |= !self.queue.is_empty();
        self.outstanding.fill(0);
        self.queue.clear();
        None
    }

    /// Hex SHA-256 over the cases in order.
    pub(super) fn hash(&self) -> String {
        hex::encode(self.hash.clone().finalize())
    }

    fn write(&mut self, case: Case) -> Option<Planned> {
        let operation = self.api.operations.get(case.operation)?;
        let written = contain(|| generate::render(operation, &case, &self.base_path))
            .unwrap_or_else(|| Err("the request could not be written".to_owned()));
        let (made_up, request) = match written.and_then(|made_up| self.put_in(operation, &case, made_up)) {
            Ok(both) => both,
            Err(reason) => {
                if let Some(slot) = self.unwritable.get_mut(case.operation) {
                    slot.get_or_insert(reason);
                }
                return None;
            }
        };
        if self.what.safe_mode && !matches!(request.method.as_str(), "GET" | "HEAD" | "OPTIONS") {
            return None;
        }
        let (position, ordinal) = (self.position, case.ordinal);
        let phase = case.phase;
        self.position += 1;
        self.left -= 1;
        absorb(&mut self.hash, operation, phase, ordinal, &made_up, &self.base_path);
        // A random choice among all that was observed: how many things a list showed is the target's.
        for binding in case.bindings.iter().filter(|_| phase != Phase::Random) {
            self.hash.update(binding.source.as_bytes());
            self.hash.update(b"\0");
        }
        Some(Planned { position, case, request })
    }

    /// The request as made up, and as it is sent.
    fn put_in(&self, operation: &Operation, case: &Case, made_up: Request) -> Result<(Request, Request), String> {
        if case.bindings.is_empty() {
            return Ok((made_up.clone(), made_up));
        }
        let case = case.renewed(&self.words.of_case(self.position));
        let bound = contain(|| generate::render(operation, &case.bound(), &self.base_path))
            .unwrap_or_else(|| Err("the request could not be written".to_owned()))?;
        Ok((made_up, bound))
    }

    fn window_size(&self) -> usize {
        (WINDOW_CASES / self.what.operations.len().max(1)).max(16)
    }

    fn fill(&mut self, wave: Wave) {
        let size = self.window_size();
        let skip = self.window * size;
        let mut lists = Vec::new();
        for &index in &self.what.operations {
            let Some(operation) = self.api.operations.get(index) else { continue };
            if harm(operation) != wave.harm || (self.window > 0 && self.lengths[index] <= skip) {
                continue;
            }
            let mut cases = contain(|| {
                let base = self.bases.get(index).and_then(Option::as_deref);
                generate::cases_upon(&self.api, operation, wave.phase, self.seed, base)
            })
            .unwrap_or_default();
            if self.what.sample && wave.phase == Phase::Coverage {
                // A sample is there to see answers, not to keep the target busy.
                cases.retain(|case| !case.is_large());
                cases = spread(cases, SAMPLE_PER_OPERATION);
            }
            if self.window == 0 {
                self.total += cases.len();
                self.outstanding[index] = u32::try_from(cases.len()).unwrap_or(u32::MAX);
            }
            self.longest = self.longest.max(cases.len());
            self.lengths[index] = cases.len();
            lists.push(cases.into_iter().skip(skip).take(size).collect::<VecDeque<_>>());
        }
        self.window += 1;
        let fits = lists.iter().map(VecDeque::len).sum::<usize>() as u64 <= self.left;
        if wave.phase == Phase::HappyPath && fits {
            // One operation after the other: its answers are judged as soon as its happy path is known.
            self.queue.extend(lists.into_iter().flatten());
            return;
        }
        while !lists.is_empty() {
            lists.retain_mut(|list| {
                self.queue.extend(list.pop_front());
                !list.is_empty()
            });
        }
    }
}

/// At most `count` of them, evenly spread.
fn spread<T>(items: Vec<T>, count: usize) -> Vec<T> {
    let step = items.len().div_ceil(count.max(1)).max(1);
    items.into_iter().step_by(step).collect()
}

/// Adds one case to the hash; parts carry their length, so that no two plans give the same input.
fn absorb(hash: &mut Sha256, operation: &Operation, phase: Phase, ordinal: u32, request: &Request, base_path: &str) {
    let mut part = |bytes: &[u8]| {
        hash.update((bytes.len() as u64).to_be_bytes());
        hash.update(bytes);
    };
    part(operation.method.as_bytes());
    part(operation.path.as_bytes());
    part(phase.as_str().as_bytes());
    part(&ordinal.to_be_bytes());
    part(request.method.as_bytes());
    part(request.target.strip_prefix(base_path).unwrap_or(&request.target).as_bytes());
    for (name, value) in &request.headers {
        part(name.as_bytes());
        part(value);
    }
    part(request.body.as_deref().unwrap_or_default());
}
