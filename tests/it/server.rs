//! Whole servers: many at once, several on one database, and killed in the middle.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use nat::core::db::testing;
use serde_json::{Value, json};

use crate::process::{Client, SEAL_KEY, Server, plans};

/// The sample API on a free port, for as long as the runtime lives.
pub(crate) async fn target() -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("bound");
    tokio::spawn(async move { axum::serve(listener, nat::sample::router()).await });
    format!("http://{address}")
}

fn scan_of(target: &str, max_requests: u32) -> Value {
    json!({
        "url": target, "spec_url": format!("{target}/openapi.json"),
        "options": {"max_seconds": 60, "max_requests": max_requests, "seed": 1},
    })
}

/// Every ±1 of the period adds up to what the summary says; no scan has more than one of each.
async fn assert_ledger_adds_up(client: &Client) -> u64 {
    let usage = client.get("/usage").await;
    let mut cursor = String::new();
    let (mut sum, mut lines) = (0i64, BTreeMap::<(String, String), u32>::new());
    loop {
        let slice = client.get(&format!("/usage/ledger{cursor}")).await;
        for entry in slice["entries"].as_array().expect("entries") {
            sum += entry["delta"].as_i64().expect("a number");
            let line = (entry["scan_id"].to_string(), entry["reason"].to_string());
            *lines.entry(line).or_default() += 1;
        }
        match slice["next_cursor"].as_str() {
            Some(next) => cursor = format!("?cursor={next}"),
            None => break,
        }
    }
    assert!(lines.values().all(|count| *count == 1), "a line stands twice: {lines:?}");
    let used = usage["scans_used"].as_u64().expect("a number");
    assert_eq!(i64::try_from(used), Ok(sum), "{usage}");
    used
}

async fn accepts_exactly_the_units_left(addresses: &[SocketAddr], client: &Client) {
    let target = target().await;
    let clients = futures::future::join_all(addresses.iter().map(|address| client.at(*address))).await;
    let body = scan_of(&target, 50);
    let calls = (0..200).map(|n| clients[n % clients.len()].call("POST", "/scan", Some(&body)));
    let answers = futures::future::join_all(calls).await;
    let count = |status: u16| answers.iter().filter(|(seen, _)| *seen == status).count();
    assert_eq!((count(202), count(402)), (7, 193), "{:?}", answers.iter().map(|(s, _)| s).collect::<Vec<_>>());
    for (_, scan) in answers.iter().filter(|(status, _)| *status == 202) {
        client.ended(scan["scan_id"].as_str().expect("an id")).await;
    }
    assert_eq!(assert_ledger_adds_up(client).await, 7);
}

/// The settings of servers on one database.
struct Setting {
    dir: tempfile::TempDir,
    plans: String,
    database: String,
}

impl Setting {
    fn new(database: &testing::TestDatabase, scans: u32) -> Self {
        let dir = tempfile::tempdir().expect("a directory");
        let plans = plans(dir.path(), scans).to_string_lossy().into_owned();
        Self { dir, plans, database: database.url.clone() }
    }

    fn serve(&self) -> Server {
        assert!(self.dir.path().exists(), "the catalogue is there as long as the servers");
        let settings = [
            ("DATABASE_URL", &*self.database),
            ("NAT_PLANS_FILE", &*self.plans),
            ("NAT_SEAL_KEY", SEAL_KEY),
            ("NAT_WORKERS", "20"),
        ];
        Server::start(&settings)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn parallel_starts_on_seven_units_accept_seven() {
    testing::on_every_database(Vec::new, async |database| {
        let setting = Setting::new(&database, 7);
        // Only PostgreSQL is shared by several processes.
        let count = if database.url.starts_with("postgres") { 2 } else { 1 };
        let servers: Vec<Server> = (0..count).map(|_| setting.serve()).collect();
        let client = Client::new(servers[0].address).await.register("t").await;
        let addresses: Vec<SocketAddr> = servers.iter().map(|server| server.address).collect();
        accepts_exactly_the_units_left(&addresses, &client).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_server_loses_no_scan_and_no_unit() {
    testing::on_every_database(Vec::new, async |database| {
        let setting = Setting::new(&database, 500);
        let target = target().await;
        let mut server = setting.serve();
        let client = Client::new(server.address).await.register("t").await;
        let mut ids = Vec::new();
        for _ in 0..10 {
            let client = client.at(server.address).await;
            for _ in 0..20 {
                let (status, scan) = client.call("POST", "/scan", Some(&scan_of(&target, 100))).await;
                assert_eq!(status, 202, "{scan}");
                ids.push(scan["scan_id"].as_str().expect("an id").to_owned());
            }
            server.kill();
            server = setting.serve();
        }
        let client = client.at(server.address).await;
        for id in &ids {
            let scan = client.ended(id).await;
            assert!(scan["status"] == "completed" || scan["status"] == "failed", "{scan}");
        }
        let completed = client.get("/scans?status=completed&per_page=1").await["total"].as_u64();
        let used = assert_ledger_adds_up(&client).await;
        assert_eq!(Some(used), completed, "a unit a completed scan, none for a failed one");
    })
    .await;
}
