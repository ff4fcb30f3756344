use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::super::testing::on_every_database;
use super::*;
use crate::store::CoreStore;

/// A handler that notes what it gets, and the stop that falls when `expected` jobs have run.
fn recorder(expected: usize) -> (JobHandler, Arc<Mutex<Vec<String>>>, CancellationToken) {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let stop = CancellationToken::new();
    let (noted, stopper) = (seen.clone(), stop.clone());
    let handler: JobHandler = Arc::new(move |id: ScanId| {
        let (noted, stopper) = (noted.clone(), stopper.clone());
        async move {
            let mut noted = noted.lock().unwrap();
            noted.push(id.to_string());
            if noted.len() == expected {
                stopper.cancel();
            }
        }
        .boxed()
    });
    (handler, seen, stop)
}

fn sorted(seen: &Mutex<Vec<String>>) -> Vec<String> {
    let mut seen = seen.lock().unwrap().clone();
    seen.sort();
    seen
}

#[tokio::test]
async fn same_scan_and_attempt_run_once() {
    on_every_database(Vec::new, async |db| {
        let queue = db.store.job_queue();
        for (scan, attempt) in [("scan_a", 1), ("scan_a", 1), ("scan_a", 2), ("scan_b", 1)] {
            queue.push(&scan.into(), attempt).await.unwrap();
        }
        let (handler, seen, stop) = recorder(3);
        queue.work(2, handler, stop).await.unwrap();
        assert_eq!(sorted(&seen), ["scan_a", "scan_a", "scan_b"]);
        assert_eq!(queue.storage.fetch(&registered(&queue).await).await.unwrap().map(|job| job.scan_id), None);
    })
    .await;
}

async fn registered(queue: &ApalisQueue) -> Worker {
    queue.register(&CancellationToken::new()).await.unwrap()
}

#[tokio::test]
async fn two_nodes_share_jobs_without_running_one_twice() {
    on_every_database(Vec::new, async |db| {
        let (here, there) = (db.store.job_queue(), db.store.job_queue());
        let ids: Vec<String> = (0..20).map(|n| format!("scan_{n:02}")).collect();
        for id in &ids {
            here.push(&id.as_str().into(), 1).await.unwrap();
        }
        let (handler, seen, stop) = recorder(ids.len());
        let (left, right) = tokio::join!(here.work(3, handler.clone(), stop.clone()), there.work(3, handler, stop));
        left.and(right).unwrap();
        assert_eq!(sorted(&seen), ids);
    })
    .await;
}

#[tokio::test]
async fn handlers_at_once_never_exceed_the_concurrency() {
    on_every_database(Vec::new, async |db| {
        const JOBS: usize = 8;
        let queue = db.store.job_queue();
        for n in 0..JOBS {
            queue.push(&format!("scan_{n}").into(), 1).await.unwrap();
        }
        let (running, peak, ended) = <(Arc<AtomicUsize>, Arc<AtomicUsize>, Arc<AtomicUsize>)>::default();
        let stop = CancellationToken::new();
        let (most, stopper, store) = (peak.clone(), stop.clone(), db.store.clone());
        // Handlers wait for each other in pairs: with fewer than two at once nothing would ever end.
        let pair = Arc::new(tokio::sync::Barrier::new(2));
        let handler: JobHandler = Arc::new(move |_| {
            let (running, most, ended) = (running.clone(), most.clone(), ended.clone());
            let (stopper, store, pair) = (stopper.clone(), store.clone(), pair.clone());
            async move {
                most.fetch_max(running.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                pair.wait().await;
                for _ in 0..5 {
                    // As long as several fetches take: a queue without the limit starts the others meanwhile.
                    store.ping().await.unwrap();
                }
                running.fetch_sub(1, Ordering::SeqCst);
                if ended.fetch_add(1, Ordering::SeqCst) + 1 == JOBS {
                    stopper.cancel();
                }
            }
            .boxed()
        });
        let work = queue.work(2, handler, stop);
        tokio::time::timeout(Duration::from_secs(60), work).await.expect("two run at once").unwrap();
        assert_eq!(peak.load(Ordering::SeqCst), 2);
    })
    .await;
}

#[tokio::test]
async fn stop_waits_for_the_handler_in_flight() {
    on_every_database(Vec::new, async |db| {
        let queue = db.store.job_queue();
        queue.push(&"scan_a".into(), 1).await.unwrap();
        let stop = CancellationToken::new();
        let ended = Arc::new(AtomicUsize::new(0));
        let (stopper, done, store) = (stop.clone(), ended.clone(), db.store.clone());
        let handler: JobHandler = Arc::new(move |_| {
            let (stopper, done, store) = (stopper.clone(), done.clone(), store.clone());
            async move {
                stopper.cancel();
                store.ping().await.unwrap();
                done.fetch_add(1, Ordering::SeqCst);
            }
            .boxed()
        });
        queue.work(1, handler, stop).await.unwrap();
        assert_eq!(ended.load(Ordering::SeqCst), 1);
    })
    .await;
}

#[tokio::test]
async fn job_of_a_dead_worker_is_taken_back() {
    on_every_database(Vec::new, async |db| {
        let queue = db.store.job_queue();
        queue.push(&"scan_a".into(), 1).await.unwrap();
        let dead = registered(&queue).await;
        assert!(queue.storage.fetch(&dead).await.unwrap().is_some());
        let alive = registered(&queue).await;
        queue.storage.tend(&alive).await.unwrap();
        assert!(queue.storage.fetch(&alive).await.unwrap().is_none(), "its worker is alive");
        queue.storage.deregister(&dead).await.unwrap();
        queue.storage.tend(&alive).await.unwrap();
        assert!(queue.storage.fetch(&alive).await.unwrap().is_some());
    })
    .await;
}

#[tokio::test]
async fn handler_that_panics_harms_no_other() {
    on_every_database(Vec::new, async |db| {
        let queue = db.store.job_queue();
        queue.push(&"scan_bad".into(), 1).await.unwrap();
        queue.push(&"scan_good".into(), 1).await.unwrap();
        let (record, seen, stop) = recorder(1);
        let handler: JobHandler = Arc::new(move |id: ScanId| {
            assert_ne!(id.as_str(), "scan_bad", "a defect of the handler");
            record(id)
        });
        queue.work(1, handler, stop).await.unwrap();
        assert_eq!(sorted(&seen), ["scan_good"]);
    })
    .await;
}
