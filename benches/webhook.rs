//! `POST /api/v1/billing/webhook`: events accepted per second over loopback, each new event committed before it is
//! answered: `cargo bench --bench webhook`. SQLite always, PostgreSQL when `NAT_TEST_POSTGRES` names a server.
//!
//! What is measured is what Stripe waits for: signature, inbox, answer. The work behind it is asked for and not done:
//! there is no gateway.
#![expect(clippy::print_stdout, reason = "the figures are the result")]

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use nat::billing::webhook::signature::sign;
use nat::config::Settings;
use nat::core::db::testing::{TestDatabase, on_every_database};
use nat::core::secret::SecretString;
use nat::core::time::{Clock, SystemClock};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

const SECRET: &str = "whsec_of_the_benchmark";
const CONNECTIONS: usize = 16;
/// Events of one connection.
const EVENTS: usize = 125;
/// Bytes of an event: what a subscription with a few items looks like.
const SIZE: usize = 3_000;

const ITEM: &str = r#"{"id":"si_RdQxV8a1K2mP0s","object":"subscription_item","created":1700000000,"current_period_end":1702592000,
"metadata":{},"price":{"id":"price_1QkYzTLkdIwHu7ixmPqD","object":"price","active":true,"billing_scheme":"per_unit",
"currency":"eur","product":"prod_RdQwM3k9","recurring":{"interval":"month","interval_count":1,"usage_type":"licensed"},
"tax_behavior":"exclusive","type":"recurring","unit_amount":4900},"quantity":1,"tax_rates":[]},"#;

fn request(id: usize) -> Vec<u8> {
    let head = format!(
        r#"{{"id":"evt_{id}","type":"customer.subscription.updated","data":{{"object":{{"customer":"cus_{}","items":["#,
        id % 50
    );
    let (last, tail) = (r#"{"note":""#, r#""}]}}}"#);
    let free = SIZE - head.len() - last.len() - tail.len();
    let (items, note) = (ITEM.repeat(free / ITEM.len()), "n".repeat(free % ITEM.len()));
    let payload = [&head, items.as_str(), last, &note, tail].concat();
    let signature = sign(payload.as_bytes(), &SecretString::from(SECRET), SystemClock.now());
    let head = format!(
        "POST /api/v1/billing/webhook HTTP/1.1\r\nHost: localhost\r\nStripe-Signature: {signature}\r\n\
         Content-Type: application/json\r\nContent-Length: {}\r\n\r\n",
        payload.len()
    );
    [head.as_bytes(), payload.as_bytes()].concat()
}

/// Sends the requests one after the other on one connection; how long each took.
async fn send(address: SocketAddr, requests: Vec<Vec<u8>>) -> Vec<Duration> {
    let mut socket = TcpStream::connect(address).await.expect("connected");
    socket.set_nodelay(true).expect("a socket");
    let mut answer = vec![0; 4096];
    let mut times = Vec::with_capacity(requests.len());
    for request in requests {
        let began = Instant::now();
        socket.write_all(&request).await.expect("sent");
        let mut length = 0;
        while !answer[..length].ends_with(br#"{"received":true}"#) {
            let read = socket.read(&mut answer[length..]).await.expect("an answer");
            assert!(read > 0 && answer.starts_with(b"HTTP/1.1 200"), "{}", String::from_utf8_lossy(&answer));
            length += read;
        }
        times.push(began.elapsed());
    }
    times
}

/// Each connection sends the events that begin with its number in `firsts`, all at once.
async fn round(name: &str, address: SocketAddr, firsts: impl Iterator<Item = usize>) {
    let prepared: Vec<Vec<_>> = firsts.map(|first| (first..first + EVENTS).map(request).collect()).collect();
    assert_eq!(prepared.len(), CONNECTIONS);
    let began = Instant::now();
    let clients: Vec<_> = prepared.into_iter().map(|requests| tokio::spawn(send(address, requests))).collect();
    let mut times = Vec::new();
    for client in clients {
        times.extend(client.await.expect("sent"));
    }
    let took = began.elapsed();
    times.sort_unstable();
    let at = |percent: usize| times[times.len() * percent / 100 - 1];
    let rate = times.len() as f64 / took.as_secs_f64();
    println!("{name:<34} {rate:>7.0} events/s   p50 {:>9.2?}   p99 {:>9.2?}", at(50), at(99));
}

async fn measure(database: TestDatabase) {
    let kind = if database.url.starts_with("postgres") { "PostgreSQL" } else { "SQLite" };
    let settings = Settings {
        database_url: database.url.clone(),
        listen: "127.0.0.1:0".into(),
        workers: "1".into(),
        stripe_webhook_secret: Some(SECRET.to_owned()),
        seal_key: Some("MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=".to_owned()),
        ..Settings::default()
    };
    let config = settings.check().unwrap_or_else(|problems| panic!("{problems:?}"));
    let app = nat::server::compose(&config).await.expect("composed");
    let store = Arc::clone(&app.services.store);
    let router = nat::rest::router(app.services, nat::rest::Config::default());
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    let server = tokio::spawn(async move { axum::serve(listener, router).await });
    let all = CONNECTIONS * EVENTS;
    for name in ["new events", "the same events again"] {
        round(&format!("{kind}, {name}"), address, (0..CONNECTIONS).map(|n| n * EVENTS)).await;
        assert_eq!(count(&database).await, all, "every event is written down once");
    }
    // Two connections have the same events, so that both copies arrive at about the same time.
    round(&format!("{kind}, new events, each twice"), address, (0..CONNECTIONS).map(|n| all + n / 2 * EVENTS)).await;
    assert_eq!(count(&database).await, all + all / 2, "every event is written down once");
    store.ping().await.expect("the database is there");
    server.abort();
}

async fn count(database: &TestDatabase) -> usize {
    use nat::core::db::sea_orm::{FromQueryResult, JsonValue, Statement};
    let backend = database.store.read.get_database_backend();
    let statement = Statement::from_string(backend, "SELECT id FROM stripe_event");
    JsonValue::find_by_statement(statement).all(&database.store.read).await.expect("rows").len()
}

fn main() {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    println!("{} deliveries of {SIZE} bytes over {CONNECTIONS} connections", CONNECTIONS * EVENTS);
    runtime.block_on(on_every_database(Vec::new, measure));
}
