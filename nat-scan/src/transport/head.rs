//! Heads: writing that of a request, reading that of an answer, and what the latter says about its body.

use std::mem::MaybeUninit;

use super::{Limits, Request, TransportError};

/// Most headers that the parser has room for, whatever [`Limits::max_headers`] says.
const MAX_HEADERS: usize = 256;

/// Headers that only the transport writes: a generated value must not break the framing or hide who is asking.
const OWN_HEADERS: [&str; 7] =
    ["host", "content-length", "transfer-encoding", "connection", "user-agent", "x-nat-scan-id", "expect"];

/// The header lines that are the same in every request of a scan.
pub(super) fn constant_lines(authority: &str, scan_id: &str) -> Vec<u8> {
    let scan_id: String = scan_id.chars().filter(char::is_ascii_graphic).take(128).collect();
    format!(
        "Host: {authority}\r\nUser-Agent: NAT/{} (+https://nat-testing.io; {scan_id})\r\nX-NAT-Scan-Id: {scan_id}\r\n",
        env!("CARGO_PKG_VERSION")
    )
    .into_bytes()
}

/// Appends head and body.
pub(super) fn write_request(out: &mut Vec<u8>, request: &Request, constant_lines: &[u8]) {
    out.extend(request.method.bytes().filter(|byte| is_token(*byte)));
    out.push(b' ');
    for byte in request.target.bytes() {
        match byte {
            0..=b' ' | 0x7f..=0xff => out.extend_from_slice(format!("%{byte:02X}").as_bytes()),
            _ => out.push(byte),
        }
    }
    out.extend_from_slice(b" HTTP/1.1\r\n");
    match request.foreign_host() {
        None => out.extend_from_slice(constant_lines),
        Some(host) => {
            out.extend_from_slice(format!("Host: {host}\r\n").as_bytes());
            let first = constant_lines.iter().position(|byte| *byte == b'\n').map_or(0, |newline| newline + 1);
            out.extend_from_slice(&constant_lines[first..]);
        }
    }
    let mut accepts = false;
    for (name, value) in &request.headers {
        if OWN_HEADERS.iter().any(|own| name.eq_ignore_ascii_case(own))
            || name.is_empty()
            || !name.bytes().all(is_token)
        {
            continue;
        }
        accepts |= name.eq_ignore_ascii_case("accept");
        out.extend_from_slice(name.as_bytes());
        out.extend_from_slice(b": ");
        // The last guard against header injection by a value that escaped the generator.
        out.extend(value.iter().map(|byte| if matches!(byte, b'\r' | b'\n' | 0) { b' ' } else { *byte }));
        out.extend_from_slice(b"\r\n");
    }
    if !accepts {
        // As curl does, so that the printed curl line asks for the same.
        out.extend_from_slice(b"Accept: */*\r\n");
    }
    let length = request.body.as_ref().map(bytes::Bytes::len);
    if let Some(length) = length.or_else(|| matches!(request.method.as_str(), "POST" | "PUT" | "PATCH").then_some(0)) {
        out.extend_from_slice(format!("Content-Length: {length}\r\n").as_bytes());
    }
    out.extend_from_slice(b"\r\n");
    out.extend_from_slice(request.body.as_deref().unwrap_or_default());
}

const fn is_token(byte: u8) -> bool {
    matches!(byte, b'0'..=b'9' | b'a'..=b'z' | b'A'..=b'Z'
        | b'!' | b'#' | b'$' | b'%' | b'&' | b'\'' | b'*' | b'+' | b'-' | b'.' | b'^' | b'_' | b'`' | b'|' | b'~')
}

/// The head of an answer.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Head {
    pub(super) status: u16,
    pub(super) headers: Vec<(String, Vec<u8>)>,
    /// Bytes of the head.
    pub(super) length: usize,
    /// The server keeps the connection open afterwards.
    pub(super) keep_alive: bool,
    content_length: Option<u64>,
    chunked: bool,
}

/// How the end of a body is found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Framing {
    /// The answer must not have a body.
    None,
    /// `Content-Length`
    Length(u64),
    /// `Transfer-Encoding: chunked`
    Chunked,
    /// The body ends with the connection.
    Close,
}

/// Looks for the empty line that ends a head, from `from` on; yields the position after it.
pub(super) fn find_end(buffer: &[u8], from: usize) -> Option<usize> {
    let from = from.saturating_sub(3);
    let mut rest = buffer.get(from..)?;
    let mut position = from;
    while let Some(newline) = rest.iter().position(|byte| *byte == b'\n') {
        let after = &rest[newline + 1..];
        position += newline + 1;
        match after {
            [b'\n', ..] => return Some(position + 1),
            [b'\r', b'\n', ..] => return Some(position + 2),
            _ => rest = after,
        }
    }
    None
}

/// False as soon as the bytes cannot become an HTTP/1 answer any more.
pub(super) fn may_be_http(buffer: &[u8]) -> bool {
    let start = buffer.iter().position(|byte| !matches!(byte, b'\r' | b'\n')).unwrap_or(buffer.len());
    b"HTTP/1.".iter().zip(&buffer[start..]).all(|(expected, byte)| expected == byte)
}

/// Parses a head; `None` when it is not complete.
pub(super) fn parse(buffer: &[u8], limits: &Limits) -> Result<Option<Head>, TransportError> {
    let mut room = [const { MaybeUninit::uninit() }; MAX_HEADERS];
    let room = &mut room[..limits.max_headers.min(MAX_HEADERS)];
    let mut parsed = httparse::Response::new(&mut []);
    let config = httparse::ParserConfig::default();
    let length = match config.parse_response_with_uninit_headers(&mut parsed, buffer, room) {
        Ok(httparse::Status::Complete(length)) => length,
        Ok(httparse::Status::Partial) => return Ok(None),
        Err(httparse::Error::TooManyHeaders) => return Err(TransportError::HeadTooLarge),
        Err(error) => return Err(malformed(&error.to_string())),
    };
    let status = parsed.code.filter(|code| *code >= 100).ok_or_else(|| malformed("the status is below 100"))?;
    let mut head = Head {
        status,
        headers: Vec::with_capacity(parsed.headers.len()),
        length,
        keep_alive: parsed.version == Some(1),
        content_length: None,
        chunked: false,
    };
    for header in parsed.headers.iter() {
        head.note(header.name, header.value)?;
        head.headers.push((header.name.to_owned(), header.value.to_vec()));
    }
    Ok(Some(head))
}

impl Head {
    /// Keeps what a header says about framing and the connection.
    fn note(&mut self, name: &str, value: &[u8]) -> Result<(), TransportError> {
        if name.eq_ignore_ascii_case("content-length") {
            if self.content_length.is_some() {
                return Err(malformed("more than one Content-Length"));
            }
            self.content_length = Some(decimal(value).ok_or_else(|| malformed("Content-Length is not a number"))?);
        } else if name.eq_ignore_ascii_case("transfer-encoding") {
            // Without TE in the request, chunked is the only coding that a server may use.
            if self.chunked || !value.trim_ascii().eq_ignore_ascii_case(b"chunked") {
                return Err(malformed("a transfer coding other than chunked"));
            }
            self.chunked = true;
        } else if name.eq_ignore_ascii_case("connection") {
            for token in value.split(|byte| *byte == b',').map(<[u8]>::trim_ascii) {
                if token.eq_ignore_ascii_case(b"close") {
                    self.keep_alive = false;
                    return Ok(());
                }
                self.keep_alive |= token.eq_ignore_ascii_case(b"keep-alive");
            }
        }
        Ok(())
    }

    /// An interim answer, after which the final one follows. 101 is final: it was not asked for.
    pub(super) const fn is_interim(&self) -> bool {
        self.status < 200 && self.status != 101
    }

    /// The end of the body, by RFC 9112 section 6.3.
    pub(super) fn framing(&self, method: &str) -> Framing {
        if method == "HEAD" || self.status < 200 || matches!(self.status, 204 | 304) {
            Framing::None
        } else if self.chunked {
            Framing::Chunked
        } else {
            self.content_length.map_or(Framing::Close, Framing::Length)
        }
    }

    /// Length and chunks at once, or chunks for a protocol that has none: readers may differ on where it ends.
    pub(super) const fn is_ambiguous(&self) -> bool {
        self.chunked && self.content_length.is_some()
    }
}

fn decimal(value: &[u8]) -> Option<u64> {
    let value = value.trim_ascii();
    if value.is_empty() || !value.iter().all(u8::is_ascii_digit) {
        return None;
    }
    std::str::from_utf8(value).ok()?.parse().ok()
}

pub(super) fn malformed(what: &str) -> TransportError {
    TransportError::Malformed(what.to_owned())
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    #[test]
    fn request_is_written_with_the_transports_own_headers() {
        let mut request = Request::new("POST", "/pets/é 1?a=b c");
        request.headers = vec![
            ("Host".to_owned(), b"evil".to_vec()),
            ("Content-Length".to_owned(), b"9".to_vec()),
            ("X-Bad\r\nInjected".to_owned(), b"1".to_vec()),
            ("X-Value".to_owned(), b"a\r\nInjected: 1".to_vec()),
        ];
        request.body = Some(Bytes::from_static(b"{}"));
        let mut out = Vec::new();
        write_request(&mut out, &request, &constant_lines("api.test:81", "scan_1\r\nX: y"));
        let expected = format!(
            "POST /pets/%C3%A9%201?a=b%20c HTTP/1.1\r\nHost: api.test:81\r\n\
             User-Agent: NAT/{} (+https://nat-testing.io; scan_1X:y)\r\nX-NAT-Scan-Id: scan_1X:y\r\n\
             X-Value: a  Injected: 1\r\nAccept: */*\r\nContent-Length: 2\r\n\r\n{{}}",
            env!("CARGO_PKG_VERSION")
        );
        assert_eq!(String::from_utf8(out).unwrap(), expected);
    }

    #[test]
    fn host_is_the_targets_or_one_where_nobody_lives() {
        for (host, expected) in [
            ("natabc.example", "Host: natabc.example\r\n"),
            ("other.test", "Host: api.test\r\n"),
            ("a.example\r\nX: 1.example", "Host: api.test\r\n"),
        ] {
            let mut request = Request::new("GET", "/");
            request.set_header("Host", host);
            let mut out = Vec::new();
            write_request(&mut out, &request, &constant_lines("api.test", "scan"));
            let text = String::from_utf8(out).unwrap();
            assert!(text.contains(expected) && text.matches("Host: ").count() == 1, "{host}: {text}");
        }
    }

    #[test]
    fn request_without_body_has_a_length_only_where_one_is_expected() {
        for (method, expected) in [("GET", false), ("DELETE", false), ("POST", true), ("PUT", true), ("PATCH", true)] {
            let mut out = Vec::new();
            write_request(&mut out, &Request::new(method, "/"), b"");
            assert_eq!(String::from_utf8(out).unwrap().contains("Content-Length: 0\r\n"), expected, "{method}");
        }
    }

    #[test]
    fn framing_follows_method_status_and_headers() {
        for (method, text, expected) in [
            ("GET", "200 OK\r\nContent-Length: 5", "Length(5) keep"),
            ("GET", "200 OK\r\nContent-Length: 5\r\nConnection: x, Close", "Length(5) close"),
            ("GET", "200 OK\r\ntransfer-encoding: Chunked", "Chunked keep"),
            ("GET", "200 OK", "Close keep"),
            ("HEAD", "200 OK\r\nContent-Length: 5", "None keep"),
            ("GET", "204 No Content\r\nContent-Length: 5", "None keep"),
            ("GET", "304 Not Modified\r\nTransfer-Encoding: chunked", "None keep"),
            ("GET", "101 Switching Protocols", "None keep"),
            ("GET", "200 OK\r\nContent-Length: 5\r\nContent-Length: 5", "malformed"),
            ("GET", "200 OK\r\nContent-Length: 5\r\nContent-Length: 6", "malformed"),
            ("GET", "200 OK\r\nContent-Length: 5, 5", "malformed"),
            ("GET", "200 OK\r\nContent-Length: -5", "malformed"),
            ("GET", "200 OK\r\nContent-Length: +5", "malformed"),
            ("GET", "200 OK\r\nContent-Length: 99999999999999999999", "malformed"),
            ("GET", "200 OK\r\nTransfer-Encoding: gzip, chunked", "malformed"),
            ("GET", "200 OK\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked", "malformed"),
            ("GET", "099 Low", "malformed"),
            ("GET", "200 OK\r\nNo colon here", "malformed"),
        ] {
            let raw = format!("HTTP/1.1 {text}\r\n\r\nrest");
            let seen = match parse(raw.as_bytes(), &Limits::default()) {
                Ok(Some(head)) => {
                    format!("{:?} {}", head.framing(method), if head.keep_alive { "keep" } else { "close" })
                }
                Ok(None) => "partial".to_owned(),
                Err(error) => error.kind().to_owned(),
            };
            assert_eq!(seen, expected, "{method} {text}");
        }
    }

    #[test]
    fn http_1_0_closes_unless_it_says_otherwise() {
        for (text, expected) in
            [("HTTP/1.0 200 OK\r\n\r\n", false), ("HTTP/1.0 200 OK\r\nConnection: Keep-Alive\r\n\r\n", true)]
        {
            assert_eq!(parse(text.as_bytes(), &Limits::default()).unwrap().unwrap().keep_alive, expected, "{text:?}");
        }
    }

    #[test]
    fn end_of_head_is_found_across_reads() {
        let whole = b"HTTP/1.1 200 OK\r\nA: b\r\n\r\nbody";
        for split in 0..whole.len() {
            let first = find_end(&whole[..split], 0);
            let seen = first.or_else(|| find_end(whole, split));
            assert_eq!(seen, Some(25), "split at {split}");
        }
        assert_eq!(find_end(b"HTTP/1.1 200 OK\nA: b\n\nbody", 0), Some(22));
    }

    proptest::proptest! {
        #[test]
        fn head_is_never_longer_than_its_bytes(text in "(HTTP/1\\.[01] [0-9]{3} ?[a-z]{0,3}\r\n)?[a-cA-C:0-9 \r\n\0]{0,40}(\r\n\r\n)?") {
            if let Ok(Some(head)) = parse(text.as_bytes(), &Limits::default()) {
                proptest::prop_assert!(head.length <= text.len() && (100..=999).contains(&head.status));
                proptest::prop_assert_eq!(find_end(text.as_bytes(), 0).is_some(), true);
            }
        }
    }
}
