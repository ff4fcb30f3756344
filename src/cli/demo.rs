//! `nat demo`: the whole product on this machine, through its own REST API.

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use nat::config::Settings;
use nat::core::time::SystemClock;
use nat::scan::engine::Outcome;
use nat::scan::report;
use nat::scan::transport::{Limits, Request, Transport};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use url::Url;

use super::{exit, output};

/// Arguments of `demo`.
#[derive(clap::Args)]
pub(super) struct DemoArgs {
    /// Leave server and sample API running afterwards, so that the curl lines can be tried, until Ctrl-C.
    #[arg(long)]
    keep: bool,
}

const SYNC_KEY: &str = "demo-sync-key-of-at-least-32-characters";

/// Runs the demonstration.
pub(super) async fn run(args: DemoArgs) -> ExitCode {
    let stop = CancellationToken::new();
    let shown = tokio::select! {
        shown = demonstrate(&args, &stop) => shown,
        () = super::server::second_signal(&stop) => return exit::fail(exit::CANCELLED, "stopped at once"),
    };
    match shown {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => exit::fail(exit::INTERNAL, &why),
    }
}

async fn demonstrate(args: &DemoArgs, stop: &CancellationToken) -> Result<(), String> {
    let dir = DemoDir::make()?;
    let sample = TcpListener::bind("127.0.0.1:0").await.map_err(|error| error.to_string())?;
    let target = format!("http://{}", sample.local_addr().map_err(|error| error.to_string())?);
    let sample = axum::serve(sample, nat::sample::router()).with_graceful_shutdown(stop.clone().cancelled_owned());

    let settings = Settings {
        database_url: format!("sqlite://{}?mode=rwc", dir.0.join("nat.db").display()),
        listen: "127.0.0.1:0".into(),
        app_sync_key: Some(SYNC_KEY.into()),
        workers: "2".into(),
        ..Settings::default()
    };
    let config = settings.check().map_err(|problems| format!("{problems:?}"))?;
    let (ready, address) = tokio::sync::oneshot::channel();
    let server = nat::server::serve(&config, stop.clone(), move |address| {
        let _ = ready.send(address);
    });
    let tour = async {
        let address = address.await.map_err(|_| "the server did not start".to_owned())?;
        let done = tour(&format!("http://{address}"), &target, args.keep).await;
        if done.is_ok() && args.keep {
            stop.cancelled().await;
        }
        stop.cancel();
        done
    };
    let (sample, server, tour) = tokio::join!(sample, server, tour);
    tour.and(server).and(sample.map_err(|error| error.to_string()))
}

async fn tour(server: &str, target: &str, keep: bool) -> Result<(), String> {
    output::say(&format!("server      {server}   (embedded database, one worker)"));
    output::say(&format!("sample API  {target}   (a bookshop with planted defects)"));
    let mut client = Client::connect(server).await?;
    let tenant = json!({"tenant_id": "demo", "email": "demo@example.test", "plan": "pro"});
    let made = client.call("POST", "/billing/sync-tenant", Some(&tenant)).await?;
    let key = made["api_key"].as_str().ok_or("sync-tenant showed no key")?.to_owned();
    client.headers = vec![("X-API-Key", key.clone())];
    output::say("tenant      demo, plan pro, provisioned with POST /api/v1/billing/sync-tenant");

    for (path, title) in [("/scan", "Functional scan"), ("/security-scan", "Security scan")] {
        output::say(&format!("\n{title}: POST /api/v1{path}"));
        let body = json!({"url": target, "spec_url": format!("{target}/openapi.json"), "options": {"seed": 1}});
        let accepted = client.call("POST", path, Some(&body)).await?;
        let id = accepted["scan_id"].as_str().ok_or("no scan id")?.to_owned();
        client.follow(&id).await?;
        let exported = client.call("GET", &format!("/scan/{id}/export?format=json"), None).await?;
        let outcome: Outcome = serde_json::from_value(exported).map_err(|error| error.to_string())?;
        output::print(&format!("\n{}", report::terminal(&outcome, output::wants_colour(), output::width())));
    }
    let usage = client.call("GET", "/usage", None).await?;
    output::say(&format!(
        "\nUsage: {} of {} functional scans, {} of {} security scans this month.",
        usage["scans_used"], usage["scans_limit"], usage["security_scan_count"], usage["monthly_security_scan_quota"]
    ));
    if keep {
        output::say(&format!("Dashboard: {server}/\nStill running, with this API key: {key}\nCtrl-C ends it."));
    } else {
        output::say(
            "Run `nat demo --keep` to try the curl lines, or scan your own API: nat scan http://127.0.0.1:8000",
        );
    }
    Ok(())
}

/// A REST client over the engine's own transport.
struct Client {
    transport: Arc<dyn Transport>,
    headers: Vec<(&'static str, String)>,
}

impl Client {
    async fn connect(server: &str) -> Result<Self, String> {
        let ports = nat::server::engine_ports(false, Vec::new(), Arc::new(SystemClock));
        let url = Url::parse(server).map_err(|error| error.to_string())?;
        let pinned = ports.policy.pin(&url).await.map_err(|error| error.to_string())?;
        // A report may be larger than what a scan keeps of one answer.
        let limits = Limits { max_body_bytes: 64 << 20, max_decoded_bytes: 64 << 20, ..Limits::default() };
        let transport = ports.connect.connect(&pinned, limits, "demo");
        Ok(Self { transport, headers: vec![("X-Sync-Key", SYNC_KEY.to_owned())] })
    }

    /// The JSON answer; an error with status and body when it is not 2xx.
    async fn call(&self, method: &str, path: &str, body: Option<&Value>) -> Result<Value, String> {
        let mut request = Request::new(method, format!("/api/v1{path}"));
        for (name, value) in &self.headers {
            request.set_header(name, value.as_bytes());
        }
        if let Some(body) = body {
            request.set_header("Content-Type", "application/json");
            request.body = Some(body.to_string().into());
        }
        let answer = self.transport.send(&request, false).await.map_err(|error| format!("{method} {path}: {error}"))?;
        if !(200..300).contains(&answer.status) {
            return Err(format!("{method} {path}: {} {}", answer.status, String::from_utf8_lossy(&answer.body)));
        }
        serde_json::from_slice(&answer.body).map_err(|error| format!("{method} {path}: {error}"))
    }

    /// Polls until the scan has ended, with a line for each phase.
    async fn follow(&self, id: &str) -> Result<(), String> {
        let mut phase = String::new();
        let mut ticks = tokio::time::interval(Duration::from_millis(100));
        loop {
            ticks.tick().await;
            let scan = self.call("GET", &format!("/scan/{id}"), None).await?;
            let progress = &scan["progress"];
            let now = progress["phase"].as_str().unwrap_or("").to_owned();
            if now != phase {
                output::say(&format!(
                    "  {:<12} {} of {} operations, {} requests",
                    now.replace('_', " "),
                    progress["operations_tested"],
                    progress["operations_total"],
                    progress["requests_sent"]
                ));
                phase = now;
            }
            match scan["status"].as_str() {
                Some("running") => {}
                Some("completed") => return Ok(()),
                _ => return Err(format!("the scan ended {}: {}", scan["status"], scan["error"])),
            }
        }
    }
}

/// A directory that goes away with the demonstration.
struct DemoDir(std::path::PathBuf);

impl DemoDir {
    fn make() -> Result<Self, String> {
        let path = std::env::temp_dir().join(format!("nat-demo-{}", std::process::id()));
        std::fs::create_dir_all(&path).map_err(|error| format!("{}: {error}", path.display()))?;
        Ok(Self(path))
    }
}

impl Drop for DemoDir {
    fn drop(&mut self) {
        // Left behind at worst: a small directory in the temporary one.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
