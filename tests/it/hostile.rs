//! Bad input by name: documents and targets that mean harm. Each ends in a named error or a finding, in bounded time and
//! memory.

use std::io::Write;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use async_trait::async_trait;
use nat::core::time::SystemClock;
use nat::scan::engine::{self, Outcome, ScanConfig, SpecSource};
use nat::scan::policy::Resolve;
use nat::scan::transport::Limits;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;

const SPEC: &str = r#"{"openapi": "3.0.3", "info": {"title": "t", "version": "1"}, "paths": {"/thing": {"get": {
    "parameters": [{"name": "q", "in": "query", "schema": {"type": "integer"}}],
    "responses": {"200": {"description": "ok", "content": {"application/json": {"schema": {"type": "object",
        "required": ["id"], "properties": {"id": {"type": "number"}}}}}}}}}}}"#;

fn config(target: &str, spec: SpecSource) -> ScanConfig {
    ScanConfig {
        spec,
        limits: Limits {
            connect_timeout: Duration::from_millis(500),
            first_byte_timeout: Duration::from_millis(300),
            total_timeout: Duration::from_secs(2),
            progress_window: Duration::from_millis(200),
            ..Limits::default()
        },
        max_requests: 60,
        max_duration: Duration::from_secs(20),
        ..crate::engine::config(target, "/")
    }
}

async fn scan(target: &str, spec: SpecSource) -> Outcome {
    run(config(target, spec)).await
}

async fn run(config: ScanConfig) -> Outcome {
    let ports = nat::server::engine_ports(false, Vec::new(), Arc::new(SystemClock));
    engine::run(config, ports, Arc::new(|_| {}), CancellationToken::new()).await
}

fn bytes(text: impl Into<Vec<u8>>) -> SpecSource {
    SpecSource::Bytes { bytes: text.into(), base: None }
}

/// 32 MB of zeros, packed once: doing it for each request takes longer than a scan waits for an answer.
static BOMB: LazyLock<Vec<u8>> = LazyLock::new(|| gzip(&vec![0; 32 << 20]));

/// What a target does once it has read the head of a request.
#[derive(Clone, Copy, Debug)]
enum Target {
    OneByteASecond,
    EndlessBody,
    HundredMegabytes,
    GzipBomb,
    TenThousandHeaders,
    RedirectToMetadata,
    Reset,
    NotHttp,
    Nan,
    Fine,
}

async fn start(target: Target) -> String {
    format!("http://{}", start_on("127.0.0.1:0", target).await)
}

async fn start_on(address: &str, target: Target) -> std::net::SocketAddr {
    let listener = TcpListener::bind(address).await.expect("a port");
    let address = listener.local_addr().expect("bound");
    LazyLock::force(&BOMB);
    tokio::spawn(async move {
        while let Ok((socket, _)) = listener.accept().await {
            tokio::spawn(answer(socket, target));
        }
    });
    address
}

async fn answer(mut socket: TcpStream, target: Target) -> std::io::Result<()> {
    let mut head = vec![0; 16 << 10];
    if socket.read(&mut head).await? == 0 {
        return Ok(());
    }
    let json = |body: &str| {
        format!("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}", body.len())
    };
    match target {
        Target::OneByteASecond => {
            let mut ticks = tokio::time::interval(Duration::from_secs(1));
            for byte in json(r#"{"id": 1}"#).bytes() {
                ticks.tick().await;
                socket.write_all(&[byte]).await?;
            }
        }
        Target::EndlessBody => {
            socket.write_all(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n").await?;
            loop {
                socket.write_all(b"400\r\n").await?;
                socket.write_all(&[b'x'; 0x400]).await?;
                socket.write_all(b"\r\n").await?;
            }
        }
        Target::HundredMegabytes => {
            socket.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 104857600\r\n\r\n").await?;
            for _ in 0..1600 {
                socket.write_all(&[b' '; 65536]).await?;
            }
        }
        Target::GzipBomb => {
            let head = format!("HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: {}\r\n\r\n", BOMB.len());
            socket.write_all(head.as_bytes()).await?;
            socket.write_all(&BOMB).await?;
        }
        Target::TenThousandHeaders => {
            let headers: String = (0..10_000).map(|n| format!("X-{n}: y\r\n")).collect();
            socket.write_all(format!("HTTP/1.1 200 OK\r\n{headers}\r\n").as_bytes()).await?;
        }
        Target::RedirectToMetadata => {
            let head =
                "HTTP/1.1 302 Found\r\nLocation: http://169.254.169.254/latest/meta-data/\r\nContent-Length: 0\r\n\r\n";
            socket.write_all(head.as_bytes()).await?;
        }
        Target::Reset => socket.set_zero_linger()?,
        Target::NotHttp => socket.write_all(b"220 mail.example.test ESMTP\r\n").await?,
        Target::Nan => socket.write_all(json(r#"{"id": NaN}"#).as_bytes()).await?,
        Target::Fine => socket.write_all(json(r#"{"id": 1}"#).as_bytes()).await?,
    }
    Ok(())
}

/// The code of the failure, or the sorted ids of the checks that found something.
fn verdict(outcome: &Outcome) -> String {
    if let Some(failure) = &outcome.failure {
        return failure.code.clone();
    }
    let mut checks: Vec<&str> = outcome.findings.iter().map(|finding| finding.check_id.as_str()).collect();
    checks.sort_unstable();
    checks.dedup();
    checks.join(" ")
}

#[tokio::test(flavor = "multi_thread")]
async fn hostile_targets_end_in_a_named_error_or_a_finding() {
    let mut scans = tokio::task::JoinSet::new();
    for (target, expected) in [
        (Target::OneByteASecond, "TARGET_UNREACHABLE"),
        (Target::EndlessBody, ""),
        (Target::HundredMegabytes, ""),
        (Target::GzipBomb, "F002"),
        (Target::TenThousandHeaders, "F002"),
        (Target::RedirectToMetadata, "F010"),
        (Target::Reset, "TARGET_UNREACHABLE"),
        (Target::NotHttp, "TARGET_UNREACHABLE"),
        (Target::Nan, "F012"),
    ] {
        scans.spawn(async move { (target, expected, scan(&start(target).await, bytes(SPEC)).await) });
    }
    while let Some(done) = scans.join_next().await {
        let (target, expected, outcome) = done.expect("no panic");
        let seen = verdict(&outcome);
        assert!(seen.split(' ').any(|word| word == expected) || expected.is_empty(), "{target:?}: {seen}");
        assert!(outcome.completed_at - outcome.started_at < chrono::TimeDelta::seconds(25), "{target:?} took too long");
        assert!(outcome.bytes_received < 256 << 20, "{target:?}: {} bytes", outcome.bytes_received);
    }
}

/// Raw bytes that a target sends for each request, once it has read its head.
#[derive(Clone, Debug)]
enum Raw {
    /// These, and the connection is closed.
    Close(Vec<u8>),
    /// These, and the connection stays open without a word.
    Hold(Vec<u8>),
    /// The first, then the second without an end.
    Endless(Vec<u8>, Vec<u8>),
    /// These in turn, one for each request.
    Turns(Vec<Vec<u8>>),
    /// No answer; the writing side is closed, the reading side is not.
    HalfClosed,
}

fn raw(bytes: impl AsRef<[u8]>) -> Vec<u8> {
    bytes.as_ref().to_vec()
}

/// An answer whose length is right.
fn sized(head: &str, body: &[u8]) -> Vec<u8> {
    let head = format!("HTTP/1.1 {head}\r\nContent-Length: {}\r\n\r\n", body.len());
    [head.as_bytes(), body].concat()
}

fn json_of(body: impl AsRef<[u8]>) -> Vec<u8> {
    sized("200 OK\r\nContent-Type: application/json", body.as_ref())
}

fn gzip(body: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    encoder.write_all(body).and_then(|()| encoder.finish()).expect("into memory")
}

async fn start_raw(behaviour: Raw) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("bound");
    let turn = Arc::new(AtomicUsize::new(0));
    tokio::spawn(async move {
        while let Ok((socket, _)) = listener.accept().await {
            tokio::spawn(answer_raw(socket, behaviour.clone(), turn.clone()));
        }
    });
    format!("http://{address}")
}

async fn answer_raw(mut socket: TcpStream, behaviour: Raw, turn: Arc<AtomicUsize>) -> std::io::Result<()> {
    let mut head = vec![0; 16 << 10];
    if socket.read(&mut head).await? == 0 {
        return Ok(());
    }
    match behaviour {
        Raw::Close(bytes) => socket.write_all(&bytes).await?,
        Raw::Hold(bytes) => {
            socket.write_all(&bytes).await?;
            tokio::time::sleep(Duration::from_secs(10)).await;
        }
        Raw::Endless(first, again) => {
            socket.write_all(&first).await?;
            loop {
                socket.write_all(&again).await?;
            }
        }
        Raw::Turns(answers) => {
            let turn = turn.fetch_add(1, Ordering::Relaxed) % answers.len();
            socket.write_all(&answers[turn]).await?;
        }
        Raw::HalfClosed => {
            socket.shutdown().await?;
            while socket.read(&mut head).await? > 0 {}
        }
    }
    Ok(())
}

/// Name, behaviour, and the check or failure that names it; empty where the answer is bearable: then it must not count as an
/// error of the server (what nobody asked for is no answer to the next request).
fn behaviours() -> Vec<(&'static str, Raw, &'static str)> {
    let ok = json_of(r#"{"id": 1}"#);
    let zeros = vec![0; 16 << 20];
    let keys = (0..40_000).map(|n| format!("\"k{n}\":0")).collect::<Vec<_>>().join(",");
    let chunked = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n";
    let cookies: String = (0..200).map(|n| format!("Set-Cookie: c{n}={}\r\n", "v".repeat(100))).collect();
    let codings = vec!["gzip"; 100].join(", ");
    vec![
        ("endless headers", Raw::Endless(raw("HTTP/1.1 200 OK\r\n"), raw("X-Again: y\r\n")), "F002"),
        ("endless header line", Raw::Endless(raw("HTTP/1.1 200 OK\r\nX-Long: "), raw([b'y'; 4096])), "F002"),
        ("endless status line", Raw::Endless(raw("HTTP/1.1 200 "), raw([b'y'; 4096])), "F002"),
        ("interim answers without end", Raw::Endless(Vec::new(), raw("HTTP/1.1 103 Early Hints\r\n\r\n")), "TARGET_UNREACHABLE"),
        ("endless digits of a chunk's size", Raw::Endless(raw(format!("{chunked}\r\n")), raw([b'0'; 1024])), "TARGET_UNREACHABLE"),
        ("endless trailers", Raw::Endless(raw(format!("{chunked}\r\n0\r\n")), raw("X-Again: y\r\n")), "TARGET_UNREACHABLE"),
        ("negative chunk", Raw::Close(raw(format!("{chunked}\r\n-1\r\n{{}}\r\n0\r\n\r\n"))), "TARGET_UNREACHABLE"),
        ("chunk beyond 64 bits", Raw::Close(raw(format!("{chunked}\r\nFFFFFFFFFFFFFFFFF\r\n{{}}"))), "TARGET_UNREACHABLE"),
        ("chunk that ends early", Raw::Close(raw(format!("{chunked}\r\n9\r\n{{\"id\""))), "F002"),
        ("length and chunks", Raw::Close(raw(format!("{chunked}Content-Length: 3\r\n\r\n9\r\n{{\"id\": 1}}\r\n0\r\n\r\n"))), ""),
        ("two lengths", Raw::Close(raw("HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 9\r\n\r\n{\"id\": 1}")), "TARGET_UNREACHABLE"),
        ("length too large", Raw::Close(raw("HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{\"id\": 1}")), "F002"),
        ("length beyond 64 bits", Raw::Close(raw("HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999\r\n\r\n{}")), "TARGET_UNREACHABLE"),
        ("length that lies, held open", Raw::Hold(raw("HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{}")), "TARGET_UNREACHABLE"),
        ("NUL in a header", Raw::Close(raw("HTTP/1.1 200 OK\r\nX-Nul: a\0b\r\nContent-Length: 2\r\n\r\n{}")), "TARGET_UNREACHABLE"),
        ("header without a name", Raw::Close(raw("HTTP/1.1 200 OK\r\n: x\r\nContent-Length: 2\r\n\r\n{}")), "TARGET_UNREACHABLE"),
        ("unknown version", Raw::Close(raw("HTTP/9.9 200 OK\r\nContent-Length: 2\r\n\r\n{}")), "TARGET_UNREACHABLE"),
        ("status 000", Raw::Close(sized("000 Nothing", b"{}")), "TARGET_UNREACHABLE"),
        ("protocol switched unasked", Raw::Close(raw("HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n")), "F010"),
        ("TLS on a plain port", Raw::Close(raw(b"\x15\x03\x01\x00\x02\x02\x46")), "TARGET_UNREACHABLE"),
        ("half closed", Raw::HalfClosed, "TARGET_UNREACHABLE"),
        ("silence", Raw::Hold(Vec::new()), "TARGET_UNREACHABLE"),
        ("gzip in gzip", Raw::Close(sized("200 OK\r\nContent-Encoding: gzip, gzip", &gzip(&gzip(&zeros)))), "F002"),
        ("a hundred codings", Raw::Close(sized(&format!("200 OK\r\nContent-Encoding: {codings}"), &gzip(b"{}"))), "TARGET_UNREACHABLE"),
        ("gzip that breaks off", Raw::Close(sized("200 OK\r\nContent-Encoding: gzip", &gzip(&ok)[..20])), "TARGET_UNREACHABLE"),
        ("coding that is not undone", Raw::Close(sized("200 OK\r\nContent-Type: application/json\r\nContent-Encoding: br", b"\x8b\x00")), ""),
        ("redirect to itself", Raw::Close(sized("302 Found\r\nLocation: /thing", b"")), "F010"),
        ("location of 60 KB", Raw::Close(sized(&format!("302 Found\r\nLocation: /{}", "x".repeat(60_000)), b"")), "F010"),
        ("200 cookies", Raw::Close(sized(&format!("200 OK\r\n{cookies}Content-Type: application/json"), br#"{"id": 1}"#)), ""),
        ("429 for ever", Raw::Close(sized("429 Too Many Requests\r\nRetry-After: 1000000000", b"")), ""),
        ("503 until the year 9999", Raw::Close(sized("503 Busy\r\nRetry-After: Fri, 31 Dec 9999 23:59:59 GMT", b"")), ""),
        ("JSON of 100,000 brackets", Raw::Close(json_of("[".repeat(100_000))), ""),
        ("JSON of 40,000 keys", Raw::Close(json_of(format!("{{\"id\": 1, {keys}}}"))), ""),
        ("JSON that is not UTF-8", Raw::Close(json_of(b"{\"id\": \"\xff\xfe\"}")), "F012"),
        ("number of 100,000 digits", Raw::Close(json_of(format!("{{\"id\": {}}}", "9".repeat(100_000)))), ""),
        ("keep-alive and closed", Raw::Close([b"HTTP/1.1 200 OK\r\nConnection: keep-alive\r\nContent-Type: application/json\r\nContent-Length: 9\r\n\r\n".as_slice(), br#"{"id": 1}"#].concat()), ""),
        ("an answer that nobody asked for", Raw::Hold([ok.clone(), sized("500 Later", b"{}")].concat()), ""),
        ("status that alternates", Raw::Turns(vec![ok, sized("500 Sometimes", b"{}")]), "F001"),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn hostile_bytes_end_in_a_named_error_or_a_finding() {
    let places = Arc::new(tokio::sync::Semaphore::new(8));
    let mut scans = tokio::task::JoinSet::new();
    for (name, behaviour, expected) in behaviours() {
        let places = places.clone();
        scans.spawn(async move {
            let _place = places.acquire_owned().await.expect("never closed");
            // Answers that ask for patience would use up all the time that there is.
            let config = ScanConfig {
                max_duration: Duration::from_secs(12),
                ..config(&start_raw(behaviour).await, bytes(SPEC))
            };
            (name, expected, run(config).await)
        });
    }
    let mut wrong = Vec::new();
    while let Some(done) = scans.join_next().await {
        let (name, expected, outcome) = done.expect("no panic");
        let seen = verdict(&outcome);
        let seconds = (outcome.completed_at - outcome.started_at).as_seconds_f64();
        let named = expected.is_empty() && !seen.contains("F001") || seen.split(' ').any(|word| word == expected);
        if !named || seconds > 25.0 || outcome.bytes_received > 64 << 20 {
            let failure = outcome.failure.as_ref().map(|failure| failure.message.clone());
            wrong.push(format!(
                "{name}: {seen:?} for {expected:?}, {seconds:.1} s, {} bytes, {} requests, {failure:?}",
                outcome.bytes_received, outcome.requests
            ));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_documents_end_in_a_named_error_or_a_scan() {
    let target = start(Target::Fine).await;
    let laughs: String = (1..30).fold("a0: &a0 [x, x, x, x, x, x, x, x, x]\n".to_owned(), |text, n| {
        let before = vec![format!("*a{}", n - 1); 9].join(", ");
        text + &format!("a{n}: &a{n} [{before}]\n")
    });
    let paths = |paths: &str| format!(r#"{{"openapi": "3.0.3", "info": {{"title": "t", "version": "1"}}, {paths}}}"#);
    let reference = |to: &str| {
        paths(&format!(
            r##""paths": {{"/thing": {{"get": {{"parameters": [{{"name": "q", "in": "query", "schema": {{"$ref": "{to}"}}}}],
            "responses": {{"200": {{"description": "ok"}}}}}}}}}}, "components": {{"schemas": {{"Loop": {{"type": "object",
            "properties": {{"next": {{"$ref": "#/components/schemas/Loop"}}}}}}, "Self": {{"$ref": "#/components/schemas/Self"}}}}}}"##
        ))
    };
    let schemas = |query: &str, schemas: &str| {
        paths(&format!(
            r#""paths": {{"/thing": {{"get": {{"parameters": [{{"name": "q", "in": "query", "schema": {query}}}],
            "responses": {{"200": {{"description": "ok"}}}}}}}}}}, "components": {{"schemas": {{{schemas}}}}}"#
        ))
    };
    let doubled: Vec<String> = (0..40)
        .map(|n| {
            let next = format!(r##"{{"$ref": "#/components/schemas/B{}"}}"##, n + 1);
            format!(r#""B{n}": {{"allOf": [{next}, {next}], "properties": {{"a": {next}, "b": {next}}}}}"#)
        })
        .collect();
    let doubled = doubled.join(", ") + r#", "B40": {"type": "string"}"#;
    let chain: Vec<String> =
        (0..5000).map(|n| format!(r##""C{n}": {{"$ref": "#/components/schemas/C{}"}}"##, n + 1)).collect();
    let wide: Vec<String> = (0..20_000).map(|n| format!(r#""p{n}": {{"type": "integer"}}"#)).collect();
    let wide = format!(r#"{{"type": "object", "required": ["p0", "p19999"], "properties": {{{}}}}}"#, wide.join(", "));
    let deep = format!("{}{{}}{}", r#"{"items": "#.repeat(5000), "}".repeat(5000));
    for (name, document, expected) in [
        ("$ref bomb", schemas(r##"{"$ref": "#/components/schemas/B0"}"##, &doubled), ""),
        ("$ref chain", schemas(r##"{"$ref": "#/components/schemas/C0"}"##, &chain.join(", ")), ""),
        ("20,000 properties", schemas(&wide, ""), ""),
        ("nested 5,000 times", schemas(&deep, ""), "SPEC_INVALID"),
        ("pattern that backtracks", schemas(r#"{"type": "string", "pattern": "^(a+)+$|(x*)*y"}"#, ""), ""),
        ("pattern that is large", schemas(r#"{"type": "string", "pattern": "((a{1000}){1000}){1000}"}"#, ""), ""),
        ("lengths without measure", schemas(r#"{"type": "string", "minLength": 4000000000}"#, ""), ""),
        (
            "items without measure",
            schemas(r#"{"type": "array", "minItems": 4000000000, "items": {"type": "string"}}"#, ""),
            "",
        ),
        ("20 MB", "x".repeat(20 << 20), "SPEC_INVALID"),
        ("billion laughs", laughs, "SPEC_INVALID"),
        ("not YAML", "{openapi: [".to_owned(), "SPEC_INVALID"),
        ("HTML", "<!doctype html><html><body>log in</body></html>".to_owned(), "SPEC_INVALID"),
        ("no OpenAPI", "just: yaml".to_owned(), "SPEC_INVALID"),
        ("empty paths", paths(r#""paths": {}"#), "SPEC_INVALID"),
        ("$ref cycle", reference("#/components/schemas/Loop"), ""),
        ("$ref to itself", reference("#/components/schemas/Self"), ""),
        ("$ref to another host", reference("http://169.254.169.254/latest#/x"), ""),
        ("$ref to a file", reference("file:///etc/passwd#/x"), ""),
        ("$ref to nothing", reference("#/components/schemas/Missing"), ""),
        (
            "server with variables",
            paths(
                r#""servers": [{"url": "{scheme}://{host}/v1", "variables": {"scheme": {"default": "http"}}}],
            "paths": {"/thing": {"get": {"responses": {"200": {"description": "ok"}}}}}"#,
            ),
            "",
        ),
        (
            "relative server",
            paths(
                r#""servers": [{"url": "/api"}], "paths": {"/thing": {"get": {"responses": {"200": {"description": "ok"}}}}}"#,
            ),
            "",
        ),
    ] {
        let outcome = scan(&target, bytes(document)).await;
        let failure = outcome.failure.as_ref().map_or("", |failure| failure.code.as_str());
        assert_eq!(failure, expected, "{name}: {:?}", outcome.failure);
        assert!(!format!("{outcome:?}").contains("root:x:0:0"), "{name}: a file of this machine is in the outcome");
        if expected.is_empty() {
            assert!(outcome.operations[0].requests > 0, "{name}: {outcome:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn documents_that_do_not_come_end_in_a_named_error() {
    let mut scans = tokio::task::JoinSet::new();
    for target in [
        Target::OneByteASecond,
        Target::EndlessBody,
        Target::HundredMegabytes,
        Target::GzipBomb,
        Target::RedirectToMetadata,
    ] {
        scans.spawn(async move {
            let address = start(target).await;
            let document = format!("{address}/openapi.json").parse().expect("a URL");
            (target, scan(&address, SpecSource::Url(document)).await)
        });
    }
    while let Some(done) = scans.join_next().await {
        let (target, outcome) = done.expect("no panic");
        let code = outcome.failure.as_ref().map_or("", |failure| failure.code.as_str());
        assert!(matches!(code, "SPEC_INVALID" | "TARGET_UNREACHABLE"), "{target:?}: {:?}", outcome.failure);
        assert!(outcome.bytes_received < 64 << 20, "{target:?}: {} bytes", outcome.bytes_received);
        assert!(outcome.completed_at - outcome.started_at < chrono::TimeDelta::seconds(20), "{target:?} took too long");
    }
}

/// One address at first, another one ever after: a name that is rebound.
struct Rebinding(std::sync::atomic::AtomicBool, [std::net::SocketAddr; 2]);

#[async_trait]
impl Resolve for Rebinding {
    async fn resolve(&self, _: &str, _: u16) -> std::io::Result<Vec<std::net::SocketAddr>> {
        let again = self.0.swap(true, std::sync::atomic::Ordering::Relaxed);
        Ok(vec![self.1[usize::from(again)]])
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn rebound_name_never_reaches_the_denied_address() {
    let denied = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let denied_address = denied.local_addr().expect("bound");
    let allowed: std::net::SocketAddr = start_on("127.0.0.2:0", Target::Fine).await;
    let mut ports =
        nat::server::engine_ports(false, vec!["127.0.0.1/32".parse().expect("a network")], Arc::new(SystemClock));
    ports.policy.resolver = Arc::new(Rebinding(false.into(), [allowed, denied_address]));
    let spec = SpecSource::Bytes { bytes: SPEC.into(), base: None };
    let target = format!("http://rebind.example.test:{}", allowed.port());
    let outcome = engine::run(config(&target, spec), ports, Arc::new(|_| {}), CancellationToken::new()).await;
    assert!(outcome.failure.is_none() && outcome.operations[0].requests > 5, "{:?}", outcome.failure);
    let reached = tokio::time::timeout(Duration::from_millis(200), denied.accept()).await;
    assert!(reached.is_err(), "the denied address was dialled");
}
