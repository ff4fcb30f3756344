//! Bad input by name: documents and targets that mean harm. Each ends in a named error or a finding, in bounded time and
//! memory.

use std::io::Write;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use nat::core::time::SystemClock;
use nat::scan::engine::{self, Outcome, ScanConfig, ScanKind, SpecSource};
use nat::scan::identity::Credentials;
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
        kind: ScanKind::Functional,
        target: target.parse().expect("a URL"),
        spec,
        credentials: Credentials::None,
        second_credentials: None,
        concurrency: 4,
        limits: Limits {
            connect_timeout: Duration::from_millis(500),
            first_byte_timeout: Duration::from_millis(300),
            total_timeout: Duration::from_secs(2),
            progress_window: Duration::from_millis(200),
            ..Limits::default()
        },
        max_requests: 60,
        max_duration: Duration::from_secs(20),
        max_bytes: 64 << 20,
        exclude: Vec::new(),
        seed: 1,
        safe_mode: false,
        scan_id: "scan_test".to_owned(),
    }
}

async fn scan(target: &str, spec: SpecSource) -> Outcome {
    let ports = nat::server::engine_ports(false, Vec::new(), Arc::new(SystemClock));
    engine::run(config(target, spec), ports, Arc::new(|_| {}), CancellationToken::new()).await
}

fn bytes(text: impl Into<Vec<u8>>) -> SpecSource {
    SpecSource::Bytes { bytes: text.into(), base: None }
}

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
            let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
            for _ in 0..512 {
                encoder.write_all(&[0; 65536])?;
            }
            let bomb = encoder.finish()?;
            let head = format!("HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: {}\r\n\r\n", bomb.len());
            socket.write_all(head.as_bytes()).await?;
            socket.write_all(&bomb).await?;
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
        let outcome = scan(&start(target).await, bytes(SPEC)).await;
        let seen = verdict(&outcome);
        assert!(seen.split(' ').any(|word| word == expected) || expected.is_empty(), "{target:?}: {seen}");
        assert!(outcome.completed_at - outcome.started_at < chrono::TimeDelta::seconds(25), "{target:?} took too long");
        assert!(outcome.bytes_received < 256 << 20, "{target:?}: {} bytes", outcome.bytes_received);
    }
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
    for (name, document, expected) in [
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
