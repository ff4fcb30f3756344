//! Where these checks stand: things that one user of the scan made, and what of them nobody else should see.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::names::{is_open, names_id};
use crate::chain::{destroys, nouns_of_path};
use crate::check::security::{is_echo, is_success};
use crate::check::shape::{is_soft_error, leaves};
use crate::check::stateful::{Resource, Stage, Thing, by_server, object, resources};
use crate::check::{As, CheckInfo, Exchange, SecurityContext, Suspicion};
use crate::finding::{Finding, Role};
use crate::generate::plan::FULL;
use crate::generate::{self, BodyValue, Case, Intent, Phase};
use crate::schema::{Direction, Schema};
use crate::spec::Operation;

/// Resources that one check works on.
const MAX_RESOURCES: usize = 40;
/// Lists that may show a thing.
const MAX_LISTS: usize = 5;
/// Members of a body that get a word of ours.
const MAX_PLANTED: usize = 12;
/// Shorter values occur everywhere.
const MIN_VALUE: usize = 4;
/// Levels of an answer that are searched.
const MAX_DEPTH: usize = 8;
/// Items of one array that are searched.
const MAX_ITEMS: usize = 2_000;

/// A thing of one user.
pub(super) struct Own {
    pub(super) thing: Thing,
    /// As its owner sees it.
    pub(super) body: Value,
    pub(super) shown: Exchange,
    /// Words of ours in it that the request for it does not name.
    pub(super) marks: Vec<String>,
}

/// Who else is meant to see a thing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sharing {
    /// A list shows it to its owner and not to the other user.
    Private,
    /// The other user's list shows it.
    Listed,
    /// No list shows it.
    Unknown,
}

/// What the lists said.
pub(super) struct Lists {
    pub(super) sharing: Sharing,
    /// What the other user was shown.
    pub(super) seen: Vec<Exchange>,
}

/// Two users who can make things.
pub(super) fn has_two(cx: &SecurityContext<'_>) -> bool {
    !cx.safe_mode && cx.prober.has(As::Primary) && cx.prober.has(As::Second)
}

/// Kinds of things that can be made and read again; first those of which something is known to work.
pub(super) fn grounds(cx: &SecurityContext<'_>) -> Vec<Resource> {
    let works = |index: Option<usize>| index.and_then(|at| cx.baselines.get(at)).is_some_and(Option::is_some);
    let mut all: Vec<Resource> = resources(cx.api).into_iter().filter(|one| one.create.is_some()).collect();
    all.retain(|one| one.read.is_some() && !one.key.is_empty());
    for one in &mut all {
        one.views.retain(|view| cx.api.operations.get(*view).is_some_and(|view| !destroys(&view.path)));
    }
    all.sort_by_key(|one| ![one.read, one.create, one.put, one.patch, one.delete].into_iter().any(works));
    all.truncate(cx.at_most(MAX_RESOURCES));
    all
}

/// A new thing of who is on the stage, below parents of the same user.
pub(super) async fn own(cx: &SecurityContext<'_>, stage: &Stage<'_>) -> Option<Own> {
    let parents = parents(stage).await?;
    own_below(cx, stage, &parents).await
}

/// As [`own`], below these parents.
pub(super) async fn own_below(
    cx: &SecurityContext<'_>,
    stage: &Stage<'_>,
    parents: &BTreeMap<String, Value>,
) -> Option<Own> {
    let create = stage.resource.create?;
    let operation = stage.operation(create)?;
    let plain = stage.case(create)?;
    let known = stage.around.accepted.get(create).is_some_and(Option::is_some);
    // Of a request that nobody tried yet, the one with everything is the next best.
    let full = if known { None } else { full(cx, operation) };
    for case in std::iter::once(plain).chain(full) {
        let (planted, words) = planted(cx, operation, case.clone());
        if let Some(thing) = stage.create_as(planted, parents, &[]).await.filter(is_made) {
            return seen_as(stage, thing, &words).await;
        }
        // The server is particular about texts of which the document says nothing.
        let words = texts(cx, &case);
        if let Some(thing) = stage.create_as(case, parents, &[]).await.filter(is_made) {
            return seen_as(stage, thing, &words).await;
        }
    }
    None
}

/// A valid request with everything that is documented.
fn full(cx: &SecurityContext<'_>, operation: &Operation) -> Option<Case> {
    let cases = generate::cases(cx.api, operation, Phase::HappyPath, cx.seed);
    let mut case = cases.into_iter().find(|case| case.label == FULL && case.intent == Intent::Positive)?;
    crate::chain::guide::freshen(operation, &mut case);
    Some(case.renewed(&cx.prober.word()).bound())
}

/// A thing with words as its owner sees it.
pub(super) async fn seen_as(stage: &Stage<'_>, thing: Thing, words: &[String]) -> Option<Own> {
    let (body, shown) = stage.read(&thing).await?;
    if is_soft_error(&body) {
        return None;
    }
    let text = body.to_string();
    let is_mark = |word: &&String| text.contains(word.as_str()) && !is_echo(&shown.request, word);
    let marks = words.iter().filter(is_mark).cloned().collect();
    Some(Own { thing, body, shown, marks })
}

fn is_made(thing: &Thing) -> bool {
    !thing.made.json().is_some_and(is_soft_error)
}

/// Parents of what is to be made, made by who is on the stage. `None`: that user cannot have any.
pub(super) async fn parents(stage: &Stage<'_>) -> Option<BTreeMap<String, Value>> {
    let mut known = BTreeMap::new();
    for name in &stage.resource.parents {
        match parent(stage, name, &known).await {
            Some(value) => drop(known.insert(name.clone(), value)),
            // Nothing makes it: the valid request of the first user names one.
            None if stage.who == As::Primary => {}
            None => return None,
        }
    }
    Some(known)
}

async fn parent(stage: &Stage<'_>, name: &str, above: &BTreeMap<String, Value>) -> Option<Value> {
    let create = stage.operation(stage.resource.create?)?;
    let end = create.path.find(&format!("{{{name}}}"))?;
    let outer = create.path.get(..end)?.trim_end_matches('/');
    let all = resources(stage.around.api);
    let resource = all.iter().find(|resource| {
        let operation = resource.create.and_then(|create| stage.operation(create));
        operation.is_some_and(|operation| operation.path.trim_end_matches('/') == outer) && !resource.key.is_empty()
    })?;
    let outer = Stage::new(stage.around, resource).acting(stage.who);
    let case = outer.case(resource.create?)?;
    outer.create_as(case, above, &[]).await?.path.get(&resource.key).cloned()
}

/// The case with words of ours in its free texts, and those words.
pub(super) fn planted(cx: &SecurityContext<'_>, operation: &Operation, mut case: Case) -> (Case, Vec<String>) {
    let mut words = texts(cx, &case);
    let Some(BodyValue::Typed { media_type, value }) = &mut case.body else { return (case, words) };
    let schema = operation.body.as_ref().and_then(|body| body.content.get(*media_type)?.schema.as_ref());
    let fits = |value: &Value| schema.is_none_or(|schema: &Schema| schema.is_valid(value, Direction::Request));
    let fitted = fits(value);
    let mut free = Vec::new();
    collect_free(value, &mut String::new(), &mut free);
    for pointer in free.into_iter().take(MAX_PLANTED) {
        let word = format!("nat{}", cx.prober.word());
        let Some(before) = value.pointer_mut(&pointer).map(|place| std::mem::replace(place, Value::from(&*word)))
        else {
            continue;
        };
        if fits(value) || !fitted {
            words.push(word);
        } else if let Some(place) = value.pointer_mut(&pointer) {
            *place = before;
        }
    }
    (case, words)
}

/// Texts of the body that no other request has.
pub(super) fn texts(cx: &SecurityContext<'_>, case: &Case) -> Vec<String> {
    let Some(BodyValue::Typed { value: Value::Object(members), .. }) = &case.body else { return Vec::new() };
    let own = |text: &&str| text.contains(cx.nonce);
    members.values().filter_map(Value::as_str).filter(own).map(str::to_owned).collect()
}

/// Pointers of texts that may say anything, two levels deep.
fn collect_free(value: &Value, pointer: &mut String, free: &mut Vec<String>) {
    for (name, member) in value.as_object().into_iter().flatten() {
        let length = pointer.len();
        pointer.push('/');
        pointer.push_str(&name.replace('~', "~0").replace('/', "~1"));
        match member {
            Value::String(text) if is_open(name, text) => free.push(pointer.clone()),
            Value::Object(_) if length == 0 => collect_free(member, pointer, free),
            _ => {}
        }
        pointer.truncate(length);
    }
}

/// Values that only the owner's thing has, each with its place: not those of a thing of the other user, not what the
/// request for it says, not what servers count.
pub(super) fn private(own: &Own, other: &Own) -> BTreeSet<String> {
    let common = leaves(&other.body);
    let is_private = |leaf: &&String| {
        let Some((path, value)) = leaf.split_once('=') else { return false };
        let name = path.rsplit('/').find(|part| *part != "[]").unwrap_or_default();
        value.chars().count() >= MIN_VALUE && !by_server(name) && !is_echo(&own.shown.request, value)
    };
    leaves(&own.body).iter().filter(|leaf| !common.contains(*leaf)).filter(is_private).cloned().collect()
}

/// Enough to say whose it is: a word of ours, or two values that only its owner has.
pub(super) fn is_telling(values: &BTreeSet<String>, own: &Own) -> bool {
    let marked = values.iter().any(|leaf| own.marks.iter().any(|mark| leaf.contains(mark.as_str())));
    marked || values.len() >= 2
}

/// An answer that gives all of these values.
pub(super) fn gives(cx: &SecurityContext<'_>, exchange: &Exchange, values: &BTreeSet<String>) -> bool {
    let Some(json) = result(cx, exchange) else { return false };
    let found = leaves(json);
    !values.is_empty() && values.iter().all(|value| found.contains(value))
}

/// An answer in which the thing may be, to be looked at more closely.
pub(super) fn resembles(cx: &SecurityContext<'_>, exchange: &Exchange, own: &Own) -> bool {
    let Some(json) = result(cx, exchange) else { return false };
    match own.marks.is_empty() {
        true => !leaves(json).is_disjoint(&leaves(&own.body)),
        false => holds(exchange, &own.marks),
    }
}

/// JSON of a success that is one.
pub(super) fn result<'e>(cx: &SecurityContext<'_>, exchange: &'e Exchange) -> Option<&'e Value> {
    let response = exchange.response().filter(|_| is_success(exchange))?;
    exchange.json().filter(|json| !is_soft_error(json) && !cx.prober.is_catch_all(response))
}

/// One of the words stands in the answer, and not because the request says it.
pub(super) fn holds(exchange: &Exchange, words: &[String]) -> bool {
    let Some(response) = exchange.response() else { return false };
    let body = String::from_utf8_lossy(&response.body);
    words.iter().any(|word| body.contains(word.as_str()) && !is_echo(&exchange.request, word))
}

/// Asks the lists that may show the thing, as its owner and as the other user.
pub(super) async fn lists(cx: &SecurityContext<'_>, stage: &Stage<'_>, own: &Own, other: As) -> Lists {
    let mut lists = Lists { sharing: Sharing::Unknown, seen: Vec::new() };
    let theirs = stage.acting(other);
    for list in lists_of(cx, stage.resource) {
        let Some(to_owner) = ask(stage, list, &own.thing).await else { break };
        if !result(cx, &to_owner).is_some_and(|json| mentions(json, own, stage.resource)) {
            continue;
        }
        let Some(to_other) = ask(&theirs, list, &own.thing).await else { break };
        let below_own = !stage.resource.parents.is_empty() && list_is_below(cx, list);
        let refused = matches!(to_other.status(), Some(401 | 403 | 404));
        match result(cx, &to_other) {
            Some(json) if mentions(json, own, stage.resource) => lists.sharing = Sharing::Listed,
            None if !(below_own && refused) => continue,
            _ if lists.sharing == Sharing::Unknown => lists.sharing = Sharing::Private,
            _ => {}
        }
        lists.seen.push(to_other);
    }
    lists
}

fn list_is_below(cx: &SecurityContext<'_>, list: usize) -> bool {
    cx.api.operations.get(list).is_some_and(|operation| operation.path.contains('{'))
}

/// The list of the resource, and others that are about the same things.
pub(super) fn lists_of(cx: &SecurityContext<'_>, resource: &Resource) -> Vec<usize> {
    let mut found: Vec<usize> = resource.list.into_iter().collect();
    let about = |operation: &Operation| {
        operation.method == "GET"
            && !operation.path.contains('{')
            && !destroys(&operation.path)
            && nouns_of_path(&operation.path).contains(&resource.noun)
    };
    for operation in cx.api.operations.iter().filter(|operation| about(operation)) {
        if !found.contains(&operation.index) {
            found.push(operation.index);
        }
    }
    found.truncate(cx.at_most(MAX_LISTS));
    found
}

/// A list with nothing that is optional, below the parents of the thing.
pub(super) async fn ask(stage: &Stage<'_>, list: usize, thing: &Thing) -> Option<Exchange> {
    let operation = stage.operation(list)?;
    let mut case = stage.least(operation)?;
    crate::check::stateful::place(operation, &mut case, &thing.path);
    stage.send(operation, &case, &[]).await
}

/// Every read that may show a thing.
pub(super) fn readers(cx: &SecurityContext<'_>, resource: &Resource) -> Vec<usize> {
    resource.read.into_iter().chain(lists_of(cx, resource)).chain(resource.views.iter().copied().take(2)).collect()
}

/// The list shows the thing: a word of ours, or an item with its id.
fn mentions(json: &Value, own: &Own, resource: &Resource) -> bool {
    item(json, &own.thing, &own.marks, resource, 0).is_some()
}

/// The innermost object that is the thing.
pub(super) fn item<'v>(
    json: &'v Value,
    thing: &Thing,
    marks: &[String],
    resource: &Resource,
    depth: usize,
) -> Option<&'v Value> {
    if depth > MAX_DEPTH {
        return None;
    }
    match json {
        Value::Array(items) => {
            items.iter().take(MAX_ITEMS).find_map(|one| item(one, thing, marks, resource, depth + 1))
        }
        Value::Object(members) => {
            let inner = members.values().filter(|member| member.is_object() || member.is_array());
            let inner = inner.take(MAX_ITEMS).find_map(|one| item(one, thing, marks, resource, depth + 1));
            let is_it = || members.iter().any(|(name, member)| is_its(name, member, thing, marks, resource));
            inner.or_else(|| is_it().then_some(json))
        }
        _ => None,
    }
}

fn is_its(name: &str, member: &Value, thing: &Thing, marks: &[String], resource: &Resource) -> bool {
    let text = plain(member);
    let marked = marks.iter().any(|mark| text.contains(mark.as_str()));
    let id = thing.path.get(&resource.key).map(plain).unwrap_or_default();
    marked || (!id.is_empty() && id == text && (id.len() >= 8 || names_id(name, &resource.key, &resource.noun)))
}

/// A scalar as it stands on the wire.
pub(super) fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Number(number) => number.to_string(),
        Value::Bool(flag) => flag.to_string(),
        _ => String::new(),
    }
}

/// The same place with an id that nothing has.
pub(super) fn nowhere(own: &Own, key: &str, word: &str) -> Option<Thing> {
    let id = super::names::stranger(own.thing.path.get(key)?, word)?;
    let mut path = own.thing.path.clone();
    path.insert(key.to_owned(), id);
    Some(moved(&own.thing, path))
}

/// The thing at another path.
pub(super) fn moved(thing: &Thing, path: BTreeMap<String, Value>) -> Thing {
    Thing { made: thing.made.twin(), sent: thing.sent.clone(), path, mark: thing.mark.clone() }
}

/// Members of the thing in an answer.
pub(super) fn members(body: &Value) -> BTreeMap<String, Value> {
    object(body)
        .map(|members| members.iter().map(|(name, value)| (name.clone(), value.clone())).collect())
        .unwrap_or_default()
}

/// A finding with the requests that lead to it, where they can be repeated.
pub(super) fn told(
    cx: &SecurityContext<'_>,
    info: &CheckInfo,
    suspicion: &Suspicion,
    operation: &Operation,
    evidence: &[(Role, &Exchange)],
    tale: &[&Exchange],
) -> Finding {
    let finding = cx.report.build(info, suspicion, Some(operation), evidence);
    let steps = cx.report.tale(tale);
    // What was made under a name of our choice cannot be made again: then the probe stands for itself.
    if steps.iter().any(|step| !step.captures.is_empty()) { finding.with_steps(steps) } else { finding }
}
