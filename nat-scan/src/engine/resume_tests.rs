//! A scan that is killed and resumed is the scan that was not.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use super::fake::{Answer, FakeApi, config, ports, respond};
use super::pace::Patience;
use super::run::Equipment;
use super::*;
use crate::journal::memory::MemoryStore;
use crate::journal::{Foreign, Journal};
use crate::transport::Request;

const SPEC: &str = r#"{
  "openapi": "3.1.0", "info": {"title": "Toys", "version": "1"},
  "paths": {
    "/toys": {
      "get": {"responses": {"200": {"description": ""}}},
      "post": {
        "requestBody": {"required": true, "content": {"application/json": {"schema": {
          "type": "object", "required": ["name"], "properties": {
            "name": {"type": "string", "minLength": 1, "maxLength": 40, "example": "ball"},
            "size": {"type": "integer", "minimum": 1, "maximum": 9, "example": 3}}}}}},
        "responses": {"201": {"description": ""}, "400": {"description": ""}, "409": {"description": ""}}
      }
    },
    "/toys/{id}": {
      "parameters": [{"name": "id", "in": "path", "required": true, "schema": {"type": "integer"}}],
      "get": {"responses": {"200": {"description": ""}, "404": {"description": ""}}},
      "put": {
        "requestBody": {"required": true, "content": {"application/json": {"schema": {
          "type": "object", "required": ["name"], "properties": {"name": {"type": "string", "minLength": 1}}}}}},
        "responses": {"200": {"description": ""}, "400": {"description": ""}, "404": {"description": ""}}
      },
      "delete": {"responses": {"204": {"description": ""}, "404": {"description": ""}}}
    }
  }
}"#;

/// `DELETE` removes nothing, and a size of 9 breaks `POST`. Names need not be unique: a made-up name that was sent in the
/// last moment before the end is sent again, and a target that refuses it then answers otherwise than it did.
#[derive(Clone, Default)]
pub(super) struct Toys(Arc<Mutex<BTreeMap<u64, Value>>>);

impl Toys {
    pub(super) fn answer(&self, request: &Request) -> Answer {
        let mut toys = self.0.lock().unwrap();
        let path = request.target.split('?').next().unwrap();
        let body: Option<Value> = request.body.as_deref().and_then(|body| serde_json::from_slice(body).ok());
        let named = body.filter(|body| body["name"].as_str().is_some_and(|name| !name.is_empty()));
        let told = |status, value: Value| Ok(respond(status, "application/json", &value.to_string()));
        let id = path.strip_prefix("/toys/").and_then(|id| id.parse::<u64>().ok());
        match (request.method.as_str(), id) {
            ("GET", None) if path == "/toys" => told(200, toys.values().cloned().collect()),
            ("POST", None) if path == "/toys" => match named {
                None => told(400, json!({"error": "a name is wanted"})),
                Some(toy) if toy["size"] == 9 => told(500, json!({"error": "boom"})),
                Some(mut toy) => {
                    let id = toys.len() as u64 + 1;
                    toy["id"] = id.into();
                    toys.insert(id, toy.clone());
                    told(201, toy)
                }
            },
            (method, Some(id)) if toys.contains_key(&id) => match (method, named) {
                ("GET", _) => told(200, toys[&id].clone()),
                ("PUT", Some(mut toy)) => {
                    toy["id"] = id.into();
                    toys.insert(id, toy.clone());
                    told(200, toy)
                }
                ("PUT", None) => told(400, json!({"error": "a name is wanted"})),
                ("DELETE", _) => Ok(respond(204, "", "")),
                _ => told(405, json!({})),
            },
            _ => told(404, json!({})),
        }
    }

    /// The same toys behind another connection.
    pub(super) fn api(&self) -> Arc<FakeApi> {
        let toys = self.clone();
        FakeApi::new(move |request| toys.answer(request))
    }

    /// Answers no more after that many requests.
    fn api_until(&self, answered: u64) -> Arc<FakeApi> {
        let toys = self.clone();
        FakeApi::stalling_after(answered, move |request| toys.answer(request))
    }
}

pub(super) fn settings(kind: ScanKind) -> ScanConfig {
    ScanConfig { kind, max_requests: 3_000, clean_up: false, ..config(Some(SPEC)) }
}

pub(super) async fn scan(config: ScanConfig, api: &Arc<FakeApi>, journal: Arc<Journal>) -> Outcome {
    let short = std::time::Duration::from_millis(1);
    let patience =
        Patience { breath: short, grace: short, tries: [short; 3], watch: [short; 3], ..Patience::default() };
    let equipment = Equipment { patience, ..Equipment::of(config.kind, config.profile) };
    super::run::run(config, ports(api), Arc::new(|_| {}), CancellationToken::new(), equipment, journal).await
}

async fn open(store: &MemoryStore) -> Arc<Journal> {
    Journal::open(Arc::new(store.clone()), Foreign::Refuse).await.unwrap()
}

async fn flush(journal: &Journal) {
    let done = CancellationToken::new();
    done.cancel();
    journal.write_until(&done).await;
}

/// What must be the same.
pub(super) fn essence(outcome: &Outcome) -> (Vec<(String, String, u32)>, String, u64) {
    let findings = outcome.findings.iter().map(|f| (f.id.clone(), f.endpoint.clone(), f.occurrences)).collect();
    (findings, outcome.plan_hash.clone(), outcome.requests)
}

/// Kills a scan when it was answered `answered` times, loses the last `lost` records, and resumes it.
async fn killed_at(kind: ScanKind, answered: u64, lost: usize) -> (Outcome, u64, usize, Vec<Request>) {
    let (toys, store) = (Toys::default(), MemoryStore::default());
    let first = toys.api_until(answered);
    let journal = open(&store).await;
    tokio::select! {
        outcome = scan(settings(kind), &first, Arc::clone(&journal)) => panic!("it was to be killed: {:?}", outcome.notices),
        () = first.is_asked(answered + 1) => {}
    }
    flush(&journal).await;
    let records = store.records().saturating_sub(lost);
    let torn = MemoryStore::torn(&store.0.lock().unwrap().clone(), records);
    let again = toys.api();
    let outcome = scan(settings(kind), &again, open(&torn).await).await;
    let log = first.log.lock().unwrap().iter().chain(&*again.log.lock().unwrap()).cloned().collect();
    (outcome, again.count(), records, log)
}

#[tokio::test(start_paused = true)]
async fn scan_that_is_killed_anywhere_ends_as_if_it_were_not() {
    for kind in [ScanKind::Functional, ScanKind::Security] {
        let whole = scan(settings(kind), &Toys::default().api(), Journal::none()).await;
        assert_eq!(whole.failure, None);
        let checks: BTreeSet<_> = whole.findings.iter().map(|finding| finding.check_id.as_str()).collect();
        assert!(
            kind == ScanKind::Security || checks.is_superset(&["F001", "F040"].into()),
            "{checks:?} {:?} {:?}",
            whole.notices,
            whole.operations
        );
        let step = usize::try_from(whole.requests / 16).unwrap().max(1);
        for (at, answered) in (1..whole.requests).step_by(step).enumerate() {
            let lost = if at % 2 == 0 { 0 } else { 4 };
            let (resumed, sent, records, log) = killed_at(kind, answered, lost).await;
            let place = format!("{kind:?} killed at {answered}, {lost} lost, {records} records");
            assert_eq!(resumed.failure, None, "{place}");
            assert_eq!(essence(&resumed), essence(&whole), "{place}: {:?}", resumed.notices);
            // Each record spares a request at least; the first is the header.
            // Security checks make things of their own anew, with words that no request had before: that costs some.
            let anew = if kind == ScanKind::Security { whole.requests / 4 } else { 0 };
            let spared = records.saturating_sub(1) as u64;
            assert!(sent + spared <= whole.requests + anew, "{place}: {sent} sent of {}", whole.requests);
            assert_eq!(repeated_names(&log), BTreeSet::new(), "{place}");
        }
    }
}

/// Names with a word of the scan that were sent to `POST /toys` twice.
fn repeated_names(log: &[Request]) -> BTreeSet<String> {
    let (mut seen, mut twice) = (BTreeSet::new(), BTreeSet::new());
    let nonce: String = super::probe::nonce(7, "scan_test", 0).chars().skip(3).take(4).collect();
    for request in log.iter().filter(|request| request.method == "POST" && request.target == "/toys") {
        let body: Option<Value> = request.body.as_deref().and_then(|body| serde_json::from_slice(body).ok());
        let name = body.and_then(|body| Some(body["name"].as_str()?.to_owned()));
        // Without credentials the very same request is sent, on purpose.
        for name in name.into_iter().filter(|name| name.contains(&nonce)) {
            if !seen.insert(name.clone()) {
                twice.insert(name);
            }
        }
    }
    twice
}

#[tokio::test(start_paused = true)]
async fn complete_journal_leaves_nothing_to_send_but_the_beginning() {
    let (toys, store) = (Toys::default(), MemoryStore::default());
    let journal = open(&store).await;
    let whole = scan(settings(ScanKind::Functional), &toys.api(), Arc::clone(&journal)).await;
    flush(&journal).await;
    let api = toys.api();
    let resumed = scan(settings(ScanKind::Functional), &api, open(&store).await).await;
    assert_eq!(essence(&resumed), essence(&whole));
    assert!(api.count() <= 3, "the probe, and looks at the target: {:?}", api.log.lock().unwrap());
    assert!(resumed.notices.iter().any(|notice| notice.contains("resumed")), "{:?}", resumed.notices);
}

#[tokio::test(start_paused = true)]
async fn journal_of_another_scan_is_refused_by_name() {
    let store = MemoryStore::default();
    let journal = open(&store).await;
    scan(settings(ScanKind::Functional), &Toys::default().api(), Arc::clone(&journal)).await;
    flush(&journal).await;
    let same = settings(ScanKind::Functional);
    let others = [
        ("seed", ScanConfig { seed: 8, ..same.clone() }),
        ("configuration", ScanConfig { max_requests: 3_001, ..same.clone() }),
        ("document", ScanConfig { spec: config(Some(&SPEC.replace("Toys", "Tools"))).spec, ..same.clone() }),
    ];
    for (what, other) in others {
        let api = Toys::default().api();
        let failure = scan(other, &api, open(&store).await).await.failure.unwrap();
        assert_eq!(failure.code, "JOURNAL_FOREIGN");
        assert!(failure.message.contains(what), "{failure:?}");
        assert!(api.count() <= 1, "nothing is tested");
    }
}
