//! S-NOSQL: an operator of the database in the place of a value.

use async_trait::async_trait;
use serde_json::json;

use super::likeness::{Likeness, Usual, Usuals};
use super::truth::{Context, Fits, Language, decision};
use super::{
    FULL, MAX_FINDINGS, Point, Proof, changes_secrets, is_open, is_proved, is_refused, is_secret, is_success, settled,
};
use crate::check::security::point::points;
use crate::check::security::rightful;
use crate::check::shape::skeleton;
use crate::check::{CheckInfo, Exchange, SecurityCheck, SecurityContext};
use crate::finding::{Confidence, Finding, Role};
use crate::transport::Request;

/// S-NOSQL.
pub(super) struct Operators;

static INFO: CheckInfo = CheckInfo {
    id: "S-NOSQL",
    title: "NoSQL injection",
    description: "An object of the request with an operator of the database, or a script, becomes part of a query: what must equal a value then matches anything.",
    remediation: "Check that values are of the type that is expected before they become part of a query, refuse names that begin with '$', and do not run scripts in the database.",
    cwe: &["CWE-943"],
    owasp: Some("API8:2023"),
};

/// `&&` with `==` is JavaScript: no SQL reads it.
const SCRIPT: Language = Language {
    narrow: &[Context {
        yes: "{v}' && '{a}'=='{a}",
        no: "{v}' && '{a}'=='{b}",
        wrong: "{v}' &&& '{a}'=='{a}",
        fits: Fits::All,
    }],
    wide: &[Context {
        yes: "{v}' || '{a}'=='{a}",
        no: "{v}' || '{a}'=='{b}",
        wrong: "{v}' ||| '{a}'=='{a}",
        fits: Fits::All,
    }],
};

#[async_trait]
impl SecurityCheck for Operators {
    fn info(&self) -> &'static CheckInfo {
        &INFO
    }

    fn weight(&self) -> u64 {
        6
    }

    async fn run(&self, cx: &SecurityContext<'_>) -> Vec<Finding> {
        let mut usuals = Usuals::default();
        let mut found = Vec::new();
        // A password is what is asked for with an operator; a write that filters by one could change what is not ours.
        let wanted = |point: &Point<'_>| {
            matches!(point.operation.method.as_str(), "GET" | "POST" | "QUERY")
                && point.takes_any()
                && !is_refused(cx, point)
                && !changes_secrets(cx, point.operation)
        };
        let points = settled(cx, points(cx).into_iter().filter(wanted).collect()).await;
        for point in points.iter().filter(|point| !is_proved(cx, point)) {
            let Some(usual) = usuals.of(cx, point).await else { continue };
            let mut finding = operators(cx, point, usual).await;
            if finding.is_none() && !is_secret(&point.name) {
                finding = script(cx, point, usual).await;
            }
            found.extend(finding);
            if found.len() >= MAX_FINDINGS {
                break;
            }
        }
        found
    }
}

/// `{"$ne": "x"}` in a body, `name[$ne]=x` in a query.
fn with_operator(cx: &SecurityContext<'_>, point: &Point<'_>, operator: &str, operand: &str) -> Option<Request> {
    if point.location.starts_with("body") {
        point.with(cx, json!({operator: operand}))
    } else {
        point.bracketed(cx, operator, operand)
    }
}

async fn ask(cx: &SecurityContext<'_>, point: &Point<'_>, operator: &str, operand: &str) -> Option<Exchange> {
    let request = with_operator(cx, point, operator, operand)?;
    cx.prober.send(Some(point.operation.index), request, rightful(cx)).await
}

/// Where a value that cannot be right is refused or finds nothing, this succeeds or finds something.
fn opens(answer: &Exchange, usual: &Usual, wrong: &Likeness) -> bool {
    if !is_success(answer) {
        return false;
    }
    if wrong.is_success() {
        return wrong.is_exceeded(answer, "", "");
    }
    match (usual.exchange.json(), answer.json()) {
        (Some(one), Some(other)) => skeleton(one) == skeleton(other),
        (None, None) => usual.exchange.status() == answer.status(),
        _ => false,
    }
}

async fn operators(cx: &SecurityContext<'_>, point: &Point<'_>, usual: &Usual) -> Option<Finding> {
    let nonce = cx.prober.nonce();
    let first = ask(cx, point, "$ne", &nonce).await.filter(is_success)?;
    let (one, two) = (point.text(cx, &nonce).await?, point.text(cx, &nonce).await?);
    let wrong = Likeness::of(&one, &two)?;
    let opens = |answer: &Exchange| opens(answer, usual, &wrong);
    if !opens(&first) {
        return None;
    }
    let mut controls = Vec::new();
    for key in ["$eq", nonce.as_str()] {
        let control = ask(cx, point, key, &nonce).await?;
        if opens(&control) {
            return None;
        }
        controls.push(control);
    }
    let second = ask(cx, point, "$gt", "").await?;
    let repeat = ask(cx, point, "$ne", &cx.prober.nonce()).await?;
    if !opens(&second) || !opens(&repeat) {
        return None;
    }
    let open = is_open(cx, point, with_operator(cx, point, "$ne", &nonce), opens).await;
    let explanation = format!(
        "With the operators $ne and $gt in the place of {} the query matches what it should not; with $eq, with an object that holds no operator and with a value that does not exist it does not.",
        point.location
    );
    let mut exchanges = vec![(Role::Baseline, usual.exchange.twin()), (Role::Probe, first)];
    exchanges.extend(controls.into_iter().map(|control| (Role::Control, control)));
    exchanges.extend([(Role::Control, one), (Role::Repeat, repeat), (Role::Repeat, second)]);
    Some(finding(cx, point, "operator", explanation, open, exchanges))
}

async fn script(cx: &SecurityContext<'_>, point: &Point<'_>, usual: &Usual) -> Option<Finding> {
    let proved = decision(cx, point, usual, &SCRIPT).await?;
    let value = point.original().unwrap_or_default();
    let shows = |answer: &Exchange| {
        if proved.widened { is_success(answer) } else { usual.likeness.holds(answer, &proved.text, &value) }
    };
    let open = is_open(cx, point, proved.request.clone(), shows).await;
    let explanation =
        format!("What is sent as {} becomes part of a script in the query. {}.", point.location, proved.words);
    Some(finding(cx, point, "script", explanation, open, proved.exchanges))
}

fn finding(
    cx: &SecurityContext<'_>,
    point: &Point<'_>,
    discriminant: &'static str,
    explanation: String,
    open: bool,
    exchanges: Vec<(Role, Exchange)>,
) -> Finding {
    let proof = Proof {
        info: &INFO,
        point,
        discriminant,
        cause: "nosql",
        explanation,
        confidence: Confidence::Confirmed,
        vector: FULL,
        open,
        exchanges,
    };
    proof.finding(cx)
}
