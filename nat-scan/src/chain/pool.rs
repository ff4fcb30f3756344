//! Objects that answers showed, and which of them a parameter may mean.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::Value;

use super::name::{key, nouns_of_path, tokens};
use crate::schema::{Direction, Schema};

/// Objects kept in all.
const MAX_OBJECTS: usize = 4_000;
/// Objects kept of one producing operation.
const MAX_OF_OPERATION: usize = 24;
/// Members of one object.
const MAX_FIELDS: usize = 48;
/// Characters of one value.
const MAX_VALUE: usize = 256;
/// Levels of an answer that are looked at.
const MAX_DEPTH: usize = 4;
/// Items of one array that are looked at.
const MAX_ITEMS: usize = 4;
/// Members that hold the result, not a thing of their own.
const CONTAINERS: [&str; 12] =
    ["item", "data", "result", "content", "entry", "record", "value", "row", "list", "response", "payload", "object"];
/// Words that name a thing.
const IDENTIFIERS: [&str; 12] =
    ["id", "uuid", "guid", "key", "name", "slug", "code", "number", "ref", "handle", "identifier", "title"];

/// Something that exists, as far as an answer showed.
#[derive(Clone, Debug)]
pub(crate) struct Object {
    /// What it may be called, the most telling last.
    pub(crate) nouns: Vec<String>,
    /// Scalar members by normalised name, with the pointer where each stood.
    pub(crate) fields: BTreeMap<String, (Value, String)>,
    /// Path parameters of the request that showed it.
    pub(crate) parents: BTreeMap<String, Value>,
    /// A request of ours made it.
    pub(crate) created: bool,
    /// Where it was seen, without values.
    pub(crate) source: Arc<str>,
}

impl Object {
    /// One of its members has this value.
    pub(crate) fn shows(&self, value: &Value) -> bool {
        self.fields.values().any(|(own, _)| own == value)
    }
}

/// What an answer belongs to.
pub(crate) struct Origin<'a> {
    pub(crate) operation: usize,
    pub(crate) path: &'a str,
    pub(crate) created: bool,
    pub(crate) source: Arc<str>,
    /// Path parameters by name.
    pub(crate) parents: BTreeMap<String, Value>,
}

/// Everything that is known to exist.
#[derive(Clone, Debug, Default)]
pub(crate) struct Pool {
    objects: Vec<Object>,
    of_operation: BTreeMap<usize, usize>,
}

/// A value is wanted for a parameter or a member.
pub(crate) struct Want<'a> {
    pub(crate) name: &'a str,
    /// What the place is about when the name does not say: the segment before a path parameter.
    pub(crate) context: Option<&'a str>,
    pub(crate) schema: &'a Schema,
    /// Path parameters that are fixed already.
    pub(crate) parents: &'a BTreeMap<String, Value>,
    /// Literal nouns of the path that wants it.
    pub(crate) nouns: &'a [String],
    /// Only what is named for certain: members of bodies may mean anything.
    pub(crate) strict: bool,
}

/// An object and the member that fits.
#[derive(Clone, Debug)]
pub(crate) struct Choice {
    pub(crate) object: usize,
    pub(crate) value: Value,
    pub(crate) source: String,
    score: u32,
}

impl Pool {
    /// Takes what an answer shows; `sent` are the members of the accepted request.
    pub(crate) fn harvest(
        &mut self,
        origin: &Origin<'_>,
        answer: Option<&Value>,
        sent: Option<&Value>,
        location: &[(String, Value)],
    ) {
        let nouns = nouns_of_path(origin.path);
        let before = self.objects.len();
        if let Some(answer) = answer {
            self.walk(origin, &nouns, answer, &mut String::new(), 0);
        }
        let sent = sent.filter(|_| origin.created).and_then(Value::as_object);
        if origin.created && self.objects.len() == before && (sent.is_some() || !location.is_empty()) {
            self.push(origin, nouns, BTreeMap::new());
        }
        // What was sent belongs to the first object of the answer, which is the one that was made.
        let Some(object) = self.objects.get_mut(before) else { return };
        for (name, value) in sent.into_iter().flatten() {
            if is_usable(value) && object.fields.len() < MAX_FIELDS {
                object.fields.entry(key(name)).or_insert_with(|| (value.clone(), format!("sent/{name}")));
            }
        }
        for (name, value) in location {
            object.fields.entry(key(name)).or_insert_with(|| (value.clone(), "Location".to_owned()));
        }
    }

    fn walk(&mut self, origin: &Origin<'_>, nouns: &[String], value: &Value, at: &mut String, depth: usize) {
        if depth > MAX_DEPTH {
            return;
        }
        let length = at.len();
        match value {
            Value::Array(items) => {
                at.push_str("/[]");
                items.iter().take(MAX_ITEMS).for_each(|item| self.walk(origin, nouns, item, at, depth + 1));
            }
            Value::Object(members) => {
                let fields: BTreeMap<String, (Value, String)> = members
                    .iter()
                    .filter(|(_, value)| is_usable(value))
                    .take(MAX_FIELDS)
                    .map(|(name, value)| (key(name), (value.clone(), format!("{at}/{name}"))))
                    .collect();
                if !fields.is_empty() {
                    self.push(origin, nouns.to_vec(), fields);
                }
                for (name, member) in members.iter().filter(|(_, member)| member.is_object() || member.is_array()) {
                    at.push('/');
                    at.push_str(name);
                    let own = key(name);
                    let inner = if CONTAINERS.contains(&own.as_str()) { nouns.to_vec() } else { vec![own] };
                    self.walk(origin, &inner, member, at, depth + 1);
                    at.truncate(length);
                }
            }
            // A list of plain names or ids.
            _ if depth > 0 && is_usable(value) && at.ends_with("/[]") => {
                let fields = BTreeMap::from([("id".to_owned(), (value.clone(), at.clone()))]);
                self.push(origin, nouns.to_vec(), fields);
            }
            _ => {}
        }
        at.truncate(length);
    }

    fn push(&mut self, origin: &Origin<'_>, nouns: Vec<String>, fields: BTreeMap<String, (Value, String)>) {
        let count = self.of_operation.entry(origin.operation).or_default();
        if self.objects.len() >= MAX_OBJECTS || *count >= MAX_OF_OPERATION {
            return;
        }
        *count += 1;
        self.objects.push(Object {
            nouns,
            fields,
            parents: origin.parents.clone(),
            created: origin.created,
            source: Arc::clone(&origin.source),
        });
    }

    pub(crate) fn get(&self, index: usize) -> Option<&Object> {
        self.objects.get(index)
    }

    /// A request of ours made what this value names; lists and reads show the same object again.
    pub(crate) fn is_ours(&self, value: &Value) -> bool {
        self.objects.iter().any(|object| object.created && object.shows(value))
    }

    /// The object that a binding's value was taken from.
    pub(crate) fn showing(&self, source: &str, value: &Value) -> Option<&Object> {
        self.objects.iter().find(|object| {
            source.strip_prefix(&*object.source).is_some_and(|rest| rest.starts_with(' ')) && object.shows(value)
        })
    }

    /// Objects that may be meant, the likeliest first, each with a value that fits; equal values once.
    pub(crate) fn choices(&self, want: &Want<'_>) -> Vec<Choice> {
        let words = tokens(want.name);
        let mut found: Vec<Choice> = self
            .objects
            .iter()
            .enumerate()
            .filter(|(_, object)| agrees(object, want.parents))
            .filter_map(|(index, object)| best_field(index, object, &words, want))
            .collect();
        found.sort_by(|a, b| b.score.cmp(&a.score).then(a.object.cmp(&b.object)));
        let mut seen: Vec<Value> = Vec::new();
        found.retain(|choice| {
            let fresh = !seen.contains(&choice.value);
            if fresh {
                seen.push(choice.value.clone());
            }
            fresh
        });
        found
    }
}

/// What can stand in a request: short scalars.
fn is_usable(value: &Value) -> bool {
    match value {
        Value::String(text) => !text.is_empty() && text.len() <= MAX_VALUE,
        Value::Number(_) => true,
        _ => false,
    }
}

/// The object lies below the parents that are fixed.
fn agrees(object: &Object, parents: &BTreeMap<String, Value>) -> bool {
    parents.iter().all(|(name, value)| object.parents.get(name).is_none_or(|own| own == value))
}

fn best_field(index: usize, object: &Object, words: &[String], want: &Want<'_>) -> Option<Choice> {
    let mut best: Option<Choice> = None;
    for (field, (value, pointer)) in &object.fields {
        let Some(score) = score(object, field, words, want) else { continue };
        if best.as_ref().is_some_and(|best| best.score >= score) {
            continue;
        }
        if let Some(value) = fitting(value, want.schema) {
            let source = format!("{} {pointer}", object.source);
            best = Some(Choice { object: index, value, source, score });
        }
    }
    best
}

/// The value as the schema wants it: an id that is a number in one place may be a string in another.
fn fitting(value: &Value, schema: &Schema) -> Option<Value> {
    let as_text = match value {
        Value::Number(number) => Value::from(number.to_string()),
        Value::String(text) => text.parse::<i64>().map(Value::from).unwrap_or(Value::Null),
        _ => Value::Null,
    };
    let valid = |value: &Value| !value.is_null() && schema.is_valid(value, Direction::Request);
    [value.clone(), as_text].into_iter().find(valid)
}

/// How well a member of an object fits a name. `None`: not at all.
fn score(object: &Object, field: &str, words: &[String], want: &Want<'_>) -> Option<u32> {
    let last = words.last()?;
    let names_thing = IDENTIFIERS.contains(&last.as_str());
    let entity = if names_thing { words[..words.len() - 1].join("_") } else { words.join("_") };
    let (entity, told) = match (entity.is_empty(), want.context) {
        (false, _) => (entity, true),
        (true, Some(context)) => (context.to_owned(), false),
        (true, None) => return None,
    };
    let kinship = |name: &str| object.nouns.iter().rev().map(|noun| kin(noun, name)).max().unwrap_or(0);
    let kin = kinship(&entity);
    let same_name = field == words.join("_");
    let base = match () {
        // `flow_id` is the `id` of a flow.
        () if kin > 0 && names_thing && field == last => 60 + kin,
        // `flow_id` as other things refer to it.
        () if same_name && told && words.len() > 1 => 56,
        // `username` of what the path is about.
        () if same_name && (kin > 0 || want.context.is_some_and(|context| kinship(context) > 0)) => 58,
        () if same_name && !want.strict && object.nouns.iter().any(|noun| want.nouns.contains(noun)) => 57,
        () if want.strict => return None,
        () if same_name => 40,
        () if kin > 0 && matches!(field, "id" | "uuid") => 45 + kin,
        () if kin > 0 && names_thing && IDENTIFIERS.contains(&field) => 30 + kin,
        // The path is about it, whatever the parameter is called.
        () if matches!(field, "id" | "uuid" | "name") && want.context.is_some_and(|context| kinship(context) > 2) => 25,
        () => return None,
    };
    let near = object.nouns.iter().filter(|noun| want.nouns.contains(noun)).count().min(3);
    Some(base * 10 + u32::from(object.created) * 8 + u32::try_from(near).unwrap_or(0))
}

/// How much two nouns mean the same: `task_run` is what `parent_task_run` ends with.
fn kin(noun: &str, name: &str) -> u32 {
    let ends = |long: &str, short: &str| long.strip_suffix(short).is_some_and(|rest| rest.ends_with('_'));
    match () {
        () if noun == name => 3,
        () if ends(name, noun) => 2,
        () if ends(noun, name) => 1,
        () => 0,
    }
}
