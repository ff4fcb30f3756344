//! A schema as the generator sees it: references followed, `allOf` merged, `anyOf`/`oneOf`/`if` as alternatives.
//!
//! A [`View`] describes one level; what lies below stays a [`Part`], a conjunction of borrowed nodes, and is looked at
//! only when a value is made for it. So recursion in the document costs nothing here. A view may be wider than the
//! schema (`not`, exclusivity of `oneOf`): whoever makes a value validates it with the schema itself.

use serde_json::{Map, Value};

use crate::schema::Schema;

pub(super) use super::alternatives::views;
pub(super) use super::depth::Depths;

/// Options of an enumeration that are looked at.
const MAX_OPTIONS: usize = 1_000;

pub(super) static NOTHING: Value = Value::Bool(false);

/// A set of JSON types; integers and fractions are apart so that `integer` is a subset of `number`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Types(u8);

impl Types {
    pub(crate) const NONE: Self = Self(0);
    pub(crate) const NULL: Self = Self(1);
    pub(crate) const BOOLEAN: Self = Self(2);
    pub(crate) const INTEGER: Self = Self(4);
    pub(crate) const FRACTION: Self = Self(8);
    pub(crate) const NUMBER: Self = Self(12);
    pub(crate) const STRING: Self = Self(16);
    pub(crate) const ARRAY: Self = Self(32);
    pub(crate) const OBJECT: Self = Self(64);
    pub(crate) const ANY: Self = Self(127);

    pub(crate) const fn has(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    pub(crate) const fn meets(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    pub(crate) const fn and(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    pub(crate) const fn or(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    pub(crate) fn named(name: &str) -> Self {
        match name {
            "null" => Self::NULL,
            "boolean" => Self::BOOLEAN,
            "integer" => Self::INTEGER,
            "number" => Self::NUMBER,
            "string" => Self::STRING,
            "array" => Self::ARRAY,
            "object" => Self::OBJECT,
            _ => Self::ANY,
        }
    }

    pub(crate) fn of(value: &Value) -> Self {
        match value {
            Value::Null => Self::NULL,
            Value::Bool(_) => Self::BOOLEAN,
            Value::Number(number) => match number.as_f64() {
                Some(float) if number.is_f64() && float.fract() != 0.0 => Self::FRACTION,
                _ => Self::INTEGER,
            },
            Value::String(_) => Self::STRING,
            Value::Array(_) => Self::ARRAY,
            Value::Object(_) => Self::OBJECT,
        }
    }

    /// Of the `type` keyword.
    pub(crate) fn declared(keyword: Option<&Value>) -> Self {
        match keyword {
            Some(Value::String(name)) => Self::named(name),
            Some(Value::Array(names)) => {
                names.iter().filter_map(Value::as_str).fold(Self::NONE, |set, name| set.or(Self::named(name)))
            }
            _ => Self::ANY,
        }
    }
}

/// A limit of a number.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Bound {
    pub(crate) at: f64,
    /// Exact, when the document gave an integer.
    pub(crate) integer: Option<i128>,
    pub(crate) exclusive: bool,
}

impl Bound {
    fn read(value: Option<&Value>, exclusive: bool) -> Option<Self> {
        let number = value?.as_number()?;
        let integer = number.as_i64().map(i128::from).or_else(|| number.as_u64().map(i128::from));
        Some(Self { at: number.as_f64()?, integer, exclusive })
    }

    /// The least integer that this lower bound allows.
    #[expect(clippy::cast_possible_truncation, reason = "casts of floats saturate")]
    pub(crate) fn least(self) -> i128 {
        match self.integer {
            Some(at) => at.saturating_add(i128::from(self.exclusive)),
            None if self.exclusive => (self.at.floor() as i128).saturating_add(1),
            None => self.at.ceil() as i128,
        }
    }

    /// The greatest integer that this upper bound allows.
    #[expect(clippy::cast_possible_truncation, reason = "casts of floats saturate")]
    pub(crate) fn greatest(self) -> i128 {
        match self.integer {
            Some(at) => at.saturating_sub(i128::from(self.exclusive)),
            None if self.exclusive => (self.at.ceil() as i128).saturating_sub(1),
            None => self.at.floor() as i128,
        }
    }
}

/// A schema below a [`View`]: all of `nodes` at once; `pin` is the constant that a discriminator demands.
#[derive(Clone, Debug, Default)]
pub(crate) struct Part<'a> {
    pub(crate) nodes: Vec<&'a Value>,
    pub(crate) pin: Option<String>,
}

impl<'a> Part<'a> {
    pub(crate) fn of(node: &'a Value) -> Self {
        Self { nodes: vec![node], pin: None }
    }

    fn with(mut self, other: &Self) -> Self {
        self.nodes.extend(&other.nodes);
        self.pin = self.pin.or_else(|| other.pin.clone());
        self
    }

    /// A client must not send it.
    pub(crate) fn is_read_only(&self, schema: &Schema) -> bool {
        let flagged = |node: &Value| node.get("readOnly") == Some(&Value::Bool(true));
        self.nodes.iter().any(|node| flagged(node) || flagged(schema.resolve(node)))
    }

    /// True when no value at all fits by the look of it.
    pub(crate) fn is_nothing(&self) -> bool {
        self.nodes.iter().any(|node| **node == Value::Bool(false))
    }
}

/// One alternative of a schema, one level deep.
#[derive(Clone, Debug)]
pub(crate) struct View<'a> {
    pub(crate) types: Types,
    /// Types that the keywords speak about, for schemas without `type`.
    pub(crate) hint: Types,
    pub(crate) options: Option<Vec<&'a Value>>,
    pub(crate) minimum: Option<Bound>,
    pub(crate) maximum: Option<Bound>,
    pub(crate) multiple_of: Vec<f64>,
    pub(crate) min_length: usize,
    pub(crate) max_length: Option<usize>,
    pub(crate) patterns: Vec<&'a str>,
    pub(crate) format: Option<&'a str>,
    pub(crate) prefix: Vec<Part<'a>>,
    pub(crate) items: Part<'a>,
    pub(crate) contains: Option<(Part<'a>, usize)>,
    pub(crate) min_items: usize,
    pub(crate) max_items: Option<usize>,
    pub(crate) unique: bool,
    pub(crate) properties: Vec<(&'a str, Part<'a>)>,
    pub(crate) pattern_properties: Vec<(&'a str, Part<'a>)>,
    pub(crate) additional: Option<Part<'a>>,
    pub(crate) property_names: Part<'a>,
    pub(crate) required: Vec<&'a str>,
    pub(crate) dependent: Vec<(&'a str, Vec<&'a str>)>,
    pub(crate) min_properties: usize,
    pub(crate) max_properties: Option<usize>,
    pub(crate) samples: Vec<&'a Value>,
    pub(crate) read_only: bool,
    pub(super) pin: Option<String>,
}

impl View<'_> {
    pub(crate) fn any() -> Self {
        Self {
            types: Types::ANY,
            hint: Types::NONE,
            options: None,
            minimum: None,
            maximum: None,
            multiple_of: Vec::new(),
            min_length: 0,
            max_length: None,
            patterns: Vec::new(),
            format: None,
            prefix: Vec::new(),
            items: Part::default(),
            contains: None,
            min_items: 0,
            max_items: None,
            unique: false,
            properties: Vec::new(),
            pattern_properties: Vec::new(),
            additional: None,
            property_names: Part::default(),
            required: Vec::new(),
            dependent: Vec::new(),
            min_properties: 0,
            max_properties: None,
            samples: Vec::new(),
            read_only: false,
            pin: None,
        }
    }

    /// Inclusive range of integers that bounds and format allow; empty when the first is greater.
    pub(crate) fn integer_range(&self) -> (Option<i128>, Option<i128>) {
        let (low, high) = match self.format {
            Some("int32") => (Some(i128::from(i32::MIN)), Some(i128::from(i32::MAX))),
            Some("int64") => (Some(i128::from(i64::MIN)), Some(i128::from(i64::MAX))),
            _ => (None, None),
        };
        let least = self.minimum.map(Bound::least);
        let greatest = self.maximum.map(Bound::greatest);
        (least.into_iter().chain(low).max(), greatest.into_iter().chain(high).min())
    }

    /// Types from which to choose: what the keywords speak about, if that is allowed at all.
    pub(crate) fn likely_types(&self) -> Types {
        let likely = self.types.and(self.hint);
        if likely == Types::NONE { self.types } else { likely }
    }
}

impl<'a> View<'a> {
    /// The schema of a property: its own, that of matching patterns, else that of additional properties.
    pub(crate) fn property(&self, name: &str) -> Part<'a> {
        if let Some((_, part)) = self.properties.iter().find(|(known, _)| *known == name) {
            return part.clone();
        }
        let mut patterns = self.pattern_properties.iter().filter(|(pattern, _)| super::pattern::matches(pattern, name));
        match patterns.next() {
            Some((_, part)) => patterns.fold(part.clone(), |part, (_, other)| part.with(other)),
            None => self.additional.clone().unwrap_or_default(),
        }
    }

    /// The keywords of one node alone.
    pub(super) fn own(node: &'a Map<String, Value>) -> Self {
        let mut view = Self::any();
        view.types = Types::declared(node.get("type"));
        view.hint = hint(node);
        view.options = match (node.get("const"), node.get("enum")) {
            (Some(only), _) => Some(vec![only]),
            (None, Some(Value::Array(options))) => Some(options.iter().take(MAX_OPTIONS).collect()),
            _ => None,
        };
        let text = |key: &str| node.get(key).and_then(Value::as_str);
        let count = |key: &str| {
            node.get(key)
                .and_then(|value| value.as_u64().or_else(|| value.as_f64().map(|float| float.max(0.0) as u64)))
                .and_then(|number| usize::try_from(number).ok())
        };
        view.minimum = tighter(
            Bound::read(node.get("minimum"), false),
            Bound::read(node.get("exclusiveMinimum"), true),
            |a, b| a > b,
        );
        view.maximum = tighter(
            Bound::read(node.get("maximum"), false),
            Bound::read(node.get("exclusiveMaximum"), true),
            |a, b| a < b,
        );
        view.multiple_of = node.get("multipleOf").and_then(Value::as_f64).filter(|m| *m > 0.0).into_iter().collect();
        view.min_length = count("minLength").unwrap_or(0);
        view.max_length = count("maxLength");
        view.patterns = text("pattern").into_iter().collect();
        view.format = text("format");
        view.prefix = list(node, "prefixItems").map(Part::of).collect();
        view.items = node.get("items").map(Part::of).unwrap_or_default();
        view.contains = node.get("contains").map(|c| (Part::of(c), count("minContains").unwrap_or(1)));
        view.min_items = count("minItems").unwrap_or(0);
        view.max_items = count("maxItems");
        view.unique = node.get("uniqueItems") == Some(&Value::Bool(true));
        view.properties = members(node, "properties").map(|(name, part)| (name, Part::of(part))).collect();
        view.pattern_properties = members(node, "patternProperties").map(|(p, part)| (p, Part::of(part))).collect();
        view.additional = node.get("additionalProperties").map(Part::of);
        view.property_names = node.get("propertyNames").map(Part::of).unwrap_or_default();
        view.required = list(node, "required").filter_map(Value::as_str).collect();
        view.dependent = members(node, "dependentRequired")
            .map(|(name, needs)| (name, needs.as_array().into_iter().flatten().filter_map(Value::as_str).collect()))
            .collect();
        view.min_properties = count("minProperties").unwrap_or(0);
        view.max_properties = count("maxProperties");
        view.samples =
            node.get("example").into_iter().chain(list(node, "examples")).chain(node.get("default")).collect();
        view.read_only = node.get("readOnly") == Some(&Value::Bool(true));
        view
    }

    /// Both at once, or `None` when they contradict each other.
    pub(super) fn merge(mut self, other: &Self) -> Option<Self> {
        self.types = self.types.and(other.types);
        self.hint = self.hint.or(other.hint);
        self.options = match (self.options, &other.options) {
            (Some(ours), Some(theirs)) => Some(ours.into_iter().filter(|value| theirs.contains(value)).collect()),
            (ours, theirs) => ours.or_else(|| theirs.clone()),
        };
        self.minimum = tighter(self.minimum, other.minimum, |a, b| a > b);
        self.maximum = tighter(self.maximum, other.maximum, |a, b| a < b);
        self.multiple_of.extend(&other.multiple_of);
        self.min_length = self.min_length.max(other.min_length);
        self.max_length = least(self.max_length, other.max_length);
        self.patterns.extend(&other.patterns);
        self.format = self.format.or(other.format);
        self.merge_array(other);
        self.merge_object(other);
        self.samples.extend(&other.samples);
        self.read_only |= other.read_only;
        self.pin = self.pin.or_else(|| other.pin.clone());
        self.is_possible().then_some(self)
    }

    fn merge_array(&mut self, other: &Self) {
        let length = self.prefix.len().max(other.prefix.len());
        let at = |view: &Self, index: usize| view.prefix.get(index).unwrap_or(&view.items).clone();
        self.prefix = (0..length).map(|index| at(self, index).with(&at(other, index))).collect();
        self.items = std::mem::take(&mut self.items).with(&other.items);
        self.contains = self.contains.take().or_else(|| other.contains.clone());
        self.min_items = self.min_items.max(other.min_items);
        self.max_items = least(self.max_items, other.max_items);
        self.unique |= other.unique;
    }

    /// A property that only one side declares still has to satisfy the other side's additional properties.
    fn merge_object(&mut self, other: &Self) {
        let mut properties = Vec::with_capacity(self.properties.len() + other.properties.len());
        for (name, part) in &self.properties {
            properties.push((*name, part.clone().with(&other.property(name))));
        }
        for (name, part) in &other.properties {
            if !self.properties.iter().any(|(known, _)| known == name) {
                properties.push((*name, part.clone().with(&self.property(name))));
            }
        }
        self.properties = properties;
        self.pattern_properties.extend(other.pattern_properties.iter().cloned());
        self.additional = match (self.additional.take(), &other.additional) {
            (Some(ours), Some(theirs)) => Some(ours.with(theirs)),
            (ours, theirs) => ours.or_else(|| theirs.clone()),
        };
        self.property_names = std::mem::take(&mut self.property_names).with(&other.property_names);
        for name in &other.required {
            if !self.required.contains(name) {
                self.required.push(name);
            }
        }
        self.dependent.extend(other.dependent.iter().cloned());
        self.min_properties = self.min_properties.max(other.min_properties);
        self.max_properties = least(self.max_properties, other.max_properties);
    }

    pub(super) fn is_possible(&mut self) -> bool {
        let types = self.types;
        if let Some(options) = &mut self.options {
            options.retain(|value| types.meets(Types::of(value)));
            return !options.is_empty();
        }
        types != Types::NONE
    }

    pub(super) fn pin_discriminator(&mut self, property: &'a str, name: &str) {
        let pin = Part { nodes: Vec::new(), pin: Some(name.to_owned()) };
        match self.properties.iter_mut().find(|(known, _)| *known == property) {
            Some((_, part)) => *part = std::mem::take(part).with(&pin),
            None => self.properties.push((property, pin)),
        }
        if !self.required.contains(&property) {
            self.required.push(property);
        }
    }

    /// The constant that a discriminator demands of this value.
    pub(crate) fn pinned(&self) -> Option<&str> {
        self.pin.as_deref()
    }
}

pub(super) fn list<'a>(node: &'a Map<String, Value>, key: &str) -> impl Iterator<Item = &'a Value> {
    node.get(key).and_then(Value::as_array).into_iter().flatten()
}

pub(super) fn members<'a>(node: &'a Map<String, Value>, key: &str) -> impl Iterator<Item = (&'a str, &'a Value)> {
    node.get(key).and_then(Value::as_object).into_iter().flatten().map(|(name, value)| (name.as_str(), value))
}

fn least(a: Option<usize>, b: Option<usize>) -> Option<usize> {
    a.into_iter().chain(b).min()
}

fn tighter(a: Option<Bound>, b: Option<Bound>, wins: impl Fn(f64, f64) -> bool) -> Option<Bound> {
    match (a, b) {
        (Some(a), Some(b)) if wins(b.at, a.at) || (b.at == a.at && b.exclusive) => Some(b),
        (Some(a), _) => Some(a),
        (None, b) => b,
    }
}

fn hint(node: &Map<String, Value>) -> Types {
    let about = |keys: &[&str], types: Types| {
        if keys.iter().any(|key| node.contains_key(*key)) { types } else { Types::NONE }
    };
    about(&["properties", "additionalProperties", "required", "patternProperties", "minProperties"], Types::OBJECT)
        .or(about(&["items", "prefixItems", "minItems", "maxItems", "contains", "uniqueItems"], Types::ARRAY))
        .or(about(&["minLength", "maxLength", "pattern"], Types::STRING))
        .or(about(&["minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"], Types::NUMBER))
        .or(match node.get("format").and_then(Value::as_str) {
            Some("int32" | "int64") => Types::INTEGER,
            Some("float" | "double") => Types::NUMBER,
            Some(_) => Types::STRING,
            None => Types::NONE,
        })
}
