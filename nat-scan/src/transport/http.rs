//! HTTP/1.1 over TCP and TLS to a pinned address: the pool and the retry rule around `connection`.
//!
//! Why not hyper or reqwest: `docs/decisions/0001-own-http1-client.md`.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use rustls::pki_types::CertificateDer;
use tokio::net::TcpStream;
use tokio::time::Instant;

use super::connection::{Answer, Connection, Stream};
use super::pace::Pace;
use super::tls::TlsConnect;
use super::{Limits, Request, Response, TlsFacts, Transport, TransportError, handshake, head};
use crate::engine::Connect;
use crate::policy::PinnedTarget;

/// Idle connections that one transport keeps.
const MAX_IDLE: usize = 64;

/// Makes [`HttpTransport`]s; all of them share one TLS configuration.
#[derive(Clone)]
pub struct HttpConnect {
    tls: TlsConnect,
}

impl HttpConnect {
    /// Trusts Mozilla's root certificates.
    #[must_use]
    pub fn new() -> Self {
        Self::with_roots(Vec::new())
    }

    /// Trusts these roots too, for targets with a certificate of a private authority. Unusable ones are ignored.
    #[must_use]
    pub fn with_roots(roots: Vec<CertificateDer<'static>>) -> Self {
        Self { tls: TlsConnect::new(roots) }
    }
}

impl Default for HttpConnect {
    fn default() -> Self {
        Self::new()
    }
}

#[async_trait]
impl Connect for HttpConnect {
    fn connect(&self, target: &PinnedTarget, limits: Limits, scan_id: &str) -> Arc<dyn Transport> {
        Arc::new(HttpTransport::new(target, limits, scan_id, self.tls.clone()))
    }
}

/// Sends requests to one pinned address and keeps its connections.
pub struct HttpTransport {
    origin: String,
    /// The judged addresses; nothing else is ever dialled.
    addresses: Vec<SocketAddr>,
    /// Index of the address that took the last connection.
    preferred: AtomicUsize,
    /// Host name for the certificate, if the scheme is https.
    tls: Option<(TlsConnect, String)>,
    limits: Limits,
    /// The header lines that are the same in every request.
    constant_head: Vec<u8>,
    /// Last in, first out: the connection used last is the least likely to be stale, and its buffers are warm.
    idle: Mutex<Vec<Connection>>,
}

impl HttpTransport {
    fn new(target: &PinnedTarget, limits: Limits, scan_id: &str, tls: TlsConnect) -> Self {
        let mut addresses = vec![target.address];
        addresses.extend(&target.fallbacks);
        Self {
            origin: target.origin(),
            addresses,
            preferred: AtomicUsize::new(0),
            tls: target.tls.then(|| (tls, target.host.clone())),
            limits,
            constant_head: head::constant_lines(&target.authority(), scan_id),
            idle: Mutex::new(Vec::new()),
        }
    }

    /// An idle connection that is still open and silent. Stale ones are dropped on the way.
    fn take_idle(&self) -> Option<Connection> {
        loop {
            let mut connection = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop()?;
            if connection.is_idle() {
                return Some(connection);
            }
        }
    }

    fn keep(&self, connection: Connection) {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        if idle.len() < MAX_IDLE {
            idle.push(connection);
        }
    }

    fn finish(&self, connection: Connection, answer: Answer) -> Response {
        if answer.reusable {
            self.keep(connection);
        }
        answer.response
    }

    async fn dial(&self, pace: &Pace) -> Result<Connection, TransportError> {
        let first = self.preferred.load(Ordering::Relaxed);
        let mut failure = None;
        for step in 0..self.addresses.len() {
            let index = (first + step) % self.addresses.len();
            match self.dial_address(self.addresses[index], pace).await {
                Ok(stream) => {
                    self.preferred.store(index, Ordering::Relaxed);
                    return Ok(Connection::new(stream));
                }
                // Only "nothing listens there" is a reason to try the next address.
                Err(error @ TransportError::Connect(_)) => failure = failure.or(Some(error)),
                Err(error) => return Err(error),
            }
        }
        Err(failure.unwrap_or_else(|| TransportError::Connect("no address".to_owned())))
    }

    async fn dial_address(&self, address: SocketAddr, pace: &Pace) -> Result<Stream, TransportError> {
        let timeout = self.limits.connect_timeout;
        let end = pace.connect_deadline();
        let tcp = match tokio::time::timeout_at(end, TcpStream::connect(address)).await {
            Ok(Ok(tcp)) => tcp,
            Ok(Err(error)) => return Err(TransportError::Connect(error.kind().to_string())),
            Err(_) => return Err(TransportError::Connect(format!("no connection within {timeout:?}"))),
        };
        // Head and body are one write, so there is nothing for Nagle's algorithm to collect.
        tcp.set_nodelay(true).map_err(|error| TransportError::Connect(error.kind().to_string()))?;
        let Some((tls, host)) = &self.tls else { return Ok(Stream::Plain(tcp)) };
        match tokio::time::timeout_at(end, tls.handshake(host, tcp)).await {
            Ok(session) => Ok(Stream::Tls(Box::new(session?))),
            Err(_) => Err(TransportError::Tls(format!("no session within {timeout:?}"))),
        }
    }
}

#[async_trait]
impl Transport for HttpTransport {
    async fn send(&self, request: &Request, fresh: bool) -> Result<Response, TransportError> {
        let mut pace = Pace::new(self.limits, Instant::now());
        if !fresh && let Some(mut connection) = self.take_idle() {
            match connection.exchange(request, &self.constant_head, &mut pace).await {
                Ok(answer) => return Ok(self.finish(connection, answer)),
                // A server may close an idle connection while the request is on its way. Closed without one byte of an
                // answer, it is sent again, once, on a fresh connection; the verdict is always that connection's.
                Err(TransportError::Empty | TransportError::Reset) if connection.received() == 0 => {}
                Err(error) => return Err(error),
            }
        }
        let mut connection = self.dial(&pace).await?;
        let answer = connection.exchange(request, &self.constant_head, &mut pace).await?;
        Ok(self.finish(connection, answer))
    }

    async fn tls(&self) -> Option<TlsFacts> {
        let (tls, host) = self.tls.as_ref()?;
        let address = self.addresses.get(self.preferred.load(Ordering::Relaxed))?;
        Some(handshake::facts(tls, host, *address).await)
    }

    fn origin(&self) -> &str {
        &self.origin
    }
}
