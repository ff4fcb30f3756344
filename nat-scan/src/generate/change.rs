//! Every boundary and every violation of a valid value, and bodies that are broken as bytes.

use rand_chacha::ChaCha8Rng;
use serde_json::Value;

use super::place::Place;
use super::site::{Site, lean, replaced, sites};
use super::value::{Fill, Generator};
use super::{Intent, Slot, boundary, negative};
use crate::schema::{Direction, Schema};

/// Nesting of the deep-nesting body.
const NESTING: usize = 200;

/// One changed value of a parameter or body.
pub(super) struct Change {
    /// Below the parameter's name or the body.
    pub(super) slot: String,
    pub(super) keyword: &'static str,
    pub(super) valid: bool,
    pub(super) value: Value,
}

impl Change {
    /// The value at the slot, first items for `[]`.
    fn value_at(&self) -> Option<&Value> {
        self.value.pointer(&self.slot.replace("/[]", "/0"))
    }

    /// A label and the intent.
    pub(super) fn describe(&self, slot: Slot) -> (String, Intent) {
        let (location, name, keyword) = (slot.location, &slot.name, self.keyword);
        if self.valid && matches!(keyword, "zero" | "negative" | "null") {
            return (format!("{location} {name} is {keyword}"), Intent::Positive);
        }
        if self.valid {
            return (format!("{location} {name}: {keyword} met"), Intent::Positive);
        }
        let detail = match (keyword, self.value_at()) {
            ("type", Some(Value::Null)) => " by null",
            ("type", Some(Value::Bool(_))) => " by a boolean",
            ("type", Some(Value::Number(_))) => " by a number",
            ("type", Some(Value::String(_))) => " by a string",
            ("type", Some(Value::Array(_))) => " by an array",
            ("type", Some(Value::Object(_))) => " by an object",
            _ => "",
        };
        let label = format!("{location} {name}: {keyword} violated{detail}");
        (label, Intent::Negative { slot, keyword: keyword.to_owned() })
    }
}

/// Every boundary and every violation at every site of a valid value, proved by the schema.
pub(super) fn changes(schema: &Schema, name: &str, full: &Value, place: Place, rng: &mut ChaCha8Rng) -> Vec<Change> {
    let sites = sites(schema, name, full);
    let mut generator = Generator::new(schema, Fill::Full, rng);
    let (mut met, mut violated) = (Vec::new(), Vec::new());
    for site in &sites {
        let lean = lean(schema, full, &site.pointer);
        let now = if schema.is_valid(&lean, Direction::Request) { &lean } else { full };
        let Some(here) = now.pointer(&site.pointer) else { continue };
        if site.depth > 0 && !site.slot.ends_with("[]") {
            met.push(Change { slot: site.slot.clone(), keyword: "presence", valid: true, value: now.clone() });
        }
        for (keyword, value) in boundary::values(&mut generator, site, here) {
            met.extend(change(schema, now, site, keyword, "", value, true));
        }
        for fault in negative::faults(&mut generator, site, here) {
            violated.extend(change(schema, now, site, fault.keyword, &fault.below, fault.value, false));
        }
    }
    met.retain(|change| place.admits(&change.value));
    met.extend(violated);
    met
}

fn change(
    schema: &Schema,
    now: &Value,
    site: &Site<'_>,
    keyword: &'static str,
    below: &str,
    value: Value,
    valid: bool,
) -> Option<Change> {
    let value = replaced(now, &site.pointer, value)?;
    let proved = schema.is_valid(&value, Direction::Request) == valid;
    (proved && value != *now).then(|| Change { slot: format!("{}{below}", site.slot), keyword, valid, value })
}

/// Broken JSON of each kind that this value allows.
pub(super) fn malformed(base: &Value) -> Vec<(&'static str, Vec<u8>)> {
    let text = base.to_string();
    let mut all = Vec::new();
    let truncated = text.get(..text.len() - 1).unwrap_or_default();
    if serde_json::from_str::<Value>(truncated).is_err() && !truncated.is_empty() {
        all.push(("truncated", truncated.as_bytes().to_vec()));
    }
    if let Some((key, value)) = base.as_object().and_then(|members| members.iter().next()) {
        let again = format!("{{{}:{value},{}", Value::from(key.as_str()), text.get(1..).unwrap_or_default());
        all.push(("duplicate-keys", again.into_bytes()));
    }
    all.push(("deep-nesting", format!("{}{}", "[".repeat(NESTING), "]".repeat(NESTING)).into_bytes()));
    all.push(("bom", [b"\xef\xbb\xbf", text.as_bytes()].concat()));
    all.push(("empty", Vec::new()));
    let mut broken = text.clone().into_bytes();
    match text.rfind('"') {
        Some(end) => drop(broken.splice(end..end, [0xff, 0xfe])),
        None => broken = b"\"\xff\xfe\"".to_vec(),
    }
    all.push(("not-utf8", broken));
    all
}
