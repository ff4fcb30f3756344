//! What the answers of one wave teach the next: live objects, and what was wrong with valid requests that were refused.
//!
//! Answers are learned from in plan order at the end of a wave, so that what is learned does not depend on which answer
//! came first.

use serde_json::Value;
use std::collections::{BTreeMap, HashSet};
use std::hash::{DefaultHasher, Hash, Hasher};

use super::contain::contain;
use super::tally::is_valid;
use crate::chain::hint::{self, Hint, Remedy};
use crate::chain::{Pool, guide, tokens};
use crate::check::Exchange;
use crate::classify::wire;
use crate::generate::plan::FULL;
use crate::generate::rng;
use crate::generate::{self, Base, BodyValue, Case, Phase};
use crate::spec::{Api, Location, Operation};

/// Bodies above this teach nothing.
const MAX_BODY: usize = 512 << 10;
/// Hints kept for one operation.
const MAX_HINTS: usize = 24;
/// Variants of one operation in one round.
const MAX_VARIANTS: usize = 4;
/// Variants of one operation in all.
const MAX_TRIES: usize = 24;
/// Variants that may be tried again because the target was busy.
const MAX_EXCUSED: usize = 6;
/// Variants of an operation that works already, to make it accept more.
const MAX_GROWTH: usize = 6;

/// An answer to a valid request.
struct Lesson {
    position: u64,
    operation: usize,
    exchange: Exchange,
}

/// What is known about one operation.
#[derive(Default)]
struct Known {
    hints: Vec<Hint>,
    /// Statuses of refusals.
    refused: HashSet<u16>,
    accepted: Option<Base>,
    tried: HashSet<u64>,
    /// Variants that met an overload.
    excused: usize,
}

/// Everything learned so far.
pub(super) struct Lessons {
    pub(super) pool: Pool,
    waiting: Vec<Lesson>,
    known: Vec<Known>,
}

impl Lessons {
    pub(super) fn new(operations: usize) -> Self {
        let known = std::iter::repeat_with(Known::default).take(operations).collect();
        Self { pool: Pool::default(), waiting: Vec::new(), known }
    }

    /// Keeps what an exchange may teach until the wave ends.
    pub(super) fn attend(&mut self, position: u64, operation: usize, exchange: &Exchange) {
        let small = exchange.response().is_some_and(|response| response.body.len() <= MAX_BODY);
        let counts = exchange.case.as_ref().is_some_and(|case| case.phase == Phase::HappyPath);
        if small && counts && is_valid(exchange) {
            let Exchange { case, request, result, truth, at, .. } = exchange;
            let exchange = Exchange::new(case.clone(), request.clone(), result.clone(), truth.clone(), *at);
            self.waiting.push(Lesson { position, operation, exchange });
        }
    }

    /// Learns from the wave that ended.
    pub(super) fn learn(&mut self, api: &Api, base_path: &str) {
        let mut waiting = std::mem::take(&mut self.waiting);
        waiting.sort_by_key(|lesson| lesson.position);
        for lesson in waiting {
            contain(|| self.study(api, base_path, &lesson));
        }
    }

    fn study(&mut self, api: &Api, base_path: &str, lesson: &Lesson) {
        let (Some(operation), Some(case)) = (api.operations.get(lesson.operation), &lesson.exchange.case) else {
            return;
        };
        let Some(known) = self.known.get_mut(lesson.operation) else { return };
        match lesson.exchange.status() {
            Some(200..300) => {
                let base = known.accepted.get_or_insert_with(|| Base { least: case.clone(), most: None });
                if case.label == FULL {
                    base.most.get_or_insert_with(|| case.clone());
                }
                let origin = origin(operation, case);
                let sent = match case.bound().body {
                    Some(BodyValue::Typed { value, .. }) => Some(value),
                    _ => None,
                };
                let location = lesson
                    .exchange
                    .response()
                    .and_then(|response| response.header("location"))
                    .filter(|_| origin.created)
                    .map(|location| of_location(api, base_path, location))
                    .unwrap_or_default();
                self.pool.harvest(&origin, lesson.exchange.json(), sent.as_ref(), &location);
            }
            // That was the moment, not the request: it may be tried again.
            Some(429 | 502..=504) if known.excused < MAX_EXCUSED => {
                known.excused += 1;
                known.tried.remove(&signature(case));
            }
            Some(status @ 400..500) => {
                known.refused.insert(status);
                let fresh = lesson.exchange.json().map(hint::read).unwrap_or_default();
                for hint in fresh.into_iter().filter(|_| !matches!(status, 401 | 403 | 405)) {
                    known.take(hint);
                }
            }
            _ => {}
        }
    }

    /// What the operation accepted, ready to be sent again and again.
    pub(super) fn accepted(&self, operation: &Operation) -> Option<Base> {
        let mut base = self.known.get(operation.index)?.accepted.clone()?;
        guide::freshen(operation, &mut base.least);
        if let Some(most) = &mut base.most {
            guide::freshen(operation, most);
        }
        Some(base)
    }

    /// Every valid request was refused for who we are, or because the operation is not there.
    pub(super) fn is_hopeless(&self, operation: usize) -> bool {
        self.known.get(operation).is_some_and(Known::is_hopeless)
    }

    /// Cases of the next round, in order of operations; none: there is nothing more to try.
    pub(super) fn round<'a>(
        &mut self,
        api: &Api,
        operations: impl Iterator<Item = &'a Operation>,
        seed: u64,
        round: u32,
        spare: bool,
    ) -> Vec<Case> {
        let keep = if spare { self.kept() } else { Vec::new() };
        let mut cases = Vec::new();
        for operation in operations {
            let made = contain(|| self.variants(api, operation, seed, round, &keep)).unwrap_or_default();
            cases.extend(made);
        }
        cases
    }

    fn variants(&mut self, api: &Api, operation: &Operation, seed: u64, round: u32, keep: &[usize]) -> Vec<Case> {
        let Some(known) = self.known.get_mut(operation.index) else { return Vec::new() };
        let works = known.accepted.is_some();
        let works_fully = known.accepted.as_ref().is_some_and(|base| base.most.is_some());
        let hopeless = known.is_hopeless();
        let limit = if works { MAX_GROWTH } else { MAX_TRIES };
        if hopeless || (works && (works_fully || known.hints.is_empty())) || known.tried.len() >= limit {
            return Vec::new();
        }
        let mut bases = generate::cases(api, operation, Phase::HappyPath, seed);
        bases.retain(|case| !works || case.label == FULL);
        let lore = guide::Lore { pool: &self.pool, hints: &known.hints, keep };
        let mut rng = rng::stream(seed, &operation.endpoint(), Phase::HappyPath, (1 << 40) + u64::from(round));
        let mut made = guide::variants(operation, &bases, &lore, &mut rng);
        made.retain(|case| known.tried.len() < limit && known.tried.insert(signature(case)));
        made.truncate(MAX_VARIANTS);
        for (number, case) in (0..).zip(&mut made) {
            case.ordinal = round * 100 + number;
        }
        made
    }

    /// Objects that accepted cases name.
    fn kept(&self) -> Vec<usize> {
        let named: HashSet<&str> = self
            .known
            .iter()
            .filter_map(|known| known.accepted.as_ref())
            .flat_map(|base| base.least.bindings.iter().chain(base.most.iter().flat_map(|case| &case.bindings)))
            .filter_map(|binding| binding.source.rsplit_once(' ').map(|(source, _)| source))
            .collect();
        (0..)
            .map_while(|index| self.pool.get(index).map(|object| (index, object)))
            .filter(|(_, object)| named.contains(&*object.source))
            .map(|(index, _)| index)
            .collect()
    }
}

impl Known {
    fn is_hopeless(&self) -> bool {
        !self.refused.is_empty() && self.refused.iter().all(|status| matches!(status, 401 | 403 | 405))
    }

    /// A hint replaces an older one about the same part; one that did not help is doubted.
    fn take(&mut self, mut hint: Hint) {
        if let Some(at) = self.hints.iter().position(|known| known.path == hint.path) {
            let old = self.hints.remove(at);
            if old.remedy == hint.remedy {
                hint.remedy = match old.remedy {
                    // The first of several values was not it.
                    Remedy::OneOf(mut values) if values.len() > 1 => {
                        values.remove(0);
                        Remedy::OneOf(values)
                    }
                    _ => Remedy::Doubt,
                };
            }
        }
        if self.hints.len() < MAX_HINTS {
            self.hints.push(hint);
        }
    }
}

/// Two cases with the same signature are the same request to the same objects.
fn signature(case: &Case) -> u64 {
    let mut hasher = DefaultHasher::new();
    for argument in &case.arguments {
        (argument.parameter, argument.value.to_string()).hash(&mut hasher);
    }
    match &case.body {
        Some(BodyValue::Typed { media_type, value }) => (media_type, value.to_string()).hash(&mut hasher),
        Some(BodyValue::Raw { bytes, .. }) => bytes.hash(&mut hasher),
        None => {}
    }
    for binding in &case.bindings {
        binding.source.hash(&mut hasher);
    }
    hasher.finish()
}

fn origin<'a>(operation: &'a Operation, case: &Case) -> crate::chain::Origin<'a> {
    let bound = case.bound();
    let parents: BTreeMap<String, Value> = bound
        .arguments
        .iter()
        .filter_map(|argument| {
            let parameter = operation.parameters.get(argument.parameter)?;
            (parameter.location == Location::Path).then(|| (parameter.name.clone(), argument.value.clone()))
        })
        .collect();
    let reads = ["filter", "search", "query", "find", "count", "list", "login", "validate", "check"];
    let verb = operation
        .path
        .rsplit('/')
        .next()
        .is_some_and(|segment| tokens(segment).iter().any(|word| reads.contains(&word.as_str())));
    crate::chain::Origin {
        operation: operation.index,
        path: &operation.path,
        created: matches!(operation.method.as_str(), "POST" | "PUT") && !verb,
        source: format!("{} {}:{}", operation.endpoint(), case.phase.as_str(), case.ordinal).into(),
        parents,
    }
}

/// What a `Location` says about the new thing: its id, and the path parameters of the operations that it leads to.
fn of_location(api: &Api, base_path: &str, location: &str) -> Vec<(String, Value)> {
    let path = match location.split_once("://") {
        Some((_, rest)) => rest.find('/').map_or("", |at| &rest[at..]),
        None => location,
    };
    let path = path.split(['?', '#']).next().unwrap_or_default();
    let path = path.strip_prefix(base_path).unwrap_or(path);
    let mut found: Vec<(String, Value)> = Vec::new();
    for operation in api.operations.iter().filter(|operation| operation.method == "GET") {
        for (name, raw) in wire::captures(&operation.path, path).unwrap_or_default() {
            let value = wire::decode(raw, false).map(|text| Value::from(text.into_owned()));
            found.extend(value.map(|value| (name.to_owned(), value)));
        }
    }
    let last = path.trim_end_matches('/').rsplit('/').next().unwrap_or_default();
    if !last.is_empty() {
        found.push(("id".to_owned(), Value::from(last)));
    }
    found
}
