//! S-SQLI-E: a quote makes the database complain, and a pair of quotes does not.

use std::sync::LazyLock;

use async_trait::async_trait;
use regex::Regex;

use super::likeness::Usuals;
use super::{FULL, MAX_FINDINGS, Point, Proof, is_open, is_proved, places, remember};
use crate::check::trace::readable;
use crate::check::{CheckInfo, Exchange, SecurityCheck, SecurityContext};
use crate::finding::{Confidence, Finding, Role};

/// S-SQLI-E.
pub(super) struct Message;

static INFO: CheckInfo = CheckInfo {
    id: "S-SQLI-E",
    title: "SQL injection (the database complains about a quote)",
    description: "A single quote in the request breaks the syntax of an SQL statement, and the answer shows the message of the database; with the quote doubled it does not.",
    remediation: "Give values to the database as parameters of a prepared statement, never as part of its text. Answer errors without the words of the database.",
    cwe: &["CWE-89", "CWE-209"],
    owasp: Some("API8:2023"),
};

/// Complaints about syntax only: a wrong type or a broken rule is said of parameters, too.
static GRAMMAR: LazyLock<Vec<(&'static str, Regex)>> = LazyLock::new(|| {
    [
        ("SQLite", r#"near "[^\n]{1,80}": syntax error|unrecognized token: "|OperationalError\)?:? incomplete input"#),
        ("PostgreSQL", r#"syntax error at or near "|unterminated quoted (?:string|identifier)|syntax error at end of input"#),
        ("MySQL", r"You have an error in your SQL syntax|check the manual that corresponds to your (?:MySQL|MariaDB)"),
        ("SQL Server", r"Unclosed quotation mark (?:after|before) the character string|Incorrect syntax near "),
        ("Oracle", r"ORA-(?:00907|00911|00921|00923|00933|00936|01740|01742|01756)\b|quoted string not properly terminated"),
        ("DB2", r"SQLCODE[=:] ?-(?:10|104|007)\b|DB2 SQL error: SQLCODE: -104"),
        ("H2", r"Syntax error in SQL statement|\[42000-\d+\]"),
        ("Access", r"Syntax error \(missing operator\) in query expression|Syntax error in string in query expression"),
        ("an ORM", r"\[Syntax Error\] line \d+, col \d+|(?:QuerySyntaxException|query\.SyntaxException|QueryException): (?:unexpected|line \d+)|StatementInvalid: [^\n]{0,80}(?:SyntaxError|syntax)|SQLSTATE\[42(?:000|601)\]"),
    ]
    .into_iter()
    .map(|(name, pattern)| (name, Regex::new(pattern).expect("a constant pattern")))
    .collect()
});

/// Who complains, and the words.
pub(super) fn complaint(exchange: &Exchange) -> Option<(&'static str, String)> {
    let text = readable(exchange.response()?, exchange.json());
    complaint_in(&text)
}

fn complaint_in(text: &str) -> Option<(&'static str, String)> {
    GRAMMAR.iter().find_map(|(name, pattern)| Some((*name, pattern.find(text)?.as_str().to_owned())))
}

#[async_trait]
impl SecurityCheck for Message {
    fn info(&self) -> &'static CheckInfo {
        &INFO
    }

    fn weight(&self) -> u64 {
        3
    }

    async fn run(&self, cx: &SecurityContext<'_>) -> Vec<Finding> {
        let mut usuals = Usuals::default();
        let mut found = Vec::new();
        for point in places(cx).await.iter().filter(|point| !is_proved(cx, point)) {
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
    let value = point.original().unwrap_or_default();
    let both = point.text(cx, &format!("{value}'\"")).await?;
    if complaint(&both).is_none() {
        if both.status().is_some_and(|status| status >= 500) {
            notice_quotes(cx, point, &value).await;
        }
        return None;
    }
    let usual = usuals.of(cx, point).await?;
    if complaint(&usual.exchange).is_some() {
        return None;
    }
    paired(cx, point, &value, usual.exchange.twin(), info).await
}

/// Quotes that fail alone and not in pairs make a place worth the time of the slow checks.
async fn notice_quotes(cx: &SecurityContext<'_>, point: &Point<'_>, value: &str) {
    for [one, two] in PAIRS {
        let fails = |answer: &Exchange| answer.status().is_some_and(|status| status >= 500);
        let (Some(broken), Some(whole)) =
            (point.text(cx, &format!("{value}{one}")).await, point.text(cx, &format!("{value}{two}")).await)
        else {
            return;
        };
        if fails(&broken) && !fails(&whole) {
            cx.learned.with(|facts| facts.quotes.push((point.operation.index, point.location.clone())));
            return;
        }
    }
}

/// What breaks a statement, and what does not: a quote and its double; where a number stands, no quote is right but
/// arithmetic is.
const PAIRS: [[&str; 2]; 3] = [["'", "''"], ["\"", "\"\""], ["'", "-0"]];

async fn paired(
    cx: &SecurityContext<'_>,
    point: &Point<'_>,
    value: &str,
    baseline: Exchange,
    info: &'static CheckInfo,
) -> Option<Finding> {
    for [one, two] in PAIRS {
        if two == "-0" && value.parse::<f64>().is_err() {
            continue;
        }
        let (broken, whole) = (format!("{value}{one}"), format!("{value}{two}"));
        let probe = point.text(cx, &broken).await?;
        let Some((who, words)) = complaint(&probe) else { continue };
        let control = point.text(cx, &whole).await?;
        let letters = point.text(cx, &format!("{value}{}", cx.prober.nonce())).await?;
        // Letters behind a number are no number: only where a text stands must they do no harm.
        if complaint(&control).is_some() || (two != "-0" && complaint(&letters).is_some()) {
            continue;
        }
        let repeat = point.text(cx, &broken).await?;
        let again = point.text(cx, &whole).await?;
        if complaint(&repeat).is_none_or(|(other, _)| other != who) || complaint(&again).is_some() {
            continue;
        }
        let request = point.with(cx, serde_json::Value::from(broken.as_str()));
        let open = is_open(cx, point, request, |answer| complaint(answer).is_some()).await;
        remember(cx, point);
        let words: String = words.chars().take(120).collect();
        let explanation = format!(
            "What is sent as {} becomes part of an SQL statement: with {one} behind the value the answer shows a complaint of {who} about syntax ('{words}'), with {two} it does not.",
            point.location
        );
        let exchanges = vec![
            (Role::Baseline, baseline),
            (Role::Probe, probe),
            (Role::Control, control),
            (Role::Repeat, repeat),
            (Role::Control, again),
        ];
        let proof = Proof {
            info,
            point,
            discriminant: "message",
            cause: "sql",
            explanation,
            confidence: Confidence::Confirmed,
            vector: FULL,
            open,
            exchanges,
        };
        return Some(proof.finding(cx));
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn complaints_about_syntax_are_told_from_other_words_of_databases() {
        for (text, who) in [
            (r#"(sqlite3.OperationalError) near "x": syntax error"#, Some("SQLite")),
            (r#"(sqlite3.OperationalError) unrecognized token: "'name1''""#, Some("SQLite")),
            ("ERROR: syntax error at or near \"'\"\nLINE 1", Some("PostgreSQL")),
            ("unterminated quoted string at or near \"'x''\"", Some("PostgreSQL")),
            ("1064 (42000): You have an error in your SQL syntax; check the manual", Some("MySQL")),
            ("Unclosed quotation mark after the character string ''.", Some("SQL Server")),
            ("ORA-01756: quoted string not properly terminated", Some("Oracle")),
            ("[Syntax Error] line 0, col 51: Error: Expected end of string", Some("an ORM")),
            ("invalid input syntax for type integer: \"5'\"", None),
            ("UNIQUE constraint failed: users.name", None),
            ("ORA-01722: invalid number", None),
            ("There is a syntax error in your JSON near line 1", None),
            ("SQL is a language", None),
        ] {
            assert_eq!(complaint_in(text).map(|(who, _)| who), who, "{text}");
        }
    }
}
