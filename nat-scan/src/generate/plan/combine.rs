//! Combinations: what only two inputs together show.

use std::collections::HashSet;

use serde_json::Value;

use super::{Codec, Expect, Fill, Plan, body_place, place, set, typed};
use crate::generate::cover::{Cell, Demand, pairs_of, rows};
use crate::generate::place::Place;
use crate::generate::site::{Site, lean, replaced, sites};
use crate::generate::value::Generator;
use crate::generate::{Argument, Case, Intent, boundary, rng};
use crate::schema::{Direction, Schema};
use crate::spec::{Location, MediaType};

/// How labels of combinations begin.
pub(crate) const COMBINATION: &str = "combination of ";
/// Fewer factors are combined well enough by the other cases.
const MIN_FACTORS: usize = 3;
/// Factors of one operation.
const MAX_FACTORS: usize = 24;
/// Classes of one factor.
const MAX_CLASSES: usize = 5;
/// Shapes of a body: alternatives and media types.
const MAX_VARIANTS: usize = 6;
/// Rows of one operation.
const MAX_ROWS: usize = 200;
/// Factors of few classes whose triples are covered too.
const MAX_TRIPLES: usize = 6;
/// Characters of a value in a label.
const MAX_SHOWN: usize = 24;
/// Parts of a combination that its label names.
const MAX_NAMED: usize = 8;
/// Stream of the values, apart from those of the other cases.
const STREAM: u64 = 1 << 44;

/// What a class does to the plain request.
#[derive(Clone, Debug)]
enum Edit {
    Keep,
    /// The argument gets this value, or goes.
    Argument(usize, Option<Value>),
    /// Another shape of the body.
    Variant(usize),
    /// The member at this pointer gets this value, or goes.
    Member(String, Option<Value>),
}

struct Class {
    label: String,
    edit: Edit,
    /// Variants of the body that have this member; empty: it is about no member, or the plain one.
    variants: Vec<usize>,
}

impl Class {
    fn fits(&self, variant: usize) -> bool {
        self.variants.is_empty() || self.variants.contains(&variant)
    }
}

struct Factor {
    name: String,
    /// An enumeration, a boolean, or nothing but presence.
    discrete: bool,
    /// The plain one first.
    classes: Vec<Class>,
}

/// A shape of the body.
struct Variant {
    label: String,
    body: Option<(usize, Value)>,
}

impl Plan<'_> {
    /// Every two classes of optional parts, enumerations, booleans and bounds together, once.
    pub(super) fn combinations(&mut self) {
        let mut factors: Vec<Factor> =
            (0..self.operation.parameters.len()).filter_map(|index| self.parameter_factor(index)).collect();
        let variants = self.body_factors(&mut factors);
        factors.truncate(MAX_FACTORS);
        if factors.len() < MIN_FACTORS {
            return;
        }
        let sizes: Vec<usize> = factors.iter().map(|factor| factor.classes.len()).collect();
        let discrete: Vec<usize> = (0..factors.len()).filter(|at| factors[*at].discrete).collect();
        let triples = if discrete.len() <= MAX_TRIPLES { discrete } else { Vec::new() };
        let demand = Demand { sizes: &sizes, triples: &triples, limit: limit(&sizes) };
        let forbidden = |a: Cell, b: Cell| is_impossible(&factors, a, b) || is_impossible(&factors, b, a);
        let mut covered: HashSet<[Cell; 2]> = HashSet::new();
        let mut left = demand.limit;
        for row in rows(&demand, &forbidden) {
            if self.combine(&factors, &variants, &row) {
                covered.extend(pairs_of_row(&row));
            }
            left = left.saturating_sub(1);
        }
        // A row that cannot be sent as a whole may hold pairs that can.
        for pair in pairs_of(&sizes) {
            if left == 0 {
                break;
            }
            if covered.contains(&pair) || forbidden(pair[0], pair[1]) {
                continue;
            }
            let mut row = vec![0; sizes.len()];
            for (factor, class) in pair {
                row[factor] = class;
            }
            if self.combine(&factors, &variants, &row) {
                covered.extend(pairs_of_row(&row));
                left -= 1;
            }
        }
    }

    /// Whether the row is sent, or was before.
    fn combine(&mut self, factors: &[Factor], variants: &[Variant], row: &[usize]) -> bool {
        let chosen: Vec<(&Factor, &Class)> =
            factors.iter().zip(row).filter_map(|(factor, class)| Some((factor, factor.classes.get(*class)?))).collect();
        let mut case = self.case(label(&chosen), Intent::Positive);
        let variant = chosen.iter().find_map(|(_, class)| match class.edit {
            Edit::Variant(variant) => Some(variant),
            _ => None,
        });
        if let Some(variant) = variant.and_then(|variant| variants.get(variant)) {
            case.body = variant.body.as_ref().map(|(media, value)| typed(*media, value));
        }
        for (_, class) in chosen.iter().filter(|(_, class)| class.fits(variant.unwrap_or(0))) {
            apply(&mut case, &class.edit);
        }
        let before = self.cases.len();
        let Ok(request) = super::render(self.operation, &case, "") else { return false };
        if self.seen.contains(&super::digest(&request)) {
            return true;
        }
        self.push(case, Expect::NotNegative);
        self.cases.len() > before
    }

    fn parameter_factor(&self, index: usize) -> Option<Factor> {
        let parameter = self.operation.parameters.get(index)?;
        let value = |arguments: &[Argument]| {
            arguments.iter().find(|argument| argument.parameter == index).map(|argument| argument.value.clone())
        };
        let (plain, typical) = (value(&self.minimal), value(&self.full));
        let now = plain.clone().or_else(|| typical.clone())?;
        let mut rng = rng::stream(self.seed, &self.endpoint, self.phase, STREAM + index as u64);
        let schema = &parameter.schema;
        let all = sites(schema, &parameter.name, &now);
        let site = all.first()?;
        if parameter.location == Location::Path && site.view.options.is_none() {
            // An id of its own kind, as a rule; others do not exist.
            return None;
        }
        let mut values: Vec<Option<Value>> = vec![plain];
        values.push(typical);
        if !parameter.required {
            values.push(None);
        }
        let edges = boundary::values(&mut Generator::new(schema, Fill::Full, &mut rng), site, &now);
        let valid = |value: &Value| place(parameter).admits(value) && schema.is_valid(value, Direction::Request);
        values.extend(edges.into_iter().map(|(_, value)| value).filter(valid).map(Some));
        let name = format!("{} {}", parameter.location.as_str(), parameter.name);
        factor(name, is_discrete(site, &now), classes(values, &[], |value| Edit::Argument(index, value)))
    }

    /// Adds the factors of the body; its variants.
    fn body_factors(&self, factors: &mut Vec<Factor>) -> Vec<Variant> {
        let content = self.operation.body.as_ref().map_or(&[] as &[MediaType], |body| &body.content);
        let mut variants = Vec::new();
        let mut members: Vec<Factor> = Vec::new();
        for (at, body) in self.bodies.iter().enumerate() {
            let Some(media) = content.get(body.media_type) else { continue };
            let any = Schema::any();
            let schema = media.schema.as_ref().unwrap_or(&any);
            let mut shapes = vec![(body.minimal.clone(), body.full.clone())];
            if at == 0 && Codec::of(&media.media_type) != Codec::Opaque {
                shapes.extend(self.alternatives(schema, body_place(media), &body.minimal, &body.full));
            }
            for (number, (least, most)) in shapes.into_iter().enumerate() {
                if variants.len() >= MAX_VARIANTS {
                    break;
                }
                let variant = variants.len();
                let label = match number {
                    0 => media.media_type.clone(),
                    number => format!("{} (alternative {})", media.media_type, number + 1),
                };
                if Codec::of(&media.media_type) != Codec::Opaque {
                    self.member_factors(schema, body_place(media), (variant, &least, &most), &mut members);
                }
                variants.push(Variant { label, body: Some((body.media_type, least)) });
            }
        }
        if !variants.is_empty() && self.operation.body.as_ref().is_some_and(|body| !body.required) {
            variants.push(Variant { label: "no body".to_owned(), body: None });
        }
        if variants.len() > 1 {
            let each = variants.iter().enumerate();
            let class = |(at, v): (usize, &Variant)| Class {
                label: v.label.clone(),
                edit: Edit::Variant(at),
                variants: Vec::new(),
            };
            factors.push(Factor { name: "body".to_owned(), discrete: true, classes: each.map(class).collect() });
        }
        members.retain(|member| member.classes.len() > 1);
        factors.extend(members);
        variants
    }

    /// The least and the most of the other alternatives of a body.
    fn alternatives(&self, schema: &Schema, place: Place, least: &Value, most: &Value) -> Vec<(Value, Value)> {
        let mut rng = rng::stream(self.seed, &self.endpoint, self.phase, STREAM << 1);
        let all = sites(schema, "", most);
        let Some(root) = all.first() else { return Vec::new() };
        let keys = |value: &Value| value.as_object().map(|members| members.keys().cloned().collect::<HashSet<_>>());
        let mut shapes = Vec::new();
        let own = lean(schema, most, "");
        if !self.proven && keys(&own) != keys(least) {
            shapes.push((own, most.clone()));
        }
        for other in root.others.iter().take(MAX_VARIANTS) {
            let mut generator = Generator::new(schema, Fill::Full, &mut rng);
            let made = generator.verified(|generator| generator.view(other, "", 3, None), place);
            shapes.extend(made.map(|most| (lean(schema, &most, ""), most)));
        }
        shapes
    }

    fn member_factors(
        &self,
        schema: &Schema,
        place: Place,
        (variant, least, most): (usize, &Value, &Value),
        members: &mut Vec<Factor>,
    ) {
        let mut rng = rng::stream(self.seed, &self.endpoint, self.phase, (STREAM << 1) + 1 + variant as u64);
        let mut generator = Generator::new(schema, Fill::Full, &mut rng);
        let valid = |value: &Value| place.admits(value) && schema.is_valid(value, Direction::Request);
        for site in sites(schema, "", most).iter().filter(|site| site.depth > 0 && !site.slot.contains("/[]")) {
            let (Some((parent, _)), Some(now)) = (site.pointer.rsplit_once('/'), most.pointer(&site.pointer)) else {
                continue;
            };
            // What lies in an optional member comes and goes with it.
            if least.pointer(parent).is_none() || members.len() > MAX_FACTORS {
                continue;
            }
            let plain = least.pointer(&site.pointer).cloned();
            let mut values = vec![plain.clone(), Some(now.clone())];
            let without = removed(least, &site.pointer);
            if plain.is_some() && without.is_some_and(|without| valid(&without)) {
                values.push(None);
            }
            let edges = boundary::values(&mut generator, site, now).into_iter().map(|(_, value)| value);
            values.extend(
                edges.filter(|v| replaced(most, &site.pointer, v.clone()).is_some_and(|v| valid(&v))).map(Some),
            );
            let name = format!("body {}", site.pointer);
            // Where another variant has a value that fits here too, it is the same class.
            let known = members.iter().find(|known| known.name == name).and_then(|known| known.classes.get(1));
            if let Some(Class { edit: Edit::Member(_, Some(value)), .. }) = known
                && replaced(most, &site.pointer, value.clone()).is_some_and(|v| valid(&v))
            {
                values[1] = Some(value.clone());
            }
            let made = classes(values, &[variant], |value| Edit::Member(site.pointer.clone(), value));
            match members.iter_mut().find(|known| known.name == name) {
                Some(known) => known.join(made),
                None => members.push(Factor { name, discrete: is_discrete(site, now), classes: made }),
            }
        }
    }
}

impl Factor {
    /// Takes the classes that the member has in another variant.
    fn join(&mut self, classes: Vec<Class>) {
        for class in classes.into_iter().skip(1) {
            match self.classes.iter_mut().skip(1).find(|known| known.label == class.label) {
                Some(known) => known.variants.extend(class.variants),
                None => self.classes.push(class),
            }
        }
    }
}

/// A class of each value, `None` for absence, the plain one first.
fn classes(values: Vec<Option<Value>>, variants: &[usize], edit: impl Fn(Option<Value>) -> Edit) -> Vec<Class> {
    let mut distinct: Vec<Option<Value>> = Vec::new();
    for value in values {
        if !distinct.contains(&value) {
            distinct.push(value);
        }
    }
    distinct.truncate(MAX_CLASSES);
    let class = |(at, value): (usize, Option<Value>)| {
        let label = value.as_ref().map_or_else(|| "absent".to_owned(), shown);
        match at {
            0 => Class { label, edit: Edit::Keep, variants: Vec::new() },
            _ => Class { label, edit: edit(value), variants: variants.to_vec() },
        }
    };
    distinct.into_iter().enumerate().map(class).collect()
}

/// None when there is only one class.
fn factor(name: String, discrete: bool, classes: Vec<Class>) -> Option<Factor> {
    (classes.len() > 1).then_some(Factor { name, discrete, classes })
}

fn is_discrete(site: &Site<'_>, now: &Value) -> bool {
    now.is_boolean() || site.view.options.is_some()
}

/// A member that the variant of the body does not have.
fn is_impossible(factors: &[Factor], (member, class): Cell, (body, variant): Cell) -> bool {
    let get = |factor: usize, class: usize| factors[factor].classes.get(class);
    let is_body = get(body, variant).is_some_and(|class| matches!(class.edit, Edit::Variant(_)));
    is_body && get(member, class).is_some_and(|class| !class.fits(variant))
}

/// Three times the root of the number of combinations, as far as pairs need no more.
fn limit(sizes: &[usize]) -> usize {
    let product: f64 = sizes.iter().map(|size| *size as f64).product();
    let mut largest = sizes.to_vec();
    largest.sort_unstable_by_key(|size| std::cmp::Reverse(*size));
    let least: usize = largest.iter().take(2).product();
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "casts of floats saturate")]
    let root = (3.0 * product.sqrt()).ceil() as usize;
    root.max(least).min(MAX_ROWS)
}

fn pairs_of_row(row: &[usize]) -> Vec<[Cell; 2]> {
    let cells: Vec<Cell> = row.iter().copied().enumerate().collect();
    cells.iter().enumerate().flat_map(|(at, a)| cells[at + 1..].iter().map(|b| [*a, *b])).collect()
}

fn apply(case: &mut Case, edit: &Edit) {
    match edit {
        Edit::Keep | Edit::Variant(_) => {}
        Edit::Argument(index, Some(value)) => set(&mut case.arguments, *index, value.clone()),
        Edit::Argument(index, None) => case.arguments.retain(|argument| argument.parameter != *index),
        Edit::Member(pointer, value) => {
            let Some(crate::generate::BodyValue::Typed { value: body, .. }) = &mut case.body else { return };
            let changed = match value {
                Some(value) => inserted(body, pointer, value.clone()),
                None => removed(body, pointer),
            };
            if let Some(changed) = changed {
                *body = changed;
            }
        }
    }
}

/// The last segment of a pointer, unescaped, and the pointer before it.
fn parted(pointer: &str) -> Option<(&str, String)> {
    let (parent, last) = pointer.rsplit_once('/')?;
    Some((parent, last.replace("~1", "/").replace("~0", "~")))
}

fn inserted(root: &Value, pointer: &str, value: Value) -> Option<Value> {
    let (parent, name) = parted(pointer)?;
    let mut root = root.clone();
    root.pointer_mut(parent)?.as_object_mut()?.insert(name, value);
    Some(root)
}

fn removed(root: &Value, pointer: &str) -> Option<Value> {
    let (parent, name) = parted(pointer)?;
    let mut root = root.clone();
    root.pointer_mut(parent)?.as_object_mut()?.shift_remove(&name)?;
    Some(root)
}

fn shown(value: &Value) -> String {
    let text = value.to_string();
    match text.char_indices().nth(MAX_SHOWN) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

/// `combination of query sort "desc", query expand true`: what differs from the plain request.
fn label(chosen: &[(&Factor, &Class)]) -> String {
    let bent = chosen.iter().filter(|(_, class)| !matches!(class.edit, Edit::Keep | Edit::Variant(0)));
    let mut named: Vec<String> = bent.map(|(factor, class)| format!("{} {}", factor.name, class.label)).collect();
    if named.len() > MAX_NAMED {
        let more = named.len() - MAX_NAMED;
        named.truncate(MAX_NAMED);
        named.push(format!("{more} more"));
    }
    format!("{COMBINATION}{}", named.join(", "))
}
