//! Where a value that was sent shows again: in the answer itself, or when what it made is read.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{Point, rightful};
use crate::check::stateful::{Resource, Stage, resources};
use crate::check::{Exchange, SecurityContext};

/// What was answered, and what a read said afterwards.
pub(super) struct Echo {
    pub(super) answer: Exchange,
    pub(super) read: Option<Exchange>,
}

impl Echo {
    /// The exchange that shows something.
    pub(super) fn showing(self, shows: impl Fn(&Exchange) -> bool) -> Option<Exchange> {
        if shows(&self.answer) { Some(self.answer) } else { self.read.filter(shows) }
    }

    /// Either shows it.
    pub(super) fn shows(&self, shows: impl Fn(&Exchange) -> bool) -> bool {
        shows(&self.answer) || self.read.as_ref().is_some_and(shows)
    }
}

/// The resources whose objects can be read after they were made.
pub(super) fn readable(cx: &SecurityContext<'_>) -> Vec<Resource> {
    let all = resources(cx.api).into_iter();
    all.filter(|resource| resource.create.is_some() && resource.read.is_some()).collect()
}

/// Sends a text, and reads the object if one was made of it.
pub(super) async fn echo(
    cx: &SecurityContext<'_>,
    point: &Point<'_>,
    resources: &[Resource],
    text: &str,
) -> Option<Echo> {
    let resource = resources.iter().find(|resource| resource.create == Some(point.operation.index));
    let Some(resource) = resource else {
        return Some(Echo { answer: point.text(cx, text).await?, read: None });
    };
    let around = cx.surroundings();
    let stage = Stage::new(&around, resource).acting(rightful(cx));
    let case = point.case_with(cx, Value::from(text))?;
    let thing = stage.create_as(case, &BTreeMap::new(), &[]).await?;
    let read = match resource.read {
        Some(read) => stage.call(read, &thing).await,
        None => None,
    };
    stage.clean_up(&thing).await;
    Some(Echo { answer: thing.made, read })
}

/// The answer holds this text, in whatever escaping.
pub(super) fn holds(exchange: &Exchange, text: &str) -> bool {
    let Some(response) = exchange.response() else { return false };
    let in_headers = response.headers.iter().any(|(_, value)| contains(value, text.as_bytes()));
    in_headers || contains(&response.body, text.as_bytes())
}

pub(super) fn contains(haystack: &[u8], needle: &[u8]) -> bool {
    !needle.is_empty() && haystack.windows(needle.len()).any(|window| window == needle)
}
