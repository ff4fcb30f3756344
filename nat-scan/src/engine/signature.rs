//! What kind of answer it is: two answers with the same signature show the same behaviour.

use std::hash::{DefaultHasher, Hash, Hasher};

use serde_json::Value;

use crate::check::Exchange;
use crate::check::shape::skeleton;
use crate::generate::BodyValue;

/// Paths of a body that count.
const MAX_PATHS: usize = 200;
/// Messages of a body that count.
const MAX_MESSAGES: usize = 8;
/// Words of one message that count.
const MAX_WORDS: usize = 24;
/// Levels of a body in which messages are looked for.
const MAX_DEPTH: usize = 4;
/// Members that say what happened.
const MESSAGES: [&str; 12] = [
    "message",
    "error",
    "detail",
    "title",
    "code",
    "type",
    "msg",
    "reason",
    "error_description",
    "errors",
    "description",
    "exception",
];

/// The signature of an answer: operation, status, media type, and of a refusal the shape of its body and its messages
/// without what was sent. None when no answer came that says anything about the target.
pub(super) fn signature(operation: usize, exchange: &Exchange) -> Option<u64> {
    use crate::transport::TransportError::{Cancelled, Denied};
    let mut hasher = DefaultHasher::new();
    operation.hash(&mut hasher);
    match &exchange.result {
        Err(Cancelled | Denied(_)) => return None,
        Err(error) => error.kind().hash(&mut hasher),
        Ok(response) => {
            response.status.hash(&mut hasher);
            let media = response.header("content-type").unwrap_or_default();
            media.split(';').next().unwrap_or_default().trim().to_ascii_lowercase().hash(&mut hasher);
            let sent = sent(exchange);
            match exchange.json() {
                // What a success shows depends on what else is asked at the same time, and the plan must not.
                Some(_) if response.status < 400 => {}
                Some(json) => {
                    for path in skeleton(json).iter().take(MAX_PATHS) {
                        without_digits(path).hash(&mut hasher);
                    }
                    let mut found = Vec::new();
                    messages(json, 0, &mut found);
                    found.iter().for_each(|message| template(message, &sent).hash(&mut hasher));
                }
                None => {
                    response.body.is_empty().hash(&mut hasher);
                    let start = &response.body[..response.body.len().min(400)];
                    if response.status >= 400 {
                        template(&String::from_utf8_lossy(start), &sent).hash(&mut hasher);
                    }
                }
            }
        }
    }
    Some(hasher.finish())
}

fn without_digits(path: &str) -> String {
    path.chars().map(|c| if c.is_ascii_digit() { '#' } else { c }).collect()
}

fn messages<'v>(value: &'v Value, depth: usize, found: &mut Vec<&'v str>) {
    if depth > MAX_DEPTH || found.len() >= MAX_MESSAGES {
        return;
    }
    match value {
        Value::Object(members) => {
            for (name, member) in members {
                match member {
                    Value::String(text) if MESSAGES.contains(&name.to_ascii_lowercase().as_str()) => found.push(text),
                    Value::Object(_) | Value::Array(_) => messages(member, depth + 1, found),
                    _ => {}
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|item| match item {
            Value::String(text) => found.push(text),
            item => messages(item, depth + 1, found),
        }),
        _ => {}
    }
}

/// The words of a message; `_` for what was quoted, holds a digit, or was sent.
fn template(message: &str, sent: &[String]) -> String {
    let mut words: Vec<&str> = Vec::new();
    let mut quoted = false;
    for word in message.split_whitespace().take(MAX_WORDS) {
        let quote = |c: char| matches!(c, '"' | '\'' | '`' | '\u{2018}' | '\u{2019}');
        let (opens, closes) =
            (word.starts_with(quote), word.trim_end_matches([',', '.', ':', ';', ')']).ends_with(quote));
        let bare = word.trim_matches(|c: char| !c.is_alphanumeric());
        let masked =
            quoted || opens || bare.chars().any(|c| c.is_ascii_digit()) || sent.iter().any(|sent| sent == bare);
        quoted = (quoted || opens) && !closes;
        match (masked, words.last()) {
            (true, Some(&"_")) => {}
            (true, _) => words.push("_"),
            (false, _) => words.push(word),
        }
    }
    words.join(" ")
}

/// The words of the values that were sent.
fn sent(exchange: &Exchange) -> Vec<String> {
    let mut found = Vec::new();
    let Some(case) = exchange.case.as_ref().map(crate::generate::Case::bound) else { return found };
    case.arguments.iter().for_each(|argument| texts(&argument.value, &mut found));
    if let Some(BodyValue::Typed { value, .. }) = &case.body {
        texts(value, &mut found);
    }
    found
}

fn texts(value: &Value, found: &mut Vec<String>) {
    if found.len() > 200 {
        return;
    }
    match value {
        Value::String(text) => {
            let bare = |word: &str| word.trim_matches(|c: char| !c.is_alphanumeric()).to_owned();
            found.extend(text.split_whitespace().take(MAX_WORDS).map(bare).filter(|word| !word.is_empty()));
        }
        Value::Array(items) => items.iter().for_each(|item| texts(item, found)),
        Value::Object(members) => members.values().for_each(|member| texts(member, found)),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;

    use super::*;
    use crate::classify::WireTruth;
    use crate::engine::fake::json;
    use crate::transport::Request;

    fn of(status: u16, body: &str) -> Option<u64> {
        let request = Request::new("GET", "/");
        signature(0, &Exchange::new(None, request, json(status, body), WireTruth::Positive, DateTime::UNIX_EPOCH))
    }

    #[test]
    fn signature_tells_kinds_of_answers_apart_and_ignores_values() {
        let base = of(200, r#"{"id":1,"tags":["a"]}"#);
        assert_eq!(base, of(200, r#"{"tags":["b","c"],"id":77}"#));
        assert_eq!(base, of(200, r#"{"id":"1"}"#), "what a success shows depends on the moment");
        assert_ne!(base, of(201, r#"{"id":1,"tags":["a"]}"#));
        let refusal = of(422, r#"{"error":"no row 12 in 'pets'"}"#);
        assert_eq!(refusal, of(422, r#"{"error":"no row 99 in 'the owners'"}"#));
        assert_ne!(refusal, of(422, r#"{"error":"no column 12 in 'pets'"}"#));
    }

    #[test]
    fn template_leaves_out_what_was_sent() {
        let sent = vec!["natty".to_owned()];
        let check = |message: &str, expected: &str| assert_eq!(template(message, &sent), expected);
        check("no such code: natty", "no such code: _");
        check("value \"a b c\" is too long, at most 12", "value _ is too long, at most _");
        check("body /name breaks maxLength", "body /name breaks maxLength");
    }
}
