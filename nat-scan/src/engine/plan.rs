//! Which requests, in which order. The plan depends on document, seed and configuration only, never on an answer, so
//! that its hash names the scan.

use std::collections::VecDeque;
use std::sync::Arc;

use sha2::{Digest, Sha256};

use super::contain::contain;
use crate::generate::{self, Case, Phase};
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
    /// `DELETE` operations come after all others of a phase: others may need what they remove.
    pub(super) deletes: bool,
}

/// The waves of every scan, in order.
pub(super) const WAVES: [Wave; 6] = [
    Wave { phase: Phase::HappyPath, deletes: false },
    Wave { phase: Phase::HappyPath, deletes: true },
    Wave { phase: Phase::Examples, deletes: false },
    Wave { phase: Phase::Examples, deletes: true },
    Wave { phase: Phase::Coverage, deletes: false },
    Wave { phase: Phase::Coverage, deletes: true },
];

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
    queue: VecDeque<Case>,
    /// Cases of the wave not handed out yet, an operation.
    outstanding: Vec<u32>,
    /// Why cases of an operation could not be written.
    unwritable: Vec<Option<String>>,
}

impl Plan {
    pub(super) fn new(api: Arc<Api>, base_path: String, seed: u64, what: Selection) -> Self {
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
            queue: VecDeque::new(),
            outstanding: vec![0; count],
            unwritable: vec![None; count],
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

    /// Hashes what was not asked for, so that a scan that was stopped names the same plan. At most `limit` cases.
    pub(super) fn drain(&mut self, mut limit: usize) {
        let next = self.wave.and_then(|wave| WAVES.iter().position(|w| *w == wave)).map_or(0, |at| at + 1);
        let mut rest = WAVES[next..].iter();
        loop {
            while let Some(_planned) = self.next() {
                limit = limit.saturating_sub(1);
                if limit == 0 {
                    return;
                }
            }
            let Some(wave) = rest.next() else { return };
            self.begin(*wave);
        }
    }

    /// Hex SHA-256 over the cases in order.
    pub(super) fn hash(&self) -> String {
        hex::encode(self.hash.clone().finalize())
    }

    fn write(&mut self, case: Case) -> Option<Planned> {
        let operation = self.api.operations.get(case.operation)?;
        let written = contain(|| generate::render(operation, &case, &self.base_path))
            .unwrap_or_else(|| Err("the request could not be written".to_owned()));
        let request = match written {
            Ok(request) => request,
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
        absorb(&mut self.hash, operation, phase, ordinal, &request, &self.base_path);
        Some(Planned { position, case, request })
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
            if (operation.method == "DELETE") != wave.deletes {
                continue;
            }
            let mut cases =
                contain(|| generate::cases(&self.api, operation, wave.phase, self.seed)).unwrap_or_default();
            if self.what.sample && wave.phase == Phase::Coverage {
                cases = spread(cases, SAMPLE_PER_OPERATION);
            }
            if self.window == 0 {
                self.total += cases.len();
                self.outstanding[index] = u32::try_from(cases.len()).unwrap_or(u32::MAX);
            }
            self.longest = self.longest.max(cases.len());
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
