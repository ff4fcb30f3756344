//! Questions and answers of DNS (RFC 1035), as far as one name and one address need them.

use std::net::IpAddr;

const HEADER: usize = 12;
const MAX_NAME: usize = 255;
const TYPE_A: u16 = 1;
const TYPE_AAAA: u16 = 28;
const CLASS_IN: u16 = 1;
/// Seconds that an answer may be kept.
const LIFE: u32 = 1;

/// The first question of a message.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Question {
    id: [u8; 2],
    /// Wants recursion: said again in the answer.
    recursion: bool,
    /// Lower case, without the last dot.
    pub(super) name: String,
    kind: u16,
    class: u16,
    /// As it came, to be repeated.
    bytes: Vec<u8>,
}

impl Question {
    /// `A`, `AAAA` or the number.
    pub(super) fn kind(&self) -> String {
        match self.kind {
            TYPE_A => "A".to_owned(),
            TYPE_AAAA => "AAAA".to_owned(),
            other => format!("TYPE{other}"),
        }
    }

    /// The name is in the zone.
    pub(super) fn is_below(&self, zone: &str) -> bool {
        self.name.strip_suffix(zone).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
    }
}

/// None for anything but a plain query: it is not answered.
pub(super) fn read(message: &[u8]) -> Option<Question> {
    let head = message.get(..HEADER)?;
    let is_query = head[2] & 0xf8 == 0;
    if !is_query || u16::from_be_bytes([head[4], head[5]]) != 1 {
        return None;
    }
    let mut at = HEADER;
    let mut name = String::new();
    loop {
        let length = usize::from(*message.get(at)?);
        at += 1;
        if length == 0 {
            break;
        }
        // Larger ones are pointers, which a question does not need.
        let label = message.get(at..at + length).filter(|_| length < 64)?;
        if !name.is_empty() {
            name.push('.');
        }
        name.extend(label.iter().map(|byte| char::from(byte.to_ascii_lowercase())));
        at += length;
        if at - HEADER > MAX_NAME {
            return None;
        }
    }
    let rest = message.get(at..at + 4)?;
    Some(Question {
        id: [head[0], head[1]],
        recursion: head[2] & 1 == 1,
        name,
        kind: u16::from_be_bytes([rest[0], rest[1]]),
        class: u16::from_be_bytes([rest[2], rest[3]]),
        bytes: message.get(HEADER..at + 4)?.to_vec(),
    })
}

/// The address for `A` or `AAAA`; an empty answer for what there is not.
pub(super) fn answer(question: &Question, ip: Option<IpAddr>) -> Vec<u8> {
    let data = match (question.kind, ip) {
        (TYPE_A, Some(IpAddr::V4(ip))) => Some(ip.octets().to_vec()),
        (TYPE_AAAA, Some(IpAddr::V6(ip))) => Some(ip.octets().to_vec()),
        _ => None,
    };
    let data = data.filter(|_| question.class == CLASS_IN);
    let mut out = Vec::with_capacity(HEADER + question.bytes.len() + 28);
    out.extend(question.id);
    // An authoritative answer without error.
    out.extend([0x84 | u8::from(question.recursion), 0]);
    out.extend([0, 1, 0, u8::from(data.is_some()), 0, 0, 0, 0]);
    out.extend(&question.bytes);
    if let Some(data) = data {
        // The name is the one of the question.
        out.extend([0xc0, 12]);
        out.extend(question.kind.to_be_bytes());
        out.extend(CLASS_IN.to_be_bytes());
        out.extend(LIFE.to_be_bytes());
        out.extend([0, u8::try_from(data.len()).unwrap_or(0)]);
        out.extend(data);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn query(name: &str, kind: u16) -> Vec<u8> {
        let mut message = vec![0xab, 0xcd, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
        for label in name.split('.') {
            message.push(u8::try_from(label.len()).unwrap());
            message.extend(label.bytes());
        }
        message.push(0);
        message.extend(kind.to_be_bytes());
        message.extend([0, 1]);
        message
    }

    #[test]
    fn questions_are_read_and_answered() {
        let question = read(&query("NatX.callback.test", TYPE_A)).unwrap();
        assert_eq!((question.name.as_str(), question.kind().as_str()), ("natx.callback.test", "A"));
        assert!(question.is_below("callback.test") && !question.is_below("back.test"));
        let answer = answer(&question, Some(IpAddr::from([127, 0, 0, 1])));
        assert_eq!(answer[..12], [0xab, 0xcd, 0x85, 0, 0, 1, 0, 1, 0, 0, 0, 0]);
        assert!(answer.ends_with(&[0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 1, 0, 4, 127, 0, 0, 1]));
    }

    #[test]
    fn what_there_is_not_gets_an_empty_answer() {
        for (kind, ip) in [(TYPE_AAAA, Some(IpAddr::from([127, 0, 0, 1]))), (16, None), (TYPE_A, None)] {
            let question = read(&query("a.b", kind)).unwrap();
            assert_eq!(answer(&question, ip)[7], 0);
        }
    }

    #[test]
    fn broken_messages_are_not_answered() {
        let good = query("a.b", TYPE_A);
        for length in 0..good.len() {
            assert_eq!(read(&good[..length]), None, "{length}");
        }
        let mut answer = good.clone();
        answer[2] |= 0x80;
        let mut pointer = good.clone();
        pointer[12] = 0xc0;
        for message in [answer, pointer, vec![0; 512]] {
            assert_eq!(read(&message), None);
        }
    }
}
