//! S-SQLI-B: a condition of ours decides what a statement finds.

use async_trait::async_trait;

use super::likeness::Usuals;
use super::truth::{Context, Fits, Language, decision};
use super::{FULL, MAX_FINDINGS, Point, Proof, is_open, places, remember};
use crate::check::{CheckInfo, SecurityCheck, SecurityContext};
use crate::finding::{Confidence, Finding};

/// S-SQLI-B.
pub(super) struct Boolean;

static INFO: CheckInfo = CheckInfo {
    id: "S-SQLI-B",
    title: "SQL injection (the answer follows a condition)",
    description: "Text of the request becomes part of an SQL statement: a true condition behind the value changes nothing, a false one changes the answer.",
    remediation: "Give values to the database as parameters of a prepared statement, never as part of its text. For names of columns and directions of sorting, choose from a fixed list.",
    cwe: &["CWE-89"],
    owasp: Some("API8:2023"),
};

const fn all(yes: &'static str, no: &'static str, wrong: &'static str) -> Context {
    Context { yes, no, wrong, fits: Fits::All }
}

/// `AND` is not a word of JavaScript or XPath, and a single `=` does not compare in other languages than SQL.
const SQL: Language = Language {
    narrow: &[
        Context { yes: "{v} AND {a}={a}", no: "{v} AND {a}={b}", wrong: "{v} ADN {a}={a}", fits: Fits::Number },
        Context { yes: "{v}) AND ({a}={a}", no: "{v}) AND ({a}={b}", wrong: "{v}) ADN ({a}={a}", fits: Fits::Number },
        Context {
            yes: "(CASE WHEN {a}={a} THEN {v} ELSE {a} END)",
            no: "(CASE WHEN {a}={b} THEN {v} ELSE {a} END)",
            wrong: "(CSAE WHEN {a}={a} THEN {v} ELSE {a} END)",
            fits: Fits::Column,
        },
        all("{v}' AND '{a}'='{a}", "{v}' AND '{a}'='{b}", "{v}' ADN '{a}'='{a}"),
        all("{v}%' AND '{a}%'='{a}", "{v}%' AND '{a}%'='{b}", "{v}%' ADN '{a}%'='{a}"),
        all("{v}') AND ('{a}'='{a}", "{v}') AND ('{a}'='{b}", "{v}') ADN ('{a}'='{a}"),
        all("{v}%') AND ('{a}%'='{a}", "{v}%') AND ('{a}%'='{b}", "{v}%') ADN ('{a}%'='{a}"),
        all("{v}\" AND \"{a}\"=\"{a}", "{v}\" AND \"{a}\"=\"{b}", "{v}\" ADN \"{a}\"=\"{a}"),
    ],
    wide: &[
        all("{v}' OR '{a}'='{a}", "{v}' OR '{a}'='{b}", "{v}' RO '{a}'='{a}"),
        all("{v}%' OR '{a}%'='{a}", "{v}%' OR '{a}%'='{b}", "{v}%' RO '{a}%'='{a}"),
        all("{v}') OR ('{a}'='{a}", "{v}') OR ('{a}'='{b}", "{v}') RO ('{a}'='{a}"),
        all("{v}%') OR ('{a}%'='{a}", "{v}%') OR ('{a}%'='{b}", "{v}%') RO ('{a}%'='{a}"),
        all("{v}\" OR \"{a}\"=\"{a}", "{v}\" OR \"{a}\"=\"{b}", "{v}\" RO \"{a}\"=\"{a}"),
        all("{a} OR {a}={a}", "{a} OR {a}={b}", "{a} RO {a}={a}"),
    ],
};

#[async_trait]
impl SecurityCheck for Boolean {
    fn info(&self) -> &'static CheckInfo {
        &INFO
    }

    fn weight(&self) -> u64 {
        12
    }

    async fn run(&self, cx: &SecurityContext<'_>) -> Vec<Finding> {
        let points = places(cx).await;
        let mut usuals = Usuals::default();
        let mut found = Vec::new();
        for point in &points {
            found.extend(prove(cx, point, &mut usuals, &INFO).await);
            if found.len() >= MAX_FINDINGS {
                break;
            }
        }
        found
    }
}

/// One place, in the name of the check that asks.
pub(super) async fn prove(
    cx: &SecurityContext<'_>,
    point: &Point<'_>,
    usuals: &mut Usuals,
    info: &'static CheckInfo,
) -> Option<Finding> {
    let usual = usuals.of(cx, point).await?;
    let proved = decision(cx, point, usual, &SQL).await?;
    let value = point.original().unwrap_or_default();
    let shows = |answer: &crate::check::Exchange| {
        if proved.widened { super::is_success(answer) } else { usual.likeness.holds(answer, &proved.text, &value) }
    };
    let open = is_open(cx, point, proved.request.clone(), shows).await;
    remember(cx, point);
    let explanation = format!("What is sent as {} becomes part of an SQL statement. {}.", point.location, proved.words);
    let proof = Proof {
        info,
        point,
        discriminant: "boolean",
        cause: "sql",
        explanation,
        confidence: Confidence::Confirmed,
        vector: FULL,
        open,
        exchanges: proved.exchanges,
    };
    Some(proof.finding(cx))
}
