//! Every schema of the document, each once, with the place where it stands.

use std::collections::HashSet;

use serde_json::Value;

use crate::schema::Schema;
use crate::spec::{Api, Location, Operation, SpecVersion};

/// Nodes looked at in one document.
const MAX_NODES: usize = 50_000;
/// Levels of one schema.
const MAX_DEPTH: usize = 24;

/// Where a schema belongs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    Parameter(Location),
    Body,
    Answer,
}

/// One schema.
pub(super) struct Node<'a> {
    pub(super) operation: &'a Operation,
    pub(super) side: Side,
    pub(super) node: &'a Value,
    /// Name of the parameter or property that it describes; empty for a body itself.
    pub(super) name: String,
    /// JSON pointer.
    pub(super) pointer: String,
    /// It is one part of several that a value must fit together.
    pub(super) is_part: bool,
}

impl Node<'_> {
    pub(super) fn has_type(&self, name: &str) -> bool {
        match &self.node["type"] {
            Value::String(one) => one == name,
            Value::Array(many) => many.iter().any(|one| one == name),
            _ => false,
        }
    }

    pub(super) fn has(&self, keyword: &str) -> bool {
        self.node.get(keyword).is_some()
    }

    /// Only these values are possible.
    pub(super) fn is_listed(&self) -> bool {
        self.has("enum") || self.has("const")
    }

    /// `POST /users body name`, `GET /users query limit`.
    pub(super) fn what(&self) -> String {
        let side = match self.side {
            Side::Parameter(location) => location.as_str(),
            Side::Body => "body",
            Side::Answer => "answer",
        };
        format!("{} {side} {}", self.operation.endpoint(), self.name).trim_end().to_owned()
    }
}

/// What clients send.
pub(super) fn inputs<'a>(api: &'a Api, mut visit: impl FnMut(&Node<'a>)) {
    let mut walk = Walk { api, seen: HashSet::new(), visit: &mut visit };
    for operation in &api.operations {
        for parameter in &operation.parameters {
            let side = Side::Parameter(parameter.location);
            walk.schema(operation, side, &parameter.schema, &parameter.name, &parameter.pointer);
        }
        for media in operation.body.iter().flat_map(|body| &body.content) {
            if let Some(schema) = &media.schema {
                walk.schema(operation, Side::Body, schema, "", &media.pointer);
            }
        }
    }
}

/// What servers answer with success.
pub(super) fn answers<'a>(api: &'a Api, mut visit: impl FnMut(&Node<'a>)) {
    let mut walk = Walk { api, seen: HashSet::new(), visit: &mut visit };
    for operation in &api.operations {
        for response in operation.responses.iter().filter(|response| response.status.is_success()) {
            for media in &response.content {
                if let Some(schema) = &media.schema {
                    walk.schema(operation, Side::Answer, schema, "", &media.pointer);
                }
            }
        }
    }
}

struct Walk<'v, 'a> {
    api: &'a Api,
    /// By address: what many operations refer to is one place.
    seen: HashSet<usize>,
    visit: &'v mut dyn FnMut(&Node<'a>),
}

impl<'a> Walk<'_, 'a> {
    fn schema(&mut self, operation: &'a Operation, side: Side, schema: &'a Schema, name: &str, place: &str) {
        let pointer = if schema.pointer().is_empty() { place } else { schema.pointer() };
        let root = Node {
            operation,
            side,
            node: schema.node(),
            name: name.to_owned(),
            pointer: pointer.to_owned(),
            is_part: false,
        };
        self.node(schema, root, 0);
    }

    fn node(&mut self, schema: &'a Schema, mut node: Node<'a>, depth: usize) {
        if depth > MAX_DEPTH || self.seen.len() >= MAX_NODES || !self.seen.insert(std::ptr::from_ref(node.node).addr())
        {
            return;
        }
        let resolved = schema.resolve(node.node);
        if !std::ptr::eq(resolved, node.node) {
            if let Some(key) =
                node.node["$ref"].as_str().and_then(|reference| reference.rsplit('/').next()?.split('@').next())
            {
                let home =
                    if self.api.spec_version == SpecVersion::V2 { "/definitions" } else { "/components/schemas" };
                node.pointer = format!("{home}/{key}");
            }
            node.node = resolved;
            return self.node(schema, node, depth + 1);
        }
        let hidden = if node.side == Side::Answer { "writeOnly" } else { "readOnly" };
        if node.node.get(hidden) == Some(&Value::Bool(true)) {
            return;
        }
        (self.visit)(&node);
        let mut below = |child: &'a Value, name: &str, at: String, is_part: bool| {
            let pointer = format!("{}/{at}", node.pointer);
            let inner = Node {
                operation: node.operation,
                side: node.side,
                node: child,
                name: name.to_owned(),
                pointer,
                is_part,
            };
            self.node(schema, inner, depth + 1);
        };
        for (name, child) in node.node["properties"].as_object().into_iter().flatten() {
            below(child, name, format!("properties/{}", name.replace('~', "~0").replace('/', "~1")), false);
        }
        for keyword in ["items", "additionalProperties"] {
            if let Some(child) = node.node.get(keyword).filter(|child| child.is_object()) {
                below(child, &node.name, keyword.to_owned(), false);
            }
        }
        for keyword in ["allOf", "anyOf", "oneOf"] {
            for (at, child) in node.node[keyword].as_array().into_iter().flatten().enumerate() {
                below(child, &node.name, format!("{keyword}/{at}"), node.is_part || keyword == "allOf");
            }
        }
    }
}
