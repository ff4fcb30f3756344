//! S-CMD: a shell calculates what we sent.

use async_trait::async_trait;

use super::echo::{Echo, echo, holds, readable};
use super::likeness::plain;
use super::{MACHINE, MAX_FINDINGS, Point, Proof, fill, four, is_open, numbers, places, remember};
use crate::check::stateful::Resource;
use crate::check::{CheckInfo, Exchange, SecurityCheck, SecurityContext};
use crate::finding::{Confidence, Finding, Role};

/// S-CMD.
pub(super) struct Command;

pub(super) static INFO: CheckInfo = CheckInfo {
    id: "S-CMD",
    title: "Command injection",
    description: "Text of the request becomes part of a command line: a shell runs a command of ours.",
    remediation: "Start programs with a list of arguments and without a shell, and put '--' before values. Better still, use a library instead of a program.",
    cwe: &["CWE-78"],
    owasp: Some("API8:2023"),
};

/// `{x}` is `echo`, a mark, a product and the mark again. One for each way in which a value is quoted, the last for Windows.
const FORMS: [&str; 4] = ["{v}$({x})|{x};{x}\n{x}", "{v}';{x};'", "{v}\";{x};\"", "{v}&set /a {a}*{b}&"];
const ECHO: &str = "echo {m}$(({a}*{b})){m}";
/// Names of values that programs are started with: only there the rarer forms are worth their requests.
const NAMES: [&str; 16] = [
    "host", "hostname", "ip", "address", "addr", "domain", "cmd", "command", "exec", "run", "ping", "file", "filename",
    "path", "dir", "tool",
];

#[async_trait]
impl SecurityCheck for Command {
    fn info(&self) -> &'static CheckInfo {
        &INFO
    }

    fn weight(&self) -> u64 {
        5
    }

    async fn run(&self, cx: &SecurityContext<'_>) -> Vec<Finding> {
        let resources = readable(cx);
        let mut found = Vec::new();
        for point in places(cx).await.iter().filter(|point| point.takes_text()) {
            let count = if is_likely(point) { FORMS.len() } else { FORMS.len() - 1 };
            for form in &FORMS[..count] {
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

/// The name of the place says that a program may be started with it.
pub(super) fn is_likely(point: &Point<'_>) -> bool {
    super::is_called(point, &NAMES)
}

/// A text with a command, and what its output is.
fn written(cx: &SecurityContext<'_>, form: &str, value: &str) -> (String, String) {
    let mark = cx.prober.nonce();
    let (a, b) = numbers(cx);
    let product = u64::from(a) * u64::from(b);
    let parts = [("{v}", value), ("{m}", mark.as_str()), ("{a}", &a.to_string()), ("{b}", &b.to_string())];
    let command = fill(ECHO, &parts);
    let text = fill(&form.replace("{x}", "\u{1}"), &parts).replace('\u{1}', &command);
    let output = if form.contains("{x}") { format!("{mark}{product}{mark}") } else { product.to_string() };
    (text, output)
}

async fn ask(
    cx: &SecurityContext<'_>,
    point: &Point<'_>,
    resources: &[Resource],
    form: &str,
    value: &str,
) -> Option<(Echo, String, String)> {
    let (text, output) = written(cx, form, value);
    Some((echo(cx, point, resources, &text).await?, text, output))
}

async fn prove(cx: &SecurityContext<'_>, point: &Point<'_>, resources: &[Resource], form: &str) -> Option<Finding> {
    let value = point.original().unwrap_or_default();
    let (answered, text, output) = ask(cx, point, resources, form, &value).await?;
    let probe = answered.showing(|exchange| holds(exchange, &output))?;
    // The same words without what is special to a shell.
    let (control, _, product) = ask(cx, point, resources, "{v} echo {a}*{b}", &value).await?;
    if control.shows(|exchange| holds(exchange, &product)) {
        return None;
    }
    let baseline = plain(cx, point).await?;
    let (answered, again, output) = ask(cx, point, resources, form, &value).await?;
    let repeat = answered.showing(|exchange| holds(exchange, &output))?;
    let request = point.with(cx, serde_json::Value::from(again.as_str()));
    let open = is_open(cx, point, request, |exchange: &Exchange| holds(exchange, &output)).await;
    remember(cx, point);
    let shown: String = text.escape_debug().take(60).collect();
    let explanation = format!(
        "What is sent as {} becomes part of a command line: of '{shown}…' a shell made '{output}', which no request holds.",
        point.location,
    );
    let exchanges = four(baseline, probe, control.answer, repeat);
    Some(finding(cx, point, "calculated", explanation, (Confidence::Confirmed, MACHINE), open, exchanges))
}

pub(super) fn finding(
    cx: &SecurityContext<'_>,
    point: &Point<'_>,
    discriminant: &'static str,
    explanation: String,
    (confidence, vector): (Confidence, &'static str),
    open: bool,
    exchanges: Vec<(Role, Exchange)>,
) -> Finding {
    let proof =
        Proof { info: &INFO, point, discriminant, cause: "command", explanation, confidence, vector, open, exchanges };
    proof.finding(cx)
}
