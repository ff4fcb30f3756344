//! Members that a client may try to set, and what became of them.

use std::collections::BTreeMap;

use serde_json::Value;

use super::ground::{ask, item, members, own, parents, planted, readers, result};
use super::names::{is_owner, is_privilege, is_worth, names_id};
use super::people::People;
use crate::check::security::documented::{Step, nodes_at};
use crate::check::security::is_success;
use crate::check::shape::is_soft_error;
use crate::check::stateful::{Stage, Thing, by_server, place};
use crate::check::{As, Exchange, SecurityContext};
use crate::generate::{BodyValue, Case};
use crate::schema::Schema;
use crate::spec::Operation;

/// Members tried at once.
const MAX_CANDIDATES: usize = 24;
/// What a number is raised by: two values that nobody else comes to.
const RAISE: [i64; 2] = [4_711, 4_713];

/// How a member is sent.
pub(super) enum Way<'p, 'a> {
    /// Into what is made.
    Create,
    /// Into what exists.
    Change,
    /// Into the user who asks.
    Profile { people: &'p People<'p, 'a>, read: &'a Operation },
}

/// Something that was made or changed, as reads show it afterwards.
pub(super) struct Made {
    /// The request that carried the members.
    pub(super) write: Exchange,
    /// Name, value, and which answer shows it.
    members: BTreeMap<String, (Value, usize)>,
    pub(super) answers: Vec<Exchange>,
    /// Operations that showed it.
    pub(super) readers: Vec<usize>,
    /// Names that were sent anyway.
    sent: Vec<String>,
    /// Must not stand in a report.
    pub(super) secrets: Vec<String>,
}

impl Made {
    pub(super) fn shows(&self, name: &str) -> Option<&Value> {
        self.members.get(name).map(|(value, _)| value)
    }

    pub(super) fn answer(&self, name: &str) -> Option<&Exchange> {
        self.members.get(name).and_then(|(_, at)| self.answers.get(*at))
    }

    fn take(&mut self, shown: &Value, answer: Exchange) {
        for (name, value) in members(shown) {
            if !value.is_object() && !value.is_array() {
                self.members.entry(name).or_insert((value, self.answers.len()));
            }
        }
        self.answers.push(answer);
    }
}

/// A member, and what it is tried with.
pub(super) struct Candidate {
    pub(super) name: String,
    pub(super) values: [Value; 2],
    /// Reads show it without our doing.
    pub(super) observed: bool,
    /// The document calls it so.
    pub(super) read_only: bool,
}

impl Candidate {
    /// Who can sign up needs no privileges for what the registration takes.
    pub(super) fn vector(&self, write: &Operation) -> String {
        let privileges = if write.is_protected() { "L" } else { "N" };
        match is_privilege(&self.name) || is_owner(&self.name) || is_worth(&self.name) {
            true => format!("CVSS:3.1/AV:N/AC:L/PR:{privileges}/UI:N/S:U/C:N/I:H/A:N"),
            false => format!("CVSS:3.1/AV:N/AC:H/PR:{privileges}/UI:N/S:U/C:N/I:L/A:N"),
        }
    }
}

/// The usual thing without further members, looked for in every read.
pub(super) async fn plain(
    cx: &SecurityContext<'_>,
    stage: &Stage<'_>,
    way: &Way<'_, '_>,
    write: &Operation,
) -> Option<Made> {
    let all = readers(cx, stage.resource);
    made_with(cx, stage, way, write, &[], &all).await
}

/// A new thing with these members sent, as these reads show it.
pub(super) async fn made_with(
    cx: &SecurityContext<'_>,
    stage: &Stage<'_>,
    way: &Way<'_, '_>,
    write: &Operation,
    extra: &[(String, Value)],
    readers: &[usize],
) -> Option<Made> {
    match way {
        Way::Create => {
            let below = parents(stage).await?;
            let (case, words) = planted(cx, write, stage.case(write.index)?);
            let (case, sent) = with(case, extra)?;
            let thing = stage.create_as(case, &below, &[]).await?;
            if thing.made.json().is_some_and(is_soft_error) {
                return None;
            }
            let write = thing.made.twin().sent_as(thing.made.identity);
            Some(looked_at(cx, stage, &thing, &words, write, sent, readers).await)
        }
        Way::Change => {
            let mine = own(cx, stage).await?;
            let (mut case, sent) = with(stage.case(write.index)?, extra)?;
            place(write, &mut case, &mine.thing.path);
            let exchange = stage.send(write, &case, &[]).await.filter(is_success)?;
            if exchange.json().is_some_and(is_soft_error) {
                return None;
            }
            Some(looked_at(cx, stage, &mine.thing, &mine.marks, exchange, sent, readers).await)
        }
        Way::Profile { people, read } => {
            let person = people.join(&[]).await?;
            let (case, sent) = with(stage.case(write.index)?, extra)?;
            let exchange = people.act(&person, write, &case).await.filter(is_success)?;
            let shown = people.act(&person, read, &stage.case(read.index)?).await?;
            let body = result(cx, &shown)?.clone();
            let mut secrets = person.tokens();
            secrets.push(person.password.clone());
            let mut made = blank(exchange, sent);
            made.secrets = secrets;
            made.readers.push(read.index);
            made.take(&body, shown);
            Some(made)
        }
    }
}

fn blank(write: Exchange, sent: Vec<String>) -> Made {
    Made { write, members: BTreeMap::new(), answers: Vec::new(), readers: Vec::new(), sent, secrets: Vec::new() }
}

/// The case with further members, and the names that it had before; none without an object to put them into.
fn with(mut case: Case, extra: &[(String, Value)]) -> Option<(Case, Vec<String>)> {
    let Some(BodyValue::Typed { value: Value::Object(body), .. }) = &mut case.body else { return None };
    let sent = body.keys().cloned().collect();
    body.extend(extra.iter().cloned());
    Some((case, sent))
}

/// What reads show of the thing; as the other user when it is the first one's no more.
async fn looked_at(
    cx: &SecurityContext<'_>,
    stage: &Stage<'_>,
    thing: &Thing,
    words: &[String],
    write: Exchange,
    sent: Vec<String>,
    readers: &[usize],
) -> Made {
    let mut made = blank(write, sent);
    for who in [stage.who, As::Second] {
        let looking = stage.acting(who);
        if !made.answers.is_empty() || !(who == stage.who || cx.prober.has(who)) {
            continue;
        }
        for reader in readers {
            let Some(answer) = ask(&looking, *reader, thing).await else { break };
            let json = result(cx, &answer);
            let shown = match Some(*reader) == stage.resource.read {
                true => json.cloned(),
                false => json.and_then(|json| item(json, thing, words, stage.resource, 0)).cloned(),
            };
            if let Some(shown) = shown {
                made.readers.push(*reader);
                made.take(&shown, answer);
            }
        }
    }
    made
}

/// Members that are worth a try: what reads show and requests do not have, and what is often there unseen.
pub(super) fn candidates(
    cx: &SecurityContext<'_>,
    stage: &Stage<'_>,
    write: &Operation,
    usual: &Made,
    other: Option<&Value>,
) -> Vec<Candidate> {
    let request = write.body.as_ref().and_then(|body| body.content.iter().find_map(|media| media.schema.as_ref()));
    let shown: Vec<&Schema> = usual.readers.iter().filter_map(|reader| answer_schema(cx, *reader)).collect();
    let (key, noun) = (stage.resource.key.as_str(), stage.resource.noun.as_str());
    let mut found = Vec::new();
    for (name, (default, _)) in &usual.members {
        let read_only = is_read_only(request, name) || shown.iter().any(|schema| is_read_only(Some(schema), name));
        let sensitive = is_privilege(name) || is_owner(name) || is_worth(name);
        let is_id = names_id(name, key, noun) || by_server(name);
        if usual.sent.contains(name) || is_id || !(sensitive || read_only) || may_be_sent(request, name) {
            continue;
        }
        let options = options(&shown, name);
        let theirs = other.and_then(|other| members(other).get(name).cloned());
        if let Some(values) = values(cx, name, default, &options, theirs) {
            found.push(Candidate { name: name.clone(), values, observed: true, read_only });
        }
    }
    let often = [("is_admin", Value::from(true)), ("isAdmin", Value::from(true)), ("admin", Value::from(true))];
    let more = [("role", Value::from("admin")), ("verified", Value::from(true)), ("balance", Value::from(RAISE[0]))];
    for (name, value) in often.into_iter().chain(more) {
        let known = usual.members.contains_key(name) || usual.sent.iter().any(|sent| sent == name);
        if !known && !may_be_sent(request, name) {
            let values = [value.clone(), value];
            found.push(Candidate { name: name.to_owned(), values, observed: false, read_only: false });
        }
    }
    found.truncate(cx.at_most(MAX_CANDIDATES));
    found
}

fn answer_schema<'a>(cx: &SecurityContext<'a>, reader: usize) -> Option<&'a Schema> {
    let operation = cx.api.operations.get(reader)?;
    operation.response(200)?.content.iter().find_map(|media| media.schema.as_ref())
}

/// The request schema has the member, and does not call it read-only.
fn may_be_sent(request: Option<&Schema>, name: &str) -> bool {
    let Some(schema) = request else { return false };
    !nodes_at(schema, &[Step::Key(name.to_owned())]).is_empty() && !is_read_only(request, name)
}

fn is_read_only(schema: Option<&Schema>, name: &str) -> bool {
    let Some(schema) = schema else { return false };
    nodes_at(schema, &[Step::Key(name.to_owned())]).iter().any(|node| node.get("readOnly") == Some(&Value::Bool(true)))
}

/// Values that answers may have there, by the document.
fn options(shown: &[&Schema], name: &str) -> Vec<Value> {
    let here = [Step::Key(name.to_owned())];
    let nodes = shown.iter().flat_map(|schema| nodes_at(schema, &here));
    nodes.filter_map(|node| node.get("enum")?.as_array()).flatten().cloned().collect()
}

/// Two values that the member does not have by itself; one twice where there are no two.
fn values(
    cx: &SecurityContext<'_>,
    name: &str,
    default: &Value,
    options: &[Value],
    theirs: Option<Value>,
) -> Option<[Value; 2]> {
    // Whose it is can only be somebody who exists.
    if is_owner(name) && !default.is_boolean() {
        return theirs.filter(|theirs| theirs != default && !theirs.is_null()).map(|theirs| [theirs.clone(), theirs]);
    }
    let mut others = options.iter().filter(|option| *option != default && !option.is_null()).cloned();
    if let Some(first) = others.next() {
        let second = others.next().unwrap_or_else(|| first.clone());
        return Some([first, second]);
    }
    match default {
        Value::Bool(flag) => Some([Value::from(!flag), Value::from(!flag)]),
        Value::Number(number) => match number.as_i64() {
            Some(number) => Some(RAISE.map(|raise| Value::from(number.saturating_add(raise)))),
            None => number.as_f64().map(|number| [number + 4_711.5, number + 4_713.5].map(Value::from)),
        },
        Value::String(_) if is_privilege(name) => Some([Value::from("admin"), Value::from("admin")]),
        Value::String(_) => Some([Value::from(cx.prober.word()), Value::from(cx.prober.word())]),
        Value::Null if is_privilege(name) => Some([Value::from(true), Value::from(true)]),
        _ => None,
    }
}
