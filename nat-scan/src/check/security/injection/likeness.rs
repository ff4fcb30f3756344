//! Whether an answer says the same as the usual one, without what changes by itself and without our own words.

use std::collections::BTreeSet;

use serde_json::Value;

use super::{Point, is_success};
use crate::check::security::rightful;
use crate::check::{Exchange, SecurityContext};

/// Lines kept of one answer.
const MAX_LINES: usize = 4_000;
/// Bytes of an answer that are read when it is no JSON.
const MAX_TEXT: usize = 128 << 10;

/// What answers to one request have in common.
pub(super) struct Likeness {
    status: Option<u16>,
    media: Option<String>,
    lines: Vec<String>,
    /// The order of the lines means something: it was the same twice.
    ordered: bool,
    /// Places, or words, that differ from answer to answer.
    volatile: BTreeSet<String>,
}

impl Likeness {
    /// Of two answers to the same question; `None` when they are of different kinds.
    pub(super) fn of(one: &Exchange, other: &Exchange) -> Option<Self> {
        let kind = |exchange: &Exchange| (exchange.status(), media(exchange));
        if kind(one) != kind(other) || one.status().is_none() {
            return None;
        }
        let (ours, theirs) = (lines(one, None), lines(other, None));
        let (mut first, mut second) = (ours.clone(), theirs.clone());
        first.sort_unstable();
        second.sort_unstable();
        let differing = difference(&first, &second).into_iter().chain(difference(&second, &first));
        let volatile: BTreeSet<String> = differing.map(|line| place(line).to_owned()).collect();
        let (mut ours, theirs) = (stable(ours, &volatile), stable(theirs, &volatile));
        let ordered = ours == theirs;
        if !ordered {
            ours.sort_unstable();
        }
        Some(Self { status: one.status(), media: media(one), lines: ours, ordered, volatile })
    }

    /// The answer says the same. `sent` is what our request had in the place of `usual`.
    pub(super) fn holds(&self, answer: &Exchange, sent: &str, usual: &str) -> bool {
        if answer.status() != self.status || media(answer) != self.media {
            return false;
        }
        let mut lines = stable(lines(answer, Some((sent, usual))), &self.volatile);
        if !self.ordered {
            lines.sort_unstable();
        }
        lines == self.lines
    }

    /// The answer is of the same kind and says more.
    pub(super) fn is_exceeded(&self, answer: &Exchange, sent: &str, usual: &str) -> bool {
        answer.status() == self.status
            && media(answer) == self.media
            && is_success(answer)
            && !complains(answer)
            && stable(lines(answer, Some((sent, usual))), &self.volatile).len() > self.lines.len()
    }

    /// Some list in it is empty.
    pub(super) fn finds_nothing(&self) -> bool {
        let lists = self.lines.iter().filter_map(|line| line.strip_suffix("=[]"));
        let mut empty = lists.filter(|list| {
            let items = format!("{list}/[]");
            !self.lines.iter().any(|line| line.starts_with(&items))
        });
        empty.next().is_some()
    }

    /// A success.
    pub(super) fn is_success(&self) -> bool {
        self.status.is_some_and(|status| (200..300).contains(&status))
    }
}

/// The usual answer of an operation, learned once for all its places.
pub(super) struct Usual {
    pub(super) likeness: Likeness,
    pub(super) exchange: Exchange,
}

/// The usual answer of the operation that is looked at.
#[derive(Default)]
pub(super) struct Usuals(Option<(usize, Option<Usual>)>);

impl Usuals {
    /// Of the point's operation: two valid requests. `None` when they do not succeed alike.
    pub(super) async fn of(&mut self, cx: &SecurityContext<'_>, point: &Point<'_>) -> Option<&Usual> {
        let index = point.operation.index;
        if self.0.as_ref().is_none_or(|(known, _)| *known != index) {
            self.0 = Some((index, learn(cx, point).await));
        }
        self.0.as_ref()?.1.as_ref()
    }
}

async fn learn(cx: &SecurityContext<'_>, point: &Point<'_>) -> Option<Usual> {
    let (one, other) = (plain(cx, point).await?, plain(cx, point).await?);
    let likeness = Likeness::of(&one, &other).filter(Likeness::is_success)?;
    Some(Usual { likeness, exchange: one })
}

/// The valid request.
pub(super) async fn plain(cx: &SecurityContext<'_>, point: &Point<'_>) -> Option<Exchange> {
    cx.prober.send(Some(point.operation.index), point.plain(cx)?, rightful(cx)).await
}

fn media(exchange: &Exchange) -> Option<String> {
    exchange.response().and_then(crate::transport::Response::media_type)
}

/// GraphQL answers 200 with the words of what went wrong: those are more, but nothing was found.
fn complains(answer: &Exchange) -> bool {
    let errors = answer.json().and_then(|json| json.get("errors")?.as_array());
    errors.is_some_and(|errors| !errors.is_empty())
}

/// What stands before the value.
fn place(line: &str) -> &str {
    line.split_once('=').map_or(line, |(place, _)| place)
}

fn stable(mut lines: Vec<String>, volatile: &BTreeSet<String>) -> Vec<String> {
    lines.retain(|line| !volatile.contains(place(line)));
    lines
}

/// Lines that `one` has and `other` has not. Both are sorted.
fn difference<'l>(one: &'l [String], other: &[String]) -> Vec<&'l str> {
    let count = |lines: &[String], line: &String| {
        lines.partition_point(|known| known <= line) - lines.partition_point(|known| known < line)
    };
    one.iter().filter(|line| count(one, line) > count(other, line)).map(String::as_str).collect()
}

/// Every leaf of a JSON answer with its place, every word of another; our own text as what usually stands there.
fn lines(exchange: &Exchange, own: Option<(&str, &str)>) -> Vec<String> {
    let mut found = Vec::new();
    let replaced = |text: &str| match own {
        Some((sent, usual)) if !sent.is_empty() && sent != usual => text.replace(sent, usual),
        _ => text.to_owned(),
    };
    match (exchange.json(), exchange.response()) {
        (Some(json), _) => collect(json, &mut String::new(), &replaced, &mut found),
        (None, Some(response)) => {
            let text = String::from_utf8_lossy(&response.body[..response.body.len().min(MAX_TEXT)]).into_owned();
            let text = text.replace("&#39;", "'").replace("&#x27;", "'").replace("&quot;", "\"").replace("&#34;", "\"");
            let text = replaced(&text.replace("&amp;", "&").replace("&lt;", "<").replace("&gt;", ">"));
            // A word is its own place: `=` in it must not cut it.
            found.extend(text.split_whitespace().take(MAX_LINES).map(|word| word.replace('=', "\u{1}")));
        }
        (None, None) => {}
    }
    found
}

fn collect(value: &Value, path: &mut String, replaced: &impl Fn(&str) -> String, found: &mut Vec<String>) {
    if found.len() >= MAX_LINES {
        return;
    }
    let length = path.len();
    match value {
        Value::Array(items) => {
            found.push(format!("{path}=[]"));
            path.push_str("/[]");
            items.iter().for_each(|item| collect(item, path, replaced, found));
        }
        Value::Object(members) => {
            found.push(format!("{path}={{}}"));
            for (key, member) in members {
                path.push('/');
                path.push_str(&key.replace('=', "\u{1}"));
                collect(member, path, replaced, found);
                path.truncate(length);
            }
        }
        Value::String(text) => found.push(format!("{path}={}", replaced(text))),
        other => found.push(format!("{path}={other}")),
    }
    path.truncate(length);
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;
    use serde_json::json;

    use super::*;
    use crate::check::security::fixture::{json_answer, text_answer};
    use crate::classify::WireTruth;
    use crate::transport::{Request, Response};

    fn exchange(response: Response) -> Exchange {
        Exchange::new(None, Request::new("GET", "/"), Ok(response), WireTruth::Positive, DateTime::UNIX_EPOCH)
    }

    #[test]
    fn answers_are_alike_but_for_what_changes_and_what_we_sent() {
        let body = |time: u32, query: &str, items: &[&str]| {
            exchange(json_answer(200, &json!({"time": time, "query": query, "items": items})))
        };
        let usual = Likeness::of(&body(1, "dune", &["a"]), &body(2, "dune", &["a"])).expect("alike");
        for (answer, sent, holds, exceeded) in [
            (body(3, "dune", &["a"]), "dune", true, false),
            (body(3, "dune' AND 1=1", &["a"]), "dune' AND 1=1", true, false),
            (body(3, "dune", &["b"]), "dune", false, false),
            (body(3, "dune", &[]), "dune", false, false),
            (body(3, "x", &["a", "b"]), "x", false, true),
            (exchange(json_answer(404, &json!({"time": 3}))), "dune", false, false),
        ] {
            assert_eq!(usual.holds(&answer, sent, "dune"), holds, "{answer:?}");
            assert_eq!(usual.is_exceeded(&answer, sent, "dune"), exceeded, "{answer:?}");
        }
        let empty = Likeness::of(&body(1, "x", &[]), &body(2, "x", &[])).expect("alike");
        assert!(empty.finds_nothing() && !usual.finds_nothing());
    }

    #[test]
    fn order_counts_where_it_stays() {
        let body = |items: &[&str]| exchange(json_answer(200, &json!(items)));
        let steady = Likeness::of(&body(&["a", "b"]), &body(&["a", "b"])).expect("alike");
        assert!(!steady.holds(&body(&["b", "a"]), "", ""));
        let loose = Likeness::of(&body(&["a", "b"]), &body(&["b", "a"])).expect("alike");
        assert!(loose.holds(&body(&["b", "a"]), "", "") && loose.holds(&body(&["a", "b"]), "", ""));
    }

    #[test]
    fn texts_are_compared_word_by_word() {
        let text = |body: &str| exchange(text_answer(200, body));
        let usual = Likeness::of(&text("hello ada at 12:01"), &text("hello ada at 12:02")).expect("alike");
        assert!(usual.holds(&text("hello x&#39;y at 12:02"), "x'y", "ada"));
        assert!(!usual.holds(&text("hello nobody at 12:02"), "x", "ada"));
        assert!(Likeness::of(&text("a"), &exchange(json_answer(200, &json!(1)))).is_none());
    }
}
