//! Q-DEPTH: a query may follow a circle of types as often as it likes.

use std::collections::{BTreeSet, VecDeque};
use std::time::Duration;

use async_trait::async_trait;

use super::endpoint::{Endpoint, endpoints};
use super::schema::{Field, Schema};
use super::{Proof, finding, is_executed};
use crate::check::security::rightful;
use crate::check::{CheckInfo, SecurityCheck, SecurityContext, Turn};
use crate::finding::Finding;

/// Q-DEPTH.
pub(super) struct Depth;

static INFO: CheckInfo = CheckInfo {
    id: "Q-DEPTH",
    title: "GraphQL queries may be of any depth",
    description: "Types refer to each other in a circle, and a query that follows the circle again and again is executed.",
    remediation: "Limit the depth or the complexity of queries.",
    cwe: &["CWE-674", "CWE-770"],
    owasp: Some("API4:2023"),
};

const VECTOR: &str = "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:N/I:N/A:L";

const DEPTHS: [usize; 4] = [3, 6, 12, 24];

/// Lists multiply: beyond these a deeper query could harm.
const MAX_BODY: usize = 256 << 10;
const MAX_TIME: Duration = Duration::from_secs(2);

/// Types visited in search of a circle.
const MAX_VISITS: usize = 500;

#[async_trait]
impl SecurityCheck for Depth {
    fn info(&self) -> &'static CheckInfo {
        &INFO
    }

    fn turn(&self) -> Turn {
        Turn::Strain
    }

    async fn run(&self, cx: &SecurityContext<'_>) -> Vec<Finding> {
        let mut found = Vec::new();
        for endpoint in endpoints(cx).await {
            found.extend(prove(cx, &endpoint).await);
        }
        found
    }
}

async fn prove(cx: &SecurityContext<'_>, endpoint: &Endpoint) -> Option<Finding> {
    let circle = endpoint.schema.as_ref().and_then(circle)?;
    let who = rightful(cx);
    let ask = |depth: usize, leaf: &str| endpoint.ask(&circle.query(depth, leaf));
    let mut baseline = None;
    let mut probe = None;
    for depth in DEPTHS {
        let exchange = cx.prober.send(endpoint.operation, ask(depth, "__typename"), who).await?;
        if !is_executed(&exchange) {
            return None;
        }
        let response = exchange.response()?;
        if depth < 24 && (response.body.len() > MAX_BODY || response.elapsed > MAX_TIME) {
            return None;
        }
        if baseline.is_none() {
            baseline = Some(exchange);
        } else {
            probe = Some(exchange);
        }
    }
    // The same query with an unknown field at its end is refused: the server reads down to there.
    let control = cx.prober.send(endpoint.operation, ask(24, &cx.prober.nonce()), who).await?;
    if is_executed(&control) {
        return None;
    }
    let repeat = cx.prober.send(endpoint.operation, ask(24, "__typename"), who).await?;
    if !is_executed(&repeat) {
        return None;
    }
    let explanation = format!(
        "A query of depth 24 that follows {} again and again is executed, as those of depth 3, 6 and 12 are.",
        circle.steps.join(" and ")
    );
    let proof = Proof { baseline, probe: probe?, control: Some(control), repeat };
    Some(finding(cx, &INFO, endpoint.operation, ("depth", &explanation), Some(VECTOR), &proof))
}

/// Fields that lead to a type, and from there back to it.
struct Circle {
    entry: Vec<String>,
    steps: Vec<String>,
}

impl Circle {
    /// A valid query with this many fields below each other.
    fn query(&self, depth: usize, leaf: &str) -> String {
        let path = self.entry.iter().chain(self.steps.iter().cycle()).take(depth.saturating_sub(1));
        let path: Vec<&str> = path.map(String::as_str).collect();
        format!("{{{}{{{leaf}{}}}", path.join("{"), "}".repeat(path.len()))
    }
}

/// The shortest way into a circle; lists only where nothing else leads on.
fn circle(schema: &Schema) -> Option<Circle> {
    for lists in [false, true] {
        let mut seen = BTreeSet::new();
        let mut waiting = VecDeque::from([(schema.query.clone(), Vec::new())]);
        while let Some((here, way)) = waiting.pop_front() {
            if seen.len() > MAX_VISITS || !seen.insert(here.clone()) {
                continue;
            }
            if here != schema.query
                && let Some(steps) = way_back(schema, &here, lists)
            {
                return Some(Circle { entry: way, steps });
            }
            for field in schema.fields(&here).iter().filter(|field| leads_on(schema, field, true)) {
                let way: Vec<String> = way.iter().cloned().chain([field.name.clone()]).collect();
                waiting.push_back((field.of.name.clone(), way));
            }
        }
    }
    None
}

fn way_back(schema: &Schema, target: &str, lists: bool) -> Option<Vec<String>> {
    let mut seen = BTreeSet::new();
    let mut waiting = VecDeque::from([(target.to_owned(), Vec::new())]);
    while let Some((here, way)) = waiting.pop_front() {
        if seen.len() > MAX_VISITS || way.len() > 4 {
            return None;
        }
        for field in schema.fields(&here).iter().filter(|field| leads_on(schema, field, lists)) {
            let way: Vec<String> = way.iter().cloned().chain([field.name.clone()]).collect();
            if field.of.name == target {
                return Some(way);
            }
            if seen.insert(field.of.name.clone()) {
                waiting.push_back((field.of.name.clone(), way));
            }
        }
    }
    None
}

fn leads_on(schema: &Schema, field: &Field, lists: bool) -> bool {
    let object = schema.get(&field.of.name).is_some_and(|found| found.kind == "OBJECT");
    object && field.is_plain() && (lists || !field.of.list) && !field.of.name.starts_with("__")
}
