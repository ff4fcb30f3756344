//! Whether a text decides something: the same place with a true condition, a false one and one that no language knows.

use super::likeness::{Likeness, Usual};
use super::{Point, fill, is_broken, number, numbers};
use crate::check::{Exchange, SecurityContext};
use crate::finding::Role;
use crate::transport::Request;

/// How often the pair of conditions must decide.
const ROUNDS: usize = 3;

/// Where in a statement the text stands, as a pair of conditions for it. In patterns `{v}` is the usual value, `{a}` and
/// `{b}` are two different numbers.
pub(super) struct Context {
    pub(super) yes: &'static str,
    pub(super) no: &'static str,
    /// The true one with a word that does not exist: whoever takes our text for text cannot tell it from `yes`.
    pub(super) wrong: &'static str,
    pub(super) fits: Fits,
}

/// Which values a context is for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Fits {
    All,
    /// Numbers; such a context calculates, too.
    Number,
    /// Names of columns, where one says how to sort.
    Column,
}

/// The contexts of one language.
pub(super) struct Language {
    /// Narrows what the usual value finds: harmless in any statement.
    pub(super) narrow: &'static [Context],
    /// Widens what a value that finds nothing finds: only where nothing is changed.
    pub(super) wide: &'static [Context],
}

/// A proof.
pub(super) struct Decision {
    /// The last true one.
    pub(super) text: String,
    /// The same, written.
    pub(super) request: Option<Request>,
    /// What it means, in words.
    pub(super) words: String,
    pub(super) exchanges: Vec<(Role, Exchange)>,
    /// It made a list longer.
    pub(super) widened: bool,
}

/// Whether conditions of this language decide what the place answers.
pub(super) async fn decision(
    cx: &SecurityContext<'_>,
    point: &Point<'_>,
    usual: &Usual,
    language: &Language,
) -> Option<Decision> {
    let garbage = cx.prober.nonce();
    let answer = point.text(cx, &garbage).await?;
    let value = point.original().filter(|value| !value.is_empty());
    let may_widen = point.reads && !cx.safe_mode && !language.wide.is_empty();
    match value.filter(|value| !usual.likeness.holds(&answer, &garbage, value)) {
        Some(value) => match narrowed(cx, point, usual, language, &value, &answer).await {
            // What finds nothing cannot find less.
            None if may_widen && usual.likeness.finds_nothing() => {
                widened(cx, point, language, usual.exchange.twin(), &value).await
            }
            narrowed => narrowed,
        },
        None if may_widen => widened(cx, point, language, answer, &garbage).await,
        None => None,
    }
}

fn is_for(context: &Context, point: &Point<'_>, value: &str) -> bool {
    match context.fits {
        Fits::All => true,
        Fits::Number => value.parse::<f64>().is_ok(),
        Fits::Column => {
            super::is_called(point, &["sort", "order", "orderby", "by", "sorting"])
                && value.chars().all(|c| c.is_alphanumeric() || c == '_')
        }
    }
}

/// The text is not what is wanted: it never came to a statement, where a text that finds nothing is no error.
fn is_refusal(exchange: &Exchange) -> bool {
    matches!(exchange.status(), Some(400 | 422))
}

/// Where a number was wanted, and neither a word nor the number with something behind it will do, nothing will. Unless it
/// is a database that says so.
fn refuses(cx: &SecurityContext<'_>, point: &Point<'_>, answer: &Exchange) {
    if point.value.is_number() && super::error::complaint(answer).is_none() {
        cx.learned.with(|facts| facts.refused.push((point.operation.index, point.location.clone())));
    }
}

struct Round {
    yes: Exchange,
    no: Exchange,
    text: String,
}

/// With a true condition as usual, with a false one not.
async fn narrowed(
    cx: &SecurityContext<'_>,
    point: &Point<'_>,
    usual: &Usual,
    language: &Language,
    value: &str,
    garbage: &Exchange,
) -> Option<Decision> {
    let like = &usual.likeness;
    for context in language.narrow.iter().filter(|context| is_for(context, point, value)) {
        let mut rounds: Vec<Round> = Vec::new();
        while rounds.len() < ROUNDS {
            let (text, other) = pair(cx, context, value);
            let yes = point.text(cx, &text).await?;
            if context.fits == Fits::All && is_refusal(garbage) && yes.status() == garbage.status() {
                refuses(cx, point, &yes);
                return None;
            }
            if !like.holds(&yes, &text, value) {
                break;
            }
            let no = point.text(cx, &other).await?;
            if is_broken(&no) || like.holds(&no, &other, value) {
                break;
            }
            rounds.push(Round { yes, no, text });
        }
        if rounds.len() < ROUNDS {
            continue;
        }
        let mut controls = Vec::new();
        for text in harmless(cx, context, value) {
            let answer = point.text(cx, &text).await?;
            if like.holds(&answer, &text, value) {
                break;
            }
            controls.push(answer);
        }
        if controls.len() < 3 || !calculates(cx, point, usual, context, value).await {
            continue;
        }
        let words = format!(
            "With a true condition behind the value the answer is as usual ({} times), with a false one it is not ({}), and with the same text in words that mean nothing it is not either",
            rounds.len(),
            status(&rounds[0].no),
        );
        return Some(told(cx, point, rounds, usual.exchange.twin(), controls.pop()?, words, false));
    }
    None
}

/// A value that finds nothing finds something with `OR` and a true condition, and nothing with a false one.
async fn widened(
    cx: &SecurityContext<'_>,
    point: &Point<'_>,
    language: &Language,
    first: Exchange,
    garbage: &str,
) -> Option<Decision> {
    let again = point.text(cx, garbage).await?;
    let nothing = Likeness::of(&first, &again).filter(Likeness::is_success)?;
    for context in language.wide.iter().filter(|context| context.fits == Fits::All) {
        let mut rounds: Vec<Round> = Vec::new();
        while rounds.len() < ROUNDS {
            let (text, other) = pair(cx, context, garbage);
            let yes = point.text(cx, &text).await?;
            if !nothing.is_exceeded(&yes, &text, garbage) {
                break;
            }
            let no = point.text(cx, &other).await?;
            if is_broken(&no) || !nothing.holds(&no, &other, garbage) {
                break;
            }
            rounds.push(Round { yes, no, text });
        }
        if rounds.len() < ROUNDS {
            continue;
        }
        let (a, b) = numbers(cx);
        let wrong = written(context.wrong, garbage, a, b);
        let control = point.text(cx, &wrong).await?;
        if nothing.is_exceeded(&control, &wrong, garbage) {
            continue;
        }
        let words = format!(
            "A value that finds nothing finds more with OR and a true condition behind it ({} times), nothing with a false one, and nothing with the same text in words that mean nothing",
            rounds.len(),
        );
        return Some(told(cx, point, rounds, first, control, words, true));
    }
    None
}

fn told(
    cx: &SecurityContext<'_>,
    point: &Point<'_>,
    mut rounds: Vec<Round>,
    baseline: Exchange,
    control: Exchange,
    words: String,
    widened: bool,
) -> Decision {
    let last = rounds.pop();
    let mut exchanges = vec![(Role::Baseline, baseline)];
    let mut text = String::new();
    let mut rounds = rounds.into_iter();
    if let (Some(first), Some(last)) = (rounds.next(), last) {
        exchanges.push((Role::Probe, first.yes));
        exchanges.push((Role::Control, first.no));
        exchanges.push((Role::Control, control));
        exchanges.push((Role::Repeat, last.yes));
        exchanges.push((Role::Control, last.no));
        text = last.text;
    }
    let request = point.with(cx, serde_json::Value::from(text.as_str()));
    Decision { text, request, words, exchanges, widened }
}

fn written(pattern: &str, value: &str, a: u32, b: u32) -> String {
    fill(pattern, &[("{v}", value), ("{a}", &a.to_string()), ("{b}", &b.to_string())])
}

/// A true and a false one.
fn pair(cx: &SecurityContext<'_>, context: &Context, value: &str) -> (String, String) {
    let (a, b) = numbers(cx);
    (written(context.yes, value, a, b), written(context.no, value, a, b))
}

/// What a server that takes our text for text, or reads only its beginning, would answer as usual.
fn harmless(cx: &SecurityContext<'_>, context: &Context, value: &str) -> [String; 3] {
    let (nonce, (a, b)) = (cx.prober.nonce(), numbers(cx));
    [format!("{value} {nonce}"), format!("{value}{nonce}"), written(context.wrong, value, a, b)]
}

/// Where a number stands, adding and taking away the same must change nothing, and adding alone must.
async fn calculates(
    cx: &SecurityContext<'_>,
    point: &Point<'_>,
    usual: &Usual,
    context: &Context,
    value: &str,
) -> bool {
    if context.fits != Fits::Number {
        return true;
    }
    let n = number(cx);
    let (same, other) = (format!("{value}+{n}-{n}"), format!("{value}+{n}"));
    let (Some(first), Some(second)) = (point.text(cx, &same).await, point.text(cx, &other).await) else {
        return false;
    };
    usual.likeness.holds(&first, &same, value) && !usual.likeness.holds(&second, &other, value)
}

fn status(exchange: &Exchange) -> String {
    exchange.status().map_or_else(|| "no answer".to_owned(), |status| status.to_string())
}
