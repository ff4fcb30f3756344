//! F015: a discriminator that no schema belongs to.

use std::collections::BTreeSet;

use serde_json::Value;

use super::media::{self, Media};
use super::{documented_response, has_contractual_body};
use crate::check::{Check, CheckInfo, Context, Exchange, Suspicion};
use crate::finding::{Confidence, Severity};
use crate::schema::{Direction, Schema};

/// F015.
pub(super) struct UnknownVariant;

static INFO: CheckInfo = CheckInfo {
    id: "F015",
    title: "Unknown variant",
    description: "The discriminator of a part of the answer has a value that the document maps to no schema. Generated clients cannot read it.",
    remediation: "Add the value to the mapping of the discriminator, with its schema.",
    cwe: &[],
    owasp: None,
};

/// Depth of the walk through schema and body.
const MAX_DEPTH: usize = 24;
/// Parts of a body that are looked at.
const MAX_NODES: usize = 5_000;

impl Check for UnknownVariant {
    fn info(&self) -> &'static CheckInfo {
        &INFO
    }

    fn applies(&self, cx: &Context<'_>, exchange: &Exchange) -> bool {
        has_contractual_body(cx, exchange) && exchange.json().is_some() && schema_of(cx, exchange).is_some()
    }

    fn judge(&self, cx: &Context<'_>, exchange: &Exchange) -> Vec<Suspicion> {
        let (Some(json), Some(schema)) = (exchange.json(), schema_of(cx, exchange)) else { return Vec::new() };
        let mut walk = Walk { schema, nodes: 0, found: BTreeSet::new() };
        walk.visit(schema.node(), json, "", 0);
        // A body that breaks its schema because of that is F013 already.
        if walk.found.is_empty() || !schema.is_valid(json, Direction::Response) {
            return Vec::new();
        }
        let raise = |place: &String| {
            let explanation = format!(
                "The value of the discriminator {place} is none of those that the document maps to a schema, and names none."
            );
            Suspicion::new(Severity::Low, format!("response {place}"), "unknown-variant", explanation)
                .confidence(Confidence::Confirmed)
                .pointer(schema.pointer())
        };
        walk.found.iter().take(5).map(raise).collect()
    }
}

fn schema_of<'a>(cx: &Context<'a>, exchange: &Exchange) -> Option<&'a Schema> {
    let spec = documented_response(cx, exchange)?;
    let actual = Media::parse(exchange.response()?.header("content-type")?)?;
    media::documented(spec, &actual)?.schema.as_ref()
}

struct Walk<'a> {
    schema: &'a Schema,
    nodes: usize,
    /// Places of discriminators with unknown values.
    found: BTreeSet<String>,
}

impl<'a> Walk<'a> {
    fn visit(&mut self, node: &'a Value, value: &Value, place: &str, depth: usize) {
        self.nodes += 1;
        if depth > MAX_DEPTH || self.nodes > MAX_NODES {
            return;
        }
        let node = self.schema.resolve(node);
        if let Some(name) = unknown(node, value) {
            self.found.insert(format!("{place}/{name}"));
        }
        for part in ["allOf", "anyOf", "oneOf"].iter().filter_map(|key| node.get(*key)?.as_array()).flatten() {
            self.visit(part, value, place, depth + 1);
        }
        match value {
            Value::Object(members) => {
                for (name, member) in members {
                    let named = node.get("properties").and_then(|properties| properties.get(name));
                    if let Some(property) = named.or_else(|| node.get("additionalProperties")) {
                        let name = if named.is_some() { name } else { "{}" };
                        self.visit(property, member, &format!("{place}/{name}"), depth + 1);
                    }
                }
            }
            Value::Array(items) => {
                if let Some(schema) = node.get("items") {
                    items.iter().for_each(|item| self.visit(schema, item, &format!("{place}/[]"), depth + 1));
                }
            }
            _ => {}
        }
    }
}

/// The name of the discriminator, if its value belongs to no schema. Without a mapping nobody knows what belongs.
fn unknown<'a>(node: &'a Value, value: &Value) -> Option<&'a str> {
    let discriminator = node.get("discriminator")?;
    let name = discriminator.get("propertyName")?.as_str()?;
    let mapping = discriminator.get("mapping")?.as_object()?;
    let actual = value.get(name)?.as_str()?;
    // The name of a schema is a value of its own, mapped or not.
    let is_name = |target: &Value| target.as_str().and_then(|target| target.rsplit('/').next()) == Some(actual);
    (!mapping.contains_key(actual) && !mapping.values().any(is_name)).then_some(name)
}
