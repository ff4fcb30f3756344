//! S-REDOS: a short text keeps the target busy, because a pattern is matched in exponentially many ways.
//!
//! Texts grow character by character and stop at the first slow answer, so that no answer takes much longer than a
//! second. Equally long texts that fail at once show that it is not the length.

use std::time::Duration;

use async_trait::async_trait;
use serde_json::Value;

use super::ambiguity::weakness;
use super::growth::{Growth, Measured, growth, standing_out};
use crate::chain::tokens;
use crate::check::security::constraint::keyword;
use crate::check::security::point::{Point, points};
use crate::check::security::{is_success, privileges, rightful};
use crate::check::{CheckInfo, Exchange, SecurityCheck, SecurityContext, Suspicion, Turn};
use crate::finding::{Confidence, Finding, Role, Severity};
use crate::transport::TransportError;

/// S-REDOS.
pub(super) struct ExpensivePattern;

static INFO: CheckInfo = CheckInfo {
    id: "S-REDOS",
    title: "A pattern takes exponentially long on short texts",
    description: "A regular expression that can match the same text in many ways is tried in all of them before it fails. A few dozen characters keep a processor busy for seconds, a few more for years.",
    remediation: "Write the pattern so that each text has one way through it (no repetition inside a repetition of the same characters), use a matcher without backtracking, and limit the length of the text before it is matched.",
    cwe: &["CWE-1333"],
    owasp: Some("API4:2023"),
};

/// Fields whose texts grow.
const MAX_FIELDS: usize = 6;
/// Fields that get one text to see whether anything judges them.
const MAX_SCREENED: usize = 24;
/// No answer is waited for longer.
const LIMIT: Duration = Duration::from_millis(2_000);
/// Time that answers may take in all, in milliseconds.
const MAX_TOTAL: f64 = 25_000.0;
/// Operations that take longer anyway are left alone.
const MAX_BASE: f64 = 250.0;
/// Slow is beyond this many times the control, but at least and at most so much.
const SLOW_FACTOR: f64 = 8.0;
const SLOW: (f64, f64) = (300.0, 1_000.0);
/// Longest repeated part for curves that double.
const MAX_SHORT: usize = 36;
/// And for those that grow with a power of the length.
const LONG: (usize, usize) = (64, 2_048);
/// The text that shows whether a field is judged at all.
const SCREEN: usize = 6;

/// A text that grows in the middle.
#[derive(Clone, Debug)]
struct Attack {
    prefix: String,
    pump: String,
    suffix: String,
}

impl Attack {
    fn new(prefix: &str, pump: &str, suffix: &str) -> Self {
        Self { prefix: prefix.to_owned(), pump: pump.to_owned(), suffix: suffix.to_owned() }
    }

    fn text(&self, count: usize) -> String {
        format!("{}{}{}", self.prefix, self.pump.repeat(count), self.suffix)
    }

    /// As long, and wrong from the first character on.
    fn control(&self, count: usize) -> String {
        self.suffix.repeat(self.length(count) / self.suffix.chars().count().max(1))
    }

    fn length(&self, count: usize) -> usize {
        self.text(count).chars().count()
    }

    /// Repetitions that fit into a text of this length.
    fn most(&self, length: Option<usize>) -> usize {
        let Some(length) = length else { return usize::MAX };
        length.saturating_sub(self.length(0)) / self.pump.chars().count().max(1)
    }
}

/// A place with what to try there.
struct Field<'a> {
    point: Point<'a>,
    attacks: Vec<Attack>,
    /// Longest text that the document allows.
    longest: Option<usize>,
    /// The attack follows from the pattern in the document.
    documented: bool,
}

#[async_trait]
impl SecurityCheck for ExpensivePattern {
    fn info(&self) -> &'static CheckInfo {
        &INFO
    }

    fn turn(&self) -> Turn {
        Turn::Strain
    }

    async fn run(&self, cx: &SecurityContext<'_>) -> Vec<Finding> {
        let mut found = Vec::new();
        let mut spent = 0.0;
        let mut climbed = 0;
        for field in fields(cx).iter().take(MAX_SCREENED) {
            if climbed == MAX_FIELDS || spent > MAX_TOTAL {
                break;
            }
            let mut judged = false;
            for attack in &field.attacks {
                let mut climb = Climb { cx, field, attack, spent: 0.0 };
                if !judged && !climb.is_judged().await {
                    break;
                }
                judged = true;
                let finding = climb.run().await;
                spent += climb.spent;
                if finding.is_some() || spent > MAX_TOTAL {
                    found.extend(finding);
                    break;
                }
            }
            climbed += usize::from(judged);
        }
        found
    }
}

/// Fields in the order in which they promise something: a pattern with a weakness, then e-mail addresses, then others.
fn fields<'a>(cx: &SecurityContext<'a>) -> Vec<Field<'a>> {
    let mut ranked: Vec<(u8, Field<'a>)> = Vec::new();
    let mut patterns: Vec<&str> = Vec::new();
    for point in points(cx) {
        let pattern = keyword(&point, "pattern").and_then(Value::as_str);
        let closed = keyword(&point, "enum").is_some() || keyword(&point, "const").is_some();
        if !point.takes_text() || closed || point.is_in_path() || pattern.is_some_and(|text| patterns.contains(&text)) {
            continue;
        }
        patterns.extend(pattern);
        let longest = keyword(&point, "maxLength").and_then(Value::as_u64).and_then(|most| usize::try_from(most).ok());
        let own = pattern.and_then(weakness).map(|weak| Attack::new(&weak.prefix, &weak.pump, &weak.suffix));
        let documented = own.is_some();
        let (rank, attacks) = match own {
            Some(attack) => (0, vec![attack]),
            None => generic(&point, pattern.is_some()),
        };
        if !attacks.is_empty() {
            ranked.push((rank, Field { point, attacks, longest, documented }));
        }
    }
    ranked.sort_by_key(|(rank, _)| *rank);
    ranked.into_iter().map(|(_, field)| field).collect()
}

/// What programs that judge such a field with a pattern of their own stumble over.
fn generic(point: &Point<'_>, has_pattern: bool) -> (u8, Vec<Attack>) {
    let format = keyword(point, "format").and_then(Value::as_str).unwrap_or_default();
    let words = tokens(&point.name);
    let named = |known: &[&str]| words.iter().any(|word| known.contains(&word.as_str()));
    let shown = point.original().unwrap_or_default();
    let run = Attack::new("", "a", "!");
    if format == "email" || named(&["email", "mail"]) || shown.contains('@') {
        return (1, vec![run, Attack::new("a@", "a", "!"), Attack::new("a@a", ".a", "!")]);
    }
    if matches!(format, "uri" | "url" | "hostname") || named(&["url", "uri", "link", "website", "domain", "hostname"]) {
        return (2, vec![Attack::new("http://", "a", " !"), Attack::new("http://a", ".a", " !")]);
    }
    // A documented pattern without a weakness says how the field is judged; other formats are judged by programs.
    let plain = !has_pattern && format.is_empty() && (point.value.is_string() || point.value.is_null());
    (3, if plain && point.operation.is_unsafe() { vec![run] } else { Vec::new() })
}

/// One attack on one field.
struct Climb<'a, 'c> {
    cx: &'a SecurityContext<'c>,
    field: &'a Field<'c>,
    attack: &'a Attack,
    /// Milliseconds.
    spent: f64,
}

/// A text that was sent, and how long the answer took.
struct Timed {
    exchange: Exchange,
    ms: f64,
    late: bool,
}

impl Climb<'_, '_> {
    async fn send(&mut self, text: &str) -> Option<Timed> {
        let request = self.field.point.with(self.cx, Value::from(text))?;
        let operation = Some(self.field.point.operation.index);
        let exchange = self.cx.prober.send_within(LIMIT, operation, request, rightful(self.cx)).await?;
        let (ms, late) = match &exchange.result {
            Ok(response) => (response.elapsed.as_secs_f64() * 1_000.0, false),
            Err(TransportError::Timeout(_)) => (LIMIT.as_secs_f64() * 1_000.0, true),
            Err(_) => return None,
        };
        self.spent += ms;
        Some(Timed { exchange, ms, late })
    }

    /// Something refuses the text: only what is judged can take long to judge. Reads may answer everything.
    async fn is_judged(&mut self) -> bool {
        let Some(first) = self.send(&self.attack.text(SCREEN)).await else { return false };
        let refused = matches!(first.exchange.status(), Some(400 | 422));
        let reads = !self.field.point.operation.is_unsafe() && is_success(&first.exchange);
        refused || (reads && (self.field.documented || self.attack.suffix == "!" && self.field.attacks.len() > 1))
    }

    /// The middle of three controls.
    async fn base(&mut self, count: usize) -> Option<(f64, Exchange)> {
        let mut all = Vec::new();
        for _ in 0..3 {
            all.push(self.send(&self.attack.control(count)).await?);
        }
        all.sort_by(|one, other| one.ms.total_cmp(&other.ms));
        let middle = all.swap_remove(1);
        Some((middle.ms, middle.exchange))
    }

    async fn run(&mut self) -> Option<Finding> {
        let (base, _) = self.base(SCREEN).await?;
        if base > MAX_BASE {
            return None;
        }
        let most = self.attack.most(self.field.longest);
        for (from, to) in [(6, MAX_SHORT.min(most)), (LONG.0, LONG.1.min(most))] {
            // A second time when something disturbed the first.
            for _ in 0..2 {
                let Some(measured) = self.ladder(base, from, to).await? else { break };
                if let Some(finding) = self.prove(base, &measured).await {
                    return Some(finding);
                }
            }
        }
        None
    }

    /// Measures longer and longer texts. What was measured when an answer was slow; `Some(None)` when none was.
    async fn ladder(&mut self, base: f64, from: usize, to: usize) -> Option<Option<Vec<Measured>>> {
        let slow = (base * SLOW_FACTOR).clamp(SLOW.0, SLOW.1);
        let rising = base * 1.5 + 8.0;
        let mut measured: Vec<Measured> = Vec::new();
        let mut count = from;
        while count <= to {
            let mut timed = self.send(&self.attack.text(count)).await?;
            if timed.late {
                self.cx.prober.pause(LIMIT).await;
                return Some(Some(measured));
            }
            let mut ms = timed.ms;
            if ms > rising {
                // Something else may have been in the way.
                timed = self.send(&self.attack.text(count)).await?;
                ms = ms.min(timed.ms);
            }
            measured.push((count, ms));
            if ms > slow {
                self.fill_in(&mut measured, base).await?;
                return Some(Some(measured));
            }
            if self.spent > MAX_TOTAL {
                return None;
            }
            count = next(count, ms > rising, from);
        }
        Some(None)
    }

    /// When it rose too fast for enough points, the lengths in between are measured, too.
    async fn fill_in(&mut self, measured: &mut Vec<Measured>, base: f64) -> Option<()> {
        for _ in 0..3 {
            let points = standing_out(measured, base);
            let known: Vec<usize> = measured.iter().map(|(count, _)| *count).collect();
            let top = points.last()?.0;
            let gap = (top.saturating_sub(6)..top).rev().find(|count| *count > 0 && !known.contains(count));
            let Some(gap) = gap.filter(|_| points.len() < 5 && top <= MAX_SHORT) else { break };
            let timed = self.send(&self.attack.text(gap)).await?;
            measured.push((gap, timed.ms));
        }
        Some(())
    }

    /// The curve holds, equal lengths stay quick, and the last two texts take as long again.
    async fn prove(&mut self, base: f64, measured: &[Measured]) -> Option<Finding> {
        let curve = growth(measured, base)?;
        let points = standing_out(measured, base);
        let [.., before, last] = points.as_slice() else { return None };
        let (flat, control) = self.base(last.0).await?;
        if last.1 < flat * 4.0 || last.1 < SLOW.0 / 2.0 {
            return None;
        }
        let probe = self.send(&self.attack.text(last.0)).await?;
        let less = self.send(&self.attack.text(before.0)).await?;
        let repeat = self.send(&self.attack.text(last.0)).await?;
        let again = probe.ms.min(repeat.ms);
        let (flat_again, _) = self.base(last.0).await?;
        let quick = flat.max(flat_again) * 4.0;
        if again < last.1 / 2.0 || again < quick || less.ms >= again || probe.late || repeat.late {
            return None;
        }
        Some(self.finding(curve, &points, flat, (&probe.exchange, &control, &repeat.exchange)))
    }

    fn finding(
        &self,
        curve: Growth,
        points: &[Measured],
        flat: f64,
        (probe, control, repeat): (&Exchange, &Exchange, &Exchange),
    ) -> Finding {
        let Field { point, documented, .. } = self.field;
        let shape = match curve {
            Growth::Exponential(factor) => format!("each repetition more takes {factor:.1} times as long"),
            Growth::Power(power) => format!("the time grows with the power {power:.1} of the length"),
        };
        let table: Vec<String> = points.iter().map(|(count, ms)| format!("{count}: {ms:.0} ms")).collect();
        let Attack { prefix, pump, suffix } = self.attack;
        let source = if *documented { "The text follows from the documented pattern. " } else { "" };
        let explanation = format!(
            "{prefix:?} + {pump:?} repeated + {suffix:?} in {}: {shape} ({}). {source}A text of the same length that fails \
             at its first character takes {flat:.0} ms.",
            point.location,
            table.join(", ")
        );
        let suspicion = Suspicion::new(Severity::Medium, &point.location, "backtracking", explanation)
            .confidence(Confidence::Firm)
            .pointer(point.operation.pointer.clone());
        let exchanges = [(Role::Probe, probe), (Role::Control, control), (Role::Repeat, repeat)];
        let finding = self.cx.report.build(&INFO, &suspicion, Some(point.operation), &exchanges);
        let privileges = privileges(self.cx, point.operation);
        // Shown by time alone.
        finding.rated(&format!("CVSS:3.1/AV:N/AC:H/PR:{privileges}/UI:N/S:U/C:N/I:N/A:H"))
    }
}

/// Carefully as soon as times rise.
fn next(count: usize, rising: bool, from: usize) -> usize {
    match (from == LONG.0, rising) {
        (true, true) => count + count / 4,
        (true, false) => count * 2,
        (false, true) => count + 1,
        (false, false) if count < 14 => count + 4,
        (false, false) => count + 2,
    }
}
