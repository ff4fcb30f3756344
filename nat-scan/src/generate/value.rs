//! Valid values. Everything made here is validated with the schema itself before it is used.

use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use serde_json::{Map, Number, Value};

use super::canonical::{Depths, Part, Types, View, views};
use super::place::Place;
use super::{pattern, text};
use crate::schema::{Direction, Schema};

/// Levels of data below the root of a full value.
const DEPTH: u32 = 6;
/// Levels of data if the schema demands more.
const MAX_DEPTH: u32 = 48;
/// Nodes of one value.
const MAX_NODES: u32 = 2_000;
/// Tries until a value validates.
const ATTEMPTS: u32 = 12;
/// Items that are written out, however many `minItems` demands.
const MAX_ITEMS: usize = 1_024;
/// Characters that are written out, however many `minLength` demands.
pub(crate) const MAX_TEXT: usize = 8_192;

/// How much of a schema a value shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fill {
    /// Only what is required.
    Minimal,
    /// Every property.
    Full,
}

/// A valid value, preferring `examples` and the document's own samples. `None`: none was found.
pub(crate) fn valid(
    schema: &Schema,
    name: &str,
    examples: &[Value],
    place: Place,
    fill: Fill,
    rng: &mut ChaCha8Rng,
) -> Option<Value> {
    let root = Part::of(schema.node());
    let sample = examples.iter().find(|example| place.admits(example) && schema.is_valid(example, Direction::Request));
    if let Some(sample) = sample
        && (fill == Fill::Full || !sample.is_object())
    {
        return Some(writable(schema, sample));
    }
    let mut generator = Generator::new(schema, fill, rng);
    let sample = sample.or(examples.first());
    // A schema may demand more depth than we would choose.
    generator.reserve = generator.depths.part(&root)?.min(MAX_DEPTH).saturating_sub(DEPTH);
    let budget = DEPTH + generator.reserve;
    generator.verified(|generator| generator.part(&root, name, budget, sample), place)
}

/// The sample without the properties that a client must not send, if it stays valid.
fn writable(schema: &Schema, sample: &Value) -> Value {
    let Value::Object(members) = sample else { return sample.clone() };
    let alternatives = views(schema, &Part::of(schema.node()));
    let read_only = |name: &str| alternatives.iter().any(|view| view.property(name).is_read_only(schema));
    let kept: Map<String, Value> = members
        .iter()
        .filter(|(name, _)| !read_only(name))
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect();
    let kept = Value::Object(kept);
    if schema.is_valid(&kept, Direction::Request) { kept } else { sample.clone() }
}

/// Makes values for the parts of one schema.
pub(crate) struct Generator<'a, 'r> {
    schema: &'a Schema,
    depths: Depths<'a>,
    fill: Fill,
    attempt: u32,
    nodes: u32,
    /// Budget that is kept for what is required.
    reserve: u32,
    rng: &'r mut ChaCha8Rng,
}

impl<'a, 'r> Generator<'a, 'r> {
    pub(crate) fn new(schema: &'a Schema, fill: Fill, rng: &'r mut ChaCha8Rng) -> Self {
        Self { schema, depths: Depths::new(schema), fill, attempt: 0, nodes: 0, reserve: 0, rng }
    }

    /// As it is after that many attempts: the first prefers samples and what names suggest.
    pub(crate) fn on_attempt(mut self, attempt: u32) -> Self {
        self.attempt = attempt;
        self
    }

    /// Tries `make` until its value is valid for the whole schema and fits the place.
    pub(crate) fn verified(&mut self, mut make: impl FnMut(&mut Self) -> Option<Value>, place: Place) -> Option<Value> {
        for attempt in 0..ATTEMPTS {
            (self.attempt, self.nodes) = (attempt, 0);
            if let Some(value) = make(self)
                && place.admits(&value)
                && self.schema.is_valid(&value, Direction::Request)
            {
                return Some(value);
            }
        }
        None
    }

    /// A value for a part whose children may nest `budget` deep.
    pub(crate) fn part(&mut self, part: &Part<'a>, name: &str, budget: u32, sample: Option<&Value>) -> Option<Value> {
        self.nodes += 1;
        if self.nodes > MAX_NODES {
            return None;
        }
        let mut views = views(self.schema, part);
        let depths: Vec<Option<u32>> = views.iter().map(|view| self.depths.view(view)).collect();
        let mut order: Vec<usize> =
            (0..views.len()).filter(|index| depths[*index].is_some_and(|depth| depth <= budget)).collect();
        if self.fill == Fill::Minimal || budget <= self.reserve {
            order.sort_by_key(|index| depths[*index]);
        }
        // A nullable schema is more telling with its value.
        order.sort_by_key(|index| views[*index].types == Types::NULL);
        let turn = match self.attempt {
            0 => 0,
            1..4 => self.attempt as usize % order.len().max(1),
            _ => self.rng.random_range(0..order.len().max(1)),
        };
        let turn = turn.min(order.len());
        order.rotate_left(turn);
        order.truncate(3);
        order.into_iter().find_map(|index| {
            let view = std::mem::replace(&mut views[index], View::any());
            self.view(&view, name, budget, sample)
        })
    }

    /// A value for one alternative.
    pub(crate) fn view(&mut self, view: &View<'a>, name: &str, budget: u32, sample: Option<&Value>) -> Option<Value> {
        if let Some(options) = &view.options {
            // An enumeration knows better than a discriminator's mapping how a branch is called.
            let pinned = view.pinned().and_then(|pin| options.iter().find(|option| **option == pin));
            let mut samples = sample.into_iter().chain(view.samples.iter().copied());
            let sample = samples.find(|sample| self.attempt == 0 && options.contains(sample));
            let index = if self.attempt == 0 { 0 } else { self.rng.random_range(0..options.len()) };
            return pinned.copied().or(sample).or_else(|| options.get(index).copied()).cloned();
        }
        if let Some(name) = view.pinned() {
            return Some(Value::String(name.to_owned()));
        }
        let sample = if self.attempt == 0 { sample } else { None };
        let own = if self.attempt == 0 { view.samples.as_slice() } else { &[] };
        let mut candidates = sample.into_iter().chain(own.iter().copied());
        let structured = view.likely_types().meets(Types::OBJECT.or(Types::ARRAY));
        if !structured && let Some(found) = candidates.clone().find(|value| admits_scalar(view, value)) {
            return Some(found.clone());
        }
        let sample = candidates.find(|value| view.types.meets(Types::of(value)));
        match chosen_type(view, budget == DEPTH + self.reserve && name.is_empty()) {
            Types::OBJECT => self.object(view, budget, sample),
            Types::ARRAY => self.array(view, name, budget, sample),
            Types::STRING => self.text(view, name).map(Value::String),
            Types::INTEGER => self.integer(view, name),
            Types::NUMBER => self.number(view, name),
            Types::BOOLEAN => Some(Value::Bool(self.attempt.is_multiple_of(2))),
            _ => Some(Value::Null),
        }
    }

    fn object(&mut self, view: &View<'a>, budget: u32, sample: Option<&Value>) -> Option<Value> {
        let mut members = Map::new();
        let below = budget.saturating_sub(1);
        for (name, part) in &view.properties {
            let required = view.required.contains(name);
            // Optional properties are left out more and more when the whole does not validate.
            let wanted = required
                || (self.fill == Fill::Full
                    && budget > self.reserve
                    && view.max_properties.is_none_or(|most| members.len() + view.required.len() < most)
                    && (self.attempt < 2 || (self.attempt < 8 && self.rng.random_range(0..2) == 0)));
            if !wanted || part.is_read_only(self.schema) {
                continue;
            }
            match self.part(part, name, below, sample.and_then(|sample| sample.get(name))) {
                Some(value) => drop(members.insert((*name).to_owned(), value)),
                None if required => return None,
                None => {}
            }
        }
        for name in &view.required {
            if !view.properties.iter().any(|(known, _)| known == name) {
                let value = self.part(&view.property(name), name, below, None)?;
                members.insert((*name).to_owned(), value);
            }
        }
        self.add_dependents(view, below, &mut members)?;
        let as_map = self.fill == Fill::Full && budget > self.reserve && view.properties.is_empty() && self.attempt < 6;
        let free = view.additional.as_ref().is_some_and(|part| part.nodes.iter().any(|node| node.is_object()))
            || !view.pattern_properties.is_empty();
        let least = view.min_properties.max(usize::from(as_map && free && view.max_properties != Some(0)));
        self.fill_up(view, below, least, &mut members)?;
        Some(Value::Object(members))
    }

    fn add_dependents(&mut self, view: &View<'a>, below: u32, members: &mut Map<String, Value>) -> Option<()> {
        for _ in 0..8 {
            let missing = view
                .dependent
                .iter()
                .filter(|(name, _)| members.contains_key(*name))
                .flat_map(|(_, needs)| needs)
                .find(|name| !members.contains_key(**name));
            let Some(name) = missing else { return Some(()) };
            let value = self.part(&view.property(name), name, below, None)?;
            members.insert((*name).to_owned(), value);
        }
        Some(())
    }

    /// Optional properties first, then made-up names, until there are `least`.
    fn fill_up(&mut self, view: &View<'a>, below: u32, least: usize, members: &mut Map<String, Value>) -> Option<()> {
        for (name, part) in &view.properties {
            if members.len() >= least {
                return Some(());
            }
            if !members.contains_key(*name)
                && !part.is_read_only(self.schema)
                && let Some(value) = self.part(part, name, below, None)
            {
                members.insert((*name).to_owned(), value);
            }
        }
        for number in 1..=least.min(MAX_ITEMS) {
            if members.len() >= least {
                break;
            }
            let name = self.member_name(view, number)?;
            let part = view.property(&name);
            let value = self.part(&part, "", below, None);
            match value {
                Some(value) => drop(members.insert(name, value)),
                None if view.min_properties > members.len() => return None,
                None => break,
            }
        }
        Some(())
    }

    fn member_name(&mut self, view: &View<'a>, number: usize) -> Option<String> {
        let closed = view.additional.as_ref().is_some_and(Part::is_nothing);
        if closed {
            let (pattern, _) = view.pattern_properties.first()?;
            return pattern::member(pattern, 1, None, self.rng);
        }
        if view.property_names.nodes.is_empty() {
            return Some(format!("nat{number}"));
        }
        let mut names = views(self.schema, &view.property_names);
        let first = names.drain(..).next()?;
        if let Some(options) = &first.options {
            return options.get((number - 1) % options.len())?.as_str().map(str::to_owned);
        }
        self.text(&first, &format!("nat{number}"))
    }

    fn array(&mut self, view: &View<'a>, name: &str, budget: u32, sample: Option<&Value>) -> Option<Value> {
        if view.min_items > MAX_ITEMS {
            return None;
        }
        let wanted = match self.fill {
            Fill::Full if budget > self.reserve => view.min_items.max(view.prefix.len()).max(1),
            _ => view.min_items,
        };
        let length = wanted.min(view.max_items.unwrap_or(wanted)).max(view.min_items);
        let below = budget.saturating_sub(1);
        let mut items: Vec<Value> = Vec::with_capacity(length);
        if let Some((part, least)) = &view.contains {
            let both = with_items(part, &view.items);
            for _ in 0..(*least).min(MAX_ITEMS) {
                items.push(self.item(&both, name, below, None, view.unique.then_some(&items))?);
            }
        }
        while items.len() < length {
            let index = items.len();
            let part = view.prefix.get(index).unwrap_or(&view.items);
            let sample = sample.and_then(|sample| sample.get(index));
            match self.item(part, name, below, sample, view.unique.then_some(&items)) {
                Some(item) => items.push(item),
                None if items.len() >= view.min_items => break,
                None => return None,
            }
        }
        Some(Value::Array(items))
    }

    /// An item, unlike the others when they must be unique.
    fn item(
        &mut self,
        part: &Part<'a>,
        name: &str,
        below: u32,
        sample: Option<&Value>,
        unlike: Option<&Vec<Value>>,
    ) -> Option<Value> {
        let attempt = self.attempt;
        let mut found = None;
        for again in 0..24 {
            self.attempt = attempt + again;
            found = self.part(part, name, below, sample);
            let taken = |value: &Value| unlike.is_some_and(|others| others.contains(value));
            if found.as_ref().is_none_or(|value| !taken(value)) {
                break;
            }
            found = None;
        }
        self.attempt = attempt;
        found
    }

    /// A string that satisfies lengths, patterns and format, as believable as possible.
    pub(crate) fn text(&mut self, view: &View<'_>, name: &str) -> Option<String> {
        if view.min_length > MAX_TEXT || view.max_length.is_some_and(|most| most < view.min_length) {
            return None;
        }
        let fits = |text: &String| view.patterns.iter().all(|pattern| pattern::matches(pattern, text));
        let sized = |text: String| text::fit(text, view.format, view.min_length, view.max_length);
        let named = view.format.and_then(|format| text::of_format(format, name, self.rng));
        let named = named.or_else(|| text::of_name(name, self.rng)).and_then(sized);
        if let Some(named) = named.filter(fits) {
            return Some(named);
        }
        let Some(first) = view.patterns.first() else {
            let plain =
                if self.attempt == 0 { "nat".to_owned() } else { format!("nat{}", self.rng.random_range(10..10_000)) };
            return text::fit(plain, None, view.min_length, view.max_length);
        };
        let other = view.patterns.iter().skip(1).copied();
        std::iter::once(*first).chain(other).find_map(|pattern| {
            let member = |_| pattern::member(pattern, view.min_length, view.max_length, self.rng).filter(fits);
            (0..4).find_map(member)
        })
    }

    fn integer(&mut self, view: &View<'_>, name: &str) -> Option<Value> {
        let (low, high) = view.integer_range();
        let step = view.multiple_of.iter().copied().filter(|m| m.fract() == 0.0).fold(1.0, f64::max);
        #[expect(clippy::cast_possible_truncation, reason = "casts of floats saturate")]
        let step = (step as i128).max(1);
        let fits = |value: i128| low.is_none_or(|low| value >= low) && high.is_none_or(|high| value <= high);
        let chosen = text::number_of_name(name).map(i128::from).filter(|_| self.attempt == 0);
        let chosen = chosen.filter(|value| fits(*value) && value % step == 0);
        let value = chosen.unwrap_or_else(|| {
            let reach = i128::from(self.rng.random_range(0..if self.attempt < 2 { 10 } else { 1_000_u32 })) * step;
            match (low.filter(|low| *low > i128::from(i32::MIN)), high) {
                (Some(low), high) => {
                    let base = if low <= 0 && high.is_none_or(|high| high >= step) { 1 } else { low };
                    let value = round_up(base, step).saturating_add(reach);
                    if fits(value) { value } else { round_up(low, step) }
                }
                (None, Some(high)) if high < step => high - high.rem_euclid(step) - reach,
                (None, Some(high)) => (round_up(1, step) + reach).min(high - high.rem_euclid(step)),
                (None, None) => round_up(1, step) + reach,
            }
        });
        fits(value).then(|| integer(value)).flatten()
    }

    fn number(&mut self, view: &View<'_>, name: &str) -> Option<Value> {
        let step = view.multiple_of.first().copied();
        let (low, high) = (view.minimum.map(|bound| bound.at), view.maximum.map(|bound| bound.at));
        let preferred = text::number_of_name(name).filter(|_| self.attempt == 0).map(|number| number as f64 + 0.5);
        let wish = preferred.unwrap_or_else(|| f64::from(self.rng.random_range(1..40_u32)) * 0.25);
        let within = |value: f64| {
            low.is_none_or(|low| value > low || (value == low && view.minimum.is_some_and(|b| !b.exclusive)))
                && high.is_none_or(|high| value < high || (value == high && view.maximum.is_some_and(|b| !b.exclusive)))
        };
        let wish = match (low, high) {
            _ if within(wish) => wish,
            (Some(low), Some(high)) => low + (high - low) / 2.0,
            (Some(low), None) => low.floor() + 1.0 + wish,
            (None, Some(high)) => high.ceil() - 1.0 - wish,
            (None, None) => wish,
        };
        let value = match step {
            Some(step) => [(wish / step).round(), (wish / step).floor(), (wish / step).ceil()]
                .into_iter()
                .map(|count| count * step)
                .find(|value| within(*value))?,
            None => wish,
        };
        float(value)
    }
}

/// `items` and `contains` at once.
fn with_items<'a>(part: &Part<'a>, items: &Part<'a>) -> Part<'a> {
    let mut both = part.clone();
    both.nodes.extend(&items.nodes);
    both
}

fn round_up(value: i128, step: i128) -> i128 {
    let rest = value.rem_euclid(step);
    if rest == 0 { value } else { value - rest + step }
}

/// As JSON, if it fits into 64 bits.
pub(crate) fn integer(value: i128) -> Option<Value> {
    let small = i64::try_from(value).ok().map(Number::from);
    small.or_else(|| u64::try_from(value).ok().map(Number::from)).map(Value::Number)
}

/// As JSON; whole numbers without a fraction, as every serialiser but ours would write them too.
pub(crate) fn float(value: f64) -> Option<Value> {
    #[expect(clippy::cast_possible_truncation, reason = "guarded by the comparison")]
    if value.fract() == 0.0 && value.abs() < 9e15 {
        return Some(Value::from(value as i64));
    }
    Number::from_f64(value).map(Value::Number)
}

/// The type that a value of this alternative gets.
pub(crate) fn chosen_type(view: &View<'_>, root: bool) -> Types {
    let likely = view.likely_types();
    if likely == Types::ANY {
        return if root { Types::OBJECT } else { Types::STRING };
    }
    [Types::OBJECT, Types::ARRAY, Types::STRING, Types::NUMBER, Types::INTEGER, Types::BOOLEAN]
        .into_iter()
        .find(|kind| likely.has(*kind))
        .unwrap_or(Types::NULL)
}

/// Whether a scalar satisfies the keywords of a view, as far as they are known here.
pub(crate) fn admits_scalar(view: &View<'_>, value: &Value) -> bool {
    if !view.types.meets(Types::of(value)) {
        return false;
    }
    match value {
        Value::String(text) => {
            let length = text.chars().count();
            length >= view.min_length
                && view.max_length.is_none_or(|most| length <= most)
                && view.patterns.iter().all(|pattern| pattern::matches(pattern, text))
        }
        Value::Number(number) => {
            let Some(value) = number.as_f64() else { return false };
            view.minimum.is_none_or(|low| value > low.at || (value == low.at && !low.exclusive))
                && view.maximum.is_none_or(|high| value < high.at || (value == high.at && !high.exclusive))
        }
        Value::Bool(_) => true,
        _ => false,
    }
}
