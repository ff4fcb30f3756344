//! `POST /api/v1/billing/webhook`: events accepted per second over loopback, each new event written down durably:
//! `cargo bench --bench webhook`. SQLite always, PostgreSQL when `NAT_TEST_POSTGRES` names a server.
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
/// Bytes of an event: what a subscription looks like.
const SIZE: usize = 3_000;

fn request(id: usize) -> Vec<u8> {
    let head = format!(
        r#"{{"id":"evt_{id}","type":"customer.subscription.updated","data":{{"object":{{"customer":"cus_{}","x":""#,
        id % 50
    );
    let payload = format!("{head}{}\"}}}}}}", "x".repeat(SIZE - head.len() - 4));
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

async fn round(name: &str, address: SocketAddr) {
    let requests = |connection: usize| (0..EVENTS).map(|n| request(connection * EVENTS + n)).collect();
    let prepared: Vec<Vec<Vec<u8>>> = (0..CONNECTIONS).map(requests).collect();
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
    println!("{name:<28} {rate:>7.0} events/s   p50 {:>9.2?}   p99 {:>9.2?}", at(50), at(99));
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
    round(&format!("{kind}, new events"), address).await;
    round(&format!("{kind}, known events"), address).await;
    store.ping().await.expect("the database is there");
    server.abort();
    assert_eq!(count(&database).await, CONNECTIONS * EVENTS, "every event is written down once");
}

async fn count(database: &TestDatabase) -> usize {
    use nat::core::db::sea_orm::{FromQueryResult, JsonValue, Statement};
    let backend = database.store.read.get_database_backend();
    let statement = Statement::from_string(backend, "SELECT id FROM stripe_event");
    JsonValue::find_by_statement(statement).all(&database.store.read).await.expect("rows").len()
}

fn main() {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    println!("{} events of {SIZE} bytes over {CONNECTIONS} connections", CONNECTIONS * EVENTS);
    runtime.block_on(on_every_database(Vec::new, measure));
}
