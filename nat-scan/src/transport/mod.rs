//! Sending: a port, so that a scan runs over real HTTP or, embedded, over anything that answers.

mod body;
mod connection;
mod decode;
pub mod fetch;
mod handshake;
mod head;
pub mod http;
mod pace;
mod tls;

use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;

/// A request as it goes on the wire. `Host`, `Content-Length`, `User-Agent` and `Connection` are the transport's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// For example `GET`.
    pub method: String,
    /// Path and query, percent-encoded: `/pets/1?limit=2`. Starts with `/`.
    pub target: String,
    /// In order. Values are bytes without CR and LF.
    pub headers: Vec<(String, Vec<u8>)>,
    /// `None`: no body and no `Content-Length` (but `Content-Length: 0` on POST, PUT and PATCH).
    pub body: Option<Bytes>,
}

impl Request {
    /// A request without headers and body.
    #[must_use]
    pub fn new(method: impl Into<String>, target: impl Into<String>) -> Self {
        Self { method: method.into(), target: target.into(), headers: Vec::new(), body: None }
    }

    /// The first header of that name, case-insensitively.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&[u8]> {
        self.headers.iter().find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, v)| v.as_slice())
    }

    /// What is sent in the place of the target's own name: a `Host` below `.example`, where nobody lives. With any other
    /// name, services beside the target could be reached that nobody allowed.
    pub(crate) fn foreign_host(&self) -> Option<&str> {
        let host = std::str::from_utf8(self.header("host")?).ok()?;
        let is_name = host.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-'));
        (is_name && host.len() <= 120 && host.ends_with(".example")).then_some(host)
    }

    /// Replaces all headers of that name.
    pub fn set_header(&mut self, name: &str, value: impl Into<Vec<u8>>) {
        self.headers.retain(|(n, _)| !n.eq_ignore_ascii_case(name));
        self.headers.push((name.to_owned(), value.into()));
    }
}

/// An answer, bounded by [`Limits`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Response {
    /// 100 to 999.
    pub status: u16,
    /// In order, names as sent.
    pub headers: Vec<(String, Vec<u8>)>,
    /// Decoded (gzip, deflate) and cut at [`Limits::max_body_bytes`].
    pub body: Bytes,
    /// True when the body was longer than what is kept; schema checks are skipped then.
    pub truncated: bool,
    /// Bytes that followed an answer that must not have a body (HEAD, 1xx, 204, 304).
    pub unexpected_bytes: usize,
    /// From the first byte sent to the last one read.
    pub elapsed: Duration,
    /// Bytes read from the socket for this answer.
    pub wire_bytes: u64,
}

impl Response {
    /// The first header of that name as text, case-insensitively.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n.eq_ignore_ascii_case(name)).and_then(|(_, v)| std::str::from_utf8(v).ok())
    }

    /// Type and subtype in lower case, without parameters.
    #[must_use]
    pub fn media_type(&self) -> Option<String> {
        self.header("content-type").map(|value| value.split(';').next().unwrap_or("").trim().to_ascii_lowercase())
    }

    /// True when the body is still in a content coding that is not undone here (`br`, `zstd`): its bytes say nothing.
    #[must_use]
    pub fn is_encoded(&self) -> bool {
        decode::codings(&self.headers).is_none()
    }

    /// True for `application/json` and `+json`.
    #[must_use]
    pub fn is_json(&self) -> bool {
        self.media_type()
            .is_some_and(|media| media == "application/json" || media.ends_with("+json") || media == "text/json")
    }
}

/// Why there is no answer. The names are stable: they appear in findings.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TransportError {
    /// The name does not resolve.
    #[error("the host name does not resolve: {0}")]
    Dns(String),
    /// The target policy refuses the address.
    #[error("the target policy refuses this address: {0}")]
    Denied(String),
    /// No connection.
    #[error("cannot connect: {0}")]
    Connect(String),
    /// No TLS session.
    #[error("TLS failed: {0}")]
    Tls(String),
    /// The connection was reset or broke.
    #[error("the connection was reset")]
    Reset,
    /// The connection was closed without an answer.
    #[error("the server closed the connection without an answer")]
    Empty,
    /// Closed in the middle of head or body.
    #[error("the answer ends in the middle")]
    Incomplete,
    /// Not HTTP, or against its grammar.
    #[error("the answer is not valid HTTP: {0}")]
    Malformed(String),
    /// More than [`Limits::max_head_bytes`] or [`Limits::max_headers`].
    #[error("the head of the answer is too large")]
    HeadTooLarge,
    /// A compressed body beyond [`Limits::max_decoded_bytes`] or [`Limits::max_ratio`].
    #[error("the compressed body expands beyond the limit")]
    DecompressionBomb,
    /// Nothing, or less than [`Limits::min_bytes_per_window`], came in time.
    #[error("no answer within {0:?}")]
    Timeout(Duration),
    /// The scan was stopped.
    #[error("cancelled")]
    Cancelled,
}

impl TransportError {
    /// A stable name for fingerprints: `dns`, `connect`, `reset`, …
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Dns(_) => "dns",
            Self::Denied(_) => "denied",
            Self::Connect(_) => "connect",
            Self::Tls(_) => "tls",
            Self::Reset => "reset",
            Self::Empty => "empty-reply",
            Self::Incomplete => "incomplete",
            Self::Malformed(_) => "malformed",
            Self::HeadTooLarge => "head-too-large",
            Self::DecompressionBomb => "decompression-bomb",
            Self::Timeout(_) => "timeout",
            Self::Cancelled => "cancelled",
        }
    }
}

/// What a hostile target can cost us at most, for one answer.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// To establish a connection.
    pub connect_timeout: Duration,
    /// To the first byte of the answer.
    pub first_byte_timeout: Duration,
    /// For the whole exchange.
    pub total_timeout: Duration,
    /// Head in bytes.
    pub max_head_bytes: usize,
    /// Headers.
    pub max_headers: usize,
    /// Interim (1xx) answers.
    pub max_interim: usize,
    /// Body on the wire; what comes after is not read and the connection is dropped.
    pub max_body_bytes: usize,
    /// Body after decompression.
    pub max_decoded_bytes: usize,
    /// Decompressed : compressed.
    pub max_ratio: usize,
    /// Least progress of a body within `progress_window`.
    pub min_bytes_per_window: usize,
    /// See above.
    pub progress_window: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connect_timeout: Duration::from_secs(5),
            first_byte_timeout: Duration::from_secs(10),
            total_timeout: Duration::from_secs(30),
            max_head_bytes: 64 << 10,
            max_headers: 256,
            max_interim: 8,
            max_body_bytes: 2 << 20,
            max_decoded_bytes: 8 << 20,
            max_ratio: 100,
            min_bytes_per_window: 1 << 10,
            progress_window: Duration::from_secs(5),
        }
    }
}

/// What a server offers before HTTP begins.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TlsFacts {
    /// Protocol versions that are accepted, the newest first: `TLS 1.3`.
    pub versions: Vec<&'static str>,
    /// When the certificate of the server runs out, in seconds since 1970.
    pub expires: Option<i64>,
    /// The usual port without TLS answers with the API instead of sending clients here; none: not asked.
    pub plain: Option<bool>,
}

/// Sends requests to one origin. Redirects are never followed.
#[async_trait]
pub trait Transport: Send + Sync {
    /// One exchange. `fresh` asks for a connection that nothing used before.
    async fn send(&self, request: &Request, fresh: bool) -> Result<Response, TransportError>;

    /// How the target speaks TLS; none when it does not, or this transport cannot tell.
    async fn tls(&self) -> Option<TlsFacts> {
        None
    }

    /// Scheme, host and port, for `curl` lines and reports: `http://127.0.0.1:8080`.
    fn origin(&self) -> &str;
}

#[cfg(test)]
mod tests;
