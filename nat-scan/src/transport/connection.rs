//! One connection and one exchange on it.

use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bytes::{Buf, Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout, timeout_at};
use tokio_rustls::client::TlsStream;

use super::body::{BodyReader, Progress};
use super::head::{self, Framing, Head, malformed};
use super::pace::Pace;
use super::{Request, Response, TransportError, decode};

/// Room for one read.
const READ_BYTES: usize = 16 << 10;
/// Buffers that grew beyond this are given back after the exchange.
const KEEP_BYTES: usize = 64 << 10;
/// How long bytes are awaited that must not come after a bodyless answer.
const LEFTOVER_WAIT: Duration = Duration::from_millis(1);

/// Plain or encrypted.
pub(super) enum Stream {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

impl Stream {
    fn poll_read(&mut self, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<std::io::Result<()>> {
        match self {
            Self::Plain(stream) => Pin::new(stream).poll_read(cx, buffer),
            Self::Tls(stream) => Pin::new(stream.as_mut()).poll_read(cx, buffer),
        }
    }

    fn poll_write(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<std::io::Result<usize>> {
        match self {
            Self::Plain(stream) => Pin::new(stream).poll_write(cx, bytes),
            Self::Tls(stream) => Pin::new(stream.as_mut()).poll_write(cx, bytes),
        }
    }

    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        match self {
            Self::Plain(stream) => Pin::new(stream).poll_flush(cx),
            Self::Tls(stream) => Pin::new(stream.as_mut()).poll_flush(cx),
        }
    }

    async fn read(&mut self, buffer: &mut BytesMut) -> std::io::Result<usize> {
        if buffer.capacity() - buffer.len() < READ_BYTES / 4 {
            buffer.reserve(READ_BYTES);
        }
        match self {
            Self::Plain(stream) => stream.read_buf(buffer).await,
            Self::Tls(stream) => stream.read_buf(buffer).await,
        }
    }
}

/// An answer and whether the connection can take another request.
pub(super) struct Answer {
    pub(super) response: Response,
    pub(super) reusable: bool,
}

/// A connection with its buffers.
pub(super) struct Connection {
    stream: Stream,
    /// Read but not consumed.
    buffer: BytesMut,
    /// The request as bytes.
    out: Vec<u8>,
    /// Bytes read in the present exchange.
    received: u64,
}

impl Connection {
    pub(super) fn new(stream: Stream) -> Self {
        Self { stream, buffer: BytesMut::new(), out: Vec::new(), received: 0 }
    }

    /// Bytes read in the last exchange.
    pub(super) const fn received(&self) -> u64 {
        self.received
    }

    /// Open and silent: neither closed by the server nor holding bytes that nobody asked for.
    pub(super) fn is_idle(&mut self) -> bool {
        let mut byte = [0];
        let mut cx = Context::from_waker(Waker::noop());
        self.buffer.is_empty() && self.stream.poll_read(&mut cx, &mut ReadBuf::new(&mut byte)).is_pending()
    }

    /// Sends the request and reads its answer. After an error the connection must be dropped.
    pub(super) async fn exchange(
        &mut self,
        request: &Request,
        constant_lines: &[u8],
        pace: &mut Pace,
    ) -> Result<Answer, TransportError> {
        self.received = 0;
        self.out.clear();
        head::write_request(&mut self.out, request, constant_lines);
        let started = Instant::now();
        pace.begin(started);
        let sent = self.transmit(pace).await?;
        let head = self.read_head(pace).await?;
        let framing = head.framing(&request.method);
        let (body, progress) = self.read_body(framing, pace).await?;
        let (unexpected_bytes, open) = match framing {
            Framing::None if head.status != 101 => self.leftovers().await,
            _ => (0, framing != Framing::Close),
        };
        let elapsed = started.elapsed();
        let truncated = progress == Progress::Full;
        let reusable = sent
            && open
            && !truncated
            && head.keep_alive
            && !head.is_ambiguous()
            && head.status != 101
            && self.buffer.is_empty();
        if reusable {
            self.shrink();
        }
        let body = decode::decode(&head.headers, body, truncated, pace.limits())?;
        let response = Response {
            status: head.status,
            headers: head.headers,
            body: Bytes::from(body),
            truncated,
            unexpected_bytes,
            elapsed,
            wire_bytes: self.received,
        };
        Ok(Answer { response, reusable })
    }

    /// Writes the request. False: the server stopped listening or refused early, so its answer is read at once.
    async fn transmit(&mut self, pace: &mut Pace) -> Result<bool, TransportError> {
        let Self { stream, buffer, out, received } = self;
        let max_early = pace.limits().max_head_bytes;
        let mut written = 0;
        let work = poll_fn(|cx| {
            loop {
                if written == out.len() {
                    return stream.poll_flush(cx).map(|flushed| flushed.is_ok());
                }
                match stream.poll_write(cx, &out[written..]) {
                    Poll::Ready(Ok(count)) if count > 0 => written += count,
                    Poll::Ready(_) => return Poll::Ready(false),
                    Poll::Pending => match poll_early(stream, cx, buffer, max_early) {
                        Poll::Ready(true) => {}
                        Poll::Ready(false) => return Poll::Ready(false),
                        Poll::Pending => return Poll::Pending,
                    },
                }
            }
        });
        let done = timeout_at(pace.deadline(), work).await;
        *received = buffer.len() as u64;
        match done {
            Ok(complete) => Ok(complete),
            Err(_) if *received > 0 => Ok(false),
            Err(_) => pace.advance(Instant::now(), 0).map(|()| false),
        }
    }

    async fn read_head(&mut self, pace: &mut Pace) -> Result<Head, TransportError> {
        let mut interim = 0;
        let mut scanned = 0;
        loop {
            let limits = *pace.limits();
            if let Some(end) = head::find_end(&self.buffer, scanned)
                && end <= limits.max_head_bytes
                && let Some(head) = head::parse(&self.buffer, &limits)?
            {
                self.buffer.advance(head.length);
                if !head.is_interim() {
                    return Ok(head);
                }
                interim += 1;
                if interim > limits.max_interim {
                    return Err(malformed("too many interim answers"));
                }
                scanned = 0;
                continue;
            }
            if !head::may_be_http(&self.buffer) {
                return Err(malformed("it does not begin with HTTP/1"));
            }
            if self.buffer.len() > limits.max_head_bytes {
                return Err(TransportError::HeadTooLarge);
            }
            scanned = self.buffer.len();
            if self.fill(pace).await? == 0 {
                return Err(if self.received == 0 { TransportError::Empty } else { TransportError::Incomplete });
            }
        }
    }

    async fn read_body(&mut self, framing: Framing, pace: &mut Pace) -> Result<(Vec<u8>, Progress), TransportError> {
        let mut reader = BodyReader::new(framing, pace.limits().max_body_bytes);
        let mut body = Vec::with_capacity(reader.capacity_hint());
        loop {
            match reader.take(&mut self.buffer, &mut body)? {
                Progress::More => {}
                end => return Ok((body, end)),
            }
            if self.fill(pace).await? == 0 {
                return if reader.is_complete_at_close() {
                    Ok((body, Progress::Done))
                } else {
                    Err(TransportError::Incomplete)
                };
            }
        }
    }

    /// Reads once; 0 means closed.
    async fn fill(&mut self, pace: &mut Pace) -> Result<usize, TransportError> {
        loop {
            let read = timeout_at(pace.deadline(), self.stream.read(&mut self.buffer)).await;
            match read {
                // Many servers end TLS without saying so; the framing tells whether something is missing.
                Ok(Ok(0)) => return Ok(0),
                Ok(Err(error)) if error.kind() == std::io::ErrorKind::UnexpectedEof => return Ok(0),
                Ok(Err(_)) => return Err(TransportError::Reset),
                Ok(Ok(count)) => {
                    self.received += count as u64;
                    pace.advance(Instant::now(), count)?;
                    return Ok(count);
                }
                Err(_) => pace.advance(Instant::now(), 0)?,
            }
        }
    }

    /// Counts bytes after an answer that must not have a body, and says whether the connection is still open.
    async fn leftovers(&mut self) -> (usize, bool) {
        let mut open = true;
        if self.buffer.is_empty()
            && let Ok(read) = timeout(LEFTOVER_WAIT, self.stream.read(&mut self.buffer)).await
        {
            open = matches!(read, Ok(count) if count > 0);
            self.received += self.buffer.len() as u64;
        }
        (self.buffer.len(), open)
    }

    fn shrink(&mut self) {
        if self.buffer.capacity() > KEEP_BYTES {
            self.buffer = BytesMut::new();
        }
        if self.out.capacity() > KEEP_BYTES {
            self.out = Vec::new();
        }
    }
}

/// Reads while the server does not take the request's bytes. True: write on; false: it closed, or it refused.
fn poll_early(stream: &mut Stream, cx: &mut Context<'_>, buffer: &mut BytesMut, limit: usize) -> Poll<bool> {
    if buffer.len() >= limit {
        return Poll::Pending;
    }
    let mut room = [0; 4 << 10];
    let mut read = ReadBuf::new(&mut room);
    match stream.poll_read(cx, &mut read) {
        Poll::Pending => Poll::Pending,
        Poll::Ready(Ok(())) if !read.filled().is_empty() => {
            buffer.extend_from_slice(read.filled());
            let refused =
                matches!(buffer.get(..10), Some([b'H', b'T', b'T', b'P', b'/', b'1', b'.', _, b' ', b'4' | b'5']));
            Poll::Ready(!refused)
        }
        Poll::Ready(_) => Poll::Ready(false),
    }
}
