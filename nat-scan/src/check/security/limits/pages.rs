//! S-PAGE: a list gives more items than the document allows.

use async_trait::async_trait;
use serde_json::Value;

use crate::chain::key;
use crate::check::security::{is_success, privileges, rightful};
use crate::check::stateful::{Resource, Stage, items, place, resources};
use crate::check::{CheckInfo, Exchange, SecurityCheck, SecurityContext, Suspicion, Turn};
use crate::finding::{Confidence, Finding, Role, Severity};
use crate::generate::{Argument, Case};
use crate::spec::{Location, Operation};

/// Objects that are made so that a page can be too long.
const MAX_OBJECTS: u64 = 30;
const MAX_MAXIMUM: u64 = 1_000;
const NAMES: [&str; 10] =
    ["limit", "per_page", "page_size", "size", "count", "max_result", "top", "first", "take", "page_limit"];

/// S-PAGE.
pub(super) struct PageSize;

static INFO: CheckInfo = CheckInfo {
    id: "S-PAGE",
    title: "The page size is not limited",
    description: "A list gives more items in one answer than the largest page size that is documented. One request can make the server read and send everything it has.",
    remediation: "Cut the page size to the documented maximum on the server, or refuse larger ones.",
    cwe: &["CWE-770"],
    owasp: Some("API4:2023"),
};

#[async_trait]
impl SecurityCheck for PageSize {
    fn info(&self) -> &'static CheckInfo {
        &INFO
    }

    fn turn(&self) -> Turn {
        Turn::Write
    }

    async fn run(&self, cx: &SecurityContext<'_>) -> Vec<Finding> {
        let around = cx.surroundings();
        let mut found = Vec::new();
        for resource in resources(cx.api) {
            let Some(listing) = Listing::of(cx, &resource) else { continue };
            let stage = Stage::new(&around, &resource).acting(rightful(cx));
            found.extend(probe(cx, &stage, &listing).await);
        }
        found
    }
}

/// A list with a documented largest page.
struct Listing<'a> {
    operation: &'a Operation,
    /// Index of the parameter.
    limit: usize,
    most: u64,
}

impl<'a> Listing<'a> {
    fn of(cx: &SecurityContext<'a>, resource: &Resource) -> Option<Self> {
        let operation = cx.api.operations.get(resource.list?)?;
        let limit = operation.parameters.iter().position(|parameter| {
            parameter.location == Location::Query && NAMES.contains(&key(&parameter.name).as_str())
        })?;
        let schema = &operation.parameters.get(limit)?.schema;
        let most = schema.resolve(schema.node()).get("maximum")?.as_u64()?;
        (1..=MAX_MAXIMUM).contains(&most).then_some(Self { operation, limit, most })
    }

    fn case(&self, mut case: Case, value: i64) -> Case {
        case.arguments.retain(|argument| argument.parameter != self.limit);
        case.arguments.push(Argument { parameter: self.limit, value: Value::from(value) });
        case.arguments.sort_by_key(|argument| argument.parameter);
        case
    }

    async fn ask(&self, stage: &Stage<'_>, case: &Case, value: i64) -> Option<(Exchange, u64)> {
        let answer = stage.send(self.operation, &self.case(case.clone(), value), &[]).await?;
        let count = if is_success(&answer) { answer.json().and_then(items)?.len() as u64 } else { 0 };
        Some((answer, count))
    }
}

async fn probe(cx: &SecurityContext<'_>, stage: &Stage<'_>, listing: &Listing<'_>) -> Option<Finding> {
    let most = listing.most;
    let at_most = i64::try_from(most).ok()?;
    let mut case = stage.least(listing.operation)?;
    let (_, have) = listing.ask(stage, &case, at_most).await?;
    if have < most && have + MAX_OBJECTS > most && !cx.safe_mode {
        let (parents, _) = stage.fill(usize::try_from(most + 1 - have).ok()?).await;
        place(listing.operation, &mut case, &parents);
    }
    // A page of the largest size is full, and holds no more.
    let (baseline, full) = listing.ask(stage, &case, at_most).await?;
    if full != most {
        return None;
    }
    for value in [at_most.saturating_mul(100), 0, -1] {
        let (probe, count) = listing.ask(stage, &case, value).await?;
        if count <= most {
            continue;
        }
        let (control, kept) = listing.ask(stage, &case, at_most).await?;
        let (repeat, again) = listing.ask(stage, &case, value).await?;
        if kept > most || again <= most {
            return None;
        }
        let name = &listing.operation.parameters.get(listing.limit)?.name;
        let explanation = format!(
            "{name}={value} gave {count} items; the document allows {most}, which is what {name}={most} gave before and \
             after."
        );
        let suspicion = Suspicion::new(Severity::Medium, format!("query {name}"), "page-size", explanation)
            .confidence(Confidence::Confirmed)
            .pointer(listing.operation.pointer.clone());
        let exchanges =
            [(Role::Baseline, &baseline), (Role::Probe, &probe), (Role::Control, &control), (Role::Repeat, &repeat)];
        let finding = cx.report.build(&INFO, &suspicion, Some(listing.operation), &exchanges);
        let privileges = privileges(cx, listing.operation);
        return Some(finding.rated(&format!("CVSS:3.1/AV:N/AC:L/PR:{privileges}/UI:N/S:U/C:N/I:N/A:L")));
    }
    None
}
