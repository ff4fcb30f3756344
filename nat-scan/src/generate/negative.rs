//! Values that break one keyword and nothing else.

use serde_json::{Map, Value, json};

use super::canonical::{Bound, Part, Types, View};
use super::site::{Site, escape};
use super::value::{Generator, MAX_TEXT, float, integer};
use super::{pattern, text};

/// Items that are written to exceed `maxItems`.
const MAX_ITEMS: usize = 257;

/// A replacement for the value at a site.
#[derive(Debug)]
pub(super) struct Fault {
    pub(super) keyword: &'static str,
    /// Appended to the site's slot: the member that is missing or too much.
    pub(super) below: String,
    pub(super) value: Value,
}

fn fault(keyword: &'static str, value: Value) -> Fault {
    Fault { keyword, below: String::new(), value }
}

/// Everything that can be broken at a site. The caller proves each value invalid; some turn out to be allowed by
/// another alternative.
pub(super) fn faults<'a>(generator: &mut Generator<'a, '_>, site: &Site<'a>, now: &Value) -> Vec<Fault> {
    let view = &site.view;
    let mut out = types(site);
    if let Some(options) = &view.options {
        out.extend(options.first().and_then(|option| not_an_option(options, option)).map(|value| fault("enum", value)));
    }
    match now {
        Value::Number(_) => numbers(view, now, &mut out),
        Value::String(text) => strings(generator, view, site, text, &mut out),
        Value::Array(items) => arrays(generator, view, site, items, &mut out),
        Value::Object(members) => objects(view, members, &mut out),
        _ => {}
    }
    out
}

/// One value of each type that no alternative allows; those first that no lenient reader can convert.
fn types(site: &Site<'_>) -> Vec<Fault> {
    let allowed = site.others.iter().fold(site.view.types, |types, view| types.or(view.types));
    let each = [
        (Types::OBJECT, json!({"nat": "nat"})),
        (Types::ARRAY, json!(["nat"])),
        (Types::STRING, json!("nat-no-such-value")),
        (Types::NULL, Value::Null),
        (Types::FRACTION, json!(1.5)),
        (Types::BOOLEAN, json!(true)),
        (Types::INTEGER, json!(4711)),
    ];
    let mut wrong: Vec<_> = each.into_iter().filter(|(kind, _)| !allowed.meets(*kind)).collect();
    // Deep inside a body two of them show whether types are looked at; of items, the one that programs forget.
    if site.depth > 1 {
        let null = wrong.iter().skip(1).position(|(kind, _)| *kind == Types::NULL).map(|at| at + 1);
        if let Some(null) = null.filter(|_| site.slot.ends_with("/[]")) {
            wrong.swap(1, null);
        }
        wrong.truncate(2);
    }
    wrong.into_iter().map(|(_, value)| fault("type", value)).collect()
}

fn not_an_option(options: &[&Value], option: &Value) -> Option<Value> {
    let candidates = match option {
        Value::String(text) => vec![json!(format!("{text}_nat")), json!("nat_no_such_option")],
        Value::Number(_) => {
            let greatest = options.iter().filter_map(|value| value.as_i64()).max().unwrap_or(0);
            vec![json!(greatest.saturating_add(1))]
        }
        Value::Bool(flag) => vec![json!(!flag)],
        _ => vec![json!("nat_no_such_option")],
    };
    candidates.into_iter().find(|value| !options.contains(&value))
}

fn numbers(view: &View<'_>, now: &Value, out: &mut Vec<Fault>) {
    let step = view.multiple_of.first().copied();
    let beyond = |bound: Bound, outward: f64| {
        if bound.exclusive && step.is_none() {
            return bound.integer.and_then(integer).or_else(|| float(bound.at));
        }
        match (bound.integer, step) {
            (Some(at), None) => integer(at + if outward > 0.0 { 1 } else { -1 }),
            (_, Some(step)) => float(((bound.at / step).round() + outward) * step),
            _ => float(bound.at + outward),
        }
    };
    if let Some(low) = view.minimum {
        let keyword = if low.exclusive { "exclusiveMinimum" } else { "minimum" };
        out.extend(beyond(low, -1.0).map(|value| fault(keyword, value)));
    }
    if let Some(high) = view.maximum {
        let keyword = if high.exclusive { "exclusiveMaximum" } else { "maximum" };
        out.extend(beyond(high, 1.0).map(|value| fault(keyword, value)));
    }
    for step in &view.multiple_of {
        let off = now.as_f64().map(|now| now + if step.fract() == 0.0 && *step > 1.0 { 1.0 } else { step / 2.0 });
        out.extend(off.and_then(float).map(|value| fault("multipleOf", value)));
    }
}

fn strings<'a>(generator: &mut Generator<'a, '_>, view: &View<'a>, site: &Site<'a>, now: &str, out: &mut Vec<Fault>) {
    let mut exactly = |length: usize| {
        let exact = View { min_length: length, max_length: Some(length), ..view.clone() };
        let plain = || now.chars().chain("abcdefghij".chars().cycle()).take(length).collect();
        Value::String(generator.text(&exact, &site.name).unwrap_or_else(plain))
    };
    if view.min_length > 0 && view.min_length <= MAX_TEXT {
        out.push(fault("minLength", exactly(view.min_length - 1)));
    }
    if let Some(most) = view.max_length.filter(|most| *most < MAX_TEXT) {
        out.push(fault("maxLength", exactly(most + 1)));
    }
    let sized = |text: &str| {
        let length = text.chars().count();
        length >= view.min_length && view.max_length.is_none_or(|most| length <= most)
    };
    for pattern in &view.patterns {
        let miss = pattern::near_miss(pattern, now).filter(|miss| sized(miss));
        out.extend(miss.map(|miss| fault("pattern", Value::String(miss))));
    }
    let misses = view.format.map_or(&[] as &[&str], text::near_misses);
    let fitting = |miss: &&&str| sized(miss) && view.patterns.iter().all(|pattern| pattern::matches(pattern, miss));
    out.extend(misses.iter().filter(fitting).take(2).map(|miss| fault("format", Value::String((*miss).to_owned()))));
}

fn arrays<'a>(
    generator: &mut Generator<'a, '_>,
    view: &View<'a>,
    site: &Site<'a>,
    now: &[Value],
    out: &mut Vec<Fault>,
) {
    let mut exactly = |length: usize| {
        let exact = View { min_items: length, max_items: Some(length), contains: None, ..view.clone() };
        generator.view(&exact, &site.name, 3, None).or_else(|| {
            // Unique items may have run out: then repeat, the count is wrong all the same.
            Some(Value::Array(now.iter().cycle().take(length).cloned().collect())).filter(|_| !now.is_empty())
        })
    };
    if view.min_items > 0 && view.min_items <= MAX_ITEMS {
        out.extend(exactly(view.min_items - 1).map(|value| fault("minItems", value)));
    }
    if let Some(most) = view.max_items.filter(|most| *most < MAX_ITEMS) {
        out.extend(exactly(most + 1).map(|value| fault("maxItems", value)));
    }
    if view.unique
        && let Some(first) = now.first()
    {
        let mut twice = now.to_vec();
        match twice.last_mut().filter(|_| now.len() > 1) {
            Some(last) => *last = first.clone(),
            None => twice.push(first.clone()),
        }
        out.push(fault("uniqueItems", Value::Array(twice)));
    }
    if view.contains.is_some() {
        out.push(fault("contains", json!(["nat-no-such-value"])));
    }
}

fn objects(view: &View<'_>, now: &Map<String, Value>, out: &mut Vec<Fault>) {
    let without = |name: &str, keyword| {
        let mut members = now.clone();
        members.shift_remove(name);
        Fault { keyword, below: format!("/{}", escape(name)), value: Value::Object(members) }
    };
    out.extend(view.required.iter().filter(|name| now.contains_key(**name)).map(|name| without(name, "required")));
    for (name, needs) in view.dependent.iter().filter(|(name, _)| now.contains_key(*name)) {
        let free = needs.iter().filter(|need| *need != name && !view.required.contains(need));
        out.extend(free.map(|need| without(need, "dependentRequired")));
    }
    let with = |name: &str, keyword| {
        let mut members = now.clone();
        members.insert(name.to_owned(), json!("nat"));
        Fault { keyword, below: format!("/{}", escape(name)), value: Value::Object(members) }
    };
    if view.additional.as_ref().is_some_and(Part::is_nothing) {
        out.push(with("nat_unexpected", "additionalProperties"));
    }
    if !view.property_names.nodes.is_empty() {
        out.push(with("~ not a name ~", "propertyNames"));
    }
    if let Some(most) = view.max_properties.filter(|most| *most < MAX_ITEMS) {
        let mut members = now.clone();
        let pattern = now.values().next().cloned().unwrap_or_else(|| json!("nat"));
        for number in 0..=most.saturating_sub(members.len()) {
            members.insert(format!("nat{number}"), pattern.clone());
        }
        out.push(fault("maxProperties", Value::Object(members)));
    }
    if view.min_properties > 0 {
        let kept = view.min_properties - 1;
        let must = now.iter().filter(|(name, _)| view.required.contains(&name.as_str()));
        let may = now.iter().filter(|(name, _)| !view.required.contains(&name.as_str()));
        let members = must.chain(may).take(kept).map(|(name, value)| (name.clone(), value.clone())).collect();
        out.push(fault("minProperties", Value::Object(members)));
    }
}
