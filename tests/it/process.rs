//! A `nat serve` process under test, and a small client for its API.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};

use nat::core::time::SystemClock;
use nat::scan::transport::{Limits, Request, Transport};
use serde_json::{Value, json};

pub(crate) const SYNC_KEY: &str = "sync-key-of-the-tests-with-40-characters";

/// A sealing key: 32 bytes in base64.
pub(crate) const SEAL_KEY: &str = "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=";

/// The binary under test.
pub(crate) fn nat() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_nat"));
    for (name, _) in std::env::vars() {
        if name.starts_with("NAT_") || name.starts_with("STRIPE_") || name == "DATABASE_URL" {
            command.env_remove(name);
        }
    }
    command
}

/// A catalogue with room for tests: `pro` has `scans` functional scans.
pub(crate) fn plans(dir: &Path, scans: u32) -> PathBuf {
    let text = format!(
        "[[plan]]\nid = \"free\"\nfunctional_scans = 50\nsecurity_scans = 0\nrequests_per_minute = 100000\nconcurrent_scans = 1\n\
         [[plan]]\nid = \"pro\"\nfunctional_scans = {scans}\nsecurity_scans = {scans}\nrequests_per_minute = 100000\nconcurrent_scans = 500\n"
    );
    let path = dir.join("plans.toml");
    std::fs::write(&path, text).expect("written");
    path
}

/// A running server; killed when dropped.
pub(crate) struct Server {
    child: Child,
    pub(crate) address: SocketAddr,
    log: Arc<Mutex<String>>,
}

impl Server {
    /// Starts `nat serve` with these settings on a free port and waits for its line that says where.
    pub(crate) fn start(settings: &[(&str, &str)]) -> Self {
        let mut command = nat();
        command.arg("serve").env("NAT_LISTEN", "127.0.0.1:0").env("NAT_APP_SYNC_KEY", SYNC_KEY);
        command.envs(settings.iter().copied()).stderr(Stdio::piped()).stdout(Stdio::null());
        let mut child = command.spawn().expect("the binary starts");
        let mut lines = BufReader::new(child.stderr.take().expect("piped")).lines();
        let mut seen = String::new();
        let address = lines
            .by_ref()
            .map_while(Result::ok)
            .inspect(|line| seen.push_str(line))
            .find_map(|line| line.split_once("listening address=").and_then(|(_, text)| text.trim().parse().ok()));
        let address = address.unwrap_or_else(|| panic!("the server did not start: {seen}"));
        // Whatever else it says must not fill the pipe.
        let log = Arc::new(Mutex::new(seen));
        let said = Arc::clone(&log);
        std::thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                let mut log = said.lock().expect("no panic");
                log.push_str(&line);
                log.push('\n');
            }
        });
        Self { child, address, log }
    }

    /// One on a SQLite file in `dir`, whose plan `pro` has that many scans of each kind.
    pub(crate) fn on_sqlite(dir: &Path, scans: u32) -> Self {
        let database = format!("sqlite://{}/nat.db?mode=rwc", dir.display());
        let plans = plans(dir, scans);
        Self::start(&[("DATABASE_URL", &*database), ("NAT_PLANS_FILE", plans.to_str().expect("text"))])
    }

    /// What it said so far.
    pub(crate) fn log(&self) -> String {
        self.log.lock().expect("no panic").clone()
    }

    /// `kill -9`.
    pub(crate) fn kill(mut self) {
        self.child.kill().expect("killed");
        self.child.wait().expect("gone");
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A client of one server, as one tenant.
#[derive(Clone)]
pub(crate) struct Client {
    transport: Arc<dyn Transport>,
    key: Option<String>,
}

impl Client {
    pub(crate) async fn new(address: SocketAddr) -> Self {
        let ports = nat::server::engine_ports(false, Vec::new(), Arc::new(SystemClock));
        let url = format!("http://{address}").parse().expect("a URL");
        let pinned = ports.policy.pin(&url).await.expect("loopback is allowed");
        let limits = Limits { max_body_bytes: 64 << 20, ..Limits::default() };
        Self { transport: ports.connect.connect(&pinned, limits, "test"), key: None }
    }

    /// Registers a tenant on plan `pro` and speaks as it from now on.
    pub(crate) async fn register(mut self, tenant: &str) -> Self {
        let body = json!({"tenant_id": tenant, "email": "t@example.test", "plan": "pro"});
        let (status, made) = self.call("POST", "/billing/sync-tenant", Some(&body)).await;
        assert_eq!(status, 201, "{made}");
        self.key = made["api_key"].as_str().map(str::to_owned);
        self
    }

    /// Registers a tenant on the free plan, with its whole answer.
    pub(crate) async fn register_free(mut self, tenant: &str) -> (Self, Value) {
        let body = json!({"tenant_id": tenant, "email": "t@example.test"});
        let (status, made) = self.call("POST", "/billing/sync-tenant", Some(&body)).await;
        assert_eq!(status, 201, "{made}");
        self.key = made["api_key"].as_str().map(str::to_owned);
        (self, made)
    }

    /// The same tenant on another server.
    pub(crate) async fn at(&self, address: SocketAddr) -> Self {
        Self { key: self.key.clone(), ..Self::new(address).await }
    }

    /// The same server with another key.
    pub(crate) fn with_key(&self, key: &str) -> Self {
        Self { key: Some(key.to_owned()), ..self.clone() }
    }

    /// A call of the REST API.
    pub(crate) async fn call(&self, method: &str, path: &str, body: Option<&Value>) -> (u16, Value) {
        self.send(method, &format!("/api/v1{path}"), body).await
    }

    /// Any request.
    pub(crate) async fn send(&self, method: &str, path: &str, body: Option<&Value>) -> (u16, Value) {
        let mut request = Request::new(method, path);
        match &self.key {
            Some(key) => request.set_header("X-API-Key", key.as_bytes()),
            None => request.set_header("X-Sync-Key", SYNC_KEY.as_bytes()),
        }
        if let Some(body) = body {
            request.set_header("Content-Type", "application/json");
            request.body = Some(body.to_string().into());
        }
        let answer = self.transport.send(&request, false).await.expect("an answer");
        (answer.status, serde_json::from_slice(&answer.body).unwrap_or(Value::Null))
    }

    pub(crate) async fn get(&self, path: &str) -> Value {
        let (status, body) = self.call("GET", path, None).await;
        assert_eq!(status, 200, "{path}: {body}");
        body
    }

    /// The scan once it has ended.
    pub(crate) async fn ended(&self, id: &str) -> Value {
        let mut ticks = tokio::time::interval(std::time::Duration::from_millis(100));
        for _ in 0..1_200 {
            ticks.tick().await;
            let scan = self.get(&format!("/scan/{id}")).await;
            if scan["status"] != "running" {
                return scan;
            }
        }
        panic!("scan {id} did not end within two minutes");
    }
}
