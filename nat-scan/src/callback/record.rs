//! What was announced, and what came.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use chrono::{DateTime, Utc};

/// Words of one scan.
const MAX_WORDS: usize = 4_000;
/// Hits kept of one word.
const MAX_HITS: usize = 8;

/// By what a target asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// A request.
    Http,
    /// A question for a name.
    Dns,
}

/// One request or question of a target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hit {
    /// By what.
    pub protocol: Protocol,
    /// When.
    pub at: DateTime<Utc>,
    /// From where.
    pub peer: SocketAddr,
    /// Of the request, or the type of the question.
    pub method: String,
    /// Of the request, or the name.
    pub path: String,
    /// Of the request: bounded, without values that may be secret.
    pub headers: Vec<(String, String)>,
}

/// What a word is answered with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply {
    /// Plain text.
    Text(String),
    /// 302 to this URL.
    Redirect(String),
    /// An external subset of a document type.
    Dtd(String),
}

#[derive(Default)]
pub(super) struct State {
    words: BTreeMap<String, (Reply, Vec<Hit>)>,
}

impl State {
    pub(super) fn announce(&mut self, word: String, reply: Reply) {
        if self.words.len() < MAX_WORDS {
            self.words.insert(word, (reply, Vec::new()));
        }
    }

    pub(super) fn hits(&self, word: &str) -> Vec<Hit> {
        self.words.get(word).map(|(_, hits)| hits.clone()).unwrap_or_default()
    }

    pub(super) fn is_hit(&self, word: &str) -> bool {
        self.words.get(word).is_some_and(|(_, hits)| !hits.is_empty())
    }

    /// The first part of the texts that is a word counts.
    pub(super) fn note(&mut self, texts: &[&str], hit: impl FnOnce() -> Hit) -> Option<Reply> {
        let parts = texts.iter().flat_map(|text| text.split(|c: char| !c.is_ascii_alphanumeric()));
        let word = parts.map(str::to_ascii_lowercase).find(|part| self.words.contains_key(part))?;
        let (reply, hits) = self.words.get_mut(&word)?;
        if hits.len() < MAX_HITS {
            hits.push(hit());
        }
        Some(reply.clone())
    }
}
