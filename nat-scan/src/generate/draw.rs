//! Values from choices. Without choices, what was accepted stays as it is.

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use serde_json::{Map, Value, json};

use super::canonical::{Part, Types, View, views};
use super::choice::Choices;
use super::site::{Site, suits};
use super::value::{Fill, Generator, chosen_type};
use super::{boundary, text};
use crate::chain::{Binding, Pool, Spot, Want};
use crate::schema::Schema;

/// Levels of a value that are drawn; below only what is required.
const MAX_DEPTH: u32 = 5;
/// Nodes of one value.
const MAX_NODES: u32 = 300;
/// Items of an array that is drawn.
const MAX_ITEMS: usize = 8;
/// Live values that may stand in one place.
const MAX_OBSERVED: usize = 8;

/// Where scalars come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    /// Anything that the schema allows.
    Schema,
    /// The edge of a keyword.
    Boundary,
    /// What answers showed under the same name; put in when the request is written.
    Observed,
    /// The document's samples.
    Example,
    /// What people write under such a name, or in such a format.
    Dictionary,
    /// What programs stumble over.
    Hostile,
}

impl Source {
    pub(crate) const ALL: [Self; 6] =
        [Self::Schema, Self::Boundary, Self::Observed, Self::Example, Self::Dictionary, Self::Hostile];

    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Schema => "schema",
            Self::Boundary => "boundary",
            Self::Observed => "observed",
            Self::Example => "example",
            Self::Dictionary => "dictionary",
            Self::Hostile => "hostile",
        }
    }
}

/// Texts that programs stumble over.
const TEXTS: [&str; 24] = [
    "",
    " ",
    "0",
    "-1",
    "null",
    "undefined",
    "NaN",
    "true",
    "1e309",
    "0x1f",
    "'",
    "\"",
    "\\",
    "%",
    "%s%n",
    "<nat>",
    "../nat",
    "\u{0}",
    "\u{fffe}",
    "\u{202e}nat",
    "\u{df}\u{130}",
    "e\u{301}",
    "\u{1f468}\u{200d}\u{1f469}",
    "\r\nnat: nat",
];

/// Draws the values of one request.
pub(crate) struct Drawer<'a, 'c, 'p> {
    pub(crate) choices: &'p mut Choices<'c>,
    pub(crate) source: Source,
    pub(crate) pool: &'a Pool,
    pub(crate) nouns: &'p [String],
    /// Live values, with the places that they belong to.
    pub(crate) bindings: Vec<Binding>,
    pub(crate) nodes: u32,
}

/// What is drawn: a part of `schema` at `spot`.
struct Place<'s> {
    name: &'s str,
    spot: Spot,
    depth: u32,
}

impl Drawer<'_, '_, '_> {
    /// A value for the root of a schema; none when nothing fits. `now` is what stands there.
    pub(crate) fn root(&mut self, schema: &Schema, name: &str, spot: Spot, now: Option<&Value>) -> Option<Value> {
        self.part(schema, &Part::of(schema.node()), &Place { name, spot, depth: 0 }, now)
    }

    fn part(&mut self, schema: &Schema, part: &Part<'_>, place: &Place<'_>, now: Option<&Value>) -> Option<Value> {
        self.nodes += 1;
        if self.nodes > MAX_NODES {
            return now.cloned();
        }
        let mut all = views(schema, part);
        // The present alternative is the simplest choice.
        all.sort_by_key(|view| !now.is_some_and(|now| suits(view, now)));
        let turn = self.choices.below(all.len() + 1).saturating_sub(1);
        let view = all.get(turn)?.clone();
        all.remove(turn);
        let now = now.filter(|now| suits(&view, now));
        if let Some(pinned) = view.pinned() {
            return Some(Value::from(pinned));
        }
        if view.options.is_none() && view.likely_types().meets(Types::OBJECT.or(Types::ARRAY)) {
            match chosen_type(&view, place.depth == 0 && place.name.is_empty()) {
                Types::OBJECT => return self.object(schema, &view, place, now),
                Types::ARRAY => return self.array(schema, &view, place, now),
                _ => {}
            }
        }
        self.scalar(schema, view, all, place, now)
    }

    fn object(&mut self, schema: &Schema, view: &View<'_>, place: &Place<'_>, now: Option<&Value>) -> Option<Value> {
        let mut members = Map::new();
        let known = now.and_then(Value::as_object);
        for (name, part) in &view.properties {
            let required = view.required.contains(name);
            let present = known.and_then(|known| known.get(*name));
            if part.is_read_only(schema) || (present.is_none() && !required && place.depth >= MAX_DEPTH) {
                continue;
            }
            let below = Place { name, spot: below(&place.spot, name), depth: place.depth + 1 };
            let value = match (present, self.choices.below(3)) {
                (Some(present), 0) => Some(present.clone()),
                (Some(_), 2) | (None, 0) if !required => None,
                _ => self.part(schema, part, &below, present),
            };
            match value {
                Some(value) => drop(members.insert((*name).to_owned(), value)),
                None if required => return None,
                None => {}
            }
        }
        for (name, value) in known.into_iter().flatten() {
            // Accepted members that the document does not name.
            if !view.properties.iter().any(|(known, _)| known == name) && self.choices.below(3) < 2 {
                members.insert(name.clone(), value.clone());
            }
        }
        for name in &view.required {
            if !members.contains_key(*name) {
                let below = Place { name, spot: below(&place.spot, name), depth: place.depth + 1 };
                let value = self.part(schema, &view.property(name), &below, None)?;
                members.insert((*name).to_owned(), value);
            }
        }
        Some(Value::Object(members))
    }

    fn array(&mut self, schema: &Schema, view: &View<'_>, place: &Place<'_>, now: Option<&Value>) -> Option<Value> {
        let present = now.and_then(Value::as_array);
        let most = view.max_items.unwrap_or(MAX_ITEMS).min(MAX_ITEMS).max(view.min_items);
        let plain = present.map_or(view.min_items.max(1), Vec::len);
        let length = *self.choices.of(&[plain, 3, 2, 1, view.min_items, 5, most])?;
        let length = if place.depth >= MAX_DEPTH { view.min_items } else { length.clamp(view.min_items, most) };
        // Items are what they are, all alike, or the last like the first.
        let alike = if view.unique { 0 } else { self.choices.below(3) };
        // Documents may ask for billions of items: what is written is counted, copies too.
        let mut items: Vec<Value> = Vec::new();
        while items.len() < length {
            let index = items.len();
            let repeats = index > 0 && (alike == 1 || (alike == 2 && index + 1 == length));
            if let Some(first) = items.first().filter(|_| repeats) {
                self.nodes = self.nodes.saturating_add(count(first));
                if self.nodes > MAX_NODES {
                    return None;
                }
                items.push(first.clone());
                continue;
            }
            let part = view.prefix.get(index).unwrap_or(&view.items);
            let own = present.and_then(|items| items.get(index));
            let below =
                Place { name: place.name, spot: below(&place.spot, &index.to_string()), depth: place.depth + 1 };
            match (own, self.choices.below(2)) {
                (Some(own), 0) => items.push(own.clone()),
                _ => items.push(self.part(schema, part, &below, own)?),
            }
        }
        Some(Value::Array(items))
    }

    fn scalar(
        &mut self,
        schema: &Schema,
        view: View<'_>,
        others: Vec<View<'_>>,
        place: &Place<'_>,
        now: Option<&Value>,
    ) -> Option<Value> {
        if let Some(options) = &view.options {
            return self.choices.of(options).map(|option| (*option).clone());
        }
        let mut rng = ChaCha8Rng::seed_from_u64(self.choices.below(1 << 16) as u64);
        let mut generator = Generator::new(schema, Fill::Full, &mut rng).on_attempt(self.choices.below(6) as u32);
        let plain = generator.view(&view, place.name, 1, None);
        let plain = plain.or_else(|| now.cloned())?;
        let candidates = match self.source {
            Source::Schema => Vec::new(),
            Source::Boundary => {
                let name = place.name.to_owned();
                let site = Site {
                    pointer: String::new(),
                    slot: String::new(),
                    name,
                    depth: place.depth as usize,
                    view,
                    others,
                };
                boundary::values(&mut generator, &site, &plain).into_iter().map(|(_, value)| value).collect()
            }
            Source::Observed => {
                self.observe(schema, place, &plain);
                Vec::new()
            }
            Source::Example => view.samples.iter().map(|sample| (*sample).clone()).collect(),
            Source::Dictionary => dictionary(view.format, place.name, &plain),
            Source::Hostile => hostile(&plain),
        };
        Some(self.choices.of(&candidates).cloned().unwrap_or(plain))
    }

    /// Names a live value for the place, in which `made_up` stands.
    fn observe(&mut self, schema: &Schema, place: &Place<'_>, made_up: &Value) {
        let kind = match made_up {
            Value::Number(_) => json!({"type": "integer"}),
            Value::String(_) => json!({"type": "string"}),
            _ => return,
        };
        let parents = std::collections::BTreeMap::new();
        let (any, nouns) = (schema.sibling(kind, ""), self.nouns);
        let want = Want { name: place.name, context: None, schema: &any, parents: &parents, nouns, strict: false };
        let mut found = self.pool.choices(&want);
        found.truncate(MAX_OBSERVED);
        let Some(choice) = self.choices.of(&found).cloned() else { return };
        self.bindings.push(Binding {
            spot: place.spot.clone(),
            made_up: made_up.clone(),
            value: choice.value,
            source: choice.source,
        });
    }
}

fn below(spot: &Spot, key: &str) -> Spot {
    match spot {
        Spot::Body(pointer) => Spot::Body(format!("{pointer}/{}", super::site::escape(key))),
        // Members of arguments have no place of their own.
        Spot::Argument(index) => Spot::Argument(*index),
    }
}

/// What people write under such a name, or in such a format.
fn dictionary(format: Option<&str>, name: &str, plain: &Value) -> Vec<Value> {
    if plain.is_number() {
        return [0, 1, 2, 10, 100, 1000, -1, i64::from(i32::MAX)].into_iter().map(Value::from).collect();
    }
    if !plain.is_string() {
        return Vec::new();
    }
    let words = text::words(name);
    let has = |all: &[&str]| words.iter().any(|word| all.contains(&word.as_str()));
    let by_name: &[&str] = match () {
        () if has(&["sort", "order", "direction"]) => &["asc", "desc", "id", "-id", "name", "-name", "created_at"],
        () if has(&["lang", "language", "locale"]) => &["en", "de", "en-US", "zh-Hans-CN", "tr", "ar"],
        () if has(&["currency"]) => &["EUR", "USD", "JPY", "XXX"],
        () if has(&["country"]) => &["DE", "US", "GB", "XX"],
        () if has(&["status", "state"]) => &["active", "inactive", "open", "closed", "pending", "deleted"],
        () if has(&["role"]) => &["admin", "user", "owner", "guest"],
        () if has(&["filter", "search", "query", "q"]) => &["*", "a", "%", "name:nat", "a b"],
        () if has(&["timezone", "tz"]) => &["UTC", "Europe/Berlin", "America/Argentina/Buenos_Aires", "+14:00"],
        () => &["all", "none", "default", "new", "me", "latest", "test"],
    };
    format.map_or(&[] as &[&str], text::corners).iter().chain(by_name).map(|text| Value::from(*text)).collect()
}

fn hostile(plain: &Value) -> Vec<Value> {
    match plain {
        Value::Number(_) => vec![
            json!(0),
            json!(-1),
            json!(-0.0),
            json!(0.1),
            json!(1e308),
            json!(i64::from(i32::MAX) + 1),
            json!(9_007_199_254_740_993_i64),
            json!(i64::MAX),
            json!(i64::MIN),
        ],
        Value::String(_) => {
            let long = ["n".repeat(300), "\u{1f69c}".repeat(80)];
            TEXTS.iter().map(|text| Value::from(*text)).chain(long.into_iter().map(Value::from)).collect()
        }
        Value::Bool(flag) => vec![Value::from(!flag)],
        _ => Vec::new(),
    }
}

/// A value and all within it.
fn count(value: &Value) -> u32 {
    let within = |values: &mut dyn Iterator<Item = &Value>| values.map(count).fold(1, u32::saturating_add);
    match value {
        Value::Array(items) => within(&mut items.iter()),
        Value::Object(members) => within(&mut members.values()),
        _ => 1,
    }
}
