//! Bodies: where one ends, and how much of it is kept. Pure over buffers; [`super::connection`] does the reading.

use bytes::{Buf, BytesMut};

use super::TransportError;
use super::head::{Framing, malformed};

/// Longest line with a chunk size, extensions included.
const MAX_CHUNK_LINE: usize = 1 << 10;
/// Chunk extensions and trailers together; nobody needs them, so this is only a bound.
const MAX_CHUNK_EXTRA: usize = 64 << 10;

/// What is known after a look at the buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Progress {
    /// The body goes on.
    More,
    /// The body is complete.
    Done,
    /// The body is longer than what is kept.
    Full,
}

/// Takes a body out of a read buffer, piece by piece.
#[derive(Debug)]
pub(super) struct BodyReader {
    state: State,
    extra: usize,
    cap: usize,
}

#[derive(Debug)]
enum State {
    /// Bytes that remain of a body of known length.
    Length(u64),
    UntilClose,
    ChunkSize,
    /// Bytes that remain of a chunk.
    Chunk(u64),
    ChunkEnd,
    Trailer,
    Done,
}

impl BodyReader {
    pub(super) const fn new(framing: Framing, cap: usize) -> Self {
        let state = match framing {
            Framing::None => State::Done,
            Framing::Length(length) => State::Length(length),
            Framing::Chunked => State::ChunkSize,
            Framing::Close => State::UntilClose,
        };
        Self { state, extra: 0, cap }
    }

    /// Room to reserve: what is announced, but never much on the word of a stranger.
    pub(super) fn capacity_hint(&self) -> usize {
        match self.state {
            State::Length(length) => usize::try_from(length).unwrap_or(usize::MAX).min(self.cap).min(64 << 10),
            _ => 0,
        }
    }

    /// Moves what belongs to the body from `buffer` to `body`.
    pub(super) fn take(&mut self, buffer: &mut BytesMut, body: &mut Vec<u8>) -> Result<Progress, TransportError> {
        loop {
            self.state = match self.state {
                State::Done => return Ok(Progress::Done),
                State::Length(0) => State::Done,
                State::Length(remaining) => match move_bytes(buffer, body, remaining, self.cap) {
                    (0, progress) => return Ok(progress),
                    (moved, _) => State::Length(remaining - moved),
                },
                State::UntilClose => match move_bytes(buffer, body, u64::MAX, self.cap) {
                    (0, progress) => return Ok(progress),
                    _ => State::UntilClose,
                },
                State::ChunkSize => match self.line(buffer)? {
                    None => return Ok(Progress::More),
                    Some(line) => match chunk_size(&line)? {
                        0 => State::Trailer,
                        size => State::Chunk(size),
                    },
                },
                State::Chunk(0) => State::ChunkEnd,
                State::Chunk(remaining) => match move_bytes(buffer, body, remaining, self.cap) {
                    (0, progress) => return Ok(progress),
                    (moved, _) => State::Chunk(remaining - moved),
                },
                State::ChunkEnd => match self.line(buffer)? {
                    None => return Ok(Progress::More),
                    Some(line) if line.is_empty() => State::ChunkSize,
                    Some(_) => return Err(malformed("a chunk is longer than its size")),
                },
                State::Trailer => match self.line(buffer)? {
                    None => return Ok(Progress::More),
                    Some(line) if line.is_empty() => State::Done,
                    Some(_) => State::Trailer,
                },
            };
        }
    }

    /// The connection was closed: is the body complete?
    pub(super) const fn is_complete_at_close(&self) -> bool {
        matches!(self.state, State::Done | State::UntilClose)
    }

    /// Takes one line without its end.
    fn line(&mut self, buffer: &mut BytesMut) -> Result<Option<BytesMut>, TransportError> {
        let Some(newline) = buffer.iter().take(MAX_CHUNK_LINE).position(|byte| *byte == b'\n') else {
            return if buffer.len() < MAX_CHUNK_LINE { Ok(None) } else { Err(malformed("a chunk line is too long")) };
        };
        let mut line = buffer.split_to(newline + 1);
        line.truncate(newline);
        if line.last() == Some(&b'\r') {
            line.truncate(newline - 1);
        }
        // A plain size has at most 16 digits; the rest is extension or trailer.
        self.extra += line.len().saturating_sub(16);
        if self.extra > MAX_CHUNK_EXTRA {
            return Err(malformed("chunk extensions or trailers without end"));
        }
        Ok(Some(line))
    }
}

/// Moves up to `limit` bytes while `body` has room. Nothing moved: the progress says why.
fn move_bytes(buffer: &mut BytesMut, body: &mut Vec<u8>, limit: u64, cap: usize) -> (u64, Progress) {
    if buffer.is_empty() {
        return (0, Progress::More);
    }
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    let count = buffer.len().min(limit).min(cap.saturating_sub(body.len()));
    if count == 0 {
        return (0, Progress::Full);
    }
    body.extend_from_slice(&buffer[..count]);
    buffer.advance(count);
    (count as u64, Progress::More)
}

fn chunk_size(line: &[u8]) -> Result<u64, TransportError> {
    let digits = line.split(|byte| *byte == b';').next().unwrap_or_default().trim_ascii();
    let valid = (1..=16).contains(&digits.len()) && digits.iter().all(u8::is_ascii_hexdigit);
    let text = std::str::from_utf8(digits).ok().filter(|_| valid);
    text.and_then(|text| u64::from_str_radix(text, 16).ok()).ok_or_else(|| malformed("a chunk size is not a number"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Feeds the bytes in pieces of `step` and shows how it ended, what was kept and what was left.
    fn check(framing: Framing, bytes: &[u8], step: usize) -> String {
        let mut reader = BodyReader::new(framing, 10);
        let (mut buffer, mut body) = (BytesMut::new(), Vec::new());
        let mut progress = Ok(Progress::More);
        for piece in bytes.chunks(step) {
            buffer.extend_from_slice(piece);
            if progress == Ok(Progress::More) {
                progress = reader.take(&mut buffer, &mut body);
            }
        }
        match progress {
            Ok(progress) => {
                let close = if progress == Progress::More && reader.is_complete_at_close() { " at close" } else { "" };
                format!("{progress:?}{close} {} | {}", body.escape_ascii(), buffer.escape_ascii())
            }
            Err(error) => error.kind().to_owned(),
        }
    }

    #[test]
    fn body_ends_where_its_framing_says() {
        for (framing, bytes, expected) in [
            (Framing::None, "x", "Done  | x"),
            (Framing::Length(3), "abcde", "Done abc | de"),
            (Framing::Length(0), "x", "Done  | x"),
            (Framing::Length(5), "abc", "More abc | "),
            (Framing::Length(10), "0123456789", "Done 0123456789 | "),
            (Framing::Length(11), "0123456789x", "Full 0123456789 | x"),
            (Framing::Close, "abc", "More at close abc | "),
            (Framing::Close, "0123456789x", "Full 0123456789 | x"),
            (Framing::Chunked, "3\r\nabc\r\n2;x=y\r\nde\r\n0\r\nT: u\r\n\r\nrest", "Done abcde | rest"),
            (Framing::Chunked, "3\nabc\n0\n\n", "Done abc | "),
            (Framing::Chunked, "3\r\nab", "More ab | "),
            (Framing::Chunked, "3\r\nabc\r\n0\r\n", "More abc | "),
            (Framing::Chunked, "B\r\n0123456789x\r\n0\r\n\r\n", "Full 0123456789 | x\\r\\n0\\r\\n\\r\\n"),
            (Framing::Chunked, "3\r\nabcd\r\n", "malformed"),
            (Framing::Chunked, "-3\r\nabc", "malformed"),
            (Framing::Chunked, "\r\nabc", "malformed"),
            (Framing::Chunked, "11111111111111111\r\nabc", "malformed"),
        ] {
            for step in [1, 2, 5, 1000] {
                let seen = check(framing, bytes.as_bytes(), step);
                // What lies behind the end depends on the pieces only while reading has stopped.
                assert_eq!(seen, expected, "{framing:?} {bytes:?} in pieces of {step}");
            }
        }
    }

    #[test]
    fn chunk_extensions_and_trailers_are_bounded() {
        let extension = format!("1;{}\r\nx\r\n", "e".repeat(1000)).repeat(80);
        let trailers = format!("0\r\n{}", format!("T: {}\r\n", "e".repeat(1000)).repeat(80));
        for bytes in [extension, trailers, "1;".to_owned() + &"e".repeat(2000)] {
            let mut reader = BodyReader::new(Framing::Chunked, 1 << 20);
            let result = reader.take(&mut BytesMut::from(bytes.as_bytes()), &mut Vec::new());
            assert!(matches!(result, Err(TransportError::Malformed(_))), "{result:?}");
        }
    }

    proptest::proptest! {
        #[test]
        fn body_does_not_depend_on_how_its_bytes_arrive(bytes in "[0-3a;x \r\n]{0,40}", chunks in proptest::collection::vec("[a-z]{1,4}", 0..4), step in 1_usize..7) {
            let valid: String = chunks.iter().map(|chunk| format!("{:x};e\r\n{chunk}\r\n", chunk.len())).collect();
            for text in [bytes.clone(), format!("{valid}0\r\n\r\n"), format!("{valid}{bytes}")] {
                for framing in [Framing::Chunked, Framing::Length(12), Framing::Close] {
                    let whole = check(framing, text.as_bytes(), 1);
                    proptest::prop_assert_eq!(check(framing, text.as_bytes(), step), whole);
                }
            }
        }
    }
}
