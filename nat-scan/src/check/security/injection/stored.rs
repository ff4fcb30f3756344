//! S-SQLI-2: what a statement calculated is stored and can be read.

use async_trait::async_trait;

use super::echo::{echo, holds, readable};
use super::likeness::plain;
use super::{FULL, MAX_FINDINGS, Proof, fill, four, is_open, is_proved, numbers, places, remember};
use crate::check::stateful::Resource;
use crate::check::{CheckInfo, Exchange, SecurityCheck, SecurityContext, Turn};
use crate::finding::{Confidence, Finding};

/// S-SQLI-2.
pub(super) struct Stored;

static INFO: CheckInfo = CheckInfo {
    id: "S-SQLI-2",
    title: "SQL injection (an expression is calculated and read back)",
    description: "Text of the request becomes part of an SQL statement: an expression in it is calculated by the database, and its value shows in the answer or in what is stored.",
    remediation: "Give values to the database as parameters of a prepared statement, also those that were read from the database before.",
    cwe: &["CWE-89"],
    owasp: Some("API8:2023"),
};

/// A literal is left, a product is added, and the literal goes on. `right` is calculated, `wrong` only looks like it.
const FORMS: [(&str, &str); 3] = [
    ("{v}'||({a}*{b})||'", "{v}||({a}*{b})||"),
    ("{v}'+(SELECT {a}*{b})+'", "{v}+(SELECT {a}*{b})+"),
    ("{v}'+CAST({a}*{b} AS VARCHAR(20))+'", "{v}+CAST({a}*{b} AS VARCHAR(20))+"),
];

#[async_trait]
impl SecurityCheck for Stored {
    fn info(&self) -> &'static CheckInfo {
        &INFO
    }

    fn turn(&self) -> Turn {
        Turn::Write
    }

    fn weight(&self) -> u64 {
        3
    }

    async fn run(&self, cx: &SecurityContext<'_>) -> Vec<Finding> {
        let resources = readable(cx);
        let mut found = Vec::new();
        // What a GET shows, a condition decides: that is S-SQLI-B.
        let points = places(cx).await;
        let writes = points.iter().filter(|point| point.operation.method != "GET" && point.takes_text());
        for point in writes.filter(|point| !is_proved(cx, point)) {
            for form in FORMS {
                if let Some(finding) = prove(cx, point, &resources, form).await {
                    found.push(finding);
                    break;
                }
            }
            if found.len() >= MAX_FINDINGS {
                break;
            }
        }
        found
    }
}

/// The text, and what a database makes of it.
fn written(cx: &SecurityContext<'_>, pattern: &str, value: &str) -> (String, String) {
    let (a, b) = numbers(cx);
    let text = fill(pattern, &[("{v}", value), ("{a}", &a.to_string()), ("{b}", &b.to_string())]);
    (text, (u64::from(a) * u64::from(b)).to_string())
}

async fn prove(
    cx: &SecurityContext<'_>,
    point: &super::Point<'_>,
    resources: &[Resource],
    (right, wrong): (&str, &str),
) -> Option<Finding> {
    let value = cx.prober.word();
    let (text, product) = written(cx, right, &value);
    let answered = echo(cx, point, resources, &text).await?;
    let probe = answered.showing(|exchange| holds(exchange, &product))?;
    let (harmless, product) = written(cx, wrong, &value);
    let control = echo(cx, point, resources, &harmless).await?;
    if control.shows(|exchange| holds(exchange, &product)) {
        return None;
    }
    let baseline = plain(cx, point).await?;
    let (again, product) = written(cx, right, &cx.prober.word());
    let repeat = echo(cx, point, resources, &again).await?.showing(|exchange| holds(exchange, &product))?;
    let request = point.with(cx, serde_json::Value::from(again.as_str()));
    let open = is_open(cx, point, request, |exchange: &Exchange| holds(exchange, &product)).await;
    remember(cx, point);
    let explanation = format!(
        "What is sent as {} becomes part of an SQL statement: of '{again}' the database made {product}, which no request holds.",
        point.location
    );
    let exchanges = four(baseline, probe, control.answer, repeat);
    let proof = Proof {
        info: &INFO,
        point,
        discriminant: "calculated",
        cause: "sql",
        explanation,
        confidence: Confidence::Confirmed,
        vector: FULL,
        open,
        exchanges,
    };
    Some(proof.finding(cx))
}
