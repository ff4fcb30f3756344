//! The last phase: what the scan made is removed again, the newest first. Only what an answer said was made by us, only one
//! by one, only with a `DELETE` that the document has. It comes after everything that is judged.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::time::{Duration, Instant, sleep_until};

use super::budget::Purpose;
use super::execute::{Driver, halt};
use super::session::{Sending, Session};
use crate::chain::key;
use crate::check::As;
use crate::check::stateful::{Resource, resources};
use crate::classify::wire;
use crate::generate::serialize::{Charset, encode};
use crate::spec::{Api, Location};
use crate::transport::{Request, Response};

/// Things that are kept track of.
const MAX_MADE: usize = 5_000;
/// Requests of the phase.
const MAX_REQUESTS: usize = 1_000;
/// Time of the phase.
const MAX_TIME: Duration = Duration::from_secs(30);
/// Of an answer that may name what was made.
const MAX_BODY: usize = 64 << 10;
/// Characters of one id.
const MAX_ID: usize = 256;
const NO_WAY: &str = "the document has no DELETE for them";
const NO_ID: &str = "their answers do not say which they are";

/// What became of the things that a scan made.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CleanUp {
    /// Things that the target said it made, except those that the scan removed on its way.
    pub made: u64,
    /// Removed now, or gone already.
    pub removed: u64,
    /// Left over, by reason.
    pub left: BTreeMap<String, u64>,
}

impl CleanUp {
    /// The sentence for the user.
    fn notice(&self) -> String {
        let Self { made, removed, left } = self;
        let mut text =
            format!("Of {made} things that the scan made and had not removed, {removed} were removed at its end");
        for (at, (reason, count)) in left.iter().enumerate() {
            text.push_str(if at == 0 { "; left over: " } else { ", " });
            text.push_str(&format!("{count} ({reason})"));
        }
        text.push('.');
        text
    }
}

/// How things of one kind are made and removed. Paths are templates without base path.
struct Way {
    create: String,
    delete: usize,
    item: String,
    noun: String,
    /// The path parameter that says which one.
    key: String,
}

/// What was made, as far as answers told.
pub(super) struct Made {
    ways: Vec<Way>,
    base_path: String,
    origin: String,
    nonce: String,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// Operation that removes it, and its path without base path.
    things: Vec<(usize, String)>,
    left: BTreeMap<&'static str, u64>,
}

impl Made {
    pub(super) fn new(api: &Api, base_path: &str, origin: &str, nonce: &str) -> Self {
        let ways = resources(api).iter().filter_map(|resource| way(api, resource)).collect();
        let [base_path, origin, nonce] = [base_path, origin, nonce].map(str::to_owned);
        Self { ways, base_path, origin, nonce, state: Mutex::default() }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Learns from an exchange what it made or removed.
    pub(super) fn observe(&self, request: &Request, response: &Response) {
        let path = request.target.split('?').next().unwrap_or_default();
        let Some(path) = path.strip_prefix(&self.base_path) else { return };
        match (request.method.as_str(), response.status) {
            ("DELETE", 200..300) => self.state().things.retain(|(_, known)| known != path),
            ("PUT", 201) => {
                let way = self.ways.iter().find(|way| wire::captures(&way.item, path).is_some());
                way.into_iter().for_each(|way| self.note(way.delete, path.to_owned()));
            }
            ("POST", 201) => self.made(path, response),
            // A POST that succeeds need not make anything, unless it shows what only we can have asked for.
            ("POST", 200 | 202) if self.is_ours(response) => self.made(path, response),
            _ => {}
        }
    }

    fn is_ours(&self, response: &Response) -> bool {
        let body = response.body.get(..MAX_BODY).unwrap_or(&response.body);
        body.windows(self.nonce.len().max(1)).any(|window| window == self.nonce.as_bytes())
    }

    fn made(&self, path: &str, response: &Response) {
        let found = self.ways.iter().find_map(|way| Some((way, wire::captures(&way.create, path)?)));
        match found {
            None => *self.state().left.entry(NO_WAY).or_default() += 1,
            Some((way, parents)) => match self.item(way, &parents, response) {
                Some(item) => self.note(way.delete, item),
                None => *self.state().left.entry(NO_ID).or_default() += 1,
            },
        }
    }

    fn note(&self, delete: usize, path: String) {
        let mut state = self.state();
        if state.things.len() < MAX_MADE && !state.things.iter().any(|(_, known)| *known == path) {
            state.things.push((delete, path));
        }
    }

    /// The path of what an answer says was made.
    fn item(&self, way: &Way, parents: &[(&str, &str)], response: &Response) -> Option<String> {
        let location = response.header("location").map(str::trim).and_then(|location| {
            let path = location.strip_prefix(&self.origin).unwrap_or(location).strip_prefix(&self.base_path)?;
            (path.starts_with('/') && !path.contains(['?', '#']) && wire::captures(&way.item, path).is_some())
                .then(|| path.to_owned())
        });
        location.or_else(|| {
            let id = named(way, response)?;
            fill(&way.item, |name| {
                let parent = parents.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned());
                if name == way.key { Some(encoded(&id)) } else { parent }
            })
        })
    }
}

/// Things whose `DELETE` wants nothing but its path.
fn way(api: &Api, resource: &Resource) -> Option<Way> {
    let create = api.operations.get(resource.create?)?;
    let delete = api.operations.get(resource.delete?)?;
    let more = delete.parameters.iter().any(|one| one.required && one.location != Location::Path);
    let plain = !delete.path.contains('?') && !resource.key.is_empty() && delete.unusable.is_none();
    (plain && !more).then(|| Way {
        create: create.path.trim_end_matches('/').to_owned(),
        delete: delete.index,
        item: delete.path.clone(),
        noun: resource.noun.clone(),
        key: resource.key.clone(),
    })
}

/// The id in an answer: what is called like the parameter, else plainly so.
fn named(way: &Way, response: &Response) -> Option<String> {
    let body: Value = serde_json::from_slice(response.body.get(..MAX_BODY).unwrap_or(&response.body)).ok()?;
    let members = body.get("data").filter(|data| data.is_object()).unwrap_or(&body).as_object()?;
    let (exact, prefixed) = (key(&way.key), format!("{}_id", way.noun));
    let called = |wanted: &str| members.iter().find(|(name, _)| key(name) == wanted).map(|(_, value)| value);
    let value = called(&exact).or_else(|| called(&prefixed)).or_else(|| called("id")).or_else(|| called("uuid"))?;
    let id = match value {
        Value::String(text) => text.clone(),
        Value::Number(number) => number.to_string(),
        _ => return None,
    };
    // A path of these is that of a list, or of what lies above.
    (!id.is_empty() && id.len() <= MAX_ID && id.bytes().any(|byte| byte != b'.')).then_some(id)
}

/// A template with values in the place of its parameters; `None` when one is missing.
fn fill(template: &str, value: impl Fn(&str) -> Option<String>) -> Option<String> {
    let mut pieces = template.split('{');
    let mut path = pieces.next()?.to_owned();
    for piece in pieces {
        let (name, rest) = piece.split_once('}')?;
        path.push_str(&value(name)?);
        path.push_str(rest);
    }
    Some(path)
}

fn encoded(text: &str) -> String {
    let mut out = String::new();
    encode(&mut out, text, Charset::Percent);
    out
}

/// Removes what is left, within the budget and not for long. `None` when nothing was made.
pub(super) async fn clean_up(driver: &mut Driver) -> Option<CleanUp> {
    let session = std::sync::Arc::clone(&driver.session);
    let (things, left) = {
        let mut state = session.made.state();
        (std::mem::take(&mut state.things), std::mem::take(&mut state.left))
    };
    let mut done = CleanUp {
        made: things.len() as u64 + left.values().sum::<u64>(),
        left: left.into_iter().map(|(reason, count)| (reason.to_owned(), count)).collect(),
        ..CleanUp::default()
    };
    if done.made == 0 {
        return None;
    }
    let until = Instant::now() + MAX_TIME;
    let halted = halt(&session);
    tokio::pin!(halted);
    let mut stopped: Option<&str> = None;
    for (at, (delete, path)) in things.into_iter().rev().enumerate() {
        if stopped.is_none() && at >= MAX_REQUESTS {
            stopped = Some("there are too many");
        }
        let why = match (stopped, driver.plan.has(delete)) {
            (Some(why), _) => why.to_owned(),
            (None, false) => "their DELETE is left out".to_owned(),
            (None, true) => {
                let status = tokio::select! {
                    biased;
                    _ = &mut halted => Err("the scan was stopped"),
                    () = sleep_until(until) => Err("there was no more time"),
                    status = remove(&session, delete, &path) => status.ok_or("the request budget ran out"),
                };
                if let Ok(status) = status {
                    driver.count(delete, status);
                }
                match status {
                    Ok(Some(200..300 | 404 | 410)) => {
                        done.removed += 1;
                        continue;
                    }
                    Ok(Some(status)) => format!("DELETE answers {status}"),
                    Ok(None) => "DELETE gets no answer".to_owned(),
                    Err(why) => {
                        stopped = Some(why);
                        why.to_owned()
                    }
                }
            }
        };
        *done.left.entry(why).or_default() += 1;
    }
    driver.narrator.notice(done.notice());
    Some(done)
}

/// Status of the answer, if there is one; `None` when the budget allows no request.
async fn remove(session: &Session, delete: usize, path: &str) -> Option<Option<u16>> {
    let mut request = Request::new("DELETE", format!("{}{path}", session.base_path));
    let how = Sending { fresh: false, purpose: Purpose::Probe, operation: Some(delete), paid: false };
    let answer = session.send(As::Primary, &mut request, how).await?;
    Some(answer.result.ok().map(|response| response.status))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn made() -> Made {
        let way = |create: &str, item: &str, noun: &str, key: &str| Way {
            create: create.to_owned(),
            delete: 3,
            item: item.to_owned(),
            noun: noun.to_owned(),
            key: key.to_owned(),
        };
        Made {
            ways: vec![
                way("/toys", "/toys/{id}", "toy", "id"),
                way("/boxes/{box}/lids", "/boxes/{box}/lids/{lid_id}", "lid", "lid_id"),
            ],
            base_path: "/v1".to_owned(),
            origin: "http://api.test".to_owned(),
            nonce: "huw3".to_owned(),
            state: Mutex::default(),
        }
    }

    fn left(made: &Made) -> Vec<String> {
        made.state().things.iter().map(|(_, path)| path.clone()).collect()
    }

    #[test]
    fn only_what_answers_say_was_made_by_us_is_ours() {
        let check = |method: &str, target: &str, status: u16, location: &str, body: &str, expected: &[&str]| {
            let made = made();
            let mut response = crate::engine::test_respond(status, "application/json", body);
            if !location.is_empty() {
                response.headers.push(("Location".to_owned(), location.into()));
            }
            made.observe(&Request::new(method, target), &response);
            assert_eq!(left(&made), expected, "{method} {target} {status} {location} {body}");
        };
        check("POST", "/v1/toys", 201, "", r#"{"id": 7}"#, &["/toys/7"]);
        check("POST", "/v1/toys?x=1", 201, "", r#"{"data": {"toy_id": "a b/c"}}"#, &["/toys/a%20b%2Fc"]);
        check("POST", "/v1/toys", 201, "/v1/toys/9", "", &["/toys/9"]);
        check("POST", "/v1/toys", 201, "http://api.test/v1/toys/9", "", &["/toys/9"]);
        check("POST", "/v1/toys", 201, "http://other.test/v1/toys/9", "", &[]);
        check("POST", "/v1/boxes/b/lids", 201, "", r#"{"lid_id": 7}"#, &["/boxes/b/lids/7"]);
        check("PUT", "/v1/toys/5", 201, "", "", &["/toys/5"]);
        check("POST", "/v1/toys", 200, "", r#"{"id": 7, "name": "ballhuw31"}"#, &["/toys/7"]);
        // What may have been there before, lists, and other things.
        check("POST", "/v1/toys", 200, "", r#"{"id": 7}"#, &[]);
        check("PUT", "/v1/toys/5", 200, "", "", &[]);
        check("GET", "/v1/toys", 200, "", r#"{"id": 7}"#, &[]);
        check("POST", "/v1/toys", 201, "", r#"{"id": ".."}"#, &[]);
        check("POST", "/v1/toys", 201, "", r#"{"id": ""}"#, &[]);
        check("POST", "/v1/toys", 201, "/v1/toys", r#"{"name": "x"}"#, &[]);
        check("POST", "/elsewhere", 201, "", r#"{"id": 7}"#, &[]);
    }

    #[test]
    fn what_was_removed_on_the_way_is_not_removed_again() {
        let made = made();
        let answer = |status, body: &str| crate::engine::test_respond(status, "application/json", body);
        made.observe(&Request::new("POST", "/v1/toys"), &answer(201, r#"{"id": 7}"#));
        made.observe(&Request::new("POST", "/v1/toys"), &answer(201, r#"{"id": 8}"#));
        made.observe(&Request::new("DELETE", "/v1/toys/7"), &answer(404, ""));
        assert_eq!(left(&made), ["/toys/7", "/toys/8"]);
        made.observe(&Request::new("DELETE", "/v1/toys/7"), &answer(204, ""));
        assert_eq!(left(&made), ["/toys/8"]);
    }
}
