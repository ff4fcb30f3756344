//! The documents of a spec and the `$ref`s between them. Everything that may be needed is fetched first; resolving is
//! then a pure look-up.

use std::collections::{HashMap, VecDeque};
use std::sync::OnceLock;

use serde_json::Value;
use url::Url;

use super::parse::parse;
use super::{FetchDocument, SpecLimits};
use crate::schema::pointer;

/// `$ref`s to `$ref`s that are followed.
const MAX_HOPS: usize = 32;

/// A value with its place.
#[derive(Clone, Debug)]
pub(super) struct Place<'d> {
    /// Index of the document; 0 is the root.
    pub(super) doc: usize,
    /// JSON pointer in it.
    pub(super) pointer: String,
    /// What is there.
    pub(super) value: &'d Value,
}

impl<'d> Place<'d> {
    /// The member `key`; a null counts as absent.
    pub(super) fn get(&self, key: &str) -> Option<Self> {
        let value = self.value.get(key).filter(|value| !value.is_null())?;
        Some(Self { doc: self.doc, pointer: pointer::join(&self.pointer, key), value })
    }

    /// The member `key` as text; numbers and booleans count as their spelling.
    pub(super) fn text(&self, key: &str) -> Option<String> {
        match self.value.get(key)? {
            Value::String(text) => Some(text.clone()),
            other @ (Value::Number(_) | Value::Bool(_)) => Some(other.to_string()),
            _ => None,
        }
    }

    /// The member `key` when it is `true`.
    pub(super) fn flag(&self, key: &str) -> bool {
        self.value.get(key) == Some(&Value::Bool(true))
    }

    /// Members of an object; nothing for other values.
    pub(super) fn entries(&self) -> impl Iterator<Item = (&'d str, Self)> + use<'_, 'd> {
        self.value.as_object().into_iter().flatten().map(|(key, value)| {
            (key.as_str(), Self { doc: self.doc, pointer: pointer::join(&self.pointer, key), value })
        })
    }

    /// Items of an array; nothing for other values.
    pub(super) fn items(&self) -> impl Iterator<Item = Self> + use<'_, 'd> {
        self.value.as_array().into_iter().flatten().enumerate().map(|(index, value)| Self {
            doc: self.doc,
            pointer: pointer::join(&self.pointer, index),
            value,
        })
    }
}

struct Document {
    url: Option<Url>,
    root: Value,
    names: OnceLock<Names>,
}

/// `$id`s and `$anchor`s with their pointers.
#[derive(Default)]
struct Names {
    ids: HashMap<String, String>,
    anchors: HashMap<String, String>,
}

/// All documents of a spec.
pub(super) struct Documents {
    list: Vec<Document>,
    by_url: HashMap<String, usize>,
    refused: HashMap<String, String>,
}

impl Documents {
    /// The root document and what it refers to, transitively and within the limits.
    pub(super) async fn load(
        root: Value,
        base: Option<&Url>,
        fetch: Option<&dyn FetchDocument>,
        root_bytes: usize,
        limits: &SpecLimits,
    ) -> Self {
        let url = base.map(without_fragment);
        let mut documents = Self { list: Vec::new(), by_url: HashMap::new(), refused: HashMap::new() };
        let mut wanted: VecDeque<Url> = external_urls(&root, url.as_ref()).into();
        documents.add(url, root);
        let mut left = limits.max_total_bytes.saturating_sub(root_bytes);
        while let Some(next) = wanted.pop_front() {
            let key = next.to_string();
            let base = documents.list.first().and_then(|root| root.url.as_ref());
            // Refused ones are judged again, and named, where they are used.
            if may_fetch(base, &next).is_err() {
                continue;
            }
            if documents.by_url.contains_key(&key) || documents.refused.contains_key(&key) {
                continue;
            }
            match documents.fetch(&next, fetch, &mut left, limits).await {
                Ok(value) => {
                    wanted.extend(external_urls(&value, Some(&next)));
                    documents.add(Some(next), value);
                }
                // A hostile document must not make this table grow without bound either.
                Err(_) if documents.refused.len() > limits.max_documents.saturating_mul(4) => break,
                Err(reason) => {
                    documents.refused.insert(key, reason);
                }
            }
        }
        documents
    }

    async fn fetch(
        &self,
        url: &Url,
        fetch: Option<&dyn FetchDocument>,
        left: &mut usize,
        limits: &SpecLimits,
    ) -> Result<Value, String> {
        let fetch = fetch.ok_or("other documents are not fetched here")?;
        // The root is one of the list.
        if self.list.len() > limits.max_documents {
            return Err(format!("more than {} other documents", limits.max_documents));
        }
        let max_bytes = limits.max_bytes.min(*left);
        let bytes = fetch.fetch(url, max_bytes).await?;
        if bytes.len() > max_bytes {
            return Err("the documents are too large together".to_owned());
        }
        *left -= bytes.len();
        parse(&bytes, limits).map(|parsed| parsed.value).map_err(|error| error.to_string())
    }

    fn add(&mut self, url: Option<Url>, root: Value) {
        if let Some(url) = &url {
            self.by_url.insert(url.to_string(), self.list.len());
        }
        self.list.push(Document { url, root, names: OnceLock::new() });
    }

    /// The root of the root document.
    pub(super) fn root(&self) -> Place<'_> {
        static NOTHING: Value = Value::Null;
        Place { doc: 0, pointer: String::new(), value: self.list.first().map_or(&NOTHING, |document| &document.root) }
    }

    /// How reports name a place: a pointer into the root document, or URL and pointer for another one.
    pub(super) fn label(&self, doc: usize, pointer: &str) -> String {
        match self.list.get(doc).and_then(|document| document.url.as_ref()) {
            Some(url) if doc != 0 => format!("{url}#{pointer}"),
            _ => pointer.to_owned(),
        }
    }

    /// What `reference`, written in document `doc`, points to. The error is a sentence that names it.
    pub(super) fn resolve(&self, doc: usize, reference: &str) -> Result<Place<'_>, String> {
        let (file, fragment) = reference.split_once('#').unwrap_or((reference, ""));
        let (doc, prefix) = if file.is_empty() { (doc, "") } else { self.locate(doc, file)? };
        let missing = || format!("`$ref` to `{}` points to nothing", shorten(reference));
        let document = self.list.get(doc).ok_or_else(missing)?;
        let decoded = percent_decode(fragment);
        let candidates: [&str; 2] = [&decoded, fragment];
        for candidate in candidates {
            let pointer = if candidate.is_empty() || candidate.starts_with('/') {
                format!("{prefix}{candidate}")
            } else if let Some(pointer) = document.names().anchors.get(candidate) {
                pointer.clone()
            } else {
                continue;
            };
            if let Some(value) = document.root.pointer(&pointer) {
                return Ok(Place { doc, pointer, value });
            }
        }
        Err(missing())
    }

    /// The document (and the pointer within it) that `file` names from `doc`.
    fn locate(&self, doc: usize, file: &str) -> Result<(usize, &str), String> {
        let here = self.list.get(doc);
        if let Some(pointer) = here.and_then(|document| document.names().ids.get(file)) {
            return Ok((doc, pointer));
        }
        // Old documents name a definition without a path.
        for place in ["definitions", "components/schemas"] {
            let pointer = format!("/{place}/{file}");
            if let Some(found) = here.and_then(|document| document.names().ids.get(&pointer)) {
                return Ok((doc, found));
            }
        }
        let base = here.and_then(|document| document.url.as_ref());
        let url = match base {
            Some(base) => base.join(file).map_err(|error| format!("`$ref` to `{}`: {error}", shorten(file)))?,
            None => Url::parse(file)
                .map_err(|_| format!("`$ref` to `{}`: the place of the spec, its base, is unknown", shorten(file)))?,
        };
        let url = without_fragment(&url);
        if let Some(&found) = self.by_url.get(url.as_str()) {
            return Ok((found, ""));
        }
        let root = self.list.first().and_then(|root| root.url.as_ref());
        let reason = match may_fetch(root, &url) {
            Err(reason) => reason,
            Ok(()) => self.refused.get(url.as_str()).cloned().unwrap_or_else(|| "it was not fetched".to_owned()),
        };
        Err(format!("`$ref` to `{}`: {reason}", shorten(file)))
    }

    /// Follows `$ref`s until something else; also what stands beside the last one is lost.
    pub(super) fn follow<'d>(&'d self, place: Place<'d>) -> Result<Place<'d>, String> {
        let mut place = place;
        for _ in 0..MAX_HOPS {
            let Some(reference) = place.value.get("$ref").and_then(Value::as_str) else {
                return Ok(place);
            };
            place = self.resolve(place.doc, reference)?;
        }
        Err("`$ref` leads in a circle".to_owned())
    }
}

impl Document {
    fn names(&self) -> &Names {
        self.names.get_or_init(|| Names::of(&self.root))
    }
}

impl Names {
    fn of(root: &Value) -> Self {
        let mut names = Self::default();
        for place in ["definitions", "components/schemas"] {
            let Some(Value::Object(schemas)) = root.pointer(&format!("/{place}")) else { continue };
            for key in schemas.keys().filter(|key| !key.contains(['/', '~', '.', '#', ':'])) {
                let pointer = format!("/{place}/{key}");
                names.ids.insert(pointer.clone(), pointer);
            }
        }
        let mut stack = vec![(String::new(), root)];
        while let Some((at, value)) = stack.pop() {
            match value {
                Value::Object(map) => {
                    let name = |keyword: &str| map.get(keyword).and_then(Value::as_str).map(str::to_owned);
                    if let Some(id) = name("$id") {
                        names.ids.entry(id).or_insert_with(|| at.clone());
                    }
                    for anchor in [name("$anchor"), name("$dynamicAnchor")].into_iter().flatten() {
                        names.anchors.entry(anchor).or_insert_with(|| at.clone());
                    }
                    stack.extend(map.iter().filter(|(_, v)| holds_more(v)).map(|(k, v)| (pointer::join(&at, k), v)));
                }
                Value::Array(items) => {
                    let inner = items.iter().enumerate().filter(|(_, v)| holds_more(v));
                    stack.extend(inner.map(|(i, v)| (pointer::join(&at, i), v)));
                }
                _ => {}
            }
        }
        names
    }
}

fn holds_more(value: &Value) -> bool {
    value.is_object() || value.is_array()
}

/// Only the same origin, or for files the same directory and what is below.
fn may_fetch(base: Option<&Url>, url: &Url) -> Result<(), String> {
    let Some(base) = base else {
        return Err("the place of the spec, its base, is unknown".to_owned());
    };
    match (base.scheme(), url.scheme()) {
        ("http" | "https", "http" | "https") => {
            if base.origin() != url.origin() {
                return Err("it is on another host than the spec, which is not followed".to_owned());
            }
            if (base.username(), base.password()) != (url.username(), url.password()) && has_credentials(url) {
                return Err("it carries other credentials than the spec".to_owned());
            }
            Ok(())
        }
        ("file", "file") => {
            let directory = base.path().rfind('/').map_or("/", |end| &base.path()[..=end]);
            let path = url.path();
            let encoded = ["%2f", "%5c", "%00"].iter().any(|code| path.to_ascii_lowercase().contains(code));
            if base.host_str() != url.host_str() || encoded || !path.starts_with(directory) {
                return Err("it is outside the directory of the spec, which is not followed".to_owned());
            }
            Ok(())
        }
        (_, other) => Err(format!("`{other}:` is not followed from here")),
    }
}

fn has_credentials(url: &Url) -> bool {
    !url.username().is_empty() || url.password().is_some()
}

fn without_fragment(url: &Url) -> Url {
    let mut url = url.clone();
    url.set_fragment(None);
    url
}

/// The other documents that the `$ref`s of `root` name.
fn external_urls(root: &Value, base: Option<&Url>) -> Vec<Url> {
    let mut found = Vec::new();
    let mut seen = std::collections::HashSet::new();
    let mut stack = vec![root];
    while let Some(value) = stack.pop() {
        match value {
            Value::Object(map) => {
                if let Some(Value::String(reference)) = map.get("$ref") {
                    let file = reference.split('#').next().unwrap_or("");
                    if !file.is_empty() && seen.insert(file) {
                        found.push(file);
                    }
                }
                stack.extend(map.values().filter(|value| holds_more(value)));
            }
            Value::Array(items) => stack.extend(items.iter().filter(|value| holds_more(value))),
            _ => {}
        }
    }
    found.sort_unstable();
    let urls = found.into_iter().filter_map(|file| base.and_then(|base| base.join(file).ok()));
    urls.map(|url| without_fragment(&url)).collect()
}

fn percent_decode(text: &str) -> String {
    if !text.contains('%') {
        return text.to_owned();
    }
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut index = 0;
    while let Some(&byte) = bytes.get(index) {
        let code = text.get(index + 1..index + 3).filter(|_| byte == b'%');
        match code.and_then(|code| u8::from_str_radix(code, 16).ok()) {
            Some(decoded) => {
                out.push(decoded);
                index += 3;
            }
            None => {
                out.push(byte);
                index += 1;
            }
        }
    }
    String::from_utf8(out).unwrap_or_else(|_| text.to_owned())
}

fn shorten(text: &str) -> String {
    text.chars().take(200).collect()
}
