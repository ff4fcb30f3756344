//! F060: pages hold every item once, no more than asked for, and end.

use std::collections::BTreeSet;

use async_trait::async_trait;
use serde_json::Value;

use super::same::items;
use super::stage::{is_success, place};
use super::{Raised, Resource, ResourceCheck, Stage};
use crate::chain::key;
use crate::check::{CheckInfo, Exchange, Suspicion};
use crate::finding::{Role, Severity};
use crate::generate::{Argument, Case};
use crate::schema::Direction;
use crate::spec::{Location, Operation};

/// Objects that are made first.
const OBJECTS: usize = 5;
/// Items on a page.
const LIMIT: usize = 2;
/// Pages that are walked.
const MAX_PAGES: usize = 60;

/// F060.
pub(super) struct Pages;

static INFO: CheckInfo = CheckInfo {
    id: "F060",
    title: "Pagination loses, repeats or adds items",
    description: "Walking all pages shows every item exactly once, each page holds at most as many items as asked for, and the walk ends.",
    remediation: "Sort by a unique key before cutting into pages, apply the limit that was asked for, and end with an empty or short page.",
    cwe: &[],
    owasp: None,
};

#[async_trait]
impl ResourceCheck for Pages {
    fn info(&self) -> &'static CheckInfo {
        &INFO
    }

    fn applies(&self, resource: &Resource) -> bool {
        resource.list.is_some()
    }

    async fn attempt(&self, stage: &Stage<'_>) -> Vec<Raised> {
        walk(stage).await.unwrap_or_default()
    }
}

/// How the next page is asked for.
enum Next {
    Offset(usize),
    Page(usize),
    Cursor(usize),
}

fn query(operation: &Operation, names: &[&str]) -> Option<usize> {
    operation
        .parameters
        .iter()
        .position(|parameter| parameter.location == Location::Query && names.contains(&key(&parameter.name).as_str()))
}

fn next_of(operation: &Operation) -> Option<Next> {
    query(operation, &["offset", "skip", "start"])
        .map(Next::Offset)
        .or_else(|| query(operation, &["page", "page_number", "page_no", "page_index"]).map(Next::Page))
        .or_else(|| {
            query(operation, &["cursor", "after", "page_token", "continuation", "next", "starting_after"])
                .map(Next::Cursor)
        })
}

fn set(case: &mut Case, parameter: usize, value: Value) {
    case.arguments.retain(|argument| argument.parameter != parameter);
    case.arguments.push(Argument { parameter, value });
    case.arguments.sort_by_key(|argument| argument.parameter);
}

async fn walk(stage: &Stage<'_>) -> Option<Vec<Raised>> {
    let list = stage.resource.list?;
    let operation = stage.operation(list)?;
    let limit = query(operation, &["limit", "per_page", "page_size", "size", "count", "max_result", "top", "first"])?;
    let schema = &operation.parameters.get(limit)?.schema;
    if !schema.is_valid(&Value::from(LIMIT), Direction::Request) {
        return None;
    }
    let (parents, marks) = stage.fill(OBJECTS).await;
    let mut case = stage.least(operation)?;
    place(operation, &mut case, &parents);
    set(&mut case, limit, Value::from(LIMIT));
    let first = stage.send(operation, &case, &[]).await?;
    let count = first.json().filter(|_| is_success(&first)).and_then(items)?.len();
    if count > LIMIT {
        let text =
            format!("{} asked for at most {LIMIT} items and got {count}.", operation.parameters.get(limit)?.name);
        let location = format!("query {}", operation.parameters.get(limit)?.name);
        return Some(vec![Raised::new(
            list,
            Suspicion::new(Severity::Medium, location, "limit-ignored", text),
            vec![(Role::Probe, first)],
        )]);
    }
    let next = next_of(operation)?;
    if count < LIMIT {
        return None;
    }
    let walked = follow(stage, operation, &case, &next, first).await?;
    Some(judge(list, walked, &marks))
}

/// What the walk saw.
struct Walked {
    pages: Vec<Vec<Value>>,
    last: Exchange,
    first: Exchange,
    ended: bool,
    total: Option<usize>,
    /// A link to the next page that leads nowhere.
    broken: Option<String>,
    /// Pages were found by links.
    linked: bool,
}

async fn follow(stage: &Stage<'_>, operation: &Operation, case: &Case, next: &Next, first: Exchange) -> Option<Walked> {
    let mut pages = vec![items(first.json()?)?.clone()];
    let total = total(first.json()?);
    let mut last = first.twin();
    let mut ended = false;
    let mut link = None;
    let mut linked = false;
    // Servers count pages from one as a rule; one that answers page 1 with what it answers without is one of those.
    let mut page = 1;
    for number in 1..MAX_PAGES {
        let mut case = case.clone();
        match next {
            Next::Offset(parameter) => set(&mut case, *parameter, Value::from(number * LIMIT)),
            Next::Page(parameter) => {
                page += 1;
                set(&mut case, *parameter, Value::from(page));
            }
            Next::Cursor(parameter) => match cursor(last.json()?) {
                None => {
                    ended = true;
                    break;
                }
                Some(cursor) if is_link(&cursor) => link = Some(cursor),
                Some(cursor) => set(&mut case, *parameter, Value::from(cursor)),
            },
        }
        let answer = match link.take() {
            Some(link) => {
                linked = true;
                let answer = stage.follow(operation, &last.request.target, &link).await?;
                if matches!(answer.status(), Some(404 | 410)) {
                    return Some(Walked {
                        pages,
                        last: answer,
                        first,
                        ended: true,
                        total: None,
                        broken: Some(link),
                        linked: true,
                    });
                }
                answer
            }
            None => stage.send(operation, &case, &[]).await?,
        };
        if !is_success(&answer) {
            // A page beyond the last may be refused.
            ended = answer.status().is_some_and(|status| matches!(status, 404 | 416 | 400 | 422));
            break;
        }
        let page = items(answer.json()?)?.clone();
        last = answer;
        if page.is_empty() {
            ended = true;
            break;
        }
        pages.push(page);
    }
    Some(Walked { pages, last, first, ended, total, broken: None, linked })
}

fn judge(list: usize, walked: Walked, marks: &[Value]) -> Vec<Raised> {
    let Walked { pages, last, first, ended, total, broken, linked } = walked;
    let all: Vec<String> = pages.iter().flatten().map(Value::to_string).collect();
    let distinct: BTreeSet<&String> = all.iter().collect();
    let mut raised = Vec::new();
    let mut raise = |severity, discriminant: &str, text: String| {
        let evidence = vec![(Role::Baseline, first.twin()), (Role::Probe, last.twin())];
        raised.push(Raised::new(list, Suspicion::new(severity, "", discriminant, text), evidence));
    };
    if let Some(link) = broken {
        let path = link.split('?').next().unwrap_or_default();
        raise(
            Severity::Medium,
            "next-broken",
            format!("The link to the next page ({path}) answers {}.", last.status().unwrap_or_default()),
        );
        return raised;
    }
    // A link to the next page decides itself how long that is.
    let long = pages.iter().skip(1).find(|page| !linked && page.len() > LIMIT);
    if let Some(long) = long {
        raise(
            Severity::Medium,
            "limit-ignored",
            format!("A later page holds {} items; {LIMIT} were asked for.", long.len()),
        );
    }
    if !ended {
        // More pages than we walk, or the same ones for ever?
        if all.len() > distinct.len() * 3 {
            raise(
                Severity::Medium,
                "never-ends",
                format!("{} pages hold only {} different items: the walk does not end.", pages.len(), distinct.len()),
            );
        }
        return raised;
    }
    if all.len() > distinct.len() {
        raise(
            Severity::Medium,
            "repeated",
            format!("{} of {} items came more than once.", all.len() - distinct.len(), all.len()),
        );
    }
    let shows = |mark: &Value| all.iter().any(|item| item.contains(&mark.to_string()));
    let lost = marks.iter().filter(|mark| !shows(mark)).count();
    if lost > 0 && marks.iter().any(shows) {
        raise(
            Severity::Medium,
            "omitted",
            format!("{lost} of {} objects that were made just before are on no page.", marks.len()),
        );
    }
    if let Some(total) = total.filter(|total| *total != distinct.len() && lost == 0) {
        raise(
            Severity::Low,
            "total-wrong",
            format!("The total is given as {total}, and the pages hold {} items.", distinct.len()),
        );
    }
    raised
}

fn total(answer: &Value) -> Option<usize> {
    let members = answer.as_object()?;
    let meta = ["meta", "pagination", "page_info"].iter().find_map(|name| members.get(*name)?.as_object());
    let named = |members: &serde_json::Map<String, Value>| {
        ["total", "total_count", "totalCount", "total_items", "totalItems"]
            .iter()
            .find_map(|name| members.get(*name)?.as_u64())
            .and_then(|total| usize::try_from(total).ok())
    };
    named(members).or_else(|| named(meta?))
}

fn cursor(answer: &Value) -> Option<String> {
    let members = answer.as_object()?;
    let meta = ["meta", "pagination", "page_info", "pageInfo"].iter().find_map(|name| members.get(*name)?.as_object());
    let named = |members: &serde_json::Map<String, Value>| {
        ["next_cursor", "nextCursor", "cursor", "next", "next_page_token", "nextPageToken", "end_cursor", "endCursor"]
            .iter()
            .find_map(|name| members.get(*name)?.as_str().map(str::to_owned))
    };
    named(members).or_else(|| named(meta?)).filter(|cursor| !cursor.is_empty())
}

/// A URL or a relative reference, not a word to hand back.
fn is_link(cursor: &str) -> bool {
    cursor.contains("://") || cursor.starts_with('/') || cursor.contains("?")
}
