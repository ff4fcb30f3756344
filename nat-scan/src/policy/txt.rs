//! TXT records, asked of the name servers of this machine: the operating system's resolver gives addresses only.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use tokio::net::UdpSocket;

const CONFIGURATION: &str = "/etc/resolv.conf";
const PORT: u16 = 53;
/// Name servers that are asked, one after the other.
const MAX_SERVERS: usize = 3;
const TIMEOUT: Duration = Duration::from_secs(2);
/// Of one answer; what is longer is cut by the server and read as far as it goes.
const MAX_ANSWER: usize = 4096;
const MAX_RECORDS: usize = 64;
const TXT: u16 = 16;
const INTERNET: u16 = 1;

/// The TXT records of a name, none when no server answers.
pub(super) async fn texts(host: &str) -> std::io::Result<Vec<String>> {
    let configuration = tokio::fs::read_to_string(CONFIGURATION).await?;
    let mut last = std::io::Error::other("no name server is configured");
    for server in servers(&configuration).into_iter().take(MAX_SERVERS) {
        match tokio::time::timeout(TIMEOUT, ask(server, host)).await {
            Ok(Ok(records)) => return Ok(records),
            Ok(Err(error)) => last = error,
            Err(_) => last = std::io::ErrorKind::TimedOut.into(),
        }
    }
    Err(last)
}

fn servers(configuration: &str) -> Vec<SocketAddr> {
    let lines = configuration.lines().filter_map(|line| line.trim().strip_prefix("nameserver"));
    lines.filter_map(|rest| Some(SocketAddr::new(rest.trim().parse::<IpAddr>().ok()?, PORT))).collect()
}

async fn ask(server: SocketAddr, host: &str) -> std::io::Result<Vec<String>> {
    let any: SocketAddr = if server.is_ipv4() { ([0; 4], 0).into() } else { ([0u16; 8], 0).into() };
    let socket = UdpSocket::bind(any).await?;
    // From here on only this server is heard.
    socket.connect(server).await?;
    // Two numbers that somebody off the path must guess: this one and the port that the system chose.
    let id: u16 = rand::random();
    let question = question(id, host).ok_or_else(|| std::io::Error::other("no name to ask for"))?;
    socket.send(&question).await?;
    let mut buffer = vec![0; MAX_ANSWER];
    loop {
        let length = socket.recv(&mut buffer).await?;
        if let Some(records) = answer(buffer.get(..length).unwrap_or_default(), &question) {
            return Ok(records);
        }
    }
}

/// A query for TXT with recursion.
fn question(id: u16, host: &str) -> Option<Vec<u8>> {
    let mut message = id.to_be_bytes().to_vec();
    message.extend([1, 0, 0, 1, 0, 0, 0, 0, 0, 0]);
    for label in host.trim_end_matches('.').split('.') {
        let length = u8::try_from(label.len()).ok().filter(|length| (1..64).contains(length))?;
        message.push(length);
        message.extend(label.as_bytes());
    }
    message.push(0);
    message.extend(TXT.to_be_bytes());
    message.extend(INTERNET.to_be_bytes());
    (message.len() <= 512).then_some(message)
}

/// The texts of an answer to this question; `None` when it is none.
fn answer(message: &[u8], question: &[u8]) -> Option<Vec<String>> {
    let number = |at: usize| Some(u16::from_be_bytes([*message.get(at)?, *message.get(at + 1)?]));
    let is_answer = message.get(2)? & 0x80 != 0;
    // The question comes back as it was asked.
    if message.get(..2)? != question.get(..2)?
        || !is_answer
        || message.get(12..question.len())? != question.get(12..)?
    {
        return None;
    }
    let mut records = Vec::new();
    let mut at = question.len();
    for _ in 0..usize::from(number(6)?).min(MAX_RECORDS) {
        let Some(head) = after_name(message, at) else { break };
        let (Some(kind), Some(class), Some(length)) = (number(head), number(head + 2), number(head + 8)) else { break };
        let start = head + 10;
        let end = start + usize::from(length);
        let Some(data) = message.get(start..end) else { break };
        if (kind, class) == (TXT, INTERNET) {
            records.push(text(data));
        }
        at = end;
    }
    Some(records)
}

/// Where a name ends. The name itself is not of interest: aliases lead to others.
fn after_name(message: &[u8], mut at: usize) -> Option<usize> {
    loop {
        match *message.get(at)? {
            0 => return Some(at + 1),
            length @ 1..=63 => at += usize::from(length) + 1,
            0xc0.. => return Some(at + 2),
            _ => return None,
        }
    }
}

/// The strings of a record are one text.
fn text(mut data: &[u8]) -> String {
    let mut bytes = Vec::new();
    while let Some((&length, rest)) = data.split_first() {
        let (part, rest) = rest.split_at(usize::from(length).min(rest.len()));
        bytes.extend(part);
        data = rest;
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reply(question: &[u8], records: &[&[&str]]) -> Vec<u8> {
        let mut message = question.to_vec();
        message[2] |= 0x80;
        message[7] = u8::try_from(records.len()).unwrap();
        for strings in records {
            let data: Vec<u8> = strings
                .iter()
                .flat_map(|text| [&[u8::try_from(text.len()).unwrap()], text.as_bytes()].concat())
                .collect();
            message.extend([0xc0, 12, 0, 16, 0, 1, 0, 0, 0, 60, 0, u8::try_from(data.len()).unwrap()]);
            message.extend(data);
        }
        message
    }

    #[test]
    fn answer_to_our_question_is_read_and_no_other() {
        let asked = question(7, "api.example.org").unwrap();
        let good = reply(&asked, &[&["v=spf1 -all"], &["nat-verification=", "abc"]]);
        assert_eq!(answer(&good, &asked).unwrap(), ["v=spf1 -all", "nat-verification=abc"]);
        assert_eq!(answer(&asked, &asked), None, "a question is no answer");
        let other = question(7, "api.example.net").unwrap();
        assert_eq!(answer(&reply(&other, &[&["x"]]), &asked), None, "another name");
        assert_eq!(answer(&reply(&question(8, "api.example.org").unwrap(), &[&["x"]]), &asked), None, "another number");
        // Cut anywhere it is read as far as it goes.
        for length in 0..good.len() {
            assert!(answer(&good[..length], &asked).is_none_or(|records| records.len() < 2), "{length}");
        }
    }

    #[test]
    fn question_needs_a_name_and_servers_are_found() {
        assert!(question(1, "").is_none() && question(1, "a..b").is_none() && question(1, &"x".repeat(64)).is_none());
        let found = servers("# nameserver 9.9.9.9\nsearch x\nnameserver 10.0.0.1\n nameserver ::1 \nnameserver x");
        assert_eq!(found, ["10.0.0.1:53".parse().unwrap(), "[::1]:53".parse().unwrap()]);
    }
}
