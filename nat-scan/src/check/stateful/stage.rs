//! Where attempts happen: objects of a resource made, read and changed through the scan's own line.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;
use std::time::Duration;

use serde_json::Value;
use url::Url;

use super::resource::path_parameter;
use super::same::{object, volatile};
use super::{Resource, Spare};
use crate::chain::{guide, key};
use crate::check::{As, Exchange, Prober};
use crate::generate::{self, Argument, Base, BodyValue, Case, Intent, Phase};
use crate::spec::{Api, Operation};
use crate::transport::Request;

/// Values tried as the id of a new object.
const MAX_IDS: usize = 4;
/// Waits between reads of something that may need a moment to appear or vanish.
const LAG: [Duration; 3] = [Duration::from_millis(50), Duration::from_millis(250), Duration::from_millis(900)];

/// What every stage of a scan shares.
pub(crate) struct Surroundings<'a> {
    pub(crate) api: &'a Api,
    pub(crate) prober: &'a dyn Prober,
    /// What each operation accepted, by index.
    pub(crate) accepted: &'a [Option<Base>],
    pub(crate) seed: u64,
    /// Begins the words that make texts unique.
    pub(crate) nonce: &'a str,
}

/// One resource with its surroundings.
pub(crate) struct Stage<'a> {
    pub(crate) around: &'a Surroundings<'a>,
    pub(crate) resource: &'a Resource,
    /// Who acts.
    pub(crate) who: As,
    /// Which member of the answer is the id, once a read proved it.
    id_from: Mutex<Option<String>>,
    /// Only what shows at this operation is asked for, without these steps.
    shorter: Option<(usize, BTreeSet<Spare>)>,
}

/// An object that an attempt made.
#[derive(Debug)]
pub(crate) struct Thing {
    /// The exchange that made it.
    pub(crate) made: Exchange,
    /// The body that was sent.
    pub(crate) sent: Value,
    /// Path parameters of its item operations.
    pub(crate) path: BTreeMap<String, Value>,
    /// A text that no other object has, as sent.
    pub(crate) mark: Option<String>,
}

/// A new thing, as it was before anything was done to it.
pub(super) struct Seen {
    pub(super) before: Value,
    /// Members that differ from read to read.
    pub(super) volatile: BTreeSet<String>,
    /// The read that shows it; none when the answer that made it had to do.
    pub(super) shown: Option<Exchange>,
}

impl<'a> Stage<'a> {
    pub(crate) fn new(around: &'a Surroundings<'a>, resource: &'a Resource) -> Self {
        Self { around, resource, who: As::Primary, id_from: Mutex::new(None), shorter: None }
    }

    /// The same place for a shorter attempt, which shows something at this operation or nothing.
    pub(crate) fn shorter(&self, operation: usize, without: BTreeSet<Spare>) -> Self {
        Self { shorter: Some((operation, without)), ..self.acting(self.who) }
    }

    /// The attempt does without this step.
    pub(crate) fn leaves_out(&self, spare: Spare) -> bool {
        self.shorter.as_ref().is_some_and(|(_, without)| without.contains(&spare))
    }

    /// What shows at the operation is asked for.
    pub(crate) fn is_about(&self, operation: usize) -> bool {
        self.shorter.as_ref().is_none_or(|(only, _)| *only == operation)
    }

    /// Something was shown already, and only fewer steps are looked for.
    pub(crate) fn is_shorter(&self) -> bool {
        self.shorter.is_some()
    }

    /// The same place with somebody else on it.
    pub(crate) fn acting(&self, who: As) -> Self {
        let id_from = self.id_from.lock().ok().and_then(|known| known.clone());
        let id_from = Mutex::new(id_from);
        Self { around: self.around, resource: self.resource, who, id_from, shorter: self.shorter.clone() }
    }

    pub(crate) fn operation(&self, index: usize) -> Option<&'a Operation> {
        self.around.api.operations.get(index)
    }

    /// A valid case of an operation: what it accepted, else one that was made up and given live values.
    pub(crate) fn case(&self, index: usize) -> Option<Case> {
        let operation = self.operation(index)?;
        let mut case = match self.around.accepted.get(index)?.as_ref() {
            Some(base) => base.most.clone().unwrap_or_else(|| base.least.clone()),
            None => {
                let cases = generate::cases(self.around.api, operation, Phase::HappyPath, self.around.seed);
                cases.into_iter().find(|case| case.intent == Intent::Positive)?
            }
        };
        guide::freshen(operation, &mut case);
        Some(case.renewed(&self.around.prober.word()).bound())
    }

    /// Makes an object; `None` when it is refused. What can be told of its id is in [`Thing::path`] once it was read.
    pub(crate) async fn create(&self) -> Option<Thing> {
        let case = self.case(self.resource.create?)?;
        self.create_as(case, &BTreeMap::new(), &[]).await
    }

    /// As [`Stage::create`], below these parents and with further headers.
    pub(crate) async fn create_as(
        &self,
        mut case: Case,
        parents: &BTreeMap<String, Value>,
        headers: &[(&str, &str)],
    ) -> Option<Thing> {
        let operation = self.operation(self.resource.create?)?;
        place(operation, &mut case, parents);
        let made = self.send(operation, &case, headers).await?;
        if !is_success(&made) {
            return None;
        }
        let sent = match &case.body {
            Some(BodyValue::Typed { value, .. }) => value.clone(),
            _ => Value::Null,
        };
        let path: BTreeMap<String, Value> = case
            .arguments
            .iter()
            .filter_map(|argument| {
                let parameter = operation.parameters.get(argument.parameter)?;
                self.resource
                    .parents
                    .contains(&parameter.name)
                    .then(|| (parameter.name.clone(), argument.value.clone()))
            })
            .collect();
        let mark =
            sent.as_object().into_iter().flatten().find_map(|(_, value)| {
                value.as_str().filter(|text| text.contains(self.around.nonce)).map(str::to_owned)
            });
        let mut thing = Thing { made, sent, path, mark };
        self.identify(&mut thing).await;
        Some(thing)
    }

    /// Finds out which value the item operations want.
    async fn identify(&self, thing: &mut Thing) {
        let known = self.id_from.lock().ok().and_then(|known| known.clone());
        let candidates = self.ids(thing);
        if let Some((_, value)) = known.as_ref().and_then(|known| candidates.iter().find(|(from, _)| from == known)) {
            thing.path.insert(self.resource.key.clone(), value.clone());
            return;
        }
        let mut tried = candidates.into_iter().take(MAX_IDS);
        let Some(read) = self.resource.read else {
            if let Some((_, value)) = tried.next() {
                thing.path.insert(self.resource.key.clone(), value);
            }
            return;
        };
        let mut first = None;
        for (from, value) in tried {
            thing.path.insert(self.resource.key.clone(), value.clone());
            first.get_or_insert_with(|| value.clone());
            if self.call(read, thing).await.is_some_and(|answer| is_success(&answer)) {
                if let Ok(mut known) = self.id_from.lock() {
                    *known = Some(from);
                }
                return;
            }
        }
        match first {
            Some(first) => drop(thing.path.insert(self.resource.key.clone(), first)),
            None => drop(thing.path.remove(&self.resource.key)),
        }
    }

    /// Whether a read proved which member is the id.
    pub(crate) fn knows_id(&self) -> bool {
        self.id_from.lock().is_ok_and(|known| known.is_some())
    }

    /// Values that may be the id, the likeliest first, with where each came from.
    fn ids(&self, thing: &Thing) -> Vec<(String, Value)> {
        let wanted = self.resource.key.as_str();
        let mut found: Vec<(String, Value)> = Vec::new();
        let members = thing.made.json().and_then(object);
        let mut take = |from: String, value: Option<&Value>| {
            if let Some(value) = value.filter(|value| value.is_string() || value.is_number()) {
                found.push((from, value.clone()));
            }
        };
        let exact = key(wanted);
        for (name, value) in members.into_iter().flatten() {
            let own = key(name);
            let prefixed = own == format!("{}_id", self.resource.noun);
            if own == exact || prefixed {
                take(format!("answer {name}"), Some(value));
            }
        }
        take("answer id".to_owned(), members.and_then(|members| members.get("id")));
        for name in ["uuid", "_id", "key", "slug", "name"] {
            take(format!("answer {name}"), members.and_then(|members| members.get(name)));
        }
        for (name, value) in thing.sent.as_object().into_iter().flatten() {
            if key(name) == exact {
                take(format!("sent {name}"), Some(value));
            }
        }
        if let Some(location) = thing.made.response().and_then(|response| response.header("location")) {
            let last = location.split(['?', '#']).next().unwrap_or_default().trim_end_matches('/').rsplit('/').next();
            let value = last.filter(|last| !last.is_empty()).map(Value::from);
            take("Location".to_owned(), value.as_ref());
        }
        if let Some(Value::String(text)) = thing.made.json() {
            take("answer".to_owned(), Some(&Value::from(text.as_str())));
        }
        found
    }

    /// Calls an operation of the object with its usual body.
    pub(crate) async fn call(&self, index: usize, thing: &Thing) -> Option<Exchange> {
        self.call_with(index, thing, None, &[]).await
    }

    /// As [`Stage::call`], with another body and further headers.
    pub(crate) async fn call_with(
        &self,
        index: usize,
        thing: &Thing,
        body: Option<Value>,
        headers: &[(&str, &str)],
    ) -> Option<Exchange> {
        let operation = self.operation(index)?;
        let mut case = self.case(index)?;
        place(operation, &mut case, &thing.path);
        if let Some(body) = body {
            put_body(operation, &mut case, body);
        }
        self.send(operation, &case, headers).await
    }

    /// The object as it is now, and the answer that shows it.
    pub(crate) async fn read(&self, thing: &Thing) -> Option<(Value, Exchange)> {
        let answer = self.call(self.resource.read?, thing).await?;
        let shown = is_success(&answer).then(|| answer.json().cloned()).flatten()?;
        Some((shown, answer))
    }

    /// Reads a new thing, unless that is left out: then the answer that made it says what it is.
    pub(super) async fn look(&self, thing: &Thing) -> Option<Seen> {
        if self.leaves_out(Spare::Look) {
            // Where nobody knows the id, reads have just found it out.
            let before = thing.made.json().filter(|_| self.knows_id())?.clone();
            return Some(Seen { before, volatile: BTreeSet::new(), shown: None });
        }
        let (before, shown) = self.read(thing).await?;
        let (again, _) = self.read(thing).await?;
        Some(Seen { volatile: volatile(&before, &again), before, shown: Some(shown) })
    }

    /// Reads until `wanted` holds for the status, as long as servers may lag behind.
    pub(crate) async fn read_until(&self, thing: &Thing, wanted: impl Fn(u16) -> bool + Send) -> Option<Exchange> {
        let read = self.resource.read?;
        let mut last = None;
        for (round, lag) in std::iter::once(Duration::ZERO).chain(LAG).enumerate() {
            self.around.prober.pause(lag).await;
            let headers: &[(&str, &str)] = if round == 0 { &[] } else { &[("Cache-Control", "no-cache")] };
            let answer = self.call_with(read, thing, None, headers).await?;
            if answer.status().is_some_and(&wanted) {
                return Some(answer);
            }
            last = Some(answer);
        }
        last
    }

    /// The body that the operation usually gets, with texts that no other request had.
    pub(crate) fn body(&self, index: usize) -> Option<Value> {
        match self.case(index)?.body? {
            BodyValue::Typed { value, .. } => Some(value),
            BodyValue::Raw { .. } => None,
        }
    }

    /// Follows a link from an answer, within the API's own origin.
    pub(crate) async fn follow(&self, operation: &Operation, from: &str, link: &str) -> Option<Exchange> {
        let origin = Url::parse(self.around.prober.origin()).ok()?;
        let target = origin.join(from).ok()?.join(link).ok()?;
        if target.origin() != origin.origin() {
            return None;
        }
        let path = &target[url::Position::BeforePath..url::Position::AfterQuery];
        let mut request = Request::new("GET", path.to_owned());
        request.set_header("Accept", "application/json, */*;q=0.1");
        self.around.prober.send(Some(operation.index), request, self.who).await
    }

    /// Sends a case as it stands.
    pub(crate) async fn send(&self, operation: &Operation, case: &Case, headers: &[(&str, &str)]) -> Option<Exchange> {
        let mut request = generate::render(operation, case, self.around.prober.base_path()).ok()?;
        for (name, value) in headers {
            request.set_header(name, *value);
        }
        self.around.prober.send(Some(operation.index), request, self.who).await
    }

    /// Makes some objects below the same parents, so that a list has something to show: their parents and ids.
    pub(crate) async fn fill(&self, count: usize) -> (BTreeMap<String, Value>, Vec<Value>) {
        let (mut parents, mut ids) = (BTreeMap::new(), Vec::new());
        for _ in 0..count {
            let Some(case) = self.resource.create.and_then(|create| self.case(create)) else { break };
            let Some(thing) = self.create_as(case, &parents, &[]).await else { break };
            parents.clone_from(&thing.path);
            parents.remove(&self.resource.key);
            ids.extend(thing.path.get(&self.resource.key).cloned());
        }
        (parents, ids)
    }

    /// A list as it is called with nothing that is optional.
    pub(crate) fn least(&self, operation: &Operation) -> Option<Case> {
        let mut case = self.case(operation.index)?;
        case.arguments.retain(|argument| {
            operation.parameters.get(argument.parameter).is_some_and(|parameter| parameter.required)
        });
        Some(case)
    }

    /// Removes the object again, if the API can.
    pub(crate) async fn clean_up(&self, thing: &Thing) {
        if let Some(delete) = self.resource.delete.filter(|_| thing.path.contains_key(&self.resource.key)) {
            self.call(delete, thing).await;
        }
    }
}

/// Puts values of path parameters into a case.
pub(crate) fn place(operation: &Operation, case: &mut Case, values: &BTreeMap<String, Value>) {
    for (name, value) in values {
        let Some(parameter) = path_parameter(operation, name) else { continue };
        match case.arguments.iter_mut().find(|argument| argument.parameter == parameter) {
            Some(argument) => argument.value.clone_from(value),
            None => case.arguments.push(Argument { parameter, value: value.clone() }),
        }
    }
}

/// Puts a body into a case, as the media type that it had or the first that is documented.
pub(crate) fn put_body(operation: &Operation, case: &mut Case, value: Value) {
    let media_type = match &case.body {
        Some(BodyValue::Typed { media_type, .. }) => *media_type,
        _ => 0,
    };
    if operation.body.is_some() {
        case.body = Some(BodyValue::Typed { media_type, value });
    }
}

/// A 2xx answer.
pub(crate) fn is_success(exchange: &Exchange) -> bool {
    exchange.status().is_some_and(|status| (200..300).contains(&status))
}

/// A 4xx answer that refuses what was sent, not who sent it.
pub(crate) fn is_refusal(exchange: &Exchange) -> bool {
    exchange
        .status()
        .is_some_and(|status| (400..500).contains(&status) && !matches!(status, 401 | 403 | 404 | 405 | 429))
}
