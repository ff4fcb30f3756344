//! S-SSTI: a template engine calculates what we sent.

use async_trait::async_trait;

use super::echo::{echo, holds, readable};
use super::likeness::plain;
use super::{MACHINE, MAX_FINDINGS, Point, Proof, fill, four, is_broken, is_open, numbers, places};
use crate::check::stateful::Resource;
use crate::check::{CheckInfo, Exchange, SecurityCheck, SecurityContext};
use crate::finding::{Confidence, Finding};

/// S-SSTI.
pub(super) struct Template;

static INFO: CheckInfo = CheckInfo {
    id: "S-SSTI",
    title: "Template injection",
    description: "Text of the request becomes part of a template or an expression that the server evaluates.",
    remediation: "Give values to templates as variables, never as part of the template itself, and do not evaluate expressions that come from requests.",
    cwe: &["CWE-1336", "CWE-917"],
    owasp: Some("API8:2023"),
};

/// Several engines at once: what one evaluates is plain text to the others.
const MIXED: &str = "{n}{{{a}*{b}}}${{a}*{b}}#{{a}*{b}}<%= {a}*{b} %>";
const FORMS: [(&str, &str); 7] = [
    ("{{{a}*{b}}}", "braces"),
    ("${{a}*{b}}", "dollar"),
    ("#{{a}*{b}}", "hash"),
    ("<%= {a}*{b} %>", "percent"),
    ("*{{a}*{b}}", "star"),
    ("@({a}*{b})", "at"),
    ("{{a}*{b}}", "brace"),
];

#[async_trait]
impl SecurityCheck for Template {
    fn info(&self) -> &'static CheckInfo {
        &INFO
    }

    fn weight(&self) -> u64 {
        3
    }

    async fn run(&self, cx: &SecurityContext<'_>) -> Vec<Finding> {
        let resources = readable(cx);
        let mut found = Vec::new();
        for point in places(cx).await.iter().filter(|point| point.takes_text()) {
            let (text, products) = written(cx, MIXED);
            let Some(answered) = echo(cx, point, &resources, &text).await else { continue };
            // An engine that stumbles over the mixture fails.
            if answered.shows(|exchange| shows(exchange, &products)) || is_broken(&answered.answer) {
                for form in FORMS {
                    if let Some(finding) = prove(cx, point, &resources, form).await {
                        found.push(finding);
                        break;
                    }
                }
            }
            if found.len() >= MAX_FINDINGS {
                break;
            }
        }
        found
    }
}

/// A text, and the ways in which its product may be written.
fn written(cx: &SecurityContext<'_>, form: &str) -> (String, [String; 2]) {
    let (a, b) = numbers(cx);
    let text = fill(form, &[("{n}", &cx.prober.nonce()), ("{a}", &a.to_string()), ("{b}", &b.to_string())]);
    let product = (u64::from(a) * u64::from(b)).to_string();
    let mut grouped = String::new();
    for (at, digit) in product.chars().enumerate() {
        if at > 0 && (product.len() - at) % 3 == 0 {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    (text, [product, grouped])
}

fn shows(exchange: &Exchange, products: &[String; 2]) -> bool {
    products.iter().any(|product| holds(exchange, product))
}

async fn prove(
    cx: &SecurityContext<'_>,
    point: &Point<'_>,
    resources: &[Resource],
    (form, name): (&str, &'static str),
) -> Option<Finding> {
    let marked = format!("{{n}}{form}");
    let (text, products) = written(cx, &marked);
    let probe = echo(cx, point, resources, &text).await?.showing(|exchange| shows(exchange, &products))?;
    // Who calculates what stands in no brackets is a calculator.
    let (harmless, product) = written(cx, "{n} {a}*{b}");
    let control = echo(cx, point, resources, &harmless).await?;
    if control.shows(|exchange| shows(exchange, &product)) {
        return None;
    }
    let baseline = plain(cx, point).await?;
    let (again, product) = written(cx, &marked);
    let repeat = echo(cx, point, resources, &again).await?.showing(|exchange| shows(exchange, &product))?;
    let request = point.with(cx, serde_json::Value::from(again.as_str()));
    let open = is_open(cx, point, request, |exchange: &Exchange| shows(exchange, &product)).await;
    let explanation = format!(
        "What is sent as {} is evaluated: of '{again}' the server made {}, which no request holds; the same numbers without brackets stay as they are.",
        point.location, product[0]
    );
    let exchanges = four(baseline, probe, control.answer, repeat);
    let proof = Proof {
        info: &INFO,
        point,
        discriminant: name,
        cause: "template",
        explanation,
        confidence: Confidence::Confirmed,
        vector: MACHINE,
        open,
        exchanges,
    };
    Some(proof.finding(cx))
}
