//! S-EDE: answers give away more than the document says, and what they give away is a secret.

use std::collections::BTreeSet;

use async_trait::async_trait;
use serde_json::Value;

use super::detector::{Harm, Kind, detect, is_login_password};
use super::{forgotten, people};
use crate::check::functional::grants_credentials;
use crate::check::security::documented::{Described, Step, described};
use crate::check::security::{is_echo, is_success, may_repeat, rightful, without_credentials};
use crate::check::{As, CheckInfo, Exchange, SecurityCheck, SecurityContext, Suspicion};
use crate::finding::{Confidence, Finding, Role, Severity, masked};
use crate::schema::Schema;
use crate::spec::Operation;

/// S-EDE.
pub(super) struct ExcessiveData;

pub(super) static INFO: CheckInfo = CheckInfo {
    id: "S-EDE",
    title: "Answer exposes what clients must not see",
    description: "An answer holds a secret or personal data of others: a password, or a value that the document does not describe or describes as write-only, or a list of people that everybody sees. Usually the stored object is serialised as a whole.",
    remediation: "Serialise a type of its own that holds only what the caller needs, and only of what belongs to the caller.",
    cwe: &["CWE-200", "CWE-213", "CWE-359"],
    owasp: Some("API3:2023"),
};

/// Places confirmed in one scan.
const MAX_CONFIRMED: usize = 64;

/// Nesting looked at.
const MAX_DEPTH: usize = 32;

/// A secret in an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Hit {
    pub(super) kind: Kind,
    /// Without indices: `/users/[]/password`.
    pub(super) location: String,
    pub(super) value: String,
    described: Described,
}

#[async_trait]
impl SecurityCheck for ExcessiveData {
    fn info(&self) -> &'static CheckInfo {
        &INFO
    }

    async fn run(&self, cx: &SecurityContext<'_>) -> Vec<Finding> {
        let baselines = cx.baselines.iter().enumerate().filter_map(|(index, one)| one.as_ref().map(|one| (index, one)));
        let traffic = cx.traffic.iter().map(|(index, exchange)| (*index, exchange));
        let mut seen = BTreeSet::new();
        let mut found = Vec::new();
        for (index, exchange) in baselines.chain(traffic) {
            let Some(operation) = cx.api.operations.get(index).filter(|_| is_success(exchange)) else { continue };
            for hit in hits(Some(operation), exchange) {
                if found.len() < cx.at_most(MAX_CONFIRMED)
                    && !(hit.kind == Kind::InternalAddress && is_of_target(cx, &hit.value))
                    && may_repeat(cx, &exchange.request.method)
                    && seen.insert((index, hit.location.clone(), hit.kind))
                {
                    found.extend(confirm(cx, operation, exchange, &hit).await);
                }
            }
        }
        found.extend(people::findings(cx).await);
        found.extend(forgotten::findings(cx).await);
        found
    }
}

/// The target is reached by such an address itself: what it says about its network is no news.
pub(super) fn is_of_target(cx: &SecurityContext<'_>, value: &str) -> bool {
    let authority = cx.prober.origin().split("://").nth(1).unwrap_or_default();
    let host = authority.rsplit_once(':').map_or(authority, |(host, _)| host);
    value.contains(host) || host.parse::<std::net::Ipv4Addr>().is_ok_and(|address| address.is_private())
}

/// The secrets of an answer. Without an operation nothing is documented.
pub(super) fn hits(operation: Option<&Operation>, exchange: &Exchange) -> Vec<Hit> {
    let Some(json) = exchange.json() else { return Vec::new() };
    let mut hits = Vec::new();
    walk(json, &mut Vec::new(), &mut |steps, name, value| {
        let Some(kind) = detect(name, value) else { return };
        let text = value.as_str().unwrap_or_default();
        // Handing out tokens is the job of a login; what we sent ourselves is nobody's secret.
        let expected = kind == Kind::Jwt && operation.is_some_and(grants_credentials);
        let echoed = is_echo(&exchange.request, text);
        let described = operation.map_or(Described::Undocumented, |operation| describe(operation, exchange, steps));
        // A password is no use to who reads it, even where the document has it.
        let is_read_back = matches!(kind, Kind::Password | Kind::PasswordHash)
            && is_login_password(name)
            && !echoed
            && matches!(exchange.request.method.as_str(), "GET" | "HEAD");
        let own = echoed && kind != Kind::Password;
        if expected || own || (described == Described::Documented && !is_read_back) {
            return;
        }
        let location: String = steps
            .iter()
            .map(|step| match step {
                Step::Key(key) => format!("/{key}"),
                Step::Item => "/[]".to_owned(),
            })
            .collect();
        hits.push(Hit { kind, location, value: text.to_owned(), described });
    });
    hits
}

fn walk<'a>(value: &'a Value, steps: &mut Vec<Step>, visit: &mut dyn FnMut(&[Step], &str, &'a Value)) {
    if steps.len() >= MAX_DEPTH {
        return;
    }
    match value {
        Value::Object(members) => {
            for (key, member) in members {
                steps.push(Step::Key(key.clone()));
                walk(member, steps, visit);
                steps.pop();
            }
        }
        Value::Array(items) => {
            // The items of a list are alike.
            for item in items.iter().take(100) {
                steps.push(Step::Item);
                walk(item, steps, visit);
                steps.pop();
            }
        }
        leaf => {
            let name = steps.iter().rev().find_map(|step| match step {
                Step::Key(key) => Some(key.clone()),
                Step::Item => None,
            });
            visit(steps, &name.unwrap_or_default(), leaf);
        }
    }
}

/// What the document says about the place; nothing when it has no schema for this answer.
fn describe(operation: &Operation, exchange: &Exchange, steps: &[Step]) -> Described {
    schema_of(operation, exchange).map_or(Described::Undocumented, |schema| described(schema, steps))
}

/// The documented schema of an answer.
pub(super) fn schema_of<'a>(operation: &'a Operation, exchange: &Exchange) -> Option<&'a Schema> {
    let media_type = exchange.response().and_then(|response| response.media_type());
    let spec = exchange.status().and_then(|status| operation.response(status));
    let content = spec.map(|spec| spec.content.as_slice()).unwrap_or_default();
    let exact = content.iter().find(|media| {
        let essence = media.media_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        Some(essence) == media_type
    });
    exact.or(content.first()).and_then(|media| media.schema.as_ref())
}

async fn confirm(cx: &SecurityContext<'_>, operation: &Operation, seen: &Exchange, hit: &Hit) -> Option<Finding> {
    let shows = |exchange: &Exchange| {
        let same = |again: &Hit| again.kind == hit.kind && again.location == hit.location;
        is_success(exchange) && hits(Some(operation), exchange).iter().any(same)
    };
    let request = without_credentials(cx, &seen.request);
    let repeat = cx.prober.send(Some(operation.index), request.clone(), rightful(cx)).await?;
    if !shows(&repeat) {
        return None;
    }
    // Whether the public sees it too decides how bad it is.
    let control = cx.prober.send(Some(operation.index), request, As::Anonymous).await?;
    let is_public = shows(&control);
    let place = match hit.described {
        Described::WriteOnly => "The document marks the property as write-only",
        Described::Documented => "That the document describes the property makes it no better",
        Described::Undocumented => "The document does not describe this property",
    };
    let explanation = format!(
        "The answer holds {} at '{}' ({}). {place}.{}",
        hit.kind.words(),
        hit.location,
        masked(&hit.value),
        if is_public { " It is given without credentials." } else { "" },
    );
    let suspicion = Suspicion::new(Severity::Info, format!("response {}", hit.location), hit.kind.name(), explanation)
        .confidence(Confidence::Confirmed);
    let mut values: Vec<String> = Vec::new();
    for exchange in [seen, &repeat, &control] {
        values.extend(hits(Some(operation), exchange).into_iter().map(|hit| hit.value));
    }
    let report = cx.report.masking(values.iter().map(String::as_str));
    let exchanges = [(Role::Probe, seen), (Role::Repeat, &repeat), (Role::Control, &control)];
    let finding = report.build(&INFO, &suspicion, Some(operation), &exchanges);
    Some(rated(finding, hit.kind.harm(), is_public))
}

/// As bad as what is shown, to whom.
pub(super) fn rated(finding: Finding, harm: Harm, is_public: bool) -> Finding {
    match (harm, is_public) {
        (Harm::Much, true) => finding.rated("CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:N/A:N"),
        (Harm::Much, false) => finding.rated("CVSS:3.1/AV:N/AC:L/PR:L/UI:N/S:U/C:H/I:N/A:N"),
        (Harm::Some, true) => finding.rated("CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:L/I:N/A:N"),
        (Harm::Some, false) => finding.rated("CVSS:3.1/AV:N/AC:L/PR:L/UI:N/S:U/C:L/I:N/A:N"),
        (Harm::Little, _) => finding,
    }
}
