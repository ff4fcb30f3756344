//! What a server offers before HTTP begins: versions of TLS, and how long its certificate holds.
//!
//! rustls speaks 1.2 and 1.3 only, which is right for requests. Whether a server still takes what is older is asked with
//! the first message of a handshake that goes no further.

use std::net::SocketAddr;
use std::time::Duration;

use chrono::{DateTime, NaiveDateTime, Utc};
use rustls::SupportedProtocolVersion;
use rustls::version::{TLS12, TLS13};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::TlsFacts;
use super::tls::TlsConnect;

/// For one question.
const PATIENCE: Duration = Duration::from_secs(5);
/// Of an answer in plain HTTP.
const MAX_HEAD: usize = 4 << 10;

/// Asks about TLS at `address`, and at the usual port without it when `address` is at the usual one with it.
pub(super) async fn facts(tls: &TlsConnect, host: &str, address: SocketAddr) -> TlsFacts {
    let mut facts = TlsFacts::default();
    for (version, name) in [(&TLS13, "TLS 1.3"), (&TLS12, "TLS 1.2")] {
        if let Some(certificate) = speaks(tls, host, address, version).await {
            facts.versions.push(name);
            facts.expires = facts.expires.or_else(|| not_after(&certificate));
        }
    }
    for (minor, name) in [(2, "TLS 1.1"), (1, "TLS 1.0")] {
        if takes(host, address, minor).await {
            facts.versions.push(name);
        }
    }
    if address.port() == 443 {
        facts.plain = answers_plainly(host, SocketAddr::new(address.ip(), 80)).await;
    }
    facts
}

/// The certificate of the server, when it speaks this version.
async fn speaks(
    tls: &TlsConnect,
    host: &str,
    address: SocketAddr,
    version: &'static SupportedProtocolVersion,
) -> Option<Vec<u8>> {
    let tcp = timeout(PATIENCE, TcpStream::connect(address)).await.ok()?.ok()?;
    let session = timeout(PATIENCE, tls.only(version).handshake(host, tcp)).await.ok()?.ok()?;
    let certificates = session.get_ref().1.peer_certificates()?;
    certificates.first().map(|certificate| certificate.as_ref().to_vec())
}

/// The server answers a first message of TLS 1.`minor - 1` with a first message of its own in that version.
async fn takes(host: &str, address: SocketAddr, minor: u8) -> bool {
    let asked = async {
        let mut tcp = TcpStream::connect(address).await?;
        tcp.write_all(&client_hello(host, minor)).await?;
        let mut answer = [0; 11];
        tcp.read_exact(&mut answer).await?;
        // A record of the handshake that holds a ServerHello.
        std::io::Result::Ok(answer[0] == 22 && answer[5] == 2 && answer[9..] == [3, minor])
    };
    matches!(timeout(PATIENCE, asked).await, Ok(Ok(true)))
}

/// The first message of a client that speaks nothing newer (RFC 2246, section 7.4.1.2; RFC 4346).
fn client_hello(host: &str, minor: u8) -> Vec<u8> {
    const SUITES: [u16; 8] = [0xc013, 0xc014, 0xc009, 0xc00a, 0x002f, 0x0035, 0x000a, 0x00ff];
    let mut hello = vec![3, minor];
    // Nothing is encrypted in the end, so that nothing must be random.
    hello.extend([0x4e; 32]);
    hello.push(0);
    let suites: Vec<u8> = SUITES.iter().flat_map(|suite| suite.to_be_bytes()).collect();
    hello.extend(with_length(&suites));
    hello.extend([1, 0]);
    let mut extensions = Vec::new();
    let name = host.trim_end_matches('.');
    if name.parse::<std::net::IpAddr>().is_err() && !name.starts_with('[') {
        let entry = [&[0][..], &with_length(name.as_bytes())].concat();
        extensions.extend([0, 0]);
        extensions.extend(with_length(&with_length(&entry)));
    }
    // The curves x25519, P-256 and P-384, points uncompressed.
    extensions.extend([0, 10, 0, 8, 0, 6, 0, 29, 0, 23, 0, 24]);
    extensions.extend([0, 11, 0, 2, 1, 0]);
    hello.extend(with_length(&extensions));
    let handshake = [&[1, 0][..], &with_length(&hello)].concat();
    [&[22, 3, 1][..], &with_length(&handshake)].concat()
}

/// Preceded by its length in two bytes.
fn with_length(bytes: &[u8]) -> Vec<u8> {
    let length = u16::try_from(bytes.len()).unwrap_or(u16::MAX);
    [&length.to_be_bytes()[..], bytes].concat()
}

/// A success in plain HTTP; none when nothing listens.
async fn answers_plainly(host: &str, address: SocketAddr) -> Option<bool> {
    let asked = async {
        let mut tcp = TcpStream::connect(address).await?;
        tcp.write_all(format!("GET / HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n").as_bytes()).await?;
        let mut head = vec![0; MAX_HEAD];
        let length = tcp.read(&mut head).await?;
        head.truncate(length);
        std::io::Result::Ok(String::from_utf8_lossy(&head).into_owned())
    };
    let head = timeout(PATIENCE, asked).await.ok()?.ok()?;
    let status = head.strip_prefix("HTTP/1.")?.split(' ').nth(1)?.parse::<u16>().ok()?;
    Some((200..300).contains(&status))
}

/// `notAfter` of a certificate (RFC 5280, section 4.1): the second time in the fifth part of what is signed.
fn not_after(certificate: &[u8]) -> Option<i64> {
    let (_, whole, _) = part(certificate)?;
    let (_, signed, _) = part(whole)?;
    let mut rest = signed;
    // A version may come first.
    if rest.first() == Some(&0xa0) {
        rest = part(rest)?.2;
    }
    // Serial number, algorithm and issuer.
    for _ in 0..3 {
        rest = part(rest)?.2;
    }
    let (_, validity, _) = part(rest)?;
    let (_, _, after) = part(validity)?;
    let (tag, time, _) = part(after)?;
    let text = std::str::from_utf8(time).ok()?.strip_suffix('Z')?;
    let century = match (tag, text.get(..2)?.parse::<u32>().ok()?) {
        (0x17, year) if year >= 50 => "19",
        (0x17, _) => "20",
        _ => "",
    };
    let time = NaiveDateTime::parse_from_str(&format!("{century}{text}"), "%Y%m%d%H%M%S").ok()?;
    Some(DateTime::<Utc>::from_naive_utc_and_offset(time, Utc).timestamp())
}

/// The first part of DER: its tag, its content, and what follows.
fn part(bytes: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (&tag, rest) = bytes.split_first()?;
    let (&first, rest) = rest.split_first()?;
    let (length, rest) = match first {
        0..=0x7f => (usize::from(first), rest),
        0x81..=0x83 => {
            let (digits, rest) = rest.split_at_checked(usize::from(first & 0x7f))?;
            (digits.iter().fold(0, |length, digit| length << 8 | usize::from(*digit)), rest)
        }
        _ => return None,
    };
    let (content, after) = rest.split_at_checked(length)?;
    Some((tag, content, after))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn certificate_says_when_it_ends() {
        let certificate = include_bytes!("../../tests/fixtures/tls/server.der");
        let end = not_after(certificate).and_then(|end| DateTime::from_timestamp(end, 0)).expect("a time");
        assert!(end > DateTime::from_timestamp(1_700_000_000, 0).expect("a time"), "{end}");
        assert_eq!(not_after(&certificate[..40]), None);
        assert_eq!(not_after(b""), None);
    }

    #[test]
    fn client_hello_counts_its_parts() {
        for host in ["api.test", "127.0.0.1"] {
            let hello = client_hello(host, 1);
            let length = |at: usize| usize::from(u16::from_be_bytes([hello[at], hello[at + 1]]));
            assert_eq!((hello[0], length(3), length(7)), (22, hello.len() - 5, hello.len() - 9));
            assert_eq!(hello.windows(8).any(|part| part == b"api.test"), host == "api.test");
        }
    }
}
