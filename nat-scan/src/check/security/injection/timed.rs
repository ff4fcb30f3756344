//! S-SQLI-T, and the slow half of S-CMD: the target waits as long as it is told.

use std::time::Duration;

use async_trait::async_trait;

use super::delay::{Obedience, Stopwatch, obeys};
use super::likeness::plain;
use super::{Point, Proof, command, fill, is_proved, places, remember};
use crate::check::{CheckInfo, Exchange, Profile, SecurityCheck, SecurityContext, Turn};
use crate::finding::{Confidence, Finding, Role};

/// S-SQLI-T.
pub(super) struct Delay;

static INFO: CheckInfo = CheckInfo {
    id: "S-SQLI-T",
    title: "SQL injection (the database waits as it is told)",
    description: "Text of the request becomes part of an SQL statement: the answer comes as much later as a function in it asks the database to wait.",
    remediation: "Give values to the database as parameters of a prepared statement, never as part of its text.",
    cwe: &["CWE-89"],
    owasp: Some("API8:2023"),
};

/// Time alone is never more than medium.
const VECTOR: &str = "CVSS:3.1/AV:N/AC:H/PR:?/UI:N/S:U/C:L/I:L/A:L";

/// A text that waits `{d}` seconds, and the same in words that mean nothing.
#[derive(Clone, Copy)]
struct Form {
    waits: &'static str,
    mumbles: &'static str,
    /// Of a shell, not of a database.
    shell: bool,
    /// Where a number stands.
    number: bool,
}

const fn sql(waits: &'static str, mumbles: &'static str, number: bool) -> Form {
    Form { waits, mumbles, shell: false, number }
}

const fn shell(waits: &'static str, mumbles: &'static str) -> Form {
    Form { waits, mumbles, shell: true, number: false }
}

/// PostgreSQL, MySQL and SQL Server know how to wait; the statement stays whole wherever a value may stand.
const FORMS: [Form; 12] = [
    sql("{v}'||(SELECT '' FROM pg_sleep({d}))||'", "{v}'||(SELECT '' FROM pg_sleeq({d}))||'", false),
    sql("{v}'+(SELECT SLEEP({d}))+'", "{v}'+(SELECT SLEEQ({d}))+'", false),
    sql("{v}\"+(SELECT SLEEP({d}))+\"", "{v}\"+(SELECT SLEEQ({d}))+\"", false),
    sql("{v}'; WAITFOR DELAY '0:0:{d}' -- ", "{v}'; WAITFOR DELAQ '0:0:{d}' -- ", false),
    sql("{v}+(SELECT 0 FROM pg_sleep({d}))", "{v}+(SELECT 0 FROM pg_sleeq({d}))", true),
    sql("{v}+(SELECT SLEEP({d}))", "{v}+(SELECT SLEEQ({d}))", true),
    sql("{v}; WAITFOR DELAY '0:0:{d}' -- ", "{v}; WAITFOR DELAQ '0:0:{d}' -- ", true),
    shell("{v};sleep {d};", "{v};sleeq {d};"),
    shell("{v}|sleep {d}", "{v}|sleeq {d}"),
    shell("{v}$(sleep {d})", "{v}$(sleeq {d})"),
    shell("{v}';sleep {d};'", "{v}';sleeq {d};'"),
    shell("{v}\";sleep {d};\"", "{v}\";sleeq {d};\""),
];

/// Places tried where something spoke for it, and in the thorough profile besides.
const MAX_LIKELY: usize = 6;
const MAX_OTHERS: usize = 40;
/// Whole measurements: each takes some ten seconds where it finds something.
const MAX_FOUND: usize = 4;

#[async_trait]
impl SecurityCheck for Delay {
    fn info(&self) -> &'static CheckInfo {
        &INFO
    }

    fn turn(&self) -> Turn {
        Turn::Strain
    }

    fn weight(&self) -> u64 {
        6
    }

    async fn run(&self, cx: &SecurityContext<'_>) -> Vec<Finding> {
        let points = places(cx).await;
        let (likely, others): (Vec<&Point<'_>>, Vec<&Point<'_>>) =
            points.iter().filter(|point| !is_proved(cx, point)).partition(|point| is_likely(cx, point));
        let others = others.into_iter().filter(|_| cx.profile == Profile::Thorough).take(MAX_OTHERS);
        let mut found = Vec::new();
        for point in likely.into_iter().take(MAX_LIKELY).chain(others) {
            found.extend(prove(cx, point).await);
            if found.len() >= MAX_FOUND {
                break;
            }
        }
        found
    }
}

/// A quote failed there and two did not, or programs are started with such values.
fn is_likely(cx: &SecurityContext<'_>, point: &Point<'_>) -> bool {
    let is_it = |(index, location): &(usize, String)| *index == point.operation.index && *location == point.location;
    command::is_likely(point) || cx.learned.with(|facts| facts.quotes.iter().any(is_it))
}

async fn prove(cx: &SecurityContext<'_>, point: &Point<'_>) -> Option<Finding> {
    let value = point.original().unwrap_or_default();
    let is_number = value.parse::<f64>().is_ok();
    // In safe mode nobody waits longer than a second.
    let unit = if cx.safe_mode { 0.25 } else { 0.5 };
    for form in FORMS.iter().filter(|form| is_number || !form.number) {
        let mut watch = Requests { cx, point, value: &value, form, seen: Vec::new() };
        let Some(proof) = obeys(&mut watch, unit, cx.seed).await else { continue };
        return finding(cx, point, form, &proof, watch.seen).await;
    }
    None
}

/// Times requests with one form of text at one place.
struct Requests<'r, 'a> {
    cx: &'r SecurityContext<'a>,
    point: &'r Point<'a>,
    value: &'r str,
    form: &'r Form,
    /// Seconds asked for, and the exchange.
    seen: Vec<(f64, Exchange)>,
}

impl Requests<'_, '_> {
    async fn timed(&mut self, pattern: &str, seconds: f64) -> Option<f64> {
        let wait = format!("{seconds}");
        let text = fill(pattern, &[("{v}", self.value), ("{d}", &wait)]);
        let exchange = self.point.text(self.cx, &text).await?;
        let taken = exchange.response()?.elapsed;
        self.seen.push((seconds, exchange));
        Some(in_seconds(taken))
    }
}

fn in_seconds(time: Duration) -> f64 {
    time.as_secs_f64()
}

#[async_trait]
impl Stopwatch for Requests<'_, '_> {
    async fn wait(&mut self, seconds: f64) -> Option<f64> {
        self.timed(self.form.waits, seconds).await
    }

    async fn mumble(&mut self, seconds: f64) -> Option<f64> {
        self.timed(self.form.mumbles, seconds).await
    }

    async fn plain(&mut self) -> Option<f64> {
        let exchange = plain(self.cx, self.point).await?;
        Some(in_seconds(exchange.response()?.elapsed))
    }
}

async fn finding(
    cx: &SecurityContext<'_>,
    point: &Point<'_>,
    form: &Form,
    proof: &Obedience,
    seen: Vec<(f64, Exchange)>,
) -> Option<Finding> {
    let baseline = plain(cx, point).await?;
    let times: Vec<String> = proof.points.iter().map(|(wait, taken)| format!("{wait}: {taken:.2}")).collect();
    let explanation = format!(
        "The answer comes as much later as what is sent as {} asks {} to wait, in seconds asked for and taken: {} (usual {:.2}, slope {:.2}, r {:.3}). The same text with a function that does not exist takes no longer than usual.",
        point.location,
        if form.shell { "a shell" } else { "the database" },
        times.join(", "),
        proof.usual,
        proof.slope,
        proof.correlation,
    );
    let mut exchanges = vec![(Role::Baseline, baseline)];
    let mut seen: Vec<(f64, Exchange)> = seen;
    let control = seen.pop();
    let mut waited = seen.into_iter().filter(|(seconds, _)| *seconds > 0.0).map(|(_, exchange)| exchange);
    exchanges.extend(waited.next().map(|probe| (Role::Probe, probe)));
    exchanges.extend(control.map(|(_, control)| (Role::Control, control)));
    exchanges.extend(waited.last().map(|repeat| (Role::Repeat, repeat)));
    if form.shell {
        let rated = (Confidence::Firm, VECTOR);
        return Some(command::finding(cx, point, "delay", explanation, rated, false, exchanges));
    }
    remember(cx, point);
    let proof = Proof {
        info: &INFO,
        point,
        discriminant: "delay",
        cause: "sql",
        explanation,
        confidence: Confidence::Firm,
        vector: VECTOR,
        open: false,
        exchanges,
    };
    Some(proof.finding(cx))
}
