//! The transport against servers that are wrong in every way: each ends in its named error, within its limits.

use std::future::pending;
use std::io::Write;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use flate2::Compression;
use flate2::write::GzEncoder;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use url::Url;

use super::http::HttpConnect;
use super::*;
use crate::engine::Connect;
use crate::policy::{PinnedTarget, Resolve, TargetPolicy};

mod fetch;
mod tls;

type Handled = Pin<Box<dyn Future<Output = ()> + Send>>;

/// A server that hands each connection, with its number, to `handle`.
async fn server(handle: impl Fn(usize, TcpStream) -> Handled + Send + Sync + 'static) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        for number in 0.. {
            let Ok((stream, _)) = listener.accept().await else { return };
            tokio::spawn(handle(number, stream));
        }
    });
    address
}

/// Reads one request (head, and as much body as its `Content-Length` says). None at the end of the connection.
async fn read_request(stream: &mut TcpStream) -> Option<String> {
    let mut bytes = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length =
                head.lines().find_map(|line| line.strip_prefix("Content-Length: ")).map_or(0, |n| n.parse().unwrap());
            if body.len() >= length {
                return Some(text);
            }
        }
        if stream.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    }
}

/// Small in bytes and patient in time, so that a busy machine does not change a verdict.
fn limits() -> Limits {
    Limits {
        max_head_bytes: 8 << 10,
        max_headers: 64,
        max_body_bytes: 64 << 10,
        max_decoded_bytes: 128 << 10,
        ..Limits::default()
    }
}

/// For servers that must be given up on.
fn impatient() -> Limits {
    Limits {
        first_byte_timeout: Duration::from_millis(120),
        total_timeout: Duration::from_millis(1000),
        min_bytes_per_window: 512,
        progress_window: Duration::from_millis(80),
        ..limits()
    }
}

fn transport(address: SocketAddr) -> Arc<dyn Transport> {
    HttpConnect::new().connect(&target(address), limits(), "scan_test")
}

fn target(address: SocketAddr) -> PinnedTarget {
    let url = Url::parse(&format!("http://{address}/")).unwrap();
    PinnedTarget { host: address.ip().to_string(), url, address, fallbacks: Vec::new(), tls: false }
}

/// How an exchange ended, in a few words.
fn ending(result: &Result<Response, TransportError>) -> String {
    match result {
        Ok(response) => {
            let truncated = if response.truncated { " truncated" } else { "" };
            let unexpected = if response.unexpected_bytes > 0 { " unexpected" } else { "" };
            format!("{} {}{truncated}{unexpected}", response.status, response.body.len())
        }
        Err(error) => error.kind().to_owned(),
    }
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// What a server does after it has read the request.
enum Answer {
    /// Sends this and keeps the connection open.
    Open(Vec<u8>),
    /// Sends this and closes.
    Close(Vec<u8>),
    /// Sends this and resets.
    Reset(Vec<u8>),
    /// Sends the first, then the second again and again, without end.
    Endless(Vec<u8>, Vec<u8>),
    /// Sends one byte at a time, slowly.
    Drip(Vec<u8>),
}

async fn play(answer: Arc<Answer>, mut stream: TcpStream) {
    while read_request(&mut stream).await.is_some() {
        match &*answer {
            Answer::Open(bytes) => {
                let _ = stream.write_all(bytes).await;
            }
            Answer::Close(bytes) => {
                let _ = stream.write_all(bytes).await;
                return;
            }
            Answer::Reset(bytes) => {
                let _ = stream.write_all(bytes).await;
                #[expect(deprecated, reason = "a linger of zero does not block: it resets, which is what is wanted")]
                stream.set_linger(Some(Duration::ZERO)).unwrap();
                return;
            }
            Answer::Endless(first, again) => {
                let _ = stream.write_all(first).await;
                while stream.write_all(again).await.is_ok() {}
            }
            Answer::Drip(bytes) => {
                let mut tick = tokio::time::interval(Duration::from_millis(10));
                for byte in bytes.iter().cycle() {
                    tick.tick().await;
                    if stream.write_all(&[*byte]).await.is_err() {
                        return;
                    }
                }
            }
        }
    }
}

#[tokio::test]
async fn hostile_answer_ends_in_its_named_error_within_limits() {
    let text = |text: &str| text.as_bytes().to_vec();
    let ok = |headers: &str, body: &[u8]| [format!("HTTP/1.1 200 OK\r\n{headers}\r\n").as_bytes(), body].concat();
    let many = |count: usize| (0..count).map(|i| format!("X-{i}: 1\r\n")).collect::<String>();
    let long = format!("X: {}\r\n", "a".repeat(100_000));
    let bomb = gzip(&vec![0; 10 << 20]);
    let encoded = |body: &[u8]| ok(&format!("Content-Encoding: gzip\r\nContent-Length: {}\r\n", body.len()), body);
    for (name, method, answer, expected) in [
        (
            "one byte at a time, in the head",
            "GET",
            Answer::Drip(text("HTTP/1.1 200 OK\r\nA: bbbbbbbbbbbbbbbbbbbbbbbbbbb")),
            "timeout",
        ),
        ("one byte at a time, in the body", "GET", Answer::Drip(ok("Content-Length: 9999\r\n", b"x")), "timeout"),
        ("no answer", "GET", Answer::Open(Vec::new()), "timeout"),
        ("half a body, then silence", "GET", Answer::Open(ok("Content-Length: 9\r\n", b"half")), "timeout"),
        ("endless body until close", "GET", Answer::Endless(ok("", b""), vec![b'x'; 4096]), "200 65536 truncated"),
        (
            "endless chunks",
            "GET",
            Answer::Endless(ok("Transfer-Encoding: chunked\r\n", b""), text("5\r\nhello\r\n")),
            "200 65536 truncated",
        ),
        (
            "endless trailers",
            "GET",
            Answer::Endless(
                ok("Transfer-Encoding: chunked\r\n", b"0\r\n"),
                format!("T: {}\r\n", "t".repeat(400)).into_bytes(),
            ),
            "malformed",
        ),
        ("endless head", "GET", Answer::Endless(text("HTTP/1.1 200 OK\r\n"), text("A: b\r\n")), "head-too-large"),
        (
            "endless interim answers",
            "GET",
            Answer::Endless(Vec::new(), text("HTTP/1.1 102 Processing\r\n\r\n")),
            "malformed",
        ),
        (
            "100 MB",
            "GET",
            Answer::Endless(ok("Content-Length: 104857600\r\n", b""), vec![b'x'; 64 << 10]),
            "200 65536 truncated",
        ),
        ("gzip bomb", "GET", Answer::Open(encoded(&bomb)), "decompression-bomb"),
        (
            "gzip bomb in gzip",
            "GET",
            Answer::Open(ok(
                &format!("Content-Encoding: gzip, gzip\r\nContent-Length: {}\r\n", gzip(&bomb).len()),
                &gzip(&bomb),
            )),
            "decompression-bomb",
        ),
        ("not gzip", "GET", Answer::Open(encoded(b"plain")), "malformed"),
        ("gzip", "GET", Answer::Open(encoded(&gzip(b"hello"))), "200 5"),
        ("10,000 headers", "GET", Answer::Open(ok(&many(10_000), b"")), "head-too-large"),
        ("65 headers", "GET", Answer::Open(ok(&many(65), b"")), "head-too-large"),
        ("64 headers", "GET", Answer::Close(ok(&many(64), b"")), "200 0"),
        ("one long header", "GET", Answer::Open(ok(&long, b"")), "head-too-large"),
        ("reset", "GET", Answer::Reset(Vec::new()), "reset"),
        ("empty reply", "GET", Answer::Close(Vec::new()), "empty-reply"),
        ("no HTTP", "GET", Answer::Close(text("220 mail.test ESMTP\r\n")), "malformed"),
        ("no HTTP, and open", "GET", Answer::Open(text("SSH-2.0-OpenSSH_9.9\r\n")), "malformed"),
        ("HTTP/2 preface", "GET", Answer::Open(text("\0\0\x12\x04\0\0\0\0\0")), "malformed"),
        ("a status that is no number", "GET", Answer::Open(text("HTTP/1.1 2x0 OK\r\n\r\n")), "malformed"),
        ("a NUL in a header", "GET", Answer::Open(ok("X: a\0b\r\n", b"")), "malformed"),
        ("half a head", "GET", Answer::Close(text("HTTP/1.1 200 OK\r\nContent-")), "incomplete"),
        ("half a body", "GET", Answer::Close(ok("Content-Length: 9\r\n", b"half")), "incomplete"),
        ("half a chunk", "GET", Answer::Close(ok("Transfer-Encoding: chunked\r\n", b"9\r\nhalf")), "incomplete"),
        ("no last chunk", "GET", Answer::Close(ok("Transfer-Encoding: chunked\r\n", b"4\r\nhalf\r\n")), "incomplete"),
        ("two lengths", "GET", Answer::Open(ok("Content-Length: 5\r\nContent-Length: 6\r\n", b"hello!")), "malformed"),
        (
            "304 with a body",
            "GET",
            Answer::Open(text("HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\nhello")),
            "304 0 unexpected",
        ),
        ("204 with a body", "GET", Answer::Close(text("HTTP/1.1 204 No Content\r\n\r\nhello")), "204 0 unexpected"),
        ("HEAD with a body", "HEAD", Answer::Open(ok("Content-Length: 5\r\n", b"hello")), "200 0 unexpected"),
        ("HEAD without a body", "HEAD", Answer::Open(ok("Content-Length: 5\r\n", b"")), "200 0"),
        (
            "100 times 100",
            "GET",
            Answer::Open(
                [text("HTTP/1.1 100 Continue\r\n\r\n").repeat(100), ok("Content-Length: 0\r\n", b"")].concat(),
            ),
            "malformed",
        ),
        (
            "8 times 100",
            "GET",
            Answer::Open([text("HTTP/1.1 100 Continue\r\n\r\n").repeat(8), ok("Content-Length: 0\r\n", b"")].concat()),
            "200 0",
        ),
        (
            "switching protocols",
            "GET",
            Answer::Open(text("HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n\x01\x02")),
            "101 0",
        ),
        (
            "length and chunks",
            "GET",
            Answer::Open(ok("Content-Length: 1\r\nTransfer-Encoding: chunked\r\n", b"2\r\nab\r\n0\r\n\r\n")),
            "200 2",
        ),
    ] {
        let answer = Arc::new(answer);
        let address = server(move |_, stream| Box::pin(play(answer.clone(), stream))).await;
        let limits = if expected == "timeout" { impatient() } else { limits() };
        let transport = HttpConnect::new().connect(&target(address), limits, "scan_test");
        let started = std::time::Instant::now();
        let result = transport.send(&Request::new(method, "/"), false).await;
        assert_eq!(ending(&result), expected, "{name}: {result:?}");
        assert!(started.elapsed() < Duration::from_secs(5), "{name} took {:?}", started.elapsed());
        if let Ok(response) = result {
            assert!(response.wire_bytes < 200 << 10, "{name} read {} bytes", response.wire_bytes);
        }
    }
}

#[tokio::test]
async fn closed_port_is_a_connect_error() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let result = transport(address).send(&Request::new("GET", "/"), false).await;
    assert_eq!(ending(&result), "connect", "{result:?}");
}

#[tokio::test]
async fn plain_server_on_a_https_target_is_a_tls_error() {
    let address = server(|_, mut stream| {
        Box::pin(async move {
            let _ = stream.write_all(b"HTTP/1.1 400 no\r\n\r\n").await;
            pending::<()>().await;
        })
    })
    .await;
    let mut target = target(address);
    target.tls = true;
    let result =
        HttpConnect::new().connect(&target, limits(), "scan_test").send(&Request::new("GET", "/"), false).await;
    assert_eq!(ending(&result), "tls", "{result:?}");
}

/// Counts connections; answers `per_connection` requests on each, then closes without a word.
async fn closing_server(per_connection: usize) -> (SocketAddr, Arc<AtomicUsize>) {
    let connections = Arc::new(AtomicUsize::new(0));
    let counter = connections.clone();
    let address = server(move |number, mut stream| {
        counter.store(number + 1, Ordering::SeqCst);
        Box::pin(async move {
            for _ in 0..per_connection {
                if read_request(&mut stream).await.is_none() {
                    return;
                }
                let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").await;
            }
            // Takes one more request and closes without an answer: what a server does whose idle time ran out.
            let _ = read_request(&mut stream).await;
        })
    })
    .await;
    (address, connections)
}

#[tokio::test]
async fn connection_is_kept_and_a_stale_one_is_replaced_once() {
    let (address, connections) = closing_server(3).await;
    let transport = transport(address);
    for (request, expected) in [(1, 1), (2, 1), (3, 1), (4, 2), (5, 2)] {
        let mut post = Request::new("POST", "/");
        post.body = Some(Bytes::from_static(b"{}"));
        let result = transport.send(&post, false).await;
        assert_eq!(ending(&result), "200 2", "request {request}");
        assert_eq!(connections.load(Ordering::SeqCst), expected, "connections after request {request}");
    }
    // A fresh connection that closes without an answer is a verdict, not a reason to try again.
    let (address, connections) = closing_server(0).await;
    let result = self::transport(address).send(&Request::new("GET", "/"), false).await;
    assert_eq!((ending(&result).as_str(), connections.load(Ordering::SeqCst)), ("empty-reply", 1));
}

#[tokio::test]
async fn fresh_asks_for_a_connection_that_nothing_used() {
    let (address, connections) = closing_server(100).await;
    let transport = transport(address);
    for fresh in [false, true, false, true] {
        assert_eq!(ending(&transport.send(&Request::new("GET", "/"), fresh).await), "200 2");
    }
    assert_eq!(connections.load(Ordering::SeqCst), 3);
}

#[tokio::test]
async fn connection_is_dropped_after_an_answer_that_leaves_doubt() {
    for (name, answer) in [
        ("close", "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"),
        (
            "surplus bytes",
            "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\nHTTP/1.1 200 OK\r\nX: smuggled\r\nContent-Length: 0\r\n\r\n",
        ),
        ("surplus after 304", "HTTP/1.1 304 X\r\n\r\nHTTP/1.1 200 OK\r\nX: smuggled\r\nContent-Length: 0\r\n\r\n"),
        ("length and chunks", "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
        ("HTTP/1.0", "HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n"),
    ] {
        let connections = Arc::new(AtomicUsize::new(0));
        let counter = connections.clone();
        let answer = Arc::new(Answer::Open(answer.as_bytes().to_vec()));
        let address = server(move |number, stream| {
            counter.store(number + 1, Ordering::SeqCst);
            Box::pin(play(answer.clone(), stream))
        })
        .await;
        let transport = transport(address);
        for _ in 0..2 {
            let response = transport.send(&Request::new("GET", "/"), false).await.unwrap();
            assert_eq!(response.header("x"), None, "{name}");
        }
        assert_eq!(connections.load(Ordering::SeqCst), 2, "{name}");
    }
}

#[tokio::test]
async fn answer_that_comes_before_the_body_is_sent_is_read() {
    // Larger than the buffers of both sockets, so that the write cannot finish.
    let mut request = Request::new("POST", "/");
    request.body = Some(Bytes::from(vec![b'x'; 16 << 20]));
    let address = server(|_, mut stream| {
        Box::pin(async move {
            let _ = stream.write_all(b"HTTP/1.1 413 Too Large\r\nContent-Length: 3\r\n\r\nbig").await;
            pending::<()>().await;
        })
    })
    .await;
    let result = transport(address).send(&request, false).await;
    assert_eq!(ending(&result), "413 3", "{result:?}");
}

#[tokio::test]
async fn dial_falls_back_to_another_judged_address() {
    let (address, _) = closing_server(100).await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let closed = listener.local_addr().unwrap();
    drop(listener);
    let mut target = target(closed);
    target.fallbacks = vec![address];
    let transport = HttpConnect::new().connect(&target, limits(), "scan_test");
    assert_eq!(ending(&transport.send(&Request::new("GET", "/"), false).await), "200 2");
    assert_eq!(transport.origin(), format!("http://{closed}"));
}

/// Resolves everything to the given addresses, one list a call; the last one stays.
struct Rebinding(Vec<SocketAddr>, AtomicUsize);

#[async_trait]
impl Resolve for Rebinding {
    async fn resolve(&self, _host: &str, _port: u16) -> std::io::Result<Vec<SocketAddr>> {
        let call = self.1.fetch_add(1, Ordering::SeqCst);
        Ok(vec![self.0[call.min(self.0.len() - 1)]])
    }
}

#[tokio::test]
async fn rebound_name_is_dialled_at_the_address_that_was_judged() {
    let (address, connections) = closing_server(100).await;
    // The first answer is judged and pinned; the second would lead to an address that is denied.
    let resolver = Arc::new(Rebinding(vec![address, "127.9.9.9:1".parse().unwrap()], AtomicUsize::new(0)));
    let policy =
        TargetPolicy { hosted: false, deny: vec!["127.9.0.0/16".parse().unwrap()], resolver: resolver.clone() };
    let url = Url::parse(&format!("http://rebound.test:{}/", address.port())).unwrap();
    let pinned = policy.pin(&url).await.unwrap();
    let transport = HttpConnect::new().connect(&pinned, limits(), "scan_test");
    for _ in 0..2 {
        assert_eq!(ending(&transport.send(&Request::new("GET", "/"), true).await), "200 2");
    }
    assert_eq!((resolver.1.load(Ordering::SeqCst), connections.load(Ordering::SeqCst)), (1, 2));
    assert!(policy.pin(&url).await.is_err(), "the second look-up is refused");
}
