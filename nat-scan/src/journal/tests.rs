use chrono::DateTime;

use super::memory::MemoryStore;
use super::*;
use crate::transport::{Response, TransportError};

fn identity(seed: u64, document: &str) -> Identity {
    Identity {
        version: "1".to_owned(),
        target: "http://a".to_owned(),
        document: document.to_owned(),
        config: String::new(),
        seed,
    }
}

fn answer(result: Result<Response, TransportError>) -> (Request, KeptAnswer) {
    let request = Request::new("GET", "/a");
    let kept = KeptAnswer {
        print: record::print(&request, &Redactor::new()),
        result,
        at: DateTime::UNIX_EPOCH,
        throttled: Some(429),
    };
    (request, kept)
}

fn response(body: &str) -> Response {
    let mut response = crate::engine::test_respond(200, "application/json", body);
    response.headers.push(("X-Raw".to_owned(), vec![0, 200, 255]));
    response
}

async fn written(journal: &Journal) {
    let done = CancellationToken::new();
    done.cancel();
    journal.write_until(&done).await;
}

async fn open(store: &MemoryStore) -> Arc<Journal> {
    Journal::open(Arc::new(store.clone()), Foreign::Refuse).await.unwrap()
}

#[tokio::test]
async fn every_result_comes_back_as_it_was() {
    let results = [
        Ok(response("{}")),
        Ok(response(&"x".repeat(100_000))),
        Err(TransportError::Reset),
        Err(TransportError::Connect("refused".to_owned())),
        Err(TransportError::Timeout(Duration::from_millis(1500))),
        Err(TransportError::Malformed("SSH".to_owned())),
    ];
    let store = MemoryStore::default();
    let journal = open(&store).await;
    journal.bind(identity(1, "d"), "abcd".to_owned(), Redactor::new()).unwrap();
    let place = Place::of("here");
    let kept: Vec<_> = results.iter().cloned().map(answer).collect();
    journal.keep(place, vec!["abcd1".to_owned()], kept.clone());
    journal.keep(Place::of("stopped"), Vec::new(), vec![answer(Err(TransportError::Cancelled))]);
    written(&journal).await;
    let again = open(&store).await;
    let bound = again.bind(identity(1, "d"), "other".to_owned(), Redactor::new()).unwrap();
    assert_eq!(bound, Bound { nonce: "abcd".to_owned(), epoch: 1, known: 1 });
    let found = again.recall(&place).unwrap();
    assert_eq!(found.words, ["abcd1"]);
    assert_eq!(found.answers, kept.into_iter().map(|(_, answer)| answer).collect::<Vec<_>>());
    assert_eq!(again.epoch_of(&place), Some(0));
    assert_eq!(again.recall(&Place::of("stopped")), None);
    assert_eq!(again.seed(), Some(1));
}

#[tokio::test]
async fn journal_of_another_scan_is_named_or_forgotten() {
    let store = MemoryStore::default();
    let journal = open(&store).await;
    journal.bind(identity(1, "d"), "abcd".to_owned(), Redactor::new()).unwrap();
    journal.keep(Place::of("here"), Vec::new(), vec![answer(Err(TransportError::Reset))]);
    written(&journal).await;
    for (other, what) in [(identity(2, "d"), "seed"), (identity(1, "e"), "document")] {
        let journal = open(&store).await;
        let refused = journal.bind(other.clone(), String::new(), Redactor::new());
        assert_eq!(refused, Err(JournalError::Foreign(what)));
    }
    let over = Journal::open(Arc::new(store.clone()), Foreign::StartOver).await.unwrap();
    let bound = over.bind(identity(2, "d"), String::new(), Redactor::new()).unwrap();
    assert_eq!((bound.known, bound.epoch), (0, 1), "its words must still differ");
    over.keep(Place::of("there"), Vec::new(), vec![answer(Err(TransportError::Reset))]);
    written(&over).await;
    let again = open(&store).await;
    assert_eq!(again.bind(identity(2, "d"), String::new(), Redactor::new()).unwrap().known, 1);
    let text = MemoryStore(Arc::new(Mutex::new(b"{\"openapi\":\"3.1.0\"}".to_vec())));
    let error = Journal::open(Arc::new(text), Foreign::StartOver).await.unwrap_err();
    assert_eq!(error, JournalError::NotAJournal);
}

#[tokio::test]
async fn secrets_do_not_reach_the_store() {
    let store = MemoryStore::default();
    let journal = open(&store).await;
    let mut redactor = Redactor::new();
    redactor.secret("hunter2hunter2", "NAT_TOKEN");
    journal.bind(identity(1, "d"), "abcd".to_owned(), redactor).unwrap();
    let mut leaky = response(r#"{"echo":"hunter2hunter2","token":"t0kent0kent0ken"}"#);
    leaky.headers.push(("Set-Cookie".to_owned(), b"sid=c00kiec00kie; Path=/".to_vec()));
    leaky.headers.push(("Authorization".to_owned(), b"Bearer hunter2hunter2".to_vec()));
    journal.keep(Place::of("here"), Vec::new(), vec![answer(Ok(leaky))]);
    written(&journal).await;
    let found = open(&store).await.recall(&Place::of("here")).unwrap().answers;
    let plain = format!("{found:?}");
    for secret in ["hunter2hunter2", "t0kent0kent0ken", "c00kiec00kie"] {
        assert!(!plain.contains(secret), "{plain}");
    }
    let cookie = found[0].result.as_ref().unwrap().header("set-cookie");
    assert!(cookie.is_some_and(|cookie| cookie.ends_with("; Path=/")), "{cookie:?}");
}

#[tokio::test]
async fn file_is_cut_where_it_was_torn_and_left_alone_when_it_is_no_journal() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("scan.journal");
    let open = async || Journal::open(Arc::new(FileStore::new(&path)), Foreign::Refuse).await;
    let journal = open().await.unwrap();
    journal.bind(identity(1, "d"), "abcd".to_owned(), Redactor::new()).unwrap();
    journal.keep(Place::of("one"), Vec::new(), vec![answer(Err(TransportError::Reset))]);
    journal.keep(Place::of("two"), Vec::new(), vec![answer(Ok(response("{}")))]);
    written(&journal).await;
    assert_eq!(open().await.unwrap_err(), JournalError::InUse);
    drop(journal);
    let whole = std::fs::read(&path).unwrap();
    std::fs::write(&path, &whole[..whole.len() - 3]).unwrap();
    let journal = open().await.unwrap();
    assert!(journal.epoch_of(&Place::of("one")).is_some() && journal.epoch_of(&Place::of("two")).is_none());
    journal.bind(identity(1, "d"), String::new(), Redactor::new()).unwrap();
    journal.keep(Place::of("three"), Vec::new(), vec![answer(Err(TransportError::Empty))]);
    written(&journal).await;
    drop(journal);
    let journal = open().await.unwrap();
    assert_eq!(journal.epoch_of(&Place::of("three")), Some(1), "written behind what was whole");
    journal.remove().await.unwrap();
    assert!(!path.exists());
    std::fs::write(&path, "precious").unwrap();
    assert_eq!(open().await.unwrap_err(), JournalError::NotAJournal);
    assert_eq!(std::fs::read(&path).unwrap(), b"precious");
}

#[tokio::test]
async fn store_that_fails_ends_the_journal_not_the_scan() {
    struct Broken;
    #[async_trait::async_trait]
    impl JournalStore for Broken {
        async fn read(&self) -> Result<Vec<u8>, JournalError> {
            Ok(Vec::new())
        }
        async fn append(&self, _bytes: Vec<u8>) -> Result<(), JournalError> {
            Err(JournalError::Storage("full".to_owned()))
        }
        async fn remove(&self) -> Result<(), JournalError> {
            Ok(())
        }
    }
    let journal = Journal::open(Arc::new(Broken), Foreign::Refuse).await.unwrap();
    journal.bind(identity(1, "d"), String::new(), Redactor::new()).unwrap();
    written(&journal).await;
    assert_eq!(journal.trouble(), Some(JournalError::Storage("full".to_owned())));
    journal.keep(Place::of("one"), Vec::new(), vec![answer(Err(TransportError::Reset))]);
    assert!(journal.state().pending.is_empty());
}
