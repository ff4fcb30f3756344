//! S-EDE-SCHEMA: members of answers that the document does not describe. One finding for the whole API.

use std::collections::BTreeMap;

use async_trait::async_trait;

use super::data::schema_of;
use crate::check::security::documented::strays;
use crate::check::security::{is_success, may_repeat, rightful, without_credentials};
use crate::check::{CheckInfo, Exchange, SecurityCheck, SecurityContext, Suspicion, Turn};
use crate::finding::{Confidence, Finding, Role, Severity};

/// S-EDE-SCHEMA.
pub(super) struct UndescribedMembers;

static INFO: CheckInfo = CheckInfo {
    id: "S-EDE-SCHEMA",
    title: "Answers hold members that the document does not describe",
    description: "Schemas list properties, and answers hold more of them. What nobody wrote down nobody looked at: new columns of a table leave the server by themselves.",
    remediation: "Describe the members, or leave them out of the answer; say `additionalProperties: true` where any are meant.",
    cwe: &["CWE-213"],
    owasp: Some("API3:2023"),
};

/// Operations named in the explanation, and members of each.
const MAX_NAMED: usize = 12;

#[async_trait]
impl SecurityCheck for UndescribedMembers {
    fn info(&self) -> &'static CheckInfo {
        &INFO
    }

    fn turn(&self) -> Turn {
        Turn::Passive
    }

    async fn run(&self, cx: &SecurityContext<'_>) -> Vec<Finding> {
        let mut places: BTreeMap<usize, (Vec<String>, &Exchange)> = BTreeMap::new();
        let baselines = cx.baselines.iter().enumerate().filter_map(|(index, one)| one.as_ref().map(|one| (index, one)));
        for (index, exchange) in baselines.chain(cx.traffic.iter().map(|(index, exchange)| (*index, exchange))) {
            let found = strays_of(cx, index, exchange);
            if !found.is_empty() && may_repeat(cx, &exchange.request.method) {
                places.entry(index).or_insert((found, exchange));
            }
        }
        // A read is the best example.
        let example = places.iter().min_by_key(|(index, (_, seen))| (seen.request.method != "GET", **index));
        let Some((index, (members, seen))) = example else { return Vec::new() };
        let request = without_credentials(cx, &seen.request);
        let Some(repeat) = cx.prober.send(Some(*index), request, rightful(cx)).await else { return Vec::new() };
        let again = strays_of(cx, *index, &repeat);
        if !members.iter().any(|member| again.contains(member)) {
            return Vec::new();
        }
        let named: Vec<String> = places
            .iter()
            .take(MAX_NAMED)
            .filter_map(|(index, (members, _))| {
                let shown: Vec<&str> = members.iter().take(MAX_NAMED).map(String::as_str).collect();
                Some(format!("{}: {}", cx.api.operations.get(*index)?.endpoint(), shown.join(", ")))
            })
            .collect();
        let explanation =
            format!("{} operations answer with more than is described. {}.", places.len(), named.join("; "));
        let suspicion =
            Suspicion::new(Severity::Info, "", "members", explanation).confidence(Confidence::Confirmed).api_wide();
        vec![cx.report.build(&INFO, &suspicion, None, &[(Role::Probe, seen), (Role::Repeat, &repeat)])]
    }
}

fn strays_of(cx: &SecurityContext<'_>, index: usize, exchange: &Exchange) -> Vec<String> {
    let Some(operation) = cx.api.operations.get(index).filter(|_| is_success(exchange)) else { return Vec::new() };
    let Some((schema, json)) = schema_of(operation, exchange).zip(exchange.json()) else { return Vec::new() };
    strays(schema, json).into_iter().collect()
}
