//! Valid values at the edge of a keyword.

use serde_json::Value;

use super::canonical::{Types, View};
use super::site::Site;
use super::value::{Generator, MAX_TEXT, chosen_type, float, integer};
use super::{pattern, text};

/// Options of one enumeration.
const MAX_OPTIONS: usize = 32;
/// Items that are written to reach `maxItems`.
const MAX_ITEMS: usize = 256;

/// Replacements for the value at a site that keep it valid, each with the keyword that it touches. The caller
/// validates them.
pub(super) fn values<'a>(
    generator: &mut Generator<'a, '_>,
    site: &Site<'a>,
    now: &Value,
) -> Vec<(&'static str, Value)> {
    let view = &site.view;
    let mut out = Vec::new();
    let all = std::iter::once(view).chain(&site.others);
    if all.clone().any(|view| view.types.has(Types::NULL)) && !now.is_null() {
        out.push(("null", Value::Null));
    }
    for view in all {
        for option in view.options.iter().flatten().take(MAX_OPTIONS) {
            out.push(("enum", (*option).clone()));
        }
    }
    for other in &site.others {
        if let Some(value) = generator.view(other, &site.name, 3, None) {
            out.push(("alternative", value));
        }
    }
    if view.options.is_some() {
        return out;
    }
    match now {
        Value::Bool(value) => out.push(("boolean", Value::Bool(!value))),
        Value::Number(_) => numbers(view, &mut out),
        Value::String(now) => strings(generator, view, site, now, &mut out),
        Value::Array(items) => arrays(generator, view, site, items, &mut out),
        Value::Object(_) | Value::Null => {}
    }
    out
}

fn numbers(view: &View<'_>, out: &mut Vec<(&'static str, Value)>) {
    edges(view, out);
    // Nobody writes `minimum: 1` as often as code relies on it.
    out.extend([("zero", Value::from(0)), ("negative", Value::from(-1))]);
}

fn edges(view: &View<'_>, out: &mut Vec<(&'static str, Value)>) {
    let step = view.multiple_of.first().copied();
    if chosen_type(view, false) == Types::INTEGER || step.is_some_and(|step| step.fract() == 0.0) {
        let (low, high) = view.integer_range();
        #[expect(clippy::cast_possible_truncation, reason = "casts of floats saturate")]
        let step = step.map_or(1, |step| (step as i128).max(1));
        let low = low.map(|low| low + (-low).rem_euclid(step));
        let high = high.map(|high| high - high.rem_euclid(step));
        let edges = [
            ("minimum", low),
            ("minimum", low.map(|low| low + step)),
            ("maximum", high),
            ("maximum", high.map(|high| high - step)),
        ];
        out.extend(edges.into_iter().filter_map(|(keyword, edge)| Some((keyword, integer(edge?)?))));
        return;
    }
    let edge = |bound: Option<super::canonical::Bound>, inward: f64| {
        let bound = bound?;
        let step = step.unwrap_or(if bound.exclusive { 0.5 } else { 0.0 });
        float(if bound.exclusive { bound.at + inward * step } else { bound.at })
    };
    out.extend(edge(view.minimum, 1.0).map(|value| ("minimum", value)));
    out.extend(edge(view.maximum, -1.0).map(|value| ("maximum", value)));
}

fn strings<'a>(
    generator: &mut Generator<'a, '_>,
    view: &View<'a>,
    site: &Site<'a>,
    now: &str,
    out: &mut Vec<(&'static str, Value)>,
) {
    let mut exactly = |length: usize| {
        let exact = View { min_length: length, max_length: Some(length), ..view.clone() };
        generator.text(&exact, &site.name).or_else(|| resized(view, now, length))
    };
    if view.min_length > 0 {
        out.extend(exactly(view.min_length).map(|text| ("minLength", Value::String(text))));
    }
    if let Some(most) = view.max_length.filter(|most| *most <= MAX_TEXT) {
        out.extend(exactly(most).map(|text| ("maxLength", Value::String(text))));
    }
    for corner in view.format.map_or(&[] as &[&str], text::corners) {
        out.push(("format", Value::String((*corner).to_owned())));
    }
}

/// The text cut or lengthened, if the patterns allow that.
fn resized(view: &View<'_>, now: &str, length: usize) -> Option<String> {
    let text: String = now.chars().chain("abcdefghij".chars().cycle()).take(length).collect();
    view.patterns.iter().all(|pattern| pattern::matches(pattern, &text)).then_some(text)
}

fn arrays<'a>(
    generator: &mut Generator<'a, '_>,
    view: &View<'a>,
    site: &Site<'a>,
    now: &[Value],
    out: &mut Vec<(&'static str, Value)>,
) {
    let mut exactly = |length: usize| {
        let exact = View { min_items: length, max_items: Some(length), ..view.clone() };
        generator.view(&exact, &site.name, 3, None)
    };
    if view.min_items != now.len() {
        out.extend(exactly(view.min_items).map(|value| ("minItems", value)));
    }
    if let Some(most) = view.max_items.filter(|most| *most <= MAX_ITEMS && *most != now.len()) {
        out.extend(exactly(most).map(|value| ("maxItems", value)));
    }
}
