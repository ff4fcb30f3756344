//! A customer's way from Free to Pro and back, through the binary, over a Stripe on loopback; and what all of it says.

use std::sync::Arc;
use std::time::Duration;

use chrono::TimeDelta;
use nat::billing::testing::{Card, FakeOptions, FakeStripe, Price, SubscriptionInit};
use nat::core::db::testing;
use nat::core::secret::SecretString;
use nat::core::time::{Clock, SystemClock};
use serde_json::{Value, json};

use crate::process::{Client, SEAL_KEY, SYNC_KEY, Server, nat};

const STRIPE_KEY: &str = "sk_test_key_of_the_whole_flow_123";
const HOOK_SECRET: &str = "whsec_secret_of_the_whole_flow_123";
/// One scan a month without paying, so that the quota ends soon.
const PLANS: &str = r#"
[[plan]]
id = "free"
functional_scans = 1
security_scans = 0
requests_per_minute = 100000
concurrent_scans = 5
[[plan]]
id = "pro"
functional_scans = 500
security_scans = 100
requests_per_minute = 100000
concurrent_scans = 5
"#;

struct Flow {
    stripe: FakeStripe,
    server: Server,
    client: Client,
    hook: String,
    metrics: String,
    database: String,
    dir: tempfile::TempDir,
}

async fn open(database: &testing::TestDatabase) -> Flow {
    let stripe = FakeStripe::start(FakeOptions {
        secret_key: SecretString::from(STRIPE_KEY),
        webhook_secrets: vec![SecretString::from(HOOK_SECRET)],
        ..FakeOptions::new(Arc::new(SystemClock))
    })
    .await
    .expect("a free port");
    stripe.add_price(Price::monthly("price_pro", "prod_pro", 4_900));
    let dir = tempfile::tempdir().expect("a directory");
    let plans = dir.path().join("plans.toml");
    std::fs::write(&plans, PLANS).expect("written");
    let free = std::net::TcpListener::bind("127.0.0.1:0").and_then(|socket| socket.local_addr()).expect("a free port");
    let (url, metrics) = (stripe.url(), free.to_string());
    let server = Server::start(&[
        ("DATABASE_URL", &*database.url),
        ("NAT_PLANS_FILE", plans.to_str().expect("UTF-8")),
        ("NAT_SEAL_KEY", SEAL_KEY),
        ("NAT_METRICS_LISTEN", &*metrics),
        ("STRIPE_API_BASE", &*url),
        ("STRIPE_SECRET_KEY", STRIPE_KEY),
        ("STRIPE_WEBHOOK_SECRET", HOOK_SECRET),
        ("STRIPE_PRICE_ID_PRO", "price_pro"),
        // Everything that any crate has to say.
        ("NAT_LOG", "trace"),
    ]);
    let client = Client::new(server.address).await;
    let hook = format!("http://{}/api/v1/billing/webhook", server.address);
    Flow { stripe, server, client, hook, metrics, database: database.url.clone(), dir }
}

impl Flow {
    /// Delivers everything that happened, as Stripe does.
    async fn deliver(&self) {
        for event in self.stripe.take_events() {
            assert_eq!(self.stripe.post_to(&self.hook, &event).await.expect("an answer"), 200, "{event:?}");
        }
    }

    /// The usage once it shows that plan, and how long that took.
    async fn on_plan(&self, client: &Client, plan: &str) -> (Value, TimeDelta) {
        let began = SystemClock.now();
        let mut ticks = tokio::time::interval(Duration::from_millis(20));
        for _ in 0..500 {
            ticks.tick().await;
            let usage = client.get("/usage").await;
            if usage["plan"] == plan {
                return (usage, SystemClock.now() - began);
            }
        }
        panic!("the plan did not become {plan} within ten seconds: {}", self.server.log());
    }

    fn command(&self, arguments: &[&str]) -> String {
        let url = self.stripe.url();
        let output = nat()
            .args(arguments)
            .env("DATABASE_URL", &self.database)
            .env("NAT_PLANS_FILE", self.dir.path().join("plans.toml"))
            .env("NAT_SEAL_KEY", SEAL_KEY)
            .envs([("STRIPE_API_BASE", &*url), ("STRIPE_SECRET_KEY", STRIPE_KEY), ("STRIPE_PRICE_ID_PRO", "price_pro")])
            .output()
            .expect("the binary runs");
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).expect("UTF-8")
    }
}

fn scan() -> Value {
    json!({"url": "http://127.0.0.1:1", "options": {"max_seconds": 5}})
}

#[tokio::test(flavor = "multi_thread")]
async fn free_to_pro_and_back_through_the_binary() {
    testing::on_every_database(Vec::new, async |database| {
        let flow = open(&database).await;
        let (client, made) = flow.client.clone().register_free("acme").await;

        // One scan is free, of a target that answers.
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let target = format!("http://{}", listener.local_addr().expect("bound"));
        tokio::spawn(async move { axum::serve(listener, nat::sample::router()).await });
        let first = json!({"url": target, "spec_url": format!("{target}/openapi.json"), "options": {"max_requests": 20}});
        let (status, answer) = client.call("POST", "/scan", Some(&first)).await;
        assert_eq!(status, 202, "{answer}");
        client.ended(answer["scan_id"].as_str().expect("an id")).await;
        let (status, answer) = client.call("POST", "/scan", Some(&scan())).await;
        assert_eq!((status, &answer["error"]), (402, &json!("QUOTA_EXCEEDED")), "{answer}");
        let (status, answer) = client.call("POST", "/security-scan", Some(&scan())).await;
        assert_eq!((status, &answer["error"]), (403, &json!("FEATURE_NOT_AVAILABLE")), "{answer}");

        // Upgrade, as the 402 of the published page says.
        let order = json!({"price_id": "price_pro_monthly", "success_url": "https://app.example.test/dashboard?checkout=success",
            "cancel_url": "https://app.example.test/dashboard"});
        let (status, session) = client.call("POST", "/billing/checkout", Some(&order)).await;
        assert_eq!(status, 200, "{session}");
        let session_id = session["session_id"].as_str().expect("an id");
        let subscription = flow.stripe.pay_checkout(session_id, Card::Good).expect("paid");
        flow.deliver().await;
        let (usage, took) = flow.on_plan(&client, "pro").await;
        assert!(took < TimeDelta::seconds(1), "{took}");
        assert_eq!((&usage["scans_used"], &usage["scans_remaining"]), (&json!(1), &json!(499)), "{usage}");
        let (status, answer) = client.call("POST", "/scan", Some(&scan())).await;
        assert_eq!(status, 202, "{answer}");
        let (status, answer) = client.call("POST", "/billing/checkout", Some(&order)).await;
        assert_eq!((status, &answer["error"]), (409, &json!("PLAN_ALREADY_ACTIVE")), "{answer}");
        let back = json!({"return_url": "https://app.example.test/dashboard"});
        let (status, portal) = client.call("POST", "/billing/portal", Some(&back)).await;
        assert!(status == 200 && portal["portal_url"].is_string(), "{portal}");

        // Cancelled in the portal: Pro until the end of the period, then Free, whether news of it comes or not.
        flow.stripe.cancel_at_period_end(&subscription, true);
        flow.stripe.shift_period_end(&subscription, SystemClock.now() + TimeDelta::seconds(4));
        flow.deliver().await;
        let mut ticks = tokio::time::interval(Duration::from_millis(20));
        let status = loop {
            ticks.tick().await;
            let status = client.get("/billing/status").await;
            if !status["plan_ends_at"].is_null() {
                break status;
            }
        };
        assert_eq!((&status["plan"], &status["next_plan"]), (&json!("pro"), &json!("free")), "{status}");
        flow.on_plan(&client, "free").await;
        let (status, answer) = client.call("POST", "/security-scan", Some(&scan())).await;
        assert_eq!((status, &answer["error"]), (403, &json!("FEATURE_NOT_AVAILABLE")), "{answer}");

        // What the operator sees.
        assert_eq!(flow.command(&["billing", "drift"]), "every tenant has what Stripe says\n");
        let sheet = flow.command(&["billing", "reconcile", "--tenant", "acme"]);
        assert!(sheet.contains("plan            free"), "{sheet}");
        let customer = client.get("/billing/status").await["subscription"]["id"].clone();
        assert_eq!(customer, *subscription, "the last one is still shown");
        let by_hand = flow.stripe.subscribe(&owner(&flow.stripe), &["price_pro"], &SubscriptionInit::default());
        let drift = flow.command(&["billing", "reconcile", "--dry-run"]);
        assert!(drift.contains("acme") && drift.contains("no event of it arrived"), "{drift}");
        assert!(flow.command(&["billing", "reconcile"]).ends_with("1 put right, 0 left\n"));
        flow.on_plan(&client, "pro").await;
        flow.stripe.cancel_now(&by_hand);
        let key = made["api_key"].as_str().expect("a key");
        assert_no_secret(&flow, &client, key, &database).await;
    })
    .await;
}

/// The one customer that there is.
fn owner(stripe: &FakeStripe) -> String {
    stripe.all("customers")[0]["id"].as_str().expect("an id").to_owned()
}

/// B50, and the promise that no log line, audit row, error or metric holds a key or a secret.
async fn assert_no_secret(flow: &Flow, client: &Client, key: &str, database: &testing::TestDatabase) {
    // Wrong on purpose, each with a secret where it does not belong.
    let errors = [
        client.call("POST", "/billing/checkout", Some(&json!({"plan": key, "success_url": HOOK_SECRET}))).await.1,
        client.call("POST", "/scan", Some(&json!({"url": format!("http://user:{STRIPE_KEY}@127.0.0.1:1/")}))).await.1,
        client.with_key(&format!("{key}x")).call("GET", "/usage", None).await.1,
        client.with_key(STRIPE_KEY).call("GET", "/usage", None).await.1,
        client.call("GET", &format!("/scan/{}", &key[7..17]), None).await.1,
    ];
    let (log, metrics) = (flow.server.log(), scrape(&flow.metrics).await);
    assert!(log.len() > 10_000 && log.contains("stripe webhook"), "the log says something");
    assert!(
        metrics.contains("nat_stripe_webhooks_total") && metrics.contains("nat_billing_reconciles_total"),
        "{metrics}"
    );
    let rows = dump(database).await;
    assert!(rows.contains("plan.changed"), "the audit log is in the dump");
    let secret_part = &key[18..];
    let places = [("log", log), ("metrics", metrics), ("database", rows), ("errors", json!(errors).to_string())];
    for (place, text) in &places {
        for secret in [secret_part, SYNC_KEY, HOOK_SECRET, STRIPE_KEY, SEAL_KEY] {
            // A URL that a tenant sends with credentials in it is refused, and its text is nobody's log line.
            let found = text.find(secret).map(|at| &text[at.saturating_sub(200)..(at + 60).min(text.len())]);
            assert_eq!(found, None, "a secret in the {place}");
        }
    }
}

async fn scrape(address: &str) -> String {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let mut socket = tokio::net::TcpStream::connect(address).await.expect("the metrics listener");
    let request = format!("GET /metrics HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    socket.write_all(request.as_bytes()).await.expect("sent");
    let mut text = String::new();
    socket.read_to_string(&mut text).await.expect("UTF-8");
    text
}

/// Every row of every table, as text.
async fn dump(database: &testing::TestDatabase) -> String {
    use nat::core::db::sea_orm::{FromQueryResult, JsonValue, Statement};
    let store = nat::core::db::SeaStore::open(&database.url, migrations()).await.expect("opened");
    let backend = store.read.get_database_backend();
    let tables =
        ["tenant", "audit_entry", "ledger_entry", "usage_alert", "stripe_event", "billing_account", "billing_work"];
    let mut text = String::new();
    for table in tables {
        let all = Statement::from_string(backend, format!("SELECT * FROM {table}"));
        let rows = JsonValue::find_by_statement(all).all(&store.read).await.expect("rows");
        text += &json!(rows).to_string();
    }
    store.close().await;
    text
}

fn migrations() -> nat::core::db::Migrations {
    nat::billing::db::migrations().into_iter().chain(nat::scan::db::migrations()).collect()
}
