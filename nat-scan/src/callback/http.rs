//! One request of a target, read as far as it is needed, and its answer.

use std::net::SocketAddr;
use std::time::Duration;

use chrono::{DateTime, Utc};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::record::{Hit, Protocol, Reply};

const MAX_HEAD: usize = 8 << 10;
/// Of a body, which is read and forgotten so that the answer arrives.
const MAX_BODY: usize = 64 << 10;
const MAX_HEADERS: usize = 24;
const MAX_VALUE: usize = 200;
const MAX_PATH: usize = 400;
/// For one connection in all.
const TIME: Duration = Duration::from_secs(3);

/// Their values are nobody's business, not even the report's.
const SECRET: [&str; 8] = ["auth", "cookie", "token", "key", "secret", "password", "session", "signature"];

/// Head of a request.
pub(super) struct Asked {
    pub(super) method: String,
    pub(super) path: String,
    pub(super) host: String,
    headers: Vec<(String, String)>,
    length: usize,
}

impl Asked {
    pub(super) fn hit(self, peer: SocketAddr, at: DateTime<Utc>) -> Hit {
        let Self { method, path, headers, .. } = self;
        Hit { protocol: Protocol::Http, at, peer, method, path, headers }
    }
}

/// Reads one request, and writes what `reply` says to it. What is broken or slow is dropped.
pub(super) async fn converse(mut stream: TcpStream, reply: impl FnOnce(Asked) -> Option<Reply>) {
    let talk = async {
        let (asked, read) = head(&mut stream).await?;
        skip(&mut stream, asked.length.min(MAX_BODY).saturating_sub(read)).await;
        let bytes = written(reply(asked).as_ref());
        stream.write_all(&bytes).await.ok()?;
        stream.shutdown().await.ok()
    };
    let _ = timeout(TIME, talk).await;
}

/// The head, and how much of the body came with it.
async fn head(stream: &mut TcpStream) -> Option<(Asked, usize)> {
    let mut buffer = Vec::with_capacity(1 << 10);
    loop {
        if let Some(end) = buffer.windows(4).position(|four| four == b"\r\n\r\n") {
            let asked = parse(&String::from_utf8_lossy(&buffer[..end]))?;
            return Some((asked, buffer.len() - end - 4));
        }
        if buffer.len() > MAX_HEAD || stream.read_buf(&mut buffer).await.ok()? == 0 {
            return None;
        }
    }
}

fn parse(head: &str) -> Option<Asked> {
    let mut lines = head.split("\r\n");
    let mut words = lines.next()?.split(' ');
    let (method, path) = (words.next()?, words.next()?);
    if !words.next()?.starts_with("HTTP/1.") || method.len() > 20 {
        return None;
    }
    let fields: Vec<(&str, &str)> = lines.filter_map(|line| line.split_once(':')).collect();
    let find = |name: &str| fields.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, v)| v.trim());
    let shown = |(name, value): &(&str, &str)| {
        let lower = name.to_ascii_lowercase();
        let value = if SECRET.iter().any(|word| lower.contains(word)) { "[redacted]" } else { value.trim() };
        (cut(name, MAX_VALUE), cut(value, MAX_VALUE))
    };
    Some(Asked {
        method: method.to_owned(),
        path: cut(path, MAX_PATH),
        host: find("host").unwrap_or_default().to_owned(),
        length: find("content-length").and_then(|length| length.parse().ok()).unwrap_or(0),
        headers: fields.iter().take(MAX_HEADERS).map(shown).collect(),
    })
}

fn cut(text: &str, most: usize) -> String {
    text.chars().filter(|c| !c.is_control()).take(most).collect()
}

async fn skip(stream: &mut TcpStream, mut rest: usize) {
    let mut room = vec![0; 4 << 10];
    while rest > 0 {
        match stream.read(&mut room).await {
            Ok(count) if count > 0 => rest = rest.saturating_sub(count),
            _ => return,
        }
    }
}

/// The bytes of an answer; 404 for a word that nobody announced.
fn written(reply: Option<&Reply>) -> Vec<u8> {
    let (status, extra, media, body) = match reply {
        None => ("404 Not Found", String::new(), "text/plain", ""),
        Some(Reply::Text(text)) => ("200 OK", String::new(), "text/plain; charset=utf-8", text.as_str()),
        Some(Reply::Redirect(url)) => ("302 Found", format!("Location: {url}\r\n"), "text/plain", ""),
        Some(Reply::Dtd(text)) => ("200 OK", String::new(), "application/xml-dtd", text.as_str()),
    };
    let length = body.len();
    let head = format!(
        "HTTP/1.1 {status}\r\n{extra}Content-Type: {media}\r\nContent-Length: {length}\r\nCache-Control: no-store\r\n\
         Connection: close\r\n\r\n"
    );
    [head.as_bytes(), body.as_bytes()].concat()
}
