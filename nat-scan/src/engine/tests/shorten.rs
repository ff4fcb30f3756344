//! Sequences show no more steps than are needed.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;

use serde_json::{Value, json};

use super::*;
use crate::finding::Finding;

const TOYS: &str = r#"{
  "openapi": "3.1.0", "info": {"title": "Toys", "version": "1"},
  "paths": {
    "/toys": {"post": {
      "requestBody": {"required": true, "content": {"application/json": {"schema": {
        "type": "object", "required": ["name", "size"], "properties": {
          "name": {"type": "string", "minLength": 1, "maxLength": 40},
          "note": {"type": "string", "maxLength": 40},
          "size": {"type": "integer", "minimum": 1, "maximum": 9}}}}}},
      "responses": {"201": {"description": ""}, "400": {"description": ""}}}},
    "/toys/{id}": {
      "parameters": [{"name": "id", "in": "path", "required": true, "schema": {"type": "integer"}}],
      "get": {"responses": {"200": {"description": ""}, "404": {"description": ""}}},
      "put": {
        "requestBody": {"required": true, "content": {"application/json": {"schema": {
          "type": "object", "required": ["name", "size"], "properties": {
            "name": {"type": "string", "minLength": 1, "maxLength": 40},
            "note": {"type": "string", "maxLength": 40},
            "size": {"type": "integer", "minimum": 1, "maximum": 9}}}}}},
        "responses": {"200": {"description": ""}, "400": {"description": ""}, "404": {"description": ""}}},
      "delete": {"responses": {"204": {"description": ""}, "404": {"description": ""}}}
    }
  }
}"#;

/// What is wrong with the toys.
#[derive(Clone, Copy, PartialEq)]
enum Defect {
    None,
    /// `DELETE` removes nothing.
    Stays,
    /// `GET` shows for ever what it showed once.
    Cached,
    /// A refused `PUT` is stored when its size is wrong.
    Leaks,
    /// As `Leaks`, but only what was refused before for its name.
    LeaksLater,
    /// What a `PUT` leaves out stays.
    Merges,
}

#[derive(Default)]
struct State {
    toys: BTreeMap<u64, Value>,
    shown: BTreeMap<u64, Value>,
    suspects: BTreeSet<u64>,
    made: u64,
}

impl State {
    fn answer(&mut self, defect: Defect, request: &Request) -> Answer {
        let told = |status, value: &Value| super::json(status, &value.to_string());
        let body: Option<Value> = request.body.as_deref().and_then(|body| serde_json::from_slice(body).ok());
        let id = request.target.strip_prefix("/toys/").and_then(|id| id.parse::<u64>().ok());
        let text = |body: &Value, name: &str| body[name].as_str().is_some_and(|text| !text.is_empty());
        let named = body.as_ref().is_some_and(|body| text(body, "name"));
        let noted = body.as_ref().is_some_and(|body| body.get("note").is_none_or(Value::is_string));
        let sized = body.as_ref().is_some_and(|body| body["size"].as_i64().is_some_and(|size| (1..=9).contains(&size)));
        let valid = body.clone().filter(|_| named && sized && noted);
        match (request.method.as_str(), id) {
            ("POST", None) if request.target == "/toys" => {
                let Some(mut toy) = valid else { return told(400, &json!({})) };
                self.made += 1;
                toy["id"] = self.made.into();
                self.toys.insert(self.made, toy.clone());
                told(201, &toy)
            }
            ("GET", Some(id)) => {
                if let Some(shown) = self.shown.get(&id).filter(|_| defect == Defect::Cached) {
                    return told(200, shown);
                }
                let Some(toy) = self.toys.get(&id) else { return told(404, &json!({})) };
                self.shown.insert(id, toy.clone());
                told(200, toy)
            }
            ("PUT", Some(id)) if self.toys.contains_key(&id) => {
                self.put(defect, id, body, valid.is_some(), (named, sized))
            }
            ("DELETE", Some(id)) if self.toys.contains_key(&id) => {
                if defect != Defect::Stays {
                    self.toys.remove(&id);
                }
                Ok(respond(204, "", ""))
            }
            (_, Some(_)) => told(404, &json!({})),
            _ => told(405, &json!({})),
        }
    }

    fn put(
        &mut self,
        defect: Defect,
        id: u64,
        body: Option<Value>,
        valid: bool,
        (named, sized): (bool, bool),
    ) -> Answer {
        let leaks = match defect {
            Defect::Leaks => !sized,
            Defect::LeaksLater => !sized && self.suspects.contains(&id),
            _ => false,
        };
        if !named {
            self.suspects.insert(id);
        }
        let status = if valid { 200 } else { 400 };
        let Some(mut sent) = body.filter(|body| body.is_object() && (valid || leaks)) else {
            return super::json(status, "{}");
        };
        sent["id"] = id.into();
        let note = self.toys.get(&id).and_then(|old| old.get("note")).cloned();
        if let (Defect::Merges, None, Some(note)) = (defect, sent.get("note"), note) {
            sent["note"] = note;
        }
        self.toys.insert(id, sent.clone());
        super::json(status, &sent.to_string())
    }
}

async fn scan_toys(defect: Defect, concurrency: usize) -> (Outcome, Arc<FakeApi>) {
    let state = Mutex::new(State::default());
    let api = FakeApi::new(move |request| state.lock().unwrap().answer(defect, request));
    let outcome = scan(ScanConfig { concurrency, ..config(Some(TOYS)) }, &api).await;
    assert_eq!(outcome.requests, api.count());
    (outcome, api)
}

fn found<'o>(outcome: &'o Outcome, check: &str) -> &'o Finding {
    let ids: Vec<&str> = outcome.findings.iter().map(|finding| finding.check_id.as_str()).collect();
    let of = |finding: &&Finding| finding.check_id == check;
    outcome.findings.iter().find(of).unwrap_or_else(|| panic!("no {check}, but {ids:?}: {:?}", outcome.notices))
}

#[track_caller]
fn check(finding: &Finding, methods: &[&str], told: Option<&str>) {
    let steps: Vec<&str> = finding.steps.iter().map(|step| step.method.as_str()).collect();
    assert_eq!(steps, methods, "{}", finding.explanation);
    assert_eq!(finding.evidence.len(), methods.len());
    let sentence = finding.explanation.find("The sequence was minimised");
    assert_eq!(sentence.map(|at| &finding.explanation[at..]), told);
}

#[tokio::test(start_paused = true)]
async fn read_that_nothing_depends_upon_is_left_out() {
    let (outcome, _) = scan_toys(Defect::Stays, 4).await;
    let finding = found(&outcome, "F040");
    check(finding, &["POST", "DELETE", "GET"], Some("The sequence was minimised from 4 to 3 steps."));
    let name = &finding.steps[0].captures[0].name;
    assert_eq!(finding.steps[2].target, format!("/toys/{{{{{name}}}}}"));
}

#[tokio::test(start_paused = true)]
async fn read_that_fills_the_cache_stays() {
    let (outcome, _) = scan_toys(Defect::Cached, 4).await;
    check(found(&outcome, "F040"), &["POST", "GET", "DELETE", "GET"], None);
}

#[tokio::test(start_paused = true)]
async fn changes_stay_when_what_is_shown_needs_them() {
    let (outcome, _) = scan_toys(Defect::Leaks, 4).await;
    let finding = found(&outcome, "F044");
    let methods: Vec<&str> = finding.steps.iter().map(|step| step.method.as_str()).collect();
    assert_eq!(methods, ["POST", "PUT", "GET"], "{}", finding.explanation);
    let (outcome, _) = scan_toys(Defect::LeaksLater, 4).await;
    let finding = found(&outcome, "F044");
    let methods: Vec<&str> = finding.steps.iter().map(|step| step.method.as_str()).collect();
    assert_eq!(methods, ["POST", "PUT", "PUT", "GET"], "{}", finding.explanation);
}

#[tokio::test(start_paused = true)]
async fn value_that_was_there_before_need_not_be_set() {
    let (outcome, _) = scan_toys(Defect::Merges, 4).await;
    let finding = found(&outcome, "F045");
    check(finding, &["POST", "PUT", "GET"], Some("The sequence was minimised from 4 to 3 steps."));
}

#[tokio::test(start_paused = true)]
async fn steps_are_the_same_at_any_concurrency() {
    let mut seen = Vec::new();
    for concurrency in [1, 2, 8] {
        let (outcome, api) = scan_toys(Defect::Stays, concurrency).await;
        let shown: Vec<_> = outcome.findings.into_iter().map(|finding| (finding.id, finding.steps.len())).collect();
        seen.push((outcome.plan_hash, shown, api.count()));
    }
    assert!(seen.iter().all(|one| *one == seen[0]), "{seen:#?}");
    assert!(scan_toys(Defect::None, 4).await.0.findings.iter().all(|finding| finding.check_id != "F040"));
}
