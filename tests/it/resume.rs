//! Scans that are killed and go on: `kill -9` at random points gives the findings of the scan that was left alone.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::{Child, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Instant;

use nat::sample::farm::{Switches, router};
use serde_json::{Value, json};
use tokio::sync::watch;

use crate::determinism::show;
use crate::farm::sign_in;
use crate::process::{Client, SEAL_KEY, Server, nat, plans};

/// Of the points at which scans are killed; printed with each.
const SEED: u64 = 20_261_126;
const POINTS: usize = 20;
/// Of the paths that are left out.
pub(crate) const LEFT_OUT: &str = "abcefghijkmopqrsuvwxyz";
/// Probe, document and looks at the target are repeated.
const BEGINNING: u64 = 12;
/// Requests of sequences and proofs that were under way for longer than a second.
const UNFINISHED: u64 = 60;

/// A farm that counts what it is asked.
struct Farm {
    address: String,
    token: String,
    asked: watch::Sender<u64>,
    /// When.
    times: Arc<Mutex<Vec<Instant>>>,
    server: tokio::task::JoinHandle<std::io::Result<()>>,
}

impl Farm {
    async fn open() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address").to_string();
        let asked = watch::Sender::new(0);
        let times = Arc::<Mutex<Vec<Instant>>>::default();
        let (counter, clock) = (asked.clone(), Arc::clone(&times));
        let count = move |request: axum::extract::Request, next: axum::middleware::Next| {
            clock.lock().expect("no panic").push(Instant::now());
            counter.send_modify(|asked| *asked += 1);
            next.run(request)
        };
        let app = router(Switches::all()).layer(axum::middleware::from_fn(count));
        let server = tokio::spawn(axum::serve(listener, app).into_future());
        let token = sign_in(&address).await;
        asked.send_replace(0);
        Self { address, token, asked, times, server }
    }

    /// Starts `nat scan` on a part of the farm.
    fn scan(&self, dir: &Path) -> Child {
        let target = format!("http://{}", self.address);
        let mut command = nat();
        command.args(["scan", &target, "--spec", &format!("{target}/openapi.json"), "--bearer", &self.token]);
        command.args(["--seed", "7", "--no-clean-up", "--quiet", "--fail-on", "none"]);
        // A part of the farm: twenty scans and a bit in less than a minute.
        for letter in LEFT_OUT.chars() {
            command.args(["--exclude", &format!("/{letter}*")]);
        }
        command.arg("--journal").arg(dir.join("journal")).arg("--output").arg(dir.join("report.json"));
        command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("the binary starts")
    }

    fn count(&self) -> u64 {
        *self.asked.borrow()
    }

    /// How often it was asked in the last second.
    fn lately(&self) -> u64 {
        let times = self.times.lock().expect("no panic");
        times.iter().rev().take_while(|time| time.elapsed().as_secs() < 1).count() as u64
    }

    async fn is_asked(&self, times: u64) {
        self.asked.subscribe().wait_for(|asked| *asked >= times).await.expect("the farm is open");
    }
}

impl Drop for Farm {
    fn drop(&mut self) {
        self.server.abort();
    }
}

/// Waits for a child without standing in the way of the farm.
async fn ended(mut child: Child) -> std::process::ExitStatus {
    tokio::task::spawn_blocking(move || child.wait()).await.expect("no panic").expect("it ends")
}

/// Fingerprints of a report, and the hash of its plan.
fn findings(dir: &Path) -> BTreeSet<String> {
    let text = std::fs::read(dir.join("report.json")).expect("a report");
    let report: Value = serde_json::from_slice(&text).expect("JSON");
    let findings = report["findings"].as_array().expect("findings");
    findings.iter().map(|f| format!("{} {} {}", f["check_id"], f["endpoint"], f["location"])).collect()
}

/// Records of a journal behind its header: each spares at least one request.
fn records(path: &Path) -> u64 {
    let bytes = std::fs::read(path).unwrap_or_default();
    let (mut at, mut count) = (b"NAT-JOURNAL-1\n".len(), 0_u64);
    while let Some(length) = bytes.get(at..at + 4) {
        let length = u32::from_le_bytes(length.try_into().expect("four bytes"));
        at += 8 + length as usize;
        count += u64::from(at <= bytes.len());
    }
    count.saturating_sub(1)
}

/// Pseudo-random, the same each time.
fn points(most: u64) -> Vec<u64> {
    let mut state = SEED;
    let next = move || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        1 + (state >> 33) % most
    };
    std::iter::repeat_with(next).take(POINTS).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn scan_killed_at_twenty_points_finds_what_it_would_have_found() {
    let begin = Instant::now();
    let dir = tempfile::tempdir().expect("a directory");
    let farm = Farm::open().await;
    let status = ended(farm.scan(dir.path())).await;
    assert_eq!(status.code(), Some(0));
    assert!(!dir.path().join("journal").exists(), "it goes with the end of the scan");
    let (whole, all) = (findings(dir.path()), farm.count());
    show(&format!("undisturbed: {all} requests, {} findings, {:?}", whole.len(), begin.elapsed()));
    assert!(whole.len() >= 8, "{whole:#?}");
    let limit = Arc::new(tokio::sync::Semaphore::new(2));
    let mut runs = tokio::task::JoinSet::new();
    for point in points(all) {
        let limit = Arc::clone(&limit);
        runs.spawn(async move {
            let _turn = limit.acquire_owned().await.expect("open");
            let dir = tempfile::tempdir().expect("a directory");
            let farm = Farm::open().await;
            let mut child = farm.scan(dir.path());
            farm.is_asked(point).await;
            child.kill().expect("killed");
            ended(child).await;
            let (first, kept) = (farm.count(), records(&dir.path().join("journal")));
            let status = ended(farm.scan(dir.path())).await;
            assert_eq!(status.code(), Some(0), "killed at {point}");
            (point, first, kept, farm.count() - first, findings(dir.path()))
        });
    }
    let mut table = String::new();
    let mut different = Vec::new();
    while let Some(run) = runs.join_next().await {
        let (point, first, kept, second, found) = run.expect("no panic");
        table.push_str(&format!("{point} killed at {first}, {kept} records, {second} sent by the second\n"));
        if found != whole {
            let lost: Vec<_> = whole.difference(&found).cloned().collect();
            let new: Vec<_> = found.difference(&whole).cloned().collect();
            different.push(format!("{point}: lost {lost:#?}, new {new:#?}"));
        }
        if second + kept > all + BEGINNING {
            different.push(format!("{point}: {second} sent again, {kept} kept, {all} in all"));
        }
    }
    show(&format!("seed {SEED}\n{table}{:?}", begin.elapsed()));
    assert!(different.is_empty(), "seed {SEED}\n{table}\n{}", different.join("\n"));
}

/// Runs a stored scan of the farm to its end, killing the server when the farm was asked so often. Also how often the farm
/// was asked, and how often in the seconds before the ends.
async fn stored(points: &[u64]) -> (BTreeSet<String>, u64, u64, Value) {
    let dir = tempfile::tempdir().expect("a directory");
    let database = format!("sqlite://{}/nat.db?mode=rwc", dir.path().display());
    let plans = plans(dir.path(), 5);
    let settings =
        [("DATABASE_URL", &*database), ("NAT_PLANS_FILE", plans.to_str().expect("text")), ("NAT_SEAL_KEY", SEAL_KEY)];
    let farm = Farm::open().await;
    let target = format!("http://{}", farm.address);
    let mut server = Server::start(&settings);
    let client = Client::new(server.address).await.register("t").await;
    let exclude: Vec<String> = LEFT_OUT.chars().map(|letter| format!("/{letter}*")).collect();
    let body = json!({
        "url": target, "spec_url": format!("{target}/openapi.json"),
        "auth": {"type": "bearer", "token": farm.token},
        "options": {"seed": 7, "concurrency": 1, "exclude": exclude, "max_requests": 20_000},
    });
    let (status, scan) = client.call("POST", "/scan", Some(&body)).await;
    assert_eq!(status, 202, "{scan}");
    let id = scan["scan_id"].as_str().expect("an id");
    let mut lately = 0;
    for point in points {
        farm.is_asked(*point).await;
        server.kill();
        lately += farm.lately();
        server = Server::start(&settings);
    }
    let client = client.at(server.address).await;
    let ended = client.ended(id).await;
    assert_eq!(ended["status"], "completed", "{ended}\n{}", server.log());
    let results = client.get(&format!("/scan/{id}/results")).await;
    let findings = results["findings"].as_array().expect("findings");
    let found = findings.iter().map(|f| format!("{} {} {}", f["check_id"], f["endpoint"], f["location"])).collect();
    (found, farm.count(), lately, client.get("/usage").await)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn stored_scan_of_a_killed_server_goes_on_where_it_was() {
    let (whole, all, ..) = stored(&[]).await;
    assert!(whole.len() >= 8, "{whole:#?}");
    for points in [vec![all * 3 / 4], vec![all / 2, all * 9 / 10]] {
        let (found, asked, lately, usage) = stored(&points).await;
        assert_eq!(found, whole, "killed at {points:?}");
        let most = all + lately + points.len() as u64 * (BEGINNING + UNFINISHED);
        show(&format!(
            "killed at {points:?}: {asked} requests, {all} undisturbed, {lately} in the seconds before the ends"
        ));
        assert!(asked <= most, "killed at {points:?}: {asked} instead of {all}, {lately} in the last seconds");
        assert_eq!(usage["scans_used"], 1, "{usage}");
    }
}
