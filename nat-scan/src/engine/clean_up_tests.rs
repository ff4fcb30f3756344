//! What a scan made is gone when it ends, and nothing else is.

use std::collections::BTreeMap;

use super::resume_tests::{Toys, scan, settings};
use super::*;
use crate::transport::Request;

/// The scan, and the requests that came after those of one that does not clean up.
async fn cleaned(change: impl Fn(&mut ScanConfig)) -> (Outcome, Vec<Request>) {
    let mut config = settings(ScanKind::Functional);
    change(&mut config);
    let without = ScanConfig { clean_up: false, ..config.clone() };
    let api = Toys::default().api();
    let before = scan(without, &api, Journal::none()).await;
    assert_eq!(before.clean_up, None);
    let sent = usize::try_from(api.count()).unwrap();
    let api = Toys::default().api();
    let outcome = scan(ScanConfig { clean_up: true, ..config }, &api, Journal::none()).await;
    // Neither the plan nor what is found depends on it.
    assert_eq!((&outcome.plan_hash, &outcome.plan_chain), (&before.plan_hash, &before.plan_chain));
    assert_eq!(outcome.findings, before.findings);
    assert_eq!(outcome.requests, api.count());
    let log = api.log.lock().unwrap();
    (outcome, log[sent..].to_vec())
}

#[tokio::test(start_paused = true)]
async fn things_are_removed_in_reverse_order() {
    let (outcome, sent) = cleaned(|_| {}).await;
    let done = outcome.clean_up.unwrap();
    assert!(done.made > 10, "{done:?}");
    assert_eq!((done.made, &done.left), (done.removed, &BTreeMap::new()));
    assert_eq!(sent.len() as u64, done.made);
    let ids: Vec<u64> = sent.iter().map(|r| r.target.strip_prefix("/toys/").unwrap().parse().unwrap()).collect();
    assert!(sent.iter().all(|request| request.method == "DELETE"));
    assert!(ids.is_sorted_by(|a, b| a > b), "{ids:?}");
    assert!(outcome.notices.iter().any(|notice| notice.contains("were removed at its end")), "{:?}", outcome.notices);
}

#[tokio::test(start_paused = true)]
async fn what_is_excluded_is_left_and_counted() {
    let (outcome, sent) = cleaned(|config| config.exclude = vec!["/toys/*".to_owned()]).await;
    let done = outcome.clean_up.unwrap();
    assert_eq!((sent.len(), done.removed), (0, 0));
    assert_eq!(done.left, BTreeMap::from([("their DELETE is left out".to_owned(), done.made)]));
}

#[tokio::test(start_paused = true)]
async fn safe_mode_makes_and_removes_nothing() {
    let (outcome, sent) = cleaned(|config| config.safe_mode = true).await;
    assert_eq!((outcome.clean_up, sent), (None, Vec::new()));
}

#[tokio::test(start_paused = true)]
async fn budget_holds_for_the_clean_up_too() {
    let whole = cleaned(|_| {}).await.0;
    let removed = whole.clean_up.unwrap().removed;
    // The plan is done, and some requests are left.
    let max_requests = whole.requests - removed + 5;
    let (outcome, sent) = cleaned(|config| config.max_requests = max_requests).await;
    assert!(outcome.requests <= max_requests);
    let done = outcome.clean_up.unwrap();
    assert_eq!(done.removed, sent.len() as u64);
    assert!(done.left.contains_key("the request budget ran out"), "{done:?}");
}
