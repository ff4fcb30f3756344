//! A server on loopback and a client that does nothing but wait for it.

use std::net::SocketAddr;
use std::path::Path;
use std::time::{Duration, Instant};

use axum::Router;
use nat::billing::service::SyncTenant;
use nat::config::Settings;
use nat::core::secret::ExposeSecret;
use nat::server::App;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::runtime::Builder;

/// A composed server on a SQLite file in `dir` and the key of its one tenant, which is on a plan with these limits and
/// without one of requests a minute: its bucket would be empty after the first seconds.
pub(crate) async fn compose(dir: &Path, limits: &str) -> (App, String) {
    let plans = dir.join("plans.toml");
    std::fs::write(&plans, format!("[[plan]]\nid = \"free\"\nrequests_per_minute = 4000000000\n{limits}\n"))
        .expect("written");
    let settings = Settings {
        database_url: format!("sqlite://{}?mode=rwc", dir.join("nat.db").display()),
        listen: "127.0.0.1:0".into(),
        plans_file: Some(plans),
        workers: "1".into(),
        ..Settings::default()
    };
    let config = settings.check().unwrap_or_else(|problems| panic!("{problems:?}"));
    let app = nat::server::compose(&config).await.expect("composed");
    let tenant =
        SyncTenant { tenant_id: Some("t".into()), email: Some("t@example.test".into()), ..SyncTenant::default() };
    let made = app.services.billing.sync_tenant(tenant, None).await.expect("registered");
    (app, made.key.secret.expose_secret().to_owned())
}

/// A server on a thread of its own.
pub(crate) struct Server {
    address: SocketAddr,
    /// Directory of its thread in /proc, where there is one.
    thread: Option<std::path::PathBuf>,
}

impl Server {
    /// `logged`: with the log of `nat serve` at its default level, written to nowhere.
    pub(crate) fn start(router: Router, logged: bool) -> Self {
        let (tell, told) = std::sync::mpsc::channel();
        std::thread::spawn(move || {
            let log = tracing_subscriber::fmt().with_ansi(false).with_writer(std::io::sink).finish();
            let _guard = logged.then(|| tracing::subscriber::set_default(log));
            let runtime = Builder::new_current_thread().enable_all().build().expect("a runtime");
            runtime.block_on(async {
                let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
                let thread = std::fs::read_link("/proc/thread-self").ok();
                let address = listener.local_addr().expect("an address");
                tell.send(Self { address, thread: thread.map(|path| std::path::Path::new("/proc").join(path)) })
                    .expect("someone waits");
                axum::serve(listener, router).await.expect("a server");
            });
        });
        told.recv().expect("the server starts")
    }

    /// Time on a processor so far; zero where the kernel does not tell.
    fn busy(&self) -> Duration {
        let read = |path: &std::path::PathBuf| std::fs::read_to_string(path.join("schedstat")).ok();
        let text = self.thread.as_ref().and_then(read).unwrap_or_default();
        Duration::from_nanos(text.split(' ').next().and_then(|nanos| nanos.parse().ok()).unwrap_or(0))
    }

    /// Requests a second and microseconds of the server's thread a request, in one round.
    pub(crate) async fn round(&self, request: &[u8], connections: usize, requests: usize) -> (f64, f64) {
        let mut streams = Vec::new();
        for _ in 0..connections {
            let stream = TcpStream::connect(self.address).await.expect("connected");
            stream.set_nodelay(true).expect("set");
            streams.push(stream);
        }
        let (begin, busy) = (Instant::now(), self.busy());
        futures::future::join_all(streams.into_iter().map(|stream| ask(stream, request, requests))).await;
        let count = (connections * requests) as f64;
        (count / begin.elapsed().as_secs_f64(), (self.busy() - busy).as_secs_f64() * 1e6 / count)
    }
}

/// One connection: request, answer, request, …
async fn ask(mut stream: TcpStream, request: &[u8], requests: usize) {
    let mut buffer = vec![0; 4096];
    for _ in 0..requests {
        stream.write_all(request).await.expect("sent");
        let mut filled = 0;
        loop {
            let read = stream.read(&mut buffer[filled..]).await.expect("read");
            assert!(read > 0, "the server closed");
            filled += read;
            if filled == buffer.len() {
                buffer.resize(filled * 2, 0);
            }
            if is_whole(&buffer[..filled]) {
                break;
            }
        }
    }
}

/// Head and body of a 200 with a length are there.
fn is_whole(answer: &[u8]) -> bool {
    let Some(end) = answer.windows(4).position(|bytes| bytes == b"\r\n\r\n") else { return false };
    let head = std::str::from_utf8(&answer[..end]).expect("ASCII");
    assert!(head.starts_with("HTTP/1.1 200"), "{head}");
    let (_, rest) = head.split_once("content-length: ").expect("a length");
    let length: usize = rest.split("\r\n").next().unwrap_or(rest).parse().expect("a number");
    answer.len() == end + 4 + length
}
