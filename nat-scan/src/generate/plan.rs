//! Which cases an operation gets, in which order.

mod combine;
mod order;
mod robust;

use std::collections::HashSet;
use std::hash::{DefaultHasher, Hash, Hasher};

use serde_json::Value;

use super::body::{Codec, content_type};
use super::change::{changes, malformed};
use super::place::Place;
use super::site::{escape, lean};
use super::value::{self, Fill};
use super::{Argument, Base, BodyValue, Case, Intent, Phase, Slot, is_reserved_header, render, rng};
use crate::chain::{Binding, Spot};
use crate::classify::{WireTruth, classify, wire};
use crate::schema::{Direction, Schema};
use crate::spec::{Api, Location, MediaType, Operation, Parameter};
use crate::transport::Request;

pub(crate) use combine::COMBINATION;

/// Label of the case with every parameter and property.
pub(crate) const FULL: &str = "everything that is documented";
/// Cases of one operation and phase.
const MAX_CASES: usize = 400;
/// Cases that are considered before the cap chooses among them.
const MAX_CANDIDATES: usize = 1_600;
/// Random streams of bodies begin here; those of parameters lie below.
const BODY_STREAMS: u64 = 1 << 32;

pub(super) fn cases(api: &Api, operation: &Operation, phase: Phase, seed: u64, base: Option<&Base>) -> Vec<Case> {
    if operation.unusable.is_some() {
        return Vec::new();
    }
    let Some(mut plan) = Plan::new(api, operation, phase, seed) else { return Vec::new() };
    if let Some(base) = base {
        plan.build_upon(base);
    }
    match phase {
        Phase::HappyPath => plan.happy_path(),
        Phase::Examples => plan.examples(),
        Phase::Coverage => plan.coverage(),
        Phase::Probe | Phase::Stateful | Phase::Random | Phase::Security => {}
    }
    plan.finish()
}

/// What the rendered case must turn out to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Expect {
    Negative,
    NotNegative,
    Anything,
}

/// A body that can be sent.
struct Body {
    media_type: usize,
    minimal: Value,
    full: Value,
}

struct Plan<'a> {
    api: &'a Api,
    operation: &'a Operation,
    phase: Phase,
    seed: u64,
    endpoint: String,
    /// Required parameters only.
    minimal: Vec<Argument>,
    /// Every parameter.
    full: Vec<Argument>,
    bodies: Vec<Body>,
    /// Of the cases that everything is built upon.
    bindings: Vec<Binding>,
    /// There are such cases.
    proven: bool,
    /// Templates that would answer in the operation's place when a value equals their literal.
    rivals: Vec<&'a str>,
    seen: HashSet<u64>,
    cases: Vec<Case>,
}

impl<'a> Plan<'a> {
    /// `None`: a required part has no value.
    fn new(api: &'a Api, operation: &'a Operation, phase: Phase, seed: u64) -> Option<Self> {
        let mut plan = Self {
            api,
            operation,
            phase,
            seed,
            endpoint: operation.endpoint(),
            minimal: Vec::new(),
            full: Vec::new(),
            bodies: Vec::new(),
            bindings: Vec::new(),
            proven: false,
            rivals: rivals(api, operation),
            seen: HashSet::new(),
            cases: Vec::new(),
        };
        for (index, parameter) in operation.parameters.iter().enumerate() {
            if parameter.location == Location::Header && is_reserved_header(&parameter.name) {
                continue;
            }
            let place = place(parameter);
            let make = |fill| {
                let stream = index as u64 * 2 + u64::from(fill == Fill::Full);
                let mut rng = rng::stream(seed, &plan.endpoint, phase, stream);
                value::valid(&parameter.schema, &parameter.name, &parameter.examples, place, fill, &mut rng)
            };
            let full = make(Fill::Full);
            if parameter.required {
                let value = make(Fill::Minimal).or_else(|| full.clone())?;
                plan.minimal.push(Argument { parameter: index, value });
            }
            plan.full.extend(full.map(|value| Argument { parameter: index, value }));
        }
        let content = operation.body.as_ref().map_or(&[] as &[MediaType], |body| &body.content);
        plan.bodies = content.iter().enumerate().filter_map(|(index, media)| plan.body(index, media)).collect();
        // JSON first: what most servers mean when they list several.
        plan.bodies.sort_by_key(|body| Codec::of(&content[body.media_type].media_type) != Codec::Json);
        let lacks_body = operation.body.as_ref().is_some_and(|body| body.required) && plan.bodies.is_empty();
        (!lacks_body).then_some(plan)
    }

    fn body(&self, index: usize, media: &MediaType) -> Option<Body> {
        let any = Schema::any();
        let schema = media.schema.as_ref().unwrap_or(&any);
        let place = body_place(media);
        let make = |fill| {
            let stream = BODY_STREAMS + index as u64 * 2 + u64::from(fill == Fill::Full);
            let mut rng = rng::stream(self.seed, &self.endpoint, self.phase, stream);
            value::valid(schema, "", &media.examples, place, fill, &mut rng)
        };
        let (minimal, full) = (make(Fill::Minimal), make(Fill::Full));
        let minimal = minimal.or_else(|| full.clone())?;
        Some(Body { media_type: index, full: full.unwrap_or_else(|| minimal.clone()), minimal })
    }

    fn minimal_body(&self) -> Option<BodyValue> {
        self.bodies.first().map(|body| typed(body.media_type, &body.minimal))
    }

    fn case(&self, label: String, intent: Intent) -> Case {
        Case {
            operation: self.operation.index,
            phase: self.phase,
            ordinal: 0,
            label,
            intent,
            method: None,
            arguments: self.minimal.clone(),
            body: self.minimal_body(),
            bindings: self.bindings.clone(),
        }
    }

    /// What the target accepted takes the place of what was made up.
    fn build_upon(&mut self, base: &Base) {
        self.proven = true;
        self.minimal.clone_from(&base.least.arguments);
        self.bindings.clone_from(&base.least.bindings);
        let Some(BodyValue::Typed { media_type, value }) = &base.least.body else { return };
        let Some(at) = self.bodies.iter().position(|body| body.media_type == *media_type) else { return };
        let mut body = self.bodies.remove(at);
        let schema = self.operation.body.as_ref().and_then(|body| body.content.get(*media_type)?.schema.as_ref());
        if let (Value::Object(full), Value::Object(accepted)) = (&body.full, value) {
            let mut full = full.clone();
            full.extend(accepted.iter().map(|(name, value)| (name.clone(), value.clone())));
            body.full = Value::Object(full);
        }
        if schema.is_some_and(|schema| !schema.is_valid(&body.full, Direction::Request)) {
            body.full.clone_from(value);
        }
        if let Some(most) = &base.most
            && let Some(BodyValue::Typed { media_type: kind, value: full }) = &most.body
            && kind == media_type
        {
            body.full.clone_from(full);
            self.bindings.extend(most.bindings.iter().filter(|binding| matches!(binding.spot, Spot::Body(_))).cloned());
        }
        body.minimal.clone_from(value);
        self.bodies.insert(0, body);
    }

    /// Takes a case if it can be sent, is new, and its bytes are what it is meant to be.
    fn push(&mut self, case: Case, expect: Expect) {
        if self.cases.len() >= MAX_CANDIDATES {
            return;
        }
        let Ok(request) = render(self.operation, &case, "") else { return };
        let digest = digest(&request);
        let path = request.target.split('?').next().unwrap_or_default();
        if self.seen.contains(&digest) || self.rivals.iter().any(|rival| wire::captures(rival, path).is_some()) {
            return;
        }
        let fits = expect == Expect::Anything
            || match classify(self.operation, &request, "") {
                WireTruth::Positive => expect == Expect::NotNegative,
                WireTruth::Negative { .. } => expect == Expect::Negative,
                WireTruth::Ambiguous => expect == Expect::NotNegative,
            };
        if fits {
            self.seen.insert(digest);
            self.cases.push(case);
        }
    }

    /// The next case of these bytes counts as new.
    fn forget(&mut self, request: &Request) {
        self.seen.remove(&digest(request));
    }

    fn happy_path(&mut self) {
        let minimal = self.case("only what is required".to_owned(), Intent::Positive);
        let mut full = self.case(FULL.to_owned(), Intent::Positive);
        full.arguments.clone_from(&self.full);
        full.body = self.bodies.first().map(|body| typed(body.media_type, &body.full));
        self.push(minimal, Expect::NotNegative);
        self.push(full, Expect::NotNegative);
        for index in 1..self.bodies.len() {
            let body = &self.bodies[index];
            let mut case = self.case(format!("a body of {}", self.media(body.media_type)), Intent::Positive);
            case.body = Some(typed(body.media_type, &body.full));
            self.push(case, Expect::NotNegative);
        }
    }

    fn media(&self, index: usize) -> &'a str {
        self.operation.body.as_ref().and_then(|body| body.content.get(index)).map_or("", |media| &media.media_type)
    }

    fn examples(&mut self) {
        for (index, parameter) in self.operation.parameters.iter().enumerate() {
            for (number, example) in parameter.examples.iter().enumerate().take(16) {
                let (location, name) = (parameter.location.as_str(), &parameter.name);
                let mut case = self.case(format!("example {} of {location} {name}", number + 1), Intent::Positive);
                set(&mut case.arguments, index, example.clone());
                self.push(case, Expect::Anything);
            }
        }
        let content = self.operation.body.as_ref().map_or(&[] as &[MediaType], |body| &body.content);
        for (index, media) in content.iter().enumerate() {
            for (number, example) in media.examples.iter().enumerate().take(16) {
                let label = format!("example {} of the body as {}", number + 1, media.media_type);
                let mut case = self.case(label, Intent::Positive);
                case.body = Some(typed(index, example));
                self.push(case, Expect::Anything);
            }
        }
    }

    fn coverage(&mut self) {
        for index in 0..self.operation.parameters.len() {
            self.parameter_values(index);
        }
        self.body_values();
        self.missing_parts();
        self.undocumented_method();
        self.malformed_bodies();
        self.head_parity();
        self.robust();
        self.combinations();
    }

    fn parameter_values(&mut self, index: usize) {
        let Some(parameter) = self.operation.parameters.get(index) else { return };
        let now = self.full.iter().chain(&self.minimal).find(|argument| argument.parameter == index);
        let Some(now) = now.map(|argument| argument.value.clone()) else { return };
        if !parameter.required {
            let label = format!("{} {} present", parameter.location.as_str(), parameter.name);
            let mut case = self.case(label, Intent::Positive);
            set(&mut case.arguments, index, now.clone());
            self.push(case, Expect::NotNegative);
        }
        let mut rng = rng::stream(self.seed, &self.endpoint, self.phase, (1 << 16) + index as u64);
        let changes = changes(&parameter.schema, &parameter.name, &now, place(parameter), &mut rng);
        for change in changes {
            let name = format!("{}{}", parameter.name, change.slot);
            let slot = Slot { location: parameter.location.as_str(), name };
            let expect = if change.valid { Expect::NotNegative } else { Expect::Negative };
            let (label, intent) = change.describe(slot);
            let mut case = self.case(label, intent);
            set(&mut case.arguments, index, change.value);
            self.push(case, expect);
        }
    }

    fn body_values(&mut self) {
        let Some(body) = self.bodies.first() else { return };
        let (media_type, full, minimal) = (body.media_type, body.full.clone(), body.minimal.clone());
        let Some(media) = self.operation.body.as_ref().and_then(|body| body.content.get(media_type)) else { return };
        let codec = Codec::of(&media.media_type);
        let Some(schema) = media.schema.as_ref().filter(|_| codec != Codec::Opaque) else { return };
        let mut rng = rng::stream(self.seed, &self.endpoint, self.phase, BODY_STREAMS << 1);
        let mut all = changes(schema, "", &full, body_place(media), &mut rng);
        let keys = |value: &Value| value.as_object().map(|members| members.keys().cloned().collect::<HashSet<_>>());
        if keys(&lean(schema, &full, "")) != keys(&minimal) {
            // The full value follows another alternative than the minimal one.
            all.extend(changes(schema, "", &minimal, body_place(media), &mut rng));
        }
        // The schema has judged what is written as JSON; anything else is another value for its reader.
        let judged = codec == Codec::Json;
        let optional = self.operation.body.as_ref().is_some_and(|body| !body.required);
        for change in all {
            let slot = Slot { location: "body", name: change.slot.clone() };
            let expect = match (judged, change.valid) {
                (true, _) => Expect::Anything,
                (false, true) => Expect::NotNegative,
                (false, false) => Expect::Negative,
            };
            let (label, intent) = change.describe(slot);
            let mut case = self.case(label, intent);
            let mut value = change.value;
            self.restore(&minimal, &mut value, &change.slot);
            if self.proven && judged && schema.is_valid(&value, Direction::Request) != change.valid {
                continue;
            }
            case.body = Some(BodyValue::Typed { media_type, value });
            self.push(case, expect);
        }
        if optional {
            let mut case = self.case("optional body absent".to_owned(), Intent::Positive);
            case.body = None;
            self.push(case, Expect::NotNegative);
        }
    }

    /// Members that the target accepted and that the document calls optional stay, except the one that is bent.
    fn restore(&self, accepted: &Value, value: &mut Value, slot: &str) {
        let (true, Value::Object(accepted), Value::Object(members)) = (self.proven, accepted, value) else {
            return;
        };
        let bent = slot.split('/').nth(1);
        for (name, member) in accepted.iter().filter(|(name, _)| bent.is_some_and(|bent| escape(name) != bent)) {
            members.entry(name.clone()).or_insert_with(|| member.clone());
        }
    }

    fn missing_parts(&mut self) {
        for (index, parameter) in self.operation.parameters.iter().enumerate() {
            if !parameter.required || parameter.location == Location::Path {
                continue;
            }
            let slot = Slot { location: parameter.location.as_str(), name: parameter.name.clone() };
            let label = format!("required {} {} is missing", slot.location, slot.name);
            let mut case = self.case(label, Intent::MissingRequired { slot });
            case.arguments.retain(|argument| argument.parameter != index);
            self.push(case, Expect::Negative);
        }
        if self.operation.body.as_ref().is_some_and(|body| body.required) {
            let slot = Slot { location: "body", name: String::new() };
            let mut case = self.case("required body is missing".to_owned(), Intent::MissingRequired { slot });
            case.body = None;
            self.push(case, Expect::Negative);
        }
    }

    /// One per path, sent by the path's first operation.
    fn undocumented_method(&mut self) {
        let first = self.api.operations.iter().find(|operation| operation.path == self.operation.path);
        if first.is_none_or(|first| first.index != self.operation.index) {
            return;
        }
        let case = self.case(String::new(), Intent::UndocumentedMethod);
        let Ok(request) = render(self.operation, &case, "") else { return };
        let path = request.target.split('?').next().unwrap_or_default();
        let documented: Vec<&str> = self
            .api
            .operations
            .iter()
            .filter(|operation| {
                operation.path == self.operation.path || wire::captures(&operation.path, path).is_some()
            })
            .map(|operation| operation.method.as_str())
            .collect();
        // DELETE last: should it exist after all, it does the most harm.
        let mut methods = ["PATCH", "PUT", "POST", "GET"];
        let turn = self.operation.path.bytes().map(usize::from).sum::<usize>() % methods.len();
        methods.rotate_left(turn);
        let mut all = methods.into_iter().chain(["DELETE"]);
        let Some(method) = all.find(|method| !documented.contains(method)) else { return };
        let mut case = self.case(format!("{method} is not documented for this path"), Intent::UndocumentedMethod);
        case.method = Some(method.to_owned());
        case.body = None;
        self.push(case, Expect::Anything);
    }

    fn malformed_bodies(&mut self) {
        let content = self.operation.body.as_ref().map_or(&[] as &[MediaType], |body| &body.content);
        let json = self.bodies.iter().find_map(|body| {
            let media = content.get(body.media_type)?;
            (Codec::of(&media.media_type) == Codec::Json).then_some((media, &body.minimal, &body.full))
        });
        let Some((media, minimal, full)) = json else { return };
        let base = if minimal.as_object().is_some_and(serde_json::Map::is_empty) { full } else { minimal };
        let content_type = content_type(&media.media_type);
        for (kind, bytes) in malformed(base) {
            let mut case = self.case(format!("malformed body: {kind}"), Intent::MalformedBody { kind });
            case.body = Some(BodyValue::Raw { content_type: content_type.clone(), bytes });
            self.push(case, Expect::Anything);
        }
    }

    fn head_parity(&mut self) {
        let documented = |operation: &Operation| operation.path == self.operation.path && operation.method == "HEAD";
        if self.operation.method != "GET" || self.api.operations.iter().any(documented) {
            return;
        }
        let mut case = self.case("HEAD beside GET".to_owned(), Intent::HeadParity);
        case.method = Some("HEAD".to_owned());
        self.push(case, Expect::Anything);
    }

    /// At most [`MAX_CASES`], some of every slot and keyword, numbered.
    fn finish(mut self) -> Vec<Case> {
        if self.cases.len() > MAX_CASES {
            let mut groups: std::collections::HashMap<String, usize> = std::collections::HashMap::new();
            let mut ranked: Vec<(usize, usize)> = Vec::with_capacity(self.cases.len());
            for (index, case) in self.cases.iter().enumerate() {
                let rank = groups.entry(group(case)).or_default();
                ranked.push((*rank, index));
                *rank += 1;
            }
            ranked.sort_unstable();
            let kept: HashSet<usize> = ranked.into_iter().take(MAX_CASES).map(|(_, index)| index).collect();
            let mut index = 0;
            self.cases.retain(|_| {
                index += 1;
                kept.contains(&(index - 1))
            });
        }
        if self.phase == Phase::Coverage {
            self.cases = order::breadth_first(self.cases);
        }
        for (ordinal, case) in (0..).zip(&mut self.cases) {
            case.ordinal = ordinal;
        }
        self.cases
    }
}

fn digest(request: &Request) -> u64 {
    let mut hasher = DefaultHasher::new();
    (&request.method, &request.target, &request.headers, &request.body).hash(&mut hasher);
    hasher.finish()
}

/// Cases of one group compete for places.
fn group(case: &Case) -> String {
    match &case.intent {
        // They are many, and matter only together.
        Intent::Positive if case.label.starts_with(combine::COMBINATION) => combine::COMBINATION.to_owned(),
        Intent::Positive => format!("+{}", case.label),
        Intent::Negative { slot, .. } => format!("-{} {}", slot.location, slot.name),
        other => format!("{other:?}"),
    }
}

fn typed(media_type: usize, value: &Value) -> BodyValue {
    BodyValue::Typed { media_type, value: value.clone() }
}

fn set(arguments: &mut Vec<Argument>, parameter: usize, value: Value) {
    match arguments.iter_mut().find(|argument| argument.parameter == parameter) {
        Some(argument) => argument.value = value,
        None => {
            arguments.push(Argument { parameter, value });
            arguments.sort_by_key(|argument| argument.parameter);
        }
    }
}

pub(super) fn place(parameter: &Parameter) -> Place {
    match parameter.location {
        _ if parameter.content_type.is_some() && parameter.location != Location::Header => Place::Json,
        Location::Path => Place::Path,
        Location::Header => Place::Header,
        Location::Query | Location::Cookie => Place::Text,
    }
}

pub(super) fn body_place(media: &MediaType) -> Place {
    match Codec::of(&media.media_type) {
        Codec::Form | Codec::Multipart | Codec::Text => Place::Text,
        Codec::Json | Codec::Xml | Codec::Opaque => Place::Json,
    }
}

/// Templates of the same method with fewer parameters, which servers prefer.
pub(super) fn rivals<'a>(api: &'a Api, operation: &Operation) -> Vec<&'a str> {
    let parameters = |path: &str| path.matches('{').count();
    let segments = |path: &str| path.matches('/').count();
    api.operations
        .iter()
        .filter(|other| {
            other.method == operation.method
                && segments(&other.path) == segments(&operation.path)
                && parameters(&other.path) < parameters(&operation.path)
        })
        .map(|other| other.path.as_str())
        .collect()
}
